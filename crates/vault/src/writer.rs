//! The writer of a shard.
//!
//! Content is cut, hashed, looked up, compressed and encrypted on the caller's threads; whoever
//! fills a pack writes it. The order of durability is data packs, tree packs, index, snapshot: a
//! crash at any point leaves only packs that nobody names.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdfast_model::Timestamp;

use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::cut::{self, Cut};
use crate::edit::Edit;
use crate::error::{Error, Result};
use crate::fanout::Fanout;
use crate::id::{BlobId, TreeId, sha256};
use crate::index;
use crate::limits;
use crate::lock::RepositoryLock;
use crate::node::Content;
use crate::pack::{BlobKind, PackBuilder, PackInfo};
use crate::reader::Reader;
use crate::snapshot::{Snapshot, SnapshotJson, Tags};

/// Blobs after which an index file is written, snapshot or not (as restic does).
const BLOBS_PER_INDEX: usize = 50_000;

/// What a writer has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Blobs of content that were stored.
    pub blobs_new: u64,
    /// Blobs of content that were there already.
    pub blobs_reused: u64,
    /// Trees that were stored.
    pub trees_new: u64,
    /// Bytes of content given to [`Writer::put`].
    pub bytes_in: u64,
    /// Bytes of new blobs and trees before compression.
    pub bytes_new: u64,
    /// Bytes of new blobs and trees after compression and encryption.
    pub bytes_stored: u64,
    /// Packs that were written.
    pub packs: u64,
}

/// Adds content, trees and snapshots to a shard. [`Writer::put`] may be called from many threads.
///
/// After a failed write the writer takes no further snapshot: drop it and start again.
pub struct Writer {
    blobs: Arc<Blobs>,
    reader: Reader,
    packing: Mutex<Packing>,
    /// Signals that a pack was written or given up.
    written: Condvar,
    /// Held while index files and snapshots are written.
    commit: Mutex<()>,
    _lock: RepositoryLock,
}

struct Packing {
    open: [PackBuilder; 2],
    next_ticket: u64,
    /// Packs that are being written.
    tickets: BTreeSet<u64>,
    unindexed: Vec<PackInfo>,
    failed: bool,
    stats: WriterStats,
}

/// A full pack and its place in the order of packs.
struct FullPack {
    builder: PackBuilder,
    ticket: u64,
}

impl Writer {
    pub(crate) fn new(blobs: Blobs, lock: RepositoryLock) -> Self {
        let blobs = Arc::new(blobs);
        let packing = Packing {
            open: [PackBuilder::new(BlobKind::Data), PackBuilder::new(BlobKind::Tree)],
            next_ticket: 0,
            tickets: BTreeSet::new(),
            unindexed: Vec::new(),
            failed: false,
            stats: WriterStats::default(),
        };
        Self {
            reader: Reader::new(Arc::clone(&blobs)),
            blobs,
            packing: Mutex::new(packing),
            written: Condvar::new(),
            commit: Mutex::new(()),
            _lock: lock,
        }
    }

    /// A reader of everything that was in the shard when the writer was made and of everything
    /// that the writer has stored since.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Stores content and tells where it went. What is known already, also from another thread a
    /// moment ago, is not stored again.
    pub fn put(&self, content: &[u8], cut: Cut) -> Result<Content> {
        let mut blobs = Vec::new();
        for piece in cut::pieces(content, cut, &self.blobs.repository.rabin) {
            blobs.push(BlobId(self.store(BlobKind::Data, &content[piece])?));
        }
        let size = content.len() as u64;
        self.packing().stats.bytes_in += size;
        Ok(Content { blobs, size })
    }

    /// Starts to change a tree; `None` starts with an empty one.
    pub fn edit(&self, root: Option<TreeId>, fanout: Fanout) -> Edit<'_> {
        Edit::new(self, root, fanout)
    }

    /// What was done so far.
    pub fn stats(&self) -> WriterStats {
        self.packing().stats
    }

    /// Writes everything that is still in memory, then the snapshot. It is durable when this
    /// returns. May be called again for later states.
    ///
    /// # Errors
    /// [`Error::WriterFailed`] when any earlier write failed, [`Error::Invalid`] when `tree` is
    /// unknown or a tag makes no sense.
    pub fn snapshot(
        &self,
        tree: TreeId,
        tags: &Tags,
        time: Timestamp,
        hostname: &str,
        paths: &[String],
    ) -> Result<Snapshot> {
        let file = SnapshotJson::new(tree, tags, time, hostname, paths)?;
        if !self.blobs.contains(BlobKind::Tree, &tree.0) {
            return Err(Error::invalid(format!("tree {tree} is not in the shard")));
        }
        let _commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in BlobKind::ALL {
            self.finish_packs(kind)?;
        }
        self.write_index()?;
        tracing::debug!(target: "holdfast::stage", stage = "snapshot");
        let stored = self.blobs.repository.store(Kind::Snapshot, &file);
        let id = self.note_failure(stored)?;
        file.into_snapshot(id).ok_or_else(|| Error::invalid("the tags cannot be read back"))
    }

    /// Stores a blob unless it is known.
    pub(crate) fn store(&self, kind: BlobKind, data: &[u8]) -> Result<[u8; 32]> {
        let id = sha256(data);
        if !self.blobs.claim(kind, id) {
            if kind == BlobKind::Data {
                self.packing().stats.blobs_reused += 1;
            }
            return Ok(id);
        }
        let packed = self.pack(kind, id, data);
        if packed.is_err() {
            self.blobs.give_up(kind, id);
        }
        match self.note_failure(packed)? {
            Some(full) => self.write_pack(full)?,
            None => return Ok(id),
        }
        if self.packing().unindexed_blobs() >= BLOBS_PER_INDEX {
            let _commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
            self.write_index()?;
        }
        Ok(id)
    }

    /// Compresses, encrypts and adds a claimed blob to the open pack; gives the pack if full.
    fn pack(&self, kind: BlobKind, id: [u8; 32], data: &[u8]) -> Result<Option<FullPack>> {
        let repository = &self.blobs.repository;
        let size = u32::try_from(data.len()).ok().filter(|_| data.len() <= limits::BLOB);
        let size = size.ok_or_else(|| {
            Error::invalid("a tree of more than 256 MiB cannot be stored; use a fan-out")
        })?;
        let sealed = Bytes::from(repository.key.encrypt(&repository.compress(data)?));
        let mut packing = self.packing();
        let full = match packing.open[kind as usize].fits(sealed.len()) {
            true => None,
            false => Some(packing.close(kind)),
        };
        packing.open[kind as usize].add(id, size, sealed.clone());
        packing.count(kind, data.len(), sealed.len());
        self.blobs.pending(kind, id, sealed, size);
        let is_full = full.is_none() && packing.open[kind as usize].is_full();
        Ok(full.or_else(|| is_full.then(|| packing.close(kind))))
    }

    /// Writes a pack.
    fn write_pack(&self, pack: FullPack) -> Result<()> {
        tracing::debug!(target: "holdfast::stage", stage = "pack");
        let repository = &self.blobs.repository;
        let (parts, info) = pack.builder.seal(&repository.key);
        let written = repository.backend.write_file(Kind::Pack, &info.id, &parts);
        let mut packing = self.packing();
        match &written {
            Ok(()) => {
                self.blobs.stored(&info);
                packing.unindexed.push(info);
                packing.stats.packs += 1;
            }
            Err(_) => packing.failed = true,
        }
        packing.tickets.remove(&pack.ticket);
        self.written.notify_all();
        written
    }

    /// Writes the open pack of a kind and waits for the earlier ones that other threads write.
    fn finish_packs(&self, kind: BlobKind) -> Result<()> {
        let mut packing = self.packing();
        let last = packing.next_ticket;
        let open = (!packing.open[kind as usize].is_empty()).then(|| packing.close(kind));
        drop(packing);
        if let Some(pack) = open {
            self.write_pack(pack)?;
        }
        let earlier = |packing: &mut Packing| packing.tickets.first().is_some_and(|t| *t < last);
        let packing = self
            .written
            .wait_while(self.packing(), earlier)
            .unwrap_or_else(PoisonError::into_inner);
        match packing.failed {
            true => Err(Error::WriterFailed { shard: self.name() }),
            false => Ok(()),
        }
    }

    /// Writes an index file of the packs that are in none. The caller holds `commit`.
    fn write_index(&self) -> Result<()> {
        let packs = std::mem::take(&mut self.packing().unindexed);
        if packs.is_empty() {
            return Ok(());
        }
        tracing::debug!(target: "holdfast::stage", stage = "index");
        self.note_failure(index::write(&self.blobs.repository, &packs))?;
        self.blobs.indexed(&packs);
        Ok(())
    }

    fn note_failure<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.packing().failed = true;
        }
        result
    }

    fn name(&self) -> String {
        self.blobs.repository.backend.name().to_owned()
    }

    fn packing(&self) -> MutexGuard<'_, Packing> {
        self.packing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packing {
    fn close(&mut self, kind: BlobKind) -> FullPack {
        let builder = std::mem::replace(&mut self.open[kind as usize], PackBuilder::new(kind));
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket);
        FullPack { builder, ticket }
    }

    fn count(&mut self, kind: BlobKind, size: usize, stored: usize) {
        match kind {
            BlobKind::Data => self.stats.blobs_new += 1,
            BlobKind::Tree => self.stats.trees_new += 1,
        }
        self.stats.bytes_new += size as u64;
        self.stats.bytes_stored += stored as u64;
    }

    fn unindexed_blobs(&self) -> usize {
        self.unindexed.iter().map(|pack| pack.blobs.len()).sum()
    }
}
