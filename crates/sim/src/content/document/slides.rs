//! `pptx`: PresentationML.

use std::fmt::Write as _;

use super::Document;
use super::package::{Package, escape};

const MASTER: &str = include_str!("parts/slide_master.xml");
const LAYOUT: &str = include_str!("parts/slide_layout.xml");
const THEME: &str = include_str!("parts/theme.xml");

/// The namespaces of a slide's outermost element.
const NAMES: &str = "xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
     xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
     xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\"";

/// Paragraphs on a slide.
const LINES: usize = 4;

/// Where the numbers of slides begin (ECMA-376, part 1, section 19.7.13).
const FIRST_SLIDE: usize = 256;

/// What comes before the slides in the presentation's relationships.
const BEFORE_SLIDES: usize = 1;

pub(super) fn bytes(document: &Document) -> Vec<u8> {
    let texts: Vec<&[String]> = document.paragraphs.chunks(LINES).collect();
    let count = texts.len().max(document.pictures.len()).max(1);
    let mut package = Package::default();
    package.part(
        "ppt/presentation.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
        &presentation(count),
    );
    let mut targets = vec![("slideMaster", "slideMasters/slideMaster1.xml".to_owned())];
    targets.extend((1..=count).map(|number| ("slide", format!("slides/slide{number}.xml"))));
    package.relations("ppt/presentation.xml", &targets);
    frame(&mut package);
    for index in 0..count {
        slide(&mut package, document, index, texts.get(index).copied().unwrap_or_default());
    }
    package.finish(document, "ppt/presentation.xml", "Microsoft Office PowerPoint")
}

/// Master, layout and theme, which every slide needs above it.
fn frame(package: &mut Package) {
    package.part(
        "ppt/slideMasters/slideMaster1.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.slideMaster+xml",
        MASTER,
    );
    let targets = [
        ("slideLayout", "../slideLayouts/slideLayout1.xml".to_owned()),
        ("theme", "../theme/theme1.xml".to_owned()),
    ];
    package.relations("ppt/slideMasters/slideMaster1.xml", &targets);
    package.part(
        "ppt/slideLayouts/slideLayout1.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.slideLayout+xml",
        LAYOUT,
    );
    let targets = [("slideMaster", "../slideMasters/slideMaster1.xml".to_owned())];
    package.relations("ppt/slideLayouts/slideLayout1.xml", &targets);
    package.part(
        "ppt/theme/theme1.xml",
        "application/vnd.openxmlformats-officedocument.theme+xml",
        THEME,
    );
}

fn presentation(count: usize) -> String {
    let mut xml = format!(
        "<p:presentation {NAMES}><p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" r:id=\"rId1\"/>\
         </p:sldMasterIdLst><p:sldIdLst>"
    );
    for index in 0..count {
        let (id, relation) = (FIRST_SLIDE + index, index + 1 + BEFORE_SLIDES);
        let _ = write!(xml, "<p:sldId id=\"{id}\" r:id=\"rId{relation}\"/>");
    }
    xml.push_str(
        "</p:sldIdLst><p:sldSz cx=\"12192000\" cy=\"6858000\"/>\
         <p:notesSz cx=\"6858000\" cy=\"9144000\"/></p:presentation>",
    );
    xml
}

fn slide(package: &mut Package, document: &Document, index: usize, texts: &[String]) {
    let number = index + 1;
    let mut xml = format!(
        "<p:sld {NAMES}><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/>\
         <p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>"
    );
    shape(&mut xml, 2, "<p:ph type=\"title\"/>", &[format!("{number} {}", document.title)]);
    shape(&mut xml, 3, "<p:ph idx=\"1\"/>", texts);
    let mut targets = vec![("slideLayout", "../slideLayouts/slideLayout1.xml".to_owned())];
    if let Some(picture) = document.pictures.get(index) {
        package.picture(&format!("ppt/media/image{number}.png"), picture.png());
        targets.push(("image", format!("../media/image{number}.png")));
        xml.push_str(
            "<p:pic><p:nvPicPr><p:cNvPr id=\"4\" name=\"Picture\"/><p:cNvPicPr/><p:nvPr/>\
             </p:nvPicPr><p:blipFill><a:blip r:embed=\"rId2\"/><a:stretch><a:fillRect/>\
             </a:stretch></p:blipFill><p:spPr><a:xfrm><a:off x=\"7200000\" y=\"3600000\"/>\
             <a:ext cx=\"4000000\" cy=\"2250000\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/>\
             </a:prstGeom></p:spPr></p:pic>",
        );
    }
    xml.push_str("</p:spTree></p:cSld></p:sld>");
    let part = format!("ppt/slides/slide{number}.xml");
    let content_type = "application/vnd.openxmlformats-officedocument.presentationml.slide+xml";
    package.part(&part, content_type, &xml);
    package.relations(&part, &targets);
}

fn shape(xml: &mut String, id: usize, place: &str, texts: &[String]) {
    let _ = write!(
        xml,
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"Text {id}\"/><p:cNvSpPr/>\
         <p:nvPr>{place}</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>"
    );
    for text in texts {
        let _ = write!(xml, "<a:p><a:r><a:t>{}</a:t></a:r></a:p>", escape(text));
    }
    // A text body without a paragraph is not valid.
    let end = if texts.is_empty() { "<a:p/>" } else { "" };
    let _ = write!(xml, "{end}</p:txBody></p:sp>");
}
