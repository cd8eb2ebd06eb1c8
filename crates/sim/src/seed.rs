//! What a tenant is born with: from the generator, or from a folder of files.

mod drives;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SimConfig;
use crate::content::{self, Person, SeedMail};
use crate::error::SimError;
use crate::state::{Content, Flag, Op, Outcome, Properties, State};

/// The options that decide what a tenant is born with; kept in its state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    users: usize,
    seed: u64,
    mails_per_user: usize,
    corpus: Option<String>,
    empty: bool,
    #[serde(default)]
    files_per_user: usize,
    #[serde(default)]
    sites: usize,
}

impl Birth {
    /// The options of a configuration.
    pub fn of(config: &SimConfig) -> Self {
        Self {
            users: config.users,
            seed: config.seed,
            mails_per_user: config.mails_per_user,
            corpus: config.corpus.as_ref().map(|path| path.display().to_string()),
            empty: config.empty,
            files_per_user: config.files_per_user,
            sites: config.sites,
        }
    }

    /// Writes the options into a new state folder, or compares them with those of an old one.
    pub fn check(&self, folder: &Path) -> Result<(), SimError> {
        let path = folder.join("tenant.json");
        let failed = |source| SimError::State { path: path.clone(), source };
        match std::fs::read(&path) {
            Ok(bytes) if serde_json::from_slice(&bytes).is_ok_and(|known: Self| known == *self) => {
                Ok(())
            }
            Ok(_) => Err(SimError::OtherTenant { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = serde_json::to_string_pretty(self).unwrap_or_default();
                std::fs::write(&path, text + "\n").map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// Puts people with their mail and drives into an empty tenant. A folder of files takes the place
/// of the generator for that of which it has something. Two calls with the same options make the same
/// tenant, ids included.
pub fn sow(state: &mut State, config: &SimConfig) -> Result<(), SimError> {
    let people = content::company(config.users, config.seed);
    let born = Timestamp::from_second(1_577_836_800).unwrap_or_default();
    for person in &people {
        // Adding a person cannot be refused.
        let _ = state.apply(born, Op::UserAdd { profile: person.into() });
    }
    drives::sow(state, &people, config, born)?;
    if config.empty {
        return Ok(());
    }
    let mut shared = Shared::default();
    if let Some(folder) = &config.corpus {
        let mut mails = content::corpus(folder, &people, config.seed)?.peekable();
        if mails.peek().is_some() {
            sow_mail(state, mails, &mut shared);
            return Ok(());
        }
    }
    sow_generated(state, &people, config, &mut shared);
    Ok(())
}

fn sow_generated(state: &mut State, people: &[Person], config: &SimConfig, shared: &mut Shared) {
    sow_mail(state, content::mail(people, config.seed, config.mails_per_user), shared);
}

fn sow_mail(state: &mut State, mails: impl Iterator<Item = SeedMail>, shared: &mut Shared) {
    for mail in mails {
        let user = mail.user;
        if user >= state.users.len() {
            continue;
        }
        let folder = folder_for(state, user, &mail.folder);
        let at = mail.received;
        let properties = Box::new(properties(mail, shared));
        // The folder exists, so this cannot be refused.
        let _ = state.apply(at, Op::MessageAdd { user, folder, properties });
    }
}

/// The folder with this path of display names, made where it is missing.
fn folder_for(state: &mut State, user: usize, path: &[String]) -> u64 {
    let mailbox = &state.users[user].mailbox;
    let root = mailbox.well_known("msgfolderroot").unwrap_or_default();
    let mut place = root;
    for name in path {
        let known = state.users[user].mailbox.child(place, name);
        place = known.unwrap_or_else(|| {
            let name = name.clone();
            let op = Op::FolderCreate { user, parent: place, name, hidden: false };
            match state.apply(Timestamp::UNIX_EPOCH, op) {
                Ok(Outcome::Folder(number)) => number,
                _ => place,
            }
        });
    }
    if place == root {
        state.users[user].mailbox.well_known("inbox").unwrap_or(root)
    } else {
        place
    }
}

/// Equal bytes are kept once: the same message lies in several mailboxes.
#[derive(Default)]
pub struct Shared(HashMap<Vec<u8>, Arc<[u8]>>);

impl Shared {
    fn keep(&mut self, bytes: Vec<u8>) -> Arc<[u8]> {
        let hash = digest::digest(&digest::SHA256, &bytes).as_ref()[..16].to_vec();
        Arc::clone(self.0.entry(hash).or_insert_with(|| bytes.into()))
    }
}

/// The properties of a delivered message.
pub fn properties(mail: SeedMail, shared: &mut Shared) -> Properties {
    Properties {
        content: Content::Mime(shared.keep(mail.mime)),
        received: mail.received,
        sent: None,
        created: mail.received,
        modified: mail.received,
        is_read: mail.is_read,
        is_draft: mail.is_draft,
        flag: if mail.flagged { Flag::flagged() } else { Flag::default() },
        categories: mail.categories,
        importance: mail.importance,
        extended: std::collections::BTreeMap::new(),
    }
}
