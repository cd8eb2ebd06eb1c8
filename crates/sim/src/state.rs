//! What the tenant holds: people, their mailboxes, sites and drives, registered applications.
//!
//! Every change is an [`Op`] that [`State::apply`] carries out at a given time; nothing else
//! changes the state. The journal is the list of these ops, so a tenant that is started again
//! comes to the same ids, change keys and delta positions.

pub mod drive;
pub mod site;

mod journal;
mod mailbox;
mod message;
mod op;
mod sharepoint;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::journal::Journal;
pub use self::mailbox::{Change, Folder, FolderChange, Mailbox};
pub use self::message::{Content, Flag, Parsed, Properties, Stored};
pub use self::op::{Op, Outcome, Profile};
pub use self::sharepoint::SharePoint;

use crate::error::Refused;
use crate::registration::Registration;
use crate::seal::Seal;

/// A person and the mailbox.
#[derive(Clone, Debug)]
pub struct User {
    /// Entra's object id.
    pub id: String,
    /// Name, address, department.
    pub profile: Profile,
    /// Deleted from the directory.
    pub removed: bool,
    /// Without a licence Graph answers 404 `MailboxNotEnabledForRESTAPI`.
    pub disabled: bool,
    /// The mail.
    pub mailbox: Mailbox,
}

/// The whole tenant, apart from faults, clock and statistics.
#[derive(Debug)]
pub struct State {
    seal: Arc<Seal>,
    /// In the order of creation; removed people stay, marked.
    pub users: Vec<User>,
    /// The applications registered in the tenant.
    pub registrations: Vec<Registration>,
    /// Sites and drives.
    pub sharepoint: SharePoint,
}

impl State {
    /// An empty tenant with its registered applications.
    pub fn new(seal: Arc<Seal>, registrations: Vec<Registration>) -> Self {
        let sharepoint = SharePoint::new(Arc::clone(&seal));
        Self { seal, users: Vec::new(), registrations, sharepoint }
    }

    /// The person with this object id or user principal name.
    pub fn user_index(&self, name: &str) -> Result<usize, Refused> {
        self.users
            .iter()
            .position(|user| {
                !user.removed
                    && (user.id.eq_ignore_ascii_case(name)
                        || user.profile.upn.eq_ignore_ascii_case(name))
            })
            .ok_or(Refused::UserNotFound)
    }

    /// The mailbox of a person who has one.
    pub fn mailbox(&self, user: usize) -> Result<&Mailbox, Refused> {
        let user = self.users.get(user).ok_or(Refused::UserNotFound)?;
        if user.disabled { Err(Refused::MailboxDisabled) } else { Ok(&user.mailbox) }
    }

    /// The mailbox of a person, with or without a licence, to change it.
    fn mailbox_mut(&mut self, user: usize) -> Result<&mut Mailbox, Refused> {
        Ok(&mut self.users.get_mut(user).ok_or(Refused::UserNotFound)?.mailbox)
    }

    /// Carries out one change. An error leaves the state as it was.
    pub fn apply(&mut self, at: Timestamp, op: Op) -> Result<Outcome, Refused> {
        match op {
            Op::UserAdd { profile } => Ok(self.user_add(at, profile)),
            Op::UserRemove { user } => self.user_mut(user, |user| user.removed = true),
            Op::MailboxDisable { user, disabled } => {
                self.user_mut(user, |user| user.disabled = disabled)
            }
            Op::FolderCreate { user, parent, name, hidden } => {
                self.mailbox_mut(user)?.folder_create(parent, &name, hidden).map(Outcome::Folder)
            }
            Op::FolderRename { user, folder, name } => {
                self.mailbox_mut(user)?.folder_rename(folder, &name)?;
                Ok(Outcome::Done)
            }
            Op::FolderMove { user, folder, parent } => {
                self.mailbox_mut(user)?.folder_move(folder, parent)?;
                Ok(Outcome::Done)
            }
            Op::FolderRemove { user, folder } => {
                self.mailbox_mut(user)?.folder_remove(folder)?;
                Ok(Outcome::Done)
            }
            Op::MessageAdd { user, folder, properties } => {
                self.mailbox_mut(user)?.message_add(folder, *properties).map(Outcome::Message)
            }
            Op::MessageReplace { user, uid, properties } => {
                self.mailbox_mut(user)?.message_replace(at, uid, *properties)?;
                Ok(Outcome::Done)
            }
            Op::MessageMove { user, uid, folder } => {
                self.mailbox_mut(user)?.message_move(at, uid, folder)?;
                Ok(Outcome::Done)
            }
            Op::MessageCopy { user, uid, folder } => {
                self.mailbox_mut(user)?.message_copy(at, uid, folder).map(Outcome::Message)
            }
            Op::MessageRemove { user, uid } => {
                self.mailbox_mut(user)?.message_remove(uid)?;
                Ok(Outcome::Done)
            }
            Op::Registration { client, change } => self.registration_change(&client, change),
            Op::SiteAdd { name, display_name } => {
                self.sharepoint.site_add(at, &name, &display_name)
            }
            Op::SiteRemove { site } => self.sharepoint.site_remove(site),
            Op::OneDriveAdd { user } => {
                let person = self.users.get(user).ok_or(Refused::UserNotFound)?;
                self.sharepoint.onedrive_add(at, user, person)
            }
            Op::LibraryAdd { site, name } => self.sharepoint.library_add(at, site, &name),
            Op::Drive { drive, change } => self.sharepoint.change(at, drive, *change),
        }
    }

    fn user_add(&mut self, at: Timestamp, profile: Profile) -> Outcome {
        let number = self.users.len();
        let id = self.seal.guid(&format!("user/{number}/{}", profile.upn));
        let tag = self.seal.word(&format!("mailbox/{id}"), 12);
        let mailbox = Mailbox::new(tag, at);
        self.users.push(User { id, profile, removed: false, disabled: false, mailbox });
        Outcome::User(number)
    }

    fn user_mut(
        &mut self,
        user: usize,
        change: impl FnOnce(&mut User),
    ) -> Result<Outcome, Refused> {
        change(self.users.get_mut(user).ok_or(Refused::UserNotFound)?);
        Ok(Outcome::Done)
    }

    fn registration_change(
        &mut self,
        client: &str,
        change: crate::registration::Change,
    ) -> Result<Outcome, Refused> {
        let registration = self
            .registrations
            .iter_mut()
            .find(|registration| registration.client_id == client)
            .ok_or(Refused::RegistrationNotFound)?;
        registration.apply(change);
        Ok(Outcome::Done)
    }
}
