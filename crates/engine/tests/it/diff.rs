//! Two restore points compared.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_engine::ShardLimits;
use holdfast_engine::browse::At;
use holdfast_engine::diff::{Became, Change, Diff, diff};
use holdfast_model::Timestamp;
use holdfast_testkit::{Kept, Mailbox, Options, TestContext, live};

use crate::sequence::Edits;

async fn between(t: &TestContext, upn: &str, from: Option<Timestamp>, to: &At) -> Diff {
    diff(&t.home, None, upn, from.map(At::Time).as_ref(), to).await.unwrap()
}

fn deliver(t: &TestContext, upn: &str, folder: &str, subject: &str) -> String {
    let mime = format!("From: a@contoso.example\r\nSubject: {subject}\r\n\r\n{subject}\r\n");
    t.tenant().deliver(upn, folder, mime.as_bytes()).unwrap()
}

/// What became of each message or folder, by title.
fn told(diff: &Diff) -> BTreeMap<String, (Became, Vec<&'static str>, Option<String>)> {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(f, _)| f.to_owned());
    let tell = |c: &Change| {
        let from = c.from_path.as_deref().map(|from| match c.kind {
            "folder" => from.to_owned(),
            _ => folder(from),
        });
        (c.title.clone(), (c.change, c.fields.clone(), from))
    };
    let all: BTreeMap<_, _> = diff.changes.iter().map(tell).collect();
    assert_eq!(all.len(), diff.changes.len(), "each once: {diff:#?}");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_change_is_told_once() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let (tenant, upn) = (t.tenant(), t.people().remove(0));
    let folder =
        |parent: Option<&str>, name: &str| tenant.folder_create(&upn, parent, name).unwrap();
    let (old, stays) = (folder(None, "Old"), folder(None, "Stays"));
    let (inner, doomed) = (folder(Some(&old), "Inner"), folder(None, "Doomed"));
    let rescued = folder(Some(&doomed), "Rescued");
    let [read, moves, goes] = ["read", "moves", "goes"].map(|name| deliver(&t, &upn, &stays, name));
    for number in 0..5 {
        deliver(&t, &upn, &inner, &format!("inner {number}"));
        deliver(&t, &upn, &rescued, &format!("rescued {number}"));
    }
    let saved = deliver(&t, &upn, &doomed, "saved");
    deliver(&t, &upn, &doomed, "lost");
    t.backup().await;
    let before = t.home.clock.now();

    tenant.message_update(&upn, &read, |m| m.is_read = !m.is_read).unwrap();
    tenant.message_move(&upn, &moves, &inner).unwrap();
    tenant.message_delete(&upn, &goes, true).unwrap();
    deliver(&t, &upn, &stays, "comes");
    tenant.folder_rename(&upn, &inner, "Inside").unwrap();
    tenant.folder_move(&upn, &old, Some(&stays)).unwrap();
    let fresh = folder(None, "Fresh");
    tenant.folder_move(&upn, &rescued, Some(&fresh)).unwrap();
    tenant.message_move(&upn, &saved, &fresh).unwrap();
    tenant.folder_delete(&upn, &doomed, true).unwrap();
    t.backup().await;

    let diff = between(&t, &upn, Some(before), &At::Latest).await;
    let from = |path: &str| Some(path.to_owned());
    let expected = [
        ("read", (Became::Changed, vec!["read"], None)),
        ("moves", (Became::Moved, vec!["folder"], from("Stays"))),
        ("goes", (Became::Removed, vec![], None)),
        ("comes", (Became::Added, vec![], None)),
        ("Inside", (Became::Changed, vec!["name"], from("Old/Inner"))),
        ("Old", (Became::Moved, vec!["folder"], from("Old"))),
        ("Fresh", (Became::Added, vec![], None)),
        ("Rescued", (Became::Moved, vec!["folder"], from("Doomed/Rescued"))),
        ("saved", (Became::Moved, vec!["folder"], from("Doomed"))),
        ("lost", (Became::Removed, vec![], None)),
        ("Doomed", (Became::Removed, vec![], None)),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(title, told)| (title.to_owned(), told)).collect();
    assert_eq!(told(&diff), expected, "{diff:#?}");
    let counts = (diff.added, diff.removed, diff.changed, diff.moved);
    assert_eq!(counts, (2, 3, 2, 4));
    // Without times: the newest against the one before.
    let newest = between(&t, &upn, None, &At::Latest).await;
    assert_eq!((newest.from, newest.changes.clone()), (diff.from, diff.changes.clone()));
    // The other way round it is the reverse.
    let back = diff_times(&t, &upn, t.home.clock.now(), before).await;
    assert_eq!((back.added, back.removed, back.moved), (3, 2, 4));
    let same = diff_times(&t, &upn, before, before).await;
    assert_eq!((same.changes.len(), same.trees_read), (0, 0));
    // The first of all has nothing before it.
    let first = between(&t, &upn, None, &At::Time(before)).await;
    assert_eq!((first.from, first.removed + first.changed + first.moved), (None, 0));
    assert_eq!(first.changes.iter().filter(|c| c.kind == "message").count(), 15);
}

async fn diff_times(t: &TestContext, upn: &str, from: Timestamp, to: Timestamp) -> Diff {
    between(t, upn, Some(from), &At::Time(to)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_follows_the_difference() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let (tenant, upn) = (t.tenant(), t.people().remove(0));
    let folder = tenant.folder_create(&upn, None, "Large").unwrap();
    let ids: Vec<String> =
        (0..700).map(|n| deliver(&t, &upn, &folder, &format!("Number {n}"))).collect();
    t.backup().await;
    for id in &ids[..3] {
        tenant.message_update(&upn, id, |m| m.is_read = !m.is_read).unwrap();
    }
    t.backup().await;
    let diff = between(&t, &upn, None, &At::Latest).await;
    assert_eq!((diff.changed, diff.changes.len()), (3, 3));
    // The mailbox, folder, month and day on both sides, and a leaf for each message.
    assert!(diff.trees_read <= 2 * (4 + 3), "{} trees read", diff.trees_read);
    tenant.folder_rename(&upn, &folder, "Huge").unwrap();
    t.backup().await;
    let renamed = between(&t, &upn, None, &At::Latest).await;
    assert_eq!(renamed.changes.len(), 1, "{renamed:#?}");
    assert!(renamed.trees_read <= 2, "{} trees read", renamed.trees_read);
}

fn changed<'m>(
    old: &'m Mailbox,
    new: &'m Mailbox,
    differs: fn(&Kept, &Kept) -> bool,
) -> BTreeSet<&'m str> {
    let both = new.iter().filter_map(|(id, now)| Some((id.as_str(), old.get(id)?, now)));
    both.filter(|(_, was, is)| differs(was, is)).map(|(id, ..)| id).collect()
}

fn told_of(diff: &Diff, is: impl Fn(&Change) -> bool) -> BTreeSet<&str> {
    let messages = diff.changes.iter().filter(|change| change.kind == "message" && is(change));
    messages.map(|change| change.id.as_str()).collect()
}

fn check(diff: &Diff, old: &Mailbox, new: &Mailbox) {
    const STATE: [&str; 5] = ["read", "draft", "flag", "importance", "categories"];
    let only = |one: &'static str| move |change: &Change| change.fields.contains(&one);
    let missing = |from: &Mailbox, id: &str| !from.contains_key(id);
    let added = new.keys().map(String::as_str).filter(|id| missing(old, id)).collect();
    assert_eq!(told_of(diff, |c| c.change == Became::Added), added);
    let removed = old.keys().map(String::as_str).filter(|id| missing(new, id)).collect();
    assert_eq!(told_of(diff, |c| c.change == Became::Removed), removed);
    let content = changed(old, new, |was, is| was.sha256 != is.sha256);
    assert_eq!(told_of(diff, only("content")), content);
    let state = changed(old, new, |was, is| was.state != is.state);
    assert_eq!(told_of(diff, |c| c.fields.iter().any(|f| STATE.contains(f))), state);
    // A folder's own move moves no message.
    let moved = told_of(diff, |c| c.change == Became::Moved);
    let elsewhere = changed(old, new, |was, is| was.folder != is.folder);
    let folders = diff.changes.iter().any(|c| c.kind == "folder" && c.change != Became::Added);
    assert!(folders || moved == elsewhere, "{moved:?} is not {elsewhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_agrees_with_what_was_there() {
    for seed in 51..54 {
        println!("seed {seed}");
        let options = Options { users: 1, mails: 15, seed, ..Options::default() };
        let mut t = TestContext::new(options).await;
        let upn = t.people().remove(0);
        let (mut edits, mut past) = (Edits::new(seed), Vec::<(Timestamp, Mailbox)>::new());
        for step in 0..7 {
            edits.change(t.tenant(), &upn);
            // In the middle the mailbox goes on in another shard.
            let small = ShardLimits { fill: 20, cap: 25, expected: 10 };
            t.home.shard_limits = if step == 3 { small } else { ShardLimits::default() };
            t.backup().await;
            past.push((t.home.clock.now(), live(t.tenant(), &upn)));
        }
        for (from, old) in &past {
            for (to, new) in &past {
                let diff = diff_times(&t, &upn, *from, *to).await;
                check(&diff, old, new);
                assert!(from != to || diff.changes.is_empty());
            }
        }
    }
}
