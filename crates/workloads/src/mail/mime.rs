//! Reads a MIME message into [`Fields`]. Any bytes give an answer: what cannot be read is absent,
//! never an error, for the bytes themselves stay in the vault.

use std::borrow::Cow;
use std::panic::catch_unwind;

use bytes::Bytes;
use holdfast_model::Timestamp;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{
    Address, Encoding, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};

use super::fields::{Attachment, Fields, Person, TextBody, one_space};

/// Longest header block kept for the transport headers, in bytes. Graph refuses very large
/// requests; the whole block is in the vault.
const HEADER_BLOCK_BYTES: usize = 60_000;

/// What a MIME message says. Dates come from the message's own `Date` header; read state, flag
/// and categories are not in MIME and stay empty.
pub fn fields_of_mime(mime: &[u8]) -> Fields {
    // The parser is not ours and its input comes from anybody: a panic in it costs the structure
    // of one message, not the restore of a mailbox.
    let read =
        catch_unwind(|| MessageParser::default().parse(mime).map(|m| read_message(mime, &m)));
    read.ok().flatten().unwrap_or_else(|| Fields {
        body: TextBody::Text(without_nul(&String::from_utf8_lossy(mime))),
        importance: "normal".to_owned(),
        ..Fields::default()
    })
}

fn read_message(mime: &[u8], message: &Message<'_>) -> Fields {
    let from = people(message.from()).into_iter().next();
    let sender = people(message.sender()).into_iter().next();
    let (body, attachments) = parts(message);
    Fields {
        subject: message.subject().map(one_line).unwrap_or_default(),
        sender: sender.filter(|s| from.as_ref().is_none_or(|f| f.address != s.address)),
        from,
        to: people(message.to()),
        cc: people(message.cc()),
        bcc: people(message.bcc()),
        reply_to: people(message.reply_to()),
        message_id: message.message_id().map(bracketed),
        in_reply_to: ids(message.in_reply_to()),
        references: ids(message.references()),
        body,
        attachments,
        sent: message.date().and_then(|date| Timestamp::from_second(date.to_timestamp()).ok()),
        importance: "normal".to_owned(),
        header_block: header_block(mime),
        ..Fields::default()
    }
}

/// Graph holds a subject on one line without control characters.
fn one_line(subject: &str) -> String {
    subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn bracketed(id: &str) -> String {
    format!("<{id}>")
}

fn ids(value: &HeaderValue<'_>) -> Option<String> {
    let list: Vec<String> = match value {
        HeaderValue::Text(id) => vec![bracketed(id)],
        HeaderValue::TextList(ids) => ids.iter().map(|id| bracketed(id)).collect(),
        _ => return None,
    };
    Some(one_space(&list.join(" ")))
}

/// Everybody named in a header. Some have a name and no address ("undisclosed recipients", mail of
/// old directories).
fn people(address: Option<&Address<'_>>) -> Vec<Person> {
    let text = |text: &Option<Cow<'_, str>>| {
        one_line(text.as_deref().unwrap_or_default()).trim().to_owned()
    };
    let all = address.into_iter().flat_map(Address::iter);
    all.map(|person| Person { name: text(&person.name), address: text(&person.address) })
        .filter(|person| !person.name.is_empty() || !person.address.is_empty())
        .collect()
}

fn header_block(mime: &[u8]) -> Option<String> {
    let end = mime
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .or_else(|| mime.windows(4).position(|four| four == b"\r\n\r\n"))?;
    let crlf = mime.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(end).min(end);
    let block = &mime[..crlf.min(HEADER_BLOCK_BYTES)];
    let text = String::from_utf8_lossy(block);
    Some(text.chars().filter(|c| *c != '\0').collect())
}

/// The body and the attachments. Of `multipart/alternative` Graph keeps the HTML; inline text
/// parts that follow the body are attachments.
fn parts(message: &Message<'_>) -> (TextBody, Vec<Attachment>) {
    let is_html =
        |id: &&u32| message.part(**id).is_some_and(|part| matches!(part.body, PartType::Html(_)));
    let html = message.html_body.iter().find(is_html).copied();
    let (body_id, shown) = match html {
        Some(id) => (Some(id), &message.html_body),
        None => (message.text_body.first().copied(), &message.text_body),
    };
    let body_id = body_id.or_else(|| unfinished_text(message));
    let body = body_id
        .and_then(|id| message.part(id))
        .map_or_else(TextBody::default, |part| body_of(message, part));
    let mut ids: Vec<u32> = shown.iter().copied().filter(|id| Some(*id) != body_id).collect();
    ids.extend(message.attachments.iter().copied().filter(|id| Some(*id) != body_id));
    ids.sort_unstable();
    ids.dedup();
    let attachments = ids
        .into_iter()
        .filter_map(|id| message.part(id))
        .zip(1..)
        .map(|(part, number)| attachment(message, part, number))
        .collect();
    (body, attachments)
}

/// The text that the parser takes for an attachment and Exchange shows: of a message without its
/// last boundary, of a multipart without a part, and of a content type that is none (text by
/// RFC 2045, 5.2).
fn unfinished_text(message: &Message<'_>) -> Option<u32> {
    let first = *message.attachments.first()?;
    let part = message.part(first)?;
    let is_file = part.attachment_name().is_some() || part.content_disposition().is_some();
    let is_text = match (&part.body, part.content_type()) {
        (PartType::Text(_) | PartType::Html(_), None) => true,
        (PartType::Text(_) | PartType::Html(_), Some(kind)) => {
            matches!(kind.ctype(), "text" | "multipart")
        }
        (PartType::Binary(_), Some(kind)) => kind.subtype().is_none(),
        _ => false,
    };
    (is_text && !is_file).then_some(first)
}

fn body_of(message: &Message<'_>, part: &MessagePart<'_>) -> TextBody {
    match &part.body {
        PartType::Html(html) => TextBody::Html(without_nul(&text_of(message, part, html))),
        PartType::Text(text) => TextBody::Text(without_nul(&text_of(message, part, text))),
        PartType::Binary(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            TextBody::Text(without_nul(&text_of(message, part, &text)))
        }
        _ => TextBody::default(),
    }
}

/// The text of a part as Exchange shows it where the parser gave up: damaged base64 is read as far
/// as it goes (RFC 2045, 6.8), and bytes of an unknown charset are read as Western European.
fn text_of<'t>(message: &Message<'_>, part: &MessagePart<'_>, text: &'t str) -> Cow<'t, str> {
    let damaged = part.is_encoding_problem && is_base64(part);
    if !damaged && !text.contains('\u{fffd}') {
        return Cow::Borrowed(text);
    }
    let charset = part.content_type().and_then(|kind| kind.attribute("charset"));
    let known = charset.and_then(|name| charset_decoder(name.as_bytes()));
    let bytes = content(message, part);
    match (known, std::str::from_utf8(&bytes)) {
        (Some(decode), _) => Cow::Owned(decode(&bytes)),
        (None, Ok(text)) => Cow::Owned(text.to_owned()),
        (None, Err(_)) if charset.is_some_and(|name| name.eq_ignore_ascii_case("utf-8")) => {
            Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
        }
        (None, Err(_)) => charset_decoder(b"windows-1252")
            .map_or(Cow::Borrowed(text), |decode| Cow::Owned(decode(&bytes))),
    }
}

fn is_base64(part: &MessagePart<'_>) -> bool {
    let encoding = part.content_transfer_encoding();
    encoding.is_some_and(|name| name.trim().eq_ignore_ascii_case("base64"))
}

/// Base64 with foreign characters left out, as far as its last whole byte.
fn lenient_base64(raw: &[u8]) -> Option<Vec<u8>> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits: Vec<u8> = raw.iter().copied().filter(is_digit).collect();
    match digits.len() % 4 {
        1 => {
            digits.pop();
        }
        2 => digits.extend(b"=="),
        3 => digits.push(b'='),
        _ => {}
    }
    base64_decode(&digits)
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

fn attachment(message: &Message<'_>, part: &MessagePart<'_>, number: usize) -> Attachment {
    let is_message = matches!(part.body, PartType::Message(_));
    let content_type = part.content_type().map_or_else(
        || "application/octet-stream".to_owned(),
        |kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => kind.ctype().to_owned(),
        },
    );
    let content_id = part.content_id().map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
    let disposed = part.content_disposition();
    let attached = disposed.is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment"));
    Attachment {
        name: attachment_name(part, number),
        content_type,
        content: Bytes::from(content(message, part)),
        inline: content_id.is_some() && !attached,
        content_id: content_id.filter(|id| !id.is_empty()),
        is_message,
    }
}

/// The given name, or one made as Exchange makes it: `ATT00001.txt`, the subject of a message.
fn attachment_name(part: &MessagePart<'_>, number: usize) -> String {
    let given = part.attachment_name().map(|name| one_line(name).trim().to_owned());
    if let Some(name) = given.filter(|name| !name.is_empty()) {
        return name;
    }
    let ending = match &part.body {
        PartType::Message(inner) => {
            let subject = inner.subject().map(|s| one_line(s).trim().to_owned());
            return format!(
                "{}.eml",
                subject.filter(|s| !s.is_empty()).unwrap_or("message".into())
            );
        }
        PartType::Html(_) => "htm",
        PartType::Text(_) => "txt",
        _ => "dat",
    };
    format!("ATT{number:05}.{ending}")
}

/// The decoded bytes. The parser turns text parts into UTF-8; an attachment keeps its own bytes.
fn content(message: &Message<'_>, part: &MessagePart<'_>) -> Vec<u8> {
    if !matches!(part.body, PartType::Text(_) | PartType::Html(_)) {
        return part.contents().to_vec();
    }
    let range = part.offset_body as usize..part.offset_end as usize;
    let raw = message.raw_message.get(range).unwrap_or_default();
    let decoded = match part.encoding {
        Encoding::Base64 => base64_decode(raw),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
        Encoding::None if part.is_encoding_problem && is_base64(part) => lenient_base64(raw),
        Encoding::None => Some(raw.to_vec()),
    };
    decoded.unwrap_or_else(|| part.contents().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIXED: &[u8] = b"From: Ann <ann@contoso.example>\r\nTo: ghost, b@contoso.example\r\n\
        Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nMessage-ID: <1@contoso.example>\r\n\
        References: <a@x>\r\n <b@x>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n--b\r\n\
        Content-Type: text/plain; charset=iso-8859-1; name=latin.txt\r\n\
        Content-Disposition: attachment; filename=latin.txt\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n/Pw=\r\n--b--\r\n";

    #[test]
    fn a_mixed_message_is_read_whole() {
        let fields = fields_of_mime(MIXED);
        assert_eq!(fields.subject, "Grüße");
        assert_eq!(fields.message_id.as_deref(), Some("<1@contoso.example>"));
        assert_eq!(fields.references.as_deref(), Some("<a@x> <b@x>"));
        assert_eq!(fields.body, TextBody::Text("Hello".to_owned()));
        assert_eq!(fields.attachments.len(), 1);
        assert_eq!(fields.attachments[0].name, "latin.txt");
        assert_eq!(&fields.attachments[0].content[..], [0xfc, 0xfc]); // not UTF-8
        assert_eq!(fields.to.last().map(|p| p.address.as_str()), Some("b@contoso.example"));
    }

    #[test]
    fn text_without_its_last_boundary_is_the_body() {
        let cut =
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n";
        let fields = fields_of_mime(cut);
        assert_eq!(fields.body, TextBody::Text("Hello\r\n".to_owned()));
        assert_eq!(fields.attachments.len(), 0);
    }

    #[test]
    fn a_content_type_that_is_none_means_text() {
        let fields = fields_of_mime(b"Subject: x\r\nContent-Type: nonsense\r\n\r\nUryyb");
        assert_eq!(fields.body, TextBody::Text("Uryyb".to_owned()));
        assert_eq!(fields.attachments.len(), 0);
    }

    #[test]
    fn damaged_base64_and_unknown_charsets_are_read_as_far_as_they_go() {
        let body = |header: &str, content: &[u8]| {
            let head = format!("Subject: x\r\nContent-Type: text/plain{header}\r\n\r\n");
            match fields_of_mime(&[head.as_bytes(), content].concat()).body {
                TextBody::Text(text) => text,
                TextBody::Html(html) => panic!("{html}"),
            }
        };
        let base64 = "\r\nContent-Transfer-Encoding: base64";
        assert_eq!(body(base64, b"SGVsb G8*gd29ybG\r\n"), "Hello worl");
        assert_eq!(body("; charset=x-unknown", b"\xe4\xf6\xfc"), "äöü");
        assert_eq!(body("; charset=x-unknown", "äöü".as_bytes()), "äöü");
        assert_eq!(body("; charset=utf-8", b"a\xe4b"), "a\u{fffd}b");
        assert_eq!(body("; charset=iso-8859-2", b"\xbe"), "ž");
    }

    #[test]
    fn a_multipart_without_a_part_is_its_text() {
        let fields = fields_of_mime(
            b"From: a@contoso.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nno part\r\n",
        );
        assert_eq!(fields.body, TextBody::Text("no part\r\n".to_owned()));
        assert_eq!(fields.attachments, []);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            fields_of_mime(&bytes);
        }
    }
}
