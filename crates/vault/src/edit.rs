//! Changing a tree: only the directories that are touched are loaded, changed and written.

use std::collections::BTreeMap;

use holdfast_model::Timestamp;

use crate::error::{Error, Result};
use crate::fanout::{Fanout, Fanouts};
use crate::id::TreeId;
use crate::node::{Node, NodeKind, check_name, check_node, serialize_tree};
use crate::reader::{Reader, root_node};
use crate::writer::Writer;

/// Directories below each other that an edit takes: more than any mailbox has, few enough for
/// the stack.
pub(crate) const MAX_DEPTH: usize = 400;

/// A change of a tree, in memory until [`Edit::save`].
///
/// The saved tree depends on the tree that the edit began with (or that was last saved) and on
/// the outcome of the operations, not on their order.
pub struct Edit<'w> {
    pub(crate) writer: &'w Writer,
    pub(crate) reader: Reader,
    pub(crate) fanouts: Fanouts,
    root: Dir,
}

/// A directory of the edit.
#[derive(Default)]
pub(crate) struct Dir {
    /// Its tree as it was loaded or last saved; `None` for a new directory.
    saved: Option<TreeId>,
    /// Its nodes; `None` until somebody looks.
    children: Option<BTreeMap<String, Child>>,
    changed: bool,
    /// Items were put or removed here, so this fan-out below must be looked at before it is saved.
    pub(crate) touched: Option<Fanout>,
    /// Items were removed here, so the fan-out may have to be merged.
    pub(crate) shrunk: bool,
}

/// A node and, for a directory that was opened, what became of it.
pub(crate) struct Child {
    pub(crate) node: Node,
    pub(crate) dir: Option<Box<Dir>>,
}

impl Edit<'_> {
    pub(crate) fn new(writer: &Writer, root: Option<TreeId>, fanouts: Fanouts) -> Edit<'_> {
        let root = Dir { saved: root, ..Dir::default() };
        Edit { writer, reader: writer.reader(), fanouts, root }
    }

    /// The node at a path. A directory that has unsaved changes comes with `tree: None`; putting
    /// that back keeps them.
    pub fn get(&mut self, path: &[&str]) -> Result<Option<Node>> {
        let Some((name, parents)) = path.split_last() else {
            let tree = self.save()?;
            return Ok(Some(root_node(tree)));
        };
        let Some(dir) = self.root.descend(&self.reader, parents)? else { return Ok(None) };
        Ok(dir.open(&self.reader)?.get(*name).map(Child::to_node))
    }

    /// The nodes of a directory, sorted by name; none of one that is not there. Directories that have
    /// unsaved changes come with `tree: None`.
    pub fn list(&mut self, path: &[&str]) -> Result<Vec<Node>> {
        match self.root.descend(&self.reader, path)? {
            Some(dir) => Ok(dir.open(&self.reader)?.values().map(Child::to_node).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Puts a node into a directory, in the place of one of the same name. Missing directories on
    /// the way are made, without metadata.
    ///
    /// A directory with a tree brings its children; one with `tree: None` keeps the children that
    /// are there, if any, and only sets time and metadata.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::MetaTooLarge`]; [`Error::Invalid`] where a file is in the
    /// way of a directory on the path.
    pub fn put(&mut self, dir: &[&str], node: Node) -> Result<()> {
        check_node(dir, &node)?;
        self.root.descend_or_create(&self.reader, dir)?.put(&self.reader, node)
    }

    /// Takes a node out. A directory comes with its tree (saved first if need be), so that
    /// putting the node elsewhere moves it with all its children.
    pub fn remove(&mut self, path: &[&str]) -> Result<Option<Node>> {
        let Some((name, parents)) = path.split_last() else {
            return Err(Error::invalid("the root cannot be removed"));
        };
        let Some(dir) = self.root.descend(&self.reader, parents)? else { return Ok(None) };
        let Some(mut child) = dir.open(&self.reader)?.remove(*name) else { return Ok(None) };
        dir.changed = true;
        if let Some(dir) = &mut child.dir {
            let tree = dir.save(self.writer, &self.reader)?;
            child.node.kind = NodeKind::Dir { tree: Some(tree) };
        }
        Ok(Some(child.node))
    }

    /// The item `name` of a folder, wherever the fan-out has put it.
    pub fn get_item(&mut self, folder: &[&str], name: &str) -> Result<Option<Node>> {
        let Some(dir) = self.root.descend(&self.reader, folder)? else { return Ok(None) };
        let leaf = dir.find_item(&self.reader, &self.fanouts.of(folder), name)?;
        Ok(leaf.and_then(|leaf| Some(leaf.children.as_ref()?.get(name)?.node.clone())))
    }

    /// Puts an item into a folder, through the fan-out, in the place of one of the same name.
    ///
    /// # Errors
    /// As [`Edit::put`]; [`Error::Invalid`] for a directory, or where a folder has the name of a
    /// level.
    pub fn put_item(&mut self, folder: &[&str], node: Node) -> Result<()> {
        check_node(folder, &node)?;
        if node.is_dir() {
            return Err(Error::invalid("a directory is no item"));
        }
        let dir = self.root.descend_or_create(&self.reader, folder)?;
        dir.put_item(&self.reader, self.fanouts.of(folder), node)
    }

    /// Takes an item out of a folder.
    pub fn remove_item(&mut self, folder: &[&str], name: &str) -> Result<Option<Node>> {
        let Some(dir) = self.root.descend(&self.reader, folder)? else { return Ok(None) };
        let fanout = self.fanouts.of(folder);
        let Some(leaf) = dir.find_item(&self.reader, &fanout, name)? else { return Ok(None) };
        leaf.changed = true;
        let removed = leaf.open(&self.reader)?.remove(name);
        (dir.touched, dir.shrunk) = (Some(fanout), true);
        Ok(removed.map(|child| child.node))
    }

    /// Stores what was changed and forgets it, so that memory is free again. The edit goes on.
    pub fn flush(&mut self) -> Result<()> {
        let tree = self.save()?;
        self.root = Dir { saved: Some(tree), ..Dir::default() };
        Ok(())
    }

    /// Stores what was changed and gives the id of the root tree.
    pub fn save(&mut self) -> Result<TreeId> {
        self.root.save(self.writer, &self.reader)
    }
}

impl Child {
    fn new(node: Node) -> Self {
        let dir = match node.kind {
            NodeKind::Dir { tree: None } => Some(Box::default()),
            _ => None,
        };
        Self { node, dir }
    }

    /// True for directories that the fan-out made.
    pub(crate) fn is_hidden(&self) -> bool {
        self.node.is_dir() && self.node.meta.is_none()
    }

    /// The directory, ready to be opened; `None` for a file.
    pub(crate) fn dir(&mut self) -> Option<&mut Dir> {
        let NodeKind::Dir { tree } = self.node.kind else { return None };
        let dir = self.dir.get_or_insert_with(|| Box::new(Dir { saved: tree, ..Dir::default() }));
        Some(dir)
    }

    fn to_node(&self) -> Node {
        let mut node = self.node.clone();
        if let Some(dir) = &self.dir {
            node.kind = NodeKind::Dir { tree: dir.clean_tree() };
        }
        node
    }
}

impl Dir {
    /// The nodes, loaded when first asked for.
    pub(crate) fn open(&mut self, reader: &Reader) -> Result<&mut BTreeMap<String, Child>> {
        if self.children.is_none() {
            let nodes = match self.saved {
                Some(tree) => reader.take_tree(tree)?,
                None => Vec::new(),
            };
            let children = nodes.into_iter().map(|node| (node.name.clone(), Child::new(node)));
            self.children = Some(children.collect());
        }
        Ok(self.children.get_or_insert_default())
    }

    /// The nodes, to be changed.
    pub(crate) fn change(&mut self, reader: &Reader) -> Result<&mut BTreeMap<String, Child>> {
        self.changed = true;
        self.open(reader)
    }

    fn descend(&mut self, reader: &Reader, path: &[&str]) -> Result<Option<&mut Self>> {
        let mut dir = self;
        for name in path {
            match dir.open(reader)?.get_mut(*name).and_then(Child::dir) {
                Some(next) => dir = next,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }

    fn descend_or_create(&mut self, reader: &Reader, path: &[&str]) -> Result<&mut Self> {
        if path.len() > MAX_DEPTH {
            return Err(Error::invalid(format!("a path has more than {MAX_DEPTH} directories")));
        }
        let mut dir = self;
        for name in path {
            dir = dir.subdir(reader, name)?;
        }
        Ok(dir)
    }

    /// The directory `name`, made if missing.
    pub(crate) fn subdir(&mut self, reader: &Reader, name: &str) -> Result<&mut Self> {
        if !self.open(reader)?.contains_key(name) {
            check_name(name)?;
            let node = Node::dir(name, Timestamp::UNIX_EPOCH);
            self.change(reader)?.insert(name.to_owned(), Child::new(node));
        }
        let child = self.open(reader)?.get_mut(name).and_then(Child::dir);
        child.ok_or_else(|| Error::invalid("a file is in the way of a directory"))
    }

    fn put(&mut self, reader: &Reader, node: Node) -> Result<()> {
        let keeps_children = matches!(node.kind, NodeKind::Dir { tree: None });
        let children = self.change(reader)?;
        match children.get_mut(&node.name) {
            Some(child) if keeps_children && child.node.is_dir() => {
                let kind = child.node.kind.clone();
                child.node = Node { kind, ..node };
            }
            _ => {
                children.insert(node.name.clone(), Child::new(node));
            }
        }
        Ok(())
    }

    /// The tree, if nothing below has changed since it was saved.
    fn clean_tree(&self) -> Option<TreeId> {
        let clean = |child: &Child| match child.dir.as_ref().map(|dir| dir.clean_tree()) {
            Some(tree) => tree.is_some() && tree == child.node.tree(),
            None => true,
        };
        let all_clean = self.children.iter().flat_map(BTreeMap::values).all(clean);
        self.saved.filter(|_| !self.changed && all_clean)
    }

    /// Stores the directory and everything below that has changed.
    fn save(&mut self, writer: &Writer, reader: &Reader) -> Result<TreeId> {
        if let Some(fanout) = self.touched.take() {
            let may_merge = std::mem::take(&mut self.shrunk);
            self.arrange(reader, &fanout, 0, may_merge)?;
        }
        for child in self.children.iter_mut().flat_map(BTreeMap::values_mut) {
            let Some(dir) = &mut child.dir else { continue };
            let tree = Some(dir.save(writer, reader)?);
            if child.node.tree() != tree {
                child.node.kind = NodeKind::Dir { tree };
                self.changed = true;
            }
        }
        match self.saved {
            Some(tree) if !self.changed => Ok(tree),
            _ => self.write(writer, reader),
        }
    }

    fn write(&mut self, writer: &Writer, reader: &Reader) -> Result<TreeId> {
        let nodes = self.open(reader)?.values().map(|child| &child.node);
        let (bytes, tree) = serialize_tree(nodes);
        writer.store_tree(tree, bytes)?;
        self.saved = Some(tree);
        self.changed = false;
        Ok(tree)
    }
}
