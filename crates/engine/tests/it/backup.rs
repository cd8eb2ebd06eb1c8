//! Full and incremental backups.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_engine::browse::{At, Entry, cat, ls};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Options, TestContext};

/// All messages of the newest restore point by Graph id: path and bytes.
pub async fn stored(t: &TestContext, upn: &str) -> Vec<(String, String, Vec<u8>)> {
    let entries = ls(&t.home, None, upn, &At::Latest, "", true).await.unwrap();
    let mut messages = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.kind == "message") {
        let mut bytes = Vec::new();
        cat(&t.home, None, upn, &At::Latest, &entry.path, &mut bytes).await.unwrap();
        messages.push((entry.id, entry.path, bytes));
    }
    messages.sort();
    messages
}

/// The same from the tenant's side: ids and MIME.
pub fn live(t: &TestContext, upn: &str) -> Vec<(String, Vec<u8>)> {
    let mut messages = Vec::new();
    for folder in t.tenant().folders(upn).unwrap() {
        for view in t.tenant().messages(upn, &folder.id).unwrap() {
            messages.push((view.id.clone(), t.tenant().mime(upn, &view.id).unwrap().to_vec()));
        }
    }
    messages.sort();
    messages
}

pub async fn assert_equal_to_live(t: &TestContext, upn: &str) {
    let stored: Vec<_> = stored(t, upn).await.into_iter().map(|(id, _, b)| (id, b)).collect();
    let live = live(t, upn);
    let ids = |list: &[(String, Vec<u8>)]| list.iter().map(|m| m.0.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&stored), ids(&live));
    assert!(stored == live, "bytes differ");
}

async fn folders(t: &TestContext, upn: &str) -> Vec<Entry> {
    let entries = ls(&t.home, None, upn, &At::Latest, "", true).await.unwrap();
    entries.into_iter().filter(|entry| entry.kind == "folder").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_backup_stores_every_message_and_restic_reads_it() {
    let t = TestContext::new(Options::default()).await;
    let people = t.people();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let held: usize = people.iter().map(|upn| live(&t, upn).len()).sum();
    assert!(held > 20);
    assert_eq!(report.counts.items_new, held as u64);
    assert_eq!(report.snapshots.len(), 1);
    for upn in &people {
        assert_equal_to_live(&t, upn).await;
    }
    if let Some(restic) = t.restic().await {
        restic.check();
        let target = t.scratch("restic");
        restic.restore_latest(&target);
        let files = eml_files(&target);
        assert_eq!(files.len(), held);
        let all: BTreeSet<Vec<u8>> =
            people.iter().flat_map(|upn| live(&t, upn)).map(|(_, mime)| mime).collect();
        assert!(files.iter().all(|bytes| all.contains(bytes)));
    }
}

pub fn eml_files(dir: &std::path::Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(eml_files(&path));
        } else if path.extension().is_some_and(|e| e == "eml") {
            files.push(std::fs::read(&path).unwrap());
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_poll_costs_one_call_a_folder_and_writes_nothing() {
    let t = TestContext::new(Options { users: 1, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let folders = t.tenant().folders(&upn).unwrap().len() as u64;
    let idle = t.backup().await;
    assert!(idle.counts.is_idle(), "{idle:#?}");
    assert!(idle.snapshots.is_empty());
    // The lists of users, of sites, of folders, and each folder.
    assert_eq!(idle.requests, 3 + folders);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_per_new_message_stay_near_one() {
    let t = TestContext::new(Options { users: 1, mails: 200, ..Options::default() }).await;
    let report = t.backup().await;
    let folders = t.tenant().folders(&t.people()[0]).unwrap().len() as u64;
    let fixed = 3 + folders + 8; // users, sites, folders, one round each, well-known names
    let per_message = (report.requests - fixed) as f64 / report.counts.items_new as f64;
    assert!(per_message <= 1.1, "{per_message} requests per message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_refuses_expand_costs_two_requests_a_message() {
    let options = Options { users: 1, mails: 50, delta_expands: false, ..Options::default() };
    let t = TestContext::new(options).await;
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let folders = t.tenant().folders(&t.people()[0]).unwrap().len() as u64;
    let fixed = 2 + 2 * folders + 8;
    let per_message = (report.requests - fixed) as f64 / report.counts.items_new as f64;
    assert!((1.9..=2.1).contains(&per_message), "{per_message} requests per message");
    assert_equal_to_live(&t, &t.people()[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_categories_and_moves_fetch_no_body() {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let target = t.tenant().folder_create(&upn, None, "Kept").unwrap();
    let ids: Vec<String> =
        t.tenant().messages(&upn, &inbox).unwrap().into_iter().map(|m| m.id).take(3).collect();
    t.tenant().message_update(&upn, &ids[0], |m| m.is_read = !m.is_read).unwrap();
    t.tenant().message_move(&upn, &ids[1], &target).unwrap();
    t.tenant().message_delete(&upn, &ids[2], true).unwrap();
    t.tenant().stats_reset();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!((report.counts.items_new, report.counts.bytes), (0, 0), "{report:#?}");
    assert_eq!(report.counts.items_changed, 2);
    assert_eq!(report.counts.items_deleted, 1);
    assert_equal_to_live(&t, &upn).await;
    let moved = stored(&t, &upn).await.into_iter().find(|m| m.0 == ids[1]).unwrap();
    assert!(moved.1.starts_with("Kept/"), "{}", moved.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_move_rename_swap_and_vanish() {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let tenant = t.tenant();
    let inbox = tenant.folder_by_path(&upn, &["Inbox"]).unwrap();
    let ids: Vec<String> =
        tenant.messages(&upn, &inbox).unwrap().into_iter().map(|m| m.id).take(4).collect();
    let a = tenant.folder_create(&upn, None, "Alpha").unwrap();
    let b = tenant.folder_create(&upn, None, "Beta").unwrap();
    let child = tenant.folder_create(&upn, Some(&a), "Child").unwrap();
    for (id, folder) in ids.iter().zip([&a, &b, &child, &b]) {
        tenant.message_move(&upn, id, folder).unwrap();
    }
    t.backup().await;
    assert_equal_to_live(&t, &upn).await;
    // Two folders swap their names, and a child moves under the other one.
    tenant.folder_rename(&upn, &a, "tmp").unwrap();
    tenant.folder_rename(&upn, &b, "Alpha").unwrap();
    tenant.folder_rename(&upn, &a, "Beta").unwrap();
    tenant.folder_move(&upn, &child, Some(&b)).unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.bytes, 0, "a moved folder is linked again");
    assert_equal_to_live(&t, &upn).await;
    let place = |id: &str, all: &[(String, String, Vec<u8>)]| {
        all.iter().find(|m| m.0 == id).unwrap().1.clone()
    };
    let all = stored(&t, &upn).await;
    assert!(place(&ids[0], &all).starts_with("Beta/2"), "{}", place(&ids[0], &all));
    assert!(place(&ids[2], &all).starts_with("Alpha/Child/2"), "{}", place(&ids[2], &all));
    // A folder goes, and another of the same name comes in the same round.
    tenant.folder_delete(&upn, &a, true).unwrap();
    let again = tenant.folder_create(&upn, None, "Beta").unwrap();
    tenant.message_move(&upn, &ids[1], &again).unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.items_deleted, 1);
    assert_equal_to_live(&t, &upn).await;
    t.backup().await;
    assert_equal_to_live(&t, &upn).await;
    let names: BTreeSet<String> = folders(&t, &upn).await.into_iter().map(|f| f.path).collect();
    assert!(names.contains("Beta") && names.contains("Alpha/Child"), "{names:?}");
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_target_cannot_be_read_loses_nothing() {
    let t = TestContext::new(Options { users: 1, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let tenant = t.tenant();
    let inbox = tenant.folder_by_path(&upn, &["Inbox"]).unwrap();
    let target = tenant.folder_create(&upn, None, "Target").unwrap();
    t.backup().await;
    let before = stored(&t, &upn).await;
    let id = tenant.messages(&upn, &inbox).unwrap()[0].id.clone();
    tenant.message_move(&upn, &id, &target).unwrap();
    let fault = Fault::always(FaultKind::ServerError(503), &format!("{target}/messages/delta"));
    // The link of a known folder has another form; both are struck.
    tenant.faults().inject(fault);
    tenant.faults().inject(Fault::always(
        FaultKind::ServerError(503),
        &format!("mailFolders('{target}')/messages"),
    ));
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    let during = stored(&t, &upn).await;
    assert_eq!(during.len(), before.len());
    assert!(during.iter().any(|m| m.0 == id && m.1.starts_with("Inbox/")));
    tenant.faults().clear();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let after = stored(&t, &upn).await;
    assert!(after.iter().any(|m| m.0 == id && m.1.starts_with("Target/")));
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_link_is_followed_by_a_whole_comparison() {
    let t = TestContext::new(Options { users: 1, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let ids: Vec<String> =
        t.tenant().messages(&upn, &inbox).unwrap().into_iter().map(|m| m.id).collect();
    t.tenant().message_delete(&upn, &ids[0], true).unwrap();
    t.tenant().message_update(&upn, &ids[1], |m| m.categories = vec!["Blue".into()]).unwrap();
    t.advance(Duration::from_secs(30 * 24 * 3600)); // links live about a week
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!(report.counts.items_deleted, 1, "{report:#?}");
    assert_eq!(report.counts.items_changed, 1);
    assert_eq!(report.counts.bytes, 0, "nothing is fetched twice");
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_kept_and_told_apart() {
    let t = TestContext::new(Options { users: 1, mails: 5, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let long = "x".repeat(255);
    let names = [
        "a/b",
        "..",
        "CON",
        "case",
        "CASE",
        "2026-03",
        "~state.json",
        "\u{202e}gnp.exe",
        "x.eml",
        long.as_str(),
        " ",
        "tab\there",
        "0",
        "20260101 ~0123456789abcdef.eml",
    ];
    let mut made = 0;
    for name in names {
        // Exchange itself refuses equal names; the simulator may refuse some of these as well.
        let Ok(folder) = t.tenant().folder_create(&upn, None, name) else { continue };
        made += 1;
        let subject = name.replace(['\t', '\r', '\n'], " ");
        let mime = format!(
            "From: a@contoso.example\r\nSubject: {subject}\r\n\
             Date: Mon, 2 Mar 2026 08:00:00 +0000\r\n\r\nin {made}\r\n"
        );
        t.tenant().deliver(&upn, &folder, mime.as_bytes()).unwrap();
    }
    assert!(made >= 10, "only {made} names could be made");
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_equal_to_live(&t, &upn).await;
    let found = folders(&t, &upn).await;
    let live: BTreeSet<String> = t
        .tenant()
        .folders(&upn)
        .unwrap()
        .into_iter()
        .map(|folder| folder.path.last().unwrap().clone())
        .collect();
    let titles: BTreeSet<String> = found.iter().map(|folder| folder.title.clone()).collect();
    assert_eq!(titles, live, "real names come back");
    if let Some(restic) = t.restic().await {
        restic.check();
        restic.restore_latest(&t.scratch("restic"));
    }
}
