//! Content for simulated mailboxes: an invented company, its mail, and mail from files.
//!
//! Everything follows from a seed: the same arguments give the same people and the same bytes.

mod corpus;
mod people;
mod flow;

use jiff::Timestamp;

use crate::mail::Importance;

pub use self::corpus::{CorpusError, corpus};
pub use self::flow::mail;
pub use self::people::{Person, company};

/// A message to be put into a mailbox, with the state that MIME does not carry.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedMail {
    /// Whose mailbox: index into the people.
    pub user: usize,
    /// Display names from the root of the mailbox, a well-known folder first: `Inbox`,
    /// `Sent Items`, `Drafts`, `Archive`, `Junk Email`, `Deleted Items`, or a folder of the person.
    pub folder: Vec<String>,
    /// The message as it was delivered.
    pub mime: Vec<u8>,
    /// When it arrived (or was sent, or last saved as a draft).
    pub received: Timestamp,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it carries a follow-up flag.
    pub flagged: bool,
    /// Names of categories.
    pub categories: Vec<String>,
    /// The importance, equal to the header in `mime`.
    pub importance: Importance,
    /// Whether it was never sent.
    pub is_draft: bool,
}
