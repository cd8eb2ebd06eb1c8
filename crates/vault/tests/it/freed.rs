//! On a store with locks, what nothing needs any more is freed in the end, though runs go on.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_vault::{LockMode, PruneOptions, PruneReport, Store};
use jiff::SignedDuration;

use super::faulty::{Death, Faulty};
use super::history::*;
use super::locks::Locked;
use super::restic::{is_installed, ok};
use super::s3::BUCKET;
use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Days of the period, and so the least that is left of the locks of what is needed.
const PERIOD: i64 = 10;

/// Days between two runs.
const EVERY: i64 = 5;

fn options() -> PruneOptions {
    PruneOptions { max_unused_percent: 0, ..PruneOptions::default() }
}

fn files(numbers: impl IntoIterator<Item = u64>) -> Files {
    let file = |n| (format!("{ADA}/Inbox/{n}.eml"), random_bytes(n, 20_000));
    numbers.into_iter().map(file).collect()
}

fn ids(shard: &Shard) -> BTreeMap<u64, String> {
    shard.snapshots().unwrap().into_iter().map(|found| (found.tags.seq.0, found.id)).collect()
}

/// One run: writes a snapshot, prolongs what is due, forgets all but three and prunes. The ids of
/// the snapshots that may go are given to the run, as the policy has them.
fn run(locked: &Locked, seq: u64, expected: &mut BTreeMap<u64, Files>) -> PruneReport {
    let vault = locked.open();
    let shard = vault.shard(SHARD).unwrap();
    if !ids(&shard).is_empty() {
        let plan = keep_last(&vault, &shard, 3, &[]);
        vault.let_go_of(plan.snapshots().iter().map(|planned| planned.id.clone()).collect());
    }
    let of_run = files([0].into_iter().chain(seq..seq + 5));
    write(&shard, seq, &of_run);
    expected.insert(seq, of_run);
    vault.extend_due_locks().unwrap();
    let vault = locked.maintenance();
    let shard = vault.shard(SHARD).unwrap();
    shard.forget(&keep_last(&vault, &shard, 3, &[])).unwrap();
    let left = ids(&shard);
    expected.retain(|seq, _| left.contains_key(seq));
    let before = current(locked, "index");
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    if report.packs_marked == 0 && report.index_files_replaced < 8 {
        let after = current(locked, "index");
        assert!(after.keys().all(|key| before.contains_key(key)), "nothing to say: {report:?}");
    }
    report
}

/// Current files below a folder of the shard, by key, with their sizes.
fn current(locked: &Locked, folder: &str) -> BTreeMap<String, u64> {
    let prefix = format!("shards/1/{folder}");
    let listed = locked.vault.store().list(&prefix).unwrap();
    listed.into_iter().map(|file| (file.key, file.size)).collect()
}

/// The vault without all that is locked for less than the period still has these snapshots.
fn assert_needed_is_locked(locked: &Locked, expected: &BTreeMap<u64, Files>) {
    let store = Faulty::new(&locked.clock);
    for (key, days) in locked.days_left() {
        if days >= PERIOD {
            let bytes = locked.at.server.object(BUCKET, &key).unwrap();
            store.create(key.strip_prefix("some/vault/").unwrap(), &[bytes]).unwrap();
        }
    }
    let (_, shard) = open(&Arc::new(store), &locked.secret, &locked.clock);
    let trees = shard.snapshots().unwrap().into_iter().map(|found| (found.tags.seq.0, found.tree));
    let trees: BTreeMap<u64, _> = trees.collect();
    for (seq, files) in expected.iter().rev().take(3) {
        assert!(read(&shard, trees[seq]) == *files, "snapshot {seq} differs");
    }
}

/// Stock restic finds no errors in a copy of the shard.
fn assert_restic_is_content(store: &dyn Store, vault: &Vault) {
    if !is_installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for file in store.list("shards/1").unwrap() {
        let path = dir.path().join(&file.key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, store.get(&file.key).unwrap().unwrap()).unwrap();
    }
    let out = Command::new("restic")
        .arg("-r")
        .arg(dir.path().join("shards/1"))
        .args(["--no-cache", "--no-lock", "check", "--read-data"])
        .env("RESTIC_PASSWORD", vault.shard_password(SHARD).expose_str().unwrap())
        .output()
        .unwrap();
    assert!(ok(&out).contains("no errors were found"));
}

#[test]
fn the_bucket_stays_bounded_while_runs_go_on() {
    let locked = Locked::with(LockMode::Compliance, DAY * PERIOD as i32);
    let mut expected = BTreeMap::new();
    let (mut bytes, mut index_files) = (Vec::new(), Vec::new());
    for seq in 1..=24 {
        run(&locked, seq, &mut expected);
        bytes.push(current(&locked, "data").values().sum::<u64>());
        index_files.push(current(&locked, "index").len());
        for _ in 0..EVERY {
            locked.pass(DAY);
        }
        assert_needed_is_locked(&locked, &expected);
    }
    let most = |of: &[u64]| of.iter().copied().max().unwrap();
    assert!(most(&bytes[16..]) <= most(&bytes[8..16]), "{bytes:?}");
    assert!(index_files[16..].iter().max() <= index_files[8..16].iter().max(), "{index_files:?}");
    let shard = locked.vault.shard(SHARD).unwrap();
    assert!(expected.len() < 9, "{} snapshots", expected.len());
    assert_holds(&shard, &expected, "in the end");
    let report = locked.vault.lock_report().unwrap().unwrap();
    assert_eq!((report.unlocked, report.tampered), (0, vec![]));
    assert_restic_is_content(locked.vault.store().as_ref(), &locked.vault);
}

/// A prune says when the next one frees what it marked, and that one does.
#[test]
fn what_a_prune_marked_goes_when_it_said() {
    let locked = Locked::with(LockMode::Compliance, DAY * PERIOD as i32);
    let mut expected = BTreeMap::new();
    let mut seq = 0;
    let report = loop {
        seq += 1;
        let report = run(&locked, seq, &mut expected);
        if report.packs_marked > 0 {
            break report;
        }
        locked.pass(DAY * EVERY as i32);
    };
    let at = report.removable_at.unwrap();
    assert_eq!(at, locked.clock.now() + DAY * 20, "the lock of the marks");
    assert!(report.locked_until.unwrap() <= at);
    let vault = locked.maintenance();
    let shard = vault.shard(SHARD).unwrap();
    let prune = || shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    locked.pass(at.duration_since(locked.clock.now()) - SignedDuration::from_secs(1));
    let before = current(&locked, "");
    let early = prune();
    assert_eq!((early.packs_locked, early.packs_removed), (report.packs_marked, 0), "{early:?}");
    assert_eq!(early.removable_at, Some(at));
    let kept = current(&locked, "");
    assert!(kept.keys().all(|key| before.contains_key(key)), "it wrote something");
    locked.pass(SignedDuration::from_secs(1));
    let last = prune();
    assert_eq!((last.packs_locked, last.packs_removed), (0, report.packs_marked), "{last:?}");
    assert!(last.is_complete() && last.bytes_freed > 0);
    assert_holds(&shard, &expected, "freed");
}

#[test]
fn an_erasure_becomes_complete_while_runs_go_on() {
    const ITEM: &str = "0123456789abcdef";
    let locked = Locked::with(LockMode::Compliance, DAY * PERIOD as i32);
    let vault = locked.open();
    let item = format!("{ADA}/Inbox/x ~{ITEM}.eml");
    let mut expected = BTreeMap::from([(1, files(0..4))]);
    let mut with_item = files(0..4);
    with_item.insert(item, random_bytes(99, 30_000));
    write(&vault.shard(SHARD).unwrap(), 1, &with_item);
    let packs = current(&locked, "data").into_keys().collect::<Vec<_>>();
    let (mut gone, mut done) = (None, None);
    let mut let_go = HashSet::new();
    for seq in 2..=16 {
        let maintenance = locked.maintenance();
        // The writer of an erasure prolongs what is due, too.
        maintenance.let_go_of(let_go.clone());
        let shard = maintenance.shard(SHARD).unwrap();
        let plan = erasure(&maintenance, &shard, ADA, &[ITEM]);
        let report = shard.erase(&plan, &options()).unwrap();
        if gone.is_none() && !packs.iter().any(|pack| current(&locked, "data").contains_key(pack)) {
            gone = Some(seq);
        }
        if report.is_complete() {
            done = Some(seq);
            break;
        }
        let_go = report.locked.into_iter().collect();
        let vault = locked.open();
        vault.let_go_of(let_go.clone());
        expected.insert(seq, files(0..3 + seq));
        write(&vault.shard(SHARD).unwrap(), seq, &expected[&seq]);
        vault.extend_due_locks().unwrap();
        locked.pass(DAY * EVERY as i32);
    }
    // Two locks of 20 days one after the other: that of the old snapshot, that of the marks. Then
    // other packs still wait, which were joined meanwhile.
    assert_eq!((gone, done), (Some(10), Some(13)));
    assert_holds(&locked.vault.shard(SHARD).unwrap(), &expected, "erased");
}

/// A shard with waste: a locked state before the first prune, and one after it, when old locks are
/// over but marked packs are due.
fn states(origin: &Origin) -> (Vec<Faulty>, BTreeMap<u64, Files>) {
    let (vault, shard) = origin.open();
    for seq in 1..=9 {
        write(&shard, seq, &files(seq..seq + 5));
    }
    shard.forget(&keep_last(&vault, &shard, 2, &[])).unwrap();
    let copy = |store: &dyn Store| Faulty::new(&origin.clock).with_locks(&origin.clock).fill(store);
    let first = copy(origin.store.as_ref());
    first.lock("shards/1/", origin.clock.now() + DAY * 20);
    let second = copy(origin.store.as_ref());
    second.lock("shards/1/", origin.clock.now() + DAY * 20);
    let second = Arc::new(second);
    let (vault, shard) = open(&second, &origin.secret, &origin.clock);
    let report = shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert!(report.packs_marked > 8 && report.packs_removed == 0, "{report:?}");
    let second = copy(second.as_ref());
    let seven = BTreeMap::from([8, 9].map(|seq| (seq, files(seq..seq + 5))));
    (vec![first, second], seven)
}

#[test]
fn a_crash_beside_locks_loses_nothing() {
    let origin = Origin::new();
    let (states, expected) = states(&origin);
    let mut runs = 0;
    for (state, is_locked) in states.iter().zip([true, false]) {
        for death in [Death::Before, Death::After] {
            for left in 0.. {
                // A day later the marks of the second state are due.
                let clock = Clock::manual(origin.clock.now() + DAY);
                let store = Faulty::dying(&clock, left, death).with_locks(&clock).fill(state);
                if is_locked {
                    store.lock("shards/1/", clock.now() + DAY * 20);
                }
                let store = Arc::new(store);
                let context = format!("{death:?} change {left}, locked {is_locked}");
                let died = crash_and_go_on(&store, &origin, &clock, &expected, &context);
                runs += 1;
                if !died {
                    break;
                }
            }
        }
    }
    assert!(runs > 30, "{runs}");
}

/// Prunes a store that dies, and goes on until all is free; whether it died.
fn crash_and_go_on(
    store: &Arc<Faulty>,
    origin: &Origin,
    clock: &Clock,
    expected: &BTreeMap<u64, Files>,
    context: &str,
) -> bool {
    let (vault, shard) = open(store, &origin.secret, clock);
    let prune = || shard.prune(&keep_all(&vault, &shard), &options());
    let outcome = prune();
    let died = store.is_dead();
    assert!(died || outcome.is_ok(), "{context}: {outcome:?}");
    store.revive();
    assert_holds(&shard, expected, context);
    clock.advance(SignedDuration::from_hours(1));
    prune().unwrap();
    assert_holds(&shard, expected, context);
    let before = store.list("shards/1").unwrap();
    let again = prune().unwrap();
    assert_eq!(again.index_files_replaced, 0, "{context}: {again:?}");
    assert_eq!(store.list("shards/1").unwrap(), before, "{context}: nothing changed");
    clock.advance(DAY * 21);
    prune().unwrap();
    let last = prune().unwrap();
    assert!(last.is_complete() && last.blobs_unused == 0, "{context}: {last:?}");
    assert_holds(&shard, expected, context);
    assert_eq!(store.list("shards/1/index").unwrap().len(), 1, "{context}");
    died
}

/// What only superseded index files name does not exist for a writer.
#[test]
fn a_writer_leans_on_no_marked_pack_beside_a_locked_index() {
    let origin = Origin::new();
    let (states, expected) = states(&origin);
    let state = states.into_iter().next().unwrap();
    let store = Arc::new(state);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    let mut again = expected;
    again.insert(10, files(1..4));
    let writer = shard.writer().unwrap();
    for bytes in again[&10].values() {
        writer.put(bytes, holdfast_vault::Cut::Whole).unwrap();
    }
    assert_eq!(writer.stats().blobs_new, 3);
    drop(writer);
    write(&shard, 10, &again[&10]);
    assert_holds(&shard, &again, "stored once more");
    origin.clock.advance(DAY * 21);
    for _ in 0..2 {
        shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    }
    assert_holds(&shard, &again, "without the old packs");
}

/// A superseded index file that cannot be read is in nobody's way and goes with the next prune.
#[test]
fn damage_in_a_superseded_index_file_is_passed_over() {
    let origin = Origin::new();
    let (states, expected) = states(&origin);
    let store = Arc::new(states.into_iter().next().unwrap());
    let old = store.list("shards/1/index").unwrap();
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    store.replace(&old[0].key, &Bytes::from_static(b"garbage")).unwrap();
    let found = read(&shard, shard.snapshots().unwrap()[0].tree);
    assert!(found == expected[&8]);
    drop(shard.writer().unwrap());
    origin.clock.advance(DAY * 21);
    shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    assert_holds(&shard, &expected, "gone");
}

/// What a repair takes the place of does not bring back what that had superseded.
#[test]
fn a_repair_brings_back_no_superseded_index_file() {
    let origin = Origin::new();
    let (states, _) = states(&origin);
    let store = Arc::new(states.into_iter().next().unwrap());
    let old: Vec<String> =
        store.list("shards/1/index").unwrap().into_iter().map(|file| file.key).collect();
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    shard.prune(&keep_all(&vault, &shard), &options()).unwrap();
    store.lock("shards/1/data/", time(0));
    let packs = store.list("shards/1/data").unwrap();
    packs.iter().for_each(|pack| store.remove(&pack.key).unwrap());
    let repaired = shard.repair_index().unwrap();
    assert_eq!((repaired.packs_missing.len(), repaired.index_files_locked.len()), (packs.len(), 0));
    assert!(old.iter().all(|key| store.get(key).unwrap().is_some()), "they are locked");
    assert!(shard.repair_index().unwrap().is_clean());
    let check = shard.check(false).unwrap();
    assert_eq!((check.packs, check.marked_packs), (0, 0));
}
