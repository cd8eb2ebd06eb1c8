//! Backup runs and what went wrong in them.

use std::collections::BTreeSet;

use holdfast_model::{Counts, ItemId, Outcome, ResourceId, RunId, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// A backup run of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Name of the tenant.
    pub tenant: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; absent while it runs and after a crash.
    pub finished_at: Option<Timestamp>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// Items and bytes.
    pub counts: Counts,
    /// Requests to Graph, parts of a batch counted singly.
    pub requests: u64,
    /// Milliseconds spent waiting because Microsoft throttled.
    pub waited_ms: u64,
    /// Why it failed as a whole.
    pub error: Option<String>,
}

impl FromRow for RunRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: RunId(row.text("id")?),
            tenant: row.text("tenant")?,
            started_at: row.time("started_at")?,
            finished_at: row.opt_time("finished_at")?,
            outcome: row.opt_text("outcome")?.map(outcome).transpose()?,
            counts: Counts {
                items_new: row.number("items_new")?,
                items_changed: row.number("items_changed")?,
                items_deleted: row.number("items_deleted")?,
                items_failed: row.number("items_failed")?,
                items_skipped: row.number("items_skipped")?,
                bytes: row.number("bytes")?,
            },
            requests: row.number("requests")?,
            waited_ms: row.number("waited_ms")?,
            error: row.opt_text("error")?,
        })
    }
}

pub(crate) fn outcome(text: String) -> Result<Outcome> {
    serde_json::from_value(text.into()).map_err(|_| damaged("outcome"))
}

/// One resource or item that a run could not store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunProblem {
    /// The run.
    pub run: RunId,
    /// The resource.
    pub resource: ResourceId,
    /// The item; absent when it concerns the resource as a whole.
    pub item: Option<ItemId>,
    /// Skip cause, or error code of the service.
    pub cause: String,
    /// True when left out for a known cause, false for a failure.
    pub skipped: bool,
}

impl FromRow for RunProblem {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            run: RunId(row.text("run_id")?),
            resource: ResourceId(row.text("resource")?),
            item: row.opt_text("item")?.map(ItemId),
            cause: row.text("cause")?,
            skipped: row.flag("skipped")?,
        })
    }
}

/// Adds a run; an existing one is left as it is.
pub(crate) fn add(run: &RunRow) -> Statement {
    sql("INSERT INTO run (id, tenant, started_at, finished_at, outcome, items_new, \
             items_changed, items_deleted, items_failed, items_skipped, bytes, requests, \
             waited_ms, error) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO NOTHING")
    .text(run.id.as_str())
    .text(&run.tenant)
    .time(run.started_at)
    .opt_time(run.finished_at)
    .opt_text(run.outcome.map(|outcome| outcome.to_string()).as_deref())
    .number(run.counts.items_new)
    .number(run.counts.items_changed)
    .number(run.counts.items_deleted)
    .number(run.counts.items_failed)
    .number(run.counts.items_skipped)
    .number(run.counts.bytes)
    .number(run.requests)
    .number(run.waited_ms)
    .opt_text(run.error.as_deref())
}

impl Catalog {
    /// Records that a run has started, now.
    ///
    /// # Errors
    /// [`Error::Exists`] when the id was used before.
    pub async fn run_start(&self, id: &RunId, tenant: &str) -> Result<RunRow> {
        let run = RunRow {
            id: id.clone(),
            tenant: tenant.to_owned(),
            started_at: self.clock.now(),
            finished_at: None,
            outcome: None,
            counts: Counts::default(),
            requests: 0,
            waited_ms: 0,
            error: None,
        };
        match self.execute(add(&run)).await?.rows_affected() {
            0 => Err(Error::Exists { what: "run", name: id.0.clone() }),
            _ => Ok(run),
        }
    }

    /// Records how a run ended, and that it ended now. Its `finished_at` is ignored.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it never started.
    pub async fn run_finish(&self, run: &RunRow) -> Result<()> {
        let statement = sql("UPDATE run SET finished_at = $2, outcome = $3, items_new = $4, \
                 items_changed = $5, items_deleted = $6, items_failed = $7, items_skipped = $8, \
                 bytes = $9, requests = $10, waited_ms = $11, error = $12 \
             WHERE id = $1")
        .text(run.id.as_str())
        .time(self.clock.now())
        .opt_text(run.outcome.map(|outcome| outcome.to_string()).as_deref())
        .number(run.counts.items_new)
        .number(run.counts.items_changed)
        .number(run.counts.items_deleted)
        .number(run.counts.items_failed)
        .number(run.counts.items_skipped)
        .number(run.counts.bytes)
        .number(run.requests)
        .number(run.waited_ms)
        .opt_text(run.error.as_deref());
        match self.execute(statement).await?.rows_affected() {
            0 => Err(Error::NotFound { what: "run", name: run.id.0.clone() }),
            _ => Ok(()),
        }
    }

    /// The newest runs, newest first.
    pub async fn run_list(&self, limit: u32) -> Result<Vec<RunRow>> {
        let statement = sql("SELECT * FROM run ORDER BY started_at DESC, id DESC LIMIT $1");
        self.all(statement.number(limit.into())).await
    }

    /// The runs that started at or after a time, newest first.
    pub async fn run_list_since(&self, since: Timestamp) -> Result<Vec<RunRow>> {
        let statement =
            sql("SELECT * FROM run WHERE started_at >= $1 ORDER BY started_at DESC, id DESC");
        self.all(statement.time(since)).await
    }

    /// Adds problems of a run, all or none, after those that it has.
    pub async fn run_problem_add(&self, problems: &[RunProblem]) -> Result<()> {
        let mut change = self.begin().await?;
        // Their places in the list are counted: the row of the run is locked first.
        for run in problems.iter().map(|problem| &problem.run).collect::<BTreeSet<_>>() {
            let statement = sql("UPDATE run SET id = id WHERE id = $1").text(run.as_str());
            statement.execute(&mut *change).await?;
        }
        for problem in problems {
            let statement = sql("INSERT INTO run_problem \
                     (run_id, num, resource, item, cause, skipped) \
                 SELECT $1, COALESCE(MAX(num), 0) + 1, $2, $3, $4, $5 \
                 FROM run_problem WHERE run_id = $1")
            .text(problem.run.as_str())
            .text(problem.resource.as_str())
            .opt_text(problem.item.as_ref().map(ItemId::as_str))
            .text(&problem.cause)
            .flag(problem.skipped);
            statement.execute(&mut *change).await?;
        }
        Ok(change.commit().await?)
    }

    /// The problems of a run in the order in which they were added.
    pub async fn run_problem_list(&self, run: &RunId) -> Result<Vec<RunProblem>> {
        let statement = sql("SELECT * FROM run_problem WHERE run_id = $1 ORDER BY num");
        self.all(statement.text(run.as_str())).await
    }
}
