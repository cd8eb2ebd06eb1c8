//! Removing what no snapshot needs, in two phases.
//!
//! First a pack without needed blobs is *marked* in the index (`packs_to_delete`, a field of
//! rustic's that restic passes over): writers no longer count on it, readers that began earlier
//! still find it. A pack that has been marked for long enough is removed by a later prune, or
//! taken back if a snapshot needs it after all. What is needed of packs that are mostly waste goes
//! into new packs first.
//!
//! Order: new packs, new index files, old index files go, packs go. A crash at any point leaves
//! every blob that a snapshot needs in a pack that an index file names; the rest is found and
//! removed by a later prune.
//!
//! **Locks** keep old index files and packs where they are. The new index file supersedes the old
//! ones, and marked packs have index files of their own: what is superseded or only marked is not
//! prolonged any more ([`crate::extend`]), so that its locks end. A pack goes when its own is over
//! and no index file that names it is left.

use holdfast_model::Timestamp;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::lock::RepositoryLock;
use crate::pack::PackInfo;
use crate::repository::Repository;
use crate::store::whole_second;

use super::census::{Census, KnownSnapshots};
use super::fate::{Fate, Fates, IndexLocks, Orphan, Unwanted};
use super::header::pack_blobs;
use super::packer::Packer;
use super::read::read_blobs;
use super::reindex::IndexChange;
use super::removed;

/// How to prune.
#[derive(Clone, Copy, Debug)]
pub struct PruneOptions {
    /// How long a pack stays marked before it is removed, and how old a pack that no index file
    /// names must be: longer than any run takes. 24 hours by default.
    pub keep_delete: SignedDuration,
    /// Part of the stored bytes in percent that may be waste before packs are written anew. 5 by
    /// default, as restic has it.
    pub max_unused_percent: u8,
    /// Removes at once what else would be marked. Only when the caller knows that nobody reads: no
    /// restore, no export, no check.
    pub instant: bool,
    /// Changes nothing and reports what would be done.
    pub dry_run: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            keep_delete: SignedDuration::from_hours(24),
            max_unused_percent: 5,
            instant: false,
            dry_run: false,
        }
    }
}

/// What a prune has done, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Blobs that snapshots need.
    pub blobs_used: u64,
    /// Other blobs and further copies.
    pub blobs_unused: u64,
    /// Packs that stay as they are.
    pub packs_kept: u64,
    /// Packs that were marked now; a later prune removes them.
    pub packs_marked: u64,
    /// Packs that were marked before and still wait.
    pub packs_waiting: u64,
    /// Packs whose needed blobs were written to new packs; they count as marked or removed too.
    pub packs_repacked: u64,
    /// Packs that had been marked and are needed again.
    pub packs_recovered: u64,
    /// Packs that were removed, those that no index file named included.
    pub packs_removed: u64,
    /// Packs that no index file names and that are too young to be removed: an interrupted run
    /// left them, or a writer from outside is at work.
    pub orphans_waiting: u64,
    /// Packs that would be removed but for a lock, their own or that of an index file that names
    /// them. They are marked.
    pub packs_locked: u64,
    /// The last of the locks that were met on what is to go ends then.
    pub locked_until: Option<Timestamp>,
    /// A prune at or after this time removes the packs that are marked, unless a lock is prolonged
    /// by somebody else.
    pub removable_at: Option<Timestamp>,
    /// Bytes that the storage has got back.
    pub bytes_freed: u64,
    /// Bytes that it will get back when marked and locked packs go.
    pub bytes_freed_later: u64,
    /// Bytes that were copied to new packs.
    pub bytes_repacked: u64,
    /// Index files in whose place new ones are; a lock may keep them until a later prune.
    pub index_files_replaced: u64,
}

impl PruneReport {
    /// True where nothing that no snapshot needs waits for its removal.
    pub fn is_complete(&self) -> bool {
        self.packs_marked + self.packs_waiting + self.packs_locked + self.orphans_waiting == 0
    }

    fn freed_later(&mut self, bytes: u64, at: Option<Timestamp>) {
        self.bytes_freed_later += bytes;
        self.removable_at = self.removable_at.max(at);
    }
}

/// What a prune is told.
pub(super) struct Prune<'a> {
    pub(super) options: &'a PruneOptions,
    pub(super) unwanted: &'a Unwanted,
    pub(super) known: &'a KnownSnapshots,
}

/// The decisions about packs that index files name, and about those that none does.
struct Decided {
    census: Census,
    packs: Vec<Fate>,
    /// By number of the pack: until when a lock keeps it.
    held: Vec<Option<Timestamp>>,
    locks: IndexLocks,
    orphans: Vec<(Fate, Orphan)>,
    report: PruneReport,
}

impl Prune<'_> {
    /// Tells what a prune would do.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn look(&self, repository: &Repository, now: Timestamp) -> Result<PruneReport> {
        Ok(self.decide(repository, now)?.report)
    }

    /// Prunes a repository. The caller keeps all writers away by the lock, which is asked before
    /// anything goes.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] naming what a snapshot needs and cannot be had: then nothing is
    /// deleted. [`crate::Error::LockLost`]: nothing more is deleted.
    pub(super) fn run(
        &self,
        repository: &Repository,
        lock: &RepositoryLock,
        now: Timestamp,
    ) -> Result<PruneReport> {
        let options = self.options;
        let Decided { mut census, packs, held, locks, orphans, mut report } =
            self.decide(repository, now)?;
        let new = repack(repository, &mut census, &packs)?;
        census.sort_by_pack();
        lock.ensure_held()?;
        let change = IndexChange {
            repository,
            census: &census,
            fates: &packs,
            held: &held,
            locks: &locks,
            options,
            now,
        };
        report.index_files_replaced = change.replace(new, lock)?;
        let goes = |fate: Fate| matches!(fate, Fate::Remove | Fate::Repack);
        let indexed = (0..packs.len()).filter(|number| change.mark(*number as u32).is_none());
        let indexed = indexed.map(|number| {
            let pack = &census.packs[number];
            (packs[number], pack.id, pack.size.unwrap_or(0))
        });
        let orphans = orphans.iter().map(|(fate, orphan)| (*fate, orphan.id, orphan.size));
        for (_, id, size) in indexed.chain(orphans).filter(|(fate, ..)| goes(*fate)) {
            lock.ensure_held()?;
            if !removed(repository, Kind::Pack, &id)? {
                report.packs_removed -= 1;
                report.packs_locked += 1;
                report.bytes_freed -= size;
                report.freed_later(size, None);
            }
        }
        Ok(report)
    }

    fn decide(&self, repository: &Repository, now: Timestamp) -> Result<Decided> {
        let (census, found) = survey(repository, self.known, now)?;
        let mut fates = Fates::decide(repository, self.options, &census, self.unwanted, now)?;
        let mut orphans = Vec::new();
        for orphan in found {
            let is_unwanted = holds_unwanted(repository, &orphan, self.unwanted)?;
            orphans.push((fates.of_orphan(&orphan, is_unwanted)?, orphan));
        }
        // A new index file that marks packs is locked, too.
        let locks = repository.backend.store().locks();
        let lock_end = locks.map(|locks| whole_second(locks.policy().until(now)));
        let report = count(&fates, &census, &orphans, self.options, now, lock_end);
        let Fates { packs, held, index: locks, .. } = fates;
        Ok(Decided { census, packs, held, locks, orphans, report })
    }
}

/// Finds out what is there and what is needed.
fn survey(
    repository: &Repository,
    known: &KnownSnapshots,
    now: Timestamp,
) -> Result<(Census, Vec<Orphan>)> {
    // Packs are listed before the index is read: what a writer from outside adds in between is no
    // orphan.
    let stored = repository.backend.stored(Kind::Pack)?;
    let sizes = stored.iter().map(|(id, file)| (*id, file.size));
    let mut census = Census::load(repository, sizes, now)?;
    census.mark_used(repository, known)?;
    let known = census.pack_ids();
    let orphans = stored.into_iter().filter(|(id, _)| !known.contains(id));
    let orphans = orphans.map(|(id, file)| Orphan { id, size: file.size, modified: file.modified });
    Ok((census, orphans.collect()))
}

/// Whether a pack that no index file names holds a blob that must go.
fn holds_unwanted(repository: &Repository, orphan: &Orphan, unwanted: &Unwanted) -> Result<bool> {
    // Without a list nothing is known of it, and it may belong to a writer that still lives.
    let Unwanted::Blobs(unwanted) = unwanted else { return Ok(false) };
    match pack_blobs(repository, &orphan.id, orphan.size) {
        Ok(blobs) => Ok(blobs.iter().any(|(kind, blob)| unwanted.contains(&(*kind, blob.id)))),
        Err(Error::Damaged { .. }) => Ok(false),
        Err(err) => Err(err),
    }
}

/// The report as far as it follows from the decisions. A file that is written now is locked until
/// `lock_end`.
fn count(
    fates: &Fates<'_>,
    census: &Census,
    orphans: &[(Fate, Orphan)],
    options: &PruneOptions,
    now: Timestamp,
    lock_end: Option<Timestamp>,
) -> PruneReport {
    let mut report = PruneReport {
        dry_run: options.dry_run,
        locked_until: fates.locked_until,
        blobs_used: census.rows.iter().filter(|row| row.used).count() as u64,
        ..PruneReport::default()
    };
    report.blobs_unused = census.rows.len() as u64 - report.blobs_used;
    let due = |since: Timestamp| {
        Some(since.saturating_add(options.keep_delete).unwrap_or(Timestamp::MAX))
    };
    for (number, (fate, pack)) in fates.packs.iter().zip(&census.packs).enumerate() {
        let (size, held) = (pack.size.unwrap_or(0), fates.held[number]);
        if *fate == Fate::Repack {
            report.packs_repacked += 1;
            report.bytes_repacked += fates.fills[number].used;
        }
        match fate {
            Fate::Keep => report.packs_kept += 1,
            Fate::Recover => report.packs_recovered += 1,
            Fate::Wait => {
                report.packs_waiting += 1;
                report.freed_later(size, due(pack.marked.unwrap_or(now)).max(held));
            }
            Fate::Locked => {
                report.packs_locked += 1;
                report.freed_later(size, held.max(lock_end.filter(|_| pack.live)));
            }
            Fate::Repack if options.instant && held.is_some() => {
                report.packs_locked += 1;
                report.freed_later(size, held.max(lock_end));
            }
            Fate::Mark | Fate::Repack if !options.instant => {
                report.packs_marked += 1;
                report.freed_later(size, due(now).max(held).max(lock_end));
            }
            Fate::Mark | Fate::Repack | Fate::Remove => {
                report.packs_removed += 1;
                report.bytes_freed += size;
            }
        }
    }
    count_orphans(orphans, &mut report);
    report
}

fn count_orphans(orphans: &[(Fate, Orphan)], report: &mut PruneReport) {
    for (fate, orphan) in orphans {
        match fate {
            Fate::Remove => report.packs_removed += 1,
            Fate::Locked => report.packs_locked += 1,
            _ => report.orphans_waiting += 1,
        }
        match fate {
            Fate::Remove => report.bytes_freed += orphan.size,
            _ => report.freed_later(orphan.size, None),
        }
    }
}

/// Writes the needed blobs of the packs that go to new packs, as they are.
fn repack(repository: &Repository, census: &mut Census, fates: &[Fate]) -> Result<Vec<PackInfo>> {
    let is_moved = |pack: u32| fates[pack as usize] == Fate::Repack;
    let moved = census.rows.iter().filter(|row| row.used && is_moved(row.pack));
    let moved = moved.map(|row| census.placed(row)).collect();
    let mut packer = Packer::new(repository);
    read_blobs(repository, moved, |blob, read| {
        let opened = read.or_else(|err| census.other_copy(repository, &blob, err))?;
        packer.add_sealed(blob.kind, blob.id, opened.size, opened.sealed)
    })?;
    packer.finish()
}
