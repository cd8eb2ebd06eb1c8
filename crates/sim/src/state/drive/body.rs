//! The bytes of files: kept, or made on the fly, with their hashes.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::quick_xor::QuickXor;

/// Length of the block from which made bytes are built.
const BLOCK: u64 = 64 * 1024;

/// Blocks after which QuickXorHash is at the same bit again: 5 x 64 KiB is the least common
/// multiple of a block and the hash's 160 bytes.
const GROUP: u64 = 5;

/// How much is read at once for hashes.
const PIECE: u64 = 1024 * 1024;

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub enum FileBytes {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// Bytes that follow from a seed and cost no memory: a random block of 64 KiB over and over,
    /// the number of each repetition mixed into its first 8 bytes.
    Made {
        /// Two seeds give different bytes.
        seed: u64,
        /// How many.
        size: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Base64(String),
    Made { seed: u64, size: u64 },
}

impl From<FileBytes> for Record {
    fn from(bytes: FileBytes) -> Self {
        match bytes {
            FileBytes::Bytes(bytes) => Self::Base64(STANDARD.encode(bytes)),
            FileBytes::Made { seed, size } => Self::Made { seed, size },
        }
    }
}

impl From<Record> for FileBytes {
    fn from(record: Record) -> Self {
        match record {
            // The journal is ours; a damaged line is found by its JSON, not here.
            Record::Base64(text) => Self::Bytes(STANDARD.decode(text).unwrap_or_default().into()),
            Record::Made { seed, size } => Self::Made { seed, size },
        }
    }
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&[u8]> for FileBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// The block of a seed.
fn block(seed: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut block);
    block
}

/// File bytes, ready to be read by ranges.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: FileBytes,
    block: Arc<[u8]>,
}

impl Reader {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.bytes.size()
    }

    /// The bytes from `start` on, `len` of them or as many as there are.
    pub fn read(&self, start: u64, len: u64) -> Bytes {
        let end = start.saturating_add(len).min(self.size());
        let start = start.min(end);
        match &self.bytes {
            FileBytes::Bytes(bytes) => Bytes::copy_from_slice(&bytes[start as usize..end as usize]),
            FileBytes::Made { .. } => self.make(start, end),
        }
    }

    fn make(&self, start: u64, end: u64) -> Bytes {
        let mut made = Vec::with_capacity((end - start) as usize);
        for number in start / BLOCK..end.div_ceil(BLOCK) {
            let origin = number * BLOCK;
            let from = start.max(origin) - origin;
            let to = end.min(origin + BLOCK) - origin;
            let head = number.to_le_bytes();
            let place = made.len();
            made.extend_from_slice(&self.block[from as usize..to as usize]);
            for index in from..to.min(8) {
                made[place + (index - from) as usize] ^= head[index as usize];
            }
        }
        made.into()
    }
}

impl FileBytes {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made { size, .. } => *size,
        }
    }

    /// For reading by ranges.
    pub fn reader(&self) -> Reader {
        let block = match self {
            Self::Bytes(_) => Arc::default(),
            Self::Made { seed, .. } => block(*seed).into(),
        };
        Reader { bytes: self.clone(), block }
    }

    /// All of them, in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        self.reader().read(0, self.size()).to_vec()
    }

    fn sha256(&self) -> String {
        let reader = self.reader();
        let mut context = digest::Context::new(&digest::SHA256);
        for start in (0..self.size()).step_by(PIECE as usize) {
            context.update(&reader.read(start, PIECE));
        }
        hex::encode(context.finish())
    }

    fn quick_xor(&self) -> String {
        let mut hash = QuickXor::default();
        match self {
            Self::Bytes(bytes) => hash.update(bytes),
            Self::Made { size, .. } => made_quick_xor(&mut hash, &self.reader(), *size),
        }
        STANDARD.encode(hash.finish())
    }
}

/// The hash is linear: what comes twice at the same bit cancels out. So of the equal groups only
/// the odd one is hashed, and of every block its number.
fn made_quick_xor(hash: &mut QuickXor, reader: &Reader, size: u64) {
    let groups = size / (BLOCK * GROUP);
    if groups % 2 == 1 {
        for _ in 0..GROUP {
            hash.update(&reader.block);
        }
    }
    hash.seek(0);
    for number in 0..groups * GROUP {
        hash.seek(number * BLOCK);
        hash.update(&number.to_le_bytes());
    }
    let rest = groups * GROUP * BLOCK;
    hash.seek(rest);
    hash.update(&reader.read(rest, size - rest));
}

/// The content of one version of a file; equal content of two versions is kept once.
#[derive(Debug)]
pub struct Body {
    /// The bytes.
    pub bytes: FileBytes,
    sha256: OnceLock<String>,
    quick_xor: OnceLock<String>,
}

impl Body {
    /// Hashes are worked out when they are asked for.
    pub fn new(bytes: FileBytes) -> Self {
        Self { bytes, sha256: OnceLock::new(), quick_xor: OnceLock::new() }
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.bytes.size()
    }

    /// SHA-256 in hex.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| self.bytes.sha256())
    }

    /// QuickXorHash in base64, as Graph shows it.
    pub fn quick_xor(&self) -> &str {
        self.quick_xor.get_or_init(|| self.bytes.quick_xor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_bytes_are_the_same_in_every_range() {
        let made = FileBytes::Made { seed: 3, size: 7 * BLOCK + 1234 };
        let whole = made.to_vec();
        assert_eq!(whole.len() as u64, made.size());
        assert_ne!(whole[..8], whole[BLOCK as usize..BLOCK as usize + 8]);
        let reader = made.reader();
        for (start, len) in [(0, 5), (3, 9), (BLOCK - 2, 7), (BLOCK + 5, 2 * BLOCK), (100, 0)] {
            let range = &whole[start as usize..(start + len) as usize];
            assert_eq!(reader.read(start, len), range, "{start} {len}");
        }
        assert_eq!(reader.read(made.size() - 3, 100).len(), 3);
        assert_ne!(FileBytes::Made { seed: 4, size: 100 }.to_vec(), whole[..100]);
    }

    #[test]
    fn hashes_of_made_bytes_are_those_of_the_bytes() {
        for size in [0, 1, 20, 159, BLOCK, 5 * BLOCK, 5 * BLOCK + 7, 11 * BLOCK + 4321] {
            let made = FileBytes::Made { seed: 9, size };
            let kept = Body::new(made.to_vec().into());
            let made = Body::new(made);
            assert_eq!(made.quick_xor(), kept.quick_xor(), "{size}");
            assert_eq!(made.sha256(), kept.sha256(), "{size}");
        }
    }

    #[test]
    fn twenty_gigabytes_cost_no_memory() {
        let made = Body::new(FileBytes::Made { seed: 1, size: 20_000_000_000 });
        assert_eq!(STANDARD.decode(made.quick_xor()).unwrap().len(), 20);
        assert_eq!(made.bytes.reader().read(19_999_999_990, 100).len(), 10);
    }
}
