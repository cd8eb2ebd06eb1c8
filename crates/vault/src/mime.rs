//! A line scanner that finds the bodies of the parts of a MIME message (RFC 2045, RFC 2046).
//!
//! It does not decode and does not judge: it looks at boundary lines, `Content-Type` and
//! `Content-Transfer-Encoding`, once, from the first byte to the last. Its work is linear in the
//! size of the message for any input, since depth, number of parts and length of the headers that
//! it keeps are limited.

use std::ops::Range;

/// Nested multiparts beyond this depth: not parsed.
const MAX_DEPTH: usize = 32;
/// Messages with more parts: not parsed.
const MAX_PARTS: usize = 1_000;
/// Bytes of a header value that are looked at.
const MAX_VALUE: usize = 4 * 1024;
/// Longest boundary that is believed; RFC 2046, 5.1.1 allows 70.
const MAX_BOUNDARY: usize = 250;

/// The bodies of the leaf parts, in order, without the line ends that close them (mailers differ
/// in these); `None` where a limit is passed.
pub(crate) fn bodies(message: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut scanner = Scanner {
        message,
        boundaries: Vec::new(),
        state: State::header(),
        found: Vec::new(),
        parts: 0,
    };
    let mut start = 0;
    while start < message.len() {
        let rest = &message[start..];
        let end = start + line_length(rest);
        scanner.line(start..end)?;
        start = end;
    }
    scanner.end_body(message.len());
    Some(scanner.found)
}

/// Length of the first line with its line end.
fn line_length(rest: &[u8]) -> usize {
    memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
}

struct Scanner<'m> {
    message: &'m [u8],
    /// Boundaries of the multiparts that are open, outermost first.
    boundaries: Vec<Vec<u8>>,
    state: State,
    found: Vec<Range<usize>>,
    parts: usize,
}

enum State {
    Header(Header),
    /// The body of a leaf that began here.
    Body(usize),
    /// Before the first part or after the last one of a multipart.
    Between,
}

/// What is kept of a header.
#[derive(Default)]
struct Header {
    content_type: Vec<u8>,
    encoding: Vec<u8>,
    /// The field that a folded line continues.
    current: Field,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    ContentType,
    Encoding,
}

/// What the body after a header is.
enum Body {
    Leaf,
    Multipart(Vec<u8>),
    Message,
}

impl State {
    fn header() -> Self {
        Self::Header(Header::default())
    }
}

impl Scanner<'_> {
    fn line(&mut self, range: Range<usize>) -> Option<()> {
        let line = trim_end(&self.message[range.clone()]);
        if let Some((level, closes)) = self.boundary(line) {
            self.end_body(range.start);
            return self.enter(level, closes);
        }
        let State::Header(header) = &mut self.state else { return Some(()) };
        if !trim_line_end(&self.message[range.clone()]).is_empty() {
            header.line(&self.message[range]);
            return Some(());
        }
        self.state = match std::mem::take(header).body() {
            Body::Leaf => State::Body(range.end),
            Body::Message => State::header(),
            Body::Multipart(_) if self.boundaries.len() == MAX_DEPTH => return None,
            Body::Multipart(boundary) => {
                self.boundaries.push(boundary);
                State::Between
            }
        };
        Some(())
    }

    /// The open multipart that a boundary line belongs to, and whether the line closes it.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        self.boundaries.iter().enumerate().rev().find_map(|(level, boundary)| {
            match rest.strip_prefix(boundary.as_slice())? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    fn enter(&mut self, level: usize, closes: bool) -> Option<()> {
        self.boundaries.truncate(if closes { level } else { level + 1 });
        self.state = if closes { State::Between } else { State::header() };
        self.parts += 1;
        (self.parts <= MAX_PARTS).then_some(())
    }

    fn end_body(&mut self, end: usize) {
        if let State::Body(start) = self.state {
            let body = trim_line_ends(&self.message[start..end.max(start)]);
            if !body.is_empty() {
                self.found.push(start..start + body.len());
            }
        }
    }
}

impl Header {
    fn line(&mut self, line: &[u8]) {
        let value = match line.first() {
            Some(b' ' | b'\t') => line,
            _ => {
                let colon = line.iter().take(64).position(|byte| *byte == b':');
                let (name, value) = line.split_at(colon.unwrap_or(0));
                self.current = Field::named(name);
                value.get(1..).unwrap_or_default()
            }
        };
        let kept = match self.current {
            Field::ContentType => &mut self.content_type,
            Field::Encoding => &mut self.encoding,
            Field::Other => return,
        };
        let room = MAX_VALUE.saturating_sub(kept.len());
        kept.extend_from_slice(&value[..value.len().min(room)]);
    }

    fn body(self) -> Body {
        let content_type = self.content_type.trim_ascii_start();
        let starts = |prefix: &[u8]| {
            content_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if starts(b"multipart/") {
            return boundary_parameter(content_type).map_or(Body::Leaf, Body::Multipart);
        }
        let encoded = matches!(
            self.encoding.trim_ascii().to_ascii_lowercase().as_slice(),
            b"base64" | b"quoted-printable"
        );
        if starts(b"message/rfc822") && !encoded { Body::Message } else { Body::Leaf }
    }
}

impl Field {
    fn named(name: &[u8]) -> Self {
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"content-type") {
            Self::ContentType
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            Self::Encoding
        } else {
            Self::Other
        }
    }
}

/// The boundary of a `Content-Type` value; `None` where it has none that could work.
fn boundary_parameter(value: &[u8]) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"boundary";
    let at = (1..value.len().saturating_sub(KEY.len())).find(|at| {
        let before = value[at - 1];
        (before == b';' || before.is_ascii_whitespace())
            && value[*at..*at + KEY.len()].eq_ignore_ascii_case(KEY)
            && value[*at + KEY.len()..].trim_ascii_start().starts_with(b"=")
    })?;
    let value = value[at + KEY.len()..].trim_ascii_start()[1..].trim_ascii_start();
    let boundary = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted),
        None => {
            let end = value.iter().position(|b| b.is_ascii_whitespace() || *b == b';');
            value[..end.unwrap_or(value.len())].to_vec()
        }
    };
    let boundary = boundary.trim_ascii_end();
    (1..=MAX_BOUNDARY).contains(&boundary.len()).then(|| boundary.to_vec())
}

fn unquote(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => out.extend(bytes.next()),
            b'\r' | b'\n' => {}
            byte => out.push(*byte),
        }
    }
    out
}

/// Without trailing white space, which gateways add to boundary lines.
fn trim_end(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

/// Without one line end.
fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Without all trailing line ends.
fn trim_line_ends(body: &[u8]) -> &[u8] {
    let end = body.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: &str) -> Vec<&str> {
        let bodies = bodies(message.as_bytes()).unwrap();
        bodies.into_iter().map(|body| &message[body]).collect()
    }

    #[test]
    fn bodies_of_parts_are_found_without_their_last_line_ends() {
        let message = "Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n\
            \r\ntext\r\nmore\r\n\r\n--a  \r\nContent-Type: multipart/related;\r\n\tcharset=x;\r\n \
            BOUNDARY = \"in ner\"\r\n\r\n--in ner\r\nX: y\r\n\r\ninside\n\n\n--in ner--\r\n\
            between\r\n--a\r\n\r\nlast\r\n--a--\r\nepilogue\r\n";
        assert_eq!(found(message), ["text\r\nmore", "inside", "last"]);
    }

    #[test]
    fn a_message_in_a_message_is_looked_into_unless_it_is_encoded() {
        let message = |encoding: &str| {
            format!(
                "Content-Type: multipart/digest; boundary=o\n\n--o\nContent-Type: message/rfc822\n\
                 Content-Transfer-Encoding: {encoding}\n\nSubject: x\nContent-Type: \
                 multipart/mixed; boundary=i\n\n--i\n\ndeep\n--i--\n--o--\n"
            )
        };
        assert_eq!(found(&message("7bit")), ["deep"]);
        assert!(found(&message("BASE64"))[0].starts_with("Subject: x"));
    }

    #[test]
    fn strange_messages_are_taken_as_they_are() {
        for (message, expected) in [
            ("", vec![]),
            ("no header and no body", vec![]),
            ("\nbody", vec!["body"]),
            ("A: b\n\n\r\n\n", vec![]),
            ("Content-Type: multipart/mixed\n\n--a\n\nx", vec!["--a\n\nx"]),
            ("Content-Type: multipart/mixed; boundary=\"\"\n\n----\nx", vec!["----\nx"]),
            ("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nunclosed\n", vec!["unclosed"]),
            ("Content-Type: multipart/mixed; xboundary=a\n\n--a\n\nx", vec!["--a\n\nx"]),
            ("Content-Type: multipart/mixed; boundary=a\n\n--ab\n\nx\n", vec![]),
            ("content-type:multipart/mixed;boundary=a;x=y\n\n--a\n\nx\n--a-- \n", vec!["x"]),
        ] {
            assert_eq!(found(message), expected, "{message:?}");
        }
    }

    #[test]
    fn limits_end_the_parsing() {
        let nested: String = (0..40)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n"))
            .collect();
        assert_eq!(bodies(nested.as_bytes()), None);
        let many =
            format!("Content-Type: multipart/mixed; boundary=a\n\n{}", "--a\n\nx\n".repeat(1_001));
        assert_eq!(bodies(many.as_bytes()), None);
    }
}
