//! What a node of the vault says about a file.
//!
//! The JSON is compact and versioned; `docs/format.md` describes it. It is all that a rebuild of
//! the catalog needs. Sharing, columns and labels, which few files have, lie in `~about`.

use holdfast_model::{ItemId, Timestamp, short_id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// Version of the JSON form.
const VERSION: u8 = 1;

/// Longest name and author kept, in bytes. OneDrive and SharePoint allow names of 255 characters
/// ("Restrictions and limitations in OneDrive and SharePoint", read 2026-11), of at most 3 bytes
/// in UTF-8 for each UTF-16 unit.
const NAME_BYTES: usize = 765;
const BY_BYTES: usize = 120;

/// Longest tag, hash or number kept, in bytes; what is longer is kept by its hash.
const TAG_BYTES: usize = 128;

/// Longest id, in bytes. Those of the service have 34.
const ID_BYTES: usize = 256;

/// What a node takes, in bytes.
const MOST_BYTES: usize = 2048;

/// Endings of the files that SharePoint changes when they are uploaded to a library, by writing
/// properties into them (rclone#2036, #4890).
const OFFICE: [&str; 12] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "pptx", "pptm", "potx", "ppsx",
];

/// What the stored bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileForm {
    /// Those of the file.
    #[default]
    File,
    /// Graph's JSON of a shortcut to an item of another drive, which has no bytes of its own.
    Shortcut,
}

/// Metadata of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Version of this form.
    pub v: u8,
    /// Graph id, unique in its drive.
    pub id: String,
    /// `eTag`, changed with every change; empty where Graph gave none, which equals no other.
    #[serde(default)]
    pub etag: String,
    /// `cTag`, changed with the content.
    #[serde(default)]
    pub ctag: String,
    /// Real name.
    #[serde(default)]
    pub name: String,
    /// `fileSystemInfo.createdDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `fileSystemInfo.lastModifiedDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Who made it: address, or name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Who changed it last: address, or name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Size in bytes as Graph lists it; that of what was received is the size of the node.
    #[serde(default)]
    pub size: u64,
    /// `quickXorHash` as Graph lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xor: Option<String>,
    /// `quickXorHash` of what was received, where it is another one: SharePoint changes Office
    /// files and lists what they were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got_xor: Option<String>,
    /// Number of the item in the list behind its library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Shared beyond what its folder gives it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
    /// Checked out: what was received is what was last checked in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub checked_out: bool,
    /// Form of the stored bytes.
    #[serde(default, skip_serializing_if = "is_file")]
    pub form: FileForm,
    /// Beginning of the hash of the facts in `~about`; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Of an earlier version: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_file(form: &FileForm) -> bool {
    *form == FileForm::File
}

impl FileMeta {
    /// Reads the properties of a Graph drive item.
    pub fn from_graph(item: &Value) -> Result<Self> {
        let id = item["id"].as_str().filter(|id| id.len() <= ID_BYTES);
        let id = id.ok_or(Error::Answer { what: "a file", property: "id" })?;
        let text = |value: &Value| tag(value.as_str().unwrap_or_default());
        let hash = &item["file"]["hashes"]["quickXorHash"];
        let mut meta = Self {
            v: VERSION,
            id: id.to_owned(),
            etag: text(&item["eTag"]),
            ctag: text(&item["cTag"]),
            name: shown(item["name"].as_str().unwrap_or_default(), NAME_BYTES),
            created: file_time(item, "createdDateTime"),
            modified: file_time(item, "lastModifiedDateTime"),
            author: who(&item["createdBy"]),
            by: who(&item["lastModifiedBy"]),
            size: item["size"].as_u64().unwrap_or_default(),
            xor: hash.as_str().map(tag),
            item: item["sharepointIds"]["listItemId"].as_str().map(tag),
            shared: item["shared"].is_object(),
            checked_out: item["publication"]["level"].as_str() == Some("checkout"),
            ..Self::default()
        };
        if item["remoteItem"].is_object() {
            meta.form = FileForm::Shortcut;
        }
        if meta.ctag.is_empty() {
            // Equal content has an equal hash; without that every listing is a change.
            meta.ctag = match &meta.xor {
                Some(hash) => format!("xor:{hash}"),
                None => meta.etag.clone(),
            };
        }
        Ok(meta)
    }

    /// Reads the metadata of a node.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::metadata(name, &error))
    }

    /// The compact form for a node, at most 2 KB: a name full of characters that JSON writes in six
    /// is cut short, which the service allows nobody.
    pub fn to_json(&self) -> String {
        let json = |meta: &Self| serde_json::to_string(meta).expect("metadata has text keys only");
        let text = json(self);
        if text.len() <= MOST_BYTES {
            return text;
        }
        json(&Self {
            name: shown(&self.name, NAME_BYTES / 8),
            author: String::new(),
            by: String::new(),
            ..self.clone()
        })
    }

    /// The id as an [`ItemId`].
    pub fn item_id(&self) -> ItemId {
        ItemId(self.id.clone())
    }

    /// The date that a restored file gets.
    pub fn mtime(&self) -> Timestamp {
        self.modified.or(self.created).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The name under which it is stored: a shortcut is a description.
    pub fn stored_name(&self) -> String {
        match self.form {
            FileForm::File => self.name.clone(),
            FileForm::Shortcut => format!("{}.shortcut.json", self.name),
        }
    }

    /// What was received had this size and hash.
    pub fn received(&mut self, xor: String) {
        self.got_xor = Some(xor).filter(|xor| self.xor.as_ref() != Some(xor));
    }
}

fn tag(text: &str) -> String {
    if text.len() <= TAG_BYTES { text.to_owned() } else { short_id(text) }
}

/// True for a file that SharePoint may change when it is uploaded.
pub fn is_office(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| OFFICE.contains(&ending.as_str()))
}

/// A time of `fileSystemInfo` (that of the user's own computer), else that of the service.
pub(super) fn file_time(item: &Value, property: &str) -> Option<Timestamp> {
    let own = item["fileSystemInfo"][property].as_str();
    own.or_else(|| item[property].as_str())?.parse().ok()
}

fn who(identity: &Value) -> String {
    let user = &identity["user"];
    let name = [&user["email"], &user["displayName"], &identity["application"]["displayName"]];
    let name = name.into_iter().find_map(Value::as_str).unwrap_or_default();
    shown(name, BY_BYTES)
}

fn shown(text: &str, bytes: usize) -> String {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item() -> Value {
        json!({
            "id": "01AAA", "name": "plan.docx", "eTag": "\"{A},2\"", "cTag": "\"c:{A},1\"",
            "size": 9, "file": {"hashes": {"quickXorHash": "AAA="}},
            "createdDateTime": "2026-03-01T08:00:00Z",
            "fileSystemInfo": {"lastModifiedDateTime": "2020-01-02T03:04:05Z"},
            "lastModifiedBy": {"user": {"displayName": "Ada"}}, "shared": {"scope": "users"},
        })
    }

    #[test]
    fn metadata_survives_its_json() {
        let mut meta = FileMeta::from_graph(&item()).unwrap();
        assert_eq!(meta.created, Some("2026-03-01T08:00:00Z".parse().unwrap()));
        assert_eq!(meta.mtime().to_string(), "2020-01-02T03:04:05Z");
        assert_eq!((meta.by.as_str(), meta.shared, meta.form), ("Ada", true, FileForm::File));
        meta.received("AAA=".to_owned());
        assert_eq!(meta.got_xor, None);
        meta.received("BBB=".to_owned());
        assert_eq!(meta.got_xor.as_deref(), Some("BBB="));
        assert_eq!(FileMeta::from_json("x", &meta.to_json()).unwrap(), meta);
    }

    #[test]
    fn the_longest_names_fit_on_a_node() {
        let mut item = item();
        item["name"] = json!("漢".repeat(255));
        item["lastModifiedBy"]["user"]["displayName"] = json!("\"".repeat(500));
        item["createdBy"] = json!({"user": {"email": "\\".repeat(500)}});
        let meta = FileMeta::from_graph(&item).unwrap();
        assert_eq!(meta.name.chars().count(), 255);
        assert!(meta.to_json().len() <= 2048, "{}", meta.to_json().len());
    }

    #[test]
    fn a_file_without_tags_is_known_by_its_hash() {
        let mut item = item();
        item.as_object_mut().unwrap().remove("cTag");
        assert_eq!(FileMeta::from_graph(&item).unwrap().ctag, "xor:AAA=");
        item.as_object_mut().unwrap().remove("file");
        assert_eq!(FileMeta::from_graph(&item).unwrap().ctag, "\"{A},2\"");
    }
}
