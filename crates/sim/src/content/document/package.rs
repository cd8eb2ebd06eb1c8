//! Open Packaging Conventions (ECMA-376, part 2): parts, their types and relationships in a ZIP.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Document;

/// What every XML part begins with.
pub(super) const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// Where the types of relationships between office parts begin.
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";

const PROPERTIES: &str =
    "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties";

struct Part {
    name: String,
    content_type: &'static str,
    content: Vec<u8>,
}

/// A package under construction.
#[derive(Default)]
pub(super) struct Package {
    parts: Vec<Part>,
}

impl Package {
    /// Adds an XML part; `name` without a slash in front.
    pub(super) fn part(&mut self, name: &str, content_type: &'static str, xml: &str) {
        let content = format!("{XML}{xml}").into_bytes();
        self.parts.push(Part { name: name.to_owned(), content_type, content });
    }

    /// Adds a PNG picture.
    pub(super) fn picture(&mut self, name: &str, png: Vec<u8>) {
        let name = name.to_owned();
        self.parts.push(Part { name, content_type: "image/png", content: png });
    }

    /// Adds the relationships of a part (of the package itself when `part` is empty): the last
    /// word of each type and its target; their ids are `rId1`, `rId2` and so on.
    pub(super) fn relations(&mut self, part: &str, targets: &[(&str, String)]) {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let mut xml = String::from(
            "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">",
        );
        for (index, (kind, target)) in targets.iter().enumerate() {
            let kind = match *kind {
                "core-properties" => PROPERTIES.to_owned(),
                kind => format!("{OFFICE}{kind}"),
            };
            let id = index + 1;
            let _ =
                write!(xml, "<Relationship Id=\"rId{id}\" Type=\"{kind}\" Target=\"{target}\"/>");
        }
        xml.push_str("</Relationships>");
        let slash = if folder.is_empty() { "" } else { "/" };
        let content_type = "application/vnd.openxmlformats-package.relationships+xml";
        self.part(&format!("{folder}{slash}_rels/{file}.rels"), content_type, &xml);
    }

    /// The file, with the properties of the document and `main` as the part to be opened.
    pub(super) fn finish(mut self, document: &Document, main: &str, program: &str) -> Vec<u8> {
        let core_type = "application/vnd.openxmlformats-package.core-properties+xml";
        self.part("docProps/core.xml", core_type, &core(document));
        let app_type = "application/vnd.openxmlformats-officedocument.extended-properties+xml";
        self.part("docProps/app.xml", app_type, &app(program));
        let targets = [
            ("officeDocument", main.to_owned()),
            ("core-properties", "docProps/core.xml".to_owned()),
            ("extended-properties", "docProps/app.xml".to_owned()),
        ];
        self.relations("", &targets);
        let types = Part {
            name: "[Content_Types].xml".to_owned(),
            content_type: "",
            content: self.types().into_bytes(),
        };
        // Programs tell office files from others by the first part.
        self.parts.insert(0, types);
        pack(&self.parts)
    }

    fn types(&self) -> String {
        let mut xml = format!(
            "{XML}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" \
             ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Default Extension=\"png\" ContentType=\"image/png\"/>"
        );
        for Part { name, content_type, .. } in &self.parts {
            if !name.ends_with(".rels") && !name.ends_with(".png") {
                let _ =
                    write!(xml, "<Override PartName=\"/{name}\" ContentType=\"{content_type}\"/>");
            }
        }
        xml + "</Types>"
    }
}

fn pack(parts: &[Part]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for part in parts {
        let method = match part.content_type {
            "image/png" => CompressionMethod::Stored,
            _ => CompressionMethod::Deflated,
        };
        // Office writes the first day of 1980 into every entry too.
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default());
        let written = zip
            .start_file(part.name.as_str(), options)
            .and_then(|()| Ok(zip.write_all(&part.content)?));
        written.expect("memory takes everything");
    }
    zip.finish().expect("memory takes everything").into_inner()
}

fn core(document: &Document) -> String {
    format!(
        "<cp:coreProperties \
         xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <dc:title>{}</dc:title><dc:creator>{}</dc:creator>\
         <dc:identifier>{:016x}</dc:identifier><dc:language>{}</dc:language>\
         <cp:lastModifiedBy>{}</cp:lastModifiedBy><cp:revision>{}</cp:revision>\
         <dcterms:created xsi:type=\"dcterms:W3CDTF\">{}</dcterms:created>\
         <dcterms:modified xsi:type=\"dcterms:W3CDTF\">{}</dcterms:modified>\
         </cp:coreProperties>",
        escape(&document.title),
        escape(&document.author),
        document.id,
        document.language,
        escape(&document.editor),
        document.revision,
        document.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        document.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
}

fn app(program: &str) -> String {
    format!(
        "<Properties \
         xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties\">\
         <Application>{program}</Application><Company>Contoso</Company></Properties>"
    )
}

/// Text as it stands in XML, in elements and in attributes.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Cow::Owned(text.replace('"', "&quot;"))
}
