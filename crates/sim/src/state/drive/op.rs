//! The closed list of changes to a drive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::FileBytes;
use super::item::{Grant, Kind, Marks};

/// One change. Items are named by their numbers, which follow from the order of the ops.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum DriveOp {
    /// A new item.
    Add {
        /// The folder.
        parent: u64,
        /// The name.
        name: String,
        /// What it is.
        kind: Kind,
        /// The content of a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<FileBytes>,
        /// Its dates where the client gave them.
        #[serde(default)]
        dates: Dates,
    },
    /// New content: another version.
    Replace {
        /// The file.
        item: u64,
        /// The content.
        bytes: FileBytes,
        /// Its dates where the client gave them.
        #[serde(default)]
        dates: Dates,
    },
    /// An older version becomes the current one, as a new version.
    Restore {
        /// The file.
        item: u64,
        /// The number of the version.
        version: u32,
    },
    /// Another place, name or dates.
    Update {
        /// The item.
        item: u64,
        /// The folder from now on.
        #[serde(default)]
        parent: Option<u64>,
        /// The name from now on.
        #[serde(default)]
        name: Option<String>,
        /// The dates from now on.
        #[serde(default)]
        dates: Dates,
    },
    /// Gone, with all below.
    Remove {
        /// The item.
        item: u64,
    },
    /// Somebody may do something.
    Grant {
        /// The item.
        item: u64,
        /// `read` or `write`.
        role: String,
        /// Who.
        to: Grant,
        /// The end of it.
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    /// Another role for a permission.
    Role {
        /// The item.
        item: u64,
        /// The permission.
        permission: u64,
        /// `read` or `write`.
        role: String,
    },
    /// A permission is taken back.
    Revoke {
        /// The item.
        item: u64,
        /// The permission.
        permission: u64,
    },
    /// Values of custom columns; null takes one away.
    Fields {
        /// The item.
        item: u64,
        /// Column and value.
        fields: BTreeMap<String, Value>,
    },
    /// The retention label.
    Label {
        /// The item.
        item: u64,
        /// The name; none takes it away.
        name: Option<String>,
    },
    /// States in which a file cannot be used as usual.
    Mark {
        /// The item.
        item: u64,
        /// All of them.
        marks: Marks,
    },
    /// A custom column of the library.
    Column {
        /// The name in `fields`.
        name: String,
    },
    /// How the drive behaves.
    Options(Options),
}

/// `fileSystemInfo` as far as a client gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// `createdDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `lastModifiedDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// How a drive behaves where drives of the service differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Bytes that fit.
    pub quota: u64,
    /// Whether Office files are written anew after an upload, as SharePoint does in libraries: a
    /// part is added, so size and hash differ from what was sent.
    pub rewrites: bool,
    /// Whether the delta after the deletion of a folder lists what was in it.
    pub lists_descendants: bool,
    /// Whether sharing is switched off: 403 `sharingDisabled`.
    pub sharing_disabled: bool,
}

impl Options {
    /// 1 TB (source: Microsoft, "OneDrive service description", read 2026-11); rewriting in
    /// libraries only.
    pub fn of(is_library: bool) -> Self {
        Self {
            quota: 1 << 40,
            rewrites: is_library,
            lists_descendants: true,
            sharing_disabled: false,
        }
    }
}
