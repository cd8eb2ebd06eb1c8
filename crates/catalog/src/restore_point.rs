//! Restore points: the states of a resource to which one can go back.

use holdfast_model::{ResourceId, Seq, ShardId, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::shard::shard_id;
use crate::sql::{Arguments, Columns, Statement, sql};

/// A resource as of the time at which its changes were read. There is one row per snapshot in
/// which the resource changed; it stands for all later ones up to the next row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePointRow {
    /// The resource.
    pub resource: ResourceId,
    /// Shard of the snapshot.
    pub shard: ShardId,
    /// Sequence number of the snapshot.
    pub seq: Seq,
    /// When the changes were read; this is what `--at` is compared with.
    pub read_at: Timestamp,
    /// Tree id of the resource's directory.
    pub tree: String,
    /// False for the checkpoint of a first backup: used only when nothing else exists.
    pub complete: bool,
}

impl FromRow for RestorePointRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            shard: shard_id(row.number("shard")?)?,
            seq: Seq(row.number("seq")?),
            read_at: row.time("read_at")?,
            tree: row.text("tree")?,
            complete: row.flag("complete")?,
        })
    }
}

pub(crate) fn add(point: &RestorePointRow) -> Statement {
    sql("INSERT INTO restore_point (resource, shard, seq, read_at, tree, complete) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .text(point.resource.as_str())
    .number(point.shard.0.into())
    .number(point.seq.0)
    .time(point.read_at)
    .text(&point.tree)
    .flag(point.complete)
}

impl Catalog {
    /// The last restore point read at or before `at` (the newest without `at`). An incomplete one
    /// is given only when there is no complete one. The epochs of the resource are one history: of
    /// two points with one time that of the later epoch is given.
    pub async fn restore_point_at(
        &self,
        resource: &ResourceId,
        at: Option<Timestamp>,
    ) -> Result<Option<RestorePointRow>> {
        let statement = sql("SELECT p.* FROM restore_point p \
                 LEFT JOIN epoch e ON e.resource = p.resource AND e.shard = p.shard \
             WHERE p.resource = $1 AND p.read_at <= $2 \
             ORDER BY p.complete DESC, p.read_at DESC, COALESCE(e.number, 0) DESC, p.seq DESC LIMIT 1");
        self.optional(statement.text(resource.as_str()).time(at.unwrap_or(Timestamp::MAX))).await
    }

    /// The state of a resource in a given snapshot of a shard; nothing when the resource was not
    /// in it.
    pub async fn restore_point_in(
        &self,
        resource: &ResourceId,
        shard: ShardId,
        seq: Seq,
    ) -> Result<Option<RestorePointRow>> {
        let statement = sql("SELECT * FROM restore_point \
             WHERE resource = $1 AND shard = $2 AND seq <= $3 ORDER BY seq DESC LIMIT 1");
        let statement = statement.text(resource.as_str()).number(shard.0.into()).number(seq.0);
        self.optional(statement).await
    }

    /// The restore points of a resource over all its epochs, oldest first.
    pub async fn restore_point_list(&self, resource: &ResourceId) -> Result<Vec<RestorePointRow>> {
        let statement = sql("SELECT p.* FROM restore_point p \
                 LEFT JOIN epoch e ON e.resource = p.resource AND e.shard = p.shard \
             WHERE p.resource = $1 ORDER BY p.read_at, COALESCE(e.number, 0), p.shard, p.seq");
        self.all(statement.text(resource.as_str())).await
    }
}
