//! Readers and a deletion that leaves nothing behind keep out of each other's way.

use std::time::Duration;

use holdfast_catalog::{Error, Kind, Lease};
use holdfast_model::ShardId;
use jiff::SignedDuration;

use crate::{Home, On, SHARD, VAULT, on_both, time};

const TTL: Duration = Duration::from_secs(60);

async fn lease(home: &Home) -> Lease {
    home.catalog.lease_take(VAULT, SHARD, "eraser", TTL).await.unwrap()
}

async fn read(home: &Home, id: &str) -> Result<(), Error> {
    home.catalog.reader_add(id, VAULT, SHARD, &format!("owner of {id}"), TTL).await.map(drop)
}

async fn readers_share_a_shard_and_end_by_themselves(on: On) {
    let home = Home::new(&on).await;
    read(&home, "a").await.unwrap();
    home.clock.advance(SignedDuration::from_secs(30));
    read(&home, "b").await.unwrap();
    assert_eq!(read(&home, "b").await.unwrap_err().kind(), Kind::Conflict);
    let _writer = lease(&home).await;
    let readers = home.catalog.reader_list(VAULT, SHARD).await.unwrap();
    let seen: Vec<_> = readers.iter().map(|r| (&*r.id, r.since, r.until)).collect();
    assert_eq!(seen, [("a", time(1_000), time(1_060)), ("b", time(1_030), time(1_090))]);
    home.clock.advance(SignedDuration::from_secs(30));
    home.catalog.reader_renew("b", TTL).await.unwrap();
    let readers = home.catalog.reader_list(VAULT, SHARD).await.unwrap();
    assert_eq!(readers.len(), 1, "a gave no sign of life");
    assert_eq!(readers[0].until, time(1_120));
    home.catalog.reader_remove("b").await.unwrap();
    assert!(home.catalog.reader_list(VAULT, SHARD).await.unwrap().is_empty());
    assert_eq!(home.catalog.reader_renew("b", TTL).await.unwrap_err().kind(), Kind::NotFound);
    let nowhere = home.catalog.reader_add("c", VAULT, ShardId(9), "c", TTL).await;
    assert_eq!(nowhere.unwrap_err().kind(), Kind::NotFound);
}

async fn a_shard_is_closed_when_nobody_reads_it(on: On) {
    let home = Home::new(&on).await;
    read(&home, "a").await.unwrap();
    let eraser = lease(&home).await;
    match home.catalog.shard_close(&eraser).await {
        Err(Error::BeingRead { owner, since, .. }) => {
            assert_eq!((owner.as_str(), since), ("owner of a", time(1_000)));
        }
        other => panic!("{other:?}"),
    }
    read(&home, "still open").await.unwrap();
    home.catalog.reader_remove("a").await.unwrap();
    home.catalog.reader_remove("still open").await.unwrap();
    home.catalog.shard_close(&eraser).await.unwrap();
    match read(&home, "b").await {
        Err(Error::Closed { owner, until, .. }) => {
            assert_eq!((owner.as_str(), until), ("eraser", time(1_060)));
        }
        other => panic!("{other:?}"),
    }
    home.catalog.shard_open(&eraser).await.unwrap();
    read(&home, "c").await.unwrap();
}

async fn a_closed_shard_opens_with_the_end_of_the_lease(on: On) {
    let home = Home::new(&on).await;
    // Given back.
    let first = lease(&home).await;
    home.catalog.shard_close(&first).await.unwrap();
    home.catalog.lease_release(&first).await.unwrap();
    read(&home, "a").await.unwrap();
    home.catalog.reader_remove("a").await.unwrap();
    // Expired.
    let second = lease(&home).await;
    home.catalog.shard_close(&second).await.unwrap();
    assert_eq!(read(&home, "b").await.unwrap_err().kind(), Kind::LeaseHeld);
    home.clock.advance(SignedDuration::from_secs(60));
    read(&home, "b").await.unwrap();
    home.catalog.reader_remove("b").await.unwrap();
    // Taken by another, who does not close it.
    let third = lease(&home).await;
    read(&home, "c").await.unwrap();
    home.catalog.reader_remove("c").await.unwrap();
    let late = home.catalog.shard_close(&second).await;
    assert_eq!(late.unwrap_err().kind(), Kind::FenceLost);
    read(&home, "d").await.unwrap();
    assert!(third.fence > second.fence);
}

async fn a_reader_and_a_closing_holder_never_both_win(on: On) {
    let home = Home::new(&on).await;
    for round in 0..20 {
        let eraser = lease(&home).await;
        let (reading, other) = (home.catalog.clone(), home.open_again().await);
        let id = format!("{round}");
        let reader = tokio::spawn(async move {
            (reading.reader_add(&id, VAULT, SHARD, "reader", TTL).await.is_ok(), id)
        });
        let closed = other.shard_close(&eraser).await.is_ok();
        let (read, id) = reader.await.unwrap();
        assert!(closed != read, "round {round}: closed {closed}, read {read}");
        home.catalog.reader_remove(&id).await.unwrap();
        home.catalog.lease_release(&eraser).await.unwrap();
    }
}

on_both!(
    readers_share_a_shard_and_end_by_themselves,
    a_shard_is_closed_when_nobody_reads_it,
    a_closed_shard_opens_with_the_end_of_the_lease,
    a_reader_and_a_closing_holder_never_both_win,
);
