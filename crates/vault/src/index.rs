//! Which blob lies where: the index files, and their compact form in memory.

mod files;

use std::collections::{BTreeSet, HashSet};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::maintain::header::pack_infos;
use crate::pack::{BlobKind, PackInfo};
use crate::repository::Repository;

pub(crate) use files::{IndexFile, IndexFiles, write, write_all};

/// How often the index files are listed again because some of them went while they were read.
const RELISTED: usize = 2;

/// Where a blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: FileId,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    /// Size before compression; `None` for a blob that is stored as it is.
    pub(crate) size: Option<u32>,
}

/// All known blobs: 48 bytes for each, sorted.
///
/// New blobs come as further sorted runs, which are joined when they are of similar length, so
/// that neither adding nor looking up ever costs more than a few logarithms.
#[derive(Default)]
pub(crate) struct Index {
    packs: Vec<FileId>,
    runs: [Vec<Vec<Entry>>; 2],
}

#[derive(Clone, Copy)]
struct Entry {
    id: [u8; 32],
    pack: u32,
    offset: u32,
    length: u32,
    /// 0 for a blob that is stored as it is: no blob is empty.
    size: u32,
}

impl Index {
    /// Reads all index files of a repository. Packs that are marked for deletion do not count, nor
    /// does what only superseded files name.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming an index file that cannot be read.
    pub(crate) fn load(repository: &Repository) -> Result<Self> {
        match Self::load_listed(repository)? {
            (_, Some(damaged)) => Err(damaged),
            (index, None) => Ok(index),
        }
    }

    /// The same, without the index files that are damaged.
    pub(crate) fn load_readable(repository: &Repository) -> Result<Self> {
        Ok(Self::load_listed(repository)?.0)
    }

    /// The same, with what the damaged ones may have known from the headers of the packs.
    pub(crate) fn load_with_headers(repository: &Repository) -> Result<Self> {
        let mut index = Self::load_readable(repository)?;
        let known: HashSet<FileId> = index.packs.iter().copied().collect();
        let mut found = Vec::new();
        for (id, size) in repository.backend.files(Kind::Pack)? {
            if known.contains(&id) {
                continue;
            }
            match pack_infos(repository, &id, size) {
                Ok(packs) => found.extend(packs),
                Err(Error::Damaged { .. }) => {}
                Err(err) => return Err(err),
            }
        }
        index.add(&found);
        Ok(index)
    }

    /// What the index files that can be read say, and what is wrong with one that cannot. Readers
    /// hold no lock: where files go while they are read, a prune has put others in their place, and
    /// the listing is read again.
    fn load_listed(repository: &Repository) -> Result<(Self, Option<Error>)> {
        let mut ids = listed(repository)?;
        for _ in 0..RELISTED {
            let (index, damaged) = Self::load_files(repository, &ids)?;
            if damaged.is_none() {
                return Ok((index, None));
            }
            let now = listed(repository)?;
            if ids.is_subset(&now) {
                return Ok((index, damaged));
            }
            ids = now;
        }
        Self::load_files(repository, &ids)
    }

    fn load_files(
        repository: &Repository,
        ids: &BTreeSet<FileId>,
    ) -> Result<(Self, Option<Error>)> {
        let files = IndexFiles::read_listed(repository, ids.iter().copied())?;
        let mut index = Self::default();
        let mut runs = [Vec::new(), Vec::new()];
        for (_, file) in files.in_force {
            file.packs.iter().for_each(|pack| index.push(pack, &mut runs));
        }
        index.add_runs(runs);
        Ok((index, files.damaged.into_iter().next().map(|(_, err)| err)))
    }

    /// Number of blobs, further copies included.
    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().flatten().map(|run| run.len() as u64).sum()
    }

    /// Where a blob lies; any of the places where there are several.
    pub(crate) fn get(&self, kind: BlobKind, id: &[u8; 32]) -> Option<Location> {
        self.runs[kind as usize].iter().find_map(|run| {
            let at = run.binary_search_by(|entry| entry.id.cmp(id)).ok()?;
            Some(self.location(&run[at]))
        })
    }

    /// All places of a blob: a repair, or a prune that was cut off, leaves further copies.
    pub(crate) fn copies(&self, kind: BlobKind, id: &[u8; 32]) -> Vec<Location> {
        let places = self.runs[kind as usize].iter().flat_map(|run| {
            let from = run.partition_point(|entry| entry.id < *id);
            run[from..].iter().take_while(|entry| entry.id == *id)
        });
        places.map(|entry| self.location(entry)).collect()
    }

    fn location(&self, entry: &Entry) -> Location {
        Location {
            pack: self.packs[entry.pack as usize],
            offset: entry.offset,
            length: entry.length,
            size: (entry.size > 0).then_some(entry.size),
        }
    }

    /// Takes up packs that have been written.
    pub(crate) fn add(&mut self, packs: &[PackInfo]) {
        let mut runs = [Vec::new(), Vec::new()];
        for pack in packs {
            self.push(pack, &mut runs);
        }
        self.add_runs(runs);
    }

    fn push(&mut self, pack: &PackInfo, runs: &mut [Vec<Entry>; 2]) {
        let number = u32::try_from(self.packs.len()).expect("a shard has less than 2^32 packs");
        self.packs.push(pack.id);
        runs[pack.kind as usize].extend(pack.blobs.iter().map(|blob| Entry {
            id: blob.id,
            pack: number,
            offset: blob.offset,
            length: blob.length,
            size: blob.size.unwrap_or_default(),
        }));
    }

    fn add_runs(&mut self, new: [Vec<Entry>; 2]) {
        let Self { packs, runs } = self;
        let pack = |entry: &Entry| &packs[entry.pack as usize];
        // Several index files may name one pack.
        let order = |a: &Entry, b: &Entry| a.id.cmp(&b.id).then_with(|| pack(a).cmp(pack(b)));
        for (mut run, runs) in new.into_iter().zip(runs) {
            if run.is_empty() {
                continue;
            }
            run.sort_unstable_by(order);
            while runs.last().is_some_and(|last| last.len() < run.len() * 2) {
                run.extend(runs.pop().unwrap_or_default());
                run.sort_unstable_by(order);
            }
            run.dedup_by(|a, b| order(a, b).is_eq());
            run.shrink_to_fit();
            runs.push(run);
        }
    }
}

/// Ids of the index files.
fn listed(repository: &Repository) -> Result<BTreeSet<FileId>> {
    Ok(repository.backend.files(Kind::Index)?.into_iter().map(|(id, _)| id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::PackedBlob;

    fn pack(number: u8, ids: std::ops::Range<u16>) -> PackInfo {
        let blob = |n: u16| {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&n.wrapping_mul(40503).to_be_bytes());
            PackedBlob { id, offset: n.into(), length: 1, size: Some(2) }
        };
        PackInfo { id: FileId([number; 32]), kind: BlobKind::Data, blobs: ids.map(blob).collect() }
    }

    #[test]
    fn blobs_are_found_however_they_came() {
        let mut index = Index::default();
        index.add(&[pack(1, 0..300)]);
        for n in 0..60_u16 {
            index.add(&[pack(n as u8, 300 + n * 5..305 + n * 5)]);
        }
        assert!(index.runs[0].len() < 12, "{} runs", index.runs[0].len());
        for n in 0..600_u16 {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&n.wrapping_mul(40503).to_be_bytes());
            assert_eq!(index.get(BlobKind::Data, &id).unwrap().offset, u32::from(n));
            assert_eq!(index.get(BlobKind::Tree, &id), None);
        }
        assert_eq!(index.get(BlobKind::Data, &[0xff; 32]), None);
    }

    #[test]
    fn copies_are_kept_and_a_pack_that_is_named_twice_is_one() {
        let mut index = Index::default();
        index.add(&[pack(2, 0..10), pack(1, 5..15), pack(2, 0..10)]);
        index.add(&[pack(3, 7..8)]);
        assert_eq!(index.count(), 21);
        let copies = |n: u16| {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&n.wrapping_mul(40503).to_be_bytes());
            let mut packs: Vec<u8> =
                index.copies(BlobKind::Data, &id).iter().map(|at| at.pack.0[0]).collect();
            packs.sort_unstable();
            packs
        };
        assert_eq!((copies(0), copies(5), copies(7)), (vec![2], vec![1, 2], vec![1, 2, 3]));
        assert_eq!((copies(14), copies(15)), (vec![1], vec![]));
    }
}
