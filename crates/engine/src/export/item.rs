//! What of an item goes into an export: its wanted name, its date.

use holdfast_model::Timestamp;
use holdfast_workloads::ItemMeta;
use holdfast_workloads::mail::{MessageMeta, StoredForm};

use crate::browse::Found;

/// Name that a person would give the file: date and subject of a message, its own of a file.
pub(super) fn wanted_name(found: &Found) -> String {
    match &found.meta {
        ItemMeta::Message(meta) => message_name(meta),
        ItemMeta::File(meta) => meta.stored_name(),
    }
}

fn message_name(meta: &MessageMeta) -> String {
    let ending = match meta.form {
        StoredForm::Mime => "eml",
        StoredForm::Json => "json",
    };
    let stamp = meta.filed_at().strftime("%Y%m%d-%H%M%S");
    match meta.subject.trim() {
        "" => format!("{stamp}.{ending}"),
        subject => format!("{stamp} {subject}.{ending}"),
    }
}

/// Date of the file: when a message was received (a draft: made), or a file last changed.
pub(super) fn date(found: &Found) -> Timestamp {
    match &found.meta {
        ItemMeta::Message(meta) => meta.filed_at(),
        ItemMeta::File(meta) => meta.mtime(),
    }
}

/// True for a message that is stored as MIME.
pub(super) fn is_mime(found: &Found) -> bool {
    found.meta.message().is_some_and(|meta| meta.form == StoredForm::Mime)
}

/// True for a message that Graph could not give as MIME.
pub(super) fn is_json(found: &Found) -> bool {
    found.meta.message().is_some_and(|meta| meta.form == StoredForm::Json)
}
