//! What a worker does with content: compress and encrypt it.

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use super::queue::{BATCH_BYTES, Batch};
use super::room::Room;
use crate::compression::{Compression, is_noise};
use crate::crypto::{NONCE, OVERHEAD, RepositoryKey};
use crate::error::{Error, Result};
use crate::pack::{BlobKind, PackedBlob};

/// Size of the buffer that a worker keeps: enough for a batch of small items.
const KEPT_BYTES: usize = 2 * BATCH_BYTES;

/// Encrypted blobs of one kind, one after the other, as their offsets tell.
pub(super) struct Segment {
    pub(super) sealed: Bytes,
    pub(super) blobs: Vec<PackedBlob>,
}

/// A worker's tools. They are kept: making a context of zstd costs as much as using it for a
/// small mail, and memory that was used a moment ago is in the processor's cache.
pub(super) struct Sealer {
    key: RepositoryKey,
    content: Option<Compressor<'static>>,
    trees: Compressor<'static>,
    buffer: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(key: RepositoryKey, compression: Compression) -> Result<Self> {
        let trees = compression.level()?.or(Compression::default().level()?);
        let content = compression.level()?.map(compressor).transpose()?;
        let trees = compressor(trees.unwrap_or_default())?;
        Ok(Self { key, content, trees, buffer: vec![0; KEPT_BYTES] })
    }

    /// Compresses and encrypts the pieces of a batch.
    pub(super) fn seal(&mut self, batch: &Batch) -> Result<Segment> {
        let most = batch.pieces.iter().map(|(_, plain)| room_for(plain)).sum();
        if most > KEPT_BYTES {
            let mut room = Room::new(most)?;
            let (blobs, length) = self.fill(batch, &mut room)?;
            return Ok(Segment { sealed: room.into_bytes(length), blobs });
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let filled = self.fill(batch, &mut buffer);
        self.buffer = buffer;
        let (blobs, length) = filled?;
        Ok(Segment { sealed: Bytes::copy_from_slice(&self.buffer[..length]), blobs })
    }

    /// Fills the beginning of `room`; tells the blobs and how long they are together.
    fn fill(&mut self, batch: &Batch, room: &mut [u8]) -> Result<(Vec<PackedBlob>, usize)> {
        let mut blobs = Vec::with_capacity(batch.pieces.len());
        let mut start = 0;
        for (id, plain) in &batch.pieces {
            let (text, size) = self.compress(batch.kind, plain, &mut room[start + NONCE..])?;
            let length = text + OVERHEAD;
            self.key.encrypt_in_place(&mut room[start..][..length]);
            let offset = start as u32;
            blobs.push(PackedBlob { id: *id, offset, length: length as u32, size });
            start += length;
        }
        Ok((blobs, start))
    }

    /// Writes the content to the beginning of `room` as it will be stored; tells its length, and
    /// its size if it is compressed.
    fn compress(
        &mut self,
        kind: BlobKind,
        plain: &[u8],
        room: &mut [u8],
    ) -> Result<(usize, Option<u32>)> {
        let compressor = match kind {
            BlobKind::Tree => Some(&mut self.trees),
            BlobKind::Data => self.content.as_mut().filter(|_| !is_noise(plain)),
        };
        if let Some(compressor) = compressor {
            let length = compressor.compress_to_buffer(plain, room).map_err(failed)?;
            if length < plain.len() || kind == BlobKind::Tree {
                return Ok((length, Some(plain.len() as u32)));
            }
        }
        room[..plain.len()].copy_from_slice(plain);
        Ok((plain.len(), None))
    }
}

/// The most that a piece of content may need.
fn room_for(plain: &[u8]) -> usize {
    compress_bound(plain.len()) + OVERHEAD
}

fn compressor(level: i32) -> Result<Compressor<'static>> {
    Compressor::new(level).map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::Engine { action: "compress", source: Box::new(source) }
}
