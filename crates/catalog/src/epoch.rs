//! Epochs: in which shards a resource has lived, one after the other.

use holdfast_model::{ResourceId, Seq, ShardId, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::shard::shard_id;
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// The time that a resource spends in one shard. Its restore points there are those from
/// `from_seq` on; a shard never takes the same resource twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRow {
    /// The resource.
    pub resource: ResourceId,
    /// Position in its life, from 1.
    pub number: u32,
    /// Where it lives.
    pub shard: ShardId,
    /// First snapshot of the shard that holds it as its own; 1 in the first epoch.
    pub from_seq: Seq,
    /// When it came; the Unix epoch (from the beginning) in the first one.
    pub from_time: Timestamp,
}

impl EpochRow {
    /// The first epoch of a resource.
    pub fn first(resource: ResourceId, shard: ShardId) -> Self {
        let (from_seq, from_time) = (Seq(1), Timestamp::UNIX_EPOCH);
        Self { resource, number: 1, shard, from_seq, from_time }
    }
}

impl FromRow for EpochRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            number: u32::try_from(row.number("number")?).map_err(|_| damaged("number"))?,
            shard: shard_id(row.number("shard")?)?,
            from_seq: Seq(row.number("from_seq")?),
            from_time: row.time("from_time")?,
        })
    }
}

pub(crate) fn add(epoch: &EpochRow) -> Statement {
    sql("INSERT INTO epoch (resource, number, shard, from_seq, from_time) \
         VALUES ($1, $2, $3, $4, $5)")
    .text(epoch.resource.as_str())
    .number(epoch.number.into())
    .number(epoch.shard.0.into())
    .number(epoch.from_seq.0)
    .time(epoch.from_time)
}

/// Begins the first epoch of a resource that has a shard and no epoch yet.
pub(crate) fn add_first(resource: &ResourceId) -> Statement {
    sql("INSERT INTO epoch (resource, number, shard, from_seq, from_time) \
         SELECT r.id, 1, r.shard, 1, 0 FROM resource r \
         WHERE r.id = $1 AND r.shard IS NOT NULL AND \
             NOT EXISTS (SELECT 1 FROM epoch e WHERE e.resource = r.id)")
    .text(resource.as_str())
}

impl Catalog {
    /// The epochs of a resource, the present one last; none while it has no shard.
    pub async fn epoch_list(&self, resource: &ResourceId) -> Result<Vec<EpochRow>> {
        let statement = sql("SELECT * FROM epoch WHERE resource = $1 ORDER BY number");
        self.all(statement.text(resource.as_str())).await
    }
}
