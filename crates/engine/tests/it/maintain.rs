//! Pruning and erasing: what must stay stays, what must go is gone, and nobody reads or writes
//! beside it.

mod cut_off;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use holdfast_engine::browse::{At, locate, ls, snapshots};
use holdfast_engine::maintain::{
    EraseReport, EraseRequest, PruneReport, PruneRequest, erase, prune,
};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::restore::OnConflict;
use holdfast_engine::{Error, Exit, Home, Progress, hold, verify};
use holdfast_model::{Outcome, ResourceId, ShardId, short_id};
use holdfast_policy::{ForgetReason, Hold, HoldScope, KeepRule, Rules, Verdict};
use holdfast_testkit::sim::{Fault, FaultKind, RetryAfter};
use holdfast_testkit::{Options, TestContext, assert_same, live, stored};

use crate::backup::eml_files;
use crate::rebuild::{assert_known, known};

const SHARD: ShardId = ShardId(1);
const DAY: Duration = Duration::from_secs(25 * 60 * 60);

fn last(count: u32) -> PruneRequest {
    let rules = Rules::new([KeepRule::Last(NonZeroU32::new(count).unwrap())]);
    PruneRequest { rules, ..PruneRequest::default() }
}

async fn pruned(t: &TestContext, request: &PruneRequest) -> PruneReport {
    let report = prune(&t.home, request, &Progress::default()).await.unwrap();
    assert_eq!(report.shards.len(), 1);
    report
}

/// A message that no other has anything in common with.
fn message(subject: &str) -> Vec<u8> {
    let body: String = (0..400).map(|n| format!("{subject} line {n}\r\n")).collect();
    format!(
        "From: ada@contoso.example\r\nTo: bob@contoso.example\r\nSubject: {subject}\r\n\
         Date: Mon, 2 Mar 2026 08:00:00 +0000\r\nMessage-ID: <{subject}@contoso.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A message with an attachment that is cut off as a blob of its own.
fn with_attachment(subject: &str, name: &str) -> Vec<u8> {
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let body: String = line.repeat(600);
    format!(
        "From: ada@contoso.example\r\nTo: bob@contoso.example\r\nSubject: {subject}\r\n\
         Date: Mon, 2 Mar 2026 08:00:00 +0000\r\nMessage-ID: <{subject}@contoso.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{subject}\r\n\
         --b\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{body}--b--\r\n"
    )
    .into_bytes()
}

fn deliver(t: &TestContext, upn: &str, mime: &[u8]) -> String {
    let folder = t.tenant().folders(upn).unwrap().remove(0).id;
    t.tenant().deliver(upn, &folder, mime).unwrap()
}

fn resource_id(t: &TestContext, upn: &str) -> ResourceId {
    let user = t.tenant().users().into_iter().find(|user| user.upn == upn).unwrap();
    ResourceId(format!("exchange/{}", user.id))
}

/// Every `.eml` of every snapshot, as stock restic restores it, and that there is no more: restic
/// finds no blob that no snapshot needs.
async fn all_files(t: &TestContext, name: &str) -> Option<Vec<Vec<u8>>> {
    let restic = t.restic().await?;
    restic.check();
    let mut files = Vec::new();
    for snapshot in snapshots(&t.home).await.unwrap() {
        let target = t.scratch(&format!("{name} {}", snapshot.seq));
        let target = target.display().to_string();
        restic.run(&["restore", &snapshot.id, "--no-lock", "--target", &target]);
        files.extend(eml_files(Path::new(&target)));
    }
    Some(files)
}

/// What stock restic would still find to remove.
async fn unneeded(t: &TestContext) -> Option<String> {
    let out = t.restic().await?.run(&["prune", "--dry-run", "--max-unused", "0"]);
    let line = out.lines().find(|line| line.trim_start().starts_with("total prune"));
    Some(line.unwrap_or(&out).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn holds_text(files: &[Vec<u8>], text: &str) -> bool {
    files.iter().any(|file| contains(file, text))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// All that lies in the home folder and is no vault.
fn in_home(home: &Home, text: &str) -> bool {
    let files = std::fs::read_dir(home.dir()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| contains(&std::fs::read(path).unwrap(), text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_lived_item_of_a_held_person_survives_and_that_of_another_does_not() {
    let t = TestContext::new(Options { users: 3, mails: 12, ..Options::default() }).await;
    let [ada, bob, eve] = t.people().try_into().unwrap();
    t.backup().await;
    let mut short_lived = Vec::new();
    for upn in [&ada, &bob, &eve] {
        let subject = format!("Passing-{}", upn.split('@').next().unwrap());
        short_lived.push((upn.clone(), subject.clone(), deliver(&t, upn, &message(&subject))));
    }
    t.backup().await;
    let bytes: Vec<_> =
        short_lived.iter().map(|(upn, _, id)| t.tenant().mime(upn, id).unwrap()).collect();
    for (upn, _, id) in &short_lived {
        t.tenant().message_delete(upn, id, true).unwrap();
    }
    t.backup().await;
    for subject in ["Later-1", "Later-2"] {
        deliver(&t, &bob, &message(subject));
        t.backup().await;
    }
    assert_eq!(snapshots(&t.home).await.unwrap().len(), 5);
    let held = [&ada, &eve].map(|upn| resource_id(&t, upn));
    for (case, resource) in [("Smith v Jones", &held[0]), ("Audit", &held[1])] {
        let resources = HoldScope::Resources([resource.clone()].into());
        hold::place(&t.home, None, &Hold { case: case.to_owned(), resources }).await.unwrap();
    }
    hold::release(&t.home, None, "Audit").await.unwrap();

    let report = pruned(&t, &last(1)).await;
    let shard = &report.shards[0];
    let linked: Vec<_> = shard.linked.iter().map(|l| (&l.resource, l.versions)).collect();
    assert_eq!(linked, [(&held[0], 1)], "one version, of the held person only");
    assert_eq!(shard.snapshots_removed.forgotten.len(), 4);
    // What the rule keeps, and the one with the link.
    let left = snapshots(&t.home).await.unwrap();
    assert_eq!(left.iter().map(|s| s.seq).collect::<Vec<_>>(), [5, 6]);
    t.advance(DAY);
    let report = pruned(&t, &last(1)).await;
    assert!(report.shards[0].data.packs_removed > 0, "{report:#?}");
    assert!(report.shards[0].linked.is_empty(), "thinned again links nothing again");

    // Everybody's newest state is untouched.
    for upn in [&ada, &bob, &eve] {
        let newest = stored(&t.home, upn, &At::Latest).await.unwrap();
        assert_same(&newest, &live(t.tenant(), upn), upn);
    }
    let check = verify::check(&t.home, None, true, &Progress::default()).await.unwrap();
    assert_eq!(check.errors, 0, "{check:#?}");
    if let Some(files) = all_files(&t, "thinned").await {
        assert!(files.iter().any(|file| file[..] == bytes[0][..]), "byte for byte");
        assert!(holds_text(&files, "Passing-"), "the search finds what is there");
        for (n, (_, subject, _)) in short_lived.iter().enumerate() {
            assert_eq!(holds_text(&files, subject), n == 0, "{subject}");
        }
        let copies = files.iter().filter(|file| file[..] == bytes[0][..]).count();
        assert_eq!(copies, left.len() - 1, "in the month of the newest only");
    }
    // The next backups and a rebuild go on with it.
    deliver(&t, &ada, &message("Afterwards"));
    let after = t.backup().await;
    assert_eq!((after.outcome, after.counts.items_new), (Outcome::Complete, 1));
    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    assert_known(&known(&second).await, &known(&t.home).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_items_are_gone_from_everything_and_shared_content_stays() {
    let t = TestContext::new(Options { users: 2, mails: 10, ..Options::default() }).await;
    let [ada, bob] = t.people().try_into().unwrap();
    let secret = deliver(&t, &ada, &with_attachment("Topsecret-plan", "offer.pdf"));
    let cousin = deliver(&t, &bob, &with_attachment("Harmless-copy", "offer.pdf"));
    let shared = t.tenant().mime(&bob, &cousin).unwrap();
    t.backup().await;
    t.tenant().message_update(&ada, &secret, |edit| edit.is_read = !edit.is_read).unwrap();
    t.backup().await;
    t.tenant().message_delete(&ada, &secret, true).unwrap();
    t.backup().await;
    assert!(in_home(&t.home, "Harmless-copy"), "the search finds what is there");
    if let Some(files) = all_files(&t, "before").await {
        assert!(holds_text(&files, "Topsecret-plan"));
    }

    // By its id, for it is in the newest restore point no more.
    let request = EraseRequest::new(&ada, vec![secret.clone()], "request 17");
    let preview = EraseRequest { dry_run: true, ..request.clone() };
    let preview = erase(&t.home, &preview).await.unwrap();
    assert_eq!(preview.shards[0].report.snapshots_rewritten, 2, "{preview:#?}");
    assert_eq!((preview.erasure, preview.items), (None, vec![short_id(&secret)]));
    let before = snapshots(&t.home).await.unwrap();
    let report = erase(&t.home, &request).await.unwrap();
    assert!(report.complete, "{report:#?}");
    assert_eq!(report.shards[0].report.snapshots_rewritten, 2);

    let after = snapshots(&t.home).await.unwrap();
    let same = before.iter().zip(&after).map(|(b, a)| (b.seq, b.time) == (a.seq, a.time));
    assert!(same.into_iter().all(|same| same) && before.len() == after.len());
    assert_ne!((&before[0].id, &before[1].id), (&after[0].id, &after[1].id));
    gone(&t, &report, &["Topsecret-plan", &secret]).await;
    if let Some(files) = all_files(&t, "after").await {
        assert!(files.iter().any(|file| file[..] == shared[..]), "the cousin is whole");
    }
    for upn in [&ada, &bob] {
        let newest = stored(&t.home, upn, &At::Latest).await.unwrap();
        assert_same(&newest, &live(t.tenant(), upn), upn);
    }
    // On record, without a name or a subject.
    let vault = t.home.vault(None).await.unwrap();
    let records = tokio::task::block_in_place(|| vault.control().unwrap().load()).unwrap();
    let path = format!("erasures/{}.json", report.erasure.unwrap());
    let record = String::from_utf8(records[&path].clone()).unwrap();
    assert!(record.contains("request 17") && record.contains(&short_id(&secret)), "{record}");
    assert!(record.contains("\"done_at\":\"2026"), "{record}");
    assert!(!record.contains(&ada) && !record.contains("Topsecret"), "{record}");

    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    assert_known(&known(&second).await, &known(&t.home).await);
    let again = erase(&t.home, &request).await.unwrap_err();
    assert_eq!(again.exit(), Exit::NotFound, "{again}");
}

/// No trace in the vault, as restic sees it, nor in the home.
async fn gone(t: &TestContext, report: &EraseReport, texts: &[&str]) {
    let check = verify::check(&t.home, None, true, &Progress::default()).await.unwrap();
    assert_eq!((check.errors, check.shards[0].orphan_packs), (0, 0), "{check:#?}");
    assert!(report.shards.iter().all(|shard| shard.complete));
    for text in texts {
        assert!(!in_home(&t.home, text), "{text} in the home");
    }
    if let Some(files) = all_files(t, "gone").await {
        for text in texts {
            assert!(!holds_text(&files, text), "{text} in a snapshot");
        }
        let line = unneeded(t).await.unwrap();
        assert!(line.contains("0 blobs / 0 B"), "data that no snapshot needs: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_message_is_erased_by_its_path() {
    let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
    let ada = t.people().remove(0);
    let secret = deliver(&t, &ada, &message("Delicate-matter"));
    t.backup().await;
    let entries = ls(&t.home, None, &ada, &At::Latest, "", true).await.unwrap();
    let entry = entries.iter().find(|entry| entry.id == secret).unwrap();
    let request = EraseRequest::new(&ada, vec![entry.path.clone()], "request 18");
    let report = erase(&t.home, &request).await.unwrap();
    assert_eq!(report.items, [short_id(&secret)]);
    gone(&t, &report, &["Delicate-matter"]).await;
    let left = ls(&t.home, None, &ada, &At::Latest, "", true).await.unwrap();
    assert_eq!(left.len(), entries.len() - 1);
    // The others can be restored, and the next backup goes on.
    let restored = t
        .restore(holdfast_engine::restore::RestoreRequest {
            on_conflict: OnConflict::Copy,
            ..t.restore_of(&ada)
        })
        .await;
    let messages = left.iter().filter(|entry| entry.kind == "message").count() as u64;
    assert_eq!((restored.items_restored, restored.items_failed), (messages, 0), "{restored:#?}");
    assert_eq!(t.backup().await.outcome, Outcome::Complete);

    let nothing = EraseRequest::new(&ada, vec!["no such thing".to_owned()], "request 19");
    assert_eq!(erase(&t.home, &nothing).await.unwrap_err().exit(), Exit::NotFound);
    for items in [vec![String::new()], vec!["/".to_owned()], Vec::new()] {
        let nothing = EraseRequest::new(&ada, items, "request 20");
        assert_eq!(erase(&t.home, &nothing).await.unwrap_err().exit(), Exit::Usage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_hold_is_not_erased() {
    let t = TestContext::new(Options { users: 1, mails: 5, ..Options::default() }).await;
    let ada = t.people().remove(0);
    t.backup().await;
    let id = live(t.tenant(), &ada).into_keys().next().unwrap();
    let everybody = Hold { case: "Merger".to_owned(), resources: HoldScope::All };
    hold::place(&t.home, None, &everybody).await.unwrap();
    assert_eq!(hold::list(&t.home, None).await.unwrap(), [everybody]);
    let request = EraseRequest::new(&ada, vec![id.clone()], "request 21");
    let refused = erase(&t.home, &request).await.unwrap_err();
    assert!(matches!(refused, Error::Policy(_)) && refused.to_string().contains("Merger"));
    assert_eq!(refused.exit(), Exit::Denied);
    assert!(stored(&t.home, &ada, &At::Latest).await.unwrap().contains_key(&id));
    hold::release(&t.home, None, "Merger").await.unwrap();
    assert_eq!(hold::release(&t.home, None, "Merger").await.unwrap_err().exit(), Exit::NotFound);
    assert!(erase(&t.home, &request).await.unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_an_erasure_keep_out_of_each_others_way() {
    let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
    let ada = t.people().remove(0);
    t.backup().await;
    let id = live(t.tenant(), &ada).into_keys().next().unwrap();
    let request = EraseRequest {
        patience: Duration::ZERO,
        ..EraseRequest::new(&ada, vec![id.clone()], "request 22")
    };
    // A restore that has begun reads on.
    let reading = locate(&t.home, None, &ada, &At::Latest).await.unwrap();
    let refused = erase(&t.home, &request).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Later, "{refused}");
    for found in reading.items("").unwrap() {
        assert!(!reading.reader.bytes(&found.node).unwrap().is_empty());
    }
    let vault = t.home.vault(None).await.unwrap();
    let records = tokio::task::block_in_place(|| vault.control().unwrap().load()).unwrap();
    assert!(!records.keys().any(|path| path.starts_with("erasures/")), "nothing was begun");
    drop(reading);
    // One that would begin meanwhile is told to come back.
    let ttl = Duration::from_secs(60);
    let lease = t.home.catalog.lease_take(vault.id(), SHARD, "eraser", ttl).await.unwrap();
    while t.home.catalog.shard_close(&lease).await.is_err() {
        tokio::task::yield_now().await;
    }
    let refused = ls(&t.home, None, &ada, &At::Latest, "", true).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Later, "{refused}");
    let busy = erase(&t.home, &request).await.unwrap_err();
    assert_eq!(busy.exit(), Exit::Later, "{busy}");
    t.home.catalog.lease_release(&lease).await.unwrap();
    assert!(erase(&t.home, &request).await.unwrap().complete);
    assert!(!stored(&t.home, &ada, &At::Latest).await.unwrap().contains_key(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_beside_a_backup_is_excluded_or_correct() {
    for seed in [3, 4] {
        let t = TestContext::new(Options { users: 2, mails: 15, seed, ..Options::default() }).await;
        let people = t.people();
        t.backup().await;
        for round in 0..3 {
            for upn in &people {
                deliver(&t, upn, &message(&format!("Round-{round}-{upn}")));
            }
            t.advance(DAY);
            let progress = Progress::default();
            let request = holdfast_engine::backup::BackupRequest::default();
            let (request_prune, backup) =
                (last(1), holdfast_engine::backup::backup(&t.home, &request, &progress));
            let (backup, pruned) = tokio::join!(backup, prune(&t.home, &request_prune, &progress));
            for refused in [backup.map(drop), pruned.map(drop)].into_iter().filter_map(Result::err)
            {
                assert_eq!(refused.exit(), Exit::Later, "seed {seed}, round {round}: {refused}");
            }
        }
        t.backup().await;
        for upn in &people {
            let newest = stored(&t.home, upn, &At::Latest).await.unwrap();
            assert_same(&newest, &live(t.tenant(), upn), &format!("seed {seed}: {upn}"));
        }
        pruned(&t, &last(1)).await;
        assert_eq!(
            verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors,
            0,
            "seed {seed}"
        );
        if let Some(restic) = t.restic().await {
            restic.check();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn superseded_checkpoints_go_and_restore_points_stay() {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let ada = t.people().remove(0);
    let throttle = FaultKind::Throttle(RetryAfter::Seconds(700));
    t.tenant().faults().inject(Fault::once(throttle, "$value").after(2));
    t.backup().await;
    deliver(&t, &ada, &message("Second"));
    t.backup().await;
    let kinds = |all: Vec<holdfast_engine::browse::SnapshotView>| {
        all.into_iter().map(|s| s.kind).collect::<Vec<_>>()
    };
    let before = snapshots(&t.home).await.unwrap();
    assert_eq!(kinds(before.clone()), ["checkpoint", "final", "final"]);
    let preview = PruneRequest { dry_run: true, ..PruneRequest::default() };
    let preview = pruned(&t, &preview).await;
    assert_eq!(snapshots(&t.home).await.unwrap().len(), 3, "a dry run changes nothing");
    let report = pruned(&t, &PruneRequest::default()).await;
    let plans = [&preview, &report].map(|r| r.shards[0].evaluation.plan().snapshots().to_vec());
    assert_eq!(plans[0], plans[1]);
    let [planned] = &plans[1][..] else { panic!("{plans:?}") };
    assert_eq!((planned.seq.0, planned.reason), (1, ForgetReason::SupersededCheckpoint));
    let after = snapshots(&t.home).await.unwrap();
    assert_eq!(kinds(after.clone()), ["final", "final"]);
    for snapshot in &after {
        let at = At::Snapshot(snapshot.id.clone());
        let count = stored(&t.home, &ada, &at).await.unwrap().len();
        assert_eq!(count, live(t.tenant(), &ada).len() - usize::from(snapshot.seq == 2));
    }
    let missing = stored(&t.home, &ada, &At::Snapshot(before[0].id.clone())).await;
    assert!(missing.is_none());
    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    assert_known(&known(&second).await, &known(&t.home).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_goes_when_the_history_has_gone_past_it() {
    let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
    let ada = t.people().remove(0);
    for subject in ["One", "Two", "Three"] {
        deliver(&t, &ada, &message(subject));
        t.backup().await;
    }
    let orphan = crate::rebuild::orphan(&t, 2, 1).await;
    let report = pruned(&t, &PruneRequest::default()).await;
    assert_eq!(report.shards[0].snapshots_removed.forgotten, [orphan.id]);
    assert_eq!(snapshots(&t.home).await.unwrap().len(), 3);
    let vault = t.home.vault(None).await.unwrap();
    let files = tokio::task::block_in_place(|| vault.shard(SHARD).unwrap().snapshots()).unwrap();
    assert_eq!(files.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_where_catalog_and_vault_disagree() {
    let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
    let ada = t.people().remove(0);
    for subject in ["One", "Two", "Three"] {
        deliver(&t, &ada, &message(subject));
        t.backup().await;
    }
    let all = snapshots(&t.home).await.unwrap();
    let file = t.vault_dir().join("shards/1/snapshots").join(&all[1].id);
    std::fs::rename(&file, t.scratch("away")).unwrap();
    for request in [last(1), PruneRequest { dry_run: true, ..last(1) }] {
        let refused = prune(&t.home, &request, &Progress::default()).await.unwrap_err();
        assert!(matches!(refused, Error::HistoryDiffers(SHARD)), "{refused}");
        assert_eq!(refused.exit(), Exit::Damaged);
    }
    std::fs::rename(t.scratch("away"), &file).unwrap();
    assert_eq!(snapshots(&t.home).await.unwrap().len(), 3);
    let report = pruned(&t, &last(1)).await;
    assert_eq!(report.shards[0].snapshots_removed.forgotten.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn marked_data_waits_for_readers_from_before() {
    let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
    let ada = t.people().remove(0);
    t.backup().await;
    let id = deliver(&t, &ada, &message("Goes"));
    t.backup().await;
    t.tenant().message_delete(&ada, &id, true).unwrap();
    t.backup().await;
    let vault = t.home.vault(None).await.unwrap();
    let days = Duration::from_secs(9 * 24 * 60 * 60);
    let (catalog, name) = (&t.home.catalog, "a long restore");
    catalog.reader_add("long", vault.id(), SHARD, name, days).await.unwrap();
    let preview = pruned(&t, &PruneRequest { dry_run: true, ..last(1) }).await;
    let report = pruned(&t, &last(1)).await;
    assert!(report.shards[0].data.packs_marked > 0, "{report:#?}");
    let figures = |report: &PruneReport| {
        let data = &report.shards[0].data;
        (data.packs_marked, data.bytes_freed_later, data.blobs_unused)
    };
    assert_eq!(figures(&preview), figures(&report), "a dry run tells what will be");
    t.advance(DAY);
    let report = pruned(&t, &last(1)).await;
    assert_eq!(report.shards[0].data.packs_removed, 0, "{report:#?}");
    catalog.reader_remove("long").await.unwrap();
    let report = pruned(&t, &last(1)).await;
    assert!(report.shards[0].data.packs_removed > 0, "{report:#?}");
    assert_eq!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors, 0);
}
