//! A folder as a store.
//!
//! Every file appears whole or not at all: temporary file, fsync, link under its name, fsync of
//! the folder. Temporary files lie in the `tmp/` of the repository they are for, which restic
//! ignores and the next writer sweeps.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_model::Timestamp;

use super::{Creation, Guard, Store, Stored};
use crate::error::{Error, Result};

/// Name of the folder for temporary files, and in it that of the file that the operating system
/// locks for writers.
const TMP: &str = "tmp";
const WRITER_FILE: &str = "writer.lock";

/// A folder that holds a vault.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// The store in a folder, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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
        make_dirs(&self.root, path.parent().expect("every file lies in a folder"))?;
        let tmp = self.tmp(key);
        make_dirs(&self.root, &tmp)?;
        let temporary = tmp.join(uuid::Uuid::new_v4().to_string());
        match write_new(&temporary, parts) {
            Ok(()) => Ok(temporary),
            Err(err) => {
                let _ = fs::remove_file(&temporary);
                Err(Error::io("write", &path, err))
            }
        }
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
        let linked = link_new(&temporary, &path);
        let _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => {}
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => return Ok(Creation::Exists),
            Err(err) => return Err(Error::io("write", &path, err)),
        }
        sync_dir(path.parent().expect("every file lies in a folder"))?;
        Ok(Creation::Made)
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        let path = self.path(key);
        let temporary = self.write_temporary(key, std::slice::from_ref(content))?;
        if let Err(err) = fs::rename(&temporary, &path) {
            let _ = fs::remove_file(&temporary);
            return Err(Error::io("write", &path, err));
        }
        sync_dir(path.parent().expect("every file lies in a folder"))
    }

    fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        present(fs::remove_file(&path), "remove", &path).map(|_| ())
    }

    fn guard(&self, prefix: &str) -> Result<Option<Guard>> {
        let tmp = self.path(prefix).join(TMP);
        make_dirs(&self.root, &tmp)?;
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
                    fs::remove_file(&path).map_err(|err| Error::io("remove", &path, err))?;
                }
            }
            file.unlock().map_err(|err| Error::io("unlock", &path, err))?;
        }
        // Shared from here on: others may write too, but nobody may sweep.
        file.lock_shared().map_err(|err| Error::io("lock", &path, err))?;
        Ok(Some(Guard { _file: file, alone }))
    }
}

impl LocalStore {
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
                let modified = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                let modified = modified.unwrap_or(Timestamp::UNIX_EPOCH);
                found.push(Stored { key, size: meta.len(), modified });
            }
        }
        Ok(())
    }
}

/// Gives a file its name unless that is taken.
fn link_new(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(err),
        // File systems without links (FAT, some network shares).
        Err(_) if path.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(temporary, path),
        Ok(()) => Ok(()),
    }
}

fn write_new(path: &Path, parts: &[Bytes]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = io::BufWriter::with_capacity(1 << 18, options.open(path)?);
    for part in parts {
        file.write_all(part)?;
    }
    file.into_inner()?.sync_all()
}

/// Makes the folders on the way to `dir` that are missing, and their entries durable.
fn make_dirs(root: &Path, dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    create_dir(dir)?;
    for made in dir.ancestors().skip(1) {
        sync_dir(made)?;
        if made == root {
            break;
        }
    }
    Ok(())
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
