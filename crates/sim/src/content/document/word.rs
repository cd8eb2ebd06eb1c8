//! `docx`: WordprocessingML.

use std::fmt::Write as _;

use super::package::{Package, escape};
use super::{Document, Picture, Row};

/// English metric units of a pixel on paper, at 96 pixels per inch.
const UNITS_PER_PIXEL: usize = 9525;

/// The width of the text on a sheet of A4, in the same units.
const TEXT_WIDTH: usize = 5_731_510;

const STYLES: &str = include_str!("parts/word_styles.xml");

/// After how many paragraphs a heading comes.
const PARAGRAPHS_PER_HEADING: usize = 6;

/// Rows of the table that are shown.
const TABLE_ROWS: usize = 12;

pub(super) fn bytes(document: &Document) -> Vec<u8> {
    let mut package = Package::default();
    package.part(
        "word/document.xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        &body(document),
    );
    package.part(
        "word/styles.xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml",
        STYLES,
    );
    let mut targets = vec![("styles", "styles.xml".to_owned())];
    for (index, picture) in document.pictures.iter().enumerate() {
        let name = format!("media/image{}.png", index + 1);
        package.picture(&format!("word/{name}"), picture.png());
        targets.push(("image", name));
    }
    package.relations("word/document.xml", &targets);
    package.finish(document, "word/document.xml", "Microsoft Office Word")
}

fn body(document: &Document) -> String {
    let mut xml = String::from(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
         xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><w:body>",
    );
    paragraph(&mut xml, Some("Title"), &document.title);
    for (index, text) in document.paragraphs.iter().enumerate() {
        if index % PARAGRAPHS_PER_HEADING == 0 {
            let number = index / PARAGRAPHS_PER_HEADING + 1;
            paragraph(&mut xml, Some("Heading1"), &format!("{number} {}", document.title));
        }
        paragraph(&mut xml, None, text);
    }
    table(&mut xml, &document.rows);
    for (index, picture) in document.pictures.iter().enumerate() {
        drawing(&mut xml, picture, index + 1);
    }
    xml.push_str(
        "<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1440\" w:right=\"1440\" \
         w:bottom=\"1440\" w:left=\"1440\" w:header=\"708\" w:footer=\"708\" w:gutter=\"0\"/>\
         </w:sectPr></w:body></w:document>",
    );
    xml
}

fn paragraph(xml: &mut String, style: Option<&str>, text: &str) {
    xml.push_str("<w:p>");
    if let Some(style) = style {
        let _ = write!(xml, "<w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>");
    }
    let text = escape(text);
    let _ = write!(xml, "<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>");
}

fn table(xml: &mut String, rows: &[Row]) {
    xml.push_str(
        "<w:tbl><w:tblPr><w:tblW w:w=\"0\" w:type=\"auto\"/></w:tblPr><w:tblGrid>\
         <w:gridCol w:w=\"5000\"/><w:gridCol w:w=\"1500\"/><w:gridCol w:w=\"2500\"/></w:tblGrid>",
    );
    for row in rows.iter().take(TABLE_ROWS) {
        xml.push_str("<w:tr>");
        let price = format!("{}.{:02}", row.price / 100, row.price % 100);
        for cell in [row.item.as_str(), &row.count.to_string(), &price] {
            xml.push_str("<w:tc><w:tcPr><w:tcW w:w=\"0\" w:type=\"auto\"/></w:tcPr>");
            paragraph(xml, None, cell);
            xml.push_str("</w:tc>");
        }
        xml.push_str("</w:tr>");
    }
    xml.push_str("</w:tbl>");
}

fn drawing(xml: &mut String, picture: &Picture, number: usize) {
    let width = (picture.width * UNITS_PER_PIXEL).min(TEXT_WIDTH);
    let height = width * picture.height / picture.width;
    // The style sheet is the first relationship.
    let relation = number + 1;
    let _ = write!(
        xml,
        "<w:p><w:r><w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\">\
         <wp:extent cx=\"{width}\" cy=\"{height}\"/><wp:docPr id=\"{number}\" \
         name=\"Picture {number}\"/><a:graphic>\
         <a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\">\
         <pic:pic><pic:nvPicPr><pic:cNvPr id=\"{number}\" name=\"image{number}.png\"/>\
         <pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed=\"rId{relation}\"/>\
         <a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm>\
         <a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm>\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData>\
         </a:graphic></wp:inline></w:drawing></w:r></w:p>"
    );
}
