//! What has vanished since a time, brought back and exported.

use std::collections::BTreeMap;
use std::fs;

use holdfast_engine::browse::At;
use holdfast_engine::deleted::Since;
use holdfast_engine::export::{ExportReport, ExportRequest, Format, Target, export};
use holdfast_engine::find::{FindRequest, Hit, find};
use holdfast_engine::restore::RestoreReport;
use holdfast_engine::{Progress, ShardLimits};
use holdfast_model::{Outcome, Timestamp};
use holdfast_testkit::sim::Flag;
use holdfast_testkit::{Comparable, Kept, Mailbox, Options, TestContext, live, mailbox_view};

use crate::sequence::Edits;

fn deliver(t: &TestContext, upn: &str, folder: &str, subject: &str) -> String {
    let mime = format!("From: a@contoso.example\r\nSubject: {subject}\r\n\r\n{subject}\r\n");
    t.tenant().deliver(upn, folder, mime.as_bytes()).unwrap()
}

async fn empty() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    (t, upn)
}

async fn restored(
    t: &TestContext,
    upn: &str,
    since: Timestamp,
    path: Option<&str>,
    dry_run: bool,
) -> RestoreReport {
    let mut request = t.restore_of(upn);
    (request.deleted_since, request.dry_run) = (Some(since), dry_run);
    request.path = path.map(str::to_owned);
    t.restore(request).await
}

/// Folder, subject and state, which tell messages of these tests apart.
fn told(message: &Comparable) -> (String, String, String) {
    (message.folder.join("/"), message.subject.clone(), message.state.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_deleted_since_a_time_comes_back_once_as_it_was_last() {
    let (t, upn) = empty().await;
    let tenant = t.tenant();
    let folder =
        |parent: Option<&str>, name: &str| tenant.folder_create(&upn, parent, name).unwrap();
    let (work, other) = (folder(None, "Work"), folder(None, "Other"));
    let doomed = folder(Some(&work), "Doomed");
    let [long_gone, first, changed, moved, stays] =
        ["long gone", "first", "changed", "moved", "stays"].map(|s| deliver(&t, &upn, &work, s));
    (0..5).for_each(|number| drop(deliver(&t, &upn, &doomed, &format!("doomed {number}"))));
    t.backup().await;
    tenant.message_delete(&upn, &long_gone, true).unwrap();
    t.backup().await;
    let since = t.home.clock.now();
    let read_at = |view: &[Comparable]| view.iter().map(told).collect::<Vec<_>>();

    tenant.message_delete(&upn, &first, true).unwrap();
    tenant
        .message_update(&upn, &changed, |m| (m.is_read, m.flag) = (true, Flag::flagged()))
        .unwrap();
    let late = deliver(&t, &upn, &other, "late");
    t.backup().await;
    tenant.message_move(&upn, &moved, &other).unwrap();
    tenant.message_move(&upn, &stays, &other).unwrap();
    tenant.folder_move(&upn, &doomed, Some(&other)).unwrap();
    t.backup().await;
    let mut expected = read_at(&mailbox_view(tenant, &upn));
    expected.push({
        let mut first = expected.iter().find(|m| m.1 == "stays").unwrap().clone();
        (first.0, first.1) = ("Work".to_owned(), "first".to_owned());
        first
    });
    expected.sort();
    for id in [&changed, &moved, &late] {
        tenant.message_delete(&upn, id, true).unwrap();
    }
    tenant.folder_delete(&upn, &doomed, true).unwrap();
    t.backup().await;
    let newest = t.home.clock.now();
    deliver(&t, &upn, &other, "new");
    let before = read_at(&mailbox_view(tenant, &upn));

    let planned = restored(&t, &upn, since, None, true).await;
    assert_eq!((planned.items_restored, planned.items_failed), (9, 0), "{planned:#?}");
    assert_eq!(read_at(&mailbox_view(tenant, &upn)), before, "a dry run writes");
    let report = restored(&t, &upn, since, Some("Other/Doomed"), true).await;
    assert_eq!(report.items_restored, 5);
    let report = restored(&t, &upn, newest, None, true).await;
    assert_eq!(report.items_restored, 0, "nothing was deleted since");

    let report = restored(&t, &upn, since, None, false).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 9), "{report:#?}");
    let mut found = read_at(&mailbox_view(tenant, &upn));
    found.retain(|message| message.1 != "new");
    found.sort();
    assert_eq!(found, expected);
    // Once more finds all in place.
    let again = restored(&t, &upn, since, None, false).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 9));
    // What was gone before comes with an earlier time.
    let earlier = since - jiff::SignedDuration::from_secs(100);
    assert_eq!(restored(&t, &upn, earlier, None, true).await.items_restored, 1);
}

/// Sizes and hashes of what was there in one of the states and is not in the last, each as it was
/// last.
fn vanished(states: &[Mailbox]) -> BTreeMap<String, Kept> {
    let mut all = BTreeMap::new();
    for state in states {
        all.extend(state.iter().map(|(id, message)| (id.clone(), message.clone())));
    }
    let newest = states.last().unwrap();
    all.retain(|id, _| !newest.contains_key(id));
    all
}

async fn exported(t: &TestContext, upn: &str, since: Timestamp, name: &str) -> ExportReport {
    let request = ExportRequest {
        resource: upn.to_owned(),
        deleted_since: Some(since),
        format: Format::Eml,
        ..ExportRequest::default()
    };
    let target = Target::Path(t.scratch(name));
    export(&t.home, &request, target, &Progress::default()).await.unwrap()
}

/// Folder and hash of each exported file.
fn hashes(dir: &std::path::Path, above: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            hashes(&entry.path(), &format!("{above}{name}/"), found);
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
            found.push((above.to_owned(), hex::encode(digest)));
        }
    }
}

async fn found_deleted(t: &TestContext, upn: &str) -> Vec<Hit> {
    let resource = Some(upn.to_owned());
    let request = FindRequest { resource, deleted: true, ..FindRequest::default() };
    find(&t.home, &request).await.unwrap().hits
}

#[tokio::test(flavor = "multi_thread")]
async fn it_agrees_with_what_was_there_in_every_state() {
    let mut some = 0;
    for seed in 61..63 {
        println!("seed {seed}");
        let options = Options { users: 1, mails: 15, seed, ..Options::default() };
        let mut t = TestContext::new(options).await;
        let upn = t.people().remove(0);
        let (mut edits, mut times, mut states) = (Edits::new(seed), Vec::new(), Vec::new());
        for step in 0..7 {
            edits.change(t.tenant(), &upn);
            let folders = t.tenant().folders(&upn).unwrap();
            let folder = folders.into_iter().rfind(|f| f.messages > 0).unwrap();
            let victim = t.tenant().messages(&upn, &folder.id).unwrap().remove(0);
            t.tenant().message_delete(&upn, &victim.id, true).unwrap();
            // In the middle the mailbox goes on in another shard.
            let small = ShardLimits { fill: 20, cap: 25, expected: 10 };
            t.home.shard_limits = if step == 3 { small } else { ShardLimits::default() };
            t.backup().await;
            times.push(t.home.clock.now());
            states.push(live(t.tenant(), &upn));
        }
        for (step, since) in times.iter().enumerate() {
            let expected = vanished(&states[step..]);
            let report = exported(&t, &upn, *since, &format!("since-{step}")).await;
            assert_eq!((report.outcome, report.items_failed), (Outcome::Complete, 0));
            let (mut found, mut wanted) = (Vec::new(), Vec::new());
            let dir = t.scratch(&format!("since-{step}"));
            hashes(&dir, "", &mut found);
            for message in expected.values() {
                let folder: String = message.folder.iter().map(|name| format!("{name}/")).collect();
                wanted.push((folder, message.sha256.clone()));
            }
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "seed {seed}, since step {step}");
            some += wanted.len();
        }
        let hits = found_deleted(&t, &upn).await;
        let expected = vanished(&states);
        let mut found: Vec<&str> = hits.iter().map(|hit| hit.entry.id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected.keys().map(String::as_str).collect::<Vec<_>>());
        for hit in &hits {
            assert!(hit.restore_point < hit.deleted.unwrap());
            // It is where and when the answer says.
            let mut bytes = Vec::new();
            let (at, path) = (At::Time(hit.restore_point), &hit.entry.path);
            holdfast_engine::browse::cat(&t.home, None, &upn, &at, path, &mut bytes).await.unwrap();
            assert_eq!(bytes.len(), expected[&hit.entry.id].size);
        }
    }
    assert!(some > 20, "only {some} deletions");
}

#[test]
fn a_time_or_the_beginning_of_a_day_is_understood() {
    for (text, time) in [
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11-22T09:30", "2026-11-22T09:30:00Z"),
        ("2026-11-22T09:30:15", "2026-11-22T09:30:15Z"),
        ("2026-11-22T09:30:15.5Z", "2026-11-22T09:30:15.5Z"),
        ("2026-11-22T09:30:00+02:00", "2026-11-22T07:30:00Z"),
    ] {
        assert_eq!(text.parse(), Ok(Since(time.parse().unwrap())), "{text}");
    }
    for text in ["", "tuesday", "2026-13-01", "22.11.2026", "abcdef12"] {
        assert!(text.parse::<Since>().unwrap_err().contains("neither a time"), "{text}");
    }
}
