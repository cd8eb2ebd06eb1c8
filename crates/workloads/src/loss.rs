use serde::{Deserialize, Serialize};

/// Something that a restored item lacks. The vault keeps it: `export` and `cat` give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The signature or encryption is no longer recognised: the message becomes an ordinary one
    /// whose S/MIME part is an attachment.
    Smime,
    /// A report (delivery, read, meeting) becomes an ordinary message.
    Report,
    /// `winmail.dat` stays an attachment.
    Tnef,
    /// A message inside the message becomes an attached `.eml` file.
    EmbeddedMessage,
    /// The plain-text alternative of an HTML message.
    TextAlternative,
    /// A meeting request loses its link to the calendar.
    Meeting,
    /// An attachment that Graph could not give when the message was backed up.
    UnreadableAttachment,
    /// With whom a file was shared: only on request.
    Sharing,
    /// A sharing link comes back with a new address; one with a password or an end, and a right of
    /// a group of the site, does not.
    Link,
    /// Columns of a library that the target does not have.
    Columns,
    /// The retention label, which the target does not take.
    Label,
}
