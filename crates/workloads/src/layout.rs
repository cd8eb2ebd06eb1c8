//! What the trees of a resource look like, by workload: which name stands for what, and what the
//! metadata of a node says. All that reads trees goes through [`Layout`], so that a mailbox and a
//! drive are read in one way.

use holdfast_model::{ItemId, MAX_COMPONENT_BYTES, Timestamp, Workload, component, short_id};

use crate::Result;
use crate::drive::{self, FileMeta};
use crate::mail::{self, MessageMeta};

/// Directory of a resource that holds what a rule keeps beyond the restore points in which it was
/// current, by month.
pub const KEPT_DIR: &str = "~kept";

/// Length of a short id.
const SHORT_ID: usize = 16;

/// Directory of a resource: `<name> ~<short id>`.
pub fn resource_dir(name: &str, graph_id: &str) -> String {
    let readable = component(name, MAX_COMPONENT_BYTES - SHORT_ID - 2);
    format!("{readable} ~{}", short_id(graph_id))
}

/// What a path component in a resource stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A message or a file.
    Item,
    /// Metadata beside a message.
    Overflow,
    /// A part of the spread of a large folder.
    Fanout,
    /// The directory of what is kept beyond its time.
    Kept,
    /// Another entry of Holdfast's own.
    Own,
    /// A folder of the user.
    Folder,
}

/// The layout of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout(Workload);

impl Layout {
    /// The layout of resources of this workload.
    pub fn of(workload: Workload) -> Self {
        Self(workload)
    }

    /// True where the items are files.
    pub fn is_drive(self) -> bool {
        match self.0 {
            Workload::Exchange => false,
            Workload::OneDrive | Workload::SharePoint => true,
        }
    }

    /// Tells what a component stands for. In a mailbox the name alone says it.
    pub fn place(self, name: &str, is_dir: bool) -> Place {
        match self.is_drive() {
            false => mail::place_of_name(name),
            true => drive::place(name, is_dir),
        }
    }

    /// The directories between a folder and the item of this name, outermost first, as far as the
    /// folder is spread.
    pub fn fanout_levels(self) -> fn(&str) -> Vec<String> {
        match self.is_drive() {
            false => mail::fanout_levels,
            true => drive::fanout_levels,
        }
    }

    /// Reads the metadata of an item.
    pub fn item(self, name: &str, json: &str) -> Result<ItemMeta> {
        Ok(match self.is_drive() {
            false => ItemMeta::Message(MessageMeta::from_json(name, json)?),
            true => ItemMeta::File(FileMeta::from_json(name, json)?),
        })
    }
}

/// What the vault says about an item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemMeta {
    /// A message of a mailbox.
    Message(MessageMeta),
    /// A file of a drive.
    File(FileMeta),
}

impl ItemMeta {
    /// What it is called: `message` or `file`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::File(_) => "file",
        }
    }

    /// Graph id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message(meta) => &meta.id,
            Self::File(meta) => &meta.id,
        }
    }

    /// The id as an [`ItemId`].
    pub fn item_id(&self) -> ItemId {
        ItemId(self.id().to_owned())
    }

    /// Graph's tag of every change.
    pub fn change_key(&self) -> &str {
        match self {
            Self::Message(meta) => &meta.ck,
            Self::File(meta) => &meta.etag,
        }
    }

    /// Tag of the content: equal tags mean that the stored bytes are still right.
    pub fn tag(&self) -> &str {
        match self {
            Self::Message(meta) => &meta.tag,
            Self::File(meta) => &meta.ctag,
        }
    }

    /// Subject (its beginning), or real name of a file.
    pub fn title(&self) -> &str {
        match self {
            Self::Message(meta) => &meta.subject,
            Self::File(meta) => &meta.name,
        }
    }

    /// Sender of a message, or who changed a file last; may be empty.
    pub fn from(&self) -> &str {
        match self {
            Self::Message(meta) => &meta.from,
            Self::File(meta) => &meta.by,
        }
    }

    /// When a message was received, or a file was last changed.
    pub fn date(&self) -> Option<Timestamp> {
        match self {
            Self::Message(meta) => meta.received,
            Self::File(meta) => meta.modified,
        }
    }

    /// True when the whole metadata lies in the overflow file beside a message.
    pub fn has_overflow(&self) -> bool {
        matches!(self, Self::Message(meta) if meta.more)
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&MessageMeta> {
        match self {
            Self::Message(meta) => Some(meta),
            Self::File(_) => None,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&FileMeta> {
        match self {
            Self::File(meta) => Some(meta),
            Self::Message(_) => None,
        }
    }
}
