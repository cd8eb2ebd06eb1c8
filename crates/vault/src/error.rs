//! What can go wrong in a vault, and what that means for the caller.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_model::ShardId;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the vault.
///
/// Messages name files of the vault and numbers, never names or metadata of backed up items:
/// those may be personal. The fields hold them for a caller who may see them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The passphrase does not open the vault.
    #[error("the passphrase does not open the vault at {location}")]
    WrongPassphrase {
        /// Place of the vault.
        location: String,
    },
    /// The vault secret belongs to another vault.
    #[error(
        "the vault secret does not belong to the vault at {location}; use the recovery kit of this vault"
    )]
    WrongSecret {
        /// Place of the vault.
        location: String,
    },
    /// The place holds no vault.
    #[error("{location} is not a vault: it has no vault.json")]
    NotAVault {
        /// The place that was given.
        location: String,
    },
    /// The folder holds no recovery kit.
    #[error("{} is not a recovery kit: it has no readable vault secret", path.display())]
    NotAKit {
        /// The folder that was given.
        path: PathBuf,
    },
    /// Something that would be overwritten is in the way.
    #[error("{} exists already and is not overwritten; choose another place", path.display())]
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// A repository is made where one is already: another process was faster.
    #[error("the repository {repository} exists already")]
    RepositoryExists {
        /// Its place in the vault.
        repository: String,
    },
    /// A lock keeps the file from being removed or changed.
    #[error("{file} is locked and cannot be removed before its lock ends")]
    Locked {
        /// The file inside the vault.
        file: String,
    },
    /// The storage refused the credentials, or they may not do this.
    #[error(
        "the storage does not allow to {action} {file}; check the credentials and their rights"
    )]
    Denied {
        /// What was done.
        action: &'static str,
        /// To which file.
        file: String,
        /// Answer of the storage.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else is at work in the repository, and the two must not work at once.
    #[error(
        "{repository} is in use by {by}; wait until it ends, or run `restic unlock` if it is dead"
    )]
    Busy {
        /// Its place in the vault.
        repository: String,
        /// Who holds it.
        by: String,
    },
    /// The lock under which somebody worked in the repository is not in force any more.
    #[error(
        "the lock on {repository} was lost while it was needed: it could not be renewed for 15 minutes, or somebody removed it; nothing more was removed, run again"
    )]
    LockLost {
        /// Its place in the vault.
        repository: String,
    },
    /// The vault has no such shard.
    #[error("the vault has no shard {id}")]
    NoShard {
        /// The number that was asked for.
        id: ShardId,
    },
    /// A stored file is not what was written: bit rot, truncation, a missing file, or tampering.
    #[error("damaged: {file}: {what}; run `vault check --read-data` to see the extent")]
    Damaged {
        /// The file inside the vault, or the blob, that is damaged.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The metadata of a node is longer than the limit of 2,048 bytes.
    #[error(
        "the metadata of a node has {bytes} bytes, more than 2048; move the overflow to a file of its own"
    )]
    MetaTooLarge {
        /// Path of the node (may be personal: not shown).
        path: Vec<String>,
        /// Size of its metadata.
        bytes: usize,
    },
    /// A node name that cannot be a path component.
    #[error("a node name of {} bytes is empty, '.' or '..', longer than 255 bytes, or holds '/' or NUL", name.len())]
    InvalidName {
        /// The name (may be personal: not shown).
        name: String,
    },
    /// The caller asked for something that has no meaning.
    #[error("invalid request to the vault: {what}")]
    Invalid {
        /// What is wrong with it.
        what: String,
    },
    /// The storage is full or over its quota.
    #[error("no space left to {action} {}; free some and run again", path.display())]
    Full {
        /// What was done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Answer of the operating system.
        source: io::Error,
    },
    /// The storage answered with an error.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Answer of the operating system.
        source: io::Error,
    },
    /// A write of this writer failed before, so its snapshot would not be complete.
    #[error("a write to {shard} failed; start again with a new writer")]
    WriterFailed {
        /// The shard.
        shard: String,
        /// What failed first. It decides about [`Error::kind`].
        #[source]
        cause: Arc<Error>,
    },
    /// The caller's source of content failed.
    #[error("cannot read the content that is to be stored")]
    Input(#[source] io::Error),
    /// The caller's output refused bytes.
    #[error("cannot write the content that was read from the vault")]
    Output(#[source] io::Error),
    /// The repository engine answered with an error that is none of the above.
    #[error("the repository engine cannot {action}")]
    Engine {
        /// What was done.
        action: &'static str,
        /// Its answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What an [`Error`] means for the caller: exit code, retry or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The vault is damaged (exit code 10).
    Damaged,
    /// A passphrase, secret or kit is wrong; ask for another one.
    WrongKey,
    /// There is no vault, kit or shard here.
    NotFound,
    /// Something is in the way.
    Exists,
    /// The request makes no sense; a retry gives the same answer.
    Invalid,
    /// The storage is full.
    Full,
    /// The storage does not allow it: credentials, or a lock.
    Denied,
    /// The storage failed; a retry may help.
    Io,
}

impl Error {
    /// What the error means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::WrongPassphrase { .. } | Self::WrongSecret { .. } => ErrorKind::WrongKey,
            Self::NotAVault { .. } | Self::NotAKit { .. } | Self::NoShard { .. } => {
                ErrorKind::NotFound
            }
            Self::Exists { .. } | Self::RepositoryExists { .. } => ErrorKind::Exists,
            Self::Locked { .. } | Self::Denied { .. } => ErrorKind::Denied,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::MetaTooLarge { .. } | Self::InvalidName { .. } | Self::Invalid { .. } => {
                ErrorKind::Invalid
            }
            Self::Full { .. } => ErrorKind::Full,
            Self::WriterFailed { cause, .. } => cause.kind(),
            Self::Io { .. }
            | Self::Busy { .. }
            | Self::LockLost { .. }
            | Self::Input(_)
            | Self::Output(_)
            | Self::Engine { .. } => ErrorKind::Io,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    pub(crate) fn damaged(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.into(), what: what.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }
}
