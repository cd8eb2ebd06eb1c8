//! What the object stores have in common: how a file is written so that it is certainly there,
//! read, listed, removed and locked. What differs is behind [`Dialect`].

mod dialect;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use holdfast_model::{Clock, Timestamp};

use super::as_of::AsOf;
use super::location::join;
use super::transport::block;
use super::{Creation, FileVersion, LockPolicy, Locks, Store, StoreOptions, Stored};
use crate::error::{Error, Result};
use crate::limits;

pub(super) use dialect::{
    Condition, Dialect, Head, Listing, Lock, Put, Range, Upload, Wanted, http_date,
};

/// How often a file is written again that the store confirmed but does not have.
const REWRITES: u32 = 5;

/// A file by which a store is tried, beside `vault.json`; and one that is never there.
pub(crate) const PROBE: &str = "probe";
const NO_FILE: &str = "probe-of-deletion";

/// How many versions of a file are removed at once.
const MOST_VERSIONS: u32 = 1_000;

/// A vault in an object store.
#[derive(Debug)]
pub(super) struct Objects<D>(Arc<Inner<D>>);

#[derive(Debug)]
pub(super) struct Inner<D> {
    pub(super) dialect: D,
    lock: Option<LockPolicy>,
    verify: bool,
    removes: bool,
    /// The credentials may not delete.
    denied: AtomicBool,
    clock: Clock,
}

impl<D: Dialect> Objects<D> {
    /// `maintenance`: the credentials are those that may delete.
    pub(super) fn new(dialect: D, options: &StoreOptions, maintenance: bool, clock: Clock) -> Self {
        let kept = options.append_only || options.lock.is_some() || options.maintenance.is_some();
        Self(Arc::new(Inner {
            dialect,
            lock: options.lock,
            verify: options.verify_writes,
            removes: maintenance || !kept,
            denied: AtomicBool::new(false),
            clock,
        }))
    }

    /// Tries the store; see [`super::probe`]. True where these credentials may delete.
    pub(super) fn probe(&self) -> Result<bool> {
        let first = Bytes::from_static(b"Holdfast tries here what the storage can do.\n");
        self.create(PROBE, std::slice::from_ref(&first))?;
        let again = self.create(PROBE, &[Bytes::from_static(b"replaced")])?;
        if again == Creation::Made || self.get(PROBE)?.as_ref() != Some(&first) {
            return Err(Error::invalid(
                "this storage replaces files that are to be made (it ignores If-None-Match): two \
                 servers could overwrite each other; use another one",
            ));
        }
        if let Some(policy) = self.0.lock {
            let now = self.0.clock.now();
            self.prolong(PROBE, policy.until(now))?;
            let wanted = now.saturating_add(policy.period).unwrap_or(Timestamp::MAX);
            if self.locked_until(PROBE)?.is_none_or(|until| until < wanted) {
                return Err(Error::invalid(
                    "this storage does not lock what it is asked to lock; switch on Object Lock \
                     (S3) or version-level immutability (Azure) for the bucket or container",
                ));
            }
        }
        self.run(NO_FILE, |at, _| async move { at.may_delete().await })
    }

    /// Runs a request of a key.
    fn run<T, F>(&self, key: &str, work: impl FnOnce(Arc<Inner<D>>, String) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let key = join(self.0.dialect.prefix(), key);
        block(work(Arc::clone(&self.0), key))
    }
}

impl<D: Dialect> Inner<D> {
    /// The lock of a file that is written now. restic's own locks, which maintenance places, come
    /// and go.
    fn lock_now(&self, key: &str) -> Option<Lock> {
        let policy = self.lock.filter(|_| key.rsplit('/').nth(1) != Some("locks"))?;
        Some(Lock { mode: policy.mode, until: policy.until(self.clock.now()) })
    }

    async fn create(&self, key: &str, upload: &Upload) -> Result<Creation> {
        let put = self.dialect.put(key, upload, &Condition::Absent, self.lock_now(key)).await?;
        if put.done {
            self.verify(key, upload).await?;
            return Ok(Creation::Made);
        }
        if !put.doubt {
            return Ok(Creation::Exists);
        }
        // The file of that name may be the one whose confirmation was lost.
        match self.dialect.head(key, None).await? {
            Some(head) if self.holds(key, &head, upload).await? => Ok(Creation::Made),
            Some(_) => Ok(Creation::Exists),
            None => Err(unclear(key, "it neither confirms the file nor has it")),
        }
    }

    /// Whether the store has what was to be written. Without a checksum the content is read: two
    /// files of one size are not the same file.
    async fn holds(&self, key: &str, head: &Head, upload: &Upload) -> Result<bool> {
        if let Some(known) = head.is(upload) {
            return Ok(known);
        }
        let found = self.dialect.get(key, &Wanted::whole(upload.size)).await?;
        Ok(found.is_some_and(|found| upload.is(&found)))
    }

    /// The same of a file that the store has confirmed, where the size suffices for a large one:
    /// such files have the names of their content.
    async fn keeps(&self, key: &str, head: &Head, upload: &Upload) -> Result<bool> {
        match head.is(upload) {
            None if upload.size > limits::SMALL as u64 => Ok(true),
            _ => self.holds(key, head, upload).await,
        }
    }

    /// Makes sure that a write that was confirmed took place. The name is ours since then: what
    /// is there instead may be replaced.
    async fn verify(&self, key: &str, upload: &Upload) -> Result<()> {
        if !self.verify {
            return Ok(());
        }
        for _ in 0..REWRITES {
            let condition = match self.dialect.head(key, None).await? {
                Some(head) if self.keeps(key, &head, upload).await? => return Ok(()),
                Some(head) => Condition::Matches(head.etag),
                None => Condition::Absent,
            };
            tracing::warn!(key, "the storage confirmed a file that it does not have; again");
            self.dialect.put(key, upload, &condition, self.lock_now(key)).await?;
        }
        match self.dialect.head(key, None).await? {
            Some(head) if self.keeps(key, &head, upload).await? => Ok(()),
            _ => Err(unclear(key, "it confirms the file and does not have it")),
        }
    }

    async fn remove(&self, key: &str) -> Result<()> {
        // Below a current version others may come to light.
        for _ in 0..MOST_VERSIONS {
            let Some(head) = self.dialect.head(key, None).await? else { return Ok(()) };
            if head.hold || head.locked_until.is_some_and(|until| until > self.clock.now()) {
                return Err(Error::Locked { file: key.to_owned() });
            }
            let deleted = self.dialect.delete(key, &head).await;
            if matches!(deleted, Err(Error::Denied { .. }))
                && matches!(self.may_delete().await, Ok(false))
            {
                self.denied.store(true, Ordering::Relaxed);
            }
            deleted?;
            if head.version.is_none() {
                return Ok(());
            }
        }
        Err(Error::io("remove", key.as_ref(), std::io::Error::other("it has no end of versions")))
    }

    /// Whether the credentials may delete at all; one file can be refused for its own sake.
    async fn may_delete(&self) -> Result<bool> {
        let key = join(self.dialect.prefix(), NO_FILE);
        match self.dialect.delete(&key, &Head::default()).await {
            Err(Error::Denied { .. }) => Ok(false),
            deleted => deleted.map(|()| true),
        }
    }

    async fn prolong(&self, key: &str, version: Option<&str>, lock: Lock) -> Result<()> {
        let locked = self.dialect.lock(key, version, lock).await;
        if matches!(locked, Err(Error::Denied { .. } | Error::Locked { .. }))
            && let Some(head) = self.dialect.head(key, version).await?
            && head.locked_until.is_some_and(|end| end >= lock.until)
        {
            return Ok(());
        }
        locked
    }
}

impl<D: Dialect> Store for Objects<D> {
    fn location(&self) -> String {
        self.0.dialect.location()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.0.dialect.restic_repository(prefix)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.get_within(key, limits::PACK)
    }

    fn get_within(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        let wanted = Wanted::whole(limit);
        self.run(key, |at, key| async move { at.dialect.get(&key, &wanted).await })
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        let wanted = Wanted::part(Range { offset, length });
        self.run(key, move |at, key| async move {
            match length {
                0 => Ok(at.dialect.head(&key, None).await?.map(|_| Bytes::new())),
                _ => at.dialect.get(&key, &wanted).await,
            }
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        let listing =
            self.run(
                prefix,
                |at, prefix| async move { at.dialect.list(&below(&prefix), false).await },
            )?;
        Ok(files(listing, &below(self.0.dialect.prefix())))
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let (listing, start) = self.run(prefix, |at, prefix| async move {
            let start = below(&prefix);
            Ok((at.dialect.list(&start, true).await?, start))
        })?;
        let name =
            |path: &String| Some(path.strip_prefix(&start)?.trim_end_matches('/').to_owned());
        let names: BTreeSet<String> = listing.folders.iter().filter_map(name).collect();
        Ok(names.into_iter().collect())
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        let upload = self.0.dialect.body(parts);
        self.run(key, |at, key| async move { at.create(&key, &upload).await })
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        let upload = self.0.dialect.body(std::slice::from_ref(content));
        self.run(key, |at, key| async move {
            let put = at.dialect.put(&key, &upload, &Condition::Always, at.lock_now(&key)).await?;
            match put.done {
                true => at.verify(&key, &upload).await,
                false => Err(unclear(&key, "it does not confirm the file")),
            }
        })
    }

    fn remove(&self, key: &str) -> Result<()> {
        if !self.0.removes {
            let source = "the vault is opened for writing, not for maintenance".into();
            return Err(Error::Denied { action: "remove", file: key.to_owned(), source });
        }
        self.run(key, |at, key| async move { at.remove(&key).await })
    }

    fn can_remove(&self) -> bool {
        self.0.removes && !self.0.denied.load(Ordering::Relaxed)
    }

    fn locks(&self) -> Option<&dyn Locks> {
        self.0.lock.is_some().then_some(self as &dyn Locks)
    }
}

impl<D: Dialect> Locks for Objects<D> {
    fn policy(&self) -> LockPolicy {
        self.0.lock.expect("a store without a policy has no locks")
    }

    fn locked_until(&self, key: &str) -> Result<Option<Timestamp>> {
        self.run(key, |at, key| async move {
            Ok(at.dialect.head(&key, None).await?.and_then(|head| head.locked_until))
        })
    }

    fn prolong(&self, key: &str, until: Timestamp) -> Result<()> {
        let lock = Lock { mode: self.policy().mode, until };
        self.run(key, move |at, key| async move { at.prolong(&key, None, lock).await })
    }

    fn prolong_version(&self, key: &str, version: &str, until: Timestamp) -> Result<()> {
        let lock = Lock { mode: self.policy().mode, until };
        let version = version.to_owned();
        self.run(key, move |at, key| async move { at.prolong(&key, Some(&version), lock).await })
    }

    fn versions(&self, prefix: &str) -> Result<Vec<FileVersion>> {
        let start = below(self.0.dialect.prefix());
        let found = self.run(prefix, |at, prefix| async move {
            let below = at.dialect.versions(&below(&prefix)).await?;
            if !below.is_empty() || prefix.is_empty() {
                return Ok(below);
            }
            let mut like = at.dialect.versions(&prefix).await?;
            like.retain(|version| version.key == prefix);
            Ok(like)
        })?;
        let named = |version: FileVersion| {
            Some(FileVersion { key: version.key.strip_prefix(&start)?.to_owned(), ..version })
        };
        Ok(found.into_iter().filter_map(named).collect())
    }

    fn as_of(&self, time: Timestamp) -> Result<Arc<dyn Store>> {
        let versions =
            self.run("", |at, prefix| async move { at.dialect.versions(&below(&prefix)).await })?;
        Ok(Arc::new(AsOf::new(Arc::clone(&self.0), versions, time)))
    }
}

/// A write of which nobody knows what came.
fn unclear(key: &str, what: &str) -> Error {
    let text = format!("the storage is not clear about the file: {what}; run again");
    Error::io("write", key.as_ref(), std::io::Error::other(text))
}

/// What the names below a folder begin with.
pub(super) fn below(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

/// The files of a listing under their keys. Consoles make empty objects for folders, which end
/// with `/`.
fn files(listing: Listing, start: &str) -> Vec<Stored> {
    let mut found: Vec<Stored> = listing
        .files
        .into_iter()
        .filter(|file| !file.key.ends_with('/'))
        .filter_map(|file| Some(Stored { key: file.key.strip_prefix(start)?.to_owned(), ..file }))
        .collect();
    found.sort_unstable();
    found
}
