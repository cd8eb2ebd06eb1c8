//! From bytes to text: transfer encodings and charsets.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mailparse::ParsedContentType;
use mailparse::body::Body;

/// Base64 as mail has it: padding or not, stray bits at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The content of a part by its `Content-Transfer-Encoding`; unknown encodings change nothing.
pub(super) fn decode_transfer(body: &[u8], encoding: &str) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => decode_base64(body),
        "quoted-printable" => decode_quoted_printable(body),
        _ => body.to_vec(),
    }
}

fn decode_base64(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    for line in Lines(body) {
        text.extend(line.trim_ascii());
    }
    LENIENT.decode(&text).unwrap_or_else(|_| decode_dirty_base64(&text))
}

/// Passes over what is not of the alphabet; digits after padding begin a new text.
fn decode_dirty_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for piece in text.split(|byte| *byte == b'=') {
        let mut digits: Vec<u8> = piece
            .iter()
            .copied()
            .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            .collect();
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        bytes.extend(LENIENT.decode(&digits).unwrap_or_default());
    }
    bytes
}

/// Keeps line ends as they are, and a `=` that encodes nothing.
fn decode_quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len());
    for line in Lines(body) {
        let text = line.trim_ascii_end();
        let is_soft = text.ends_with(b"=");
        decode_hexadecimal(text.strip_suffix(b"=").unwrap_or(text), &mut bytes);
        if !is_soft {
            let end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
            bytes.extend(&line[line.len() - end..]);
        }
    }
    bytes
}

fn decode_hexadecimal(text: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        bytes.extend(&rest[..at]);
        let digit = |index: usize| rest.get(index).and_then(|byte| (*byte as char).to_digit(16));
        match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &rest[at + 3..];
            }
            _ => {
                bytes.push(b'=');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend(rest);
}

/// The lines of a text with their line ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.0).map_or(self.0.len(), |at| at + 1);
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(line)
    }
}

/// Text in a named charset; without a (known) name UTF-8 where the bytes are that, else
/// windows-1252. Never fails: what has no meaning becomes U+FFFD.
pub(super) fn to_unicode(bytes: &[u8], charset: Option<&str>) -> String {
    let label = charset.map(|name| name.trim().to_ascii_lowercase()).unwrap_or_default();
    // Programs that say nothing or "us-ascii" and send eight bits mostly mean UTF-8.
    if matches!(label.as_str(), "" | "us-ascii" | "ascii" | "utf-8" | "utf8")
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    }
    match decode_label(bytes, &label) {
        Some(text) => text,
        None => decode_label(bytes, "windows-1252").unwrap_or_default(),
    }
}

fn decode_label(bytes: &[u8], label: &str) -> Option<String> {
    // The library takes unknown names for ASCII. It knows UTF-7, which encoding_rs leaves out.
    if label != "utf-7" && encoding_rs::Encoding::for_label(label.as_bytes()).is_none() {
        return None;
    }
    let content_type =
        ParsedContentType { charset: label.to_owned(), ..ParsedContentType::default() };
    match Body::new(bytes, &content_type, &None) {
        Body::SevenBit(body) => body.get_as_string().ok(),
        _ => None,
    }
}

/// Header bytes as text.
pub(super) fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Every LF gets its CR, as Exchange gives bodies out.
pub(super) fn with_crlf(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\n', rest.as_bytes()) {
        result.push_str(&rest[..at]);
        if !rest[..at].ends_with('\r') {
            result.push('\r');
        }
        result.push('\n');
        rest = &rest[at + 1..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_with_dirt() {
        assert_eq!(decode_transfer(b"aGVs bG8=\r\n", "BASE64"), b"hello");
        assert_eq!(decode_transfer(b"aGVsbG8", "base64"), b"hello");
        assert_eq!(decode_transfer(b"aGk=aGk=*!", "base64"), b"hihi");
        assert_eq!(decode_transfer(b"aGVsbG8gd29ybGR", " base64 "), b"hello world");
    }

    #[test]
    fn quoted_printable_keeps_line_ends() {
        assert_eq!(
            decode_transfer(b"a=3D=\r\nb  \r\nc=C3=a9=zz\nend=", "quoted-printable"),
            b"a=b\r\nc\xc3\xa9=zz\nend"
        );
    }

    #[test]
    fn charsets_known_and_unknown() {
        assert_eq!(to_unicode(b"\xfc", Some("ISO-8859-1")), "ü");
        assert_eq!(to_unicode(b"\xf0\xd2\xc9", Some("koi8-r")), "При");
        assert_eq!(to_unicode(b"\x1b$B$3\x1b(B", Some("iso-2022-jp")), "こ");
        assert_eq!(to_unicode("é".as_bytes(), Some("us-ascii")), "é");
        assert_eq!(to_unicode(b"\xe9", None), "é");
        assert_eq!(to_unicode(b"\xe9", Some("x-made-up")), "é");
        assert_eq!(to_unicode(b"a+AOk-", Some("utf-7")), "aé");
    }

    #[test]
    fn line_ends() {
        assert_eq!(with_crlf("a\nb\r\nc\r"), "a\r\nb\r\nc\r");
    }
}
