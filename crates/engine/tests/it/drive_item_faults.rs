//! The service's known faults of single files (numbers: graph reference, section 9): what cannot be
//! read is named with its cause, its last version stays, and it is asked for again.

use std::time::Duration;

use holdfast_engine::browse::At;
use holdfast_engine::tenant::set_file_versions;
use holdfast_model::{FileVersions, Outcome, SkipCause};
use holdfast_testkit::sim::{Fault, FaultKind, FileBytes, Marks, PlainBody};
use holdfast_testkit::{TENANT, live_files, sha256, stored_files};

use crate::drive_faults::{Scene, problems};
use crate::drives::{bytes, onedrive, versions};
use crate::faults::{assert_complete, inject, skipped, skips};

const PAGE: &str = "<!DOCTYPE html><html><body>This file is infected.</body></html>";

impl Scene {
    /// Hash of the stored bytes of a file; absent where it is not stored.
    async fn stored_hash(&self, id: &str) -> Option<String> {
        let stored = stored_files(&self.t.home, &onedrive(&self.t), &At::Latest).await.unwrap();
        stored.get(id).map(|file| file.sha256.clone())
    }

    fn mark(&self, id: &str, marks: Marks) {
        self.t.tenant().drive_marks_set(&self.drive.id, id, marks).unwrap();
    }
}

/// Backs up with a file that cannot be read: one that was stored before, then a new one. Both are
/// named, run after run, and come as soon as they can be read.
async fn is_skipped(faults: impl Fn(&str) -> Vec<Fault>, content: &str, cause: SkipCause) {
    let scene = Scene::backed_up().await;
    let new = scene.add(&scene.work, "new.docx", content);
    let plan = &scene.plan;
    scene.t.tenant().drive_item_rename(&scene.drive.id, plan, "plan.docx").unwrap();
    scene.replace(plan, content);
    for id in [&new, plan] {
        faults(id).into_iter().for_each(|fault| inject(&scene.t, fault));
    }
    for run in 0..2 {
        let report = scene.t.backup().await;
        assert_complete(&report);
        let mut told = skips(&report);
        told.sort();
        let mut expected = [skipped(&new, cause), skipped(plan, cause)].concat();
        expected.sort();
        assert_eq!(told, expected, "run {run}");
        assert_eq!(report.counts.items_skipped, 2);
        assert_eq!(scene.stored_hash(plan).await, Some(sha256(b"plan 1")), "run {run}");
        assert_eq!(scene.stored_hash(&new).await, None, "run {run}");
    }
    scene.t.tenant().faults().clear();
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!((report.counts.items_new, report.counts.items_changed), (1, 1), "{report:#?}");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_what_vanishes_while_it_is_read_is_no_failure() {
    let gone = |id: &str| vec![Fault::always(FaultKind::ItemGone, &format!("{id}/content"))];
    is_skipped(gone, "text", SkipCause::DeletedInFlight).await;
    // And where it is gone indeed, nothing is left of it.
    let scene = Scene::backed_up().await;
    scene.replace(&scene.plan, "plan 2");
    gone(&scene.plan).into_iter().for_each(|fault| inject(&scene.t, fault));
    assert_eq!(scene.t.backup().await.counts.items_skipped, 1);
    scene.remove(&scene.plan);
    let report = scene.t.backup().await;
    assert_eq!((report.counts.items_deleted, report.counts.items_skipped), (1, 0), "{report:#?}");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d27_malware_is_named_in_each_of_its_forms_and_never_stored() {
    let refused = |id: &str| vec![Fault::always(FaultKind::MalwareDetected, &format!("{id}/cont"))];
    is_skipped(refused, "text", SkipCause::Malware).await;
    let body = |id: &str| vec![Fault::always(FaultKind::MalwareBody, &format!("{id}/content"))];
    is_skipped(body, "text", SkipCause::Malware).await;
    // A page without any mark, of another size and hash than the file is said to have.
    let scene = Scene::backed_up().await;
    let docx = scene.add(&scene.work, "infected.docx", PAGE);
    inject(&scene.t, Fault::always(FaultKind::SizeDiffers(90_000), "root/delta"));
    inject(&scene.t, Fault::always(FaultKind::HashDiffers, "root/delta"));
    let report = scene.t.backup().await;
    assert_eq!(skips(&report), skipped(&docx, SkipCause::Malware));
    assert_eq!(scene.stored_hash(&docx).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn d27_a_file_marked_by_the_scan_is_not_even_asked_for() {
    let scene = Scene::backed_up().await;
    let before = scene.downloads();
    scene.replace(&scene.plan, "infected");
    scene.mark(&scene.plan, Marks { malware: true, ..Marks::default() });
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(skips(&report), skipped(&scene.plan, SkipCause::Malware));
    assert_eq!(scene.downloads(), before);
    assert_eq!(scene.stored_hash(&scene.plan).await, Some(sha256(b"plan 1")));
    scene.mark(&scene.plan, Marks::default());
    scene.t.backup().await;
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d28_files_of_notebooks_that_are_withheld_are_named() {
    for kind in [
        FaultKind::NotebookFails(503),
        FaultKind::NotebookFails(404),
        FaultKind::BrokenBody,
        FaultKind::BrokenAfter(0),
    ] {
        let scene = Scene::backed_up().await;
        let tenant = scene.t.tenant();
        let book = tenant.package_add(&scene.drive.id, &scene.drive.root, "Ideas", "oneNote");
        let book = book.unwrap();
        let section = scene.add(&book, "First.one", "a section");
        let index = scene.add(&book, "Open Notebook.onetoc2", "an index");
        inject(&scene.t, Fault::always(kind.clone(), &format!("{section}/content")));
        let report = scene.t.backup().await;
        assert_complete(&report);
        assert_eq!(skips(&report), skipped(&section, SkipCause::Notebook), "{kind:?}");
        assert_eq!(scene.stored_hash(&index).await, Some(sha256(b"an index")));
        tenant.faults().clear();
        assert_eq!(scene.t.backup().await.counts.items_new, 1, "{kind:?}");
        scene.assert_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d29_addresses_that_expire_are_asked_for_anew() {
    let scene = Scene::backed_up().await;
    let mut ids: Vec<String> = (0..12)
        .map(|n| scene.add(&scene.work, &format!("{n}.txt"), &format!("text {n}")))
        .collect();
    let large = FileBytes::Made { seed: 5, size: 6_000_000 };
    let large = scene.t.tenant().file_add(&scene.drive.id, &scene.work, "film.bin", large).unwrap();
    ids.push(large.clone());
    for id in &ids {
        inject(&scene.t, Fault::once(FaultKind::DownloadExpired, &format!("{id}/content")));
    }
    // And once more in the middle of the large one.
    let path = format!("{large}/content");
    inject(&scene.t, Fault::once(FaultKind::BrokenAfter(2_000_000), &path).after(1));
    inject(&scene.t, Fault::once(FaultKind::DownloadExpired, &path).after(2));
    let before = scene.downloads();
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new, 13);
    assert_eq!(scene.downloads() - before, 2 * 12 + 4);
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d30_an_error_that_carries_bytes_is_no_content() {
    let scene = Scene::backed_up().await;
    let path = format!("{}/content", scene.plan);
    scene.replace(&scene.plan, "plan 2");
    inject(&scene.t, Fault::once(FaultKind::DownloadUnauthorisedWithBytes, &path));
    assert_complete(&scene.t.backup().await);
    scene.assert_equal("asked for again").await;
    scene.replace(&scene.plan, "plan 3");
    inject(&scene.t, Fault::always(FaultKind::DownloadUnauthorisedWithBytes, &path));
    let report = scene.t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Partial, 1), "{report:#?}");
    assert_eq!(scene.stored_hash(&scene.plan).await, Some(sha256(b"plan 2")));
    scene.t.tenant().faults().clear();
    assert_eq!(scene.t.backup().await.counts.items_changed, 1);
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d31_sizes_and_hashes_that_are_not_those_of_the_file_are_kept_beside_it() {
    let scene = Scene::new().await;
    inject(&scene.t, Fault::always(FaultKind::SizeDiffers(17), "root/delta"));
    inject(&scene.t, Fault::always(FaultKind::HashDiffers, "root/delta"));
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(problems(&report), []);
    scene.assert_equal("the bytes as they came").await;
    let metas = scene.metas().await;
    let plan = &metas["plan.txt"];
    assert_eq!((plan.size, plan.xor.as_deref()), (6 + 17, Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
    let items = scene.t.tenant().drive_items(&scene.drive.id).unwrap();
    assert!(items.iter().any(|item| item.id == plan.id && item.size == 6));
    assert!(plan.got_xor.as_ref().is_some_and(|xor| Some(xor) != plan.xor.as_ref()));
    scene.t.tenant().faults().clear();
    scene.assert_healthy().await;
    // The file is there, unchanged, as its true hash says.
    let report = scene.t.restore(scene.t.restore_of(&onedrive(&scene.t))).await;
    assert_eq!((report.items_restored, report.items_skipped), (0, 3), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d35_a_body_that_breaks_is_taken_up_where_it_broke() {
    let scene = Scene::backed_up().await;
    let content = FileBytes::Made { seed: 9, size: 3_500_000 };
    let id = scene.t.tenant().file_add(&scene.drive.id, &scene.work, "film.bin", content).unwrap();
    let path = format!("{id}/content");
    for (number, bytes) in [10, 900_000, 1_200_000, 0].into_iter().enumerate() {
        inject(&scene.t, Fault::once(FaultKind::BrokenAfter(bytes), &path).after(number));
    }
    let before = scene.downloads();
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!((report.counts.items_new, report.counts.bytes), (1, 3_500_000), "{report:#?}");
    assert_eq!(scene.downloads() - before, 5, "four breaks");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d35_what_never_comes_whole_fails_and_comes_later() {
    for kind in [FaultKind::BrokenAfter(0), FaultKind::BrokenBody, FaultKind::BadGateway] {
        let scene = Scene::backed_up().await;
        scene.replace(&scene.plan, "plan 2");
        let new = scene.add(&scene.work, "new.txt", "new");
        for id in [&scene.plan, &new] {
            inject(&scene.t, Fault::always(kind.clone(), &format!("{id}/content")));
        }
        let report = scene.t.backup().await;
        assert_eq!(report.outcome, Outcome::Partial, "{kind:?}: {report:#?}");
        let mut failed: Vec<String> = problems(&report).into_iter().map(|told| told.0).collect();
        failed.sort();
        let mut expected = vec![scene.plan.clone(), new.clone()];
        expected.sort();
        assert_eq!(failed, expected);
        assert_eq!(scene.stored_hash(&scene.plan).await, Some(sha256(b"plan 1")));
        scene.t.tenant().faults().clear();
        let report = scene.t.backup().await;
        assert_complete(&report);
        assert_eq!((report.counts.items_new, report.counts.items_changed), (1, 1));
        scene.assert_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d41_locked_files_are_named_and_come_later() {
    let lapsed = |id: &str| vec![Fault::always(FaultKind::NotAllowed, &format!("{id}/content"))];
    is_skipped(lapsed, "text", SkipCause::Locked).await;
    let locked = |id: &str| vec![Fault::always(FaultKind::ResourceLocked, &format!("{id}/cont"))];
    is_skipped(locked, "text", SkipCause::Locked).await;
    let scene = Scene::backed_up().await;
    scene.replace(&scene.plan, "plan 2");
    scene.mark(&scene.plan, Marks { locked: true, ..Marks::default() });
    let report = scene.t.backup().await;
    assert_eq!(skips(&report), skipped(&scene.plan, SkipCause::Locked));
    scene.mark(&scene.plan, Marks::default());
    scene.t.backup().await;
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d41_a_locked_drive_is_told_and_keeps_what_it_has() {
    for kind in [FaultKind::ResourceLocked, FaultKind::NotAllowed] {
        let scene = Scene::backed_up().await;
        let before = live_files(scene.t.tenant(), &scene.drive.site);
        scene.remove(&scene.plan);
        inject(&scene.t, Fault::always(kind.clone(), &scene.drive.id));
        let report = scene.t.backup().await;
        assert_ne!(report.outcome, Outcome::Complete, "{kind:?}: {report:#?}");
        let told = report.resources.iter().find(|r| r.name.starts_with("onedrive")).unwrap();
        let cause = told.cause.clone().unwrap_or_default();
        assert!(["resourceLocked", "notAllowed"].contains(&cause.as_str()), "{report:#?}");
        let stored = stored_files(&scene.t.home, &onedrive(&scene.t), &At::Latest).await.unwrap();
        assert!(stored == before, "{kind:?}");
        scene.t.tenant().faults().clear();
        assert_complete(&scene.t.backup().await);
        scene.assert_healthy().await;
    }
}

/// Its old folder goes: the last version that could be read must not go with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_moved_and_cannot_be_read_goes_along_with_its_last_version() {
    for kind in [FaultKind::MalwareDetected, FaultKind::BadGateway] {
        let scene = Scene::backed_up().await;
        let tenant = scene.t.tenant();
        let other = tenant.drive_folder_add(&scene.drive.id, &scene.drive.root, "Other").unwrap();
        tenant.drive_item_move(&scene.drive.id, &scene.plan, &other).unwrap();
        tenant.drive_item_rename(&scene.drive.id, &scene.plan, "plan B.txt").unwrap();
        scene.replace(&scene.plan, "plan 2");
        scene.remove(&scene.work);
        inject(&scene.t, Fault::always(kind.clone(), &format!("{}/content", scene.plan)));
        let report = scene.t.backup().await;
        assert_eq!(problems(&report).len(), 1, "{report:#?}");
        assert_eq!(report.counts.items_deleted, 1, "the notes: {report:#?}");
        let stored = stored_files(&scene.t.home, &onedrive(&scene.t), &At::Latest).await.unwrap();
        let plan = stored.get(&scene.plan).expect("the last version is kept");
        assert_eq!(plan.sha256, sha256(b"plan 1"));
        assert_eq!(plan.path, ["OneDrive", "Other", "plan B.txt"], "where the file is now");
        tenant.faults().clear();
        assert_complete(&scene.t.backup().await);
        scene.assert_healthy().await;
    }
}

/// Earlier versions are no reason to leave the file out.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_read_does_not_cost_the_file() {
    let scene = Scene::new().await;
    set_file_versions(&scene.t.home, TENANT, FileVersions::All).await.unwrap();
    for text in ["plan 2", "plan 3"] {
        scene.t.advance(Duration::from_secs(60));
        scene.replace(&scene.plan, text);
    }
    let version = format!("{}/versions/1.0/content", scene.plan);
    inject(&scene.t, Fault::always(FaultKind::BadGateway, &version));
    let report = scene.t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "it is said: {report:#?}");
    assert_eq!(problems(&report).iter().filter(|told| told.0 == scene.plan).count(), 1);
    scene.assert_equal("the file itself").await;
    scene.t.tenant().faults().clear();
    assert_complete(&scene.t.backup().await);
    let expected = ["plan 1", "plan 2"].map(|text| sha256(text.as_bytes()));
    assert_eq!(versions(&scene.t, &scene.drive).await, expected, "the one that was missing came");
}

/// A site whose service is down does not stop the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_drive_that_answers_nothing_costs_no_other() {
    let scene = Scene::new().await;
    let site = scene.t.tenant().site_add("ledger", "Ledger").unwrap();
    let library = scene.t.tenant().drives().into_iter().find(|drive| drive.site == site.id);
    let library = library.unwrap();
    scene.t.tenant().file_add(&library.id, &library.root, "a.txt", bytes("a")).unwrap();
    let down = FaultKind::Unavailable(PlainBody::Html);
    inject(&scene.t, Fault::always(down, &format!("{}/root/delta", library.id)));
    let report = scene.t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    scene.assert_equal("the OneDrive").await;
    scene.t.tenant().faults().clear();
    assert_complete(&scene.t.backup().await);
    let stored = stored_files(&scene.t.home, "sites/ledger", &At::Latest).await.unwrap();
    assert_eq!(stored.len(), 1);
}
