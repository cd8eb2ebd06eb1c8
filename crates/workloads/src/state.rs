//! What is kept of a resource beside its items: its containers, and where reading stands.
//!
//! The JSON is compact and versioned; `docs/format.md` describes it.

use std::collections::BTreeMap;

use holdfast_model::{ContainerId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Name of the small file in a resource's directory that holds its delta links.
pub const STATE_FILE: &str = "~state.json";

/// Version of the JSON forms of this file.
const VERSION: u8 = 1;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Metadata of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderMeta {
    /// Version of this form.
    pub v: u8,
    /// Graph id.
    pub id: String,
    /// Graph id of the folder above; absent at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Real name.
    pub name: String,
    /// Well-known name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well_known: Option<String>,
    /// Hidden from the user.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Of a folder of files: what Graph says of it that restore needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FolderFacts>,
}

/// What is kept of a folder of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderFacts {
    /// Id of the drive: only on its root, whose name is that of the drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// `eTag`, changed with every change of the folder itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub etag: String,
    /// `fileSystemInfo.createdDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `fileSystemInfo.lastModifiedDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// `package.type`, such as `oneNote` for a notebook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// True where further facts (sharing) lie in the resource's `~about` directory.
    #[serde(default, skip_serializing_if = "is_false")]
    pub about: bool,
}

/// Longest display name kept on a directory node, in bytes. Exchange allows 255 characters.
const FOLDER_NAME_BYTES: usize = 1100;

impl FolderMeta {
    /// Metadata of a container at (or below) the top.
    pub fn new(id: &ContainerId, name: &str, parent: Option<&ContainerId>) -> Self {
        let mut end = FOLDER_NAME_BYTES.min(name.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            v: VERSION,
            id: id.0.clone(),
            parent: parent.map(|p| p.0.clone()),
            name: name[..end].to_owned(),
            ..Self::default()
        }
    }

    /// Reads the metadata of a directory node.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::metadata(name, &error))
    }

    /// The compact form for a node.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("metadata has text keys only")
    }
}

/// Where reading a resource stands, as of its last change of content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceState {
    /// Version of this form.
    pub v: u8,
    /// Resource id, tenant-wide unique.
    pub resource: String,
    /// When the changes were read: the time of the restore point.
    pub read_at: Option<Timestamp>,
    /// True when the round of `read_at` went through; false in a checkpoint.
    pub complete: bool,
    /// Some container could not be read in that round.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// Delta link of the folder list (path and query, no host).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folders_link: Option<String>,
    /// Per container that has a link of its own.
    pub folders: BTreeMap<String, ContainerState>,
}

/// Where reading a container stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// Delta link of the last finished round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Where an unfinished round goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Items that could not be read and are asked for again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry: Vec<String>,
    /// Of the root of a library: where reading its columns goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnsState>,
}

/// Where reading the columns of a library goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnsState {
    /// The columns that were asked for: a link tells of these only.
    pub names: Vec<String>,
    /// Delta link of the list's items.
    pub link: String,
}

impl ColumnsState {
    /// The form of a catalog row.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text serialises")
    }

    /// Reads that; what cannot be read is as good as none: the columns are read from the start.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl ResourceState {
    /// An empty state of the current version.
    pub fn new(resource: &str) -> Self {
        Self { v: VERSION, resource: resource.to_owned(), ..Self::default() }
    }

    /// Reads the state file.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::metadata(STATE_FILE, &error))
    }

    /// The form of the state file.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("state has text keys only")
    }
}
