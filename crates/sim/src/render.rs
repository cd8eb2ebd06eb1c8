//! Messages, folders and attachments as Graph shows them.

pub mod drive;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::http::{Call, GraphError};
use crate::mail::{self, Address};
use crate::query::{Expand, Select};
use crate::seal;
use crate::state::{Content, Folder, FolderChange, Mailbox, Parsed, Stored};

/// The properties of `microsoft.graph.message` (metadata of 2026-08-20).
pub const MESSAGE_PROPERTIES: [&str; 32] = [
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "internetMessageId",
    "subject",
    "bodyPreview",
    "importance",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "isRead",
    "isDraft",
    "webLink",
    "inferenceClassification",
    "body",
    "sender",
    "from",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
    "internetMessageHeaders",
    "uniqueBody",
    "singleValueExtendedProperties",
];

/// Shown only when they are selected.
const ON_REQUEST: [&str; 3] =
    ["internetMessageHeaders", "uniqueBody", "singleValueExtendedProperties"];

/// Hidden from applications that may read only basic properties.
const NOT_BASIC: [&str; 3] = ["body", "bodyPreview", "uniqueBody"];

/// A point in time as Exchange shows it: whole seconds, UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How messages of one mailbox are shown to one caller.
pub struct View<'a> {
    /// The mailbox.
    pub mailbox: &'a Mailbox,
    /// Whether ids are immutable ones.
    pub immutable: bool,
    /// `$select`.
    pub select: Select,
    /// `$expand`.
    pub expand: Expand,
    /// Whether bodies are wanted as text.
    pub text_body: bool,
    /// Whether the caller may see basic properties only.
    pub basic: bool,
}

impl<'a> View<'a> {
    /// The view that a call asks for.
    pub fn of(call: &Call, mailbox: &'a Mailbox) -> Result<Self, GraphError> {
        let basic = !call.roles.contains("Mail.Read") && !call.roles.contains("Mail.ReadWrite");
        let prefer = call.prefer();
        Ok(Self {
            mailbox,
            immutable: prefer.immutable,
            select: Select::read(call, "microsoft.graph.message", &MESSAGE_PROPERTIES)?,
            expand: Expand::read(call)?,
            text_body: prefer.text_body,
            basic,
        })
    }

    /// The id of a message in the form that the caller wants.
    pub fn id(&self, message: &Stored) -> String {
        if self.immutable {
            seal::immutable_id(&self.mailbox.tag, message.uid)
        } else {
            seal::mutable_id(&self.mailbox.tag, message.uid, message.generation)
        }
    }

    /// A message.
    pub fn message(&self, message: &Stored) -> Map<String, Value> {
        let mut object = Map::new();
        let change_key = change_key(self.mailbox, message);
        object.insert("@odata.etag".to_owned(), json!(format!("W/\"{change_key}\"")));
        for property in MESSAGE_PROPERTIES {
            let by_default = !ON_REQUEST.contains(&property);
            let hidden = self.basic && NOT_BASIC.contains(&property);
            let shown = property == "id" || self.select.shows(property, by_default);
            if shown && !hidden && property != "singleValueExtendedProperties" {
                object.insert(property.to_owned(), self.property(message, property));
            }
        }
        if !self.basic {
            self.expansions(message, &mut object);
        }
        object
    }

    fn expansions(&self, message: &Stored, object: &mut Map<String, Value>) {
        let held: Vec<Value> = self
            .expand
            .properties
            .iter()
            .filter_map(|id| extended(message, id).map(|value| json!({"id": id, "value": value})))
            .collect();
        if !held.is_empty() {
            object.insert("singleValueExtendedProperties".to_owned(), json!(held));
        }
        if self.expand.attachments {
            let parsed = message.properties.content.parsed();
            let all = self.attachments(message, &parsed);
            object.insert("attachments".to_owned(), json!(all));
        }
    }

    /// The attachments of a message that was taken apart.
    pub fn attachments(&self, message: &Stored, parsed: &Parsed) -> Vec<Value> {
        let pairs = parsed.message.attachments.iter().zip(&parsed.numbers);
        pairs.map(|(attachment, number)| self.attachment(message, attachment, *number)).collect()
    }

    /// One attachment.
    pub fn attachment(
        &self,
        message: &Stored,
        attachment: &mail::Attachment,
        number: u32,
    ) -> Value {
        let id = seal::attachment_id(&self.id(message), number);
        attachment_json(attachment, &id, message.properties.modified, self.expand.items)
    }

    fn property(&self, message: &Stored, property: &str) -> Value {
        let state = &message.properties;
        match property {
            "id" => json!(self.id(message)),
            "createdDateTime" => json!(time(state.created)),
            "lastModifiedDateTime" => json!(time(state.modified)),
            "changeKey" => json!(change_key(self.mailbox, message)),
            "categories" => json!(state.categories),
            "receivedDateTime" => json!(time(state.received)),
            "sentDateTime" => json!(time(message.sent())),
            "importance" => json!(state.importance.as_str()),
            "parentFolderId" => json!(seal::folder_id(&self.mailbox.tag, message.folder)),
            "isDeliveryReceiptRequested" | "isReadReceiptRequested" => json!(false),
            "isRead" => json!(state.is_read),
            "isDraft" => json!(state.is_draft),
            "webLink" => json!(format!(
                "https://outlook.office365.com/owa/?ItemID={}&exvsurl=1&viewmodel=ReadMessageItem",
                percent_encoding::utf8_percent_encode(
                    &self.id(message),
                    percent_encoding::NON_ALPHANUMERIC
                )
            )),
            "inferenceClassification" => json!("focused"),
            "flag" => flag(message),
            "body" | "uniqueBody" => self.body(&state.content),
            "internetMessageHeaders" => headers(&state.content),
            _ => head_property(message, property),
        }
    }

    fn body(&self, content: &Content) -> Value {
        let parsed = content.parsed();
        body_json(&parsed.message.body, self.text_body)
    }
}

fn body_json(body: &mail::Body, as_text: bool) -> Value {
    if body.html && as_text {
        return json!({"contentType": "text", "content": body.to_text()});
    }
    let kind = if body.html { "html" } else { "text" };
    json!({"contentType": kind, "content": body.content})
}

fn headers(content: &Content) -> Value {
    let parsed = content.parsed();
    let headers = parsed.message.headers.iter();
    json!(headers.map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>())
}

fn flag(message: &Stored) -> Value {
    let flag = &message.properties.flag;
    let mut object = flag.dates.clone();
    object.insert("flagStatus".to_owned(), json!(flag.status()));
    Value::Object(object)
}

/// A property that comes from the content.
fn head_property(message: &Stored, property: &str) -> Value {
    let head = message.head();
    let content = &head.message;
    match property {
        "hasAttachments" => json!(head.has_attachments),
        "internetMessageId" => json!(content.message_id),
        "subject" => json!(content.subject),
        "bodyPreview" => json!(head.preview),
        "conversationId" => json!(conversation_id(content)),
        "conversationIndex" => json!(conversation_index(content)),
        "sender" => recipient(content.sender.as_ref().or(content.from.as_ref())),
        "from" => recipient(content.from.as_ref()),
        "toRecipients" => recipients(&content.to),
        "ccRecipients" => recipients(&content.cc),
        "bccRecipients" => recipients(&content.bcc),
        "replyTo" => recipients(&content.reply_to),
        _ => Value::Null,
    }
}

/// One person, or null.
fn recipient(address: Option<&Address>) -> Value {
    address.map_or(Value::Null, |address| {
        // Exchange fills the name with the address where the message has none.
        let name = address.name.as_ref().unwrap_or(&address.address);
        json!({"emailAddress": {"name": name, "address": address.address}})
    })
}

fn recipients(addresses: &[Address]) -> Value {
    json!(addresses.iter().map(|address| recipient(Some(address))).collect::<Vec<_>>())
}

/// The first message of the thread decides which conversation it is.
fn conversation_hash(message: &mail::Message) -> Vec<u8> {
    let references = message.references.as_deref().unwrap_or("").split_whitespace();
    let first =
        references.chain(message.in_reply_to.as_deref()).chain(message.message_id.as_deref());
    let root = first.into_iter().next().unwrap_or(&message.subject);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, root.as_bytes());
    hash.as_ref()[..16].to_vec()
}

fn conversation_id(message: &mail::Message) -> String {
    use base64::Engine;
    let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(conversation_hash(message));
    format!("AAQkAGConversation{hash}=")
}

fn conversation_index(message: &mail::Message) -> String {
    use base64::Engine;
    // 22 bytes in plain base64: a reserved byte, five of the time, a GUID.
    let mut index = vec![1, 0xda, 0, 0, 0, 0];
    index.extend(conversation_hash(message));
    base64::engine::general_purpose::STANDARD.encode(index)
}

/// The version tag of a message.
pub fn change_key(mailbox: &Mailbox, message: &Stored) -> String {
    use base64::Engine;
    let mut bytes = b"\x09\x00\x00\x00\x16\x00\x00\x00".to_vec();
    bytes.extend(mailbox.tag.as_bytes());
    bytes.extend(message.seq.to_be_bytes());
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The value of an extended property (canonical id): one that was set, or one of MAPI's own that
/// the message has by nature.
pub fn extended(message: &Stored, id: &str) -> Option<String> {
    let state = &message.properties;
    let head = || &message.head().message;
    match id {
        "Integer 0xe07" => Some(message_flags(message).to_string()),
        "Integer 0xe08" | "Long 0xe08" => Some(size(&state.content).to_string()),
        "SystemTime 0xe06" => Some(time(state.received)),
        "SystemTime 0x39" => Some(time(message.sent())),
        "String 0x1a" => Some(head().class.clone()),
        "String 0x37" => Some(head().subject.clone()),
        "String 0x1035" => head().message_id.clone(),
        "String 0x1039" => head().references.clone(),
        "String 0x1042" => head().in_reply_to.clone(),
        "String 0x7d" => state.extended.get(id).cloned().or_else(|| header_text(&state.content)),
        _ => state.extended.get(id).cloned(),
    }
}

/// PidTagMessageFlags: 1 read, 8 never sent, 16 with attachments.
fn message_flags(message: &Stored) -> u32 {
    let state = &message.properties;
    u32::from(state.is_read)
        | (u32::from(state.is_draft) << 3)
        | (u32::from(message.head().has_attachments) << 4)
}

/// Roughly the bytes of a message in the store.
pub fn size(content: &Content) -> usize {
    match content {
        Content::Mime(bytes) => bytes.len(),
        Content::Parsed(parsed) => {
            let attachments = parsed.message.attachments.iter();
            parsed.message.body.content.len()
                + attachments.map(|attachment| attachment.content.len()).sum::<usize>()
        }
    }
}

/// The header block of a message that came as MIME.
fn header_text(content: &Content) -> Option<String> {
    let Content::Mime(bytes) = content else { return None };
    let end = bytes
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map(|end| end + 1)
        .into_iter()
        .chain(bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 2))
        .min()
        .unwrap_or(bytes.len());
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn attachment_json(
    attachment: &mail::Attachment,
    id: &str,
    modified: Timestamp,
    with_items: bool,
) -> Value {
    let mut object = Map::new();
    let kind = if attachment.item.is_some() { "itemAttachment" } else { "fileAttachment" };
    object.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.{kind}")));
    let content_type = Some(&attachment.content_type).filter(|_| attachment.item.is_none());
    let members = json!({
        "id": id,
        "lastModifiedDateTime": time(modified),
        "name": attachment.name,
        "contentType": content_type,
        "size": attachment.content.len(),
        "isInline": attachment.is_inline,
    });
    object.extend(members.as_object().cloned().unwrap_or_default());
    if let Some(item) = &attachment.item {
        if with_items {
            object.insert("item".to_owned(), item_json(item, modified));
        }
    } else {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD.encode(&attachment.content);
        object.insert("@odata.mediaContentType".to_owned(), json!(attachment.content_type));
        object.insert("contentId".to_owned(), json!(attachment.content_id));
        object.insert("contentLocation".to_owned(), Value::Null);
        object.insert("contentBytes".to_owned(), json!(bytes));
    }
    Value::Object(object)
}

/// A message inside a message. As in the service it has no id of its own.
fn item_json(item: &mail::Message, modified: Timestamp) -> Value {
    let received = item.received.or(item.sent).unwrap_or(modified);
    json!({
        "@odata.type": "#microsoft.graph.message",
        "createdDateTime": time(received),
        "lastModifiedDateTime": time(received),
        "receivedDateTime": time(received),
        "sentDateTime": time(item.sent.unwrap_or(received)),
        "hasAttachments": item.attachments.iter().any(|attachment| !attachment.is_inline),
        "internetMessageId": item.message_id,
        "subject": item.subject,
        "bodyPreview": item.body.preview(),
        "importance": item.importance.as_str(),
        "conversationId": conversation_id(item),
        "isDeliveryReceiptRequested": false,
        "isReadReceiptRequested": false,
        "isRead": true,
        "isDraft": false,
        "body": body_json(&item.body, false),
        "sender": recipient(item.sender.as_ref().or(item.from.as_ref())),
        "from": recipient(item.from.as_ref()),
        "toRecipients": recipients(&item.to),
        "ccRecipients": recipients(&item.cc),
        "bccRecipients": recipients(&item.bcc),
        "replyTo": recipients(&item.reply_to),
    })
}

/// The properties of `microsoft.graph.mailFolder`.
pub const FOLDER_PROPERTIES: [&str; 7] = [
    "id",
    "displayName",
    "parentFolderId",
    "childFolderCount",
    "unreadItemCount",
    "totalItemCount",
    "isHidden",
];

/// A folder.
pub fn folder(mailbox: &Mailbox, folder: &Folder, select: &Select) -> Map<String, Value> {
    let (total, unread) = mailbox.counts(folder);
    let children = mailbox.children(folder.number);
    let visible = children.iter().filter(|child| !child.hidden).count();
    let all = json!({
        "id": seal::folder_id(&mailbox.tag, folder.number),
        "displayName": folder.name,
        "parentFolderId": folder.parent.map(|parent| seal::folder_id(&mailbox.tag, parent)),
        "childFolderCount": visible,
        "unreadItemCount": unread,
        "totalItemCount": total,
        "isHidden": folder.hidden,
    });
    let mut object = all.as_object().cloned().unwrap_or_default();
    object.retain(|name, _| name == "id" || select.shows(name, true));
    object
}

/// A line of a folder delta: a folder, or that it is gone.
pub fn folder_change(mailbox: &Mailbox, change: FolderChange, select: &Select) -> Option<Value> {
    match change {
        FolderChange::Present(number) => {
            let found = mailbox.folders.get(&number)?;
            Some(Value::Object(folder(mailbox, found, select)))
        }
        FolderChange::Removed { number, .. } => Some(json!({
            "id": seal::folder_id(&mailbox.tag, number),
            "@removed": {"reason": "deleted"},
        })),
    }
}
