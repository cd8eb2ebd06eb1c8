//! Message to MIME, as Exchange puts it together for a message that was created from JSON.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::text::with_crlf;
use super::{Address, Attachment, Body, Importance, Message, html};

/// Longest line that goes out as it is; RFC 5322 allows 998 characters.
const MAX_LINE: usize = 900;

/// Longest subject or name that is not broken into encoded words.
const MAX_PLAIN: usize = 200;

/// Bytes in one encoded word: 60 characters of base64, so that a word stays below 75.
const WORD_BYTES: usize = 45;

/// Headers that follow from the properties and the content; a copy among the transport headers
/// is not written again.
const MADE: [&str; 13] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "date",
    "importance",
    "mime-version",
];

/// Header fields as they go out.
#[derive(Default)]
struct Headers(Vec<u8>);

/// A part: its own header fields and what follows them.
struct Part {
    headers: Headers,
    content: Vec<u8>,
}

impl Headers {
    /// Adds a field; long ones are folded at single spaces, which stay part of the value.
    fn add(&mut self, name: &str, value: &str) {
        let mut length = name.len() + 2;
        self.0.extend(name.bytes());
        self.0.extend(b": ");
        for word in value.split_inclusive(' ') {
            if length + word.len() > 76 && self.0.ends_with(b" ") && length > name.len() + 2 {
                self.0.pop();
                self.0.extend(b"\r\n ");
                length = 1;
            }
            self.0.extend(word.bytes());
            length += word.len();
        }
        self.0.extend(b"\r\n");
    }
}

impl Part {
    fn into_bytes(self) -> Vec<u8> {
        [self.headers.0.as_slice(), b"\r\n", &self.content].concat()
    }
}

/// Puts a message together as MIME; the same message gives the same bytes.
///
/// An HTML body gets a plain text alternative made from it, inline attachments stand beside it in
/// a `multipart/related`, the others in a `multipart/mixed`. S/MIME goes out as it came in.
pub fn write(message: &Message) -> Vec<u8> {
    let mut mime = transport_headers(message).0;
    match signed_entity(message) {
        Some(entity) => mime.extend(entity),
        None => mime.extend(content(message).into_bytes()),
    }
    mime
}

fn signed_entity(message: &Message) -> Option<&[u8]> {
    let attachment = message.attachments.first()?;
    let is_entity = message.class == "IPM.Note.SMIME.MultipartSigned"
        && attachment.content_type == "multipart/signed"
        && attachment.content.starts_with(b"Content-Type: multipart/signed");
    is_entity.then_some(&attachment.content)
}

fn transport_headers(message: &Message) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in &message.headers {
        let lower = name.to_ascii_lowercase();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if is_name && !MADE.contains(&lower.as_str()) && !lower.starts_with("content-") {
            headers.add(name, &plain_or_words(value));
        }
    }
    let from = message.from.as_slice();
    let is_other = message.sender.as_ref() != message.from.as_ref();
    let sender = if is_other { message.sender.as_slice() } else { &[] };
    for (name, list) in [
        ("From", from),
        ("Sender", sender),
        ("To", &message.to),
        ("Cc", &message.cc),
        ("Bcc", &message.bcc),
        ("Reply-To", &message.reply_to),
    ] {
        if !list.is_empty() {
            headers.add(name, &addresses(list));
        }
    }
    headers.add("Subject", &plain_or_words(&message.subject));
    for (name, value) in [
        ("Message-ID", &message.message_id),
        ("In-Reply-To", &message.in_reply_to),
        ("References", &message.references),
    ] {
        if let Some(value) = value {
            headers.add(name, &without_controls(value));
        }
    }
    if let Some(sent) = message.sent {
        headers.add("Date", &sent.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
    }
    if message.importance != Importance::Normal {
        headers.add("Importance", message.importance.as_str());
    }
    headers.add("MIME-Version", "1.0");
    headers
}

fn without_controls(value: &str) -> String {
    value.chars().filter(|char| !char.is_control()).collect()
}

/// The text itself where every reader understands it alike, else encoded words.
fn plain_or_words(text: &str) -> String {
    let is_plain = text.len() <= MAX_PLAIN
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !text.contains("=?")
        && !text.contains("  ")
        && text.trim() == text;
    if is_plain { text.to_owned() } else { encoded_words(text) }
}

fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

fn addresses(list: &[Address]) -> String {
    let written: Vec<String> = list.iter().map(one_address).collect();
    written.join(", ")
}

fn one_address(address: &Address) -> String {
    let spec: String = address
        .address
        .chars()
        .filter(|char| !char.is_control() && !"<>".contains(*char))
        .collect();
    match address.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        None => format!("<{spec}>"),
        Some(name) => {
            let is_plain = name.len() <= MAX_PLAIN
                && !name.contains("  ")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b" -.,'".contains(&byte));
            let name = if is_plain { format!("\"{name}\"") } else { encoded_words(name) };
            format!("{name} <{spec}>")
        }
    }
}

/// The content as one part: body, inline attachments around it, other attachments around that.
fn content(message: &Message) -> Part {
    if message.class == "IPM.Note.SMIME"
        && let [attachment] = message.attachments.as_slice()
    {
        return file(attachment);
    }
    let is_inline = |attachment: &&Attachment| {
        message.body.html && attachment.is_inline && attachment.content_id.is_some()
    };
    let inline: Vec<_> = message.attachments.iter().filter(is_inline).map(file).collect();
    let files: Vec<_> =
        message.attachments.iter().filter(|attachment| !is_inline(attachment)).map(file).collect();
    let seed = boundary_seed(message);
    let body = around("related", &seed, body(&message.body, &seed), inline);
    around("mixed", &seed, body, files)
}

/// `first` alone, or the multipart that it and the others make.
fn around(subtype: &'static str, seed: &str, first: Part, others: Vec<Part>) -> Part {
    if others.is_empty() {
        return first;
    }
    let parts = std::iter::once(first).chain(others).collect();
    multipart(subtype, seed, parts)
}

fn multipart(subtype: &'static str, seed: &str, parts: Vec<Part>) -> Part {
    let boundary = format!("_{}_{seed}_", &subtype[..3]);
    let mut headers = Headers::default();
    headers.add("Content-Type", &format!("multipart/{subtype}; boundary=\"{boundary}\""));
    let mut content = Vec::new();
    for part in parts {
        content.extend(format!("--{boundary}\r\n").bytes());
        content.append(&mut part.into_bytes());
        content.extend(b"\r\n");
    }
    content.extend(format!("--{boundary}--\r\n").bytes());
    Part { headers, content }
}

/// Names boundaries by the content, so that they are the same each time and no content holds them.
fn boundary_seed(message: &Message) -> String {
    let mut all = message.subject.clone().into_bytes();
    all.extend(message.message_id.iter().flat_map(|id| id.bytes()));
    all.extend(message.body.content.bytes());
    for attachment in &message.attachments {
        all.extend(attachment.name.bytes());
        all.extend(&attachment.content);
    }
    hex::encode(&digest(&SHA256, &all).as_ref()[..12])
}

fn body(body: &Body, seed: &str) -> Part {
    if !body.html {
        return text("plain", &body.content);
    }
    let plain = text("plain", &html::to_text(&body.content));
    multipart("alternative", seed, vec![plain, text("html", &body.content)])
}

fn text(subtype: &str, content: &str) -> Part {
    let content = with_crlf(content);
    let is_plain = content.is_ascii()
        && content.lines().all(|line| line.len() <= MAX_LINE && !line.bytes().any(is_odd));
    let mut headers = Headers::default();
    headers.add("Content-Type", &format!("text/{subtype}; charset=\"utf-8\""));
    match is_plain {
        true => leaf(headers, "7bit", content.into_bytes()),
        false => leaf(headers, "base64", base64_lines(content.as_bytes())),
    }
}

/// Characters that do not survive every transport.
fn is_odd(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

fn leaf(mut headers: Headers, encoding: &str, content: Vec<u8>) -> Part {
    headers.add("Content-Transfer-Encoding", encoding);
    Part { headers, content }
}

/// Base64 in lines of 76 characters.
pub(super) fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(bytes).into_bytes();
    encoded.chunks(76).collect::<Vec<_>>().join(b"\r\n".as_slice())
}

fn file(attachment: &Attachment) -> Part {
    let name = parameter(&attachment.name);
    let mut headers = Headers::default();
    let content_type = media_type(&attachment.content_type);
    let smime =
        if content_type.ends_with("pkcs7-mime") { "; smime-type=enveloped-data" } else { "" };
    headers.add("Content-Type", &format!("{content_type}{smime}; name{name}"));
    let disposition = if attachment.is_inline { "inline" } else { "attachment" };
    headers.add("Content-Disposition", &format!("{disposition}; filename{name}"));
    if let Some(id) = &attachment.content_id {
        let id: String =
            id.chars().filter(|char| char.is_ascii_graphic() && !"<>".contains(*char)).collect();
        headers.add("Content-ID", &format!("<{id}>"));
    }
    match &attachment.item {
        Some(item) if attachment.content.is_empty() => leaf(headers, "8bit", write(item)),
        Some(_) => leaf(headers, "8bit", attachment.content.clone()),
        None => leaf(headers, "base64", base64_lines(&attachment.content)),
    }
}

/// The media type, or that of unknown bytes where a client sent none that is one. Parts that hold
/// other parts cannot be sent encoded: such a type becomes that of unknown bytes too.
fn media_type(content_type: &str) -> &str {
    let is_type = content_type.split_once('/').is_some_and(|(kind, subtype)| {
        let is_token = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte))
        };
        kind != "multipart" && is_token(kind) && is_token(subtype)
    });
    if is_type { content_type } else { "application/octet-stream" }
}

/// `="name"`, or `*=utf-8''n%C3%A4me` (RFC 2231) where quotes do not do.
fn parameter(value: &str) -> String {
    let is_plain = value.len() <= MAX_PLAIN
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -._,()".contains(&byte));
    if is_plain {
        return format!("=\"{value}\"");
    }
    let encoded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
    format!("*=utf-8''{encoded}")
}
