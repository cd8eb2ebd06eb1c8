//! The way of content through the writer: batches for the workers, packs for the uploaders, and
//! the limits in bytes on both.
//!
//! Small items go to a worker many at a time: handing over each one would cost as much as
//! compressing it. Everything here is bookkeeping under one lock; the work is done outside of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::WriterStats;
use super::seal::Segment;
use crate::blobs::Blobs;
use crate::error::{Error, Result};
use crate::pack::{BlobKind, PackBuilder, PackInfo};
use crate::repository::Repository;

/// Bytes of content that go to a worker at once, or one piece that is larger.
pub(super) const BATCH_BYTES: usize = 128 << 10;
/// Bytes of content, not yet compressed, that wait for a worker or are in the hands of one; who
/// brings more waits.
const QUEUE_BYTES: usize = 2 << 20;

/// Packs that are worth writing at the same time: a disk is content with one and another that
/// waits for it, a store that answers after a tenth of a second is not.
fn uploads(repository: &Repository) -> usize {
    if repository.backend.store().folder().is_some() { 2 } else { 4 }
}

/// Bytes of packs that wait for an uploader or are in the hands of one at which the workers wait:
/// half a pack less than `uploads` of them. With the one that is filled about so many packs are in
/// memory.
const fn upload_bytes(uploads: usize) -> usize {
    let pack = BlobKind::Data.target() as usize;
    uploads * pack - pack / 2
}

/// Pieces of content of one kind with their ids.
pub(super) struct Batch {
    pub(super) kind: BlobKind,
    pub(super) pieces: Vec<([u8; 32], Bytes)>,
    bytes: usize,
    ticket: u64,
}

/// A full pack.
pub(super) struct FullPack {
    pub(super) builder: PackBuilder,
    ticket: u64,
}

/// Work that has begun, in order, so that one can wait for the part that began before now.
#[derive(Default)]
struct Tickets {
    next: u64,
    open: BTreeSet<u64>,
}

pub(super) struct Queue {
    pub(super) blobs: Arc<Blobs>,
    /// Packs that are written at the same time.
    pub(super) uploads: usize,
    state: Mutex<State>,
    /// Signals a batch to the workers.
    batches: Condvar,
    /// Signals a pack to the uploaders.
    packs: Condvar,
    /// Signals room in the queue to those who bring content.
    room: Condvar,
    /// Signals that a batch or a pack is done.
    done: Condvar,
    /// Held while index files and snapshots are written.
    pub(super) commit: Mutex<()>,
}

struct State {
    /// Batches that are being filled, by kind.
    filling: [Batch; 2],
    batches: VecDeque<Batch>,
    batch_tickets: Tickets,
    queued: usize,
    /// Packs that are being filled, by kind.
    open: [PackBuilder; 2],
    packs: VecDeque<FullPack>,
    pack_tickets: Tickets,
    uploading: usize,
    /// Packs that are written and in no index file.
    unindexed: Vec<PackInfo>,
    stats: WriterStats,
    failure: Option<Arc<Error>>,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(blobs: Arc<Blobs>) -> Self {
        let state = State {
            filling: BlobKind::ALL.map(Batch::new),
            batches: VecDeque::new(),
            batch_tickets: Tickets::default(),
            queued: 0,
            open: BlobKind::ALL.map(PackBuilder::new),
            packs: VecDeque::new(),
            pack_tickets: Tickets::default(),
            uploading: 0,
            unindexed: Vec::new(),
            stats: WriterStats::default(),
            failure: None,
            stopped: false,
        };
        Self {
            uploads: uploads(&blobs.repository),
            blobs,
            state: Mutex::new(state),
            batches: Condvar::new(),
            packs: Condvar::new(),
            room: Condvar::new(),
            done: Condvar::new(),
            commit: Mutex::new(()),
        }
    }

    /// Takes a piece and says so, unless it is known; waits while the queue is full.
    ///
    /// It becomes known and is put into the batch under one lock: who finds it known and then
    /// waits for the batches waits for it too.
    pub(super) fn push_new(&self, kind: BlobKind, id: [u8; 32], plain: Bytes) -> Result<bool> {
        let mut state = self.lock();
        state.check(self)?;
        if !self.blobs.claim(kind, id, &plain) {
            return Ok(false);
        }
        state.count(kind, plain.len());
        state.filling[kind as usize].add(id, plain);
        if state.filling[kind as usize].bytes < BATCH_BYTES {
            return Ok(true);
        }
        state.hand_over(kind);
        self.batches.notify_one();
        let full = |state: &mut State| state.queued >= QUEUE_BYTES && state.goes_on();
        let state = self.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        state.check(self).map(|()| true)
    }

    /// The next batch for a worker; `None` when the writer ends.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        let idle = |state: &mut State| state.batches.is_empty() && state.goes_on();
        let state = self.batches.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.goes_on() { state.batches.pop_front() } else { None }
    }

    /// A worker has done a batch: it goes to the open pack. Waits while too many packs are on
    /// their way.
    pub(super) fn sealed(&self, batch: &Batch, segment: Segment) {
        self.blobs.sealed(batch.kind, &segment.sealed, &segment.blobs);
        let limit = upload_bytes(self.uploads);
        let full = |state: &mut State| state.uploading >= limit && state.goes_on();
        let state = self.done.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.stats.bytes_stored += segment.sealed.len() as u64;
        state.open[batch.kind as usize].add(segment.sealed, &segment.blobs);
        if state.open[batch.kind as usize].is_full() {
            state.close(batch.kind);
            self.packs.notify_one();
        }
        let was_full = state.queued >= QUEUE_BYTES;
        state.queued -= batch.bytes;
        if was_full && state.queued < QUEUE_BYTES {
            self.room.notify_all();
        }
        state.batch_tickets.open.remove(&batch.ticket);
        self.done.notify_all();
    }

    /// The next pack for an uploader; `None` when the writer ends.
    pub(super) fn next_pack(&self) -> Option<FullPack> {
        let idle = |state: &mut State| state.packs.is_empty() && state.goes_on();
        let state = self.packs.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.goes_on() { state.packs.pop_front() } else { None }
    }

    /// A pack is written. Gives the number of blobs that no index file names.
    pub(super) fn stored(&self, ticket: u64, length: usize, info: PackInfo) -> usize {
        self.blobs.stored(&info);
        let mut state = self.lock();
        state.unindexed.push(info);
        state.stats.packs += 1;
        state.uploading -= length;
        state.pack_tickets.open.remove(&ticket);
        self.done.notify_all();
        state.unindexed.iter().map(|pack| pack.blobs.len()).sum()
    }

    /// Waits until everything that was pushed before is in a pack.
    pub(super) fn finish_batches(&self) -> Result<()> {
        let mut state = self.lock();
        for kind in BlobKind::ALL {
            state.hand_over(kind);
        }
        self.batches.notify_all();
        let last = state.batch_tickets.next;
        self.wait(state, |state| state.batch_tickets.all_before(last))
    }

    /// Closes the open pack of a kind and waits until it and all earlier ones are written.
    pub(super) fn finish_packs(&self, kind: BlobKind) -> Result<()> {
        let mut state = self.lock();
        state.close(kind);
        self.packs.notify_one();
        let last = state.pack_tickets.next;
        self.wait(state, |state| state.pack_tickets.all_before(last))
    }

    /// The failure, if there was one.
    pub(super) fn check(&self) -> Result<()> {
        self.lock().check(self)
    }

    fn wait(&self, state: MutexGuard<'_, State>, is_done: impl Fn(&State) -> bool) -> Result<()> {
        let waits = |state: &mut State| !is_done(state) && state.goes_on();
        let state = self.done.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.check(self)
    }

    /// Takes the packs that are in no index file.
    pub(super) fn take_unindexed(&self) -> Vec<PackInfo> {
        std::mem::take(&mut self.lock().unindexed)
    }

    /// Notes a failure: nothing goes on from here. Only the first one counts.
    pub(super) fn fail(&self, error: Error) -> Error {
        let mut state = self.lock();
        let cause = state.failure.get_or_insert_with(|| Arc::new(error));
        let failed = self.failed(Arc::clone(cause));
        drop(state);
        self.wake();
        failed
    }

    /// Ends the threads; what is still in memory is dropped.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.wake();
    }

    /// Counts content that was given to the writer.
    pub(super) fn count_input(&self, bytes: u64, reused: u64) {
        let mut state = self.lock();
        state.stats.bytes_in += bytes;
        state.stats.blobs_reused += reused;
    }

    pub(super) fn stats(&self) -> WriterStats {
        self.lock().stats
    }

    fn wake(&self) {
        for condition in [&self.batches, &self.packs, &self.room, &self.done] {
            condition.notify_all();
        }
    }

    fn failed(&self, cause: Arc<Error>) -> Error {
        Error::WriterFailed { shard: self.blobs.repository.backend.name().to_owned(), cause }
    }

    /// Keeps everything from going on, for tests.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn goes_on(&self) -> bool {
        self.failure.is_none() && !self.stopped
    }

    fn check(&self, queue: &Queue) -> Result<()> {
        match &self.failure {
            Some(cause) => Err(queue.failed(Arc::clone(cause))),
            None => Ok(()),
        }
    }

    fn count(&mut self, kind: BlobKind, size: usize) {
        match kind {
            BlobKind::Data => self.stats.blobs_new += 1,
            BlobKind::Tree => self.stats.trees_new += 1,
        }
        self.stats.bytes_new += size as u64;
    }

    /// Gives the batch that is being filled to the workers, if there is something in it.
    fn hand_over(&mut self, kind: BlobKind) {
        let filling = &mut self.filling[kind as usize];
        if filling.pieces.is_empty() {
            return;
        }
        let mut batch = std::mem::replace(filling, Batch::new(kind));
        batch.ticket = self.batch_tickets.start();
        self.queued += batch.bytes;
        self.batches.push_back(batch);
    }

    /// Gives the open pack to the uploaders, if there is something in it.
    fn close(&mut self, kind: BlobKind) {
        let open = &mut self.open[kind as usize];
        if open.is_empty() {
            return;
        }
        let builder = std::mem::replace(open, PackBuilder::new(kind));
        self.uploading += builder.length();
        let ticket = self.pack_tickets.start();
        self.packs.push_back(FullPack { builder, ticket });
    }
}

impl Batch {
    fn new(kind: BlobKind) -> Self {
        Self { kind, pieces: Vec::new(), bytes: 0, ticket: 0 }
    }

    fn add(&mut self, id: [u8; 32], plain: Bytes) {
        self.bytes += plain.len();
        self.pieces.push((id, plain));
    }
}

impl FullPack {
    pub(super) fn ticket(&self) -> u64 {
        self.ticket
    }
}

impl Tickets {
    fn start(&mut self) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.open.insert(ticket);
        ticket
    }

    fn all_before(&self, ticket: u64) -> bool {
        self.open.first().is_none_or(|first| *first >= ticket)
    }
}
