//! What of an item goes into an export: its wanted name, its date, its sender.

use holdfast_model::Timestamp;
use holdfast_workloads::mail::StoredForm;

use crate::browse::Found;

/// Name that a person would give the file: date and subject of a message.
pub(super) fn wanted_name(found: &Found) -> String {
    let ending = match found.meta.form {
        StoredForm::Mime => "eml",
        StoredForm::Json => "json",
    };
    let stamp = found.meta.filed_at().strftime("%Y%m%d-%H%M%S");
    match found.meta.subject.trim() {
        "" => format!("{stamp}.{ending}"),
        subject => format!("{stamp} {subject}.{ending}"),
    }
}

/// Date of the file: when the message was received (for a draft: made).
pub(super) fn date(found: &Found) -> Timestamp {
    found.meta.filed_at()
}

/// True for a message that is stored as MIME.
pub(super) fn is_mime(found: &Found) -> bool {
    found.meta.form == StoredForm::Mime
}
