//! Writes index files of a reasonable size.

use holdfast_model::Timestamp;

use crate::error::Result;
use crate::index::{self, IndexFile};
use crate::pack::PackInfo;
use crate::repository::Repository;

/// Blobs of one index file, as restic has it.
const BLOBS_PER_INDEX: usize = 50_000;

/// An index file with fewer blobs may be joined with others.
pub(super) const SMALL_INDEX: usize = 10_000;

/// Collects packs and writes an index file whenever there are enough.
pub(super) struct IndexWriter<'r> {
    repository: &'r Repository,
    file: IndexFile,
    blobs: usize,
}

impl<'r> IndexWriter<'r> {
    pub(super) fn new(repository: &'r Repository) -> Self {
        Self { repository, file: IndexFile::default(), blobs: 0 }
    }

    /// Adds a pack, as one that is marked for removal since a time or as one in use.
    pub(super) fn add(&mut self, pack: PackInfo, marked: Option<Timestamp>) -> Result<()> {
        self.blobs += pack.blobs.len();
        match marked {
            None => self.file.packs.push(pack),
            Some(since) => self.file.marked.push((pack, Some(since))),
        }
        if self.blobs >= BLOBS_PER_INDEX { self.write() } else { Ok(()) }
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        let file = std::mem::take(&mut self.file);
        self.blobs = 0;
        if !file.packs.is_empty() || !file.marked.is_empty() {
            index::write_all(self.repository, &file)?;
        }
        Ok(())
    }
}
