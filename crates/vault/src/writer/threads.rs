//! The threads of a writer: workers, one for each processor, and uploaders.

use std::sync::{Arc, TryLockError};
use std::thread::{self, JoinHandle};

use super::queue::{FullPack, Queue};
use super::seal::Sealer;
use crate::backend::Kind;
use crate::compression::Compression;
use crate::error::{Error, Result};
use crate::index;

/// Blobs after which an index file is written, snapshot or not (as restic does).
const BLOBS_PER_INDEX: usize = 50_000;

/// Starts the threads and adds them to `threads`. They end when the queue is stopped.
pub(super) fn start(
    queue: &Arc<Queue>,
    compression: Compression,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for _ in 0..workers {
        let sealer = Sealer::new(queue.blobs.repository.key.clone(), compression)?;
        threads.push(spawn("vault-worker", queue, |queue| work(queue, sealer))?);
    }
    for _ in 0..queue.uploads {
        threads.push(spawn("vault-upload", queue, upload)?);
    }
    Ok(())
}

fn spawn(
    name: &str,
    queue: &Arc<Queue>,
    run: impl FnOnce(&Queue) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let guard = Guard(Arc::clone(queue));
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&guard.0));
    thread.map_err(|source| Error::Engine { action: "start a thread", source: Box::new(source) })
}

/// Fails the writer if a thread panics: others wait for its work.
struct Guard(Arc<Queue>);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Error::invalid("a thread of the writer panicked"));
        }
    }
}

/// Compresses and encrypts.
fn work(queue: &Queue, mut sealer: Sealer) {
    while let Some(batch) = queue.next_batch() {
        match sealer.seal(&batch) {
            Ok(segment) => queue.sealed(&batch, segment),
            Err(error) => drop(queue.fail(error)),
        }
    }
}

/// Writes packs, and an index file when there are many blobs without.
fn upload(queue: &Queue) {
    while let Some(pack) = queue.next_pack() {
        if let Err(error) = upload_one(queue, pack) {
            queue.fail(error);
        }
    }
}

fn upload_one(queue: &Queue, pack: FullPack) -> Result<()> {
    tracing::debug!(target: "holdfast::stage", stage = "pack");
    let repository = &queue.blobs.repository;
    let (ticket, length) = (pack.ticket(), pack.builder.length());
    let (parts, info) = pack.builder.seal(&repository.key);
    repository.backend.write_file(Kind::Pack, &info.id, &parts)?;
    drop(parts);
    if queue.stored(ticket, length, info) < BLOBS_PER_INDEX {
        return Ok(());
    }
    // Whoever writes a snapshot writes the index itself and may be waiting for this thread.
    let _commit = match queue.commit.try_lock() {
        Ok(commit) => commit,
        Err(TryLockError::Poisoned(commit)) => commit.into_inner(),
        Err(TryLockError::WouldBlock) => return Ok(()),
    };
    write_index(queue)
}

/// Writes an index file of the packs that are in none. The caller holds `commit`, and a failure is
/// noted before it lets go of that: the next snapshot would count on packs that no index file
/// names.
pub(super) fn write_index(queue: &Queue) -> Result<()> {
    let packs = queue.take_unindexed();
    if packs.is_empty() {
        return Ok(());
    }
    tracing::debug!(target: "holdfast::stage", stage = "index");
    index::write(&queue.blobs.repository, &packs).map_err(|error| queue.fail(error))?;
    queue.blobs.indexed(&packs);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use holdfast_model::{Clock, Secret, ShardId};

    use super::*;
    use crate::blobs::Blobs;
    use crate::id::{FileId, sha256};
    use crate::pack::{BlobKind, PackInfo};
    use crate::vault::Vault;

    /// The queue of a shard in a folder.
    fn queue(dir: &std::path::Path) -> Queue {
        let (vault, _) = Vault::create(dir, &Secret::new("passphrase"), Clock::system()).unwrap();
        vault.create_shard(ShardId(1)).unwrap();
        let shard = vault.shard(ShardId(1)).unwrap();
        Queue::new(Arc::new(Blobs::load(Arc::clone(shard.repository())).unwrap()))
    }

    #[test]
    fn a_failed_index_write_is_noted_before_a_snapshot_may_follow() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue(&dir.path().join("vault"));
        let pack = PackInfo { id: FileId([1; 32]), kind: BlobKind::Data, blobs: Vec::new() };
        assert_eq!(queue.stored(0, 0, pack), 0);
        // A file in the place of the folder.
        let index = dir.path().join("vault/shards/1/index");
        let _ = std::fs::remove_dir(&index);
        std::fs::write(&index, "").unwrap();
        let commit = queue.commit.lock().unwrap();
        assert!(matches!(write_index(&queue), Err(Error::WriterFailed { .. })));
        assert!(matches!(queue.check(), Err(Error::WriterFailed { .. })), "not known in time");
        drop(commit);
    }

    #[test]
    fn nothing_is_known_before_it_is_in_a_batch() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue(&dir.path().join("vault"));
        let plain = Bytes::from_static(b"content");
        let id = sha256(&plain);
        let knows = || queue.blobs.contains(BlobKind::Data, &id);
        let begun = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            // While this is held nothing gets into a batch.
            let held = queue.hold();
            let other = scope.spawn(|| {
                begun.wait();
                queue.push_new(BlobKind::Data, id, plain.clone()).unwrap()
            });
            begun.wait();
            for _ in 0..10_000 {
                assert!(!knows(), "it is known and in no batch");
                thread::yield_now();
            }
            drop(held);
            assert!(other.join().unwrap());
        });
        assert!(knows());
        assert!(!queue.push_new(BlobKind::Data, id, plain).unwrap());
    }
}
