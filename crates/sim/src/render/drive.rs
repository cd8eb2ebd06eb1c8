//! Sites, drives and their items as Graph shows them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::time;
use crate::fault::FaultKind;
use crate::http::Call;
use crate::query::Select;
use crate::seal::{self, Seal};
use crate::state::State;
use crate::state::drive::{Drive, Grant, Item, Kind, Permission, ROOT, Version};
use crate::state::site::{Site, escaped};
use crate::tenant::Tenant;

/// The properties of `microsoft.graph.driveItem` (metadata of 2026-08-20); the last nine are never
/// shown here. `content.downloadUrl` is how clients select the annotation.
pub const ITEM_PROPERTIES: [&str; 36] = [
    "id",
    "createdBy",
    "createdDateTime",
    "description",
    "eTag",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "name",
    "parentReference",
    "webUrl",
    "cTag",
    "deleted",
    "file",
    "fileSystemInfo",
    "folder",
    "malware",
    "package",
    "publication",
    "remoteItem",
    "root",
    "shared",
    "sharepointIds",
    "size",
    "content.downloadUrl",
    "@microsoft.graph.downloadUrl",
    "content",
    "webDavUrl",
    "audio",
    "bundle",
    "image",
    "location",
    "pendingOperations",
    "photo",
    "searchResult",
    "specialFolder",
    "video",
];

/// Shown only when they are selected.
const ON_REQUEST: [&str; 2] = ["sharepointIds", "webDavUrl"];

/// How long a download address lives (undocumented, about an hour was observed).
const DOWNLOAD_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What a download address stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The number of the drive.
    #[serde(rename = "d")]
    pub drive: usize,
    /// The number of the item.
    #[serde(rename = "i")]
    pub item: u64,
    /// The version, for one that is not the current one.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Until when, in seconds since 1970.
    #[serde(rename = "x")]
    pub expires: i64,
    /// For an address that stands in a listing: the application that asked for it, which pays for
    /// the download. An address from `/content` is paid already.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
}

/// The pre-authenticated address of a ticket.
pub fn download_url(seal: &Seal, base: &str, ticket: &Ticket) -> String {
    let token = seal.token("download", ticket);
    let auth = seal.word(&token, 24);
    format!("{base}/download/{token}?tempauth={auth}")
}

/// When an address issued now ends.
pub fn download_end(now: Timestamp) -> i64 {
    now.saturating_add(DOWNLOAD_LIFE).unwrap_or(now).as_second()
}

/// `documentLibrary` or `business`.
pub fn drive_type(drive: &Drive) -> &'static str {
    if drive.made.owner.is_some() { "business" } else { "documentLibrary" }
}

/// A site.
pub fn site(site: &Site) -> Map<String, Value> {
    object(json!({
        "id": site.id,
        "createdDateTime": time(site.created),
        "lastModifiedDateTime": time(site.created),
        "name": site.name,
        "displayName": site.display_name,
        "webUrl": site.web_url(),
        "isPersonalSite": site.owner.is_some(),
        "siteCollection": {"hostname": site.host()},
    }))
}

/// A drive.
pub fn drive(state: &State, drive: &Drive) -> Map<String, Value> {
    let (total, used) = (drive.options.quota, drive.used());
    let share = u128::from(used) * 100 / u128::from(total.max(1));
    let quota_state = match share {
        100.. => "exceeded",
        95.. => "critical",
        80.. => "nearing",
        _ => "normal",
    };
    let owner = match drive.made.owner {
        Some(user) => json!({"user": identity(state, user)}),
        None => {
            let site = state.sharepoint.site_of(drive);
            json!({"group": {"displayName": format!("{} Owners", site.display_name)}})
        }
    };
    object(json!({
        "createdDateTime": time(drive.created),
        "description": "",
        "id": drive.made.id,
        "lastModifiedDateTime": time(drive.created),
        "name": drive.made.name,
        "webUrl": drive.made.web_url,
        "driveType": drive_type(drive),
        "createdBy": {"user": {"displayName": "System Account"}},
        "owner": owner,
        "quota": {
            "deleted": 0,
            "remaining": total.saturating_sub(used),
            "state": quota_state,
            "total": total,
            "used": used,
        },
    }))
}

fn identity(state: &State, user: usize) -> Value {
    state.users.get(user).map_or_else(
        || json!({"displayName": "System Account"}),
        |user| json!({"displayName": user.profile.display_name, "id": user.id}),
    )
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// How items of one drive are shown to one caller.
pub struct ItemLook<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// All of its state.
    pub state: &'a State,
    /// The drive.
    pub drive: &'a Drive,
    /// The request.
    pub call: &'a Call,
    /// `$select`.
    pub select: Select,
    /// Whether a delta is shown: download addresses only when they are selected, paths not always.
    pub in_delta: bool,
}

impl ItemLook<'_> {
    /// An item with the properties that are wanted.
    pub fn item(&self, item: &Item) -> Map<String, Value> {
        let mut all = Map::new();
        if let Some(url) = self.download(item) {
            all.insert("@microsoft.graph.downloadUrl".to_owned(), json!(url));
        }
        for (name, value) in self.properties(item) {
            let shown =
                name == "id" || self.select.shows(&name, !ON_REQUEST.contains(&name.as_str()));
            if shown {
                all.insert(name, value);
            }
        }
        all
    }

    fn download(&self, item: &Item) -> Option<String> {
        let named = self.select.names("content.downloadUrl")
            || self.select.names("@microsoft.graph.downloadUrl");
        let by_default = self.select.0.is_none() && !self.in_delta;
        let can = item.kind == Kind::File && !item.marks.malware;
        (can && (named || by_default)).then(|| {
            let ticket = Ticket {
                drive: self.state.sharepoint.drive_index(&self.drive.made.id).ok()?,
                item: item.number,
                version: None,
                expires: download_end(self.tenant.clock().now()),
                payer: Some(self.call.app.clone()),
            };
            Some(download_url(
                self.tenant.seal(),
                &self.tenant.files_base(&self.call.base),
                &ticket,
            ))
        })?
    }

    fn properties(&self, item: &Item) -> Map<String, Value> {
        let drive = self.drive;
        let guid = drive.item_guid(item.number);
        let by = json!({"user": identity(self.state, drive.made.owner.unwrap_or(usize::MAX))});
        let mut all = object(json!({
            "createdBy": by,
            "createdDateTime": time(item.created),
            "eTag": format!("\"{{{guid}}},{}\"", item.etag),
            "id": drive.item_id(item.number),
            "lastModifiedBy": by,
            "lastModifiedDateTime": time(item.touched),
            "name": item.name,
            "parentReference": self.parent(item),
            "webUrl": self.web_url(item),
            "cTag": format!("\"c:{{{guid}}},{}\"", item.ctag),
            "fileSystemInfo": {
                "createdDateTime": time(item.created),
                "lastModifiedDateTime": time(item.modified),
            },
            "size": self.size(item),
        }));
        self.facets(item, &mut all);
        if item.number != ROOT {
            all.insert("sharepointIds".to_owned(), self.sharepoint_ids(item));
        }
        all.insert("webDavUrl".to_owned(), json!(self.web_url(item)));
        all
    }

    /// `size`, as the faults of the call bend it.
    fn size(&self, item: &Item) -> Value {
        let negative = self.call.struck(|kind| *kind == FaultKind::NegativeFolderSize);
        let more = self.call.faults.iter().find_map(|kind| match kind {
            FaultKind::SizeDiffers(more) if item.kind == Kind::File => Some(u64::from(*more)),
            _ => None,
        });
        match item.kind {
            Kind::Folder if negative => json!(-4),
            _ => json!(item.size() + more.unwrap_or(0)),
        }
    }

    fn facets(&self, item: &Item, all: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| all.insert(name.to_owned(), value);
        match &item.kind {
            Kind::Folder => {
                set("folder", json!({"childCount": self.drive.child_count(item.number)}));
            }
            Kind::File => {
                set("file", self.file(item));
            }
            Kind::Package(kind) => {
                set("package", json!({"type": kind}));
            }
            Kind::Shortcut { drive, item } => {
                set("remoteItem", self.remote(*drive, *item));
            }
        }
        if item.number == ROOT {
            set("root", json!({}));
        }
        if item.marks.malware {
            set("malware", json!({"description": "EICAR-Test-File"}));
        }
        if item.marks.checked_out {
            let by = self.drive.made.owner.unwrap_or(0);
            let version = item.versions.last().map(version_name);
            let by = json!({"user": identity(self.state, by)});
            set(
                "publication",
                json!({"level": "checkout", "versionId": version, "checkedOutBy": by}),
            );
        }
        if !item.permissions.is_empty() {
            set("shared", json!({"scope": scope(&item.permissions)}));
        }
    }

    fn file(&self, item: &Item) -> Value {
        let mut file = json!({"mimeType": mime_type(&item.name)});
        let differs = self.call.struck(|kind| *kind == FaultKind::HashDiffers);
        let missing = self.call.struck(|kind| *kind == FaultKind::HashMissing);
        if let Some(body) = item.body().filter(|_| !item.marks.hashless && !missing) {
            let hash = if differs { "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } else { body.quick_xor() };
            file["hashes"] = json!({"quickXorHash": hash});
        }
        file
    }

    fn remote(&self, drive: usize, item: u64) -> Value {
        let Some(drive) = self.state.sharepoint.drives.get(drive) else { return json!({}) };
        let mut remote = json!({
            "id": drive.item_id(item),
            "parentReference": {"driveId": drive.made.id, "driveType": drive_type(drive)},
        });
        if let Some(found) = drive.items.get(&item) {
            remote["name"] = json!(found.name);
            remote["size"] = json!(found.size());
            remote["folder"] = json!({"childCount": drive.child_count(item)});
        }
        remote
    }

    fn parent(&self, item: &Item) -> Value {
        let drive = self.drive;
        let mut parent = json!({
            "driveType": drive_type(drive),
            "driveId": drive.made.id,
            "siteId": self.state.sharepoint.site_of(drive).id,
        });
        let Some(above) = item.parent else { return parent };
        parent["id"] = json!(drive.item_id(above));
        // Microsoft says that the path may be missing in a delta; here it is in every fourth item.
        if !self.in_delta || item.number % 4 != 3 {
            parent["path"] = json!(reference_path(drive, above));
        }
        if let Some(folder) = drive.items.get(&above).filter(|folder| folder.number != ROOT) {
            parent["name"] = json!(folder.name);
        }
        parent
    }

    fn web_url(&self, item: &Item) -> String {
        let path = self.drive.path(item.number);
        let parts = path.iter().map(|name| format!("/{}", escaped(name)));
        format!("{}{}", self.drive.made.web_url, parts.collect::<String>())
    }

    fn sharepoint_ids(&self, item: &Item) -> Value {
        let site = self.state.sharepoint.site_of(self.drive);
        let mut parts = site.id.split(',').skip(1);
        json!({
            "listId": self.drive.made.list,
            "listItemId": item.number.to_string(),
            "listItemUniqueId": self.drive.item_guid(item.number).to_lowercase(),
            "siteId": parts.next(),
            "siteUrl": site.web_url(),
            "tenantId": self.tenant.tenant_id(),
            "webId": parts.next(),
        })
    }
}

/// The name of a version.
pub fn version_name(version: &Version) -> String {
    format!("{}.0", version.number)
}

/// The `path` of a reference to a folder.
pub fn reference_path(drive: &Drive, folder: u64) -> String {
    let path = drive.path(folder);
    let parts = path.iter().map(|name| format!("/{}", escaped(name)));
    format!("/drives/{}/root:{}", drive.made.id, parts.collect::<String>())
}

/// The widest scope of some permissions.
fn scope(permissions: &[Permission]) -> &'static str {
    let has = |wanted: &str| {
        permissions.iter().any(
            |permission| matches!(&permission.to, Grant::Link { scope, .. } if scope == wanted),
        )
    };
    match (has("anonymous"), has("organization")) {
        (true, _) => "anonymous",
        (_, true) => "organization",
        _ => "users",
    }
}

/// The id of a permission.
pub fn permission_id(drive: &Drive, permission: u64) -> String {
    seal::item_guid(&drive.made.tag, permission | 1 << 48).to_lowercase()
}

/// A permission of the item itself.
pub fn permission(state: &State, drive: &Drive, permission: &Permission) -> Map<String, Value> {
    let mut all = object(json!({
        "id": permission_id(drive, permission.number),
        "roles": [permission.role],
    }));
    match &permission.to {
        Grant::User(user) => all.extend(granted_to(state, *user)),
        Grant::Link { kind, scope, password, users } => {
            let token = permission_id(drive, permission.number).replace('-', "");
            let site = state.sharepoint.site_of(drive);
            let url = format!("https://{}/:x:/g/{token}", site.host());
            let people: Vec<Value> =
                users.iter().map(|user| json!({"user": identity(state, *user)})).collect();
            all.extend(object(json!({
                "shareId": format!("u!{token}"),
                "hasPassword": password,
                "link": {"scope": scope, "type": kind, "webUrl": url, "preventsDownload": false},
                "grantedToIdentitiesV2": people,
            })));
        }
    }
    if let Some(end) = permission.expires {
        all.insert("expirationDateTime".to_owned(), json!(time(end)));
    }
    all
}

fn granted_to(state: &State, user: usize) -> Map<String, Value> {
    let identity = identity(state, user);
    let upn = state.users.get(user).map_or("", |user| &user.profile.upn);
    let site_user = json!({
        "displayName": identity["displayName"],
        "id": (user + 10).to_string(),
        "loginName": format!("i:0#.f|membership|{upn}"),
    });
    object(json!({
        "grantedTo": {"user": identity},
        "grantedToV2": {"user": identity, "siteUser": site_user},
    }))
}

/// The media type of a name.
pub fn mime_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_lowercase();
    match extension.as_str() {
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pdf" => "application/pdf",
        "txt" | "md" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "zip" => "application/zip",
        "one" => "application/msonenote",
        "eml" => "message/rfc822",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}
