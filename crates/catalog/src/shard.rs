//! Shards and their committed snapshots.

use std::fmt;

use holdfast_model::{Fence, RunId, Seq, ShardId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// One restic repository of a vault: its head is the newest committed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardRow {
    /// The vault.
    pub vault_id: String,
    /// Number in the vault.
    pub shard: ShardId,
    /// Highest fence given out; rises with every lease.
    pub fence: Fence,
    /// Sequence number of the head, 0 before the first snapshot.
    pub head_seq: Seq,
    /// Snapshot id of the head.
    pub head_snapshot: Option<String>,
    /// Root tree of the head.
    pub head_tree: Option<String>,
    /// Who writes to it, if anybody.
    pub lease_owner: Option<String>,
    /// When that lease ends unless it is renewed.
    pub lease_until: Option<Timestamp>,
    /// Blobs in its index when it was last written.
    pub blobs: u64,
}

impl ShardRow {
    /// A shard without snapshot and writer.
    pub fn new(vault_id: impl Into<String>, shard: ShardId) -> Self {
        Self {
            vault_id: vault_id.into(),
            shard,
            fence: Fence(0),
            head_seq: Seq(0),
            head_snapshot: None,
            head_tree: None,
            lease_owner: None,
            lease_until: None,
            blobs: 0,
        }
    }
}

impl FromRow for ShardRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            vault_id: row.text("vault_id")?,
            shard: shard_id(row.number("shard")?)?,
            fence: Fence(row.number("fence")?),
            head_seq: Seq(row.number("head_seq")?),
            head_snapshot: row.opt_text("head_snapshot")?,
            head_tree: row.opt_text("head_tree")?,
            lease_owner: row.opt_text("lease_owner")?,
            lease_until: row.opt_time("lease_until")?,
            blobs: row.number("filled")?,
        })
    }
}

pub(crate) fn shard_id(number: u64) -> Result<ShardId> {
    u32::try_from(number).map(ShardId).map_err(|_| damaged("shard"))
}

/// What a snapshot closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// A whole run.
    Final,
    /// Part of a long first backup.
    Checkpoint,
}

impl SnapshotKind {
    /// The text in the catalog and in the snapshot's tag `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Checkpoint => "checkpoint",
        }
    }
}

impl fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A snapshot that was committed. Orphans in the vault are not in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The vault.
    pub vault_id: String,
    /// The shard.
    pub shard: ShardId,
    /// Place in the history of the shard, from 1.
    pub seq: Seq,
    /// restic's snapshot id (64 hexadecimal digits).
    pub id: String,
    /// Root tree.
    pub tree: String,
    /// When it was taken.
    pub time: Timestamp,
    /// Fence of the writer.
    pub fence: Fence,
    /// The run that made it.
    pub run: RunId,
    /// Whole run or checkpoint.
    pub kind: SnapshotKind,
    /// The snapshot before it.
    pub prev: Option<Seq>,
}

impl FromRow for SnapshotRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            vault_id: row.text("vault_id")?,
            shard: shard_id(row.number("shard")?)?,
            seq: Seq(row.number("seq")?),
            id: row.text("id")?,
            tree: row.text("tree")?,
            time: row.time("taken_at")?,
            fence: Fence(row.number("fence")?),
            run: RunId(row.text("run_id")?),
            kind: match row.text("kind")?.as_str() {
                "final" => SnapshotKind::Final,
                "checkpoint" => SnapshotKind::Checkpoint,
                _ => return Err(damaged("kind")),
            },
            prev: row.opt_number("prev")?.map(Seq),
        })
    }
}

pub(crate) fn snapshot_add(snapshot: &SnapshotRow) -> Statement {
    sql("INSERT INTO snapshot \
             (vault_id, shard, seq, id, tree, taken_at, fence, run_id, kind, prev) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .text(&snapshot.vault_id)
    .number(snapshot.shard.0.into())
    .number(snapshot.seq.0)
    .text(&snapshot.id)
    .text(&snapshot.tree)
    .time(snapshot.time)
    .number(snapshot.fence.0)
    .text(snapshot.run.as_str())
    .text(snapshot.kind.as_str())
    .opt_number(snapshot.prev.map(|prev| prev.0))
}

/// Insert, or replace the head. The fence never falls and a lease stays with its holder.
pub(crate) fn put(shard: &ShardRow) -> Statement {
    sql("INSERT INTO shard (vault_id, shard, fence, head_seq, head_snapshot, head_tree, \
             lease_owner, lease_until, filled) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (vault_id, shard) DO UPDATE SET \
             fence = CASE WHEN excluded.fence > shard.fence THEN excluded.fence \
                          ELSE shard.fence END, \
             head_seq = excluded.head_seq, head_snapshot = excluded.head_snapshot, \
             head_tree = excluded.head_tree, filled = excluded.filled")
    .text(&shard.vault_id)
    .number(shard.shard.0.into())
    .number(shard.fence.0)
    .number(shard.head_seq.0)
    .opt_text(shard.head_snapshot.as_deref())
    .opt_text(shard.head_tree.as_deref())
    .opt_text(shard.lease_owner.as_deref())
    .opt_time(shard.lease_until)
    .number(shard.blobs)
}

/// Locks the row of a shard until the transaction ends. A later statement sees what the former
/// holder of the lock has changed.
pub(crate) async fn lock(
    change: &mut Transaction<'static, Any>,
    vault_id: &str,
    shard: ShardId,
) -> Result<()> {
    let statement = sql("UPDATE shard SET fence = fence WHERE vault_id = $1 AND shard = $2");
    statement.text(vault_id).number(shard.0.into()).execute(&mut **change).await?;
    Ok(())
}

impl Catalog {
    /// Adds a shard, or replaces its head. Its fence never falls, a lease stays with its holder.
    pub async fn shard_put(&self, shard: &ShardRow) -> Result<()> {
        self.execute(put(shard)).await?;
        Ok(())
    }

    /// Notes how many blobs the index of a shard holds now.
    pub async fn shard_blobs(&self, vault_id: &str, shard: ShardId, blobs: u64) -> Result<()> {
        let statement = sql("UPDATE shard SET filled = $3 WHERE vault_id = $1 AND shard = $2");
        let statement = statement.text(vault_id).number(shard.0.into()).number(blobs);
        self.execute(statement).await?;
        Ok(())
    }

    /// The shards of a vault by number.
    pub async fn shard_list(&self, vault_id: &str) -> Result<Vec<ShardRow>> {
        let statement = sql("SELECT * FROM shard WHERE vault_id = $1 ORDER BY shard");
        self.all(statement.text(vault_id)).await
    }

    /// One shard.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn shard_get(&self, vault_id: &str, shard: ShardId) -> Result<ShardRow> {
        let statement = sql("SELECT * FROM shard WHERE vault_id = $1 AND shard = $2");
        let row = self.optional(statement.text(vault_id).number(shard.0.into())).await?;
        row.ok_or_else(|| Error::NotFound { what: "shard", name: shard.to_string() })
    }

    /// Committed snapshots by vault, shard and sequence number.
    pub async fn snapshot_list(&self, vault_id: Option<&str>) -> Result<Vec<SnapshotRow>> {
        let statement = match vault_id {
            Some(id) => {
                sql("SELECT * FROM snapshot WHERE vault_id = $1 ORDER BY shard, seq").text(id)
            }
            None => sql("SELECT * FROM snapshot ORDER BY vault_id, shard, seq"),
        };
        self.all(statement).await
    }

    /// Committed snapshots whose id starts with these hexadecimal digits.
    pub async fn snapshot_find(&self, id_prefix: &str) -> Result<Vec<SnapshotRow>> {
        let statement = sql("SELECT * FROM snapshot WHERE substr(id, 1, length($1)) = $1 \
             ORDER BY vault_id, shard, seq");
        self.all(statement.text(&id_prefix.to_ascii_lowercase())).await
    }
}
