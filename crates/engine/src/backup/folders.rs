//! The folders of a mailbox: which there are now, and the same in the tree.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_catalog::{ContainerRow, ResourceRow};
use holdfast_graph::{Graph, Kind};
use holdfast_model::{ContainerId, Timestamp, short_id};
use holdfast_vault::Node;
use holdfast_workloads::FolderMeta;
use holdfast_workloads::mail::{self, Folder, FolderChange};

use super::pending::{Pending, parts};
use super::place::resource_path;
use crate::Result;

/// The folders after a round, and what became of the old ones.
pub(super) struct FolderPlan {
    /// Rows of all folders that are there, with the links of the old rows.
    pub rows: BTreeMap<ContainerId, ContainerRow>,
    /// Rows of the folders that are gone. They keep a place until the round is over, and share
    /// the names with the others.
    pub removed: BTreeMap<ContainerId, ContainerRow>,
    /// Delta link of the folder list.
    pub link: String,
}

/// Asks which folders changed and works out the new set.
pub(super) async fn plan(
    graph: &Graph,
    resource: &ResourceRow,
    known: Vec<ContainerRow>,
) -> Result<FolderPlan> {
    let user = &resource.graph_id;
    let link = resource.list_link.as_deref().filter(|_| !known.is_empty());
    let (changes, link, full) = match mail::folder_changes(graph, user, link).await {
        Ok((changes, next)) => (changes, next, link.is_none()),
        Err(error) if link.is_some() && is_expired(error.graph_kind()) => {
            let (changes, next) = mail::folder_changes(graph, user, None).await?;
            (changes, next, true)
        }
        Err(error) => return Err(error.into()),
    };
    let old: BTreeMap<ContainerId, ContainerRow> =
        known.into_iter().map(|row| (row.id.clone(), row)).collect();
    let folders = merge(&old, changes, full)?;
    let new_at_top = folders.values().any(|f| f.parent.is_none() && !old.contains_key(&f.id));
    let well_known = match new_at_top || full {
        true => mail::well_known_ids(graph, user).await?,
        false => BTreeMap::new(),
    };
    let mut all = folders.clone();
    for row in old.values() {
        all.entry(row.id.clone()).or_insert(folder_of(row)?);
    }
    let (rows, removed) = rows(resource, &all, &old, &well_known)?
        .into_iter()
        .partition(|(id, _)| folders.contains_key(id));
    Ok(FolderPlan { rows, removed, link })
}

/// A delta that must start anew: expired, or lost on the way (onedrive-api-docs#1476).
pub(super) fn is_expired(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Gone | Kind::NotFound))
}

fn merge(
    old: &BTreeMap<ContainerId, ContainerRow>,
    changes: Vec<FolderChange>,
    full: bool,
) -> Result<BTreeMap<ContainerId, Folder>> {
    let mut folders = BTreeMap::new();
    if !full {
        for row in old.values() {
            folders.insert(row.id.clone(), folder_of(row)?);
        }
    }
    for change in changes {
        match change {
            FolderChange::Put(folder) => folders.insert(folder.id.clone(), folder),
            FolderChange::Removed(id) => folders.remove(&id),
        };
    }
    // The root of the mailbox is no folder of ours: whatever lies in it lies at the top.
    let ids: HashSet<ContainerId> = folders.keys().cloned().collect();
    for folder in folders.values_mut() {
        folder.parent = folder.parent.take().filter(|p| ids.contains(p) && *p != folder.id);
    }
    break_cycles(&mut folders);
    Ok(folders)
}

/// Pages read while folders move can show a folder below itself; such a one is shown at the top
/// until the next round tells better.
fn break_cycles(folders: &mut BTreeMap<ContainerId, Folder>) {
    let ids: Vec<ContainerId> = folders.keys().cloned().collect();
    for id in ids {
        let mut seen = HashSet::from([id.clone()]);
        let mut at = folders[&id].parent.clone();
        while let Some(parent) = at {
            if !seen.insert(parent.clone()) {
                folders.get_mut(&id).expect("the id is a key").parent = None;
                break;
            }
            at = folders[&parent].parent.clone();
        }
    }
}

fn folder_of(row: &ContainerRow) -> Result<Folder> {
    let meta = FolderMeta::from_json(&row.dir, row.meta.as_deref().unwrap_or_default())?;
    Ok(Folder {
        id: row.id.clone(),
        parent: row.parent.clone(),
        display_name: row.display_name.clone(),
        hidden: meta.hidden,
    })
}

fn rows(
    resource: &ResourceRow,
    folders: &BTreeMap<ContainerId, Folder>,
    old: &BTreeMap<ContainerId, ContainerRow>,
    well_known: &BTreeMap<ContainerId, &'static str>,
) -> Result<BTreeMap<ContainerId, ContainerRow>> {
    let dirs = mail::folder_dirs(folders.values());
    let mut rows = BTreeMap::new();
    for (id, dir) in dirs {
        let folder = &folders[&id];
        let before = old.get(&id);
        let known = match (well_known.get(&id), before) {
            (Some(name), _) => Some((*name).to_owned()),
            (None, Some(row)) => well_known_of(row)?,
            (None, None) => None,
        };
        let parent = folder.parent.as_ref();
        let meta = FolderMeta::new(&folder.id, &folder.display_name, parent);
        let meta = FolderMeta { well_known: known, hidden: folder.hidden, ..meta };
        let row = ContainerRow {
            resource: resource.id.clone(),
            id: id.clone(),
            parent: folder.parent.clone(),
            dir,
            display_name: meta.name.clone(),
            delta_link: before.and_then(|row| row.delta_link.clone()),
            next_link: before.and_then(|row| row.next_link.clone()),
            retry: before.and_then(|row| row.retry.clone()),
            columns: None,
            meta: Some(meta.to_json()),
        };
        rows.insert(id, row);
    }
    Ok(rows)
}

fn well_known_of(row: &ContainerRow) -> Result<Option<String>> {
    Ok(FolderMeta::from_json(&row.dir, row.meta.as_deref().unwrap_or_default())?.well_known)
}

/// Where each folder lies in the tree. Removed folders keep their place until the round is over.
pub(super) struct Paths {
    root: [String; 2],
    at: HashMap<ContainerId, (Option<ContainerId>, String)>,
}

impl Paths {
    /// The places of these rows.
    pub fn new<'r>(
        resource: &ResourceRow,
        rows: impl IntoIterator<Item = &'r ContainerRow>,
    ) -> Self {
        let root = resource_path(resource.workload, resource.dir.as_deref().unwrap_or_default());
        let place = |row: &ContainerRow| (row.id.clone(), (row.parent.clone(), row.dir.clone()));
        Self { root, at: rows.into_iter().map(place).collect() }
    }

    /// Path of a folder from the root of the snapshot.
    pub fn of(&self, id: &ContainerId) -> Vec<String> {
        let mut path = Vec::new();
        let mut next = Some(id);
        while let Some((parent, dir)) = next.and_then(|id| self.at.get(id)) {
            path.push(dir.clone());
            next = parent.as_ref();
        }
        path.extend(self.root.iter().rev().cloned());
        path.reverse();
        path
    }

    pub fn set(&mut self, id: &ContainerId, parent: Option<ContainerId>, dir: String) {
        self.at.insert(id.clone(), (parent, dir));
    }

    /// The directory of the resource itself.
    pub fn root(&self) -> &[String] {
        &self.root
    }
}

/// Makes the directories agree with the plan: new ones made, moved and renamed ones re-linked
/// with all that is in them. `removed` folders stay for now.
pub(super) fn apply(
    pending: &mut Pending<'_>,
    resource: &ResourceRow,
    old: &[ContainerRow],
    plan: &FolderPlan,
    now: Timestamp,
) -> Result<Paths> {
    let mut paths = Paths::new(resource, old);
    let before: HashMap<&ContainerId, &ContainerRow> = old.iter().map(|r| (&r.id, r)).collect();
    let moved = |row: &&ContainerRow| {
        let was = before.get(&row.id);
        was.is_some_and(|was| was.parent != row.parent || was.dir != row.dir)
    };
    let mut taken_off: HashSet<&ContainerId> = HashSet::new();
    // Taken off first, all of them: two folders may swap names.
    let all: BTreeMap<ContainerId, ContainerRow> =
        plan.rows.clone().into_iter().chain(plan.removed.clone()).collect();
    for row in all.values().filter(moved) {
        let node = pending.edit.remove(&parts(&paths.of(&row.id)))?;
        let node = node.unwrap_or_else(|| Node::dir("", now));
        let away = format!("~moving {}", short_id(row.id.as_str()));
        pending.edit.put(&parts(paths.root()), Node { name: away.clone(), ..node })?;
        paths.set(&row.id, None, away);
        taken_off.insert(&row.id);
    }
    for row in parents_first(&all) {
        let same = before.get(&row.id).is_some_and(|was| was.meta == row.meta);
        if same && !taken_off.contains(&row.id) {
            continue;
        }
        place(pending, &mut paths, row, taken_off.contains(&row.id), now)?;
        pending.touch(&resource.id)?;
    }
    Ok(paths)
}

fn place(
    pending: &mut Pending<'_>,
    paths: &mut Paths,
    row: &ContainerRow,
    is_away: bool,
    now: Timestamp,
) -> Result<()> {
    let away = match is_away {
        true => pending.edit.remove(&parts(&paths.of(&row.id)))?,
        false => None,
    };
    let parent = match &row.parent {
        Some(parent) => paths.of(parent),
        None => paths.root().to_vec(),
    };
    let node = away.unwrap_or_else(|| Node::dir(row.dir.clone(), now));
    let node = Node { name: row.dir.clone(), ..node };
    let node = node.with_meta(row.meta.clone().unwrap_or_default());
    pending.edit.put(&parts(&parent), node)?;
    paths.set(&row.id, row.parent.clone(), row.dir.clone());
    Ok(())
}

fn parents_first(rows: &BTreeMap<ContainerId, ContainerRow>) -> Vec<&ContainerRow> {
    let depth = |row: &ContainerRow| {
        let mut depth = 0;
        let mut at = row.parent.as_ref();
        while let Some(row) = at.and_then(|id| rows.get(id)) {
            depth += 1;
            at = row.parent.as_ref();
        }
        depth
    };
    let mut ordered: Vec<&ContainerRow> = rows.values().collect();
    ordered.sort_by_key(|row| depth(row));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: &str) -> Folder {
        Folder {
            id: id.into(),
            parent: Some(parent.into()),
            display_name: id.into(),
            hidden: false,
        }
    }

    #[test]
    fn folders_whose_parents_are_unknown_or_circular_lie_at_the_top() {
        let changes = [("a", "b"), ("b", "a"), ("c", "root"), ("d", "c"), ("e", "e")];
        let changes =
            changes.into_iter().map(|(id, parent)| FolderChange::Put(folder(id, parent))).collect();
        let folders = merge(&BTreeMap::new(), changes, true).unwrap();
        assert_eq!(folders[&"c".into()].parent, None);
        assert_eq!(folders[&"d".into()].parent, Some("c".into()));
        assert_eq!(folders[&"e".into()].parent, None);
        let tops = ["a", "b"].iter().filter(|id| folders[&(**id).into()].parent.is_none());
        assert_eq!(tops.count(), 1);
    }
}
