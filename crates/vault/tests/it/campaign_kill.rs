//! `kill -9` at any operation on the disk: what was reported as committed is there, and the next
//! process goes on.
//!
//! The test starts itself again as a child that writes one snapshot after the other. The child
//! stops in the middle of an operation of its choice and says so; then it is killed. It reports
//! through a pipe what each tree holds before its snapshot is written, and the snapshot after.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_vault::{Disk, DiskFile, LocalStore, TreeId};
use rand::Rng;

use super::campaign::{Ledger, Names, OnPanic, amount, first_seed, restic_check, run, run_with};
use super::*;

/// Where the child finds its vault, seed, and the operation at which it stops.
const FOLDER: &str = "HOLDFAST_KILL_FOLDER";
const SECRET: &str = "HOLDFAST_KILL_SECRET";
const SEED: &str = "HOLDFAST_KILL_SEED";
const STOP: &str = "HOLDFAST_KILL_STOP";

/// Runs of a child that is not stopped.
const RUNS: u64 = 3;
/// Operations of these, about; the first child of a vault makes the shard as well.
const OPERATIONS: u64 = 150;
/// Kills after which another vault is taken, and after which restic is asked.
const KILLS_PER_VAULT: u64 = 40;
const KILLS_PER_RESTIC: u64 = 20;

/// Stops for ever in one operation.
#[derive(Debug)]
struct StoppingDisk(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    done: AtomicU64,
    at: u64,
}

impl Stop {
    /// Counts an operation.
    fn pass(&self) {
        if self.done.fetch_add(1, Ordering::SeqCst) == self.at {
            println!("stop");
            io::stdout().flush().unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}

impl Disk for StoppingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.pass();
        std::fs::create_dir(path)
    }

    // What a killed process wrote is there whether it was flushed or not.
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.0.pass();
        Ok(())
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.pass();
        let file = std::fs::File::create_new(path)?;
        Ok(Box::new(StoppingFile { stop: Arc::clone(&self.0), file }))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.pass();
        std::fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.pass();
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.pass();
        std::fs::remove_file(path)
    }
}

struct StoppingFile {
    stop: Arc<Stop>,
    file: std::fs::File,
}

impl Write for StoppingFile {
    /// Half is written when the process stops.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.len() / 2;
        self.file.write_all(&bytes[..half])?;
        self.stop.pass();
        self.file.write_all(&bytes[half..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for StoppingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.stop.pass();
        Ok(())
    }
}

/// The child. Called without its variables it has nothing to do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let secret = hex::decode(std::env::var(SECRET).unwrap()).unwrap();
    let secret = VaultSecret::from_bytes(secret.try_into().unwrap());
    let stop = Stop { done: AtomicU64::new(0), at: amount(STOP, u64::MAX) };
    let disk = Arc::new(StoppingDisk(Arc::new(stop)));
    let store = Arc::new(LocalStore::with_disk(folder, disk));
    let vault = Vault::open_in(store, secret, Clock::system()).unwrap();
    vault.create_shard(SHARD).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(amount(SEED, 0));
    for _ in 0..RUNS {
        run_with(&vault, &mut rng, |seq, tree, names| {
            match names {
                Some(names) => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    println!("\ntree {seq} {tree} {}", names.join(","));
                }
                None => println!("\ncommitted {seq} {tree}"),
            }
            io::stdout().flush().unwrap();
        })
        .unwrap();
    }
}

/// A vault that children write to.
struct Place {
    dir: tempfile::TempDir,
    vault: Vault,
    secret: VaultSecret,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault");
        let (vault, secret) = Vault::create(&path, &passphrase(), Clock::system()).unwrap();
        Self { dir, vault, secret, ledger: Ledger::default() }
    }

    fn child(&self, seed: u64, stop: u64) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "campaign_kill::child", "--nocapture"])
            .env(FOLDER, self.dir.path().join("vault"))
            .env(SECRET, hex::encode(self.secret.expose()))
            .env(SEED, seed.to_string())
            .env(STOP, stop.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    /// Lets a child work until it stops, and kills it. False where it came to its end.
    fn kill(&mut self, seed: u64, stop: u64) -> bool {
        let mut child = self.child(seed, stop);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.split_once(' ') {
                Some(("tree", rest)) => self.note(rest, true),
                Some(("committed", rest)) => self.note(rest, false),
                _ if line == "stop" => child.kill().unwrap(),
                _ => {}
            }
        }
        let status = child.wait().unwrap();
        assert!(status.success() || status.signal() == Some(9), "the child failed: {status}");
        status.signal() == Some(9)
    }

    /// `SEQ TREE [NAMES]`.
    fn note(&mut self, line: &str, with_names: bool) {
        let mut words = line.splitn(3, ' ');
        let seq = words.next().unwrap().parse().unwrap();
        let tree: TreeId = words.next().unwrap().parse().unwrap();
        let names = words.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let names: Names = names.map(str::to_owned).collect();
        self.ledger.note(seq, tree, with_names.then_some(&names));
    }

    /// Looks after a kill.
    fn verify(&self) {
        match self.vault.shard_ids().unwrap().is_empty() {
            true => assert!(self.ledger.committed.is_empty()),
            false => self.ledger.verify(&self.vault).unwrap(),
        }
    }
}

#[test]
fn killed_at_any_operation_nothing_committed_is_lost() {
    let kills = amount("HOLDFAST_SOAK_KILLS", 50);
    let (from, mut restic, mut committed, mut ended) = (first_seed(), 0, 0, 0);
    let mut place = Place::new();
    let mut killed = 0;
    for seed in from.. {
        let _seed = OnPanic(format!("kill: seed {seed}, after {killed} kills from seed {from}"));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stop = rng.random_range(0..OPERATIONS);
        let before = place.ledger.committed.len();
        let was_killed = place.kill(seed, stop);
        place.verify();
        committed += place.ledger.committed.len() - before;
        if !was_killed {
            ended += 1;
            continue;
        }
        killed += 1;
        if killed % KILLS_PER_RESTIC == 0 || killed == kills {
            if !place.vault.shard_ids().unwrap().is_empty() {
                restic += usize::from(restic_check(&place.vault));
            }
            println!("kill: seed {seed}: {killed} kills, {committed} snapshots committed");
        }
        if killed == kills {
            break;
        }
        if killed % KILLS_PER_VAULT == 0 {
            run(&place.vault, &mut rng, &mut place.ledger).unwrap();
            place.verify();
            place = Place::new();
        }
    }
    println!(
        "kill: seeds from {from}: {killed} kills, {ended} children came to their end, {committed} \
         snapshots committed, {restic} checks by restic"
    );
    assert!(committed as u64 > kills / 4, "too little was committed to prove anything");
}
