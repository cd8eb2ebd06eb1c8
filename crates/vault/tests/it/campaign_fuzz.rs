//! Hostile repositories: whatever bytes are stored, nothing panics and nothing takes memory
//! without limit.
//!
//! The forged repositories are read by a child of this test with an address space of 3 GiB, which
//! an allocation of what they claim would burst.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use holdfast_vault::fuzzing::{Forger, TARGETS, Target};
use holdfast_vault::{Cut, ErrorKind, Fanout, Node, NodeKind, Result, Shard, TreeId};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::campaign::{OnPanic, Template, amount, error, first_seed};
use super::*;

/// Set in the child that reads forged repositories.
const CHILD: &str = "HOLDFAST_HOSTILE_CHILD";

/// Bytes and numbers that parsers stumble over.
const ODD: [&[u8]; 22] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"-1",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"1e999",
    b"null",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"\"\"",
    b"\\u0000",
    b"\\\\x00",
    b"../",
    b",",
    b"\r\n",
    b"\r\n--",
    b"--\r\n",
    b"\x02\x28\xb5\x2f\xfd",
    b"9999-12-31T23:59:60Z",
];

/// A sound input with some of its bytes changed.
fn mutated(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds.choose(rng).unwrap().clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.splice(at..end, ODD.choose(rng).unwrap().iter().copied())),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.truncate(at),
            5 => {
                let copy = bytes[at..end].repeat(rng.random_range(1..9));
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let other = seeds.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
        }
    }
    bytes
}

fn feed(target: &Target, inputs: u64, from: u64) {
    let seeds = (target.seeds)();
    for seed in &seeds {
        assert!(
            !seed.is_empty() || target.name == "zstd_frame",
            "{} has no sound input",
            target.name
        );
        (target.run)(seed);
    }
    for seed in from..from + inputs {
        let input = mutated(&seeds, &mut ChaCha8Rng::seed_from_u64(seed));
        let _seed = OnPanic(format!("fuzz: {}: seed {seed}: {input:?}", target.name));
        (target.run)(&input);
    }
}

#[test]
fn no_stored_bytes_make_a_parser_panic() {
    let (inputs, from) = (amount("HOLDFAST_SOAK_INPUTS", 1_000), first_seed());
    for target in &TARGETS {
        feed(target, inputs, from);
        println!("fuzz: {}: {inputs} inputs from seed {from}", target.name);
    }
}

#[test]
fn every_target_can_be_fuzzed_with_coverage_too() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let files = std::fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(files, TARGETS.len());
    for target in &TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let file = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("fuzzing::{name}(data)")), "{name}");
    }
}

/// Reads everything there is; gives what was refused.
fn visit(shard: &Shard) -> Vec<ErrorKind> {
    let mut refused = Vec::new();
    let mut note = |kind: Option<ErrorKind>| refused.extend(kind);
    note(match shard.check(true) {
        Ok(report) => (!report.errors.is_empty()).then_some(ErrorKind::Damaged),
        Err(err) => Some(err.kind()),
    });
    let snapshots = shard.snapshots();
    note(snapshots.as_ref().err().map(holdfast_vault::Error::kind));
    let reader = match shard.reader() {
        Ok(reader) => reader,
        Err(err) => return [refused, vec![err.kind()]].concat(),
    };
    for snapshot in snapshots.unwrap_or_default() {
        let mut seen = std::collections::HashSet::new();
        let mut queue = vec![snapshot.tree];
        while let Some(tree) = queue.pop() {
            let nodes = match reader.list(tree) {
                Ok(nodes) => nodes,
                Err(err) => {
                    refused.push(err.kind());
                    continue;
                }
            };
            for node in nodes.iter().take(100) {
                match node.kind {
                    NodeKind::Dir { tree: Some(tree) } if seen.insert(tree) => queue.push(tree),
                    NodeKind::Dir { .. } => {}
                    NodeKind::File { .. } => {
                        refused.extend(reader.bytes(node).err().map(|err| err.kind()));
                    }
                }
            }
        }
    }
    refused
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(Template::new)
}

/// A shard with one sound snapshot, in which something is forged.
fn forged(forge: impl FnOnce(&Vault, &Forger, &str) -> Result<()>) -> Vec<ErrorKind> {
    let vault = template().vault();
    let shard = vault.shard(SHARD).unwrap();
    let writer = shard.writer().unwrap();
    let mut edit = writer.edit(None, Fanout::FLAT);
    for n in 0..3 {
        let content = writer.put(&random_bytes(n, 5_000), Cut::Whole).unwrap();
        edit.put(&["d"], file(&n.to_string(), content)).unwrap();
    }
    let tree = edit.save().unwrap();
    writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
    drop(edit);
    drop(writer);
    let index = vault.store().list("shards/1/index").unwrap().remove(0).key;
    forge(&vault, &Forger::of_shard(&shard), &index).unwrap();
    visit(&shard)
}

/// The one index file, with a field of every blob set to a number.
fn forged_index(field: &str, value: u64) -> Vec<ErrorKind> {
    forged(|vault, forger, index| {
        let plain = forger.plain(index)?;
        let json = match plain.first() {
            Some(2) => zstd::decode_all(&plain[1..]).unwrap(),
            _ => plain,
        };
        let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        for pack in json["packs"].as_array_mut().unwrap() {
            for blob in pack["blobs"].as_array_mut().unwrap() {
                blob[field] = value.into();
            }
        }
        vault.store().remove(index)?;
        forger.index(&serde_json::to_vec(&json).unwrap()).map(|_| ())
    })
}

/// zstd of very many bytes, as the content of a file of the format v2.
fn bomb(byte: u8, megabytes: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(vec![2], 3).unwrap();
    for _ in 0..megabytes {
        std::io::Write::write_all(&mut encoder, &vec![byte; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

fn snapshot_of(tree: TreeId, seq: &str) -> Vec<u8> {
    format!(
        r#"{{"time":"2026-01-01T00:00:00Z","tree":"{tree}","paths":["/"],"hostname":"h","tags":["seq={seq}","prev=0","fence=1","run=r","kind=final","rewrite=0"]}}"#
    )
    .into_bytes()
}

fn dir_node(name: &str, tree: TreeId) -> String {
    format!(
        r#"{{"name":"{name}","type":"dir","mode":2147484096,"mtime":"2026-01-01T00:00:00Z","subtree":"{tree}"}}"#
    )
}

fn tree_of(nodes: &[String]) -> Vec<u8> {
    format!("{{\"nodes\":[{}]}}\n", nodes.join(",")).into_bytes()
}

/// Directories in each other, `width` of the same in each.
fn nested(forger: &Forger, depth: usize, width: usize) -> Result<TreeId> {
    let mut trees = vec![tree_of(&[])];
    for _ in 0..depth {
        let below = sha256_id(trees.last().unwrap());
        let nodes: Vec<String> = (0..width).map(|n| dir_node(&n.to_string(), below)).collect();
        trees.push(tree_of(&nodes));
    }
    Ok(*forger.trees(&trees)?.last().unwrap())
}

fn sha256_id(bytes: &[u8]) -> TreeId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hex::encode(digest).parse().unwrap()
}

/// Everything that a forged repository can ask for: each is refused as damage, or is read.
fn hostile_repositories() {
    for (field, value) in [
        ("uncompressed_length", u32::MAX.into()),
        ("uncompressed_length", 1),
        ("length", u32::MAX.into()),
        ("offset", u32::MAX.into()),
        ("offset", u64::MAX),
    ] {
        let refused = forged_index(field, value);
        assert!(refused.contains(&ErrorKind::Damaged), "{field} = {value}: {refused:?}");
    }
    for plain in [bomb(b' ', 4_096), bomb(b'[', 1), vec![b'['; 1 << 20], vec![2]] {
        let refused = forged(|_, forger, _| forger.index(&plain).map(|_| ()));
        assert!(refused.contains(&ErrorKind::Damaged), "index");
        let refused = forged(|_, forger, _| forger.snapshot(&plain).map(|_| ()));
        assert!(refused.contains(&ErrorKind::Damaged), "snapshot");
    }
    hostile_trees();
    hostile_control();
    hostile_files();
}

fn hostile_trees() {
    let with_root = |trees: Vec<Vec<u8>>| {
        forged(|_, forger, _| {
            let root = *forger.trees(&trees)?.last().unwrap();
            forger.snapshot(&snapshot_of(root, "2")).map(|_| ())
        })
    };
    for bytes in [vec![b'['; 1 << 20], b"{\"nodes\":".repeat(100_000), vec![b' '; 200 << 20]] {
        assert!(with_root(vec![bytes]).contains(&ErrorKind::Damaged), "a tree that is none");
    }
    // A million files in one directory are many, but could be true.
    let leaf = |n: usize| {
        format!(r#"{{"name":"{n}","type":"file","mtime":"2026-01-01T00:00:00Z","content":[]}}"#)
    };
    let million: Vec<String> = (0..1_000_000).map(leaf).collect();
    assert_eq!(with_root(vec![tree_of(&million)]), []);
    // A file of 10^12 bytes that is one blob, over and over.
    let refused = forged(|vault, forger, _| {
        let shard = vault.shard(SHARD)?;
        let (reader, tree) = (shard.reader()?, shard.snapshots()?[0].tree);
        let node = reader.node(tree, &["d", "0"])?.unwrap();
        let NodeKind::File { content, .. } = node.kind else { panic!("is a file") };
        for (seq, size) in [("2", 0), ("3", 5_000), ("4", 1_000_000_000_000_u64)] {
            let ids = vec![format!("\"{}\"", content[0]); 1_000_000].join(",");
            let nodes = [format!(
                r#"{{"name":"f","type":"file","mtime":"2026-01-01T00:00:00Z","size":{size},"content":[{ids}]}}"#
            )];
            let root = forger.trees(&[tree_of(&nodes)])?[0];
            forger.snapshot(&snapshot_of(root, seq))?;
        }
        Ok(())
    });
    assert_eq!(refused, [ErrorKind::Damaged, ErrorKind::Damaged, ErrorKind::Invalid]);
    // Directories in each other without end; the same, a hundred wide.
    for (depth, width) in [(60_000, 1), (200, 100)] {
        let refused = forged(|_, forger, _| {
            let root = nested(forger, depth, width)?;
            forger.snapshot(&snapshot_of(root, "18446744073709551615"))?;
            forger.snapshot(&snapshot_of(root, "2")).map(|_| ())
        });
        assert_eq!(refused, [], "{depth} deep, {width} wide");
    }
    deep_edit();
}

/// Hidden directories without end below a folder that is arranged anew.
fn deep_edit() {
    let shard = template().vault().shard(SHARD).unwrap();
    let root = nested(&Forger::of_shard(&shard), 60_000, 1).unwrap();
    let fanout = Fanout {
        levels: |name| vec![name[..1].to_owned(), name[..2].to_owned()],
        always: 0,
        split_above: 4,
        merge_below: 2,
    };
    let writer = shard.writer().unwrap();
    let mut edit = writer.edit(Some(root), fanout);
    let content = writer.put(b"x", Cut::Whole).unwrap();
    edit.put_item(&[], Node::file("0x", content.clone(), time(0))).unwrap();
    edit.put_item(&[], Node::file("0y", content, time(0))).unwrap();
    edit.remove_item(&[], "0x").unwrap();
    assert_eq!(error(edit.save()).kind(), ErrorKind::Damaged);
}

/// States of intent that a few trees blow up to no end.
fn hostile_control() {
    for (depth, width) in [(60_000, 1), (200, 100)] {
        let vault = template().vault();
        let control = vault.control().unwrap();
        control.save(&[("a".to_owned(), Some(b"b".to_vec()))]).unwrap();
        let forger = Forger::of_control(&control);
        let root = nested(&forger, depth, width).unwrap();
        let id = forger.snapshot(&snapshot_of(root, "2")).unwrap();
        let head = format!("control/heads/{:020}", 2);
        vault.store().create(&head, &[id.to_string().into()]).unwrap();
        let err = vault.control().unwrap().load().expect_err("is no state");
        assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
    }
}

/// Files that are longer than any memory, by their size alone.
fn hostile_files() {
    let fixture = Fixture::new();
    let root = fixture.path();
    let store = fixture.vault.store();
    let mut files = vec!["keys/1.json".to_owned(), "shards/1/config".to_owned()];
    files.extend(store.list("shards/1/keys").unwrap().into_iter().map(|file| file.key));
    for name in ["snapshots", "index", "locks"] {
        let key = format!("shards/1/{name}/{}", "ab".repeat(32));
        store.create(&key, &[]).unwrap();
        files.push(key);
    }
    files.push("vault.json".to_owned());
    for key in files {
        let sound = store.get(&key).unwrap().unwrap();
        grow(&root.join(&key));
        let opened = Vault::open(root, fixture.secret.clone(), fixture.clock.clone());
        let found = match opened.and_then(|vault| vault.shard(SHARD)) {
            Ok(shard) => {
                let report = shard.check(true).unwrap();
                drop(shard.writer());
                visit(&shard).contains(&ErrorKind::Damaged) || !report.errors.is_empty()
            }
            Err(err) => err.kind() == ErrorKind::Damaged,
        };
        assert!(found || key.contains("locks"), "{key}");
        std::fs::write(root.join(&key), &sound).unwrap();
        if sound.is_empty() {
            std::fs::remove_file(root.join(&key)).unwrap();
        }
    }
}

/// Makes a file 8 TiB long, without a byte in it.
fn grow(path: &Path) {
    File::options().write(true).open(path).unwrap().set_len(8 << 40).unwrap();
}

/// The child. Called without its variable it has nothing to do.
#[test]
fn hostile_child() {
    if std::env::var_os(CHILD).is_some() {
        hostile_repositories();
    }
}

#[test]
fn a_hostile_repository_takes_no_memory_without_limit() {
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -v 3145728 && exec \"$0\" --exact campaign_fuzz::hostile_child"]);
    child.arg(std::env::current_exe().unwrap()).env(CHILD, "1");
    let output = child.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the child did nothing");
}

/// The mutations reach what they are meant to: of each target's inputs some are still sound.
#[test]
fn mutations_differ_and_are_repeatable() {
    let seeds = vec![b"{\"packs\":[]}".to_vec(), b"{\"packs\":null}".to_vec()];
    let make = |seed| mutated(&seeds, &mut ChaCha8Rng::seed_from_u64(seed));
    let mut found = BTreeMap::new();
    for seed in 0..100 {
        assert_eq!(make(seed), make(seed));
        *found.entry(make(seed)).or_insert(0) += 1;
    }
    assert!(found.len() > 80, "only {} inputs", found.len());
}
