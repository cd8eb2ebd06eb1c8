//! Making the index anew from what the packs say of themselves.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::backend::Kind;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::pack::{BlobKind, PackInfo};
use crate::repository::Repository;
use crate::shard::Shard;
use crate::vault::Vault;

use super::census::{Census, Row};
use super::header::pack_blobs;
use super::index_writer::IndexWriter;
use super::{alone, removed};

/// What a repair of the index found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    let _lock = alone(vault, repository)?;
    let repository = repository.as_ref();
    let stored = repository.backend.files(Kind::Pack)?;
    let now = vault.clock().now();
    let (mut census, damaged) = Census::load_readable(repository, stored.iter().copied(), now)?;
    let label = |id: &FileId| repository.backend.label(Kind::Pack, id);
    let mut report = RepairIndexReport {
        files_damaged: (damaged.iter())
            .map(|id| repository.backend.label(Kind::Index, id))
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
    rewrite_index(repository, &census, new, &bad, |_| None)?;
    for id in &damaged {
        removed(repository, Kind::Index, id)?;
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
    let blobs = match pack_blobs(repository, id, size) {
        Ok(blobs) => blobs,
        Err(Error::Damaged { .. }) => return Ok(None),
        Err(err) => return Err(err),
    };
    let of_kind = |kind| PackInfo {
        id: *id,
        kind,
        blobs: blobs.iter().filter(|(other, _)| *other == kind).map(|(_, blob)| *blob).collect(),
    };
    Ok(Some(BlobKind::ALL.map(of_kind).into_iter().filter(|pack| !pack.blobs.is_empty()).collect()))
}

/// Writes index files with new packs and with what the census says of the packs of those files
/// that name a changed one, and removes those. `mark`: a pack that is marked for removal from now.
/// The rows must be sorted by pack.
pub(super) fn rewrite_index(
    repository: &Repository,
    census: &Census,
    new: Vec<PackInfo>,
    changed: &HashSet<u32>,
    mark: impl Fn(u32) -> Option<holdfast_model::Timestamp>,
) -> Result<()> {
    let names_changed = |packs: &[u32]| packs.iter().any(|number| changed.contains(number));
    let old: Vec<_> = census.files.iter().filter(|file| names_changed(&file.packs)).collect();
    let mut numbers: Vec<u32> = old.iter().flat_map(|file| file.packs.iter().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut writer = IndexWriter::new(repository);
    for pack in new {
        writer.add(pack, None)?;
    }
    for number in numbers {
        let pack = &census.packs[number as usize];
        let marked = mark(number).or(pack.marked.filter(|_| !pack.live));
        for pack in census.describe(number) {
            writer.add(pack, marked)?;
        }
    }
    writer.finish()?;
    for file in old {
        removed(repository, Kind::Index, &file.id)?;
    }
    Ok(())
}
