//! What creation from JSON cannot carry, per message. `docs/restore-fidelity.md` explains each.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::meta::{MessageMeta, StoredForm};

/// Something that a restored message lacks. The vault keeps it: `export` and `cat` give it back.
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
}

/// What restoring this message will not carry; empty for most mail.
pub fn losses(meta: &MessageMeta, fields: &Fields, stored: &[u8]) -> Vec<Loss> {
    let class = meta.class().to_ascii_uppercase();
    let kind = |wanted: &str| {
        fields.attachments.iter().any(|a| a.content_type.eq_ignore_ascii_case(wanted))
    };
    let smime = class.contains("SMIME")
        || kind("application/pkcs7-mime")
        || kind("application/x-pkcs7-mime")
        || kind("application/pkcs7-signature")
        || kind("application/x-pkcs7-signature");
    let checks = [
        (Loss::Smime, smime),
        (Loss::Report, class.starts_with("REPORT.") || kind("message/delivery-status")),
        (Loss::Tnef, kind("application/ms-tnef")),
        (Loss::EmbeddedMessage, fields.attachments.iter().any(|a| a.is_message)),
        (Loss::TextAlternative, has_text_alternative(meta, stored)),
        (Loss::Meeting, class.starts_with("IPM.SCHEDULE") || kind("text/calendar")),
        (Loss::UnreadableAttachment, meta.form == StoredForm::Json && unreadable(stored)),
    ];
    checks.into_iter().filter(|(_, lost)| *lost).map(|(loss, _)| loss).collect()
}

fn has_text_alternative(meta: &MessageMeta, stored: &[u8]) -> bool {
    const ALTERNATIVE: &[u8] = b"multipart/alternative";
    meta.form == StoredForm::Mime
        && stored.windows(ALTERNATIVE.len()).any(|w| w.eq_ignore_ascii_case(ALTERNATIVE))
}

fn unreadable(stored: &[u8]) -> bool {
    const MARK: &[u8] = b"\"holdfastError\"";
    stored.windows(MARK.len()).any(|window| window == MARK)
}
