//! Repairing packs: what is sound in a damaged pack is saved, what is missing comes from a second
//! vault.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::blobs::{self, Blobs};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::{FileId, TreeId};
use crate::node::{NodeKind, parse_tree};
use crate::pack::BlobKind;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::snapshot::SnapshotJson;
use crate::vault::Vault;

use super::alone;
use super::census::{Census, Row};
use super::packer::Packer;
use super::read::read_blobs;
use super::repair_index::Rewrite;

/// Packs that are read at once; each is held in memory.
const MAX_THREADS: usize = 4;

/// What a repair of packs found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendReport {
    /// Blobs that were read and compared with their names.
    pub blobs_read: u64,
    /// Packs that are not what was written, or not there. What is sound in them is in new packs
    /// now; no index file names them any more, and a later prune removes them.
    pub packs_damaged: Vec<String>,
    /// Blobs that were damaged, further copies included.
    pub blobs_damaged: u64,
    /// Blobs that a snapshot needs and that came from the second vault.
    pub blobs_restored: u64,
    /// Ids of blobs that a snapshot needs and that are nowhere. They are in the index no more, so
    /// that they are stored again when they come again.
    pub blobs_lost: Vec<String>,
    /// Snapshot files that cannot be read.
    pub snapshots_unreadable: Vec<String>,
    /// Index files that name damaged packs and that a lock keeps: these packs stay in use, and
    /// lost content is not stored again, before the locks end and the repair is done again.
    /// Readers find the copies that were saved.
    pub index_files_locked: Vec<String>,
}

impl Shard {
    /// Reads every pack. What is sound in a damaged pack goes to a new one; the pack leaves the index
    /// and is removed by a later prune, not here.
    ///
    /// The caller holds the exclusive lease of the shard. The index must be sound
    /// ([`Shard::repair_index`]).
    ///
    /// # Errors
    /// [`Error::Damaged`] where an index file cannot be read; [`Error::Busy`]; [`Error::Io`].
    pub fn repair_packs(&self) -> Result<MendReport> {
        mend(self.vault(), self.repository(), None)
    }

    /// As [`Shard::repair_packs`]; and what a snapshot needs and is damaged or missing here is
    /// copied from `other`, the shard of a second vault that has it, under whatever number it lies
    /// there. Each blob is compared with its name.
    ///
    /// # Errors
    /// As [`Shard::repair_packs`].
    pub fn repair_from(&self, other: &Self) -> Result<MendReport> {
        mend(self.vault(), self.repository(), Some(other.repository()))
    }
}

impl Control {
    /// As [`Shard::repair_packs`], for the control repository. The caller keeps intent from being
    /// saved meanwhile.
    ///
    /// # Errors
    /// As [`Shard::repair_packs`].
    pub fn repair_packs(&self) -> Result<MendReport> {
        mend(self.vault(), self.repository(), None)
    }
}

fn mend(
    vault: &Vault,
    repository: &Arc<Repository>,
    other: Option<&Arc<Repository>>,
) -> Result<MendReport> {
    let lock = alone(vault, repository)?;
    let repository = repository.as_ref();
    let mut report = MendReport::default();
    let now = vault.clock().now();
    let packs = repository.backend.files(Kind::Pack)?;
    let mut census = Census::load(repository, packs, now)?;
    let damaged = verify(repository, &mut census, &mut report)?;
    let other = other.map(|other| Blobs::load(Arc::clone(other))).transpose()?;
    let mut mending = Mending {
        repository,
        other,
        packer: Packer::new(repository),
        report,
        lost: HashSet::new(),
    };
    mending.follow_snapshots(&mut census)?;
    // What lies in a sound pack too, perhaps from an earlier repair, need not be saved.
    let is_sound = |copy: &Row| !damaged.contains(&copy.pack);
    let is_rescued =
        |row: &&Row| !is_sound(row) && !census.copies(row.kind, &row.id).iter().any(is_sound);
    let rescued = census.rows.iter().filter(is_rescued);
    let rescued = rescued.map(|row| census.placed(row)).collect();
    let packer = &mut mending.packer;
    read_blobs(repository, rescued, |blob, read| {
        packer.add_sealed(blob.kind, blob.id, blob.at.size, read?.sealed)
    })?;
    let Mending { packer, mut report, lost, .. } = mending;
    let new = packer.finish()?;
    census.retain(|_, row| !damaged.contains(&row.pack));
    census.sort_by_pack();
    let rewrite = Rewrite { repository, census: &census, changed: &damaged, lock: &lock, now };
    report.index_files_locked = rewrite.run(new)?;
    report.blobs_lost = lost.into_iter().map(|(_, id)| FileId(id).to_string()).collect();
    report.blobs_lost.sort_unstable();
    Ok(report)
}

/// Number of a pack and the offsets of the damaged blobs in it.
type DamagedPack = (u32, Vec<u32>);

/// Reads every pack, takes the damaged blobs out of the census, and gives the packs with damage.
fn verify(
    repository: &Repository,
    census: &mut Census,
    report: &mut MendReport,
) -> Result<HashSet<u32>> {
    census.sort_by_pack();
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Result<Vec<DamagedPack>>> = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= census.packs.len() {
                return;
            }
            let found = verify_pack(repository, census, number as u32);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *outcome, found) {
                (Err(_), _) => return,
                (Ok(all), Ok(found)) => all.extend(found.map(|bad| (number as u32, bad))),
                (Ok(_), Err(err)) => *outcome = Err(err),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS) {
            scope.spawn(work);
        }
    });
    let found = outcome.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let damaged: HashSet<u32> = found.iter().map(|(number, _)| *number).collect();
    let bad: HashSet<(u32, u32)> = (found.into_iter())
        .flat_map(|(number, offsets)| offsets.into_iter().map(move |offset| (number, offset)))
        .collect();
    report.blobs_read = census.rows.len() as u64;
    report.blobs_damaged = bad.len() as u64;
    census.retain(|_, row| !bad.contains(&(row.pack, row.offset)));
    let label =
        |number: &u32| repository.backend.label(Kind::Pack, &census.packs[*number as usize].id);
    report.packs_damaged = damaged.iter().map(label).collect();
    report.packs_damaged.sort_unstable();
    Ok(damaged)
}

/// The offsets of the damaged blobs of a pack; `None` where the pack is as it was written.
fn verify_pack(repository: &Repository, census: &Census, number: u32) -> Result<Option<Vec<u32>>> {
    let pack = &census.packs[number as usize];
    let rows = census.rows_of(number);
    if pack.size.is_none() {
        return Ok(Some(rows.iter().map(|row| row.offset).collect()));
    }
    let bytes = match repository.backend.read_file(Kind::Pack, &pack.id) {
        Ok(bytes) => bytes,
        Err(Error::Damaged { .. }) => return verify_parts(repository, census, rows).map(Some),
        Err(err) => return Err(err),
    };
    let is_bad = |row: &&Row| {
        let blob = row.blob();
        let start = blob.offset as usize;
        let sealed = start.checked_add(blob.length as usize).and_then(|end| bytes.get(start..end));
        blobs::open(repository, &blob.id, sealed.unwrap_or_default(), blob.size).is_none()
    };
    let bad: Vec<u32> = rows.iter().filter(is_bad).map(|row| row.offset).collect();
    Ok((!bad.is_empty()).then_some(bad))
}

/// The offsets of the damaged blobs of a pack that cannot be had whole: it has changed, is gone, or
/// has become too long. Its parts may be there.
fn verify_parts(repository: &Repository, census: &Census, rows: &[Row]) -> Result<Vec<u32>> {
    let mut bad = Vec::new();
    let placed = rows.iter().map(|row| census.placed(row)).collect();
    read_blobs(repository, placed, |blob, read| {
        if read.is_err() {
            bad.push(blob.at.offset);
        }
        Ok(())
    })?;
    Ok(bad)
}

/// A repair under way.
struct Mending<'r> {
    repository: &'r Repository,
    other: Option<Blobs>,
    packer: Packer<'r>,
    report: MendReport,
    lost: HashSet<(BlobKind, [u8; 32])>,
}

impl Mending<'_> {
    /// Fetches what snapshots need and is not in the census, which has sound blobs only.
    fn follow_snapshots(&mut self, census: &mut Census) -> Result<()> {
        census.sort_by_id();
        let mut seen = HashSet::new();
        let mut level = Vec::new();
        for (id, _) in self.repository.backend.files(Kind::Snapshot)? {
            match self.repository.load::<SnapshotJson>(Kind::Snapshot, &id) {
                Ok(snapshot) => level.push((BlobKind::Tree, snapshot.tree().0)),
                Err(Error::Damaged { file, .. }) => self.report.snapshots_unreadable.push(file),
                Err(err) => return Err(err),
            }
        }
        while !level.is_empty() {
            level.retain(|blob| seen.insert(*blob));
            let mut below = Vec::new();
            let mut here = Vec::new();
            for (kind, id) in level {
                match census.find(kind, &id) {
                    Ok(placed) if kind == BlobKind::Tree => here.push(placed),
                    Ok(_) => {}
                    Err(_) => {
                        let fetched = self.fetch(kind, &id)?;
                        if let (BlobKind::Tree, Some(plain)) = (kind, fetched) {
                            follow(TreeId(id), &plain, &mut below);
                        }
                    }
                }
            }
            read_blobs(self.repository, here, |blob, read| {
                follow(TreeId(blob.id), &read?.plain, &mut below);
                Ok(())
            })?;
            level = below;
        }
        Ok(())
    }

    /// Takes a blob from the second vault, if that has it whole.
    fn fetch(&mut self, kind: BlobKind, id: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let fetched = match &self.other {
            Some(other) => other.read(kind, id),
            None => Err(Error::damaged("a second vault", "is not there")),
        };
        match fetched {
            Ok(plain) => {
                self.packer.add(kind, *id, &plain)?;
                self.report.blobs_restored += 1;
                Ok(Some(plain))
            }
            Err(Error::Damaged { .. }) => {
                self.lost.insert((kind, *id));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }
}

/// What a tree needs. One that makes no sense needs nothing: it is reported when snapshots are
/// repaired.
fn follow(tree: TreeId, plain: &[u8], below: &mut Vec<(BlobKind, [u8; 32])>) {
    for node in parse_tree(tree, plain).unwrap_or_default() {
        match node.kind {
            NodeKind::Dir { tree } => below.extend(tree.map(|tree| (BlobKind::Tree, tree.0))),
            NodeKind::File { content, .. } => {
                below.extend(content.iter().map(|blob| (BlobKind::Data, blob.0)));
            }
        }
    }
}
