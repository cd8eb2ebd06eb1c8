//! Pages, searches and points in time.

use std::time::Duration;

use holdfast_catalog::{Commit, ResourceCommit};
use holdfast_model::{ContainerId, ItemId, Seq};

use crate::{
    Home, On, SHARD, VAULT, container, item, on_both, point, resource, small_commit, snapshot, time,
};

const ITEMS: usize = 100_000;

async fn a_hundred_thousand_items_are_listed_in_pages(on: On) {
    let home = Home::new(&on).await;
    let ttl = Duration::from_secs(60);
    let fence = home.catalog.lease_take(VAULT, SHARD, "test", ttl).await.unwrap().fence;
    let ada = resource("ada");
    let id = |n: usize| format!("AAMkAGI1-{n:06}");
    let folder = |n: usize| if n.is_multiple_of(10) { "sent" } else { "inbox" };
    let change = ResourceCommit {
        containers_put: vec![container(&ada, "inbox"), container(&ada, "sent")],
        items_put: (0..ITEMS).map(|n| item(&ada, folder(n), &id(n))).collect(),
        ..ResourceCommit::new(ada.clone())
    };
    home.catalog
        .commit(Commit {
            vault_id: VAULT.into(),
            shard: SHARD,
            fence,
            snapshot: Some(snapshot(1, fence)),
            resources: vec![change],
        })
        .await
        .unwrap();
    assert_eq!(home.catalog.item_count(&ada.id).await.unwrap(), ITEMS as u64);

    let mut seen = 0;
    let mut after: Option<ItemId> = None;
    loop {
        let page = home.catalog.item_list(&ada.id, None, after.as_ref(), 3_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for row in page {
            assert_eq!(row, item(&ada, folder(seen), &id(seen)));
            seen += 1;
        }
    }
    assert_eq!(seen, ITEMS);

    let sent = ContainerId::from("sent");
    let page = home.catalog.item_list(&ada.id, Some(&sent), None, 20_000).await.unwrap();
    assert_eq!(page.len(), ITEMS / 10);
    let after = ItemId(id(ITEMS - 20));
    let page = home.catalog.item_list(&ada.id, Some(&sent), Some(&after), 5).await.unwrap();
    assert_eq!(page, [item(&ada, "sent", &id(ITEMS - 10))]);

    let asked: Vec<ItemId> = (0..50).map(|n| ItemId(id(n * 2_500))).collect();
    let mut got = home.catalog.item_get(&ada.id, &asked).await.unwrap();
    got.sort_by(|a, b| a.id.cmp(&b.id));
    let known: Vec<_> = (0..40).map(|n| item(&ada, folder(n * 2_500), &id(n * 2_500))).collect();
    assert_eq!(got, known, "40 of the 50 ids exist");
    assert_eq!(home.catalog.item_get(&ada.id, &[]).await.unwrap(), []);
}

async fn a_restore_point_is_the_last_one_read_in_time(on: On) {
    let home = Home::new(&on).await;
    let ttl = Duration::from_secs(60);
    let fence = home.catalog.lease_take(VAULT, SHARD, "test", ttl).await.unwrap().fence;
    let ada = resource("ada");
    let points = [
        point(&ada, 1, 50, false),
        point(&ada, 2, 100, true),
        point(&ada, 3, 150, false),
        point(&ada, 4, 200, true),
    ];
    for row in &points {
        let mut commit = small_commit(row.seq.0, fence, &ada);
        commit.resources[0].restore_point = Some(row.clone());
        home.catalog.commit(commit).await.unwrap();
    }
    let at = async |second: Option<i64>| {
        let point = home.catalog.restore_point_at(&ada.id, second.map(time)).await.unwrap();
        point.map(|point| point.seq.0)
    };
    assert_eq!(at(Some(49)).await, None);
    assert_eq!(at(Some(50)).await, Some(1), "nothing else exists yet");
    assert_eq!(at(Some(100)).await, Some(2));
    assert_eq!(at(Some(199)).await, Some(2), "a complete one before a newer checkpoint");
    assert_eq!(at(Some(200)).await, Some(4));
    assert_eq!(at(None).await, Some(4));
    assert_eq!(home.catalog.restore_point_list(&ada.id).await.unwrap(), points);

    let within = async |seq: u64| {
        let point = home.catalog.restore_point_in(&ada.id, SHARD, Seq(seq)).await.unwrap();
        point.map(|point| point.seq.0)
    };
    assert_eq!((within(0).await, within(3).await, within(9).await), (None, Some(3), Some(4)));
}

async fn resources_are_found_by_name_and_id_in_any_case(on: On) {
    let home = Home::new(&on).await;
    let mut ada = resource("AbC-1");
    ada.name = "\u{c5}da@contoso.example".into();
    let mut twin = resource("other");
    twin.tenant = "fabrikam".into();
    twin.name.clone_from(&ada.name);
    home.catalog.resource_put(&ada).await.unwrap();
    home.catalog.resource_put(&twin).await.unwrap();
    let find = async |tenant: Option<&str>, text: &str| {
        let found = home.catalog.resource_find(tenant, text).await.unwrap();
        found.into_iter().map(|row| row.graph_id).collect::<Vec<_>>()
    };
    assert_eq!(find(None, "a\u{30a}DA@Contoso.Example").await, ["AbC-1", "other"]);
    assert_eq!(find(Some("fabrikam"), "\u{e5}da@contoso.example").await, ["other"]);
    assert_eq!(find(None, "abc-1").await, ["AbC-1"]);
    assert_eq!(find(None, "EXCHANGE/ABC-1").await, ["AbC-1"]);
    assert!(find(None, "%").await.is_empty());
    assert!(find(None, "' OR 1=1 --").await.is_empty());
    assert_eq!(home.catalog.resource_list(Some("fabrikam")).await.unwrap(), [twin]);
}

async fn lists_are_in_the_order_of_bytes(on: On) {
    let home = Home::new(&on).await;
    let ttl = Duration::from_secs(60);
    let fence = home.catalog.lease_take(VAULT, SHARD, "test", ttl).await.unwrap().fence;
    let names = ["B", "_", "a", "b", "\u{e4}"];
    let ada = resource("ada");
    let mut commit = small_commit(1, fence, &ada);
    commit.resources[0].items_put = names.map(|id| item(&ada, "inbox", id)).into();
    home.catalog.commit(commit).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    for _ in names {
        let after = seen.last().map(|id| ItemId::from(id.as_str()));
        let page = home.catalog.item_list(&ada.id, None, after.as_ref(), 1).await.unwrap();
        seen.extend(page.into_iter().map(|row| row.id.0));
    }
    assert_eq!(seen, names);
}

async fn snapshots_are_found_by_the_start_of_their_id(on: On) {
    let home = Home::new(&on).await;
    let ttl = Duration::from_secs(60);
    let fence = home.catalog.lease_take(VAULT, SHARD, "test", ttl).await.unwrap().fence;
    for (seq, id) in [(1, "abcd".repeat(16)), (2, "abce".repeat(16))] {
        let mut commit = small_commit(seq, fence, &resource("ada"));
        commit.snapshot.as_mut().unwrap().id = id;
        home.catalog.commit(commit).await.unwrap();
    }
    let found = async |prefix: &str| home.catalog.snapshot_find(prefix).await.unwrap().len();
    assert_eq!((found("ABC").await, found("abce").await, found("%").await), (2, 1, 0));
}

on_both!(
    a_hundred_thousand_items_are_listed_in_pages,
    a_restore_point_is_the_last_one_read_in_time,
    resources_are_found_by_name_and_id_in_any_case,
    snapshots_are_found_by_the_start_of_their_id,
    lists_are_in_the_order_of_bytes,
);
