//! Several shards: who goes where, what happens when one is full, and what fails alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use holdfast_catalog::{EpochRow, ResourceRow};
use holdfast_engine::backup::BackupReport;
use holdfast_engine::browse::{At, snapshots};
use holdfast_engine::maintain::{EraseRequest, PruneRequest, erase, prune};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{Home, Progress, ShardLimits, tenant};
use holdfast_model::{Outcome, ShardId, Timestamp, short_id};
use holdfast_testkit::{
    Mailbox, Options, Restic, TENANT, TestContext, assert_same, live, mailbox_view, stored,
};

use crate::rebuild::{assert_known, known};
use crate::sequence::Edits;

const FIRST: ShardId = ShardId(1);
const SECOND: ShardId = ShardId(2);

/// Every shard of the tests is over this cap once anybody was backed up.
const SMALL: ShardLimits = ShardLimits { fill: 500, cap: 25, expected: 10 };

async fn rows(home: &Home) -> Vec<ResourceRow> {
    home.catalog.resource_list(None).await.unwrap()
}

async fn vault_id(home: &Home) -> String {
    home.vault_row(None).await.unwrap().id
}

async fn blobs(home: &Home) -> BTreeMap<ShardId, u64> {
    let rows = home.catalog.shard_list(&vault_id(home).await).await.unwrap();
    rows.into_iter().map(|row| (row.shard, row.blobs)).collect()
}

async fn epochs(home: &Home) -> Vec<EpochRow> {
    let mut all = Vec::new();
    for row in rows(home).await {
        all.extend(home.catalog.epoch_list(&row.id).await.unwrap());
    }
    all
}

/// The tenant as it is now, to be compared with restore points of this time.
fn now(t: &TestContext) -> (Timestamp, BTreeMap<String, Mailbox>) {
    let people = t.people().into_iter().map(|upn| (upn.clone(), live(t.tenant(), &upn)));
    (t.home.clock.now(), people.collect())
}

/// Restore points hold, byte for byte, what the tenant had at their times.
async fn assert_past(home: &Home, past: &[(Timestamp, BTreeMap<String, Mailbox>)]) {
    for (time, people) in past {
        for (upn, model) in people {
            let stored = stored(home, upn, &At::Time(*time)).await.unwrap();
            assert_same(&stored, model, &format!("{upn} at {time}"));
        }
    }
}

async fn assert_newest(t: &TestContext) {
    for upn in t.people() {
        let stored = stored(&t.home, &upn, &At::Latest).await.unwrap();
        assert_same(&stored, &live(t.tenant(), &upn), &upn);
    }
}

fn edit(t: &TestContext, edits: &mut Edits) {
    for upn in t.people() {
        edits.change(t.tenant(), &upn);
    }
}

async fn assert_sound(t: &TestContext, shards: impl IntoIterator<Item = ShardId>) {
    let vault = t.home.vault(None).await.unwrap();
    for shard in shards {
        let Some(restic) = Restic::on(&vault, shard) else { return };
        restic.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mailboxes_are_spread_department_by_department() {
    let options = Options { users: 8, mails: 12, ..Options::default() };
    let mut t = TestContext::new(options).await;
    t.home.shard_limits = ShardLimits { fill: 500, cap: 1_000, expected: 200 };
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let shards: BTreeSet<ShardId> = rows(&t.home).await.iter().filter_map(|r| r.shard).collect();
    let expected: BTreeSet<ShardId> = (1..=4).map(ShardId).collect();
    assert_eq!(shards, expected, "two of 200 fit into 500");
    assert_eq!(report.snapshots.len(), 4, "one for each shard");
    let views = snapshots(&t.home).await.unwrap();
    assert_eq!(views.iter().map(|v| v.resources.len()).collect::<Vec<_>>(), [2; 4]);
    assert_eq!(views.iter().map(|v| v.id.clone()).collect::<Vec<_>>(), report.snapshots);
    // Sorted by department: the first shard has those that come first.
    let tenant_row = t.home.catalog.tenant_get(TENANT).await.unwrap();
    let graph = tenant::graph(&t.home, &tenant_row, tenant::Purpose::Backup).unwrap();
    let users = holdfast_workloads::directory::users(&graph).await.unwrap();
    assert!(users.iter().all(|user| user.department.is_some()));
    let department = |row: &ResourceRow| {
        let user = users.iter().find(|u| u.id == row.graph_id).unwrap();
        (user.department.clone(), row.id.clone())
    };
    let mut by_department = rows(&t.home).await;
    by_department.sort_by_cached_key(department);
    let order: Vec<Option<ShardId>> = by_department.iter().map(|row| row.shard).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_newest(&t).await;
    assert!(blobs(&t.home).await.values().all(|blobs| *blobs > 10));
    // Everybody stays, and a newcomer finds the emptiest.
    let before = rows(&t.home).await;
    let emptiest = blobs(&t.home).await.into_iter().min_by_key(|(_, blobs)| *blobs).unwrap().0;
    t.tenant().user_add("Late Comer", "late@contoso.example").unwrap();
    t.backup().await;
    for row in rows(&t.home).await {
        match before.iter().find(|old| old.id == row.id) {
            Some(old) => assert_eq!(row.shard, old.shard),
            None => assert_eq!(row.shard, Some(emptiest)),
        }
    }
    assert_sound(&t, shards).await;
    let home = t.second_home().await;
    let rebuilt = rebuild(&home).await.unwrap();
    assert_eq!(rebuilt.shards, 4);
    assert_known(&known(&home).await, &known(&t.home).await);
    assert_eq!(blobs(&home).await, blobs(&t.home).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_shard_is_left_and_its_history_stays() {
    let mut t = TestContext::new(Options { users: 3, mails: 25, ..Options::default() }).await;
    let (mut edits, mut past) = (Edits::new(21), Vec::new());
    for _ in 0..3 {
        edit(&t, &mut edits);
        t.backup().await;
        past.push(now(&t));
    }
    // All at once, without change: nothing is read from Graph but the news.
    let idle = t.backup().await;
    t.home.shard_limits = ShardLimits { fill: 500, cap: 100, expected: 10 };
    let moved = t.backup().await;
    assert_eq!(moved.outcome, Outcome::Complete, "{moved:#?}");
    assert!(moved.counts.is_idle(), "{moved:#?}");
    assert_eq!((moved.counts.bytes, moved.snapshots.len()), (0, 1));
    assert_eq!(moved.requests, idle.requests, "a move asks Graph nothing");
    assert!(rows(&t.home).await.iter().all(|row| row.shard == Some(SECOND)));
    t.home.shard_limits.cap = 1_000;
    past.push(now(&t));
    for _ in 0..3 {
        edit(&t, &mut edits);
        let report = t.backup().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        past.push(now(&t));
    }
    assert_past(&t.home, &past).await;
    let first = snapshots(&t.home).await.unwrap().into_iter().filter(|v| v.shard == 1).count();
    assert_eq!(first, 3, "the old shard takes no more");
    // A snapshot of the old shard shows what it showed.
    let old = snapshots(&t.home).await.unwrap().remove(1);
    for (upn, model) in &past[1].1 {
        let at = At::Snapshot(old.id.clone());
        assert_same(&stored(&t.home, upn, &at).await.unwrap(), model, "by snapshot");
    }
    assert_sound(&t, [FIRST, SECOND]).await;
    let home = t.second_home().await;
    let report = rebuild(&home).await.unwrap();
    assert_eq!(report.resources, 3);
    assert_known(&known(&home).await, &known(&t.home).await);
    assert_eq!(epochs(&home).await, epochs(&t.home).await);
    assert_eq!(epochs(&home).await.len(), 6);
    assert_past(&home, &past).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_before_the_move_is_restored() {
    let mut t = TestContext::new(Options { users: 2, mails: 20, ..Options::default() }).await;
    let people = t.people();
    t.backup().await;
    let before = mailbox_view(t.tenant(), &people[0]);
    let at = At::Time(t.home.clock.now());
    t.home.shard_limits = SMALL;
    t.backup().await;
    for folder in t.tenant().folders(&people[0]).unwrap() {
        for message in t.tenant().messages(&people[0], &folder.id).unwrap().iter().step_by(2) {
            t.tenant().message_delete(&people[0], &message.id, true).unwrap();
        }
    }
    t.home.shard_limits = ShardLimits::default();
    t.backup().await;
    for (at, target) in [(at, "old@contoso.example"), (At::Latest, "new@contoso.example")] {
        let expected = match at {
            At::Latest => mailbox_view(t.tenant(), &people[0]),
            _ => before.clone(),
        };
        t.tenant().user_add("Empty", target).unwrap();
        t.backup().await;
        let mut request = t.restore_of(&people[0]);
        (request.at, request.to) = (at, Some(target.to_owned()));
        let report = t.restore(request).await;
        assert_eq!(report.items_failed, 0, "{report:#?}");
        let restored = mailbox_view(t.tenant(), target);
        let subjects = |view: &[holdfast_testkit::Comparable]| {
            view.iter().map(|m| (m.folder.clone(), m.subject.clone())).collect::<Vec<_>>()
        };
        assert_eq!(subjects(&restored), subjects(&expected), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_from_shard_to_shard() {
    let mut t = TestContext::new(Options { users: 2, mails: 10, ..Options::default() }).await;
    t.home.shard_limits = SMALL;
    let (mut edits, mut past) = (Edits::new(4), Vec::new());
    for _ in 0..5 {
        edit(&t, &mut edits);
        let report = t.backup().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        past.push(now(&t));
    }
    assert_past(&t.home, &past).await;
    for row in rows(&t.home).await {
        let lived = t.home.catalog.epoch_list(&row.id).await.unwrap();
        let shards: BTreeSet<ShardId> = lived.iter().map(|epoch| epoch.shard).collect();
        assert_eq!(shards.len(), lived.len(), "no shard takes anybody twice: {lived:?}");
        assert!(lived.len() >= 4, "{lived:?}");
        assert_eq!(row.shard, lived.last().map(|epoch| epoch.shard));
    }
    let home = t.second_home().await;
    rebuild(&home).await.unwrap();
    assert_known(&known(&home).await, &known(&t.home).await);
    assert_past(&home, &past).await;
}

/// Before what a move is cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Snapshot,
    Intent,
    Catalog,
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Backs up with a full shard; afterwards catalog and vault are as if that had died at `cut`.
async fn move_and_die(t: &mut TestContext, cut: Cut) {
    let control = t.vault_dir().join("control");
    let (saved, path) = (t.scratch("control"), t.home.dir().join("catalog.db"));
    copy_dir(&control, &saved);
    t.home.catalog.close().await;
    let catalog = std::fs::read(&path).unwrap();
    t.reopen().await;
    t.home.shard_limits = SMALL;
    let report = t.backup().await;
    assert_eq!(report.snapshots.len(), 1, "the move and nothing else: {report:#?}");
    t.home.catalog.close().await;
    std::fs::write(&path, catalog).unwrap();
    t.reopen().await;
    t.home.shard_limits = SMALL;
    // The dead run had made the shard and taken both leases.
    let vault = vault_id(&t.home).await;
    let row = holdfast_catalog::ShardRow::new(&vault, SECOND);
    t.home.catalog.shard_put(&row).await.unwrap();
    let ttl = Duration::from_secs(60);
    for shard in [FIRST, SECOND] {
        t.home.catalog.lease_take(&vault, shard, "a process that died", ttl).await.unwrap();
    }
    t.advance(ttl);
    if cut != Cut::Catalog {
        std::fs::remove_dir_all(&control).unwrap();
        copy_dir(&saved, &control);
    }
    if cut == Cut::Snapshot {
        let folder = t.vault_dir().join("shards/2/snapshots");
        for file in std::fs::read_dir(folder).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_off_is_made_again() {
    for cut in [Cut::Snapshot, Cut::Intent, Cut::Catalog] {
        let mut t = TestContext::new(Options { users: 2, mails: 15, ..Options::default() }).await;
        let mut edits = Edits::new(8);
        t.backup().await;
        let mut past = vec![now(&t)];
        move_and_die(&mut t, cut).await;
        // Whoever rebuilds now finds a whole history.
        let home = t.second_home().await;
        rebuild(&home).await.unwrap();
        assert_past(&home, &past).await;
        drop(home);

        edit(&t, &mut edits);
        let again = t.backup().await;
        assert_eq!(again.outcome, Outcome::Complete, "{cut:?}: {again:#?}");
        past.push(now(&t));
        assert!(rows(&t.home).await.iter().all(|row| row.shard == Some(SECOND)), "{cut:?}");
        t.home.shard_limits = ShardLimits::default();
        edit(&t, &mut edits);
        t.backup().await;
        past.push(now(&t));
        assert_past(&t.home, &past).await;
        assert_sound(&t, [FIRST, SECOND]).await;
        std::fs::remove_dir_all(t.scratch("home2")).unwrap();
        let home = t.second_home().await;
        rebuild(&home).await.unwrap();
        assert_known(&known(&home).await, &known(&t.home).await);
        assert_past(&home, &past).await;
    }
}

/// A cut-off move has left a copy that neither catalog nor restore points know.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_finds_what_a_cut_off_move_has_left() {
    for cut in [Cut::Intent, Cut::Catalog] {
        let mut t = TestContext::new(Options { users: 1, mails: 15, ..Options::default() }).await;
        let upn = t.people().remove(0);
        let mime = b"From: a@b.example\r\nSubject: Topsecret-plan\r\n\r\nText\r\n";
        let secret = t.tenant().deliver(&upn, "inbox", mime).unwrap();
        t.backup().await;
        move_and_die(&mut t, cut).await;
        let request = EraseRequest::new(&upn, vec![secret.clone()], "request 6");
        let report = erase(&t.home, &request).await.unwrap();
        assert!(report.complete, "{cut:?}: {report:#?}");
        assert_eq!(report.shards.iter().map(|s| s.shard).collect::<Vec<_>>(), [FIRST, SECOND]);
        let vault = t.home.vault(None).await.unwrap();
        for shard in [FIRST, SECOND] {
            let Some(restic) = Restic::on(&vault, shard) else { return };
            restic.check();
            let found = restic.run(&["find", "--no-lock", &format!("*{}*", short_id(&secret))]);
            assert!(!found.contains(".eml"), "{cut:?}, shard {shard}: {found}");
        }
        t.tenant().message_delete(&upn, &secret, true).unwrap();
        assert_eq!(t.backup().await.outcome, Outcome::Complete);
        assert_newest(&t).await;
    }
}

/// Two mailboxes in two shards.
async fn two_shards() -> TestContext {
    let mut t = TestContext::new(Options { users: 2, mails: 10, ..Options::default() }).await;
    t.home.shard_limits = ShardLimits { fill: 10, cap: 1_000, expected: 10 };
    let report = t.backup().await;
    assert_eq!(report.snapshots.len(), 2, "{report:#?}");
    t
}

fn deliver(t: &TestContext) {
    for upn in t.people() {
        t.tenant().deliver(&upn, "inbox", b"Subject: new\r\n\r\nnew\r\n").unwrap();
    }
}

fn outcomes(report: &BackupReport) -> Vec<Outcome> {
    report.resources.iter().map(|resource| resource.outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_fails_does_not_end_the_others() {
    let t = two_shards().await;
    deliver(&t);
    let vault = vault_id(&t.home).await;
    let ttl = Duration::from_secs(600);
    t.home.catalog.lease_take(&vault, FIRST, "another machine", ttl).await.unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(outcomes(&report), [Outcome::Failed, Outcome::Complete]);
    assert_eq!((report.snapshots.len(), report.counts.items_new), (1, 1));
    assert_eq!(report.failures[0].shard, Some(FIRST));
    assert!(report.failures[0].message.contains("another machine"), "{report:#?}");
    // Both: then there is nothing to report on.
    t.home.catalog.lease_take(&vault, SECOND, "another machine", ttl).await.unwrap();
    let request = holdfast_engine::backup::BackupRequest::default();
    let progress = Progress::default();
    let refused = holdfast_engine::backup::backup(&t.home, &request, &progress).await.unwrap_err();
    assert_eq!(refused.exit(), holdfast_engine::Exit::Later);
    t.advance(ttl);
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert_newest(&t).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_fails_does_not_end_the_others() {
    let t = two_shards().await;
    deliver(&t);
    let mut other = t.home.catalog.tenant_get(TENANT).await.unwrap();
    (other.name, other.vault_id) = ("absent".to_owned(), "no such vault".to_owned());
    t.home.catalog.tenant_put(&other).await.unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(report.counts.items_new, 2);
    let failure = &report.failures[0];
    assert_eq!((failure.tenant.as_str(), failure.shard), ("absent", None));
    assert_eq!(report.runs.len(), 2);
    assert_newest(&t).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_the_backup_where_it_was() {
    let mut t = TestContext::new(Options { users: 2, mails: 10, ..Options::default() }).await;
    t.backup().await;
    deliver(&t);
    let vault = t.home.vault(None).await.unwrap();
    vault.create_shard(SECOND).unwrap();
    let row = holdfast_catalog::ShardRow::new(vault.id(), SECOND);
    t.home.catalog.shard_put(&row).await.unwrap();
    let ttl = Duration::from_secs(600);
    t.home.catalog.lease_take(vault.id(), SECOND, "another machine", ttl).await.unwrap();
    t.home.shard_limits = SMALL;
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(outcomes(&report), [Outcome::Complete; 2], "what is new is protected");
    assert_eq!((report.counts.items_new, report.failures.len()), (2, 1));
    assert!(rows(&t.home).await.iter().all(|row| row.shard == Some(FIRST)));
    assert_newest(&t).await;
    t.advance(ttl);
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert!(rows(&t.home).await.iter().all(|row| row.shard == Some(SECOND)));
    assert_newest(&t).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_busy_does_not_keep_others_from_being_pruned() {
    let t = two_shards().await;
    let vault = vault_id(&t.home).await;
    let ttl = Duration::from_secs(60);
    let owner = "another machine";
    let lease = t.home.catalog.lease_take(&vault, FIRST, owner, ttl).await.unwrap();
    let report = prune(&t.home, &PruneRequest::default(), &Progress::default()).await.unwrap();
    assert_eq!(report.shards.iter().map(|s| s.evaluation.shard).collect::<Vec<_>>(), [SECOND]);
    let [failure] = &report.failures[..] else { panic!("{report:#?}") };
    assert_eq!((failure.shard, failure.cause.as_str()), (FIRST, "later"));
    assert!(failure.message.contains(owner), "{failure:#?}");
    t.home.catalog.lease_release(&lease).await.unwrap();
    assert!(
        prune(&t.home, &PruneRequest::default(), &Progress::default())
            .await
            .unwrap()
            .failures
            .is_empty()
    );
}
