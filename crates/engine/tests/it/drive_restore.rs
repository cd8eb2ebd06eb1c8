//! Files come back: to their places, to others, to other people, and are proved to be the same.

use std::time::Duration;

use holdfast_engine::browse::At;
use holdfast_engine::restore::{OnConflict, RestoreRequest};
use holdfast_engine::tenant::set_file_versions;
use holdfast_model::{FileVersions, Outcome};
use holdfast_testkit::sim::{DriveItemView, DriveView, Fault, FaultKind, FileBytes};
use holdfast_testkit::{TENANT, TestContext, live_files, live_folders, sha256};
use holdfast_workloads::Loss;

use crate::drives::{bytes, context, onedrive};

pub fn items(t: &TestContext, drive: &DriveView) -> Vec<DriveItemView> {
    t.tenant().drive_items(&drive.id).unwrap()
}

/// Paths and hashes of the files of a drive.
pub fn contents(t: &TestContext, drive: &DriveView) -> Vec<(String, String)> {
    let files = items(t, drive).into_iter().filter(|item| !item.is_folder);
    let mut found: Vec<_> = files.map(|item| (item.path.join("/"), item.sha256)).collect();
    found.sort();
    found
}

pub fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        pairs.iter().map(|(path, text)| ((*path).to_owned(), sha256(text.as_bytes()))).collect();
    all.sort();
    all
}

/// A drive with two folders and files, backed up.
async fn filled() -> (TestContext, DriveView) {
    let (t, drive) = context(1).await;
    let tenant = t.tenant();
    let work = tenant.drive_folder_add(&drive.id, &drive.root, "Work").unwrap();
    let deep = tenant.drive_folder_add(&drive.id, &work, "Deep").unwrap();
    tenant.drive_folder_add(&drive.id, &work, "Empty").unwrap();
    tenant.file_add(&drive.id, &work, "plan.txt", bytes("plan")).unwrap();
    let old = tenant.file_add(&drive.id, &deep, "old.txt", bytes("old")).unwrap();
    tenant.file_touch(&drive.id, &old, "2019-05-06T07:08:09Z".parse().unwrap()).unwrap();
    tenant.file_add(&drive.id, &drive.root, "nothing.txt", bytes("")).unwrap();
    t.backup().await;
    (t, drive)
}

const ALL: [(&str, &str); 3] =
    [("Work/plan.txt", "plan"), ("Work/Deep/old.txt", "old"), ("nothing.txt", "")];

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_folder_comes_back_with_dates_and_empty_folders() {
    let (t, drive) = filled().await;
    let before = (live_files(t.tenant(), &drive.site), live_folders(t.tenant(), &drive.site));
    let work = items(&t, &drive).into_iter().find(|item| item.name == "Work").unwrap();
    t.tenant().drive_item_remove(&drive.id, &work.id).unwrap();
    t.backup().await;
    let at = At::Time(t.home.clock.now() - jiff::SignedDuration::from_secs(30));
    let request = RestoreRequest {
        at,
        path: Some("Work".to_owned()),
        dry_run: true,
        ..t.restore_of(&onedrive(&t))
    };
    let dry = t.restore(request.clone()).await;
    assert_eq!((dry.items_restored, dry.items_failed), (2, 0), "{dry:#?}");
    assert!(dry.items.iter().all(|item| item.detail.as_deref() == Some("missing in the target")));
    assert_eq!(contents(&t, &drive), of(&ALL[2..]), "a dry run writes nothing");
    let report = t.restore(RestoreRequest { dry_run: false, ..request.clone() }).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 2), "{report:#?}");
    assert_eq!(contents(&t, &drive), of(&ALL));
    assert_eq!(live_folders(t.tenant(), &drive.site), before.1);
    let dates = |files: &holdfast_testkit::Files| {
        let mut all: Vec<_> = files.values().map(|f| (f.path.clone(), f.modified)).collect();
        all.sort();
        all
    };
    assert_eq!(dates(&live_files(t.tenant(), &drive.site)), dates(&before.0));
    let again = t.restore(RestoreRequest { dry_run: false, ..request }).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 2), "nothing twice: {again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_go_by_the_rule() {
    for (rule, expected, restored) in [
        (OnConflict::Skip, vec![("Work/plan.txt", "changed"), ALL[1], ALL[2]], 0),
        (OnConflict::Replace, ALL.to_vec(), 1),
        (
            OnConflict::Copy,
            vec![
                ("Work/plan.txt", "changed"),
                ("Work/plan (restored).txt", "plan"),
                ALL[1],
                ("Work/Deep/old (restored).txt", "old"),
                ALL[2],
                ("nothing (restored).txt", ""),
            ],
            3,
        ),
    ] {
        let (t, drive) = filled().await;
        let plan = items(&t, &drive).into_iter().find(|item| item.name == "plan.txt").unwrap();
        t.tenant().file_replace(&drive.id, &plan.id, bytes("changed")).unwrap();
        let request = RestoreRequest { on_conflict: rule, ..t.restore_of(&onedrive(&t)) };
        let report = t.restore(request).await;
        assert_eq!((report.items_restored, report.items_failed), (restored, 0), "{report:#?}");
        assert_eq!(contents(&t, &drive), of(&expected), "{rule:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_into_another_folder_to_a_site_and_back() {
    let (t, drive) = filled().await;
    let site = t.tenant().sites().into_iter().find(|site| !site.is_personal).unwrap();
    let library = t.tenant().drives().into_iter().find(|drive| drive.site == site.id).unwrap();
    let request = RestoreRequest {
        path: Some("Work/Deep".to_owned()),
        to: Some(format!("sites/{}", site.name)),
        into: Some("From Ada/2026".to_owned()),
        ..t.restore_of(&onedrive(&t))
    };
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_eq!(contents(&t, &library), of(&[("From Ada/2026/Deep/old.txt", "old")]));
    let request = RestoreRequest {
        path: Some("Work/plan.txt".to_owned()),
        into: Some("Found".to_owned()),
        ..t.restore_of(&onedrive(&t))
    };
    t.restore(request).await;
    assert!(contents(&t, &drive).contains(&of(&[("Found/plan.txt", "plan")])[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_since_comes_back_in_its_last_version() {
    let (t, drive) = filled().await;
    let since = t.home.clock.now();
    let find =
        |name: &str| items(&t, &drive).into_iter().find(|item| item.name == name).unwrap().id;
    t.tenant().file_replace(&drive.id, &find("plan.txt"), bytes("plan two")).unwrap();
    t.tenant().drive_item_move(&drive.id, &find("old.txt"), &drive.root).unwrap();
    t.backup().await;
    t.tenant().drive_item_remove(&drive.id, &find("plan.txt")).unwrap();
    t.backup().await;
    let request = RestoreRequest { deleted_since: Some(since), ..t.restore_of(&onedrive(&t)) };
    let report = t.restore(request).await;
    assert_eq!(report.items_restored, 1, "a move is no deletion: {report:#?}");
    let expected = [("Work/plan.txt", "plan two"), ("old.txt", "old"), ("nothing.txt", "")];
    assert_eq!(contents(&t, &drive), of(&expected));
}

/// A OneDrive with one file of three versions, backed up and then deleted.
pub async fn of_three_versions() -> (TestContext, DriveView) {
    let (t, drive) = context(0).await;
    set_file_versions(&t.home, TENANT, FileVersions::All).await.unwrap();
    let file = t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("v1")).unwrap();
    for text in ["v2", "v3"] {
        t.advance(Duration::from_secs(60));
        t.tenant().file_replace(&drive.id, &file, bytes(text)).unwrap();
    }
    t.backup().await;
    t.tenant().drive_item_remove(&drive.id, &file).unwrap();
    (t, drive)
}

/// The file is back with all of them, newest first.
pub fn assert_three_versions(t: &TestContext, drive: &DriveView) {
    let file = items(t, drive).into_iter().find(|item| item.name == "plan.txt").unwrap();
    let hashes: Vec<&str> = file.versions.iter().map(|v| v.sha256.as_str()).collect();
    assert_eq!(hashes, ["v3", "v2", "v1"].map(|text| sha256(text.as_bytes())));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_come_back_in_order_or_one_alone() {
    let (t, drive) = of_three_versions().await;
    let request = RestoreRequest { versions: true, ..t.restore_of(&onedrive(&t)) };
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_three_versions(&t, &drive);
    let request = RestoreRequest {
        path: Some("plan.txt".to_owned()),
        version: Some("2.0".to_owned()),
        on_conflict: OnConflict::Replace,
        ..t.restore_of(&onedrive(&t))
    };
    t.restore(request).await;
    assert_eq!(contents(&t, &drive), of(&[("plan.txt", "v2")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_comes_back_on_request_and_nobody_gets_a_mail() {
    let (t, drive) = context(0).await;
    let bea = t.tenant().user_add("Bea", "bea@contoso.example").unwrap();
    let file = t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("x")).unwrap();
    t.tenant().drive_share(&drive.id, &file, "bea@contoso.example", "write").unwrap();
    t.tenant().drive_link_add(&drive.id, &file, "view", "organization").unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.items_failed, 0, "{report:#?}");
    for permissions in [false, true] {
        for item in items(&t, &drive).into_iter().filter(|item| item.name == "plan.txt") {
            t.tenant().drive_item_remove(&drive.id, &item.id).unwrap();
        }
        let request = RestoreRequest { permissions, ..t.restore_of(&onedrive(&t)) };
        let report = t.restore(request).await;
        assert_eq!((report.items_restored, report.items_failed), (1, 0), "{report:#?}");
        assert_eq!(report.losses.contains_key(&Loss::Sharing), !permissions);
        let file = items(&t, &drive).into_iter().find(|item| item.name == "plan.txt").unwrap();
        let links = file.permissions.iter().filter(|p| p["link"].is_object()).count();
        assert_eq!(links, usize::from(permissions), "{:#?}", file.permissions);
        let given = file.permissions.iter().any(|p| p.to_string().contains(&bea));
        assert_eq!(given, permissions);
    }
    assert_eq!(t.tenant().stats().invitations, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_survives_lost_sessions_and_cut_lines() {
    let (t, drive) = context(0).await;
    let content = FileBytes::Made { seed: 3, size: 25_000_000 };
    let file = t.tenant().file_add(&drive.id, &drive.root, "film.bin", content).unwrap();
    let original = items(&t, &drive).into_iter().find(|item| item.id == file).unwrap().sha256;
    t.backup().await;
    t.tenant().drive_item_remove(&drive.id, &file).unwrap();
    let faults = t.tenant().faults();
    faults.inject(Fault::once(FaultKind::AnswerLost, "/upload").after(1));
    let report = t.restore(t.restore_of(&onedrive(&t))).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    let found = items(&t, &drive).into_iter().find(|item| item.name == "film.bin").unwrap();
    assert_eq!(found.sha256, original);
    assert_eq!(items(&t, &drive).iter().filter(|item| !item.is_folder).count(), 1);
}
