//! Office documents and PDF files with content that people could have written, edited over and
//! over as documents are.
//!
//! The files are real: readers that know nothing of this crate open them. The same document gives
//! the same bytes.

mod package;
mod pdf;
mod picture;
mod sheet;
mod slides;
mod word;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

pub use self::picture::Picture;

use super::Person;
use super::language::Language;

/// Most characters of text in a document that grows by pictures.
const MOST_TEXT: usize = 40_000;

/// Largest picture in bytes of its pixels.
const LARGEST_PICTURE: usize = 1_000_000;

/// A picture below this is not worth its frame.
const SMALLEST_PICTURE: usize = 600;

/// Bytes of a packed row in a workbook, by measure.
const PACKED_ROW: usize = 36;

/// Most rows of a workbook; one of them is of some 700 KB.
const MOST_ROWS: usize = 20_000;

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text: `docx` (WordprocessingML, ECMA-376).
    Word,
    /// A workbook: `xlsx` (SpreadsheetML, ECMA-376).
    Sheet,
    /// Slides: `pptx` (PresentationML, ECMA-376).
    Slides,
    /// Pages: `pdf` 1.7 (ISO 32000-1).
    Pdf,
}

impl Kind {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Word, Self::Sheet, Self::Slides, Self::Pdf];

    /// The ending of the file's name, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Word => "docx",
            Self::Sheet => "xlsx",
            Self::Slides => "pptx",
            Self::Pdf => "pdf",
        }
    }
}

/// A line of an order or a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The day, counted from 1 January 1970.
    pub day: i32,
    /// What it is.
    pub item: String,
    /// How many.
    pub count: u32,
    /// Price of one in hundredths.
    pub price: u32,
}

/// A document before it becomes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The format.
    pub kind: Kind,
    /// The title.
    pub title: String,
    /// Who wrote it first.
    pub author: String,
    /// Who changed it last.
    pub editor: String,
    /// When it was written first.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
    /// Counts the changes, from 1.
    pub revision: u32,
    /// The text (notes in a workbook).
    pub paragraphs: Vec<String>,
    /// The table; only workbooks show more than a dozen rows.
    pub rows: Vec<Row>,
    /// The pictures; a workbook shows none.
    pub pictures: Vec<Picture>,
    /// The language of the text, for example `de-DE`.
    pub language: &'static str,
    /// Names the file inside itself.
    pub id: u64,
}

impl Document {
    /// A new document, whose file has about `size` bytes: at least what the format needs (4 to
    /// 9 KB), in a workbook at most some 700 KB.
    pub fn compose(
        kind: Kind,
        size: usize,
        author: &Person,
        at: Timestamp,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let language = Language::of(&author.language);
        let mut document = Self {
            kind,
            title: language.subject(rng),
            author: author.display_name.clone(),
            editor: author.display_name.clone(),
            created: at,
            modified: at,
            revision: 1,
            paragraphs: Vec::new(),
            rows: Vec::new(),
            pictures: Vec::new(),
            language: language.tag,
            id: rng.random(),
        };
        document.fill(language, size, rng);
        document
    }

    /// Text and rows first; what is then missing to `size` comes as pictures.
    fn fill(&mut self, language: &'static Language, size: usize, rng: &mut ChaCha8Rng) {
        // Slides of their own weigh more than their text; a PDF file here shows text unpacked.
        let share = match self.kind {
            Kind::Word => 2,
            Kind::Pdf => 5,
            Kind::Slides => 10,
            Kind::Sheet => 100,
        };
        let text = (size / share).clamp(600, MOST_TEXT);
        let rows = match self.kind {
            Kind::Sheet => (size.saturating_sub(5000) / PACKED_ROW).clamp(5, MOST_ROWS),
            _ => rng.random_range(3..=12),
        };
        let mut length = 0;
        while length < text {
            let paragraph = language.paragraph(rng);
            length += paragraph.chars().count();
            self.paragraphs.push(paragraph);
        }
        self.rows = (0..rows).map(|_| row(language, self.created, rng)).collect();
        if self.kind == Kind::Sheet {
            return;
        }
        let mut missing = size.saturating_sub(self.bytes().len());
        while missing >= SMALLEST_PICTURE {
            let picture = Picture::of_size(missing.min(LARGEST_PICTURE), rng);
            missing -= picture.size().min(missing);
            self.pictures.push(picture);
        }
    }

    /// Changes the document as somebody at work does: a paragraph or a row is added, rewritten or
    /// dropped, now and then a picture is exchanged.
    pub fn edit(&mut self, editor: &Person, at: Timestamp, rng: &mut ChaCha8Rng) {
        let language = Language::of(&editor.language);
        self.editor.clone_from(&editor.display_name);
        self.modified = at.max(self.modified);
        self.revision += 1;
        let place = rng.random_range(0..self.paragraphs.len().max(1));
        match rng.random_range(0..6) {
            0 if self.paragraphs.len() > 2 => drop(self.paragraphs.remove(place)),
            1 | 2 if !self.paragraphs.is_empty() => {
                self.paragraphs[place] = language.paragraph(rng);
            }
            _ => self.paragraphs.insert(place, language.paragraph(rng)),
        }
        let place = rng.random_range(0..=self.rows.len());
        match self.rows.get_mut(place) {
            Some(row) => row.count += rng.random_range(1..50),
            None => self.rows.push(row(language, at, rng)),
        }
        if let Some(picture) = self.pictures.last_mut()
            && rng.random_bool(0.2)
        {
            *picture = Picture::of_size(picture.size(), rng);
        }
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        match self.kind {
            Kind::Word => word::bytes(self),
            Kind::Sheet => sheet::bytes(self),
            Kind::Slides => slides::bytes(self),
            Kind::Pdf => pdf::bytes(self),
        }
    }
}

const ITEMS: [&str; 12] = [
    "Gasket 40 mm",
    "Gehäuse links",
    "Joint d'étanchéité",
    "Tornillo M6 × 30",
    "Łożysko 6204",
    "Převodovka A3",
    "Подшипник 6204",
    "軸受 6204",
    "Cable <shielded> & plug",
    "Paint RAL 7035",
    "Assembly, hours",
    "Freight",
];

fn row(language: &'static Language, at: Timestamp, rng: &mut ChaCha8Rng) -> Row {
    let item = ITEMS.choose(rng).copied().unwrap_or_default();
    let item = match rng.random_bool(0.02) {
        true => language.subject(rng),
        false => format!("{item} #{}", rng.random_range(1..200)),
    };
    let before = SignedDuration::from_hours(24 * rng.random_range(0..90));
    let day = at.as_second().saturating_sub(before.as_secs()).div_euclid(86_400);
    Row {
        day: i32::try_from(day).unwrap_or_default(),
        item,
        count: rng.random_range(1..500),
        price: rng.random_range(5..250_000),
    }
}
