//! Columns of libraries and retention labels, those of OneDrives too: they are stored at the cost of
//! a page, and come back.

use std::collections::BTreeMap;

use holdfast_engine::browse::At;
use holdfast_engine::restore::RestoreRequest;
use holdfast_model::Outcome;
use holdfast_testkit::sim::{DriveView, Fault, FaultKind, Resync};
use holdfast_testkit::{TestContext, sha256, stored_files};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::drive_faults::problems;
use crate::drive_restore::items;
use crate::drives::{bytes, context, onedrive};
use crate::faults::{assert_complete, inject};

type Fields = BTreeMap<String, Value>;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

/// Columns and label of the files by name.
fn live(t: &TestContext, drive: &DriveView) -> BTreeMap<String, (Fields, Option<String>)> {
    let files = items(t, drive).into_iter().filter(|item| !item.is_folder);
    files.map(|item| (item.name, (item.fields, item.label))).collect()
}

/// Requests for columns: those that tell many, and those for a single file.
fn asked(t: &TestContext) -> (u64, u64) {
    let stats = t.tenant().stats();
    let count = |name: &str| stats.requests.get(name).map_or(0, |by| by.values().sum());
    (count("GET /sites/{id}/lists/{id}/items/delta"), count("GET /drives/{id}/items/{id}/listItem"))
}

struct Library {
    t: TestContext,
    drive: DriveView,
    resource: String,
    ids: BTreeMap<&'static str, String>,
}

impl Library {
    /// Three files, of which one has a column and a label.
    async fn new() -> Self {
        let (t, _) = context(1).await;
        let site = t.tenant().sites().into_iter().find(|site| !site.is_personal).unwrap();
        let drive = t.tenant().drives().into_iter().find(|drive| drive.site == site.id).unwrap();
        let add = |name| t.tenant().file_add(&drive.id, &drive.root, name, bytes(name)).unwrap();
        let ids = ["a.txt", "b.txt", "c.txt"].map(|name| (name, add(name))).into();
        let library = Self { resource: format!("sites/{}", site.name), t, drive, ids };
        library.set("a.txt", &[("Status", "open")]);
        library.label("a.txt", "Keep");
        library
    }

    fn set(&self, name: &str, pairs: &[(&str, &str)]) {
        let tenant = self.t.tenant();
        tenant.drive_fields_set(&self.drive.id, &self.ids[name], fields(pairs)).unwrap();
    }

    fn label(&self, name: &str, label: &str) {
        let tenant = self.t.tenant();
        tenant.drive_label_set(&self.drive.id, &self.ids[name], Some(label)).unwrap();
    }

    /// Backs up; so many requests for many and for single files.
    async fn back_up(&self, many: u64, single: u64) {
        let before = asked(&self.t);
        assert_complete(&self.t.backup().await);
        let after = asked(&self.t);
        assert_eq!((after.0 - before.0, after.1 - before.1), (many, single));
    }

    /// All files go and come back with what they had.
    async fn assert_comes_back(&self) {
        let before = live(&self.t, &self.drive);
        for id in self.ids.values() {
            self.t.tenant().drive_item_remove(&self.drive.id, id).unwrap();
        }
        self.t.backup().await;
        let at = At::Time(self.t.home.clock.now() - SignedDuration::from_secs(30));
        let request = RestoreRequest { at, ..self.t.restore_of(&self.resource) };
        let report = self.t.restore(request).await;
        assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 3), "{report:#?}");
        assert_eq!(live(&self.t, &self.drive), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_labels_are_told_in_pages_and_come_back() {
    let library = Library::new().await;
    library.back_up(1, 0).await;
    library.back_up(0, 0).await;
    library.set("a.txt", &[("Status", "closed")]);
    library.set("c.txt", &[("Status", "open")]);
    library.label("b.txt", "Destroy");
    let b = &library.ids["b.txt"];
    library.t.tenant().file_replace(&library.drive.id, b, bytes("b 2")).unwrap();
    library.back_up(1, 0).await;
    library.assert_comes_back().await;
}

/// The link to the changes tells of the columns of its time only.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_read() {
    let library = Library::new().await;
    library.back_up(1, 0).await;
    library.set("c.txt", &[("Client", "Ada")]);
    library.back_up(1, 1).await;
    library.set("a.txt", &[("Client", "Bo"), ("Status", "")]);
    library.back_up(1, 0).await;
    library.assert_comes_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_are_not_told_are_asked_for_file_by_file() {
    let library = Library::new().await;
    library.back_up(1, 0).await;
    for kind in [FaultKind::Resync(Resync::ApplyDifferences), FaultKind::BadGateway] {
        library.set("a.txt", &[("Status", &format!("{kind:?}"))]);
        library.set("b.txt", &[("Status", &format!("{kind:?}"))]);
        inject(&library.t, Fault::always(kind, "/items/delta"));
        let before = asked(&library.t).1;
        assert_complete(&library.t.backup().await);
        assert_eq!(asked(&library.t).1 - before, 2);
        library.t.tenant().faults().clear();
    }
    // What changes from now on is told again.
    library.set("a.txt", &[("Status", "between")]);
    library.back_up(1, 1).await;
    library.set("a.txt", &[("Status", "told")]);
    library.back_up(1, 0).await;
    library.assert_comes_back().await;
}

/// What cannot be known is not taken for empty.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_cannot_be_read_are_reported_and_kept() {
    let library = Library::new().await;
    library.back_up(1, 0).await;
    let a = &library.ids["a.txt"];
    library.t.tenant().file_replace(&library.drive.id, a, bytes("a 2")).unwrap();
    let list = format!("{}/list", library.drive.id);
    inject(&library.t, Fault::always(FaultKind::NotAllowed, &format!("{list}?")));
    for run in 0..2 {
        let report = library.t.backup().await;
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        let told = problems(&report);
        assert_eq!(told, [(a.clone(), "notAllowed".to_owned(), false)], "run {run}");
    }
    let stored = stored_files(&library.t.home, &library.resource, &At::Latest).await.unwrap();
    assert_eq!(stored[a].sha256, sha256(b"a 2"), "its content is there");
    let at = At::Time(library.t.home.clock.now());
    library.t.tenant().faults().clear();
    let before = live(&library.t, &library.drive);
    library.t.tenant().drive_item_remove(&library.drive.id, a).unwrap();
    let request = RestoreRequest { at, ..library.t.restore_of(&library.resource) };
    assert_eq!(library.t.restore(request).await.items_restored, 1);
    assert_eq!(live(&library.t, &library.drive), before, "as they were read before");
    assert_complete(&library.t.backup().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_onedrive_come_back() {
    let (t, drive) = context(0).await;
    let tenant = t.tenant();
    let plan = tenant.file_add(&drive.id, &drive.root, "plan.txt", bytes("plan")).unwrap();
    tenant.file_add(&drive.id, &drive.root, "none.txt", bytes("none")).unwrap();
    tenant.drive_label_set(&drive.id, &plan, Some("Keep 7 years")).unwrap();
    assert_complete(&t.backup().await);
    let before = live(&t, &drive);
    tenant.drive_item_remove(&drive.id, &plan).unwrap();
    let report = t.restore(t.restore_of(&onedrive(&t))).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
    assert_eq!(live(&t, &drive), before);
}
