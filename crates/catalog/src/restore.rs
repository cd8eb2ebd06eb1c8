//! Progress of restores, so that a retry knows what was written already.

use holdfast_model::{ItemId, Outcome, ResourceId, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::restore_lease::{RestoreLease, hold};
use crate::run::outcome;
use crate::sql::{Arguments, Columns, damaged, sql};

/// A restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRow {
    /// UUID; also written into every item that the restore creates.
    pub id: String,
    /// Where the items come from.
    pub resource: ResourceId,
    /// Where they go to.
    pub target: ResourceId,
    /// Restore point asked for; none for the newest.
    pub at: Option<Timestamp>,
    /// Folder or item asked for; none for all.
    pub path: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; absent while it runs and after a crash.
    pub finished_at: Option<Timestamp>,
    /// What it came to.
    pub outcome: Option<Outcome>,
}

impl FromRow for RestoreRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            resource: ResourceId(row.text("resource")?),
            target: ResourceId(row.text("target")?),
            at: row.opt_time("at")?,
            path: row.opt_text("path")?,
            started_at: row.time("started_at")?,
            finished_at: row.opt_time("finished_at")?,
            outcome: row.opt_text("outcome")?.map(outcome).transpose()?,
        })
    }
}

/// How far one item of a restore got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreState {
    /// It is to be written; after a crash it may have been.
    Planned,
    /// It was created in the target, not yet read back.
    Created,
    /// It was read back and is equal.
    Done,
    /// It could not be written, or differs.
    Failed,
    /// It was left out by the conflict rule.
    Skipped,
}

impl RestoreState {
    const ALL: [Self; 5] = [Self::Planned, Self::Created, Self::Done, Self::Failed, Self::Skipped];

    /// The text in the catalog and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Created => "created",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One item of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreItemRow {
    /// The restore.
    pub restore: String,
    /// The item in the backup.
    pub source: ItemId,
    /// Graph id of the item made from it.
    pub target: Option<ItemId>,
    /// How far it got.
    pub state: RestoreState,
    /// Error code, or the fields that differ.
    pub detail: Option<String>,
}

impl FromRow for RestoreItemRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        let state = row.text("state")?;
        let state = RestoreState::ALL.into_iter().find(|known| known.as_str() == state);
        Ok(Self {
            restore: row.text("restore_id")?,
            source: ItemId(row.text("source")?),
            target: row.opt_text("target_id")?.map(ItemId),
            state: state.ok_or_else(|| damaged("state"))?,
            detail: row.opt_text("detail")?,
        })
    }
}

impl Catalog {
    /// Records that a restore has started.
    ///
    /// # Errors
    /// [`Error::Exists`] when the id was used before.
    pub async fn restore_start(&self, restore: &RestoreRow) -> Result<()> {
        let statement = sql("INSERT INTO restore_run \
                 (id, resource, target, at, path, started_at, finished_at, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING")
        .text(&restore.id)
        .text(restore.resource.as_str())
        .text(restore.target.as_str())
        .opt_time(restore.at)
        .opt_text(restore.path.as_deref())
        .time(restore.started_at)
        .opt_time(restore.finished_at)
        .opt_text(restore.outcome.map(|outcome| outcome.to_string()).as_deref());
        match self.execute(statement).await?.rows_affected() {
            0 => Err(Error::Exists { what: "restore", name: restore.id.clone() }),
            _ => Ok(()),
        }
    }

    /// Records that a restore ended, now.
    ///
    /// # Errors
    /// [`Error::RestoreLost`]; [`Error::NotFound`] when it never started.
    pub async fn restore_finish(
        &self,
        lease: &RestoreLease,
        id: &str,
        outcome: Outcome,
    ) -> Result<()> {
        let mut change = self.begin().await?;
        hold(&mut change, lease).await?;
        let statement = sql("UPDATE restore_run SET finished_at = $2, outcome = $3 WHERE id = $1");
        let statement = statement.text(id).time(self.clock.now()).text(&outcome.to_string());
        match statement.execute(&mut *change).await?.rows_affected() {
            0 => Err(Error::NotFound { what: "restore", name: id.to_owned() }),
            _ => Ok(change.commit().await?),
        }
    }

    /// The restore with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn restore_get(&self, id: &str) -> Result<RestoreRow> {
        let restore =
            self.optional(sql("SELECT * FROM restore_run WHERE id = $1").text(id)).await?;
        restore.ok_or_else(|| Error::NotFound { what: "restore", name: id.to_owned() })
    }

    /// The newest restores, newest first.
    pub async fn restore_list(&self, limit: u32) -> Result<Vec<RestoreRow>> {
        let statement = sql("SELECT * FROM restore_run ORDER BY started_at DESC, id DESC LIMIT $1");
        self.all(statement.number(limit.into())).await
    }

    /// Restores into `target` that never ended, newest first: those that a retry may go on with.
    pub async fn restore_unfinished(&self, target: &ResourceId) -> Result<Vec<RestoreRow>> {
        let statement = sql("SELECT * FROM restore_run \
             WHERE target = $1 AND finished_at IS NULL ORDER BY started_at DESC, id DESC");
        self.all(statement.text(target.as_str())).await
    }

    /// Records how far items got, all or none; an item's earlier state is replaced.
    ///
    /// # Errors
    /// [`Error::RestoreLost`] when the target went to another restore: nothing more may be written
    /// to it. [`Error::Conflict`] when their restore never started.
    pub async fn restore_item_put(
        &self,
        lease: &RestoreLease,
        items: &[RestoreItemRow],
    ) -> Result<()> {
        let mut change = self.begin().await?;
        hold(&mut change, lease).await?;
        let mut items: Vec<_> = items.iter().collect();
        items.sort_by_key(|item| (&item.source, &item.restore));
        for item in items {
            let statement = sql("INSERT INTO restore_item \
                     (restore_id, source, target_id, state, detail) \
                 VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (restore_id, source) DO UPDATE SET \
                     target_id = excluded.target_id, state = excluded.state, \
                     detail = excluded.detail")
            .text(&item.restore)
            .text(item.source.as_str())
            .opt_text(item.target.as_ref().map(ItemId::as_str))
            .text(item.state.as_str())
            .opt_text(item.detail.as_deref());
            statement.execute(&mut *change).await?;
        }
        Ok(change.commit().await?)
    }

    /// The items of a restore by source id.
    pub async fn restore_item_list(&self, restore: &str) -> Result<Vec<RestoreItemRow>> {
        let statement = sql("SELECT * FROM restore_item WHERE restore_id = $1 ORDER BY source");
        self.all(statement.text(restore)).await
    }
}
