//! What SharePoint does to Office files in libraries: it writes properties of the library into the
//! file, so that size and hash are not those of what was uploaded (seen in rclone#2599 and
//! rclone#4890, fault 31).

use std::io::{Cursor, Read, Write};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The part that is added.
const CUSTOM: &str = "docProps/custom.xml";

/// The part that lists the others.
const TYPES: &str = "[Content_Types].xml";

/// The part that lists how the document hangs together.
const RELATIONS: &str = "_rels/.rels";

const CUSTOM_XML: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" "#,
    r#"xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes">"#,
    r#"<property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="2" name="ContentTypeId">"#,
    r#"<vt:lpwstr>0x010100</vt:lpwstr></property></Properties>"#,
);

const TYPE_ENTRY: &str = concat!(
    r#"<Override PartName="/docProps/custom.xml" "#,
    r#"ContentType="application/vnd.openxmlformats-officedocument.custom-properties+xml"/>"#,
);

const RELATION_ENTRY: &str = concat!(
    r#"<Relationship Id="rIdSharePoint" Target="docProps/custom.xml" "#,
    r#"Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/"#,
    r#"custom-properties"/>"#,
);

/// Whether files of this name are rewritten.
pub fn is_office(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_lowercase();
    ["docx", "xlsx", "pptx"].contains(&extension.as_str())
}

/// The file as SharePoint keeps it; `None` for one that is no Office file, or has the part
/// already.
pub fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let is_known = archive.index_for_name(CUSTOM).is_some();
    if is_known || archive.index_for_name(TYPES).is_none() {
        return None;
    }
    write(&mut archive).ok()
}

fn write(archive: &mut ZipArchive<Cursor<&[u8]>>) -> ZipResult<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut part = archive.by_index(index)?;
        let name = part.name()?.into_owned();
        let (entry, end) = match name.as_str() {
            TYPES => (TYPE_ENTRY, "</Types>"),
            RELATIONS => (RELATION_ENTRY, "</Relationships>"),
            _ => {
                drop(part);
                writer.raw_copy_file(archive.by_index_raw(index)?)?;
                continue;
            }
        };
        let mut text = String::new();
        part.read_to_string(&mut text)?;
        add(&mut writer, &name, &text.replacen(end, &format!("{entry}{end}"), 1))?;
    }
    add(&mut writer, CUSTOM, CUSTOM_XML)?;
    Ok(writer.finish()?.into_inner())
}

fn add(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, text: &str) -> ZipResult<()> {
    writer.start_file(name, SimpleFileOptions::default())?;
    writer.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A file with the parts of a small document.
    pub fn document(text: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        add(&mut writer, TYPES, "<Types></Types>").unwrap();
        add(&mut writer, RELATIONS, "<Relationships></Relationships>").unwrap();
        add(&mut writer, "word/document.xml", text).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn parts(bytes: &[u8]) -> BTreeMap<String, String> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let read = |index| {
            let mut part = archive.by_index(index).unwrap();
            let mut text = String::new();
            part.read_to_string(&mut text).unwrap();
            (part.name().unwrap().into_owned(), text)
        };
        (0..4).map(read).collect()
    }

    #[test]
    fn a_part_is_added_and_the_others_stay() {
        let before = document("text");
        let after = rewritten(&before).unwrap();
        assert!(after.len() > before.len());
        let parts = parts(&after);
        assert_eq!(parts["word/document.xml"], "text");
        assert_eq!(parts[CUSTOM], CUSTOM_XML);
        assert!(parts[TYPES].contains("custom-properties+xml"));
        assert!(parts[RELATIONS].contains(CUSTOM));
        assert_eq!(rewritten(&after), None, "it is there already");
        assert_eq!(rewritten(b"no zip"), None);
        assert!(is_office("a.DOCX") && !is_office("a.pdf") && !is_office("docx"));
    }
}
