//! Erasing items from every snapshot.
//!
//! The trees of the resource are written anew without the items, up to the root, and with them the
//! snapshots that had them; then everything that only the old trees needed is removed. Content that
//! another item has too stays.
//!
//! All new snapshots are there before the first old one goes. Where an erasure finds both, or finds
//! nothing to rewrite, an earlier one was cut off (or had to wait), and everything that no snapshot
//! needs is removed, since it cannot be known any more what the old trees had.

use std::collections::{BTreeSet, HashMap, HashSet};

use holdfast_model::short_id;
use holdfast_model::{ResourceId, Timestamp};
use holdfast_policy::{DeletePlan, Erasure};
use serde::Serialize;

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::{FileId, TreeId};
use crate::node::{Node, NodeKind, serialize_tree};
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::shard::Shard;
use crate::snapshot::{Snapshot, SnapshotJson, Tags};
use crate::writer::Writer;

use super::census::KnownSnapshots;
use super::fate::Unwanted;
use super::prune::{Prune, PruneOptions, PruneReport};
use super::versions::{split_name, without_mark};
use super::{check_plan, locked_until, prune_alone, removed};

/// Directories below each other that are followed; an edit takes as many.
const MAX_DEPTH: usize = 400;

/// What an erasure has done, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EraseReport {
    /// Snapshots that had the items and were written anew without them.
    pub snapshots_rewritten: u64,
    /// What was found, for each erasure of the plan.
    pub erased: Vec<ErasedItems>,
    /// Ids of old snapshots that a lock keeps: the items are out of sight, their data waits.
    pub locked: Vec<String>,
    /// The last of these locks ends then, where the store tells.
    pub locked_until: Option<Timestamp>,
    /// Ids of snapshots that somebody else wrote and that hold the items: they are left as they
    /// are, and what they need stays.
    pub foreign: Vec<String>,
    /// What became of the data. Empty in a dry run.
    pub prune: PruneReport,
}

/// What an erasure found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErasedItems {
    /// Whose they were.
    pub resource: ResourceId,
    /// Different file names, those of metadata beside an item included.
    pub names: u64,
}

impl EraseReport {
    /// True where no trace of the items is left in the shard.
    pub fn is_complete(&self) -> bool {
        self.locked.is_empty() && self.foreign.is_empty() && self.prune.is_complete()
    }
}

impl Shard {
    /// Takes the items that the plan erases out of every snapshot, and removes their data unless
    /// something else needs it. Rewritten snapshots keep their time and tags; `rewrite` is one
    /// higher. Of the options `keep_delete`, `instant` and `dry_run` count here as in
    /// [`Shard::prune`]; without `instant` the data goes with a later prune.
    ///
    /// The caller holds the exclusive lease of the shard. What was cut off is done again.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the plan is of another shard or erases nothing; as
    /// [`Shard::prune`].
    pub fn erase(&self, plan: &DeletePlan, options: &PruneOptions) -> Result<EraseReport> {
        check_plan(self, plan)?;
        if plan.erasures().is_empty() {
            return Err(Error::invalid("the plan erases nothing"));
        }
        let present = self.snapshots()?;
        if options.dry_run {
            let mut rewriter = Rewriter::new(self.reader()?, None, plan.erasures());
            let snapshots_rewritten = rewriter.rewrite_all(&present)?.len() as u64;
            let foreign = self.foreign(plan, &HashSet::new())?;
            return Ok(EraseReport { snapshots_rewritten, foreign, ..rewriter.report() });
        }
        let Rewritten { mut report, unwanted, known } = self.rewrite(plan, &present)?;
        report.foreign = self.foreign(plan, &known.gone)?;
        let prune = Prune { options, unwanted: &unwanted, known: &known };
        report.prune = prune_alone(self.vault(), self.repository(), &prune)?;
        Ok(report)
    }

    /// Writes the new snapshots, then removes the old ones.
    fn rewrite(&self, plan: &DeletePlan, present: &[Snapshot]) -> Result<Rewritten> {
        let writer = self.writer()?;
        let mut rewriter = Rewriter::new(writer.reader(), Some(&writer), plan.erasures());
        let found = rewriter.rewrite_all(present)?;
        let was_cut_off =
            found.is_empty() || present.windows(2).any(|pair| is_same_place(&pair[0], &pair[1]));
        let mut known = KnownSnapshots::default();
        for snapshot in present {
            known.present.insert(snapshot.id.parse()?);
        }
        for (old, tree) in &found {
            let same = || present.iter().filter(|other| is_same_place(old, other));
            if same().any(|other| other.tree == *tree) {
                continue;
            }
            let rewrite = same().map(|other| other.tags.rewrite).max().unwrap_or_default();
            let rewrite = rewrite.checked_add(1);
            let rewrite = rewrite.ok_or_else(|| Error::invalid("rewritten too often"))?;
            let tags = Tags { rewrite, ..old.tags.clone() };
            let new = writer.snapshot_like(old, *tree, &tags)?;
            known.present.insert(new.id.parse()?);
        }
        let mut report = rewriter.report();
        report.snapshots_rewritten = found.len() as u64;
        let now = self.vault().clock().now();
        for (old, _) in found {
            let file = old.id.parse()?;
            let until = locked_until(self.repository(), Kind::Snapshot, &file, now)?;
            report.locked_until = report.locked_until.max(until);
            writer.lock().ensure_held()?;
            if until.is_some() || !removed(self.repository(), Kind::Snapshot, &file)? {
                report.locked.push(old.id.clone());
            } else {
                known.gone.insert(file);
            }
        }
        let unwanted = match was_cut_off {
            true => Unwanted::All,
            false => Unwanted::Blobs(rewriter.unwanted),
        };
        Ok(Rewritten { report, unwanted, known })
    }

    /// Ids of snapshots that are not ours and hold items of the plan. Those that are `gone` may
    /// still be listed.
    fn foreign(&self, plan: &DeletePlan, gone: &HashSet<FileId>) -> Result<Vec<String>> {
        let mut rewriter = Rewriter::new(self.reader()?, None, plan.erasures());
        let mut foreign = Vec::new();
        let listed = self.repository().backend.files(Kind::Snapshot)?;
        for (id, _) in listed.into_iter().filter(|(id, _)| !gone.contains(id)) {
            let file: SnapshotJson = self.repository().load(Kind::Snapshot, &id)?;
            let tree = file.tree();
            if file.into_snapshot(id).is_none() && rewriter.rewrite_root(tree)? != tree {
                foreign.push(id.to_string());
            }
        }
        Ok(foreign)
    }
}

/// What became of the snapshots of an erasure.
struct Rewritten {
    report: EraseReport,
    unwanted: Unwanted,
    /// What is there now: a late listing must not hide it from the prune.
    known: KnownSnapshots,
}

/// True for two writings of one snapshot.
fn is_same_place(a: &Snapshot, b: &Snapshot) -> bool {
    (a.tags.seq, a.tags.fence) == (b.tags.seq, b.tags.fence)
}

/// What became of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    Changed(TreeId),
    /// It had nothing but what was erased.
    Empty,
}

/// Writes trees anew without some items; each different tree is looked at once.
struct Rewriter<'a> {
    reader: Reader,
    /// `None`: only looks.
    writer: Option<&'a Writer>,
    erasures: Vec<Wanted<'a>>,
    /// Trees that are replaced and content that is erased.
    unwanted: HashSet<(BlobKind, [u8; 32])>,
}

/// One erasure and what was found of it.
struct Wanted<'a> {
    erasure: &'a Erasure,
    items: HashSet<&'a str>,
    memo: HashMap<TreeId, Outcome>,
    names: BTreeSet<String>,
}

impl<'a> Rewriter<'a> {
    fn new(reader: Reader, writer: Option<&'a Writer>, erasures: &'a [Erasure]) -> Self {
        let wanted = |erasure: &'a Erasure| Wanted {
            erasure,
            items: erasure.items.iter().map(String::as_str).collect(),
            memo: HashMap::new(),
            names: BTreeSet::new(),
        };
        let erasures = erasures.iter().map(wanted).collect();
        Self { reader, writer, erasures, unwanted: HashSet::new() }
    }

    fn report(&self) -> EraseReport {
        let erased = self.erasures.iter().map(|wanted| ErasedItems {
            resource: wanted.erasure.resource.clone(),
            names: wanted.names.len() as u64,
        });
        EraseReport { erased: erased.collect(), ..EraseReport::default() }
    }

    /// The snapshots that have something to erase, with their new trees.
    fn rewrite_all<'s>(
        &mut self,
        snapshots: &'s [Snapshot],
    ) -> Result<Vec<(&'s Snapshot, TreeId)>> {
        let mut found = Vec::new();
        for snapshot in snapshots {
            let tree = self.rewrite_root(snapshot.tree)?;
            if tree != snapshot.tree {
                found.push((snapshot, tree));
            }
        }
        Ok(found)
    }

    fn rewrite_root(&mut self, root: TreeId) -> Result<TreeId> {
        let mut tree = root;
        for at in 0..self.erasures.len() {
            let path: Vec<&str> =
                self.erasures[at].erasure.path.iter().map(String::as_str).collect();
            if path.is_empty() {
                return Err(Error::invalid("an erasure needs the directory of a resource"));
            }
            // Without a writer the new trees cannot be read again, and only the change counts.
            let base = if self.writer.is_some() { tree } else { root };
            tree = self.rewrite_path(at, base, &path)?.unwrap_or(tree);
        }
        Ok(tree)
    }

    /// Follows the path of the resource; the new tree if anything below it was erased.
    fn rewrite_path(&mut self, at: usize, tree: TreeId, path: &[&str]) -> Result<Option<TreeId>> {
        let mut nodes = self.reader.list(tree)?;
        let Some((name, below)) = path.split_first() else {
            return Ok(match self.rewrite_tree(at, tree, 0)? {
                Outcome::Same => None,
                Outcome::Changed(tree) => Some(tree),
                Outcome::Empty => Some(self.store(&[])?),
            });
        };
        let Some(position) = nodes.iter().position(|node| node.name == *name) else {
            return Ok(None);
        };
        let Some(child) = nodes[position].tree() else { return Ok(None) };
        let Some(child) = self.rewrite_path(at, child, below)? else { return Ok(None) };
        nodes[position].kind = NodeKind::Dir { tree: Some(child) };
        self.unwanted.insert((BlobKind::Tree, tree.0));
        self.store(&nodes).map(Some)
    }

    /// Takes the items out of a directory and all below.
    fn rewrite_tree(&mut self, at: usize, tree: TreeId, depth: usize) -> Result<Outcome> {
        if let Some(outcome) = self.erasures[at].memo.get(&tree) {
            return Ok(*outcome);
        }
        if depth > MAX_DEPTH {
            return Err(Error::damaged(format!("tree {tree}"), "is nested too deeply"));
        }
        let nodes = self.reader.list(tree)?;
        let mut kept = Vec::with_capacity(nodes.len());
        let mut changed = false;
        for mut node in nodes {
            let outcome = match node.tree() {
                Some(child) => self.rewrite_tree(at, child, depth + 1)?,
                None if self.is_erased(at, &node) => Outcome::Empty,
                None => Outcome::Same,
            };
            changed |= outcome != Outcome::Same;
            match outcome {
                Outcome::Same => {}
                Outcome::Changed(tree) => node.kind = NodeKind::Dir { tree: Some(tree) },
                // A folder stays; what the fan-out made, and items, go.
                Outcome::Empty if node.is_dir() && node.meta.is_some() => {
                    node.kind = NodeKind::Dir { tree: Some(self.store(&[])?) };
                }
                Outcome::Empty => continue,
            }
            kept.push(node);
        }
        let outcome = match (changed, kept.is_empty()) {
            (false, _) => Outcome::Same,
            (true, true) => Outcome::Empty,
            (true, false) => Outcome::Changed(self.store(&kept)?),
        };
        if changed {
            self.unwanted.insert((BlobKind::Tree, tree.0));
        }
        self.erasures[at].memo.insert(tree, outcome);
        Ok(outcome)
    }

    /// Whether a file belongs to an item that is erased; its content is unwanted then.
    fn is_erased(&mut self, at: usize, node: &Node) -> bool {
        let wanted = &mut self.erasures[at];
        // The metadata say what an item is; what lies beside one has only its name.
        let id = described_id(node).or_else(|| short_id_of(&node.name));
        if !id.is_some_and(|id| wanted.items.contains(id.as_str())) {
            return false;
        }
        wanted.names.insert(node.name.clone());
        if let NodeKind::File { content, .. } = &node.kind {
            self.unwanted.extend(content.iter().map(|blob| (BlobKind::Data, blob.0)));
        }
        true
    }

    /// Stores a tree, or tells its id.
    fn store(&self, nodes: &[Node]) -> Result<TreeId> {
        let (bytes, tree) = serialize_tree(nodes.iter());
        if let Some(writer) = self.writer {
            writer.store_tree(tree, bytes)?;
        }
        Ok(tree)
    }
}

/// The short id in the name of an item or of what lies beside it: `… ~<id>.eml`,
/// `… ~<id>.meta.json`, `… ~<id> ~v<mark>.eml`. Only the last one counts: a subject may have
/// anything in it.
fn short_id_of(name: &str) -> Option<String> {
    let plain = without_mark(name);
    let (stem, _) = split_name(&plain);
    let (_, id) = stem.rsplit_once('~')?;
    Some(id.to_owned())
}

/// The short id of an item by its metadata: a file of a drive has the name that its owner gave it.
fn described_id(node: &Node) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Described {
        id: String,
    }
    let described: Described = serde_json::from_str(node.meta.as_deref()?).ok()?;
    Some(short_id(&described.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_short_id_of_a_name_counts() {
        let id = "0123456789abcdef";
        for name in ["~{}.eml", "s ~{}.meta.json", "s ~{} ~v01234567.eml", "~ffff ~{}.json", "~{}"]
        {
            let name = name.replace("{}", id);
            assert_eq!(short_id_of(&name).as_deref(), Some(id), "{name}");
        }
        for name in ["~{} ~ffffffffffffffff.eml", "{}.eml", "~{} x.eml", "~{}.x.eml"] {
            let name = name.replace("{}", id);
            assert_ne!(short_id_of(&name).as_deref(), Some(id), "{name}");
        }
    }
}
