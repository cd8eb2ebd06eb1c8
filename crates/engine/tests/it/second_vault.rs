//! A second vault: copied to, repaired from, restored from alone.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use holdfast_engine::backup::{BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::copy::copy;
use holdfast_engine::doctor::doctor;
use holdfast_engine::maintain::{
    EraseRequest, PruneReport, PruneRequest, RepairRequest, erase, prune, repair,
};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{Exit, NewVault, Progress, Storage, Unlock, hold, tenant, verify};
use holdfast_model::{Outcome, ResourceId, Secret};
use holdfast_policy::{Hold, HoldScope, KeepRule, Rules};
use holdfast_testkit::{Options, PASSPHRASE, Restic, TestContext, assert_same, live, stored};

use crate::backup::eml_files;
use crate::rebuild::{assert_known, known};

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
    let first = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    assert_eq!(first.shards.len(), 1);
    assert!(first.shards[0].report.blobs_copied > 0 && first.intent_changes > 2, "{first:?}");
    let again = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let sent = &again.shards[0].report;
    assert_eq!((sent.snapshots_copied, sent.blobs_copied, again.intent_changes), (0, 0, 0));
    t.tenant()
        .deliver(&upn, "inbox", b"From: a@b.example\r\nSubject: Later\r\n\r\nText\r\n")
        .unwrap();
    t.backup().await;
    let later = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let sent = &later.shards[0].report;
    assert_eq!((sent.snapshots_copied, sent.blobs_copied > 0), (1, true));
    assert!(sent.blobs_copied < 5, "{sent:?}");

    // The first vault is gone; the second alone makes a new installation.
    fs::remove_dir_all(t.vault_dir()).unwrap();
    let home = t.home_on(&second).await;
    rebuild(&home).await.unwrap();
    let kept = stored(&home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &live(t.tenant(), &upn), "from the second vault alone");
    assert_eq!(verify::check(&home, None, true, &Progress::default()).await.unwrap().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_repaired_from_the_second_vault() {
    let (t, upn) = context().await;
    t.second_vault("offsite").await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let before = stored(&t.home, &upn, &At::Latest).await.unwrap();
    damage(&t.vault_dir());
    assert!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors > 0);
    let request = RepairRequest { vault: None, from: Some("offsite".to_owned()) };
    let report = repair(&t.home, &request, &Progress::default()).await.unwrap();
    assert_eq!(report.damaged(), 0, "{report:#?}");
    assert!(report.shards[0].packs.blobs_restored > 0);
    if let Some(restic) = Restic::find(&t.home.vault(None).await.unwrap()) {
        restic.check();
    }
    let check = verify::check(&t.home, None, false, &Progress::default()).await.unwrap();
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
    let report = repair(&t.home, &RepairRequest::default(), &Progress::default()).await.unwrap();
    let shard = &report.shards[0];
    assert_eq!(shard.packs.blobs_lost.len(), 1, "{report:#?}");
    assert!(shard.asked_again > 0, "{report:#?}");
    let named = &shard.damaged[0];
    assert!(named.kind == "message" && named.current && !named.title.is_empty(), "{named:?}");
    let backup = t.backup().await;
    assert_eq!(backup.outcome, Outcome::Complete, "{backup:#?}");
    assert_eq!(backup.counts.items_changed, shard.asked_again, "{backup:#?}");
    let check = verify::check(&t.home, None, false, &Progress::default()).await.unwrap();
    assert_eq!(check.errors, 0, "{check:#?}");
    let first = At::Time("2026-03-02T08:01:00Z".parse().unwrap());
    assert_same(&stored(&t.home, &upn, &first).await.unwrap(), &before, "the restore point before");
}

/// Every `.eml` of every snapshot of a vault, as stock restic restores it, and that restic finds
/// nothing that no snapshot needs.
async fn all_files(t: &TestContext, vault: &str, name: &str) -> Option<Vec<Vec<u8>>> {
    let restic = Restic::find(&t.home.vault(Some(vault)).await.unwrap())?;
    restic.check();
    let list = restic.run(&["snapshots", "--json", "--no-lock"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let mut files = Vec::new();
    for (n, snapshot) in list.as_array().unwrap().iter().enumerate() {
        let target = t.scratch(&format!("{name} {n}"));
        let (id, target) = (snapshot["id"].as_str().unwrap(), target.display().to_string());
        restic.run(&["restore", id, "--no-lock", "--target", &target]);
        files.extend(eml_files(Path::new(&target)));
    }
    let out = restic.run(&["prune", "--dry-run", "--max-unused", "0"]);
    let line =
        out.lines().find(|line| line.trim_start().starts_with("total prune")).unwrap_or(&out);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(line.contains("0 blobs / 0 B"), "data that no snapshot needs: {line}");
    Some(files)
}

fn count(files: &[Vec<u8>], text: &str) -> usize {
    let holds = |file: &&Vec<u8>| file.windows(text.len()).any(|part| part == text.as_bytes());
    files.iter().filter(holds).count()
}

fn of_copy() -> PruneRequest {
    PruneRequest { vault: Some("offsite".to_owned()), ..PruneRequest::default() }
}

async fn prune_copy(t: &TestContext) -> PruneReport {
    let report = prune(&t.home, &of_copy(), &Progress::default()).await.unwrap();
    assert!(report.failures.is_empty() && report.shards.len() == 1, "{report:#?}");
    report
}

fn deliver(t: &TestContext, upn: &str, subject: &str) -> String {
    let text: String = (0..400).map(|n| format!("{subject} line {n}\r\n")).collect();
    let mime = format!("From: a@b.example\r\nSubject: {subject}\r\n\r\n{text}");
    t.tenant().deliver(upn, "inbox", mime.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_reaches_the_copy() {
    let (t, upn) = context().await;
    let secret = deliver(&t, &upn, "Topsecret-plan");
    t.backup().await;
    deliver(&t, &upn, "Harmless");
    t.backup().await;
    t.second_vault("offsite").await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    if let Some(files) = all_files(&t, "offsite", "before").await {
        assert_eq!(count(&files, "Topsecret-plan"), 2, "the search finds what is there");
    }
    let report = erase(&t.home, &EraseRequest::new(&upn, vec![secret], "request 5")).await.unwrap();
    assert!(!report.complete && report.shards[0].complete, "{report:#?}");
    assert_eq!(report.copies, ["offsite"]);
    let early = prune(&t.home, &of_copy(), &Progress::default()).await.unwrap_err();
    assert_eq!(early.exit(), Exit::Usage, "{early}");
    assert!(early.to_string().contains("vault copy --to offsite"), "{early}");
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let open = record(&t, report.erasure.as_deref().unwrap()).await;
    assert!(open["done_at"].is_null() && open["copies"].as_array().unwrap().len() == 1, "{open}");

    let dry = prune(&t.home, &PruneRequest { dry_run: true, ..of_copy() }, &Progress::default())
        .await
        .unwrap();
    assert_eq!(
        (dry.shards[0].evaluation.plan().snapshots().len(), dry.shards[0].erasures_open),
        (2, 1)
    );
    let pruned = prune_copy(&t).await;
    assert_eq!(pruned.shards[0].snapshots_removed.forgotten.len(), 2, "{pruned:#?}");
    if let Some(files) = all_files(&t, "offsite", "after").await {
        assert_eq!((count(&files, "Topsecret-plan"), count(&files, "Harmless")), (0, 1));
    }
    let check = verify::check(&t.home, Some("offsite"), true, &Progress::default()).await.unwrap();
    assert_eq!((check.errors, check.shards[0].orphan_packs), (0, 0), "{check:#?}");
    let done = record(&t, report.erasure.as_deref().unwrap()).await;
    assert!(done["done_at"].is_string() && done["copies"].is_null(), "{done}");
    let again = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    assert_eq!(again.shards[0].report.snapshots_copied, 0, "what went does not come back");
    assert_eq!(prune_copy(&t).await.shards[0].erasures_open, 0);
}

/// The record of an erasure in the first vault.
async fn record(t: &TestContext, id: &str) -> serde_json::Value {
    let vault = t.home.vault(None).await.unwrap();
    let records = tokio::task::block_in_place(|| vault.control().unwrap().load()).unwrap();
    serde_json::from_slice(&records[&format!("erasures/{id}.json")]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_follows_its_source_when_it_is_pruned_and_not_before() {
    let (t, upn) = context().await;
    for subject in ["Second", "Third"] {
        deliver(&t, &upn, subject);
        t.backup().await;
    }
    t.second_vault("offsite").await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let rules = Rules::new([KeepRule::Last(NonZeroU32::new(1).unwrap())]);
    let refused =
        prune(&t.home, &PruneRequest { rules: rules.clone(), ..of_copy() }, &Progress::default())
            .await;
    assert_eq!(refused.unwrap_err().exit(), Exit::Usage);
    prune(&t.home, &PruneRequest { rules, ..PruneRequest::default() }, &Progress::default())
        .await
        .unwrap();
    let copied = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    assert_eq!(copied.shards[0].report.snapshots_copied, 0);
    assert_eq!(snapshots(&t, "offsite").await, 3, "a copy only ever adds");

    // A hold that came later keeps what the copy still has.
    let user = t.tenant().users().into_iter().find(|user| user.upn == upn).unwrap();
    let held = BTreeSet::from([ResourceId(format!("exchange/{}", user.id))]);
    let case = Hold { case: "Case 1".to_owned(), resources: HoldScope::Resources(held) };
    hold::place(&t.home, None, &case).await.unwrap();
    assert!(prune_copy(&t).await.shards[0].snapshots_removed.forgotten.is_empty());
    assert_eq!(snapshots(&t, "offsite").await, 3);
    hold::release(&t.home, None, "Case 1").await.unwrap();
    assert_eq!(prune_copy(&t).await.shards[0].snapshots_removed.forgotten.len(), 2);
    assert_eq!(snapshots(&t, "offsite").await, 1);
    assert_eq!(
        verify::check(&t.home, Some("offsite"), true, &Progress::default()).await.unwrap().errors,
        0
    );
    // One whose source lost everything is not followed.
    fs::remove_dir_all(t.vault_dir().join("shards/1/snapshots")).unwrap();
    let refused = prune(&t.home, &of_copy(), &Progress::default()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Usage, "{refused}");
    assert_eq!(snapshots(&t, "offsite").await, 1);
}

async fn snapshots(t: &TestContext, vault: &str) -> usize {
    let vault = t.home.vault(Some(vault)).await.unwrap();
    let count = || vault.shard(holdfast_model::ShardId(1)).unwrap().snapshots().unwrap().len();
    tokio::task::block_in_place(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_is_rebuilt_beside_a_copy() {
    let (t, upn) = context().await;
    t.second_vault("offsite").await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let before = known(&t.home).await;
    rebuild(&t.home).await.unwrap();
    assert_known(&known(&t.home).await, &before);
    let findings = doctor(&t.home).await.unwrap();
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
    assert!(
        findings.iter().any(|f| f.detail.starts_with("copy of default; opens")),
        "{findings:#?}"
    );
    deliver(&t, &upn, "Later");
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    let later = copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    assert_eq!(later.shards[0].report.snapshots_copied, 1);
    // What holds something else is not copied to.
    let refused =
        copy(&t.home, Some("offsite"), "default", &Progress::default()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Usage, "{refused}");
}

/// A copy that another installation goes on with belongs to that.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_somebody_backs_up_to_is_a_copy_no_more() {
    let (t, upn) = context().await;
    let second = t.second_vault("offsite").await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let home = t.home_on(&second).await;
    rebuild(&home).await.unwrap();
    tenant::add(&home, t.new_tenant()).await.unwrap();
    deliver(&t, &upn, "Only in the second");
    let report = backup(&home, &BackupRequest::default(), &Progress::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    t.backup().await;
    for refused in [
        copy(&t.home, None, "offsite", &Progress::default()).await.map(drop).unwrap_err(),
        prune(&t.home, &of_copy(), &Progress::default()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(refused.exit(), Exit::Usage, "{refused}");
        assert!(refused.to_string().contains("another installation"), "{refused}");
    }
    let kept = stored(&home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &live(t.tenant(), &upn), "in the second installation");
    assert_eq!(snapshots(&t, "offsite").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_are_not_put_into_vaults_nor_under_a_name_that_is_taken() {
    let (t, _) = context().await;
    t.second_vault("offsite").await;
    for (name, folder) in [("third", "vault/shards/third"), ("offsite", "elsewhere")] {
        let new = NewVault {
            name: name.to_owned(),
            location: t.scratch(folder).into(),
            unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
            storage: Storage::default(),
        };
        let refused = t.home.vault_add(&new).await.unwrap_err();
        assert_eq!(refused.exit(), Exit::Usage, "{refused}");
        assert!(!t.scratch(folder).join("vault.json").exists(), "{refused}");
    }
}
