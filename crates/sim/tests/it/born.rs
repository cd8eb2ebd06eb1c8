//! What a tenant is born with, seen through the control API; and its ransomware day.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use holdfast_sim::content::company;
use holdfast_sim::content::drives::{New, Node, Place, SeedDrive, drives, places};
use holdfast_sim::content::ransom::{NOTE, NOTE_NAME};
use holdfast_sim::{DriveItemView, DriveView, SimConfig, Tenant};

use crate::company::Drive;
use crate::session::{Session, config};

async fn session(users: usize, files: usize, sites: usize) -> Session {
    let (files_per_user, mails_per_user) = (files, 2);
    Session::with(SimConfig { users, files_per_user, sites, mails_per_user, ..config() }).await
}

/// The drive at this place of the generator.
fn at(tenant: &Tenant, place: &Place) -> DriveView {
    match place {
        Place::OneDrive { user } => tenant.onedrive(&tenant.users()[*user].upn).unwrap(),
        Place::Library { site, name } => {
            let team_sites: Vec<_> =
                tenant.sites().into_iter().filter(|site| !site.is_personal).collect();
            let mut all = tenant.drives().into_iter();
            all.find(|drive| drive.site == team_sites[*site].id && drive.name == *name).unwrap()
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use aws_lc_rs::digest;
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// Path, and hashes of the versions from the first on, of every item.
fn expected(seed: &SeedDrive) -> BTreeMap<String, Vec<String>> {
    let drive = Drive::of(seed);
    let item = |(node, item): (&Node, &crate::company::Item)| {
        let hashes = item.contents.iter().map(|bytes| sha256(bytes)).collect();
        (drive.path(*node), hashes)
    };
    drive.items.iter().map(item).collect()
}

fn found(items: &[DriveItemView]) -> BTreeMap<String, Vec<String>> {
    let below_root = items.iter().filter(|item| item.parent.is_some());
    let one = |item: &DriveItemView| {
        let hashes = item.versions.iter().rev().map(|version| version.sha256.clone()).collect();
        (item.path.join("/"), hashes)
    };
    below_root.map(one).collect()
}

#[tokio::test]
async fn a_tenant_is_born_with_every_step_of_its_drives() {
    let session = session(4, 12, 2).await;
    let tenant = session.sim.tenant();
    assert_eq!(tenant.drives().len(), 2 + 1 + 4);
    for seed in drives(&company(4, config().seed), config().seed, 12, 2) {
        let view = at(tenant, &seed.place);
        let items = tenant.drive_items(&view.id).unwrap();
        assert_eq!(found(&items), expected(&seed), "{:?}", seed.place);
        let model = Drive::of(&seed);
        let permissions: usize = items.iter().map(|item| item.permissions.len()).sum();
        let people: BTreeSet<_> = model.shared.iter().map(|(node, user, _)| (node, user)).collect();
        assert!(permissions >= people.len() && permissions <= people.len() + model.links.len());
        let labels = items.iter().filter(|item| item.label.is_some()).count();
        assert_eq!(labels > 0, model.labels > 0);
        let fields = items.iter().filter(|item| item.fields.contains_key("Customer")).count();
        assert_eq!(fields, model.fields.len());
        let notebooks = items.iter().filter(|item| item.package.as_deref() == Some("oneNote"));
        let made = model.items.values().filter(|item| item.what == New::Notebook).count();
        assert_eq!(notebooks.count(), made);
        let dates: BTreeSet<_> = seed.steps.iter().map(|step| step.at).collect();
        assert!(items.iter().skip(1).all(|item| dates.contains(&item.created)));
    }
}

#[tokio::test]
async fn no_files_no_onedrive_and_an_empty_tenant_has_empty_ones() {
    let none = session(2, 0, 0).await;
    assert!(none.sim.tenant().drives().is_empty() && none.sim.tenant().sites().is_empty());
    let config = SimConfig { users: 2, files_per_user: 5, sites: 1, empty: true, ..config() };
    let session = Session::with(config).await;
    let tenant = session.sim.tenant();
    assert_eq!(tenant.drives().len(), 2 + 2);
    for drive in tenant.drives() {
        assert_eq!(tenant.drive_items(&drive.id).unwrap().len(), 1, "{}", drive.name);
    }
}

async fn with_corpus(folder: &Path) -> Session {
    let corpus = Some(folder.to_owned());
    let (files_per_user, mails_per_user) = (5, 7);
    let config = SimConfig { users: 2, files_per_user, sites: 1, mails_per_user, ..config() };
    Session::with(SimConfig { corpus, ..config }).await
}

/// Names and texts of all files of all drives.
fn files(tenant: &Tenant) -> BTreeSet<(String, Vec<u8>)> {
    let mut files = BTreeSet::new();
    for drive in tenant.drives() {
        for item in tenant.drive_items(&drive.id).unwrap() {
            if !item.sha256.is_empty() {
                let bytes = tenant.drive_content(&drive.id, &item.id).unwrap();
                files.insert((item.path.join("/"), bytes));
            }
        }
    }
    files
}

fn messages(tenant: &Tenant) -> usize {
    let folders = |user: &str| tenant.folders(user).unwrap();
    let count = |user: &str, folder: &str| tenant.messages(user, folder).unwrap().len();
    let users = tenant.users();
    let all = users
        .iter()
        .flat_map(|user| folders(&user.id).into_iter().map(|folder| count(&user.id, &folder.id)));
    all.sum()
}

#[tokio::test]
async fn a_folder_of_files_takes_the_place_of_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("plans")).unwrap();
    std::fs::write(dir.path().join("plans/a.docx"), b"document").unwrap();
    std::fs::write(dir.path().join("b.txt"), b"text").unwrap();
    let documents = with_corpus(dir.path()).await;
    let expected = BTreeSet::from([
        ("plans/a.docx".to_owned(), b"document".to_vec()),
        ("b.txt".to_owned(), b"text".to_vec()),
    ]);
    assert_eq!(files(documents.sim.tenant()), expected);
    assert_eq!(messages(documents.sim.tenant()), 2 * 7);

    std::fs::write(dir.path().join("plans/c.eml"), b"Subject: a\n\nb\n").unwrap();
    let both = with_corpus(dir.path()).await;
    assert_eq!(files(both.sim.tenant()), expected);
    assert_eq!(messages(both.sim.tenant()), 1);

    let mail = tempfile::tempdir().unwrap();
    std::fs::write(mail.path().join("c.eml"), b"Subject: a\n\nb\n").unwrap();
    let mail = with_corpus(mail.path()).await;
    assert_eq!(messages(mail.sim.tenant()), 1);
    assert!(files(mail.sim.tenant()).len() > 2 * 5);
}

/// The corpus of the project, which lies beside the checkout.
#[tokio::test]
async fn the_real_documents_lie_in_drives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/documents");
    if !folder.is_dir() {
        println!("no corpus at {}: nothing tested", folder.display());
        return;
    }
    let session = with_corpus(&folder).await;
    let tenant = session.sim.tenant();
    let mut hashes = Vec::new();
    let mut waiting = vec![folder];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => hashes.push(sha256(&std::fs::read(path).unwrap())),
            }
        }
    }
    let items =
        tenant.drives().into_iter().flat_map(|drive| tenant.drive_items(&drive.id).unwrap());
    let mut kept: Vec<_> = items.map(|item| item.sha256).filter(|hash| !hash.is_empty()).collect();
    hashes.sort();
    kept.sort();
    assert!(hashes == kept, "{} files, {} in drives", hashes.len(), kept.len());
    assert_eq!(tenant.drives().len(), places(2, 1).len());
}

/// Bits of information in a byte of these.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let part = |count: &u32| f64::from(*count) / bytes.len() as f64;
    counts.iter().map(part).filter(|part| *part > 0.0).map(|part| -part * part.log2()).sum()
}

#[tokio::test]
async fn ransomware_takes_most_files_within_an_hour() {
    let session = session(1, 60, 0).await;
    let tenant = session.sim.tenant();
    let drive = tenant.drives()[0].id.clone();
    let before = tenant.drive_items(&drive).unwrap();
    let start = tenant.clock().now();
    let view = tenant.ransomware(&drive, 3).unwrap();
    let passed = tenant.clock().now().as_second() - start.as_second();
    assert!((3000..=3601).contains(&passed), "{passed}");
    assert!(view.began > start && view.ended == tenant.clock().now());
    assert!((46..60).contains(&view.files.len()), "{}", view.files.len());

    let after = tenant.drive_items(&drive).unwrap();
    assert_eq!(after.len(), before.len() + view.notes.len());
    let mut folders = BTreeSet::new();
    for old in &before {
        let new = after.iter().find(|new| new.id == old.id).unwrap();
        if !view.files.contains(&old.id) {
            assert_eq!(
                (&new.name, &new.sha256, new.modified),
                (&old.name, &old.sha256, old.modified)
            );
            continue;
        }
        folders.insert(new.parent.clone());
        assert!(new.name.ends_with(".locked"), "{}", new.name);
        assert!(new.modified >= view.began && new.modified <= view.ended);
        assert_eq!(new.versions[1..], old.versions);
        let bytes = tenant.drive_content(&drive, &new.id).unwrap();
        assert!(bytes.len() as u64 > old.size);
        assert!(bytes.len() < 4000 || entropy(&bytes) > 7.9, "{}", entropy(&bytes));
    }
    let notes = after.iter().filter(|item| item.name == NOTE_NAME);
    let notes: BTreeSet<_> = notes.map(|note| note.parent.clone()).collect();
    assert_eq!(notes, folders);
    for note in &view.notes {
        assert_eq!(tenant.drive_content(&drive, note).unwrap(), NOTE.as_bytes());
    }
}

#[tokio::test]
async fn the_same_attack_strikes_the_same_twice_and_by_script() {
    let (first, second) = (session(1, 20, 0).await, session(1, 20, 0).await);
    let drive = first.sim.tenant().drives()[0].id.clone();
    let view = first.sim.tenant().ransomware(&drive, 9).unwrap();
    let body = serde_json::json!({"action": "ransomware", "drive": drive, "seed": 9});
    let url = format!("{}/_sim/drives", second.sim.info.graph_url);
    let answer = second.request("POST", &url).json(&body).send().await.unwrap();
    let told: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(told["files"], serde_json::json!(view.files));
    let items = |session: &Session| {
        let items = session.sim.tenant().drive_items(&drive).unwrap();
        items.into_iter().map(|item| (item.path, item.sha256)).collect::<Vec<_>>()
    };
    assert_eq!(items(&first), items(&second));
    let third = session(1, 20, 0).await;
    assert_ne!(third.sim.tenant().ransomware(&drive, 10).unwrap().files, view.files);
    assert!(third.sim.tenant().ransomware("b!none", 1).is_err());
}

#[tokio::test]
async fn downloads_and_uploads_can_lie_on_another_host() {
    let files_host = Some("localhost".to_owned());
    let config = SimConfig { users: 1, files_per_user: 3, files_host, ..config() };
    let session = Session::with(config).await;
    let tenant = session.sim.tenant();
    let drive = tenant.drives()[0].clone();
    let items = tenant.drive_items(&drive.id).unwrap();
    let file = items.iter().find(|item| item.size > 0 && !item.sha256.is_empty()).unwrap();
    let path = format!("drives/{}/items/{}", drive.id, file.id);
    let redirect = session.get(&format!("{path}/content")).await.expect(302);
    let port = session.sim.info.graph_url.rsplit_once(':').unwrap().1;
    let location = redirect.header("location");
    assert!(location.starts_with(&format!("https://localhost:{port}/")), "{location}");
    let bytes = session.http.get(location).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(sha256(&bytes), file.sha256);
    let item = session.get(&path).await.expect(200);
    assert!(item.text("@microsoft.graph.downloadUrl").starts_with("https://localhost:"));
    let body = serde_json::json!({"item": {"@microsoft.graph.conflictBehavior": "replace"}});
    let upload = session.post(&format!("{path}/createUploadSession"), &body).await.expect(200);
    assert!(upload.text("uploadUrl").starts_with("https://localhost:"), "{:?}", upload.json);
}

#[tokio::test]
async fn the_root_has_a_delta_by_its_id_and_no_other_item_has_one() {
    let session = session(1, 5, 0).await;
    let drive = session.sim.tenant().drives()[0].clone();
    let items = format!("drives/{}/items", drive.id);
    let by_id = session.get(&format!("{items}/{}/delta()", drive.root)).await.expect(200);
    let by_name = session.get(&format!("drives/{}/root/delta", drive.id)).await.expect(200);
    assert_eq!(by_id.values(), by_name.values());
    assert!(by_id.values().len() > 5);
    let other = by_id.values().iter().find(|item| item["root"].is_null()).unwrap();
    let path = format!("{items}/{}/delta", other["id"].as_str().unwrap());
    assert_eq!(session.get(&path).await.expect(400).code(), "invalidRequest");
}
