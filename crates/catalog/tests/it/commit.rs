//! The commit point: all or nothing.

use std::time::Duration;

use holdfast_catalog::{Catalog, Commit, Error, Kind, ResourceCommit};
use holdfast_model::{ContainerId, Fence, ItemId, Seq};
use proptest::prelude::*;

use crate::{
    Home, On, SHARD, VAULT, container, for_cases, item, on_both, point, resource, small_commit,
    snapshot, time,
};

/// Everything that a commit may change, as text.
async fn state(catalog: &Catalog) -> String {
    let mut state = format!(
        "{:?} {:?}",
        catalog.shard_list(VAULT).await.unwrap(),
        catalog.snapshot_list(None).await.unwrap()
    );
    for resource in catalog.resource_list(None).await.unwrap() {
        state += &format!(
            "{resource:?} {:?} {:?} {:?}",
            catalog.container_list(&resource.id).await.unwrap(),
            catalog.item_list(&resource.id, None, None, 1_000).await.unwrap(),
            catalog.restore_point_list(&resource.id).await.unwrap()
        );
    }
    state
}

async fn fence(home: &Home) -> Fence {
    let ttl = Duration::from_secs(60);
    home.catalog.lease_take(VAULT, SHARD, "test", ttl).await.unwrap().fence
}

async fn a_commit_moves_everything_together(on: On) {
    let home = Home::new(&on).await;
    let fence = fence(&home).await;
    let mut ada = resource("ada");
    home.catalog.commit(small_commit(1, fence, &ada)).await.unwrap();

    ada.stale = true;
    let second = ResourceCommit {
        containers_put: vec![container(&ada, "archive")],
        containers_removed: vec![ContainerId::from("inbox")],
        items_put: vec![item(&ada, "archive", "item 1"), item(&ada, "archive", "new")],
        items_removed: vec![ItemId::from("never seen")],
        restore_point: Some(point(&ada, 2, 1_002, true)),
        ..ResourceCommit::new(ada.clone())
    };
    let snapshot = snapshot(2, fence);
    home.catalog
        .commit(Commit {
            vault_id: VAULT.into(),
            shard: SHARD,
            fence,
            snapshot: Some(snapshot.clone()),
            resources: vec![second],
        })
        .await
        .unwrap();

    let catalog = home.open_again().await;
    let shard = catalog.shard_get(VAULT, SHARD).await.unwrap();
    assert_eq!(shard.head_seq, snapshot.seq);
    assert_eq!(shard.head_snapshot.as_ref(), Some(&snapshot.id));
    assert_eq!(shard.head_tree.as_ref(), Some(&snapshot.tree));
    assert_eq!(catalog.snapshot_list(Some(VAULT)).await.unwrap()[1], snapshot);
    assert_eq!(catalog.resource_list(None).await.unwrap(), [ada.clone()]);
    assert_eq!(catalog.container_list(&ada.id).await.unwrap(), [container(&ada, "archive")]);
    assert_eq!(
        catalog.item_list(&ada.id, None, None, 10).await.unwrap(),
        [item(&ada, "archive", "item 1"), item(&ada, "archive", "new")]
    );
    let points = catalog.restore_point_list(&ada.id).await.unwrap();
    assert_eq!(points, [point(&ada, 1, 1_001, true), point(&ada, 2, 1_002, true)]);
}

async fn an_idle_poll_moves_links_and_times_only(on: On) {
    let home = Home::new(&on).await;
    let fence = fence(&home).await;
    let mut ada = resource("ada");
    home.catalog.commit(small_commit(1, fence, &ada)).await.unwrap();
    ada.last_polled = Some(time(3_000));
    let mut inbox = container(&ada, "inbox");
    inbox.delta_link = Some("/v1.0/delta?second".into());
    let poll =
        ResourceCommit { containers_put: vec![inbox.clone()], ..ResourceCommit::new(ada.clone()) };
    let commit = Commit {
        vault_id: VAULT.into(),
        shard: SHARD,
        fence,
        snapshot: None,
        resources: vec![poll],
    };
    home.catalog.commit(commit.clone()).await.unwrap();
    assert_eq!(home.catalog.resource_get(&ada.id).await.unwrap(), ada);
    assert_eq!(home.catalog.container_list(&ada.id).await.unwrap(), [inbox]);
    assert_eq!(home.catalog.shard_get(VAULT, SHARD).await.unwrap().head_seq.0, 1);
    assert_eq!(home.catalog.item_count(&ada.id).await.unwrap(), 1);
    let zombie = Commit { fence: Fence(fence.0 + 1), ..commit };
    assert_eq!(home.catalog.commit(zombie).await.unwrap_err().kind(), Kind::FenceLost);
}

async fn a_failing_statement_leaves_nothing(on: On) {
    let home = Home::new(&on).await;
    let fence = fence(&home).await;
    let (ada, bob) = (resource("ada"), resource("bob"));
    home.catalog.commit(small_commit(1, fence, &ada)).await.unwrap();
    let before = state(&home.catalog).await;

    let mut homeless = small_commit(2, fence, &bob);
    homeless.resources[0].items_put.push(item(&bob, "no such folder", "lost"));
    let mut orphaning = small_commit(2, fence, &bob);
    orphaning.resources.push(ResourceCommit {
        containers_removed: vec![ContainerId::from("inbox")],
        ..ResourceCommit::new(ada.clone())
    });
    let mut twice = small_commit(2, fence, &bob);
    twice.resources.push(ResourceCommit {
        restore_point: Some(point(&ada, 1, 9_999, true)),
        ..ResourceCommit::new(ada.clone())
    });
    let old = small_commit(1, fence, &bob);
    for (commit, kind) in [
        (homeless, Kind::Conflict),
        (orphaning, Kind::Conflict),
        (twice, Kind::Conflict),
        (old, Kind::Conflict),
    ] {
        let seq = commit.snapshot.as_ref().map(|snapshot| snapshot.seq);
        let error = home.catalog.commit(commit).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(matches!(error, Error::NotNewer { .. }), seq == Some(Seq(1)));
        assert_eq!(state(&home.catalog).await, before);
    }
    home.catalog.commit(small_commit(2, fence, &bob)).await.unwrap();
    assert_ne!(state(&home.catalog).await, before);
}

async fn a_commit_that_is_dropped_half_way_leaves_nothing(on: On) {
    let home = Home::new(&on).await;
    let fence = fence(&home).await;
    let before = state(&home.catalog).await;
    let ada = resource("ada");
    let mut commit = small_commit(1, fence, &ada);
    commit.resources[0].items_put =
        (0..2_000).map(|n| item(&ada, "inbox", &format!("{n}"))).collect();
    let mut running = Box::pin(home.catalog.commit(commit.clone()));
    for _ in 0..200 {
        tokio::select! {
            biased;
            done = &mut running => panic!("ended too early: {done:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(running);
    assert_eq!(state(&home.catalog).await, before);
    home.catalog.commit(commit).await.unwrap();
    assert_eq!(home.catalog.item_count(&ada.id).await.unwrap(), 2_000);
}

/// A round of changes: (item, folder it goes to, or none when it is removed).
fn rounds() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    let change = (0_u8..12, proptest::option::of(0_u8..3));
    proptest::collection::vec(proptest::collection::vec(change, 0..8), 1..6)
}

/// Any history of commits ends in the same items as a plain map.
fn items_follow_a_plain_map(on: &On) {
    for_cases(on, &rounds(), async |rounds| {
        let home = Home::new(on).await;
        let fence = fence(&home).await;
        let ada = resource("ada");
        let mut map = std::collections::BTreeMap::new();
        for (number, round) in rounds.iter().enumerate() {
            let changes: std::collections::BTreeMap<_, _> = round.iter().copied().collect();
            let mut commit = small_commit(number as u64 + 1, fence, &ada);
            let change = &mut commit.resources[0];
            change.containers_put = ["0", "1", "2"].map(|id| container(&ada, id)).into();
            change.items_put.clear();
            for (id, folder) in changes {
                let id = format!("item {id:02}");
                if let Some(folder) = folder {
                    let row = item(&ada, &folder.to_string(), &id);
                    change.items_put.push(row.clone());
                    map.insert(id, row);
                } else {
                    change.items_removed.push(ItemId(id.clone()));
                    map.remove(&id);
                }
            }
            home.catalog.commit(commit).await.unwrap();
        }
        let stored = home.catalog.item_list(&ada.id, None, None, 100).await.unwrap();
        assert_eq!(stored, map.into_values().collect::<Vec<_>>());
    });
}

on_both!(
    a_commit_moves_everything_together,
    an_idle_poll_moves_links_and_times_only,
    a_failing_statement_leaves_nothing,
    a_commit_that_is_dropped_half_way_leaves_nothing,
);

on_both!(cases: items_follow_a_plain_map,);
