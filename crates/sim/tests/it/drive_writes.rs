//! Writing into drives: names, conflicts, upload sessions, quotas, Office files, sharing.

use holdfast_sim::{DriveView, FileBytes};
use serde_json::{Value, json};

use crate::drives::{library, names, onedrive, session, text};
use crate::session::{Answer, Session};

/// The unit of pieces.
const UNIT: usize = 320 * 1024;

async fn upload_session(session: &Session, path: &str, item: Value) -> String {
    let body = json!({"item": item});
    let made = session.post(&format!("{path}:/createUploadSession"), &body).await.expect(200);
    made.text("uploadUrl").to_owned()
}

async fn piece(session: &Session, url: &str, bytes: &[u8], from: usize, to: usize) -> Answer {
    let range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
    let put = session.http.put(url).header("Content-Range", range);
    session.send(put.body(bytes[from..to].to_vec())).await
}

fn content(session: &Session, drive: &DriveView, item: &str) -> Vec<u8> {
    session.sim.tenant().drive_content(&drive.id, item).unwrap()
}

#[tokio::test]
async fn pieces_come_in_order_and_make_a_file() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let bytes: Vec<u8> = (0..3 * UNIT + 7).map(|number| (number % 251) as u8).collect();
    let info = json!({"createdDateTime": "2019-01-02T03:04:05Z",
                      "lastModifiedDateTime": "2020-01-02T03:04:05Z"});
    let item = json!({"name": "big.bin", "fileSize": bytes.len(), "fileSystemInfo": info,
                      "@microsoft.graph.conflictBehavior": "replace"});
    let url = upload_session(&session, &format!("{path}/root:/big.bin"), item).await;
    let token = session.http.put(&url).bearer_auth("any").body(vec![0; 10]);
    session.send(token).await.expect(401);
    assert_eq!(piece(&session, &url, &bytes, 0, 1000).await.expect(400).code(), "invalidRequest");
    let first = piece(&session, &url, &bytes, 0, UNIT).await.expect(202);
    assert_eq!(first.json["nextExpectedRanges"], json!([format!("{UNIT}-")]));
    let again = piece(&session, &url, &bytes, 0, UNIT).await.expect(416);
    assert_eq!(again.code(), "invalidRange");
    assert_eq!(again.json["error"]["innerError"]["code"], "fragmentOverlap");
    let gap = piece(&session, &url, &bytes, 2 * UNIT, 3 * UNIT).await.expect(416);
    assert_eq!(gap.json["error"]["innerError"]["code"], "fragmentOutOfOrder");
    let state = session.send(session.http.get(&url)).await.expect(200);
    assert_eq!(state.json["nextExpectedRanges"], json!([format!("{UNIT}-")]));
    piece(&session, &url, &bytes, UNIT, 3 * UNIT).await.expect(202);
    let made = piece(&session, &url, &bytes, 3 * UNIT, bytes.len()).await.expect(201);
    assert_eq!(made.json["fileSystemInfo"], info);
    assert!(content(&session, &drive, made.text("id")) == bytes);
    session.send(session.http.get(&url)).await.expect(404);
}

#[tokio::test]
async fn conflicts_are_solved_as_told() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let tenant = session.sim.tenant();
    let old = tenant.file_add(&drive.id, &drive.root, "a.txt", text("old")).unwrap();
    let bytes = b"new".to_vec();
    let address = format!("{path}/root:/A.TXT");
    let open = async |behaviour: &str| {
        let item = json!({"@microsoft.graph.conflictBehavior": behaviour});
        upload_session(&session, &address, item).await
    };
    let url = open("fail").await;
    let taken = piece(&session, &url, &bytes, 0, 3).await.expect(409);
    assert_eq!(taken.code(), "nameAlreadyExists");
    let kept = session.send(session.http.get(&url)).await.expect(200);
    assert_eq!(kept.json["nextExpectedRanges"], json!([]));
    let renamed = piece(&session, &open("rename").await, &bytes, 0, 3).await.expect(201);
    assert_eq!(renamed.text("name"), "A 1.TXT");
    assert_eq!(content(&session, &drive, &old), b"old");
    let replaced = piece(&session, &open("replace").await, &bytes, 0, 3).await.expect(200);
    assert_eq!((replaced.text("id"), replaced.text("name")), (old.as_str(), "a.txt"));
    assert_eq!(tenant.version_content(&drive.id, &old, "1.0").unwrap(), b"old");
    let fails = format!("{address}:/content?@microsoft.graph.conflictBehavior=fail");
    session.put(&fails, b"x".to_vec()).await.expect(409);
    let folder = |behaviour: &str| json!({"name": "Folder", "folder": {}, "@microsoft.graph.conflictBehavior": behaviour});
    let children = format!("{path}/root/children");
    let first = session.post(&children, &folder("fail")).await.expect(201);
    let same = session.post(&children, &folder("replace")).await.expect(201);
    assert_eq!(same.json["id"], first.json["id"]);
    let other = session.post(&children, &folder("rename")).await.expect(201);
    assert_eq!(other.text("name"), "Folder 1");
}

#[tokio::test]
async fn a_commit_can_wait() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let address = format!("{path}/root:/a.txt:/createUploadSession");
    let made = session.post(&address, &json!({"deferCommit": true})).await.expect(200);
    let url = made.text("uploadUrl").to_owned();
    let waiting = piece(&session, &url, b"abc", 0, 3).await.expect(202);
    assert_eq!(waiting.json["nextExpectedRanges"], json!([]));
    assert_eq!(session.sim.tenant().drive_items(&drive.id).unwrap().len(), 1);
    let done = session.send(session.http.post(&url)).await.expect(201);
    assert_eq!(content(&session, &drive, done.text("id")), b"abc");
}

#[tokio::test]
async fn a_full_drive_takes_no_more() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let tenant = session.sim.tenant();
    tenant.drive_quota_set(&drive.id, 10).unwrap();
    let small = session.put(&format!("{path}/root:/a:/content"), vec![0; 8]).await.expect(201);
    let shown = session.get(&path).await.expect(200);
    let quota = &shown.json["quota"];
    assert_eq!((&quota["used"], &quota["remaining"]), (&json!(8), &json!(2)));
    assert_eq!(quota["state"], "nearing");
    let full = session.put(&format!("{path}/root:/b:/content"), vec![0; 3]).await.expect(507);
    assert_eq!(full.code(), "insufficientStorage");
    assert_eq!(full.json["error"]["innerError"]["code"], "quotaLimitReached");
    let body = json!({"item": {"fileSize": 3}});
    let address = format!("{path}/root:/b:/createUploadSession");
    session.post(&address, &body).await.expect(507);
    let url = upload_session(&session, &format!("{path}/root:/b"), json!({})).await;
    piece(&session, &url, b"abc", 0, 3).await.expect(507);
    let smaller = format!("{path}/items/{}/content", small.text("id"));
    session.put(&smaller, vec![0; 4]).await.expect(200);
    piece(
        &session,
        &upload_session(&session, &format!("{path}/root:/b"), json!({})).await,
        b"abc",
        0,
        3,
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn names_that_the_service_refuses_are_refused() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let children = format!("{path}/root/children");
    for bad in ["a:b", "CON", " a", "a.", "~$a", "_vti_x", "a|b"] {
        let body = json!({"name": bad, "folder": {}});
        let refused = session.post(&children, &body).await.expect(400);
        assert_eq!(refused.json["error"]["innerError"]["code"], "invalidResourceName", "{bad}");
    }
    let tenant = session.sim.tenant();
    let deep = tenant.drive_folder_add(&drive.id, &drive.root, &"d".repeat(200)).unwrap();
    let item = format!("{path}/items/{deep}");
    session.put(&format!("{item}:/{}:/content", "e".repeat(199)), vec![1]).await.expect(201);
    let long = session.put(&format!("{item}:/{}:/content", "f".repeat(200)), vec![1]).await;
    assert_eq!(long.expect(400).json["error"]["innerError"]["code"], "pathTooLong");
    let body = json!({"name": "d".repeat(201)});
    session.patch(&item, &body).await.expect(400);
    let tricky = "100% #1 + ä & (x)'y'.txt";
    let body = json!({"name": tricky, "folder": {}});
    session.post(&children, &body).await.expect(201);
    let mut url = url::Url::parse(&session.url(&format!("{path}/root:/"))).unwrap();
    url.path_segments_mut().unwrap().pop().push(tricky);
    assert_eq!(session.get(url.as_str()).await.expect(200).text("name"), tricky);
}

#[tokio::test]
async fn items_are_moved_renamed_and_dated() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let tenant = session.sim.tenant();
    let folder = tenant.drive_folder_add(&drive.id, &drive.root, "Folder").unwrap();
    let below = tenant.drive_folder_add(&drive.id, &folder, "below").unwrap();
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let item = format!("{path}/items/{file}");
    let dates = json!({"createdDateTime": "2001-01-01T00:00:00Z",
                       "lastModifiedDateTime": "2002-01-01T00:00:00Z"});
    let body = json!({"parentReference": {"id": below}, "name": "b", "fileSystemInfo": dates});
    let moved = session.patch(&item, &body).await.expect(200);
    assert_eq!(moved.json["fileSystemInfo"], dates);
    let views = tenant.drive_items(&drive.id).unwrap();
    assert_eq!(views.last().unwrap().path, ["Folder", "below", "b"]);
    let cycle = json!({"parentReference": {"id": below}});
    session.patch(&format!("{path}/items/{folder}"), &cycle).await.expect(400);
    session.patch(&format!("{path}/root"), &json!({"name": "x"})).await.expect(405);
    let root = format!("{path}/items/{}", drive.root);
    session.patch(&root, &json!({"name": "x"})).await.expect(400);
    session.delete(&root).await.expect(400);
    let stale = session.request("DELETE", &item).header("If-Match", "\"{X},1\"");
    session.send(stale).await.expect(412);
    session.delete(&format!("{path}/items/{folder}")).await.expect(204);
    let left = session.get(&format!("{path}/root/children")).await.expect(200);
    assert_eq!(names(left.values()), Vec::<&str>::new());
    assert_eq!(tenant.drive_items(&drive.id).unwrap()[0].size, 0);
}

/// A small Office file: an archive with the two parts that all of them have.
fn document() -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [
        ("[Content_Types].xml", "<Types></Types>"),
        ("_rels/.rels", "<Relationships></Relationships>"),
        ("word/document.xml", "<text/>"),
    ] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn libraries_rewrite_office_files() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let bytes = document();
    let ((own, own_path), (shared, shared_path)) = (onedrive(&session), library(&session));
    let put = async |path: &str, name: &str| {
        let made = session.put(&format!("{path}/root:/{name}:/content"), bytes.clone()).await;
        made.expect(201).text("id").to_owned()
    };
    let same = put(&own_path, "a.docx").await;
    assert!(content(&session, &own, &same) == bytes);
    let other = put(&shared_path, "a.docx").await;
    let stored = content(&session, &shared, &other);
    assert!(stored.len() > bytes.len());
    let shown = session.get(&format!("{shared_path}/items/{other}")).await.expect(200);
    assert_eq!(shown.json["size"], stored.len());
    assert!(content(&session, &shared, &put(&shared_path, "a.zip").await) == bytes);
    tenant.drive_options_set(&shared.id, |options| options.rewrites = false).unwrap();
    assert!(content(&session, &shared, &put(&shared_path, "b.docx").await) == bytes);
}

#[tokio::test]
async fn a_made_file_can_be_uploaded_without_being_kept() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let made = FileBytes::Made { seed: 8, size: 70 * 1024 * 1024 };
    tenant.file_add(&drive.id, &drive.root, "made.bin", made.clone()).unwrap();
    let bytes = made.to_vec();
    let url = upload_session(&session, &format!("{path}/root:/copy.bin"), json!({})).await;
    let step = 100 * UNIT;
    piece(&session, &url, &bytes, 0, step).await.expect(202);
    piece(&session, &url, &bytes, step, 2 * step).await.expect(202);
    piece(&session, &url, &bytes, 2 * step, bytes.len()).await.expect(201);
    let views = tenant.drive_items(&drive.id).unwrap();
    assert_eq!(views[1].sha256, views[2].sha256);
}

#[tokio::test]
async fn invitations_that_are_sent_are_counted() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let invite = format!("{path}/items/{file}/invite");
    let email = &tenant.users()[1].upn;
    let body = |email: &str, send: bool| json!({"recipients": [{"email": email}], "roles": ["read"], "sendInvitation": send});
    session.post(&invite, &body(email, false)).await.expect(200);
    assert_eq!(tenant.stats().invitations, 0);
    session.post(&invite, &body(email, true)).await.expect(200);
    assert_eq!(tenant.stats().invitations, 1);
    let unknown = session.post(&invite, &body("who@else.example", false)).await.expect(400);
    assert_eq!(unknown.json["error"]["innerError"]["code"], "noResolvedUsers");
    tenant.drive_options_set(&drive.id, |options| options.sharing_disabled = true).unwrap();
    let refused = session.post(&invite, &body(email, false)).await.expect(403);
    assert_eq!(refused.json["error"]["innerError"]["code"], "sharingDisabled");
}

#[tokio::test]
async fn permissions_are_inherited() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let folder = tenant.drive_folder_add(&drive.id, &drive.root, "Folder").unwrap();
    let file = tenant.file_add(&drive.id, &folder, "a", text("x")).unwrap();
    let id = tenant.drive_share(&drive.id, &folder, &tenant.users()[1].upn, "write").unwrap();
    let item = format!("{path}/items/{file}");
    let all = session.get(&format!("{item}/permissions")).await.expect(200);
    let roles: Vec<&Value> = all.values().iter().map(|one| &one["roles"][0]).collect();
    assert_eq!(roles, ["write", "owner"]);
    assert_eq!(all.values()[0]["inheritedFrom"]["id"], folder.as_str());
    let kept = session.delete(&format!("{item}/permissions/{id}")).await.expect(403);
    assert_eq!(kept.code(), "accessDenied");
    assert!(session.get(&item).await.expect(200).json.get("shared").is_none());
    tenant.drive_unshare(&drive.id, &folder, &id).unwrap();
    let all = session.get(&format!("{item}/permissions")).await.expect(200);
    assert_eq!(all.values().len(), 1);
}
