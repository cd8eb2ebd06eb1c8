//! `xlsx`: SpreadsheetML.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::package::{Package, escape};
use super::{Document, Row};

const STYLES: &str = include_str!("parts/sheet_styles.xml");

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// The day of 1 January 1970 as a workbook counts days (from 30 December 1899).
const EPOCH_DAY: i32 = 25_569;

/// Indexes into the cell formats of the style sheet.
const DATE: u8 = 1;
const MONEY: u8 = 2;
const BOLD: u8 = 3;

/// Texts that cells name by their number.
#[derive(Default)]
struct Strings<'a> {
    numbers: HashMap<&'a str, usize>,
    list: Vec<&'a str>,
    uses: usize,
}

impl<'a> Strings<'a> {
    fn number(&mut self, text: &'a str) -> usize {
        self.uses += 1;
        *self.numbers.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() - 1
        })
    }

    fn xml(&self) -> String {
        let (uses, unique) = (self.uses, self.list.len());
        let mut xml = format!("<sst xmlns=\"{MAIN}\" count=\"{uses}\" uniqueCount=\"{unique}\">");
        for text in &self.list {
            let _ = write!(xml, "<si><t xml:space=\"preserve\">{}</t></si>", escape(text));
        }
        xml + "</sst>"
    }
}

pub(super) fn bytes(document: &Document) -> Vec<u8> {
    let mut package = Package::default();
    let mut strings = Strings::default();
    let (table, notes) =
        (table(&document.rows, &mut strings), notes(&document.paragraphs, &mut strings));
    package.part(
        "xl/workbook.xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        &workbook(),
    );
    let sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml";
    package.part("xl/worksheets/sheet1.xml", sheet, &table);
    package.part("xl/worksheets/sheet2.xml", sheet, &notes);
    package.part(
        "xl/styles.xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml",
        STYLES,
    );
    package.part(
        "xl/sharedStrings.xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml",
        &strings.xml(),
    );
    let targets = [
        ("worksheet", "worksheets/sheet1.xml".to_owned()),
        ("worksheet", "worksheets/sheet2.xml".to_owned()),
        ("styles", "styles.xml".to_owned()),
        ("sharedStrings", "sharedStrings.xml".to_owned()),
    ];
    package.relations("xl/workbook.xml", &targets);
    package.finish(document, "xl/workbook.xml", "Microsoft Excel")
}

fn workbook() -> String {
    format!(
        "<workbook xmlns=\"{MAIN}\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
         <sheet name=\"Übersicht\" sheetId=\"1\" r:id=\"rId1\"/>\
         <sheet name=\"Notes\" sheetId=\"2\" r:id=\"rId2\"/></sheets></workbook>"
    )
}

fn table<'a>(rows: &'a [Row], strings: &mut Strings<'a>) -> String {
    let mut xml = format!("<worksheet xmlns=\"{MAIN}\"><sheetData><row r=\"1\">");
    for (column, title) in ["Date", "Item", "Count", "Price", "Sum"].into_iter().enumerate() {
        let letter = ["A", "B", "C", "D", "E"][column];
        let number = strings.number(title);
        let _ = write!(xml, "<c r=\"{letter}1\" s=\"{BOLD}\" t=\"s\"><v>{number}</v></c>");
    }
    xml.push_str("</row>");
    let mut total = 0;
    for (index, row) in rows.iter().enumerate() {
        let at = index + 2;
        let sum = u64::from(row.count) * u64::from(row.price);
        total += sum;
        let _ = write!(
            xml,
            "<row r=\"{at}\"><c r=\"A{at}\" s=\"{DATE}\"><v>{}</v></c>\
             <c r=\"B{at}\" t=\"s\"><v>{}</v></c><c r=\"C{at}\"><v>{}</v></c>\
             <c r=\"D{at}\" s=\"{MONEY}\"><v>{}</v></c>\
             <c r=\"E{at}\" s=\"{MONEY}\"><f>C{at}*D{at}</f><v>{}</v></c></row>",
            row.day + EPOCH_DAY,
            strings.number(&row.item),
            row.count,
            hundredths(u64::from(row.price)),
            hundredths(sum),
        );
    }
    let (last, at) = (rows.len() + 1, rows.len() + 2);
    let _ = write!(
        xml,
        "<row r=\"{at}\"><c r=\"E{at}\" s=\"{MONEY}\"><f>SUM(E2:E{last})</f><v>{}</v></c></row>\
         </sheetData></worksheet>",
        hundredths(total)
    );
    xml
}

fn notes<'a>(paragraphs: &'a [String], strings: &mut Strings<'a>) -> String {
    let mut xml = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>");
    for (index, text) in paragraphs.iter().enumerate() {
        let (at, number) = (index + 1, strings.number(text));
        let _ = write!(xml, "<row r=\"{at}\"><c r=\"A{at}\" t=\"s\"><v>{number}</v></c></row>");
    }
    xml + "</sheetData></worksheet>"
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
