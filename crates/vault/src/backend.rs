//! A repository in a store: which file is called what, and what its content must be.

use std::sync::Arc;

use bytes::Bytes;
use rustic_core::{
    BytesList, ErrorKind as EngineErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult,
    WriteBackend,
};

use crate::error::{Error, Result};
use crate::id::{FileId, sha256};
use crate::limits;
use crate::store::{Creation, Guard, Store, Stored};

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

impl Kind {
    /// Longest file of the kind that is read; see [`limits`].
    fn limit(self) -> u64 {
        match self {
            Self::Pack => limits::PACK,
            _ => self.json_limit() as u64,
        }
    }

    /// Longest JSON in a file of the kind.
    pub(crate) fn json_limit(self) -> usize {
        match self {
            Self::Index => limits::INDEX,
            Self::Snapshot => limits::SNAPSHOT,
            _ => limits::SMALL,
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

/// A repository in a store.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    store: Arc<dyn Store>,
    /// Place of the repository in the vault, also what errors call it.
    name: String,
}

impl Backend {
    pub(crate) fn new(store: Arc<dyn Store>, name: impl Into<String>) -> Self {
        Self { store, name: name.into() }
    }

    /// What errors call the repository: its place in the vault.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Claims the repository for the one writer of this machine; see [`Store::guard`].
    pub(crate) fn guard(&self) -> Result<Option<Guard>> {
        self.store.guard(&self.name)
    }

    /// Where a file lies in the store, also what errors call it.
    pub(crate) fn label(&self, kind: Kind, id: &FileId) -> String {
        match kind {
            Kind::Config => format!("{}/config", self.name),
            Kind::Pack => {
                format!("{}/data/{}/{id}", self.name, hex::encode(&id.as_bytes()[..1]))
            }
            _ => format!("{}/{}/{id}", self.name, kind.dir()),
        }
    }

    /// The files of a kind with their sizes; names that are no ids are passed over.
    pub(crate) fn files(&self, kind: Kind) -> Result<Vec<(FileId, u64)>> {
        Ok(self.stored(kind)?.into_iter().map(|(id, file)| (id, file.size)).collect())
    }

    /// The files of a kind as the store lists them, by id.
    pub(crate) fn stored(&self, kind: Kind) -> Result<Vec<(FileId, Stored)>> {
        if kind == Kind::Config {
            return Ok(Vec::new());
        }
        let listed = self.store.list(&format!("{}/{}", self.name, kind.dir()))?;
        let mut found: Vec<(FileId, Stored)> = listed
            .into_iter()
            .filter_map(|file| Some((file.key.rsplit('/').next()?.parse().ok()?, file)))
            .filter(|(id, file)| self.label(kind, id) == file.key)
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// A whole file. Its content is compared with its name, so that no other file can stand in.
    pub(crate) fn read_file(&self, kind: Kind, id: &FileId) -> Result<Bytes> {
        let label = self.label(kind, id);
        let bytes = self.store.get_within(&label, kind.limit())?;
        let bytes = bytes.ok_or_else(|| Error::damaged(&label, "is missing"))?;
        if kind != Kind::Config && sha256(&bytes) != id.0 {
            return Err(Error::damaged(label, "content does not match its name"));
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
    ) -> Result<Bytes> {
        let label = self.label(kind, id);
        let bytes = self.store.get_range(&label, offset, length)?;
        let bytes = bytes.ok_or_else(|| Error::damaged(&label, "is missing"))?;
        if bytes.len() < length {
            return Err(Error::damaged(label, "is too short"));
        }
        Ok(bytes)
    }

    /// Writes a file so that it is durable and whole, or not there. Where a file of this name is
    /// there already, it must hold the same, since it is named by its content; that is looked at.
    ///
    /// # Errors
    /// [`Error::RepositoryExists`] for a second `config`. [`Error::Damaged`] where the file that
    /// has the name is another one, half of this one, or gone again.
    pub(crate) fn write_file(&self, kind: Kind, id: &FileId, parts: &[Bytes]) -> Result<()> {
        match self.store.create(&self.label(kind, id), parts)? {
            Creation::Exists if kind == Kind::Config => {
                Err(Error::RepositoryExists { repository: self.name.clone() })
            }
            Creation::Exists => self.read_file(kind, id).map(drop),
            Creation::Made => Ok(()),
        }
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove_file(&self, kind: Kind, id: &FileId) -> Result<()> {
        self.store.remove(&self.label(kind, id))
    }
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

impl ReadBackend for Backend {
    fn location(&self) -> String {
        self.name.clone()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if tpe == FileType::Config {
            let config = self.store.get(&format!("{}/config", self.name)).map_err(to_engine)?;
            return Ok(config.map(|_| (Id::default(), 0)).into_iter().collect());
        }
        let files = self.files(tpe.into()).map_err(to_engine)?;
        let size = |size| u32::try_from(size).unwrap_or(u32::MAX);
        Ok(files.into_iter().map(|(id, bytes)| (engine_id(&id), size(bytes))).collect())
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        self.read_file(tpe.into(), &file_id(id)).map_err(to_engine)
    }

    fn read_partial(
        &self,
        tpe: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.read_part(tpe.into(), &file_id(id), offset.into(), length as usize).map_err(to_engine)
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.label(tpe.into(), &file_id(id))
    }
}

impl WriteBackend for Backend {
    fn create(&self) -> RusticResult<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use holdfast_model::Clock;

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn a_name_that_is_taken_counts_only_for_the_same_content() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clock::system()));
        let backend = Backend::new(Arc::clone(&store), "shards/1");
        let whole = Bytes::from_static(b"a whole pack");
        let id = FileId(sha256(&whole));
        let write = || backend.write_file(Kind::Pack, &id, std::slice::from_ref(&whole));
        write().unwrap();
        write().unwrap();
        // A store that kept half of it and lost the answer.
        store.replace(&backend.label(Kind::Pack, &id), &whole.slice(..6)).unwrap();
        assert!(matches!(write(), Err(Error::Damaged { .. })));
    }
}
