//! The plan without which nothing is deleted.

use std::collections::BTreeSet;

use holdfast_model::{Fence, ResourceId, Seq, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::erase::{ErasureRequest, evaluate_erasure};
use crate::error::{Error, Result};
use crate::evaluate::{ForgetReason, evaluate};
use crate::facts::Facts;
use crate::rule::Rules;

/// What may be deleted from one shard: the outcome of [`evaluate`] or [`evaluate_erasure`], which
/// alone can make one. An empty plan allows to remove what nothing refers to, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletePlan {
    vault: String,
    shard: ShardId,
    made: Timestamp,
    snapshots: Vec<PlannedSnapshot>,
    held: Vec<HeldResource>,
    erasures: Vec<Erasure>,
}

/// A snapshot file that may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedSnapshot {
    /// Position in the history of the shard.
    pub seq: Seq,
    /// Fencing number of its writer.
    pub fence: Fence,
    /// How often it was rewritten.
    pub rewrite: u32,
    /// Id of the file.
    pub id: String,
    /// Why it goes.
    pub reason: ForgetReason,
}

impl PlannedSnapshot {
    /// True where versions that only this snapshot has must be linked into a newer one if a hold
    /// keeps them; false for what an erasure has left behind, which must not come back.
    pub fn relinks(&self) -> bool {
        self.reason != ForgetReason::Rewritten
    }
}

/// A resource that a hold keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeldResource {
    /// The resource.
    pub resource: ResourceId,
    /// Components of its directory from the root of a snapshot.
    pub path: Vec<String>,
}

/// Items to be taken out of every snapshot of the shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose they are.
    pub resource: ResourceId,
    /// Components of the directory of the resource from the root of a snapshot.
    pub path: Vec<String>,
    /// Short ids of the items (16 lower-case hexadecimal digits), sorted, each once.
    pub items: Vec<String>,
    /// Why, for the record. Not a place for names.
    pub reason: String,
}

/// A plan as it was stored, for approval or for later. It allows nothing: see
/// [`DeletePlan::again`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPlan {
    vault: String,
    shard: ShardId,
    made: Timestamp,
    snapshots: Vec<PlannedSnapshot>,
    held: Vec<HeldResource>,
    erasures: Vec<Erasure>,
}

impl DeletePlan {
    /// The lists are sorted and each entry kept once, so that equal decisions are equal plans.
    pub(crate) fn new(
        facts: &Facts,
        snapshots: Vec<PlannedSnapshot>,
        held: Vec<HeldResource>,
        erasures: Vec<Erasure>,
    ) -> Self {
        Self {
            vault: facts.vault.clone(),
            shard: facts.shard,
            made: facts.now,
            snapshots: sorted(snapshots),
            held: sorted(held),
            erasures: sorted(erasures),
        }
    }

    /// Id of the vault it was made for.
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// The shard it was made for.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// When it was made.
    pub fn made(&self) -> Timestamp {
        self.made
    }

    /// The snapshots that may be forgotten, by position, fence and rewrite.
    pub fn snapshots(&self) -> &[PlannedSnapshot] {
        &self.snapshots
    }

    /// The resources whose versions are linked into a newer snapshot before any of
    /// [`DeletePlan::snapshots`] that [`PlannedSnapshot::relinks`] is forgotten.
    pub fn held(&self) -> &[HeldResource] {
        &self.held
    }

    /// The items that may be erased.
    pub fn erasures(&self) -> &[Erasure] {
        &self.erasures
    }

    /// True where it allows nothing but the removal of what nothing refers to.
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.erasures.is_empty()
    }

    /// The form in which it can be stored and read back.
    pub fn to_stored(&self) -> StoredPlan {
        let Self { vault, shard, made, snapshots, held, erasures } = self.clone();
        StoredPlan { vault, shard, made, snapshots, held, erasures }
    }

    /// Evaluates a stored plan with the facts and rules of today. What was not in it stays out, and
    /// what may no longer be deleted goes out: it can only shrink. What was held then is treated
    /// as held still.
    ///
    /// # Errors
    /// [`Error::OtherShard`] where it was made for another shard or vault.
    pub fn again(stored: &StoredPlan, facts: &Facts, rules: &Rules) -> Result<Self> {
        if stored.vault != facts.vault || stored.shard != facts.shard {
            let (vault, shard) = (stored.vault.clone(), stored.shard);
            return Err(Error::OtherShard { vault, shard });
        }
        let fresh = evaluate(facts, rules).into_plan();
        let old: BTreeSet<_> = stored.snapshots.iter().collect();
        let snapshots = fresh.snapshots.iter().filter(|planned| old.contains(planned)).cloned();
        let held = fresh.held.iter().chain(&stored.held).cloned();
        let erasures = stored.erasures.iter().filter(|erasure| {
            let allowed = evaluate_erasure(facts, &[ErasureRequest::from(*erasure)]);
            allowed.is_ok_and(|fresh| fresh.plan().erasures.iter().eq([*erasure]))
        });
        Ok(Self::new(facts, snapshots.collect(), held.collect(), erasures.cloned().collect()))
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}
