//! Where content is cut into blobs: rule 1 of `docs/format.md`.
//!
//! A message is cut where the body of a part begins and ends, so that an attachment that was sent
//! to many people is stored once, while every message stays byte-exact. The boundaries only
//! decide about deduplication: whatever the scanner makes of strange input, the pieces are the
//! input.

use std::ops::Range;

use crate::mime;
use crate::rabin::{Chunker, MIN_CHUNK};

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
pub(crate) fn pieces(content: &[u8], cut: Cut, chunker: &Chunker) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in cuts(content, cut).into_iter().chain([content.len()]) {
        while start < end {
            let length = match end - start > MIN_CHUNK {
                true => chunker.first(&content[start..end]),
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// The polynomial of the examples in restic's chunker.
    pub(crate) const POLYNOMIAL: u64 = 0x003D_A335_8B4D_C173;

    fn assert_whole(content: &[u8], cut: Cut, chunker: &Chunker) -> usize {
        let pieces = pieces(content, cut, chunker);
        let joined: Vec<u8> = pieces.iter().flat_map(|p| &content[p.clone()]).copied().collect();
        assert!(joined == content, "the pieces are not the content");
        assert!(pieces.iter().all(|p| !p.is_empty() && p.len() <= 8 << 20));
        pieces.len()
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"Content-Type: multipart/mixed; boundary=a".to_vec()),
            Just(b"Content-Type: multipart/related; boundary=\"b c\"".to_vec()),
            Just(b"Content-Type: message/rfc822".to_vec()),
            Just(b" folded".to_vec()),
            Just(b"--a".to_vec()),
            Just(b"--a--".to_vec()),
            Just(b"--b c".to_vec()),
            Just(b"--b c--".to_vec()),
            Just(b"".to_vec()),
            prop::collection::vec(any::<u8>(), 0..80),
            Just(vec![b'x'; 17_000]),
        ]
    }

    proptest! {
        #[test]
        fn pieces_are_the_content_for_any_bytes(
            content in prop::collection::vec(any::<u8>(), 0..3_000)
        ) {
            let chunker = Chunker::new(POLYNOMIAL).unwrap();
            assert_whole(&content, Cut::Mime, &chunker);
            assert_whole(&content, Cut::Whole, &chunker);
        }

        #[test]
        fn pieces_are_the_content_for_anything_like_mail(
            lines in prop::collection::vec((line(), any::<bool>()), 0..60)
        ) {
            let chunker = Chunker::new(POLYNOMIAL).unwrap();
            let content: Vec<u8> = lines
                .into_iter()
                .flat_map(|(line, crlf)| [&line[..], if crlf { b"\r\n" } else { b"\n" }].concat())
                .collect();
            assert_whole(&content, Cut::Mime, &chunker);
        }
    }

    #[test]
    fn bodies_are_cut_from_16_kib() {
        let chunker = Chunker::new(POLYNOMIAL).unwrap();
        for (length, count) in [(MIN_BODY - 1, 1), (MIN_BODY, 2), (MIN_BODY + 1, 2)] {
            let mail = format!("Subject: s\n\n{}", "x".repeat(length));
            assert_eq!(assert_whole(mail.as_bytes(), Cut::Mime, &chunker), count, "{length}");
            let closed = format!("{mail}\r\n");
            assert_eq!(
                assert_whole(closed.as_bytes(), Cut::Mime, &chunker),
                count.max(2 * count - 1)
            );
        }
    }

    #[test]
    fn large_content_is_cut_where_its_bytes_say_so() {
        let chunker = Chunker::new(POLYNOMIAL).unwrap();
        let mut content = vec![0; 10 << 20];
        rand_chacha::ChaCha8Rng::seed_from_u64(4).fill(content.as_mut_slice());
        let before = pieces(&content, Cut::Whole, &chunker);
        assert!(
            before.len() > 4 && before[..before.len() - 1].iter().all(|p| p.len() >= MIN_CHUNK)
        );
        content.splice(1_000..1_000, [1, 2, 3]);
        let after = pieces(&content, Cut::Whole, &chunker);
        let ends = |pieces: &[Range<usize>], shift| {
            pieces.iter().rev().take(3).map(|p| p.end - shift).collect::<Vec<_>>()
        };
        assert_eq!(ends(&before, 0), ends(&after, 3));
        assert_eq!(assert_whole(&vec![0; 9 << 20], Cut::Whole, &chunker), 18);
        assert_eq!(pieces(&content[..MIN_CHUNK], Cut::Whole, &chunker).len(), 1);
        assert!(pieces(&[], Cut::Whole, &chunker).is_empty());
    }
}
