//! Is a file that was restored the one that is stored?
//!
//! Size and hash answer for most. SharePoint writes properties into Office files that are uploaded
//! to a library, so those are compared by their parts: each part of the document must be there
//! with its size and checksum; what holds properties may differ.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use zip::ZipArchive;

/// How two files compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Byte for byte.
    Bytes,
    /// All parts of the document are the same; the properties around them differ.
    Parts,
    /// They differ.
    No,
}

/// Parts of an Office file that hold properties: SharePoint writes columns and labels there
/// ("Document properties and SharePoint", and what rclone#2036 found to differ).
const PROPERTIES: [&str; 5] =
    ["docProps/", "customXml/", "_rels/", "[Content_Types].xml", "docMetadata/"];

/// Most parts of a package that are looked at: more make no document.
const MAX_PARTS: usize = 100_000;

/// Compares two Office files by their parts.
pub fn compare_files(stored: impl Read + Seek, found: impl Read + Seek) -> Same {
    match (office_parts(stored), office_parts(found)) {
        (Some(stored), Some(found)) if !stored.is_empty() && stored == found => Same::Parts,
        _ => Same::No,
    }
}

/// Size and CRC-32 of each part of a document, as its directory tells; `None` of what is no
/// package. Nothing is unpacked, so that no file can fill the memory.
fn office_parts(file: impl Read + Seek) -> Option<BTreeMap<String, (u64, u32)>> {
    let mut archive = ZipArchive::new(file).ok().filter(|archive| archive.len() <= MAX_PARTS)?;
    let mut parts = BTreeMap::new();
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).ok()?;
        let name = part.name().ok()?;
        let is_property = PROPERTIES.iter().any(|prefix| name.starts_with(prefix));
        if !is_property && !part.is_dir() && !name.ends_with(".rels") {
            parts.insert(name.to_string(), (part.size(), part.crc32()));
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn package(parts: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap()
    }

    #[test]
    fn properties_may_differ_and_the_document_may_not() {
        let stored = || package(&[("[Content_Types].xml", "a"), ("word/document.xml", "text")]);
        let rewritten = package(&[
            ("[Content_Types].xml", "b"),
            ("docProps/custom.xml", "columns"),
            ("word/document.xml", "text"),
        ]);
        assert_eq!(compare_files(stored(), rewritten), Same::Parts);
        let changed = package(&[("[Content_Types].xml", "a"), ("word/document.xml", "Text")]);
        assert_eq!(compare_files(stored(), changed), Same::No);
        let less = package(&[("[Content_Types].xml", "a")]);
        assert_eq!(compare_files(stored(), less), Same::No);
        let nothing = || package(&[("[Content_Types].xml", "a")]);
        assert_eq!(compare_files(nothing(), nothing()), Same::No);
        let text = || Cursor::new(b"no zip".to_vec());
        assert_eq!(compare_files(text(), text()), Same::No);
    }
}
