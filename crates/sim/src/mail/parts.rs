//! The parts of a MIME message, found in one pass over its lines.

use super::header::{Fields, Parameters, line_at};

/// Deepest nesting of multiparts that is followed; deeper ones are shown as one part.
const MAX_DEPTH: usize = 32;

/// Most parts of one message; what follows belongs to the last.
const MAX_PARTS: usize = 1000;

/// One part with its place in the bytes of the message.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) fields: Fields<'a>,
    /// The media type, `text/plain` where the message does not say.
    pub(super) content_type: Parameters,
    /// The bytes after the header, transfer encoding and all.
    pub(super) body: &'a [u8],
    /// Indexes of the parts inside, in order.
    pub(super) children: Vec<usize>,
}

impl Part<'_> {
    /// The media type without parameters.
    pub(super) fn media_type(&self) -> &str {
        &self.content_type.value
    }

    /// Whether the part holds other parts. A multipart in which none was found is a leaf.
    pub(super) fn is_multipart(&self) -> bool {
        !self.children.is_empty()
    }
}

/// A multipart whose boundary may still come.
struct Open {
    part: usize,
    delimiter: Vec<u8>,
    is_closed: bool,
}

struct Splitter<'a> {
    bytes: &'a [u8],
    parts: Vec<Part<'a>>,
    starts: Vec<usize>,
    open: Vec<Open>,
    /// Parts whose end is not known yet, the innermost last, each inside the one before.
    unfinished: Vec<usize>,
}

/// The parts of `bytes`; the first is the message itself. There is always one.
pub(super) fn split(bytes: &[u8]) -> Vec<Part<'_>> {
    let mut splitter = Splitter {
        bytes,
        parts: Vec::new(),
        starts: Vec::new(),
        open: Vec::new(),
        unfinished: Vec::new(),
    };
    let mut at = splitter.begin(0, None);
    while at < bytes.len() {
        let line = line_at(bytes, at);
        let next = at + line.len();
        at = match splitter.boundary(line) {
            Some((level, true)) => {
                splitter.finish_below(level, at);
                splitter.open[level].is_closed = true;
                next
            }
            Some((level, false)) => {
                splitter.finish_below(level, at);
                splitter.begin(next, Some(splitter.open[level].part))
            }
            None => next,
        };
    }
    splitter.parts
}

impl<'a> Splitter<'a> {
    /// Begins a part at `start` and returns where its body begins.
    fn begin(&mut self, start: usize, parent: Option<usize>) -> usize {
        let rest = &self.bytes[start.min(self.bytes.len())..];
        let (fields, header) = Fields::parse(rest, |line| self.boundary(line).is_some());
        let content_type = self.content_type(&fields, parent);
        let index = self.parts.len();
        if let Some(boundary) = content_type.get("boundary")
            && content_type.value.starts_with("multipart/")
            && self.open.len() < MAX_DEPTH
        {
            let delimiter = format!("--{}", boundary.trim_end()).into_bytes();
            self.open.push(Open { part: index, delimiter, is_closed: false });
        }
        let body = &rest[header..];
        self.parts.push(Part { fields, content_type, body, children: Vec::new() });
        self.starts.push(start + header);
        self.unfinished.push(index);
        if let Some(parent) = parent {
            self.parts[parent].children.push(index);
        }
        start + header
    }

    fn content_type(&self, fields: &Fields<'_>, parent: Option<usize>) -> Parameters {
        let is_digest =
            parent.is_some_and(|parent| self.parts[parent].media_type() == "multipart/digest");
        let default = if is_digest { "message/rfc822" } else { "text/plain" };
        fields
            .parameters("Content-Type")
            .filter(|found| found.value.contains('/'))
            .unwrap_or_else(|| Parameters::parse(default))
    }

    /// The open multipart to which the line is a boundary, and whether it is the last one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") || self.parts.len() >= MAX_PARTS {
            return None;
        }
        let line = line.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let rest = line.strip_prefix(open.delimiter.as_slice())?;
            let is_match = !open.is_closed && (rest.is_empty() || rest == b"--");
            is_match.then_some((level, !rest.is_empty()))
        })
    }

    /// Ends every part inside the open multipart `level`, at the boundary line at `at`.
    fn finish_below(&mut self, level: usize, at: usize) {
        self.open.truncate(level + 1);
        let keep = self.open[level].part;
        while let Some(&index) = self.unfinished.last()
            && index > keep
        {
            let start = self.starts[index];
            let body = self.bytes.get(start..at).unwrap_or_default();
            self.parts[index].body = without_line_end(body);
            self.unfinished.pop();
        }
    }
}

/// The line end before a boundary belongs to the boundary.
fn without_line_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(bytes: &[u8]) -> Vec<(String, usize, String)> {
        split(bytes)
            .iter()
            .map(|part| {
                let body = String::from_utf8_lossy(part.body).into_owned();
                let body = if part.is_multipart() { String::new() } else { body };
                (part.media_type().to_owned(), part.children.len(), body)
            })
            .collect()
    }

    fn row(media_type: &str, children: usize, body: &str) -> (String, usize, String) {
        (media_type.to_owned(), children, body.to_owned())
    }

    #[test]
    fn nested_multiparts() {
        let message = b"Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n\
            Content-Type: multipart/alternative; boundary=\"a b\"\r\n\r\n--a b\r\n\r\none\r\n\
            --a b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--a b--\r\nepilogue\r\n--a\r\n\
            Content-Type: image/png\r\n\r\nxyz\r\n\r\n--a--\r\n";
        assert_eq!(
            outline(message),
            [
                row("multipart/mixed", 2, ""),
                row("multipart/alternative", 2, ""),
                row("text/plain", 0, "one"),
                row("text/html", 0, "<p>"),
                row("image/png", 0, "xyz\r\n"),
            ]
        );
    }

    #[test]
    fn boundaries_that_never_close_or_never_come() {
        let message = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\
            Content-Type: multipart/mixed; boundary=b\n\n--b\n\nin b\n--a\nX: y\n--a--";
        assert_eq!(
            outline(message),
            [
                row("multipart/mixed", 2, ""),
                row("multipart/mixed", 1, ""),
                row("text/plain", 0, "in b"),
                row("text/plain", 0, ""),
            ]
        );
        let message = b"Content-Type: multipart/mixed; boundary=a\n\nonly text";
        assert_eq!(outline(message), [row("multipart/mixed", 0, "only text")]);
    }

    #[test]
    fn limits_hold() {
        let mut deep = String::new();
        for level in 0..100 {
            deep += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        }
        assert_eq!(split(deep.as_bytes()).len(), MAX_DEPTH + 1);
        let wide = "--a\n\nx\n".repeat(5000);
        let wide = format!("Content-Type: multipart/mixed; boundary=a\n\n{wide}");
        assert_eq!(split(wide.as_bytes()).len(), MAX_PARTS);
    }
}
