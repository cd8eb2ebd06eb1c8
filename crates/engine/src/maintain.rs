//! Maintenance of a vault: what is deleted, and how the catalog follows.
//!
//! `facts` gathers all that the policy needs to know of a shard; `prune` forgets snapshots by
//! rules and removes what nothing refers to; `erase` takes single items out of everything;
//! `reconcile` brings the catalog to what the vault has after an erasure. All of it happens under
//! the lease of the shard, so that no backup writes meanwhile.
//!
//! The order is such that a crash leaves nothing dangling. Prune: versions of held resources are
//! linked into a new snapshot; the catalog takes that as the head; the catalog forgets; the vault
//! forgets; data goes. A snapshot that the catalog has forgotten and the vault has not is an
//! orphan for the next prune. Erase: the intent is recorded; readers are kept away; the vault
//! rewrites; the catalog follows. An erasure that was cut off is done again by the next prune.
//!
//! `copies`: a copy loses what its source has forgotten or erased when the copy is pruned.

mod copies;
mod erase;
mod facts;
mod prune;
mod reconcile;
mod record;
mod repair;

use std::collections::BTreeSet;

use holdfast_catalog::Lease;
use holdfast_model::{ResourceId, ShardId};
use holdfast_vault::{Shard, Vault};

pub use erase::{EraseReport, EraseRequest, ShardErasure, erase};
pub use prune::{PruneReport, PruneRequest, ShardFailure, ShardPrune, prune};
pub use repair::{RepairReport, RepairRequest, ShardRepair, repair};

use crate::backup::{adopt, heartbeat, take_lease};
use crate::home::blocking;
use crate::{Error, Home, Result, instance};

/// A shard and the lease under which this process is alone with it.
struct Alone<'a> {
    home: &'a Home,
    vault: &'a Vault,
    shard: Shard,
    lease: Lease,
}

/// Does work on a shard under its lease, with the catalog as new as the shard.
async fn alone<T>(
    home: &Home,
    vault: &Vault,
    id: ShardId,
    work: impl AsyncFnOnce(&Alone<'_>) -> Result<T>,
) -> Result<T> {
    leased(home, vault, id, async |alone| {
        alone.catch_up().await?;
        work(alone).await
    })
    .await
}

/// Does work on a shard under its lease.
async fn leased<T>(
    home: &Home,
    vault: &Vault,
    id: ShardId,
    work: impl AsyncFnOnce(&Alone<'_>) -> Result<T>,
) -> Result<T> {
    let opened = vault.clone();
    let shard = blocking(move || Ok(opened.shard(id)?)).await?;
    instance::check(home).await?;
    let lease = take_lease(home, vault.id(), id).await?;
    let mut beat = heartbeat(home, lease.clone());
    let alone = Alone { home, vault, shard, lease };
    let result = tokio::select! {
        result = work(&alone) => result,
        lost = &mut beat => Err(lost.map_or(Error::Thread, Error::from)),
    };
    beat.abort();
    home.catalog.lease_release(&alone.lease).await?;
    result
}

/// Brings the catalog to what an erasure that was cut off has left in a shard, if there is one.
///
/// # Errors
/// The catalog's error names the holder of the shard where the erasure is still under way.
pub(crate) async fn settle(home: &Home, vault: &Vault, shard: ShardId) -> Result<()> {
    match erase::is_under_way(home, vault.id(), shard).await? {
        true => alone(home, vault, shard, async |_| Ok(())).await,
        false => Ok(()),
    }
}

/// The same for a holder of the shard's lease.
pub(crate) async fn settle_under(
    home: &Home,
    vault: &Vault,
    shard: &Shard,
    lease: &Lease,
) -> Result<()> {
    let (shard, lease) = (shard.clone(), lease.clone());
    erase::settle(&Alone { home, vault, shard, lease }).await
}

/// The resources of which something is still to be erased in the shards of this vault.
pub(crate) async fn being_erased(vault: &Vault) -> Result<BTreeSet<ResourceId>> {
    let open = record::open(vault).await?.into_iter().filter(|record| !record.open.is_empty());
    Ok(open.map(|record| record.resource).collect())
}

impl Alone<'_> {
    /// Rolls the catalog forward to what a cut-off run has left, as a backup does.
    async fn catch_up(&self) -> Result<()> {
        erase::settle(self).await?;
        let (home, vault) = (self.home, self.vault.id());
        let unknown = adopt::unknown(home, vault, &self.shard).await?;
        let highest = unknown.iter().map(|snapshot| snapshot.tags.fence).max();
        if highest.is_some_and(|highest| highest >= self.lease.fence) {
            return Err(Error::CatalogBehind(self.shard.id()));
        }
        adopt::adopt(home, vault, &self.shard, &self.lease, unknown).await
    }

    /// Notes how full the shard is now: what was pruned makes room.
    async fn measure(&self) -> Result<()> {
        let blobs = self.on_shard(|shard| Ok(shard.reader()?.blob_count())).await?;
        Ok(self.home.catalog.shard_blobs(self.vault.id(), self.shard.id(), blobs).await?)
    }

    /// Work on the shard that blocks.
    async fn on_shard<T: Send + 'static>(
        &self,
        work: impl FnOnce(Shard) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shard = self.shard.clone();
        blocking(move || work(shard)).await
    }
}
