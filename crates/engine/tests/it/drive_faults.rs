//! The service's known faults of drives, end to end (numbers: graph reference, section 9), those of
//! pages and links first: the backup completes or says what it lacks, what is stored stays, and the
//! next run heals.

use std::collections::BTreeMap;

use holdfast_engine::backup::BackupReport;
use holdfast_engine::browse::{At, locate};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{DriveView, Fault, FaultKind, PlainBody, Resync, RetryAfter};
use holdfast_testkit::{
    Options, TestContext, assert_same_files, live_files, live_folders, stored_files,
};
use holdfast_workloads::drive::FileMeta;

use crate::drives::{bytes, context, onedrive};
use crate::faults::{assert_complete, inject};

/// A OneDrive with some files, not backed up yet.
pub struct Scene {
    pub t: TestContext,
    pub drive: DriveView,
    /// Folder "Work".
    pub work: String,
    /// `Work/plan.txt`.
    pub plan: String,
    /// `Work/notes.txt`.
    pub notes: String,
}

impl Scene {
    pub async fn new() -> Self {
        let (t, drive) = context(0).await;
        let work = t.tenant().drive_folder_add(&drive.id, &drive.root, "Work").unwrap();
        let plan = t.tenant().file_add(&drive.id, &work, "plan.txt", bytes("plan 1")).unwrap();
        let notes = t.tenant().file_add(&drive.id, &work, "notes.txt", bytes("notes 1")).unwrap();
        t.tenant().file_add(&drive.id, &drive.root, "top.txt", bytes("top")).unwrap();
        Self { t, drive, work, plan, notes }
    }

    pub async fn backed_up() -> Self {
        let scene = Self::new().await;
        assert_complete(&scene.t.backup().await);
        scene
    }

    pub fn replace(&self, file: &str, text: &str) {
        self.t.tenant().file_replace(&self.drive.id, file, bytes(text)).unwrap();
    }

    pub fn add(&self, folder: &str, name: &str, text: &str) -> String {
        self.t.tenant().file_add(&self.drive.id, folder, name, bytes(text)).unwrap()
    }

    pub fn remove(&self, item: &str) {
        self.t.tenant().drive_item_remove(&self.drive.id, item).unwrap();
    }

    pub fn downloads(&self) -> u64 {
        self.t.tenant().stats().downloads
    }

    pub async fn assert_equal(&self, what: &str) {
        let stored = stored_files(&self.t.home, &onedrive(&self.t), &At::Latest).await.unwrap();
        assert_same_files(&stored, &live_files(self.t.tenant(), &self.drive.site), what);
    }

    /// What is stored now is what the tenant has, and the next run has nothing to do.
    pub async fn assert_healthy(&self) {
        self.assert_equal("healed").await;
        let before = self.downloads();
        let idle = self.t.backup().await;
        assert_complete(&idle);
        assert!(idle.counts.is_idle() && idle.snapshots.is_empty(), "{idle:#?}");
        assert_eq!((idle.counts.items_skipped, self.downloads()), (0, before), "{idle:#?}");
        assert_eq!(self.t.tenant().stats().authorised_downloads, 0);
    }

    /// Metadata of the stored files by name.
    pub async fn metas(&self) -> BTreeMap<String, FileMeta> {
        let name = onedrive(&self.t);
        let located = locate(&self.t.home, None, &name, &At::Latest).await.unwrap();
        let found = located.items("").unwrap().into_iter();
        found
            .map(|found| found.file().unwrap().clone())
            .map(|meta| (meta.name.clone(), meta))
            .collect()
    }
}

/// What a run says of single files: id, cause, and whether it is a known cause.
pub fn problems(report: &BackupReport) -> Vec<(String, String, bool)> {
    let of = report.resources.iter().flat_map(|resource| &resource.problems);
    of.map(|p| (p.item.clone(), p.cause.clone(), p.skipped)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d01_to_d05_and_d40_stumbles_are_repeated() {
    let scene = Scene::backed_up().await;
    let kinds = [
        FaultKind::Throttle(RetryAfter::Seconds(1)),
        FaultKind::Throttle(RetryAfter::Missing),
        FaultKind::Throttle(RetryAfter::Date(20)),
        FaultKind::Throttle(RetryAfter::Nonsense),
        FaultKind::Unavailable(PlainBody::Empty),
        FaultKind::Unavailable(PlainBody::Html),
        FaultKind::BadGateway,
        FaultKind::ServerError(500),
        FaultKind::ServerError(503),
        FaultKind::BrokenBody,
        FaultKind::TokenExpired,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        scene.replace(&scene.plan, &format!("plan {number} of the stumbles"));
        let struck = scene.t.tenant().faults().struck();
        for path in ["root/delta", &format!("{}/content", scene.plan), "/download/"] {
            inject(&scene.t, Fault::once(kind.clone(), path));
        }
        let report = scene.t.backup().await;
        assert_complete(&report);
        assert_eq!(report.counts.items_changed, 1, "{kind:?}: {report:#?}");
        assert_eq!(problems(&report), [], "{kind:?}");
        assert!(scene.t.tenant().faults().struck() >= struck + 2, "{kind:?} did not strike");
        scene.t.tenant().faults().clear();
        scene.assert_equal(&format!("{kind:?}")).await;
    }
    scene.assert_healthy().await;
}

/// Files of more than one page of a delta.
const MANY: usize = 450;

async fn many() -> Scene {
    let scene = Scene::new().await;
    for number in 0..MANY {
        scene.add(&scene.work, &format!("file {number}.txt"), &format!("text {number}"));
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn d05_an_enumeration_goes_on_where_it_stumbled() {
    let scene = many().await;
    inject(&scene.t, Fault::once(FaultKind::ServerError(503), "root/delta(token=").times(2));
    inject(&scene.t, Fault::once(FaultKind::ServerError(500), "root/delta(token=").after(1));
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new, MANY as u64 + 3);
    assert_eq!(scene.downloads(), MANY as u64 + 3, "no file twice");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d06_a_page_that_repeats_for_ever_is_told_and_loses_nothing() {
    let scene = Scene::backed_up().await;
    scene.replace(&scene.plan, "plan 2");
    scene.remove(&scene.notes);
    inject(&scene.t, Fault::always(FaultKind::RepeatPage, "root/delta"));
    let report = scene.t.backup().await;
    assert_ne!(report.outcome, Outcome::Complete, "{report:#?}");
    let told = report.resources.iter().find(|r| r.name.starts_with("onedrive")).unwrap();
    assert_eq!(told.cause.as_deref(), Some("loop"), "{report:#?}");
    assert!(report.requests < 40, "{} requests", report.requests);
    let stored = stored_files(&scene.t.home, &onedrive(&scene.t), &At::Latest).await.unwrap();
    assert_eq!(stored.len(), 3, "nothing is removed by half a round");
    scene.t.tenant().faults().clear();
    assert_complete(&scene.t.backup().await);
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d06_to_d09_odd_pages_lose_and_double_nothing() {
    for fault in [
        Fault::once(FaultKind::RepeatPage, "root/delta"),
        Fault::once(FaultKind::EmptyPage, "root/delta"),
        Fault::always(FaultKind::OversizedPage, "root/delta"),
        Fault::always(FaultKind::DuplicateItems, "root/delta"),
    ] {
        let scene = many().await;
        inject(&scene.t, fault.clone());
        let report = scene.t.backup().await;
        assert_complete(&report);
        assert_eq!(report.counts.items_new, MANY as u64 + 3, "{fault:?}");
        scene.assert_equal(&format!("first, {fault:?}")).await;
        let target = scene.t.tenant();
        let other = target.drive_folder_add(&scene.drive.id, &scene.drive.root, "Other").unwrap();
        target.drive_item_move(&scene.drive.id, &scene.work, &other).unwrap();
        target.drive_item_rename(&scene.drive.id, &scene.plan, "plan B.txt").unwrap();
        scene.replace(&scene.plan, "plan 2");
        scene.remove(&scene.notes);
        inject(&scene.t, fault.clone());
        let report = scene.t.backup().await;
        assert_complete(&report);
        assert_eq!(report.counts.items_deleted, 1, "{fault:?}: {report:#?}");
        scene.assert_equal(&format!("later, {fault:?}")).await;
        scene.t.tenant().faults().clear();
        scene.assert_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_to_d13_a_lost_link_starts_a_comparison_and_fetches_nothing_again() {
    for kind in [
        FaultKind::Resync(Resync::ApplyDifferences),
        FaultKind::Resync(Resync::UploadDifferences),
        FaultKind::SyncStateGone("SyncStateNotFound".to_owned()),
        FaultKind::SyncStateGone("SyncStateInvalid".to_owned()),
        FaultKind::SyncStateGone("resyncRequired".to_owned()),
        FaultKind::ResyncLocationFails,
        FaultKind::DeltaNotFound,
    ] {
        let scene = Scene::backed_up().await;
        let old = scene.t.tenant().drive_folder_add(&scene.drive.id, &scene.drive.root, "Old");
        let old = old.unwrap();
        scene.add(&old, "old.txt", "old");
        scene.t.backup().await;
        let before = scene.downloads();
        scene.replace(&scene.plan, "plan 2");
        scene.remove(&scene.notes);
        scene.remove(&old);
        scene.add(&scene.work, "new.txt", "new");
        inject(&scene.t, Fault::once(kind.clone(), "root/delta"));
        let report = scene.t.backup().await;
        assert_complete(&report);
        let counts = report.counts;
        let found = (counts.items_new, counts.items_changed, counts.items_deleted);
        assert_eq!(found, (1, 1, 2), "{kind:?}: {report:#?}");
        assert_eq!(scene.downloads(), before + 2, "{kind:?}: what stayed is not fetched");
        assert_eq!(live_folders(scene.t.tenant(), &scene.drive.site), stored_folders(&scene).await);
        scene.assert_healthy().await;
    }
}

/// Paths of the folders in the newest restore point.
async fn stored_folders(scene: &Scene) -> Vec<Vec<String>> {
    let name = onedrive(&scene.t);
    let resource = holdfast_engine::discover::find(&scene.t.home, None, &name).await.unwrap();
    let rows = scene.t.home.catalog.container_list(&resource.id).await.unwrap();
    let mut paths = Vec::new();
    for row in &rows {
        let (mut path, mut at) = (Vec::new(), Some(row));
        while let Some(row) = at {
            path.insert(0, row.display_name.clone());
            at = rows.iter().find(|above| Some(&above.id) == row.parent.as_ref());
        }
        if path.len() > 1 {
            paths.push(path);
        }
    }
    paths.sort();
    paths
}

/// onedrive-api-docs#1476: in the middle of a first enumeration, after many pages.
#[tokio::test(flavor = "multi_thread")]
async fn d13_a_first_enumeration_that_breaks_off_goes_on_in_the_next_run() {
    let scene = many().await;
    inject(&scene.t, Fault::always(FaultKind::DeltaNotFound, "root/delta(token="));
    let report = scene.t.backup().await;
    assert_ne!(report.outcome, Outcome::Complete, "{report:#?}");
    let some = scene.downloads();
    assert!(some >= 150, "the first page was taken: {some}");
    scene.t.tenant().faults().clear();
    assert_complete(&scene.t.backup().await);
    assert_eq!(scene.downloads(), MANY as u64 + 3, "no file twice");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d32_listings_without_hashes_and_with_negative_sizes_are_taken() {
    let scene = Scene::new().await;
    for kind in [FaultKind::HashMissing, FaultKind::NegativeFolderSize] {
        inject(&scene.t, Fault::always(kind, ""));
    }
    assert_complete(&scene.t.backup().await);
    scene.assert_healthy().await;
    let metas = scene.metas().await;
    assert!(metas.values().all(|meta| meta.xor.is_none() && meta.got_xor.is_some()), "{metas:#?}");
    let before = scene.downloads();
    scene.t.tenant().drive_item_rename(&scene.drive.id, &scene.plan, "plan B.txt").unwrap();
    scene.remove(&scene.notes);
    scene.replace(&scene.plan, "plan 2");
    assert_complete(&scene.t.backup().await);
    assert_eq!(scene.downloads(), before + 1);
    scene.assert_healthy().await;
    let request = scene.t.restore_of(&onedrive(&scene.t));
    let report = scene.t.restore(request).await;
    assert_eq!((report.items_restored, report.items_failed), (0, 0), "{report:#?}");
}

/// docs-contrib#8794: what was deleted is not told; its name belongs to another one now.
#[tokio::test(flavor = "multi_thread")]
async fn d33_a_folder_deleted_and_made_again_without_a_tombstone_replaces_the_old_one() {
    let scene = Scene::backed_up().await;
    let tenant = scene.t.tenant();
    scene.remove(&scene.work);
    let again = tenant.drive_folder_add(&scene.drive.id, &scene.drive.root, "Work").unwrap();
    scene.add(&again, "plan.txt", "another plan");
    let top = live_files(tenant, &scene.drive.site);
    let top = top.iter().find(|(_, file)| file.path.ends_with(&["top.txt".to_owned()])).unwrap();
    scene.remove(top.0);
    scene.add(&scene.drive.root, "top.txt", "another top");
    inject(&scene.t, Fault::always(FaultKind::LostTombstones, "root/delta"));
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_deleted, 3, "{report:#?}");
    scene.assert_equal("without tombstones").await;
    scene.t.tenant().faults().clear();
    scene.assert_healthy().await;
}

/// Where nothing has taken the name, only a whole enumeration can tell.
#[tokio::test(flavor = "multi_thread")]
async fn d33_a_lost_tombstone_is_made_up_for_by_the_next_whole_enumeration() {
    let scene = Scene::backed_up().await;
    scene.remove(&scene.notes);
    inject(&scene.t, Fault::once(FaultKind::LostTombstones, "root/delta"));
    let report = scene.t.backup().await;
    assert_eq!(report.counts.items_deleted, 0);
    inject(&scene.t, Fault::once(FaultKind::Resync(Resync::ApplyDifferences), "root/delta"));
    let report = scene.t.backup().await;
    assert_eq!(report.counts.items_deleted, 1, "{report:#?}");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d22_a_person_without_a_drive_is_told_and_harms_nobody() {
    let options = Options { users: 2, mails: 0, ..Options::default() };
    let t = TestContext::new(options).await;
    let upn = t.people().remove(0);
    let drive = t.tenant().onedrive_add(&upn).unwrap();
    t.tenant().file_add(&drive.id, &drive.root, "a.txt", bytes("a")).unwrap();
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new, 1, "{report:#?}");
    t.tenant().site_remove(&drive.site).unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.items_deleted, 0, "what is stored stays: {report:#?}");
    let stored = stored_files(&t.home, &format!("onedrive/{upn}"), &At::Latest).await.unwrap();
    assert_eq!(stored.len(), 1);
}
