//! Files, folders, packages and shortcuts of a drive.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::Body;

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Holds other items.
    Folder,
    /// Has content.
    File,
    /// A folder that is shown as one thing, for example a OneNote notebook: its `type`.
    Package(String),
    /// "Add shortcut to OneDrive": a link to a folder of another drive.
    Shortcut {
        /// The other drive's number.
        drive: usize,
        /// The folder there.
        item: u64,
    },
}

/// Content of a file as of one time.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number: version `n.0`.
    pub number: u32,
    /// When it was saved.
    pub modified: Timestamp,
    /// The content.
    pub body: Arc<Body>,
}

/// Who may do something with an item, besides those who may by inheritance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The number of the permission in its drive; the id is made from it.
    pub number: u64,
    /// `read`, `write` or `owner`.
    pub role: String,
    /// Who has it.
    pub to: Grant,
    /// The end of it.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// Who has a permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person of the tenant, by number.
    User(usize),
    /// Everybody with the link.
    Link {
        /// `view` or `edit`.
        kind: String,
        /// `organization`, `anonymous` or `users`.
        scope: String,
        /// Whether a password is asked for.
        #[serde(default)]
        password: bool,
        /// The people of a `users` link.
        #[serde(default)]
        users: Vec<usize>,
    },
}

/// States in which a file cannot be used as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// The virus scan found something: no content, 403 `malwareDetected`.
    pub malware: bool,
    /// Checked out by its owner: others see the version before and cannot write.
    pub checked_out: bool,
    /// Locked: 423 `resourceLocked`.
    pub locked: bool,
    /// The service has no hash for it (fault 32).
    pub hashless: bool,
}

/// A retention label on an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The name.
    pub name: String,
    /// When it was applied.
    pub applied: Timestamp,
}

/// An item with its place and its position in the drive's change log.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its number; the id is made from it. The root is 0.
    pub number: u64,
    /// The folder; none for the root.
    pub parent: Option<u64>,
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Position in the change log.
    pub seq: u64,
    /// The position at which it came.
    pub entered: u64,
    /// Counts every change: the number in the eTag.
    pub etag: u32,
    /// Counts changes of the content, in a folder of what is in it: the number in the cTag.
    pub ctag: u32,
    /// `fileSystemInfo.createdDateTime`.
    pub created: Timestamp,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: Timestamp,
    /// `lastModifiedDateTime`: the last change by the service's clock.
    pub touched: Timestamp,
    /// Oldest first, the current one last; none for what has no content.
    pub versions: Vec<Version>,
    /// The number of the next version.
    pub next_version: u32,
    /// Bytes of all files below.
    pub below: u64,
    /// Own permissions.
    pub permissions: Vec<Permission>,
    /// Values of custom columns.
    pub fields: BTreeMap<String, Value>,
    /// The retention label.
    pub label: Option<Label>,
    /// States in which it cannot be used as usual.
    pub marks: Marks,
}

impl Item {
    /// Whether other items may lie in it.
    pub fn holds_items(&self) -> bool {
        matches!(self.kind, Kind::Folder | Kind::Package(_))
    }

    /// The current content.
    pub fn body(&self) -> Option<&Arc<Body>> {
        self.versions.last().map(|version| &version.body)
    }

    /// `size`: of the content, in a folder of all that is in it.
    pub fn size(&self) -> u64 {
        self.body().map_or(self.below, |body| body.size())
    }

    /// The version with this name (`3.0`).
    pub fn version(&self, name: &str) -> Option<&Version> {
        let number: u32 = name.strip_suffix(".0")?.parse().ok()?;
        self.versions.iter().find(|version| version.number == number)
    }
}
