//! The writer of a shard.
//!
//! Whoever brings content cuts it, hashes it and looks it up. What is new goes in batches through
//! a queue that is bounded in bytes (`queue`) to the workers, which compress and encrypt
//! (`seal`), into packs, which uploaders write (`threads`). The order of durability is data
//! packs, tree packs, index, snapshot: a crash at any point leaves only packs that nobody names.

mod chunks;
mod queue;
mod room;
mod seal;
mod threads;

use std::io::Read;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use holdfast_model::Timestamp;

use self::chunks::Chunks;
use self::queue::Queue;
use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::compression::Compression;
use crate::cut::{self, Cut};
use crate::edit::Edit;
use crate::error::{Error, Result};
use crate::fanout::Fanouts;
use crate::id::{BlobId, TreeId, sha256};
use crate::limits;
use crate::lock::RepositoryLock;
use crate::node::Content;
use crate::pack::BlobKind;
use crate::reader::Reader;
use crate::snapshot::{Snapshot, SnapshotJson, Tags};

/// What a writer has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Blobs of content that were new.
    pub blobs_new: u64,
    /// Blobs of content that were there already.
    pub blobs_reused: u64,
    /// Trees that were new.
    pub trees_new: u64,
    /// Bytes of content given to [`Writer::put`] and [`Writer::put_reader`].
    pub bytes_in: u64,
    /// Bytes of new blobs and trees before compression.
    pub bytes_new: u64,
    /// Bytes of new blobs and trees after compression and encryption, as far as they are done.
    pub bytes_stored: u64,
    /// Packs that were written.
    pub packs: u64,
}

/// Adds content, trees and snapshots to a shard. [`Writer::put`] may be called from many threads.
///
/// Content is stored in the background. After a failed write every call answers
/// [`Error::WriterFailed`] and the writer takes no further snapshot: drop it and start again.
/// Dropping it gives up what is not yet written.
pub struct Writer {
    queue: Arc<Queue>,
    reader: Reader,
    threads: Vec<JoinHandle<()>>,
    /// Dropped last: when the threads have ended.
    lock: RepositoryLock,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(crate) fn new(
        blobs: Blobs,
        lock: RepositoryLock,
        compression: Compression,
    ) -> Result<Self> {
        let blobs = Arc::new(blobs);
        let queue = Arc::new(Queue::new(Arc::clone(&blobs)));
        let mut writer = Self { queue, reader: Reader::new(blobs), threads: Vec::new(), lock };
        threads::start(&writer.queue, compression, &mut writer.threads)?;
        Ok(writer)
    }

    /// A reader of everything that was in the shard when the writer was made and of everything
    /// that was given to the writer since.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Takes content and tells where it goes. What is known already, also from another thread a
    /// moment ago, is not stored again. Waits while too much is in the queue.
    ///
    /// # Errors
    /// [`Error::WriterFailed`] when any earlier write failed.
    pub fn put(&self, content: &[u8], cut: Cut) -> Result<Content> {
        let mut blobs = Vec::new();
        let mut reused = 0;
        for piece in cut::pieces(content, cut, &self.blobs().repository.chunker) {
            let piece = &content[piece];
            let id = sha256(piece);
            // What is known is not copied.
            if self.blobs().contains(BlobKind::Data, &id)
                || !self.queue.push_new(BlobKind::Data, id, Bytes::copy_from_slice(piece))?
            {
                reused += 1;
            }
            blobs.push(BlobId(id));
        }
        let size = content.len() as u64;
        self.queue.count_input(size, reused);
        Ok(Content { blobs, size })
    }

    /// Takes content of any size from a stream, as [`Writer::put`] does with [`Cut::Whole`]. At
    /// most one chunk (8 MiB) and a little more is held besides the queue.
    ///
    /// # Errors
    /// As [`Writer::put`]; [`Error::Input`] where the stream fails.
    pub fn put_reader(&self, content: &mut dyn Read) -> Result<Content> {
        let mut stored = Content::default();
        let mut reused = 0;
        let mut chunks = Chunks::new(&self.blobs().repository.chunker, content);
        loop {
            let piece = chunks.next()?;
            if piece.is_empty() {
                break;
            }
            stored.size += piece.len() as u64;
            let id = sha256(&piece);
            reused += u64::from(!self.store(BlobKind::Data, id, piece)?);
            stored.blobs.push(BlobId(id));
        }
        self.queue.count_input(stored.size, reused);
        Ok(stored)
    }

    /// Starts to change a tree; `None` starts with an empty one.
    pub fn edit(&self, root: Option<TreeId>, fanouts: impl Into<Fanouts>) -> Edit<'_> {
        Edit::new(self, root, fanouts.into())
    }

    /// What was done so far.
    pub fn stats(&self) -> WriterStats {
        self.queue.stats()
    }

    /// Writes everything that is still in memory, then the snapshot. It is durable when this
    /// returns. May be called again for later states.
    ///
    /// # Errors
    /// [`Error::WriterFailed`] when this or any earlier write failed, [`Error::Invalid`] when
    /// `tree` is unknown or a tag makes no sense.
    pub fn snapshot(
        &self,
        tree: TreeId,
        tags: &Tags,
        time: Timestamp,
        hostname: &str,
        paths: &[String],
    ) -> Result<Snapshot> {
        self.commit(SnapshotJson::new(tree, tags, time, hostname, paths)?)
    }

    /// As [`Writer::snapshot`], with what is said of another snapshot: a copy or a rewriting of it.
    pub(crate) fn snapshot_like(
        &self,
        other: &Snapshot,
        tree: TreeId,
        tags: &Tags,
    ) -> Result<Snapshot> {
        let file = SnapshotJson::new(tree, tags, other.time, &other.hostname, &other.paths)?;
        self.commit(if other.repaired { file.repaired() } else { file })
    }

    /// Writes everything that is still in memory, then the snapshot.
    fn commit(&self, file: SnapshotJson) -> Result<Snapshot> {
        let tree = file.tree();
        if !self.blobs().contains(BlobKind::Tree, &tree.0) {
            return Err(Error::invalid(format!("tree {tree} is not in the shard")));
        }
        let _commit = self.queue.commit.lock().unwrap_or_else(PoisonError::into_inner);
        self.queue.finish_batches()?;
        for kind in BlobKind::ALL {
            self.queue.finish_packs(kind)?;
        }
        threads::write_index(&self.queue)?;
        self.blobs().secure_locks().map_err(|error| self.queue.fail(error))?;
        tracing::debug!(target: "holdfast::stage", stage = "snapshot");
        self.queue.check()?;
        let stored = self.blobs().repository.store(Kind::Snapshot, &file);
        let id = stored.map_err(|error| self.queue.fail(error))?;
        file.into_snapshot(id).ok_or_else(|| Error::invalid("the tags cannot be read back"))
    }

    /// True for a blob that is stored or on its way.
    pub(crate) fn knows(&self, kind: BlobKind, id: &[u8; 32]) -> bool {
        self.blobs().contains(kind, id)
    }

    /// Stores a blob as it is cut already, unless it is known.
    pub(crate) fn store_blob(&self, kind: BlobKind, id: [u8; 32], plain: Vec<u8>) -> Result<()> {
        self.store(kind, id, plain.into()).map(drop)
    }

    /// Stores a tree unless it is known.
    pub(crate) fn store_tree(&self, tree: TreeId, json: Vec<u8>) -> Result<()> {
        if json.len() > limits::BLOB {
            return Err(Error::invalid(
                "a tree of more than 256 MiB cannot be stored; use a fan-out",
            ));
        }
        self.store(BlobKind::Tree, tree.0, json.into()).map(|_| ())
    }

    /// Puts a blob into the queue and says so, unless it is known.
    pub(crate) fn store(&self, kind: BlobKind, id: [u8; 32], plain: Bytes) -> Result<bool> {
        // Most are known, and those do not wait for the queue.
        if self.blobs().contains(kind, &id) {
            return Ok(false);
        }
        self.queue.push_new(kind, id, plain)
    }

    /// The restic lock under which this writer works.
    pub(crate) fn lock(&self) -> &RepositoryLock {
        &self.lock
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.queue.blobs
    }
}
