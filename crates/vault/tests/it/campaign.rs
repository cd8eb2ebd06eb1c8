//! What the campaigns share: runs whose result can be told from the names alone, and the promise
//! that is asked of the vault afterwards.
//!
//! A campaign does little in `./test` and much in `cargo xtask soak`, which says how much by a
//! variable of the environment and from which seed by `HOLDFAST_SOAK_FROM`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::Command;
use std::sync::Arc;

use holdfast_vault::{
    Cut, Error, Fanout, MemoryStore, Node, Reader, Result, Snapshot, Store, TreeId, Writer,
};
use rand::Rng;
use rand::seq::IteratorRandom;

use super::*;

/// Names of the files of a tree. A name says which bytes the file holds.
pub(super) type Names = BTreeSet<String>;

/// Directories of a tree.
const DIRS: [&str; 3] = ["inbox", "sent", "inbox-2"];

/// Most bytes of an ordinary file.
const SMALL: usize = 3_000;

/// What runs have promised, and what they were about to promise.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// What the trees hold that a run has saved.
    pub(super) trees: HashMap<TreeId, Names>,
    /// `seq` and tree of the snapshots that were reported as written.
    pub(super) committed: Vec<(u64, TreeId)>,
}

/// Says where a campaign was when it failed.
pub(super) struct OnPanic(pub(super) String);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("FAILED: {}", self.0);
        }
    }
}

/// A vault with a shard, of which each copy lies in a memory of its own: making one costs a second.
pub(super) struct Template {
    store: MemoryStore,
    pub(super) secret: VaultSecret,
}

impl Template {
    pub(super) fn new() -> Self {
        let store = Arc::new(MemoryStore::new(Clock::manual(time(0))));
        let shared = Arc::<MemoryStore>::clone(&store);
        let (vault, secret) =
            Vault::create_in(shared, &passphrase(), Clock::manual(time(0))).unwrap();
        vault.create_shard(SHARD).unwrap();
        Self { store: copy(&*store), secret }
    }

    pub(super) fn vault(&self) -> Vault {
        let store = Arc::new(copy(&self.store));
        Vault::open_in(store, self.secret.clone(), Clock::manual(time(9))).unwrap()
    }
}

/// The same files in another memory.
pub(super) fn copy(from: &dyn Store) -> MemoryStore {
    let to = MemoryStore::new(Clock::manual(time(0)));
    for file in from.list("").unwrap() {
        let bytes = from.get(&file.key).unwrap().unwrap();
        to.create(&file.key, &[bytes]).unwrap();
    }
    to
}

/// How much a campaign does: the variable, or what `./test` does.
pub(super) fn amount(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The first seed.
pub(super) fn first_seed() -> u64 {
    amount("HOLDFAST_SOAK_FROM", 1)
}

/// The bytes of the file with a name of [`new_name`]: half of them compress.
pub(super) fn content(name: &str) -> Vec<u8> {
    let (seed, length) = name.split_once('-').unwrap();
    let (seed, length) = (seed.parse().unwrap(), length.parse().unwrap());
    let mut bytes = random_bytes(seed, length);
    bytes[length / 2..].fill(b'x');
    bytes
}

fn new_name(rng: &mut ChaCha8Rng) -> String {
    // Now and then one of few, so that blobs are shared; now and then one that is cut.
    let length = match rng.random_range(0..20) {
        0 => 600_000,
        1 => 0,
        _ => rng.random_range(1..SMALL),
    };
    match rng.random_bool(0.3) {
        true => format!("{}-900", rng.random_range(0..9)),
        false => format!("{}-{length}", rng.random::<u32>()),
    }
}

/// One run on top of the newest snapshot; `told` hears of a tree before its snapshot is written,
/// and of the snapshot after.
pub(super) fn run_with(
    vault: &Vault,
    rng: &mut ChaCha8Rng,
    mut told: impl FnMut(u64, TreeId, Option<&Names>),
) -> Result<()> {
    let shard = vault.shard(SHARD)?;
    let newest = shard.snapshots()?.pop();
    let writer = shard.writer()?;
    let root = newest.as_ref().map(|snapshot| snapshot.tree);
    let mut names = match root {
        Some(tree) => names_below(&writer.reader(), tree)?,
        None => Names::new(),
    };
    let tree = change(&writer, root, &mut names, rng)?;
    let seq = newest.map_or(0, |snapshot| snapshot.tags.seq.0) + 1;
    told(seq, tree, Some(&names));
    writer.snapshot(tree, &tags(seq), time(seq as i64), "h", &["/".to_owned()])?;
    told(seq, tree, None);
    Ok(())
}

/// One run, noted in the ledger.
pub(super) fn run(vault: &Vault, rng: &mut ChaCha8Rng, ledger: &mut Ledger) -> Result<()> {
    run_with(vault, rng, |seq, tree, names| ledger.note(seq, tree, names))
}

fn change(
    writer: &Writer,
    root: Option<TreeId>,
    names: &mut Names,
    rng: &mut ChaCha8Rng,
) -> Result<TreeId> {
    let mut edit = writer.edit(root, Fanout::FLAT);
    for _ in 0..rng.random_range(0..3) {
        let Some(path) = names.iter().choose(rng).cloned() else { break };
        edit.remove(&path.split('/').collect::<Vec<_>>())?;
        names.remove(&path);
    }
    for _ in 0..rng.random_range(1..5) {
        let (dir, name) = (DIRS[rng.random_range(0..DIRS.len())], new_name(rng));
        let bytes = content(&name);
        edit.put(&[dir], file(&name, writer.put(&bytes, Cut::Whole)?).with_meta("{}"))?;
        names.insert(format!("{dir}/{name}"));
    }
    edit.save()
}

fn names_below(reader: &Reader, tree: TreeId) -> Result<Names> {
    let mut names = Names::new();
    for dir in reader.list(tree)? {
        let children = reader.list(dir.tree().unwrap())?;
        names.extend(children.iter().map(|node| format!("{}/{}", dir.name, node.name)));
    }
    Ok(names)
}

impl Ledger {
    pub(super) fn note(&mut self, seq: u64, tree: TreeId, names: Option<&Names>) {
        match names {
            Some(names) => {
                self.trees.insert(tree, names.clone());
            }
            None => self.committed.push((seq, tree)),
        }
    }

    /// Every promised snapshot is there; every snapshot that is there restores exactly; the check
    /// with all data finds nothing.
    pub(super) fn verify(&self, vault: &Vault) -> Result<()> {
        self.verify_snapshots(vault)?;
        let report = vault.shard(SHARD)?.check(true)?;
        assert_eq!(report.errors, Vec::<String>::new());
        Ok(())
    }

    /// The same without the check.
    pub(super) fn verify_snapshots(&self, vault: &Vault) -> Result<()> {
        let shard = vault.shard(SHARD)?;
        let snapshots = shard.snapshots()?;
        let there: HashSet<_> = snapshots.iter().map(|s| (s.tags.seq.0, s.tree)).collect();
        for promised in &self.committed {
            assert!(there.contains(promised), "snapshot {} is gone", promised.0);
        }
        let reader = shard.reader()?;
        let mut seen = HashSet::new();
        for Snapshot { tree, .. } in snapshots {
            self.verify_tree(&reader, tree, &mut seen)?;
        }
        Ok(())
    }

    fn verify_tree(
        &self,
        reader: &Reader,
        tree: TreeId,
        seen: &mut HashSet<(String, Vec<holdfast_vault::BlobId>)>,
    ) -> Result<()> {
        let names = names_below(reader, tree)?;
        assert_eq!(Some(&names), self.trees.get(&tree), "tree {tree} holds something else");
        for dir in reader.list(tree)? {
            for node in reader.list(dir.tree().unwrap())? {
                verify_file(reader, &node, seen)?;
            }
        }
        Ok(())
    }
}

/// Files that were compared already in this vault are not read again.
fn verify_file(
    reader: &Reader,
    node: &Node,
    seen: &mut HashSet<(String, Vec<holdfast_vault::BlobId>)>,
) -> Result<()> {
    let holdfast_vault::NodeKind::File { content: blobs, .. } = &node.kind else {
        panic!("{} is a directory", node.name);
    };
    if seen.insert((node.name.clone(), blobs.clone())) {
        assert!(reader.bytes(node)? == content(&node.name), "{} has other bytes", node.name);
    }
    Ok(())
}

/// Stock `restic check --read-data`, where restic is installed and the vault lies in a folder.
/// True where it was run.
pub(super) fn restic_check(vault: &Vault) -> bool {
    let output = Command::new("restic")
        .args(["--no-cache", "--repo", &vault.shard_location(SHARD)])
        .args(["check", "--read-data", "--no-lock"])
        .env("RESTIC_PASSWORD", vault.shard_password(SHARD).expose_str().unwrap())
        .output();
    let Ok(output) = output else {
        println!("restic is not installed: what it would prove is not proved here");
        return false;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("no errors were found"), "{out}\n{err}");
    true
}

/// The error of something that must fail.
pub(super) fn error<T>(result: Result<T>) -> Error {
    result.err().expect("it fails")
}
