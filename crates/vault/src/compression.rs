//! How content is compressed, and which content is not worth the attempt.

use std::str::FromStr;

use crate::error::{Error, Result};

/// How the content of files is compressed. Trees and the other files of a repository always are,
/// as restic 0.14 has it for `--compression off`.
///
/// As text: `off`, or the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Off,
    /// zstd at this level, 1 (fast) to 19 (small). Content that would not become smaller is
    /// stored as it is.
    Level(u8),
}

impl Compression {
    const LEVELS: std::ops::RangeInclusive<u8> = 1..=19;

    /// The level for zstd; `None` for content that is stored as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level that is not 1 to 19.
    pub(crate) fn level(self) -> Result<Option<i32>> {
        match self {
            Self::Off => Ok(None),
            Self::Level(level) if Self::LEVELS.contains(&level) => Ok(Some(level.into())),
            Self::Level(level) => {
                Err(Error::invalid(format!("compression level {level} is not 1 to 19")))
            }
        }
    }
}

/// Level 1: against level 3, restic's default, it saves a quarter of the writer's CPU time and
/// costs 1 to 2 % of space on mail and documents (measured, `docs/performance.md`).
impl Default for Compression {
    fn default() -> Self {
        Self::Level(1)
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let level = text.parse().map(Self::Level);
        let level =
            level.map_err(|_| Error::invalid("a compression is `off` or a level from 1 to 19"))?;
        level.level()?;
        Ok(level)
    }
}

/// Content below this size is always compressed: a sample of it would cost as much.
const MIN_PROBED: usize = 4 * 1024;
/// Places in the content that are looked at, and bytes at each.
const SAMPLES: usize = 4;
const SAMPLE: usize = 1024;
/// Bits per byte above which a sample of 4 KiB passes for noise. Random bytes give 7.95 ± 0.01,
/// base64 of them at most 6.05, text 4 to 5.
const NOISE: f64 = 7.85;

/// True when compressing `data` would be in vain: it is compressed already (JPEG, ZIP and what is
/// built on it, video) or encrypted.
///
/// Judged by the frequency of bytes in a few samples. Content that repeats noise at a distance
/// would be taken for noise too; it is stored as it is, which costs space and nothing else.
pub(crate) fn is_noise(data: &[u8]) -> bool {
    if data.len() < MIN_PROBED {
        return false;
    }
    let mut counts = [0_u16; 256];
    let step = (data.len() - SAMPLE) / (SAMPLES - 1);
    for sample in 0..SAMPLES {
        for byte in &data[sample * step..][..SAMPLE] {
            counts[usize::from(*byte)] += 1;
        }
    }
    entropy(&counts) > NOISE
}

/// Bits per byte (Shannon 1948) of the bytes that were counted.
fn entropy(counts: &[u16; 256]) -> f64 {
    let total = (SAMPLES * SAMPLE) as f64;
    let bits = |count: &u16| match f64::from(*count) {
        0.0 => 0.0,
        count => count * (total / count).log2(),
    };
    counts.iter().map(bits).sum::<f64>() / total
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rand_chacha::ChaCha8Rng::seed_from_u64(seed).fill(bytes.as_mut_slice());
        bytes
    }

    #[test]
    fn only_noise_is_taken_for_noise() {
        for seed in 0..200 {
            let noise = random(seed, MIN_PROBED + 37 * seed as usize);
            assert!(is_noise(&noise), "seed {seed}");
            assert!(!is_noise(STANDARD.encode(&noise).as_bytes()), "seed {seed}");
            assert!(!is_noise(hex::encode(&noise).as_bytes()), "seed {seed}");
        }
        assert!(!is_noise(&random(1, MIN_PROBED - 1)));
        assert!(!is_noise(&vec![0; 100_000]));
        assert!(!is_noise("Sehr geehrte Damen und Herren, ".repeat(1000).as_bytes()));
    }

    #[test]
    fn noise_with_a_compressible_half_is_compressed() {
        let mut mixed = random(5, 1 << 20);
        mixed[..400_000].fill(b' ');
        assert!(!is_noise(&mixed));
    }

    #[test]
    fn settings_are_read() {
        assert_eq!("off".parse::<Compression>().unwrap(), Compression::Off);
        assert_eq!("1".parse::<Compression>().unwrap(), Compression::Level(1));
        assert_eq!("19".parse::<Compression>().unwrap(), Compression::Level(19));
        for wrong in ["", "0", "20", "-1", "max", "256"] {
            assert!(wrong.parse::<Compression>().is_err(), "{wrong}");
        }
        assert!(Compression::Level(0).level().is_err());
        assert_eq!(Compression::Off.level().unwrap(), None);
    }
}
