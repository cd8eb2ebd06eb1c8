//! The old machine still lives beside the one that was recovered: only one of them writes.

use holdfast_engine::backup::{BackupReport, BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::maintain::{PruneRequest, prune};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{Error, Exit, Home, Progress, Result, schedule, tenant};
use holdfast_model::Outcome;
use holdfast_policy::Schedule;
use holdfast_testkit::{Options, TENANT, TestContext, assert_same, live, stored};

use super::{deliver, kit, recovered};

async fn run(home: &Home) -> Result<BackupReport> {
    backup(home, &BackupRequest::default(), &Progress::default()).await
}

fn assert_superseded<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Superseded), "{error}");
    assert_eq!(error.exit(), Exit::Denied);
    assert!(error.to_string().contains("'holdfast catalog rebuild'"), "{error}");
}

/// Files of the vault below a folder.
fn files(t: &TestContext, below: &str) -> usize {
    let dir = t.vault_dir().join(below);
    std::fs::read_dir(dir).unwrap().count()
}

/// An installation that has written, its kit, and one that was recovered from it.
async fn two() -> (TestContext, Home) {
    let mut t = TestContext::new(Options { users: 1, mails: 6, ..Options::default() }).await;
    t.backup().await;
    let kit = kit(&t).await;
    let options = t.recover_options(&kit);
    let old = Home::open(t.home.dir(), None, t.home.clock.clone()).await.unwrap();
    recovered(&mut t, &options).await;
    tenant::add(&t.home, t.new_tenant()).await.unwrap();
    (t, old)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_machine_stores_and_deletes_nothing_any_more() {
    let (t, old) = two().await;
    let upn = t.people().remove(0);
    deliver(&t, &upn, "after the recovery");
    let (snapshots, packs) = (files(&t, "shards/1/snapshots"), files(&t, "shards/1/data"));
    let heads = files(&t, "control/heads");
    assert_superseded(run(&old).await);
    assert_superseded(prune(&old, &PruneRequest::default(), &Progress::default()).await);
    assert_superseded(schedule::set(&old, TENANT, &Schedule::default()).await);
    assert_eq!(files(&t, "shards/1/snapshots"), snapshots);
    assert_eq!(files(&t, "shards/1/data"), packs);
    assert_eq!(files(&t, "control/heads"), heads);
    // It can still be read.
    assert_eq!(stored(&old, &upn, &At::Latest).await.unwrap().len(), 6);

    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_new), (Outcome::Complete, 1));
    let kept = stored(&t.home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &live(t.tenant(), &upn), &upn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_catalog_takes_the_writing_back() {
    let (t, old) = two().await;
    t.backup().await;
    // Reading the vault anew takes nothing over.
    rebuild(&old).await.unwrap();
    t.backup().await;
    assert_eq!(files(&t, "control/instances"), 2);

    let upn = t.people().remove(0);
    deliver(&t, &upn, "to the old machine");
    let report = run(&old).await.unwrap();
    assert_eq!((report.outcome, report.counts.items_new), (Outcome::Complete, 1));
    assert_eq!(files(&t, "control/instances"), 3);
    assert_superseded(run(&t.home).await);
}
