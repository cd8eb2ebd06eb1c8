//! A store in memory that dies at a chosen operation, counts, and knows locks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use holdfast_model::{Clock, Timestamp};
use holdfast_vault::{
    Creation, Error, FileVersion, LockMode, LockPolicy, Locks, MemoryStore, Result, Store, Stored,
};
use jiff::SignedDuration;

/// When the store dies, relative to the effect of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Before,
    After,
}

#[derive(Debug)]
pub struct Faulty {
    inner: MemoryStore,
    /// Changes that still succeed.
    left: AtomicI64,
    death: Death,
    pub changes: AtomicUsize,
    pub reads: AtomicUsize,
    locks: Option<Held>,
}

/// Files that cannot be removed before their time, by a prefix of the key.
#[derive(Debug)]
struct Held {
    until: Mutex<BTreeMap<String, Timestamp>>,
    clock: Clock,
}

impl Faulty {
    pub fn new(clock: &Clock) -> Self {
        Self::dying(clock, i64::MAX, Death::Before)
    }

    /// Dies at the change number `left` (from 0): that one and all later ones fail.
    pub fn dying(clock: &Clock, left: i64, death: Death) -> Self {
        Self {
            inner: MemoryStore::new(clock.clone()),
            left: AtomicI64::new(left),
            death,
            changes: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            locks: None,
        }
    }

    pub fn with_locks(mut self, clock: &Clock) -> Self {
        self.locks = Some(Held { until: Mutex::default(), clock: clock.clone() });
        self
    }

    /// Locks every file that is there below a prefix.
    pub fn lock(&self, prefix: &str, until: Timestamp) {
        let held = self.locks.as_ref().unwrap();
        for file in self.inner.list("").unwrap() {
            if file.key.starts_with(prefix) {
                held.until.lock().unwrap().insert(file.key, until);
            }
        }
    }

    /// Takes over the files of another store.
    pub fn fill(self, other: &dyn Store) -> Self {
        for file in other.list("").unwrap() {
            let bytes = other.get(&file.key).unwrap().unwrap();
            self.inner.create(&file.key, &[bytes]).unwrap();
        }
        self
    }

    /// Lives again.
    pub fn revive(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn change<T>(&self, action: impl Fn() -> Result<T>) -> Result<T> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left == 0 && self.death == Death::After {
            action()?;
        }
        if left <= 0 {
            let source = std::io::Error::other("the store died");
            return Err(Error::Io { action: "change", path: "store".into(), source });
        }
        action()
    }
}

impl Store for Faulty {
    fn location(&self) -> String {
        "faulty".to_owned()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        prefix.to_owned()
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key)
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.get_range(key, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        self.inner.list(prefix)
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_folders(prefix)
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        self.change(|| self.inner.create(key, parts))
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        self.change(|| self.inner.replace(key, content))
    }

    fn remove(&self, key: &str) -> Result<()> {
        if let Some(held) = &self.locks
            && held.locked_until(key)?.is_some_and(|until| until > held.clock.now())
        {
            return Err(Error::Locked { file: key.to_owned() });
        }
        self.change(|| self.inner.remove(key))
    }

    fn locks(&self) -> Option<&dyn Locks> {
        self.locks.as_ref().map(|held| held as &dyn Locks)
    }
}

impl Locks for Held {
    fn policy(&self) -> LockPolicy {
        LockPolicy { mode: LockMode::Compliance, period: SignedDuration::from_hours(240) }
    }

    fn locked_until(&self, key: &str) -> Result<Option<Timestamp>> {
        Ok(self.until.lock().unwrap().get(key).copied())
    }

    fn prolong(&self, key: &str, until: Timestamp) -> Result<()> {
        self.until.lock().unwrap().insert(key.to_owned(), until);
        Ok(())
    }

    fn versions(&self, _: &str) -> Result<Vec<FileVersion>> {
        Ok(Vec::new())
    }

    fn prolong_version(&self, _: &str, _: &str, _: Timestamp) -> Result<()> {
        unreachable!("there are no versions")
    }

    fn as_of(&self, _: Timestamp) -> Result<Arc<dyn Store>> {
        unreachable!("nobody asks")
    }
}
