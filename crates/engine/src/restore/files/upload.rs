//! One file: written once, with its earlier versions before it where they are wanted, and compared.

use bytes::Bytes;
use holdfast_catalog::RestoreState;
use holdfast_graph::{Error as GraphError, Graph, Kind};
use holdfast_model::{ItemId, Timestamp};
use holdfast_vault::Node;
use holdfast_workloads::Loss;
use holdfast_workloads::drive::{DriveWriter, Live, NewFile, Same};

use super::super::{Before, RestoreRequest, Skipped, is_unreadable};
use super::failure::{Failures, own};
use super::plan::{Action, Contents, Planned, note_of};
use super::tree::Tree;
use super::verify;
use crate::compare::size;
use crate::home::blocking;
use crate::select::Picked;
use crate::{Home, Result};

/// Sessions that are made anew for one file before it is given up.
const SESSIONS: usize = 3;

/// Why a file failed whose content is not what is stored.
const DIFFERENT: &str = "came back different in: content";
const VERSION_DIFFERENT: &str = "came back different in: an earlier version";
const FOREIGN: &str = "its name was taken by another file while it was written";

/// What became of a file.
pub(super) enum Done {
    Restored { bytes: u64, losses: Vec<Loss> },
    Skipped(Skipped),
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
    pub failures: &'a Failures,
}

/// Content to be written.
struct Content<'c> {
    item: &'c Picked,
    node: &'c Node,
    hash: &'c str,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
}

/// Where a file is written.
struct Place<'p> {
    parent: &'p str,
    name: String,
    /// What lies there under that name and is replaced.
    there: Option<Live>,
    /// The file is one that this restore makes.
    is_ours: bool,
    /// The content is there.
    is_written: bool,
}

/// What was written, or why the file failed.
type Written = std::result::Result<Live, &'static str>;

impl Task<'_> {
    /// Restores one file. An error here ends the restore; what concerns the file alone is
    /// [`Done::Failed`].
    pub async fn write(&self, planned: Planned) -> Result<Done> {
        let parent = self.tree.id(&planned.folder);
        let place = |name: String, there: Option<Live>, is_ours, is_written| {
            parent.map(|parent| Place { parent, name, there, is_ours, is_written })
        };
        let replace = |there: &Live, is_ours, is_written| {
            place(there.name.clone(), Some(there.clone()), is_ours, is_written)
        };
        let place = match &planned.action {
            Action::Skip(reason) => return Ok(Done::Skipped(*reason)),
            Action::Refuse(reason) => return Ok(Done::Failed(reason.clone())),
            Action::Create(name) => place(name.clone(), None, true, false),
            Action::Replace { there, is_ours } => replace(there, *is_ours, false),
            Action::Finish { there, is_ours } => replace(there, *is_ours, true),
        };
        let Some(place) = place else {
            let reason = self.tree.blocked(&planned.folder);
            return Ok(Done::Failed(reason.unwrap_or("its folder is not there").to_owned()));
        };
        let bytes = size(&planned.contents.node);
        if !place.is_written && self.failures.has_no_room_for(bytes) {
            return Ok(Done::Failed("the target has no room for it".to_owned()));
        }
        match self.bring_back(&planned, place).await.map_err(own) {
            Ok(done) => {
                self.failures.passed();
                Ok(done)
            }
            Err(error) if is_unreadable(&error) => Ok(Done::Failed(error.to_string())),
            Err(error) => {
                let error = self.failures.count(error, bytes)?;
                let id = planned.item.found.meta.item_id();
                self.note(&id, RestoreState::Failed, None, Some(error.cause())).await?;
                let is_full = error.graph().map(holdfast_graph::Error::kind) == Some(Kind::Full);
                let hint =
                    if is_full { "; free space or raise the quota of the drive" } else { "" };
                Ok(Done::Failed(format!("{error}{hint}")))
            }
        }
    }

    async fn bring_back(&self, planned: &Planned, place: Place<'_>) -> Result<Done> {
        let (item, contents) = (&planned.item, &planned.contents);
        let meta = item.found.file()?;
        let id = meta.item_id();
        let note = note_of(&place.name, place.is_ours);
        let known = place.there.as_ref().filter(|_| place.is_ours).map(|live| live.id.as_str());
        // Before anything is written, so that what is found after a kill is known as ours.
        self.note(&id, RestoreState::Planned, known, Some(note.clone())).await?;
        let hash = contents.hash(item).await?;
        let (node, modified) = (&contents.node, contents.modified);
        let content = Content { item, node, hash: &hash, created: meta.created, modified };
        let written = match (place.is_written, &place.there) {
            (true, Some(live)) => Ok(live.clone()),
            _ => self.write_all(&content, contents, &place, &note).await?,
        };
        let live = match written {
            Ok(live) => live,
            Err(reason) => return self.failed(&id, None, reason).await,
        };
        self.note(&id, RestoreState::Created, Some(&live.id), Some(note.clone())).await?;
        if self.compare(&live, &content).await? == Same::No {
            return self.failed(&id, Some(&live.id), DIFFERENT).await;
        }
        let extras = self.extras(item, &live.id, !place.is_ours).await?;
        let is_dated = live.meta.modified == modified && live.meta.created == meta.created;
        // Columns and labels change the date.
        if extras.is_some() || !is_dated {
            self.writer.set_dates(&live.id, meta.created, modified).await?;
        }
        self.note(&id, RestoreState::Done, Some(&live.id), Some(note)).await?;
        Ok(Done::Restored { bytes: size(node), losses: extras.unwrap_or_default() })
    }

    async fn failed(&self, id: &ItemId, target: Option<&str>, reason: &str) -> Result<Done> {
        let cause = if reason == FOREIGN { "conflict" } else { "content" };
        self.note(id, RestoreState::Failed, target, Some(cause.to_owned())).await?;
        Ok(Done::Failed(reason.to_owned()))
    }

    /// Writes the earlier versions, but those that an interrupted attempt wrote, and the content.
    async fn write_all(
        &self,
        content: &Content<'_>,
        contents: &Contents,
        place: &Place<'_>,
        note: &str,
    ) -> Result<Written> {
        let mut there = place.there.clone();
        let written = match there.as_ref().filter(|_| place.is_ours) {
            Some(there) => contents.position(there, content.item).await?,
            None => None,
        };
        let id = content.item.found.meta.item_id();
        for version in contents.earlier.iter().skip(written.map_or(0, |at| at + 1)) {
            let hash = verify::hash_of(&content.item.reader, &version.node).await?;
            let (node, modified) = (&version.node, Some(version.modified));
            let earlier = Content { node, modified, hash: &hash, ..*content };
            let live = match self.upload(&earlier, place, there.as_ref()).await? {
                Ok(live) => live,
                Err(reason) => return Ok(Err(reason)),
            };
            self.note(&id, RestoreState::Created, Some(&live.id), Some(note.to_owned())).await?;
            if self.compare(&live, &earlier).await? == Same::No {
                return Ok(Err(VERSION_DIFFERENT));
            }
            there = Some(live);
        }
        self.upload(content, place, there.as_ref()).await
    }

    /// Writes content in the place of what lies there. After an unclear answer the target is
    /// looked at first.
    async fn upload(
        &self,
        content: &Content<'_>,
        place: &Place<'_>,
        there: Option<&Live>,
    ) -> Result<Written> {
        let file = NewFile {
            name: &place.name,
            size: size(content.node),
            created: content.created,
            modified: content.modified,
            replace: there.is_some(),
        };
        if file.size == 0 {
            return Ok(Ok(self.writer.make_empty(place.parent, &file).await?));
        }
        let (mut is_unclear, mut attempt) = (false, 0);
        loop {
            attempt += 1;
            let error = match self.try_upload(content, place.parent, &file).await {
                Ok(live) => return Ok(Ok(live)),
                Err(error) => error,
            };
            match error.graph().map(GraphError::kind) {
                Some(Kind::Uncertain) => is_unclear = true,
                // What could not be seen a moment ago may be there by now.
                Some(Kind::Conflict) if is_unclear => {}
                Some(Kind::Conflict) if !file.replace => return Ok(Err(FOREIGN)),
                Some(Kind::NotFound) if attempt < SESSIONS => continue,
                _ => return Err(error),
            }
            if let Some(written) = self.look(content, place, there).await? {
                return Ok(written);
            }
            if attempt >= SESSIONS {
                return Err(error);
            }
        }
    }

    /// What lies under the name after an unclear answer; `None` where nothing has come of it. A
    /// file that is neither what was there before nor ours is another's and stays.
    async fn look(
        &self,
        content: &Content<'_>,
        place: &Place<'_>,
        there: Option<&Live>,
    ) -> Result<Option<Written>> {
        let Some(live) = self.writer.child(place.parent, &place.name).await? else {
            return Ok(None);
        };
        let is_as_before = there.is_some_and(|there| {
            there.id == live.id && there.meta.etag == live.meta.etag && !live.meta.etag.is_empty()
        });
        if is_as_before {
            return Ok(None);
        }
        if !live.is_folder && self.compare(&live, content).await? != Same::No {
            return Ok(Some(Ok(live)));
        }
        Ok(Some(Err(FOREIGN)))
    }

    async fn try_upload(
        &self,
        content: &Content<'_>,
        parent: &str,
        file: &NewFile<'_>,
    ) -> Result<Live> {
        let session = self.writer.session(parent, file).await?;
        let piece = |offset: u64, length: usize| {
            let (reader, node) = (content.item.reader.clone(), content.node.clone());
            async move {
                let part = blocking(move || Ok(reader.part(&node, offset, length)?)).await;
                part.map(Bytes::from).map_err(|error| Box::new(error) as holdfast_graph::BoxError)
            }
        };
        let item = self.graph.upload_file(&session, file.size, piece).await?;
        Ok(Live::from_graph(&item)?)
    }

    async fn compare(&self, live: &Live, content: &Content<'_>) -> Result<Same> {
        let stored = (&content.item.reader, content.node, content.hash);
        verify::compare(self.writer, live, stored).await
    }

    async fn note(
        &self,
        source: &ItemId,
        state: RestoreState,
        target: Option<&str>,
        detail: Option<String>,
    ) -> Result<()> {
        self.before.note(self.home, source, state, target, detail).await
    }
}
