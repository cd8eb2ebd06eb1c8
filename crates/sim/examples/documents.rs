//! Writes generated documents of every kind and size into a folder, for `tests/documents/run`:
//! `cargo run -p holdfast-sim --example documents FOLDER`.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::PathBuf;

use holdfast_sim::content::{Document, Kind, company};
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Bytes that are asked for.
const SIZES: [usize; 3] = [4_000, 60_000, 1_500_000];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder")?);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for author in company(10, 1) {
        for (kind, size) in Kind::ALL.iter().flat_map(|kind| SIZES.map(|size| (*kind, size))) {
            let at = Timestamp::from_second(1_700_000_000)?;
            let mut document = Document::compose(kind, size, &author, at, &mut rng);
            document.edit(&author, at, &mut rng);
            let name = format!("{}-{size}.{}", author.upn, kind.ending());
            std::fs::write(folder.join(&name), document.bytes())?;
            let line = json!({
                "name": name,
                "title": document.title,
                "author": document.author,
                "modified": document.modified.to_string(),
                "paragraphs": document.paragraphs,
                "rows": document.rows.iter().map(|row| json!([row.item, row.count])).collect::<Vec<_>>(),
                "pictures": document.pictures.len(),
            });
            println!("{line}");
        }
    }
    Ok(())
}
