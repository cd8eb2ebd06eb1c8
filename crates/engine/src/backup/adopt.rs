//! Adoption: a crash between snapshot and catalog leaves a snapshot that the catalog does not
//! know. When it is certain that the last holder of the lease wrote it on top of the head, the
//! catalog is rolled forward to it; any other unknown snapshot is an orphan and never touched.

use holdfast_catalog::{Commit, Lease, ResourceCommit, ResourceRow, RestorePointRow, ShardRow};
use holdfast_model::{Fence, Seq};
use holdfast_vault::{Node, Reader, Shard, Snapshot, TreeId};

use super::place::resource_path;
use super::shard::{snapshot_row, tree_id};
use crate::home::blocking;
use crate::walk::{self, Walk};
use crate::{Home, Result};

/// The snapshots of a shard that the catalog does not know.
pub(crate) async fn unknown(home: &Home, vault_id: &str, shard: &Shard) -> Result<Vec<Snapshot>> {
    let rows = home.catalog.snapshot_list(Some(vault_id)).await?;
    let known = rows.into_iter().map(|row| row.id).collect();
    let reading = shard.clone();
    blocking(move || Ok(reading.snapshots_besides(&known)?)).await
}

/// Adopts the snapshot of the last holder, if it left one.
pub(crate) async fn adopt(
    home: &Home,
    vault_id: &str,
    shard: &Shard,
    lease: &Lease,
    unknown: Vec<Snapshot>,
) -> Result<()> {
    let row = home.catalog.shard_get(vault_id, shard.id()).await?;
    let (seq, fence) = (Seq(row.head_seq.0 + 1), Fence(lease.fence.0.saturating_sub(1)));
    let left = unknown.into_iter().find(|s| s.tags.seq == seq && s.tags.fence == fence);
    let Some(snapshot) = left else { return Ok(()) };
    tracing::info!(shard = %shard.id(), %seq, "adopting the snapshot of a run that was cut off");
    let resources = home.catalog.resource_list(None).await?;
    let mine = resources.into_iter().filter(|r| r.shard == Some(shard.id())).collect();
    let (reading, found) = (shard.clone(), snapshot.clone());
    let commits = blocking(move || changes(&reading.reader()?, &row, &found, mine)).await?;
    let commit = Commit {
        vault_id: vault_id.to_owned(),
        shard: shard.id(),
        fence: lease.fence,
        snapshot: Some(snapshot_row(vault_id, shard.id(), &snapshot)),
        resources: commits,
    };
    Ok(home.catalog.commit(commit).await?)
}

fn changes(
    reader: &Reader,
    head: &ShardRow,
    snapshot: &Snapshot,
    resources: Vec<ResourceRow>,
) -> Result<Vec<ResourceCommit>> {
    let old_root = head.head_tree.as_deref().map(tree_id).transpose()?;
    let mut commits = Vec::new();
    for resource in resources {
        let old = tree_in(reader, old_root, &resource)?;
        let new = tree_in(reader, Some(snapshot.tree), &resource)?;
        match new {
            Some(tree) if old != new => {
                commits.push(change(reader, snapshot, &resource, old, tree)?);
            }
            _ => {}
        }
    }
    Ok(commits)
}

fn tree_in(
    reader: &Reader,
    root: Option<TreeId>,
    resource: &ResourceRow,
) -> Result<Option<TreeId>> {
    let (Some(root), Some(dir)) = (root, &resource.dir) else { return Ok(None) };
    let [workload, dir] = resource_path(resource.workload, dir);
    Ok(reader.node(root, &[&workload, &dir])?.as_ref().and_then(Node::tree))
}

fn change(
    reader: &Reader,
    snapshot: &Snapshot,
    resource: &ResourceRow,
    old: Option<TreeId>,
    new: TreeId,
) -> Result<ResourceCommit> {
    let mut commit = ResourceCommit::new(resource.clone());
    let state = walk::state_of(reader, &resource.id, new)?;
    let mut found = Walk::compare(reader, resource, old, Some(new))?;
    // Links change without the tree: every folder gets those of the state file.
    let whole = Walk::compare(reader, resource, None, Some(new))?;
    found.new.containers = whole.new.containers;
    walk::with_links(&mut found.new, &state);
    commit.items_removed =
        found.old.items.into_keys().filter(|id| !found.new.items.contains_key(id)).collect();
    commit.containers_removed = found
        .old
        .containers
        .into_keys()
        .filter(|id| !found.new.containers.contains_key(id))
        .collect();
    commit.items_put = found.new.items.into_values().collect();
    commit.containers_put = found.new.containers.into_values().collect();
    let read_at = state.read_at.unwrap_or(snapshot.time);
    commit.resource.list_link = state.folders_link;
    commit.resource.stale = state.stale || !state.complete;
    if state.complete {
        commit.resource.restore_point = Some(read_at);
    }
    commit.restore_point = Some(RestorePointRow {
        resource: commit.resource.id.clone(),
        shard: commit.resource.shard.unwrap_or_default(),
        seq: snapshot.tags.seq,
        read_at,
        tree: new.to_string(),
        complete: state.complete,
    });
    Ok(commit)
}
