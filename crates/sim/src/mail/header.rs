//! Header fields: where they end, what they say, and their parameters.

use std::collections::BTreeMap;

use super::text;

/// Longest work on one line with encoded words, in bytes × words: above it the line is shown as
/// it was sent. (The decoder of the library counts characters anew for each word.)
const MAX_WORD_WORK: usize = 20_000_000;

/// Longest value that is searched for encoded words, in bytes.
const MAX_DECODED: usize = 1 << 20;

/// One header field with its bytes as sent.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// From the colon to the last character before the line end, folds included.
    raw: &'a [u8],
}

impl Field<'_> {
    /// The value on one line, each fold one space; encoded words stay.
    pub(super) fn unfolded(&self) -> String {
        let text = text::utf8_or_latin1(self.raw);
        let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
        lines.join(" ").trim().to_owned()
    }

    /// The value on one line, encoded words decoded.
    pub(super) fn decoded(&self) -> String {
        decode_words(&self.unfolded())
    }
}

/// The header of a message or part.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a>(Vec<Field<'a>>);

impl<'a> Fields<'a> {
    /// The fields at the start of `bytes`, and where the body begins.
    ///
    /// A line that is no field is passed over when a field follows it; otherwise the body begins
    /// there, so that a missing empty line hides no text. `stop` tells the lines that end a
    /// header in any case (boundaries of the message around).
    pub(super) fn parse(bytes: &'a [u8], stop: impl Fn(&[u8]) -> bool) -> (Self, usize) {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            if is_blank(line) {
                return (Self(fields), at + line.len());
            }
            if stop(line) {
                break;
            }
            let end = end_of_field(bytes, at, &stop);
            match field(&bytes[at..end]) {
                Some(field) => fields.push(field),
                None if is_mbox_line(line) || starts_with_field(&bytes[end..]) => {}
                None => break,
            }
            at = end;
        }
        (Self(fields), at)
    }

    /// The first field of that name.
    pub(super) fn first(&self, name: &str) -> Option<&Field<'a>> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The first value of that name, decoded.
    pub(super) fn decoded(&self, name: &str) -> Option<String> {
        self.first(name).map(Field::decoded)
    }

    /// The first value of that name with its parameters.
    pub(super) fn parameters(&self, name: &str) -> Option<Parameters> {
        self.first(name).map(|field| Parameters::parse(&field.unfolded()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter()
    }
}

/// The header fields of `block` as `internetMessageHeaders` has them: in order, unfolded, encoded
/// words left as they were sent. What is no field is left out.
pub fn header_block(block: &[u8]) -> Vec<(String, String)> {
    let (fields, _) = Fields::parse(block, |_| false);
    fields.iter().map(|field| (field.name.to_owned(), field.unfolded())).collect()
}

/// The line that begins at `at`, with its line end.
pub(super) fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    &rest[..length]
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// The separator line of mbox files, often left in by programs that export mail.
fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

fn starts_with_field(bytes: &[u8]) -> bool {
    !bytes.is_empty() && field(line_at(bytes, 0)).is_some()
}

/// Where the field that begins at `at` ends, continuation lines included.
fn end_of_field(bytes: &[u8], at: usize, stop: &impl Fn(&[u8]) -> bool) -> usize {
    let mut end = at + line_at(bytes, at).len();
    while let Some(b' ' | b'\t') = bytes.get(end) {
        let line = line_at(bytes, end);
        if stop(line) {
            break;
        }
        end += line.len();
    }
    end
}

fn field(bytes: &[u8]) -> Option<Field<'_>> {
    let colon = memchr::memchr2(b':', b'\n', bytes)?;
    let name = std::str::from_utf8(&bytes[..colon]).ok()?.trim_end_matches([' ', '\t']);
    let is_name = bytes[colon] == b':'
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| Field { name, raw: &bytes[colon + 1..] })
}

/// Decodes the encoded words (RFC 2047) of an unfolded value.
pub(super) fn decode_words(value: &str) -> String {
    let words = value.matches("=?").count();
    if words == 0 || value.len() > MAX_DECODED || value.len() * words > MAX_WORD_WORK {
        return value.to_owned();
    }
    // The library folds lines itself, and takes a CR or LF for one: none may be left inside.
    let line = format!("X: {}", value.replace(['\r', '\n'], " "));
    match mailparse::parse_header(line.as_bytes()) {
        Ok((header, _)) => header.get_value(),
        Err(_) => value.to_owned(),
    }
}

/// A value with parameters: `text/plain; charset=utf-8`.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    /// The part before the first semicolon, lower case.
    pub(super) value: String,
    parameters: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads quoted and plain values, the continuations and charsets of RFC 2231, and the encoded
    /// words that many programs put here against the rules.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = split_outside_quotes(text).into_iter();
        let value = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut plain = BTreeMap::new();
        let mut extended = BTreeMap::new();
        for piece in pieces {
            let Some((name, value)) = piece.split_once('=') else { continue };
            let name = name.trim().to_ascii_lowercase();
            let value = unquote(value.trim());
            match section(&name) {
                Some((base, number, is_encoded)) => {
                    extended
                        .entry(base)
                        .or_insert_with(BTreeMap::new)
                        .insert(number, (is_encoded, value));
                }
                None => {
                    plain.entry(name).or_insert_with(|| decode_words(&value));
                }
            }
        }
        plain.extend(extended.into_iter().map(|(name, parts)| (name, join_sections(&parts))));
        Self { value, parameters: plain }
    }

    /// The parameter of that (lower case) name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b';' if !is_quoted => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// The text of a quoted string, or the text itself.
pub(super) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut result = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => result.extend(chars.next()),
            _ => result.push(char),
        }
    }
    result
}

/// `name*`, `name*0`, `name*0*`: the name, the number of the section, whether it is encoded.
fn section(name: &str) -> Option<(String, u32, bool)> {
    let (base, rest) = name.split_once('*')?;
    let (number, is_encoded) = match rest.strip_suffix('*') {
        Some(number) => (number, true),
        None => (rest, rest.is_empty()),
    };
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some((base.to_owned(), number, is_encoded))
}

fn join_sections(sections: &BTreeMap<u32, (bool, String)>) -> String {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (number, (is_encoded, value)) in sections {
        let mut value = value.as_str();
        if *is_encoded && *number == 0 {
            let mut pieces = value.splitn(3, '\'');
            if let (Some(name), Some(_), Some(rest)) = (pieces.next(), pieces.next(), pieces.next())
            {
                charset = Some(name);
                value = rest;
            }
        }
        match is_encoded {
            true => bytes.extend(percent_encoding::percent_decode_str(value)),
            false => bytes.extend(value.bytes()),
        }
    }
    text::to_unicode(&bytes, charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_and_broken_headers() {
        let block =
            b"From someone Mon\r\nSubject: one\r\n\t  two\r\nnonsense\r\nX-A : b\r\n\r\nbody";
        let (fields, body) = Fields::parse(block, |_| false);
        assert_eq!(&block[body..], b"body");
        assert_eq!(fields.decoded("subject").as_deref(), Some("one two"));
        assert_eq!(fields.decoded("x-a").as_deref(), Some("b"));
        let (fields, body) = Fields::parse(b"Subject: a\nno empty line\nis here", |_| false);
        assert_eq!((fields.0.len(), body), (1, 11));
    }

    #[test]
    fn parameters_in_every_form() {
        let parsed = Parameters::parse(
            "Text/Plain; name=\"a;\\\"b\"; charset = UTF-8; title*0*=utf-8''%e2%82; title*1*=%ac; \
             title*2=x; other*=iso-8859-1'de'%FC; word=\"=?utf-8?Q?=C3=A9?=\"",
        );
        assert_eq!(parsed.value, "text/plain");
        assert_eq!(parsed.get("name"), Some("a;\"b"));
        assert_eq!(parsed.get("charset"), Some("UTF-8"));
        assert_eq!(parsed.get("title"), Some("€x"));
        assert_eq!(parsed.get("other"), Some("ü"));
        assert_eq!(parsed.get("word"), Some("é"));
    }

    #[test]
    fn too_many_words_stay_as_they_are() {
        let value = "=?".repeat(20_000);
        assert_eq!(decode_words(&value), value);
    }
}
