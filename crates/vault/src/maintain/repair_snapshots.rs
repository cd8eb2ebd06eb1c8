//! Repairing snapshots: what cannot be read any more is left out, and named.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use holdfast_model::{Fence, Seq};

use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::check::DamagedItem;
use crate::error::{Error, Result};
use crate::id::TreeId;
use crate::node::{Node, NodeKind, serialize_tree};
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::shard::Shard;
use crate::snapshot::{Snapshot, SnapshotJson, Tags};

use super::alone;
use super::index_writer::IndexWriter;
use super::packer::Packer;

/// Directories below each other that are followed; an edit takes as many.
const MAX_DEPTH: usize = 400;

/// What a repair of snapshots found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairSnapshotsReport {
    /// Snapshots that were written anew without what is lost. The damaged ones stay until a plan
    /// forgets them.
    pub repaired: Vec<Snapshot>,
    /// Ids of snapshots whose root is lost, or which cannot be read: nothing can be saved of them.
    pub lost: Vec<String>,
    /// The files and folders that are missing in repaired snapshots, by path. Of a folder its
    /// children are gone.
    pub items: Vec<DamagedItem>,
}

impl Shard {
    /// Writes every snapshot of ours that cannot be restored whole anew, with what can be read of
    /// it: the same tags and time, `rewrite` one higher, and a tag `repaired=1`. Files of which a
    /// blob is in no index file are left out; a folder whose tree cannot be read is empty. Each is
    /// named in the report. Nothing is removed.
    ///
    /// Whether blobs are sound is the affair of [`Shard::repair_packs`] and
    /// [`Shard::repair_from`], which come first. The caller holds the exclusive lease.
    ///
    /// # Errors
    /// [`Error::Damaged`] where an index file cannot be read ([`Shard::repair_index`]);
    /// [`Error::Busy`]; [`Error::Io`].
    pub fn repair_snapshots(&self) -> Result<RepairSnapshotsReport> {
        let _lock = alone(self.vault(), self.repository())?;
        let blobs = Arc::new(Blobs::load(Arc::clone(self.repository()))?);
        let mut report = RepairSnapshotsReport::default();
        let newest = self.newest_writings(&mut report)?;
        let mut repair = Repair {
            reader: Reader::new(Arc::clone(&blobs)),
            blobs,
            packer: Packer::new(self.repository()),
            stored: HashSet::new(),
            memo: HashMap::new(),
        };
        let mut items: BTreeMap<Lost, Vec<Seq>> = BTreeMap::new();
        let mut repaired = Vec::new();
        for snapshot in newest {
            let outcome = repair.tree(snapshot.tree, 0)?;
            let Some(tree) = outcome.tree else {
                report.lost.push(snapshot.id);
                continue;
            };
            for lost in &outcome.lost {
                items.entry(lost.clone()).or_default().push(snapshot.tags.seq);
            }
            if tree != snapshot.tree {
                repaired.push((snapshot, tree));
            }
        }
        report.items = items.into_iter().map(|(lost, seqs)| lost.into_item(seqs)).collect();
        let mut index = IndexWriter::new(self.repository());
        for pack in repair.packer.finish()? {
            index.add(pack, None)?;
        }
        index.finish(Vec::new(), false)?;
        for (snapshot, tree) in repaired {
            report.repaired.push(self.write_repaired(&snapshot, tree)?);
        }
        Ok(report)
    }

    /// The latest writing of each snapshot; what was repaired or erased needs no further repair.
    fn newest_writings(&self, report: &mut RepairSnapshotsReport) -> Result<Vec<Snapshot>> {
        let mut newest: BTreeMap<(Seq, Fence), Snapshot> = BTreeMap::new();
        for (id, _) in self.repository().backend.files(Kind::Snapshot)? {
            match self.repository().load::<SnapshotJson>(Kind::Snapshot, &id) {
                Ok(file) => {
                    let Some(snapshot) = file.into_snapshot(id) else { continue };
                    let place = (snapshot.tags.seq, snapshot.tags.fence);
                    let is_newer = |known: &Snapshot| known.tags.rewrite < snapshot.tags.rewrite;
                    if newest.get(&place).is_none_or(is_newer) {
                        newest.insert(place, snapshot);
                    }
                }
                Err(Error::Damaged { .. }) => report.lost.push(id.to_string()),
                Err(err) => return Err(err),
            }
        }
        Ok(newest.into_values().collect())
    }

    fn write_repaired(&self, old: &Snapshot, tree: TreeId) -> Result<Snapshot> {
        let rewrite = old.tags.rewrite.checked_add(1);
        let rewrite = rewrite.ok_or_else(|| Error::invalid("rewritten too often"))?;
        let tags = Tags { rewrite, ..old.tags.clone() };
        let file = SnapshotJson::new(tree, &tags, old.time, &old.hostname, &old.paths)?.repaired();
        let id = self.repository().store(Kind::Snapshot, &file)?;
        file.into_snapshot(id).ok_or_else(|| Error::invalid("the tags cannot be read back"))
    }
}

/// A file or folder that is lost, by its path from the tree at hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lost {
    path: Vec<String>,
    meta: Option<String>,
    is_folder: bool,
}

impl Lost {
    fn of(node: &Node) -> Self {
        Self { path: vec![node.name.clone()], meta: node.meta.clone(), is_folder: node.is_dir() }
    }

    fn below(&self, name: &str) -> Self {
        let path = std::iter::once(name.to_owned()).chain(self.path.iter().cloned()).collect();
        Self { path, ..self.clone() }
    }

    fn into_item(self, snapshots: Vec<Seq>) -> DamagedItem {
        let Self { path, meta, is_folder } = self;
        DamagedItem { path, meta, is_folder, snapshots }
    }
}

/// What became of a tree.
struct Outcome {
    /// `None` where it cannot be read.
    tree: Option<TreeId>,
    lost: Vec<Lost>,
}

/// A repair under way; each different tree is looked at once.
struct Repair<'r> {
    blobs: Arc<Blobs>,
    reader: Reader,
    packer: Packer<'r>,
    /// New trees.
    stored: HashSet<TreeId>,
    memo: HashMap<TreeId, Rc<Outcome>>,
}

impl Repair<'_> {
    fn tree(&mut self, tree: TreeId, depth: usize) -> Result<Rc<Outcome>> {
        if let Some(outcome) = self.memo.get(&tree) {
            return Ok(Rc::clone(outcome));
        }
        let nodes = match self.reader.list(tree) {
            Ok(nodes) if depth <= MAX_DEPTH => nodes,
            Ok(_) | Err(Error::Damaged { .. }) => {
                let outcome = Rc::new(Outcome { tree: None, lost: Vec::new() });
                self.memo.insert(tree, Rc::clone(&outcome));
                return Ok(outcome);
            }
            Err(err) => return Err(err),
        };
        let mut lost = Vec::new();
        let mut kept = Vec::with_capacity(nodes.len());
        let mut changed = false;
        for mut node in nodes {
            let sound = match node.tree() {
                Some(child) => self.directory(&mut node, child, depth, &mut lost)?,
                None => self.is_whole(&node),
            };
            changed |= !sound;
            match sound || node.is_dir() {
                true => kept.push(node),
                false => lost.push(Lost::of(&node)),
            }
        }
        let tree = if changed { self.store(&kept)? } else { tree };
        let outcome = Rc::new(Outcome { tree: Some(tree), lost });
        self.memo.insert(tree, Rc::clone(&outcome));
        Ok(outcome)
    }

    /// Repairs a directory; true where nothing had to be changed.
    fn directory(
        &mut self,
        node: &mut Node,
        child: TreeId,
        depth: usize,
        lost: &mut Vec<Lost>,
    ) -> Result<bool> {
        let outcome = self.tree(child, depth + 1)?;
        lost.extend(outcome.lost.iter().map(|lost| lost.below(&node.name)));
        let tree = match outcome.tree {
            Some(tree) => tree,
            None => {
                let empty = self.store(&[])?;
                // The tree of an empty folder is known without having been read.
                if empty != child {
                    lost.push(Lost::of(node));
                }
                empty
            }
        };
        node.kind = NodeKind::Dir { tree: Some(tree) };
        Ok(tree == child)
    }

    fn is_whole(&self, node: &Node) -> bool {
        let NodeKind::File { content, .. } = &node.kind else { return true };
        content.iter().all(|blob| self.blobs.contains(BlobKind::Data, &blob.0))
    }

    fn store(&mut self, nodes: &[Node]) -> Result<TreeId> {
        let (bytes, tree) = serialize_tree(nodes.iter());
        let is_known = self.blobs.contains(BlobKind::Tree, &tree.0);
        if !is_known && self.stored.insert(tree) {
            self.packer.add(BlobKind::Tree, tree.0, &bytes)?;
        }
        Ok(tree)
    }
}
