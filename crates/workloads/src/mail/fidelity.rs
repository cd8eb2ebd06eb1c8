//! What creation from JSON cannot carry, per message. `docs/restore-fidelity.md` explains each.

use super::fields::Fields;
use super::meta::{MessageMeta, StoredForm};
use crate::Loss;

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
