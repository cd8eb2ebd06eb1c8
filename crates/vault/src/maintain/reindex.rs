//! The index files that a prune writes and those that it removes.

use std::collections::{BTreeSet, HashSet};

use holdfast_model::Timestamp;

use crate::backend::Kind;
use crate::error::Result;
use crate::id::FileId;
use crate::lock::RepositoryLock;
use crate::pack::PackInfo;
use crate::repository::Repository;

use super::census::{Census, IndexFile};
use super::fate::{Fate, IndexLocks};
use super::index_writer::{IndexWriter, SMALL_INDEX};
use super::prune::PruneOptions;

/// So many small index files are joined.
const SEVERAL: usize = 8;

/// The change of the index that the decisions of a prune ask for.
pub(super) struct IndexChange<'a> {
    pub(super) repository: &'a Repository,
    /// The rows must be sorted by pack.
    pub(super) census: &'a Census,
    /// By number of the pack.
    pub(super) fates: &'a [Fate],
    /// By number of the pack: until when a lock keeps it.
    pub(super) held: &'a [Option<Timestamp>],
    pub(super) locks: &'a IndexLocks,
    pub(super) options: &'a PruneOptions,
    pub(super) now: Timestamp,
}

impl IndexChange<'_> {
    /// Writes new index files in place of those that name a pack whose state changes, and of small
    /// ones; gives how many these are. What is superseded and not locked is removed.
    pub(super) fn replace(&self, new: Vec<PackInfo>, lock: &RepositoryLock) -> Result<u64> {
        let superseded = self.census.superseded.iter().map(|(id, _)| *id);
        let (locked, free) = superseded.partition::<Vec<_>, _>(|id| self.is_locked(id));
        self.remove(free, lock)?;
        let old = self.files_to_replace(locked.is_empty());
        let numbers: BTreeSet<u32> =
            old.iter().flat_map(|file| file.packs.iter().copied()).collect();
        let mut writer = IndexWriter::new(self.repository);
        for pack in new {
            writer.add(pack, None)?;
        }
        for number in numbers {
            if let Some(marked) = self.mark(number) {
                for pack in self.census.describe(number) {
                    writer.add(pack, marked)?;
                }
            }
        }
        let old: Vec<FileId> = old.into_iter().map(|file| file.id).collect();
        let count = old.len() as u64;
        let comes_back = self.comes_back(&old, &locked);
        let supersedes = old.iter().copied().chain(locked).collect();
        writer.finish(supersedes, comes_back)?;
        self.remove(old.into_iter().filter(|id| !self.is_locked(id)), lock)?;
        Ok(count)
    }

    /// Whether a locked file would be in force without a new one that supersedes it: one that is
    /// replaced now, or one that only files that are replaced now have superseded.
    fn comes_back(&self, old: &[FileId], superseded: &[FileId]) -> bool {
        let stays = |file: &&IndexFile| !old.contains(&file.id);
        let lists = self.census.files.iter().filter(stays).flat_map(|file| &file.supersedes);
        let listed: HashSet<&FileId> = lists.collect();
        old.iter().any(|id| self.is_locked(id)) || superseded.iter().any(|id| !listed.contains(id))
    }

    /// Removes index files that are superseded. An error, also that of a lock that came since, ends
    /// the prune before anything that they name goes.
    fn remove(&self, ids: impl IntoIterator<Item = FileId>, lock: &RepositoryLock) -> Result<()> {
        for id in ids {
            lock.ensure_held()?;
            self.repository.backend.remove_file(Kind::Index, &id)?;
        }
        Ok(())
    }

    fn is_locked(&self, id: &FileId) -> bool {
        self.locks.files.contains(id)
    }

    /// How a pack is named in a new index file: marked since a time or in use; `None` where it is
    /// not named any more and is removed.
    pub(super) fn mark(&self, number: u32) -> Option<Option<Timestamp>> {
        let at = number as usize;
        let pack = &self.census.packs[at];
        match self.fates[at] {
            Fate::Keep | Fate::Recover => Some(None),
            Fate::Remove => None,
            Fate::Repack | Fate::Mark if self.options.instant && self.held[at].is_none() => None,
            Fate::Repack | Fate::Mark => Some(Some(self.now)),
            Fate::Wait | Fate::Locked => {
                Some(Some(pack.marked.filter(|_| !pack.live).unwrap_or(self.now)))
            }
        }
    }

    /// The index files that are to be superseded, locked or not. `nothing_stays`: there are no
    /// superseded files that would come into force again.
    fn files_to_replace(&self, nothing_stays: bool) -> Vec<&IndexFile> {
        let files = &self.census.files;
        // Joining marks would lock them anew, and so what they name.
        let is_small = |file: &IndexFile| file.marked.is_empty() && file.blobs < SMALL_INDEX;
        let joins = files.iter().filter(|file| is_small(file)).count() >= SEVERAL;
        let is_idle =
            |file: &IndexFile| file.packs.is_empty() && nothing_stays && !self.is_locked(&file.id);
        let goes =
            |file: &&IndexFile| self.is_wrong(file) || (joins && is_small(file)) || is_idle(file);
        files.iter().filter(goes).collect()
    }

    /// Whether an index file says something of a pack that is not so any more.
    fn is_wrong(&self, file: &IndexFile) -> bool {
        let fate = |number: &u32| self.fates[*number as usize];
        let changes = |number: &u32| match fate(number) {
            Fate::Keep | Fate::Wait => false,
            Fate::Locked => self.census.packs[*number as usize].live,
            Fate::Recover | Fate::Mark | Fate::Repack | Fate::Remove => true,
        };
        // An interrupted prune has marked what another file still names as in use.
        let recants = |number: &u32| fate(number) == Fate::Keep;
        file.packs.iter().any(changes) || file.marked.iter().any(recants)
    }
}
