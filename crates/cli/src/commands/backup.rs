//! `backup`: reads what changed and makes it a restore point.

use std::fmt::Write;

use holdfast_catalog::{JobClass, TenantRow};
use holdfast_engine::backup::{self, BackupReport, BackupRequest, Failure, ResourceReport};
use holdfast_engine::{Home, Progress, tenant};
use holdfast_jobs::Work;
use holdfast_model::{Counts, Outcome, SkipCause};
use serde::Deserialize;
use serde::de::value::{Error as Unknown, StrDeserializer};

use super::{Done, exit_code, job};
use crate::args::Backup;
use crate::error::Result;
use crate::output::{Output, bytes, clean, count, of, table};
use crate::progress;

/// Problems of single items that are listed for people; all are in the `--json` form.
const PROBLEMS_SHOWN: usize = 20;

pub async fn run(home: &Home, args: &Backup, out: Output) -> Result<Done> {
    if args.queue {
        let tenants = tenant::chosen(home, args.tenant.as_deref()).await?.into_iter();
        let work =
            |row: TenantRow| Work::Backup { tenant: row.name, resource: args.resource.clone() };
        return job::queue(home, tenants.map(work).collect(), JobClass::OnDemand, out).await;
    }
    let request = BackupRequest {
        tenant: args.tenant.clone(),
        resource: args.resource.clone(),
        ..BackupRequest::default()
    };
    let progress = Progress::default();
    let report = progress::watch(&progress, backup::backup(home, &request, &progress)).await?;
    out.show(&report, || human(&report))?;
    let counts = &report.counts;
    Ok(Done::from(exit_code(report.outcome))
        .with("items_new", &counts.items_new)
        .with("items_changed", &counts.items_changed)
        .with("items_deleted", &counts.items_deleted)
        .with("items_failed", &counts.items_failed)
        .with("snapshots", &report.snapshots.join(" ")))
}

fn human(report: &BackupReport) -> String {
    let quiet = |r: &&ResourceReport| {
        r.counts.is_idle() && r.outcome == Outcome::Complete && r.cause.is_none()
    };
    let idle = report.resources.iter().filter(quiet).count();
    let mut text = String::new();
    if idle < report.resources.len() {
        let rows = report.resources.iter().filter(|r| !quiet(r)).map(row).collect();
        let headings =
            ["resource", "outcome", "new", "changed", "deleted", "failed", "skipped", "bytes"];
        text.push_str(&table(&headings, rows, &[2, 3, 4, 5, 6, 7]));
        text.push('\n');
    }
    // Writing to a string cannot fail.
    if idle > 0 {
        let _ = writeln!(text, "{} without change", of(idle as u64, "resource"));
    }
    problems(report, &mut text);
    let _ = writeln!(text, "{}", summary(&report.into()));
    text
}

/// What a job that backs up came to.
pub fn of_job(figures: &Figures) -> String {
    let mut text = String::new();
    failed(&figures.failures, &mut text);
    text + &summary(figures)
}

/// The figures of a backup, which the result of a job has too.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    /// Over all resources.
    pub outcome: Outcome,
    counts: Counts,
    requests: u64,
    #[serde(default)]
    resource_units: u64,
    waited_ms: u64,
    snapshots: Vec<String>,
    /// Tenants and shards that could not be backed up at all.
    #[serde(default)]
    failures: Vec<Failure>,
}

impl From<&BackupReport> for Figures {
    fn from(report: &BackupReport) -> Self {
        Self {
            outcome: report.outcome,
            counts: report.counts,
            requests: report.requests,
            resource_units: report.resource_units,
            waited_ms: report.waited_ms,
            snapshots: report.snapshots.clone(),
            failures: report.failures.clone(),
        }
    }
}

/// One sentence on what a backup did and what it cost.
pub fn summary(report: &Figures) -> String {
    let c = &report.counts;
    let snapshot = match report.snapshots.as_slice() {
        [] => "nothing changed, no snapshot needed".to_owned(),
        ids => format!(
            "snapshot {}",
            ids.iter().map(|id| clean(id.get(..8).unwrap_or(id))).collect::<Vec<_>>().join(", ")
        ),
    };
    let waited = match report.waited_ms {
        0 => String::new(),
        ms => format!(", {:.1} s waited for Microsoft", ms as f64 / 1000.0),
    };
    let units = match report.resource_units {
        0 => String::new(),
        units => format!(" ({})", of(units, "resource unit")),
    };
    format!(
        "Backup {}: {} new, {} changed, {} deleted, {} failed, {} skipped; {} read in \
         {}{units}{waited}; {snapshot}.",
        report.outcome,
        count(c.items_new),
        count(c.items_changed),
        count(c.items_deleted),
        count(c.items_failed),
        count(c.items_skipped),
        bytes(c.bytes),
        of(report.requests, "request"),
    )
}

fn row(resource: &ResourceReport) -> Vec<String> {
    let c = &resource.counts;
    let figures = [c.items_new, c.items_changed, c.items_deleted, c.items_failed, c.items_skipped];
    let mut row = vec![resource.name.clone(), resource.outcome.to_string()];
    row.extend(figures.map(count));
    row.push(bytes(c.bytes));
    row
}

fn problems(report: &BackupReport, text: &mut String) {
    let whole = report.resources.iter().filter_map(|r| Some((r, r.cause.as_ref()?)));
    for (resource, cause) in whole {
        let _ = writeln!(text, "{}: {}", clean(&resource.name), explain(cause));
    }
    failed(&report.failures, text);
    let items = report.resources.iter().flat_map(|r| r.problems.iter().map(move |p| (r, p)));
    let total = items.clone().count();
    for (resource, problem) in items.take(PROBLEMS_SHOWN) {
        let word = if problem.skipped { "skipped" } else { "failed" };
        let (name, item) = (clean(&resource.name), clean(&problem.item));
        let _ = writeln!(text, "{name}: {word} {item}: {}", explain(&problem.cause));
    }
    if total > PROBLEMS_SHOWN {
        let _ = writeln!(
            text,
            "… and {} more; --json lists all",
            count((total - PROBLEMS_SHOWN) as u64)
        );
    }
}

fn failed(failures: &[Failure], text: &mut String) {
    for failure in failures {
        let shard = failure.shard.map_or_else(String::new, |shard| format!(", shard {shard}"));
        let message = clean(&failure.message);
        let _ = writeln!(text, "{}{shard}: {message}", clean(&failure.tenant));
    }
}

/// A skip cause in words; anything else is Graph's code.
fn explain(cause: &str) -> String {
    let known: std::result::Result<SkipCause, Unknown> =
        SkipCause::deserialize(StrDeserializer::<Unknown>::new(cause));
    match known {
        Ok(cause) => cause.explain().to_owned(),
        Err(_) if cause == "moved" => "another run moved it to another shard meanwhile".to_owned(),
        Err(_) => clean(cause),
    }
}
