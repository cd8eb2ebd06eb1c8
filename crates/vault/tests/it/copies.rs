//! Copying to a second vault.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_vault::{CopyReport, ErrorKind, Store};

use super::faulty::{Death, Faulty};
use super::history::*;
use super::restic::{assert_clean, is_installed};
use super::*;

fn files(numbers: impl IntoIterator<Item = u64>) -> Files {
    let file = |n| (format!("{ADA}/Folder {}/{n}.eml", n % 4), random_bytes(n, 700 << (n % 12)));
    numbers.into_iter().map(file).collect()
}

fn fill(shard: &Shard) -> BTreeMap<u64, Files> {
    let history = [files(0..8), files(3..12), files(3..13), files(0..13)];
    let written = (1..).zip(history).map(|(seq, files)| {
        write(shard, seq, &files);
        (seq, files)
    });
    written.collect()
}

#[test]
fn a_copy_is_equal_and_sends_only_what_is_missing() {
    let source = Origin::new();
    let (_, shard) = source.open();
    let mut expected = fill(&shard);
    let fixture = Fixture::new();
    let target = fixture.shard();
    let first = shard.copy_to(&target).unwrap();
    assert_eq!((first.snapshots_copied, first.snapshots_present), (4, 0));
    assert_eq!(first.blobs_copied + first.trees_copied, target.check(false).unwrap().blobs);
    assert_holds(&target, &expected, "copied");
    let without_id = |shard: &Shard| -> Vec<_> {
        let all = shard.snapshots().unwrap().into_iter();
        all.map(|s| (s.tree, s.tags, s.time, s.hostname, s.paths)).collect()
    };
    assert_eq!(without_id(&target), without_id(&shard));
    if is_installed() {
        assert_clean(&fixture);
    }
    let stored = fixture.vault.store().list("shards/1").unwrap();
    let again = shard.copy_to(&target).unwrap();
    assert_eq!(again, CopyReport { snapshots_present: 4, ..CopyReport::default() });
    assert_eq!(fixture.vault.store().list("shards/1").unwrap(), stored);

    write(&shard, 5, &files(0..14));
    expected.insert(5, files(0..14));
    let before = source.store.reads.load(Ordering::SeqCst);
    let next = shard.copy_to(&target).unwrap();
    let reads = source.store.reads.load(Ordering::SeqCst) - before;
    // One message, its folder, and the three directories above.
    assert_eq!((next.snapshots_copied, next.blobs_copied, next.trees_copied), (1, 1, 4));
    assert!(reads < 25, "{reads} reads");
    assert_holds(&target, &expected, "copied again");
    if is_installed() {
        assert_clean(&fixture);
    }
}

#[test]
fn no_damaged_byte_is_copied() {
    let source = Origin::new();
    let (_, shard) = source.open();
    let expected = fill(&shard);
    let mut refused = 0;
    for file in source.store.list("shards/1/data").unwrap() {
        let store = Arc::new(Faulty::new(&source.clock).fill(source.store.as_ref()));
        let mut bytes = store.get(&file.key).unwrap().unwrap().to_vec();
        bytes[50] ^= 1;
        store.replace(&file.key, &bytes.into()).unwrap();
        let (_, damaged) = open(&store, &source.secret, &source.clock);
        let target = Origin::new();
        let (_, copy) = target.open();
        let err = damaged.copy_to(&copy).unwrap_err();
        assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
        refused += 1;
        let arrived = copy.snapshots().unwrap().len() as u64;
        assert!(arrived < 4);
        let whole: BTreeMap<u64, Files> =
            expected.clone().into_iter().filter(|(seq, _)| *seq <= arrived).collect();
        assert_holds(&copy, &whole, "what arrived");
        shard.copy_to(&copy).unwrap();
        assert_holds(&copy, &expected, "from the sound one");
    }
    // Four snapshots, of which the last brought no content.
    assert_eq!(refused, 7);
}

#[test]
fn a_copy_that_was_cut_off_goes_on() {
    let source = Origin::new();
    let (_, shard) = source.open();
    let expected = fill(&shard);
    let target = Origin::new();
    for death in [Death::Before, Death::After] {
        for left in 0.. {
            let store = Faulty::dying(&target.clock, left, death).fill(target.store.as_ref());
            let store = Arc::new(store);
            let (_, copy) = open(&store, &target.secret, &target.clock);
            let outcome = shard.copy_to(&copy);
            let died = store.is_dead();
            assert!(died || outcome.is_ok());
            store.revive();
            assert_eq!(copy.check(true).unwrap().errors, Vec::<String>::new(), "{death:?} {left}");
            shard.copy_to(&copy).unwrap();
            assert_holds(&copy, &expected, &format!("{death:?} {left}"));
            if !died {
                break;
            }
        }
    }
}

#[test]
fn a_shard_is_not_copied_to_itself() {
    let source = Origin::new();
    let (vault, shard) = source.open();
    assert_eq!(shard.copy_to(&shard).unwrap_err().kind(), ErrorKind::Invalid);
    vault.create_shard(ShardId(2)).unwrap();
    let expected = fill(&shard);
    let second = vault.shard(ShardId(2)).unwrap();
    shard.copy_to(&second).unwrap();
    assert_holds(&second, &expected, "a shard beside it");
}
