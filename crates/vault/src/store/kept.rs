//! A folder whose files stay.
//!
//! *Append-only*: Holdfast removes nothing but its own restic locks unless it was opened for
//! maintenance. That protects from
//! Holdfast's own mistakes, not from another process of the same user.
//!
//! *Immutable flags* (`chattr +i`: ext4, XFS, Btrfs; Linux, `ioctl_iflags(2)`): each file gets the
//! flag when it has its name. Setting and clearing it needs `CAP_LINUX_IMMUTABLE`, so whoever is
//! root on the machine undoes it: the vault is tamper-evident, not locked as an object store locks.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::{Creation, Guard, LocalStore, Store, Stored};
use crate::error::{Error, Result};

/// A folder with protection.
#[derive(Debug)]
pub(super) struct KeptStore {
    folder: LocalStore,
    root: PathBuf,
    immutable: bool,
    removes: bool,
}

impl KeptStore {
    /// With `immutable` flags or without; `removes` for maintenance.
    pub(super) fn new(root: &Path, immutable: bool, removes: bool) -> Self {
        Self { folder: LocalStore::new(root), root: root.to_owned(), immutable, removes }
    }

    /// Sets or clears the flag of a file, where flags are used.
    fn flag(&self, key: &str, on: bool) -> Result<()> {
        if !self.immutable || is_passing(key) {
            return Ok(());
        }
        let path = self.root.join(key);
        match set_immutable(&path, on) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::Denied {
                action: if on {
                    "set the immutable flag of"
                } else {
                    "clear the immutable flag of"
                },
                file: key.to_owned(),
                source: source.into(),
            }),
            Ok(()) => Ok(()),
        }
    }
}

/// restic's locks come and go.
fn is_passing(key: &str) -> bool {
    key.rsplit('/').nth(1) == Some("locks")
}

fn set_immutable(path: &Path, on: bool) -> io::Result<()> {
    let file = File::open(path)?;
    let mut flags = ioctl_getflags(&file)?;
    flags.set(IFlags::IMMUTABLE, on);
    Ok(ioctl_setflags(&file, flags)?)
}

impl Store for KeptStore {
    fn location(&self) -> String {
        self.folder.location()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.folder.restic_repository(prefix)
    }

    fn folder(&self) -> Option<&Path> {
        self.folder.folder()
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.folder.get(key)
    }

    fn get_within(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        self.folder.get_within(key, limit)
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        self.folder.get_range(key, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        self.folder.list(prefix)
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.folder.list_folders(prefix)
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        let creation = self.folder.create(key, parts)?;
        // An existing one as well: whoever made it may have died before it had its flag.
        self.flag(key, true)?;
        Ok(creation)
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        self.flag(key, false)?;
        let replaced = self.folder.replace(key, content);
        self.flag(key, true)?;
        replaced
    }

    fn remove(&self, key: &str) -> Result<()> {
        if !self.removes && !is_passing(key) {
            let source = "the vault is append-only and not opened for maintenance".into();
            return Err(Error::Denied { action: "remove", file: key.to_owned(), source });
        }
        self.flag(key, false)?;
        self.folder.remove(key)
    }

    fn can_remove(&self) -> bool {
        self.removes
    }

    fn can_remove_locks(&self) -> bool {
        true
    }

    fn guard(&self, prefix: &str) -> Result<Option<Guard>> {
        self.folder.guard(prefix)
    }
}
