//! From trees to rows: what a resource's directory says, as the catalog keeps it.
//!
//! Two trees are compared; subtrees with equal ids are skipped, so that rolling the catalog
//! forward costs what changed. Against nothing, the whole tree is read: the rebuild.

use std::collections::BTreeMap;
use std::collections::HashMap;

use holdfast_catalog::{ContainerRow, ItemRow, ResourceRow};
use holdfast_model::{ContainerId, ItemId, ResourceId};
use holdfast_vault::{Node, Reader, TreeId};
use holdfast_workloads::{ColumnsState, FolderMeta, Layout, Place, ResourceState, STATE_FILE};

use crate::{Exit, Result};

/// Rows of one side of a comparison: those in the parts that differ.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub containers: BTreeMap<ContainerId, ContainerRow>,
    pub items: HashMap<ItemId, ItemRow>,
}

/// Walks two trees of a resource at once.
pub(crate) struct Walk<'r> {
    reader: &'r Reader,
    resource: &'r ResourceId,
    layout: Layout,
    pub old: Rows,
    pub new: Rows,
}

/// One side of a directory: its tree and the folder that it belongs to.
type Side<'s> = Option<(TreeId, Option<&'s ContainerId>)>;

impl<'r> Walk<'r> {
    /// Compares two trees of a resource's directory; either may be absent.
    pub fn compare(
        reader: &'r Reader,
        resource: &'r ResourceRow,
        old: Option<TreeId>,
        new: Option<TreeId>,
    ) -> Result<Self> {
        let layout = Layout::of(resource.workload);
        let resource = &resource.id;
        let mut walk =
            Self { reader, resource, layout, old: Rows::default(), new: Rows::default() };
        walk.directory(old.map(|tree| (tree, None)), new.map(|tree| (tree, None)))?;
        Ok(walk)
    }

    fn directory(&mut self, old: Side<'_>, new: Side<'_>) -> Result<()> {
        if old.is_some() && old == new {
            return Ok(());
        }
        // A file may come in the place of a folder of its name.
        let mut names: BTreeMap<(String, bool), (Option<Node>, Option<Node>)> = BTreeMap::new();
        for node in self.list(old)? {
            let key = (node.name.clone(), node.is_dir());
            names.entry(key).or_default().0 = Some(node);
        }
        for node in self.list(new)? {
            let key = (node.name.clone(), node.is_dir());
            names.entry(key).or_default().1 = Some(node);
        }
        let (old, new) = (old.and_then(|(_, f)| f), new.and_then(|(_, f)| f));
        for ((name, is_dir), (before, after)) in names {
            if before == after && old == new {
                continue;
            }
            self.entry(self.layout.place(&name, is_dir), (before, old), (after, new))?;
        }
        Ok(())
    }

    fn list(&self, side: Side<'_>) -> Result<Vec<Node>> {
        side.map_or(Ok(Vec::new()), |(tree, _)| Ok(self.reader.list(tree)?))
    }

    fn entry(
        &mut self,
        place: Place,
        (before, old): (Option<Node>, Option<&ContainerId>),
        (after, new): (Option<Node>, Option<&ContainerId>),
    ) -> Result<()> {
        match place {
            Place::Own | Place::Kept | Place::Overflow => Ok(()),
            Place::Item => {
                let old = before.map(|node| self.item(&node, old)).transpose()?.flatten();
                let new = after.map(|node| self.item(&node, new)).transpose()?.flatten();
                self.old.items.extend(old.map(|row| (row.id.clone(), row)));
                self.new.items.extend(new.map(|row| (row.id.clone(), row)));
                Ok(())
            }
            Place::Fanout => {
                let tree = |node: Option<Node>| node.and_then(|node| node.tree());
                self.directory(tree(before).map(|t| (t, old)), tree(after).map(|t| (t, new)))
            }
            Place::Folder => {
                let before = before.map(|node| self.folder(&node)).transpose()?.flatten();
                let after = after.map(|node| self.folder(&node)).transpose()?.flatten();
                let side = |folder: &Option<(ContainerRow, Option<TreeId>)>| {
                    folder.as_ref().and_then(|(row, tree)| Some(((*tree)?, row.id.clone())))
                };
                let (left, right) = (side(&before), side(&after));
                self.old.containers.extend(before.map(|(row, _)| (row.id.clone(), row)));
                self.new.containers.extend(after.map(|(row, _)| (row.id.clone(), row)));
                let left = left.as_ref().map(|(tree, id)| (*tree, Some(id)));
                let right = right.as_ref().map(|(tree, id)| (*tree, Some(id)));
                self.directory(left, right)
            }
        }
    }

    fn item(&self, node: &Node, container: Option<&ContainerId>) -> Result<Option<ItemRow>> {
        let (Some(container), Some(meta)) = (container, &node.meta) else { return Ok(None) };
        let meta = self.layout.item(&node.name, meta)?;
        Ok(Some(ItemRow {
            resource: self.resource.clone(),
            id: meta.item_id(),
            container: container.clone(),
            name: node.name.clone(),
            change_key: meta.change_key().to_owned(),
            content_tag: meta.tag().to_owned(),
        }))
    }

    fn folder(&self, node: &Node) -> Result<Option<(ContainerRow, Option<TreeId>)>> {
        let Some(text) = &node.meta else { return Ok(None) };
        let meta = FolderMeta::from_json(&node.name, text)?;
        let row = ContainerRow {
            resource: self.resource.clone(),
            id: ContainerId(meta.id),
            parent: meta.parent.map(ContainerId),
            dir: node.name.clone(),
            display_name: meta.name,
            delta_link: None,
            next_link: None,
            retry: None,
            columns: None,
            meta: Some(text.clone()),
        };
        Ok(Some((row, node.tree())))
    }
}

/// The state file of a resource's tree; an empty state where there is none.
pub(crate) fn state_of(
    reader: &Reader,
    resource: &ResourceId,
    tree: TreeId,
) -> Result<ResourceState> {
    let Some(node) = reader.node(tree, &[STATE_FILE])? else {
        return Ok(ResourceState::new(resource.as_str()));
    };
    let text = String::from_utf8_lossy(&reader.bytes(&node)?).into_owned();
    Ok(ResourceState::from_json(&text)?)
}

/// The state of a resource for a rebuild, and whether its file is damaged: without it the items
/// are still there, only the next backup has to list everything again.
pub(crate) fn state_or_none(
    reader: &Reader,
    resource: &ResourceId,
    tree: TreeId,
) -> Result<(ResourceState, bool)> {
    match state_of(reader, resource, tree) {
        Err(error) if error.exit() == Exit::Damaged => {
            tracing::warn!(%resource, "the state file is damaged");
            let state = ResourceState { complete: true, ..ResourceState::new(resource.as_str()) };
            Ok((state, true))
        }
        state => Ok((state?, false)),
    }
}

/// Gives rows the links that the state file remembers.
pub(crate) fn with_links(rows: &mut Rows, state: &ResourceState) {
    for row in rows.containers.values_mut() {
        let Some(folder) = state.folders.get(row.id.as_str()) else { continue };
        row.delta_link.clone_from(&folder.link);
        row.next_link.clone_from(&folder.next);
        row.columns = folder.columns.as_ref().map(ColumnsState::to_json);
        row.retry = (!folder.retry.is_empty())
            .then(|| serde_json::to_string(&folder.retry).expect("ids are text and serialise"));
    }
}
