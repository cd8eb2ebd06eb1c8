//! The service's known faults while files are written back (numbers: graph reference, section 9).

use std::collections::BTreeSet;

use holdfast_engine::restore::{OnConflict, RestoreReport, RestoreRequest, restore};
use holdfast_engine::{Exit, Progress};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{
    DriveItemView, DriveView, Fault, FaultKind, FileBytes, Marks, PlainBody, RetryAfter,
};
use holdfast_testkit::{Options, TestContext};
use holdfast_workloads::Loss;

use crate::drives::{bytes, onedrive};
use crate::faults::inject;

/// Bytes of the large file: three pieces of an upload.
const LARGE: u64 = 25_000_000;

/// A drive that was backed up and then emptied.
struct Emptied {
    t: TestContext,
    drive: DriveView,
    before: BTreeSet<(String, String)>,
}

fn files(t: &TestContext, drive: &DriveView) -> Vec<DriveItemView> {
    let items = t.tenant().drive_items(&drive.id).unwrap().into_iter();
    items.filter(|item| !item.is_folder).collect()
}

fn contents(t: &TestContext, drive: &DriveView) -> BTreeSet<(String, String)> {
    let files = files(t, drive);
    let found: BTreeSet<_> =
        files.iter().map(|item| (item.path.join("/"), item.sha256.clone())).collect();
    assert_eq!(found.len(), files.len(), "two files of one name");
    found
}

async fn emptied() -> Emptied {
    let options = Options { users: 2, mails: 0, ..Options::default() };
    let t = TestContext::new(options).await;
    let upn = t.people().remove(0);
    let drive = t.tenant().onedrive_add(&upn).unwrap();
    let tenant = t.tenant();
    let work = tenant.drive_folder_add(&drive.id, &drive.root, "Work").unwrap();
    let plan = tenant.file_add(&drive.id, &work, "plan.txt", bytes("plan")).unwrap();
    tenant.drive_share(&drive.id, &plan, &t.people()[1], "read").unwrap();
    tenant.file_add(&drive.id, &work, "nothing.txt", bytes("")).unwrap();
    let film = FileBytes::Made { seed: 3, size: LARGE };
    let film = tenant.file_add(&drive.id, &drive.root, "film.bin", film).unwrap();
    t.backup().await;
    let before = contents(&t, &drive);
    t.tenant().drive_item_remove(&drive.id, &work).unwrap();
    t.tenant().drive_item_remove(&drive.id, &film).unwrap();
    Emptied { t, drive, before }
}

impl Emptied {
    /// Deletes all that a restore has brought.
    fn empty(&self) {
        let items = self.t.tenant().drive_items(&self.drive.id).unwrap();
        for item in items.iter().filter(|item| item.parent.as_ref() == Some(&self.drive.root)) {
            self.t.tenant().drive_item_remove(&self.drive.id, &item.id).unwrap();
        }
    }

    async fn restore(&self) -> RestoreReport {
        self.t.restore(self.t.restore_of(&onedrive(&self.t))).await
    }

    fn contents(&self) -> BTreeSet<(String, String)> {
        contents(&self.t, &self.drive)
    }

    /// What failed, with what is said of it.
    fn failed(report: &RestoreReport) -> Vec<(String, String)> {
        let failed = report.items.iter().filter(|item| item.result == "failed");
        failed.map(|item| (item.path.clone(), item.detail.clone().unwrap_or_default())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stumbles_at_any_request_cost_no_file_and_double_none() {
    let once = |kind: FaultKind, path: &str, after: usize| Fault::once(kind, path).after(after);
    let e = emptied().await;
    for faults in [
        vec![once(FaultKind::Throttle(RetryAfter::Seconds(2)), "/upload", 1)],
        vec![once(FaultKind::Unavailable(PlainBody::Html), "/upload", 2)],
        vec![once(FaultKind::ServerError(500), "createUploadSession", 0)],
        vec![once(FaultKind::TokenExpired, "createUploadSession", 1)],
        vec![once(FaultKind::BadGateway, "/children", 1)],
        vec![once(FaultKind::AnswerLost, "/children", 1)],
        vec![once(FaultKind::AnswerLost, "createUploadSession", 0)],
        vec![once(FaultKind::AnswerLost, "nothing.txt", 0)],
        vec![once(FaultKind::AnswerLost, "/upload", 2)],
        vec![once(FaultKind::AnswerLost, "/upload", 3)],
        vec![once(FaultKind::UploadOverlap, "/upload", 1)],
        vec![once(FaultKind::UploadOverlap, "/upload", 3)],
        vec![once(FaultKind::UploadSessionLost, "/upload", 1)],
        vec![once(FaultKind::UploadSessionLost, "/upload", 3)],
        vec![
            once(FaultKind::UploadSessionLost, "/upload", 1),
            once(FaultKind::UploadSessionLost, "/upload", 3),
        ],
    ] {
        e.empty();
        e.t.tenant().faults().clear();
        faults.iter().for_each(|fault| inject(&e.t, fault.clone()));
        let struck = e.t.tenant().faults().struck();
        let report = e.restore().await;
        assert_eq!(report.outcome, Outcome::Complete, "{faults:?}: {report:#?}");
        assert_eq!((report.items_restored, report.items_failed), (3, 0), "{faults:?}");
        assert!(e.contents() == e.before, "{faults:?}");
        assert!(e.t.tenant().faults().struck() > struck, "{faults:?} did not strike");
        assert_eq!(e.t.tenant().stats().invitations, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d34_a_session_that_is_always_lost_fails_one_file_and_the_next_restore_brings_it() {
    let e = emptied().await;
    // Every second request to an upload address: no session lives longer than a piece.
    for number in 0..40 {
        inject(&e.t, Fault::once(FaultKind::UploadSessionLost, "/upload").after(2 + number));
    }
    let report = e.restore().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    let failed = Emptied::failed(&report);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].0, "OneDrive/film.bin");
    assert!(failed[0].1.contains("session"), "{failed:?}");
    e.t.tenant().faults().clear();
    let report = e.restore().await;
    assert_eq!((report.items_restored, report.items_skipped), (1, 2), "{report:#?}");
    assert!(e.contents() == e.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn d34_a_name_that_is_taken_at_the_end_is_told_and_nothing_is_overwritten() {
    let e = emptied().await;
    inject(&e.t, Fault::always(FaultKind::NameTaken, "/upload"));
    let report = e.restore().await;
    let failed = Emptied::failed(&report);
    assert_eq!((report.outcome, failed.len()), (Outcome::Partial, 2), "{report:#?}");
    assert!(failed.iter().all(|(_, said)| said.contains("taken by another file")), "{failed:?}");
    e.t.tenant().faults().clear();
    let report = e.restore().await;
    assert_eq!((report.items_restored, report.items_skipped), (2, 1), "{report:#?}");
    assert!(e.contents() == e.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_without_room_says_so_and_takes_what_fits() {
    let e = emptied().await;
    e.t.tenant().drive_quota_set(&e.drive.id, 1_000_000).unwrap();
    let report = e.restore().await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Partial, 2), "{report:#?}");
    let failed = Emptied::failed(&report);
    assert_eq!(failed[0].0, "OneDrive/film.bin");
    let said = &failed[0].1;
    assert!(said.contains("507") && said.contains("raise the quota"), "{said}");
    e.t.tenant().drive_quota_set(&e.drive.id, 1 << 40).unwrap();
    assert_eq!(e.restore().await.items_restored, 1);
    assert!(e.contents() == e.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn d41_where_sharing_is_switched_off_the_file_comes_back_and_the_loss_is_told() {
    for by_option in [true, false] {
        let e = emptied().await;
        match by_option {
            true => {
                let change = |options: &mut holdfast_testkit::sim::DriveOptions| {
                    options.sharing_disabled = true;
                };
                e.t.tenant().drive_options_set(&e.drive.id, change).unwrap();
            }
            false => inject(&e.t, Fault::always(FaultKind::SharingDisabled, "/invite")),
        }
        let request = RestoreRequest { permissions: true, ..e.t.restore_of(&onedrive(&e.t)) };
        let report = e.t.restore(request).await;
        assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 3), "{report:#?}");
        assert_eq!(report.losses.get(&Loss::Sharing), Some(&1), "{report:#?}");
        assert!(e.contents() == e.before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d41_a_locked_file_is_left_as_it_is_and_named() {
    let e = emptied().await;
    assert_eq!(e.restore().await.items_restored, 3);
    let plan = files(&e.t, &e.drive).into_iter().find(|item| item.name == "plan.txt").unwrap();
    e.t.tenant().file_replace(&e.drive.id, &plan.id, bytes("changed")).unwrap();
    let locked = Marks { locked: true, ..Marks::default() };
    e.t.tenant().drive_marks_set(&e.drive.id, &plan.id, locked).unwrap();
    let film = files(&e.t, &e.drive).into_iter().find(|item| item.name == "film.bin").unwrap();
    e.t.tenant().drive_item_remove(&e.drive.id, &film.id).unwrap();
    let replace =
        RestoreRequest { on_conflict: OnConflict::Replace, ..e.t.restore_of(&onedrive(&e.t)) };
    let report = e.t.restore(replace.clone()).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Partial, 1), "{report:#?}");
    let failed = Emptied::failed(&report);
    assert_eq!(failed.len(), 1);
    assert!(failed[0].0.ends_with("plan.txt") && failed[0].1.contains("resourceLocked"));
    e.t.tenant().drive_marks_set(&e.drive.id, &plan.id, Marks::default()).unwrap();
    assert_eq!(e.t.restore(replace).await.items_restored, 1);
    assert!(e.contents() == e.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cut_off_goes_on_and_doubles_nothing() {
    for wanted in [1, 2] {
        let e = emptied().await;
        let request = e.t.restore_of(&onedrive(&e.t));
        let progress = Progress::default();
        let reached = async {
            while files(&e.t, &e.drive).len() < wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = restore(&e.t.home, &request, &progress) => panic!("not cut off: {done:?}"),
            () = reached => {}
        }
        let report = e.restore().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        assert_eq!(report.items_restored + report.items_skipped, 3);
        assert!(e.contents() == e.before, "{:?}", e.contents());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_gone_ends_the_restore_with_a_word() {
    let e = emptied().await;
    inject(&e.t, Fault::always(FaultKind::Throttle(RetryAfter::Seconds(100_000)), "/upload"));
    let request = e.t.restore_of(&onedrive(&e.t));
    let error = restore(&e.t.home, &request, &Progress::default()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Later, "{error}");
    e.t.tenant().faults().clear();
    e.t.advance(std::time::Duration::from_secs(200_000));
    assert_eq!(e.restore().await.outcome, Outcome::Complete);
    assert!(e.contents() == e.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_made_costs_what_is_in_it_and_no_more() {
    let e = emptied().await;
    inject(&e.t, Fault::always(FaultKind::ResourceLocked, "/children").method("POST"));
    let report = e.restore().await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Partial, 1), "{report:#?}");
    let failed = Emptied::failed(&report);
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|(_, said)| said.contains("resourceLocked")), "{failed:?}");
    e.t.tenant().faults().clear();
    assert_eq!(e.restore().await.items_restored, 2);
    assert!(e.contents() == e.before);
}
