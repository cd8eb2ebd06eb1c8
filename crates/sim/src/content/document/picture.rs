//! Pictures: grain and nothing else, which packs about as badly as a photograph.

use std::sync::Arc;

use crc_fast::{CrcAlgorithm, checksum};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

/// Bytes of a pixel: red, green, blue.
const CHANNELS: usize = 3;

/// The largest stored block of deflate (RFC 1951, section 3.2.4).
const BLOCK: usize = 65_535;

/// The modulus of Adler-32 (RFC 1950, section 8.2).
const ADLER: u32 = 65_521;

/// Bytes that can be added before the sums no longer fit into 32 bits.
const ADLER_RUN: usize = 5552;

/// A picture in colours of 24 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row from the top.
    pub pixels: Arc<[u8]>,
}

impl Picture {
    /// A picture whose PNG file has about `size` bytes, 16 × 9 in shape.
    pub fn of_size(size: usize, rng: &mut ChaCha8Rng) -> Self {
        let unit = (size / (CHANNELS * 16 * 9)).isqrt().max(1);
        let width = 16 * unit;
        let height = (size / (width * CHANNELS + 1)).max(1);
        let mut pixels = vec![0; width * height * CHANNELS];
        rng.fill_bytes(&mut pixels);
        Self { width, height, pixels: pixels.into() }
    }

    /// Bytes of its pixels.
    pub fn size(&self) -> usize {
        self.pixels.len()
    }

    /// The picture as a PNG file (ISO/IEC 15948), its pixels stored without compression.
    pub fn png(&self) -> Vec<u8> {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
        let mut header = [number(self.width), number(self.height)].concat();
        // Eight bits a channel, colours without a palette, nothing interlaced.
        header.extend([8, 2, 0, 0, 0]);
        let mut lines = Vec::with_capacity(self.pixels.len() + self.height);
        for line in self.pixels.chunks(self.width * CHANNELS) {
            lines.push(0);
            lines.extend(line);
        }
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut file, *b"IHDR", &header);
        chunk(&mut file, *b"IDAT", &stored(&lines));
        chunk(&mut file, *b"IEND", &[]);
        file
    }
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    let content = [name.as_slice(), content].concat();
    let length = u32::try_from(content.len() - name.len()).unwrap_or(u32::MAX);
    file.extend(length.to_be_bytes());
    file.extend(&content);
    let crc = u32::try_from(checksum(CrcAlgorithm::Crc32IsoHdlc, &content)).unwrap_or_default();
    file.extend(crc.to_be_bytes());
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.len().div_ceil(BLOCK);
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(index + 1 == blocks));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler(bytes).to_be_bytes());
    stream
}

fn adler(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1, 0);
    for run in bytes.chunks(ADLER_RUN) {
        for byte in run {
            low += u32::from(*byte);
            high += low;
        }
        low %= ADLER;
        high %= ADLER;
    }
    (high << 16) | low
}
