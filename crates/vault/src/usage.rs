//! What a shard takes up: files, packs, blobs, and what each blob takes.

use std::collections::HashSet;

use crate::backend::Kind;
use crate::error::Result;
use crate::id::{BlobId, FileId, TreeId};
use crate::index::IndexFiles;
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::shard::Shard;

/// What a shard takes up in its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Packs, those that no index file names included.
    pub packs: u64,
    /// Bytes of the packs.
    pub pack_bytes: u64,
    /// Bytes of index files and snapshots.
    pub index_bytes: u64,
    /// Blobs of content in the index.
    pub data_blobs: u64,
    /// Trees in the index.
    pub tree_blobs: u64,
    /// Bytes of content before compression.
    pub data_bytes: u64,
    /// Bytes of content as stored.
    pub data_stored: u64,
    /// Bytes of trees as stored.
    pub tree_stored: u64,
}

/// Bytes that encryption adds to each blob: nonce and MAC (restic's design, "Packs").
const SEAL_BYTES: u64 = 32;

impl Shard {
    /// Counts what lies in the store: a listing of its files, and the index files read one by one.
    /// A blob that lies in two packs counts once.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] naming an index file that cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let repository = self.repository();
        let mut usage = Usage::default();
        for (_, size) in repository.backend.files(Kind::Pack)? {
            usage.packs += 1;
            usage.pack_bytes += size;
        }
        for kind in [Kind::Index, Kind::Snapshot] {
            let files = repository.backend.files(kind)?;
            usage.index_bytes += files.iter().map(|(_, size)| size).sum::<u64>();
        }
        let mut seen: [HashSet<FileId>; 2] = Default::default();
        let files = IndexFiles::read(repository)?;
        if let Some((_, err)) = files.damaged.into_iter().next() {
            return Err(err);
        }
        for (_, file) in files.in_force {
            for pack in file.packs {
                let seen = &mut seen[pack.kind as usize];
                for blob in pack.blobs.iter().filter(|blob| seen.insert(FileId(blob.id))) {
                    let stored = u64::from(blob.length);
                    let plain = blob.size.map_or(stored.saturating_sub(SEAL_BYTES), u64::from);
                    usage.count(pack.kind, plain, stored);
                }
            }
        }
        Ok(usage)
    }
}

impl Usage {
    fn count(&mut self, kind: BlobKind, plain: u64, stored: u64) {
        match kind {
            BlobKind::Data => {
                self.data_blobs += 1;
                self.data_bytes += plain;
                self.data_stored += stored;
            }
            BlobKind::Tree => {
                self.tree_blobs += 1;
                self.tree_stored += stored;
            }
        }
    }
}

impl Reader {
    /// Bytes that a blob of content takes in its pack; `None` where it is unknown.
    pub fn stored_blob(&self, id: &BlobId) -> Option<u32> {
        self.blobs.stored_length(BlobKind::Data, &id.0)
    }

    /// Bytes that a tree takes in its pack; `None` where it is unknown.
    pub fn stored_tree(&self, id: &TreeId) -> Option<u32> {
        self.blobs.stored_length(BlobKind::Tree, &id.0)
    }
}
