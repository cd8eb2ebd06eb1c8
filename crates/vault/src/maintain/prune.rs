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

use std::collections::HashSet;

use holdfast_model::Timestamp;
use jiff::SignedDuration;
use serde::Serialize;

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::pack::PackInfo;
use crate::repository::Repository;

use super::census::Census;
use super::fate::{Fate, Fates, Orphan, Unwanted};
use super::header::pack_blobs;
use super::index_writer::{IndexWriter, SMALL_INDEX};
use super::packer::Packer;
use super::read::read_blobs;
use super::removed;

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

/// Prunes a repository; in a dry run as if the snapshots `gone` were not there. The caller keeps
/// all writers away.
///
/// # Errors
/// [`crate::Error::Damaged`] naming what a snapshot needs and cannot be had: then nothing is
/// deleted.
pub(super) fn prune(
    repository: &Repository,
    options: &PruneOptions,
    unwanted: &Unwanted,
    gone: &HashSet<FileId>,
    now: Timestamp,
) -> Result<PruneReport> {
    let none = HashSet::new();
    let gone = if options.dry_run { gone } else { &none };
    let (mut census, orphans) = survey(repository, gone, now)?;
    let mut fates = Fates::decide(repository, options, &census, unwanted, now)?;
    let mut doomed = Vec::new();
    for orphan in orphans {
        let is_unwanted = holds_unwanted(repository, &orphan, unwanted)?;
        doomed.push((fates.of_orphan(&orphan, is_unwanted)?, orphan));
    }
    let mut report = count(&fates, &census, &doomed, options, now);
    if options.dry_run {
        return Ok(report);
    }
    let packs = fates.packs;
    let new = repack(repository, &mut census, &packs)?;
    census.sort_by_pack();
    report.index_files_replaced = replace_index(repository, &census, &packs, new, options, now)?;
    let goes = |fate: Fate| fate == Fate::Remove || (fate == Fate::Repack && options.instant);
    let indexed = packs.iter().zip(&census.packs);
    let indexed = indexed.map(|(fate, pack)| (*fate, pack.id, pack.size.unwrap_or(0)));
    let all = indexed.chain(doomed.iter().map(|(fate, orphan)| (*fate, orphan.id, orphan.size)));
    for (_, id, size) in all.filter(|(fate, ..)| goes(*fate)) {
        if !removed(repository, Kind::Pack, &id)? {
            report.packs_removed -= 1;
            report.packs_locked += 1;
            report.bytes_freed -= size;
            report.freed_later(size, None);
        }
    }
    Ok(report)
}

/// Finds out what is there and what is needed.
fn survey(
    repository: &Repository,
    gone: &HashSet<FileId>,
    now: Timestamp,
) -> Result<(Census, Vec<Orphan>)> {
    // Packs are listed before the index is read: what a writer from outside adds in between is no
    // orphan.
    let stored = repository.backend.stored(Kind::Pack)?;
    let sizes = stored.iter().map(|(id, file)| (*id, file.size));
    let mut census = Census::load(repository, sizes, now)?;
    census.mark_used(repository, gone)?;
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
    read_blobs(repository, moved, |blob, read| match read {
        Ok(opened) => packer.add_sealed(blob.kind, blob.id, blob.at.size, opened.sealed),
        Err(err) => {
            let opened = census.other_copy(repository, &blob, err)?;
            packer.add(blob.kind, blob.id, &opened.plain)
        }
    })?;
    packer.finish()
}

/// Replaces the index files that name a pack whose state changes, and joins small ones; gives how
/// many went.
fn replace_index(
    repository: &Repository,
    census: &Census,
    fates: &[Fate],
    new: Vec<PackInfo>,
    options: &PruneOptions,
    now: Timestamp,
) -> Result<u64> {
    let old = files_to_replace(repository, census, fates);
    let named = old.iter().flat_map(|at| census.files[*at].packs.iter().copied());
    let mut numbers: Vec<u32> = named.collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut writer = IndexWriter::new(repository);
    for pack in new {
        writer.add(pack, None)?;
    }
    for number in numbers {
        let pack = &census.packs[number as usize];
        let marked = match fates[number as usize] {
            Fate::Keep | Fate::Recover => None,
            Fate::Remove => continue,
            Fate::Repack | Fate::Mark if options.instant => continue,
            Fate::Repack | Fate::Mark => Some(now),
            Fate::Wait | Fate::Locked if pack.live => None,
            Fate::Wait | Fate::Locked => pack.marked,
        };
        for pack in census.describe(number) {
            writer.add(pack, marked)?;
        }
    }
    writer.finish()?;
    for at in &old {
        // An error, also that of a lock, ends the prune before anything that it names goes.
        repository.backend.remove_file(Kind::Index, &census.files[*at].id)?;
    }
    Ok(old.len() as u64)
}

/// Positions of index files.
fn files_to_replace(repository: &Repository, census: &Census, fates: &[Fate]) -> Vec<usize> {
    let changes = |number: &u32| match fates[*number as usize] {
        // An interrupted prune has marked it elsewhere.
        Fate::Keep => census.packs[*number as usize].marked.is_some(),
        Fate::Wait | Fate::Locked => false,
        _ => true,
    };
    let all = 0..census.files.len();
    let is_small = |at: &usize| census.files[*at].blobs < SMALL_INDEX;
    let joins = all.clone().filter(is_small).count() >= SEVERAL
        && repository.backend.store().locks().is_none();
    all.filter(|at| (joins && is_small(at)) || census.files[*at].packs.iter().any(changes))
        .collect()
}
