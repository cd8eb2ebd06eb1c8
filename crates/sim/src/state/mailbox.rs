//! A mailbox: folders, messages, and the change logs that delta queries read.
//!
//! Every change takes the next number of the mailbox's sequence. A folder's log maps numbers to
//! what happened last to each message: it is there (again), or it went away. A client that has
//! seen everything up to a number reads on behind it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::message::{Properties, Stored};
use crate::error::Refused;
use crate::seal;

/// The well-known folders: name in URLs, display name, name of the parent, hidden from lists.
///
/// Source: Graph, resource type mailFolder (read 2026-11).
pub const WELL_KNOWN: [(&str, &str, &str); 11] = [
    ("msgfolderroot", "Top of Information Store", ""),
    ("inbox", "Inbox", "msgfolderroot"),
    ("drafts", "Drafts", "msgfolderroot"),
    ("sentitems", "Sent Items", "msgfolderroot"),
    ("deleteditems", "Deleted Items", "msgfolderroot"),
    ("archive", "Archive", "msgfolderroot"),
    ("junkemail", "Junk Email", "msgfolderroot"),
    ("outbox", "Outbox", "msgfolderroot"),
    ("conversationhistory", "Conversation History", "msgfolderroot"),
    ("recoverableitemsroot", "Recoverable Items", ""),
    ("recoverableitemsdeletions", "Deletions", "recoverableitemsroot"),
];

/// What a folder's log says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the folder, in the state of this number.
    Present(u64),
    /// It left the folder.
    Removed {
        /// The message.
        uid: u64,
        /// The move count with which it was known here.
        generation: u64,
        /// When it had come: who has read less far never saw it.
        entered: u64,
    },
}

/// What the mailbox's log says about a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderChange {
    /// It is there.
    Present(u64),
    /// It is gone.
    Removed {
        /// The folder.
        number: u64,
        /// When it had been made.
        entered: u64,
    },
}

/// A mail folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Its number; the id is made from it.
    pub number: u64,
    /// The folder above; none for the two roots.
    pub parent: Option<u64>,
    /// The display name.
    pub name: String,
    /// The name in URLs, for Exchange's own folders.
    pub well_known: Option<&'static str>,
    /// Shown only with `includeHiddenFolders=true`.
    pub hidden: bool,
    /// Position in the mailbox's log.
    pub seq: u64,
    /// When it was made.
    pub entered: u64,
    /// The change log.
    pub log: BTreeMap<u64, Change>,
}

/// The mail of one person.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The part of every id that belongs to this mailbox.
    pub tag: String,
    /// When the mailbox was made.
    pub created: Timestamp,
    seq: u64,
    next_uid: u64,
    next_folder: u64,
    /// By number.
    pub folders: BTreeMap<u64, Folder>,
    /// By number.
    pub messages: HashMap<u64, Stored>,
    /// The log of the folders themselves.
    pub folder_log: BTreeMap<u64, FolderChange>,
}

impl Mailbox {
    /// A mailbox with Exchange's own folders.
    pub fn new(tag: String, created: Timestamp) -> Self {
        let mut mailbox = Self {
            tag,
            created,
            seq: 0,
            next_uid: 0,
            next_folder: 0,
            folders: BTreeMap::new(),
            messages: HashMap::new(),
            folder_log: BTreeMap::new(),
        };
        for (well_known, name, parent) in WELL_KNOWN {
            let parent = mailbox.well_known(parent);
            mailbox.folder_insert(parent, name, Some(well_known), false);
        }
        mailbox
    }

    /// The position of the last change.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Exchange's own folder of this name.
    pub fn well_known(&self, name: &str) -> Option<u64> {
        let same = |folder: &&Folder| {
            folder.well_known.is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        self.folders.values().find(same).map(|folder| folder.number)
    }

    /// The folder with this id or well-known name.
    pub fn folder(&self, id: &str) -> Result<&Folder, Refused> {
        let number = seal::read_folder_id(&self.tag, id).or_else(|| self.well_known(id));
        number.and_then(|number| self.folders.get(&number)).ok_or(Refused::FolderNotFound)
    }

    /// The message with this id, in either form. A mutable id ends with the next move.
    pub fn message(&self, id: &str) -> Result<&Stored, Refused> {
        let key = seal::read_message_id(&self.tag, id).ok_or(Refused::MessageNotFound)?;
        let message = self.messages.get(&key.uid).ok_or(Refused::MessageNotFound)?;
        match key.generation {
            Some(generation) if generation != message.generation => Err(Refused::MessageNotFound),
            _ => Ok(message),
        }
    }

    /// The folders directly below, in the order of their display names.
    pub fn children(&self, parent: u64) -> Vec<&Folder> {
        let below = |folder: &&Folder| folder.parent == Some(parent);
        let mut children: Vec<&Folder> = self.folders.values().filter(below).collect();
        children.sort_by(|a, b| a.name.cmp(&b.name).then(a.number.cmp(&b.number)));
        children
    }

    /// The child with exactly this name.
    pub fn child(&self, parent: u64, name: &str) -> Option<u64> {
        self.children(parent).iter().find(|folder| folder.name == name).map(|folder| folder.number)
    }

    /// The messages of a folder, newest first.
    pub fn listed(&self, folder: &Folder) -> Vec<&Stored> {
        let present = folder.log.values().filter_map(|change| match change {
            Change::Present(uid) => self.messages.get(uid),
            Change::Removed { .. } => None,
        });
        let mut messages: Vec<&Stored> = present.collect();
        messages
            .sort_by_key(|message| (std::cmp::Reverse(message.properties.received), message.uid));
        messages
    }

    /// How many messages a folder has, and how many of them are unread.
    pub fn counts(&self, folder: &Folder) -> (usize, usize) {
        let (mut total, mut unread) = (0, 0);
        for change in folder.log.values() {
            if let Change::Present(uid) = change {
                total += 1;
                let read = self.messages.get(uid).is_some_and(|message| message.properties.is_read);
                unread += usize::from(!read);
            }
        }
        (total, unread)
    }

    /// Whether `folder` is `above` or lies below it.
    pub fn is_below(&self, folder: u64, above: u64) -> bool {
        let mut place = Some(folder);
        while let Some(number) = place {
            if number == above {
                return true;
            }
            place = self.folders.get(&number).and_then(|folder| folder.parent);
        }
        false
    }

    fn bump(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn folder_insert(
        &mut self,
        parent: Option<u64>,
        name: &str,
        well_known: Option<&'static str>,
        hidden: bool,
    ) -> u64 {
        let number = self.next_folder;
        self.next_folder += 1;
        let seq = self.bump();
        let name = name.to_owned();
        let log = BTreeMap::new();
        let folder = Folder { number, parent, name, well_known, hidden, seq, entered: seq, log };
        self.folders.insert(number, folder);
        self.folder_log.insert(seq, FolderChange::Present(number));
        number
    }

    /// Makes a folder; a sibling of exactly this name refuses it.
    pub fn folder_create(&mut self, parent: u64, name: &str, hidden: bool) -> Result<u64, Refused> {
        self.folders.get(&parent).ok_or(Refused::FolderNotFound)?;
        if self.child(parent, name).is_some() {
            return Err(Refused::FolderExists);
        }
        Ok(self.folder_insert(Some(parent), name, None, hidden))
    }

    /// Gives a folder another name.
    pub fn folder_rename(&mut self, number: u64, name: &str) -> Result<(), Refused> {
        let folder = self.own_folder(number)?;
        let taken = folder.parent.and_then(|parent| self.child(parent, name));
        if taken.is_some_and(|taken| taken != number) {
            return Err(Refused::FolderExists);
        }
        let name = name.to_owned();
        self.folder_change(number, |folder| folder.name = name);
        Ok(())
    }

    /// Puts a folder with all below it under another one.
    pub fn folder_move(&mut self, number: u64, parent: u64) -> Result<(), Refused> {
        let name = self.own_folder(number)?.name.clone();
        self.folders.get(&parent).ok_or(Refused::FolderNotFound)?;
        if self.is_below(parent, number) {
            return Err(Refused::FolderCycle);
        }
        if self.child(parent, &name).is_some_and(|taken| taken != number) {
            return Err(Refused::FolderExists);
        }
        self.folder_change(number, |folder| folder.parent = Some(parent));
        Ok(())
    }

    /// Removes a folder, all below it and all messages in them, for good.
    pub fn folder_remove(&mut self, number: u64) -> Result<(), Refused> {
        self.own_folder(number)?;
        let below: Vec<u64> = self.folders.keys().copied().collect();
        let mut doomed: Vec<u64> =
            below.into_iter().filter(|folder| self.is_below(*folder, number)).collect();
        // The deepest first, as Exchange reports them.
        doomed.sort_by_key(|folder| std::cmp::Reverse(self.depth(*folder)));
        for folder in doomed {
            self.messages.retain(|_, message| message.folder != folder);
            let Some(gone) = self.folders.remove(&folder) else { continue };
            self.folder_log.remove(&gone.seq);
            let seq = self.bump();
            let change = FolderChange::Removed { number: folder, entered: gone.entered };
            self.folder_log.insert(seq, change);
        }
        Ok(())
    }

    fn depth(&self, folder: u64) -> usize {
        let parent = |number: &u64| self.folders.get(number).and_then(|folder| folder.parent);
        std::iter::successors(Some(folder), parent).count()
    }

    fn own_folder(&self, number: u64) -> Result<&Folder, Refused> {
        let folder = self.folders.get(&number).ok_or(Refused::FolderNotFound)?;
        if folder.well_known.is_some() { Err(Refused::WellKnownFolder) } else { Ok(folder) }
    }

    fn folder_change(&mut self, number: u64, change: impl FnOnce(&mut Folder)) {
        let seq = self.bump();
        let Some(folder) = self.folders.get_mut(&number) else { return };
        change(folder);
        self.folder_log.remove(&folder.seq);
        folder.seq = seq;
        self.folder_log.insert(seq, FolderChange::Present(number));
    }

    /// Adds a message.
    pub fn message_add(&mut self, folder: u64, properties: Properties) -> Result<u64, Refused> {
        if !self.folders.contains_key(&folder) {
            return Err(Refused::FolderNotFound);
        }
        let uid = self.next_uid;
        self.next_uid += 1;
        let seq = self.bump();
        self.messages.insert(uid, Stored::new(uid, folder, seq, properties));
        self.log(folder, seq, Change::Present(uid));
        Ok(uid)
    }

    /// Changes a message; its change key changes.
    pub fn message_replace(
        &mut self,
        at: Timestamp,
        uid: u64,
        properties: Properties,
    ) -> Result<(), Refused> {
        if !self.messages.contains_key(&uid) {
            return Err(Refused::MessageNotFound);
        }
        let seq = self.bump();
        let message = self.messages.get_mut(&uid).ok_or(Refused::MessageNotFound)?;
        message.replace(properties);
        message.properties.modified = at;
        let (folder, old) = (message.folder, std::mem::replace(&mut message.seq, seq));
        self.unlog(folder, old);
        self.log(folder, seq, Change::Present(uid));
        Ok(())
    }

    /// Moves a message: gone from the old folder, the same immutable id in the new one.
    pub fn message_move(&mut self, at: Timestamp, uid: u64, to: u64) -> Result<(), Refused> {
        if !self.folders.contains_key(&to) {
            return Err(Refused::FolderNotFound);
        }
        self.message_leave(uid)?;
        let seq = self.bump();
        let message = self.messages.get_mut(&uid).ok_or(Refused::MessageNotFound)?;
        message.folder = to;
        message.generation += 1;
        message.properties.modified = at;
        (message.seq, message.entered) = (seq, seq);
        self.log(to, seq, Change::Present(uid));
        Ok(())
    }

    /// Copies a message under a new id.
    pub fn message_copy(&mut self, at: Timestamp, uid: u64, to: u64) -> Result<u64, Refused> {
        let message = self.messages.get(&uid).ok_or(Refused::MessageNotFound)?;
        let mut properties = message.properties.clone();
        (properties.created, properties.modified) = (at, at);
        self.message_add(to, properties)
    }

    /// Removes a message for good.
    pub fn message_remove(&mut self, uid: u64) -> Result<(), Refused> {
        self.message_leave(uid)?;
        self.messages.remove(&uid);
        Ok(())
    }

    fn message_leave(&mut self, uid: u64) -> Result<(), Refused> {
        let message = self.messages.get(&uid).ok_or(Refused::MessageNotFound)?;
        let (folder, old) = (message.folder, message.seq);
        let (generation, entered) = (message.generation, message.entered);
        let seq = self.bump();
        self.unlog(folder, old);
        self.log(folder, seq, Change::Removed { uid, generation, entered });
        Ok(())
    }

    fn log(&mut self, folder: u64, seq: u64, change: Change) {
        if let Some(folder) = self.folders.get_mut(&folder) {
            folder.log.insert(seq, change);
        }
    }

    fn unlog(&mut self, folder: u64, seq: u64) {
        if let Some(folder) = self.folders.get_mut(&folder) {
            folder.log.remove(&seq);
        }
    }
}
