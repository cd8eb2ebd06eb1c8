//! One writer at a time; a late one changes nothing.

use std::time::Duration;

use holdfast_catalog::{Error, Kind, ShardRow};
use holdfast_model::{Fence, ShardId};
use jiff::SignedDuration;

use crate::{Home, On, SHARD, VAULT, on_both, resource, small_commit, time};

const TTL: Duration = Duration::from_secs(60);

async fn a_held_lease_names_its_holder(on: On) {
    let home = Home::new(&on).await;
    let lease = home.catalog.lease_take(VAULT, SHARD, "first", TTL).await.unwrap();
    assert_eq!((lease.fence, lease.until), (Fence(1), time(1_060)));
    match home.catalog.lease_take(VAULT, SHARD, "second", TTL).await {
        Err(Error::LeaseHeld { owner, until, shard }) => {
            assert_eq!((owner.as_str(), until, shard), ("first", time(1_060), SHARD));
        }
        other => panic!("{other:?}"),
    }
    home.catalog.lease_release(&lease).await.unwrap();
    assert_eq!(home.catalog.shard_get(VAULT, SHARD).await.unwrap().lease_owner, None);
    let next = home.catalog.lease_take(VAULT, SHARD, "second", TTL).await.unwrap();
    assert_eq!(next.fence, Fence(2));
}

async fn a_late_commit_after_a_steal_changes_nothing(on: On) {
    let home = Home::new(&on).await;
    let late = home.catalog.lease_take(VAULT, SHARD, "late", TTL).await.unwrap();
    home.clock.advance(SignedDuration::from_secs(60));
    let thief = home.catalog.lease_take(VAULT, SHARD, "thief", TTL).await.unwrap();
    assert!(thief.fence > late.fence);

    let ada = resource("ada");
    let error = home.catalog.commit(small_commit(1, late.fence, &ada)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FenceLost);
    assert_eq!(home.catalog.snapshot_list(None).await.unwrap(), []);
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), []);
    assert_eq!(home.catalog.shard_get(VAULT, SHARD).await.unwrap().head_seq.0, 0);
    let renewed = home.catalog.lease_renew(&late, TTL).await;
    assert_eq!(renewed.unwrap_err().kind(), Kind::FenceLost);
    home.catalog.lease_release(&late).await.unwrap();

    home.catalog.commit(small_commit(1, thief.fence, &ada)).await.unwrap();
    let shard = home.catalog.shard_get(VAULT, SHARD).await.unwrap();
    assert_eq!((shard.head_seq.0, shard.lease_owner.as_deref()), (1, Some("thief")));
}

async fn an_expired_lease_that_nobody_took_can_be_renewed(on: On) {
    let home = Home::new(&on).await;
    let lease = home.catalog.lease_take(VAULT, SHARD, "slow", TTL).await.unwrap();
    home.clock.advance(SignedDuration::from_secs(600));
    let lease = home.catalog.lease_renew(&lease, TTL).await.unwrap();
    assert_eq!((lease.fence, lease.until), (Fence(1), time(1_660)));
    let error = home.catalog.lease_take(VAULT, SHARD, "other", TTL).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LeaseHeld);
}

async fn a_lease_is_taken_over_from_the_named_holder_only(on: On) {
    let home = Home::new(&on).await;
    let dead = home.catalog.lease_take(VAULT, SHARD, "dead", TTL).await.unwrap();
    let wrong = home.catalog.lease_take_over(VAULT, SHARD, "nobody", "new", TTL).await;
    assert_eq!(wrong.unwrap_err().kind(), Kind::LeaseHeld);
    let new = home.catalog.lease_take_over(VAULT, SHARD, "dead", "new", TTL).await.unwrap();
    assert!(new.fence > dead.fence);
    let again = home.catalog.lease_take_over(VAULT, SHARD, "dead", "third", TTL).await;
    assert_eq!(again.unwrap_err().kind(), Kind::LeaseHeld);
}

async fn of_many_takers_one_wins(on: On) {
    let home = Home::new(&on).await;
    for round in 0..10 {
        let mut takers = Vec::new();
        for number in 0..6 {
            // Half of them through connections of their own, as other processes have.
            let catalog =
                if number % 2 == 0 { home.catalog.clone() } else { home.open_again().await };
            takers.push(tokio::spawn(async move {
                catalog.lease_take(VAULT, SHARD, &format!("taker {number}"), TTL).await
            }));
        }
        let mut won = Vec::new();
        for taker in takers {
            match taker.await.unwrap() {
                Ok(lease) => won.push(lease),
                Err(error) => assert_eq!(error.kind(), Kind::LeaseHeld, "{error}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(won[0].fence, Fence(round + 1));
        home.catalog.lease_release(&won[0]).await.unwrap();
    }
}

async fn fences_only_rise(on: On) {
    let home = Home::new(&on).await;
    let lease = home.catalog.lease_take(VAULT, SHARD, "old server", TTL).await.unwrap();
    home.catalog.fence_raise(VAULT, SHARD, Fence(41)).await.unwrap();
    let error = home.catalog.lease_renew(&lease, TTL).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FenceLost);
    home.catalog.fence_raise(VAULT, SHARD, Fence(7)).await.unwrap();
    home.catalog.shard_put(&ShardRow::new(VAULT, SHARD)).await.unwrap();
    let lease = home.catalog.lease_take(VAULT, SHARD, "new server", TTL).await.unwrap();
    assert_eq!(lease.fence, Fence(42));
}

async fn an_unknown_shard_is_not_found(on: On) {
    let home = Home::new(&on).await;
    let error = home.catalog.lease_take(VAULT, ShardId(9), "me", TTL).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

on_both!(
    a_held_lease_names_its_holder,
    a_late_commit_after_a_steal_changes_nothing,
    an_expired_lease_that_nobody_took_can_be_renewed,
    a_lease_is_taken_over_from_the_named_holder_only,
    of_many_takers_one_wins,
    fences_only_rise,
    an_unknown_shard_is_not_found,
);
