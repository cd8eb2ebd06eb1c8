//! What is gone from a drive: applied at the end of a round, when everything that moved has its new
//! place.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_catalog::{ContainerRow, ItemRow, ResourceRow};
use holdfast_model::{ContainerId, Counts, ItemId};
use holdfast_workloads::drive::{self, Drive};

use super::super::folders::Paths;
use super::super::pending::parts;
use super::super::shard::ShardRun;
use super::{DriveRun, drive_of};
use crate::Result;

/// A folder with all folders below it.
pub(super) fn subtree(
    top: &ContainerRow,
    all: &[ContainerRow],
) -> BTreeMap<ContainerId, ContainerRow> {
    let mut below: HashMap<&ContainerId, Vec<&ContainerRow>> = HashMap::new();
    for row in all {
        if let Some(parent) = &row.parent {
            below.entry(parent).or_default().push(row);
        }
    }
    let (mut found, mut open) = (BTreeMap::new(), vec![top]);
    while let Some(row) = open.pop() {
        if found.insert(row.id.clone(), row.clone()).is_none() {
            open.extend(below.get(&row.id).into_iter().flatten());
        }
    }
    found
}

/// Removes the drives that a site no longer has. Until all others were asked for, nobody can have
/// moved anything out of them: between drives the service copies and deletes.
pub(super) async fn of_drives_gone(
    shard: &ShardRun<'_, '_>,
    resource: &ResourceRow,
    drives: &[Drive],
    known: &[ContainerRow],
    counts: &mut Counts,
) -> Result<()> {
    let paths = Paths::new(resource, known);
    for root in known.iter().filter(|row| row.parent.is_none()) {
        let id = drive_of(root)?;
        if drives.iter().any(|drive| Some(&drive.id) == id.as_ref()) {
            continue;
        }
        counts.items_deleted += remove_folder(shard, resource, &paths, root, known).await?;
        shard.state().pending.of(&resource.id).state.folders.remove(root.id.as_str());
    }
    Ok(())
}

/// Removes a folder with everything in it; answers with the number of its files.
async fn remove_folder(
    shard: &ShardRun<'_, '_>,
    resource: &ResourceRow,
    paths: &Paths,
    folder: &ContainerRow,
    all: &[ContainerRow],
) -> Result<u64> {
    let mut count = 0;
    let folders = subtree(folder, all);
    for id in folders.keys() {
        for row in shard.items_in(&resource.id, Some(id)).await? {
            remove_item(shard, paths, &row)?;
            count += 1;
        }
    }
    let path = paths.of(&folder.id);
    let mut state = shard.state();
    state.pending.edit.remove(&parts(&path))?;
    for id in folders.keys() {
        remove_facts(&mut state.pending.edit, paths, id.as_str())?;
        state.pending.remove_container(&resource.id, id);
    }
    state.pending.touch(&resource.id)?;
    Ok(count)
}

/// Removes a file, its earlier versions and the facts about it.
fn remove_item(shard: &ShardRun<'_, '_>, paths: &Paths, row: &ItemRow) -> Result<()> {
    let mut state = shard.state();
    state.pending.remove_item(&paths.of(&row.container), row)?;
    remove_facts(&mut state.pending.edit, paths, row.id.as_str())
}

fn remove_facts(edit: &mut holdfast_vault::Edit<'_>, paths: &Paths, id: &str) -> Result<()> {
    for path in [drive::about_path(id), drive::versions_path(id)] {
        let path: Vec<String> = paths.root().iter().chain(&path).cloned().collect();
        edit.remove(&parts(&path))?;
    }
    Ok(())
}

impl DriveRun<'_, '_, '_> {
    /// Finds what a whole enumeration did not show.
    pub(super) async fn note_unseen(&mut self, seen: &HashSet<String>) -> Result<()> {
        for row in self.shard.items_in(&self.resource.id, None).await? {
            if self.rows.contains_key(&row.container) && !seen.contains(row.id.as_str()) {
                self.removed.insert(row.id.0);
            }
        }
        let unseen: Vec<ContainerId> = (self.rows.values())
            .filter(|row| row.parent.is_some() && !seen.contains(row.id.as_str()))
            .map(|row| row.id.clone())
            .collect();
        // With a folder goes all that is in it: one that was only not told is asked for.
        for id in unseen {
            let item = ItemId(id.0.clone());
            match drive::listed(self.shard.work.graph, &self.drive.id, &item).await {
                Ok(None) => drop(self.removed.insert(id.0)),
                Ok(Some(_)) => {}
                Err(error) => self.fail_or_end(item, error.into())?,
            }
        }
        Ok(())
    }

    /// Removes what is gone.
    pub(super) async fn apply_removals(&mut self) -> Result<()> {
        let removed = std::mem::take(&mut self.removed);
        let (folders, files): (Vec<String>, Vec<String>) =
            removed.into_iter().partition(|id| self.rows.contains_key(&ContainerId(id.clone())));
        let files: Vec<ItemId> = files.into_iter().map(ItemId).collect();
        let rows = self.shard.lookup(&self.resource.id, files.iter()).await?;
        for row in rows.into_values() {
            remove_item(self.shard, &self.paths, &row)?;
            self.counts.items_deleted += 1;
        }
        files.iter().for_each(|id| self.retry.forget(id));
        for id in folders {
            let id = ContainerId(id);
            // One above it may have taken it along.
            let Some(folder) = self.rows.get(&id).cloned() else { continue };
            let all: Vec<ContainerRow> = self.rows.values().cloned().collect();
            let count =
                remove_folder(self.shard, self.resource, &self.paths, &folder, &all).await?;
            self.counts.items_deleted += count;
            for gone in subtree(&folder, &all).into_values() {
                self.names.take(&gone);
                self.rows.remove(&gone.id);
            }
        }
        Ok(())
    }
}
