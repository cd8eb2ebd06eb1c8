//! Reads many blobs in the order in which they lie, with several requests under way, so that
//! maintenance costs few requests on a store far away and little seeking on a disk.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;

use crate::backend::Kind;
use crate::blobs;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::index::Location;
use crate::limits;
use crate::pack::BlobKind;
use crate::repository::Repository;

/// Requests under way at once.
const READERS: usize = 8;
/// Blobs of a pack that are no farther apart than this come with one request.
const MAX_GAP: u64 = 128 << 10;
/// Bytes of one request, but for blobs that are larger.
const MAX_REQUEST: u64 = 4 << 20;

/// A blob and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) kind: BlobKind,
    pub(super) id: [u8; 32],
    pub(super) at: Location,
}

/// A blob whose content has been compared with its name.
pub(super) struct Opened {
    /// As it lies in the pack.
    pub(super) sealed: Bytes,
    /// Its size before compression; `None` where it is stored as it is.
    pub(super) size: Option<u32>,
    pub(super) plain: Vec<u8>,
}

type Answer = (Placed, Result<Opened>);

impl Placed {
    fn end(&self) -> u64 {
        u64::from(self.at.offset) + u64::from(self.at.length)
    }
}

/// Reads `blobs` and hands each to `each`, with [`Error::Damaged`] where it cannot be had. Any
/// other error ends the reading, as does one from `each`.
pub(super) fn read_blobs(
    repository: &Repository,
    mut blobs: Vec<Placed>,
    mut each: impl FnMut(Placed, Result<Opened>) -> Result<()>,
) -> Result<()> {
    blobs.sort_unstable_by_key(|blob| (blob.at.pack, blob.at.offset));
    let requests = requests(&blobs);
    if let [request] = requests[..] {
        return deliver(read_request(repository, request), &mut each);
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<Answer>>(READERS);
        for _ in 0..READERS.min(requests.len()) {
            let (sender, requests, next) = (sender.clone(), &requests, &next);
            scope.spawn(move || work(repository, requests, next, &sender));
        }
        drop(sender);
        receiver.iter().try_for_each(|answers| deliver(answers, &mut each))
        // The receiver goes here: readers that are still at work find nobody and stop.
    })
}

fn work(
    repository: &Repository,
    requests: &[&[Placed]],
    next: &AtomicUsize,
    sender: &SyncSender<Vec<Answer>>,
) {
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        if sender.send(read_request(repository, request)).is_err() {
            return;
        }
    }
}

fn deliver(
    answers: Vec<Answer>,
    each: &mut impl FnMut(Placed, Result<Opened>) -> Result<()>,
) -> Result<()> {
    answers.into_iter().try_for_each(|(placed, read)| match read {
        Err(err) if !matches!(err, Error::Damaged { .. }) => Err(err),
        read => each(placed, read),
    })
}

/// Groups of blobs that lie close together in one pack.
fn requests(blobs: &[Placed]) -> Vec<&[Placed]> {
    let mut first = 0;
    let mut requests = Vec::new();
    let mut end = 0;
    for next in 1..=blobs.len() {
        // An index file may say that blobs overlap: the last one need not reach farthest.
        end = blobs[next - 1].end().max(if next - 1 == first { 0 } else { end });
        let goes_on = blobs.get(next).is_some_and(|blob| {
            let start = &blobs[first];
            blob.at.pack == start.at.pack
                && u64::from(blob.at.offset) <= end + MAX_GAP
                && end.max(blob.end()) <= u64::from(start.at.offset) + MAX_REQUEST
        });
        if !goes_on {
            requests.push(&blobs[first..next]);
            first = next;
        }
    }
    requests
}

fn read_request(repository: &Repository, blobs: &[Placed]) -> Vec<Answer> {
    let [first, _, ..] = blobs else {
        return blobs.iter().map(|blob| (*blob, read_one(repository, blob))).collect();
    };
    let start = u64::from(first.at.offset);
    let end = blobs.iter().map(Placed::end).max().unwrap_or(start);
    let length = (end - start) as usize;
    match repository.backend.read_part(Kind::Pack, &first.at.pack, start, length) {
        Ok(bytes) => {
            let part = |blob: &Placed| {
                let from = (u64::from(blob.at.offset) - start) as usize;
                open(repository, blob, bytes.slice(from..from + blob.at.length as usize))
            };
            blobs.iter().map(|blob| (*blob, part(blob))).collect()
        }
        // The pack ends early, perhaps behind some of them.
        Err(_) => blobs.iter().map(|blob| (*blob, read_one(repository, blob))).collect(),
    }
}

fn read_one(repository: &Repository, blob: &Placed) -> Result<Opened> {
    if blob.at.length > limits::SEALED_BLOB {
        let label = repository.backend.label(Kind::Pack, &blob.at.pack);
        return Err(Error::damaged(label, "an index file gives a blob in it too many bytes"));
    }
    let (offset, length) = (blob.at.offset.into(), blob.at.length as usize);
    let sealed = repository.backend.read_part(Kind::Pack, &blob.at.pack, offset, length)?;
    open(repository, blob, sealed)
}

fn open(repository: &Repository, blob: &Placed, sealed: Bytes) -> Result<Opened> {
    match blobs::open(repository, &blob.id, &sealed, blob.at.size) {
        Some(plain) => Ok(Opened { sealed, size: blob.at.size, plain }),
        None => {
            let label = repository.backend.label(Kind::Pack, &blob.at.pack);
            Err(Error::damaged(label, format!("blob {} in it has changed", FileId(blob.id))))
        }
    }
}
