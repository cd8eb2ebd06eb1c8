//! Versions of items in the trees of a resource, and in which snapshots they are.
//!
//! Consecutive snapshots are compared, and equal subtrees skipped, so that reads and memory follow
//! what changed between them, not the size of the resource.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::id::{TreeId, sha256};
use crate::node::{Node, NodeKind};
use crate::reader::Reader;

/// Folder of a resource for versions that only a rule or a hold keeps.
pub(super) const KEPT: &str = "~kept";

/// Ending of a file that carries metadata of the item beside it.
const SIDECAR: &str = ".meta.json";

/// Directories below each other that are followed; an edit takes as many.
const MAX_DEPTH: usize = 400;

/// An item as it was at a time: its file and the metadata beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) item: Node,
    pub(super) sidecar: Option<Node>,
    /// Hash of names, content and metadata. Where it lies does not count.
    pub(super) key: [u8; 32],
}

/// A version and the snapshots of the chain in which it appears or vanishes.
struct Track {
    version: Version,
    /// Position in the chain, and by how much the number of places with it changes there.
    steps: Vec<(usize, i64)>,
}

/// A snapshot of the chain.
pub(super) struct Link {
    /// Tree of the resource; `None` where it is not in the snapshot.
    pub(super) tree: Option<TreeId>,
    pub(super) stays: bool,
}

/// The versions that are in a snapshot that goes and in none that stays, by name.
pub(super) fn lost(reader: &Reader, chain: &[Link]) -> Result<Vec<Version>> {
    let mut tracks: HashMap<[u8; 32], Track> = HashMap::new();
    let mut before = None;
    for (at, link) in chain.iter().enumerate() {
        // Before the first there is nothing, but comparing with it would read everything: what
        // never changes is in all of them.
        let from = if at == 0 { link.tree } else { before };
        for (delta, version) in changes(reader, from, link.tree)? {
            let fresh = Track { version, steps: Vec::new() };
            tracks.entry(fresh.version.key).or_insert(fresh).steps.push((at, delta));
        }
        before = link.tree;
    }
    let stays: Vec<bool> = chain.iter().map(|link| link.stays).collect();
    let mut lost: Vec<Version> = if stays.contains(&true) {
        let is_lost = |track: &Track| is_lost(&track.steps, &stays);
        tracks.into_values().filter(is_lost).map(|track| track.version).collect()
    } else {
        return Err(Error::invalid("no snapshot stays"));
    };
    lost.sort_by(|a, b| (&a.item.name, a.key).cmp(&(&b.item.name, b.key)));
    Ok(lost)
}

/// Whether what changes at these steps is somewhere in the chain, but nowhere that stays.
fn is_lost(steps: &[(usize, i64)], stays: &[bool]) -> bool {
    let mut count = 0;
    let lowest = steps.iter().map(|(_, delta)| {
        count += delta;
        count
    });
    // As often as this it must have been there before the first step.
    let mut count = -lowest.min().unwrap_or(0).min(0);
    let mut steps = steps.iter().peekable();
    let mut was_there = false;
    for (at, stays) in stays.iter().enumerate() {
        while let Some((_, delta)) = steps.next_if(|(step, _)| *step == at) {
            count += delta;
        }
        if count > 0 && *stays {
            return false;
        }
        was_there |= count > 0;
    }
    was_there
}

/// Which versions appear (1 or more) and vanish (-1 or less) from one tree to another.
fn changes(
    reader: &Reader,
    from: Option<TreeId>,
    to: Option<TreeId>,
) -> Result<Vec<(i64, Version)>> {
    let mut deltas: HashMap<[u8; 32], (i64, Version)> = HashMap::new();
    let mut pairs = vec![(from, to, 0, false)];
    while let Some((from, to, depth, kept)) = pairs.pop() {
        if from == to {
            continue;
        }
        if depth > MAX_DEPTH {
            return Err(Error::damaged("a tree", "is nested too deeply"));
        }
        let mut folders: BTreeMap<String, [Option<TreeId>; 2]> = BTreeMap::new();
        for (side, tree, delta) in [(0, from, -1), (1, to, 1)] {
            let Some(tree) = tree else { continue };
            let nodes = reader.tree(tree)?;
            for node in nodes.iter().filter(|node| node.is_dir()) {
                folders.entry(node.name.clone()).or_default()[side] = node.tree();
            }
            for version in versions(&nodes, kept) {
                deltas.entry(version.key).or_insert((0, version)).0 += delta;
            }
        }
        for (name, [from, to]) in folders {
            pairs.push((from, to, depth + 1, kept || (depth == 0 && name == KEPT)));
        }
    }
    Ok(deltas.into_values().filter(|(delta, _)| *delta != 0).collect())
}

/// The versions in a directory. `kept`: it lies in [`KEPT`], where names may carry a mark.
fn versions(nodes: &[Node], kept: bool) -> Vec<Version> {
    let files = || nodes.iter().filter(|node| !node.is_dir() && !is_own(&node.name));
    let mut sidecars: HashMap<&str, (&Node, bool)> = files()
        .filter_map(|node| Some((node.name.strip_suffix(SIDECAR)?, (node, false))))
        .collect();
    let mut versions = Vec::new();
    for item in files().filter(|node| !node.name.ends_with(SIDECAR)) {
        let sidecar = sidecars.get_mut(split_name(&item.name).0).map(|(node, taken)| {
            *taken = true;
            (*node).clone()
        });
        versions.push(Version::new(item.clone(), sidecar, kept));
    }
    // One without its item still is somebody's data.
    let alone = sidecars.into_values().filter(|(_, taken)| !taken);
    versions.extend(alone.map(|(node, _)| Version::new(node.clone(), None, kept)));
    versions
}

/// Names of Holdfast's own files begin like this; no item's does (`model::component`).
fn is_own(name: &str) -> bool {
    name.starts_with('~')
}

impl Version {
    fn new(mut item: Node, mut sidecar: Option<Node>, kept: bool) -> Self {
        if kept {
            item.name = without_mark(&item.name);
            if let Some(sidecar) = &mut sidecar {
                sidecar.name = without_mark(&sidecar.name);
            }
        }
        let mut text = Vec::new();
        for node in [Some(&item), sidecar.as_ref()].into_iter().flatten() {
            describe(node, &mut text);
        }
        Self { item, sidecar, key: sha256(&text) }
    }

    /// Its files, for a folder in which other files have their names: the mark tells them apart.
    pub(super) fn marked(&self, digits: usize) -> Vec<Node> {
        let mark = &hex::encode(self.key)[..digits];
        let rename = |node: &Node| {
            let (stem, ending) = split_name(&node.name);
            Node { name: format!("{stem} ~v{mark}{ending}"), ..node.clone() }
        };
        self.files().map(rename).collect()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Node> {
        [Some(&self.item), self.sidecar.as_ref()].into_iter().flatten()
    }
}

/// An unambiguous description of what makes a version: name, content, metadata.
fn describe(node: &Node, text: &mut Vec<u8>) {
    let NodeKind::File { content, size } = &node.kind else { return };
    let meta = node.meta.as_deref();
    for part in [node.name.as_str(), meta.unwrap_or_default()] {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    text.push(meta.is_some().into());
    text.extend_from_slice(&size.to_le_bytes());
    text.extend_from_slice(&(content.len() as u64).to_le_bytes());
    content.iter().for_each(|blob| text.extend_from_slice(&blob.0));
}

/// A name without its ending, and the ending with its dot.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    let ending = if name.ends_with(SIDECAR) {
        SIDECAR.len()
    } else {
        name.rfind('.').filter(|at| *at > 0).map_or(0, |at| name.len() - at)
    };
    name.split_at(name.len() - ending)
}

/// A name without the mark that [`Version::marked`] gives.
pub(super) fn without_mark(name: &str) -> String {
    let (stem, ending) = split_name(name);
    let plain = stem.rsplit_once(" ~v").filter(|(_, mark)| {
        matches!(mark.len(), 8 | 16 | 32) && mark.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    format!("{}{ending}", plain.map_or(stem, |(plain, _)| plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_lost_when_no_snapshot_that_stays_has_it() {
        let stays = [true, false, false, true, false];
        // (steps, lost)
        let cases: [(&[(usize, i64)], bool); 8] = [
            (&[(1, 1), (3, -1)], true),
            (&[(2, 1), (3, -1)], true),
            (&[(1, 1)], false),
            (&[(1, -1)], false),
            (&[(4, 1)], true),
            (&[(4, -1)], false),
            (&[(1, -1), (4, 1)], false),
            (&[(1, 1), (2, 1), (3, -2)], true),
        ];
        for (steps, expected) in cases {
            assert_eq!(is_lost(steps, &stays), expected, "{steps:?}");
        }
        assert!(is_lost(&[(1, -1)], &[false, true]), "only the first had it");
    }

    #[test]
    fn marks_come_and_go_before_the_ending() {
        let names = [
            (
                "20260101-000000 Hi ~0123456789abcdef ~v01234567.eml",
                "20260101-000000 Hi ~0123456789abcdef.eml",
            ),
            ("a ~v01234567.meta.json", "a.meta.json"),
            ("a ~v0123456789abcdef", "a"),
            ("a ~v0123.eml", "a ~v0123.eml"),
            ("a ~0123456789abcdef.eml", "a ~0123456789abcdef.eml"),
        ];
        for (marked, plain) in names {
            assert_eq!(without_mark(marked), plain);
        }
        assert_eq!(split_name("x.y.meta.json"), ("x.y", ".meta.json"));
        assert_eq!(split_name(".hidden"), (".hidden", ""));
    }
}
