//! MIME to message, as Exchange takes it apart on arrival ([MS-OXCMAIL], [MS-OXOSMIME]).
//!
//! Simplified against Exchange: TNEF (`winmail.dat`) stays an attachment, and so does the calendar
//! part of a meeting request, which Exchange turns into properties of the meeting.

use jiff::Timestamp;

use super::header::{Field, Fields, Parameters};
use super::parts::{Part, split};
use super::{Address, Attachment, Body, Importance, Message, address, header_block, text};

/// Deepest nesting of messages in messages that is taken apart; a deeper one is a file.
const MAX_NESTED_MESSAGES: usize = 8;

/// Takes any bytes apart; broken MIME gives a message whose body is the text.
///
/// The work grows linearly with the length of the bytes, and nothing panics.
pub fn read(mime: &[u8]) -> Message {
    read_nested(mime, 0)
}

fn read_nested(mime: &[u8], depth: usize) -> Message {
    let parts = split(mime);
    let root = &parts[0];
    let fields = &root.fields;
    let addresses = |name: &str| fields.first(name).map(|found| address::parse(&found.unfolded()));
    let from = addresses("From").and_then(|found| found.into_iter().next());
    let sender = addresses("Sender").and_then(|found| found.into_iter().next());
    let (body, attachments) = content(&parts, depth);
    Message {
        class: class(&parts).to_owned(),
        subject: fields.decoded("Subject").map(|subject| on_one_line(&subject)).unwrap_or_default(),
        from: from.clone().or_else(|| sender.clone()),
        sender: sender.or(from),
        to: every_address(fields, "To"),
        cc: every_address(fields, "Cc"),
        bcc: every_address(fields, "Bcc"),
        reply_to: every_address(fields, "Reply-To"),
        message_id: words(fields, "Message-ID"),
        in_reply_to: words(fields, "In-Reply-To"),
        references: words(fields, "References"),
        headers: header_block(mime),
        sent: fields.first("Date").and_then(|found| date(&found.unfolded())),
        received: received(fields),
        importance: importance(fields),
        body,
        attachments,
    }
}

/// The addresses of all fields of that name (some programs send several).
fn every_address(fields: &Fields<'_>, name: &str) -> Vec<Address> {
    fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .flat_map(|field| address::parse(&field.unfolded()))
        .collect()
}

/// A value with single spaces; `None` when it is empty.
fn words(fields: &Fields<'_>, name: &str) -> Option<String> {
    let value = fields.first(name)?.unfolded();
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    (!value.is_empty()).then_some(value)
}

fn on_one_line(subject: &str) -> String {
    subject.replace("\r\n", " ").replace(['\r', '\n'], " ")
}

fn received(fields: &Fields<'_>) -> Option<Timestamp> {
    let value = fields.first("Received")?.unfolded();
    date(value.rsplit_once(';')?.1)
}

/// A date as mail has it, in ten years of programs: by the rules first, then by guessing.
fn date(value: &str) -> Option<Timestamp> {
    let value = value.split('(').next().unwrap_or_default().trim();
    let strict = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    if let Ok(found) = strict.parse_timestamp(value) {
        return Some(found);
    }
    // Long numbers would make the lenient parser count years one by one.
    let has_long_number = value.split(|char: char| !char.is_ascii_digit()).any(|run| run.len() > 4);
    if value.len() > 100 || has_long_number {
        return None;
    }
    mailparse::dateparse(value).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

fn importance(fields: &Fields<'_>) -> Importance {
    let value = |name| fields.decoded(name).unwrap_or_default().to_ascii_lowercase();
    let priority = value("X-Priority");
    match (value("Importance").as_str(), priority.trim().chars().next()) {
        ("high", _) | ("", Some('1' | '2')) => Importance::High,
        ("low", _) | ("", Some('4' | '5')) => Importance::Low,
        _ => Importance::Normal,
    }
}

/// The MAPI class by the shape of the message: [MS-OXOSMIME] 2.1, [MS-OXCMAIL] on reports,
/// [MS-OXCICAL] on meetings.
fn class(parts: &[Part<'_>]) -> &'static str {
    let root = &parts[0];
    let parameter = |name| root.content_type.get(name).unwrap_or_default().to_ascii_lowercase();
    match root.media_type() {
        "multipart/signed" if root.is_multipart() => "IPM.Note.SMIME.MultipartSigned",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "IPM.Note.SMIME",
        "multipart/report" if parameter("report-type") == "delivery-status" => {
            delivery_class(parts)
        }
        "multipart/report" if parameter("report-type") == "disposition-notification" => {
            "REPORT.IPM.Note.IPNRN"
        }
        _ => parts.iter().find_map(meeting_class).unwrap_or("IPM.Note"),
    }
}

fn delivery_class(parts: &[Part<'_>]) -> &'static str {
    let status = parts.iter().find(|part| part.media_type() == "message/delivery-status");
    let text = status.map(|part| String::from_utf8_lossy(part.body).to_ascii_lowercase());
    let action = text
        .as_deref()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("action:")).map(str::trim));
    match action {
        Some("delivered") => "REPORT.IPM.Note.DR",
        Some("delayed") => "REPORT.IPM.Note.Delayed",
        Some("relayed") => "REPORT.IPM.Note.Relayed",
        Some("expanded") => "REPORT.IPM.Note.Expanded",
        _ => "REPORT.IPM.Note.NDR",
    }
}

fn meeting_class(part: &Part<'_>) -> Option<&'static str> {
    let method = part.content_type.get("method")?.to_ascii_lowercase();
    if part.media_type() != "text/calendar" {
        return None;
    }
    match method.as_str() {
        "request" => Some("IPM.Schedule.Meeting.Request"),
        "cancel" => Some("IPM.Schedule.Meeting.Canceled"),
        "reply" => Some("IPM.Schedule.Meeting.Resp.Pos"),
        _ => None,
    }
}

fn content(parts: &[Part<'_>], depth: usize) -> (Body, Vec<Attachment>) {
    let mut collector = Collector { parts, depth, body: None, attachments: Vec::new() };
    collector.part(0, None, false);
    let body = collector.body.map(|found| found.body).unwrap_or_default();
    if parts[0].media_type() == "multipart/signed" && parts[0].is_multipart() {
        // Exchange keeps the signed entity whole in one attachment, and the body beside it.
        return (body, vec![signed_entity(&parts[0])]);
    }
    (body, collector.attachments)
}

/// The attachment of a clear-signed message: the entity with its `Content-Type`.
fn signed_entity(root: &Part<'_>) -> Attachment {
    let content_type = root.fields.first("Content-Type").map(Field::unfolded);
    let header = format!("Content-Type: {}\r\n\r\n", content_type.unwrap_or_default());
    Attachment {
        name: "smime.p7m".to_owned(),
        content_type: "multipart/signed".to_owned(),
        content: [header.as_bytes(), root.body].concat(),
        ..Attachment::default()
    }
}

struct FoundBody {
    body: Body,
    /// The multipart/alternative that the body stands in.
    alternative: Option<usize>,
}

struct Collector<'a> {
    parts: &'a [Part<'a>],
    depth: usize,
    body: Option<FoundBody>,
    attachments: Vec<Attachment>,
}

impl Collector<'_> {
    fn part(&mut self, index: usize, alternative: Option<usize>, is_related: bool) {
        let part = &self.parts[index];
        if !part.is_multipart() {
            self.leaf(index, alternative, is_related);
            return;
        }
        let media_type = part.media_type();
        let alternative =
            if media_type == "multipart/alternative" { Some(index) } else { alternative };
        let is_related = is_related || media_type == "multipart/related";
        for child in &part.children {
            self.part(*child, alternative, is_related);
        }
    }

    fn leaf(&mut self, index: usize, alternative: Option<usize>, is_related: bool) {
        let part = &self.parts[index];
        let disposition = part.fields.parameters("Content-Disposition").unwrap_or_default();
        let is_file = disposition.value == "attachment"
            || (index > 0 && file_name(part, &disposition).is_some());
        let is_text = matches!(part.media_type(), "text/plain" | "text/html")
            // A multipart without parts is text that nobody understands.
            || part.media_type().starts_with("multipart/");
        if is_text && !is_file && self.take_body(part, alternative) {
            return;
        }
        let attachment = self.attachment(part, &disposition, is_related);
        self.attachments.push(attachment);
    }

    /// Makes the part the body, or the other form of the body, which Exchange drops. `false`
    /// when the message has another body already.
    fn take_body(&mut self, part: &Part<'_>, alternative: Option<usize>) -> bool {
        let is_html = part.media_type() == "text/html";
        let is_other_form = |found: &FoundBody| {
            alternative.is_some() && found.alternative == alternative && found.body.html != is_html
        };
        match &self.body {
            Some(found) if !is_other_form(found) => return false,
            Some(found) if found.body.html => return true,
            _ => {}
        }
        let bytes = decoded(part);
        let content = text::to_unicode(&bytes, part.content_type.get("charset"));
        let body = Body { html: is_html, content: text::with_crlf(&content) };
        self.body = Some(FoundBody { body, alternative });
        true
    }

    fn attachment(
        &self,
        part: &Part<'_>,
        disposition: &Parameters,
        is_related: bool,
    ) -> Attachment {
        let content = decoded(part);
        let is_message = matches!(part.media_type(), "message/rfc822" | "message/global");
        let item = (is_message && self.depth < MAX_NESTED_MESSAGES)
            .then(|| Box::new(read_nested(&content, self.depth + 1)));
        let content_id = part.fields.first("Content-ID").map(Field::unfolded);
        let content_id = content_id
            .map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
            .filter(|id| !id.is_empty());
        let is_inline = content_id.is_some()
            && (disposition.value == "inline" || (is_related && disposition.value != "attachment"));
        let name = file_name(part, disposition)
            .or_else(|| item.as_ref().map(|item| item.subject.clone()))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.made_up_name(part.media_type()));
        Attachment {
            name,
            content_type: part.media_type().to_owned(),
            content,
            content_id,
            is_inline,
            item,
        }
    }

    /// The name that Exchange gives to a part without one.
    fn made_up_name(&self, media_type: &str) -> String {
        let ending = match media_type {
            "text/plain" | "message/delivery-status" => "txt",
            "text/html" => "htm",
            "text/calendar" => "ics",
            "image/jpeg" => "jpg",
            "image/png" => "png",
            "image/gif" => "gif",
            "message/rfc822" => "eml",
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => return "smime.p7m".to_owned(),
            _ => "dat",
        };
        format!("ATT{:05}.{ending}", self.attachments.len() + 1)
    }
}

fn file_name(part: &Part<'_>, disposition: &Parameters) -> Option<String> {
    let name = disposition.get("filename").or_else(|| part.content_type.get("name"))?;
    let name = on_one_line(name).trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn decoded(part: &Part<'_>) -> Vec<u8> {
    let encoding = part.fields.decoded("Content-Transfer-Encoding").unwrap_or_default();
    text::decode_transfer(part.body, &encoding)
}
