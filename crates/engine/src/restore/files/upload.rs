//! One file: written once, with its earlier versions before it where they are wanted, and compared.

use bytes::Bytes;
use holdfast_catalog::{RestoreItemRow, RestoreState};
use holdfast_graph::{Graph, Kind};
use holdfast_model::{ItemId, Timestamp};
use holdfast_vault::Node;
use holdfast_workloads::Loss;
use holdfast_workloads::drive::{DriveWriter, FileMeta, Live, NewFile, Same};

use super::super::{Before, RestoreRequest, ends_restore, is_unreadable};
use super::tree::Tree;
use super::{Action, Planned, verify};
use crate::browse::{StoredVersion, stored_versions};
use crate::compare::size;
use crate::home::blocking;
use crate::select::Picked;
use crate::{Error, Home, Result};

/// Sessions that are made anew for one file before it is given up.
const SESSIONS: usize = 3;

/// What became of a file.
pub(super) enum Done {
    Restored { bytes: u64, losses: Vec<Loss> },
    Skipped(&'static str),
    Failed(String),
}

/// What the files of one drive share.
pub(super) struct Task<'a> {
    pub home: &'a Home,
    pub graph: &'a Graph,
    pub request: &'a RestoreRequest,
    pub writer: &'a DriveWriter<'a>,
    pub before: &'a Before,
    pub tree: &'a Tree,
}

/// Content to be written.
struct Content<'c> {
    item: &'c Picked,
    node: &'c Node,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
}

impl Task<'_> {
    /// Restores one file. An error here ends the restore; what concerns the file alone is
    /// [`Done::Failed`].
    pub async fn write(&self, planned: Planned) -> Result<Done> {
        let (name, replace) = match &planned.action {
            Action::Skip(reason) => return Ok(Done::Skipped(reason)),
            Action::Refuse(reason) => return Ok(Done::Failed((*reason).to_owned())),
            Action::Create(name) => (name.clone(), false),
            Action::Replace(live) => (live.name.clone(), true),
        };
        let Some(parent) = self.tree.id(&planned.folder) else {
            let cause = self.tree.refusal(&planned.folder).unwrap_or("one above it is missing");
            return Ok(Done::Failed(format!("its folder could not be made: {cause}")));
        };
        let id = planned.item.found.meta.item_id();
        match self.bring_back(&planned.item, parent, &name, replace).await {
            Ok(done) => Ok(done),
            Err(error) if is_unreadable(&error) => Ok(Done::Failed(error.to_string())),
            Err(error) if ends_restore(&error) => Err(error),
            Err(error) => {
                self.note(&id, RestoreState::Failed, None, Some(error.cause())).await?;
                let is_full = error.graph().map(holdfast_graph::Error::kind) == Some(Kind::Full);
                let hint =
                    if is_full { "; free space or raise the quota of the drive" } else { "" };
                Ok(Done::Failed(format!("{error}{hint}")))
            }
        }
    }

    async fn bring_back(
        &self,
        item: &Picked,
        parent: &str,
        name: &str,
        replace: bool,
    ) -> Result<Done> {
        let meta = item.found.file()?;
        let id = meta.item_id();
        self.note(&id, RestoreState::Planned, None, None).await?;
        let (versions, node) = self.contents(item, meta)?;
        let mut replace = replace;
        for version in &versions {
            let modified = Some(version.modified);
            let content = Content { item, node: &version.node, created: meta.created, modified };
            self.upload(&content, parent, name, replace).await?;
            replace = true;
        }
        let (hash, modified) = match &node {
            Some(version) => {
                (verify::hash_of(&item.reader, &version.node).await?, Some(version.modified))
            }
            None => (self.hash(item, meta).await?, meta.modified),
        };
        let node = node.as_ref().map_or(&item.found.node, |version| &version.node);
        let content = Content { item, node, created: meta.created, modified };
        let live = self.upload(&content, parent, name, replace).await?;
        self.note(&id, RestoreState::Created, Some(&live.id), None).await?;
        let same = verify::compare(self.writer, &live, (&item.reader, node, &hash)).await?;
        if same == Same::No {
            self.note(&id, RestoreState::Failed, Some(&live.id), Some("content".into())).await?;
            return Ok(Done::Failed("came back different in: content".to_owned()));
        }
        if live.meta.modified != modified {
            self.writer.set_dates(&live.id, meta.created, modified).await?;
        }
        let losses = self.extras(item, &live.id, replace && versions.is_empty()).await?;
        self.note(&id, RestoreState::Done, Some(&live.id), None).await?;
        Ok(Done::Restored { bytes: size(node), losses })
    }

    /// The earlier versions that are written first, oldest first, and the one that is restored
    /// where it is not the file itself.
    fn contents(
        &self,
        item: &Picked,
        meta: &FileMeta,
    ) -> Result<(Vec<StoredVersion>, Option<StoredVersion>)> {
        if !self.request.versions && self.request.version.is_none() {
            return Ok((Vec::new(), None));
        }
        let reading = || stored_versions(&item.reader, item.root, &meta.id);
        let mut all = tokio::task::block_in_place(reading)?;
        let Some(wanted) = &self.request.version else { return Ok((all, None)) };
        let found = all.iter().position(|version| version.version == *wanted);
        let found = found.ok_or_else(|| Error::NotFound {
            what: "version",
            name: wanted.clone(),
            hint: " of this file in the vault; 'holdfast ls --versions' lists them",
        })?;
        Ok((Vec::new(), Some(all.swap_remove(found))))
    }

    async fn hash(&self, item: &Picked, meta: &FileMeta) -> Result<String> {
        match meta.got_xor.as_ref().or(meta.xor.as_ref()) {
            Some(hash) => Ok(hash.clone()),
            None => verify::hash_of(&item.reader, &item.found.node).await,
        }
    }

    /// Writes content under a name. After an unclear answer the target is looked at first.
    async fn upload(
        &self,
        content: &Content<'_>,
        parent: &str,
        name: &str,
        replace: bool,
    ) -> Result<Live> {
        let file = NewFile {
            name,
            size: size(content.node),
            created: content.created,
            modified: content.modified,
            replace,
        };
        if file.size == 0 {
            return Ok(self.writer.make_empty(parent, &file).await?);
        }
        let mut replace = replace;
        for attempt in 1.. {
            let file = NewFile { replace, ..file.clone() };
            let session = self.writer.session(parent, &file).await?;
            match self.send(&session, content, file.size).await {
                Ok(item) => return Ok(Live::from_graph(&item)?),
                Err(error) if error.kind() == Kind::Uncertain => {
                    if let Some(live) = self.writer.child(parent, name).await?
                        && live.meta.size == file.size
                    {
                        return Ok(live);
                    }
                    // Half of it may lie there: it is ours, and replaced.
                    replace = true;
                    if attempt >= SESSIONS {
                        return Err(error.into());
                    }
                }
                Err(error) if error.kind() == Kind::NotFound && attempt < SESSIONS => {}
                Err(error) => return Err(own(error)),
            }
        }
        Err(Error::Thread)
    }

    async fn send(
        &self,
        session: &str,
        content: &Content<'_>,
        size: u64,
    ) -> holdfast_graph::Result<serde_json::Value> {
        let piece = |offset: u64, length: usize| {
            let (reader, node) = (content.item.reader.clone(), content.node.clone());
            async move {
                let part = blocking(move || Ok(reader.part(&node, offset, length)?)).await;
                part.map(Bytes::from).map_err(|error| Box::new(error) as holdfast_graph::BoxError)
            }
        };
        self.graph.upload_file(session, size, piece).await
    }

    pub(super) async fn note(
        &self,
        source: &ItemId,
        state: RestoreState,
        target: Option<&str>,
        detail: Option<String>,
    ) -> Result<()> {
        let row = RestoreItemRow {
            restore: self.before.restore.clone(),
            source: source.clone(),
            target: target.map(ItemId::from),
            state,
            detail,
        };
        Ok(self.home.catalog.restore_item_put(&[row]).await?)
    }
}

/// Where the bytes could not be read from the vault, the error of the vault.
fn own(error: holdfast_graph::Error) -> Error {
    match error {
        holdfast_graph::Error::Source { endpoint, offset, source } => {
            match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(source) => holdfast_graph::Error::Source { endpoint, offset, source }.into(),
            }
        }
        other => other.into(),
    }
}
