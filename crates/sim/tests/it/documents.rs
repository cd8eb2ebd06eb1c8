//! Generated documents, read back by programs that did not write them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Cursor, Read};

use holdfast_sim::content::{Document, Kind, Person, company};
use jiff::Timestamp;
use quick_xml::events::Event;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn at(days: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + days * 86_400).unwrap()
}

/// Documents of a kind in every language of the company.
fn documents(kind: Kind, size: usize) -> Vec<(Person, Document)> {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let compose = |person: Person| {
        let document = Document::compose(kind, size, &person, at(0), &mut rng);
        (person, document)
    };
    company(10, 1).into_iter().map(compose).collect()
}

/// The parts of an office file; those in XML are read to their end.
fn parts(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut parts = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        assert_eq!(entry.last_modified().map(|date| date.year()), Some(1980));
        let mut content = Vec::new();
        // The reader compares the checksum.
        entry.read_to_end(&mut content).unwrap();
        parts.insert(entry.name().unwrap().into_owned(), content);
    }
    parts
}

/// Name and attributes.
type Element = (String, HashMap<String, String>);

/// Name and attributes of each element, and all text, of an XML part.
fn read_xml(content: &[u8]) -> (Vec<Element>, String) {
    let mut reader = quick_xml::Reader::from_reader(content);
    let (mut elements, mut text, mut depth) = (Vec::new(), String::new(), 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                depth += 1;
                elements.push(named(&element));
            }
            Event::Empty(element) => elements.push(named(&element)),
            Event::End(_) => depth -= 1,
            Event::Text(piece) => text.push_str(&piece.decode().unwrap()),
            Event::GeneralRef(name) => {
                let name = name.decode().unwrap().into_owned();
                text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    (elements, text)
}

fn named(element: &quick_xml::events::BytesStart<'_>) -> Element {
    let name = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let attribute = |one: quick_xml::events::attributes::Attribute<'_>| {
        (
            name(one.key.as_ref()),
            one.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned(),
        )
    };
    let attributes = element.attributes().map(|one| attribute(one.unwrap())).collect();
    (name(element.name().as_ref()), attributes)
}

/// The part that a relationship leads to, seen from the folder of its source.
fn resolve(folder: &str, target: &str) -> String {
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Every part has a type and every relationship a target.
fn check_package(parts: &BTreeMap<String, Vec<u8>>) {
    let (types, _) = read_xml(&parts["[Content_Types].xml"]);
    let named: BTreeSet<_> =
        types.iter().filter_map(|(_, one)| one.get("PartName")).map(|name| &name[1..]).collect();
    let mut reached = BTreeSet::new();
    for (name, content) in parts {
        if name.ends_with(".png") {
            continue;
        }
        let (elements, _) = read_xml(content);
        let Some(source) = name.strip_suffix(".rels") else {
            assert!(named.contains(name.as_str()) || name == "[Content_Types].xml", "{name}");
            continue;
        };
        let folder = source.rsplit_once("_rels/").unwrap().0.trim_end_matches('/');
        for (_, relation) in elements.iter().filter(|(name, _)| name == "Relationship") {
            reached.insert(resolve(folder, &relation["Target"]));
        }
    }
    let content: BTreeSet<_> = parts
        .keys()
        .filter(|name| !name.ends_with(".rels") && *name != "[Content_Types].xml")
        .cloned()
        .collect();
    assert_eq!(reached, content);
}

#[test]
fn office_files_are_whole_packages_with_the_text() {
    let kinds = [
        (Kind::Word, "word/document.xml"),
        (Kind::Sheet, "xl/sharedStrings.xml"),
        (Kind::Slides, "ppt/slides/slide1.xml"),
    ];
    for (kind, main) in kinds {
        for (person, mut document) in documents(kind, 60_000) {
            document.title.push_str(" <&\">");
            document.edit(&person, at(3), &mut ChaCha8Rng::seed_from_u64(1));
            let parts = parts(&document.bytes());
            check_package(&parts);
            let (_, text) = read_xml(&parts[main]);
            assert!(text.contains(&document.paragraphs[0]), "{text}");
            let (_, core) = read_xml(&parts["docProps/core.xml"]);
            for value in [&document.title, &person.display_name, "2", "2023-11-17T22:13:20Z"] {
                assert!(core.contains(value), "{value} in {core}");
            }
            let pictures: Vec<_> = parts.keys().filter(|name| name.ends_with(".png")).collect();
            assert_eq!(pictures.len(), document.pictures.len());
            assert_eq!(pictures.is_empty(), kind == Kind::Sheet);
        }
    }
}

#[test]
fn workbooks_count_right() {
    for (_, document) in documents(Kind::Sheet, 20_000) {
        let parts = parts(&document.bytes());
        let (cells, text) = read_xml(&parts["xl/worksheets/sheet1.xml"]);
        let rows = cells.iter().filter(|(name, _)| name == "row").count();
        assert_eq!(rows, document.rows.len() + 2);
        let total: u64 =
            document.rows.iter().map(|row| u64::from(row.count) * u64::from(row.price)).sum();
        let end = format!("SUM(E2:E{}){}.{:02}", rows - 1, total / 100, total % 100);
        assert!(text.ends_with(&end), "{end}");
        let (strings, _) = read_xml(&parts["xl/sharedStrings.xml"]);
        let unique = strings.iter().filter(|(name, _)| name == "si").count();
        assert_eq!(strings[0].1["uniqueCount"], unique.to_string());
    }
}

/// The bytes of each object, found as a reader does: from the end, by the table.
fn objects(file: &[u8]) -> Vec<&[u8]> {
    let text = String::from_utf8_lossy(&file[file.len() - 200..]).into_owned();
    let (_, end) = text.rsplit_once("startxref\n").unwrap();
    let start: usize = end.trim_end().strip_suffix("%%EOF").unwrap().trim().parse().unwrap();
    let mut table = file[start..].split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    assert_eq!(table.next().unwrap(), "xref");
    let count: usize = table.next().unwrap().strip_prefix("0 ").unwrap().parse().unwrap();
    let mut offsets = Vec::new();
    for (number, line) in table.take(count).enumerate() {
        // With its end a line has 20 bytes (ISO 32000-1, 7.5.4).
        assert_eq!(line.len(), 19);
        match number {
            0 => assert_eq!(line, "0000000000 65535 f "),
            _ => offsets.push(line[..10].parse::<usize>().unwrap()),
        }
    }
    let ends = offsets.iter().skip(1).copied().chain([start]);
    let object = |(number, (from, to)): (usize, (usize, usize))| {
        let head = format!("{} 0 obj\n", number + 1);
        let body = file[from..to].strip_prefix(head.as_bytes()).expect("no object at the offset");
        body.strip_suffix(b"\nendobj\n").expect("no end of the object")
    };
    offsets.iter().copied().zip(ends).enumerate().map(object).collect()
}

/// The content of a stream, as long as its dictionary says.
fn stream(object: &[u8]) -> Option<&[u8]> {
    let head_end = memchr::memmem::find(object, b">>\nstream\n")?;
    let head = String::from_utf8_lossy(&object[..head_end]);
    let length: usize = head.split("/Length ").nth(1).unwrap().trim().parse().unwrap();
    let rest = &object[head_end + b">>\nstream\n".len()..];
    assert_eq!(&rest[length..], b"\nendstream");
    Some(&rest[..length])
}

/// Characters by code, from the font's map.
fn characters(map: &str) -> HashMap<u8, char> {
    let mut characters: HashMap<u8, char> = (b' '..=b'~').map(|one| (one, one.into())).collect();
    for line in map.lines().filter(|line| line.starts_with('<')) {
        let (code, unicode) = line[1..line.len() - 1].split_once("> <").unwrap();
        let unit = u16::from_str_radix(unicode, 16).unwrap();
        let character = char::decode_utf16([unit]).next().unwrap().unwrap();
        characters.insert(u8::from_str_radix(code, 16).unwrap(), character);
    }
    characters
}

#[test]
fn pdf_files_have_right_offsets_and_text_that_can_be_copied() {
    for (_, document) in documents(Kind::Pdf, 90_000) {
        let file = document.bytes();
        let objects = objects(&file);
        let streams: Vec<_> = objects.iter().filter_map(|object| stream(object)).collect();
        let texts: Vec<_> = streams.iter().map(|one| String::from_utf8_lossy(one)).collect();
        let map = characters(texts.iter().find(|text| text.contains("begincmap")).unwrap());
        let mut shown = String::new();
        for line in texts.iter().flat_map(|text| text.lines()) {
            if let Some(codes) =
                line.strip_prefix('<').and_then(|line| line.strip_suffix("> Tj T*"))
            {
                shown.extend(hex::decode(codes).unwrap().iter().map(|code| map[code]));
            }
        }
        assert!(shown.starts_with(&document.title), "{shown}");
        for paragraph in &document.paragraphs {
            assert!(shown.contains(paragraph), "{paragraph} in {shown}");
        }
        let images = streams
            .iter()
            .filter(|one| document.pictures.iter().any(|picture| picture.pixels.as_ref() == **one));
        assert_eq!(images.count(), document.pictures.len());
        let pages = objects[0].windows(4).filter(|bytes| bytes == b" 0 R").count();
        assert!(String::from_utf8_lossy(objects[0]).contains(&format!("/Count {pages}")));
    }
}

#[test]
fn sizes_are_as_asked_and_the_same_document_is_the_same_file() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let people = company(10, 1);
    for kind in Kind::ALL {
        for (size, person) in [20_000, 60_000, 200_000, 1_500_000].iter().zip(&people) {
            let mut again = rng.clone();
            let document = Document::compose(kind, *size, person, at(0), &mut rng);
            let file = document.bytes();
            let asked = if kind == Kind::Sheet { 700_000.min(*size) } else { *size };
            assert!(file.len().abs_diff(asked) < asked / 4, "{kind:?}: {} for {size}", file.len());
            assert!(file == Document::compose(kind, *size, person, at(0), &mut again).bytes());
        }
        let smallest = documents(kind, 0);
        assert!(smallest.iter().all(|(_, one)| (2_000..9_000).contains(&one.bytes().len())));
    }
}

#[test]
fn an_edit_changes_the_document_and_little_of_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for kind in Kind::ALL {
        let (person, mut document) = documents(kind, 30_000).swap_remove(4);
        for revision in 2..12 {
            let before = document.clone();
            document.edit(&person, at(i64::from(revision)), &mut rng);
            assert_eq!(document.revision, revision);
            assert_eq!(document.modified, at(i64::from(revision)));
            assert_ne!(document.bytes(), before.bytes());
            let kept = before.paragraphs.iter().filter(|text| document.paragraphs.contains(text));
            assert!(kept.count() + 1 >= before.paragraphs.len());
        }
    }
}
