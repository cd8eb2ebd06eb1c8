//! What ransomware does to a drive: most files encrypted and renamed within an hour, a note in
//! each folder.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::drives::locked_name;

/// How long it takes from the first file to the last.
pub const DURATION: Duration = Duration::from_secs(3600);

/// How many of a hundred files it gets before somebody pulls the plug.
const HIT_OF_HUNDRED: u32 = 90;

/// The name of the note in each folder that it was in.
pub const NOTE_NAME: &str = "README_TO_RESTORE_FILES.txt";

/// The text of the note.
pub const NOTE: &str = "ALL YOUR FILES HAVE BEEN ENCRYPTED!\r\n\r\n\
    Your documents are locked with a strong cipher. Do not rename them, do not try to decrypt \
    them.\r\nThis is a simulation: nobody wants money, and your backup has them all.\r\n";

/// A file that could be hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// How many characters a name can have in its folder.
    pub room: usize,
}

/// A file that is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which: index into the targets.
    pub target: usize,
    /// How long after the one before.
    pub pause: Duration,
    /// The name afterwards, ending in `.locked`.
    pub name: String,
    /// Decides the new content, which looks random from the first byte to the last.
    pub seed: u64,
    /// Bytes of the new content: the old ones and those of the key.
    pub size: u64,
}

/// Bytes that a cipher adds for its key and nonce.
const OVERHEAD: u64 = 512;

/// The attack on these files: the same for the same files and seed. A drive with files loses at
/// least one of them.
pub fn plan(targets: &[Target], seed: u64) -> Vec<Hit> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7261_6e73_6f6d);
    let mut hits = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        let is_hit = rng.random_ratio(HIT_OF_HUNDRED, 100);
        let content = rng.random();
        if is_hit || (hits.is_empty() && number + 1 == targets.len()) {
            hits.push(Hit {
                target: number,
                pause: Duration::ZERO,
                name: locked_name(&target.name, target.room),
                seed: content,
                size: target.size + OVERHEAD,
            });
        }
    }
    let pauses = u32::try_from(hits.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    for hit in hits.iter_mut().skip(1) {
        hit.pause = DURATION / pauses;
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(count: usize) -> Vec<Target> {
        let target =
            |number| Target { name: format!("{number}.docx"), size: number as u64, room: 255 };
        (0..count).map(target).collect()
    }

    #[test]
    fn most_files_are_hit_within_an_hour() {
        let hits = plan(&targets(500), 3);
        assert!((420..480).contains(&hits.len()), "{}", hits.len());
        assert_eq!(hits, plan(&targets(500), 3));
        assert_ne!(hits, plan(&targets(500), 4));
        let whole: Duration = hits.iter().map(|hit| hit.pause).sum();
        assert!(whole <= DURATION && whole > DURATION - Duration::from_secs(1));
        assert!(hits.iter().all(|hit| hit.name == format!("{}.docx.locked", hit.target)));
        assert!(hits.iter().all(|hit| hit.size == hit.target as u64 + 512));
        let seeds: std::collections::HashSet<_> = hits.iter().map(|hit| hit.seed).collect();
        assert_eq!(seeds.len(), hits.len());
    }

    #[test]
    fn a_drive_with_files_loses_one() {
        assert!((0..50).all(|seed| plan(&targets(1), seed).len() == 1));
        assert!(plan(&[], 1).is_empty());
    }
}
