//! `catalog rebuild`: the catalog made again from the vault alone.
//!
//! Tenants, resources and their places come from the control repository, everything else from
//! snapshots and trees. Delta links are those of the last change of content; runs are not rebuilt.

use std::sync::Arc;

use holdfast_catalog::{Rebuild, Rebuilt, ResourceRow, RestorePointRow, ShardRow, VaultRow};
use holdfast_model::{Fence, ShardId};
use holdfast_vault::{Node, Reader, Shard, Snapshot, TreeId, Vault};
use serde::Serialize;

use crate::backup::{resource_path, snapshot_row, take_lease};
use crate::home::blocking;
use crate::walk::{self, Walk};
use crate::{Home, Result, intent};

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
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
}

/// Rebuilds the catalog from all vaults of the home. On an error the old catalog stays. A running
/// backup keeps its shard: the rebuild names its holder and stops.
pub async fn rebuild(home: &Home) -> Result<RebuildReport> {
    let vaults = home.catalog.vault_list().await?;
    let mut leases = Vec::new();
    for vault in &vaults {
        for shard in home.catalog.shard_list(&vault.id).await? {
            leases.push(take_lease(home, &vault.id, shard.shard).await?);
        }
    }
    let result = under_leases(home, &vaults).await;
    for lease in &leases {
        home.catalog.lease_release(lease).await?;
    }
    result
}

async fn under_leases(home: &Home, vaults: &[VaultRow]) -> Result<RebuildReport> {
    let mut report = RebuildReport::default();
    let mut rebuild = home.catalog.rebuild().await?;
    for row in vaults {
        let vault = home.vault(Some(&row.id)).await?;
        of_vault(&vault, &mut rebuild, &mut report).await?;
    }
    rebuild.finish().await?;
    Ok(report)
}

async fn of_vault(vault: &Vault, rebuild: &mut Rebuild, report: &mut RebuildReport) -> Result<()> {
    let (tenants, resources) = intent::load(vault).await?;
    report.tenants += tenants.len();
    rebuild.add(Rebuilt { tenants, ..Rebuilt::default() }).await?;
    let ids = vault.clone();
    let mut homeless = resources;
    for id in blocking(move || Ok(ids.shard_ids()?)).await? {
        let (mine, others): (Vec<_>, Vec<_>) =
            homeless.into_iter().partition(|row| row.shard == Some(id));
        homeless = others;
        report.shards += 1;
        of_shard(vault, id, mine, rebuild, report).await?;
    }
    report.resources += homeless.len();
    Ok(rebuild.add(Rebuilt { resources: homeless, ..Rebuilt::default() }).await?)
}

async fn of_shard(
    vault: &Vault,
    id: ShardId,
    resources: Vec<ResourceRow>,
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
    let snapshots = Arc::new(snapshots);
    let rows = snapshots.iter().map(|s| snapshot_row(vault.id(), id, s)).collect();
    report.snapshots += snapshots.len();
    let shards = vec![shard_row(vault.id(), id, &snapshots, fence)];
    rebuild.add(Rebuilt { shards, snapshots: rows, ..Rebuilt::default() }).await?;
    let reader = blocking(move || Ok(shard.reader()?)).await?;
    for resource in resources {
        let (reader, snapshots) = (reader.clone(), Arc::clone(&snapshots));
        let (part, damaged) = blocking(move || of_resource(&reader, &snapshots, resource)).await?;
        report.damaged += damaged;
        report.resources += part.resources.len();
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

fn of_resource(
    reader: &Reader,
    snapshots: &[Snapshot],
    mut resource: ResourceRow,
) -> Result<(Rebuilt, usize)> {
    let (mut part, mut damaged) = (Rebuilt::default(), 0);
    let mut last: Option<TreeId> = None;
    let [workload, dir] =
        resource_path(resource.workload, resource.dir.as_deref().unwrap_or_default());
    for snapshot in snapshots {
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
            shard: resource.shard.unwrap_or_default(),
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
    if let Some(tree) = last {
        let (state, _) = walk::state_or_none(reader, &resource.id, tree)?;
        let mut rows = Walk::compare(reader, &resource.id, None, Some(tree))?.new;
        walk::with_links(&mut rows, &state);
        part.containers = rows.containers.into_values().collect();
        part.items = rows.items.into_values().collect();
    }
    part.resources = vec![resource];
    Ok((part, damaged))
}
