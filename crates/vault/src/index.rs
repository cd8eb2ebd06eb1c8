//! Which blob lies where: the index files, and their compact form in memory.

use std::collections::HashSet;

use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::pack::{BlobKind, PackInfo, PackedBlob, parse_header};
use crate::repository::Repository;

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
    /// Reads all index files of a repository. Packs that are marked for deletion do not count.
    pub(crate) fn load(repository: &Repository) -> Result<Self> {
        Self::load_with(repository, |id| read(repository, id))
    }

    /// The same, without the index files that are damaged.
    pub(crate) fn load_readable(repository: &Repository) -> Result<Self> {
        Self::load_with(repository, |id| match read(repository, id) {
            Err(Error::Damaged { .. }) => Ok(Vec::new()),
            read => read,
        })
    }

    /// The same, with what the damaged ones may have known from the headers of the packs.
    pub(crate) fn load_with_headers(repository: &Repository) -> Result<Self> {
        let mut index = Self::load_readable(repository)?;
        let known: HashSet<FileId> = index.packs.iter().copied().collect();
        let mut found = Vec::new();
        for (id, _) in repository.backend.files(Kind::Pack)? {
            if !known.contains(&id) {
                found.extend(pack_from_header(repository, &id)?);
            }
        }
        index.add(&found);
        Ok(index)
    }

    fn load_with(
        repository: &Repository,
        read: impl Fn(&FileId) -> Result<Vec<PackInfo>>,
    ) -> Result<Self> {
        let mut index = Self::default();
        let mut runs = [Vec::new(), Vec::new()];
        for (id, _) in repository.backend.files(Kind::Index)? {
            for pack in read(&id)? {
                index.push(&pack, &mut runs);
            }
        }
        index.add_runs(runs);
        Ok(index)
    }

    /// Number of blobs.
    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().flatten().map(|run| run.len() as u64).sum()
    }

    pub(crate) fn get(&self, kind: BlobKind, id: &[u8; 32]) -> Option<Location> {
        let entry = self.runs[kind as usize].iter().find_map(|run| {
            let at = run.binary_search_by(|entry| entry.id.cmp(id)).ok()?;
            Some(run[at])
        })?;
        Some(Location {
            pack: self.packs[entry.pack as usize],
            offset: entry.offset,
            length: entry.length,
            size: (entry.size > 0).then_some(entry.size),
        })
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

    fn add_runs(&mut self, runs: [Vec<Entry>; 2]) {
        for (mut run, runs) in runs.into_iter().zip(&mut self.runs) {
            if run.is_empty() {
                continue;
            }
            run.sort_unstable_by_key(|entry| entry.id);
            while runs.last().is_some_and(|last| last.len() < run.len() * 2) {
                run.extend(runs.pop().unwrap_or_default());
                run.sort_unstable_by_key(|entry| entry.id);
            }
            run.dedup_by_key(|entry| entry.id);
            run.shrink_to_fit();
            runs.push(run);
        }
    }
}

/// The packs of one index file.
pub(crate) fn read(repository: &Repository, id: &FileId) -> Result<Vec<PackInfo>> {
    Ok(read_all(repository, id)?.packs)
}

/// What one index file names.
#[derive(Debug, Default)]
pub(crate) struct IndexFile {
    /// Packs in use.
    pub(crate) packs: Vec<PackInfo>,
    /// Packs that wait for their removal, and since when. Writers do not count on their blobs.
    pub(crate) marked: Vec<(PackInfo, Option<Timestamp>)>,
}

/// One index file with the packs that are marked for deletion.
pub(crate) fn read_all(repository: &Repository, id: &FileId) -> Result<IndexFile> {
    let file: IndexJson = repository.load(Kind::Index, id)?;
    let marked = |pack: PackJson| {
        let since = pack.time;
        pack.into_packs().into_iter().map(move |pack| (pack, since))
    };
    Ok(IndexFile {
        packs: file.packs.into_iter().flat_map(PackJson::into_packs).collect(),
        marked: file.packs_to_delete.into_iter().flat_map(marked).collect(),
    })
}

/// Writes an index file with packs that are marked for deletion.
pub(crate) fn write_all(repository: &Repository, file: &IndexFile) -> Result<FileId> {
    let marked = |(pack, since): &(PackInfo, Option<Timestamp>)| PackJson {
        time: *since,
        ..PackJson::from_pack(pack)
    };
    let packs = file.packs.iter().map(PackJson::from_pack).collect();
    let packs_to_delete = file.marked.iter().map(marked).collect();
    repository.store(Kind::Index, &IndexJson { packs, packs_to_delete })
}

/// A pack as its header describes it, once for each kind of blob; nothing where that is damaged.
fn pack_from_header(repository: &Repository, id: &FileId) -> Result<Vec<PackInfo>> {
    let bytes = match repository.backend.read_file(Kind::Pack, id) {
        Err(Error::Damaged { .. }) => return Ok(Vec::new()),
        read => read?,
    };
    let blobs = parse_header(&bytes, &repository.key).unwrap_or_default();
    let of_kind = |wanted| PackInfo {
        id: *id,
        kind: wanted,
        blobs: blobs.iter().filter(|(kind, _)| *kind == wanted).map(|(_, blob)| *blob).collect(),
    };
    Ok(BlobKind::ALL.map(of_kind).into_iter().filter(|pack| !pack.blobs.is_empty()).collect())
}

/// Writes an index file.
pub(crate) fn write(repository: &Repository, packs: &[PackInfo]) -> Result<FileId> {
    let packs = packs.iter().map(PackJson::from_pack).collect();
    repository.store(Kind::Index, &IndexJson { packs, packs_to_delete: Vec::new() })
}

#[derive(Serialize, Deserialize)]
struct IndexJson {
    #[serde(default)]
    packs: Vec<PackJson>,
    /// Packs that are marked for deletion; a field of rustic's, which restic passes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packs_to_delete: Vec<PackJson>,
}

#[derive(Serialize, Deserialize)]
struct PackJson {
    id: FileId,
    /// When the pack was marked for deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    blobs: Vec<BlobJson>,
}

#[derive(Serialize, Deserialize)]
struct BlobJson {
    id: FileId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

impl PackJson {
    fn from_pack(pack: &PackInfo) -> Self {
        let blob = |blob: &PackedBlob| BlobJson {
            id: FileId(blob.id),
            kind: pack.kind,
            offset: blob.offset,
            length: blob.length,
            uncompressed_length: blob.size,
        };
        Self { id: pack.id, time: None, blobs: pack.blobs.iter().map(blob).collect() }
    }

    /// One description for each kind of blob; packs of one kind, as all are today, give one.
    fn into_packs(self) -> Vec<PackInfo> {
        let of_kind = |kind| PackInfo {
            id: self.id,
            kind,
            blobs: self
                .blobs
                .iter()
                .filter(|blob| blob.kind == kind)
                .map(BlobJson::packed)
                .collect(),
        };
        BlobKind::ALL.map(of_kind).into_iter().filter(|pack| !pack.blobs.is_empty()).collect()
    }
}

impl BlobJson {
    fn packed(&self) -> PackedBlob {
        PackedBlob {
            id: self.id.0,
            offset: self.offset,
            length: self.length,
            size: self.uncompressed_length.filter(|size| *size > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
