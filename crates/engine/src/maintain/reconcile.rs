//! The catalog after snapshots were written anew: which file stands for which position, and what
//! the restore points of a resource show now.

use std::collections::HashMap;

use holdfast_catalog::{ResourceRow, RestorePointRow, Rewriting, SnapshotRow};
use holdfast_model::Seq;
use holdfast_vault::{Node, Reader, Shard, Snapshot, TreeId};

use super::{Alone, facts};
use crate::Result;

/// What has to change in the catalog so that it shows what the shard has; the resources are those
/// in whose directories something changed.
pub(super) async fn reconcile(alone: &Alone<'_>, resources: &[ResourceRow]) -> Result<Rewriting> {
    let (catalog, shard) = (&alone.home.catalog, alone.shard.id());
    let mut rows = catalog.snapshot_list(Some(alone.vault.id())).await?;
    rows.retain(|row| row.shard == shard);
    let mut points = Vec::new();
    for resource in resources {
        let Some(path) = facts::path(resource) else { continue };
        let of_shard = catalog.restore_point_list(&resource.id).await?.into_iter();
        let of_shard = of_shard.filter(|point| point.shard == shard);
        points.extend(of_shard.map(|point| (path.clone(), point)));
    }
    alone.on_shard(move |shard| changes(&shard, &rows, &points)).await
}

fn changes(
    shard: &Shard,
    rows: &[SnapshotRow],
    points: &[(Vec<String>, RestorePointRow)],
) -> Result<Rewriting> {
    let newest = newest_writings(shard.snapshots()?);
    let reader = shard.reader()?;
    let mut rewriting = Rewriting::default();
    let mut roots: HashMap<Seq, TreeId> = HashMap::new();
    for row in rows {
        let Some(now) = newest.get(&(row.seq, row.fence)) else { continue };
        roots.insert(row.seq, now.tree);
        if now.id != row.id {
            rewriting.snapshots.push((row.seq, now.id.clone(), now.tree.to_string()));
        }
    }
    for (path, point) in points {
        let Some(root) = roots.get(&point.seq) else { continue };
        let Some(tree) = tree_at(&reader, *root, path)? else { continue };
        if tree.to_string() != point.tree {
            rewriting.points.push((point.resource.clone(), point.seq, tree.to_string()));
        }
    }
    Ok(rewriting)
}

/// Of several writings of one snapshot the last one.
fn newest_writings(snapshots: Vec<Snapshot>) -> HashMap<(Seq, holdfast_model::Fence), Snapshot> {
    let mut newest = HashMap::new();
    // They come by position, fence and rewrite.
    for snapshot in snapshots {
        newest.insert((snapshot.tags.seq, snapshot.tags.fence), snapshot);
    }
    newest
}

/// The tree of a directory, by its path from a root.
pub(super) fn tree_at(reader: &Reader, root: TreeId, path: &[String]) -> Result<Option<TreeId>> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Ok(reader.node(root, &path)?.as_ref().and_then(Node::tree))
}
