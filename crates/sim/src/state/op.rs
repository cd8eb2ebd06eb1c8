//! The closed list of changes to the tenant: what the journal holds.

use serde::{Deserialize, Serialize};

use super::drive::DriveOp;
use super::message::Properties;
use crate::content::Person;
use crate::registration;

/// One change. Users, folders, messages and drives are named by their numbers, which follow from the
/// order of the ops.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// A person with an empty mailbox.
    UserAdd {
        /// Name and address.
        profile: Profile,
    },
    /// The person leaves the directory.
    UserRemove {
        /// The person.
        user: usize,
    },
    /// The licence is taken or given back.
    MailboxDisable {
        /// The person.
        user: usize,
        /// Whether the mailbox is out of reach.
        disabled: bool,
    },
    /// A new folder.
    FolderCreate {
        /// The person.
        user: usize,
        /// The folder above.
        parent: u64,
        /// The display name.
        name: String,
        /// Hidden from listings without `includeHiddenFolders`.
        hidden: bool,
    },
    /// A new display name.
    FolderRename {
        /// The person.
        user: usize,
        /// The folder.
        folder: u64,
        /// The display name.
        name: String,
    },
    /// Another place for a folder with all below it.
    FolderMove {
        /// The person.
        user: usize,
        /// The folder.
        folder: u64,
        /// The folder above it from now on.
        parent: u64,
    },
    /// A folder and all below it are gone for good.
    FolderRemove {
        /// The person.
        user: usize,
        /// The folder.
        folder: u64,
    },
    /// A new message.
    MessageAdd {
        /// The person.
        user: usize,
        /// The folder.
        folder: u64,
        /// Everything about it.
        properties: Box<Properties>,
    },
    /// Changed properties of a message.
    MessageReplace {
        /// The person.
        user: usize,
        /// The message.
        uid: u64,
        /// Everything about it from now on.
        properties: Box<Properties>,
    },
    /// Another folder of the same mailbox.
    MessageMove {
        /// The person.
        user: usize,
        /// The message.
        uid: u64,
        /// The folder it goes to.
        folder: u64,
    },
    /// A second message with the same content.
    MessageCopy {
        /// The person.
        user: usize,
        /// The message.
        uid: u64,
        /// The folder of the copy.
        folder: u64,
    },
    /// A message is gone for good.
    MessageRemove {
        /// The person.
        user: usize,
        /// The message.
        uid: u64,
    },
    /// Permissions, secret or certificate of an application.
    Registration {
        /// The application.
        client: String,
        /// What changes.
        change: registration::Change,
    },
    /// A team site with the library "Documents".
    SiteAdd {
        /// The last part of its address.
        name: String,
        /// The name that people read.
        display_name: String,
    },
    /// A site is gone with its drives.
    SiteRemove {
        /// The site.
        site: usize,
    },
    /// A person gets a OneDrive.
    OneDriveAdd {
        /// The person.
        user: usize,
    },
    /// Another library.
    LibraryAdd {
        /// The site.
        site: usize,
        /// The name.
        name: String,
    },
    /// Something changes in a drive.
    Drive {
        /// The drive.
        drive: usize,
        /// What.
        change: Box<DriveOp>,
    },
}

/// What an op made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that needs a number.
    Done,
    /// The number of the new person.
    User(usize),
    /// The number of the new folder.
    Folder(u64),
    /// The number of the new message.
    Message(u64),
    /// The number of the new site.
    Site(usize),
    /// The number of the new drive.
    Drive(usize),
    /// The number of the new item of a drive.
    Item(u64),
    /// The number of the new permission.
    Permission(u64),
}

/// The directory's entry of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// First and last name.
    pub display_name: String,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub surname: String,
    /// User principal name, also the mail address.
    pub upn: String,
    /// The department.
    pub department: String,
    /// The title of the job.
    pub job_title: String,
    /// For example `de-DE`.
    pub language: String,
}

impl From<&Person> for Profile {
    fn from(person: &Person) -> Self {
        Self {
            display_name: person.display_name.clone(),
            given_name: person.given_name.clone(),
            surname: person.surname.clone(),
            upn: person.upn.clone(),
            department: person.department.clone(),
            job_title: person.job_title.clone(),
            language: person.language.clone(),
        }
    }
}
