//! Files for a drive: half of them text, half bytes that do not compress, as the inside of office
//! files; no two are equal.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::bench::numbers::Numbers;

/// Files in a folder.
const IN_FOLDER: u64 = 100;

/// The folder in which all others lie.
pub(super) const TOP: &str = "Work";

const WORDS: [&str; 12] = [
    "delivery", "of", "the", "drawing", "costs", "and", "a", "contract", "for", "quarter", "with",
    "figures",
];

/// The content of a file in its so-manieth state: 4 to 40 KB.
pub(super) fn bytes(number: u64, state: u64) -> Vec<u8> {
    let mut numbers = Numbers::of(number ^ (state << 40));
    let length = 4_000 + numbers.below(36_000) as usize;
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        if number.is_multiple_of(2) {
            bytes.extend_from_slice(&numbers.next().to_le_bytes());
        } else {
            bytes.extend_from_slice(WORDS[numbers.below(12) as usize].as_bytes());
            bytes.push(if numbers.below(9) == 0 { b'\n' } else { b' ' });
        }
    }
    bytes.truncate(length);
    bytes
}

/// Where a file lies.
pub(super) fn path(number: u64) -> PathBuf {
    let name = format!("{:03}/file {number:06}.bin", number / IN_FOLDER);
    Path::new(TOP).join(name)
}

/// Makes the files below a folder; gives the sum of their lengths.
pub(super) fn write(dir: &Path, count: u64) -> Result<u64> {
    let mut sum = 0;
    for number in 0..count {
        let path = dir.join(path(number));
        if number.is_multiple_of(IN_FOLDER) {
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
        }
        let bytes = bytes(number, 0);
        sum += bytes.len() as u64;
        fs::write(path, bytes)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_differ_and_are_the_same_in_every_run() {
        let mut all: Vec<Vec<u8>> = (0..40).map(|number| bytes(number, 0)).collect();
        all.extend((0..40).map(|number| bytes(number, 1)));
        assert!(all.iter().all(|bytes| (4_000..40_000).contains(&bytes.len())));
        assert_eq!(all[7], bytes(7, 0));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 80);
    }
}
