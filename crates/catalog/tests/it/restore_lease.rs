//! One restore at a time into a target, and a late one writes nothing more.

use std::time::Duration;

use holdfast_catalog::{Error, Kind, RestoreItemRow, RestoreRow, RestoreState};
use holdfast_model::{Fence, ItemId, Outcome, ResourceId};
use jiff::SignedDuration;

use crate::{Home, On, on_both, time};

const TTL: Duration = Duration::from_secs(60);

fn target(name: &str) -> ResourceId {
    ResourceId::from(name)
}

fn item(source: &str) -> [RestoreItemRow; 1] {
    [RestoreItemRow {
        restore: "restore".into(),
        source: ItemId::from(source),
        target: None,
        state: RestoreState::Planned,
        detail: None,
    }]
}

async fn begin(home: &Home) {
    let row = RestoreRow {
        id: "restore".into(),
        resource: target("exchange/ada"),
        target: target("exchange/ada"),
        at: None,
        path: None,
        started_at: time(1_000),
        finished_at: None,
        outcome: None,
    };
    home.catalog.restore_start(&row).await.unwrap();
}

async fn a_target_has_one_holder_until_he_gives_it_back(on: On) {
    let home = Home::new(&on).await;
    let (ada, other) = (target("exchange/ada"), home.open_again().await);
    let first = home.catalog.restore_lease_take(&ada, None, "first", TTL).await.unwrap();
    assert_eq!((first.fence, first.until), (Fence(1), time(1_060)));
    match other.restore_lease_take(&ada, None, "second", TTL).await {
        Err(Error::RestoreHeld { owner, until }) => {
            assert_eq!((&*owner, until), ("first", time(1_060)));
        }
        taken => panic!("{taken:?}"),
    }
    // The same process, in another task, is another holder.
    let again = home.catalog.restore_lease_take(&ada, None, "first", TTL).await.unwrap_err();
    assert_eq!(again.kind(), Kind::LeaseHeld);
    let bob = target("exchange/bob");
    assert_eq!(other.restore_lease_take(&bob, None, "second", TTL).await.unwrap().fence, Fence(1));
    home.catalog.restore_lease_release(&first).await.unwrap();
    let second = other.restore_lease_take(&ada, None, "second", TTL).await.unwrap();
    assert_eq!(second.fence, Fence(2));
    // Given back twice, it is not taken from the next one.
    home.catalog.restore_lease_release(&first).await.unwrap();
    other.restore_lease_renew(&second, TTL).await.unwrap();
    other.restore_item_put(&second, &[]).await.unwrap();
}

async fn who_gave_no_sign_of_life_is_followed_and_writes_nothing_more(on: On) {
    let home = Home::new(&on).await;
    let (ada, other) = (target("exchange/ada"), home.open_again().await);
    begin(&home).await;
    let late = home.catalog.restore_lease_take(&ada, None, "late", TTL).await.unwrap();
    home.clock.advance(SignedDuration::from_secs(59));
    home.catalog.restore_lease_renew(&late, TTL).await.unwrap();
    home.clock.advance(SignedDuration::from_secs(59));
    let early = other.restore_lease_take(&ada, None, "next", TTL).await.unwrap_err();
    assert_eq!(early.kind(), Kind::LeaseHeld);
    home.clock.advance(SignedDuration::from_secs(1));
    // Until somebody follows it is his still.
    home.catalog.restore_item_put(&late, &item("a")).await.unwrap();
    let next = other.restore_lease_take(&ada, None, "next", TTL).await.unwrap();
    assert!(next.fence > late.fence);

    let lost = |result: Result<(), Error>| match result {
        Err(Error::RestoreLost { target, fence }) => (target, fence) == (ada.clone(), Fence(1)),
        _ => false,
    };
    assert!(lost(home.catalog.restore_item_put(&late, &item("b")).await));
    assert!(lost(home.catalog.restore_lease_renew(&late, TTL).await));
    assert!(lost(home.catalog.restore_finish(&late, "restore", Outcome::Complete).await));
    home.catalog.restore_lease_release(&late).await.unwrap();
    other.restore_item_put(&next, &item("c")).await.unwrap();
    let noted = home.catalog.restore_item_list("restore").await.unwrap();
    let noted: Vec<_> = noted.iter().map(|row| row.source.as_str()).collect();
    assert_eq!(noted, ["a", "c"]);
    assert_eq!(home.catalog.restore_get("restore").await.unwrap().finished_at, None);
}

async fn a_target_is_taken_over_from_the_named_holder_only(on: On) {
    let home = Home::new(&on).await;
    let ada = target("exchange/ada");
    home.catalog.restore_lease_take(&ada, None, "dead", TTL).await.unwrap();
    let take = async |dead| home.catalog.restore_lease_take(&ada, Some(dead), "me", TTL).await;
    assert_eq!(take("another").await.unwrap_err().kind(), Kind::LeaseHeld);
    assert_eq!(take("dead").await.unwrap().fence, Fence(2));
    assert_eq!(take("dead").await.unwrap_err().kind(), Kind::LeaseHeld);
}

async fn of_many_takers_one_wins(on: On) {
    let home = Home::new(&on).await;
    let mut takers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let catalog = home.open_again().await;
        takers.spawn(async move {
            let (ada, owner) = (target("exchange/ada"), format!("taker {number}"));
            catalog.restore_lease_take(&ada, None, &owner, TTL).await.map(|lease| lease.fence)
        });
    }
    let taken = takers.join_all().await;
    let won: Vec<_> = taken.iter().filter_map(|taken| taken.as_ref().ok()).collect();
    assert_eq!(won, [&Fence(1)]);
    let lost = |taken: &Result<Fence, Error>| matches!(taken, Err(Error::RestoreHeld { .. }));
    assert_eq!(taken.iter().filter(|taken| lost(taken)).count(), 7);
}

on_both!(
    a_target_has_one_holder_until_he_gives_it_back,
    who_gave_no_sign_of_life_is_followed_and_writes_nothing_more,
    a_target_is_taken_over_from_the_named_holder_only,
    of_many_takers_one_wins,
);
