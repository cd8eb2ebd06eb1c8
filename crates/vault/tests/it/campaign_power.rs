//! The power is cut: whatever of the operations that were not yet durable survives, in whatever
//! order, everything promised is there.
//!
//! The model is that of ALICE (Pillai and others, OSDI 2014) with no favours of a particular file
//! system: the content of a file is durable after its fsync only, and an entry of a folder (a file
//! made, linked, renamed, removed; a folder made) after the fsync of that folder only. Of what is
//! pending any subset may have happened.

mod model;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_vault::{Disk, ErrorKind, LocalStore, MemoryStore, Store};
use rand::Rng;

use self::model::{Log, LoggingDisk, Past, Unsynced, is_temporary};
use super::campaign::{Ledger, OnPanic, amount, error, first_seed, restic_check, run};
use super::*;

/// So many pending operations are tried in every subset; of more, the last so many are, with all
/// and with none of those before, and further subsets by seed.
const WINDOW: usize = 3;
const SEEDED_SUBSETS: usize = 6;

/// Of so many states one is written to a folder and shown to stock restic.
const STATES_PER_RESTIC: usize = 25;

/// The subsets of the pending changes that are tried.
fn subsets(pending: &[usize], rng: &mut ChaCha8Rng) -> Vec<HashSet<usize>> {
    let (older, last) = pending.split_at(pending.len().saturating_sub(WINDOW));
    let mut found = Vec::new();
    for bits in 0..1_u32 << last.len() {
        let chosen = last.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
        let chosen: HashSet<usize> = chosen.map(|(_, change)| *change).collect();
        found.push(chosen.iter().chain(older).copied().collect());
        found.push(chosen);
    }
    if !older.is_empty() {
        for _ in 0..SEEDED_SUBSETS {
            found.push(pending.iter().filter(|_| rng.random_bool(0.5)).copied().collect());
        }
    }
    found
}

/// What was promised, at how many operations.
#[derive(Clone, Default)]
struct Promise {
    vault: bool,
    shard: bool,
    control: usize,
    passphrase: bool,
    committed: usize,
}

/// A history of operations and promises.
struct History {
    dir: tempfile::TempDir,
    disk: Arc<LoggingDisk>,
    secret: VaultSecret,
    ledger: Ledger,
    /// States of the control repository, in order.
    control: Vec<u64>,
    /// Every content that `vault.json` ever got, the last one under the new passphrase.
    vault_files: Vec<Vec<u8>>,
    promises: Vec<(usize, Promise)>,
    rng: ChaCha8Rng,
}

impl History {
    /// A vault is made, its shard, so many snapshots with states of intent between them, a new
    /// passphrase.
    fn record(seed: u64, runs: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(LoggingDisk::default());
        let root = dir.path().join("vault");
        let store = Arc::new(LocalStore::with_disk(&root, Arc::clone(&disk) as Arc<dyn Disk>));
        let clock = Clock::manual(time(0));
        let (vault, secret) = Vault::create_in(store, &passphrase(), clock).unwrap();
        let mut history = Self {
            dir,
            disk,
            secret,
            ledger: Ledger::default(),
            control: Vec::new(),
            vault_files: Vec::new(),
            promises: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        history.keep_vault_file();
        history.promise(|promise| promise.vault = true);
        vault.create_shard(SHARD).unwrap();
        history.promise(|promise| promise.shard = true);
        for n in 0..runs {
            if n > 0 {
                history.save_control(&vault, n);
            }
            history.run(&vault);
        }
        vault.set_passphrase(&Secret::new("another one")).unwrap();
        history.keep_vault_file();
        history.promise(|promise| promise.passphrase = true);
        history
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("vault")
    }

    /// The vault as another process finds it.
    fn open(&self) -> Vault {
        let disk = Arc::clone(&self.disk) as Arc<dyn Disk>;
        let store = Arc::new(LocalStore::with_disk(self.root(), disk));
        Vault::open_in(store, self.secret.clone(), Clock::manual(time(60))).unwrap()
    }

    fn ops(&self) -> usize {
        self.disk.0.lock().unwrap().ops.len()
    }

    fn promise(&mut self, change: impl FnOnce(&mut Promise)) {
        let mut promise = self.promises.last().map(|(_, last)| last.clone()).unwrap_or_default();
        change(&mut promise);
        self.promises.push((self.ops(), promise));
    }

    fn keep_vault_file(&mut self) {
        self.vault_files.push(std::fs::read(self.root().join("vault.json")).unwrap());
    }

    fn save_control(&mut self, vault: &Vault, n: u64) {
        self.control.push(n);
        let changes = [("state".to_owned(), Some(n.to_string().into_bytes()))];
        vault.control().unwrap().save(&changes).unwrap();
        let saved = self.control.len();
        self.promise(|promise| promise.control = saved);
    }

    fn run(&mut self, vault: &Vault) {
        run(vault, &mut self.rng, &mut self.ledger).unwrap();
        let committed = self.ledger.committed.len();
        self.promise(|promise| promise.committed = committed);
    }

    /// What had been promised when so many operations were done.
    fn promised(&self, ops: usize) -> Promise {
        let known = self.promises.iter().rev().find(|(at, _)| *at <= ops);
        known.map(|(_, promise)| promise.clone()).unwrap_or_default()
    }

    /// Cuts the power after each operation from `first` on, in every way; gives the states.
    fn cut_everywhere(&mut self, first: usize) -> Figures {
        let ops = self.disk.0.lock().unwrap().ops.clone();
        let (mut figures, mut known) = (Figures::default(), HashSet::new());
        for at in first..=ops.len() {
            let past = Past::of(&ops[..at]);
            let pending = past.pending();
            figures.most_pending = figures.most_pending.max(pending.len());
            let promise = self.promised(at);
            let _at = OnPanic(format!("power: cut after {at} operations: {:?}", ops[..at].last()));
            for subset in subsets(&pending, &mut self.rng) {
                figures.cuts += 1;
                let files = past.survivors(&self.root(), &subset);
                let torn = files.iter().any(|(p, f)| !past.is_synced(*f) && !is_temporary(p));
                let variants = [Unsynced::Whole, Unsynced::Empty, Unsynced::Half, Unsynced::Zeros];
                for unsynced in &variants[..if torn { 4 } else { 1 }] {
                    let visible = files.iter().filter(|(path, _)| !is_temporary(path));
                    let visible: Vec<_> = visible.map(|(p, f)| (p.clone(), *f)).collect();
                    if known.insert((visible, *unsynced, at_promise(&promise))) {
                        figures.states += 1;
                        let state = State { past: &past, files: &files, unsynced: *unsynced };
                        let on_disk = figures.states % STATES_PER_RESTIC == 0;
                        figures.restic += usize::from(self.verify(&state, &promise, on_disk));
                    }
                }
            }
        }
        figures
    }

    /// Asks the promises of a state. True where restic was asked too.
    fn verify(&self, state: &State<'_>, promise: &Promise, on_disk: bool) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("vault");
        let store: Arc<dyn Store> = match on_disk {
            true => Arc::new(state.folder(&self.root(), &root)),
            false => Arc::new(state.memory(&self.root())),
        };
        let file = store.get("vault.json").unwrap();
        let Some(file) = file else {
            assert!(!promise.vault, "vault.json is gone");
            let opened = Vault::open_in(store, self.secret.clone(), Clock::manual(time(90)));
            assert_eq!(error(opened).kind(), ErrorKind::NotFound);
            return false;
        };
        let newest = self.vault_files.last().map(Vec::as_slice);
        assert!(self.vault_files.iter().any(|known| *known == file), "vault.json is torn");
        assert!(!promise.passphrase || newest == Some(&file), "the old passphrase is back");
        let clock = Clock::manual(time(90));
        let vault = Vault::open_in(store, self.secret.clone(), clock).unwrap();
        self.verify_control(&vault, promise);
        let shards = vault.shard_ids().unwrap();
        assert!(!promise.shard || shards == [SHARD], "the shard is gone");
        vault.create_shard(SHARD).unwrap();
        let mut ledger = self.ledger.clone();
        ledger.committed.truncate(promise.committed);
        ledger.verify(&vault).unwrap();
        run(&vault, &mut self.rng.clone(), &mut ledger).unwrap();
        ledger.verify(&vault).unwrap();
        on_disk && restic_check(&vault)
    }

    fn verify_control(&self, vault: &Vault, promise: &Promise) {
        let control = vault.control().unwrap();
        let state = control.load().unwrap();
        let state = state.get("state").map(|text| String::from_utf8_lossy(text).into_owned());
        let may_be = |n: usize| n.checked_sub(1).map(|n| self.control[n].to_string());
        let allowed: Vec<_> = (promise.control..=self.control.len()).map(may_be).collect();
        assert!(allowed.contains(&state), "intent is {state:?}, not one of {allowed:?}");
        control.save(&[("next".to_owned(), Some(b"run".to_vec()))]).unwrap();
        assert_eq!(control.check(true).unwrap().errors, Vec::<String>::new());
    }
}

fn at_promise(promise: &Promise) -> (bool, bool, usize, bool, usize) {
    let Promise { vault, shard, control, passphrase, committed } = promise.clone();
    (vault, shard, control, passphrase, committed)
}

/// What is found after a cut.
struct State<'p> {
    past: &'p Past,
    files: &'p BTreeMap<PathBuf, usize>,
    unsynced: Unsynced,
}

impl State<'_> {
    fn memory(&self, root: &Path) -> MemoryStore {
        let store = MemoryStore::new(Clock::manual(time(50)));
        for (path, file) in self.files.iter().filter(|(path, _)| !is_temporary(path)) {
            let key = path.strip_prefix(root).unwrap().to_str().unwrap();
            let content = self.past.content(*file, self.unsynced);
            store.create(key, &[content.into()]).unwrap();
        }
        store
    }

    fn folder(&self, root: &Path, to: &Path) -> LocalStore {
        for (path, file) in self.files {
            let path = to.join(path.strip_prefix(root).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.past.content(*file, self.unsynced)).unwrap();
        }
        LocalStore::new(to)
    }
}

/// What a campaign came to.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    cuts: usize,
    states: usize,
    restic: usize,
    most_pending: usize,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.states += other.states;
        self.restic += other.restic;
        self.most_pending = self.most_pending.max(other.most_pending);
    }
}

#[test]
fn the_power_is_cut_after_every_operation() {
    let mut figures = Figures::default();
    let histories = amount("HOLDFAST_SOAK_HISTORIES", 1);
    for seed in first_seed()..first_seed() + histories {
        let _seed = OnPanic(format!("power: seed {seed}"));
        let mut history = History::record(seed, 3);
        let (ops, found) = (history.ops(), history.cut_everywhere(0));
        println!("power: seed {seed}: {ops} operations, {found:?}");
        assert!(ops > 100 && found.states > 50, "the history is too short");
        figures += found;
    }
    println!("power: {histories} histories: {figures:?}");
}

#[test]
fn what_a_killed_run_left_is_durable_before_the_next_builds_on_it() {
    let mut figures = Figures::default();
    // In the first run of a shard folders are made, in a later one they are there.
    for runs in [0, 2] {
        figures += kill_run_cut(runs);
    }
    println!("power: killed, run again, cut: {figures:?}");
    assert!(figures.states > 5, "{figures:?}");
}

fn kill_run_cut(runs: u64) -> Figures {
    let mut figures = Figures::default();
    let seed = first_seed();
    let stride = if amount("HOLDFAST_SOAK_HISTORIES", 1) > 1 { 1 } else { 3 };
    let mut history = History::record(seed, runs);
    let (ops, ledger) = (history.disk.0.lock().unwrap().ops.clone(), history.ledger.clone());
    let kept = tempfile::tempdir().unwrap();
    copy_folder(&history.root(), kept.path());
    for lived in (0..).step_by(stride) {
        let _seed = OnPanic(format!("power: seed {seed}, killed after {lived} operations"));
        std::fs::remove_dir_all(history.root()).unwrap();
        copy_folder(kept.path(), &history.root());
        history.ledger = ledger.clone();
        history.promises.retain(|(at, _)| *at <= ops.len());
        let (mut rng, before) = (ChaCha8Rng::seed_from_u64(seed + lived as u64), ops.len());
        *history.disk.0.lock().unwrap() =
            Log { ops: ops.clone(), files: usize::MAX / 2, dies_after: Some(before + lived) };
        let died = run(&history.open(), &mut rng.clone(), &mut history.ledger).is_err();
        history.disk.0.lock().unwrap().dies_after = None;
        // The same changes again, so that as much as can be is found to be there already.
        run(&history.open(), &mut rng, &mut history.ledger).unwrap();
        let committed = history.ledger.committed.len();
        history.promise(|promise| promise.committed = committed);
        figures += history.cut_everywhere(history.ops());
        if !died {
            break;
        }
    }
    figures
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}
