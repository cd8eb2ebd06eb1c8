//! A message in a mailbox: content, state, and the part of the content that lists need.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mail::{self, Importance, Message};

/// A message with its place and its position in the change log of the folder.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The number of the message in its mailbox; the immutable id is made from it.
    pub uid: u64,
    /// The folder.
    pub folder: u64,
    /// How often it was moved; part of the mutable id.
    pub generation: u64,
    /// Position in the mailbox's change log; the change key is made from it.
    pub seq: u64,
    /// The position at which it came into its folder.
    pub entered: u64,
    /// Everything that a client can see or set.
    pub properties: Properties,
    head: OnceLock<Arc<Head>>,
}

/// Everything of a message but its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Properties {
    /// The message itself.
    pub content: Content,
    /// When it arrived, or was last saved.
    pub received: Timestamp,
    /// When it was sent; for mail from MIME the `Date` header, read when needed.
    pub sent: Option<Timestamp>,
    /// When the item was made.
    pub created: Timestamp,
    /// When the item was last changed.
    pub modified: Timestamp,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it was never sent.
    pub is_draft: bool,
    /// The follow-up flag.
    pub flag: Flag,
    /// Names of categories.
    pub categories: Vec<String>,
    /// The importance.
    pub importance: Importance,
    /// Single-value extended properties by their canonical id.
    pub extended: BTreeMap<String, String>,
}

/// The follow-up flag; dates as Graph shows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// `notFlagged`, `flagged` or `complete`; empty means `notFlagged`.
    pub status: String,
    /// The further members of `followupFlag` (`startDateTime`, `dueDateTime`, `completedDateTime`).
    pub dates: serde_json::Map<String, serde_json::Value>,
}

impl Flag {
    /// The flag that people set with one click.
    pub fn flagged() -> Self {
        Self { status: "flagged".to_owned(), ..Self::default() }
    }

    /// The value of `flagStatus`.
    pub fn status(&self) -> &str {
        if self.status.is_empty() { "notFlagged" } else { &self.status }
    }
}

/// The message as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "ContentRecord", into = "ContentRecord")]
pub enum Content {
    /// As MIME; `$value` gives these bytes.
    Mime(Arc<[u8]>),
    /// As JSON, or as MIME that was changed since; `$value` is written from it.
    Parsed(Arc<Parsed>),
}

/// A message taken apart, with numbers for its attachments that outlive deletions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// A number per attachment, in their order.
    pub numbers: Vec<u32>,
}

impl Parsed {
    /// Numbers the attachments from 0.
    pub fn new(message: Message) -> Self {
        let count = u32::try_from(message.attachments.len()).unwrap_or(u32::MAX);
        Self { message, numbers: (0..count).collect() }
    }

    /// Adds an attachment and gives its number.
    pub fn attach(&mut self, attachment: mail::Attachment) -> u32 {
        let number = self.numbers.iter().max().map_or(0, |last| last + 1);
        self.message.attachments.push(attachment);
        self.numbers.push(number);
        number
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContentRecord {
    Mime(String),
    Parsed(Box<Parsed>),
}

impl From<Content> for ContentRecord {
    fn from(content: Content) -> Self {
        match content {
            Content::Mime(bytes) => Self::Mime(STANDARD.encode(bytes)),
            Content::Parsed(parsed) => Self::Parsed(Box::new(Arc::unwrap_or_clone(parsed))),
        }
    }
}

impl From<ContentRecord> for Content {
    fn from(record: ContentRecord) -> Self {
        match record {
            // The journal is ours; a damaged line is found by its JSON, not here.
            ContentRecord::Mime(text) => {
                Self::Mime(STANDARD.decode(text).unwrap_or_default().into())
            }
            ContentRecord::Parsed(parsed) => Self::Parsed(Arc::from(parsed)),
        }
    }
}

impl Content {
    /// The message taken apart, attachments numbered.
    pub fn parsed(&self) -> Arc<Parsed> {
        match self {
            Self::Mime(bytes) => Arc::new(Parsed::new(mail::read(bytes))),
            Self::Parsed(parsed) => Arc::clone(parsed),
        }
    }

    /// The message as MIME.
    pub fn mime(&self) -> Arc<[u8]> {
        match self {
            Self::Mime(bytes) => Arc::clone(bytes),
            Self::Parsed(parsed) => mail::write(&parsed.message).into(),
        }
    }
}

/// What lists show of a message's content, kept once read: the message without body and
/// attachments.
#[derive(Clone, Debug)]
pub struct Head {
    /// The message with an empty body, no attachments and no headers.
    pub message: Message,
    /// `bodyPreview`.
    pub preview: String,
    /// Whether it has attachments that are not inline.
    pub has_attachments: bool,
}

impl Head {
    fn new(message: &Message) -> Self {
        let mut head = Message { body: mail::Body::default(), ..Message::default() };
        head.class.clone_from(&message.class);
        head.subject.clone_from(&message.subject);
        head.from.clone_from(&message.from);
        head.sender.clone_from(&message.sender);
        head.to.clone_from(&message.to);
        head.cc.clone_from(&message.cc);
        head.bcc.clone_from(&message.bcc);
        head.reply_to.clone_from(&message.reply_to);
        head.message_id.clone_from(&message.message_id);
        head.in_reply_to.clone_from(&message.in_reply_to);
        head.references.clone_from(&message.references);
        head.sent = message.sent;
        Self {
            preview: message.body.preview(),
            has_attachments: message.attachments.iter().any(|attachment| !attachment.is_inline),
            message: head,
        }
    }
}

impl Stored {
    /// A message at its place.
    pub fn new(uid: u64, folder: u64, seq: u64, properties: Properties) -> Self {
        let head = OnceLock::new();
        Self { uid, folder, generation: 0, seq, entered: seq, properties, head }
    }

    /// What lists show, read from the content on first use.
    pub fn head(&self) -> &Arc<Head> {
        self.head.get_or_init(|| match &self.properties.content {
            Content::Mime(bytes) => Arc::new(Head::new(&mail::read(bytes))),
            Content::Parsed(parsed) => Arc::new(Head::new(&parsed.message)),
        })
    }

    /// Replaces everything but the place.
    pub fn replace(&mut self, properties: Properties) {
        self.properties = properties;
        self.head = OnceLock::new();
    }

    /// The date that Graph shows as `sentDateTime`.
    pub fn sent(&self) -> Timestamp {
        self.properties.sent.or(self.head().message.sent).unwrap_or(self.properties.received)
    }
}
