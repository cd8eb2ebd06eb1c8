//! Copying a directory from one shard to another.
//!
//! Trees and blobs are named after what they hold, so they keep their names; what they are
//! encrypted with differs. A directory is the same directory in both shards, and only what the
//! target lacks is copied.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::id::TreeId;
use crate::node::NodeKind;
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::writer::Writer;

/// Directories below each other that are followed, as many as an edit makes.
const MAX_DEPTH: usize = 400;

/// What a copy between shards came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grafted {
    /// Trees that were looked at.
    pub trees: u64,
    /// Blobs of content that the target lacked.
    pub blobs: u64,
    /// Their bytes before compression.
    pub bytes: u64,
}

impl Writer {
    /// Copies a directory of another shard with all that is below it; after the next snapshot that
    /// holds the tree it is here to stay. Every blob is verified on the way.
    ///
    /// Every tree of the directory is looked at, also where the target knows it: a copy that was
    /// cut off may have left a tree without its content.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the source lacks a tree or blob; what was copied stays without
    /// anybody naming it.
    pub fn graft(&self, source: &Reader, tree: TreeId) -> Result<Grafted> {
        let mut graft =
            Graft { writer: self, source, seen: HashSet::new(), done: Grafted::default() };
        graft.directory(tree, 0)?;
        Ok(graft.done)
    }
}

struct Graft<'g> {
    writer: &'g Writer,
    source: &'g Reader,
    seen: HashSet<TreeId>,
    done: Grafted,
}

impl Graft<'_> {
    fn directory(&mut self, tree: TreeId, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::damaged(format!("tree {tree}"), "lies too deep"));
        }
        if !self.seen.insert(tree) {
            return Ok(());
        }
        self.done.trees += 1;
        for node in self.source.tree(tree)?.iter() {
            match &node.kind {
                NodeKind::Dir { tree: Some(below) } => self.directory(*below, depth + 1)?,
                NodeKind::Dir { tree: None } => {}
                NodeKind::File { content, .. } => {
                    for blob in content {
                        self.blob(&blob.0)?;
                    }
                }
            }
        }
        let bytes = self.source.blobs.read(BlobKind::Tree, &tree.0)?;
        self.writer.store_tree(tree, bytes)
    }

    fn blob(&mut self, id: &[u8; 32]) -> Result<()> {
        if self.writer.blobs().contains(BlobKind::Data, id) {
            return Ok(());
        }
        let bytes = self.source.blobs.read(BlobKind::Data, id)?;
        let size = bytes.len() as u64;
        if self.writer.store(BlobKind::Data, *id, bytes.into())? {
            self.done.blobs += 1;
            self.done.bytes += size;
        }
        Ok(())
    }
}
