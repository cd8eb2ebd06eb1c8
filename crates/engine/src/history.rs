//! `history`: all versions of one item over all restore points and epochs of its resource.
//!
//! Trees are compared, restore point by restore point; what is equal is skipped, and of what
//! differs only the directories are read in which the item can lie. The name of a message says which
//! these are: it is given once and goes with it from folder to folder. A file has the name that its
//! owner gives it, so of a drive everything is read that differs.

use holdfast_catalog::{ResourceRow, RestorePointRow};
use holdfast_model::{ItemId, Seq, ShardId, Timestamp, short_id};
use holdfast_vault::{Node, TreeId};
use holdfast_workloads::{ItemMeta, Layout, Place, mail};
use serde::Serialize;

use crate::backup::tree_id;
use crate::compare::{self, Pairs, Readers, Side, beside, changed};
use crate::{Error, Home, Result, discover, fanout};

/// Directories below each other that are followed, as many as the vault makes.
const MAX_DEPTH: usize = 400;

/// The life of a message, as `holdfast history --json` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The resource.
    pub resource: String,
    /// Graph id.
    pub id: String,
    /// Subject (its beginning), as it was last.
    pub title: String,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// When it was found to be gone; absent while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// Restore points that were compared.
    pub restore_points: usize,
    /// Directories that were read for it.
    pub trees_read: u64,
}

/// A message from one change to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The restore point that shows it first: `--at` takes this time.
    pub first_seen: Timestamp,
    /// The last one that shows it.
    pub last_seen: Timestamp,
    /// The restore point that shows it no more, where nothing came in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// Shard and number of the snapshot that shows it first.
    pub shard: ShardId,
    /// See `shard`.
    pub seq: Seq,
    /// Where it lies.
    pub path: String,
    /// Size of the stored form in bytes.
    pub size: u64,
    /// What has changed since the version before: `content`, `folder`, or names of metadata.
    /// Empty for the first, and for one that came back.
    pub changes: Vec<&'static str>,
    /// It is kept by a rule beyond the restore points in which it was current; the times say since
    /// when it has been.
    pub kept: bool,
}

/// The history of a message by its path (in any restore point) or its Graph id.
pub async fn history(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    item: &str,
) -> Result<History> {
    let resource = discover::find(home, tenant, resource).await?;
    let mut readers = Readers::of(home, &resource).await?;
    let points = points(home, &resource, None, &mut readers).await?;
    let layout = Layout::of(resource.workload);
    let name = match name_of_path(item).filter(|_| !layout.is_drive()) {
        Some(name) => Some(name),
        None if layout.is_drive() => None,
        None => current_name(home, &resource, item).await?,
    };
    let missing = || Error::NotFound {
        what: "item",
        name: item.to_owned(),
        hint: " in any restore point; give a path of 'holdfast ls' or a Graph id",
    };
    let history = tokio::task::block_in_place(|| {
        let short = match &name {
            Some(name) => mail::short_id_of_name(name).unwrap_or_default().to_owned(),
            None if layout.is_drive() => id_at_path(&readers, &resource, &points, item)?,
            None => short_id(item),
        };
        let mut search = Search { layout, short, levels: None, trees_read: 0 };
        if !layout.is_drive() {
            let name = match name {
                Some(name) => Some(name),
                None => search.find_name(&readers, &points)?,
            };
            search.levels = Some(mail::fanout_levels(&name.ok_or_else(missing)?));
        }
        let life = search.life(&readers, &points)?;
        let (id, title) = life.of.clone().ok_or_else(missing)?;
        Ok(History {
            resource: resource.name,
            id,
            title,
            deleted: life.deleted(),
            versions: life.versions,
            restore_points: points.len(),
            trees_read: search.trees_read,
        })
    });
    readers.end().await?;
    history
}

/// The restore points of a resource, their shards open: the complete ones, where there are any;
/// from the one that shows the state of a time on, where one is given.
pub(crate) async fn points(
    home: &Home,
    resource: &ResourceRow,
    from: Option<Timestamp>,
    readers: &mut Readers<'_>,
) -> Result<Vec<RestorePointRow>> {
    loop {
        let mut points = home.catalog.restore_point_list(&resource.id).await?;
        if points.iter().any(|point| point.complete) {
            points.retain(|point| point.complete);
        }
        let before = |from| points.iter().rposition(|point| point.read_at <= from);
        points.drain(..from.and_then(before).unwrap_or_default());
        if readers.open(points.iter().map(|point| point.shard)).await? {
            return Ok(points);
        }
    }
}

/// The short id of the file that lay at a path in the newest restore point that has one there; where
/// none has, the text is taken for a Graph id.
fn id_at_path(
    readers: &Readers<'_>,
    resource: &ResourceRow,
    points: &[RestorePointRow],
    path: &str,
) -> Result<String> {
    let (layout, fanout) = (Layout::of(resource.workload), fanout(resource.workload));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let Some((name, folder)) = parts.split_last() else { return Ok(short_id(path)) };
    for point in points.iter().rev() {
        let reader = readers.get(point.shard)?;
        if let Some(node) = reader.item(tree_id(&point.tree)?, folder, name, &fanout)? {
            let meta = layout.item(&node.name, node.meta.as_deref().unwrap_or_default())?;
            return Ok(short_id(meta.id()));
        }
    }
    Ok(short_id(path))
}

/// The name of a message at the end of a path.
fn name_of_path(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    (mail::place_of_name(name) == Place::Item).then(|| name.to_owned())
}

/// The name of a message that is there now.
async fn current_name(home: &Home, resource: &ResourceRow, id: &str) -> Result<Option<String>> {
    let found = home.catalog.item_get(&resource.id, &[ItemId(id.to_owned())]).await?;
    Ok(found.into_iter().next().map(|row| row.name))
}

/// The item in a tree.
#[derive(Clone)]
struct Spot {
    node: Node,
    meta: ItemMeta,
    folders: Vec<String>,
    kept: bool,
}

impl Spot {
    fn path(&self) -> String {
        let folders = self.folders.iter().map(String::as_str);
        folders.chain([self.node.name.as_str()]).collect::<Vec<_>>().join("/")
    }
}

/// Looks for one item.
struct Search {
    layout: Layout,
    short: String,
    /// The directories of the spread in which it lies; all where its name is not known.
    levels: Option<Vec<String>>,
    trees_read: u64,
}

/// What a comparison of two trees found, in the parts that differ.
#[derive(Default)]
struct Seen {
    old: Vec<Spot>,
    new: Vec<Spot>,
}

/// A place on the way down.
#[derive(Clone, Default)]
struct Here {
    folders: Vec<String>,
    spread: usize,
    kept: bool,
    depth: usize,
}

impl Search {
    /// The name of the message, from the newest change back to the first restore point.
    fn find_name(
        &mut self,
        readers: &Readers<'_>,
        points: &[RestorePointRow],
    ) -> Result<Option<String>> {
        for (position, point) in points.iter().enumerate().rev() {
            let before = position.checked_sub(1).map(|before| &points[before]);
            let seen = self.compare(readers, before, Some(point))?;
            if let Some(spot) = seen.old.into_iter().chain(seen.new).next() {
                return Ok(Some(spot.node.name));
            }
        }
        Ok(None)
    }

    /// Follows the message from restore point to restore point.
    fn life(&mut self, readers: &Readers<'_>, points: &[RestorePointRow]) -> Result<Life> {
        let mut life = Life::default();
        let mut before = None;
        for point in points {
            let seen = self.compare(readers, before, Some(point))?;
            life.go_on(point, seen);
            before = Some(point);
        }
        Ok(life)
    }

    fn compare(
        &mut self,
        readers: &Readers<'_>,
        old: Option<&RestorePointRow>,
        new: Option<&RestorePointRow>,
    ) -> Result<Seen> {
        let mut seen = Seen::default();
        let Some(last) = new.or(old) else { return Ok(seen) };
        let side = |point: Option<&RestorePointRow>| {
            let point = point.unwrap_or(last);
            readers.get(point.shard).map(|reader| Side::new(reader, self.layout))
        };
        let tree = |point: Option<&RestorePointRow>| point.map(|p| tree_id(&p.tree)).transpose();
        let (mut left, mut right) = (side(old)?, side(new)?);
        let (from, to) = (tree(old)?, tree(new)?);
        self.directory((&mut left, from), (&mut right, to), &Here::default(), &mut seen)?;
        self.trees_read += left.trees_read + right.trees_read;
        Ok(seen)
    }

    fn directory(
        &self,
        (old, left): (&mut Side, Option<TreeId>),
        (new, right): (&mut Side, Option<TreeId>),
        here: &Here,
        seen: &mut Seen,
    ) -> Result<()> {
        if left == right || here.depth > MAX_DEPTH {
            return Ok(());
        }
        let pairs = compare::pairs((&mut *old, left), (&mut *new, right))?;
        for ((name, is_dir), (before, after)) in &pairs {
            if before == after {
                continue;
            }
            let tree = |node: &Option<Node>| node.as_ref().and_then(Node::tree);
            let place = self.layout.place(name, *is_dir);
            if place == Place::Item {
                self.item((&*old, &*new), &pairs, name, here, seen)?;
            } else if let Some(below) = self.below(name, place, here) {
                let (left, right) = (tree(before), tree(after));
                self.directory((&mut *old, left), (&mut *new, right), &below, seen)?;
            }
        }
        Ok(())
    }

    /// The place inside a directory, where the message can lie there.
    fn below(&self, name: &str, place: Place, here: &Here) -> Option<Here> {
        let mut below = Here { depth: here.depth + 1, ..here.clone() };
        // The months of what is kept of a drive are no folders of the user.
        let is_month = self.layout.is_drive() && here.kept && place == Place::Folder;
        match if is_month { Place::Fanout } else { place } {
            Place::Folder | Place::Kept => {
                below.folders.push(name.to_owned());
                below.spread = 0;
                below.kept |= place == Place::Kept;
            }
            Place::Fanout => {
                let level = self.levels.as_ref().map(|levels| levels.get(here.spread));
                // What is kept lies by the month of its own date, which its name need not have.
                let elsewhere = |level: Option<&String>| level.is_none_or(|level| level != name);
                if !here.kept && level.is_some_and(elsewhere) {
                    return None;
                }
                below.spread += 1;
            }
            Place::Item | Place::Overflow | Place::Own => return None,
        }
        Some(below)
    }

    fn item(
        &self,
        (old, new): (&Side, &Side),
        pairs: &Pairs,
        name: &str,
        here: &Here,
        seen: &mut Seen,
    ) -> Result<()> {
        if !self.layout.is_drive() && mail::short_id_of_name(name) != Some(&self.short) {
            return Ok(());
        }
        let spot = |side: &Side, node: &Option<Node>, beside: Option<&Node>| {
            let Some(node) = node else { return Ok(None) };
            let (meta, folders) = (side.meta(node, beside)?, here.folders.clone());
            if short_id(meta.id()) != self.short {
                return Ok(None);
            }
            Ok::<_, Error>(Some(Spot { node: node.clone(), meta, folders, kept: here.kept }))
        };
        let ((before, after), (left, right)) =
            (&pairs[&(name.to_owned(), false)], beside(pairs, name));
        seen.old.extend(spot(old, before, left)?);
        seen.new.extend(spot(new, after, right)?);
        Ok(())
    }
}

/// The versions so far.
#[derive(Default)]
struct Life {
    versions: Vec<Version>,
    /// The present state and the position of its version.
    now: Option<(Spot, usize)>,
    /// Kept states that are listed.
    kept: Vec<Spot>,
    of: Option<(String, String)>,
}

impl Life {
    fn go_on(&mut self, point: &RestorePointRow, seen: Seen) {
        let is_seen = seen.old.iter().any(|spot| !spot.kept);
        let (kept, current): (Vec<_>, Vec<_>) = seen.new.into_iter().partition(|spot| spot.kept);
        let before = self.now.take();
        match (current.into_iter().next(), before) {
            (Some(spot), Some((old, position))) => self.change(point, &old, position, spot),
            (Some(spot), None) => self.begin(point, spot, Vec::new()),
            (None, Some((_, position))) if is_seen => {
                self.versions[position].deleted = Some(point.read_at);
            }
            (None, before) => {
                if let Some((_, position)) = &before {
                    self.versions[*position].last_seen = point.read_at;
                }
                self.now = before;
            }
        }
        for spot in kept {
            self.keep(point, spot);
        }
    }

    fn change(&mut self, point: &RestorePointRow, old: &Spot, position: usize, spot: Spot) {
        let has_moved = old.folders != spot.folders;
        let changes = changed((&old.node, &old.meta), (&spot.node, &spot.meta), has_moved);
        if changes.is_empty() {
            self.versions[position].last_seen = point.read_at;
            self.now = Some((spot, position));
        } else {
            self.begin(point, spot, changes);
        }
    }

    fn begin(&mut self, point: &RestorePointRow, spot: Spot, changes: Vec<&'static str>) {
        self.of = Some((spot.meta.id().to_owned(), spot.meta.title().to_owned()));
        self.versions.push(version(point, &spot, changes));
        self.now = Some((spot, self.versions.len() - 1));
    }

    fn keep(&mut self, point: &RestorePointRow, spot: Spot) {
        let same = |other: &Spot| (&other.node.kind, &other.meta) == (&spot.node.kind, &spot.meta);
        if self.kept.iter().any(same) {
            return;
        }
        self.of.get_or_insert_with(|| (spot.meta.id().to_owned(), spot.meta.title().to_owned()));
        self.versions.push(version(point, &spot, Vec::new()));
        self.kept.push(spot);
    }

    fn deleted(&self) -> Option<Timestamp> {
        let own = self.versions.iter().rev().find(|version| !version.kept);
        own.and_then(|version| version.deleted)
    }
}

fn version(point: &RestorePointRow, spot: &Spot, changes: Vec<&'static str>) -> Version {
    Version {
        first_seen: point.read_at,
        last_seen: point.read_at,
        deleted: None,
        shard: point.shard,
        seq: point.seq,
        path: spot.path(),
        size: compare::size(&spot.node),
        changes,
        kept: spot.kept,
    }
}
