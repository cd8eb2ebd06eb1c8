//! Sites, drives and items: every operation once, and what reading them has to keep to.

mod sites;
mod units;

use std::time::Duration;

use holdfast_sim::{DriveView, FileBytes, Marks, Refused, SimConfig};
use serde_json::{Value, json};

use crate::session::{Session, config};

/// A tenant without mail, with OneDrives and two sites.
pub async fn session() -> Session {
    let config = SimConfig { empty: true, files_per_user: 1, sites: 2, ..config() };
    Session::with(config).await
}

/// The OneDrive of the first person, and its path below the version.
pub fn onedrive(session: &Session) -> (DriveView, String) {
    let tenant = session.sim.tenant();
    let drive = tenant.onedrive(&tenant.users()[0].upn).unwrap();
    let path = format!("drives/{}", drive.id);
    (drive, path)
}

/// The first library.
pub fn library(session: &Session) -> (DriveView, String) {
    let drives = session.sim.tenant().drives();
    let drive = drives.into_iter().find(|drive| drive.owner.is_none()).unwrap();
    let path = format!("drives/{}", drive.id);
    (drive, path)
}

pub fn text(content: &str) -> FileBytes {
    content.as_bytes().into()
}

pub fn names(values: &[Value]) -> Vec<&str> {
    values.iter().map(|value| value["name"].as_str().unwrap()).collect()
}

/// Every operation of sites and drives, on a tenant that has neither yet.
pub async fn every_operation(session: &Session) {
    let tenant = session.sim.tenant();
    let user = session.user();
    let none = session.get(&format!("{user}/drive")).await.expect(404);
    assert_eq!(
        (none.code(), none.json["error"]["message"].as_str()),
        ("ResourceNotFound", Some("User's mysite not found."))
    );
    let own = tenant.onedrive_add(&tenant.users()[0].upn).unwrap();
    let site = tenant.site_add("team", "Team").unwrap();
    sites(session, &user, &own, &site.id).await;
    let library = tenant.drives().into_iter().find(|drive| drive.owner.is_none()).unwrap();
    folders_and_files(session, &library).await;
    sharing(session, &library).await;
    lists(session, &library).await;
}

async fn sites(session: &Session, user: &str, own: &DriveView, site: &str) {
    let drive = session.get(&format!("{user}/drive")).await.expect(200);
    assert_eq!((drive.text("id"), drive.text("driveType")), (own.id.as_str(), "business"));
    assert_eq!(session.get(&format!("{user}/drives")).await.expect(200).values().len(), 1);
    let first = session.get("sites/getAllSites?$top=1").await.expect(200);
    let second = session.get(first.text("@odata.nextLink")).await.expect(200);
    assert_eq!(first.values()[0]["isPersonalSite"], true);
    assert_eq!(second.values()[0]["id"], site);
    assert!(second.json.get("@odata.nextLink").is_none());
    let one = session.get(&format!("sites/{site}")).await.expect(200);
    assert_eq!(one.text("displayName"), "Team");
    let drive = session.get(&format!("sites/{site}/drive")).await.expect(200);
    assert_eq!((drive.text("name"), drive.text("driveType")), ("Documents", "documentLibrary"));
    assert_eq!(session.get(&format!("sites/{site}/drives")).await.expect(200).values().len(), 1);
    let lists = session.get(&format!("sites/{site}/lists")).await.expect(200);
    let list = session.get(&format!("drives/{}/list", drive.text("id"))).await.expect(200);
    assert_eq!(lists.values()[0]["id"], list.json["id"]);
    session.get("sites/x,y,z").await.expect(404);
}

async fn folders_and_files(session: &Session, library: &DriveView) {
    let drive = format!("drives/{}", library.id);
    session.get(&drive).await.expect(200);
    let root = session.get(&format!("{drive}/root")).await.expect(200);
    assert_eq!(root.text("id"), library.root);
    let folder = json!({"name": "Plans 100%", "folder": {}});
    let made = session.post(&format!("{drive}/root/children"), &folder).await.expect(201);
    let again = session.post(&format!("{drive}/root/children"), &folder).await.expect(409);
    assert_eq!(again.code(), "nameAlreadyExists");
    let item = format!("{drive}/items/{}", made.text("id"));
    let below = json!({"name": "below", "folder": {}});
    session.post(&format!("{item}/children"), &below).await.expect(201);
    let by_path = format!("{drive}/root:/Plans 100%25:/children");
    session.post(&by_path, &json!({"name": "third", "folder": {}})).await.expect(201);
    assert_eq!(names(session.get(&by_path).await.expect(200).values()), ["below", "third"]);
    let file = session.put(&format!("{item}:/a b.txt:/content"), b"one".to_vec()).await.expect(201);
    let path = format!("{drive}/root:/Plans 100%25/a b.txt:/content");
    session.put(&path, b"two".to_vec()).await.expect(200);
    assert_eq!(session.download(&path).await.expect(200).bytes, b"two");
    assert_eq!(session.download(&format!("{item}:/a b.txt:/content")).await.bytes, b"two");
    let same = session.get(&format!("{item}:/A B.TXT")).await.expect(200);
    assert_eq!(same.json["id"], file.json["id"]);
    session.get(&format!("{drive}/root:/Plans 100%25/a b.txt")).await.expect(200);
    session.get(&format!("{drive}/root:/nothing")).await.expect(404);
    let file = format!("{drive}/items/{}", file.text("id"));
    session.put(&format!("{file}/content"), b"three".to_vec()).await.expect(200);
    assert_eq!(session.download(&format!("{file}/content")).await.expect(200).bytes, b"three");
    versions(session, &file).await;
    uploads(session, &drive, &item, &file).await;
    session.get(&format!("{item}/children")).await.expect(200);
    session.get(&format!("{drive}/root/children")).await.expect(200);
    session.get(&format!("{drive}/root/delta?$top=2")).await.expect(200);
    session.get(&format!("{drive}/items/{}/delta()", library.root)).await.expect(200);
    let patch = json!({"name": "c.txt", "parentReference": {"id": library.root}});
    let moved = session.patch(&file, &patch).await.expect(200);
    assert_eq!(moved.text("name"), "c.txt");
    session.delete(&file).await.expect(204);
    assert_eq!(session.get(&file).await.expect(404).code(), "itemNotFound");
}

async fn changes_of_columns(session: &Session, delta: &str, fields: &str) {
    let first = session.get(&format!("{delta}?$expand=fields($select=Status)&$top=1")).await;
    let first = first.expect(200);
    assert_eq!(first.values().len(), 1);
    let rest = session.get(first.text("@odata.nextLink")).await.expect(200);
    let now = session.get(&format!("{delta}?token=latest&$expand=fields")).await.expect(200);
    assert_eq!(now.values().len(), 0);
    session.patch(fields, &json!({"Status": "changed"})).await.expect(200);
    let changed = session.get(now.text("@odata.deltaLink")).await.expect(200);
    assert_eq!(changed.values().len(), 1);
    assert_eq!(changed.values()[0]["fields"]["Status"], "changed");
    assert!(!rest.values().is_empty());
    session.get(&format!("{delta}?token=nonsense")).await.expect(400);
}

async fn versions(session: &Session, file: &str) {
    let all = session.get(&format!("{file}/versions")).await.expect(200);
    let ids: Vec<&str> = all.values().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["3.0", "2.0", "1.0"]);
    assert_eq!(session.get(&format!("{file}/versions/2.0")).await.expect(200).json["size"], 3);
    let old = session.download(&format!("{file}/versions/1.0/content")).await.expect(200);
    assert_eq!(old.bytes, b"one");
    session.get(&format!("{file}/versions/3.0/content")).await.expect(400);
    session.get(&format!("{file}/versions/9.0")).await.expect(404);
    session.post(&format!("{file}/versions/1.0/restoreVersion"), &json!({})).await.expect(204);
    assert_eq!(session.download(&format!("{file}/content")).await.bytes, b"one");
    let all = session.get(&format!("{file}/versions")).await.expect(200);
    assert_eq!(all.values()[0]["id"], "4.0");
}

async fn uploads(session: &Session, drive: &str, folder: &str, file: &str) {
    for address in [
        format!("{folder}:/new.bin:/createUploadSession"),
        format!("{drive}/root:/new.bin:/createUploadSession"),
        format!("{file}/createUploadSession"),
    ] {
        let made = session.post(&address, &json!({"deferCommit": false})).await.expect(200);
        let url = made.text("uploadUrl").to_owned();
        assert_eq!(made.json["nextExpectedRanges"], json!(["0-"]));
        session.send(session.http.get(&url)).await.expect(200);
        session.send(session.http.delete(&url)).await.expect(204);
        session.send(session.http.get(&url)).await.expect(404);
    }
}

async fn sharing(session: &Session, library: &DriveView) {
    let tenant = session.sim.tenant();
    let item = tenant.file_add(&library.id, &library.root, "shared.txt", text("x")).unwrap();
    let item = format!("drives/{}/items/{item}", library.id);
    let built_in = session.get(&format!("{item}/permissions")).await.expect(200).values().len();
    let body = json!({
        "recipients": [{"email": tenant.users()[1].upn}],
        "roles": ["read"], "requireSignIn": true, "sendInvitation": false,
    });
    let invited = session.post(&format!("{item}/invite"), &body).await.expect(200);
    let id = invited.values()[0]["id"].as_str().unwrap().to_owned();
    let permission = format!("{item}/permissions/{id}");
    assert_eq!(session.get(&permission).await.expect(200).json["roles"], json!(["read"]));
    let patched = session.patch(&permission, &json!({"roles": ["write"]})).await.expect(200);
    assert_eq!(patched.json["roles"], json!(["write"]));
    let link = json!({"type": "view", "scope": "organization"});
    let made = session.post(&format!("{item}/createLink"), &link).await.expect(201);
    let again = session.post(&format!("{item}/createLink"), &link).await.expect(200);
    assert_eq!(made.json["id"], again.json["id"]);
    let all = session.get(&format!("{item}/permissions")).await.expect(200);
    assert_eq!(all.values().len(), built_in + 2);
    let shared = session.get(&format!("{item}?$expand=permissions")).await.expect(200);
    assert_eq!(shared.json["shared"]["scope"], "organization");
    assert_eq!(shared.json["permissions"].as_array().unwrap().len(), 2);
    session.delete(&permission).await.expect(204);
    session.delete(&permission).await.expect(404);
    assert_eq!(tenant.stats().invitations, 0);
}

async fn lists(session: &Session, library: &DriveView) {
    let tenant = session.sim.tenant();
    let item = tenant.file_add(&library.id, &library.root, "columns.txt", text("x")).unwrap();
    let item = format!("drives/{}/items/{item}", library.id);
    tenant.column_add(&library.id, "Status").unwrap();
    let fields = format!("{item}/listItem/fields");
    let set = session.patch(&fields, &json!({"Status": "open"})).await.expect(200);
    assert_eq!(set.text("Status"), "open");
    session.patch(&fields, &json!({"Nothing": 1})).await.expect(400);
    session.patch(&fields, &json!({"Title": "T"})).await.expect(200);
    assert_eq!(session.get(&fields).await.expect(200).text("Status"), "open");
    let listed = session.get(&format!("{item}/listItem?$expand=fields")).await.expect(200);
    assert_eq!(listed.json["fields"]["Status"], "open");
    let expanded = session.get(&format!("{item}?$expand=listItem($expand=fields)")).await;
    assert_eq!(expanded.expect(200).json["listItem"]["fields"]["Status"], "open");
    let list = session.get(&format!("drives/{}/list", library.id)).await.expect(200);
    let items = format!("sites/{}/lists/{}/items", library.site, list.text("id"));
    let page = session.get(&format!("{items}?$expand=fields&$top=1")).await.expect(200);
    assert!(page.json.get("@odata.nextLink").is_some());
    changes_of_columns(session, &format!("{items}/delta"), &fields).await;
    let list = format!("sites/{}/lists/{}", library.site, list.text("id"));
    let columns = session.get(&format!("{list}/columns")).await.expect(200);
    let named = |name: &str| columns.values().iter().find(|column| column["name"] == name).unwrap();
    assert_eq!(named("Status")["readOnly"], false);
    assert_eq!(named("_ComplianceTag")["readOnly"], true);
    let expand = "$expand=columns($select=name)";
    let expanded = session.get(&format!("{list}?{expand}")).await.expect(200);
    let found = expanded.json["columns"].as_array().unwrap();
    assert_eq!(found.len(), columns.values().len());
    assert_eq!(found.last().unwrap(), &json!({"name": "Status"}));
    let of_drive = session.get(&format!("drives/{}/list?{expand}", library.id)).await.expect(200);
    assert_eq!(of_drive.json["columns"], expanded.json["columns"]);
    let some = session.get(&format!("{items}?$expand=fields($select=Status)")).await.expect(200);
    let fields = some.values().last().unwrap()["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["@odata.etag", "id", "Status"]);
    let one = format!("{items}/{}", listed.text("id"));
    let patched = session.patch(&format!("{one}/fields"), &json!({"Status": "done"})).await;
    assert_eq!(patched.expect(200).text("Status"), "done");
    let one = session.get(&format!("{one}?$expand=fields,driveItem")).await.expect(200);
    assert_eq!(one.json["driveItem"]["name"], "columns.txt");
    let label = format!("{item}/retentionLabel");
    session.get(&label).await.expect(404);
    session.patch(&label, &json!({"name": "Keep"})).await.expect(200);
    assert_eq!(session.get(&label).await.expect(200).text("name"), "Keep");
    session.delete(&label).await.expect(204);
}

#[tokio::test]
async fn what_is_shown_is_what_is_there() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let folder = tenant.drive_folder_add(&drive.id, &drive.root, "Ordner Ä").unwrap();
    let file = tenant.file_add(&drive.id, &folder, "näme 🎉.docx", text("hello world")).unwrap();
    assert!(file.len() == 34 && file.starts_with("01") && drive.id.starts_with("b!"));
    let at = "2020-02-03T04:05:06Z";
    tenant.file_touch(&drive.id, &file, at.parse().unwrap()).unwrap();
    let item = session.get(&format!("{path}/items/{file}")).await.expect(200);
    assert_eq!(item.json["fileSystemInfo"]["lastModifiedDateTime"], at);
    assert_eq!(item.json["size"], 11);
    assert_eq!(item.json["parentReference"]["id"], folder.as_str());
    let parent = format!("/drives/{}/root:/Ordner%20%C3%84", drive.id);
    assert_eq!(item.json["parentReference"]["path"], parent);
    // As `rclone hashsum quickxor` gives it (rclone's documentation).
    assert_eq!(item.json["file"]["hashes"]["quickXorHash"], "aCgDG9jwBhDc4Q1yawMZAAAAAAA=");
    let url = item.text("@microsoft.graph.downloadUrl").to_owned();
    assert_eq!(session.send(session.http.get(&url)).await.expect(200).bytes, b"hello world");
    let selected = session.get(&format!("{path}/items/{file}?$select=id,size")).await.expect(200);
    assert!(selected.json.get("@microsoft.graph.downloadUrl").is_none());
    assert!(selected.json.get("name").is_none());
    session.get(&format!("{path}/items/{file}?$select=nothing")).await.expect(400);
    let views = tenant.drive_items(&drive.id).unwrap();
    let view = views.iter().find(|view| view.id == file).unwrap();
    assert_eq!(view.path, ["Ordner Ä", "näme 🎉.docx"]);
    assert_eq!(view.etag, item.text("eTag"));
    assert_eq!(view.ctag, item.text("cTag"));
    let root = session.get(&format!("{path}/root")).await.expect(200);
    assert_eq!((&root.json["size"], &root.json["folder"]["childCount"]), (&json!(11), &json!(1)));
}

#[tokio::test]
async fn tags_change_as_far_as_they_should() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, _) = onedrive(&session);
    let folder = tenant.drive_folder_add(&drive.id, &drive.root, "a").unwrap();
    let file = tenant.file_add(&drive.id, &folder, "b", text("1")).unwrap();
    let tags = |id: &str| {
        let views = tenant.drive_items(&drive.id).unwrap();
        let view = views.into_iter().find(|view| view.id == id).unwrap();
        (view.etag, view.ctag)
    };
    let (before, above) = (tags(&file), tags(&folder));
    tenant.drive_item_rename(&drive.id, &file, "c").unwrap();
    let renamed = tags(&file);
    assert!(renamed.0 != before.0 && renamed.1 == before.1, "{before:?} {renamed:?}");
    tenant.file_replace(&drive.id, &file, text("22")).unwrap();
    let replaced = tags(&file);
    assert!(replaced.0 != renamed.0 && replaced.1 != renamed.1);
    let after = tags(&folder);
    assert!(after.0 == above.0 && after.1 != above.1, "only the cTag of a folder follows");
    let views = tenant.drive_items(&drive.id).unwrap();
    let sizes: Vec<u64> = views.iter().map(|view| view.size).collect();
    assert_eq!(sizes, [2, 2, 2], "root, folder, file");
    let versions = &views[2].versions;
    assert_eq!(versions.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["2.0", "1.0"]);
    assert_eq!(tenant.version_content(&drive.id, &file, "1.0").unwrap(), b"1");
    assert_eq!(tenant.drive_content(&drive.id, &file).unwrap(), b"22");
}

#[tokio::test]
async fn downloads_are_resumed_by_ranges() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let made = FileBytes::Made { seed: 3, size: 1_000_000 };
    let file = tenant.file_add(&drive.id, &drive.root, "big.bin", made.clone()).unwrap();
    let whole = made.to_vec();
    let content = format!("{path}/items/{file}/content");
    let first = session.download(&content).await.expect(200);
    assert!(first.bytes == whole);
    assert_eq!(first.header("content-length"), "1000000");
    let url = session.get(&content).await.expect(302).header("location").to_owned();
    let ranged = |range: &str| session.http.get(&url).header("Range", range.to_owned());
    let part = session.send(ranged("bytes=999990-")).await.expect(206);
    assert_eq!(part.header("content-range"), "bytes 999990-999999/1000000");
    assert!(part.bytes == whole[999_990..]);
    let none = session.send(ranged("bytes=1000000-")).await.expect(416);
    assert_eq!(none.header("content-range"), "bytes */1000000");
    let etag = first.header("etag").to_owned();
    let same = session.send(ranged("bytes=5-9").header("If-Range", &etag)).await.expect(206);
    assert!(same.bytes == whole[5..10]);
    tenant.file_replace(&drive.id, &file, text("other")).unwrap();
    let changed = session.send(ranged("bytes=5-9").header("If-Range", &etag)).await.expect(200);
    assert_eq!(changed.bytes, b"other");
}

#[tokio::test]
async fn download_addresses_expire_and_take_no_token() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let redirect = session.get(&format!("{path}/items/{file}/content")).await.expect(302);
    let url = redirect.header("location").to_owned();
    assert!(!url.contains("/v1.0/") && url.contains("tempauth="), "{url}");
    tenant.stats_reset();
    session.send(session.http.get(&url).bearer_auth("any")).await.expect(401);
    session.send(session.http.get(&url)).await.expect(200);
    let stats = tenant.stats();
    assert_eq!((stats.downloads, stats.authorised_downloads), (2, 1));
    session.send(session.http.get(format!("{url}x"))).await.expect(401);
    tenant.clock().advance(Duration::from_secs(3599));
    session.send(session.http.get(&url)).await.expect(200);
    tenant.clock().advance(Duration::from_secs(1));
    session.send(session.http.get(&url)).await.expect(401);
}

#[tokio::test]
async fn marks_close_a_file() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let item = format!("{path}/items/{file}");
    let marks = Marks { malware: true, ..Marks::default() };
    tenant.drive_marks_set(&drive.id, &file, marks).unwrap();
    let refused = session.get(&format!("{item}/content")).await.expect(403);
    assert_eq!((refused.code(), refused.header("x-virus-infected")), ("malwareDetected", "true"));
    let shown = session.get(&item).await.expect(200);
    assert!(shown.json.get("malware").is_some());
    assert!(shown.json.get("@microsoft.graph.downloadUrl").is_none());
    let marks = Marks { locked: true, ..Marks::default() };
    tenant.drive_marks_set(&drive.id, &file, marks).unwrap();
    assert_eq!(session.get(&format!("{item}/content")).await.expect(423).code(), "resourceLocked");
    session.delete(&item).await.expect(423);
    let marks = Marks { checked_out: true, ..Marks::default() };
    tenant.drive_marks_set(&drive.id, &file, marks).unwrap();
    assert_eq!(session.download(&format!("{item}/content")).await.expect(200).bytes, b"x");
    let shown = session.get(&item).await.expect(200);
    assert_eq!(shown.json["publication"]["level"], "checkout");
    session.put(&format!("{item}/content"), b"y".to_vec()).await.expect(423);
    let notebook = tenant.package_add(&drive.id, &drive.root, "Notes", "oneNote").unwrap();
    let shown = session.get(&format!("{path}/items/{notebook}")).await.expect(200);
    assert_eq!(shown.json["package"]["type"], "oneNote");
    assert!(shown.json.get("folder").is_none() && shown.json.get("file").is_none());
    session.get(&format!("{path}/items/{notebook}/content")).await.expect(404);
}

#[tokio::test]
async fn shortcuts_point_to_another_drive() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let ((drive, path), (library, _)) = (onedrive(&session), library(&session));
    let folder = tenant.drive_folder_add(&library.id, &library.root, "Shared").unwrap();
    let target = (library.id.as_str(), folder.as_str());
    let link = tenant.shortcut_add(&drive.id, &drive.root, "Link", target).unwrap();
    let shown = session.get(&format!("{path}/items/{link}")).await.expect(200);
    assert_eq!(shown.json["remoteItem"]["id"], folder.as_str());
    assert_eq!(shown.json["remoteItem"]["parentReference"]["driveId"], library.id.as_str());
    assert!(shown.json.get("folder").is_none());
}

#[tokio::test]
async fn children_come_in_pages() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    for number in 0..7 {
        tenant.file_add(&drive.id, &drive.root, &format!("{number}"), text("x")).unwrap();
    }
    let (mut link, mut all) = (format!("{path}/root/children?$top=3&$select=name"), Vec::new());
    loop {
        let page = session.get(&link).await.expect(200);
        all.extend(names(page.values()).into_iter().map(str::to_owned));
        match page.json["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn permissions_of_applications_are_kept_to() {
    let mut session = session().await;
    let (drive, path) = onedrive(&session);
    let file = session.sim.tenant().file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let backup = session.sim.info.backup.clone();
    session.act_as(&backup).await;
    session.get(&format!("{path}/root/delta")).await.expect(200);
    session.download(&format!("{path}/items/{file}/content")).await.expect(200);
    session.get("sites/getAllSites").await.expect(200);
    let denied = session.put(&format!("{path}/items/{file}/content"), b"y".to_vec()).await;
    assert_eq!(denied.expect(403).code(), "accessDenied");
    let restore = session.sim.info.restore.clone();
    session.act_as(&restore).await;
    session.put(&format!("{path}/items/{file}/content"), b"y".to_vec()).await.expect(200);
    let upload = format!("{path}/root:/b:/createUploadSession");
    session.post(&upload, &json!({})).await.expect(200);
}

#[tokio::test]
async fn a_tenant_with_drives_comes_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = || SimConfig {
        empty: true,
        files_per_user: 1,
        sites: 1,
        state: Some(folder.path().to_owned()),
        ..config()
    };
    let session = Session::with(config()).await;
    let tenant = session.sim.tenant();
    let (drive, path) = library(&session);
    let root = drive.root.as_str();
    let made = FileBytes::Made { seed: 1, size: 5_000_000 };
    tenant.file_add(&drive.id, root, "made.bin", made).unwrap();
    let file = tenant.file_add(&drive.id, root, "a.txt", text("one")).unwrap();
    tenant.file_replace(&drive.id, &file, text("two")).unwrap();
    tenant.drive_share(&drive.id, &file, &tenant.users()[1].upn, "write").unwrap();
    tenant.drive_link_add(&drive.id, &file, "view", "anonymous").unwrap();
    let fields = [("Status".to_owned(), json!({"a": [1, "x"]}))].into();
    tenant.drive_fields_set(&drive.id, &file, fields).unwrap();
    tenant.drive_label_set(&drive.id, &file, Some("Keep")).unwrap();
    let link = session.get(&format!("{path}/root/delta")).await.expect(200);
    let link = link.text("@odata.deltaLink").to_owned();
    let gone = tenant.file_add(&drive.id, root, "gone", text("x")).unwrap();
    tenant.drive_item_remove(&drive.id, &gone).unwrap();
    let everything = |tenant: &holdfast_sim::Tenant| {
        (tenant.drives(), tenant.sites(), tenant.drive_items(&drive.id))
    };
    let before = everything(tenant);
    assert_eq!(before.2.as_ref().unwrap().len(), 3);
    session.sim.stop().await;

    let session = Session::with(config()).await;
    let tenant = session.sim.tenant();
    assert_eq!(everything(tenant), before);
    let link = link.split("/v1.0/").nth(1).unwrap();
    assert_eq!(session.get(link).await.expect(200).values().len(), 0);
}
