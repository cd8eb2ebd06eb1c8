//! Writes index files of a reasonable size.

use holdfast_model::Timestamp;

use crate::error::Result;
use crate::id::FileId;
use crate::index::{self, IndexFile};
use crate::pack::PackInfo;
use crate::repository::Repository;

/// Blobs of one index file, as restic has it.
const BLOBS_PER_INDEX: usize = 50_000;

/// An index file with fewer blobs may be joined with others.
pub(super) const SMALL_INDEX: usize = 10_000;

/// Collects packs and writes an index file whenever there are enough. Marked packs get files of
/// their own: nothing that is needed lies in these, so that their locks may end.
pub(super) struct IndexWriter<'r> {
    repository: &'r Repository,
    marked: Part,
    live: Part,
}

/// A file that is being filled.
#[derive(Default)]
struct Part {
    file: IndexFile,
    blobs: usize,
}

impl<'r> IndexWriter<'r> {
    pub(super) fn new(repository: &'r Repository) -> Self {
        Self { repository, marked: Part::default(), live: Part::default() }
    }

    /// Adds a pack, as one that is marked for removal since a time or as one in use.
    pub(super) fn add(&mut self, pack: PackInfo, marked: Option<Timestamp>) -> Result<()> {
        let part = if marked.is_some() { &mut self.marked } else { &mut self.live };
        part.blobs += pack.blobs.len();
        match marked {
            None => part.file.packs.push(pack),
            Some(since) => part.file.marked.push((pack, Some(since))),
        }
        if part.blobs >= BLOBS_PER_INDEX {
            index::write_all(self.repository, &std::mem::take(part).file)?;
        }
        Ok(())
    }

    /// Writes what is left. The last file, with which all are there, supersedes the given ones;
    /// where `must_supersede`, it is written even if no pack is left for it.
    pub(super) fn finish(self, supersedes: Vec<FileId>, must_supersede: bool) -> Result<()> {
        let mut files = vec![self.marked.file, self.live.file];
        files.retain(|file| !file.is_empty());
        if files.is_empty() && must_supersede {
            files.push(IndexFile::default());
        }
        if let Some(last) = files.last_mut() {
            last.supersedes = supersedes;
        }
        files.iter().try_for_each(|file| index::write_all(self.repository, file).map(drop))
    }
}
