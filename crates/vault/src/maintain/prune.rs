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

use std::collections::BTreeSet;

use holdfast_model::Timestamp;
use jiff::SignedDuration;
use serde::Serialize;

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::lock::RepositoryLock;
use crate::pack::PackInfo;
use crate::repository::Repository;

use super::census::{Census, KnownSnapshots};
use super::fate::{Fate, Fates, Orphan, Unwanted};
use super::header::pack_blobs;
use super::index_writer::{IndexWriter, SMALL_INDEX};
use super::packer::Packer;
use super::read::read_blobs;
use super::{locked_until, removed};

/// So many small index files are joined.
const SEVERAL: usize = 8;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    /// Packs that would go but for a lock.
    pub packs_locked: u64,
    /// The last of the locks that were met ends then.
    pub locked_until: Option<Timestamp>,
    /// A prune at or after this time removes the packs that are marked.
    pub removable_at: Option<Timestamp>,
    /// Bytes that the storage has got back.
    pub bytes_freed: u64,
    /// Bytes that it will get back when marked and locked packs go.
    pub bytes_freed_later: u64,
    /// Bytes that were copied to new packs.
    pub bytes_repacked: u64,
    /// Index files that were replaced.
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
        let Decided { mut census, packs, orphans, mut report } = self.decide(repository, now)?;
        let new = repack(repository, &mut census, &packs)?;
        census.sort_by_pack();
        lock.ensure_held()?;
        let index = IndexChange { repository, census: &census, fates: &packs, options, now };
        report.index_files_replaced = index.replace(new, lock)?;
        let goes = |fate: Fate| fate == Fate::Remove || (fate == Fate::Repack && options.instant);
        let indexed = packs.iter().zip(&census.packs);
        let indexed = indexed.map(|(fate, pack)| (*fate, pack.id, pack.size.unwrap_or(0)));
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
        let report = count(&fates, &census, &orphans, self.options, now);
        let packs = fates.packs;
        Ok(Decided { census, packs, orphans, report })
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

/// The report as far as it follows from the decisions.
fn count(
    fates: &Fates<'_>,
    census: &Census,
    orphans: &[(Fate, Orphan)],
    options: &PruneOptions,
    now: Timestamp,
) -> PruneReport {
    let mut report = PruneReport {
        dry_run: options.dry_run,
        locked_until: fates.locked_until,
        blobs_used: census.rows.iter().filter(|row| row.used).count() as u64,
        ..PruneReport::default()
    };
    report.blobs_unused = census.rows.len() as u64 - report.blobs_used;
    for ((fate, pack), fill) in fates.packs.iter().zip(&census.packs).zip(&fates.fills) {
        let size = pack.size.unwrap_or(0);
        match fate {
            Fate::Keep => report.packs_kept += 1,
            Fate::Recover => report.packs_recovered += 1,
            Fate::Wait => report.packs_waiting += 1,
            Fate::Locked => report.packs_locked += 1,
            Fate::Repack => {
                report.packs_repacked += 1;
                report.bytes_repacked += fill.used;
            }
            Fate::Mark | Fate::Remove => {}
        }
        let since = pack.marked.filter(|_| *fate == Fate::Wait).unwrap_or(now);
        let due = since.saturating_add(options.keep_delete).unwrap_or(Timestamp::MAX);
        match fate {
            Fate::Keep | Fate::Recover => {}
            Fate::Locked => report.freed_later(fill.unused, None),
            Fate::Wait => report.freed_later(size, Some(due)),
            Fate::Mark | Fate::Repack if !options.instant => {
                report.packs_marked += 1;
                report.freed_later(size, Some(due));
            }
            Fate::Mark | Fate::Repack | Fate::Remove => {
                report.packs_removed += 1;
                report.bytes_freed += size;
            }
        }
    }
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
    report
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

/// The change of the index that the decisions ask for.
struct IndexChange<'a> {
    repository: &'a Repository,
    census: &'a Census,
    /// By number of the pack.
    fates: &'a [Fate],
    options: &'a PruneOptions,
    now: Timestamp,
}

impl IndexChange<'_> {
    /// Replaces the index files that name a pack whose state changes, and joins small ones; gives
    /// how many went.
    fn replace(&self, new: Vec<PackInfo>, lock: &RepositoryLock) -> Result<u64> {
        let old = self.files_to_replace()?;
        let named = old.iter().flat_map(|at| self.census.files[*at].packs.iter().copied());
        let recovered = (0..self.fates.len() as u32).filter(|number| self.is_recovered(*number));
        let numbers: BTreeSet<u32> = named.chain(recovered).collect();
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
        writer.finish()?;
        for at in &old {
            lock.ensure_held()?;
            // An error, also that of a lock, ends the prune before anything that it names goes.
            self.repository.backend.remove_file(Kind::Index, &self.census.files[*at].id)?;
        }
        Ok(old.len() as u64)
    }

    /// A pack that is needed and that no index file names as in use: one must, even where those
    /// that mark it are locked and stay.
    fn is_recovered(&self, number: u32) -> bool {
        let is_needed = || self.census.rows_of(number).iter().any(|row| row.used);
        match self.fates[number as usize] {
            Fate::Recover => true,
            Fate::Locked => !self.census.packs[number as usize].live && is_needed(),
            _ => false,
        }
    }

    /// How a pack is named in a new index file: marked since a time or in use; `None` where it is
    /// not named any more.
    fn mark(&self, number: u32) -> Option<Option<Timestamp>> {
        let pack = &self.census.packs[number as usize];
        match self.fates[number as usize] {
            _ if self.is_recovered(number) => Some(None),
            Fate::Keep | Fate::Recover => Some(None),
            Fate::Remove => None,
            Fate::Repack | Fate::Mark if self.options.instant => None,
            Fate::Repack | Fate::Mark => Some(Some(self.now)),
            Fate::Wait | Fate::Locked if pack.live => Some(None),
            Fate::Wait | Fate::Locked => Some(pack.marked),
        }
    }

    /// Positions of the index files that go. Locked ones stay, and need not go: a pack that one of
    /// them names is not removed, and one that it marks is in use where another says so.
    fn files_to_replace(&self) -> Result<Vec<usize>> {
        let files = &self.census.files;
        let fate = |number: &u32| self.fates[*number as usize];
        let changes =
            |number: &u32| !matches!(fate(number), Fate::Keep | Fate::Wait | Fate::Locked);
        // An interrupted prune has marked what another file still names as in use.
        let recants = |number: &u32| fate(number) == Fate::Keep;
        let is_small = |at: &usize| files[*at].blobs < SMALL_INDEX;
        let joins = (0..files.len()).filter(is_small).count() >= SEVERAL
            && self.repository.backend.store().locks().is_none();
        let mut old = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let is_wrong = file.packs.iter().any(changes) || file.marked.iter().any(recants);
            let goes = is_wrong || (joins && is_small(&at));
            if goes && locked_until(self.repository, Kind::Index, &file.id, self.now)?.is_none() {
                old.push(at);
            }
        }
        Ok(old)
    }
}
