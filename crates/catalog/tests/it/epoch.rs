//! A resource goes on in another shard.

use std::time::Duration;

use holdfast_catalog::{
    Commit, EpochRow, Kind, Lease, Rebuilt, ResourceCommit, ResourceRow, ShardRow,
};
use holdfast_model::{Seq, ShardId};

use crate::{Home, On, SHARD, VAULT, on_both, point, resource, small_commit, snapshot, time};

const NEXT: ShardId = ShardId(2);

/// A catalog whose resource was backed up to the first shard, and the leases on both.
async fn used(on: &On) -> (Home, Lease, Lease) {
    let home = Home::new(on).await;
    home.catalog.shard_put(&ShardRow::new(VAULT, NEXT)).await.unwrap();
    let ttl = Duration::from_secs(60);
    let source = home.catalog.lease_take(VAULT, SHARD, "me", ttl).await.unwrap();
    let target = home.catalog.lease_take(VAULT, NEXT, "me", ttl).await.unwrap();
    let ada = resource("ada");
    home.catalog.commit(small_commit(1, source.fence, &ada)).await.unwrap();
    (home, source, target)
}

/// The commit by which the resource begins its second epoch.
fn next_epoch(target: &Lease) -> Commit {
    let mut ada = resource("ada");
    ada.shard = Some(NEXT);
    let mut same = point(&ada, 1, 1_001, true);
    same.shard = NEXT;
    let epoch = EpochRow {
        resource: ada.id.clone(),
        number: 2,
        shard: NEXT,
        from_seq: Seq(1),
        from_time: time(1_500),
    };
    let change = ResourceCommit {
        restore_point: Some(same),
        epoch: Some(epoch),
        ..ResourceCommit::new(ada)
    };
    let mut first = snapshot(1, target.fence);
    first.shard = NEXT;
    Commit {
        vault_id: VAULT.into(),
        shard: NEXT,
        fence: target.fence,
        snapshot: Some(first),
        resources: vec![change],
    }
}

async fn a_resource_begins_its_first_epoch_with_its_first_shard(on: On) {
    let home = Home::new(&on).await;
    let mut ada = resource("ada");
    ada.shard = None;
    home.catalog.resource_put(&ada).await.unwrap();
    assert_eq!(home.catalog.epoch_list(&ada.id).await.unwrap(), []);
    ada.shard = Some(SHARD);
    home.catalog.resource_describe(&ada).await.unwrap();
    for _ in 0..2 {
        home.catalog.resource_put(&ada).await.unwrap();
        let first = EpochRow::first(ada.id.clone(), SHARD);
        assert_eq!(home.catalog.epoch_list(&ada.id).await.unwrap(), [first]);
    }
}

async fn the_epochs_of_a_resource_are_one_history(on: On) {
    let (home, source, target) = used(&on).await;
    let ada = resource("ada").id;
    home.catalog.commit_epoch(next_epoch(&target), &source).await.unwrap();
    let shards = |rows: Vec<EpochRow>| rows.iter().map(|e| e.shard).collect::<Vec<_>>();
    assert_eq!(shards(home.catalog.epoch_list(&ada).await.unwrap()), [SHARD, NEXT]);
    assert_eq!(home.catalog.resource_get(&ada).await.unwrap().shard, Some(NEXT));
    // Both hold the state of that time: the later epoch is asked.
    let newest = home.catalog.restore_point_at(&ada, None).await.unwrap().unwrap();
    assert_eq!((newest.shard, newest.read_at), (NEXT, time(1_001)));
    let all = home.catalog.restore_point_list(&ada).await.unwrap();
    assert_eq!(all.iter().map(|p| p.shard).collect::<Vec<_>>(), [SHARD, NEXT]);
    let old = home.catalog.restore_point_in(&ada, SHARD, Seq(9)).await.unwrap().unwrap();
    assert_eq!((old.shard, old.seq), (SHARD, Seq(1)));
    // Whoever had read the directory before tells names, not places.
    let stale = ResourceRow { name: "ada.king".into(), list_link: None, ..resource("ada") };
    home.catalog.resource_describe(&stale).await.unwrap();
    let told = home.catalog.resource_get(&ada).await.unwrap();
    assert_eq!((told.name.as_str(), told.shard), ("ada.king", Some(NEXT)));
    assert_eq!(told.list_link, next_epoch(&target).resources[0].resource.list_link);
    // A rebuild replaces epochs too, and gives a resource without any its first.
    let resources = vec![resource("ada"), resource("bob")];
    let epochs = vec![EpochRow::first(ada.clone(), NEXT)];
    let parts = Rebuilt { resources, epochs, ..Rebuilt::default() };
    home.catalog.replace_all(parts).await.unwrap();
    assert_eq!(shards(home.catalog.epoch_list(&ada).await.unwrap()), [NEXT]);
    let bob = home.catalog.epoch_list(&resource("bob").id).await.unwrap();
    assert_eq!(shards(bob), [SHARD]);
}

async fn an_epoch_needs_the_leases_on_both_shards(on: On) {
    for lost in [SHARD, NEXT] {
        let (home, source, target) = used(&on).await;
        let ttl = Duration::from_secs(60);
        home.catalog.lease_take_over(VAULT, lost, "me", "other", ttl).await.unwrap();
        let refused = home.catalog.commit_epoch(next_epoch(&target), &source).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::FenceLost, "shard {lost}");
        let ada = home.catalog.resource_get(&resource("ada").id).await.unwrap();
        assert_eq!(ada.shard, Some(SHARD), "nothing has changed");
        assert_eq!(home.catalog.epoch_list(&ada.id).await.unwrap().len(), 1);
    }
}

async fn the_fill_level_of_a_shard_is_noted(on: On) {
    let (home, ..) = used(&on).await;
    home.catalog.shard_blobs(VAULT, NEXT, 4_000_000).await.unwrap();
    let blobs: Vec<u64> =
        home.catalog.shard_list(VAULT).await.unwrap().iter().map(|row| row.blobs).collect();
    assert_eq!(blobs, [0, 4_000_000]);
}

on_both!(
    a_resource_begins_its_first_epoch_with_its_first_shard,
    the_epochs_of_a_resource_are_one_history,
    an_epoch_needs_the_leases_on_both_shards,
    the_fill_level_of_a_shard_is_noted,
);
