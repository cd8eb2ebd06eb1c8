//! Repairs: what is sound is saved, what is lost is named, and nothing good is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_vault::{ErrorKind, PruneOptions, Store};

use jiff::SignedDuration;

use super::faulty::{Death, Faulty, Op};
use super::history::*;
use super::restic::{assert_clean, is_installed, ok, restic};
use super::*;

fn instant() -> PruneOptions {
    PruneOptions { instant: true, max_unused_percent: 0, ..PruneOptions::default() }
}

/// Three snapshots with files in several folders; each has two packs and an index file.
fn fill(shard: &Shard) -> BTreeMap<u64, Files> {
    let history = (1..=3_u64).map(|seq| {
        let files: Files = (seq..seq + 6)
            .map(|n| (format!("{ADA}/Folder {}/{n}.eml", n % 3), random_bytes(n, 5_000)))
            .collect();
        write(shard, seq, &files);
        (seq, files)
    });
    history.collect()
}

fn keys(store: &dyn Store, dir: &str) -> Vec<String> {
    store.list(&format!("shards/1/{dir}")).unwrap().into_iter().map(|file| file.key).collect()
}

/// Flips a bit near the middle of a file.
fn damage(store: &dyn Store, key: &str, at: usize) {
    let mut bytes = store.get(key).unwrap().unwrap().to_vec();
    bytes[at] ^= 4;
    store.replace(key, &bytes.into()).unwrap();
}

/// A copy of a store, opened.
fn copy_of(origin: &Origin) -> (Arc<Faulty>, Shard) {
    let store = Arc::new(Faulty::new(&origin.clock).fill(origin.store.as_ref()));
    let (_, shard) = open(&store, &origin.secret, &origin.clock);
    (store, shard)
}

#[test]
fn a_sound_shard_needs_no_repair() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let before = origin.store.list("").unwrap();
    assert!(shard.repair_index().unwrap().is_clean());
    let mended = shard.repair_packs().unwrap();
    assert_eq!((mended.blobs_damaged, mended.blobs_lost.len()), (0, 0));
    assert_eq!(mended.blobs_read, shard.check(false).unwrap().blobs);
    let repaired = shard.repair_snapshots().unwrap();
    assert!(repaired.repaired.is_empty() && repaired.items.is_empty());
    assert_eq!(origin.store.list("").unwrap(), before);
    assert_holds(&shard, &expected, "untouched");
}

#[test]
fn a_lost_or_damaged_index_is_made_again_from_the_packs() {
    let fixture = Fixture::new();
    let expected = fill(&fixture.shard());
    let store = fixture.vault.store().as_ref();
    let index = keys(store, "index");
    store.remove(&index[0]).unwrap();
    let path = fixture.path().join(&index[1]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(!fixture.shard().check(true).unwrap().errors.is_empty());
    let shard = fixture.shard();
    let report = shard.repair_index().unwrap();
    assert_eq!((report.files_damaged, report.packs_added.len()), (vec![index[1].clone()], 4));
    assert_holds(&shard, &expected, "a new index");
    if is_installed() {
        assert_clean(&fixture);
    }
    for key in keys(store, "index") {
        store.remove(&key).unwrap();
    }
    assert_eq!(shard.repair_index().unwrap().packs_added.len(), 6);
    assert_holds(&shard, &expected, "from nothing");
    if is_installed() {
        assert_clean(&fixture);
    }
}

/// Packs: one is missing, one is cut, one has no header. What they had is lost and named; the rest
/// of the shard is whole again, and what comes again is stored again.
#[test]
fn lost_content_is_left_out_by_name_and_stored_when_it_comes_again() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let expected = fill(&shard);
    let store = fixture.vault.store().as_ref();
    // The data pack of the second snapshot: it has the one file that is new there.
    let newest = largest_new_pack(store, &expected);
    store.remove(&newest).unwrap();
    let shard = fixture.shard();
    let report = shard.repair_index().unwrap();
    assert_eq!(report.packs_missing.join(" "), newest);
    let mended = shard.repair_packs().unwrap();
    assert_eq!(mended.blobs_lost.len(), 6, "{mended:?}");
    let repaired = shard.repair_snapshots().unwrap();
    assert_eq!(repaired.repaired.len(), 3);
    let names: Vec<String> = repaired.items.iter().map(|item| item.path.join("/")).collect();
    assert_eq!(names, expected[&1].keys().cloned().collect::<Vec<_>>());
    let last =
        repaired.items.iter().find(|item| item.path.ends_with(&["6.eml".to_owned()])).unwrap();
    assert_eq!(last.snapshots, [Seq(1), Seq(2), Seq(3)]);
    assert!(!last.is_folder && last.meta.as_deref() == Some("{\"of\":\"6.eml\"}"));
    for snapshot in &repaired.repaired {
        let mut left = expected[&snapshot.tags.seq.0].clone();
        left.retain(|path, _| !names.contains(path));
        assert!(read(&shard, snapshot.tree) == left, "snapshot {}", snapshot.tags.seq);
        assert_eq!(snapshot.tags.rewrite, 1);
    }
    // Again: nothing more to do.
    assert!(shard.repair_snapshots().unwrap().repaired.is_empty());
    // What comes again is stored again, and the damaged snapshots are whole as well.
    let writer = shard.writer().unwrap();
    for bytes in expected[&1].values() {
        writer.put(bytes, holdfast_vault::Cut::Whole).unwrap();
    }
    let tree = shard.snapshots().unwrap()[0].tree;
    writer.snapshot(tree, &tags(4), time(4), "h", &["/".into()]).unwrap();
    drop(writer);
    for snapshot in shard.snapshots().unwrap() {
        if snapshot.tags.rewrite == 0 && snapshot.tags.seq.0 < 4 {
            assert!(read(&shard, snapshot.tree) == expected[&snapshot.tags.seq.0]);
        }
    }
    if is_installed() {
        assert_clean(&fixture);
        let out = ok(&restic(&fixture, &["snapshots", "--json", "--tag", "repaired=1"]));
        let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 3);
    }
}

/// The pack of the content of the first snapshot: the largest.
fn largest_new_pack(store: &dyn Store, expected: &BTreeMap<u64, Files>) -> String {
    assert_eq!(expected[&1].len(), 6);
    let packs = store.list("shards/1/data").unwrap();
    packs.into_iter().max_by_key(|pack| pack.size).unwrap().key
}

#[test]
fn a_lost_tree_leaves_an_empty_folder_with_a_name() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let mut folders = 0;
    for key in keys(origin.store.as_ref(), "data") {
        let (store, _) = copy_of(&origin);
        store.remove(&key).unwrap();
        let (_, shard) = open(&store, &origin.secret, &origin.clock);
        shard.repair_index().unwrap();
        let repaired = shard.repair_snapshots().unwrap();
        folders += repaired.items.iter().filter(|item| item.is_folder).count();
        let lost: Vec<String> = repaired.items.iter().map(|item| item.path.join("/")).collect();
        for snapshot in repaired.repaired {
            let found = read(&shard, snapshot.tree);
            let mut left = expected[&snapshot.tags.seq.0].clone();
            left.retain(|path, _| {
                !lost.iter().any(|lost| path.starts_with(lost.as_str())) || found.contains_key(path)
            });
            assert!(found == left, "{key}: {lost:?}");
        }
    }
    // The packs of trees of the later snapshots have no root of another one, so that some folder of
    // an earlier one is lost only where it is shared; the root's own loss is told by `lost`.
    println!("{folders} folders");
}

#[test]
fn damaged_blobs_come_back_from_a_second_vault() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let second = Origin::new();
    let (_, other) = second.open();
    shard.copy_to(&other).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for key in keys(origin.store.as_ref(), "data") {
        for case in 0..5 {
            let (store, _) = copy_of(&origin);
            let size = store.get(&key).unwrap().unwrap().len();
            match case {
                0 => store.remove(&key).unwrap(),
                1 => {
                    let half = store.get(&key).unwrap().unwrap().slice(..size / 2);
                    store.replace(&key, &half).unwrap();
                }
                _ => damage(store.as_ref(), &key, rng.random_range(0..size)),
            }
            let context = format!("{key}, case {case}");
            let (vault, shard) = open(&store, &origin.secret, &origin.clock);
            let packs = keys(store.as_ref(), "data").len();
            shard.repair_index().unwrap();
            let mended = shard.repair_from(&other).unwrap();
            assert_eq!(mended.blobs_lost, Vec::<String>::new(), "{context}");
            assert!(keys(store.as_ref(), "data").len() >= packs, "{context}: a pack is gone");
            let found: BTreeMap<u64, Files> = (shard.snapshots().unwrap().iter())
                .map(|snapshot| (snapshot.tags.seq.0, read(&shard, snapshot.tree)))
                .collect();
            assert!(found == expected, "{context}");
            // A header that changed alone is no damage of a blob; all else is gone after a prune.
            shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
            if mended.blobs_damaged + mended.blobs_restored > 0 {
                assert_holds(&shard, &expected, &context);
            }
        }
    }
}

#[test]
fn without_a_second_vault_the_sound_blobs_of_a_damaged_pack_are_saved() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let expected = fill(&shard);
    let store = fixture.vault.store().as_ref();
    let pack = largest_new_pack(store, &expected);
    let path = fixture.path().join(&pack);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5_200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let shard = fixture.shard();
    let mended = shard.repair_packs().unwrap();
    assert_eq!(mended.packs_damaged.join(" "), pack);
    assert_eq!((mended.blobs_damaged, mended.blobs_lost.len(), mended.blobs_restored), (1, 1, 0));
    assert!(path.exists(), "damaged packs are not removed here");
    let repaired = shard.repair_snapshots().unwrap();
    assert_eq!(repaired.items.len(), 1, "{:?}", repaired.items);
    let plan = keep_all(&fixture.vault, &shard);
    let err = shard.prune(&plan, &instant()).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Damaged, "the damaged snapshots are still there: {err}");
    // The plan forgets writings that were replaced.
    let plan = keep_last(&fixture.vault, &shard, 3, &[]);
    let old: Vec<&str> = plan.snapshots().iter().map(|planned| planned.id.as_str()).collect();
    assert_eq!(old.len(), repaired.repaired.len());
    shard.forget(&plan).unwrap();
    // No index file names it any more, and it has been there for a day.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    fixture.clock.advance(SignedDuration::from_hours(25));
    shard.prune(&keep_all(&fixture.vault, &shard), &instant()).unwrap();
    assert!(!path.exists());
    assert_eq!(shard.check(true).unwrap().errors, Vec::<String>::new());
    if is_installed() {
        assert_clean(&fixture);
    }
}

#[test]
fn a_crash_of_a_repair_loses_nothing() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let second = Origin::new();
    let (_, other) = second.open();
    shard.copy_to(&other).unwrap();
    let packs = keys(origin.store.as_ref(), "data");
    damage(origin.store.as_ref(), &packs[0], 30);
    origin.store.remove(&packs[1]).unwrap();
    let index = keys(origin.store.as_ref(), "index");
    damage(origin.store.as_ref(), &index[0], 30);
    for death in [Death::Before, Death::After] {
        for left in 0.. {
            let store = Faulty::dying(&origin.clock, left, death).fill(origin.store.as_ref());
            let store = Arc::new(store);
            let (_, shard) = open(&store, &origin.secret, &origin.clock);
            let repair = || -> holdfast_vault::Result<()> {
                shard.repair_index()?;
                shard.repair_from(&other)?;
                shard.repair_snapshots().map(|report| assert!(report.repaired.is_empty()))
            };
            let outcome = repair();
            let died = store.is_dead();
            assert!(died || outcome.is_ok(), "{outcome:?}");
            store.revive();
            // The lock of the dead gets old.
            origin.clock.advance(SignedDuration::from_hours(1));
            repair().unwrap();
            let found: BTreeMap<u64, Files> = (shard.snapshots().unwrap().iter())
                .map(|snapshot| (snapshot.tags.seq.0, read(&shard, snapshot.tree)))
                .collect();
            assert!(found == expected, "{death:?} {left}");
            if !died {
                break;
            }
        }
    }
}

/// As S3 answers for a pack that has become longer than 1 GiB: parts of it can be had.
#[test]
fn a_pack_that_cannot_be_had_whole_does_not_end_the_repair() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let expected = fill(&shard);
    let pack = largest_new_pack(origin.store.as_ref(), &expected);
    origin.store.before(Op::Get, &pack, |key| {
        let (file, what) = (key.to_owned(), "has more bytes than any is written with".to_owned());
        Err(holdfast_vault::Error::Damaged { file, what })
    });
    let mended = shard.repair_packs().unwrap();
    assert_eq!(mended.packs_damaged, std::slice::from_ref(&pack));
    assert_eq!((mended.blobs_damaged, mended.blobs_lost.len()), (0, 0), "{mended:?}");
    origin.store.undisturbed();
    origin.clock.advance(SignedDuration::from_hours(25));
    shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert!(origin.store.get(&pack).unwrap().is_none());
    assert_holds(&shard, &expected, "what it held was saved");
}

#[test]
fn without_an_index_file_readers_fetch_no_whole_pack() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    for key in keys(origin.store.as_ref(), "index") {
        damage(origin.store.as_ref(), &key, 30);
    }
    origin.store.before(Op::Get, "shards/1/data", |key| panic!("all of {key}"));
    let (_, shard) = origin.open();
    for snapshot in shard.snapshots().unwrap() {
        assert!(read(&shard, snapshot.tree) == expected[&snapshot.tags.seq.0]);
    }
}

#[test]
fn a_repaired_snapshot_stays_one_in_a_copy_and_after_an_erasure() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let name = |n: u64| format!("{ADA}/{n} ~000000000000000{n}.eml");
    let all: Files = (0..4).map(|n| (name(n), random_bytes(n, 5_000))).collect();
    write(&shard, 1, &all);
    let packs = origin.store.list("shards/1/data").unwrap();
    let pack = packs.into_iter().max_by_key(|pack| pack.size).unwrap().key;
    damage(origin.store.as_ref(), &pack, 100);
    shard.repair_packs().unwrap();
    let repaired = shard.repair_snapshots().unwrap().repaired;
    assert!(repaired.len() == 1 && repaired[0].repaired);
    shard.forget(&keep_last(&vault, &shard, 1, &[])).unwrap();
    write(&shard, 2, &Files::from([(name(5), random_bytes(5, 50))]));

    let second = Origin::new();
    let (copied_to, copy) = second.open();
    shard.copy_to(&copy).unwrap();
    let signs = |shard: &Shard| -> Vec<(u32, bool)> {
        let snapshots = shard.snapshots().unwrap();
        snapshots.iter().map(|snapshot| (snapshot.tags.rewrite, snapshot.repaired)).collect()
    };
    assert_eq!(signs(&copy), [(1, true), (0, false)]);
    let erased: Vec<String> = [1, 2, 3, 5].map(|n| format!("000000000000000{n}")).into();
    let erased: Vec<&str> = erased.iter().map(String::as_str).collect();
    copy.erase(&erasure(&copied_to, &copy, ADA, &erased), &instant()).unwrap();
    assert_eq!(signs(&copy), [(2, true), (1, false)]);
}
