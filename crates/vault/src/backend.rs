//! A repository in a local folder.
//!
//! Every file appears whole or not at all: temporary file, fsync, rename, fsync of the folder.
//! The engine's own local backend writes in place, so a crash leaves a wrong file under its final
//! name; hence this one. Temporary files lie in `tmp/`, which restic ignores.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustic_core::{
    BytesList, ErrorKind as EngineErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult,
    WriteBackend,
};

use crate::error::{Error, Result};
use crate::id::{FileId, sha256};

/// Kind of a file of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Config,
    Key,
    Snapshot,
    Index,
    Pack,
    Lock,
}

impl Kind {
    /// The kinds whose files are named by the SHA-256 of their content.
    pub(crate) const NAMED: [Self; 5] =
        [Self::Key, Self::Snapshot, Self::Index, Self::Pack, Self::Lock];

    pub(crate) fn dir(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Key => "keys",
            Self::Snapshot => "snapshots",
            Self::Index => "index",
            Self::Pack => "data",
            Self::Lock => "locks",
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Config => Self::Config,
            FileType::Key => Self::Key,
            FileType::Snapshot => Self::Snapshot,
            FileType::Index => Self::Index,
            FileType::Pack => Self::Pack,
        }
    }
}

/// A folder that holds a repository.
#[derive(Clone, Debug)]
pub(crate) struct LocalBackend {
    root: PathBuf,
    /// What errors call the repository: its place inside the vault.
    name: String,
}

impl LocalBackend {
    pub(crate) fn new(root: PathBuf, name: String) -> Self {
        Self { root, name }
    }

    /// What errors call the repository.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Folder for temporary files.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// What errors call a file.
    pub(crate) fn label(&self, kind: Kind, id: &FileId) -> String {
        match kind {
            Kind::Config => format!("{}/config", self.name),
            _ => format!("{}/{}/{id}", self.name, kind.dir()),
        }
    }

    /// Makes the folders of an empty repository.
    pub(crate) fn create_folders(&self) -> Result<()> {
        for kind in Kind::NAMED {
            create_dir(&self.root.join(kind.dir()))?;
        }
        for prefix in 0..=255_u8 {
            create_dir(&self.root.join("data").join(hex::encode([prefix])))?;
        }
        create_dir(&self.tmp())?;
        sync_dir(&self.root.join("data"))?;
        sync_dir(&self.root)
    }

    /// The files of a kind with their sizes; names that are no ids are passed over.
    pub(crate) fn files(&self, kind: Kind) -> Result<Vec<(FileId, u64)>> {
        let dir = self.root.join(kind.dir());
        let mut found = Vec::new();
        match kind {
            Kind::Config => {}
            Kind::Pack => {
                for (path, _) in entries(&dir)? {
                    if path.is_dir() {
                        collect_files(&path, &mut found)?;
                    }
                }
            }
            _ => collect_files(&dir, &mut found)?,
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A whole file. Its content is compared with its name, so that no other file can stand in.
    pub(crate) fn read_file(&self, kind: Kind, id: &FileId) -> Result<Vec<u8>> {
        let path = self.path(kind, id);
        let bytes = fs::read(&path).map_err(|err| self.read_error(kind, id, &path, err))?;
        if kind != Kind::Config && sha256(&bytes) != id.0 {
            return Err(Error::damaged(self.label(kind, id), "content does not match its name"));
        }
        Ok(bytes)
    }

    /// A part of a file.
    pub(crate) fn read_part(
        &self,
        kind: Kind,
        id: &FileId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>> {
        let path = self.path(kind, id);
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|err| self.read_error(kind, id, &path, err))?;
        if bytes.len() < length {
            return Err(Error::damaged(self.label(kind, id), "is too short"));
        }
        Ok(bytes)
    }

    /// Writes a file so that it is durable and whole, or not there.
    pub(crate) fn write_file(&self, kind: Kind, id: &FileId, parts: &[Bytes]) -> Result<()> {
        let path = self.path(kind, id);
        let dir = path.parent().expect("every file lies in a folder");
        if !dir.is_dir() {
            create_dir(dir)?;
            sync_dir(dir.parent().expect("the folders lie in the repository"))?;
        }
        write_atomically(&self.tmp(), &path, parts)
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove_file(&self, kind: Kind, id: &FileId) -> Result<()> {
        let path = self.path(kind, id);
        match fs::remove_file(&path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path, err))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, kind: Kind, id: &FileId) -> PathBuf {
        let dir = self.root.join(kind.dir());
        match kind {
            Kind::Config => dir,
            Kind::Pack => dir.join(hex::encode(&id.as_bytes()[..1])).join(id.to_string()),
            _ => dir.join(id.to_string()),
        }
    }

    fn read_error(&self, kind: Kind, id: &FileId, path: &Path, err: io::Error) -> Error {
        match err.kind() {
            io::ErrorKind::NotFound => Error::damaged(self.label(kind, id), "is missing"),
            _ => Error::io("read", path, err),
        }
    }
}

/// Writes `parts` to `path` by way of a temporary file in `tmp`, durably.
pub(crate) fn write_atomically(tmp: &Path, path: &Path, parts: &[Bytes]) -> Result<()> {
    create_dir(tmp)?;
    let temporary = tmp.join(uuid::Uuid::new_v4().to_string());
    let written = write_new(&temporary, parts)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|err| Error::io("write", path, err));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_dir(path.parent().expect("every file lies in a folder"))
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

/// Entries of a folder with their UTF-8 names; a folder that is not there has none.
pub(crate) fn entries(dir: &Path) -> Result<Vec<(PathBuf, String)>> {
    let read = match fs::read_dir(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|err| Error::io("list", dir, err))?,
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}

fn collect_files(dir: &Path, found: &mut Vec<(FileId, u64)>) -> Result<()> {
    for (path, name) in entries(dir)? {
        if let Ok(id) = name.parse() {
            match fs::metadata(&path) {
                Ok(meta) if meta.is_file() => found.push((id, meta.len())),
                // Removed since it was listed: locks come and go.
                Err(err) if err.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("read the size of", &path, err));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn to_engine(err: Error) -> Box<RusticError> {
    RusticError::with_source(EngineErrorKind::Backend, "the storage failed", err)
}

fn file_id(id: &Id) -> FileId {
    id.to_hex().as_str().parse().expect("the engine's ids have 64 hexadecimal digits")
}

fn engine_id(id: &FileId) -> Id {
    Id::new(id.0)
}

impl ReadBackend for LocalBackend {
    fn location(&self) -> String {
        self.name.clone()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if tpe == FileType::Config {
            let exists = self.root.join("config").is_file();
            return Ok(exists.then(|| (Id::default(), 0)).into_iter().collect());
        }
        let files = self.files(tpe.into()).map_err(to_engine)?;
        let size = |size| u32::try_from(size).unwrap_or(u32::MAX);
        Ok(files.into_iter().map(|(id, bytes)| (engine_id(&id), size(bytes))).collect())
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        self.read_file(tpe.into(), &file_id(id)).map(Bytes::from).map_err(to_engine)
    }

    fn read_partial(
        &self,
        tpe: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.read_part(tpe.into(), &file_id(id), offset.into(), length as usize)
            .map(Bytes::from)
            .map_err(to_engine)
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.label(tpe.into(), &file_id(id))
    }
}

impl WriteBackend for LocalBackend {
    fn create(&self) -> RusticResult<()> {
        self.create_folders().map_err(to_engine)
    }

    fn write_bytes(
        &self,
        tpe: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        self.write_file(tpe.into(), &file_id(id), content.slice()).map_err(to_engine)
    }

    fn remove(&self, tpe: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.remove_file(tpe.into(), &file_id(id)).map_err(to_engine)
    }
}
