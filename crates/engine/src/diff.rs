//! `diff`: what two restore points of a resource have not in common.
//!
//! The trees are compared; what is equal is never read, so that the cost follows the difference.
//! Folders and messages are known by their ids: what lies in another place has moved. Folders are
//! paired before their content is, so that a moved folder costs as much as one that stayed.

use std::collections::{BTreeMap, HashMap};

use holdfast_catalog::{ResourceRow, RestorePointRow};
use holdfast_model::Timestamp;
use holdfast_vault::{Node, TreeId};
use holdfast_workloads::{FolderMeta, ItemMeta, Layout, Place};
use serde::Serialize;

use crate::backup::tree_id;
use crate::browse::{At, point, step_of};
use crate::compare::{self, Pairs, Readers, Side, beside, changed};
use crate::{Error, Home, Result, discover};

/// Directories below each other that are followed, as many as the vault makes.
const MAX_DEPTH: usize = 400;

/// What changed between two restore points, as `holdfast diff --json` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The resource.
    pub resource: String,
    /// The first restore point; absent where everything is compared with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The second.
    pub to: Timestamp,
    /// Messages and folders that came.
    pub added: u64,
    /// Those that went.
    pub removed: u64,
    /// Those that changed in their place.
    pub changed: u64,
    /// Those that lie elsewhere, changed or not.
    pub moved: u64,
    /// One by one, by path.
    pub changes: Vec<Change>,
    /// Directories that were read for it.
    pub trees_read: u64,
}

/// A message or folder that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Where it lies; where it lay, when it is removed.
    pub path: String,
    /// Where it lay, when it has moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// `folder`, `message` or `file`.
    pub kind: &'static str,
    /// What became of it.
    pub change: Became,
    /// What differs: `content`, `folder`, `name`, or names of metadata.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// Graph id.
    pub id: String,
    /// Subject (its beginning) or name.
    pub title: String,
    /// Size of the stored form in bytes; 0 for folders.
    pub size: u64,
}

/// What became of a message or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It was not there.
    Added,
    /// It is not there.
    Removed,
    /// It is in its place and differs.
    Changed,
    /// It lies elsewhere.
    Moved,
}

/// Compares two restore points of a resource: `from`, or the one before `to`, and `to`.
pub async fn diff(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    from: Option<&At>,
    to: &At,
) -> Result<Diff> {
    let resource = discover::find(home, tenant, resource).await?;
    let mut readers = Readers::of(home, &resource).await?;
    let (left, right) = loop {
        let (left, right) = points(home, &resource, from, to).await?;
        let shards = left.iter().chain([&right]).map(|point| point.shard);
        if readers.open(shards).await? {
            break (left, right);
        }
    };
    let layout = Layout::of(resource.workload);
    let (changes, trees_read) =
        tokio::task::block_in_place(|| changes(&readers, layout, left.as_ref(), &right))?;
    readers.end().await?;
    let count = |became| changes.iter().filter(|change| change.change == became).count() as u64;
    Ok(Diff {
        resource: resource.name,
        from: left.map(|left| left.read_at),
        to: right.read_at,
        added: count(Became::Added),
        removed: count(Became::Removed),
        changed: count(Became::Changed),
        moved: count(Became::Moved),
        changes,
        trees_read,
    })
}

/// What two restore points have not in common, and how many directories were read for it; their
/// shards are open.
pub(crate) fn changes(
    readers: &Readers<'_>,
    layout: Layout,
    left: Option<&RestorePointRow>,
    right: &RestorePointRow,
) -> Result<(Vec<Change>, u64)> {
    let old = readers.get(left.map_or(right.shard, |left| left.shard))?;
    let new = Side::new(readers.get(right.shard)?, layout);
    let mut walk = Walk::new(layout, Side::new(old, layout), new);
    let from_tree = left.map(|left| tree_id(&left.tree)).transpose()?;
    let changes = walk.run(from_tree, tree_id(&right.tree)?)?;
    Ok((changes, walk.old.trees_read + walk.new.trees_read))
}

/// The restore points that are meant.
async fn points(
    home: &Home,
    resource: &ResourceRow,
    from: Option<&At>,
    to: &At,
) -> Result<(Option<RestorePointRow>, RestorePointRow)> {
    let missing = || Error::NotFound {
        what: "restore point of",
        name: resource.name.clone(),
        hint: " at that time; 'holdfast snapshots' lists what there is",
    };
    let right = point(home, &resource.id, to).await?.ok_or_else(missing)?;
    let left = match from {
        Some(at) => Some(point(home, &resource.id, at).await?.ok_or_else(missing)?),
        None => {
            let all = home.catalog.restore_point_list(&resource.id).await?;
            all.into_iter().rfind(|point| point.complete && point.read_at < right.read_at)
        }
    };
    Ok((left, right))
}

/// A directory on one side: a folder, or a part of its spread.
#[derive(Clone)]
struct Spot {
    tree: Option<TreeId>,
    /// Directory names from the resource down to the folder.
    path: Vec<String>,
    /// Graph id of the folder; empty at the top.
    folder: String,
}

/// A folder that lies on one side only, at first sight.
#[derive(Clone)]
struct Dir {
    place: Spot,
    meta: FolderMeta,
    /// Graph id of the folder above it.
    above: String,
}

/// A message that lies on one side only, at first sight.
struct Lone {
    node: Node,
    meta: ItemMeta,
    path: String,
    folder: String,
}

type Dirs = BTreeMap<String, Dir>;

struct Walk {
    layout: Layout,
    old: Side,
    new: Side,
    /// Folders of which the counterpart was not met yet.
    lost: Dirs,
    found: Dirs,
    gone: HashMap<String, Lone>,
    come: HashMap<String, Lone>,
    changes: Vec<Change>,
}

impl Walk {
    fn new(layout: Layout, old: Side, new: Side) -> Self {
        Self {
            layout,
            old,
            new,
            lost: Dirs::new(),
            found: Dirs::new(),
            gone: HashMap::new(),
            come: HashMap::new(),
            changes: Vec::new(),
        }
    }

    fn run(&mut self, old: Option<TreeId>, new: TreeId) -> Result<Vec<Change>> {
        let top = |tree| Spot { tree, path: Vec::new(), folder: String::new() };
        self.pair(&top(old), &top(Some(new)), true, 0)?;
        while let Some((old, new)) = self.same_folder() {
            self.folder(&old, &new);
            self.pair(&old.place, &new.place, true, 0)?;
        }
        // What is left was made or removed, with all that is in it, unless that moved too.
        let lost = reveal(self.layout, &mut self.old, std::mem::take(&mut self.lost))?;
        let found = reveal(self.layout, &mut self.new, std::mem::take(&mut self.found))?;
        for (id, old) in &lost {
            match found.get(id) {
                Some(new) => {
                    self.folder(old, new);
                    self.pair(&old.place, &new.place, false, 0)?;
                }
                None => {
                    self.lone_folder(old, Became::Removed);
                    self.pair(&old.place, &nothing(), false, 0)?;
                }
            }
        }
        for new in found.iter().filter(|(id, _)| !lost.contains_key(*id)).map(|(_, new)| new) {
            self.lone_folder(new, Became::Added);
            self.pair(&nothing(), &new.place, false, 0)?;
        }
        self.messages();
        self.changes.sort();
        Ok(std::mem::take(&mut self.changes))
    }

    /// A folder that was met on both sides, in different places.
    fn same_folder(&mut self) -> Option<(Dir, Dir)> {
        let id = self.lost.keys().find(|id| self.found.contains_key(*id))?.clone();
        self.lost.remove(&id).zip(self.found.remove(&id))
    }

    /// Compares a directory of one folder with its counterpart. Folders in it are compared only
    /// `with_folders`: those below a folder that stands alone are known already.
    fn pair(&mut self, old: &Spot, new: &Spot, with_folders: bool, depth: usize) -> Result<()> {
        if old.tree == new.tree || depth > MAX_DEPTH {
            return Ok(());
        }
        let pairs = compare::pairs((&mut self.old, old.tree), (&mut self.new, new.tree))?;
        for ((name, is_dir), (before, after)) in &pairs {
            if before == after {
                continue;
            }
            match self.layout.place(name, *is_dir) {
                Place::Item => self.message(&pairs, name, old, new)?,
                Place::Fanout => {
                    let inner = |place: &Spot, node: &Option<Node>| Spot {
                        tree: node.as_ref().and_then(Node::tree),
                        ..place.clone()
                    };
                    let (old, new) = (inner(old, before), inner(new, after));
                    self.pair(&old, &new, with_folders, depth + 1)?;
                }
                Place::Folder if with_folders => {
                    let old = before.as_ref().map(|node| dir(node, old)).transpose()?;
                    let new = after.as_ref().map(|node| dir(node, new)).transpose()?;
                    self.folders(old, new, depth)?;
                }
                Place::Folder | Place::Overflow | Place::Kept | Place::Own => {}
            }
        }
        Ok(())
    }

    fn folders(&mut self, old: Option<Dir>, new: Option<Dir>, depth: usize) -> Result<()> {
        if let (Some(old), Some(new)) = (&old, &new)
            && old.meta.id == new.meta.id
        {
            self.folder(old, new);
            return self.pair(&old.place, &new.place, true, depth + 1);
        }
        self.lost.extend(old.map(|dir| (dir.meta.id.clone(), dir)));
        self.found.extend(new.map(|dir| (dir.meta.id.clone(), dir)));
        Ok(())
    }

    /// Notes what became of a folder that is on both sides.
    fn folder(&mut self, old: &Dir, new: &Dir) {
        let mut fields = Vec::new();
        if old.above != new.above {
            fields.push("folder");
        }
        if old.meta.name != new.meta.name {
            fields.push("name");
        }
        if old.meta.hidden != new.meta.hidden {
            fields.push("hidden");
        }
        let has_moved = old.above != new.above;
        if fields.is_empty() {
            return;
        }
        let (path, from) = (new.place.path.join("/"), old.place.path.join("/"));
        self.changes.push(Change {
            from_path: Some(from).filter(|from| *from != path),
            path,
            kind: "folder",
            change: if has_moved { Became::Moved } else { Became::Changed },
            fields,
            id: new.meta.id.clone(),
            title: new.meta.name.clone(),
            size: 0,
        });
    }

    fn lone_folder(&mut self, dir: &Dir, change: Became) {
        self.changes.push(Change {
            path: dir.place.path.join("/"),
            from_path: None,
            kind: "folder",
            change,
            fields: Vec::new(),
            id: dir.meta.id.clone(),
            title: dir.meta.name.clone(),
            size: 0,
        });
    }

    /// Keeps a message that differs, each side for itself, until all are known.
    fn message(&mut self, pairs: &Pairs, name: &str, old: &Spot, new: &Spot) -> Result<()> {
        let ((before, after), (left, right)) =
            (&pairs[&(name.to_owned(), false)], beside(pairs, name));
        let lone = |side: &Side, place: &Spot, node: &Node, beside: Option<&Node>| {
            let meta = side.meta(node, beside)?;
            let path = place.path.iter().map(String::as_str).chain([name]);
            let path = path.collect::<Vec<_>>().join("/");
            let (node, folder) = (node.clone(), place.folder.clone());
            Ok::<_, Error>((meta.id().to_owned(), Lone { node, meta, path, folder }))
        };
        if let Some(node) = before {
            self.gone.extend([lone(&self.old, old, node, left)?]);
        }
        if let Some(node) = after {
            self.come.extend([lone(&self.new, new, node, right)?]);
        }
        Ok(())
    }

    /// Joins the messages of both sides by their ids.
    fn messages(&mut self) {
        let mut come = std::mem::take(&mut self.come);
        for (id, old) in std::mem::take(&mut self.gone) {
            let change = match come.remove(&id) {
                Some(new) => joined(&old, &new),
                None => Some(message(&old, Became::Removed)),
            };
            self.changes.extend(change);
        }
        self.changes.extend(come.into_values().map(|new| message(&new, Became::Added)));
    }
}

/// What became of a message that is on both sides; `None` where only the spread differs.
fn joined(old: &Lone, new: &Lone) -> Option<Change> {
    let has_moved = old.folder != new.folder;
    let fields = changed((&old.node, &old.meta), (&new.node, &new.meta), has_moved);
    if fields.is_empty() {
        return None;
    }
    let became = if has_moved { Became::Moved } else { Became::Changed };
    let from_path = has_moved.then(|| old.path.clone());
    Some(Change { from_path, fields, ..message(new, became) })
}

fn message(lone: &Lone, change: Became) -> Change {
    Change {
        path: lone.path.clone(),
        from_path: None,
        kind: lone.meta.noun(),
        change,
        fields: Vec::new(),
        id: lone.meta.id().to_owned(),
        title: lone.meta.title().to_owned(),
        size: compare::size(&lone.node),
    }
}

fn nothing() -> Spot {
    Spot { tree: None, path: Vec::new(), folder: String::new() }
}

fn dir(node: &Node, above: &Spot) -> Result<Dir> {
    let step = step_of(node)?;
    let mut path = above.path.clone();
    path.push(step.dir);
    let place = Spot { tree: node.tree(), path, folder: step.meta.id.clone() };
    Ok(Dir { place, meta: step.meta, above: above.folder.clone() })
}

/// The folders with all folders below them. Their messages are not read.
fn reveal(layout: Layout, side: &mut Side, tops: Dirs) -> Result<Dirs> {
    let (mut all, mut open) = (Dirs::new(), tops);
    while let Some((id, next)) = open.pop_first() {
        if next.place.path.len() < MAX_DEPTH {
            for node in side.list(next.place.tree)? {
                if node.is_dir() && layout.place(&node.name, true) == Place::Folder {
                    let inner = dir(&node, &next.place)?;
                    if !all.contains_key(&inner.meta.id) {
                        open.insert(inner.meta.id.clone(), inner);
                    }
                }
            }
        }
        all.insert(id, next);
    }
    Ok(all)
}
