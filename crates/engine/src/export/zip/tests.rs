//! ZIPs as Python reads them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it could not prove")]

use std::fs;
use std::io::{Seek, SeekFrom};
use std::process::Command;

use super::*;

/// Python's reader of ZIPs as judge: names, sizes and checksums of all files, or `None` where
/// there is no Python.
fn judged(path: &Path) -> Option<String> {
    const SCRIPT: &str = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        print(z.testzip() if len(z.infolist()) < 99 else None, len(z.infolist()))\n\
        for i in z.infolist()[:3]: print(i.filename, i.file_size, i.date_time, i.header_offset)";
    let Ok(output) = Command::new("python3").arg("-c").arg(SCRIPT).arg(path).output() else {
        println!("python3 is not installed: what it would prove is not proved here");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn add<W: Write>(zip: &mut Zip<W>, name: &str, bytes: &[u8]) {
    let entry = Entry { name, date: at("2026-03-02T08:00:01Z"), size: bytes.len() as u64 };
    let write = |out: &mut dyn Write| {
        out.write_all(bytes).unwrap();
        Ok(())
    };
    zip.file(&entry, "test.zip", write).unwrap();
}

#[test]
fn what_lies_beyond_4_gib_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("far.zip");
    let mut file = fs::File::create(&path).unwrap();
    // A hole takes the place of a large file that came before.
    file.seek(SeekFrom::Start(5 << 30)).unwrap();
    let mut zip = Zip::new(file);
    zip.out.count = 5 << 30;
    add(&mut zip, "far.txt", b"far away");
    assert_eq!(zip.finish().unwrap().1, 1);
    let Some(said) = judged(&path) else { return };
    assert_eq!(said, format!("None 1\nfar.txt 8 (2026, 3, 2, 8, 0, 0) {}\n", 5_u64 << 30));
}

#[test]
fn large_files_have_large_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.zip");
    let mut zip = Zip::new(fs::File::create(&path).unwrap());
    zip.zip64_from = 1000;
    add(&mut zip, "small.txt", b"small");
    add(&mut zip, "large.txt", &[b'x'; 5000]);
    add(&mut zip, "large.jpg", &[b'y'; 200_000]);
    zip.finish().unwrap();
    let Some(said) = judged(&path) else { return };
    assert!(said.starts_with("None 3\nsmall.txt 5 "), "{said}");
    assert!(said.contains("large.txt 5000 ") && said.contains("large.jpg 200000 "), "{said}");
}

#[test]
fn more_files_than_16_bits_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.zip");
    let mut zip = Zip::new(fs::File::create(&path).unwrap());
    add(&mut zip, "one.txt", b"one");
    // The same file in the directory again and again.
    (zip.directory, zip.files) = (zip.directory.repeat(65_600), 65_600);
    assert_eq!(zip.finish().unwrap().1, 65_600);
    // Python does not look at the numbers, others do.
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x06\x06").unwrap();
    assert_eq!(bytes[end + 24..end + 40], [65_600_u64.to_le_bytes(); 2].concat());
    let locator = &bytes[end + 56..];
    assert_eq!((&locator[..4], &locator[8..16]), (&b"PK\x06\x07"[..], &end.to_le_bytes()[..]));
    assert_eq!((&locator[20..24], &locator[28..32]), (&b"PK\x05\x06"[..], &[0xff; 4][..]));
    let Some(said) = judged(&path) else { return };
    assert!(said.starts_with("None 65600\none.txt 3 "), "{said}");
}

#[test]
fn a_file_that_breaks_off_is_left_out_and_the_rest_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.zip");
    let mut zip = Zip::new(fs::File::create(&path).unwrap());
    add(&mut zip, "before.txt", b"before");
    let entry = Entry { name: "broken.txt", date: at("2026-03-02T08:00:00Z"), size: 9 };
    let half = |out: &mut dyn Write| {
        out.write_all(b"half").unwrap();
        Err(Error::Thread)
    };
    assert!(zip.file(&entry, "test.zip", half).is_err());
    add(&mut zip, "after.txt", b"after");
    assert_eq!(zip.finish().unwrap().1, 2);
    let Some(said) = judged(&path) else { return };
    assert!(said.starts_with("None 2\nbefore.txt 6 "), "{said}");
    assert!(said.contains("\nafter.txt 5 "), "{said}");
}

#[test]
fn dates_outside_of_what_dos_has_become_its_first_and_last() {
    assert_eq!(dos(at("1969-07-20T20:17:00Z")), 1 << 21 | 1 << 16);
    assert_eq!(dos(at("2200-01-01T00:00:00Z")) >> 25, 127);
    let some = dos(at("2026-11-22T14:55:35Z"));
    assert_eq!(some, 46 << 25 | 11 << 21 | 22 << 16 | 14 << 11 | 55 << 5 | 17);
    assert!(extra(at("2200-01-01T00:00:00Z"), &[]).is_empty());
}
