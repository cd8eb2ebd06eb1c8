//! The storage is full, at every single write: a clear error, nothing lost, and all goes on once
//! there is space.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use holdfast_vault::{Cut, Disk, DiskFile, Error, ErrorKind, Fanout, LocalStore, Result};

use super::campaign::{Ledger, OnPanic, amount, first_seed, restic_check, run};
use super::*;

/// For how long the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    /// One operation finds no space.
    Once,
    /// From then on all do.
    Stays,
}

/// A disk that is full from an operation on. Nothing waits for the real disk.
#[derive(Debug, Default)]
struct SmallDisk(Arc<Space>);

#[derive(Debug, Default)]
struct Space {
    done: AtomicUsize,
    /// The operation that finds no space.
    full: Mutex<Option<(usize, Lasts)>>,
}

impl Space {
    fn set(&self, full: Option<(usize, Lasts)>) {
        self.done.store(0, Ordering::SeqCst);
        *self.full.lock().unwrap() = full;
    }

    fn take(&self) -> io::Result<()> {
        let n = self.done.fetch_add(1, Ordering::SeqCst);
        match *self.full.lock().unwrap() {
            Some((at, lasts)) if n == at || (n > at && lasts == Lasts::Stays) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

impl Disk for SmallDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.take()?;
        std::fs::create_dir(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.0.take()
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.take()?;
        let file = std::fs::File::create_new(path)?;
        Ok(Box::new(SmallFile { space: Arc::clone(&self.0), file }))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.take()?;
        std::fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.take()?;
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

struct SmallFile {
    space: Arc<Space>,
    file: std::fs::File,
}

impl Write for SmallFile {
    /// What has no space is written by half.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(err) = self.space.take() {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(err);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SmallFile {
    fn sync(&mut self) -> io::Result<()> {
        self.space.take()
    }
}

/// A vault on a disk whose space is told.
struct Place {
    _dir: tempfile::TempDir,
    space: Arc<Space>,
    vault: Vault,
}

impl Place {
    fn new() -> Self {
        let (dir, space) = (tempfile::tempdir().unwrap(), Arc::<Space>::default());
        let disk = Arc::new(SmallDisk(Arc::clone(&space)));
        let store = Arc::new(LocalStore::with_disk(dir.path().join("vault"), disk));
        let (vault, _) = Vault::create_in(store, &passphrase(), Clock::manual(time(0))).unwrap();
        Self { _dir: dir, space, vault }
    }

    /// Does something with the disk full at the first, second … operation until it gets through;
    /// gives how often it was refused. After each refusal `sound` looks on, then all goes on.
    fn fill_everywhere(
        &self,
        step: usize,
        mut act: impl FnMut(&Vault) -> Result<()>,
        mut sound: impl FnMut(&Vault),
    ) -> usize {
        let mut refused = 0;
        for lasts in [Lasts::Once, Lasts::Stays] {
            for at in (0..).step_by(step) {
                self.space.set(Some((at, lasts)));
                let acted = act(&self.vault);
                let reached = self.space.done.load(Ordering::SeqCst) > at;
                if let Err(err) = &acted {
                    assert_eq!(err.kind(), ErrorKind::Full, "operation {at}, {lasts:?}: {err}");
                    let cause = std::error::Error::source(err).map(ToString::to_string);
                    let said = [Some(err.to_string()), cause];
                    let clear = |text: &String| text.starts_with("no space left to ");
                    assert!(said.iter().flatten().any(clear), "{said:?}");
                    refused += 1;
                    // While the disk is still full; the other kind is looked at with space.
                    if lasts == Lasts::Stays {
                        sound(&self.vault);
                    }
                }
                self.space.set(None);
                if !reached {
                    acted.unwrap();
                    break;
                }
                assert!(acted.is_err(), "operation {at}, {lasts:?}: full, and nobody noticed");
                if lasts == Lasts::Once {
                    sound(&self.vault);
                }
            }
        }
        refused
    }
}

#[test]
fn a_full_disk_at_every_write_loses_nothing() {
    let rounds = amount("HOLDFAST_SOAK_ROUNDS", 1);
    let mut refused = 0;
    // Making a shard takes a second each time; `./test` takes every third write of a run.
    let (step, run_step) = if rounds > 1 { (1, 1) } else { (8, 3) };
    for seed in first_seed()..first_seed() + rounds {
        let _seed = OnPanic(format!("full: seed {seed}"));
        let place = Place::new();
        refused += place.fill_everywhere(step, |vault| vault.create_shard(SHARD), |_| ());
        assert!(place.vault.store().get("keys/1.json").unwrap().is_some(), "the key is not sealed");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let ledger = std::cell::RefCell::new(Ledger::default());
        for _ in 0..2 {
            refused += place.fill_everywhere(
                run_step,
                |vault| run(vault, &mut rng, &mut ledger.borrow_mut()),
                |vault| ledger.borrow().verify(vault).unwrap(),
            );
            ledger.borrow().verify(&place.vault).unwrap();
        }
        refused += fill_control(&place);
        assert!(restic_check(&place.vault) || Command::new("restic").output().is_err());
    }
    println!("full: {rounds} rounds, {refused} times full");
    assert!(refused > 50, "only {refused} writes");
}

/// Intent: the old state or the new one, never another.
fn fill_control(place: &Place) -> usize {
    let control = place.vault.control().unwrap();
    let n = std::cell::Cell::new(0_u64);
    let refused = place.fill_everywhere(
        1,
        |_| {
            n.set(n.get() + 1);
            let value = Some(n.get().to_string().into_bytes());
            control.save(&[("state".to_owned(), value)])
        },
        |_| {
            let state = control.load().unwrap();
            let state = state.get("state").map(|text| String::from_utf8_lossy(text).into_owned());
            let state: u64 = state.map_or(0, |text| text.parse().unwrap());
            assert!(state <= n.get(), "a state from nowhere");
        },
    );
    let state = control.load().unwrap();
    assert_eq!(state["state"], n.get().to_string().into_bytes());
    assert_eq!(control.check(true).unwrap().errors, Vec::<String>::new());
    refused
}

#[test]
fn a_vault_that_is_made_on_a_full_disk_is_none() {
    let secret = passphrase();
    for at in [0, 3, 9, 15, 25] {
        let (dir, space) = (tempfile::tempdir().unwrap(), Arc::<Space>::default());
        let disk = Arc::new(SmallDisk(Arc::clone(&space)));
        let store = Arc::new(LocalStore::with_disk(dir.path().join("vault"), disk));
        space.set(Some((at, Lasts::Stays)));
        let made = Vault::create_in(store, &secret, Clock::manual(time(0)));
        let err = made.expect_err("the disk is full");
        assert_eq!(err.kind(), ErrorKind::Full, "operation {at}: {err}");
        let err = Vault::unlock(&dir.path().join("vault"), &secret).expect_err("is no vault");
        assert!(matches!(err, Error::NotAVault { .. }), "operation {at}: {err}");
    }
}

/// A real file system of 4 MiB, where this process may mount one; else nothing is proved here.
#[test]
fn a_real_small_file_system_that_fills_up_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success())
    };
    if !mount("size=4m") {
        println!("note: no tmpfs can be mounted here: a real full disk is not proved");
        return;
    }
    let outcome = std::panic::catch_unwind(|| fill_up(dir.path(), || mount("remount,size=64m")));
    assert!(Command::new("umount").arg(dir.path()).status().unwrap().success());
    outcome.unwrap();
}

fn fill_up(dir: &Path, more_space: impl Fn() -> bool) {
    let clock = Clock::manual(time(0));
    let (vault, _) = Vault::create(&dir.join("vault"), &passphrase(), clock).unwrap();
    vault.create_shard(SHARD).unwrap();
    let (mut rng, mut ledger) = (ChaCha8Rng::seed_from_u64(1), Ledger::default());
    let mut runs = 0;
    let err = loop {
        match run(&vault, &mut rng, &mut ledger) {
            Ok(()) => runs += 1,
            Err(err) => break err,
        }
    };
    assert_eq!(err.kind(), ErrorKind::Full, "{err}");
    assert!(runs > 3, "the disk was full after {runs} runs");
    ledger.verify(&vault).unwrap();
    assert!(more_space());
    run(&vault, &mut rng, &mut ledger).unwrap();
    // One pack that is larger than all the space there was.
    let writer = vault.shard(SHARD).unwrap().writer().unwrap();
    writer.put(&random_bytes(1, 10 << 20), Cut::Whole).unwrap();
    let tree = writer.edit(None, Fanout::FLAT).save().unwrap();
    drop(writer);
    assert!(ledger.trees.len() > runs && !ledger.trees.contains_key(&tree));
    ledger.verify(&vault).unwrap();
    restic_check(&vault);
    println!("full: a real file system of 4 MiB was full after {runs} runs");
}
