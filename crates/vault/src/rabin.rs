//! Content-defined chunks of large content, with restic's parameters and the repository's
//! polynomial, so that content that restic wrote is recognised.

use rustic_cdc::{Polynom, Rabin64, RollingHash64};

/// Content up to this size is one piece; also the smallest chunk but the last.
pub(crate) const MIN_CHUNK: usize = 512 * 1024;
const MAX_CHUNK: usize = 8 * 1024 * 1024;
/// A boundary is where the low 20 bits are zero: 1 MiB on average above the minimum.
const SPLIT_MASK: u64 = (1 << 20) - 1;
/// The hash covers 64 bytes.
const WINDOW_BITS: u32 = 6;
const WINDOW: usize = 1 << WINDOW_BITS;
/// Degree of the polynomials that restic makes.
const DEGREE: i32 = 53;

/// The tables for a polynomial; `None` where it is not of restic's degree.
pub(crate) fn table(polynomial: u64) -> Option<Rabin64> {
    (polynomial.degree() == DEGREE).then(|| Rabin64::new_with_polynom(WINDOW_BITS, &polynomial))
}

/// Length of the first chunk of `data`.
pub(crate) fn first_chunk(table: &Rabin64, data: &[u8]) -> usize {
    if data.len() <= MIN_CHUNK {
        return data.len();
    }
    let mut hash = table.clone();
    hash.reset();
    for byte in &data[MIN_CHUNK - WINDOW..MIN_CHUNK] {
        hash.slide(*byte);
    }
    let end = data.len().min(MAX_CHUNK);
    for (length, byte) in data.iter().enumerate().take(end).skip(MIN_CHUNK) {
        if hash.hash & SPLIT_MASK == 0 {
            return length;
        }
        hash.slide(*byte);
    }
    end
}
