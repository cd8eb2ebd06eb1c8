//! Real mail: every message comes back byte for byte, however it was cut.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_vault::Cut;

use super::*;

fn messages(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            messages(&path, found);
        } else if fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
            found.push(path);
        }
    }
}

#[test]
fn the_corpus_comes_back_byte_for_byte() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/mail");
    let mut paths = Vec::new();
    messages(&corpus, &mut paths);
    if paths.is_empty() {
        println!("note: no corpus of mail here; this test proves nothing");
        return;
    }
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let reader = writer.reader();
    let mut cut = 0;
    for path in &paths {
        let bytes = fs::read(path).unwrap();
        let content = writer.put(&bytes, Cut::Mime).unwrap();
        cut += usize::from(content.blobs.len() > 1);
        assert!(reader.bytes(&file("m", content)).unwrap() == bytes, "a message changed");
    }
    println!("{} messages, {cut} in more than one piece, {:?}", paths.len(), writer.stats());
    assert!(cut > 0);
}
