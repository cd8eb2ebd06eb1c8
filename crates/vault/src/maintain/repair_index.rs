//! Making the index anew from what the packs say of themselves.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::lock::RepositoryLock;
use crate::pack::PackInfo;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::vault::Vault;

use super::census::{Census, IndexFile, Row};
use super::header::pack_infos;
use super::index_writer::IndexWriter;
use super::{alone, locked_until, removed};

/// What a repair of the index found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairIndexReport {
    /// Index files that could not be read; they were removed when their packs were in new ones.
    pub files_damaged: Vec<String>,
    /// Packs that no readable index file named and that are in the index again.
    pub packs_added: Vec<String>,
    /// Packs that the index named and that are not there. They are in the index no more, so that
    /// their content is stored again when it comes again.
    pub packs_missing: Vec<String>,
    /// Packs that end before the last of their blobs; those that are cut off left the index.
    pub packs_cut: Vec<String>,
    /// Packs that no readable index file names and whose header cannot be read. They stay.
    pub packs_unreadable: Vec<String>,
    /// Index files that ought to go and that a lock keeps. What they say goes on to count: content
    /// in missing or cut packs is not stored again before these locks end and the repair is done
    /// again.
    pub index_files_locked: Vec<String>,
}

impl RepairIndexReport {
    /// True where nothing had to be repaired.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Shard {
    /// Repairs the index: adds packs that no index file names (from their headers), drops packs
    /// that are not there, replaces index files that cannot be read. No pack is changed or removed.
    ///
    /// The caller holds the exclusive lease of the shard.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody else is at work in the shard; [`Error::Io`].
    pub fn repair_index(&self) -> Result<RepairIndexReport> {
        repair(self.vault(), self.repository())
    }
}

impl Control {
    /// As [`Shard::repair_index`], for the control repository. The caller keeps intent from being
    /// saved meanwhile.
    ///
    /// # Errors
    /// As [`Shard::repair_index`].
    pub fn repair_index(&self) -> Result<RepairIndexReport> {
        repair(self.vault(), self.repository())
    }
}

fn repair(vault: &Vault, repository: &Arc<Repository>) -> Result<RepairIndexReport> {
    let lock = alone(vault, repository)?;
    let repository = repository.as_ref();
    let stored = repository.backend.files(Kind::Pack)?;
    let now = vault.clock().now();
    let (mut census, damaged) = Census::load_readable(repository, stored.iter().copied(), now)?;
    let label = |id: &FileId| repository.backend.label(Kind::Pack, id);
    let mut report = RepairIndexReport {
        files_damaged: (damaged.iter())
            .map(|(id, _)| repository.backend.label(Kind::Index, id))
            .collect(),
        ..RepairIndexReport::default()
    };
    let mut new = Vec::new();
    let known = census.pack_ids();
    for (id, size) in stored.iter().filter(|(id, _)| !known.contains(id)) {
        match read_pack(repository, id, *size)? {
            Some(packs) => {
                new.extend(packs);
                report.packs_added.push(label(id));
            }
            None => report.packs_unreadable.push(label(id)),
        }
    }
    let mut bad = HashSet::new();
    for (number, row) in census.rows.iter().map(|row| (row.pack, row)) {
        let pack = &census.packs[number as usize];
        if !fits(&census, row) && bad.insert(number) {
            let list = match pack.size {
                None => &mut report.packs_missing,
                Some(_) => &mut report.packs_cut,
            };
            list.push(label(&pack.id));
        }
    }
    census.retain(fits);
    census.sort_by_pack();
    let rewrite = Rewrite { repository, census: &census, changed: &bad, lock: &lock, now };
    report.index_files_locked = rewrite.run(new)?;
    for (id, _) in &damaged {
        lock.ensure_held()?;
        if !removed(repository, Kind::Index, id)? {
            report.index_files_locked.push(repository.backend.label(Kind::Index, id));
        }
    }
    Ok(report)
}

/// True for a blob that lies within the file of its pack.
fn fits(census: &Census, row: &Row) -> bool {
    let end = u64::from(row.offset) + u64::from(row.length);
    census.packs[row.pack as usize].size.is_some_and(|size| end <= size)
}

/// What the header of a pack says; `None` where it cannot be read.
fn read_pack(repository: &Repository, id: &FileId, size: u64) -> Result<Option<Vec<PackInfo>>> {
    match pack_infos(repository, id, size) {
        Ok(packs) => Ok(Some(packs)),
        Err(Error::Damaged { .. }) => Ok(None),
        Err(err) => Err(err),
    }
}

/// A change of the index: new packs, and packs of which something else is to be said.
pub(super) struct Rewrite<'a> {
    pub(super) repository: &'a Repository,
    /// The rows must be sorted by pack.
    pub(super) census: &'a Census,
    /// Numbers of the packs of which the census says something else than the index files do.
    pub(super) changed: &'a HashSet<u32>,
    /// Asked before anything goes.
    pub(super) lock: &'a RepositoryLock,
    pub(super) now: Timestamp,
}

impl Rewrite<'_> {
    /// Writes index files with the new packs and with what the census says of the packs of those
    /// files that name a changed one, and removes those; a pack without rows is named no more. Gives
    /// the names of the index files that a lock keeps: what they say goes on to count, so that
    /// nothing is written in their place.
    pub(super) fn run(&self, new: Vec<PackInfo>) -> Result<Vec<String>> {
        let (old, mut locked) = self.files()?;
        let numbers: BTreeSet<u32> = old.iter().flat_map(|file| file.packs.clone()).collect();
        let mut writer = IndexWriter::new(self.repository);
        for pack in new {
            writer.add(pack, None)?;
        }
        for number in numbers {
            let pack = &self.census.packs[number as usize];
            let marked = pack.marked.filter(|_| !pack.live);
            for pack in self.census.describe(number) {
                writer.add(pack, marked)?;
            }
        }
        let superseded = self.census.superseded.iter().map(|(id, _)| *id);
        let in_place_of = old.iter().map(|file| file.id).chain(superseded).collect();
        // What a file that goes has superseded must not come into force again.
        writer.finish(in_place_of, !old.is_empty() && !self.census.superseded.is_empty())?;
        for file in old {
            self.lock.ensure_held()?;
            if !removed(self.repository, Kind::Index, &file.id)? {
                locked.push(self.repository.backend.label(Kind::Index, &file.id));
            }
        }
        Ok(locked)
    }

    /// The index files that name a changed pack, and the names of those that are locked.
    fn files(&self) -> Result<(Vec<&IndexFile>, Vec<String>)> {
        let (mut old, mut locked) = (Vec::new(), Vec::new());
        let names_changed =
            |file: &&IndexFile| file.packs.iter().any(|number| self.changed.contains(number));
        for file in self.census.files.iter().filter(names_changed) {
            match locked_until(self.repository, Kind::Index, &file.id, self.now)? {
                None => old.push(file),
                Some(_) => locked.push(self.repository.backend.label(Kind::Index, &file.id)),
            }
        }
        Ok((old, locked))
    }
}
