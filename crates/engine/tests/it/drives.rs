//! Drives: what is backed up is what the tenant has, at the cost of what changed.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::browse::{At, ls};
use holdfast_engine::tenant::set_file_versions;
use holdfast_model::{FileVersions, Outcome};
use holdfast_testkit::sim::{DriveView, Fault, FaultKind, FileBytes, RetryAfter, Tenant};
use holdfast_testkit::{
    Options, TENANT, TestContext, assert_same_files, live_files, sha256, stored_files,
};

/// One person with a OneDrive that is made by hand.
pub async fn context(sites: usize) -> (TestContext, DriveView) {
    let options = Options { users: 1, mails: 0, sites, ..Options::default() };
    let t = TestContext::new(options).await;
    let upn = t.people().remove(0);
    let drive = t.tenant().onedrive_add(&upn).unwrap();
    (t, drive)
}

pub fn bytes(text: &str) -> FileBytes {
    FileBytes::Bytes(Arc::from(text.as_bytes()))
}

/// Name of the resource of a person's OneDrive.
pub fn onedrive(t: &TestContext) -> String {
    format!("onedrive/{}", t.people()[0])
}

async fn assert_stored(t: &TestContext, resource: &str, drive: &DriveView) {
    let stored = stored_files(&t.home, resource, &At::Latest).await.unwrap();
    assert_same_files(&stored, &live_files(t.tenant(), &drive.site), resource);
}

fn units(tenant: &Tenant) -> u64 {
    tenant.stats().resource_units
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_at_their_paths_and_changes_cost_what_changed() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let folder = tenant.drive_folder_add(&drive.id, &drive.root, "Projects").unwrap();
    let inner = tenant.drive_folder_add(&drive.id, &folder, "Übersicht").unwrap();
    let plan = tenant.file_add(&drive.id, &inner, "plan.txt", bytes("one")).unwrap();
    tenant.file_add(&drive.id, &drive.root, "empty.bin", bytes("")).unwrap();
    for number in 0..30 {
        let name = format!("file {number}.txt");
        tenant.file_add(&drive.id, &folder, &name, bytes(&format!("text {number}"))).unwrap();
    }
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!((report.counts.items_new, report.counts.items_failed), (32, 0));
    let name = onedrive(&t);
    assert_stored(&t, &name, &drive).await;
    let listed = ls(&t.home, None, &name, &At::Latest, "Projects/Übersicht", false).await.unwrap();
    assert_eq!(listed.len(), 1, "the drive's own name may be left out");
    assert_eq!(
        (listed[0].path.as_str(), listed[0].kind),
        ("OneDrive/Projects/Übersicht/plan.txt", "file")
    );

    let before = (tenant.stats().downloads, units(tenant));
    let report = t.backup().await;
    assert!(report.counts.is_idle(), "{report:#?}");
    assert_eq!(tenant.stats().downloads, before.0);
    let first = t.home.clock.now();

    // A folder with 30 files moves: one entry, nothing fetched.
    let target = tenant.drive_folder_add(&drive.id, &drive.root, "Archive").unwrap();
    tenant.drive_item_move(&drive.id, &folder, &target).unwrap();
    tenant.drive_item_rename(&drive.id, &plan, "Plan B.txt").unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!(tenant.stats().downloads, before.0, "a move fetches nothing");
    assert_stored(&t, &name, &drive).await;

    tenant.file_replace(&drive.id, &plan, bytes("two")).unwrap();
    let cost = units(tenant);
    let report = t.backup().await;
    assert_eq!((report.counts.items_changed, tenant.stats().downloads), (1, before.0 + 1));
    assert!(units(tenant) - cost <= 2 + 2 + 2, "{} units", units(tenant) - cost);
    assert_eq!(report.resource_units, units(tenant) - cost, "as the tenant counts them");
    assert_stored(&t, &name, &drive).await;
    tenant.drive_item_remove(&drive.id, &folder).unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.items_deleted, 31);
    assert_stored(&t, &name, &drive).await;
    let then = stored_files(&t.home, &name, &At::Time(first)).await.unwrap();
    assert_eq!(then.len(), 32);
    assert_eq!(then[&plan].sha256, sha256(b"one"));
    assert_eq!(then[&plan].path, ["OneDrive", "Projects", "Übersicht", "plan.txt"]);
    assert_eq!(tenant.stats().authorised_downloads, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_change_hands_in_one_round_end_right() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let root = &drive.root;
    let a = tenant.file_add(&drive.id, root, "a.txt", bytes("a")).unwrap();
    let b = tenant.file_add(&drive.id, root, "b.txt", bytes("b")).unwrap();
    let one = tenant.drive_folder_add(&drive.id, root, "One").unwrap();
    let two = tenant.drive_folder_add(&drive.id, root, "Two").unwrap();
    tenant.file_add(&drive.id, &one, "in one.txt", bytes("1")).unwrap();
    tenant.file_add(&drive.id, &two, "in two.txt", bytes("2")).unwrap();
    t.backup().await;
    let swap = |x: &str, y: &str, x_name: &str, y_name: &str| {
        tenant.drive_item_rename(&drive.id, x, "passing").unwrap();
        tenant.drive_item_rename(&drive.id, y, x_name).unwrap();
        tenant.drive_item_rename(&drive.id, x, y_name).unwrap();
    };
    swap(&a, &b, "a.txt", "b.txt");
    swap(&one, &two, "One", "Two");
    let c = tenant.file_add(&drive.id, root, "c", bytes("c")).unwrap();
    t.backup().await;
    let name = onedrive(&t);
    assert_stored(&t, &name, &drive).await;
    // A folder comes in the place of a file, and a file in that of another one.
    tenant.drive_item_remove(&drive.id, &c).unwrap();
    let c = tenant.drive_folder_add(&drive.id, root, "c").unwrap();
    tenant.file_add(&drive.id, &c, "inner.txt", bytes("i")).unwrap();
    tenant.drive_item_remove(&drive.id, &a).unwrap();
    tenant.file_add(&drive.id, root, "b.txt", bytes("new b")).unwrap();
    // A folder goes into the one that lay in it.
    let inner = tenant.drive_folder_add(&drive.id, &one, "Inner").unwrap();
    t.backup().await;
    assert_stored(&t, &name, &drive).await;
    tenant.drive_item_move(&drive.id, &inner, root).unwrap();
    tenant.drive_item_move(&drive.id, &one, &inner).unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_stored(&t, &name, &drive).await;
    let paths: Vec<String> = ls(&t.home, None, &name, &At::Latest, "", true)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert!(paths.iter().all(|path| !path.contains('~')), "a name was not given back: {paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_taken_as_the_rule_says() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let file = tenant.file_add(&drive.id, &drive.root, "plan.txt", bytes("v1")).unwrap();
    for text in ["v2", "v3", "v4"] {
        t.advance(Duration::from_secs(60));
        tenant.file_replace(&drive.id, &file, bytes(text)).unwrap();
    }
    t.backup().await;
    assert_eq!(versions(&t, &drive).await, [] as [&str; 0], "the latest alone");
    set_file_versions(&t.home, TENANT, FileVersions::Earlier(2)).await.unwrap();
    tenant.file_replace(&drive.id, &file, bytes("v5")).unwrap();
    t.backup().await;
    assert_eq!(versions(&t, &drive).await, ["v3", "v4"].map(|text| sha256(text.as_bytes())));
    let before = tenant.stats().downloads;
    set_file_versions(&t.home, TENANT, FileVersions::All).await.unwrap();
    tenant.file_replace(&drive.id, &file, bytes("v6")).unwrap();
    t.backup().await;
    let all = ["v1", "v2", "v3", "v4", "v5"].map(|text| sha256(text.as_bytes()));
    assert_eq!(versions(&t, &drive).await, all);
    assert_eq!(tenant.stats().downloads - before, 4, "the file, and v1, v2, v5");
    assert_stored(&t, &onedrive(&t), &drive).await;
    tenant.drive_item_remove(&drive.id, &file).unwrap();
    t.backup().await;
    assert_eq!(versions(&t, &drive).await, [] as [&str; 0], "they go with their file");
}

/// Hashes of the earlier versions in the newest restore point, by name.
pub async fn versions(t: &TestContext, _: &DriveView) -> Vec<String> {
    let located =
        holdfast_engine::browse::locate(&t.home, None, &onedrive(t), &At::Latest).await.unwrap();
    let reader = &located.reader;
    let mut found = Vec::new();
    let top = reader.node(located.tree, &["~versions"]).unwrap();
    let Some(top) = top else { return Vec::new() };
    let mut open = vec![top.tree().unwrap()];
    while let Some(tree) = open.pop() {
        for node in reader.list(tree).unwrap() {
            match node.tree() {
                Some(tree) => open.push(tree),
                None => found.push((node.name.clone(), sha256(&reader.bytes(&node).unwrap()))),
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, hash)| hash).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_drive_of_shared_files_goes_on() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    for number in 0..24 {
        let name = format!("shared {number}.txt");
        let file = tenant.file_add(&drive.id, &drive.root, &name, bytes(&name)).unwrap();
        tenant.drive_link_add(&drive.id, &file, "view", "organization").unwrap();
    }
    // Fewer places at once: downloads wait in the queue while sharing is to be asked for.
    let throttle = FaultKind::Throttle(RetryAfter::Seconds(7));
    tenant.faults().inject(Fault::once(throttle, "/content").after(1).times(3));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_new), (Outcome::Complete, 24), "{report:#?}");
    assert_stored(&t, &onedrive(&t), &drive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_moves_and_cannot_be_read_keeps_its_last_version() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let old = tenant.drive_folder_add(&drive.id, &drive.root, "Old").unwrap();
    let new = tenant.drive_folder_add(&drive.id, &drive.root, "New").unwrap();
    let file = tenant.file_add(&drive.id, &old, "plan.txt", bytes("one")).unwrap();
    t.backup().await;
    tenant.file_replace(&drive.id, &file, bytes("two")).unwrap();
    tenant.drive_item_move(&drive.id, &file, &new).unwrap();
    tenant.drive_item_remove(&drive.id, &old).unwrap();
    tenant.faults().inject(Fault::always(FaultKind::ServerError(500), &format!("{file}/content")));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Partial, 1), "{report:#?}");
    let name = onedrive(&t);
    let stored = stored_files(&t.home, &name, &At::Latest).await.unwrap();
    assert_eq!(stored[&file].path, ["OneDrive", "New", "plan.txt"]);
    assert_eq!(stored[&file].sha256, sha256(b"one"));
    tenant.faults().clear();
    t.backup().await;
    assert_stored(&t, &name, &drive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_that_could_not_be_read_is_asked_for_again() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let file = tenant.file_add(&drive.id, &drive.root, "plan.txt", bytes("x")).unwrap();
    tenant.drive_link_add(&drive.id, &file, "view", "organization").unwrap();
    tenant.faults().inject(Fault::always(FaultKind::ServerError(500), "/permissions"));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Partial, 1), "{report:#?}");
    assert_stored(&t, &onedrive(&t), &drive).await;
    assert_eq!(about(&t, &file).await, None);
    tenant.faults().clear();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    let known = about(&t, &file).await.unwrap();
    assert!(known.contains("organization"), "{known}");
    // What is known stays where a later reading fails.
    tenant.faults().inject(Fault::always(FaultKind::ServerError(500), "/permissions"));
    tenant.drive_item_rename(&drive.id, &file, "plan b.txt").unwrap();
    assert_eq!(t.backup().await.outcome, Outcome::Partial);
    assert_eq!(about(&t, &file).await, Some(known));
    assert_stored(&t, &onedrive(&t), &drive).await;
}

/// The file of facts about an item in the newest restore point.
async fn about(t: &TestContext, id: &str) -> Option<String> {
    let located =
        holdfast_engine::browse::locate(&t.home, None, &onedrive(t), &At::Latest).await.unwrap();
    let path = holdfast_workloads::drive::about_path(id);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let node = located.reader.node(located.tree, &path).unwrap()?;
    Some(String::from_utf8(located.reader.bytes(&node).unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_cannot_be_listed_do_not_stop_what_is_known() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    t.backup().await;
    tenant.file_add(&drive.id, &drive.root, "plan.txt", bytes("x")).unwrap();
    tenant.faults().inject(Fault::always(FaultKind::ServerError(500), "getAllSites"));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.failures.len()), (Outcome::Partial, 1), "{report:#?}");
    assert!(report.resources.iter().all(|one| one.outcome == Outcome::Complete));
    assert_stored(&t, &onedrive(&t), &drive).await;
}
