//! From damaged blobs to the items that people know.
//!
//! Subtrees that were found whole once are not entered again, so that the search reads each tree
//! at most once, but for those on the way to damage.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use holdfast_model::Seq;

use super::CheckReport;
use crate::blobs::Blobs;
use crate::error::{Error, Result};
use crate::id::TreeId;
use crate::node::{Node, NodeKind};
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::snapshot::SnapshotJson;

/// Damaged items that a report lists.
const LISTED: usize = 10_000;

/// Directories below each other that are entered.
const MAX_DEPTH: usize = 500;

/// Directories that are entered in all: trees that name few others again and again could stand for
/// more than can ever be walked.
const MAX_ENTERED: u64 = 10_000_000;

/// A blob by kind and id.
pub(super) type Blob = (BlobKind, [u8; 32]);

/// A file or folder of a snapshot that cannot be restored whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedItem {
    /// Names from the root of the shard down to it.
    pub path: Vec<String>,
    /// Its metadata, where it has any.
    pub meta: Option<String>,
    /// True for a directory whose list of children is lost: everything in it is.
    pub is_folder: bool,
    /// The snapshots in which it is so, in order; those of others (without `seq`) are left out.
    pub snapshots: Vec<Seq>,
}

/// Looks which items of all snapshots are concerned, and puts them into the report.
pub(super) fn damaged_items(
    repository: &Arc<Repository>,
    snapshots: &[SnapshotJson],
    bad: &HashSet<Blob>,
    report: &mut CheckReport,
) -> Result<()> {
    let blobs = Arc::new(Blobs::load_readable(Arc::clone(repository))?);
    let reader = Reader::new(Arc::clone(&blobs));
    let mut search = Search {
        blobs,
        reader,
        bad,
        whole: HashSet::new(),
        found: BTreeMap::new(),
        seq: None,
        entered: 0,
    };
    for snapshot in snapshots {
        search.seq = snapshot.tags().map(|tags| tags.seq);
        search.tree(snapshot.tree(), &mut Vec::new(), None)?;
    }
    let more = search.found.len().saturating_sub(LISTED);
    report.damaged_more = more as u64;
    let listed = search.found.into_iter().take(LISTED);
    report.damaged = listed.map(|(key, snapshots)| item(key, snapshots)).collect();
    Ok(())
}

/// Path, metadata, whether it is a folder.
type Key = (Vec<String>, Option<String>, bool);

fn item((path, meta, is_folder): Key, snapshots: HashSet<Seq>) -> DamagedItem {
    let mut snapshots: Vec<Seq> = snapshots.into_iter().collect();
    snapshots.sort_unstable();
    DamagedItem { path, meta, is_folder, snapshots }
}

struct Search<'a> {
    blobs: Arc<Blobs>,
    reader: Reader,
    bad: &'a HashSet<Blob>,
    /// Trees below which nothing is damaged.
    whole: HashSet<TreeId>,
    found: BTreeMap<Key, HashSet<Seq>>,
    seq: Option<Seq>,
    entered: u64,
}

impl Search<'_> {
    /// True where the tree and all below it are whole.
    fn tree(&mut self, tree: TreeId, path: &mut Vec<String>, meta: Option<&str>) -> Result<bool> {
        if self.whole.contains(&tree) {
            return Ok(true);
        }
        self.entered += 1;
        if self.entered > MAX_ENTERED {
            return Ok(false);
        }
        let nodes = match self.reader.tree(tree) {
            Ok(nodes) if path.len() < MAX_DEPTH => nodes,
            Ok(_) | Err(Error::Damaged { .. }) => {
                self.note(path.clone(), meta, true);
                return Ok(false);
            }
            Err(err) => return Err(err),
        };
        let mut whole = true;
        for node in nodes.iter() {
            path.push(node.name.clone());
            let sound = match node.tree() {
                Some(below) => self.tree(below, path, node.meta.as_deref())?,
                None => self.file(node, path),
            };
            path.pop();
            whole &= sound;
        }
        if whole {
            self.whole.insert(tree);
        }
        Ok(whole)
    }

    fn file(&mut self, node: &Node, path: &[String]) -> bool {
        let NodeKind::File { content, .. } = &node.kind else { return true };
        let is_whole = content.iter().all(|id| {
            let blob = (BlobKind::Data, id.0);
            !self.bad.contains(&blob) && self.blobs.contains(blob.0, &blob.1)
        });
        if !is_whole {
            self.note(path.to_vec(), node.meta.as_deref(), false);
        }
        is_whole
    }

    fn note(&mut self, path: Vec<String>, meta: Option<&str>, is_folder: bool) {
        let key = (path, meta.map(str::to_owned), is_folder);
        self.found.entry(key).or_default().extend(self.seq);
    }
}
