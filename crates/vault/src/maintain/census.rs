//! Every blob of a repository, where it lies, and whether a snapshot needs it.
//!
//! One row of 52 bytes for each copy of a blob, sorted by id; nothing else grows with the shard.

use std::collections::{BTreeSet, HashMap, HashSet};

use holdfast_model::Timestamp;

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::{FileId, TreeId};
use crate::index::{self, IndexFiles, Location};
use crate::node::{NodeKind, parse_tree};
use crate::pack::{BlobKind, PackInfo, PackedBlob};
use crate::repository::Repository;
use crate::snapshot::SnapshotJson;

use super::read::{Opened, Placed, read_blobs};

/// Snapshots of which more is known than a listing tells: some object stores list a file only some
/// time after it was written, and for some time after it was removed.
#[derive(Default)]
pub(super) struct KnownSnapshots {
    /// They are there, listed or not.
    pub(super) present: HashSet<FileId>,
    /// They are not there, or are to be taken for gone.
    pub(super) gone: HashSet<FileId>,
}

/// What the index and the listing of a repository say.
pub(super) struct Census {
    pub(super) packs: Vec<Pack>,
    /// Sorted by kind, id, and then by how good the copy is; after [`Self::sort_by_pack`] by pack.
    pub(super) rows: Vec<Row>,
    /// The index files in force.
    pub(super) files: Vec<IndexFile>,
    /// Those that are still there and superseded; see [`IndexFiles::superseded`].
    pub(super) superseded: Vec<(FileId, Vec<FileId>)>,
}

/// A pack that an index file in force names.
pub(super) struct Pack {
    pub(super) id: FileId,
    /// Size of its file; `None` where that is missing.
    pub(super) size: Option<u64>,
    /// Some index file names it as in use.
    pub(super) live: bool,
    /// Since when an index file names it as waiting for removal.
    pub(super) marked: Option<Timestamp>,
}

/// An index file.
pub(super) struct IndexFile {
    pub(super) id: FileId,
    /// Numbers of the packs that it names.
    pub(super) packs: Vec<u32>,
    /// Those of them that it marks for removal.
    pub(super) marked: Vec<u32>,
    pub(super) supersedes: Vec<FileId>,
    pub(super) blobs: usize,
}

/// One copy of a blob.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: [u8; 32],
    pub(super) pack: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    /// 0 for a blob that is not compressed.
    size: u32,
    pub(super) kind: BlobKind,
    /// A snapshot needs it, and of several copies this is the one to keep.
    pub(super) used: bool,
}

impl Row {
    pub(super) fn blob(&self) -> PackedBlob {
        let size = (self.size > 0).then_some(self.size);
        PackedBlob { id: self.id, offset: self.offset, length: self.length, size }
    }
}

/// Collects rows while index files are read.
struct Loader {
    census: Census,
    numbers: HashMap<FileId, u32>,
    sizes: HashMap<FileId, u64>,
}

impl Census {
    /// Reads all index files. `packs` are the pack files with their sizes.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming an index file that cannot be read.
    pub(super) fn load(
        repository: &Repository,
        packs: impl IntoIterator<Item = (FileId, u64)>,
        now: Timestamp,
    ) -> Result<Self> {
        let (census, damaged) = Self::load_readable(repository, packs, now)?;
        match damaged.into_iter().next() {
            Some((_, err)) => Err(err),
            None => Ok(census),
        }
    }

    /// The same from those index files that can be read; gives the others too.
    pub(super) fn load_readable(
        repository: &Repository,
        packs: impl IntoIterator<Item = (FileId, u64)>,
        now: Timestamp,
    ) -> Result<(Self, Vec<(FileId, Error)>)> {
        let IndexFiles { in_force, superseded, damaged } = IndexFiles::read(repository)?;
        let blobs = |file: &index::IndexFile| -> usize {
            let marked = file.marked.iter().map(|(pack, _)| pack);
            file.packs.iter().chain(marked).map(|pack| pack.blobs.len()).sum()
        };
        let rows = Vec::with_capacity(in_force.iter().map(|(_, file)| blobs(file)).sum());
        let census = Self { packs: Vec::new(), rows, files: Vec::new(), superseded };
        let sizes = packs.into_iter().collect();
        let mut loader = Loader { census, numbers: HashMap::new(), sizes };
        for (id, file) in in_force {
            loader.add_file(id, &file, blobs(&file), now);
        }
        let mut census = loader.census;
        census.sort_by_id();
        Ok((census, damaged))
    }

    /// Keeps some rows only.
    pub(super) fn retain(&mut self, keep: impl Fn(&Self, &Row) -> bool) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| keep(self, row));
        self.rows = rows;
    }

    /// Sorts the rows so that blobs can be looked up.
    pub(super) fn sort_by_id(&mut self) {
        let packs = &self.packs;
        self.rows.sort_unstable_by_key(|row| {
            let pack = &packs[row.pack as usize];
            (row.kind, row.id, pack.size.is_none(), !pack.live, row.pack, row.offset)
        });
        self.rows.dedup_by_key(|row| (row.kind, row.id, row.pack, row.offset));
        self.rows.shrink_to_fit();
    }

    /// Sorts the rows by the place of the blobs. No blob can be looked up any more.
    pub(super) fn sort_by_pack(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.pack, row.offset));
    }

    /// The copies of a blob, the best first.
    pub(super) fn copies(&self, kind: BlobKind, id: &[u8; 32]) -> &[Row] {
        let from = self.rows.partition_point(|row| (row.kind, &row.id) < (kind, id));
        let rows = &self.rows[from..];
        &rows[..rows.partition_point(|row| row.kind == kind && row.id == *id)]
    }

    pub(super) fn placed(&self, row: &Row) -> Placed {
        let PackedBlob { id, offset, length, size } = row.blob();
        let at = Location { pack: self.packs[row.pack as usize].id, offset, length, size };
        Placed { kind: row.kind, id, at }
    }

    /// Where the best copy of a blob lies.
    ///
    /// # Errors
    /// [`Error::Damaged`] where no index file names it.
    pub(super) fn find(&self, kind: BlobKind, id: &[u8; 32]) -> Result<Placed> {
        let found = self.copies(kind, id).first();
        found.map(|row| self.placed(row)).ok_or_else(|| not_found(kind, id))
    }

    /// Marks a blob as needed; its place if that is news.
    fn mark(&mut self, kind: BlobKind, id: &[u8; 32]) -> Result<Option<Placed>> {
        let at = self.rows.partition_point(|row| (row.kind, &row.id) < (kind, id));
        let Some(row) = self.rows.get_mut(at).filter(|row| row.kind == kind && row.id == *id)
        else {
            return Err(not_found(kind, id));
        };
        if row.used {
            return Ok(None);
        }
        row.used = true;
        let row = *row;
        match self.packs[row.pack as usize].size {
            Some(size) if size >= u64::from(row.offset) + u64::from(row.length) => {
                Ok(Some(self.placed(&row)))
            }
            _ => Err(Error::damaged(
                format!("pack {}", self.packs[row.pack as usize].id),
                "is needed by a snapshot and missing or too short",
            )),
        }
    }

    /// Follows all snapshots, foreign ones included, and marks what they need. Those that are known
    /// to be there are read whatever the listing says.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming what a snapshot needs and cannot be had: nothing may be deleted
    /// then.
    pub(super) fn mark_used(
        &mut self,
        repository: &Repository,
        known: &KnownSnapshots,
    ) -> Result<()> {
        let listed = repository.backend.files(Kind::Snapshot)?.into_iter().map(|(id, _)| id);
        let mut ids: BTreeSet<FileId> = listed.chain(known.present.iter().copied()).collect();
        ids.retain(|id| !known.gone.contains(id));
        let mut level = Vec::new();
        for id in ids {
            let snapshot: SnapshotJson = repository.load(Kind::Snapshot, &id)?;
            level.extend(self.mark(BlobKind::Tree, &snapshot.tree().0)?);
        }
        while !level.is_empty() {
            let mut below = Vec::new();
            read_blobs(repository, level, |placed, read| {
                let opened = read.or_else(|err| self.other_copy(repository, &placed, err))?;
                self.mark_tree(TreeId(placed.id), &opened.plain, &mut below)
            })?;
            level = below;
        }
        Ok(())
    }

    fn mark_tree(&mut self, id: TreeId, plain: &[u8], below: &mut Vec<Placed>) -> Result<()> {
        for node in parse_tree(id, plain)? {
            match node.kind {
                NodeKind::Dir { tree: None } => {}
                NodeKind::Dir { tree: Some(tree) } => {
                    below.extend(self.mark(BlobKind::Tree, &tree.0)?);
                }
                NodeKind::File { content, .. } => {
                    for blob in content {
                        self.mark(BlobKind::Data, &blob.0)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Another copy of a blob whose best copy is damaged; that is the one to keep then.
    pub(super) fn other_copy(
        &mut self,
        repository: &Repository,
        damaged: &Placed,
        err: Error,
    ) -> Result<Opened> {
        let first = self.rows.partition_point(|r| (r.kind, &r.id) < (damaged.kind, &damaged.id));
        let count = self.copies(damaged.kind, &damaged.id).len();
        for at in first..first + count {
            let placed = self.placed(&self.rows[at]);
            if placed.at == damaged.at {
                continue;
            }
            let mut found = None;
            read_blobs(repository, vec![placed], |_, read| {
                found = read.ok();
                Ok(())
            })?;
            if let Some(opened) = found {
                self.rows[first..first + count].iter_mut().for_each(|row| row.used = false);
                self.rows[at].used = true;
                return Ok(opened);
            }
        }
        Err(err)
    }

    /// The blobs of a pack. The rows must be sorted by pack.
    pub(super) fn rows_of(&self, number: u32) -> &[Row] {
        let from = self.rows.partition_point(|row| row.pack < number);
        let to = self.rows.partition_point(|row| row.pack <= number);
        &self.rows[from..to]
    }

    /// What an index file says of a pack. The rows must be sorted by pack.
    pub(super) fn describe(&self, number: u32) -> Vec<PackInfo> {
        let of_kind = |kind| PackInfo {
            id: self.packs[number as usize].id,
            kind,
            blobs: (self.rows_of(number).iter())
                .filter(|row| row.kind == kind)
                .map(Row::blob)
                .collect(),
        };
        BlobKind::ALL.map(of_kind).into_iter().filter(|pack| !pack.blobs.is_empty()).collect()
    }

    /// Ids of all packs that some index file in force names.
    pub(super) fn pack_ids(&self) -> HashSet<FileId> {
        self.packs.iter().map(|pack| pack.id).collect()
    }
}

fn not_found(kind: BlobKind, id: &[u8; 32]) -> Error {
    let name = match kind {
        BlobKind::Data => "blob",
        BlobKind::Tree => "tree",
    };
    let what = "is needed by a snapshot and in no index file";
    Error::damaged(format!("{name} {}", FileId(*id)), what)
}

impl Loader {
    fn add_file(&mut self, id: FileId, file: &index::IndexFile, blobs: usize, now: Timestamp) {
        let (mut packs, mut marks) = (Vec::new(), Vec::new());
        for pack in &file.packs {
            let number = self.add_pack(pack);
            self.census.packs[number as usize].live = true;
            packs.push(number);
        }
        for (pack, since) in &file.marked {
            let number = self.add_pack(pack);
            let marked = &mut self.census.packs[number as usize].marked;
            // Of several marks the latest counts.
            *marked = (*marked).max(Some(since.unwrap_or(now)));
            marks.push(number);
        }
        packs.extend(&marks);
        packs.sort_unstable();
        packs.dedup();
        let supersedes = file.supersedes.clone();
        self.census.files.push(IndexFile { id, packs, marked: marks, supersedes, blobs });
    }

    fn add_pack(&mut self, pack: &PackInfo) -> u32 {
        let packs = &mut self.census.packs;
        let number = *self.numbers.entry(pack.id).or_insert_with(|| {
            let size = self.sizes.get(&pack.id).copied();
            packs.push(Pack { id: pack.id, size, live: false, marked: None });
            u32::try_from(packs.len() - 1).expect("a shard has less than 2^32 packs")
        });
        self.census.rows.extend(pack.blobs.iter().map(|blob| Row {
            id: blob.id,
            pack: number,
            offset: blob.offset,
            length: blob.length,
            size: blob.size.unwrap_or_default(),
            kind: pack.kind,
            used: false,
        }));
        number
    }
}
