//! Looking into restore points: listing, finding a place, reading an item.
//!
//! Listings read trees, not SQL. The spread of a large folder over months, days and digits is
//! hidden: a path is folders and a name, and a month or day may stand between them to narrow.
//! What a rule keeps beyond its time is shown in the folder `~kept`, and is not part of the whole.

mod at;
mod file_versions;
mod message;
mod visit;

use std::collections::BTreeMap;
use std::io::Write;

use holdfast_catalog::{ResourceRow, RestorePointRow, SnapshotRow};
use holdfast_model::{ResourceId, Seq, ShardId, Timestamp, fold};
use holdfast_vault::{Node, NodeKind, Reader, TreeId};
use holdfast_workloads::drive::FileMeta;
use holdfast_workloads::mail::{self, MessageMeta};
use holdfast_workloads::{FolderMeta, ItemMeta, KEPT_DIR, Layout, Place};
use serde::Serialize;

use crate::backup::tree_id;
use crate::compare::{size, whole_meta};
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Result, discover, fanout};

pub use at::{At, read_at};
pub use file_versions::{StoredVersion, cat_version, versions};
pub use message::message;
pub use visit::Unread;

pub(crate) use file_versions::{stored_versions, version_of};

/// A snapshot as `holdfast snapshots` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotView {
    /// Id, as restic shows it.
    pub id: String,
    /// Vault id.
    pub vault: String,
    /// Shard number.
    pub shard: u32,
    /// Position in the shard's history.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// The run that wrote it.
    pub run: String,
    /// `final` or `checkpoint`.
    pub kind: String,
    /// Resources that changed in it.
    pub resources: Vec<String>,
}

/// All committed snapshots, oldest first.
pub async fn snapshots(home: &Home) -> Result<Vec<SnapshotView>> {
    let mut changed = BTreeMap::<(String, ShardId, Seq), Vec<String>>::new();
    for tenant in home.catalog.tenant_list().await? {
        for resource in home.catalog.resource_list(Some(&tenant.name)).await? {
            for point in home.catalog.restore_point_list(&resource.id).await? {
                let snapshot = (tenant.vault_id.clone(), point.shard, point.seq);
                changed.entry(snapshot).or_default().push(resource.name.clone());
            }
        }
    }
    let rows = home.catalog.snapshot_list(None).await?;
    let view = |row: SnapshotRow| SnapshotView {
        resources: changed.remove(&(row.vault_id.clone(), row.shard, row.seq)).unwrap_or_default(),
        id: row.id,
        vault: row.vault_id,
        shard: row.shard.0,
        seq: row.seq.0,
        time: row.time,
        run: row.run.0,
        kind: row.kind.as_str().to_owned(),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// A restore point of a resource, ready to be read.
pub struct Located {
    /// The resource.
    pub resource: ResourceRow,
    /// The restore point.
    pub point: RestorePointRow,
    /// Reads its shard.
    pub reader: Reader,
    /// The resource's directory.
    pub tree: TreeId,
    /// While it lasts, nothing is deleted under the reader; absent where somebody else holds it.
    reading: Option<Reading>,
}

/// Finds the restore point of a resource.
pub async fn locate(home: &Home, tenant: Option<&str>, resource: &str, at: &At) -> Result<Located> {
    let resource = discover::find(home, tenant, resource).await?;
    let none = || no_point(&resource);
    let tenant = crate::tenant::find(home, &resource.tenant).await?;
    let vault = home.vault(Some(&tenant.vault_id)).await?;
    let mut found = point(home, &resource.id, at).await?.ok_or_else(none)?;
    loop {
        crate::maintain::settle(home, &vault, found.shard).await?;
        let reading = Reading::begin(home, vault.id(), found.shard).await?;
        let (opened, shard) = (vault.clone(), found.shard);
        let reader = blocking(move || Ok(opened.shard(shard)?.reader()?)).await?;
        // A prune may have forgotten it before the index was read.
        let now = point(home, &resource.id, at).await?.ok_or_else(none)?;
        if now == found {
            let tree = tree_id(&found.tree)?;
            let reading = Some(reading);
            return Ok(Located { resource, point: found, reader, tree, reading });
        }
        found = now;
    }
}

fn no_point(resource: &ResourceRow) -> Error {
    Error::NotFound {
        what: "restore point of",
        name: resource.name.clone(),
        hint: " at that time; 'holdfast snapshots' lists what there is",
    }
}

/// The restore point that is meant.
pub(crate) async fn point(
    home: &Home,
    resource: &ResourceId,
    at: &At,
) -> Result<Option<RestorePointRow>> {
    match at {
        At::Latest => Ok(home.catalog.restore_point_at(resource, None).await?),
        At::Time(time) => Ok(home.catalog.restore_point_at(resource, Some(*time)).await?),
        At::Snapshot(prefix) => {
            let found = home.catalog.snapshot_find(prefix).await?;
            match found.as_slice() {
                [one] => Ok(home.catalog.restore_point_in(resource, one.shard, one.seq).await?),
                [] => Err(Error::not_found("snapshot", prefix)),
                many => Err(Error::Ambiguous {
                    what: "snapshots",
                    name: prefix.clone(),
                    count: many.len(),
                }),
            }
        }
    }
}

/// A line of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Path inside the resource: folders and a name.
    pub path: String,
    /// `folder`, `message` or `file`.
    pub kind: &'static str,
    /// Real name of a folder or file, or subject of a message (its beginning).
    pub title: String,
    /// Graph id.
    pub id: String,
    /// Size of the stored form in bytes; 0 for folders.
    pub size: u64,
    /// When a message was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// When a file was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Sender's address; of a file who changed it last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
}

/// What lies at a place of a restore point.
#[derive(Debug)]
pub enum Spot {
    /// A folder (or the resource itself, or a month): its tree and the path to it.
    Folder(Option<TreeId>, Vec<FolderStep>),
    /// A message or file and the folders above it.
    Item(Box<Node>, Vec<FolderStep>),
}

/// A folder on the way to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderStep {
    /// Its directory name in the vault.
    pub dir: String,
    /// What is known of it.
    pub meta: FolderMeta,
}

/// A message or file found below a place.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its node.
    pub node: Node,
    /// Its metadata, with what lay beside the node.
    pub meta: ItemMeta,
    /// The folders above it, outermost first.
    pub folders: Vec<FolderStep>,
}

impl Found {
    /// The metadata of a message.
    pub fn message(&self) -> Result<&MessageMeta> {
        self.meta.message().ok_or_else(|| Error::Usage("a file is no message".to_owned()))
    }

    /// The metadata of a file.
    pub fn file(&self) -> Result<&FileMeta> {
        self.meta.file().ok_or_else(|| Error::Usage("a message is no file".to_owned()))
    }

    /// Path inside the resource, without the spread.
    pub fn path(&self) -> String {
        path_to(&self.folders, &self.node.name)
    }
}

fn path_to(folders: &[FolderStep], name: &str) -> String {
    let mut path: Vec<&str> = folders.iter().map(|step| step.dir.as_str()).collect();
    path.push(name);
    path.join("/")
}

impl Located {
    /// Ends the reading now; dropping it ends it soon.
    pub(crate) async fn end(self) -> Result<()> {
        match self.reading {
            Some(reading) => reading.end().await,
            None => Ok(()),
        }
    }

    /// A restore point whose shard somebody else has open.
    pub(crate) fn open(
        resource: ResourceRow,
        point: RestorePointRow,
        reader: Reader,
    ) -> Result<Self> {
        let tree = tree_id(&point.tree)?;
        Ok(Self { resource, point, reader, tree, reading: None })
    }

    /// Gives the reading away, for those who keep the reader.
    pub(crate) fn take_reading(&mut self) -> Option<Reading> {
        self.reading.take()
    }

    /// How the resource is laid out.
    pub fn layout(&self) -> Layout {
        Layout::of(self.resource.workload)
    }

    /// What a node stands for. In what is kept of a drive the months are no folders of the user: they
    /// have no metadata.
    pub(crate) fn place(&self, node: &Node) -> Place {
        match self.layout().place(&node.name, node.is_dir()) {
            Place::Folder if node.is_dir() && node.meta.is_none() => Place::Fanout,
            place => place,
        }
    }

    /// Finds what a path means. Folder names match exactly, else by what people call them; the
    /// spread may be left out, and the name of a drive where the resource has only one.
    pub fn spot(&self, path: &str) -> Result<Spot> {
        let first = self.spot_from(self.tree, Vec::new(), path);
        match (&first, self.only_drive()?) {
            (Err(Error::NotFound { .. }), Some((tree, step))) => {
                self.spot_from(tree, vec![step], path).or(first)
            }
            _ => first,
        }
    }

    /// The drive of a resource that has one only, such as a OneDrive.
    fn only_drive(&self) -> Result<Option<(TreeId, FolderStep)>> {
        if !self.layout().is_drive() {
            return Ok(None);
        }
        let mut drives = Vec::new();
        for node in self.reader.list(self.tree)? {
            if node.is_dir() && self.place(&node) == Place::Folder {
                drives.push(node);
            }
        }
        match (drives.pop(), drives.is_empty()) {
            (Some(node), true) => Ok(node.tree().zip(Some(step_of(&node)?))),
            _ => Ok(None),
        }
    }

    fn spot_from(&self, start: TreeId, mut folders: Vec<FolderStep>, path: &str) -> Result<Spot> {
        let mut tree = Some(start);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for (position, part) in parts.iter().enumerate() {
            let missing = || Error::NotFound {
                what: "place",
                name: path.to_owned(),
                hint: " in this restore point; 'holdfast ls' lists it, --at chooses an earlier one",
            };
            let last = position + 1 == parts.len();
            let Some(node) = self.step(tree.ok_or_else(missing)?, part)? else {
                return Err(missing());
            };
            match (self.place(&node), &node.kind) {
                (Place::Item, NodeKind::File { .. }) if last => {
                    return Ok(Spot::Item(Box::new(node), folders));
                }
                (Place::Folder | Place::Kept, NodeKind::Dir { .. }) => {
                    folders.push(step_of(&node)?);
                }
                (Place::Fanout, NodeKind::Dir { .. }) => {}
                _ => return Err(missing()),
            }
            tree = node.tree();
        }
        Ok(Spot::Folder(tree, folders))
    }

    fn step(&self, tree: TreeId, name: &str) -> Result<Option<Node>> {
        if let Some(node) = self.reader.node(tree, &[name])? {
            return Ok(Some(node));
        }
        let is_item = self.layout().place(name, false) == Place::Item;
        let item = match is_item {
            true => self.reader.item(tree, &[], name, &fanout(self.resource.workload))?,
            false => None,
        };
        match item {
            Some(item) => Ok(Some(item)),
            None => self.by_title(tree, name),
        }
    }

    /// The one folder or file that a person calls so, in any case; names in the vault are made
    /// safe and may differ. Messages are not called by their subjects.
    fn by_title(&self, tree: TreeId, title: &str) -> Result<Option<Node>> {
        let mut found = Vec::new();
        for node in self.reader.list(tree)? {
            let name = match self.place(&node) {
                Place::Folder if node.is_dir() => step_of(&node)?.meta.name,
                Place::Item if self.layout().is_drive() => {
                    self.short_meta(&node)?.title().to_owned()
                }
                _ => continue,
            };
            if fold(&name) == fold(title) {
                found.push(node);
            }
        }
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    fn found(&self, node: Node, folders: &[FolderStep]) -> Result<Found> {
        let meta = self.short_meta(&node)?;
        let meta = if meta.has_overflow() { self.overflow(&node, folders, meta)? } else { meta };
        Ok(Found { node, meta, folders: folders.to_vec() })
    }

    /// The message or file at a path.
    fn item(&self, path: &str) -> Result<(Node, Vec<FolderStep>)> {
        match self.spot(path)? {
            Spot::Item(node, folders) => Ok((*node, folders)),
            Spot::Folder(..) => Err(Error::Usage(format!(
                "'{path}' is a folder; 'holdfast ls' lists what is in it"
            ))),
        }
    }

    fn short_meta(&self, node: &Node) -> Result<ItemMeta> {
        Ok(self.layout().item(&node.name, node.meta.as_deref().unwrap_or_default())?)
    }

    /// The whole metadata from the file beside a message; the short form where that is missing.
    fn overflow(&self, node: &Node, folders: &[FolderStep], short: ItemMeta) -> Result<ItemMeta> {
        let folder: Vec<&str> = folders.iter().map(|step| step.dir.as_str()).collect();
        let name = mail::overflow_name(&node.name);
        let fanout = fanout(self.resource.workload);
        match self.reader.item(self.tree, &folder, &name, &fanout)? {
            Some(beside) => whole_meta(&self.reader, &beside, short),
            None => Ok(short),
        }
    }

    fn list(&self, path: &str, recursive: bool) -> Result<Vec<Entry>> {
        let (tree, folders) = match self.spot(path)? {
            Spot::Item(node, folders) => {
                return Ok(vec![item_entry(&self.found(*node, &folders)?)]);
            }
            Spot::Folder(tree, folders) => (tree, folders),
        };
        let mut entries = Vec::new();
        if let Some(tree) = tree {
            self.list_folder(tree, &folders, recursive, &mut entries)?;
        }
        Ok(entries)
    }

    fn list_folder(
        &self,
        tree: TreeId,
        folders: &[FolderStep],
        recursive: bool,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        for node in self.reader.list(tree)? {
            let place = self.place(&node);
            if !matches!(place, Place::Folder | Place::Kept) || !node.is_dir() {
                continue;
            }
            let step = step_of(&node)?;
            entries.push(folder_entry(&step, folders));
            if let Some(tree) = node.tree().filter(|_| recursive) {
                let mut inner = folders.to_vec();
                inner.push(step);
                self.list_folder(tree, &inner, recursive, entries)?;
            }
        }
        self.visit(tree, folders, false, &mut |seen| {
            entries.push(item_entry(&seen.map_err(|unread| unread.error)?));
            Ok(())
        })
    }
}

/// What is known of a folder; that of kept messages is none of the user's and has no metadata.
pub(crate) fn step_of(node: &Node) -> Result<FolderStep> {
    if node.name == KEPT_DIR {
        let meta = FolderMeta { name: node.name.clone(), ..FolderMeta::default() };
        return Ok(FolderStep { dir: node.name.clone(), meta });
    }
    let meta = FolderMeta::from_json(&node.name, node.meta.as_deref().unwrap_or_default())?;
    Ok(FolderStep { dir: node.name.clone(), meta })
}

fn folder_entry(step: &FolderStep, above: &[FolderStep]) -> Entry {
    Entry {
        path: path_to(above, &step.dir),
        kind: "folder",
        title: step.meta.name.clone(),
        id: step.meta.id.clone(),
        size: 0,
        received: None,
        modified: step.meta.file.as_ref().and_then(|facts| facts.modified),
        from: String::new(),
    }
}

pub(crate) fn item_entry(found: &Found) -> Entry {
    Entry {
        path: found.path(),
        kind: found.meta.noun(),
        title: found.meta.title().to_owned(),
        id: found.meta.id().to_owned(),
        size: size(&found.node),
        received: found.meta.message().and_then(|message| message.received),
        modified: found.meta.file().and_then(|file| file.modified),
        from: found.meta.from().to_owned(),
    }
}

/// Lists a folder of a restore point: folders first, then messages by date or files by name.
pub async fn ls(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
    path: &str,
    recursive: bool,
) -> Result<Vec<Entry>> {
    let located = locate(home, tenant, resource, at).await?;
    let path = path.to_owned();
    blocking(move || located.list(&path, recursive)).await
}

/// Writes a stored item, byte for byte; answers with its size.
pub async fn cat(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
    path: &str,
    out: &mut dyn Write,
) -> Result<u64> {
    let located = locate(home, tenant, resource, at).await?;
    tokio::task::block_in_place(|| Ok(located.reader.read(&located.item(path)?.0, out)?))
}
