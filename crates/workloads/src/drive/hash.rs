//! QuickXorHash, by which OneDrive and SharePoint tell one content from another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Width of the hash in bits.
const WIDTH: usize = 160;

/// Each byte goes this many bits further than the one before.
const SHIFT: usize = 11;

/// A hash that is being made. It finds accidents, not forgeries: it is no cryptographic hash.
///
/// Source: Microsoft, "Code Snippets: QuickXorHash Algorithm" (OneDrive developer documentation,
/// read 2026-11).
///
/// ```
/// use holdfast_workloads::drive::QuickXor;
/// let mut hash = QuickXor::new();
/// hash.update(b"J");
/// assert_eq!(hash.finish(), "SgAAAAAAAAAAAAAAAQAAAAAAAAA=");
/// ```
#[derive(Clone, Debug)]
pub struct QuickXor {
    /// One byte for each position of the first bit that a byte can go to.
    cells: [u8; WIDTH],
    length: u64,
}

impl Default for QuickXor {
    fn default() -> Self {
        Self::new()
    }
}

impl QuickXor {
    /// The hash of nothing.
    pub fn new() -> Self {
        Self { cells: [0; WIDTH], length: 0 }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // The byte n begins at bit 11 n mod 160, which comes again after 160 bytes: bytes of one
        // position are joined first.
        let start = (self.length % WIDTH as u64) as usize;
        let (first, rest) = bytes.split_at(bytes.len().min(WIDTH - start));
        for (cell, byte) in self.cells[start..].iter_mut().zip(first) {
            *cell ^= byte;
        }
        for block in rest.chunks(WIDTH) {
            for (cell, byte) in self.cells.iter_mut().zip(block) {
                *cell ^= byte;
            }
        }
        self.length += bytes.len() as u64;
    }

    /// The hash in base64, as Graph's `quickXorHash` has it.
    pub fn finish(&self) -> String {
        let mut bits = [0_u8; WIDTH / 8];
        for (n, cell) in self.cells.iter().enumerate() {
            let at = n * SHIFT % WIDTH;
            let (byte, bit) = (at / 8, at % 8);
            let wide = u16::from(*cell) << bit;
            bits[byte] ^= wide as u8;
            bits[(byte + 1) % bits.len()] ^= (wide >> 8) as u8;
        }
        let last = bits.len() - 8;
        for (bit, length) in bits[last..].iter_mut().zip(self.length.to_le_bytes()) {
            *bit ^= length;
        }
        STANDARD.encode(bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The algorithm as it is described: bit by bit.
    fn plain(bytes: &[u8]) -> String {
        let mut bits = [0_u8; 20];
        for (n, byte) in bytes.iter().enumerate() {
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                let at = (n * 11 + bit) % 160;
                bits[at / 8] ^= 1 << (at % 8);
            }
        }
        for (n, length) in (bytes.len() as u64).to_le_bytes().into_iter().enumerate() {
            bits[12 + n] ^= length;
        }
        STANDARD.encode(bits)
    }

    #[test]
    fn nothing_and_one_letter() {
        assert_eq!(QuickXor::new().finish(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let mut hash = QuickXor::new();
        hash.update(b"J");
        assert_eq!(hash.finish(), plain(b"J"));
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_hash(bytes in prop::collection::vec(any::<u8>(), 0..700), cut in 0..700_usize) {
            let cut = cut.min(bytes.len());
            let mut hash = QuickXor::new();
            hash.update(&bytes[..cut]);
            hash.update(&bytes[cut..]);
            prop_assert_eq!(hash.finish(), plain(&bytes));
        }
    }
}
