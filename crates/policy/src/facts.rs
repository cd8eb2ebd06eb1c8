//! What is known of a shard: the input of every evaluation.

use holdfast_model::{Fence, ResourceId, RunId, Seq, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hold::Hold;

/// All that a decision about one shard rests on. The order of the lists does not matter.
///
/// The facts come from the vault (which files are there, until when they are locked), from the
/// catalog (which of them count) and from intent (holds). Whoever gathers them leaves nothing out:
/// a hold that is not here does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Id of the vault.
    pub vault: String,
    /// The shard. A plan is good for this shard of this vault only.
    pub shard: ShardId,
    /// The present.
    pub now: Timestamp,
    /// Every snapshot file in the shard.
    pub snapshots: Vec<SnapshotFact>,
    /// Of a shard that everybody has left: the time of the newest final snapshot of the vault.
    /// Time goes on there, though nothing is written any more.
    pub left_behind: Option<Timestamp>,
    /// Every resource that may lie in the shard. One that does not does no harm.
    pub resources: Vec<ResourceFact>,
    /// Every hold in force.
    pub holds: Vec<Hold>,
}

/// A snapshot file of the shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFact {
    /// Id of the file, 64 hexadecimal digits.
    pub id: String,
    /// Position in the history of the shard, from 1.
    pub seq: Seq,
    /// Fencing number of its writer.
    pub fence: Fence,
    /// How often it was rewritten.
    pub rewrite: u32,
    /// The run that wrote it.
    pub run: RunId,
    /// Time of the run, as the writer's clock told it.
    pub time: Timestamp,
    /// What it closes.
    pub kind: SnapshotKind,
    /// Of a checkpoint: its run had read a resource to the end by then, so that it holds a restore
    /// point. Of a final snapshot without meaning.
    pub complete: bool,
    /// Whether it counts.
    pub standing: Standing,
    /// The store refuses to delete the file before this time.
    pub locked_until: Option<Timestamp>,
}

/// What a snapshot closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// A whole run.
    Final,
    /// Part of a long run.
    Checkpoint,
}

/// Whether the catalog counts a snapshot as part of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in the catalog.
    Committed,
    /// It is in the vault only: left by a run that was cut off, or by a writer who had lost the
    /// shard.
    Unknown,
}

/// A resource and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFact {
    /// The resource.
    pub id: ResourceId,
    /// Components of its directory from the root of a snapshot; `None` where that is not known.
    pub path: Option<Vec<String>>,
}
