//! What Exchange keeps of a message, and the way between that and MIME.
//!
//! Exchange stores no MIME: it takes a message apart on arrival ([`read`]) and puts MIME together
//! again when it is asked for it ([`write`]). A message that arrived as MIME is kept here with its
//! original bytes beside it, as Exchange Online does; [`write`] serves the messages that were
//! created from JSON. The program under test reads MIME with another library, so that a
//! misreading is not shared by both sides.

mod bytes;
mod header;
mod html;
mod read;
mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::header::header_block;
pub use self::html::rewrite_html;
pub use self::read::read;
pub use self::write::write;

/// A message without ids and mailbox state (read, flag, folder): those belong to the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The MAPI message class, for example `IPM.Note`, `IPM.Note.SMIME`,
    /// `IPM.Note.SMIME.MultipartSigned`, `REPORT.IPM.Note.NDR`, `IPM.Schedule.Meeting.Request`.
    pub class: String,
    /// The subject, decoded, without line ends.
    pub subject: String,
    /// The author.
    pub from: Option<Address>,
    /// Who sent it in fact; equal to `from` where the message names nobody else.
    pub sender: Option<Address>,
    /// The main recipients, groups of RFC 5322 flattened.
    pub to: Vec<Address>,
    /// The recipients of a copy.
    pub cc: Vec<Address>,
    /// The hidden recipients (present in sent mail and drafts).
    pub bcc: Vec<Address>,
    /// Where answers go.
    pub reply_to: Vec<Address>,
    /// `Message-ID` with its angle brackets.
    pub message_id: Option<String>,
    /// `In-Reply-To`, unfolded.
    pub in_reply_to: Option<String>,
    /// `References`, unfolded.
    pub references: Option<String>,
    /// `internetMessageHeaders`: every header of the message in order, unfolded, encoded words
    /// left as they were sent.
    pub headers: Vec<(String, String)>,
    /// The `Date` header.
    pub sent: Option<Timestamp>,
    /// The date of the topmost `Received` header.
    pub received: Option<Timestamp>,
    /// The importance.
    pub importance: Importance,
    /// The one body that Exchange keeps: HTML where the message has it, else text.
    pub body: Body,
    /// Everything else, in the order of the message.
    pub attachments: Vec<Attachment>,
}

/// A mailbox as RFC 5322 understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The display name, decoded.
    pub name: Option<String>,
    /// The address as written; Exchange keeps words that are no address.
    pub address: String,
}

/// How important the sender held the message; the values as Graph spells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// `Importance: low`.
    Low,
    /// No word of it.
    #[default]
    Normal,
    /// `Importance: high`.
    High,
}

impl Importance {
    /// The word in Graph and in the MIME header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// The body of a message, line ends CR LF.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// Whether `content` is HTML.
    pub html: bool,
    /// The text.
    pub content: String,
}

impl Body {
    /// The first 255 characters as text on one line: `bodyPreview` in Graph.
    pub fn preview(&self) -> String {
        let text = if self.html { html::to_text(&self.content) } else { self.content.clone() };
        let words: Vec<&str> = text.split_whitespace().take(255).collect();
        words.join(" ").chars().take(255).collect()
    }
}

/// A file or a message inside a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// The name shown to people; made up (`ATT00001.txt`) where the message has none.
    pub name: String,
    /// The media type without parameters, lower case.
    pub content_type: String,
    /// The decoded bytes; of a message inside the message its MIME.
    #[serde(with = "bytes")]
    pub content: Vec<u8>,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// Shown in the body rather than in the list of attachments.
    pub is_inline: bool,
    /// A message inside the message, taken apart (`itemAttachment` in Graph).
    pub item: Option<Box<Message>>,
}
