//! Builds the JSON that creates a message as it was.
//!
//! MIME creation always gives a draft (docs-contrib#2790), so a message is created from JSON with
//! the MAPI properties that only creation honours: flags, delivery and submit time, transport
//! headers, threading (graph reference, "Restoring a message with JSON").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::fields::{Attachment, Fields, Person, TextBody};
use super::meta::MessageMeta;

/// Named property that marks what a restore created: `<restore id> <short id of the source>`. The
/// namespace is Holdfast's own GUID.
pub const RESTORE_PROPERTY: &str =
    "String {6d1c2f0e-7f0b-4a43-9d1e-2f6b8a5c9e10} Name HoldfastRestore";

/// Largest attachment sent inside the creation request, and largest sum of them, in bytes before
/// base64. Graph allows 3 MB per attachment and 4 MB per request (Graph v1.0, "Attach large
/// files", read 2026-11).
const INSIDE_BYTES: usize = 2_500_000;

/// Largest creation request: Graph answers 413 above 4 MB.
const REQUEST_BYTES: usize = 3_900_000;

/// Flags of a message that is not a draft: corso sends 4 (unmodified unset, unsent unset), bit 1
/// says read. Source: MS-OXCMSG PidTagMessageFlags.
const MESSAGE_FLAGS: u32 = 4;
const FLAG_READ: u32 = 1;

/// A creation request, and the attachments that follow it one by one.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Body of `POST /users/{id}/mailFolders/{id}/messages`.
    pub json: Value,
    /// Attachments too large for the request.
    pub later: Vec<Attachment>,
}

/// Builds the request for a message. `mark` becomes the value of [`RESTORE_PROPERTY`].
pub fn compose(fields: &Fields, meta: &MessageMeta, mark: &str) -> Composed {
    let mut message = Map::new();
    let mut set = |property: &str, value: Value| message.insert(property.to_owned(), value);
    set("subject", json!(fields.subject));
    set("body", body(&fields.body));
    set("importance", json!(fields.importance));
    set("isRead", json!(fields.read));
    set("categories", json!(fields.categories));
    set("toRecipients", recipients(&fields.to));
    set("ccRecipients", recipients(&fields.cc));
    set("bccRecipients", recipients(&fields.bcc));
    set("replyTo", recipients(&fields.reply_to));
    set("singleValueExtendedProperties", properties(fields, meta, mark));
    if let Some(from) = &fields.from {
        set("from", recipient(from));
        set("sender", recipient(fields.sender.as_ref().unwrap_or(from)));
    }
    if let Some(id) = &fields.message_id {
        set("internetMessageId", json!(id));
    }
    if let Some(flag) = &fields.flag {
        set("flag", flag.clone());
    }
    let mut json = Value::Object(message);
    let room = REQUEST_BYTES.saturating_sub(json.to_string().len()) / 4 * 3;
    let (inside, later) = split(&fields.attachments, room.min(INSIDE_BYTES));
    if !inside.is_empty() {
        json["attachments"] = Value::Array(inside.iter().map(file_attachment).collect());
    }
    Composed { json, later }
}

/// Attachments that fit into `room` bytes before base64, names and types counted roughly.
fn split(attachments: &[Attachment], room: usize) -> (Vec<Attachment>, Vec<Attachment>) {
    const FRAME: usize = 1_000;
    let mut sum = 0;
    let (mut inside, mut later) = (Vec::new(), Vec::new());
    for attachment in attachments {
        let needed = attachment.content.len() + attachment.name.len() + FRAME;
        if sum + needed <= room {
            sum += needed;
            inside.push(attachment.clone());
        } else {
            later.push(attachment.clone());
        }
    }
    (inside, later)
}

/// The JSON of a file attachment with its bytes.
pub(super) fn file_attachment(attachment: &Attachment) -> Value {
    let mut value = json!({
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": attachment.name,
        "contentType": attachment.content_type,
        "isInline": attachment.inline,
        "contentBytes": STANDARD.encode(&attachment.content),
    });
    if let Some(id) = &attachment.content_id {
        value["contentId"] = json!(id);
    }
    value
}

fn body(body: &TextBody) -> Value {
    match body {
        TextBody::Html(html) => json!({"contentType": "html", "content": html}),
        TextBody::Text(text) => json!({"contentType": "text", "content": text}),
    }
}

fn recipient(person: &Person) -> Value {
    let (name, address) = person.shown();
    json!({"emailAddress": {"name": name, "address": address}})
}

fn recipients(people: &[Person]) -> Value {
    Value::Array(people.iter().map(recipient).collect())
}

fn properties(fields: &Fields, meta: &MessageMeta, mark: &str) -> Value {
    let mut list = vec![json!({"id": RESTORE_PROPERTY, "value": mark})];
    let mut push = |id: &str, value: Option<String>| {
        list.extend(value.map(|value| json!({"id": id, "value": value})));
    };
    if !fields.draft {
        let flags = MESSAGE_FLAGS | if fields.read { FLAG_READ } else { 0 };
        push("Integer 0x0E07", Some(flags.to_string()));
        push("SystemTime 0x0E06", fields.received.map(|time| time.to_string()));
        push("SystemTime 0x0039", fields.sent.or(fields.received).map(|time| time.to_string()));
    }
    push("String 0x007D", fields.header_block.clone());
    push("String 0x1042", fields.in_reply_to.clone());
    push("String 0x1039", fields.references.clone());
    for id in ["Integer 0x1080", "Integer 0x1081", "SystemTime 0x1082"] {
        push(id, meta.mapi.get(id).cloned());
    }
    Value::Array(list)
}
