//! What a restore will do, before anything is written.

use std::collections::HashMap;

use holdfast_model::ContainerId;
use holdfast_workloads::mail::{Existing, MailWriter};

use super::folders::{self, Folders};
use super::{OnConflict, RestoreRequest};
use crate::browse::{Found, Located};
use crate::{Error, Result};

/// What happens to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is created.
    Create,
    /// It lies in the target and stays.
    Skip,
    /// It is created, then these are deleted.
    Replace(String),
}

/// A message and what happens to it.
#[derive(Debug)]
pub(super) struct Planned {
    pub found: Found,
    /// Position of its folder in [`Folders`].
    pub folder: usize,
    pub action: Action,
}

/// All that a restore will do.
pub(super) struct Plan {
    pub folders: Folders,
    pub items: Vec<Planned>,
}

/// Works out the plan: folders by name, conflicts by what lies in the target folders now. What the
/// restore that is `resumed` has written itself is no conflict: how far it got is known.
pub(super) async fn plan(
    source: &Located,
    request: &RestoreRequest,
    writer: &MailWriter<'_>,
    resumed: Option<&str>,
) -> Result<Plan> {
    let path = request.path.as_deref().unwrap_or_default();
    let found = tokio::task::block_in_place(|| source.messages(path))?;
    let mut folders = Folders::default();
    let mut by_folder: HashMap<usize, Vec<Found>> = HashMap::new();
    for found in found {
        let Some(position) = folders.need(&found.folders) else {
            return Err(Error::not_found("folder of", found.path()));
        };
        by_folder.entry(position).or_default().push(found);
    }
    folders::find(writer, &mut folders).await?;
    let mut items = Vec::new();
    for position in 0..folders.len() {
        let Some(found) = by_folder.remove(&position) else { continue };
        let mut existing = match folders.known(position) {
            Some(id) if request.on_conflict != OnConflict::Copy => writer.list(&id).await?,
            _ => Vec::new(),
        };
        existing.retain(|message| !is_of(message, resumed));
        items.extend(actions(found, position, existing, request.on_conflict));
    }
    Ok(Plan { folders, items })
}

/// True for a message that this restore created: marks are `<restore id> <short id>`.
fn is_of(message: &Existing, restore: Option<&str>) -> bool {
    let mark = message.mark.as_deref().and_then(|mark| mark.split(' ').next());
    restore.is_some() && mark == restore
}

fn actions(
    found: Vec<Found>,
    folder: usize,
    existing: Vec<Existing>,
    rule: OnConflict,
) -> impl Iterator<Item = Planned> {
    let mut present = Present::new(existing);
    found.into_iter().map(move |found| {
        let action = match (present.take(&found), rule) {
            (None, _) | (_, OnConflict::Copy) => Action::Create,
            (Some(_), OnConflict::Skip) => Action::Skip,
            (Some(id), OnConflict::Replace) => Action::Replace(id),
        };
        Planned { found, folder, action }
    })
}

/// What lies in a target folder, each to be matched once.
struct Present {
    by_id: HashMap<String, Existing>,
    by_fingerprint: HashMap<String, Vec<String>>,
}

impl Present {
    fn new(existing: Vec<Existing>) -> Self {
        let mut by_fingerprint: HashMap<String, Vec<String>> = HashMap::new();
        for message in &existing {
            by_fingerprint.entry(message.fingerprint.clone()).or_default().push(message.id.clone());
        }
        let by_id = existing.into_iter().map(|message| (message.id.clone(), message)).collect();
        Self { by_id, by_fingerprint }
    }

    /// The message that a stored one would collide with: the same id, else the same subject,
    /// sender and time of receipt.
    fn take(&mut self, found: &Found) -> Option<String> {
        if let Some(same) = self.by_id.remove(&found.meta.id) {
            let others = self.by_fingerprint.get_mut(&same.fingerprint)?;
            others.retain(|id| *id != same.id);
            return Some(same.id);
        }
        let alike = self.by_fingerprint.get_mut(&Existing::fingerprint_of(&found.meta))?;
        let id = alike.pop()?;
        self.by_id.remove(&id);
        Some(id)
    }
}

/// Where a folder of the source lies in the target.
pub(super) type Target = ContainerId;
