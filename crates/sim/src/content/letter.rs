//! Letters as the mail programs of the world write them: many charsets and encodings.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::file::File;
use super::language::Language;
use crate::mail::Importance;

/// Name and address.
pub(super) type Mailbox = (String, String);

/// A letter before it becomes MIME.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) language: &'static Language,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
    pub(super) subject: String,
    pub(super) date: Timestamp,
    pub(super) message_id: String,
    /// The chain of answers, the latest last.
    pub(super) references: Vec<String>,
    pub(super) importance: Importance,
    /// The text, lines ending in LF.
    pub(super) text: String,
    /// The same as HTML, if the program writes that.
    pub(super) html: Option<String>,
    /// Images shown in the HTML.
    pub(super) images: Vec<(String, Arc<File>)>,
    pub(super) files: Vec<Arc<File>>,
    /// Further header fields.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Letter {
    /// Header and content as one message.
    pub(super) fn mime(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let charset = self.charset(rng);
        let mut mime = self.header(charset, rng);
        mime.extend(self.entity(charset, rng));
        mime
    }

    /// The charset that the program of the writer takes, UTF-8 where that cannot write all.
    pub(super) fn charset(&self, rng: &mut ChaCha8Rng) -> &'static str {
        let label = self.language.charset(rng);
        let names = self.to.iter().chain(&self.cc).chain([&self.from]).map(|(name, _)| name);
        let texts = names.chain([&self.subject, &self.text]).chain(&self.html);
        let can_write = |text: &String| match label {
            "us-ascii" => text.is_ascii(),
            _ => encoding(label).is_some_and(|encoding| !encoding.encode(text).2),
        };
        if texts.into_iter().all(can_write) { label } else { "utf-8" }
    }

    /// The header without the fields of the content.
    pub(super) fn header(&self, charset: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let has_words_q = rng.random_bool(0.5) && charset != "iso-2022-jp";
        let word = |text: &str| words(text, charset, has_words_q);
        let list = |list: &[Mailbox]| {
            let one = |(name, address): &Mailbox| format!("{} <{address}>", phrase(name, &word));
            list.iter().map(one).collect::<Vec<_>>().join(",\r\n\t")
        };
        let zone = TimeZone::fixed(Offset::constant(self.language.hours_east));
        let mut lines = vec![
            format!("From: {}", list(std::slice::from_ref(&self.from))),
            format!("To: {}", list(&self.to)),
        ];
        if !self.cc.is_empty() {
            lines.push(format!("Cc: {}", list(&self.cc)));
        }
        lines.push(format!("Subject: {}", word(&self.subject)));
        let date = self.date.to_zoned(zone).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string();
        lines.push(format!("Date: {date}"));
        lines.push(format!("Message-ID: {}", self.message_id));
        if let Some(last) = self.references.last() {
            lines.push(format!("In-Reply-To: {last}"));
            lines.push(format!("References: {}", self.references.join("\r\n ")));
        }
        if self.importance != Importance::Normal {
            lines.push(format!("Importance: {}", self.importance.as_str()));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push("MIME-Version: 1.0".to_owned());
        (lines.join("\r\n") + "\r\n").into_bytes()
    }

    /// The content with its `Content-…` fields.
    pub(super) fn entity(&self, charset: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut body = text_part("plain", &self.text, charset, rng);
        if let Some(html) = &self.html {
            let mut html = text_part("html", html, charset, rng);
            if !self.images.is_empty() {
                let images = self.images.iter().map(|(id, file)| file.part(Some(id)));
                html = multipart("related", std::iter::once(html).chain(images), rng);
            }
            body = multipart("alternative", [body, html], rng);
        }
        if !self.files.is_empty() {
            let files = self.files.iter().map(|file| file.part(None));
            body = multipart("mixed", std::iter::once(body).chain(files), rng);
        }
        body
    }
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes())
}

fn encode(text: &str, charset: &str) -> Vec<u8> {
    match encoding(charset) {
        Some(encoding) => encoding.encode(text).0.into_owned(),
        None => text.as_bytes().to_vec(),
    }
}

/// A name in front of an address: quoted where it holds more than letters.
fn phrase(name: &str, word: &impl Fn(&str) -> String) -> String {
    if !name.is_ascii() {
        return word(name);
    }
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ') {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

/// Encoded words where the text is not ASCII.
pub(super) fn words(text: &str, charset: &str, is_quoted: bool) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let word = |chunk: &[char]| {
        let bytes = encode(&chunk.iter().collect::<String>(), charset);
        match is_quoted {
            true => format!("=?{charset}?Q?{}?=", quoted_word(&bytes)),
            false => format!("=?{charset}?B?{}?=", STANDARD.encode(bytes)),
        }
    };
    chars.chunks(10).map(word).collect::<Vec<_>>().join("\r\n ")
}

fn quoted_word(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b' ' => "_".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("={byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

/// A text part in one of the transfer encodings that fit.
pub(super) fn text_part(subtype: &str, text: &str, charset: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let bytes = encode(&text.replace('\n', "\r\n"), charset);
    let is_seven_bit =
        bytes.is_ascii() && bytes.split(|byte| *byte == b'\n').all(|line| line.len() < 900);
    let (encoding, content) = match rng.random_range(0..10) {
        0..=1 => ("base64", base64_lines(&bytes)),
        2..=6 if is_seven_bit => ("7bit", bytes),
        2..=3 => ("8bit", bytes),
        _ => ("quoted-printable", quoted_printable(&bytes)),
    };
    // Eight bits in lines of any length would be no legal mail.
    let (encoding, content) = match encoding {
        "8bit" if content.split(|byte| *byte == b'\n').any(|line| line.len() > 900) => {
            ("base64", base64_lines(&content))
        }
        _ => (encoding, content),
    };
    let header = format!(
        "Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    [header.as_bytes(), &content].concat()
}

/// Base64 in lines of 76 characters.
pub(super) fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(bytes).into_bytes();
    encoded.chunks(76).collect::<Vec<_>>().join(b"\r\n".as_slice())
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len() * 3 / 2);
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let is_line_end = matches!(byte, b'\r' | b'\n');
        let is_before_end = matches!(bytes.get(at + 1), Some(b'\r') | None);
        let is_plain =
            (b'!'..=b'~').contains(byte) && *byte != b'=' || (*byte == b' ' && !is_before_end);
        if length > 72 && !is_line_end {
            result.extend(b"=\r\n");
            length = 0;
        }
        match is_plain || is_line_end {
            true => result.push(*byte),
            false => result.extend(format!("={byte:02X}").bytes()),
        }
        length = if *byte == b'\n' { 0 } else { length + if is_plain { 1 } else { 3 } };
    }
    result
}

/// Parts with a boundary of their own.
pub(super) fn multipart(
    subtype: &str,
    parts: impl IntoIterator<Item = Vec<u8>>,
    rng: &mut ChaCha8Rng,
) -> Vec<u8> {
    let boundary = match rng.random_range(0..3) {
        0 => format!("----=_NextPart_000_{:04X}_{:08X}", rng.random::<u16>(), rng.random::<u32>()),
        1 => format!("_000_{:016x}contoso_", rng.random::<u64>()),
        _ => format!("=_{:016x}'(),.:?", rng.random::<u64>()),
    };
    let mut mime =
        format!("Content-Type: multipart/{subtype};\r\n\tboundary=\"{boundary}\"\r\n\r\n")
            .into_bytes();
    for part in parts {
        mime.extend(format!("--{boundary}\r\n").bytes());
        mime.extend(part);
        mime.extend(b"\r\n");
    }
    mime.extend(format!("--{boundary}--\r\n").bytes());
    mime
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::content::language::LANGUAGES;
    use crate::mail;

    #[test]
    fn letters_read_back_in_every_language_and_encoding() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for turn in 0..300 {
            let language = &LANGUAGES[turn % LANGUAGES.len()];
            let text = language.letter("A", "B", &mut rng);
            let html = (turn % 2 == 0).then(|| format!("<p>{text}</p>"));
            let letter = Letter {
                language,
                from: ("Jürgen Łukasz".to_owned(), "a@x.example".to_owned()),
                to: vec![("O'Malley, B.".to_owned(), "b@x.example".to_owned())],
                cc: Vec::new(),
                subject: language.subject(&mut rng),
                date: Timestamp::from_second(1_700_000_000).unwrap(),
                message_id: "<1@x.example>".to_owned(),
                references: vec!["<a@x.example>".to_owned(), "<b@x.example>".to_owned()],
                importance: Importance::Low,
                text,
                html,
                images: Vec::new(),
                files: Vec::new(),
                headers: vec![("X-Mailer", "Any".to_owned())],
            };
            let message = mail::read(&letter.mime(&mut rng));
            assert_eq!(message.subject, letter.subject);
            let body = letter.html.as_ref().unwrap_or(&letter.text).replace('\n', "\r\n");
            assert_eq!(message.body.content, body);
            assert_eq!(message.from.unwrap().name.unwrap(), letter.from.0);
            assert_eq!(message.to[0].name.as_ref().unwrap(), &letter.to[0].0);
            assert_eq!(message.in_reply_to.unwrap(), "<b@x.example>");
            assert_eq!(message.sent.unwrap(), letter.date);
            assert_eq!(message.importance, Importance::Low);
        }
    }
}
