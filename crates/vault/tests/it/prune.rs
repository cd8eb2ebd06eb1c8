//! Pruning: nothing that a snapshot needs ever goes, everything else does in the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_vault::{Cut, ErrorKind, Fanout, PruneOptions, PruneReport, Store};
use jiff::SignedDuration;

use super::faulty::{Death, Faulty};
use super::history::*;
use super::restic::{assert_clean, is_installed};
use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn options() -> PruneOptions {
    PruneOptions { max_unused_percent: 0, ..PruneOptions::default() }
}

fn instant() -> PruneOptions {
    PruneOptions { instant: true, ..options() }
}

/// Files of 20 KB, each with bytes of its own.
fn files(numbers: impl IntoIterator<Item = u64>) -> Files {
    let file = |n| (format!("{ADA}/Inbox/{n}.eml"), random_bytes(n, 20_000));
    numbers.into_iter().map(file).collect()
}

/// Three snapshots; the last needs nothing of the first and some of what the second brought.
fn fill(shard: &Shard) -> BTreeMap<u64, Files> {
    let history = [files(0..10), files(5..15), files(12..20)];
    let written = (1..).zip(history).map(|(seq, files)| {
        write(shard, seq, &files);
        (seq, files)
    });
    written.collect()
}

fn forget(vault: &Vault, shard: &Shard, keep: u32, expected: &mut BTreeMap<u64, Files>) {
    let report = shard.forget(&keep_last(vault, shard, keep, &[])).unwrap();
    assert_eq!(report.forgotten.len(), expected.len() - keep as usize);
    while expected.len() > keep as usize {
        expected.pop_first();
    }
}

fn pack_bytes(store: &dyn Store) -> u64 {
    store.list("shards/1/data").unwrap().iter().map(|file| file.size).sum()
}

#[test]
fn unneeded_data_is_marked_first_and_removed_a_day_later() {
    let fixture = Fixture::new();
    let (vault, shard) = (&fixture.vault, fixture.shard());
    let mut expected = fill(&shard);
    let early_reader = shard.reader().unwrap();
    let old_tree = shard.snapshots().unwrap()[0].tree;
    let full = pack_bytes(vault.store().as_ref());
    forget(vault, &shard, 1, &mut expected);

    let plan = keep_all(vault, &shard);
    let dry = shard.prune(&plan, &PruneOptions { dry_run: true, ..options() }).unwrap();
    assert_eq!(pack_bytes(vault.store().as_ref()), full);
    let first = shard.prune(&plan, &options()).unwrap();
    assert_eq!(PruneReport { dry_run: false, index_files_replaced: 2, ..dry }, first);
    // The first snapshot's packs are all waste; of the second's three messages are needed.
    assert_eq!((first.packs_marked, first.packs_removed, first.packs_kept), (4, 0, 2));
    assert_eq!((first.packs_repacked, first.bytes_freed), (1, 0));
    assert_eq!(first.removable_at, Some(time(0) + DAY));
    assert!(!first.is_complete());
    let check = shard.check(false).unwrap();
    assert_eq!((check.marked_packs, check.orphan_packs, check.packs), (4, 0, 3));
    assert_holds(&shard, &expected, "marked");
    assert_eq!(read_with(&early_reader, old_tree), files(0..10), "an early reader goes on");
    if is_installed() {
        assert_clean(&fixture);
    }

    fixture.clock.advance(DAY - SignedDuration::from_secs(1));
    let second = shard.prune(&plan, &options()).unwrap();
    assert_eq!((second.packs_waiting, second.packs_removed), (4, 0));
    fixture.clock.advance(SignedDuration::from_secs(1));
    let third = shard.prune(&plan, &options()).unwrap();
    assert_eq!((third.packs_waiting, third.packs_removed), (0, 4));
    assert!(third.is_complete());
    let left = pack_bytes(vault.store().as_ref());
    assert_eq!(third.bytes_freed, full + first.bytes_repacked + overhead(&first) - left);
    assert!(left < full * 2 / 5, "{left} of {full}");
    assert_holds(&shard, &expected, "removed");
    if is_installed() {
        assert_clean(&fixture);
    }
    let last = shard.prune(&plan, &options()).unwrap();
    assert_eq!((last.blobs_unused, last.index_files_replaced, last.bytes_freed), (0, 0, 0));
}

/// Header and length of one new pack with three blobs that are not compressed.
fn overhead(report: &PruneReport) -> u64 {
    assert_eq!(report.packs_repacked, 1);
    3 * 37 + 32 + 4
}

fn read_with(reader: &holdfast_vault::Reader, tree: holdfast_vault::TreeId) -> Files {
    let mut found = BTreeMap::new();
    nodes(reader, tree, "", &mut found);
    found.into_iter().map(|(path, node)| (path, reader.bytes(&node).unwrap())).collect()
}

#[test]
fn waste_below_the_threshold_stays() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &files(0..100));
    write(&shard, 2, &files(3..100));
    let mut expected = BTreeMap::from([(1, Files::new()), (2, files(3..100))]);
    forget(&vault, &shard, 1, &mut expected);
    let plan = keep_all(&vault, &shard);
    let some = PruneOptions { max_unused_percent: 5, instant: true, ..PruneOptions::default() };
    let report = shard.prune(&plan, &some).unwrap();
    // Three of a hundred blobs; the trees are in packs of their own.
    assert_eq!((report.packs_repacked, report.packs_removed), (0, 1));
    let report = shard.prune(&plan, &instant()).unwrap();
    assert_eq!((report.packs_repacked, report.blobs_unused), (1, 3));
    assert_eq!(shard.prune(&plan, &instant()).unwrap().blobs_unused, 0);
    assert_holds(&shard, &expected, "repacked");
}

#[test]
fn small_packs_and_index_files_are_joined() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let mut expected = BTreeMap::new();
    for seq in 1..=10 {
        write(&shard, seq, &files(0..seq));
        expected.insert(seq, files(0..seq));
    }
    let count = |kind: &str| fixture.vault.store().list(&format!("shards/1/{kind}")).unwrap().len();
    assert_eq!((count("data"), count("index")), (20, 10));
    let plan = keep_all(&fixture.vault, &shard);
    let report = shard.prune(&plan, &instant()).unwrap();
    assert_eq!((report.packs_repacked, report.index_files_replaced), (20, 10));
    assert_eq!((count("data"), count("index")), (2, 1));
    assert_holds(&shard, &expected, "joined");
    if is_installed() {
        assert_clean(&fixture);
    }
}

#[test]
fn what_a_forgotten_writer_leaned_on_comes_back() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let mut expected = fill(&shard);
    // A writer that loses its lease and does not know it: its restic lock gets old.
    let sleeper = shard.writer().unwrap();
    let err = shard.prune(&keep_all(&vault, &shard), &options()).unwrap_err();
    assert!(err.to_string().contains("is in use by holdfast of holdfast-"), "{err}");
    assert_eq!(err.kind(), ErrorKind::Io);
    origin.clock.advance(SignedDuration::from_mins(31));
    forget(&vault, &shard, 1, &mut expected);
    assert_eq!(shard.prune(&keep_all(&vault, &shard), &options()).unwrap().packs_marked, 4);

    let mut edit = sleeper.edit(None, Fanout::FLAT);
    for (path, bytes) in files(0..3) {
        let content = sleeper.put(&bytes, Cut::Whole).unwrap();
        let (dir, name) = path.rsplit_once('/').unwrap();
        edit.put(&dir.split('/').collect::<Vec<_>>(), file(name, content)).unwrap();
    }
    let tree = edit.save().unwrap();
    assert_eq!(sleeper.stats().blobs_new, 0, "it leans on the packs that are marked");
    sleeper.snapshot(tree, &tags(4), time(4), "h", &[]).unwrap();
    drop(edit);
    drop(sleeper);
    expected.insert(4, files(0..3));
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_eq!((report.packs_recovered + report.packs_repacked, report.packs_removed), (1, 0));
    assert_holds(&shard, &expected, "recovered");
}

#[test]
fn a_writer_does_not_begin_beside_a_foreign_prune() {
    if !is_installed() {
        return;
    }
    // A copy of the lock that restic's own exclusive commands place, as long as it is fresh.
    let fixture = Fixture::with_clock(Clock::system());
    let shard = fixture.shard();
    write(&shard, 1, &files(0..3));
    let locks = fixture.shard_path().join("locks");
    let child = std::process::Command::new("restic")
        .arg("-r")
        .arg(fixture.shard_path())
        .args(["--no-cache", "check", "--read-data", "--limit-download", "1"])
        .env("RESTIC_PASSWORD", fixture.vault.shard_password(SHARD).expose_str().unwrap())
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    while std::fs::read_dir(&locks).unwrap().next().is_none() {
        assert_eq!(child.try_wait().unwrap(), None, "restic ended without a lock");
        std::thread::yield_now();
    }
    let refused = loop {
        match shard.writer() {
            // The lock was listed, but is not yet whole.
            Ok(_) if child.try_wait().unwrap().is_none() => {}
            outcome => break outcome.err(),
        }
    };
    let pruned = shard.prune(&keep_all(&fixture.vault, &shard), &options()).map(|_| ());
    let _ = child.kill();
    let _ = child.wait();
    assert!(refused.unwrap().to_string().contains("is in use by"), "writer");
    assert!(pruned.unwrap_err().to_string().contains("is in use by"), "prune");
    assert_eq!(std::fs::read_dir(&locks).unwrap().count(), 1, "ours are gone again");
}

#[test]
fn packs_that_nobody_names_go_when_they_are_old() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &files(0..5));
    // A run that wrote its packs and died.
    let known = origin.store.list("shards/1/index").unwrap();
    let id = write(&shard, 2, &BTreeMap::from([("big".to_owned(), random_bytes(99, 900_000))])).id;
    origin.store.remove(&format!("shards/1/snapshots/{id}")).unwrap();
    for file in origin.store.list("shards/1/index").unwrap() {
        if !known.contains(&file) {
            origin.store.remove(&file.key).unwrap();
        }
    }
    let count = || origin.store.list("shards/1/data").unwrap().len();
    assert_eq!((count(), shard.check(false).unwrap().orphan_packs), (4, 2));
    let plan = keep_all(&vault, &shard);
    let report = shard.prune(&plan, &instant()).unwrap();
    assert_eq!((report.orphans_waiting, report.packs_removed, count()), (2, 0, 4));
    origin.clock.advance(DAY);
    let report = shard.prune(&plan, &options()).unwrap();
    assert_eq!((report.orphans_waiting, report.packs_removed, count()), (0, 2, 2));
    assert!(report.bytes_freed > 900_000);
    assert_holds(&shard, &BTreeMap::from([(1, files(0..5))]), "swept");
}

#[test]
fn nothing_is_deleted_while_something_needed_is_missing() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let mut expected = fill(&shard);
    forget(&vault, &shard, 1, &mut expected);
    let plan = keep_all(&vault, &shard);
    let sound = origin.store.list("").unwrap();
    for file in sound.iter().filter(|file| {
        ["data", "index", "snapshots"]
            .iter()
            .any(|dir| file.key.starts_with(&format!("shards/1/{dir}/")))
    }) {
        let store = Arc::new(Faulty::new(&origin.clock).fill(origin.store.as_ref()));
        let mut bytes = store.get(&file.key).unwrap().unwrap().to_vec();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        store.replace(&file.key, &bytes.into()).unwrap();
        let (_, shard) = open(&store, &origin.secret, &origin.clock);
        let removes = store.changes.load(Ordering::SeqCst);
        match shard.prune(&plan, &instant()) {
            // Content that is not read cannot be missed; needed content is never removed.
            Ok(_) => assert!(file.key.contains("/data/"), "{}", file.key),
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                let changes = store.changes.load(Ordering::SeqCst) - removes;
                assert!(
                    changes <= 2 || file.key.contains("/data/"),
                    "more than the lock: {changes}"
                );
                assert_eq!(store.list("shards/1/index").unwrap().len(), 3);
            }
        }
    }
}

#[test]
fn locked_packs_wait() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let store = Faulty::new(&origin.clock).with_locks(&origin.clock).fill(origin.store.as_ref());
    let end = time(0) + DAY * 30;
    store.lock("shards/1/", end);
    let store = Arc::new(store);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    let plan = keep_last(&vault, &shard, 1, &[]);
    let report = shard.forget(&plan).unwrap();
    assert_eq!((report.forgotten.len(), report.locked.len()), (0, 2));
    assert_eq!(report.locked_until, Some(end));
    assert_holds(&shard, &expected, "locked");
    store.lock("shards/1/snapshots/", time(0));
    let mut expected = expected;
    forget(&vault, &shard, 1, &mut expected);
    let report = shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert_eq!((report.packs_locked, report.packs_removed, report.packs_repacked), (4, 0, 1));
    assert_eq!((report.locked_until, report.index_files_replaced), (Some(end), 2));
    assert_holds(&shard, &expected, "marked");
    assert!(report.bytes_freed_later > 200_000 && !report.is_complete());
    // The packs are free, index files that cannot go still name them.
    store.lock("shards/1/data/", time(0));
    let before = store.list("shards/1").unwrap();
    let report = shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert_eq!((report.packs_locked, report.packs_removed), (4, 0));
    assert_eq!((report.locked_until, report.removable_at), (Some(end), Some(end)));
    assert_eq!(store.list("shards/1").unwrap(), before, "nothing to say");
    assert_holds(&shard, &expected, "waiting");
    origin.clock.advance(DAY * 31);
    let report = shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert_eq!((report.packs_locked, report.packs_removed), (0, 4));
    assert_holds(&shard, &expected, "free");
}

/// Every change of the store may be the last, before or after it takes effect.
#[test]
fn a_crash_at_any_point_loses_nothing() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let mut expected = fill(&shard);
    for seq in 4..=9 {
        write(&shard, seq, &files(seq..seq + 9));
        expected.insert(seq, files(seq..seq + 9));
    }
    forget(&vault, &shard, 2, &mut expected);
    shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    forget(&vault, &shard, 1, &mut expected);
    origin.clock.advance(DAY);
    let mut runs = 0;
    for (options, death) in [
        (options(), Death::Before),
        (options(), Death::After),
        (instant(), Death::Before),
        (instant(), Death::After),
    ] {
        for left in 0.. {
            let store = Faulty::dying(&origin.clock, left, death).fill(origin.store.as_ref());
            let store = Arc::new(store);
            let (vault, shard) = open(&store, &origin.secret, &origin.clock);
            let outcome = shard.prune(&keep_all(&vault, &shard), &options);
            let died = store.is_dead();
            assert!(died || outcome.is_ok());
            store.revive();
            let context = format!("{death:?} change {left}, instant {}", options.instant);
            assert_holds(&shard, &expected, &context);
            origin.clock.advance(SignedDuration::from_hours(1));
            let report = shard.prune(&keep_all(&vault, &shard), &options).unwrap();
            assert_holds(&shard, &expected, &context);
            origin.clock.advance(DAY);
            shard.prune(&keep_all(&vault, &shard), &options).unwrap();
            let last = shard.prune(&keep_all(&vault, &shard), &options).unwrap();
            assert!(last.is_complete() && last.blobs_unused == 0, "{context}: {report:?} {last:?}");
            assert_holds(&shard, &expected, &context);
            origin.clock.advance(-DAY - SignedDuration::from_hours(1));
            runs += 1;
            if !died {
                break;
            }
        }
    }
    assert!(runs > 40, "{runs}");
}

/// Random histories: writes, forgets and prunes with all options, compared with a plain map.
#[test]
fn random_maintenance_keeps_exactly_what_is_expected() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let origin = Origin::new();
        let (vault, shard) = origin.open();
        let mut expected = BTreeMap::new();
        let mut seq = 0;
        for _ in 0..25 {
            match rng.random_range(0..10) {
                0..6 => {
                    seq += 1;
                    let some = (0..12).map(|_| rng.random_range(0..40));
                    let files = files(some);
                    write(&shard, seq, &files);
                    expected.insert(seq, files);
                }
                6 if expected.len() > 1 => {
                    let keep = rng.random_range(1..expected.len()) as u32;
                    forget(&vault, &shard, keep, &mut expected);
                }
                7 => origin.clock.advance(SignedDuration::from_hours(rng.random_range(1..30))),
                _ => {
                    let options = PruneOptions {
                        max_unused_percent: *[0, 5, 50, 100].get(rng.random_range(0..4)).unwrap(),
                        instant: rng.random_bool(0.3),
                        ..PruneOptions::default()
                    };
                    shard.prune(&keep_all(&vault, &shard), &options).unwrap();
                    assert_holds(&shard, &expected, &format!("seed {seed}, {seq}"));
                }
            }
        }
        if expected.is_empty() {
            continue;
        }
        shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
        let report = shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
        assert_eq!((report.blobs_unused, report.bytes_freed), (0, 0), "seed {seed}");
        assert_holds(&shard, &expected, &format!("seed {seed}"));
    }
}

/// Each change of intent is a pack of data, one of trees and an index file.
#[test]
fn the_control_repository_is_compacted_and_mended() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &files(0..1));
    let control = vault.control().unwrap();
    for n in 0..12 {
        let bytes = random_bytes(n, 300);
        control.save(&[(format!("tenants/{}.json", n % 5), Some(bytes))]).unwrap();
    }
    let expected = control.load().unwrap();
    let count = |dir: &str| origin.store.list(&format!("control/{dir}")).unwrap().len();
    assert_eq!((count("data"), count("index"), count("snapshots")), (24, 12, 12));
    let plan = keep_all(&vault, &shard);
    let report = control.prune(&plan, &instant()).unwrap();
    assert_eq!((report.packs_repacked, report.packs_marked, count("index")), (24, 24, 2));
    origin.clock.advance(DAY);
    assert_eq!(control.prune(&plan, &options()).unwrap().packs_removed, 24);
    assert_eq!((count("data"), count("snapshots")), (2, 12));
    assert_eq!(control.load().unwrap(), expected);
    for file in origin.store.list("control/index").unwrap() {
        origin.store.remove(&file.key).unwrap();
    }
    assert_eq!(control.repair_index().unwrap().packs_added.len(), 2);
    assert_eq!(control.repair_packs().unwrap().blobs_damaged, 0);
    assert_eq!(control.load().unwrap(), expected);
    assert_eq!(control.check(true).unwrap().errors, Vec::<String>::new());
    let other = Origin::new();
    let (_, foreign) = other.open();
    write(&foreign, 1, &files(0..1));
    let (other_vault, _) = other.open();
    assert!(control.prune(&keep_all(&other_vault, &foreign), &options()).is_err());
}
