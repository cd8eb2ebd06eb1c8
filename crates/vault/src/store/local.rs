//! A folder as a store.
//!
//! Every file appears whole or not at all: temporary file, fsync, link under its name, fsync of
//! the folder. Temporary files lie in the `tmp/` of the repository they are for, which restic
//! ignores and the next writer sweeps.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use holdfast_model::Timestamp;

use super::disk::{Disk, RealDisk};
use super::{Creation, Guard, Store, Stored, too_large};
use crate::error::{Error, Result};

/// Name of the folder for temporary files, and in it that of the file that the operating system
/// locks for writers.
const TMP: &str = "tmp";
const WRITER_FILE: &str = "writer.lock";

/// A folder that holds a vault.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    /// Folders whose entries in the folders above are known to be durable.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
}

impl LocalStore {
    /// The store in a folder, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with_disk(root, Arc::new(RealDisk))
    }

    /// The same on a file system that a test controls.
    #[doc(hidden)]
    pub fn with_disk(root: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Self {
        Self { root: root.into(), disk, durable: Arc::default() }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Where the temporary file for a key lies: in its repository, else beside the sealed keys.
    fn tmp(&self, key: &str) -> PathBuf {
        let mut parts = key.split('/');
        let repository = match (parts.next(), parts.next(), parts.next()) {
            (Some("shards"), Some(shard), Some(_)) => format!("shards/{shard}"),
            (Some("control"), Some(_), _) => "control".to_owned(),
            _ => "keys".to_owned(),
        };
        self.path(&repository).join(TMP)
    }

    fn write_temporary(&self, key: &str, parts: &[Bytes]) -> Result<PathBuf> {
        let path = self.path(key);
        self.make_dirs(parent(&path))?;
        let tmp = self.tmp(key);
        self.make_dirs(&tmp)?;
        let temporary = tmp.join(uuid::Uuid::new_v4().to_string());
        match self.write_new(&temporary, parts) {
            Ok(()) => Ok(temporary),
            Err(err) => {
                let _ = self.disk.remove(&temporary);
                Err(Error::io("write", &path, err))
            }
        }
    }

    fn write_new(&self, path: &Path, parts: &[Bytes]) -> io::Result<()> {
        let mut file = io::BufWriter::with_capacity(1 << 18, self.disk.create_file(path)?);
        for part in parts {
            file.write_all(part)?;
        }
        file.into_inner()?.sync()
    }

    /// Gives a file its name unless that is taken.
    fn link_new(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        match self.disk.link(temporary, path) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists || is_full(&err) => Err(err),
            // File systems without links (FAT, some network shares).
            Err(_) if path.exists() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => self.disk.rename(temporary, path),
            Ok(()) => Ok(()),
        }
    }

    /// Makes a folder and those on the way to it, and their entries durable; also that of a folder
    /// which is there, since whoever made it may have died before it was.
    fn make_dirs(&self, dir: &Path) -> Result<()> {
        let there = dir.is_dir();
        if there && (!dir.starts_with(&self.root) || self.durable().contains(dir)) {
            return Ok(());
        }
        let above = parent(dir);
        if above != dir {
            self.make_dirs(above)?;
        }
        match if there { Ok(()) } else { self.disk.create_dir(dir) } {
            // Another thread was faster.
            Err(_) if dir.is_dir() => {}
            made => made.map_err(|err| Error::io("create the folder", dir, err))?,
        }
        // What lies above a vault that was there already is somebody else's.
        if dir != self.root || !there {
            self.sync_dir(above)?;
        }
        self.durable().insert(dir.to_owned());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.disk.sync_dir(path).map_err(|err| Error::io("flush the folder", path, err))
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for LocalStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.path(prefix).display().to_string()
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let path = self.path(key);
        present(fs::read(&path).map(Bytes::from), "read", &path)
    }

    fn get_within(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        let path = self.path(key);
        let read = || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            let mut bytes = Vec::new();
            if size <= limit {
                bytes.reserve(usize::try_from(size).unwrap_or_default());
                file.take(limit).read_to_end(&mut bytes)?;
            }
            Ok((Bytes::from(bytes), size))
        };
        match present(read(), "read", &path)? {
            Some((_, size)) if size > limit => Err(too_large(key, limit)),
            read => Ok(read.map(|(bytes, _)| bytes)),
        }
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        let path = self.path(key);
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            // The length comes from an index that may be wrong: no more is taken than is there.
            let mut bytes = Vec::new();
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        present(read(), "read", &path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        let mut found = Vec::new();
        self.collect(prefix, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = entries(&self.path(prefix))?
            .into_iter()
            .filter(|(path, name)| path.is_dir() && name != TMP)
            .map(|(_, name)| name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        let path = self.path(key);
        let temporary = self.write_temporary(key, parts)?;
        let linked = self.link_new(&temporary, &path);
        let _ = self.disk.remove(&temporary);
        let creation = match linked {
            Ok(()) => Creation::Made,
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Creation::Exists,
            Err(err) => return Err(Error::io("write", &path, err)),
        };
        // An existing one as well: whoever made it may have died before its entry was durable.
        self.sync_dir(parent(&path))?;
        Ok(creation)
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        let path = self.path(key);
        let temporary = self.write_temporary(key, std::slice::from_ref(content))?;
        if let Err(err) = self.disk.rename(&temporary, &path) {
            let _ = self.disk.remove(&temporary);
            return Err(Error::io("write", &path, err));
        }
        self.sync_dir(parent(&path))
    }

    fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        present(self.disk.remove(&path), "remove", &path).map(|_| ())
    }

    fn guard(&self, prefix: &str) -> Result<Option<Guard>> {
        let tmp = self.path(prefix).join(TMP);
        self.make_dirs(&tmp)?;
        let path = tmp.join(WRITER_FILE);
        let file = File::create(&path).map_err(|err| Error::io("create", &path, err))?;
        let alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(err)) => {
                tracing::warn!(error = %err, "the storage knows no locks: leftovers are not swept");
                return Ok(None);
            }
        };
        if alone {
            for (path, name) in entries(&tmp)? {
                if name != WRITER_FILE {
                    self.disk.remove(&path).map_err(|err| Error::io("remove", &path, err))?;
                }
            }
            self.sync_entries(prefix)?;
        } else {
            // Others may write too, but nobody may sweep. One that is alone is waited for.
            file.lock_shared().map_err(|err| Error::io("lock", &path, err))?;
        }
        Ok(Some(Guard { file, path, alone }))
    }
}

impl LocalStore {
    /// Makes durable what a dead writer left visible in a repository, before anybody builds on it:
    /// it may have died between giving a file its name and flushing the folder.
    fn sync_entries(&self, prefix: &str) -> Result<()> {
        let root = self.path(prefix);
        for dir in [root.clone(), root.join("index"), root.join("snapshots")] {
            if dir.is_dir() {
                self.sync_dir(&dir)?;
            }
        }
        Ok(())
    }

    fn collect(&self, prefix: &str, found: &mut Vec<Stored>) -> Result<()> {
        for (path, name) in entries(&self.path(prefix))? {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let meta = match fs::metadata(&path) {
                // Removed since it was listed: locks come and go.
                Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
                meta => meta.map_err(|err| Error::io("read the size of", &path, err))?,
            };
            if meta.is_dir() && name != TMP {
                self.collect(&key, found)?;
            } else if meta.is_file() {
                let modified = taken_at(meta.modified());
                found.push(Stored { key, size: meta.len(), modified });
            }
        }
        Ok(())
    }
}

/// When a file was taken. One whose time cannot be read counts as new: what is old and belongs to
/// nobody is removed.
fn taken_at(modified: io::Result<SystemTime>) -> Timestamp {
    let known = modified.ok().and_then(|time| Timestamp::try_from(time).ok());
    known.unwrap_or(Timestamp::MAX)
}

/// The folder that holds a file or folder; of a bare name the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes a folder (0700) with its parents; one that is there already is no error.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|err| Error::io("create the folder", path, err))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|err| Error::io("flush the folder", path, err))
}

fn present<T>(result: io::Result<T>, action: &'static str, path: &Path) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(err) if is_absent(&err) => Ok(None),
        Err(err) => Err(Error::io(action, path, err)),
    }
}

fn is_full(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_absent(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Entries of a folder with their UTF-8 names; a folder that is not there has none.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, String)>> {
    let Some(read) = present(fs::read_dir(dir), "list", dir)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_without_a_readable_time_is_new() {
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(taken_at(Ok(second)), Timestamp::from_second(1).unwrap());
        assert_eq!(taken_at(Err(io::ErrorKind::Unsupported.into())), Timestamp::MAX);
        let year_11476 = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert_eq!(taken_at(Ok(year_11476)), Timestamp::MAX);
    }
}
