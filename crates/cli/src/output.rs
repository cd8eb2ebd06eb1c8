//! The only place that prints: JSON documents, tables and sentences on standard output, errors on
//! standard error.
//!
//! Names and subjects come from outside. Whatever a terminal could take for an order is replaced
//! before it is shown to a person; JSON escapes it by itself.

use std::io::{self, BufRead, IsTerminal, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use holdfast_model::Timestamp;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// How this command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    bold: bool,
}

impl Output {
    /// For people, or as JSON.
    pub fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, bold: !plain && io::stdout().is_terminal() }
    }

    /// True when a program reads along.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints a report: as a document with `--json`, else the text for people.
    pub fn show<T: Serialize>(self, report: &T, text: impl FnOnce() -> String) -> Result<()> {
        if !self.json {
            return print(text().trim_end());
        }
        let document = serde_json::to_string_pretty(report)
            .map_err(|error| Error::Output(io::Error::other(error)))?;
        print(&document)
    }

    /// Prints a value on one line of JSON, whatever the form of this command.
    pub fn json_line<T: Serialize>(self, value: &T) -> Result<()> {
        let line =
            serde_json::to_string(value).map_err(|error| Error::Output(io::Error::other(error)))?;
        print(&line)
    }

    /// Prints a text for people; nothing with `--json`.
    pub fn say(self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        if self.bold { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::Output)
}

/// Prints text that is ready to be shown (help, completions).
pub fn raw(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

/// Prints an error: one line and its causes, or the document.
pub fn error(json: bool, error: &Error) {
    if json {
        return error_document(&error.to_json());
    }
    let mut text = format!("error: {}\n", clean(&error.to_string()));
    for cause in error.causes() {
        text.push_str(&format!("  caused by: {}\n", clean(&cause)));
    }
    error_text(&text);
}

/// Prints an error document.
pub fn error_document(document: &Value) {
    error_text(&format!("{document}\n"));
}

/// Prints a report on standard error, where standard output takes something else: as a document
/// with `--json`, else the text for people.
pub fn beside<T: Serialize>(out: Output, report: &T, text: impl FnOnce() -> String) {
    match serde_json::to_value(report) {
        Ok(document) if out.is_json() => error_document(&document),
        _ => error_text(&format!("{}\n", text().trim_end())),
    }
}

/// Prints text on standard error; there is nobody to tell when that fails.
pub fn error_text(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Asks whether something may be deleted. Where nobody can be asked, `--yes` must say so.
pub fn confirm_deletion(out: Output, warning: &str) -> Result<()> {
    if out.is_json() || !io::stdin().is_terminal() {
        return Err(Error::Usage(format!(
            "{warning} Here nobody can be asked: look at it with --dry-run, then give --yes"
        )));
    }
    confirm(out, warning)
}

/// Asks whether to go on. A program, or a command without a terminal, has nobody to ask.
pub fn confirm(out: Output, warning: &str) -> Result<()> {
    if out.is_json() || !io::stdin().is_terminal() {
        return Ok(());
    }
    error_text(&format!("{warning} Go on? [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|source| Error::System { what: "the terminal", source })?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::Stopped),
    }
}

/// Text that a terminal takes as text: control characters and those that turn the direction of
/// writing become `·`.
pub fn clean(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    text.chars().map(|c| if odd(c) { '·' } else { c }).collect()
}

/// The beginning of a text, for a line.
pub fn short(text: &str, length: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= length {
        return text;
    }
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut + "…"
}

/// A table: headings, rows, and which columns hold figures.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>, figures: &[usize]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(headings.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    for (position, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if figures.contains(&position) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// `1,234`.
pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1.2 MiB`.
pub fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

/// `1 message`, `1,234 messages`.
pub fn of(number: u64, thing: &str) -> String {
    let plural = match (number, thing.strip_suffix("box")) {
        (1, _) => thing.to_owned(),
        (_, Some(start)) => format!("{start}boxes"),
        _ => format!("{thing}s"),
    };
    format!("{} {plural}", count(number))
}

/// `2026-11-22 09:00:00Z`, or a dash.
pub fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// `45 s`, `5 min`, `3 h 10 min`, `2 d 4 h`, from milliseconds.
pub fn duration(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", ms / 1_000),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_an_order() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}c"), "a·[2Jb···c");
        assert_eq!(clean("Ünï ✉ 日本"), "Ünï ✉ 日本");
    }

    #[test]
    fn words_follow_their_number() {
        assert_eq!(of(1, "mailbox"), "1 mailbox");
        assert_eq!(of(2, "mailbox"), "2 mailboxes");
        assert_eq!(of(2100, "message"), "2,100 messages");
    }

    #[test]
    fn tables_align_figures_and_carry_no_trailing_blanks() {
        let rows = vec![vec!["a".into(), "7".into()], vec!["long".into(), "1,000".into()]];
        let text = table(&["name", "items"], rows, &[1]);
        assert_eq!(text, "name  items\na         7\nlong  1,000");
    }

    #[test]
    fn lengths_of_time_have_two_parts_at_most() {
        let of = |minutes: u64| duration(minutes * 60_000);
        assert_eq!([0, 5, 60, 190].map(of), ["0 s", "5 min", "1 h", "3 h 10 min"]);
        assert_eq!([1_440, 3_130].map(of), ["1 d", "2 d 4 h"]);
        assert_eq!(duration(59_999), "59 s");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(short("äöüäöü", 4), "äöü…");
        assert_eq!(short("abc", 4), "abc");
    }
}
