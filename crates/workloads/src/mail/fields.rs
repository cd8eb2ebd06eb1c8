//! What a message says, whatever form it was kept in: the ground on which a restored message is
//! built and compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdfast_model::Timestamp;
use serde_json::Value;

use super::meta::{MessageMeta, StoredForm};
use super::property::extended;
use super::round::time;
use crate::{Error, Result};

/// A name and an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Display name; empty where none was given.
    pub name: String,
    /// Address as written; empty where none was given.
    pub address: String,
}

impl Person {
    /// The pair of name and address that Graph holds: one stands in for the other where that is
    /// missing.
    pub fn shown(&self) -> (&str, &str) {
        match (self.name.as_str(), self.address.as_str()) {
            ("", address) => (address, address),
            (name, "") => (name, name),
            both => both,
        }
    }
}

/// The body that Graph keeps: one of the two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextBody {
    /// Plain text.
    Text(String),
    /// HTML.
    Html(String),
}

impl Default for TextBody {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// An attachment with its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// File name.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Decoded bytes.
    pub content: Bytes,
    /// Content id without angle brackets.
    pub content_id: Option<String>,
    /// Shown inside the body.
    pub inline: bool,
    /// True for a message inside the message.
    pub is_message: bool,
}

/// Everything that a restore carries and compares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Subject.
    pub subject: String,
    /// From.
    pub from: Option<Person>,
    /// Sender, where it differs from From.
    pub sender: Option<Person>,
    /// To.
    pub to: Vec<Person>,
    /// Cc.
    pub cc: Vec<Person>,
    /// Bcc.
    pub bcc: Vec<Person>,
    /// Reply-To.
    pub reply_to: Vec<Person>,
    /// Message-ID with angle brackets.
    pub message_id: Option<String>,
    /// In-Reply-To with angle brackets.
    pub in_reply_to: Option<String>,
    /// References, separated by spaces, with angle brackets.
    pub references: Option<String>,
    /// Body.
    pub body: TextBody,
    /// Attachments in their order.
    pub attachments: Vec<Attachment>,
    /// Sent.
    pub sent: Option<Timestamp>,
    /// Received.
    pub received: Option<Timestamp>,
    /// Read state.
    pub read: bool,
    /// Not sent yet.
    pub draft: bool,
    /// Flag as Graph gives it; absent when not flagged.
    pub flag: Option<Value>,
    /// Categories.
    pub categories: Vec<String>,
    /// `low`, `normal` or `high`.
    pub importance: String,
    /// The header block as text, for the transport headers of the restored message.
    pub header_block: Option<String>,
}

impl Fields {
    /// Reads a stored message: its bytes in the form that `meta` names, and what `meta` adds.
    pub fn of_stored(name: &str, meta: &MessageMeta, bytes: &[u8]) -> Result<Self> {
        let mut fields = match meta.form {
            StoredForm::Mime => super::mime::fields_of_mime(bytes),
            StoredForm::Json => {
                let message: Value =
                    serde_json::from_slice(bytes).map_err(|_| Error::stored(name))?;
                Self::of_graph(&message)
            }
        };
        fields.sent = meta.sent.or(fields.sent);
        fields.received = meta.received.or(fields.received);
        fields.read = meta.read;
        fields.draft = meta.draft;
        fields.flag.clone_from(&meta.flag);
        fields.categories.clone_from(&meta.cat);
        fields.importance = meta.imp.clone().unwrap_or_else(|| "normal".to_owned());
        Ok(fields)
    }

    /// Reads a Graph message with its attachments in `attachments`.
    pub fn of_graph(message: &Value) -> Self {
        let text = |property: &str| message[property].as_str().map(str::to_owned);
        let content = message["body"]["content"].as_str().unwrap_or_default().to_owned();
        let html = message["body"]["contentType"].as_str() == Some("html");
        let flag = &message["flag"];
        let flagged = flag["flagStatus"].as_str().is_some_and(|status| status != "notFlagged");
        let mut properties = extended(message);
        let (from, sender) = (person(&message["from"]), person(&message["sender"]));
        Self {
            subject: text("subject").unwrap_or_default(),
            sender: sender.filter(|s| from.as_ref().is_none_or(|f| f.address != s.address)),
            from,
            to: people(&message["toRecipients"]),
            cc: people(&message["ccRecipients"]),
            bcc: people(&message["bccRecipients"]),
            reply_to: people(&message["replyTo"]),
            message_id: text("internetMessageId"),
            in_reply_to: properties.remove("String 0x1042"),
            references: properties.remove("String 0x1039").map(|r| one_space(&r)),
            body: if html { TextBody::Html(content) } else { TextBody::Text(content) },
            attachments: message["attachments"]
                .as_array()
                .map_or_else(Vec::new, |list| list.iter().filter_map(attachment).collect()),
            sent: time(message, "sentDateTime"),
            received: time(message, "receivedDateTime"),
            read: message["isRead"].as_bool().unwrap_or(false),
            draft: message["isDraft"].as_bool().unwrap_or(false),
            flag: flagged.then(|| flag.clone()),
            categories: texts(&message["categories"]),
            importance: text("importance").unwrap_or_else(|| "normal".to_owned()),
            header_block: properties.remove("String 0x007D"),
        }
    }
}

/// Ids of one header on one line: folded lines and runs of white space become one space.
pub(super) fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn person(recipient: &Value) -> Option<Person> {
    let address = recipient["emailAddress"]["address"].as_str()?;
    let name = recipient["emailAddress"]["name"].as_str().unwrap_or_default();
    Some(Person { name: name.to_owned(), address: address.to_owned() })
}

fn people(recipients: &Value) -> Vec<Person> {
    recipients.as_array().into_iter().flatten().filter_map(person).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn attachment(value: &Value) -> Option<Attachment> {
    let kind = value["@odata.type"].as_str().unwrap_or_default();
    let is_message = kind.ends_with("itemAttachment");
    let bytes = value["contentBytes"].as_str().or_else(|| value["holdfastMime"].as_str())?;
    let text = |property: &str| value[property].as_str().map(str::to_owned);
    let default_type = if is_message { "message/rfc822" } else { "application/octet-stream" };
    Some(Attachment {
        name: text("name").unwrap_or_default(),
        content_type: text("contentType").unwrap_or_else(|| default_type.to_owned()),
        content: Bytes::from(STANDARD.decode(bytes).ok()?),
        content_id: text("contentId").filter(|id| !id.is_empty()),
        inline: value["isInline"].as_bool().unwrap_or(false),
        is_message,
    })
}
