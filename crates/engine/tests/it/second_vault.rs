//! A second vault: copied to, repaired from, restored from alone.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_engine::browse::At;
use holdfast_engine::copy::copy;
use holdfast_engine::maintain::{RepairRequest, repair};
use holdfast_engine::verify;
use holdfast_model::Outcome;
use holdfast_testkit::{Options, TestContext, assert_same, live, stored};

/// All packs of a shard.
fn packs(vault: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(vault.join("shards/1/data")).unwrap() {
        for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
            found.push(pack.unwrap().path());
        }
    }
    found.sort();
    found
}

/// Changes one byte of every pack.
fn damage(vault: &Path) {
    for pack in packs(vault) {
        let mut bytes = fs::read(&pack).unwrap();
        bytes[40] ^= 1;
        fs::write(&pack, bytes).unwrap();
    }
}

async fn context() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 2, mails: 30, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    (t, upn)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_a_whole_vault_and_only_what_is_missing_is_sent() {
    let (t, upn) = context().await;
    let second = t.second_vault("offsite").await;
    let first = copy(&t.home, None, "offsite").await.unwrap();
    assert_eq!(first.shards.len(), 1);
    assert!(first.shards[0].report.blobs_copied > 0 && first.intent_changes > 2, "{first:?}");
    let again = copy(&t.home, None, "offsite").await.unwrap();
    let sent = &again.shards[0].report;
    assert_eq!((sent.snapshots_copied, sent.blobs_copied, again.intent_changes), (0, 0, 0));
    t.tenant()
        .deliver(&upn, "inbox", b"From: a@b.example\r\nSubject: Later\r\n\r\nText\r\n")
        .unwrap();
    t.backup().await;
    let later = copy(&t.home, None, "offsite").await.unwrap();
    let sent = &later.shards[0].report;
    assert_eq!((sent.snapshots_copied, sent.blobs_copied > 0), (1, true));
    assert!(sent.blobs_copied < 5, "{sent:?}");

    // The first vault is gone; the second alone makes a new installation.
    fs::remove_dir_all(t.vault_dir()).unwrap();
    let home = t.home_on(&second).await;
    holdfast_engine::rebuild::rebuild(&home).await.unwrap();
    let kept = stored(&home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &live(t.tenant(), &upn), "from the second vault alone");
    assert_eq!(verify::check(&home, None, true).await.unwrap().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_repaired_from_the_second_vault() {
    let (t, upn) = context().await;
    t.second_vault("offsite").await;
    copy(&t.home, None, "offsite").await.unwrap();
    let before = stored(&t.home, &upn, &At::Latest).await.unwrap();
    damage(&t.vault_dir());
    assert!(verify::check(&t.home, None, true).await.unwrap().errors > 0);
    let request = RepairRequest { vault: None, from: Some("offsite".to_owned()) };
    let report = repair(&t.home, &request).await.unwrap();
    assert_eq!(report.damaged(), 0, "{report:#?}");
    assert!(report.shards[0].packs.blobs_restored > 0);
    let check = verify::check(&t.home, None, false).await.unwrap();
    assert_eq!(check.errors, 0, "{check:#?}");
    assert_same(&stored(&t.home, &upn, &At::Latest).await.unwrap(), &before, "after the repair");
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
}

/// Without a second vault, what is lost comes from the tenant with the next backup, and heals the
/// restore points before as well: blobs are named by what is in them.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_repaired_from_the_tenant() {
    let (t, upn) = context().await;
    let before = stored(&t.home, &upn, &At::Latest).await.unwrap();
    // The largest pack holds messages.
    let largest = packs(&t.vault_dir()).into_iter().max_by_key(|p| fs::metadata(p).unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[40] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let report = repair(&t.home, &RepairRequest::default()).await.unwrap();
    let shard = &report.shards[0];
    assert_eq!(shard.packs.blobs_lost.len(), 1, "{report:#?}");
    assert!(shard.asked_again > 0, "{report:#?}");
    let named = &shard.damaged[0];
    assert!(named.kind == "message" && named.current && !named.title.is_empty(), "{named:?}");
    let backup = t.backup().await;
    assert_eq!(backup.outcome, Outcome::Complete, "{backup:#?}");
    assert_eq!(backup.counts.items_changed, shard.asked_again, "{backup:#?}");
    let check = verify::check(&t.home, None, false).await.unwrap();
    assert_eq!(check.errors, 0, "{check:#?}");
    let first = At::Time("2026-03-02T08:01:00Z".parse().unwrap());
    assert_same(&stored(&t.home, &upn, &first).await.unwrap(), &before, "the restore point before");
}
