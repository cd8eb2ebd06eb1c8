//! Copying to a second vault: what it lacks is decrypted here, verified, and encrypted there.
//!
//! A snapshot is written last, when everything that it needs is durable. So a snapshot that the
//! target has proves its trees: what is equal to them is not looked at, and a copy of a long
//! history costs what is new in it. A copy that was cut off is begun again; blobs that arrived and
//! are in an index file there are not sent twice.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::TreeId;
use crate::node::{Node, NodeKind, parse_tree};
use crate::pack::BlobKind;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::snapshot::Snapshot;
use crate::writer::Writer;

use super::census::Census;
use super::read::{Placed, read_blobs};

/// Blobs of content that are collected before they are read: enough to read packs in order.
const BATCH: usize = 20_000;

/// What a copy has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// Snapshots that the target had already.
    pub snapshots_present: u64,
    /// Snapshots that were copied.
    pub snapshots_copied: u64,
    /// Blobs of content that the target lacked.
    pub blobs_copied: u64,
    /// Trees that the target lacked.
    pub trees_copied: u64,
    /// Their bytes before compression.
    pub bytes_copied: u64,
}

impl Shard {
    /// Copies the snapshots that `target`, the shard of another vault, lacks, in the order of the
    /// history, with their time, tags, host name and paths. Snapshots that somebody else wrote are
    /// not copied; what `target` has beyond that stays.
    ///
    /// The caller holds the lease of the target. Of this shard nothing is changed.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming what cannot be had here: the snapshots before it have arrived.
    /// [`Error::Invalid`] where both are the same shard.
    pub fn copy_to(&self, target: &Shard) -> Result<CopyReport> {
        if self.vault().id() == target.vault().id() && self.id() == target.id() {
            return Err(Error::invalid("a shard cannot be copied to itself"));
        }
        let present = target.snapshots()?;
        let mut report = CopyReport::default();
        let mut copy = Copy::new(self, target)?;
        for snapshot in self.snapshots()? {
            if present.iter().any(|other| is_same(&snapshot, other)) {
                report.snapshots_present += 1;
            } else {
                copy.snapshot(&snapshot, &mut report)?;
                report.snapshots_copied += 1;
            }
            copy.base = Some(snapshot.tree);
        }
        Ok(report)
    }
}

fn is_same(a: &Snapshot, b: &Snapshot) -> bool {
    (a.tree, &a.tags, a.time) == (b.tree, &b.tags, b.time)
}

/// A copy under way.
struct Copy<'s> {
    source: &'s Repository,
    census: Census,
    writer: Writer,
    /// Tree of the last snapshot that the target has.
    base: Option<TreeId>,
    /// Trees that were sent or seen with all below them.
    trees: HashSet<TreeId>,
}

/// A tree that the target may lack, and the one at its place in the base.
type Pair = (TreeId, Option<TreeId>);

impl<'s> Copy<'s> {
    fn new(source: &'s Shard, target: &Shard) -> Result<Self> {
        let source_files = source.repository().backend.files(Kind::Pack)?;
        let now = source.vault().clock().now();
        Ok(Self {
            source: source.repository(),
            census: Census::load(source.repository(), source_files, now)?,
            writer: target.writer()?,
            base: None,
            trees: HashSet::new(),
        })
    }

    fn snapshot(&mut self, snapshot: &Snapshot, report: &mut CopyReport) -> Result<()> {
        let mut level: Vec<Pair> = vec![(snapshot.tree, self.base)];
        let mut blobs: HashSet<[u8; 32]> = HashSet::new();
        while !level.is_empty() {
            level.retain(|(tree, base)| Some(*tree) != *base && self.trees.insert(*tree));
            let nodes = self.read_trees(&level, report)?;
            level = self.below(&level, &nodes, &mut blobs)?;
            if blobs.len() >= BATCH {
                self.send(&std::mem::take(&mut blobs), report)?;
            }
        }
        self.send(&blobs, report)?;
        self.writer.snapshot_like(snapshot, snapshot.tree, &snapshot.tags).map(drop)
    }

    /// Reads trees of the source, and those of the base beside them, and sends the former.
    fn read_trees(
        &mut self,
        level: &[Pair],
        report: &mut CopyReport,
    ) -> Result<HashMap<TreeId, Vec<Node>>> {
        let sent: HashSet<TreeId> = level.iter().map(|(tree, _)| *tree).collect();
        let beside = level.iter().filter_map(|(_, base)| *base);
        let wanted: HashSet<TreeId> = sent.iter().copied().chain(beside).collect();
        let mut placed = Vec::new();
        for tree in &wanted {
            placed.push(self.find(BlobKind::Tree, &tree.0)?);
        }
        let mut found = HashMap::new();
        let (census, writer) = (&mut self.census, &self.writer);
        read_blobs(self.source, placed, |blob, read| {
            let opened = read.or_else(|err| census.other_copy(self.source, &blob, err))?;
            let tree = TreeId(blob.id);
            found.insert(tree, parse_tree(tree, &opened.plain)?);
            if sent.contains(&tree) && !writer.knows(BlobKind::Tree, &tree.0) {
                report.trees_copied += 1;
                report.bytes_copied += opened.plain.len() as u64;
                writer.store_blob(BlobKind::Tree, tree.0, opened.plain)?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The next level, and the content that the target lacks.
    fn below(
        &self,
        level: &[Pair],
        nodes: &HashMap<TreeId, Vec<Node>>,
        blobs: &mut HashSet<[u8; 32]>,
    ) -> Result<Vec<Pair>> {
        let mut below = Vec::new();
        for (tree, base) in level {
            let beside: HashMap<&str, TreeId> = (base.iter())
                .flat_map(|base| &nodes[base])
                .filter_map(|node| Some((node.name.as_str(), node.tree()?)))
                .collect();
            for node in &nodes[tree] {
                match &node.kind {
                    NodeKind::Dir { tree: None } => {}
                    NodeKind::Dir { tree: Some(tree) } => {
                        below.push((*tree, beside.get(node.name.as_str()).copied()));
                    }
                    NodeKind::File { content, .. } => {
                        let lacking = |id: &&[u8; 32]| !self.writer.knows(BlobKind::Data, id);
                        blobs.extend(content.iter().map(|blob| &blob.0).filter(lacking));
                    }
                }
            }
        }
        Ok(below)
    }

    /// Sends content.
    fn send(&mut self, blobs: &HashSet<[u8; 32]>, report: &mut CopyReport) -> Result<()> {
        let mut placed = Vec::with_capacity(blobs.len());
        for id in blobs {
            placed.push(self.find(BlobKind::Data, id)?);
        }
        let (census, writer) = (&mut self.census, &self.writer);
        read_blobs(self.source, placed, |blob, read| {
            let opened = read.or_else(|err| census.other_copy(self.source, &blob, err))?;
            report.blobs_copied += 1;
            report.bytes_copied += opened.plain.len() as u64;
            writer.store_blob(blob.kind, blob.id, opened.plain)
        })
    }

    fn find(&self, kind: BlobKind, id: &[u8; 32]) -> Result<Placed> {
        self.census.find(kind, id)
    }
}
