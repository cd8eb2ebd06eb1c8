//! Index files: what is in them, and which of them are in force.
//!
//! A prune writes index files anew and cannot always remove the old ones: locks keep them. So the
//! new file lists the old ones in `supersedes` (restic's design, "Index"; stock restic writes the
//! field and does not act on it), and who reads the index here passes over those.

use std::collections::HashSet;

use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::pack::{BlobKind, PackInfo, PackedBlob};
use crate::repository::Repository;

/// What one index file says.
#[derive(Debug, Default)]
pub(crate) struct IndexFile {
    /// Packs in use.
    pub(crate) packs: Vec<PackInfo>,
    /// Packs that wait for their removal, and since when. Writers do not count on their blobs.
    pub(crate) marked: Vec<(PackInfo, Option<Timestamp>)>,
    /// Index files in whose place this one is.
    pub(crate) supersedes: Vec<FileId>,
}

impl IndexFile {
    /// True where no pack is named.
    pub(crate) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.marked.is_empty()
    }
}

/// The index files of a repository.
#[derive(Debug, Default)]
pub(crate) struct IndexFiles {
    /// Those that count.
    pub(crate) in_force: Vec<(FileId, IndexFile)>,
    /// Those in whose place another one is, and the packs that they name, in use or marked; none
    /// where the file cannot be read. As long as such a file is there, stock restic reads it.
    pub(crate) superseded: Vec<(FileId, Vec<FileId>)>,
    /// Those that would count and cannot be read, and what is wrong with them.
    pub(crate) damaged: Vec<(FileId, Error)>,
}

impl IndexFiles {
    /// Reads all that the store lists.
    ///
    /// # Errors
    /// [`Error::Io`] and the like; damage is part of the answer.
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        let listed = repository.backend.files(Kind::Index)?;
        Self::read_listed(repository, listed.into_iter().map(|(id, _)| id))
    }

    /// Reads these.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_listed(
        repository: &Repository,
        ids: impl IntoIterator<Item = FileId>,
    ) -> Result<Self> {
        let mut files = Self::default();
        for id in ids {
            match read(repository, &id) {
                Ok(file) => files.in_force.push((id, file)),
                Err(err @ Error::Damaged { .. }) => files.damaged.push((id, err)),
                Err(err) => return Err(err),
            }
        }
        files.pass_over_superseded();
        Ok(files)
    }

    fn pass_over_superseded(&mut self) {
        let gone = superseded(&self.in_force);
        if gone.is_empty() {
            return;
        }
        let is_gone = |id: &FileId| gone.contains(id);
        for (id, file) in self.in_force.extract_if(.., |(id, _)| is_gone(id)) {
            let marked = file.marked.iter().map(|(pack, _)| pack.id);
            let packs = file.packs.iter().map(|pack| pack.id).chain(marked);
            self.superseded.push((id, packs.collect()));
        }
        let damaged = self.damaged.extract_if(.., |(id, _)| is_gone(id));
        self.superseded.extend(damaged.map(|(id, _)| (id, Vec::new())));
    }
}

/// Ids of the files in whose place another one is. Only lists of files that no other lists count:
/// a new file repeats what the one before it superseded, and of files that supersede each other,
/// or themselves, none is passed over.
fn superseded(files: &[(FileId, IndexFile)]) -> HashSet<FileId> {
    let lists = || files.iter().map(|(id, file)| (id, &file.supersedes));
    let listed: HashSet<&FileId> = lists().flat_map(|(_, list)| list).collect();
    let in_force = lists().filter(|(id, _)| !listed.contains(id));
    in_force.flat_map(|(_, list)| list).copied().collect()
}

/// One index file.
fn read(repository: &Repository, id: &FileId) -> Result<IndexFile> {
    let file: IndexJson = repository.load(Kind::Index, id)?;
    let marked = |pack: PackJson| {
        let since = pack.time;
        pack.into_packs().into_iter().map(move |pack| (pack, since))
    };
    Ok(IndexFile {
        packs: file.packs.into_iter().flat_map(PackJson::into_packs).collect(),
        marked: file.packs_to_delete.into_iter().flat_map(marked).collect(),
        supersedes: file.supersedes.unwrap_or_default(),
    })
}

/// Writes an index file.
pub(crate) fn write_all(repository: &Repository, file: &IndexFile) -> Result<FileId> {
    let marked = |(pack, since): &(PackInfo, Option<Timestamp>)| PackJson {
        time: *since,
        ..PackJson::from_pack(pack)
    };
    let packs = file.packs.iter().map(PackJson::from_pack).collect();
    let packs_to_delete = file.marked.iter().map(marked).collect();
    let supersedes = Some(file.supersedes.clone()).filter(|list| !list.is_empty());
    repository.store(Kind::Index, &IndexJson { supersedes, packs, packs_to_delete })
}

/// Writes an index file with packs in use.
pub(crate) fn write(repository: &Repository, packs: &[PackInfo]) -> Result<FileId> {
    let packs = packs.iter().map(PackJson::from_pack).collect();
    let file = IndexJson { supersedes: None, packs, packs_to_delete: Vec::new() };
    repository.store(Kind::Index, &file)
}

#[derive(Serialize, Deserialize)]
struct IndexJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supersedes: Option<Vec<FileId>>,
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

    /// Which of some files, each with its list, are passed over.
    fn passed_over(files: &[(u8, &[u8])]) -> Vec<u8> {
        let id = |n: &u8| FileId([*n; 32]);
        let file = |(n, list): &(u8, &[u8])| {
            let supersedes = list.iter().map(id).collect();
            (id(n), IndexFile { supersedes, ..IndexFile::default() })
        };
        let in_force = files.iter().map(file).collect();
        let mut files = IndexFiles { in_force, ..IndexFiles::default() };
        files.pass_over_superseded();
        files.superseded.iter().map(|(id, _)| id.0[0]).collect()
    }

    #[test]
    fn what_a_file_in_force_supersedes_is_passed_over() {
        assert_eq!(passed_over(&[(1, &[]), (2, &[1]), (3, &[])]), [1]);
        assert_eq!(passed_over(&[(1, &[]), (2, &[1]), (3, &[2, 1])]), [1, 2]);
        assert_eq!(passed_over(&[(2, &[1, 9])]), [0_u8; 0], "those that are gone");
    }

    #[test]
    fn files_that_supersede_each_other_stay_in_force() {
        assert_eq!(passed_over(&[(1, &[1])]), [0_u8; 0]);
        assert_eq!(passed_over(&[(1, &[2]), (2, &[1]), (3, &[])]), [0_u8; 0]);
        assert_eq!(passed_over(&[(1, &[2]), (2, &[3]), (3, &[1]), (4, &[])]), [0_u8; 0]);
    }
}
