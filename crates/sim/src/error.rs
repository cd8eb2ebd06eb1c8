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
}
