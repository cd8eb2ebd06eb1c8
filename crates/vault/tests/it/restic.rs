//! Stock restic reads, checks and restores what the writer wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use holdfast_vault::{Cut, Fanout, Node};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// False, with a note, on machines without restic: what it would have proved stays unproved.
pub fn is_installed() -> bool {
    let installed = Command::new("restic").arg("version").output().is_ok();
    if !installed {
        println!("note: stock restic is not installed; this test proves nothing here");
    }
    installed
}

/// Runs restic on a shard with the password in a file.
pub fn restic(fixture: &Fixture, args: &[&str]) -> Output {
    let password = fixture.dir.path().join("password");
    fs::write(&password, fixture.vault.shard_password(SHARD).expose()).unwrap();
    Command::new("restic")
        .arg("-r")
        .arg(fixture.vault.shard_location(SHARD))
        .args(["--no-cache", "--password-file"])
        .arg(&password)
        .args(args)
        .output()
        .unwrap()
}

pub fn ok(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "restic failed\n{out}\n{err}");
    out
}

pub fn assert_clean(fixture: &Fixture) {
    let out = ok(&restic(fixture, &["check", "--read-data"]));
    assert!(out.contains("no errors were found"), "{out}");
}

/// All files below a folder with their bytes, directories with `None`.
fn files(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fn visit(root: &Path, dir: &Path, found: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, None);
                visit(root, &path, found);
            } else {
                found.insert(name, Some(fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(root, root, &mut found);
    found
}

#[test]
fn restic_restores_every_version_byte_for_byte() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut expected: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    let mut tree = None;
    let mut snapshots = Vec::new();
    for seq in 1..=6 {
        let writer = shard.writer().unwrap();
        let mut edit = writer.edit(tree, Fanout::FLAT);
        for dir in ["mail", "mail/In \"box\" \\ 1", "mail/Über\n\u{202e}x"] {
            let (parent, name) = dir.rsplit_once('/').unwrap_or(("", dir));
            let parent: Vec<&str> = parent.split('/').filter(|p| !p.is_empty()).collect();
            edit.put(&parent, Node::dir(name, time(5)).with_meta("{\"v\":1}")).unwrap();
            expected.insert(dir.to_owned(), None);
        }
        for n in 0..25 {
            let dirs = ["mail/In \"box\" \\ 1", "mail/Über\n\u{202e}x", "mail"];
            let dir = *dirs.choose(&mut rng).unwrap();
            let name = format!("{}.eml", rng.random_range(0..60));
            let parts: Vec<&str> = dir.split('/').collect();
            let path = format!("{dir}/{name}");
            if rng.random_bool(0.2) {
                let path_parts: Vec<&str> = path.split('/').collect();
                let was_there = edit.remove(&path_parts).unwrap().is_some();
                assert_eq!(was_there, expected.remove(&path).is_some());
                continue;
            }
            let length = *[0, 1, 300, 20_000, 700_000].choose(&mut rng).unwrap();
            let bytes = random_bytes(seq * 1_000 + n, length);
            let content = writer.put(&bytes, Cut::Whole).unwrap();
            edit.put(&parts, file(&name, content).with_meta(format!("{{\"n\":{n}}}"))).unwrap();
            expected.insert(path, Some(bytes));
        }
        let root = edit.save().unwrap();
        let snapshot = writer.snapshot(root, &tags(seq), time(seq as i64), "test", &["/".into()]);
        snapshots.push((snapshot.unwrap().id, expected.clone()));
        tree = Some(root);
    }
    assert_clean(&fixture);
    for (id, expected) in &snapshots {
        let target = tempfile::tempdir().unwrap();
        ok(&restic(&fixture, &["restore", id, "--target", target.path().to_str().unwrap()]));
        let found = files(target.path());
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(found == *expected, "restored bytes differ");
    }
    let report = shard.check(true).unwrap();
    assert_eq!(report.errors, Vec::<String>::new());
    assert_eq!((report.snapshots, report.orphan_packs), (6, 0));
}

#[test]
fn restic_restores_metadata_and_time() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let mut edit = writer.edit(None, Fanout::FLAT);
    let meta = format!("{{\"id\":\"{}\"}}", "x".repeat(2_039));
    edit.put(&[], Node::dir("d", time(5)).with_meta("{\"folder\":1}")).unwrap();
    let node = file("f", writer.put(b"content", Cut::Whole).unwrap()).with_meta(meta.as_str());
    edit.put(&["d"], node).unwrap();
    let tree = edit.save().unwrap();
    writer.snapshot(tree, &tags(1), time(0), "h", &["/".into()]).unwrap();
    drop(edit);
    drop(writer);
    let target = tempfile::tempdir().unwrap();
    ok(&restic(&fixture, &["restore", "latest", "--target", target.path().to_str().unwrap()]));
    let restored = target.path().join("d/f");
    let modified = Timestamp::try_from(fs::metadata(&restored).unwrap().modified().unwrap());
    assert_eq!(modified.unwrap(), time(60));
    if !xattr::SUPPORTED_PLATFORM || xattr::set(&restored, "user.probe", b"1").is_err() {
        println!("note: no extended attributes here; metadata is not compared");
        return;
    }
    let get = |path: &Path| xattr::get(path, "user.holdfast").unwrap().unwrap();
    assert_eq!(get(&restored), meta.as_bytes());
    assert_eq!(get(&target.path().join("d")), b"{\"folder\":1}");
}

#[test]
fn restic_shows_the_tags_and_our_reader_ignores_foreign_snapshots() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let writer = shard.writer().unwrap();
    let tree = writer.edit(None, Fanout::FLAT).save().unwrap();
    let written = writer.snapshot(tree, &tags(1), time(9), "tenant", &["/x".into()]).unwrap();
    drop(writer);
    let out = ok(&restic(&fixture, &["snapshots", "--json", "--tag", "seq=1"]));
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed[0]["id"], written.id.as_str());
    assert_eq!(listed[0]["time"], time(9).to_string());
    let tags: Vec<&str> =
        listed[0]["tags"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    for tag in ["seq=1", "prev=0", "fence=7", "run=0199-run", "kind=final", "rewrite=0"] {
        assert!(tags.contains(&tag), "{tag} in {tags:?}");
    }
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("f"), "foreign").unwrap();
    ok(&restic(&fixture, &["backup", source.path().to_str().unwrap()]));
    assert_eq!(shard.snapshots().unwrap(), [written]);
    assert_eq!(shard.check(true).unwrap().snapshots, 2);
}

#[test]
fn content_that_restic_stored_is_recognised() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let bytes = random_bytes(3, 23_456_789);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("big"), &bytes).unwrap();
    ok(&restic(&fixture, &["backup", source.path().to_str().unwrap()]));
    let writer = fixture.shard().writer().unwrap();
    let content = writer.put(&bytes, Cut::Whole).unwrap();
    let stats = writer.stats();
    assert!(content.blobs.len() > 5, "{} blobs", content.blobs.len());
    assert_eq!((stats.blobs_new, stats.blobs_reused), (0, content.blobs.len() as u64));
    assert_eq!(writer.reader().bytes(&file("big", content)).unwrap(), bytes);
}

#[test]
fn restic_respects_the_lock_and_finds_none_afterwards() {
    if !is_installed() {
        return;
    }
    // restic looks at the age of locks, so this one must be of today.
    let fixture = Fixture::with_clock(Clock::system());
    let writer = fixture.shard().writer().unwrap();
    let out = restic(&fixture, &["prune"]);
    assert!(!out.status.success());
    ok(&restic(&fixture, &["unlock"]));
    assert!(!restic(&fixture, &["prune"]).status.success(), "unlock took our lock away");
    ok(&restic(&fixture, &["check", "--no-lock"]));
    drop(writer);
    assert_eq!(fs::read_dir(fixture.shard_path().join("locks")).unwrap().count(), 0);
    assert_clean(&fixture);
}

#[test]
fn the_kit_opens_every_shard_with_stock_restic() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let kit = fixture.dir.path().join("kit");
    fixture.vault.recovery_kit(&kit).unwrap();
    fixture.vault.create_shard(ShardId(12)).unwrap();
    let intent = [("tenants/a.json".to_owned(), Some(b"{}".to_vec()))];
    fixture.vault.control().unwrap().save(&intent).unwrap();
    let places = [
        ("1", fixture.vault.shard_location(SHARD)),
        ("12", fixture.vault.shard_location(ShardId(12))),
        ("control", fixture.vault.control_location()),
    ];
    for (id, place) in places {
        let script = format!("'{}' {id}", kit.join("restic-password.sh").display());
        let out = Command::new("restic")
            .args(["--no-cache", "--password-command", &script, "-r"])
            .arg(&place)
            .args(["check", "--read-data"])
            .output()
            .unwrap();
        assert!(ok(&out).contains("no errors were found"));
    }
    let printed = Command::new(kit.join("restic-password.sh")).arg("1").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(Some(printed.trim_end()), fixture.vault.shard_password(SHARD).expose_str());
}
