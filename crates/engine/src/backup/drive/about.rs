//! What lies beside the files: sharing, columns and label in `~about`, earlier versions in
//! `~versions`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_catalog::ContainerRow;
use holdfast_model::{ItemId, Timestamp};
use holdfast_vault::{Content, Cut, Node};
use holdfast_workloads::drive::{
    self, About, Columns, DriveFolder, Fields, FieldsFrom, FileMeta, ListedVersion, version_name,
};
use holdfast_workloads::{ColumnsState, FolderMeta};

use super::super::pending::parts;
use super::super::place::store;
use super::super::shard::ShardRun;
use super::receive::receive;
use super::{DriveRun, begins_anew, ends_round};
use crate::{Error, Result};

/// What is remembered during a round.
#[derive(Default)]
pub(super) struct Round {
    /// The whole drive is listed.
    pub is_full: bool,
    /// So many files come that columns are read for all together.
    is_large: bool,
    /// Files that changed while they were read.
    pub asked_again: BTreeSet<ItemId>,
    /// Or why they cannot be read.
    columns: Option<Result<Columns, String>>,
    /// What they hold, as far as it was told.
    fields: Arc<Fields>,
    /// Where reading columns goes on in the next round.
    pub columns_state: Option<ColumnsState>,
}

impl Round {
    /// The beginning of a round; `goes_on` with a first one that was interrupted.
    pub fn new(is_full: bool, goes_on: bool, columns_state: Option<ColumnsState>) -> Self {
        Self { is_full, is_large: is_full || goes_on, columns_state, ..Self::default() }
    }
}

/// Reads what lies beside files.
pub(super) struct Facts<'r, 'a, 'w> {
    pub shard: &'r ShardRun<'a, 'w>,
    pub drive: &'r str,
    /// Directory of the resource.
    own: Vec<String>,
    columns: Result<Columns, String>,
    fields: Arc<Fields>,
}

/// What was read beside a file. A failure leaves what is stored as it is.
#[derive(Default)]
pub(super) struct Read {
    pub about: About,
    pub failure: Option<Error>,
    pub versions: Versions,
}

/// The earlier versions of a file as the rule wants them.
#[derive(Default)]
pub(super) struct Versions {
    new: Vec<(ListedVersion, Content)>,
    /// Ids of all that are wanted; `None` where nothing is to be changed.
    wanted: Option<Vec<String>>,
    failure: Option<Error>,
}

impl Facts<'_, '_, '_> {
    /// Asks for sharing and columns of a file.
    pub async fn facts(&self, meta: &FileMeta) -> Read {
        let mut read = Read::default();
        match self.ask(meta).await {
            Ok(about) => read.about = about,
            Err(error) => read.failure = Some(error),
        }
        read
    }

    async fn ask(&self, meta: &FileMeta) -> Result<About> {
        let (graph, id) = (self.shard.work.graph, meta.item_id());
        let mut about = About::default();
        if meta.shared {
            about.permissions = drive::about_of(graph, self.drive, &id).await?;
        }
        let unread = |cause: &String| holdfast_workloads::Error::Columns { cause: cause.clone() };
        let columns = self.columns.as_ref().map_err(unread)?;
        about.set_fields(match self.fields.of(meta) {
            _ if columns.is_empty() => BTreeMap::new(),
            Some(fields) => fields,
            None => columns.of(graph, self.drive, &id).await?,
        });
        Ok(about)
    }

    /// Takes the earlier versions that the rule wants and that are not there yet.
    pub async fn versions(&self, meta: &FileMeta) -> Versions {
        let most = self.shard.work.versions.earlier();
        let mut versions = Versions::default();
        if most > 0
            && let Err(error) = self.take_versions(meta, most, &mut versions).await
        {
            versions.failure = Some(error);
        }
        versions
    }

    async fn take_versions(&self, meta: &FileMeta, most: usize, to: &mut Versions) -> Result<()> {
        let (graph, id) = (self.shard.work.graph, meta.item_id());
        let mut listed = drive::versions(graph, self.drive, &id).await?;
        listed.truncate(most);
        to.wanted = Some(listed.iter().map(|version| version.id.clone()).collect());
        let dir: Vec<String> =
            self.own.iter().cloned().chain(drive::versions_path(&meta.id)).collect();
        let there = self.shard.state().pending.edit.list(&parts(&dir))?;
        let there: Vec<String> = there.iter().filter_map(version_of).collect();
        for version in listed.into_iter().filter(|version| !there.contains(&version.id)) {
            let download = drive::version_content(graph, self.drive, &id, &version.id);
            let got = receive(self.shard.writer, download).await?;
            to.new.push((version, got.content));
        }
        Ok(())
    }
}

impl<'r, 'a, 'w> DriveRun<'r, 'a, 'w> {
    /// Reads what lies beside files. Where columns cannot be read, every file that wants them fails
    /// in that, and keeps what is stored.
    pub(super) async fn source(&mut self) -> Result<Facts<'r, 'a, 'w>> {
        let columns = match self.facts.columns.clone() {
            Some(columns) => columns,
            None => self.columns().await?,
        };
        Ok(Facts {
            shard: self.shard,
            drive: &self.drive.id,
            own: self.paths.root().to_vec(),
            columns,
            fields: Arc::clone(&self.facts.fields),
        })
    }

    /// The columns of the library (a OneDrive is one too, of which labels are wanted), and what is
    /// in them as far as it is told for many files at once; the others are asked for one by one.
    async fn columns(&mut self) -> Result<Result<Columns, String>> {
        let columns = match drive::columns(self.shard.work.graph, &self.drive.id).await {
            Ok(columns) => Ok(columns),
            Err(error) => {
                let error = Error::from(error);
                let cause = error.cause();
                if ends_round(&error) {
                    return Err(error);
                }
                Err(cause)
            }
        };
        self.facts.columns = Some(columns.clone());
        if let Ok(columns) = columns.as_ref()
            && !columns.is_empty()
        {
            self.read_fields(columns).await;
        }
        Ok(columns)
    }

    /// Reads what is told of columns. The link is kept where a failure does not say that it is of no
    /// use: to be told more than needed does no harm.
    async fn read_fields(&mut self, columns: &Columns) {
        let from = match &self.facts.columns_state {
            Some(state) if state.names == columns.names() => FieldsFrom::Link(&state.link),
            _ if self.facts.is_large => FieldsFrom::Start,
            _ => FieldsFrom::Now,
        };
        let (graph, site) = (self.shard.work.graph, &self.resource.graph_id);
        let (fields, link) = drive::fields(graph, site, columns, from).await;
        self.facts.fields = Arc::new(fields);
        match link {
            Ok(link) => {
                let names = columns.names().to_vec();
                self.facts.columns_state = link.map(|link| ColumnsState { names, link });
            }
            Err(error) => {
                tracing::info!(cause = error.cause(), "columns are asked file by file");
                if begins_anew(error.graph_kind()) {
                    self.facts.columns_state = None;
                }
            }
        }
    }

    /// Stores what was read beside a file; answers with what its metadata says of the facts, which
    /// are `before` where they could not be read.
    pub(super) async fn put_facts(
        &mut self,
        meta: &FileMeta,
        read: Read,
        before: Option<&str>,
    ) -> Result<Option<String>> {
        self.put_versions(meta, read.versions)?;
        if let Some(error) = read.failure {
            self.fail_or_end(meta.item_id(), error)?;
            return Ok(before.map(str::to_owned));
        }
        self.put_about(&meta.id, &read.about, before.is_some()).await?;
        Ok(read.about.tag())
    }

    fn put_versions(&mut self, meta: &FileMeta, versions: Versions) -> Result<()> {
        if let Some(error) = versions.failure {
            self.fail_or_end(meta.item_id(), error)?;
        }
        let Some(wanted) = versions.wanted else { return Ok(()) };
        let dir = self.own_path(&drive::versions_path(&meta.id));
        let mut state = self.shard.state();
        for node in state.pending.edit.list(&parts(&dir))? {
            if version_of(&node).is_none_or(|version| !wanted.contains(&version)) {
                let path: Vec<String> = dir.iter().cloned().chain([node.name]).collect();
                state.pending.edit.remove(&parts(&path))?;
            }
        }
        for (version, content) in versions.new {
            self.counts.bytes += content.size;
            let name = version_name(&version.id, version.modified, &meta.name, &meta.id);
            let about = FileMeta {
                v: meta.v,
                id: meta.id.clone(),
                name: meta.name.clone(),
                modified: Some(version.modified),
                size: version.size,
                version: Some(version.id),
                ..FileMeta::default()
            };
            let node = Node::file(name, content, version.modified).with_meta(about.to_json());
            state.pending.edit.put(&parts(&dir), node)?;
        }
        state.pending.touch(&self.resource.id)
    }

    /// The facts about a folder: whether there are any.
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
            let id = ItemId(folder.id.0.clone());
            match drive::about_of(self.shard.work.graph, &self.drive.id, &id).await {
                Ok(permissions) => about.permissions = permissions,
                Err(error) => {
                    self.fail_or_end(id, error.into())?;
                    return Ok(was);
                }
            }
        }
        self.put_about(folder.id.as_str(), &about, was).await?;
        Ok(!about.is_empty())
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
        let node = Node::file(name, content, Timestamp::UNIX_EPOCH);
        let mut state = self.shard.state();
        state.pending.edit.put(&parts(dir), node)?;
        state.pending.touch(&self.resource.id)
    }
}

/// Which version of its file a node is.
fn version_of(node: &Node) -> Option<String> {
    FileMeta::from_json(&node.name, node.meta.as_deref()?).ok()?.version
}
