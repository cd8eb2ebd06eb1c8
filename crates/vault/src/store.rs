//! Where the files of a vault lie: a folder, a bucket, a container.
//!
//! A [`Store`] knows nothing of repositories: it holds files under keys. Keys are relative paths
//! with `/`, the same on every store (`vault.json`, `keys/1.json`, `shards/1/data/ab/<id>`), so
//! that a vault can be copied file by file from one kind of store to another.

mod as_of;
mod azure;
mod disk;
mod kept;
mod limit;
mod local;
mod location;
mod memory;
mod object;
mod open;
mod options;
mod pages;
mod s3;
mod transport;
mod xml;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::Timestamp;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[doc(hidden)]
pub use disk::{Disk, DiskFile};
pub use limit::{Bandwidth, Pause};
pub use local::LocalStore;
pub(crate) use local::{create_dir, sync_dir};
pub use location::{AzureLocation, Location, S3Location};
pub use memory::MemoryStore;
pub(crate) use object::PROBE;
pub use open::{Rights, open_for_maintenance, open_store, probe};
pub use options::{Credentials, StoreOptions};

/// A file that a store lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When the store took it, by the store's own clock.
    pub modified: Timestamp,
}

/// What came of [`Store::create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The file is there now, whole and durable.
    Made,
    /// A file of this name was there; it is unchanged.
    Exists,
}

/// Tells other writers on this machine that one is at work below a prefix; ends when dropped or
/// when the process ends.
#[derive(Debug)]
pub struct Guard {
    file: File,
    path: PathBuf,
    alone: bool,
}

impl Guard {
    /// True where nobody else was at work when this one began: what lay around was left behind by
    /// the dead.
    pub fn was_alone(&self) -> bool {
        self.alone
    }

    /// Lets others begin too. Until then others wait, so that whoever is alone removes what the
    /// dead left behind and nothing of the living; and nothing may be placed before.
    ///
    /// # Errors
    /// [`Error::Io`] as the operating system answers.
    pub fn share(&self) -> Result<()> {
        if self.alone {
            // What others sweep between the two is not ours: we have placed nothing yet.
            self.file.unlock().map_err(|err| Error::io("unlock", &self.path, err))?;
            self.file.lock_shared().map_err(|err| Error::io("lock", &self.path, err))?;
        }
        Ok(())
    }
}

/// A place that holds the files of a vault. Calls block.
///
/// An implementation keeps these promises, which the conformance tests ask of each:
/// a file appears whole or not at all, and is durable when [`Store::create`] returns; of two that
/// create one key, one gets [`Creation::Exists`]; what was created is read back by everybody.
pub trait Store: fmt::Debug + Send + Sync {
    /// The place for people: a path or URL without secrets.
    fn location(&self) -> String;

    /// What `restic -r` takes for the repository below a prefix.
    fn restic_repository(&self, prefix: &str) -> String;

    /// The folder, where the store is one on this machine.
    fn folder(&self) -> Option<&Path> {
        None
    }

    /// A whole file; `None` where there is none.
    fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// A whole file of at most `limit` bytes, so that a file which is not what was written cannot
    /// fill the memory; `None` where there is none. Where the size can be had before the content
    /// (all but memory), it is looked at first.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a longer one.
    fn get_within(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        match self.get(key)? {
            Some(bytes) if bytes.len() as u64 > limit => Err(too_large(key, limit)),
            found => Ok(found),
        }
    }

    /// Part of a file, shorter where the file ends; `None` where there is no file.
    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>>;

    /// Everything below `prefix/`, at any depth, sorted by key. Temporary files are not listed.
    fn list(&self, prefix: &str) -> Result<Vec<Stored>>;

    /// The names of the folders right below `prefix/`, sorted.
    fn list_folders(&self, prefix: &str) -> Result<Vec<String>>;

    /// Writes a new file from its parts. An existing one is never replaced.
    ///
    /// # Errors
    /// [`crate::Error::Full`], [`crate::Error::Io`], [`crate::Error::Denied`]. Then the file is
    /// not there, or (where the answer was lost) whole.
    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation>;

    /// Writes one of the few files that change (`vault.json`, sealed keys), atomically.
    fn replace(&self, key: &str, content: &Bytes) -> Result<()>;

    /// Removes a file; one that is gone already is no error.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] while a lock holds it, [`crate::Error::Denied`] where the
    /// credentials may not delete.
    fn remove(&self, key: &str) -> Result<()>;

    /// Whether files can be removed: not with writing credentials, in append-only mode, or where
    /// everything is locked.
    fn can_remove(&self) -> bool {
        true
    }

    /// Whether restic's locks can be removed: they are placed only where they can.
    fn can_remove_locks(&self) -> bool {
        self.can_remove()
    }

    /// Tells others on this machine that a writer is at work below a prefix; where nobody else is,
    /// the temporary files of dead ones go first, and others wait until [`Guard::share`]. `None`
    /// where the store knows no such locks.
    fn guard(&self, prefix: &str) -> Result<Option<Guard>> {
        let _ = prefix;
        Ok(None)
    }

    /// Immutability, where the store locks what it creates.
    fn locks(&self) -> Option<&dyn Locks> {
        None
    }
}

/// What is said of a file that is longer than any that is written.
fn too_large(key: &str, limit: u64) -> Error {
    Error::damaged(key, format!("has more than {limit} bytes, which none is written with"))
}

/// The next whole second: ends of locks have no fractions.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

/// A version of a file, or the marker of its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVersion {
    /// The file's key.
    pub key: String,
    /// What the store calls the version.
    pub id: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
    /// It marks a deletion.
    pub deleted: bool,
    /// It is what a reader gets who asks for no version.
    pub current: bool,
}

/// How strict a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Credentials with a right of their own may lift it (S3 governance, Azure unlocked). Azure
    /// knows no order of such locks: of two that are set at the same moment the later request
    /// counts, not the later end.
    Governance,
    /// Nobody may lift or shorten it (S3 compliance, Azure locked).
    Compliance,
}

/// How long files are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockPolicy {
    /// How strictly.
    pub mode: LockMode,
    /// What a file that a living snapshot needs always has left, at least, as long as runs are not
    /// more than ten days apart.
    pub period: SignedDuration,
}

impl LockPolicy {
    /// Locks are set for so much longer than the period. When half of it is over, what is needed is
    /// prolonged with the next run, which may be late by the other half.
    pub const SLACK: SignedDuration = SignedDuration::from_hours(10 * 24);

    /// Until when a file is locked that is created or prolonged now.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        let length = self.period.checked_add(Self::SLACK).unwrap_or(SignedDuration::MAX);
        now.saturating_add(length).unwrap_or(Timestamp::MAX)
    }
}

/// Immutability of a store: S3 Object Lock, Azure's version-level WORM.
pub trait Locks: Send + Sync {
    /// Mode and period with which files are locked when they are created.
    fn policy(&self) -> LockPolicy;

    /// Until when the current version of a file is locked; `None` where it is not locked or not
    /// there.
    fn locked_until(&self, key: &str) -> Result<Option<Timestamp>>;

    /// All versions of the files below `prefix/`, or of the file of this name, by key, those of
    /// one file newest first. It costs what a listing costs.
    fn versions(&self, prefix: &str) -> Result<Vec<FileVersion>>;

    /// Locks the current version of a file until then; a later end stays (see [`LockMode`] for
    /// two that do this at once).
    fn prolong(&self, key: &str, until: Timestamp) -> Result<()>;

    /// The same for a version by its id.
    fn prolong_version(&self, key: &str, version: &str, until: Timestamp) -> Result<()>;

    /// The store as it was at a time: the newest versions that are not younger, whatever was
    /// deleted or overwritten since. Reads only.
    fn as_of(&self, time: Timestamp) -> Result<Arc<dyn Store>>;
}
