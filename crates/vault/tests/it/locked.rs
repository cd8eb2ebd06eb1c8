//! Maintenance where locks keep files that should go.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_vault::{PruneOptions, Store};
use jiff::SignedDuration;

use super::faulty::{Death, Faulty};
use super::history::*;
use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn options() -> PruneOptions {
    PruneOptions { max_unused_percent: 0, ..PruneOptions::default() }
}

fn files(numbers: impl IntoIterator<Item = u64>) -> Files {
    let file = |n| (format!("{ADA}/{n}.eml"), random_bytes(n, 20_000));
    numbers.into_iter().map(file).collect()
}

fn index_files(store: &dyn Store) -> Vec<String> {
    store.list("shards/1/index").unwrap().into_iter().map(|file| file.key).collect()
}

/// Two snapshots, the first of which is forgotten: a prune marks what it alone needed, or dies
/// before the given change. The snapshot of a writer that began before it and ended after it needs
/// that again.
fn marked_and_needed(died: Option<i64>) -> (Origin, Arc<Faulty>, BTreeMap<u64, Files>) {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &files(0..3));
    write(&shard, 2, &files(3..5));
    shard.forget(&keep_last(&vault, &shard, 1, &[])).unwrap();
    let store = Faulty::dying(&origin.clock, died.unwrap_or(i64::MAX), Death::Before)
        .with_locks(&origin.clock)
        .fill(origin.store.as_ref());
    let store = Arc::new(store);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    let pruned = shard.prune(&keep_all(&vault, &shard), &options());
    assert_eq!(pruned.is_err(), died.is_some(), "{pruned:?}");
    store.revive();
    origin.clock.advance(SignedDuration::from_hours(1));
    // The snapshot of the sleeper, whose index was read before the prune.
    let (_, asleep) = origin.open();
    write(&asleep, 3, &files(0..3));
    for file in origin.store.list("shards/1/snapshots").unwrap() {
        let bytes = origin.store.get(&file.key).unwrap().unwrap();
        store.create(&file.key, &[bytes]).unwrap();
    }
    let expected = BTreeMap::from([(2, files(3..5)), (3, files(0..3))]);
    (origin, store, expected)
}

#[test]
fn what_is_needed_again_is_taken_back_though_its_index_file_is_locked() {
    let (origin, store, expected) = marked_and_needed(None);
    store.lock("shards/1/index/", origin.clock.now() + DAY * 40);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    let before = index_files(store.as_ref());
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_eq!((report.packs_recovered, report.index_files_replaced), (2, 1));
    assert_holds(&shard, &expected, "recovered");
    assert_eq!(index_files(store.as_ref()).len(), before.len() + 1);
    // Again: the old mark stays where it is, superseded, and nothing has to be said a second time.
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_eq!((report.packs_recovered, report.index_files_replaced), (0, 0));
    assert_eq!(index_files(store.as_ref()).len(), before.len() + 1);
    origin.clock.advance(DAY * 41);
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert!(report.index_files_replaced == 0 && report.is_complete(), "{report:?}");
    assert_eq!(index_files(store.as_ref()).len(), before.len());
    assert_holds(&shard, &expected, "after the locks");
}

#[test]
fn a_mark_of_a_prune_that_was_cut_off_does_not_stop_later_ones() {
    // It dies after its lock and its index file, before the old index file goes.
    let (origin, store, expected) = marked_and_needed(Some(2));
    store.lock("shards/1/index/", origin.clock.now() + DAY * 40);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    let before = index_files(store.as_ref());
    assert_eq!(before.len(), 3);
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_eq!((report.packs_recovered, report.index_files_replaced), (2, 1), "{report:?}");
    assert_holds(&shard, &expected, "taken back");
    let before = index_files(store.as_ref());
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_eq!((report.packs_kept, report.index_files_replaced), (4, 0), "{report:?}");
    assert_eq!(index_files(store.as_ref()), before, "nothing to say");
    assert_holds(&shard, &expected, "live elsewhere");
}

/// A shard with six files, and its data pack, in a store whose index files are locked.
fn with_locked_index() -> (Origin, Arc<Faulty>, String, BTreeMap<u64, Files>) {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    write(&shard, 1, &files(0..6));
    let store = Faulty::new(&origin.clock).with_locks(&origin.clock).fill(origin.store.as_ref());
    store.lock("shards/1/index/", origin.clock.now() + DAY * 40);
    let packs = store.list("shards/1/data").unwrap();
    let pack = packs.into_iter().max_by_key(|pack| pack.size).unwrap().key;
    (origin, Arc::new(store), pack, BTreeMap::from([(1, files(0..6))]))
}

#[test]
fn what_was_mended_is_read_though_a_locked_index_file_names_the_damaged_pack() {
    let (origin, store, pack, expected) = with_locked_index();
    let second = Origin::new();
    let (_, other) = second.open();
    origin.open().1.copy_to(&other).unwrap();
    let mut bytes = store.get(&pack).unwrap().unwrap().to_vec();
    bytes[30_000] ^= 1;
    store.replace(&pack, &Bytes::from(bytes)).unwrap();
    let locked = index_files(store.as_ref());
    let (_, shard) = open(&store, &origin.secret, &origin.clock);
    let mended = shard.repair_from(&other).unwrap();
    assert_eq!((mended.blobs_damaged, mended.blobs_restored), (1, 1), "{mended:?}");
    assert_eq!((mended.blobs_lost.len(), &mended.index_files_locked), (0, &locked));
    let found = read(&shard, shard.snapshots().unwrap()[0].tree);
    assert!(found == expected[&1], "the damaged copy was taken");
    // Again: what was saved need not be saved a second time.
    let before = store.list("shards/1").unwrap();
    let again = shard.repair_from(&other).unwrap();
    assert_eq!((again.blobs_restored, &again.index_files_locked), (0, &locked));
    assert_eq!(store.list("shards/1").unwrap(), before);
}

#[test]
fn an_index_file_that_stays_locked_is_reported() {
    let (origin, store, pack, _) = with_locked_index();
    store.remove(&pack).unwrap();
    let locked = index_files(store.as_ref());
    let (_, shard) = open(&store, &origin.secret, &origin.clock);
    for _ in 0..2 {
        let report = shard.repair_index().unwrap();
        assert_eq!(
            (&report.packs_missing, &report.index_files_locked),
            (&vec![pack.clone()], &locked)
        );
        assert!(!report.is_clean());
        assert_eq!(index_files(store.as_ref()), locked, "nothing is written in vain");
    }
    origin.clock.advance(DAY * 41);
    let report = shard.repair_index().unwrap();
    assert_eq!((report.packs_missing.len(), report.index_files_locked.len()), (1, 0));
    assert!(shard.repair_index().unwrap().is_clean());
    // One that cannot be read at all.
    let index = &index_files(store.as_ref())[0];
    store.replace(index, &Bytes::from_static(b"garbage")).unwrap();
    store.lock("shards/1/index/", origin.clock.now() + DAY * 40);
    let report = shard.repair_index().unwrap();
    assert_eq!(
        (&report.files_damaged, &report.index_files_locked),
        (&vec![index.clone()], &vec![index.clone()])
    );
}
