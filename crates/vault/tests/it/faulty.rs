//! A store in memory that dies at a chosen operation, counts, knows locks, lists late, and lets
//! others act in the middle of an operation.

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
    hooks: Hooks,
    /// A prefix and what a late listing says of it.
    late: Mutex<Option<(String, Vec<Stored>)>>,
}

/// An operation before which somebody else acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A whole file is read.
    Get,
    /// A file is created.
    Create,
    /// A file is removed.
    Remove,
}

type Hook = Box<dyn FnMut(&str) -> Result<()> + Send>;

/// What happens before operations on keys with a prefix.
#[derive(Default)]
struct Hooks(Mutex<Vec<(Op, String, Hook)>>);

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
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
            hooks: Hooks::default(),
            late: Mutex::default(),
        }
    }

    /// Before each such operation on a key with the prefix `act` is done; its error is the answer.
    /// What it does to the store itself meets no hook.
    pub fn before(
        &self,
        op: Op,
        prefix: &str,
        act: impl FnMut(&str) -> Result<()> + Send + 'static,
    ) {
        self.hooks.0.lock().unwrap().push((op, prefix.to_owned(), Box::new(act)));
    }

    /// Takes all such acts back.
    pub fn undisturbed(&self) {
        self.hooks.0.lock().unwrap().clear();
    }

    /// From here on the listing of a folder stays as it is now, until [`Self::list_truly`].
    pub fn list_late(&self, prefix: &str) {
        let now = self.inner.list(prefix).unwrap();
        *self.late.lock().unwrap() = Some((prefix.to_owned(), now));
    }

    pub fn list_truly(&self) {
        *self.late.lock().unwrap() = None;
    }

    fn hook(&self, op: Op, key: &str) -> Result<()> {
        let mut hooks = std::mem::take(&mut *self.hooks.0.lock().unwrap());
        let mut fitting =
            hooks.iter_mut().filter(|(on, prefix, _)| *on == op && key.starts_with(&**prefix));
        let outcome = fitting.try_for_each(|(_, _, act)| act(key));
        self.hooks.0.lock().unwrap().append(&mut hooks);
        outcome
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
        self.hook(Op::Get, key)?;
        self.inner.get(key)
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.get_range(key, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        match &*self.late.lock().unwrap() {
            Some((late, listed)) if late == prefix => Ok(listed.clone()),
            _ => self.inner.list(prefix),
        }
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_folders(prefix)
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        self.hook(Op::Create, key)?;
        self.change(|| self.inner.create(key, parts))
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        self.change(|| self.inner.replace(key, content))
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.hook(Op::Remove, key)?;
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
