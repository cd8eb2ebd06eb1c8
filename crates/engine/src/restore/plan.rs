//! What a restore will do, before anything is written.

use std::collections::{HashMap, HashSet};

use holdfast_workloads::mail::{Existing, MailWriter};

use super::folders::{self, Folders};
use super::{Before, OnConflict};
use crate::browse::Found;
use crate::select::Picked;
use crate::{Error, Result};

/// What happens to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is created.
    Create,
    /// It lies in the target and stays.
    Skip,
    /// It is created, then this one is deleted.
    Replace(String),
}

/// A message and what happens to it.
pub(super) struct Planned {
    pub item: Picked,
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
    items: Vec<Picked>,
    rule: OnConflict,
    writer: &MailWriter<'_>,
    resumed: Option<&Before>,
) -> Result<Plan> {
    let mut folders = Folders::default();
    let mut by_folder: HashMap<usize, Vec<Picked>> = HashMap::new();
    for item in items {
        let Some(position) = folders.need(&item.found.folders) else {
            return Err(Error::not_found("folder of", item.found.path()));
        };
        by_folder.entry(position).or_default().push(item);
    }
    folders::find(writer, &mut folders).await?;
    let mut items = Vec::new();
    for position in 0..folders.len() {
        let Some(wanted) = by_folder.remove(&position) else { continue };
        let mut existing = match folders.known(position) {
            Some(id) if rule != OnConflict::Copy => writer.list(&id).await?,
            _ => Vec::new(),
        };
        if let Some(before) = resumed {
            existing.retain(|message| !is_of(message, &before.restore));
        }
        let is_done = |found: &Found| resumed.is_some_and(|b| b.is_done(&found.meta.item_id()));
        items.extend(actions(wanted, position, existing, rule, is_done));
    }
    Ok(Plan { folders, items })
}

/// True for a message that this restore created: marks are `<restore id> <short id>`.
fn is_of(message: &Existing, restore: &str) -> bool {
    message.mark.as_deref().and_then(|mark| mark.split(' ').next()) == Some(restore)
}

fn actions(
    items: Vec<Picked>,
    folder: usize,
    existing: Vec<Existing>,
    rule: OnConflict,
    is_done: impl Fn(&Found) -> bool,
) -> impl Iterator<Item = Planned> {
    let conflicts = conflicts(&items, existing, is_done);
    items.into_iter().zip(conflicts).map(move |(item, conflict)| {
        let action = match (conflict, rule) {
            (None, _) | (_, OnConflict::Copy) => Action::Create,
            (Some(_), OnConflict::Skip) => Action::Skip,
            (Some(id), OnConflict::Replace) => Action::Replace(id),
        };
        Planned { item, folder, action }
    })
}

/// For each stored message the one in the target that it collides with: the one with the same id,
/// else one with the same subject, sender and time of receipt. Each is matched once, and ids first,
/// so that of two messages that look alike each finds itself. One that is done has replaced its own
/// already and must not take that of another.
fn conflicts(
    items: &[Picked],
    existing: Vec<Existing>,
    is_done: impl Fn(&Found) -> bool,
) -> Vec<Option<String>> {
    let stored: HashSet<&str> = items.iter().map(|item| item.found.meta.id()).collect();
    let mut live = HashSet::new();
    let mut alike: HashMap<String, Vec<String>> = HashMap::new();
    for message in existing {
        if stored.contains(message.id.as_str()) {
            live.insert(message.id);
        } else {
            alike.entry(message.fingerprint).or_default().push(message.id);
        }
    }
    let mut conflict = |found: &Found| {
        if is_done(found) {
            return None;
        }
        let same = live.take(found.meta.id());
        same.or_else(|| alike.get_mut(&Existing::fingerprint_of(found.meta.message()?))?.pop())
    };
    items.iter().map(|item| conflict(&item.found)).collect()
}
