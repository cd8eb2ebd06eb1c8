//! The catalog made again from the vault, and rolled forward to what a crash left behind.

use std::path::Path;
use std::time::Duration;

use holdfast_catalog::{ContainerRow, ItemRow, ResourceRow, RestorePointRow, SnapshotRow};
use holdfast_engine::backup::{BackupReport, BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{FANOUTS, Home, Progress, tenant};
use holdfast_model::{Fence, Outcome, RunId, Seq, ShardId};
use holdfast_testkit::sim::{Fault, FaultKind, RetryAfter};
use holdfast_testkit::{Options, TENANT, TestContext, assert_same, live, stored};
use holdfast_vault::{Snapshot, SnapshotKind, Tags};

use crate::sequence::{Edits, Sequence};

const SHARD: ShardId = ShardId(1);

/// What a catalog must know again, links and times of reading left out.
#[derive(Debug, PartialEq)]
pub struct Known {
    resources: Vec<ResourceRow>,
    snapshots: Vec<SnapshotRow>,
    points: Vec<RestorePointRow>,
    containers: Vec<ContainerRow>,
    items: Vec<ItemRow>,
}

pub async fn known(home: &Home) -> Known {
    let catalog = &home.catalog;
    let snapshots = catalog.snapshot_list(None).await.unwrap();
    let resources = catalog.resource_list(None).await.unwrap();
    let (mut points, mut containers, mut items) = (vec![], vec![], vec![]);
    for row in &resources {
        points.extend(catalog.restore_point_list(&row.id).await.unwrap());
        let without_links = |row| ContainerRow { delta_link: None, next_link: None, ..row };
        let rows = catalog.container_list(&row.id).await.unwrap();
        containers.extend(rows.into_iter().map(without_links));
        items.extend(catalog.item_list(&row.id, None, None, 1_000_000).await.unwrap());
    }
    let without_times =
        |row| ResourceRow { restore_point: None, last_polled: None, list_link: None, ..row };
    let resources = resources.into_iter().map(without_times).collect();
    Known { resources, snapshots, points, containers, items }
}

/// Fails with the first row that differs.
pub fn assert_known(found: &Known, expected: &Known) {
    assert_eq!(found.resources, expected.resources);
    assert_eq!(found.snapshots, expected.snapshots);
    for (found, expected) in found.points.iter().zip(&expected.points) {
        assert_eq!(found, expected);
    }
    for (found, expected) in found.containers.iter().zip(&expected.containers) {
        assert_eq!(found, expected);
    }
    for (found, expected) in found.items.iter().zip(&expected.items) {
        assert_eq!(found, expected);
    }
    let counts = |known: &Known| [known.points.len(), known.containers.len(), known.items.len()];
    assert_eq!(counts(found), counts(expected));
}

async fn back_up(home: &Home, t: &TestContext) -> BackupReport {
    t.advance(Duration::from_secs(60));
    backup(home, &BackupRequest::default(), &Progress::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_catalog_is_the_same_row_for_row_and_goes_on() {
    let mut sequence = Sequence::start(77).await;
    for step in 1..=13 {
        sequence.step(step).await;
    }
    let t = &sequence.t;
    let home = t.second_home().await;
    let report = rebuild(&home).await.unwrap();
    let expected = known(&t.home).await;
    assert_known(&known(&home).await, &expected);
    assert_eq!(report.items, expected.items.len());
    assert_eq!(report.restore_points, expected.points.len());
    assert_eq!((report.tenants, report.shards), (1, 1));
    assert!(report.items > 30 && report.restore_points > 13, "{report:?}");

    let (was, is) = (shard(&t.home).await, shard(&home).await);
    assert_eq!((&is.head_seq, &is.head_snapshot), (&was.head_seq, &was.head_snapshot));
    assert_eq!(is.head_tree, was.head_tree);
    assert_eq!(Some(is.fence), expected.snapshots.iter().map(|s| s.fence).max());
    let tenant_was = t.home.catalog.tenant_list().await.unwrap().remove(0);
    let tenant_is = home.catalog.tenant_list().await.unwrap().remove(0);
    assert_eq!(tenant_is.sealed_credential, None, "credentials are not in the vault");
    let without = holdfast_catalog::TenantRow { sealed_credential: None, ..tenant_was };
    assert!(tenant_is == without, "{tenant_is:?} is not {without:?}");
    sequence.look_back_at_all().await;

    // Without the credential the command says what to do; with it, it goes on.
    let refused = backup(&home, &BackupRequest::default(), &Progress::default()).await;
    assert!(refused.unwrap_err().to_string().contains("credential"));
    tenant::add(&home, t.new_tenant()).await.unwrap();
    let first = back_up(&home, t).await;
    assert_eq!(first.outcome, Outcome::Complete, "{first:#?}");
    let counts = &first.counts;
    assert_eq!((counts.items_new, counts.items_deleted, counts.bytes), (0, 0, 0), "{first:#?}");
    let mut edits = Edits::new(3);
    for upn in t.people() {
        edits.change(t.tenant(), &upn);
    }
    let second = back_up(&home, t).await;
    assert_eq!(second.outcome, Outcome::Complete);
    for upn in t.people() {
        let stored = stored(&home, &upn, &At::Latest).await.unwrap();
        assert_same(&stored, &live(t.tenant(), &upn), &upn);
    }
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}

async fn shard(home: &Home) -> holdfast_catalog::ShardRow {
    let vault = home.vault_row(None).await.unwrap();
    home.catalog.shard_get(&vault.id, SHARD).await.unwrap()
}

/// Writes a snapshot of an older state as a holder of the lease would who woke up too late.
pub async fn orphan(t: &TestContext, seq: u64, fence: u64) -> Snapshot {
    let rows = t.home.catalog.snapshot_list(None).await.unwrap();
    let vault = t.home.vault(None).await.unwrap();
    let now = t.home.clock.now();
    tokio::task::block_in_place(|| {
        let writer = vault.shard(SHARD).unwrap().writer().unwrap();
        let mut edit = writer.edit(Some(rows[0].tree.parse().unwrap()), FANOUTS);
        let tree = edit.save().unwrap();
        let (run, kind) = (RunId("late".to_owned()), SnapshotKind::Final);
        let (seq, fence, prev) = (Seq(seq), Fence(fence), Some(Seq(seq - 1)));
        let tags = Tags { seq, prev, fence, run, kind, rewrite: 0 };
        writer.snapshot(tree, &tags, now, "holdfast", &["/".to_owned()]).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_no_restore_point_and_no_parent() {
    let t = TestContext::new(Options { users: 2, mails: 10, ..Options::default() }).await;
    let mut edits = Edits::new(5);
    t.backup().await;
    for upn in t.people() {
        edits.change(t.tenant(), &upn);
    }
    t.backup().await;
    t.backup().await; // idle: its fence is that of no snapshot
    let before = known(&t.home).await;
    let head = shard(&t.home).await;
    assert_eq!((head.head_seq, head.fence), (Seq(2), Fence(3)));
    let late = orphan(&t, 3, 1).await;

    let home = t.second_home().await;
    let report = rebuild(&home).await.unwrap();
    assert_eq!(report.snapshots, 2);
    assert_known(&known(&home).await, &before);
    // Nor does the first catalog take it.
    let idle = t.backup().await;
    assert!(idle.snapshots.is_empty() && idle.counts.is_idle(), "{idle:#?}");
    assert_known(&known(&t.home).await, &before);
    for upn in t.people() {
        edits.change(t.tenant(), &upn);
    }
    let report = t.backup().await;
    let rows = t.home.catalog.snapshot_list(None).await.unwrap();
    assert_eq!((rows.len(), &rows[2].id), (3, &report.snapshots[0]));
    assert_eq!((rows[2].seq, rows[2].prev), (Seq(3), Some(Seq(2))));
    assert_ne!(rows[2].id, late.id);
    // Of two with one number the rebuild takes that of the higher fence.
    rebuild(&home).await.unwrap();
    assert_known(&known(&home).await, &known(&t.home).await);
    for upn in t.people() {
        let stored = stored(&home, &upn, &At::Latest).await.unwrap();
        assert_same(&stored, &live(t.tenant(), &upn), &upn);
    }
}

/// The catalog's file as it is now, to be put back later: a crash after the snapshot.
pub async fn save_catalog(t: &mut TestContext) -> Vec<u8> {
    t.home.catalog.close().await;
    let path = t.home.dir().join("catalog.db");
    assert!(!path.with_extension("db-wal").exists(), "closed, all is in one file");
    let bytes = std::fs::read(path).unwrap();
    t.reopen().await;
    bytes
}

/// Puts the catalog back; the run that died had taken the lease.
pub async fn crash(t: &mut TestContext, catalog: &[u8]) {
    t.home.catalog.close().await;
    std::fs::write(t.home.dir().join("catalog.db"), catalog).unwrap();
    t.reopen().await;
    let vault = t.home.vault_row(None).await.unwrap().id;
    let ttl = Duration::from_secs(60);
    t.home.catalog.lease_take(&vault, SHARD, "a process that died", ttl).await.unwrap();
    t.advance(ttl);
}

/// The directory is asked before the lease is taken: a crash later finds the mailboxes known.
pub async fn discover(t: &TestContext) {
    let row = t.home.catalog.tenant_get(TENANT).await.unwrap();
    let graph = tenant::graph(&t.home, &row, tenant::Purpose::Backup).unwrap();
    let vault = t.home.vault(None).await.unwrap();
    holdfast_engine::discover::refresh(&t.home, &row, &vault, &graph).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_the_catalog_does_not_know_is_adopted() {
    for seed in 1..=4 {
        let options = Options { users: 3, mails: 20, seed, ..Options::default() };
        let mut t = TestContext::new(options).await;
        let mut edits = Edits::new(seed);
        // The first of all backups too may die after its snapshot.
        match seed {
            1 => discover(&t).await,
            _ => drop(t.backup().await),
        }
        let before = save_catalog(&mut t).await;
        for upn in &t.people()[1..] {
            edits.change(t.tenant(), upn);
        }
        let lost = t.backup().await;
        assert_eq!(lost.snapshots.len(), 1);
        let expected = known(&t.home).await;
        crash(&mut t, &before).await;
        let report = t.backup().await;
        assert_eq!(report.outcome, Outcome::Complete, "seed {seed}: {report:#?}");
        assert_eq!(report.counts.bytes, 0, "seed {seed}: {report:#?}");
        assert!(report.snapshots.is_empty(), "seed {seed}: {report:#?}");
        assert_known(&known(&t.home).await, &expected);
        for upn in t.people() {
            let stored = stored(&t.home, &upn, &At::Latest).await.unwrap();
            assert_same(&stored, &live(t.tenant(), &upn), &upn);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_adopted_and_the_run_goes_on_behind_it() {
    let mut t = TestContext::new(Options { users: 1, mails: 80, ..Options::default() }).await;
    let upn = t.people().remove(0);
    discover(&t).await;
    let before = save_catalog(&mut t).await;
    // After a wait of 11 minutes the next page is followed by a checkpoint.
    let wait = Fault::once(FaultKind::Throttle(RetryAfter::Seconds(660)), "$value").after(30);
    t.tenant().faults().inject(wait);
    let whole = t.backup().await;
    assert_eq!(whole.outcome, Outcome::Complete, "{whole:#?}");
    let rows = t.home.catalog.snapshot_list(None).await.unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["checkpoint", "final"]);
    let known_whole = known(&t.home).await;
    remove_snapshot(
        Path::new(&t.home.vault(None).await.unwrap().shard_location(SHARD)),
        &rows[1].id,
    );

    crash(&mut t, &before).await;
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let all = whole.counts.items_new;
    let again = report.counts.items_new;
    assert!(again > 0 && again < all, "{again} of {all} fetched again");
    let rows = t.home.catalog.snapshot_list(None).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_same(
        &stored(&t.home, &upn, &At::Latest).await.unwrap(),
        &live(t.tenant(), &upn),
        "after the checkpoint",
    );
    let now = known(&t.home).await;
    assert_eq!(now.items, known_whole.items);
    let complete: Vec<bool> = now.points.iter().map(|point| point.complete).collect();
    assert_eq!(complete, [false, true]);
    let home = t.second_home().await;
    rebuild(&home).await.unwrap();
    assert_known(&known(&home).await, &now);
}

fn remove_snapshot(shard: &Path, id: &str) {
    std::fs::remove_file(shard.join("snapshots").join(id)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_older_than_its_vault_is_rebuilt_first() {
    // The machine's disk was put back to an older state. A backup from there would use fences a
    // second time, and hide the restore points since.
    let mut t = TestContext::new(Options { users: 2, mails: 15, ..Options::default() }).await;
    let mut edits = Edits::new(11);
    t.backup().await;
    let before = save_catalog(&mut t).await;
    for _ in 0..2 {
        for upn in t.people() {
            edits.change(t.tenant(), &upn);
        }
        t.backup().await;
    }
    let expected = known(&t.home).await;
    t.home.catalog.close().await;
    std::fs::write(t.home.dir().join("catalog.db"), &before).unwrap();
    t.reopen().await;
    let refused = backup(&t.home, &BackupRequest::default(), &Progress::default()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("older") && refused.contains("catalog rebuild"), "{refused}");

    rebuild(&t.home).await.unwrap();
    assert_known(&known(&t.home).await, &expected);
    let idle = t.backup().await;
    assert!(idle.snapshots.is_empty() && idle.counts.is_idle(), "{idle:#?}");
    for upn in t.people() {
        let stored = stored(&t.home, &upn, &At::Latest).await.unwrap();
        assert_same(&stored, &live(t.tenant(), &upn), &upn);
    }
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}
