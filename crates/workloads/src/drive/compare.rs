//! Is a file that was restored the one that is stored?
//!
//! Size and hash answer for most. SharePoint writes properties into Office files that are uploaded
//! to a library, so those are compared by their parts: each part of the document must be there with
//! the same content, and refer to the same others; what holds properties may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use aws_lc_rs::digest::{Context, SHA256};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
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
const PROPERTIES: [&str; 4] = ["docProps/", "customXml/", "[Content_Types].xml", "docMetadata/"];

/// The relations of the package itself: nothing refers to their ids.
const OF_PACKAGE: &str = "_rels/.rels";

/// Most parts of a package that are looked at: more make no document.
const MAX_PARTS: usize = 100_000;

/// Most bytes that a package is unpacked to: more is not looked at, so that a small file cannot
/// keep a restore busy for hours.
const MAX_UNPACKED: u64 = 4 << 30;

/// Longest list of relations in bytes.
const MAX_RELATIONS: u64 = 32 << 20;

/// Compares two Office files by their parts. What cannot be read whole is no document.
pub fn compare_files(stored: impl Read + Seek, found: impl Read + Seek) -> Same {
    match (Document::read(stored), Document::read(found)) {
        (Some(stored), Some(found)) if !stored.parts.is_empty() && stored == found => Same::Parts,
        _ => Same::No,
    }
}

/// What makes a document, without properties.
#[derive(Default, PartialEq)]
struct Document {
    /// SHA-256 of the content of each part.
    parts: BTreeMap<String, Vec<u8>>,
    /// By the list that they stand in.
    relations: BTreeMap<String, BTreeSet<Relation>>,
}

/// To what a part refers (ECMA-376 part 2, "Relationships").
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Relation {
    /// By which the part names it.
    id: String,
    kind: String,
    target: String,
    mode: String,
}

impl Document {
    /// Reads a package; its checksums are compared. Parts are unpacked piece by piece.
    fn read(file: impl Read + Seek) -> Option<Self> {
        let mut archive = ZipArchive::new(file).ok().filter(|zip| zip.len() <= MAX_PARTS)?;
        let (mut document, mut rest) = (Self::default(), MAX_UNPACKED);
        for index in 0..archive.len() {
            let mut part = archive.by_index(index).ok()?;
            let name = part.name().ok()?.to_string();
            if part.is_dir() || is_property(&name) {
                continue;
            }
            if name.ends_with(".rels") {
                let relations = relations(&mut part, name == OF_PACKAGE)?;
                document.relations.insert(name, relations);
            } else {
                document.parts.insert(name, hash(&mut part, &mut rest)?);
            }
        }
        // A list in which only properties stood is as good as none.
        document.relations.retain(|_, relations| !relations.is_empty());
        Some(document)
    }
}

fn is_property(name: &str) -> bool {
    PROPERTIES.iter().any(|prefix| name.starts_with(prefix))
}

/// SHA-256 of a part that is not longer than `rest`, which it uses up.
fn hash(part: &mut impl Read, rest: &mut u64) -> Option<Vec<u8>> {
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 64 << 10]);
    loop {
        let length = part.read(&mut buffer).ok()?;
        if length == 0 {
            return Some(hash.finish().as_ref().to_vec());
        }
        *rest = rest.checked_sub(length as u64)?;
        hash.update(&buffer[..length]);
    }
}

/// The relations of a list but those to properties.
fn relations(part: &mut impl Read, of_package: bool) -> Option<BTreeSet<Relation>> {
    let mut text = Vec::new();
    part.take(MAX_RELATIONS + 1).read_to_end(&mut text).ok()?;
    if text.len() as u64 > MAX_RELATIONS {
        return None;
    }
    let mut reader = quick_xml::Reader::from_reader(text.as_slice());
    let mut relations = BTreeSet::new();
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return Some(relations),
            Event::Start(element) | Event::Empty(element)
                if element.local_name().as_ref() == b"Relationship" =>
            {
                let relation = relation(&element, of_package)?;
                if !PROPERTIES.iter().any(|place| relation.target.contains(place)) {
                    relations.insert(relation);
                }
            }
            _ => {}
        }
    }
}

fn relation(element: &BytesStart<'_>, of_package: bool) -> Option<Relation> {
    let mut relation = Relation::default();
    for attribute in element.attributes() {
        let attribute = attribute.ok()?;
        let place = match attribute.key.as_ref() {
            b"Id" if !of_package => &mut relation.id,
            b"Type" => &mut relation.kind,
            b"Target" => &mut relation.target,
            b"TargetMode" => &mut relation.mode,
            _ => continue,
        };
        *place = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned();
    }
    // An absolute name of a part is the same as a relative one (`/word/document.xml`).
    relation.target = relation.target.trim_start_matches('/').to_owned();
    Some(relation)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const TYPES: (&str, &str) = ("[Content_Types].xml", "a");
    const TEXT: (&str, &str) = ("word/document.xml", "text");

    fn package(parts: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap()
    }

    fn rels(relations: &[(&str, &str)]) -> String {
        let one = |(id, target): &(&str, &str)| {
            format!("<Relationship Id=\"{id}\" Type=\"t\" Target=\"{target}\"/>")
        };
        let all: String = relations.iter().map(one).collect();
        format!("<?xml version=\"1.0\"?><Relationships xmlns=\"r\">{all}</Relationships>")
    }

    #[test]
    fn properties_may_differ_and_the_document_may_not() {
        let stored = || package(&[TYPES, TEXT]);
        let custom = ("docProps/custom.xml", "columns");
        let rewritten = package(&[("[Content_Types].xml", "b"), custom, TEXT]);
        assert_eq!(compare_files(stored(), rewritten), Same::Parts);
        let changed = package(&[TYPES, ("word/document.xml", "Text")]);
        assert_eq!(compare_files(stored(), changed), Same::No);
        assert_eq!(compare_files(stored(), package(&[TYPES])), Same::No);
        let nothing = || package(&[TYPES]);
        assert_eq!(compare_files(nothing(), nothing()), Same::No);
        let text = || Cursor::new(b"no zip".to_vec());
        assert_eq!(compare_files(text(), text()), Same::No);
    }

    #[test]
    fn relations_stay_but_for_those_to_properties() {
        let with = |of_package: &[(&str, &str)], of_document: &[(&str, &str)]| {
            let (package_rels, document_rels) = (rels(of_package), rels(of_document));
            let document = ("word/_rels/document.xml.rels", document_rels.as_str());
            package(&[TYPES, TEXT, (OF_PACKAGE, package_rels.as_str()), document])
        };
        let (root, image) = (("r1", "word/document.xml"), ("r5", "media/a.png"));
        let stored = || with(&[root], &[image]);
        let renumbered = ("r7", "/word/document.xml");
        let properties = ("r1", "docProps/custom.xml");
        let custom = ("r6", "../customXml/item1.xml");
        let rewritten = with(&[properties, renumbered], &[image, custom]);
        assert_eq!(compare_files(stored(), rewritten), Same::Parts);
        for (of_package, of_document) in [
            (&[root][..], &[("r5", "media/b.png")][..]),
            (&[root], &[("r6", "media/a.png")]),
            (&[root], &[]),
            (&[], &[image]),
            (&[root], &[image, ("r9", "https://evil.example/")]),
        ] {
            assert_eq!(compare_files(stored(), with(of_package, of_document)), Same::No);
        }
        let broken = package(&[TYPES, TEXT, (OF_PACKAGE, "<Relationships><Relationship Id=")]);
        assert_eq!(compare_files(package(&[TYPES, TEXT]), broken), Same::No);
    }

    #[test]
    fn what_a_directory_says_is_not_believed() {
        let stored = || package(&[TYPES, ("word/document.xml", "a text that is stored as it is")]);
        let mut damaged = stored().into_inner();
        let place = damaged.len() / 2;
        let in_text = (30..place).find(|at| damaged[*at..].starts_with(b"word/document.xml"));
        damaged[in_text.unwrap() + 20] ^= 1;
        assert_eq!(compare_files(stored(), stored()), Same::Parts);
        assert_eq!(compare_files(stored(), Cursor::new(damaged)), Same::No);
    }
}
