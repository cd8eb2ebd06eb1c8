//! Reading trees and files of a shard.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::blobs::Blobs;
use crate::error::{Error, Result};
use crate::fanout::Fanout;
use crate::id::TreeId;
use crate::limits;
use crate::node::{Node, NodeKind, parse_tree};
use crate::pack::BlobKind;

/// Nodes that the cache of trees holds at most (some 500 bytes each).
const CACHED_NODES: usize = 40_000;

/// Reads what a shard held when the reader was made. Clones share their cache.
#[derive(Clone)]
pub struct Reader {
    pub(crate) blobs: Arc<Blobs>,
    cache: Arc<Mutex<TreeCache>>,
}

/// The trees that were read last; the oldest goes first.
#[derive(Default)]
struct TreeCache {
    trees: HashMap<TreeId, Arc<Vec<Node>>>,
    order: VecDeque<TreeId>,
    nodes: usize,
}

impl Reader {
    pub(crate) fn new(blobs: Arc<Blobs>) -> Self {
        Self { blobs, cache: Arc::default() }
    }

    /// The node at a path below a root tree, `None` where there is none. The empty path is the
    /// root itself, a directory without name.
    pub fn node(&self, root: TreeId, path: &[&str]) -> Result<Option<Node>> {
        let Some((name, parents)) = path.split_last() else {
            return Ok(Some(root_node(root)));
        };
        match self.directory(root, parents)? {
            Some(tree) => self.child(tree, name),
            None => Ok(None),
        }
    }

    /// The file `name` of a folder, wherever the fan-out has put it.
    pub fn item(
        &self,
        root: TreeId,
        folder: &[&str],
        name: &str,
        fanout: &Fanout,
    ) -> Result<Option<Node>> {
        let levels = (fanout.levels)(name);
        let mut next = self.directory(root, folder)?;
        for depth in 0..=levels.len() {
            let Some(tree) = next else { break };
            let item = self.child(tree, name)?.filter(|node| !node.is_dir());
            if item.is_some() && depth >= fanout.always.min(levels.len()) {
                return Ok(item);
            }
            let Some(level) = levels.get(depth) else { break };
            let hidden = self.child(tree, level)?.filter(|node| node.meta.is_none());
            next = hidden.and_then(|node| node.tree());
        }
        Ok(None)
    }

    /// The nodes of a directory, sorted by name.
    pub fn list(&self, tree: TreeId) -> Result<Vec<Node>> {
        Ok(self.tree(tree)?.to_vec())
    }

    /// Writes the content of a file to `out`, blob by blob, and gives its size. Every blob is
    /// verified before any of its bytes is written.
    ///
    /// # Errors
    /// [`Error::Damaged`] where stored bytes changed; [`Error::Output`] where `out` refuses.
    pub fn read(&self, node: &Node, out: &mut dyn Write) -> Result<u64> {
        let NodeKind::File { content, size } = &node.kind else {
            return Err(Error::invalid("only files have content"));
        };
        let mut total = 0;
        for id in content {
            let blob = self.blobs.read(BlobKind::Data, &id.0)?;
            total += blob.len() as u64;
            if total > *size {
                break;
            }
            out.write_all(&blob).map_err(Error::Output)?;
        }
        if total != *size {
            let what = format!("its blobs do not have the {size} bytes that it states");
            return Err(Error::damaged("a file node", what));
        }
        Ok(total)
    }

    /// A part of a file: `length` bytes from `offset` on, fewer at its end. Only the blobs that
    /// hold them are read.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn part(&self, node: &Node, offset: u64, length: usize) -> Result<Vec<u8>> {
        let NodeKind::File { content, .. } = &node.kind else {
            return Err(Error::invalid("only files have content"));
        };
        let (mut at, mut part) = (0_u64, Vec::with_capacity(length));
        for id in content {
            if part.len() >= length {
                break;
            }
            let wanted = offset + part.len() as u64;
            let size = self.blobs.plain_length(BlobKind::Data, &id.0).map(u64::from);
            if size.is_some_and(|size| at + size <= wanted) {
                at += size.unwrap_or_default();
                continue;
            }
            let blob = self.blobs.read(BlobKind::Data, &id.0)?;
            let skip = usize::try_from(wanted.saturating_sub(at)).unwrap_or(usize::MAX);
            let rest = blob.get(skip..).unwrap_or_default();
            part.extend_from_slice(&rest[..rest.len().min(length - part.len())]);
            at += blob.len() as u64;
        }
        Ok(part)
    }

    /// The content of a file in memory.
    ///
    /// # Errors
    /// As [`Reader::read`]; [`Error::Invalid`] above 1 GiB.
    pub fn bytes(&self, node: &Node) -> Result<Vec<u8>> {
        if matches!(node.kind, NodeKind::File { size, .. } if size > limits::IN_MEMORY) {
            return Err(Error::invalid("a file of more than 1 GiB is not read into memory"));
        }
        let mut bytes = Vec::new();
        self.read(node, &mut bytes)?;
        Ok(bytes)
    }

    /// Number of blobs that the index of the shard knows, trees among them.
    pub fn blob_count(&self) -> u64 {
        self.blobs.count()
    }

    /// The nodes of a tree, from the cache where it has them.
    pub(crate) fn tree(&self, id: TreeId) -> Result<Arc<Vec<Node>>> {
        if let Some(nodes) = self.lock().trees.get(&id) {
            return Ok(Arc::clone(nodes));
        }
        let nodes = Arc::new(parse_tree(id, &self.blobs.read(BlobKind::Tree, &id.0)?)?);
        self.lock().insert(id, &nodes);
        Ok(nodes)
    }

    /// The nodes of a tree for somebody who will change them: they are not kept in the cache.
    pub(crate) fn take_tree(&self, id: TreeId) -> Result<Vec<Node>> {
        let cached = self.lock().trees.get(&id).cloned();
        match cached {
            Some(nodes) => Ok(nodes.to_vec()),
            None => parse_tree(id, &self.blobs.read(BlobKind::Tree, &id.0)?),
        }
    }

    /// The tree of the directory at a path; `None` where there is no directory.
    fn directory(&self, root: TreeId, path: &[&str]) -> Result<Option<TreeId>> {
        let mut tree = root;
        for name in path {
            match self.child(tree, name)?.and_then(|node| node.tree()) {
                Some(next) => tree = next,
                None => return Ok(None),
            }
        }
        Ok(Some(tree))
    }

    fn child(&self, tree: TreeId, name: &str) -> Result<Option<Node>> {
        Ok(self.tree(tree)?.iter().find(|node| node.name == name).cloned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TreeCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TreeCache {
    fn insert(&mut self, id: TreeId, nodes: &Arc<Vec<Node>>) {
        if self.trees.insert(id, Arc::clone(nodes)).is_some() {
            return;
        }
        self.order.push_back(id);
        self.nodes += nodes.len() + 1;
        while self.nodes > CACHED_NODES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.nodes -= self.trees.remove(&oldest).map_or(0, |nodes| nodes.len() + 1);
        }
    }
}

/// The root of a tree as a node.
pub(crate) fn root_node(tree: TreeId) -> Node {
    let kind = NodeKind::Dir { tree: Some(tree) };
    Node { name: String::new(), kind, mtime: holdfast_model::Timestamp::UNIX_EPOCH, meta: None }
}
