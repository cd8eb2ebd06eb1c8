//! What a worker does with content: compress and encrypt it.

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use super::queue::{BATCH_BYTES, Batch};
use crate::compression::{Compression, is_noise};
use crate::crypto::{NONCE, RepositoryKey};
use crate::error::{Error, Result};
use crate::pack::{BlobKind, PackedBlob};

/// Size of a buffer that a worker keeps: twice that of a batch of small items.
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
        Ok(Self { key, content, trees, buffer: Vec::new() })
    }

    /// Compresses and encrypts the pieces of a batch.
    pub(super) fn seal(&mut self, batch: &Batch) -> Result<Segment> {
        self.buffer.clear();
        let mut blobs = Vec::with_capacity(batch.pieces.len());
        for (id, plain) in &batch.pieces {
            let start = self.buffer.len();
            let size = self.fill(batch.kind, plain)?;
            self.key.encrypt_in_place(&mut self.buffer, start);
            let length = (self.buffer.len() - start) as u32;
            blobs.push(PackedBlob { id: *id, offset: start as u32, length, size });
        }
        Ok(Segment { sealed: self.take(), blobs })
    }

    /// What is in the buffer. A buffer that grew for large content is given away: to keep one of
    /// several MiB for each worker would cost more than to make one.
    fn take(&mut self) -> Bytes {
        if self.buffer.capacity() <= KEPT_BYTES {
            return Bytes::copy_from_slice(&self.buffer);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.shrink_to_fit();
        Bytes::from(buffer)
    }

    /// Appends room for a nonce and the content as it will be stored; tells its size if it is
    /// compressed.
    fn fill(&mut self, kind: BlobKind, plain: &[u8]) -> Result<Option<u32>> {
        let compressor = match kind {
            BlobKind::Tree => Some(&mut self.trees),
            BlobKind::Data => self.content.as_mut().filter(|_| !is_noise(plain)),
        };
        let text = self.buffer.len() + NONCE;
        if let Some(compressor) = compressor {
            self.buffer.resize(text + compress_bound(plain.len()), 0);
            let length =
                compressor.compress_to_buffer(plain, &mut self.buffer[text..]).map_err(failed)?;
            if length < plain.len() || kind == BlobKind::Tree {
                self.buffer.truncate(text + length);
                return Ok(Some(plain.len() as u32));
            }
        }
        self.buffer.resize(text, 0);
        self.buffer.extend_from_slice(plain);
        Ok(None)
    }
}

fn compressor(level: i32) -> Result<Compressor<'static>> {
    Compressor::new(level).map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::Engine { action: "compress", source: Box::new(source) }
}
