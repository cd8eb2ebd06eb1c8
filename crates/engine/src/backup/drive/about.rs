//! What lies beside the files: sharing, columns and label in `~about`, earlier versions in
//! `~versions`.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_catalog::{ContainerRow, ItemRow};
use holdfast_model::ItemId;
use holdfast_vault::{Content, Cut, Node};
use holdfast_workloads::FolderMeta;
use holdfast_workloads::drive::{
    self, About, Columns, DriveFolder, FileMeta, Listed, ListedVersion,
};
use serde_json::{Value, json};

use super::super::pending::parts;
use super::super::place::store;
use super::DriveRun;
use super::files::ends_drive;
use super::receive::receive;
use crate::{Error, Result};

/// What is asked for once in a round.
#[derive(Default)]
pub(super) struct Facts {
    /// Nothing of the drive is known yet.
    pub is_first: bool,
    /// The whole drive is listed.
    pub is_full: bool,
    /// Files that changed while they were read.
    pub asked_again: BTreeSet<ItemId>,
    /// Files that are fetched though they are listed as they are stored.
    pub to_fetch: BTreeSet<ItemId>,
    /// Files of which something beside the bytes could not be had.
    pub lacking: BTreeSet<ItemId>,
    columns: Option<Columns>,
    /// Columns of all files, by the number of the list item, in a first reading.
    fields: BTreeMap<String, BTreeMap<String, Value>>,
}

impl DriveRun<'_, '_, '_> {
    /// Brings the facts about a file up to date; answers with what its metadata says of them.
    pub(super) async fn about_file(
        &mut self,
        listed: &Listed,
        old: Option<&ItemRow>,
    ) -> Result<Option<String>> {
        let id = listed.meta.item_id();
        self.facts.lacking.remove(&id);
        let mut about = About::default();
        if listed.meta.shared {
            about.permissions = self.permissions(&id).await?;
        }
        about.set_fields(self.fields(&listed.meta).await?);
        if self.facts.lacking.contains(&id) {
            return old.map_or(Ok(None), |old| self.known_about(old)); // those of before stay
        }
        self.put_about(id.as_str(), &about, old.is_some()).await?;
        Ok(about.tag())
    }

    /// What the metadata of a stored file says of its facts.
    fn known_about(&self, row: &ItemRow) -> Result<Option<String>> {
        Ok(self.stored_meta(row)?.and_then(|meta| meta.about))
    }

    /// The same for a folder.
    pub(super) async fn about_folder(
        &mut self,
        folder: &DriveFolder,
        old: Option<&ContainerRow>,
    ) -> Result<bool> {
        let facts = match old {
            Some(row) => {
                FolderMeta::from_json(&row.dir, row.meta.as_deref().unwrap_or_default())?.file
            }
            None => None,
        };
        let was = facts.as_ref().is_some_and(|facts| facts.about);
        let same = facts.is_some_and(|facts| facts.etag == folder.facts.etag);
        if folder.is_root || (!folder.shared && !was) {
            return Ok(false);
        }
        if folder.shared && was && same && self.facts.is_full && !folder.sharing_changed {
            return Ok(true);
        }
        let mut about = About::default();
        if folder.shared {
            about.permissions = self.permissions(&ItemId(folder.id.0.clone())).await?;
        }
        self.put_about(folder.id.as_str(), &about, was).await?;
        Ok(!about.is_empty())
    }

    /// The permissions of an item. A file is not lost for want of them: what Graph refuses is
    /// reported, and the item asked for again.
    async fn permissions(&mut self, id: &ItemId) -> Result<Vec<Value>> {
        match drive::about_of(self.shard.work.graph, &self.drive.id, id).await {
            Ok(permissions) => Ok(permissions),
            Err(error) => self.without(id, error.into()).map(|()| Vec::new()),
        }
    }

    async fn fields(&mut self, meta: &FileMeta) -> Result<BTreeMap<String, Value>> {
        if self.resource.workload != holdfast_model::Workload::SharePoint {
            return Ok(BTreeMap::new());
        }
        let graph = self.shard.work.graph;
        let fields = match self.columns().await {
            Ok(columns) if columns.is_empty() => return Ok(BTreeMap::new()),
            Ok(_) if self.facts.is_first => {
                let number = meta.item.as_deref().unwrap_or_default();
                return Ok(self.facts.fields.remove(number).unwrap_or_default());
            }
            Ok(columns) => {
                let id = meta.item_id();
                columns.of(graph, &self.drive.id, &id).await.map_err(Error::from)
            }
            Err(error) => Err(error),
        };
        match fields {
            Ok(fields) => Ok(fields),
            Err(error) => self.without(&meta.item_id(), error).map(|()| BTreeMap::new()),
        }
    }

    /// The columns of the library, and in a first reading what is in them.
    async fn columns(&mut self) -> Result<Columns> {
        if let Some(columns) = &self.facts.columns {
            return Ok(columns.clone());
        }
        let graph = self.shard.work.graph;
        let columns = drive::columns(graph, &self.drive.id).await?;
        if self.facts.is_first && !columns.is_empty() {
            let site = &self.resource.graph_id;
            self.facts.fields = drive::fields_of_all(graph, site, &columns).await?;
        }
        self.facts.columns = Some(columns.clone());
        Ok(columns)
    }

    /// An item goes without some of its facts: a failure of the item, not of the drive.
    fn without(&mut self, id: &ItemId, error: Error) -> Result<()> {
        if ends_drive(&error) {
            return Err(error);
        }
        if self.facts.lacking.insert(id.clone()) {
            self.fail(id.clone(), error.cause());
        }
        Ok(())
    }

    async fn put_about(&mut self, id: &str, about: &About, was_there: bool) -> Result<()> {
        let path = self.own_path(&drive::about_path(id));
        let Some((name, dir)) = path.split_last() else { return Ok(()) };
        if about.is_empty() {
            if was_there && self.shard.state().pending.edit.remove(&parts(&path))?.is_some() {
                self.shard.state().pending.touch(&self.resource.id)?;
            }
            return Ok(());
        }
        let content = store(self.shard.writer, about.to_json().into(), Cut::Whole).await?;
        let node = Node::file(name, content, holdfast_model::Timestamp::UNIX_EPOCH);
        let mut state = self.shard.state();
        state.pending.edit.put(&parts(dir), node)?;
        state.pending.touch(&self.resource.id)
    }

    /// Takes the earlier versions of a file that the rule wants and that are not there yet; those
    /// that the service no longer has, or that the rule does not want, go from the present state.
    pub(super) async fn take_versions(&mut self, meta: &FileMeta) -> Result<()> {
        let most = self.shard.work.versions.earlier();
        if most == 0 {
            return Ok(());
        }
        let id = meta.item_id();
        let mut listed = match drive::versions(self.shard.work.graph, &self.drive.id, &id).await {
            Ok(listed) => listed,
            Err(error) => return self.without(&id, error.into()),
        };
        listed.truncate(most);
        let dir = self.own_path(&drive::versions_path(&meta.id));
        let there = self.shard.state().pending.edit.list(&parts(&dir))?;
        for node in &there {
            let version = version_of(node);
            if !listed.iter().any(|listed| Some(listed.id.as_str()) == version.as_deref()) {
                let path: Vec<String> = dir.iter().cloned().chain([node.name.clone()]).collect();
                self.shard.state().pending.edit.remove(&parts(&path))?;
            }
        }
        for version in listed {
            if !there.iter().any(|node| version_of(node).as_deref() == Some(version.id.as_str())) {
                self.take_version(meta, &version, &dir).await?;
            }
        }
        self.shard.state().pending.touch(&self.resource.id)
    }

    async fn take_version(
        &mut self,
        meta: &FileMeta,
        version: &ListedVersion,
        dir: &[String],
    ) -> Result<()> {
        let (graph, id) = (self.shard.work.graph, meta.item_id());
        let download = drive::version_content(graph, &self.drive.id, &id, &version.id);
        let content: Content = match receive(self.shard.writer, download).await {
            Ok(got) => got.content,
            Err(error) => return self.without(&id, error),
        };
        self.counts.bytes += content.size;
        let name = drive::version_name(&version.id, version.modified, &meta.name, &meta.id);
        let about = json!({"v": 1, "id": meta.id, "version": version.id, "name": meta.name});
        let node = Node::file(name, content, version.modified).with_meta(about.to_string());
        Ok(self.shard.state().pending.edit.put(&parts(dir), node)?)
    }
}

/// Which version of its file a node is.
fn version_of(node: &Node) -> Option<String> {
    let meta: Value = serde_json::from_str(node.meta.as_deref()?).ok()?;
    meta["version"].as_str().map(str::to_owned)
}
