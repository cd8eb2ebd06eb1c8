//! A writer that wakes after its lease ended.

use std::time::Duration;

use holdfast_engine::backup::{BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::{Exit, Progress, verify};
use holdfast_model::{Outcome, ShardId};
use holdfast_testkit::{Options, TestContext, assert_same, live, stored};

/// A run whose lease ends while it reads: another machine takes the shard and brings it up to
/// date. What the first one then writes must not become a restore point, and must not disturb.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lease_went_to_another_commits_nothing() {
    let t = TestContext::new(Options { users: 2, mails: 40, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let catalog = &t.home.catalog;
    let vault = t.home.vault(None).await.unwrap();
    let (request, progress) = (BackupRequest::default(), Progress::default());
    let asked = t.tenant().stats().total();
    let slow = backup(&t.home, &request, &progress);
    let thief = async {
        // Half-way: messages are being fetched.
        while t.tenant().stats().total() < asked + 40 {
            tokio::task::yield_now().await;
        }
        t.advance(Duration::from_secs(120));
        let me = "elsewhere boot pid:[1] 4711 1";
        catalog.lease_take(vault.id(), ShardId(1), me, Duration::from_secs(60)).await.unwrap()
    };
    let (slow, lease) = tokio::join!(slow, thief);
    let error = slow.unwrap_err();
    assert_eq!(error.exit(), Exit::Later, "{error}");
    assert_eq!(catalog.snapshot_list(None).await.unwrap().len(), 0);
    let orphans = vault.shard(ShardId(1)).unwrap().snapshots().unwrap();
    assert!(orphans.iter().all(|snapshot| snapshot.tags.fence < lease.fence), "{orphans:?}");
    catalog.lease_release(&lease).await.unwrap();

    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!(report.counts.items_new, 80, "nothing of the lost run counts");
    assert_eq!(catalog.snapshot_list(None).await.unwrap().len(), 1);
    let kept = stored(&t.home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &live(t.tenant(), &upn), "after the lost run");
    assert_eq!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors, 0);
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}
