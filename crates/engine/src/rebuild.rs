//! `catalog rebuild`: the catalog made again from the vault alone.
//!
//! Users, tenants, resources and their places come from the control repository, everything else from
//! snapshots and trees. A resource that has lived in several shards has restore points in each; its
//! current items are those of the last. Delta links are those of the last change of content; runs
//! are not rebuilt. A copy of a vault that is here too brings nothing of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_catalog::{
    EpochRow, Lease, Rebuild, Rebuilt, ResourceRow, RestorePointRow, ShardRow, VaultRow,
};
use holdfast_model::{Fence, ResourceId, ShardId};
use holdfast_vault::{Node, Reader, Shard, Snapshot, TreeId, Vault};
use serde::Serialize;

use crate::backup::{resource_path, snapshot_row, take_lease};
use crate::copy::{recorded_source, remember};
use crate::home::blocking;
use crate::walk::{self, Walk};
use crate::{Home, Result, instance, intent, schedule, users};

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Users.
    pub users: usize,
    /// Tenants.
    pub tenants: usize,
    /// Resources.
    pub resources: usize,
    /// Shards.
    pub shards: usize,
    /// Snapshots.
    pub snapshots: usize,
    /// Restore points.
    pub restore_points: usize,
    /// Current items.
    pub items: usize,
    /// Restore points whose state file is damaged: `vault check --read-data` shows the extent.
    pub damaged: usize,
    /// Shards in which resources live, or have lived, and which the vault does not have.
    pub missing_shards: usize,
}

impl RebuildReport {
    /// True where everything that the vault must hold could be read.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0 && self.missing_shards == 0
    }
}

/// Rebuilds the catalog from all vaults of the home. On an error the old catalog stays. A running
/// backup keeps its shard: the rebuild names its holder and stops. What writes with the new catalog
/// is a new instance: another machine that has written since the old one is then the one that stops.
pub async fn rebuild(home: &Home) -> Result<RebuildReport> {
    let vaults = home.catalog.vault_list().await?;
    let mut leases = Vec::new();
    for vault in &vaults {
        for shard in home.catalog.shard_list(&vault.id).await? {
            leases.push(take_lease(home, &vault.id, shard.shard).await?);
        }
    }
    let mut result = under_leases(home, &vaults, &leases).await;
    if let Ok(report) = result {
        result = instance::renew(home).await.map(|()| report);
    }
    for lease in &leases {
        home.catalog.lease_release(lease).await?;
    }
    result
}

async fn under_leases(home: &Home, vaults: &[VaultRow], leases: &[Lease]) -> Result<RebuildReport> {
    let mut report = RebuildReport::default();
    let mut copies = Vec::new();
    let home_vault = home.vault_row(None).await?.id;
    let mut rebuild = home.catalog.rebuild().await?;
    for row in vaults {
        let vault = home.vault(Some(&row.id)).await?;
        if row.id == home_vault {
            let accounts = users::rows(home, &vault).await?;
            report.users = accounts.len();
            rebuild.add(Rebuilt { accounts, ..Rebuilt::default() }).await?;
        }
        let source = recorded_source(&vault).await?;
        match source.filter(|source| vaults.iter().any(|vault| vault.id == *source)) {
            Some(source) => {
                of_copy(&vault, leases, &mut rebuild).await?;
                copies.push((row.id.clone(), source));
            }
            None => of_vault(&vault, &mut rebuild, &mut report).await?,
        }
    }
    rebuild.finish().await?;
    for row in vaults {
        schedule::recall(home, &home.vault(Some(&row.id)).await?).await?;
    }
    schedule::assign(home).await?;
    for (copy, source) in copies {
        remember(&home.catalog, &copy, &source).await?;
    }
    Ok(report)
}

/// Of a copy the catalog knows the shards, whose fences go on; all else is that of the source.
async fn of_copy(vault: &Vault, leases: &[Lease], rebuild: &mut Rebuild) -> Result<()> {
    let ids = vault.clone();
    let mut rows = Vec::new();
    for id in blocking(move || Ok(ids.shard_ids()?)).await? {
        let mut row = ShardRow::new(vault.id(), id);
        let held = leases.iter().find(|lease| lease.vault_id == row.vault_id && lease.shard == id);
        row.fence = held.map(|lease| lease.fence).unwrap_or_default();
        rows.push(row);
    }
    rebuild.add(Rebuilt { shards: rows, ..Rebuilt::default() }).await?;
    Ok(())
}

async fn of_vault(vault: &Vault, rebuild: &mut Rebuild, report: &mut RebuildReport) -> Result<()> {
    let intent = intent::load(vault).await?;
    report.tenants += intent.tenants.len();
    report.resources += intent.resources.len();
    rebuild
        .add(Rebuilt {
            tenants: intent.tenants,
            resources: intent.resources.clone(),
            epochs: intent.epochs.values().flatten().cloned().collect(),
            ..Rebuilt::default()
        })
        .await?;
    let ids = vault.clone();
    let ids = blocking(move || Ok(ids.shard_ids()?)).await?;
    // A shard is made before intent names it, so one that is not there was lost.
    let named: BTreeSet<ShardId> =
        intent.epochs.values().flatten().map(|epoch| epoch.shard).collect();
    report.missing_shards += named.iter().filter(|id| !ids.contains(id)).count();
    for id in ids {
        let lived: Vec<Lived> =
            intent.resources.iter().filter_map(|row| lived(row, id, &intent.epochs)).collect();
        report.shards += 1;
        of_shard(vault, id, lived, rebuild, report).await?;
    }
    Ok(())
}

/// A resource and the epoch that it spent in a shard.
struct Lived {
    resource: ResourceRow,
    epoch: EpochRow,
    /// It lives there now.
    is_present: bool,
}

fn lived(
    row: &ResourceRow,
    shard: ShardId,
    epochs: &BTreeMap<ResourceId, Vec<EpochRow>>,
) -> Option<Lived> {
    let epochs = epochs.get(&row.id)?;
    let epoch = epochs.iter().find(|epoch| epoch.shard == shard)?.clone();
    let is_present = epochs.last() == Some(&epoch);
    // The record of the epochs decides where it lives: both are written at once.
    let shard = epochs.last().map(|epoch| epoch.shard);
    Some(Lived { resource: ResourceRow { shard, ..row.clone() }, epoch, is_present })
}

async fn of_shard(
    vault: &Vault,
    id: ShardId,
    residents: Vec<Lived>,
    rebuild: &mut Rebuild,
    report: &mut RebuildReport,
) -> Result<()> {
    let opened = vault.clone();
    let (shard, (snapshots, fence)) = blocking(move || {
        let shard = opened.shard(id)?;
        let history = history(&shard)?;
        Ok((shard, history))
    })
    .await?;
    let reader = blocking(move || Ok(shard.reader()?)).await?;
    let snapshots = Arc::new(snapshots);
    let rows = snapshots.iter().map(|s| snapshot_row(vault.id(), id, s)).collect();
    report.snapshots += snapshots.len();
    let mut row = shard_row(vault.id(), id, &snapshots, fence);
    row.blobs = reader.blob_count();
    rebuild.add(Rebuilt { shards: vec![row], snapshots: rows, ..Rebuilt::default() }).await?;
    for lived in residents {
        let (reader, snapshots) = (reader.clone(), Arc::clone(&snapshots));
        let (part, damaged) = blocking(move || of_resource(&reader, &snapshots, lived)).await?;
        report.damaged += damaged;
        report.restore_points += part.restore_points.len();
        report.items += part.items.len();
        rebuild.add(part).await?;
    }
    Ok(())
}

/// The snapshots that count, and the highest fence of all. Of several with the same number that of
/// the highest fence counts; fences never fall along the history, so one below an earlier one was
/// written by a holder who had lost the lease, and is an orphan.
fn history(shard: &Shard) -> Result<(Vec<Snapshot>, Fence)> {
    let (mut chain, mut highest) = (Vec::<Snapshot>::new(), Fence(0));
    for snapshot in shard.snapshots()? {
        highest = highest.max(snapshot.tags.fence);
        // They come by number, then fence, then rewrite.
        if chain.last().is_some_and(|last| last.tags.seq == snapshot.tags.seq) {
            chain.pop();
        }
        if chain.last().is_none_or(|last| last.tags.fence <= snapshot.tags.fence) {
            chain.push(snapshot);
        }
    }
    Ok((chain, highest))
}

/// The row of a shard whose fences go on above the highest one seen.
fn shard_row(vault: &str, id: ShardId, snapshots: &[Snapshot], fence: Fence) -> ShardRow {
    let mut row = ShardRow::new(vault, id);
    row.fence = fence;
    if let Some(head) = snapshots.last() {
        row.head_seq = head.tags.seq;
        row.head_snapshot = Some(head.id.clone());
        row.head_tree = Some(head.tree.to_string());
    }
    row
}

/// The restore points of a resource in one of its shards and, where it lives there now, what is
/// current.
fn of_resource(reader: &Reader, snapshots: &[Snapshot], lived: Lived) -> Result<(Rebuilt, usize)> {
    let Lived { mut resource, epoch, is_present } = lived;
    let (mut part, mut damaged) = (Rebuilt::default(), 0);
    let mut last: Option<TreeId> = None;
    let [workload, dir] =
        resource_path(resource.workload, resource.dir.as_deref().unwrap_or_default());
    for snapshot in snapshots.iter().filter(|s| s.tags.seq >= epoch.from_seq) {
        let node = reader.node(snapshot.tree, &[&workload, &dir])?;
        let Some(tree) = node.as_ref().and_then(Node::tree) else { continue };
        if last == Some(tree) {
            continue;
        }
        last = Some(tree);
        let (state, is_damaged) = walk::state_or_none(reader, &resource.id, tree)?;
        damaged += usize::from(is_damaged);
        let read_at = state.read_at.unwrap_or(snapshot.time);
        part.restore_points.push(RestorePointRow {
            resource: resource.id.clone(),
            shard: epoch.shard,
            seq: snapshot.tags.seq,
            read_at,
            tree: tree.to_string(),
            complete: state.complete,
        });
        resource.stale = state.stale || !state.complete;
        resource.restore_point =
            if state.complete { Some(read_at) } else { resource.restore_point };
        resource.last_polled = Some(read_at);
        resource.list_link = state.folders_link;
    }
    if !is_present {
        return Ok((part, damaged));
    }
    if let Some(tree) = last {
        let (state, _) = walk::state_or_none(reader, &resource.id, tree)?;
        let mut rows = Walk::compare(reader, &resource, None, Some(tree))?.new;
        walk::with_links(&mut rows, &state);
        part.containers = rows.containers.into_values().collect();
        part.items = rows.items.into_values().collect();
    }
    part.resources = vec![resource];
    Ok((part, damaged))
}
