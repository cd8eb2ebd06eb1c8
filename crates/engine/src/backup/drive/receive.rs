//! A download on its way into the vault. Small files are taken whole; of larger ones only the piece
//! that is under way is in memory.

use std::io::{Error as IoError, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use holdfast_graph::Download;
use holdfast_vault::{Content, Cut, Writer};
use holdfast_workloads::drive::QuickXor;
use tokio::sync::mpsc;

use super::super::place::store;
use crate::home::blocking;
use crate::{Error, Result};

/// Content up to this size is taken whole.
const SMALL: usize = 1 << 20;

/// Pieces that may wait for the vault.
const WAITING: usize = 4;

/// What was received.
pub(super) struct Received {
    pub content: Content,
    /// Its `quickXorHash`.
    pub xor: String,
    /// Its first bytes.
    pub beginning: Bytes,
}

/// Takes a download into the vault.
pub(super) async fn receive(writer: &Arc<Writer>, mut download: Download) -> Result<Received> {
    let mut hash = QuickXor::new();
    let mut head = BytesMut::new();
    while head.len() <= SMALL {
        let Some(piece) = download.next().await? else {
            let head = head.freeze();
            let content = store(writer, head.clone(), Cut::Whole).await?;
            return Ok(Received { content, xor: hash.finish(), beginning: head });
        };
        hash.update(&piece);
        head.extend_from_slice(&piece);
    }
    let head = head.freeze();
    let beginning = head.slice(..1024.min(head.len()));
    let (sender, receiver) = mpsc::channel(WAITING);
    let taking = Arc::clone(writer);
    let mut pieces = Pieces { now: head, next: receiver };
    let taken = tokio::spawn(blocking(move || Ok(taking.put_reader(&mut pieces)?)));
    while let Some(piece) = next(&mut download, &sender).await? {
        hash.update(&piece);
        if sender.send(Ok(piece)).await.is_err() {
            break; // the vault has stopped, and says why
        }
    }
    drop(sender);
    let content = taken.await.map_err(|_| Error::Thread)??;
    Ok(Received { content, xor: hash.finish(), beginning })
}

/// The next piece; a failure ends the taking too, so that no half of a file counts as whole.
async fn next(
    download: &mut Download,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<Option<Bytes>> {
    match download.next().await {
        Ok(piece) => Ok(piece),
        Err(error) => {
            let _ = sender.send(Err(IoError::other("the download failed"))).await;
            Err(error.into())
        }
    }
}

/// Pieces as they come, for a reader that waits.
struct Pieces {
    now: Bytes,
    next: mpsc::Receiver<std::io::Result<Bytes>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.now.is_empty() {
            match self.next.blocking_recv() {
                Some(piece) => self.now = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.now.len());
        self.now.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
