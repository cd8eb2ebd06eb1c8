//! Maintenance of a repository: forgetting snapshots, removing what none needs, erasing items,
//! repairing damage, copying to a second vault.
//!
//! **Deletion is typed**: what deletes takes a [`DeletePlan`], which only the policy can make, by
//! looking at retention, holds and locks. A deletion without one does not compile:
//!
//! ```compile_fail,E0061
//! fn forget_all(shard: &holdfast_vault::Shard) {
//!     let _ = shard.forget();
//! }
//! ```
//!
//! ```compile_fail,E0308
//! fn forget_these(shard: &holdfast_vault::Shard, ids: &[String]) {
//!     let _ = shard.forget(ids);
//! }
//! ```
//!
//! **Alone**: the caller holds the exclusive lease of the shard, so that no writer of ours is at
//! work, and drops every [`crate::Reader`] and [`crate::Writer`] of the shard afterwards: what they
//! know of the index has changed. Foreign writers are kept away by an exclusive restic lock.
//!
//! The order of every operation is such that a crash at any point loses nothing: new packs, new
//! index files, new snapshots, and only then what they replace goes.

mod census;
mod copy;
mod erase;
mod fate;
mod forget;
pub(crate) mod header;
mod index_writer;
mod mend;
mod packer;
mod prune;
mod read;
mod reindex;
mod repair_index;
mod repair_snapshots;
mod thin;
mod versions;

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_model::Timestamp;
use holdfast_policy::DeletePlan;

use crate::backend::Kind;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::lock::RepositoryLock;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::vault::Vault;

pub use copy::CopyReport;
pub use erase::{EraseReport, ErasedItems};
pub use forget::ForgetReport;
pub use mend::MendReport;
pub use prune::{PruneOptions, PruneReport};
pub use repair_index::RepairIndexReport;
pub use repair_snapshots::RepairSnapshotsReport;
pub use thin::{LinkedVersions, ThinReport};

use census::KnownSnapshots;
use fate::Unwanted;
use prune::Prune;

impl Shard {
    /// Removes what no snapshot needs. An empty plan allows that; its snapshots are looked at in a
    /// dry run only, which takes them for forgotten (what holds keep of them is not taken off).
    ///
    /// # Errors
    /// [`Error::Damaged`] naming what a snapshot needs and cannot be had: nothing is deleted then,
    /// repair first. [`Error::Busy`] while somebody else is at work in the shard.
    pub fn prune(&self, plan: &DeletePlan, options: &PruneOptions) -> Result<PruneReport> {
        check_plan(self, plan)?;
        if options.dry_run {
            let gone = plan.snapshots().iter().map(|planned| planned.id.parse());
            let gone = gone.collect::<Result<HashSet<FileId>>>()?;
            let known = KnownSnapshots { gone, ..KnownSnapshots::default() };
            let prune = Prune { options, unwanted: &Unwanted::None, known: &known };
            return prune.look(self.repository(), self.vault().clock().now());
        }
        let known = KnownSnapshots::default();
        let prune = Prune { options, unwanted: &Unwanted::None, known: &known };
        prune_alone(self.vault(), self.repository(), &prune)
    }
}

impl Control {
    /// Removes what no state of the intent needs, its history included. The plan may be that of
    /// any shard of the vault. Never [`PruneOptions::instant`]: readers of intent hold no lease.
    ///
    /// # Errors
    /// As [`Shard::prune`].
    pub fn prune(&self, plan: &DeletePlan, options: &PruneOptions) -> Result<PruneReport> {
        if plan.vault() != self.vault().id() {
            return Err(Error::invalid("the plan was made for another vault"));
        }
        let options = PruneOptions { instant: false, ..*options };
        let known = KnownSnapshots::default();
        let prune = Prune { options: &options, unwanted: &Unwanted::None, known: &known };
        prune_alone(self.vault(), self.repository(), &prune)
    }
}

fn prune_alone(
    vault: &Vault,
    repository: &Arc<Repository>,
    prune: &Prune<'_>,
) -> Result<PruneReport> {
    if prune.options.dry_run {
        return prune.look(repository, vault.clock().now());
    }
    let lock = alone(vault, repository)?;
    prune.run(repository, &lock, vault.clock().now())
}

/// Keeps everybody else away from a repository.
fn alone(vault: &Vault, repository: &Arc<Repository>) -> Result<RepositoryLock> {
    if !repository.backend.store().can_remove() {
        let file = repository.backend.name().to_owned();
        let source = "nothing can be deleted with these credentials, or the vault only grows";
        return Err(Error::Denied { action: "delete from", file, source: source.into() });
    }
    let (host, clock) = (vault.lock_host(), vault.clock().clone());
    RepositoryLock::place_exclusive(Arc::clone(repository), host, clock)
}

/// Refuses a plan that was made for another shard or vault.
fn check_plan(shard: &Shard, plan: &DeletePlan) -> Result<()> {
    if plan.vault() != shard.vault().id() || plan.shard() != shard.id() {
        return Err(Error::invalid(format!(
            "the plan was made for shard {} of vault {}",
            plan.shard(),
            plan.vault()
        )));
    }
    Ok(())
}

/// Until when a file is locked; `None` where it is not, or not any more.
fn locked_until(
    repository: &Repository,
    kind: Kind,
    id: &FileId,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let backend = &repository.backend;
    let Some(locks) = backend.store().locks() else { return Ok(None) };
    Ok(locks.locked_until(&backend.label(kind, id))?.filter(|until| *until > now))
}

/// Removes a file; false where a lock keeps it.
fn removed(repository: &Repository, kind: Kind, id: &FileId) -> Result<bool> {
    match repository.backend.remove_file(kind, id) {
        Ok(()) => Ok(true),
        Err(Error::Locked { .. }) => Ok(false),
        Err(err) => Err(err),
    }
}
