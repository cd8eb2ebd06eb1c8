//! What can go wrong when the simulated tenant starts, or is told to do something impossible.

use std::path::PathBuf;

use crate::content::CorpusError;

/// Why the simulated tenant could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Certificates of the tenant could not be made or read.
    #[error("cannot make the certificates of the simulated tenant")]
    Certificate(#[from] rcgen::Error),
    /// TLS refused the certificates.
    #[error("cannot set up TLS for the simulated tenant")]
    Tls(#[from] rustls::Error),
    /// The state folder, or a file in it, cannot be used.
    #[error("cannot use {path} for the state of the simulated tenant")]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A complete line of the journal is not one of ours.
    #[error("line {line} of {path} is damaged: remove the state folder to start afresh")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// The state folder belongs to a tenant with other people or mail.
    #[error(
        "{path} holds a tenant made with other options: give the same options or another folder"
    )]
    OtherTenant {
        /// The file that describes the tenant.
        path: PathBuf,
    },
    /// The folder of mail cannot be read.
    #[error("cannot read the corpus")]
    Corpus(#[from] CorpusError),
    /// The operating system gave no random numbers or no key.
    #[error("cannot make a key")]
    Key,
}

/// Why the tenant refuses an order; over HTTP it becomes a Graph error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No such person.
    #[error("no user with this id or name")]
    UserNotFound,
    /// The person has no mailbox (no licence, on premises, soft-deleted).
    #[error("the user has no mailbox")]
    MailboxDisabled,
    /// No such folder in the mailbox.
    #[error("no folder with this id")]
    FolderNotFound,
    /// No such message in the mailbox.
    #[error("no message with this id")]
    MessageNotFound,
    /// No such attachment in the message.
    #[error("no attachment with this id")]
    AttachmentNotFound,
    /// A sibling has this name.
    #[error("a folder with this name exists already")]
    FolderExists,
    /// The folder is one of Exchange's own.
    #[error("a folder of Exchange itself cannot be renamed, moved or deleted")]
    WellKnownFolder,
    /// The target lies below the folder that is moved.
    #[error("a folder cannot be moved below itself")]
    FolderCycle,
    /// No application registered under this id.
    #[error("no registration with this client id")]
    RegistrationNotFound,
    /// The bytes are not a certificate with an RSA key.
    #[error("not an X.509 certificate with an RSA key in PEM")]
    NotACertificate,
    /// No such site.
    #[error("no site with this id")]
    SiteNotFound,
    /// A site with this address exists.
    #[error("a site with this name exists already")]
    SiteExists,
    /// The person has no OneDrive.
    #[error("the user has no OneDrive")]
    NoOneDrive,
    /// No such drive.
    #[error("no drive with this id")]
    DriveNotFound,
    /// No such item in the drive.
    #[error("no item with this id or path")]
    ItemNotFound,
    /// No such version of the file.
    #[error("no version with this id")]
    VersionNotFound,
    /// No such permission of the item itself.
    #[error("no permission with this id on the item itself")]
    PermissionNotFound,
    /// An item of the folder has this name.
    #[error("an item with this name exists already")]
    NameTaken,
    /// SharePoint does not take the name.
    #[error("the name has characters, a form or a length that SharePoint refuses")]
    NameNotAllowed,
    /// The path would be longer than 400 characters.
    #[error("the path is longer than 400 characters")]
    PathTooLong,
    /// The item has no content.
    #[error("the item is not a file")]
    NotAFile,
    /// Nothing can lie in the item.
    #[error("the item is not a folder")]
    NotAFolder,
    /// The root cannot be renamed, moved or deleted.
    #[error("the root of a drive cannot be renamed, moved or deleted")]
    RootItem,
    /// The target lies below the item that is moved.
    #[error("an item cannot be moved below itself")]
    ItemCycle,
    /// The file is locked or checked out.
    #[error("the file is locked or checked out")]
    ItemLocked,
    /// The virus scan found something in the file.
    #[error("the file is infected")]
    Malware,
    /// The drive is full.
    #[error("the drive is full")]
    QuotaReached,
    /// Columns exist in libraries only.
    #[error("only items of libraries have columns")]
    NotALibrary,
    /// The library has no such column.
    #[error("the library has no such column")]
    UnknownColumn,
    /// Sharing is switched off.
    #[error("sharing is switched off")]
    SharingDisabled,
}
