//! An export as mbox files, one per mail folder.
//!
//! RFC 4155: each message after a line `From <sender> <date by asctime, UTC>`, lines end with LF,
//! an empty line after it. Lines that begin like such a line, after any number of `>`, get one `>`
//! more (mboxrd), so that taking one away gives the message back.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::names::File;
use super::part::{Part, Root};
use super::{Content, ExportReport, Sink};
use crate::select::Picked;
use crate::{Error, Result};

/// What separates messages, after any number of `>`.
const FROM: &[u8] = b"From ";

/// Sender where a message has none that fits the line (RFC 4155 leaves the choice).
const NOBODY: &str = "MAILER-DAEMON";

/// Writes messages to the mbox file of their folder, and what is none as a file.
pub(super) struct Mboxes {
    root: Root,
    open: Option<Mbox>,
    files: u64,
}

/// The mbox file that is being written.
struct Mbox {
    path: String,
    part: Part,
    has_messages: bool,
}

impl Mboxes {
    /// Into a new or empty folder.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { root: Root::open(path)?, open: None, files: 0 })
    }

    /// Makes the open file final, unless no message went well.
    fn close(&mut self) -> Result<()> {
        if let Some(mbox) = self.open.take().filter(|mbox| mbox.has_messages) {
            mbox.part.finish(None)?;
            self.files += 1;
        }
        Ok(())
    }
}

impl Sink for Mboxes {
    fn put(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        let path = file.path();
        if self.open.as_ref().is_some_and(|open| open.path != path) {
            self.close()?;
        }
        if !file.in_mbox {
            let mut part = self.root.part(&file.folders, &file.name)?;
            content.copy(&mut part.file, &path)?;
            part.finish(Some(file.date))?;
            self.files += 1;
            return Ok(());
        }
        let mbox = match &mut self.open {
            Some(mbox) => mbox,
            open => {
                let part = self.root.part(&file.folders, &file.name)?;
                open.insert(Mbox { path, part, has_messages: false })
            }
        };
        mbox.append(file, content)
    }

    fn finish(mut self: Box<Self>, report: &mut ExportReport) -> Result<()> {
        self.close()?;
        report.files = self.files;
        Ok(())
    }
}

impl Mbox {
    /// Adds a message, or leaves the file as it was.
    fn append(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        let start = self.part.file.stream_position().map_err(|e| self.part.failed(e))?;
        let written = self.write(file, content);
        if written.is_err() {
            let undone = self.part.file.set_len(start);
            let undone = undone.and_then(|()| self.part.file.seek(SeekFrom::Start(start)));
            undone.map_err(|e| self.part.failed(e))?;
        }
        self.has_messages |= written.is_ok();
        written
    }

    fn write(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        let shown = self.part.shown.display().to_string();
        let failed = |source| Error::File { action: "write", path: shown.clone().into(), source };
        let mut out = BufWriter::new(&mut self.part.file);
        writeln!(out, "{}", separator(&file.item)).map_err(failed)?;
        let mut quoted = Quoted { out: &mut out, line: Line::Start, carriage_return: false };
        content.copy(&mut quoted, &shown)?;
        quoted.end().map_err(failed)?;
        out.flush().map_err(failed)
    }
}

/// The line before a message.
fn separator(item: &Picked) -> String {
    let meta = &item.found.meta;
    let fits = |c: char| c.is_ascii_graphic();
    let sender = match meta.from() {
        from if !from.is_empty() && from.chars().all(fits) => from,
        _ => NOBODY,
    };
    // As asctime writes it: the day of the month takes two places.
    format!("From {sender} {}", super::item::date(&item.found).strftime("%a %b %e %H:%M:%S %Y"))
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At its beginning.
    Start,
    /// After nothing but `>`.
    Quote,
    /// After so many bytes of [`FROM`], which are held back.
    From(usize),
    /// Anywhere else.
    Inside,
}

/// Quotes what is written to it, and ends lines with LF.
struct Quoted<'w> {
    out: &'w mut dyn Write,
    line: Line,
    /// A CR is held back.
    carriage_return: bool,
}

impl Quoted<'_> {
    fn byte(&mut self, byte: u8) -> io::Result<()> {
        self.line = match (self.line, byte) {
            (Line::From(length), byte) if FROM[length] == byte => {
                if length + 1 < FROM.len() {
                    self.line = Line::From(length + 1);
                    return Ok(());
                }
                self.out.write_all(b">")?;
                self.out.write_all(FROM)?;
                self.line = Line::Inside;
                return Ok(());
            }
            (Line::Start | Line::Quote, b'F') => {
                self.line = Line::From(1);
                return Ok(());
            }
            (Line::Start | Line::Quote, b'>') => Line::Quote,
            (_, b'\n') => {
                self.release()?;
                Line::Start
            }
            _ => {
                self.release()?;
                Line::Inside
            }
        };
        self.out.write_all(&[byte])
    }

    /// Writes what was held back as the possible beginning of a separator.
    fn release(&mut self) -> io::Result<()> {
        match self.line {
            Line::From(length) => self.out.write_all(&FROM[..length]),
            _ => Ok(()),
        }
    }

    /// Ends the message: its last line, and the empty one after it.
    fn end(mut self) -> io::Result<()> {
        if self.carriage_return {
            self.byte(b'\r')?;
        }
        self.release()?;
        match self.line {
            Line::Start => self.out.write_all(b"\n"),
            _ => self.out.write_all(b"\n\n"),
        }
    }
}

impl Write for Quoted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.carriage_return) && first != b'\n' {
                self.byte(b'\r')?;
            }
            if first == b'\r' {
                self.carriage_return = true;
                rest = after;
            } else if self.line == Line::Inside && first != b'\n' {
                let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                self.out.write_all(text)?;
                rest = after;
            } else {
                self.byte(first)?;
                rest = after;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut quoted = Quoted { out: &mut out, line: Line::Start, carriage_return: false };
        for piece in text.chunks(piece) {
            quoted.write_all(piece).unwrap();
        }
        quoted.end().unwrap();
        out
    }

    #[test]
    fn only_separators_are_quoted_wherever_the_pieces_end() {
        let text = b"From a\r\n>From b\r\n>>From c\nFrom\n>Fro\n From d\nxFrom e\n>x From f\r\n\
            Frost\n>\n\nFFrom g\nF\n\rFrom h";
        let expected = b">From a\n>>From b\n>>>From c\nFrom\n>Fro\n From d\nxFrom e\n>x From f\n\
            Frost\n>\n\nFFrom g\nF\n\rFrom h\n\n";
        for piece in 1..=text.len() {
            let found = quoted(text, piece);
            assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(expected));
        }
    }

    #[test]
    fn a_message_ends_with_one_empty_line() {
        assert_eq!(quoted(b"a", 1), b"a\n\n");
        assert_eq!(quoted(b"a\r\n", 1), b"a\n\n");
        assert_eq!(quoted(b"a\n>", 1), b"a\n>\n\n");
        assert_eq!(quoted(b"a\nFrom", 2), b"a\nFrom\n\n");
        assert_eq!(quoted(b"a\r", 1), b"a\r\n\n");
        assert_eq!(quoted(b"", 1), b"\n");
    }
}
