//! The commit point of a backup.

use std::ops::RangeInclusive;

use holdfast_model::{ContainerId, Fence, ItemId, ShardId};
use sqlx::{Any, Transaction};

use crate::catalog::Catalog;
use crate::epoch::{self, EpochRow};
use crate::error::{Error, Result};
use crate::item::{self, ContainerRow, ItemRow};
use crate::lease::Lease;
use crate::resource::{self, ResourceRow};
use crate::restore_point::{self, RestorePointRow};
use crate::schedule;
use crate::shard::{self, SnapshotRow};
use crate::sql::{Arguments, damaged, sql};

/// Everything that one snapshot, or one poll that found nothing, changes in the catalog.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The vault.
    pub vault_id: String,
    /// The shard.
    pub shard: ShardId,
    /// Fence of the lease under which the work was done.
    pub fence: Fence,
    /// The new snapshot; none after an idle poll, which changes links and read times only.
    pub snapshot: Option<SnapshotRow>,
    /// The resources that were looked at.
    pub resources: Vec<ResourceCommit>,
}

/// What changes for one resource.
#[derive(Clone, Debug)]
pub struct ResourceCommit {
    /// Inserted, or replaces all columns.
    pub resource: ResourceRow,
    /// New and changed containers.
    pub containers_put: Vec<ContainerRow>,
    /// Containers that are gone. Their items must be removed or moved in the same commit.
    pub containers_removed: Vec<ContainerId>,
    /// New, changed and moved items, each id once.
    pub items_put: Vec<ItemRow>,
    /// Items that are gone. Unknown ones are ignored.
    pub items_removed: Vec<ItemId>,
    /// The new restore point, when the resource changed.
    pub restore_point: Option<RestorePointRow>,
    /// The epoch that begins, when the resource comes from another shard.
    pub epoch: Option<EpochRow>,
}

impl Commit {
    /// Numbers that its resources and containers take if all are new.
    fn numbers(&self) -> usize {
        self.resources.iter().map(|resource| 1 + resource.containers_put.len()).sum()
    }
}

impl ResourceCommit {
    /// A commit of the resource's own row and nothing else.
    pub fn new(resource: ResourceRow) -> Self {
        Self {
            resource,
            containers_put: Vec::new(),
            containers_removed: Vec::new(),
            items_put: Vec::new(),
            items_removed: Vec::new(),
            restore_point: None,
            epoch: None,
        }
    }
}

impl Catalog {
    /// Applies a commit: all of it or, on any error, nothing.
    ///
    /// # Errors
    /// [`Error::FenceLost`] when the shard has had another holder since; [`Error::NotNewer`] when
    /// the snapshot is not above the head of the shard; [`Error::Conflict`] when an item would be
    /// left without its container.
    pub async fn commit(&self, commit: Commit) -> Result<()> {
        let (mut change, numbers) = self.begin_numbered(commit.numbers()).await?;
        guard(&mut change, &commit.vault_id, commit.shard, commit.fence).await?;
        apply_all(change, numbers, commit).await
    }

    /// Applies the commit by which resources begin an epoch in the shard of the commit. The lease
    /// on the shard from which they come is compared too: they must not have changed there since.
    ///
    /// # Errors
    /// As [`Catalog::commit`], for either shard.
    pub async fn commit_epoch(&self, commit: Commit, source: &Lease) -> Result<()> {
        let (mut change, numbers) = self.begin_numbered(commit.numbers()).await?;
        let of_source = (&source.vault_id, source.shard, source.fence);
        let mut guards = [of_source, (&commit.vault_id, commit.shard, commit.fence)];
        guards.sort_unstable();
        for (vault_id, shard, fence) in guards {
            guard(&mut change, vault_id, shard, fence).await?;
        }
        apply_all(change, numbers, commit).await
    }
}

async fn apply_all(
    mut change: Transaction<'static, Any>,
    mut numbers: RangeInclusive<u64>,
    mut commit: Commit,
) -> Result<()> {
    if let Some(snapshot) = &commit.snapshot {
        advance(&mut change, snapshot).await?;
    }
    commit.resources.sort_by(|a, b| a.resource.id.cmp(&b.resource.id));
    for resource in &commit.resources {
        apply(&mut change, &mut numbers, resource).await?;
    }
    Ok(change.commit().await?)
}

/// Compares the fence inside the transaction and locks the shard's row until its end.
pub(crate) async fn guard(
    change: &mut Transaction<'static, Any>,
    vault_id: &str,
    shard: ShardId,
    fence: Fence,
) -> Result<()> {
    let statement = sql("UPDATE shard SET fence = fence \
         WHERE vault_id = $1 AND shard = $2 AND fence = $3")
    .text(vault_id)
    .number(shard.0.into())
    .number(fence.0);
    match statement.execute(&mut **change).await?.rows_affected() {
        0 => Err(Error::FenceLost { shard, fence }),
        _ => Ok(()),
    }
}

/// Makes the snapshot the head of its shard.
pub(crate) async fn advance(
    change: &mut Transaction<'static, Any>,
    snapshot: &SnapshotRow,
) -> Result<()> {
    let statement = sql("UPDATE shard SET head_seq = $3, head_snapshot = $4, head_tree = $5 \
         WHERE vault_id = $1 AND shard = $2 AND head_seq < $3")
    .text(&snapshot.vault_id)
    .number(snapshot.shard.0.into())
    .number(snapshot.seq.0)
    .text(&snapshot.id)
    .text(&snapshot.tree);
    if statement.execute(&mut **change).await?.rows_affected() == 0 {
        return Err(Error::NotNewer { shard: snapshot.shard, seq: snapshot.seq });
    }
    shard::snapshot_add(snapshot).execute(&mut **change).await?;
    Ok(())
}

/// Takes as many numbers as [`Commit::numbers`] has counted.
async fn apply(
    change: &mut Transaction<'static, Any>,
    numbers: &mut RangeInclusive<u64>,
    commit: &ResourceCommit,
) -> Result<()> {
    let id = &commit.resource.id;
    let num = numbers.next().ok_or_else(|| damaged("last"))?;
    if let Some(next) = commit.resource.restore_point {
        schedule::note_attained(id, next).execute(&mut **change).await?;
    }
    resource::put(num, &commit.resource).execute(&mut **change).await?;
    match &commit.epoch {
        Some(epoch) => epoch::add(epoch).execute(&mut **change).await?,
        None => epoch::add_first(id).execute(&mut **change).await?,
    };
    for (container, num) in commit.containers_put.iter().zip(numbers) {
        item::container_put(num, container).execute(&mut **change).await?;
    }
    item::items_put(change, &commit.items_put).await?;
    for item in &commit.items_removed {
        item::item_remove(id, item).execute(&mut **change).await?;
    }
    for container in &commit.containers_removed {
        item::container_remove(id, container).execute(&mut **change).await?;
    }
    if let Some(point) = &commit.restore_point {
        restore_point::add(point).execute(&mut **change).await?;
    }
    Ok(())
}
