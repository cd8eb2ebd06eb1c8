//! `pdf`: version 1.7 (ISO 32000-1), text in the Helvetica that every reader brings along.

use std::fmt::Write as _;

use super::{Document, Picture};

/// A4 in points.
const WIDTH: usize = 595;
const HEIGHT: usize = 842;

const MARGIN: usize = 56;

/// Points from line to line.
const LEADING: usize = 14;

/// Characters of a line.
const COLUMNS: usize = 84;

/// Lines of a page.
const LINES: usize = (HEIGHT - 2 * MARGIN) / LEADING;

/// The first code beyond ASCII that the font of a document gives to other characters.
const FIRST_CODE: usize = 128;

/// Codes that a font of single bytes has from there.
const CODES: usize = 128;

/// Entries of a block in a character map (Adobe Technical Note 5014, section 1.4.1).
const MAP_BLOCK: usize = 100;

/// The characters beyond ASCII of a document; each gets a code of one byte.
struct Font(Vec<char>);

impl Font {
    fn of(document: &Document) -> Self {
        let texts = document.paragraphs.iter().chain([&document.title]);
        let texts = texts.chain(document.rows.iter().map(|row| &row.item));
        let mut characters = Vec::new();
        for character in texts.flat_map(|text| text.chars()).filter(|one| !one.is_ascii()) {
            if !characters.contains(&character) && characters.len() < CODES {
                characters.push(character);
            }
        }
        Self(characters)
    }

    fn code(&self, character: char) -> u8 {
        let place = self.0.iter().position(|one| *one == character);
        let code = match place {
            Some(place) => u8::try_from(FIRST_CODE + place).ok(),
            None => u8::try_from(character).ok().filter(|code| (b' '..=b'~').contains(code)),
        };
        code.unwrap_or(b'?')
    }

    /// The text as a hexadecimal string of the document.
    fn show(&self, text: &str) -> String {
        hex::encode_upper(text.chars().map(|character| self.code(character)).collect::<Vec<_>>())
    }

    /// The font with the names of its glyphs (Adobe Glyph List Specification, section 2).
    fn dictionary(&self, map: usize) -> String {
        let mut names = String::new();
        for character in &self.0 {
            let _ = write!(names, " /uni{:04X}", u32::from(*character));
        }
        format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode {map} 0 R /Encoding \
             << /Type /Encoding /BaseEncoding /WinAnsiEncoding \
             /Differences [{FIRST_CODE}{names}] >> >>"
        )
    }

    /// The way back from codes to characters, by which readers copy and search text.
    fn map(&self) -> String {
        let mut map = String::from(
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n\
             /CMapName /Contoso def /CMapType 2 def\n\
             1 begincodespacerange <00> <FF> endcodespacerange\n\
             1 beginbfrange <20> <7E> <0020> endbfrange\n",
        );
        for (block, characters) in self.0.chunks(MAP_BLOCK).enumerate() {
            let _ = writeln!(map, "{} beginbfchar", characters.len());
            for (index, character) in characters.iter().enumerate() {
                let code = FIRST_CODE + block * MAP_BLOCK + index;
                let _ = writeln!(map, "<{code:02X}> <{}>", utf16(&character.to_string()));
            }
            map.push_str("endbfchar\n");
        }
        map + "endcmap CMapName currentdict /CMap defineresource pop end end\n"
    }
}

/// The objects of a file, numbered from 1.
#[derive(Default)]
struct Objects(Vec<Vec<u8>>);

impl Objects {
    fn add(&mut self, object: String) -> usize {
        self.0.push(object.into_bytes());
        self.0.len()
    }

    fn add_stream(&mut self, entries: &str, content: &[u8]) -> usize {
        let head = format!("<< {entries} /Length {} >>\nstream\n", content.len());
        self.0.push([head.as_bytes(), content, b"\nendstream"].concat());
        self.0.len()
    }

    /// The file: header, objects, the table of where they begin, and where that begins.
    fn file(self, trailer: &str) -> Vec<u8> {
        // Four bytes beyond ASCII tell transport programs that the file is binary.
        let mut file = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", self.0.len() + 1);
        for (index, object) in self.0.iter().enumerate() {
            let _ = writeln!(table, "{:010} 00000 n ", file.len());
            file.extend(format!("{} 0 obj\n", index + 1).bytes());
            file.extend(object);
            file.extend(b"\nendobj\n");
        }
        let start = file.len();
        let size = self.0.len() + 1;
        file.extend(table.bytes());
        let end = format!("trailer\n<< /Size {size} {trailer} >>\nstartxref\n{start}\n%%EOF\n");
        file.extend(end.bytes());
        file
    }
}

/// The number of the object that lists the pages: the first one, so that pages can name it.
const PAGES: usize = 1;

pub(super) fn bytes(document: &Document) -> Vec<u8> {
    let font = Font::of(document);
    let mut objects = Objects::default();
    let _ = objects.add(String::new());
    let map = objects.add_stream("", font.map().as_bytes());
    let font_number = objects.add(font.dictionary(map));
    let mut pages = Vec::new();
    for lines in lines(document).chunks(LINES) {
        let content = objects.add_stream("", text(lines, &font).as_bytes());
        pages.push(objects.add(page(content, &format!("/Font << /F {font_number} 0 R >>"))));
    }
    for picture in &document.pictures {
        let entries = format!(
            "/Type /XObject /Subtype /Image /Width {} /Height {} /ColorSpace /DeviceRGB \
             /BitsPerComponent 8",
            picture.width, picture.height
        );
        let image = objects.add_stream(&entries, &picture.pixels);
        let content = objects.add_stream("", placed(picture).as_bytes());
        pages.push(objects.add(page(content, &format!("/XObject << /P {image} 0 R >>"))));
    }
    let kids: String = pages.iter().map(|page| format!("{page} 0 R ")).collect();
    let count = pages.len();
    objects.0[PAGES - 1] = format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>").into_bytes();
    let language = document.language;
    let root = objects.add(format!("<< /Type /Catalog /Pages {PAGES} 0 R /Lang ({language}) >>"));
    let info = objects.add(info(document));
    let id = format!("{:016x}{:016x}", document.id, document.revision);
    objects.file(&format!("/Root {root} 0 R /Info {info} 0 R /ID [<{:032x}> <{id}>]", document.id))
}

fn page(content: usize, resources: &str) -> String {
    format!(
        "<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] \
         /Contents {content} 0 R /Resources << {resources} >> >>"
    )
}

fn text(lines: &[String], font: &Font) -> String {
    let top = HEIGHT - MARGIN;
    let mut content = format!("BT /F 11 Tf {LEADING} TL {MARGIN} {top} Td\n");
    for line in lines {
        let _ = writeln!(content, "<{}> Tj T*", font.show(line));
    }
    content + "ET\n"
}

/// Draws the picture over the width of the text.
fn placed(picture: &Picture) -> String {
    let width = WIDTH - 2 * MARGIN;
    let height = (width * picture.height / picture.width).max(1);
    format!("q {width} 0 0 {height} {MARGIN} {MARGIN} cm /P Do Q\n")
}

fn lines(document: &Document) -> Vec<String> {
    let mut lines = vec![document.title.clone(), String::new()];
    for paragraph in &document.paragraphs {
        wrap(paragraph, &mut lines);
        lines.push(String::new());
    }
    let row = |row: &super::Row| {
        format!("{} x {} {}.{:02}", row.count, row.item, row.price / 100, row.price % 100)
    };
    lines.extend(document.rows.iter().map(row));
    lines
}

/// Breaks a paragraph at spaces, and where there are none (as in Japanese) anywhere.
fn wrap(paragraph: &str, lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in paragraph.split_inclusive([' ', '。', '、']) {
        if !line.is_empty() && line.chars().count() + word.chars().count() > COLUMNS {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(word);
    }
    lines.push(line);
}

fn info(document: &Document) -> String {
    format!(
        "<< /Title <{}> /Author <{}> /Producer (Contoso Writer) /CreationDate ({}) /ModDate ({}) >>",
        utf16_marked(&document.title),
        utf16_marked(&document.author),
        document.created.strftime("D:%Y%m%d%H%M%SZ"),
        document.modified.strftime("D:%Y%m%d%H%M%SZ"),
    )
}

fn utf16_marked(text: &str) -> String {
    format!("FEFF{}", utf16(text))
}

fn utf16(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}
