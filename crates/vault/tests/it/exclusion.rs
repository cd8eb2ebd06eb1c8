//! Who keeps whom away from a repository, and what happens when that no longer holds.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_vault::{
    Disk, DiskFile, Error, LocalStore, PruneOptions, Store, StoreOptions, open_for_maintenance,
    open_store,
};
use jiff::SignedDuration;

use super::faulty::{Faulty, Op};
use super::history::*;
use super::*;

const LOCKS: &str = "shards/1/locks";

fn instant() -> PruneOptions {
    PruneOptions { instant: true, max_unused_percent: 0, ..PruneOptions::default() }
}

/// Three snapshots of which the first two are forgotten, so that a prune has several packs and
/// index files to remove.
fn wasteful(origin: &Origin) -> (Vault, Shard) {
    let (vault, shard) = origin.open();
    for seq in 1..=3_u64 {
        let name = format!("{ADA}/{seq}.eml");
        write(&shard, seq, &Files::from([(name, random_bytes(seq, 20_000))]));
    }
    shard.forget(&keep_last(&vault, &shard, 1, &[])).unwrap();
    (vault, shard)
}

/// What is there but the locks.
fn files(store: &dyn Store) -> Vec<String> {
    let keys = store.list("shards/1").unwrap().into_iter().map(|file| file.key);
    keys.filter(|key| !key.starts_with(LOCKS)).collect()
}

fn is_lost<T>(outcome: &holdfast_vault::Result<T>) -> bool {
    matches!(outcome, Err(Error::LockLost { .. }))
}

#[test]
fn a_lock_that_cannot_be_read_for_now_is_no_lock_that_is_dead() {
    let origin = Origin::new();
    let (vault, shard) = wasteful(&origin);
    let writer = shard.writer().unwrap();
    let before = files(origin.store.as_ref());
    origin.store.before(Op::Get, LOCKS, |_| {
        let source = io::Error::other("503");
        Err(Error::Io { action: "read", path: LOCKS.into(), source })
    });
    let pruned = shard.prune(&keep_all(&vault, &shard), &instant());
    assert!(matches!(pruned, Err(Error::Io { .. })), "{pruned:?}");
    origin.store.undisturbed();
    assert_eq!(files(origin.store.as_ref()), before);
    assert_eq!(origin.store.list(LOCKS).unwrap().len(), 1, "the writer's");
    // What is no lock at all keeps nobody away.
    drop(writer);
    let garbage = [bytes::Bytes::from_static(b"garbage")];
    origin.store.create(&format!("{LOCKS}/{}", "0".repeat(64)), &garbage).unwrap();
    shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
}

#[test]
fn a_prune_that_lost_its_lock_removes_nothing_more() {
    // The lock gets too old while new index files are written.
    let origin = Origin::new();
    let (vault, shard) = wasteful(&origin);
    let (before, clock) = (files(origin.store.as_ref()), origin.clock.clone());
    let mut passed = false;
    origin.store.before(Op::Create, "shards/1/index", move |_| {
        if !std::mem::replace(&mut passed, true) {
            clock.advance(SignedDuration::from_mins(15));
        }
        Ok(())
    });
    // Marking changes index files and so writes some.
    let marking = PruneOptions { instant: false, ..instant() };
    assert!(is_lost(&shard.prune(&keep_all(&vault, &shard), &marking)));
    let after = files(origin.store.as_ref());
    assert!(before.iter().all(|key| after.contains(key)), "{before:?} {after:?}");
    origin.store.undisturbed();

    // Somebody removes it (`restic unlock --remove-all`) before the second pack goes.
    let origin = Origin::new();
    let (vault, shard) = wasteful(&origin);
    let packs = || origin.store.list("shards/1/data").unwrap().len();
    let (before, store) = (packs(), Arc::downgrade(&origin.store));
    origin.store.before(Op::Remove, "shards/1/data", move |_| {
        let store = store.upgrade().unwrap();
        store.list(LOCKS).unwrap().iter().try_for_each(|lock| store.remove(&lock.key))
    });
    assert!(is_lost(&shard.prune(&keep_all(&vault, &shard), &instant())));
    assert_eq!(packs(), before - 1);
    origin.store.undisturbed();
    // No index file names the rest any more.
    origin.clock.advance(SignedDuration::from_hours(24));
    shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert_eq!(packs(), 2);
}

#[test]
fn snapshots_stay_when_the_lock_is_lost() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    for seq in 1..=4_u64 {
        let name = format!("{ADA}/a ~0123456789abcdef.eml");
        write(&shard, seq, &Files::from([(name, random_bytes(seq, 500))]));
    }
    let snapshots = || origin.store.list("shards/1/snapshots").unwrap().len();
    let clock = origin.clock.clone();
    origin.store.before(Op::Remove, "shards/1/snapshots", move |_| {
        clock.advance(SignedDuration::from_mins(20));
        Ok(())
    });
    assert!(is_lost(&shard.forget(&keep_last(&vault, &shard, 1, &[]))));
    assert_eq!(snapshots(), 3, "one of three went");
    let plan = erasure(&vault, &shard, ADA, &["0123456789abcdef"]);
    assert!(is_lost(&shard.erase(&plan, &instant())));
    assert_eq!(snapshots(), 5, "three were written anew, one went");
}

/// Credentials that only write.
#[derive(Debug)]
struct Writing(Arc<Faulty>);

impl Store for Writing {
    fn location(&self) -> String {
        self.0.location()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.0.restic_repository(prefix)
    }

    fn get(&self, key: &str) -> holdfast_vault::Result<Option<bytes::Bytes>> {
        self.0.get(key)
    }

    fn get_range(
        &self,
        key: &str,
        offset: u64,
        length: usize,
    ) -> holdfast_vault::Result<Option<bytes::Bytes>> {
        self.0.get_range(key, offset, length)
    }

    fn list(&self, prefix: &str) -> holdfast_vault::Result<Vec<holdfast_vault::Stored>> {
        self.0.list(prefix)
    }

    fn list_folders(&self, prefix: &str) -> holdfast_vault::Result<Vec<String>> {
        self.0.list_folders(prefix)
    }

    fn create(
        &self,
        key: &str,
        parts: &[bytes::Bytes],
    ) -> holdfast_vault::Result<holdfast_vault::Creation> {
        self.0.create(key, parts)
    }

    fn replace(&self, key: &str, content: &bytes::Bytes) -> holdfast_vault::Result<()> {
        self.0.replace(key, content)
    }

    fn remove(&self, key: &str) -> holdfast_vault::Result<()> {
        let source = "only writes".into();
        Err(Error::Denied { action: "remove", file: key.to_owned(), source })
    }

    fn can_remove(&self) -> bool {
        false
    }
}

#[test]
fn writers_that_can_remove_nothing_look_at_the_locks_of_others() {
    let origin = Origin::new();
    let (vault, shard) = wasteful(&origin);
    let writing = Arc::new(Writing(Arc::clone(&origin.store)));
    let refused = Arc::new(AtomicUsize::new(0));
    let (count, secret, clock) =
        (Arc::clone(&refused), origin.secret.clone(), origin.clock.clone());
    origin.store.before(Op::Remove, "shards/1/data", move |_| {
        let vault = Vault::open_in(writing.clone(), secret.clone(), clock.clone())?;
        let writer = vault.shard(SHARD)?.writer().map(drop);
        count.fetch_add(matches!(writer, Err(Error::Busy { .. })).into(), Ordering::SeqCst);
        Ok(())
    });
    let report = shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
    assert_eq!(refused.load(Ordering::SeqCst) as u64, report.packs_removed);
    assert!(report.packs_removed > 1);
    let writing = Arc::new(Writing(Arc::clone(&origin.store)));
    let vault = Vault::open_in(writing, origin.secret.clone(), origin.clock.clone()).unwrap();
    drop(vault.shard(SHARD).unwrap().writer().unwrap());
    assert_eq!(origin.store.list(LOCKS).unwrap(), [], "none is placed that cannot go");
}

#[test]
fn writers_of_an_append_only_folder_keep_maintenance_away() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { append_only: true, ..StoreOptions::default() };
    let at = dir.path().into();
    let store = open_store(&at, &options, Clock::system()).unwrap();
    let (vault, secret) = Vault::create_in(store, &passphrase(), Clock::system()).unwrap();
    vault.create_shard(SHARD).unwrap();
    let shard = vault.shard(SHARD).unwrap();
    write(&shard, 1, &Files::from([("a".to_owned(), b"1".to_vec())]));
    let writer = shard.writer().unwrap();
    assert_eq!(vault.store().list(LOCKS).unwrap().len(), 1);
    // As from another machine, which the lock of the operating system does not reach.
    fs::remove_file(dir.path().join("shards/1/tmp/writer.lock")).unwrap();
    let store = open_for_maintenance(&at, &options, Clock::system()).unwrap();
    let alone = Vault::open_in(store, secret, Clock::system()).unwrap();
    let other = dir.path().join("shards/1/tmp/writer.lock");
    // Not alone there either, so that the writer's lock is not taken for a dead one's.
    let third = File::create(&other).unwrap();
    third.lock_shared().unwrap();
    let maintained = alone.shard(SHARD).unwrap();
    let pruned = maintained.prune(&keep_all(&alone, &maintained), &instant());
    assert!(matches!(pruned, Err(Error::Busy { .. })), "{pruned:?}");
    drop(third);
    drop(writer);
    assert_eq!(vault.store().list(LOCKS).unwrap(), []);
    maintained.prune(&keep_all(&alone, &maintained), &instant()).unwrap();
}

/// A file system on which, whenever a restic lock is removed, somebody else tries to begin.
#[derive(Debug, Default)]
struct Pushing {
    swept: AtomicUsize,
    others_begun: AtomicUsize,
}

impl Disk for Pushing {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create_new(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (dir, repository) = (path.parent().unwrap(), path.ancestors().nth(2).unwrap());
        if dir.ends_with("locks") {
            let other = File::create(repository.join("tmp/writer.lock"))?;
            let has_begun = other.try_lock_shared().is_ok();
            self.swept.fetch_add(1, Ordering::SeqCst);
            self.others_begun.fetch_add(has_begun.into(), Ordering::SeqCst);
        }
        fs::remove_file(path)
    }
}

#[test]
fn only_one_at_a_time_sweeps_what_the_dead_left() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Pushing::default());
    let store = LocalStore::with_disk(dir.path(), disk.clone());
    let (vault, _) = Vault::create_in(Arc::new(store), &passphrase(), Clock::system()).unwrap();
    vault.create_shard(SHARD).unwrap();
    let shard = vault.shard(SHARD).unwrap();
    std::mem::forget(shard.writer().unwrap());
    fs::remove_file(dir.path().join("shards/1/tmp/writer.lock")).unwrap();
    let count = || [&disk.swept, &disk.others_begun].map(|n| n.load(Ordering::SeqCst));
    assert_eq!(count(), [0, 0]);
    let writer = shard.writer().unwrap();
    // Else the other, alone for a moment too, would sweep what this one places next.
    assert_eq!(count(), [1, 0], "somebody began while the lock of the dead was swept");
    // Others may begin now, but none of them is alone.
    let second = shard.writer().unwrap();
    assert_eq!(vault.store().list(LOCKS).unwrap().len(), 2);
    drop((writer, second));
    assert_eq!(count(), [3, 2]);
}
