//! Sites, drives and items as the control API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::render::drive as render;
use crate::state::drive::{Drive, Item, Kind, ROOT, Version};
use crate::state::site::Site;
use crate::state::{SharePoint, State};

/// A drive, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriveView {
    /// The id, `b!…`.
    pub id: String,
    /// `OneDrive`, or the name of the library.
    pub name: String,
    /// The id of the root.
    pub root: String,
    /// The user principal name of the person whose OneDrive it is.
    pub owner: Option<String>,
    /// The id of its site.
    pub site: String,
    /// Its address.
    pub web_url: String,
}

/// A site, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteView {
    /// Host and two GUIDs.
    pub id: String,
    /// The last part of the address.
    pub name: String,
    /// The name that people read.
    pub display_name: String,
    /// Its address.
    pub web_url: String,
    /// Whether it belongs to a OneDrive.
    pub is_personal: bool,
}

/// An item of a drive, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriveItemView {
    /// The id.
    pub id: String,
    /// The id of its folder; none for the root.
    pub parent: Option<String>,
    /// The name.
    pub name: String,
    /// Names from below the root, its own last.
    pub path: Vec<String>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The type of a package, for example `oneNote`.
    pub package: Option<String>,
    /// Bytes; in a folder of all that is in it.
    pub size: u64,
    /// SHA-256 in hex of the bytes that a download gives; empty for what has none.
    pub sha256: String,
    /// Changes with every change.
    pub etag: String,
    /// Changes with the content.
    pub ctag: String,
    /// `fileSystemInfo.createdDateTime`.
    pub created: Timestamp,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: Timestamp,
    /// Newest first, the current one being the first.
    pub versions: Vec<VersionView>,
    /// Its own permissions, as Graph shows them.
    pub permissions: Vec<Value>,
    /// Values of custom columns.
    pub fields: BTreeMap<String, Value>,
    /// The name of the retention label.
    pub label: Option<String>,
    /// Whether the virus scan found something.
    pub malware: bool,
    /// Whether it is checked out.
    pub checked_out: bool,
    /// Whether it is locked.
    pub locked: bool,
}

/// A version of a file, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionView {
    /// `1.0`, `2.0` …
    pub id: String,
    /// When it was saved.
    pub modified: Timestamp,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hex of its bytes.
    pub sha256: String,
}

/// A site.
pub fn site_view(site: &Site) -> SiteView {
    SiteView {
        id: site.id.clone(),
        name: site.name.clone(),
        display_name: site.display_name.clone(),
        web_url: site.web_url(),
        is_personal: site.owner.is_some(),
    }
}

/// A drive.
pub fn drive_view(state: &State, drive: &Drive) -> DriveView {
    let sharepoint: &SharePoint = &state.sharepoint;
    let owner = drive.made.owner.and_then(|owner| state.users.get(owner));
    DriveView {
        id: drive.made.id.clone(),
        name: drive.made.name.clone(),
        root: drive.item_id(ROOT),
        owner: owner.map(|user| user.profile.upn.clone()),
        site: sharepoint.site_of(drive).id.clone(),
        web_url: drive.made.web_url.clone(),
    }
}

/// An item without hashes and versions.
pub fn item_view(state: &State, drive: &Drive, item: &Item) -> DriveItemView {
    let guid = drive.item_guid(item.number);
    let own = item.permissions.iter();
    let permissions = own.map(|known| Value::Object(render::permission(state, drive, known)));
    DriveItemView {
        id: drive.item_id(item.number),
        parent: item.parent.map(|parent| drive.item_id(parent)),
        name: item.name.clone(),
        path: drive.path(item.number),
        is_folder: item.kind == Kind::Folder,
        package: match &item.kind {
            Kind::Package(kind) => Some(kind.clone()),
            _ => None,
        },
        size: item.size(),
        sha256: String::new(),
        etag: format!("\"{{{guid}}},{}\"", item.etag),
        ctag: format!("\"c:{{{guid}}},{}\"", item.ctag),
        created: item.created,
        modified: item.modified,
        versions: Vec::new(),
        permissions: permissions.collect(),
        fields: item.fields.clone(),
        label: item.label.as_ref().map(|label| label.name.clone()),
        malware: item.marks.malware,
        checked_out: item.marks.checked_out,
        locked: item.marks.locked,
    }
}

/// A version; its hash is worked out.
pub fn version_view(version: &Version) -> VersionView {
    VersionView {
        id: render::version_name(version),
        modified: version.modified,
        size: version.body.size(),
        sha256: version.body.sha256().to_owned(),
    }
}
