//! Attachments: documents that travel through the company again and again.

use std::sync::Arc;

use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::letter::base64_lines;

/// Documents that many people send.
const SHARED: usize = 48;

/// One shared document of this many is of 3 to 5 MB.
const LARGE: usize = 16;

/// How seldom a large document is taken when it is drawn.
const LARGE_CHANCE: f64 = 0.08;

const KINDS: [(&str, &str, &[u8]); 6] = [
    ("pdf", "application/pdf", b"%PDF-1.7\n"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        b"PK\x03\x04",
    ),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04"),
    ("png", "image/png", b"\x89PNG\r\n\x1a\n"),
    ("csv", "text/csv", b"item;count\r\n"),
    ("zip", "application/zip", b"PK\x03\x04"),
];

const WORDS: [&str; 10] = [
    "Offer",
    "Contract",
    "Drawing",
    "Übersicht",
    "Minutes",
    "Plan",
    "Facture",
    "Measurements",
    "見積書",
    "Price list",
];

/// A file with its content as it stands in mail.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: &'static str,
    base64: Vec<u8>,
}

impl File {
    pub(super) fn new(name: String, content_type: &'static str, content: &[u8]) -> Self {
        Self { name, content_type, base64: base64_lines(content) }
    }

    /// The file as a part, an image in the body when it has a content id.
    pub(super) fn part(&self, content_id: Option<&str>) -> Vec<u8> {
        let name = match self.name.is_ascii() {
            true => format!("=\"{}\"", self.name.replace('\\', "\\\\").replace('"', "\\\"")),
            false => format!(
                "*=utf-8''{}",
                percent_encoding::utf8_percent_encode(
                    &self.name,
                    percent_encoding::NON_ALPHANUMERIC
                )
            ),
        };
        let disposition = match content_id {
            Some(id) => format!("inline; filename{name}\r\nContent-ID: <{id}>"),
            None => format!("attachment; filename{name}"),
        };
        let header = format!(
            "Content-Type: {}; name{name}\r\nContent-Disposition: {disposition}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            self.content_type
        );
        [header.as_bytes(), &self.base64].concat()
    }
}

/// The documents of the company, made when they are first sent.
pub(super) struct Files {
    seed: u64,
    shared: Vec<Option<Arc<File>>>,
    /// Largest size in bytes.
    limit: usize,
}

impl Files {
    pub(super) fn new(seed: u64, limit: usize) -> Self {
        Self { seed, shared: vec![None; SHARED], limit }
    }

    /// A document that others send too.
    pub(super) fn shared(&mut self, rng: &mut ChaCha8Rng) -> Arc<File> {
        let mut index = rng.random_range(0..SHARED);
        if index % LARGE == 0 && !rng.random_bool(LARGE_CHANCE) {
            index += 1;
        }
        if let Some(file) = &self.shared[index] {
            return Arc::clone(file);
        }
        let mut own = ChaCha8Rng::seed_from_u64(self.seed ^ ((index as u64) << 32));
        let size = match index % LARGE {
            0 => own.random_range(3_000_000..5_000_000),
            _ => size(&mut own, 400_000),
        };
        let file = Arc::new(document(size.min(self.limit), &mut own));
        self.shared[index] = Some(Arc::clone(&file));
        file
    }

    /// A document that nobody else has.
    pub(super) fn single(&self, rng: &mut ChaCha8Rng) -> Arc<File> {
        let size = size(rng, 60_000).min(self.limit);
        Arc::new(document(size, rng))
    }

    /// A small picture for the body.
    pub(super) fn image(&self, rng: &mut ChaCha8Rng) -> Arc<File> {
        let mut content = KINDS[3].2.to_vec();
        content.extend(noise(rng.random_range(200..4000), rng));
        Arc::new(File::new(
            format!("image{:03}.png", rng.random_range(1..9)),
            "image/png",
            &content,
        ))
    }
}

/// Small files are many, large ones few: evenly spread over the doublings from 1 KB on.
fn size(rng: &mut ChaCha8Rng, largest: usize) -> usize {
    let doublings = (largest / 1000).ilog2();
    let start = 1000 << rng.random_range(0..=doublings);
    rng.random_range(start..start * 2).min(largest)
}

fn document(size: usize, rng: &mut ChaCha8Rng) -> File {
    let (ending, content_type, magic) = KINDS.choose(rng).expect("there are kinds");
    let word = WORDS.choose(rng).expect("there are words");
    let name = format!("{word} {}.{ending}", rng.random_range(1..9999));
    let mut content = magic.to_vec();
    match *ending {
        "csv" => {
            while content.len() < size {
                let line =
                    format!("part-{:04};{}\r\n", rng.random_range(0..500), rng.random::<u8>());
                content.extend(line.bytes());
            }
        }
        _ => content.extend(noise(size, rng)),
    }
    File::new(name, content_type, &content)
}

/// Bytes that do not compress, as the inside of office files.
pub(super) fn noise(length: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}
