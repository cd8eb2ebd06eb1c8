//! The threads of a writer: workers, one for each processor, and uploaders.

use std::sync::{Arc, TryLockError};
use std::thread::{self, JoinHandle};

use super::queue::{FullPack, Queue};
use super::seal::Sealer;
use crate::backend::Kind;
use crate::compression::Compression;
use crate::error::{Error, Result};
use crate::index;

/// Packs that are written at the same time. A disk is content with one; a store that answers
/// after a tenth of a second is not.
const UPLOADERS: usize = 4;

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
    for _ in 0..UPLOADERS {
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

/// Writes an index file of the packs that are in none. The caller holds `commit`.
pub(super) fn write_index(queue: &Queue) -> Result<()> {
    let packs = queue.take_unindexed();
    if packs.is_empty() {
        return Ok(());
    }
    tracing::debug!(target: "holdfast::stage", stage = "index");
    index::write(&queue.blobs.repository, &packs)?;
    queue.blobs.indexed(&packs);
    Ok(())
}
