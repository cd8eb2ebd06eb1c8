//! What a run has read but not yet committed: the tree under change and the rows that go with it.
//!
//! Tree and rows are changed together under one lock, so that a checkpoint at any moment finds
//! them in agreement.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_catalog::{ContainerRow, ItemRow, ResourceCommit, ResourceRow};
use holdfast_model::{ContainerId, ItemId, ResourceId, Timestamp};
use holdfast_vault::{Content, Cut, Edit, Node, TreeId, Writer};
use holdfast_workloads::{ItemMeta, Layout, ResourceState, STATE_FILE};

use super::place::{self, Placed, resource_path};
use crate::Result;

/// Changes after which the touched trees are written and forgotten, to bound memory.
const FLUSH_AFTER: usize = 5_000;

/// The open changes of a shard.
pub(super) struct Pending<'w> {
    pub edit: Edit<'w>,
    resources: BTreeMap<ResourceId, Changes>,
    /// Rows that a commit under way carries: neither pending nor in the catalog yet.
    in_flight: BTreeMap<ResourceId, HashMap<ItemId, Option<ItemRow>>>,
    unflushed: usize,
}

/// The open changes of a resource.
pub(super) struct Changes {
    pub resource: ResourceRow,
    /// Where reading stands; goes into the state file.
    pub state: ResourceState,
    containers: BTreeMap<ContainerId, ContainerRow>,
    containers_removed: HashSet<ContainerId>,
    items: HashMap<ItemId, ItemRow>,
    items_removed: HashSet<ItemId>,
    /// The tree of the resource changed since the last commit.
    touched: bool,
    /// The round is over.
    finished: bool,
    /// A checkpoint made a restore point of the unfinished round.
    cut_short: bool,
    /// Everything of it is in a commit.
    drained: bool,
}

/// A commit in the making, and which resources get a restore point.
pub(super) struct Drained {
    pub commits: Vec<ResourceCommit>,
    pub points: Vec<NewPoint>,
}

/// A restore point in the making.
pub(super) struct NewPoint {
    pub resource: ResourceId,
    pub read_at: Timestamp,
    pub complete: bool,
}

impl<'w> Pending<'w> {
    pub fn new(edit: Edit<'w>) -> Self {
        Self { edit, resources: BTreeMap::new(), in_flight: BTreeMap::new(), unflushed: 0 }
    }

    /// Begins to collect the changes of a resource that are read from `read_at` on.
    pub fn begin(&mut self, mut resource: ResourceRow, read_at: Timestamp) {
        let mut state = ResourceState::new(resource.id.as_str());
        state.read_at = Some(read_at);
        // Until the round is over, a checkpoint leaves the resource behind itself.
        resource.stale = true;
        let changes = Changes {
            containers: BTreeMap::new(),
            containers_removed: HashSet::new(),
            items: HashMap::new(),
            items_removed: HashSet::new(),
            touched: false,
            finished: false,
            cut_short: false,
            drained: false,
            resource: resource.clone(),
            state,
        };
        self.resources.insert(resource.id, changes);
    }

    /// The changes of a resource that has begun.
    pub fn of(&mut self, resource: &ResourceId) -> &mut Changes {
        self.resources.get_mut(resource).expect("a resource begins before it changes")
    }

    /// Marks the tree of a resource as changed.
    pub fn touch(&mut self, resource: &ResourceId) -> Result<()> {
        self.of(resource).touched = true;
        self.unflushed += 1;
        if self.unflushed >= FLUSH_AFTER {
            self.unflushed = 0;
            self.edit.flush()?;
        }
        Ok(())
    }

    /// A row that this run put or removed and that the catalog does not show yet: `None` when it
    /// did neither.
    pub fn item(&self, resource: &ResourceId, id: &ItemId) -> Option<Option<ItemRow>> {
        let changes = self.resources.get(resource)?;
        if changes.items_removed.contains(id) {
            return Some(None);
        }
        let pending = changes.items.get(id).cloned().map(Some);
        pending.or_else(|| self.in_flight.get(resource)?.get(id).cloned())
    }

    /// Items that this run put and that the catalog does not show yet where they are.
    pub fn items(&self, resource: &ResourceId) -> Vec<ItemRow> {
        let pending = self.resources.get(resource).into_iter().flat_map(|c| c.items.values());
        let in_flight = self.in_flight.get(resource).into_iter().flat_map(HashMap::values);
        let known: BTreeMap<&ItemId, &ItemRow> =
            in_flight.flatten().chain(pending).map(|row| (&row.id, row)).collect();
        known.into_keys().filter_map(|id| self.item(resource, id).flatten()).collect()
    }

    /// Puts an item into its folder, with its row.
    pub fn put_item(&mut self, folder: &[String], row: ItemRow, placed: Placed) -> Result<()> {
        placed.put(&mut self.edit, &parts(folder))?;
        let resource = row.resource.clone();
        let changes = self.of(&resource);
        changes.items_removed.remove(&row.id);
        changes.items.insert(row.id.clone(), row);
        self.touch(&resource)
    }

    /// What the tree has of an item: its stored content and the metadata of its node.
    pub fn item_node(
        &mut self,
        folder: &[String],
        resource: &ResourceRow,
        name: &str,
    ) -> Result<Option<(Content, ItemMeta)>> {
        let node = self.edit.get_item(&parts(folder), name)?;
        node.map_or(Ok(None), |node| place::read(Layout::of(resource.workload), node))
    }

    /// Takes an item out of its folder, for a change or a move: its row stays to be replaced.
    pub fn take_item(
        &mut self,
        folder: &[String],
        row: &ItemRow,
    ) -> Result<Option<(Content, ItemMeta)>> {
        self.touch(&row.resource)?;
        let layout = Layout::of(self.of(&row.resource).resource.workload);
        place::take(&mut self.edit, layout, &parts(folder), &row.name)
    }

    /// Removes an item and its row.
    pub fn remove_item(&mut self, folder: &[String], row: &ItemRow) -> Result<()> {
        self.take_item(folder, row)?;
        let changes = self.of(&row.resource);
        changes.items.remove(&row.id);
        changes.items_removed.insert(row.id.clone());
        Ok(())
    }

    /// Puts the row of a folder; its directory is the caller's business.
    pub fn put_container(&mut self, row: ContainerRow) {
        let changes = self.of(&row.resource.clone());
        changes.containers_removed.remove(&row.id);
        changes.containers.insert(row.id.clone(), row);
    }

    /// Removes the row of a folder.
    pub fn remove_container(&mut self, resource: &ResourceId, id: &ContainerId) {
        let changes = self.of(resource);
        changes.containers.remove(id);
        changes.containers_removed.insert(id.clone());
    }

    /// Ends the round of a resource. It makes a restore point where the tree changed, where the
    /// last one was made in the middle of the round, and where the resource is no longer behind.
    pub fn finish(&mut self, resource: ResourceRow, was_behind: bool) {
        let changes = self.of(&resource.id.clone());
        let caught_up = was_behind && !resource.stale;
        changes.touched |= changes.cut_short || caught_up;
        changes.finished = true;
        changes.drained = false;
        changes.state.complete = true;
        changes.state.stale = resource.stale;
        changes.resource = resource;
    }

    /// Writes the state file of each changed resource into its directory.
    pub fn write_states(&mut self, writer: &Writer) -> Result<()> {
        for changes in self.resources.values().filter(|changes| changes.touched) {
            let path = path_of(&changes.resource);
            let content = writer.put(changes.state.to_json().as_bytes(), Cut::Whole)?;
            let at = changes.state.read_at.unwrap_or(Timestamp::UNIX_EPOCH);
            self.edit.put(&parts(&path), Node::file(STATE_FILE, content, at))?;
        }
        Ok(())
    }

    /// Resources whose tree changed since the last commit.
    pub fn is_touched(&self) -> bool {
        self.resources.values().any(|changes| changes.touched)
    }

    /// Takes all rows out for a commit; they stay visible until it has landed.
    pub fn drain(&mut self) -> Drained {
        let mut drained = Drained { commits: Vec::new(), points: Vec::new() };
        for (id, changes) in &mut self.resources {
            if std::mem::take(&mut changes.touched) {
                changes.cut_short = !changes.finished;
                drained.points.push(NewPoint {
                    resource: id.clone(),
                    read_at: changes.state.read_at.unwrap_or(Timestamp::UNIX_EPOCH),
                    complete: changes.finished,
                });
            }
            changes.drained = changes.finished;
            let mut commit = ResourceCommit::new(changes.resource.clone());
            commit.containers_put = std::mem::take(&mut changes.containers).into_values().collect();
            commit.containers_removed = changes.containers_removed.drain().collect();
            commit.items_put = changes.items.drain().map(|(_, row)| row).collect();
            commit.items_removed = changes.items_removed.drain().collect();
            let put = commit.items_put.iter().map(|row| (row.id.clone(), Some(row.clone())));
            let removed = commit.items_removed.iter().map(|id| (id.clone(), None));
            self.in_flight.insert(id.clone(), put.chain(removed).collect());
            drained.commits.push(commit);
        }
        drained
    }

    /// The commit has landed: the catalog shows its rows, and what is finished can be forgotten.
    pub fn landed(&mut self) {
        self.in_flight.clear();
        self.resources.retain(|_, changes| !changes.drained);
    }

    /// The tree of a resource's directory, once the whole is saved.
    pub fn tree_of(&mut self, resource: &ResourceId) -> Result<Option<TreeId>> {
        let path = path_of(&self.of(resource).resource);
        Ok(self.edit.get(&parts(&path))?.and_then(|node| node.tree()))
    }
}

fn path_of(resource: &ResourceRow) -> [String; 2] {
    resource_path(resource.workload, resource.dir.as_deref().unwrap_or_default())
}

/// Path components as the vault takes them.
pub(super) fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}
