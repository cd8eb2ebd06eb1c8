//! Control and inspection of the tenant by tests and the demo, without HTTP.
//!
//! Users are named by object id or user principal name, folders by id or well-known name
//! (`inbox`, `deleteditems` …), messages by either form of id. Ids that are given back are
//! immutable ones. Every call changes the state that the server shows, change tracking included.

mod drive_views;
mod drives;
mod ransom;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

pub use self::drive_views::{DriveItemView, DriveView, SiteView, VersionView};
pub use self::ransom::RansomView;
use crate::content::SeedMail;
use crate::error::Refused;
use crate::mail::{self, Importance, Message};
use crate::registration::{Certificate, Change};
use crate::render;
use crate::seal;
use crate::seed;
use crate::state::{Content, Flag, Mailbox, Op, Outcome, Parsed, Profile, Properties, Stored};
use crate::tenant::Tenant;

/// A person, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// Entra's object id.
    pub id: String,
    /// The user principal name.
    pub upn: String,
    /// First and last name.
    pub display_name: String,
    /// Whether the mailbox is out of reach for lack of a licence.
    pub mailbox_disabled: bool,
}

/// A folder, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderView {
    /// The id.
    pub id: String,
    /// Display names from the root of the mailbox.
    pub path: Vec<String>,
    /// How many messages lie in it.
    pub messages: usize,
}

/// A message without its content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageView {
    /// The immutable id.
    pub id: String,
    /// The folder's id.
    pub folder_id: String,
    /// Changes with every change to the message.
    pub change_key: String,
    /// The subject.
    pub subject: String,
    /// `Message-ID`.
    pub internet_message_id: Option<String>,
    /// The message class.
    pub class: String,
    /// `receivedDateTime`.
    pub received: Timestamp,
    /// `sentDateTime`.
    pub sent: Timestamp,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// The follow-up flag.
    pub flag: Flag,
    /// The categories.
    pub categories: Vec<String>,
    /// The importance.
    pub importance: Importance,
    /// Bytes in the store.
    pub size: usize,
}

/// A message with everything that a restore has to bring back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FullMessage {
    /// Its state.
    #[serde(flatten)]
    pub view: MessageView,
    /// Its content.
    pub content: Message,
    /// Its own extended properties, by canonical id.
    pub extended: BTreeMap<String, String>,
}

/// What [`Tenant::message_update`] lets change.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// The follow-up flag.
    pub flag: Flag,
    /// The categories.
    pub categories: Vec<String>,
    /// The importance.
    pub importance: Importance,
    /// `receivedDateTime`.
    pub received: Timestamp,
    /// `sentDateTime`.
    pub sent: Option<Timestamp>,
    /// Extended properties, by canonical id (see `Integer 0xe07`).
    pub extended: BTreeMap<String, String>,
    /// The message. Once changed, its MIME is written anew.
    pub content: Message,
}

impl Tenant {
    /// The people who are in the directory.
    pub fn users(&self) -> Vec<UserView> {
        let state = self.state();
        let present = state.users.iter().filter(|user| !user.removed);
        present
            .map(|user| UserView {
                id: user.id.clone(),
                upn: user.profile.upn.clone(),
                display_name: user.profile.display_name.clone(),
                mailbox_disabled: user.disabled,
            })
            .collect()
    }

    /// Adds a person with an empty mailbox; gives the object id.
    pub fn user_add(&self, display_name: &str, upn: &str) -> Result<String, Refused> {
        let (given_name, surname) = display_name.split_once(' ').unwrap_or((display_name, ""));
        let profile = Profile {
            display_name: display_name.to_owned(),
            given_name: given_name.to_owned(),
            surname: surname.to_owned(),
            upn: upn.to_owned(),
            language: "en-GB".to_owned(),
            ..Profile::default()
        };
        let mut state = self.state();
        match self.commit(&mut state, Op::UserAdd { profile })? {
            Outcome::User(number) => Ok(state.users[number].id.clone()),
            _ => Err(Refused::UserNotFound),
        }
    }

    /// Takes a person out of the directory.
    pub fn user_remove(&self, user: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        self.commit(&mut state, Op::UserRemove { user }).map(|_| ())
    }

    /// Takes the licence away, or gives it back: 404 `MailboxNotEnabledForRESTAPI`.
    pub fn mailbox_disable(&self, user: &str, disabled: bool) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        self.commit(&mut state, Op::MailboxDisable { user, disabled }).map(|_| ())
    }

    /// All folders below the root, parents before their children.
    pub fn folders(&self, user: &str) -> Result<Vec<FolderView>, Refused> {
        self.read(user, |mailbox| {
            let root = mailbox.well_known("msgfolderroot").unwrap_or_default();
            let mut found = Vec::new();
            collect_folders(mailbox, root, &[], &mut found);
            Ok(found)
        })
    }

    /// Makes a folder, at the top level without a parent; gives its id. Names that differ only in
    /// case are let through here, unlike over HTTP.
    pub fn folder_create(
        &self,
        user: &str,
        parent: Option<&str>,
        name: &str,
    ) -> Result<String, Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let mailbox = &state.users[user].mailbox;
        let parent = mailbox.folder(parent.unwrap_or("msgfolderroot"))?.number;
        let op = Op::FolderCreate { user, parent, name: name.to_owned(), hidden: false };
        match self.commit(&mut state, op)? {
            Outcome::Folder(number) => Ok(seal::folder_id(&state.users[user].mailbox.tag, number)),
            _ => Err(Refused::FolderNotFound),
        }
    }

    /// The id of the folder with this path of display names, for example `["Inbox", "Orders"]`.
    pub fn folder_by_path(&self, user: &str, path: &[&str]) -> Result<String, Refused> {
        self.read(user, |mailbox| {
            let mut place = mailbox.well_known("msgfolderroot").ok_or(Refused::FolderNotFound)?;
            for name in path {
                place = mailbox.child(place, name).ok_or(Refused::FolderNotFound)?;
            }
            Ok(seal::folder_id(&mailbox.tag, place))
        })
    }

    /// Gives a folder another name.
    pub fn folder_rename(&self, user: &str, folder: &str, name: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let folder = state.users[user].mailbox.folder(folder)?.number;
        let op = Op::FolderRename { user, folder, name: name.to_owned() };
        self.commit(&mut state, op).map(|_| ())
    }

    /// Puts a folder below another one, or at the top level.
    pub fn folder_move(
        &self,
        user: &str,
        folder: &str,
        parent: Option<&str>,
    ) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let mailbox = &state.users[user].mailbox;
        let folder = mailbox.folder(folder)?.number;
        let parent = mailbox.folder(parent.unwrap_or("msgfolderroot"))?.number;
        self.commit(&mut state, Op::FolderMove { user, folder, parent }).map(|_| ())
    }

    /// Deletes a folder with all in it: into Deleted Items, or for good.
    pub fn folder_delete(&self, user: &str, folder: &str, for_good: bool) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let folder = state.users[user].mailbox.folder(folder)?.number;
        if for_good {
            return self.commit(&mut state, Op::FolderRemove { user, folder }).map(|_| ());
        }
        self.folder_discard(&mut state, user, folder)
    }

    /// Delivers a message as MIME into a folder, unread, now; gives its id.
    pub fn deliver(&self, user: &str, folder: &str, mime: &[u8]) -> Result<String, Refused> {
        let importance = mail::read(mime).importance;
        let mail = SeedMail {
            user: 0,
            folder: Vec::new(),
            mime: mime.to_vec(),
            received: self.clock().now(),
            is_read: false,
            flagged: false,
            categories: Vec::new(),
            importance,
            is_draft: false,
        };
        self.deliver_mail(user, folder, mail)
    }

    /// Delivers a message with its state into a folder; the user and folder inside of `mail` do
    /// not matter.
    pub fn deliver_mail(
        &self,
        user: &str,
        folder: &str,
        mail: SeedMail,
    ) -> Result<String, Refused> {
        let properties = Box::new(seed::properties(mail, &mut seed::Shared::default()));
        let mut state = self.state();
        let user = state.user_index(user)?;
        let folder = state.users[user].mailbox.folder(folder)?.number;
        match self.commit(&mut state, Op::MessageAdd { user, folder, properties })? {
            Outcome::Message(uid) => Ok(seal::immutable_id(&state.users[user].mailbox.tag, uid)),
            _ => Err(Refused::MessageNotFound),
        }
    }

    /// Changes a message; its change key changes.
    pub fn message_update(
        &self,
        user: &str,
        id: &str,
        change: impl FnOnce(&mut Edit),
    ) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let message = state.users[user].mailbox.message(id)?;
        let (uid, before) = (message.uid, message.properties.clone());
        let properties = edited(before, change);
        self.replace(&mut state, user, uid, properties)
    }

    /// Moves a message to another folder of the mailbox.
    pub fn message_move(&self, user: &str, id: &str, folder: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let mailbox = &state.users[user].mailbox;
        let (uid, folder) = (mailbox.message(id)?.uid, mailbox.folder(folder)?.number);
        self.commit(&mut state, Op::MessageMove { user, uid, folder }).map(|_| ())
    }

    /// Copies a message; gives the id of the copy.
    pub fn message_copy(&self, user: &str, id: &str, folder: &str) -> Result<String, Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let mailbox = &state.users[user].mailbox;
        let (uid, folder) = (mailbox.message(id)?.uid, mailbox.folder(folder)?.number);
        match self.commit(&mut state, Op::MessageCopy { user, uid, folder })? {
            Outcome::Message(copy) => Ok(seal::immutable_id(&state.users[user].mailbox.tag, copy)),
            _ => Err(Refused::MessageNotFound),
        }
    }

    /// Deletes a message: into Deleted Items (from there into the recoverable items), or for good.
    pub fn message_delete(&self, user: &str, id: &str, for_good: bool) -> Result<(), Refused> {
        let mut state = self.state();
        let user = state.user_index(user)?;
        let uid = state.users[user].mailbox.message(id)?.uid;
        if for_good {
            return self.commit(&mut state, Op::MessageRemove { user, uid }).map(|_| ());
        }
        self.message_discard(&mut state, user, uid)
    }

    /// The messages of a folder, newest first.
    pub fn messages(&self, user: &str, folder: &str) -> Result<Vec<MessageView>, Refused> {
        self.read(user, |mailbox| {
            let messages = mailbox.listed(mailbox.folder(folder)?);
            Ok(messages.iter().map(|message| view(mailbox, message)).collect())
        })
    }

    /// One message with its content.
    pub fn message(&self, user: &str, id: &str) -> Result<FullMessage, Refused> {
        self.read(user, |mailbox| {
            let message = mailbox.message(id)?;
            Ok(FullMessage {
                view: view(mailbox, message),
                content: message.properties.content.parsed().message.clone(),
                extended: message.properties.extended.clone(),
            })
        })
    }

    /// The MIME of a message, as `$value` gives it.
    pub fn mime(&self, user: &str, id: &str) -> Result<Arc<[u8]>, Refused> {
        self.read(user, |mailbox| Ok(mailbox.message(id)?.properties.content.mime()))
    }

    /// Grants an application permission; it is in the tokens issued from now on.
    pub fn registration_grant(&self, client_id: &str, role: &str) -> Result<(), Refused> {
        self.registration_change(client_id, Change::Grant(role.to_owned()))
    }

    /// Takes an application permission back; tokens already issued keep it.
    pub fn registration_revoke(&self, client_id: &str, role: &str) -> Result<(), Refused> {
        self.registration_change(client_id, Change::Revoke(role.to_owned()))
    }

    /// Sets the time at which an application's secret ends.
    pub fn secret_expires(&self, client_id: &str, at: Timestamp) -> Result<(), Refused> {
        self.registration_change(client_id, Change::SecretExpires(at))
    }

    /// Uploads a certificate (PEM, RSA) for an application.
    pub fn certificate_upload(&self, client_id: &str, pem: &str) -> Result<(), Refused> {
        let certificate = Certificate::from_pem(pem)?;
        self.registration_change(client_id, Change::Certificate(certificate))
    }

    fn registration_change(&self, client_id: &str, change: Change) -> Result<(), Refused> {
        let op = Op::Registration { client: client_id.to_owned(), change };
        self.commit(&mut self.state(), op).map(|_| ())
    }

    /// Reads a mailbox, with or without a licence.
    fn read<T>(
        &self,
        user: &str,
        read: impl FnOnce(&Mailbox) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let state = self.state();
        let user = state.user_index(user)?;
        read(&state.users[user].mailbox)
    }
}

fn collect_folders(mailbox: &Mailbox, parent: u64, above: &[String], found: &mut Vec<FolderView>) {
    for folder in mailbox.children(parent) {
        let mut path = above.to_vec();
        path.push(folder.name.clone());
        let messages = mailbox.counts(folder).0;
        let id = seal::folder_id(&mailbox.tag, folder.number);
        found.push(FolderView { id, path: path.clone(), messages });
        collect_folders(mailbox, folder.number, &path, found);
    }
}

fn view(mailbox: &Mailbox, message: &Stored) -> MessageView {
    let state = &message.properties;
    let content = &message.head().message;
    MessageView {
        id: seal::immutable_id(&mailbox.tag, message.uid),
        folder_id: seal::folder_id(&mailbox.tag, message.folder),
        change_key: render::change_key(mailbox, message),
        subject: content.subject.clone(),
        internet_message_id: content.message_id.clone(),
        class: content.class.clone(),
        received: state.received,
        sent: message.sent(),
        is_read: state.is_read,
        is_draft: state.is_draft,
        flag: state.flag.clone(),
        categories: state.categories.clone(),
        importance: state.importance,
        size: render::size(&state.content),
    }
}

/// The properties after an edit. Content that was not touched keeps its bytes.
fn edited(before: Properties, change: impl FnOnce(&mut Edit)) -> Properties {
    let parsed = before.content.parsed();
    let mut edit = Edit {
        is_read: before.is_read,
        is_draft: before.is_draft,
        flag: before.flag.clone(),
        categories: before.categories.clone(),
        importance: before.importance,
        received: before.received,
        sent: before.sent,
        extended: before.extended.clone(),
        content: parsed.message.clone(),
    };
    change(&mut edit);
    let content = if edit.content == parsed.message {
        before.content
    } else if edit.content.attachments.len() == parsed.numbers.len() {
        let numbers = parsed.numbers.clone();
        Content::Parsed(Arc::new(Parsed { message: edit.content, numbers }))
    } else {
        Content::Parsed(Arc::new(Parsed::new(edit.content)))
    };
    Properties {
        content,
        is_read: edit.is_read,
        is_draft: edit.is_draft,
        flag: edit.flag,
        categories: edit.categories,
        importance: edit.importance,
        received: edit.received,
        sent: edit.sent,
        extended: edit.extended,
        created: before.created,
        modified: before.modified,
    }
}
