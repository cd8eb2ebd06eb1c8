//! A storage that fails, lies, is late or does things twice.
//!
//! What is promised: an error of the storage costs a run, nothing else. A storage that says it has
//! stored what it has not cannot be seen through by a writer, but the check names what is missing,
//! no wrong byte is ever given out, and earlier snapshots stay whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use holdfast_vault::{
    Creation, Error, ErrorKind, MemoryStore, NodeKind, Result, Store, Stored, TreeId,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::campaign::{Ledger, OnPanic, amount, content, first_seed, run};
use super::*;

/// What goes wrong at one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// An error, and nothing was done.
    Before,
    /// It was done, and the answer was an error.
    After,
    /// Success, and nothing was done.
    LiesAbsent,
    /// Success, and half of the file is there.
    LiesCut,
    /// What was written by the operation, and by some before and after it, is not listed for a
    /// while.
    LateList,
    /// The request arrives a second time, some operations later.
    Twice,
}

const HONEST: [Fault; 4] = [Fault::Before, Fault::After, Fault::LateList, Fault::Twice];
const LIES: [Fault; 2] = [Fault::LiesAbsent, Fault::LiesCut];

/// So many operations later a second copy of a request arrives; so many long a list is late.
const LATER: usize = 5;

/// A store in memory with one fault.
#[derive(Debug)]
struct FaultyStore {
    inner: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: usize,
    fault: Option<(usize, Fault)>,
    /// Requests that arrive again, and when.
    again: Vec<(usize, Again)>,
    /// Operation that made a file.
    made: BTreeMap<String, usize>,
    /// The file that a lie is about.
    lied: Option<String>,
}

#[derive(Clone, Debug)]
enum Again {
    Create(String, Bytes),
    Replace(String, Bytes),
    Remove(String),
}

impl FaultyStore {
    fn new() -> Self {
        Self { inner: MemoryStore::new(Clock::manual(time(0))), state: Mutex::default() }
    }

    fn arm(&self, fault: Option<(usize, Fault)>) {
        let mut state = self.state.lock().unwrap();
        *state = State { fault, ..State::default() };
    }

    fn done(&self) -> usize {
        self.state.lock().unwrap().done
    }

    /// Counts an operation; gives the fault that it has.
    fn enter(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let n = state.done;
        state.done += 1;
        let (due, later) =
            std::mem::take(&mut state.again).into_iter().partition(|(at, _)| *at <= n);
        state.again = later;
        let due: Vec<(usize, Again)> = due;
        for (_, request) in due {
            match request {
                Again::Create(key, bytes) => drop(self.inner.create(&key, &[bytes]).unwrap()),
                Again::Replace(key, bytes) => self.inner.replace(&key, &bytes).unwrap(),
                Again::Remove(key) => self.inner.remove(&key).unwrap(),
            }
        }
        state.fault.filter(|(at, _)| *at == n).map(|(_, fault)| fault)
    }

    fn change<T>(
        &self,
        key: &str,
        again: Again,
        lie: T,
        act: impl Fn(Option<Fault>) -> Result<T>,
    ) -> Result<T> {
        let fault = self.enter();
        {
            let mut state = self.state.lock().unwrap();
            let now = state.done;
            state.made.insert(key.to_owned(), now);
            match fault {
                Some(Fault::Twice) => state.again.push((now + LATER, again)),
                Some(Fault::LiesAbsent | Fault::LiesCut) => state.lied = Some(key.to_owned()),
                _ => {}
            }
        }
        match fault {
            Some(Fault::Before) => Err(failed(key)),
            Some(Fault::After) => act(None).and(Err(failed(key))),
            Some(Fault::LiesAbsent) => Ok(lie),
            fault => act(fault),
        }
    }

    fn read<T>(&self, key: &str, act: impl Fn() -> Result<T>) -> Result<T> {
        match self.enter() {
            Some(Fault::Before | Fault::After) => Err(failed(key)),
            _ => act(),
        }
    }

    /// True while a file is too young to be listed.
    fn is_late(&self, key: &str) -> bool {
        let state = self.state.lock().unwrap();
        let Some((at, Fault::LateList)) = state.fault else { return false };
        let young = |made: &usize| at.abs_diff(*made) <= LATER && state.done <= at + 4 * LATER;
        state.made.get(key).is_some_and(young)
    }
}

fn failed(key: &str) -> Error {
    let source = std::io::Error::other("the storage failed");
    Error::Io { action: "reach", path: key.into(), source }
}

impl Store for FaultyStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.inner.restic_repository(prefix)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.read(key, || self.inner.get(key))
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        self.read(key, || self.inner.get_range(key, offset, length))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        let mut files = self.read(prefix, || self.inner.list(prefix))?;
        files.retain(|file| !self.is_late(&file.key));
        Ok(files)
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.read(prefix, || self.inner.list_folders(prefix))
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        let whole = Bytes::from(parts.concat());
        let again = Again::Create(key.to_owned(), whole.clone());
        self.change(key, again, Creation::Made, |fault| match fault {
            Some(Fault::LiesCut) => self.inner.create(key, &[whole.slice(..whole.len() / 2)]),
            _ => self.inner.create(key, std::slice::from_ref(&whole)),
        })
    }

    fn replace(&self, key: &str, bytes: &Bytes) -> Result<()> {
        let again = Again::Replace(key.to_owned(), bytes.clone());
        self.change(key, again, (), |fault| match fault {
            Some(Fault::LiesCut) => self.inner.replace(key, &bytes.slice(..bytes.len() / 2)),
            _ => self.inner.replace(key, bytes),
        })
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.change(key, Again::Remove(key.to_owned()), (), |_| self.inner.remove(key))
    }
}

/// A vault in a faulty store with two sound snapshots and a state of intent.
struct Place {
    store: Arc<FaultyStore>,
    vault: Vault,
    ledger: Ledger,
    rng: ChaCha8Rng,
}

/// What making a vault costs is spent once: every place is a copy.
struct Template {
    store: Arc<FaultyStore>,
    secret: VaultSecret,
    ledger: Ledger,
}

impl Template {
    fn new() -> Self {
        let store = Arc::new(FaultyStore::new());
        let shared = Arc::<FaultyStore>::clone(&store);
        let (vault, secret) =
            Vault::create_in(shared, &passphrase(), Clock::manual(time(0))).unwrap();
        vault.create_shard(SHARD).unwrap();
        let (mut rng, mut ledger) = (ChaCha8Rng::seed_from_u64(0), Ledger::default());
        for n in 0..2_u8 {
            run(&vault, &mut rng, &mut ledger).unwrap();
            vault.control().unwrap().save(&[("state".to_owned(), Some(vec![n]))]).unwrap();
        }
        Self { store, secret, ledger }
    }

    fn place(&self, seed: u64) -> Place {
        let store = Arc::new(FaultyStore::new());
        for file in self.store.inner.list("").unwrap() {
            let bytes = self.store.inner.get(&file.key).unwrap().unwrap();
            store.inner.create(&file.key, &[bytes]).unwrap();
        }
        let shared = Arc::<FaultyStore>::clone(&store);
        let vault = Vault::open_in(shared, self.secret.clone(), Clock::manual(time(60))).unwrap();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Place { store, vault, ledger: self.ledger.clone(), rng }
    }

    /// Number of operations of a run.
    fn operations(&self, seed: u64) -> usize {
        let mut place = self.place(seed);
        place.store.arm(None);
        place.work().unwrap();
        place.store.done()
    }
}

impl Place {
    /// Two runs with a save of intent between them.
    fn work(&mut self) -> Result<()> {
        run(&self.vault, &mut self.rng, &mut self.ledger)?;
        self.vault.control()?.save(&[("state".to_owned(), Some(vec![2]))])?;
        run(&self.vault, &mut self.rng, &mut self.ledger)
    }
}

/// What a campaign came to.
#[derive(Debug, Default)]
struct Figures {
    faults: BTreeMap<Fault, u64>,
    failed_runs: u64,
    lies_found: u64,
    lies_of_nothing: u64,
    files_damaged: u64,
    files_read: u64,
}

#[test]
fn a_storage_that_fails_costs_a_run_and_nothing_else() {
    let (cases, from) = (amount("HOLDFAST_SOAK_FAULTS", 150), first_seed());
    let (template, mut figures) = (Template::new(), Figures::default());
    for seed in from..from + cases {
        let _seed = OnPanic(format!("faults: seed {seed}"));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let fault = *HONEST.choose(&mut rng).unwrap();
        let at = rng.random_range(0..template.operations(seed));
        let mut place = template.place(seed);
        place.store.arm(Some((at, fault)));
        let worked = place.work();
        if let Err(err) = &worked {
            let late = fault == Fault::LateList && err.kind() == ErrorKind::Damaged;
            assert!(err.kind() == ErrorKind::Io || late, "seed {seed}: {fault:?} at {at}: {err}");
            figures.failed_runs += 1;
        }
        place.store.arm(None);
        println!("faults: seed {seed}: {fault:?} at {at}: {:?}", worked.err());
        place.ledger.verify(&place.vault).unwrap();
        let control = place.vault.control().unwrap();
        let state = control.load().unwrap();
        assert!(matches!(state["state"].as_slice(), [1 | 2]), "seed {seed}: intent is lost");
        assert_eq!(control.check(true).unwrap().errors, Vec::<String>::new(), "seed {seed}");
        place.work().unwrap();
        place.ledger.verify(&place.vault).unwrap();
        *figures.faults.entry(fault).or_default() += 1;
    }
    println!("faults: {cases} from seed {from}: {figures:?}");
}

#[test]
fn a_storage_that_lies_is_found_out_and_gives_no_wrong_byte() {
    let (cases, from) = (amount("HOLDFAST_SOAK_FAULTS", 100), first_seed());
    let (template, mut figures) = (Template::new(), Figures::default());
    for seed in from..from + cases {
        let _seed = OnPanic(format!("faults: seed {seed}"));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let fault = *LIES.choose(&mut rng).unwrap();
        let at = rng.random_range(0..template.operations(seed));
        let mut place = template.place(seed);
        place.store.arm(Some((at, fault)));
        // The work may trip over the lie itself.
        let worked = place.work();
        if let Err(err) = &worked {
            assert_eq!(err.kind(), ErrorKind::Damaged, "seed {seed}: {fault:?} at {at}: {err}");
        }
        let lied = place.store.state.lock().unwrap().lied.take();
        place.store.arm(None);
        let Some(lied) = lied else { continue };
        println!("faults: seed {seed}: {fault:?} at {at}: {lied}: {:?}", worked.err());
        *figures.faults.entry(fault).or_default() += 1;
        expect_found(&place, fault, &lied, &mut figures);
        read_everything(&place, &mut figures);
        // What was there before the lie is whole.
        let mut before = template.ledger.clone();
        before.trees = place.ledger.trees.clone();
        let reader = place.vault.shard(SHARD).unwrap().reader();
        if let Ok(reader) = reader {
            for (_, tree) in &template.ledger.committed {
                let (wrong, _) = read_tree(&reader, *tree);
                assert_eq!(wrong, 0, "seed {seed}: an earlier snapshot is damaged");
            }
        }
    }
    println!("faults: {cases} lies from seed {from}: {figures:?}");
    assert!(figures.lies_found > cases / 10, "{figures:?}");
}

/// The check names what is missing, unless nobody needs it: locks, and a snapshot or a state of
/// intent that is not there at all.
fn expect_found(place: &Place, fault: Fault, key: &str, figures: &mut Figures) {
    let reports = [
        place.vault.shard(SHARD).and_then(|shard| shard.check(true)),
        place.vault.control().and_then(|control| control.check(true)),
    ];
    let found = reports.iter().any(|report| match report {
        Ok(report) => !report.errors.is_empty(),
        Err(err) => err.kind() == ErrorKind::Damaged,
    });
    let gone = fault == Fault::LiesAbsent;
    let needless = key.contains("/locks/")
        || (gone && (key.contains("/snapshots/") || key.contains("/heads/")))
        || place.store.inner.get(key).unwrap().is_none()
            && !key.contains("/data/")
            && !key.contains("/index/");
    match found {
        true => figures.lies_found += 1,
        false if needless => figures.lies_of_nothing += 1,
        false => panic!("{fault:?} about {key} is not found"),
    }
}

/// Every file of every snapshot that can be listed: right, or damaged.
fn read_everything(place: &Place, figures: &mut Figures) {
    let shard = place.vault.shard(SHARD).unwrap();
    let (Ok(snapshots), Ok(reader)) = (shard.snapshots(), shard.reader()) else { return };
    for snapshot in snapshots {
        let (damaged, read) = read_tree(&reader, snapshot.tree);
        figures.files_damaged += damaged;
        figures.files_read += read;
    }
}

/// Directories and files that cannot be read, and files that can.
pub(super) fn read_tree(reader: &holdfast_vault::Reader, tree: TreeId) -> (u64, u64) {
    let (mut damaged, mut read) = (0, 0);
    let mut directories = vec![tree];
    while let Some(tree) = directories.pop() {
        let nodes = match reader.list(tree) {
            Ok(nodes) => nodes,
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                damaged += 1;
                continue;
            }
        };
        for node in nodes {
            match (&node.kind, reader.bytes(&node)) {
                (NodeKind::Dir { tree }, _) => directories.extend(*tree),
                (NodeKind::File { .. }, Ok(bytes)) => {
                    assert!(bytes == content(&node.name), "wrong bytes");
                    read += 1;
                }
                (NodeKind::File { .. }, Err(err)) => {
                    assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                    damaged += 1;
                }
            }
        }
    }
    (damaged, read)
}
