//! Creating messages: from JSON, from MIME.
//!
//! What the service does with JSON (observed by its users): `receivedDateTime`, `sentDateTime`,
//! ids and the like are ignored; MAPI properties given at creation count, so that
//! `Integer 0x0E07` without bit 8 makes a message that is no draft, `SystemTime 0x0E06` and
//! `0x0039` set its dates. HTML is rewritten. MIME always makes a draft.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::mailbox;
use super::messages::created;
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError};
use crate::mail::{self, Address, Attachment, Importance, Message};
use crate::query::property_id;
use crate::seal;
use crate::state::{Content, Flag, Op, Outcome, Parsed, Properties};
use crate::tenant::Tenant;

/// The largest request with a message (source: Graph, "Create message", read 2026-11).
pub const REQUEST_MAX: usize = 4 * 1024 * 1024;

/// Headers that a client may set at most.
const HEADERS_MAX: usize = 5;

/// Members of a message that are read-only or do not matter, and are ignored.
const IGNORED: [&str; 17] = [
    "@odata.type",
    "@odata.etag",
    "@odata.context",
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "bodyPreview",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDraft",
    "webLink",
    "uniqueBody",
];

/// `POST /users/{id}/messages`: into Drafts.
pub fn in_drafts(tenant: &Tenant, call: &Call) -> Answer {
    create(tenant, call, "drafts")
}

/// `POST /users/{id}/mailFolders/{id}/messages`
pub fn in_folder(tenant: &Tenant, call: &Call) -> Answer {
    create(tenant, call, call.param(1))
}

fn create(tenant: &Tenant, call: &Call, folder: &str) -> Answer {
    if call.body.len() > REQUEST_MAX {
        return Err(too_large());
    }
    let now = tenant.clock().now();
    let content_type = call.header("content-type").unwrap_or("").to_ascii_lowercase();
    let mut properties = if content_type.starts_with("text/plain") {
        from_mime(&call.body, now)?
    } else {
        from_json(&call.json()?, now)?
    };
    give_message_id(&mut properties, tenant.domain());
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(folder)?.number;
    let op = Op::MessageAdd { user, folder, properties: Box::new(properties) };
    match tenant.commit(&mut state, op)? {
        Outcome::Message(uid) => created(&state, call, user, uid),
        _ => Err(Refused::MessageNotFound.into()),
    }
}

/// Exchange gives a message made from JSON a `Message-ID` where the client gave none.
fn give_message_id(properties: &mut Properties, domain: &str) {
    if let Content::Parsed(parsed) = &mut properties.content
        && parsed.message.message_id.is_none()
    {
        let id = format!("<{}@{domain}>", seal::random_guid());
        Arc::make_mut(parsed).message.message_id = Some(id);
    }
}

/// 413 for a request beyond the limit.
pub fn too_large() -> GraphError {
    GraphError::new(413, "RequestEntityTooLarge", "The request is too large; at most 4 MB.")
}

/// Properties of a message that was made just now.
fn fresh(content: Content, now: Timestamp) -> Properties {
    Properties {
        content,
        received: now,
        sent: None,
        created: now,
        modified: now,
        is_read: true,
        is_draft: true,
        flag: Flag::default(),
        categories: Vec::new(),
        importance: Importance::Normal,
        extended: BTreeMap::new(),
    }
}

fn from_mime(body: &[u8], now: Timestamp) -> Result<Properties, GraphError> {
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mime = STANDARD.decode(text).ok().filter(|mime| !mime.is_empty()).ok_or_else(|| {
        let message = "The MIME content is not valid base64.";
        GraphError::new(400, "ErrorMimeContentInvalidBase64String", message)
    })?;
    let importance = mail::read(&mime).importance;
    Ok(Properties { importance, ..fresh(Content::Mime(mime.into()), now) })
}

/// Reads a message from JSON.
pub fn from_json(body: &Value, now: Timestamp) -> Result<Properties, GraphError> {
    let object = body.as_object().ok_or_else(|| bad("The request body is no JSON object."))?;
    let empty = Parsed::new(Message { class: "IPM.Note".to_owned(), ..Message::default() });
    let mut properties = fresh(Content::Parsed(Arc::new(empty.clone())), now);
    let mut parsed = empty;
    let mut read = None;
    for (name, value) in object {
        match name.as_str() {
            "isRead" => read = value.as_bool(),
            "attachments" => {
                for attachment in value.as_array().into_iter().flatten() {
                    parsed.attach(attachment_from_json(attachment)?);
                }
            }
            "internetMessageHeaders" => own_headers(value, &mut parsed.message)?,
            "singleValueExtendedProperties" => {
                extended(value, &mut properties.extended)?;
            }
            name => {
                let known = set_state(&mut properties, name, value)?
                    || set_content(&mut parsed.message, name, value)?;
                if !known && !IGNORED.contains(&name) {
                    return Err(unknown(name));
                }
            }
        }
    }
    at_creation(&mut properties, &mut parsed.message)?;
    if let Some(read) = read {
        properties.is_read = read;
    }
    parsed.message.importance = properties.importance;
    properties.content = Content::Parsed(Arc::new(parsed));
    Ok(properties)
}

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::new(400, "ErrorInvalidRequest", message)
}

/// 400 for a member that messages do not have.
pub fn unknown(name: &str) -> GraphError {
    let message = format!(
        "The property '{name}' does not exist on type 'microsoft.graph.message'. Make sure to only \
         use property names that are defined by the type."
    );
    GraphError::new(400, "RequestBodyRead", message)
}

/// What MAPI properties mean when they come with the creation.
fn at_creation(properties: &mut Properties, message: &mut Message) -> Result<(), GraphError> {
    let mut take = |id: &str| properties.extended.remove(id);
    if let Some(flags) = take("Integer 0xe07") {
        let flags: u32 = flags.parse().map_err(|_| bad("0x0E07 is no integer."))?;
        properties.is_draft = flags & 8 != 0;
        properties.is_read = flags & 1 != 0;
    }
    if let Some(at) = take("SystemTime 0xe06") {
        properties.received = time(&at)?;
    }
    let sent = take("SystemTime 0x39").map(|at| time(&at)).transpose()?;
    properties.sent = Some(sent.unwrap_or(properties.received));
    if let Some(class) = take("String 0x1a") {
        message.class = class;
    }
    message.references = take("String 0x1039").or(message.references.take());
    message.in_reply_to = take("String 0x1042").or(message.in_reply_to.take());
    if let Some(id) = take("String 0x1035") {
        message.message_id = Some(id);
    }
    // The header block stays readable as a property and shows as internetMessageHeaders.
    if let Some(block) = properties.extended.get("String 0x7d") {
        let own = std::mem::take(&mut message.headers);
        message.headers = mail::header_block(block.as_bytes());
        message.headers.extend(own);
    }
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, GraphError> {
    text.parse().map_err(|_| bad(format!("'{text}' is no valid SystemTime.")))
}

/// Sets a property that is the mailbox's; false if it is none.
pub fn set_state(
    properties: &mut Properties,
    name: &str,
    value: &Value,
) -> Result<bool, GraphError> {
    match name {
        "isRead" => {
            properties.is_read = value.as_bool().ok_or_else(|| bad("isRead is no Boolean."))?;
        }
        "categories" => {
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut categories: Vec<String> = Vec::new();
            for word in words {
                if !categories.iter().any(|known| known == word) {
                    categories.push(word.to_owned());
                }
            }
            properties.categories = categories;
        }
        "importance" => {
            properties.importance = match value.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("low") => Importance::Low,
                Some("normal") => Importance::Normal,
                Some("high") => Importance::High,
                _ => return Err(bad("importance is none of low, normal, high.")),
            };
        }
        "flag" => properties.flag = flag(value)?,
        "inferenceClassification"
        | "isDeliveryReceiptRequested"
        | "isReadReceiptRequested"
        | "multiValueExtendedProperties" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn flag(value: &Value) -> Result<Flag, GraphError> {
    let object = value.as_object().ok_or_else(|| bad("flag is no object."))?;
    let status = object.get("flagStatus").and_then(Value::as_str).unwrap_or("notFlagged");
    let known = ["notFlagged", "flagged", "complete"];
    let same = |known: &&&str| known.eq_ignore_ascii_case(status);
    let status = known.iter().find(same).ok_or_else(|| bad("flagStatus is unknown."))?;
    let mut dates = serde_json::Map::new();
    for name in ["completedDateTime", "dueDateTime", "startDateTime"] {
        if let Some(date @ Value::Object(_)) = object.get(name) {
            dates.insert(name.to_owned(), date.clone());
        }
    }
    Ok(Flag { status: (*status).to_owned(), dates })
}

/// Sets a property that belongs to the message itself; false if it is none.
pub fn set_content(message: &mut Message, name: &str, value: &Value) -> Result<bool, GraphError> {
    match name {
        "subject" => message.subject = value.as_str().unwrap_or("").to_owned(),
        "body" => message.body = body(value)?,
        "from" => message.from = recipient(value),
        "sender" => message.sender = recipient(value),
        "toRecipients" => message.to = recipients(value),
        "ccRecipients" => message.cc = recipients(value),
        "bccRecipients" => message.bcc = recipients(value),
        "replyTo" => message.reply_to = recipients(value),
        "internetMessageId" => message.message_id = value.as_str().map(str::to_owned),
        _ => return Ok(false),
    }
    Ok(true)
}

fn body(value: &Value) -> Result<mail::Body, GraphError> {
    let content = value.get("content").and_then(Value::as_str).unwrap_or("");
    let kind = value.get("contentType").and_then(Value::as_str).unwrap_or("text");
    match kind.to_ascii_lowercase().as_str() {
        "html" => Ok(mail::Body { html: true, content: mail::rewrite_html(content) }),
        "text" => Ok(mail::Body { html: false, content: content.to_owned() }),
        _ => Err(bad("contentType is none of text, html.")),
    }
}

fn recipient(value: &Value) -> Option<Address> {
    let address = value.get("emailAddress")?;
    let text = |name: &str| address.get(name).and_then(Value::as_str).map(str::to_owned);
    let (name, address) = (text("name"), text("address"));
    if name.is_none() && address.is_none() {
        return None;
    }
    Some(Address { name, address: address.unwrap_or_default() })
}

fn recipients(value: &Value) -> Vec<Address> {
    value.as_array().into_iter().flatten().filter_map(recipient).collect()
}

/// Headers of the client's own: only `x-…`, and few of them.
fn own_headers(value: &Value, message: &mut Message) -> Result<(), GraphError> {
    let headers = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if headers.len() > HEADERS_MAX {
        let text = "Maximum number of headers in one message should be less than or equal to 5.";
        return Err(GraphError::new(400, "InvalidInternetMessageHeaderCollection", text));
    }
    for header in headers {
        let part = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let (name, value) = (part("name"), part("value"));
        if !name.to_ascii_lowercase().starts_with("x-") {
            let text = format!(
                "The internet message header name '{name}' should start with 'x-' or 'X-'."
            );
            return Err(GraphError::new(400, "InvalidInternetMessageHeader", text));
        }
        message.headers.push((name, value));
    }
    Ok(())
}

/// Reads single-value extended properties; null takes one away.
pub fn extended(value: &Value, into: &mut BTreeMap<String, String>) -> Result<(), GraphError> {
    for property in value.as_array().into_iter().flatten() {
        let id = property.get("id").and_then(Value::as_str).unwrap_or("");
        let id = property_id(id)?;
        match property.get("value") {
            Some(Value::String(text)) => into.insert(id, text.clone()),
            Some(Value::Null) | None => into.remove(&id),
            Some(_) => return Err(bad("The value of an extended property must be a string.")),
        };
    }
    Ok(())
}

/// Reads an attachment: a file, or an item that is a message.
pub fn attachment_from_json(value: &Value) -> Result<Attachment, GraphError> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("@odata.type").unwrap_or_default();
    let mut attachment = Attachment {
        name: text("name").unwrap_or_default(),
        content_type: text("contentType").unwrap_or_default(),
        content_id: text("contentId"),
        is_inline: value.get("isInline").and_then(Value::as_bool).unwrap_or(false),
        ..Attachment::default()
    };
    if kind.ends_with("itemAttachment") {
        let item = value.get("item").ok_or_else(|| bad("An itemAttachment needs its item."))?;
        let properties = from_json(item, Timestamp::UNIX_EPOCH)?;
        let mut message = properties.content.parsed().message.clone();
        message.sent = properties.sent;
        attachment.content = mail::write(&message);
        attachment.content_type = "message/rfc822".to_owned();
        attachment.item = Some(Box::new(message));
        return Ok(attachment);
    }
    if !kind.ends_with("fileAttachment") {
        return Err(bad(format!("An attachment of type '{kind}' cannot be created.")));
    }
    if attachment.name.is_empty() {
        return Err(bad("Required property 'name' is missing."));
    }
    if attachment.content_type.is_empty() {
        attachment.content_type = "application/octet-stream".to_owned();
    }
    let bytes = text("contentBytes").unwrap_or_default();
    attachment.content =
        STANDARD.decode(bytes).map_err(|_| bad("contentBytes is not valid base64."))?;
    Ok(attachment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn mapi_properties_at_creation_decide_state_and_dates() {
        let body = json!({
            "subject": "x", "isRead": false,
            "receivedDateTime": "2001-01-01T00:00:00Z",
            "singleValueExtendedProperties": [
                {"id": "Integer 0x0E07", "value": "5"},
                {"id": "SystemTime 0x0E06", "value": "2024-05-06T07:08:09Z"},
                {"id": "SystemTime 0x0039", "value": "2024-05-06T07:00:00Z"},
                {"id": "String 0x007D", "value": "Received: a\r\nSubject: x\r\n"},
                {"id": "String 0x1042", "value": "<a@b.example>"},
                {"id": "String {00020386-0000-0000-C000-000000000046} Name n", "value": "v"},
            ],
        });
        let made = from_json(&body, now()).unwrap();
        assert!(!made.is_draft);
        assert!(!made.is_read, "isRead goes before the flags");
        assert_eq!(made.received.to_string(), "2024-05-06T07:08:09Z");
        assert_eq!(made.sent.unwrap().to_string(), "2024-05-06T07:00:00Z");
        let message = &made.content.parsed().message;
        assert_eq!(message.in_reply_to.as_deref(), Some("<a@b.example>"));
        assert_eq!(message.headers.len(), 2);
        assert_eq!(made.extended.len(), 2);
        assert_eq!(message.class, "IPM.Note");
    }

    #[test]
    fn without_flags_it_is_a_draft_of_now() {
        let made =
            from_json(&json!({"subject": "x", "sentDateTime": "2001-01-01T00:00:00Z"}), now());
        let made = made.unwrap();
        assert!(made.is_draft && made.is_read);
        assert_eq!(made.received, now());
        assert_eq!(made.sent, Some(now()));
    }

    #[test]
    fn what_graph_refuses_is_refused() {
        let header = |name: &str| json!({"internetMessageHeaders": [{"name": name, "value": "v"}]});
        assert!(from_json(&header("X-Own"), now()).is_ok());
        let cases = [
            (header("Received"), "InvalidInternetMessageHeader"),
            (json!({"colour": "red"}), "RequestBodyRead"),
            (json!({"importance": "urgent"}), "ErrorInvalidRequest"),
            (json!({"body": {"contentType": "rtf"}}), "ErrorInvalidRequest"),
            (json!([]), "ErrorInvalidRequest"),
            (json!({"attachments": [{"name": "a"}]}), "ErrorInvalidRequest"),
        ];
        for (body, code) in cases {
            let error = from_json(&body, now()).unwrap_err();
            assert_eq!((error.status, error.code.as_str()), (400, code), "{body}");
        }
    }
}
