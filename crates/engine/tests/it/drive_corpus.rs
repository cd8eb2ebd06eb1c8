//! Real documents: everything in the shared corpus goes into a OneDrive and a library, is changed,
//! and comes out of the vault and back into drives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_engine::browse::At;
use holdfast_engine::restore::{RestoreReport, RestoreRequest};
use holdfast_model::{Outcome, Timestamp, component};
use holdfast_testkit::sim::{DriveItemView, DriveView, FileBytes};
use holdfast_testkit::{
    Files, Options, TestContext, assert_same_files, live_files, sha256, shared, stored_files,
};
use holdfast_workloads::drive::{Same, compare_files, is_office};

use crate::drives::onedrive;

struct Corpus {
    t: TestContext,
    drive: DriveView,
    library: DriveView,
}

/// Path and content of each file below a folder.
fn documents(top: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let inner = path.strip_prefix(top).unwrap().to_owned();
                    found.push((inner, fs::read(&path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

impl Corpus {
    /// Every second document in a OneDrive, the others in a library, each with a date of its own.
    async fn new() -> Option<Self> {
        let Some(top) = shared("corpus/documents") else {
            println!("the shared corpus is absent: real documents are not tested here");
            return None;
        };
        let t =
            TestContext::new(Options { users: 2, mails: 0, sites: 1, ..Options::default() }).await;
        for upn in t.people() {
            t.tenant().onedrive_add(&upn).unwrap();
        }
        let drive = t.tenant().onedrive(&t.people()[0]).unwrap();
        let library = t.tenant().drives().into_iter().find(|drive| drive.owner.is_none()).unwrap();
        let mut folders = BTreeMap::new();
        for (number, (path, content)) in documents(&top).into_iter().enumerate() {
            let drive = if number % 2 == 0 { &drive } else { &library };
            let kind = path.parent().unwrap().to_string_lossy().replace('/', " ");
            let folder = folders.entry((drive.id.clone(), kind.clone())).or_insert_with(|| {
                t.tenant().drive_folder_add(&drive.id, &drive.root, &format!("k {kind}")).unwrap()
            });
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let content = FileBytes::Bytes(Arc::from(content));
            let added = t.tenant().file_add(&drive.id, folder, &name, content.clone());
            let plain = component(&format!("{number} {name}"), 200);
            let id = added.unwrap_or_else(|_| {
                t.tenant().file_add(&drive.id, folder, &plain, content).unwrap()
            });
            let date = 1_000_000_000 + 86_400 * number as i64;
            let date = Timestamp::from_second(date).unwrap();
            t.tenant().file_touch(&drive.id, &id, date).unwrap();
        }
        Some(Self { t, drive, library })
    }

    fn resources(&self) -> [(String, &DriveView); 2] {
        let site = self.t.tenant().sites().into_iter().find(|site| !site.is_personal).unwrap();
        [(onedrive(&self.t), &self.drive), (format!("sites/{}", site.name), &self.library)]
    }

    async fn assert_stored(&self, at: &At, models: &[Files]) {
        for ((name, _), model) in self.resources().iter().zip(models) {
            let stored = stored_files(&self.t.home, name, at).await.unwrap();
            assert_same_files(&stored, model, name);
        }
    }

    fn live(&self) -> Vec<Files> {
        let live = |(_, drive): &(String, &DriveView)| live_files(self.t.tenant(), &drive.site);
        self.resources().iter().map(live).collect()
    }

    /// A day of work: content, names, folders.
    fn change(&self) {
        let tenant = self.t.tenant();
        for drive in [&self.drive, &self.library] {
            let items = tenant.drive_items(&drive.id).unwrap();
            let files: Vec<&DriveItemView> = items.iter().filter(|item| !item.is_folder).collect();
            let folders: Vec<&DriveItemView> =
                items.iter().filter(|item| item.is_folder && item.parent.is_some()).collect();
            for (number, file) in files.iter().enumerate() {
                if number % 10 == 0 {
                    let other = files[(number + 1) % files.len()];
                    let content = tenant.drive_content(&drive.id, &other.id).unwrap();
                    tenant.file_replace(&drive.id, &file.id, content.into()).unwrap();
                }
                if number % 7 == 0 {
                    let name = format!("renamed {number} {}", file.name);
                    tenant.drive_item_rename(&drive.id, &file.id, &name).unwrap();
                }
            }
            let archive = tenant.drive_folder_add(&drive.id, &drive.root, "Archive").unwrap();
            tenant.drive_item_move(&drive.id, &folders[0].id, &archive).unwrap();
            tenant.drive_item_remove(&drive.id, &folders[folders.len() - 1].id).unwrap();
        }
    }
}

/// Path below the drive and hash of each file.
fn told(files: &Files) -> BTreeSet<(Vec<String>, String)> {
    files.values().map(|file| (file.path[1..].to_vec(), file.sha256.clone())).collect()
}

/// Causes and their numbers; names of documents stay out of test output.
fn failures(report: &RestoreReport) -> String {
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for item in report.items.iter().filter(|item| item.result == "failed") {
        *causes.entry(item.detail.as_deref().unwrap_or_default()).or_default() += 1;
    }
    format!("{causes:#?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn real_documents_are_kept_changed_and_brought_back_to_any_moment() {
    let Some(c) = Corpus::new().await else { return };
    let t = &c.t;
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.counts.items_failed, report.counts.items_skipped), (0, 0));
    assert!(report.counts.items_new >= 1_000, "{} documents", report.counts.items_new);
    let (first, before) = (At::Time(t.home.clock.now()), c.live());
    c.assert_stored(&At::Latest, &before).await;
    c.change();
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Complete, 0));
    let after = c.live();
    c.assert_stored(&At::Latest, &after).await;
    c.assert_stored(&first, &before).await;

    // The first moment, in the drive of another person, byte for byte.
    let other = t.people().remove(1);
    let to = Some(format!("onedrive/{other}"));
    let request = RestoreRequest { at: first, to, ..t.restore_of(&onedrive(t)) };
    let report = t.restore(request).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", failures(&report));
    let target = t.tenant().onedrive(&other).unwrap();
    assert!(told(&live_files(t.tenant(), &target.site)) == told(&before[0]));

    // The last one in a library, where the service writes into Office files.
    let to = Some(c.resources()[1].0.clone());
    let into = Some("From a drive".to_owned());
    let report = t.restore(RestoreRequest { to, into, ..t.restore_of(&onedrive(t)) }).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", failures(&report));
    assert_eq!(report.items_restored as usize, after[0].len());
    assert_rewritten(&c, &after[0]);
    judge_by_restic(&c).await;
}

/// What was restored into the library has the bytes, or where the service wrote into it the parts.
fn assert_rewritten(c: &Corpus, source: &Files) {
    let tenant = c.t.tenant();
    let restored = tenant.drive_items(&c.library.id).unwrap().into_iter();
    let restored: BTreeMap<Vec<String>, DriveItemView> = restored
        .filter(|item| !item.is_folder && item.path[0] == "From a drive")
        .map(|item| (item.path[1..].to_vec(), item))
        .collect();
    assert_eq!(restored.len(), source.len());
    let mut rewritten = 0;
    for (id, file) in source {
        let item = &restored[&file.path[1..]];
        if item.sha256 == file.sha256 {
            continue;
        }
        rewritten += 1;
        assert!(is_office(&item.name));
        let stored = tenant.drive_content(&c.drive.id, id).unwrap();
        let found = tenant.drive_content(&c.library.id, &item.id).unwrap();
        let same = compare_files(std::io::Cursor::new(stored), std::io::Cursor::new(found));
        assert_eq!(same, Same::Parts);
    }
    assert!(rewritten > 50, "the library writes into Office files: {rewritten}");
}

/// Stock restic gives the drive as its owner knew it: paths, bytes, dates.
async fn judge_by_restic(c: &Corpus) {
    c.t.backup().await;
    let Some(restic) = c.t.restic().await else { return };
    restic.check();
    let target = c.t.scratch("restic");
    restic.restore_latest(&target);
    let people = fs::read_dir(target.join("onedrive")).unwrap();
    let drives: Vec<PathBuf> = people
        .map(|person| person.unwrap().path().join("OneDrive"))
        .filter(|d| d.is_dir())
        .collect();
    let expected = live_files(c.t.tenant(), &c.drive.site);
    let top = drives.iter().find(|top| top.join("Archive").is_dir()).unwrap();
    for file in expected.values() {
        let safe = file.path[1..].iter().map(|name| component(name, 200));
        let path = safe.fold(top.clone(), |path, name| path.join(name));
        let content = fs::read(&path);
        assert!(content.is_ok_and(|content| sha256(&content) == file.sha256), "a document differs");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(Some(Timestamp::try_from(modified).unwrap()), file.modified);
    }
}
