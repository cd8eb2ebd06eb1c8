//! The blobs of a repository: those in its index, and those that a writer has added since.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::backend::Kind;
use crate::crypto::OVERHEAD;
use crate::error::{Error, Result};
use crate::extend::Leaning;
use crate::id::{FileId, sha256};
use crate::index::{Index, Location};
use crate::limits;
use crate::pack::{BlobKind, PackInfo, PackedBlob};
use crate::repository::Repository;

/// The blobs of a repository.
pub(crate) struct Blobs {
    pub(crate) repository: Arc<Repository>,
    known: Mutex<Known>,
    /// Hears of the packs whose blobs are wanted again.
    leaning: Option<Leaning>,
}

struct Known {
    index: Index,
    /// Added by the writer and not yet in an index file.
    new: HashMap<(BlobKind, [u8; 32]), New>,
}

enum New {
    /// Waits for a worker, as it is.
    Queued(Bytes),
    /// Encrypted, in a pack that is not yet written.
    Sealed(Bytes, Option<u32>),
    /// In a pack that is written.
    Stored(Location),
}

enum Found {
    Plain(Bytes),
    Sealed(Bytes, Option<u32>),
    At(Location),
}

impl Blobs {
    /// Loads the index of a repository.
    pub(crate) fn load(repository: Arc<Repository>) -> Result<Self> {
        let known = Known { index: Index::load(&repository)?, new: HashMap::new() };
        Ok(Self { repository, known: Mutex::new(known), leaning: None })
    }

    /// The same for reading: where index files are damaged, what they knew is taken from the headers
    /// of the packs, so that nothing is lost with them.
    pub(crate) fn load_for_reading(repository: Arc<Repository>) -> Result<Self> {
        match Self::load(Arc::clone(&repository)) {
            Err(Error::Damaged { file, what }) => {
                tracing::warn!(file, what, "reading the headers of the packs instead");
                let index = Index::load_with_headers(&repository)?;
                let known = Known { index, new: HashMap::new() };
                Ok(Self { repository, known: Mutex::new(known), leaning: None })
            }
            loaded => loaded,
        }
    }

    /// The same from those index files that can be read.
    pub(crate) fn load_readable(repository: Arc<Repository>) -> Result<Self> {
        let known = Known { index: Index::load_readable(&repository)?, new: HashMap::new() };
        Ok(Self { repository, known: Mutex::new(known), leaning: None })
    }

    /// The same, for a writer whose snapshots must not lean on packs whose locks end.
    pub(crate) fn leaning(self, leaning: Option<Leaning>) -> Self {
        Self { leaning, ..self }
    }

    /// Makes sure that what a new snapshot needs stays locked; see [`Leaning::secure`].
    pub(crate) fn secure_locks(&self) -> Result<()> {
        match &self.leaning {
            Some(leaning) => leaning.secure(&self.repository.backend),
            None => Ok(()),
        }
    }

    /// True when the blob is new and the caller must store it; false when it is stored or on its
    /// way. Readers have it from here on.
    pub(crate) fn claim(&self, kind: BlobKind, id: [u8; 32], plain: &Bytes) -> bool {
        let mut known = self.known();
        if self.has(&known, kind, &id) {
            return false;
        }
        known.new.insert((kind, id), New::Queued(plain.clone()));
        true
    }

    /// Claimed blobs have been encrypted; they lie in `sealed` as their offsets tell.
    pub(crate) fn sealed(&self, kind: BlobKind, sealed: &Bytes, blobs: &[PackedBlob]) {
        let mut known = self.known();
        for blob in blobs {
            let start = blob.offset as usize;
            let part = sealed.slice(start..start + blob.length as usize);
            known.new.insert((kind, blob.id), New::Sealed(part, blob.size));
        }
    }

    /// A pack has been written.
    pub(crate) fn stored(&self, pack: &PackInfo) {
        if let Some(leaning) = &self.leaning {
            leaning.wrote(pack.id);
        }
        let mut known = self.known();
        for blob in &pack.blobs {
            let (offset, length, size) = (blob.offset, blob.length, blob.size);
            let location = Location { pack: pack.id, offset, length, size };
            known.new.insert((pack.kind, blob.id), New::Stored(location));
        }
    }

    /// Packs are in an index file now: moves their blobs to the compact index.
    pub(crate) fn indexed(&self, packs: &[PackInfo]) {
        let mut known = self.known();
        known.index.add(packs);
        for pack in packs {
            for blob in &pack.blobs {
                known.new.remove(&(pack.kind, blob.id));
            }
        }
    }

    /// Bytes that a blob takes in its pack; `None` where it is unknown or not yet in one.
    pub(crate) fn stored_length(&self, kind: BlobKind, id: &[u8; 32]) -> Option<u32> {
        match self.find(kind, id)? {
            Found::Plain(_) => None,
            Found::Sealed(sealed, _) => u32::try_from(sealed.len()).ok(),
            Found::At(location) => Some(location.length),
        }
    }

    /// Bytes of a blob's content, as an index file tells; `None` where it is unknown or not yet in
    /// one.
    pub(crate) fn plain_length(&self, kind: BlobKind, id: &[u8; 32]) -> Option<u32> {
        match self.find(kind, id)? {
            Found::Plain(plain) => u32::try_from(plain.len()).ok(),
            Found::Sealed(_, size) => size,
            Found::At(at) => at.size.or_else(|| at.length.checked_sub(OVERHEAD as u32)),
        }
    }

    pub(crate) fn contains(&self, kind: BlobKind, id: &[u8; 32]) -> bool {
        self.has(&self.known(), kind, id)
    }

    fn has(&self, known: &Known, kind: BlobKind, id: &[u8; 32]) -> bool {
        match (&self.leaning, known.index.get(kind, id)) {
            (Some(leaning), Some(at)) => leaning.on(at.pack),
            (None, Some(_)) => {}
            (_, None) => return known.new.contains_key(&(kind, *id)),
        }
        true
    }

    /// Number of blobs in index files.
    pub(crate) fn count(&self) -> u64 {
        self.known().index.count()
    }

    /// A blob's content; its hash is compared with its name.
    pub(crate) fn read(&self, kind: BlobKind, id: &[u8; 32]) -> Result<Vec<u8>> {
        let name = match kind {
            BlobKind::Data => "blob",
            BlobKind::Tree => "tree",
        };
        let found = self.find(kind, id).ok_or_else(|| {
            Error::damaged(format!("{name} {}", FileId(*id)), "is in no index file")
        })?;
        match found {
            Found::Plain(plain) => Ok(plain.to_vec()),
            Found::Sealed(sealed, size) => {
                open(&self.repository, id, &sealed, size).ok_or_else(|| {
                    Error::damaged(format!("{name} {}", FileId(*id)), "changed in memory")
                })
            }
            Found::At(at) => {
                self.read_at(id, &at).or_else(|err| self.read_copy(kind, id, &at, err))
            }
        }
    }

    /// A blob from another place than the damaged one: after a repair an index file that is locked
    /// may still name both.
    fn read_copy(
        &self,
        kind: BlobKind,
        id: &[u8; 32],
        damaged: &Location,
        err: Error,
    ) -> Result<Vec<u8>> {
        if !matches!(err, Error::Damaged { .. }) {
            return Err(err);
        }
        let copies = self.known().index.copies(kind, id);
        let mut others = copies.iter().filter(|at| *at != damaged);
        others.find_map(|at| self.read_at(id, at).ok()).ok_or(err)
    }

    fn read_at(&self, id: &[u8; 32], at: &Location) -> Result<Vec<u8>> {
        let backend = &self.repository.backend;
        if at.length > limits::SEALED_BLOB {
            let what = format!("an index file gives blob {} {} bytes", FileId(*id), at.length);
            return Err(Error::damaged(backend.label(Kind::Pack, &at.pack), what));
        }
        let sealed =
            backend.read_part(Kind::Pack, &at.pack, at.offset.into(), at.length as usize)?;
        open(&self.repository, id, &sealed, at.size).ok_or_else(|| {
            let what = format!("blob {} in it has changed", FileId(*id));
            Error::damaged(backend.label(Kind::Pack, &at.pack), what)
        })
    }

    fn find(&self, kind: BlobKind, id: &[u8; 32]) -> Option<Found> {
        let known = self.known();
        match known.new.get(&(kind, *id)) {
            Some(New::Queued(plain)) => Some(Found::Plain(plain.clone())),
            Some(New::Sealed(sealed, size)) => Some(Found::Sealed(sealed.clone(), *size)),
            Some(New::Stored(location)) => Some(Found::At(*location)),
            None => known.index.get(kind, id).map(Found::At),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decrypts, decompresses and verifies a blob; `None` where it is not the one that `id` names.
pub(crate) fn open(
    repository: &Repository,
    id: &[u8; 32],
    sealed: &[u8],
    size: Option<u32>,
) -> Option<Vec<u8>> {
    let plain = repository.key.decrypt(sealed)?;
    let plain = match size {
        Some(size) => repository.decompress(&plain, size as usize)?,
        None => plain,
    };
    (sha256(&plain) == *id).then_some(plain)
}
