//! Damaged files: found by the check, refused by the reader, never wrong bytes, never a panic.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_vault::{Cut, ErrorKind, Fanout, ReadData, Result, TreeId};
use rand::Rng;

use super::*;

/// A shard with two snapshots and what is in them.
struct Stored {
    fixture: Fixture,
    trees: Vec<TreeId>,
    contents: Vec<Vec<u8>>,
}

impl Stored {
    fn new() -> Self {
        let fixture = Fixture::new();
        let contents: Vec<Vec<u8>> = (0..12).map(|n| random_bytes(n, 9_000)).collect();
        let mut trees = Vec::new();
        for (seq, half) in (1..).zip(contents.chunks(6)) {
            let writer = fixture.shard().writer().unwrap();
            let mut edit = writer.edit(trees.last().copied(), Fanout::FLAT);
            for (n, bytes) in half.iter().enumerate() {
                let name = format!("{seq}-{n}");
                let content = writer.put(bytes, Cut::Whole).unwrap();
                edit.put(&["mail"], file(&name, content).with_meta("{}")).unwrap();
            }
            trees.push(edit.save().unwrap());
            writer.snapshot(trees[seq as usize - 1], &tags(seq), time(0), "h", &[]).unwrap();
        }
        Self { fixture, trees, contents }
    }

    /// Opens the vault anew and reads everything; each byte that comes must be right.
    fn read_all(&self) -> Result<()> {
        let (secret, clock) = (self.fixture.secret.clone(), self.fixture.clock.clone());
        let vault = Vault::open(self.fixture.path(), secret, clock)?;
        let shard = vault.shard(SHARD)?;
        let found: Vec<TreeId> = shard.snapshots()?.iter().map(|s| s.tree).collect();
        assert_eq!(found, self.trees);
        let reader = shard.reader()?;
        reader.node(self.trees[0], &["mail", "1-0"])?.expect("was stored");
        for (n, bytes) in self.contents.iter().enumerate() {
            let name = format!("{}-{}", n / 6 + 1, n % 6);
            let node = reader.node(self.trees[1], &["mail", &name])?.expect("was stored");
            assert!(reader.bytes(&node)? == *bytes, "wrong bytes");
        }
        Ok(())
    }

    fn files(&self, dir: &str) -> Vec<PathBuf> {
        fn visit(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { visit(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        visit(&self.fixture.path().join(dir), &mut found);
        found.sort();
        found
    }

    /// Replaces a file by `damaged`, looks what happens, puts it back. True where reading
    /// everything fails; the check must find the damage.
    fn with_damage(&self, path: &Path, damaged: Option<&[u8]>) -> bool {
        let sound = fs::read(path).unwrap();
        match damaged {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let read = self.read_all();
        if let Err(err) = &read {
            assert_eq!(err.kind(), ErrorKind::Damaged, "{path:?}: {err}");
        }
        match self.fixture.vault.shard(SHARD).and_then(|shard| shard.check(true)) {
            Ok(report) => assert!(!report.errors.is_empty(), "the check misses {path:?}"),
            Err(err) => assert_eq!(err.kind(), ErrorKind::Damaged, "{path:?}: {err}"),
        }
        fs::write(path, sound).unwrap();
        read.is_err()
    }
}

#[test]
fn flipped_bits_truncation_and_loss_are_found() {
    let stored = Stored::new();
    stored.read_all().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut cases = 0;
    for (dir, count) in [("data", 4), ("index", 2), ("snapshots", 2), ("keys", 1)] {
        let files = stored.files(&format!("shards/1/{dir}"));
        assert_eq!(files.len(), count, "{dir}");
        for path in files {
            let sound = fs::read(&path).unwrap();
            for _ in 0..5 {
                let mut flipped = sound.clone();
                let bit = rng.random_range(0..sound.len() * 8);
                flipped[bit / 8] ^= 1 << (bit % 8);
                stored.with_damage(&path, Some(&flipped));
            }
            for length in [0, 1, sound.len() / 2, sound.len() - 1] {
                let fails = stored.with_damage(&path, Some(&sound[..length]));
                // Of a damaged index file the packs know what it knew.
                let fails_always = dir == "snapshots";
                assert!(fails || !fails_always, "{path:?} cut to {length}");
                assert!(!fails || !matches!(dir, "keys" | "index"), "{path:?} cut to {length}");
            }
            cases += 9;
        }
    }
    assert_eq!(cases, 81);
    stored.read_all().unwrap();
    assert_eq!(stored.fixture.shard().check(true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn missing_files_are_found() {
    let stored = Stored::new();
    for path in [stored.files("shards/1/data"), stored.files("shards/1/index")].concat() {
        assert!(stored.with_damage(&path, None), "{path:?}");
    }
    for path in stored.files("shards/1/keys") {
        assert!(!stored.with_damage(&path, None), "the sealed key still opens the shard");
    }
    let config = stored.fixture.path().join("shards/1/config");
    assert!(stored.with_damage(&config, None));
    stored.read_all().unwrap();
}

#[test]
fn a_file_in_the_place_of_another_is_found() {
    let stored = Stored::new();
    for (dir, fails) in [("index", false), ("snapshots", true)] {
        let files = stored.files(&format!("shards/1/{dir}"));
        let other = fs::read(&files[1]).unwrap();
        assert_eq!(stored.with_damage(&files[0], Some(&other)), fails, "{dir}");
    }
}

#[test]
fn a_damaged_vault_file_is_named_and_not_taken_for_a_wrong_passphrase() {
    let fixture = Fixture::new();
    let path = fixture.path().join("vault.json");
    let sound = fs::read(&path).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let damaged: Vec<Vec<u8>> = (0..60)
        .map(|_| {
            let mut flipped = sound.clone();
            let bit = rng.random_range(0..sound.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
        .chain([0, 1, sound.len() / 2].map(|length| sound[..length].to_vec()))
        .collect();
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        let opened = Vault::open(fixture.path(), fixture.secret.clone(), fixture.clock.clone());
        // White space between the values may change without a change of meaning.
        match opened {
            Ok(_) => assert!(Vault::unlock(fixture.path(), &passphrase()).is_ok()),
            Err(err) => assert_eq!(err.kind(), ErrorKind::Damaged, "{err}"),
        }
    }
}

#[test]
fn a_damaged_sealed_key_does_not_lock_anybody_out() {
    let stored = Stored::new();
    let path = stored.fixture.path().join("keys/1.json");
    let sound = fs::read_to_string(&path).unwrap();
    let hex = sound.find("sealed\": \"").unwrap() + 30;
    let mut flipped = sound.clone().into_bytes();
    flipped[hex] = if flipped[hex] == b'0' { b'1' } else { b'0' };
    assert!(!stored.with_damage(&path, Some(&flipped)));
    assert!(!stored.with_damage(&path, Some(b"")));
}

#[test]
fn a_forged_key_file_is_refused_before_the_engine_sees_it() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.path().join("keys/1.json")).unwrap();
    let keys = fixture.shard_path().join("keys");
    let path = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    let sound: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    fs::remove_file(&path).unwrap();
    for (field, value) in [("N", 0_u32), ("N", 3), ("N", 1 << 31), ("r", 0), ("p", 1_000_000)] {
        let mut forged = sound.clone();
        forged[field] = value.into();
        let bytes = serde_json::to_vec(&forged).unwrap();
        let path = keys.join(sha256_hex(&bytes));
        fs::write(&path, bytes).unwrap();
        let err = fixture.vault.shard(SHARD).err().unwrap();
        assert_eq!(err.kind(), ErrorKind::Damaged, "{field}={value}: {err}");
        fs::remove_file(path).unwrap();
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

#[test]
fn the_check_names_the_items_behind_the_damage() {
    let stored = Stored::new();
    let shard = stored.fixture.shard();
    let mut packs = stored.files("shards/1/data");
    packs.sort_by_key(|path| fs::metadata(path).unwrap().len());
    // Two small packs of trees, two large ones of content, each of six messages.
    for (path, folders) in [(&packs[3], false), (&packs[0], true)] {
        let sound = fs::read(path).unwrap();
        let mut flipped = sound.clone();
        flipped[100] ^= 1;
        fs::write(path, flipped).unwrap();
        let report = shard.check(true).unwrap();
        assert!(report.errors.len() >= 2, "{:?}", report.errors);
        assert!(!report.damaged.is_empty() && report.damaged_more == 0);
        if !folders {
            let [item] = report.damaged.as_slice() else { panic!("{:?}", report.damaged) };
            let [folder, name] = item.path.as_slice() else { panic!("{:?}", item.path) };
            assert_eq!((folder.as_str(), item.meta.as_deref()), ("mail", Some("{}")));
            let (half, n) = name.split_once('-').unwrap();
            assert_eq!(n, "0", "the first message of its pack lies at byte 100");
            // What came with the first snapshot is in both.
            let seqs: Vec<u64> = item.snapshots.iter().map(|seq| seq.0).collect();
            assert_eq!(seqs, if half == "1" { vec![1, 2] } else { vec![2] });
        }
        assert_eq!(report.damaged.iter().any(|item| item.is_folder), folders);
        fs::write(path, sound).unwrap();
    }
    fs::remove_file(&packs[2]).unwrap();
    let report = shard.check(false).unwrap();
    assert_eq!(report.damaged.len(), 6, "{:?}", report.damaged);
}

#[test]
fn daily_shares_read_every_pack_once() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let writer = shard.writer().unwrap();
    for seq in 1..=20 {
        let mut edit = writer.edit(None, Fanout::FLAT);
        let content = writer.put(&random_bytes(seq, 100), Cut::Whole).unwrap();
        edit.put(&[], file("f", content)).unwrap();
        let tree = edit.save().unwrap();
        writer.snapshot(tree, &tags(seq), time(0), "h", &[]).unwrap();
    }
    drop(writer);
    let all = shard.check(true).unwrap();
    assert_eq!((all.packs, all.packs_read), (40, 40));
    assert_eq!(shard.check(false).unwrap().packs_read, 0);
    let share = |day| shard.check(ReadData::Share { days: 7, day }).unwrap().packs_read;
    let week: Vec<u64> = (100..107).map(share).collect();
    assert_eq!(week.iter().sum::<u64>(), 40, "{week:?}");
    assert!(week.iter().filter(|packs| **packs > 0).count() > 4, "{week:?}");
    assert_eq!(share(107), week[0]);
}
