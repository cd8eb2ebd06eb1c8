//! What a vault holds and takes, counted.

use std::time::Duration;

use holdfast_engine::ShardLimits;
use holdfast_engine::stats::{VaultStats, stats};
use holdfast_model::ShardId;
use holdfast_testkit::{Options, TestContext, live};

use crate::sequence::Edits;

async fn of(t: &TestContext) -> VaultStats {
    stats(&t.home, None).await.unwrap()
}

/// Current items and their bytes, of one person or of all, as the tenant has them.
fn expected(t: &TestContext, upn: Option<&str>) -> (u64, u64) {
    let (mut items, mut bytes) = (0, 0);
    for person in t.people().iter().filter(|person| upn.is_none_or(|upn| upn == *person)) {
        for message in live(t.tenant(), person).values() {
            (items, bytes) = (items + 1, bytes + message.size as u64);
        }
    }
    (items, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_the_tenant_and_of_the_files() {
    let mut t = TestContext::new(Options { users: 3, mails: 25, ..Options::default() }).await;
    let mut edits = Edits::new(2);
    t.backup().await;
    let first = of(&t).await;
    assert_eq!((first.items, first.logical_bytes), expected(&t, None));
    assert_eq!((first.versions, first.version_bytes), expected(&t, None));
    for step in 0..4 {
        t.advance(Duration::from_secs(24 * 3600));
        for upn in t.people() {
            edits.change(t.tenant(), &upn);
        }
        let small = ShardLimits { fill: 60, cap: 80, expected: 10 };
        t.home.shard_limits = if step == 2 { small } else { ShardLimits::default() };
        t.backup().await;
    }
    let stats = of(&t).await;
    assert_eq!((stats.items, stats.logical_bytes), expected(&t, None));
    for resource in &stats.resources {
        let of_one = expected(&t, Some(&resource.name));
        assert_eq!((resource.items, resource.logical_bytes), of_one, "{}", resource.name);
        assert!(resource.shard > ShardId(1));
    }
    assert_eq!(stats.resources.len(), 3);
    assert!(stats.versions > stats.items && stats.version_bytes > stats.logical_bytes);

    // The figures of each shard are those of its files.
    let mut files = 0;
    for shard in &stats.shards {
        let folder = t.vault_dir().join(format!("shards/{}", shard.shard));
        let (packs, pack_bytes) = count(&folder.join("data"));
        assert_eq!((shard.packs, shard.pack_bytes), (packs, pack_bytes));
        let index = count(&folder.join("index")).1 + count(&folder.join("snapshots")).1;
        assert_eq!(shard.index_bytes, index);
        files += pack_bytes + index;
        // All content is named by a snapshot; trees between two states may be by none.
        let added: u64 = shard.added.iter().map(|added| added.stored_bytes).sum();
        let all = shard.data_stored + shard.tree_stored;
        assert!(added > shard.data_stored && added <= all, "{added} of {all}");
        assert_eq!(shard.added.len() as u64, shard.snapshots);
        let fill = shard.blobs as f64 / t.home.shard_limits.cap as f64;
        assert!((shard.fill - fill).abs() < 1e-9);
    }
    assert_eq!(stats.stored_bytes, files);
    assert!(stats.dedup_ratio.unwrap() > 0.5 && stats.compression_ratio.unwrap() > 1.0);
    let added: u64 = stats.shards.iter().flat_map(|s| &s.added).map(|a| a.stored_bytes).sum();
    for growth in [&stats.by_day, &stats.by_week] {
        assert_eq!(growth.iter().map(|g| g.stored_bytes).sum::<u64>(), added);
        assert!(growth.is_sorted_by_key(|growth| growth.from.clone()));
    }
    assert_eq!(stats.by_day.len(), 5);
    assert_eq!(stats.by_day[0].from, "2026-03-02");
    assert_eq!(stats.by_week.len(), 1);
}

fn count(folder: &std::path::Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (more, size) = match entry.metadata().unwrap() {
            meta if meta.is_dir() => count(&entry.path()),
            meta => (1, meta.len()),
        };
        (files, bytes) = (files + more, bytes + size);
    }
    (files, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shared_counts_once() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    for number in 0..10 {
        let mime = format!(
            "Subject: {number}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\
             \r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{number}\r\n--b\r\n\
             Content-Type: application/octet-stream; name=a.bin\r\n\
             Content-Disposition: attachment; filename=a.bin\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
            line.repeat(500)
        );
        t.tenant().deliver(&upn, "inbox", mime.as_bytes()).unwrap();
    }
    t.backup().await;
    let stats = of(&t).await;
    assert_eq!(stats.items, 10);
    assert!(stats.logical_bytes > 10 * 39_000);
    let ratio = stats.dedup_ratio.unwrap();
    assert!((6.0..10.0).contains(&ratio), "{ratio}");
    // An idle day adds nothing.
    t.advance(Duration::from_secs(24 * 3600));
    t.backup().await;
    let idle = of(&t).await;
    assert_eq!((idle.versions, idle.by_day.len()), (stats.versions, stats.by_day.len()));
}
