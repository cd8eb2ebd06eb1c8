//! Content-defined chunks of large content, with restic's parameters and the repository's
//! polynomial, so that content that restic wrote is recognised.
//!
//! A Rabin fingerprint (Rabin 1981) is the remainder of a polynomial over GF(2): here of the last
//! 64 bytes, by the repository's polynomial. It depends on these bytes alone, so that several
//! stretches of the content can be searched at once: one search waits for the result of the byte
//! before at every byte, four of them fill that time.

/// Content up to this size is one piece; also the smallest chunk but the last.
pub(crate) const MIN_CHUNK: usize = 512 * 1024;
/// Largest chunk.
pub(crate) const MAX_CHUNK: usize = 8 * 1024 * 1024;
/// A boundary is where the low 20 bits are zero: 1 MiB on average above the minimum.
const SPLIT_MASK: u64 = (1 << 20) - 1;
/// The fingerprint covers 64 bytes.
const WINDOW: usize = 64;
/// Degree of the polynomials that restic makes.
const DEGREE: u32 = 53;

/// Stretches that are searched at once, and bytes of each.
const LANES: usize = 4;
const LANE: usize = 8 * 1024;

/// Finds the ends of chunks. Made once for a repository: making it costs more than cutting a
/// small file.
#[derive(Clone)]
pub(crate) struct Chunker {
    /// What a byte that leaves the window has added.
    out: Box<[u64; 256]>,
    /// What makes a fingerprint with these bits above the degree short again.
    modulo: Box<[u64; 256]>,
}

impl Chunker {
    /// The tables for a polynomial; `None` where it is not of restic's degree.
    pub(crate) fn new(polynomial: u64) -> Option<Self> {
        if degree(polynomial) != Some(DEGREE) {
            return None;
        }
        let table = |entry: &dyn Fn(u64) -> u64| Box::new(std::array::from_fn(|n| entry(n as u64)));
        let out = |byte| (0..WINDOW).fold(byte, |print, _| remainder(print << 8, polynomial));
        let modulo = |bits: u64| {
            let high = bits << DEGREE;
            remainder(high, polynomial) | high
        };
        // The byte that leaves lies 64 bytes back when the next one has been taken in.
        Some(Self { out: table(&out), modulo: table(&modulo) })
    }

    /// Length of the first chunk of `data`, which is all that is left.
    pub(crate) fn first(&self, data: &[u8]) -> usize {
        let longest = &data[..data.len().min(MAX_CHUNK)];
        self.boundary(longest, MIN_CHUNK).unwrap_or(longest.len())
    }

    /// The smallest length, `from` or more and less than all of `data`, at which a chunk that
    /// begins with `data` may end. `from` is at least [`MIN_CHUNK`].
    pub(crate) fn boundary(&self, data: &[u8], from: usize) -> Option<usize> {
        let mut at = from.max(MIN_CHUNK);
        while at + LANES * LANE <= data.len() {
            if let Some(found) = self.search_lanes(data, at) {
                return Some(found);
            }
            at += LANES * LANE;
        }
        (at < data.len()).then(|| self.search(data, at)).flatten()
    }

    /// Searches the lengths from `start` to before the end of `data`.
    fn search(&self, data: &[u8], start: usize) -> Option<usize> {
        let mut print = self.print(&data[start - WINDOW..start]);
        for at in start..data.len() {
            if print & SPLIT_MASK == 0 {
                return Some(at);
            }
            print = self.slide(print, data[at - WINDOW], data[at]);
        }
        None
    }

    /// Searches [`LANES`] × [`LANE`] lengths from `start`.
    fn search_lanes(&self, data: &[u8], start: usize) -> Option<usize> {
        let starts: [usize; LANES] = std::array::from_fn(|lane| start + lane * LANE);
        let old = starts.map(|at| &data[at - WINDOW..][..LANE]);
        let new = starts.map(|at| &data[at..][..LANE]);
        let mut prints = starts.map(|at| self.print(&data[at - WINDOW..at]));
        let mut found = None;
        for step in 0..LANE {
            for lane in 0..LANES {
                if prints[lane] & SPLIT_MASK == 0 {
                    // A match in a later stretch stands until an earlier one has none.
                    let at = starts[lane] + step;
                    found = Some(found.map_or(at, |before: usize| before.min(at)));
                }
                prints[lane] = self.slide(prints[lane], old[lane][step], new[lane][step]);
            }
        }
        found
    }

    /// The fingerprint of a window.
    fn print(&self, window: &[u8]) -> u64 {
        window.iter().fold(0, |print, byte| self.append(print, *byte))
    }

    #[inline(always)]
    fn slide(&self, print: u64, old: u8, new: u8) -> u64 {
        self.append(print, new) ^ self.out[usize::from(old)]
    }

    #[inline(always)]
    fn append(&self, print: u64, byte: u8) -> u64 {
        let high = (print >> (DEGREE - 8)) as u8;
        ((print << 8) | u64::from(byte)) ^ self.modulo[usize::from(high)]
    }
}

fn degree(polynomial: u64) -> Option<u32> {
    polynomial.checked_ilog2()
}

/// Remainder of the division of polynomials over GF(2).
fn remainder(mut dividend: u64, divisor: u64) -> u64 {
    while let Some(over) = degree(dividend).and_then(|d| d.checked_sub(DEGREE)) {
        dividend ^= divisor << over;
    }
    dividend
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rustic_cdc::{Rabin64, RollingHash64};

    use super::*;
    use crate::cut::tests::POLYNOMIAL;

    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rand_chacha::ChaCha8Rng::seed_from_u64(seed).fill(bytes.as_mut_slice());
        bytes
    }

    /// The same by a foreign implementation, byte by byte.
    fn first_by_rustic(data: &[u8]) -> usize {
        if data.len() <= MIN_CHUNK {
            return data.len();
        }
        let mut hash = Rabin64::new_with_polynom(6, &POLYNOMIAL);
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

    #[test]
    fn chunks_are_those_of_a_foreign_implementation() {
        let chunker = Chunker::new(POLYNOMIAL).unwrap();
        let mut found = 0;
        for seed in 0..40 {
            let data = random(seed, MIN_CHUNK + 60_000 * seed as usize);
            let length = chunker.first(&data);
            assert_eq!(length, first_by_rustic(&data), "seed {seed}");
            found += usize::from(length < data.len());
        }
        assert!(found > 10, "{found}");
        for length in [0, 1, MIN_CHUNK - 1, MIN_CHUNK, MIN_CHUNK + 1, MAX_CHUNK, MAX_CHUNK + 5] {
            let ones = vec![1; length];
            assert_eq!(chunker.first(&ones), first_by_rustic(&ones), "{length}");
        }
    }

    #[test]
    fn several_boundaries_close_together_give_the_first() {
        let chunker = Chunker::new(POLYNOMIAL).unwrap();
        let mut data = random(1, MIN_CHUNK + 4 * LANES * LANE);
        let end = first_by_rustic(&random(2, 4 << 20));
        let window = random(2, 4 << 20)[end - WINDOW..end].to_vec();
        let places = [3 * LANE + 100, 2 * LANE + 4_000, LANE + 8_000, LANE + 200];
        for place in places {
            let at = MIN_CHUNK + place;
            data[at - WINDOW..at].copy_from_slice(&window);
            assert_eq!(chunker.first(&data), at, "{place}");
        }
        assert_eq!(chunker.boundary(&data, MIN_CHUNK + LANE + 201), Some(MIN_CHUNK + LANE + 8_000));
    }

    #[test]
    fn only_polynomials_of_restics_degree_are_taken() {
        assert!(Chunker::new(POLYNOMIAL).is_some());
        for polynomial in [0, 1, 0xff, u64::MAX, 1 << 54] {
            assert!(Chunker::new(polynomial).is_none(), "{polynomial:x}");
        }
    }
}
