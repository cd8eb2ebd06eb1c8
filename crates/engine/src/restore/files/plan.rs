//! What happens to each file: created, replaced, left alone; or what an interrupted attempt of this
//! restore has begun is brought to its end.

use std::cmp::Reverse;
use std::collections::HashSet;

use holdfast_catalog::{RestoreItemRow, RestoreState};
use holdfast_model::Timestamp;
use holdfast_vault::Node;
use holdfast_workloads::drive::{DriveWriter, FileForm, FileMeta, Live, Same, is_office};

use super::super::{Before, OnConflict, RestoreRequest, Skipped, is_unreadable};
use super::tree::{Tree, key, lower, name_beside};
use super::verify;
use crate::browse::{StoredVersion, stored_versions, version_of};
use crate::compare::size;
use crate::select::Picked;
use crate::{Error, Result};

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is created under this name.
    Create(String),
    /// It becomes the newest version of this one, which this restore has made itself or found.
    Replace { there: Box<Live>, is_ours: bool },
    /// An interrupted attempt has written it; what is beside the content may be missing.
    Finish { there: Box<Live>, is_ours: bool },
    /// It is left out.
    Skip(Skipped),
    /// It cannot be written, for this reason.
    Refuse(String),
}

/// A file and what happens to it.
pub(super) struct Planned {
    pub item: Picked,
    pub folder: Vec<String>,
    pub contents: Contents,
    pub action: Action,
}

/// The bytes that are written for a file.
pub(super) struct Contents {
    /// Earlier versions that come first, oldest first.
    pub earlier: Vec<StoredVersion>,
    pub node: Node,
    pub modified: Option<Timestamp>,
    /// `quickXorHash`, where it is known without reading.
    pub xor: Option<String>,
    /// It is an earlier version alone.
    is_version: bool,
}

/// What an earlier attempt of this restore noted about a file.
struct Noted<'n> {
    state: RestoreState,
    target: Option<&'n str>,
    is_new: bool,
    name: &'n str,
}

/// How the name under which a file is written is noted; no name holds a slash.
pub(super) fn note_of(name: &str, is_new: bool) -> String {
    format!("{}/{name}", if is_new { "new" } else { "old" })
}

fn noted(row: &RestoreItemRow) -> Option<Noted<'_>> {
    let (word, name) = row.detail.as_deref()?.split_once('/')?;
    let target = row.target.as_ref().map(holdfast_model::ItemId::as_str);
    Some(Noted { state: row.state, target, is_new: word == "new", name })
}

struct Planner<'p> {
    writer: &'p DriveWriter<'p>,
    tree: &'p Tree,
    request: &'p RestoreRequest,
    before: &'p Before,
    /// Names that other files of this restore have.
    taken: HashSet<(Vec<String>, String)>,
}

/// Plans the files of one drive. Of several that would get one name, what an earlier attempt has
/// named comes first, then the one that was changed last; the others get a name beside it.
pub(super) async fn plan(
    writer: &DriveWriter<'_>,
    tree: &Tree,
    mut items: Vec<(Picked, Vec<String>)>,
    request: &RestoreRequest,
    before: &Before,
) -> Result<Vec<Planned>> {
    items.sort_by_cached_key(|(item, _)| {
        let known = before.items.get(&item.found.meta.item_id()).and_then(noted);
        (known.is_none(), Reverse(item.found.file().ok().and_then(|meta| meta.modified)))
    });
    let mut planner = Planner { writer, tree, request, before, taken: HashSet::new() };
    let mut planned = Vec::with_capacity(items.len());
    for (item, folder) in items {
        let (contents, action) = match contents(&item, request) {
            Ok(contents) => {
                let action = planner.action(&item, &folder, &contents).await;
                (contents, action)
            }
            Err(error) => (present(&item)?, Err(error)),
        };
        let action = match action {
            Err(error) if is_unreadable(&error) => Action::Refuse(error.to_string()),
            action => action?,
        };
        planned.push(Planned { item, folder, contents, action });
    }
    Ok(planned)
}

impl Planner<'_> {
    async fn action(
        &mut self,
        item: &Picked,
        folder: &[String],
        contents: &Contents,
    ) -> Result<Action> {
        let meta = item.found.file()?;
        if meta.form == FileForm::Shortcut {
            return Ok(Action::Skip(Skipped::Shortcut));
        }
        if let Some(reason) = self.tree.blocked(folder) {
            return Ok(Action::Refuse(reason.to_owned()));
        }
        let action = match self.resumed(item, folder, contents).await? {
            Some(action) => action,
            None => self.fresh(item, meta, folder, contents).await?,
        };
        let name = match &action {
            Action::Create(name) => name,
            Action::Replace { there, .. } | Action::Finish { there, .. } => &there.name,
            Action::Skip(_) | Action::Refuse(_) => &meta.name,
        };
        let key = (key(folder), lower(name));
        self.taken.insert(key);
        Ok(action)
    }

    /// What an interrupted attempt has begun goes on under the name that it noted.
    async fn resumed(
        &self,
        item: &Picked,
        folder: &[String],
        contents: &Contents,
    ) -> Result<Option<Action>> {
        let row = self.before.items.get(&item.found.meta.item_id());
        let Some(noted) = row.and_then(noted) else { return Ok(None) };
        let by_id = noted.target.and_then(|id| self.tree.child_with_id(folder, id));
        let there = by_id.or_else(|| self.tree.child(folder, noted.name));
        let Some(there) = there.filter(|there| !there.is_folder) else {
            let is_free = !self.is_taken(folder, noted.name);
            let is_free = is_free && self.tree.child(folder, noted.name).is_none();
            return Ok(is_free.then(|| Action::Create(noted.name.to_owned())));
        };
        let same = self.is_same(there, item, contents).await?;
        let is_known = noted.target == Some(there.id.as_str());
        let there = Box::new(there.clone());
        let is_ours = noted.is_new;
        Ok(match (noted.state, same) {
            (RestoreState::Done, true) if is_known => Some(Action::Skip(Skipped::Written)),
            (RestoreState::Done, _) => None,
            (_, true) => Some(Action::Finish { there, is_ours }),
            (_, false) if is_known || self.is_begun(&there, item, contents).await? => {
                Some(Action::Replace { there, is_ours })
            }
            (_, false) => None,
        })
    }

    async fn fresh(
        &self,
        item: &Picked,
        meta: &FileMeta,
        folder: &[String],
        contents: &Contents,
    ) -> Result<Action> {
        let there = self.tree.child(folder, &meta.name);
        let is_taken = self.is_taken(folder, &meta.name);
        let Some(there) = there.filter(|_| !is_taken) else {
            return match is_taken {
                true => self.beside(item, meta, folder, contents).await,
                false => Ok(Action::Create(meta.name.clone())),
            };
        };
        Ok(match self.request.on_conflict {
            OnConflict::Copy => return self.beside(item, meta, folder, contents).await,
            _ if there.is_folder => {
                Action::Refuse("a folder of the target has its name".to_owned())
            }
            _ if is_equal(there, item, contents).await? => Action::Skip(Skipped::Unchanged),
            OnConflict::Skip if self.request.version.is_some() => {
                return Err(Error::Usage(
                    "the file is there in another version; '--on-conflict replace' makes the \
                     wanted one its newest, 'copy' puts it beside it"
                        .to_owned(),
                ));
            }
            OnConflict::Skip => Action::Skip(Skipped::Conflicting),
            OnConflict::Replace => {
                Action::Replace { there: Box::new(there.clone()), is_ours: false }
            }
        })
    }

    /// The file goes beside what has its name; of two selected files of one name the second one is
    /// there already where it was brought before.
    async fn beside(
        &self,
        item: &Picked,
        meta: &FileMeta,
        folder: &[String],
        contents: &Contents,
    ) -> Result<Action> {
        let mut number = 1;
        loop {
            let name = name_beside(&meta.name, number);
            let is_taken = self.is_taken(folder, &name);
            match self.tree.child(folder, &name) {
                None if !is_taken => return Ok(Action::Create(name)),
                Some(there)
                    if !is_taken
                        && self.request.on_conflict != OnConflict::Copy
                        && is_equal(there, item, contents).await? =>
                {
                    return Ok(Action::Skip(Skipped::Unchanged));
                }
                _ => number += 1,
            }
        }
    }

    fn is_taken(&self, folder: &[String], name: &str) -> bool {
        let is_of_file = self.taken.contains(&(key(folder), lower(name)));
        // A folder that is yet to be made.
        is_of_file || (self.tree.needs(folder, name) && self.tree.child(folder, name).is_none())
    }

    async fn is_same(&self, there: &Live, item: &Picked, contents: &Contents) -> Result<bool> {
        if is_equal(there, item, contents).await? {
            return Ok(true);
        }
        if !is_office(&there.name) {
            return Ok(false);
        }
        let stored = contents.hash(item).await?;
        let same = verify::compare(self.writer, there, (&item.reader, &contents.node, &stored));
        Ok(same.await? != Same::No)
    }

    /// True for what an attempt left that did not come to the present content.
    async fn is_begun(&self, there: &Live, item: &Picked, contents: &Contents) -> Result<bool> {
        if self.request.on_conflict == OnConflict::Replace {
            return Ok(true);
        }
        Ok(contents.position(there, item).await?.is_some())
    }
}

impl Contents {
    /// `quickXorHash` of what is restored.
    pub async fn hash(&self, item: &Picked) -> Result<String> {
        match &self.xor {
            Some(hash) => Ok(hash.clone()),
            None => verify::hash_of(&item.reader, &self.node).await,
        }
    }

    /// Which of the earlier versions a file of the target is.
    pub async fn position(&self, there: &Live, item: &Picked) -> Result<Option<usize>> {
        for (at, version) in self.earlier.iter().enumerate() {
            if there.meta.size == version.size
                && there.meta.xor == Some(verify::hash_of(&item.reader, &version.node).await?)
            {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

async fn is_equal(there: &Live, item: &Picked, contents: &Contents) -> Result<bool> {
    if there.is_folder {
        return Ok(false);
    }
    if !contents.is_version {
        return verify::is_equal(there, &item.found);
    }
    let is_size = there.meta.size == size(&contents.node);
    Ok(is_size && there.meta.xor == Some(contents.hash(item).await?))
}

/// The file as it is.
fn present(item: &Picked) -> Result<Contents> {
    let meta = item.found.file()?;
    let xor = meta.got_xor.as_ref().or(meta.xor.as_ref()).cloned();
    let (node, modified) = (item.found.node.clone(), meta.modified);
    Ok(Contents { earlier: Vec::new(), node, modified, xor, is_version: false })
}

/// What is wanted of a file: itself, its earlier versions too, or one of them alone.
fn contents(item: &Picked, request: &RestoreRequest) -> Result<Contents> {
    let present = present(item)?;
    if !request.versions && request.version.is_none() {
        return Ok(present);
    }
    let meta = item.found.file()?;
    let reading = || stored_versions(&item.reader, item.root, &meta.id);
    let all = tokio::task::block_in_place(reading)?;
    let Some(wanted) = &request.version else { return Ok(Contents { earlier: all, ..present }) };
    let found = version_of(all, wanted)?;
    let modified = Some(found.modified);
    Ok(Contents { earlier: Vec::new(), node: found.node, modified, xor: None, is_version: true })
}
