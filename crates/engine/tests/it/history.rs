//! The history of a message: every version, over moves, deletions and shards.

use std::collections::BTreeSet;

use holdfast_engine::ShardLimits;
use holdfast_engine::history::{History, history};
use holdfast_model::{ShardId, Timestamp};
use holdfast_testkit::sim::Flag;
use holdfast_testkit::{Mailbox, Options, TestContext, live};

use crate::sequence::Edits;

async fn of(t: &TestContext, upn: &str, item: &str) -> History {
    history(&t.home, None, upn, item).await.unwrap()
}

fn deliver(t: &TestContext, upn: &str, subject: &str) -> String {
    let mime = format!("From: a@contoso.example\r\nSubject: {subject}\r\n\r\n{subject}\r\n");
    t.tenant().deliver(upn, "inbox", mime.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_listed_with_what_has_changed() {
    let mut t = TestContext::new(Options { users: 1, mails: 30, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let tenant = t.tenant().clone();
    t.backup().await;
    let id = deliver(&t, &upn, "Plan");
    let folder = tenant.folder_create(&upn, None, "Work").unwrap();
    t.backup().await;
    let came = t.home.clock.now();
    t.backup().await;
    tenant.message_update(&upn, &id, |m| (m.is_read, m.flag) = (true, Flag::flagged())).unwrap();
    t.backup().await;
    // It moves, and its mailbox goes on in another shard.
    t.home.shard_limits = ShardLimits { fill: 30, cap: 40, expected: 10 };
    tenant.message_move(&upn, &id, &folder).unwrap();
    t.backup().await;
    t.home.shard_limits = ShardLimits::default();
    tenant.message_update(&upn, &id, |m| m.categories = vec!["Blue".to_owned()]).unwrap();
    t.backup().await;
    let other = deliver(&t, &upn, "Other");
    t.backup().await;
    tenant.folder_rename(&upn, &folder, "Works").unwrap();
    t.backup().await;
    let there = of(&t, &upn, &id).await;
    assert_eq!(there.deleted, None);
    assert_eq!(there.versions.last().unwrap().deleted, None);
    tenant.message_delete(&upn, &id, true).unwrap();
    t.backup().await;
    let gone = t.home.clock.now();
    deliver(&t, &upn, "Last");
    t.backup().await;

    let life = of(&t, &upn, &id).await;
    assert_eq!((life.id.as_str(), life.title.as_str()), (id.as_str(), "Plan"));
    let changes: Vec<&[&str]> = life.versions.iter().map(|v| v.changes.as_slice()).collect();
    let expected: [&[&str]; 5] =
        [&[], &["read", "flag"], &["folder"], &["categories"], &["folder"]];
    assert_eq!(changes, expected, "{life:#?}");
    let folders: Vec<&str> =
        life.versions.iter().map(|v| v.path.rsplit_once('/').unwrap().0).collect();
    assert_eq!(folders, ["Inbox", "Inbox", "Work", "Work", "Works"]);
    let shards: Vec<ShardId> = life.versions.iter().map(|v| v.shard).collect();
    assert_eq!(shards, [1, 1, 2, 2, 2].map(ShardId));
    assert!(life.versions[0].first_seen <= came && life.versions[0].last_seen <= came);
    assert!(life.versions.iter().all(|v| !v.kept && v.first_seen <= v.last_seen));
    assert!(life.versions.windows(2).all(|v| v[0].last_seen < v[1].first_seen));
    // The categories stayed while another message came.
    assert!(life.versions[3].first_seen < life.versions[3].last_seen);
    let deleted = life.versions[4].deleted.unwrap();
    assert_eq!(life.deleted, Some(deleted));
    assert!(deleted <= gone && deleted > life.versions[4].last_seen);

    // Each of its paths, of any time, means it too; the other one is another.
    for version in &life.versions {
        assert_eq!(of(&t, &upn, &version.path).await.versions, life.versions);
    }
    assert_eq!(of(&t, &upn, &other).await.versions.len(), 1);
    let unknown = history(&t.home, None, &upn, "AAMkNothing").await.unwrap_err();
    assert_eq!(unknown.exit(), holdfast_engine::Exit::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_follows_the_changes_and_not_the_mailbox() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let mut ids = Vec::new();
    for number in 0..700 {
        ids.push(deliver(&t, &upn, &format!("Number {number}")));
    }
    t.backup().await;
    const CHANGES: u64 = 12;
    for _ in 0..CHANGES {
        t.tenant().message_update(&upn, &ids[350], |m| m.is_read = !m.is_read).unwrap();
        t.backup().await;
    }
    let folders = t.tenant().folders(&upn).unwrap().len() as u64;
    let changing = of(&t, &upn, &ids[350]).await;
    assert_eq!(changing.versions.len() as u64, CHANGES + 1);
    // The mailbox, inbox, month, day and digit on both sides of each step; every folder once.
    let bound = (CHANGES + 1) * 2 * 6 + folders;
    assert!(changing.trees_read <= bound, "{} trees read", changing.trees_read);
    let still = of(&t, &upn, &ids[20]).await;
    assert_eq!(still.versions.len(), 1);
    assert!(still.trees_read <= bound, "{} trees read", still.trees_read);
}

/// What a history says of a time: the size of the message, if it was there.
fn size_at(life: &History, time: Timestamp) -> Option<u64> {
    let is_there = |at: &Option<Timestamp>| at.is_none_or(|at| at > time);
    let last = life.versions.iter().rfind(|version| version.first_seen <= time)?;
    is_there(&last.deleted).then_some(last.size)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_agrees_with_what_was_there() {
    let seed = 31;
    println!("seed {seed}");
    let t = TestContext::new(Options { users: 1, mails: 12, seed, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let (mut edits, mut past) = (Edits::new(seed), Vec::<(Timestamp, Mailbox)>::new());
    for _ in 0..9 {
        edits.change(t.tenant(), &upn);
        t.backup().await;
        past.push((t.home.clock.now(), live(t.tenant(), &upn)));
    }
    let ids: BTreeSet<&String> = past.iter().flat_map(|(_, mailbox)| mailbox.keys()).collect();
    assert!(ids.len() > 15);
    for id in ids {
        let life = of(&t, &upn, id).await;
        for (time, mailbox) in &past {
            let expected = mailbox.get(id).map(|kept| kept.size as u64);
            assert_eq!(size_at(&life, *time), expected, "seed {seed}, at {time}: {life:#?}");
        }
    }
}
