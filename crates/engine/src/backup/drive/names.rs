//! Folders of a drive, and which name an item gets: its own where no sibling has it, else one with
//! its short id until the name is free.

use std::collections::{BTreeSet, HashMap};

use holdfast_catalog::{ContainerRow, ItemRow};
use holdfast_model::{ContainerId, ItemId, Timestamp, fold};
use holdfast_vault::Node;
use holdfast_workloads::drive::{self, DriveFolder};
use holdfast_workloads::{FolderMeta, ItemMeta};

use super::super::pending::parts;
use super::super::place::Placed;
use super::DriveRun;
use crate::Result;

/// Which folder has which name, and who had to take another one in this round.
#[derive(Default)]
pub(super) struct Names {
    folders: HashMap<(Option<ContainerId>, String), ContainerId>,
    late_folders: BTreeSet<ContainerId>,
    late_files: BTreeSet<ItemId>,
}

impl Names {
    pub fn new<'r>(rows: impl Iterator<Item = &'r ContainerRow>) -> Self {
        let mut names = Self::default();
        for row in rows {
            names.put(row);
        }
        names
    }

    fn put(&mut self, row: &ContainerRow) {
        self.folders.insert((row.parent.clone(), fold(&row.dir)), row.id.clone());
    }

    pub fn take(&mut self, row: &ContainerRow) {
        self.folders.remove(&(row.parent.clone(), fold(&row.dir)));
    }

    fn folder(&self, parent: &ContainerId, name: &str) -> Option<&ContainerId> {
        self.folders.get(&(Some(parent.clone()), fold(name)))
    }

    /// A file could not have its own name yet.
    pub fn is_late(&mut self, id: ItemId) {
        self.late_files.insert(id);
    }
}

impl DriveRun<'_, '_, '_> {
    /// Places folders, each after the one that holds it; answers with those whose place is not
    /// known yet.
    pub(super) async fn place_folders(
        &mut self,
        mut open: Vec<DriveFolder>,
        read_at: Timestamp,
    ) -> Result<Vec<DriveFolder>> {
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|folder| self.has_place(folder));
            if ready.is_empty() {
                return Ok(rest);
            }
            for folder in ready {
                // One placed before it may have taken its place away.
                match self.has_place(&folder) {
                    true => self.place_folder(folder, read_at).await?,
                    false => self.waiting.push(drive::Entry::Folder(Box::new(folder))),
                }
            }
            open = rest;
        }
    }

    /// The folder above is known and does not lie in this one, which a page may show while two of
    /// them change places.
    fn has_place(&self, folder: &DriveFolder) -> bool {
        let mut at = match &folder.parent {
            None => return folder.is_root,
            Some(parent) => Some(parent),
        };
        while let Some(id) = at {
            match self.rows.get(id) {
                Some(row) if row.id != folder.id => at = row.parent.as_ref(),
                _ => return false,
            }
        }
        true
    }

    async fn place_folder(&mut self, folder: DriveFolder, read_at: Timestamp) -> Result<()> {
        let old = self.rows.get(&folder.id).cloned();
        let name = if folder.is_root { &self.drive.name } else { &folder.name }.clone();
        let about = self.about_folder(&folder, old.as_ref()).await?;
        let dir = match &folder.parent {
            Some(parent) => self.folder_dir(parent, &name, &folder.id, old.as_ref())?,
            None => self.root_dir(&name, &folder.id)?,
        };
        let mut facts = folder.facts.clone();
        facts.drive = folder.is_root.then(|| self.drive.id.clone());
        facts.about = about;
        // The root changes its date and tag with all that is in it.
        if folder.is_root {
            (facts.etag, facts.modified) = (String::new(), None);
        }
        let mtime = facts.modified.or(facts.created).unwrap_or(read_at);
        let meta = FolderMeta::new(&folder.id, &name, folder.parent.as_ref());
        let meta = FolderMeta { file: Some(facts), ..meta };
        let links = old.clone();
        let row = ContainerRow {
            resource: self.resource.id.clone(),
            id: folder.id.clone(),
            parent: folder.parent,
            dir,
            display_name: name,
            delta_link: links.as_ref().and_then(|row| row.delta_link.clone()),
            next_link: links.as_ref().and_then(|row| row.next_link.clone()),
            retry: links.as_ref().and_then(|row| row.retry.clone()),
            columns: links.and_then(|row| row.columns),
            meta: Some(meta.to_json()),
        };
        match old {
            Some(old) if old == row => Ok(()),
            old => self.put_folder(old.as_ref(), row, mtime),
        }
    }

    /// Puts a folder into the tree; one that was elsewhere goes with all that is in it.
    fn put_folder(
        &mut self,
        old: Option<&ContainerRow>,
        row: ContainerRow,
        mtime: Timestamp,
    ) -> Result<()> {
        let mut state = self.shard.state();
        let moved = old.filter(|old| (&old.parent, &old.dir) != (&row.parent, &row.dir));
        let taken = match moved {
            Some(old) => state.pending.edit.remove(&parts(&self.paths.of(&old.id)))?,
            None => None,
        };
        let node = taken.unwrap_or_else(|| Node::dir(row.dir.clone(), mtime));
        let node = Node { name: row.dir.clone(), mtime, ..node };
        let node = node.with_meta(row.meta.clone().unwrap_or_default());
        let above = match &row.parent {
            Some(parent) => self.paths.of(parent),
            None => self.paths.root().to_vec(),
        };
        state.pending.edit.put(&parts(&above), node)?;
        self.paths.set(&row.id, row.parent.clone(), row.dir.clone());
        if let Some(old) = old {
            self.names.take(old);
        }
        self.names.put(&row);
        state.pending.put_container(row.clone());
        state.pending.touch(&self.resource.id)?;
        drop(state);
        self.rows.insert(row.id.clone(), row);
        Ok(())
    }

    /// The directory of a drive: its name, unless another drive of the site has it.
    fn root_dir(&self, name: &str, id: &ContainerId) -> Result<String> {
        let plain = drive::folder_name(name);
        let mut path = self.paths.root().to_vec();
        path.push(plain.clone());
        let there = self.shard.state().pending.edit.get(&parts(&path))?;
        let own = there.is_none_or(|node| id_of(&node).as_deref() == Some(id.as_str()));
        Ok(if own { plain } else { drive::folder_name_with_id(name, id.as_str()) })
    }

    fn folder_dir(
        &mut self,
        parent: &ContainerId,
        name: &str,
        id: &ContainerId,
        old: Option<&ContainerRow>,
    ) -> Result<String> {
        let plain = drive::folder_name(name);
        let marked = drive::folder_name_with_id(name, id.as_str());
        if let Some(old) = old.filter(|old| old.parent.as_ref() == Some(parent))
            && (old.dir == plain || old.dir == marked)
        {
            return Ok(old.dir.clone());
        }
        if self.is_taken(parent, &plain, id.as_str())? {
            self.names.late_folders.insert(id.clone());
            return Ok(marked);
        }
        Ok(plain)
    }

    /// True where something else in the folder has this name.
    fn is_taken(&self, parent: &ContainerId, name: &str, id: &str) -> Result<bool> {
        Ok(self.holder(parent, name)?.is_some_and(|holder| holder.as_deref() != Some(id)))
    }

    /// What has this name in a folder: its id, where it has one.
    fn holder(&self, parent: &ContainerId, name: &str) -> Result<Option<Option<String>>> {
        if let Some(folder) = self.names.folder(parent, name) {
            return Ok(Some(Some(folder.0.clone())));
        }
        let folder = self.paths.of(parent);
        let mut state = self.shard.state();
        let edit = &mut state.pending.edit;
        let mut node = edit.get_item(&parts(&folder), name)?;
        if node.is_none() {
            let path: Vec<String> = folder.into_iter().chain([name.to_owned()]).collect();
            node = edit.get(&parts(&path))?;
        }
        Ok(node.map(|node| id_of(&node)))
    }

    /// The name of a file: the one that it has already, its own, or one with its short id.
    pub(super) fn file_name(
        &mut self,
        parent: &ContainerId,
        name: &str,
        id: &ItemId,
        old: Option<&ItemRow>,
    ) -> Result<String> {
        let plain = drive::file_name(name);
        let marked = drive::file_name_with_id(name, id.as_str());
        if let Some(old) = old.filter(|old| old.container == *parent)
            && (old.name == plain || old.name == marked)
        {
            return Ok(old.name.clone());
        }
        if self.is_taken(parent, &plain, id.as_str())? {
            self.names.is_late(id.clone());
            return Ok(marked);
        }
        Ok(plain)
    }

    /// Asks for those whose names others have now: the service has seldom two of one name in a
    /// folder, and has been seen to lose tombstones (docs-contrib#8794).
    pub(super) async fn ask_for_replaced(&mut self, read_at: Timestamp) -> Result<()> {
        let mut found = Vec::new();
        for id in self.replaced().await? {
            let id = ItemId(id);
            match drive::listed(self.shard.work.graph, &self.drive.id, &id).await {
                Ok(Some(entry)) => found.push(entry),
                Ok(None) => drop(self.removed.insert(id.0)),
                Err(error) => self.fail_or_end(id, error.into())?,
            }
        }
        self.apply(found, &BTreeSet::new(), read_at).await?;
        self.apply_removals().await
    }

    /// Ids of those whose names were wanted for others in this round.
    async fn replaced(&self) -> Result<BTreeSet<String>> {
        let mut holders = BTreeSet::new();
        for id in &self.names.late_folders {
            let Some(row) = self.rows.get(id) else { continue };
            let Some(parent) = &row.parent else { continue };
            let holder = self.holder(parent, &drive::folder_name(&row.display_name))?;
            holders.extend(holder.flatten().filter(|holder| holder != id.as_str()));
        }
        let late = self.names.late_files.iter();
        for row in self.shard.lookup(&self.resource.id, late).await?.into_values() {
            let Some(plain) = self.plain_name_of(&row)? else { continue };
            let holder = self.holder(&row.container, &plain)?;
            holders.extend(holder.flatten().filter(|holder| holder != row.id.as_str()));
        }
        Ok(holders)
    }

    /// The name that a stored file would have if nothing else had it.
    fn plain_name_of(&self, row: &ItemRow) -> Result<Option<String>> {
        Ok(self.stored(row)?.map(|(_, meta)| drive::file_name(&meta.stored_name())))
    }

    /// Gives those their own names whose names have become free in this round.
    pub(super) async fn plain_names(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.names.late_folders) {
            let Some(row) = self.rows.get(&id).cloned() else { continue };
            let Some(parent) = row.parent.clone() else { continue };
            let plain = drive::folder_name(&row.display_name);
            if row.dir == plain || self.is_taken(&parent, &plain, id.as_str())? {
                continue;
            }
            let meta = FolderMeta::from_json(&row.dir, row.meta.as_deref().unwrap_or_default())?;
            let mtime = meta.file.and_then(|facts| facts.modified.or(facts.created));
            let renamed = ContainerRow { dir: plain, ..row.clone() };
            self.put_folder(Some(&row), renamed, mtime.unwrap_or(Timestamp::UNIX_EPOCH))?;
        }
        let late = std::mem::take(&mut self.names.late_files);
        let rows = self.shard.lookup(&self.resource.id, late.iter()).await?;
        for row in rows.into_values() {
            self.plain_file_name(row)?;
        }
        Ok(())
    }

    fn plain_file_name(&mut self, row: ItemRow) -> Result<()> {
        let Some(plain) = self.plain_name_of(&row)? else { return Ok(()) };
        if plain == row.name || self.is_taken(&row.container, &plain, row.id.as_str())? {
            return Ok(());
        }
        let path = self.paths.of(&row.container);
        let mut state = self.shard.state();
        let taken = state.pending.take_item(&path, &row)?;
        let Some((content, ItemMeta::File(meta))) = taken else { return Ok(()) };
        let placed = Placed::file(&plain, content, &meta);
        state.pending.put_item(&path, ItemRow { name: plain, ..row }, placed)
    }
}

/// The Graph id of what a node holds.
fn id_of(node: &Node) -> Option<String> {
    let meta: serde_json::Value = serde_json::from_str(node.meta.as_deref()?).ok()?;
    meta["id"].as_str().map(str::to_owned)
}
