//! What a rule keeps beyond its time lies in `~kept`: it can be looked at and brought back, and is
//! not current.

use std::time::Duration;

use holdfast_engine::browse::{At, Located, cat, locate, ls};
use holdfast_engine::history::history;
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{FANOUTS, Home};
use holdfast_model::{RunId, Seq, ShardId};
use holdfast_testkit::{Options, TestContext, live, stored};
use holdfast_vault::{Node, SnapshotKind, Tags};

const SHARD: ShardId = ShardId(1);

/// Re-links a message twice, as thinning does, in a snapshot that follows the newest.
async fn keep(t: &TestContext, before: &Located, gone: &Node) -> [String; 2] {
    let rows = t.home.catalog.snapshot_list(None).await.unwrap();
    let head = rows.last().unwrap();
    let vault = t.home.vault(None).await.unwrap();
    let row = &before.resource;
    let second = gone.name.replace(".eml", " ~v0123abcd.eml");
    let month = format!("{}-{}", &gone.name[..4], &gone.name[4..6]);
    let folder = [row.workload.as_str(), row.dir.as_deref().unwrap(), "~kept", &month];
    tokio::task::block_in_place(|| {
        let writer = vault.shard(SHARD).unwrap().writer().unwrap();
        let mut edit = writer.edit(Some(head.tree.parse().unwrap()), FANOUTS);
        for name in [&gone.name, &second] {
            edit.put(&folder, Node { name: name.clone(), ..gone.clone() }).unwrap();
        }
        let tags = Tags {
            seq: Seq(head.seq.0 + 1),
            prev: Some(head.seq),
            fence: head.fence,
            run: RunId("thinning".to_owned()),
            kind: SnapshotKind::Final,
            rewrite: 0,
        };
        let (tree, now) = (edit.save().unwrap(), t.home.clock.now());
        writer.snapshot(tree, &tags, now, "holdfast", &["/".to_owned()]).unwrap();
    });
    [gone.name.clone(), second]
}

async fn read(home: &Home, upn: &str, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    cat(home, None, upn, &At::Latest, path, &mut bytes).await.unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_messages_are_shown_and_not_current() {
    let t = TestContext::new(Options { users: 1, mails: 20, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let before = locate(&t.home, None, &upn, &At::Latest).await.unwrap();
    let gone = before.items("").unwrap().into_iter().find(|f| f.node.name.ends_with(".eml"));
    let gone = gone.unwrap();
    let bytes = before.reader.bytes(&gone.node).unwrap();
    t.tenant().message_delete(&upn, gone.meta.id(), true).unwrap();
    t.backup().await;
    let names = keep(&t, &before, &gone.node).await;
    t.advance(Duration::from_secs(60));
    let home = t.second_home().await;
    let report = rebuild(&home).await.unwrap();

    let model = live(t.tenant(), &upn);
    assert!(!model.contains_key(gone.meta.id()));
    assert_eq!(report.items, model.len(), "what is kept is no current item");
    let stored = stored(&home, &upn, &At::Latest).await.unwrap();
    assert_eq!(stored, model, "nor part of the whole");
    let top = ls(&home, None, &upn, &At::Latest, "", false).await.unwrap();
    assert!(top.iter().any(|entry| entry.kind == "folder" && entry.path == "~kept"));
    let kept = ls(&home, None, &upn, &At::Latest, "~kept", false).await.unwrap();
    let mut paths: Vec<&str> = kept.iter().map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    let mut expected = names.map(|name| format!("~kept/{name}"));
    expected.sort_unstable();
    assert_eq!(paths, expected);
    assert!(kept.iter().all(|entry| entry.id == gone.meta.id() && entry.kind == "message"));
    let all = ls(&home, None, &upn, &At::Latest, "", true).await.unwrap();
    let messages = all.iter().filter(|entry| entry.kind == "message").count();
    assert_eq!(messages, model.len() + 2);
    for path in paths {
        assert_eq!(read(&home, &upn, path).await, bytes, "{path}");
    }
    let located = locate(&home, None, &upn, &At::Latest).await.unwrap();
    assert_eq!(located.items("~kept").unwrap().len(), 2);

    let life = history(&home, None, &upn, gone.meta.id()).await.unwrap();
    let kinds: Vec<(bool, bool)> =
        life.versions.iter().map(|v| (v.kept, v.deleted.is_some())).collect();
    assert_eq!(kinds, [(false, true), (true, false)], "{life:#?}");
    assert!(life.deleted.is_some());
}
