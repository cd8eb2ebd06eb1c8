//! What lies in a restore point.

use holdfast_engine::browse::{Entry, StoredVersion};
use holdfast_engine::diff::{Became, Change, Diff};
use holdfast_engine::find::Hit;
use holdfast_engine::history::{History, Version};
use holdfast_model::Timestamp;
use holdfast_workloads::mail::{Attachment, Fields, Person};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry of a folder.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Path in the resource.
    pub path: String,
    /// `folder`, `message`, `file`.
    pub kind: String,
    /// Subject or name.
    pub title: String,
    /// Microsoft's id.
    pub id: String,
    /// Bytes.
    pub size: u64,
    /// When a message was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub received: Option<Timestamp>,
    /// When a file was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub modified: Option<Timestamp>,
    /// Who sent a message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            path: entry.path,
            kind: entry.kind.to_owned(),
            title: entry.title,
            id: entry.id,
            size: entry.size,
            received: entry.received,
            modified: entry.modified,
            from: entry.from,
        }
    }
}

/// Something that a search found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HitView {
    /// Name of the resource.
    pub resource: String,
    /// The item.
    #[serde(flatten)]
    pub item: EntryView,
    /// The restore point in which it lies.
    #[schema(value_type = String, format = DateTime)]
    pub restore_point: Timestamp,
    /// When it was first seen to be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub deleted: Option<Timestamp>,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        Self {
            resource: hit.resource,
            item: hit.entry.into(),
            restore_point: hit.restore_point,
            deleted: hit.deleted,
        }
    }
}

/// A state that an item was in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// The first restore point with it.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Timestamp,
    /// The last restore point with it.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    /// The restore point that has it no more, where nothing came in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub deleted: Option<Timestamp>,
    /// Shard of the snapshot that shows it first.
    pub shard: u32,
    /// Number of that snapshot.
    pub seq: u64,
    /// Where it lay.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What differs from the one before.
    pub changes: Vec<String>,
    /// Only a rule or hold keeps it.
    pub kept: bool,
}

impl From<Version> for VersionView {
    fn from(version: Version) -> Self {
        Self {
            first_seen: version.first_seen,
            last_seen: version.last_seen,
            deleted: version.deleted,
            shard: version.shard.0,
            seq: version.seq.0,
            path: version.path,
            size: version.size,
            changes: version.changes.into_iter().map(str::to_owned).collect(),
            kept: version.kept,
        }
    }
}

/// All states of an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// Name of the resource.
    pub resource: String,
    /// Microsoft's id.
    pub id: String,
    /// Subject or name.
    pub title: String,
    /// The states, oldest first.
    pub versions: Vec<VersionView>,
    /// When it was first seen to be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub deleted: Option<Timestamp>,
    /// Restore points that were compared.
    pub restore_points: u64,
    /// Directories that were read for it.
    pub trees_read: u64,
}

impl From<History> for HistoryView {
    fn from(history: History) -> Self {
        Self {
            resource: history.resource,
            id: history.id,
            title: history.title,
            versions: history.versions.into_iter().map(VersionView::from).collect(),
            deleted: history.deleted,
            restore_points: history.restore_points as u64,
            trees_read: history.trees_read,
        }
    }
}

/// An item that differs between two restore points.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// Where it lies, or lay.
    pub path: String,
    /// Where it lay before, if it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub from_path: Option<String>,
    /// `message`, `file`, `folder`.
    pub kind: String,
    /// `added`, `removed`, `changed`, `moved`.
    pub change: String,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Microsoft's id.
    pub id: String,
    /// Subject or name.
    pub title: String,
    /// Bytes.
    pub size: u64,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let became = match change.change {
            Became::Added => "added",
            Became::Removed => "removed",
            Became::Changed => "changed",
            Became::Moved => "moved",
        };
        Self {
            path: change.path,
            from_path: change.from_path,
            kind: change.kind.to_owned(),
            change: became.to_owned(),
            fields: change.fields.into_iter().map(str::to_owned).collect(),
            id: change.id,
            title: change.title,
            size: change.size,
        }
    }
}

/// What differs between two restore points of a resource.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffView {
    /// Name of the resource.
    pub resource: String,
    /// The earlier restore point; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub from: Option<Timestamp>,
    /// The later one.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Items that came.
    pub added: u64,
    /// Items that went.
    pub removed: u64,
    /// Items that changed.
    pub changed: u64,
    /// Items that lie elsewhere.
    pub moved: u64,
    /// The first of them, by path.
    pub changes: Vec<ChangeView>,
    /// Directories that were read for it.
    pub trees_read: u64,
    /// There are more than are listed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_cut: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl DiffView {
    /// What differs, with so many changes at most.
    pub fn of(diff: Diff, limit: usize) -> Self {
        Self {
            resource: diff.resource,
            from: diff.from,
            to: diff.to,
            added: diff.added,
            removed: diff.removed,
            changed: diff.changed,
            moved: diff.moved,
            trees_read: diff.trees_read,
            is_cut: diff.changes.len() > limit,
            changes: diff.changes.into_iter().take(limit).map(ChangeView::from).collect(),
        }
    }
}

/// An earlier version of a file that the service kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoredVersionView {
    /// The service's number, such as `3.0`.
    pub version: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub modified: Timestamp,
    /// Bytes.
    pub size: u64,
}

impl From<StoredVersion> for StoredVersionView {
    fn from(stored: StoredVersion) -> Self {
        Self { version: stored.version, modified: stored.modified, size: stored.size }
    }
}

/// What a message says, without its body.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewView {
    /// Subject.
    pub subject: String,
    /// Who sent it.
    pub from: Option<PersonView>,
    /// To whom.
    pub to: Vec<PersonView>,
    /// Who got a copy.
    pub cc: Vec<PersonView>,
    /// Who got a copy unseen by the others.
    pub bcc: Vec<PersonView>,
    /// When it was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent: Option<Timestamp>,
    /// When it was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received: Option<Timestamp>,
    /// Attachments in their order.
    pub attachments: Vec<AttachmentView>,
    /// The header block as it came.
    pub headers: Option<String>,
}

/// A name and an address; either can be empty.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonView {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
}

/// An attachment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttachmentView {
    /// File name.
    pub name: String,
    /// MIME type, as the message says.
    pub content_type: String,
    /// Bytes, decoded.
    pub size: u64,
    /// Shown inside the body.
    pub inline: bool,
}

impl From<&Person> for PersonView {
    fn from(person: &Person) -> Self {
        Self { name: person.name.clone(), address: person.address.clone() }
    }
}

impl From<&Attachment> for AttachmentView {
    fn from(attachment: &Attachment) -> Self {
        Self {
            name: attachment.name.clone(),
            content_type: attachment.content_type.clone(),
            size: attachment.content.len() as u64,
            inline: attachment.inline,
        }
    }
}

impl From<&Fields> for PreviewView {
    fn from(fields: &Fields) -> Self {
        let people = |people: &[Person]| people.iter().map(PersonView::from).collect();
        Self {
            subject: fields.subject.clone(),
            from: fields.from.as_ref().map(PersonView::from),
            to: people(&fields.to),
            cc: people(&fields.cc),
            bcc: people(&fields.bcc),
            sent: fields.sent,
            received: fields.received,
            attachments: fields.attachments.iter().map(AttachmentView::from).collect(),
            headers: fields.header_block.clone(),
        }
    }
}
