//! Where content is cut into blobs: rule 1 of `docs/format.md`.
//!
//! A message is cut where the body of a part begins and ends, so that an attachment that was sent
//! to many people is stored once, while every message stays byte-exact. The boundaries only
//! decide about deduplication: whatever the scanner makes of strange input, the pieces are the
//! input.

use std::ops::Range;

use rustic_cdc::Rabin64;

use crate::mime;
use crate::rabin::{MIN_CHUNK, first_chunk};

/// Version of the rule, written down in `docs/format.md`. A new version stores what it cuts
/// differently once more; old content stays readable.
pub const CUT_RULE: u32 = 1;

/// Bodies below this size stay with the text around them.
const MIN_BODY: usize = 16 * 1024;

/// How content is cut into blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// One piece; content above 512 KiB is cut by its Rabin hash.
    Whole,
    /// A MIME message: cut where bodies of 16 KiB and more begin and end. Pieces above 512 KiB
    /// are cut further by their Rabin hash. What does not parse is one piece.
    Mime,
}

/// The pieces of `content`, in order and without gaps.
pub(crate) fn pieces(content: &[u8], cut: Cut, table: &Rabin64) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in cuts(content, cut).into_iter().chain([content.len()]) {
        while start < end {
            let length = match end - start > MIN_CHUNK {
                true => first_chunk(table, &content[start..end]),
                false => end - start,
            };
            pieces.push(start..start + length);
            start += length;
        }
    }
    pieces
}

fn cuts(content: &[u8], cut: Cut) -> Vec<usize> {
    match cut {
        Cut::Whole => Vec::new(),
        Cut::Mime => mime::bodies(content)
            .unwrap_or_default()
            .into_iter()
            .filter(|body| body.len() >= MIN_BODY)
            .flat_map(|body| [body.start, body.end])
            .collect(),
    }
}
