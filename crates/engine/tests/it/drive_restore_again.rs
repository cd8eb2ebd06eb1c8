//! Restores of files that were cut off and go on, and files that stand in each other's way.

use std::time::Duration;

use holdfast_engine::Progress;
use holdfast_engine::restore::{OnConflict, RestoreRequest, restore};
use holdfast_model::Outcome;
use holdfast_testkit::TestContext;
use holdfast_testkit::sim::{Fault, FaultKind, FileBytes, RetryAfter};

use crate::drive_restore::{assert_three_versions, contents, items, of, of_three_versions};
use crate::drives::{bytes, context, onedrive};

/// Restores until a request that `fault` matches, and no further.
async fn cut_off(
    t: &TestContext,
    request: &RestoreRequest,
    path: &str,
    method: &str,
    after: usize,
) {
    let wait = FaultKind::Throttle(RetryAfter::Seconds(1_000_000));
    t.tenant().faults().inject(Fault::always(wait, path).method(method).after(after));
    let cut = restore(&t.home, request, &Progress::default()).await;
    assert!(cut.is_err(), "not cut off: {cut:#?}");
    t.tenant().faults().clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_restore_of_versions_ends_with_the_present_content() {
    let (t, drive) = of_three_versions().await;
    let request = RestoreRequest { versions: true, ..t.restore_of(&onedrive(&t)) };
    cut_off(&t, &request, "createUploadSession", "POST", 2).await;
    assert_eq!(contents(&t, &drive), of(&[("plan.txt", "v2")]));
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_three_versions(&t, &drive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_copy_is_not_made_twice() {
    let (t, drive) = context(0).await;
    t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("plan")).unwrap();
    t.backup().await;
    let request = RestoreRequest { on_conflict: OnConflict::Copy, ..t.restore_of(&onedrive(&t)) };
    // It is written, nothing says so, and nobody can look.
    t.tenant().faults().inject(Fault::once(FaultKind::AnswerLost, "/upload/"));
    cut_off(&t, &request, "plan", "GET", 0).await;
    let copied = of(&[("plan.txt", "plan"), ("plan (restored).txt", "plan")]);
    assert_eq!(contents(&t, &drive), copied);
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_eq!(contents(&t, &drive), copied);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lay_beside_the_content_comes_after_a_cut() {
    let (t, drive) = context(0).await;
    let bea = t.tenant().user_add("Bea", "bea@contoso.example").unwrap();
    let file = t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("x")).unwrap();
    t.tenant().drive_share(&drive.id, &file, "bea@contoso.example", "write").unwrap();
    t.backup().await;
    t.tenant().drive_item_remove(&drive.id, &file).unwrap();
    let request = RestoreRequest { permissions: true, ..t.restore_of(&onedrive(&t)) };
    cut_off(&t, &request, "/invite", "POST", 0).await;
    let report = t.restore(request).await;
    assert_eq!((report.items_restored, report.items_skipped), (1, 0), "{report:#?}");
    let file = items(&t, &drive).into_iter().find(|item| item.name == "plan.txt").unwrap();
    let given = file.permissions.iter().any(|p| p.to_string().contains(&bea));
    assert!(given, "{:#?}", file.permissions);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_the_cut_and_deleted_since_is_written_again() {
    let (t, drive) = context(0).await;
    let both = ["a.txt", "b.txt"];
    for name in both {
        t.tenant().file_add(&drive.id, &drive.root, name, bytes(name)).unwrap();
    }
    t.backup().await;
    let remove = || {
        for item in items(&t, &drive).into_iter().filter(|item| !item.is_folder) {
            t.tenant().drive_item_remove(&drive.id, &item.id).unwrap();
        }
    };
    remove();
    let request = t.restore_of(&onedrive(&t));
    cut_off(&t, &request, "createUploadSession", "POST", 1).await;
    remove();
    let report = t.restore(request).await;
    assert_eq!((report.items_restored, report.items_skipped), (2, 0), "{report:#?}");
    assert_eq!(contents(&t, &drive), of(&both.map(|name| (name, name))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_of_equal_size_is_not_taken_for_what_was_sent() {
    let (t, drive) = context(0).await;
    let file = t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("plan")).unwrap();
    t.backup().await;
    t.tenant().file_replace(&drive.id, &file, bytes("PLAN")).unwrap();
    let request =
        RestoreRequest { on_conflict: OnConflict::Replace, ..t.restore_of(&onedrive(&t)) };
    let faults = t.tenant().faults();
    faults.inject(Fault::once(FaultKind::BadGateway, "/upload/").method("PUT"));
    faults.inject(Fault::once(FaultKind::UploadSessionLost, "/upload/").method("GET"));
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_eq!(contents(&t, &drive), of(&[("plan.txt", "plan")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_one_file_and_a_taken_name_fail_that_file_alone() {
    for (kind, path) in
        [(FaultKind::NotAllowed, "createUploadSession"), (FaultKind::NameTaken, "/upload/")]
    {
        let (t, drive) = context(0).await;
        for name in ["a.txt", "b.txt"] {
            let file = t.tenant().file_add(&drive.id, &drive.root, name, bytes(name)).unwrap();
            t.backup().await;
            t.tenant().drive_item_remove(&drive.id, &file).unwrap();
        }
        let since = "2020-01-01T00:00:00Z".parse().unwrap();
        t.backup().await;
        t.tenant().faults().inject(Fault::once(kind, path));
        let request = RestoreRequest { deleted_since: Some(since), ..t.restore_of(&onedrive(&t)) };
        let report = t.restore(request).await;
        assert_eq!((report.outcome, report.items_failed), (Outcome::Partial, 1), "{report:#?}");
        assert_eq!(contents(&t, &drive).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_deleted_under_one_name_come_back_side_by_side() {
    let (t, drive) = context(0).await;
    let since = "2020-01-01T00:00:00Z".parse().unwrap();
    for text in ["one", "two"] {
        let file = t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes(text)).unwrap();
        t.backup().await;
        t.tenant().drive_item_remove(&drive.id, &file).unwrap();
        t.advance(Duration::from_secs(60));
    }
    t.backup().await;
    let request = RestoreRequest { deleted_since: Some(since), ..t.restore_of(&onedrive(&t)) };
    let expected = of(&[("plan.txt", "two"), ("plan (restored).txt", "one")]);
    for restored in [2, 0] {
        let report = t.restore(request.clone()).await;
        assert_eq!((report.items_restored, report.items_failed), (restored, 0), "{report:#?}");
        assert_eq!(contents(&t, &drive), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_that_come_into_one_drive_keep_their_names() {
    let (t, drive) = context(1).await;
    let site = t.tenant().sites().into_iter().find(|site| !site.is_personal).unwrap();
    t.tenant().library_add(&site.id, "Archive").unwrap();
    let mut libraries = t.tenant().drives();
    libraries.retain(|drive| drive.site == site.id);
    for library in &libraries {
        let text = bytes(&library.name);
        t.tenant().file_add(&library.id, &library.root, "plan.txt", text).unwrap();
    }
    t.backup().await;
    let source = format!("sites/{}", site.name);
    let request = RestoreRequest { to: Some(onedrive(&t)), ..t.restore_of(&source) };
    let report = t.restore(request).await;
    assert_eq!(
        (report.items_failed, report.items_restored),
        (0, libraries.len() as u64),
        "{report:#?}"
    );
    assert_eq!(report.drives, std::slice::from_ref(&drive.name));
    let paths: Vec<String> = libraries.iter().map(|it| format!("{}/plan.txt", it.name)).collect();
    let expected: Vec<(&str, &str)> =
        paths.iter().zip(&libraries).map(|(path, it)| (path.as_str(), it.name.as_str())).collect();
    assert_eq!(contents(&t, &drive), of(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_file_of_a_library_is_known_to_be_unchanged() {
    let (t, _) = context(1).await;
    let site = t.tenant().sites().into_iter().find(|site| !site.is_personal).unwrap();
    let library = t.tenant().drives().into_iter().find(|drive| drive.site == site.id).unwrap();
    let document = FileBytes::Made { seed: 4, size: 9000 };
    t.tenant().file_add(&library.id, &library.root, "plan.docx", document).unwrap();
    t.backup().await;
    let source = format!("sites/{}", site.name);
    let report = t.restore(t.restore_of(&source)).await;
    assert_eq!((report.items_unchanged, report.items_conflicting), (1, 0), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_counted_by_its_reason_and_a_version_wants_a_rule() {
    let (t, drive) = of_three_versions().await;
    t.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("mine")).unwrap();
    let report = t.restore(t.restore_of(&onedrive(&t))).await;
    assert_eq!((report.items_unchanged, report.items_conflicting), (0, 1), "{report:#?}");
    let request = |version: &str| RestoreRequest {
        path: Some("plan.txt".to_owned()),
        version: Some(version.to_owned()),
        dry_run: true,
        ..t.restore_of(&onedrive(&t))
    };
    let refused = restore(&t.home, &request("2.0"), &Progress::default()).await.unwrap_err();
    assert!(refused.to_string().contains("'--on-conflict replace'"), "{refused}");
    let none = restore(&t.home, &request("9.0"), &Progress::default()).await.unwrap_err();
    assert!(none.to_string().contains("version '9.0'"), "{none}");
}
