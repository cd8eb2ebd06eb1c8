//! Locks that do not end while something is needed.
//!
//! A file is locked when it is written, for the period of the vault and ten days. A pass gives
//! everything that is needed such a lock again: two requests for each file. One is due when five
//! of the ten days are over, so that nothing that is needed ever has less than the period left as
//! long as passes, which come with the runs, are not more than ten days apart. What is needed is
//! what the index files in force name as in use, as well as these, the snapshots, the keys and the
//! configuration. Neither packs that prune has marked nor index files that only mark, or that
//! another one supersedes, are prolonged any more: so they become free.

mod lean;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use holdfast_model::{Clock, Timestamp};
use jiff::SignedDuration;

use crate::audit;
use crate::backend::Kind;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::index::IndexFiles;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::store::{FileVersion, LockPolicy, Locks, Store, whole_second};
use crate::vault::Vault;

pub(crate) use lean::{Leaning, LockEnds};

/// A pass is due when less than this is left besides the period. Half of the slack: the run that
/// makes the pass may come late by as much.
const MARGIN: SignedDuration = SignedDuration::from_hours(5 * 24);

/// Requests that are sent at once.
const THREADS: usize = 16;

/// Ids of snapshots that [`Vault::let_go_of`] named.
pub(crate) type LetGo = Mutex<HashSet<String>>;

/// What [`Vault::extend_locks`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendReport {
    /// Files that are needed.
    pub files: u64,
    /// Files (or versions of them) whose lock was prolonged.
    pub prolonged: u64,
    /// Requests beside the listing of versions, one for each thousand of these.
    pub requests: u64,
    /// Needed files that are gone, or that somebody has deleted or overwritten. All versions of
    /// these were prolonged, so that the vault can be read as it was before.
    pub tampered: Vec<String>,
}

/// What the locks of needed files look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LockReport {
    /// Files that are needed.
    pub files: u64,
    /// Those among them that are not locked at all.
    pub unlocked: u64,
    /// The first end of a lock.
    pub earliest: Option<Timestamp>,
    /// The earliest end is nearer than a third of the period, or something is not locked.
    pub warn: bool,
    /// As in [`ExtendReport::tampered`].
    pub tampered: Vec<String>,
}

impl ExtendReport {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.prolonged += other.prolonged;
        self.requests += other.requests;
        self.tampered.extend(other.tampered);
    }
}

impl LockReport {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.unlocked += other.unlocked;
        self.earliest = [self.earliest, other.earliest].into_iter().flatten().min();
        self.warn |= other.warn;
        self.tampered.extend(other.tampered);
    }
}

impl Vault {
    /// Prolongs the locks of everything that is needed in the vault; `None` where its store locks
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Denied`] where the credentials may not prolong. [`Error::Damaged`] where a
    /// repository cannot be opened: the locks of all others are prolonged nevertheless.
    pub fn extend_locks(&self) -> Result<Option<ExtendReport>> {
        self.extend_where(|_, _| Ok(true))
    }

    /// The same only for those repositories for which that was not done in the last five days: one
    /// request for each where it was. `vault.json` and the sealed keys go with the control
    /// repository. To be called with every run, so that also what no run writes to stays locked.
    ///
    /// # Errors
    /// As [`Vault::extend_locks`].
    pub fn extend_due_locks(&self) -> Result<Option<ExtendReport>> {
        self.extend_where(|locks, repository| is_due(locks, repository, self.clock()))
    }

    /// Says which snapshots (ids of 64 hexadecimal digits, of any shard) the policy lets go, in
    /// place of those that were named before: their files are not prolonged any more by this vault
    /// and its clones, so that they can be forgotten when their locks end. Their packs are, until a
    /// prune has taken these out of the index. To be called anew whenever rules, holds or snapshots
    /// changed; nothing is remembered beyond the process.
    pub fn let_go_of(&self, snapshots: HashSet<String>) {
        *self.let_go().lock().unwrap_or_else(PoisonError::into_inner) = snapshots;
    }

    fn extend_where(
        &self,
        is_wanted: impl Fn(&dyn Locks, &str) -> Result<bool>,
    ) -> Result<Option<ExtendReport>> {
        let Some(locks) = self.store().locks() else { return Ok(None) };
        let mut report = ExtendReport::default();
        let mut damage = None;
        let mut note = |extended: Result<Option<ExtendReport>>| match extended {
            Err(err @ Error::Damaged { .. }) => {
                damage.get_or_insert(err);
                Ok(())
            }
            extended => extended.map(|extended| report.add(extended.unwrap_or_default())),
        };
        for id in self.shard_ids()? {
            if is_wanted(locks, &format!("shards/{id}"))? {
                note(self.shard(id).and_then(|shard| shard.extend_locks()))?;
            }
        }
        if is_wanted(locks, "control")? {
            note(self.extend_own())?;
            note(self.control().and_then(|control| control.extend_locks()))?;
        }
        damage.map_or(Ok(Some(report)), Err)
    }

    /// The locks of everything that is needed in the vault; `None` where its store locks nothing.
    /// One request for each file.
    pub fn lock_report(&self) -> Result<Option<LockReport>> {
        let Some(task) = self.own_files()? else { return Ok(None) };
        let mut report = task.look()?;
        for id in self.shard_ids()? {
            report.add(self.shard(id)?.lock_report()?.unwrap_or_default());
        }
        report.add(self.control()?.lock_report()?.unwrap_or_default());
        Ok(Some(report))
    }

    fn extend_own(&self) -> Result<Option<ExtendReport>> {
        self.own_files()?.map(|task| task.extend()).transpose()
    }

    /// `vault.json` and the sealed keys, which lie in no repository.
    fn own_files(&self) -> Result<Option<Task<'_>>> {
        let store = &**self.store();
        let keys = store.list("keys")?.into_iter().map(|file| file.key);
        let needed = keys.chain(["vault.json".to_owned()]).collect();
        Task::new(store, needed, &["keys", "vault.json"], self.clock())
    }
}

impl Shard {
    /// Prolongs the locks of everything that the shard's snapshots need; `None` where the store
    /// locks nothing.
    ///
    /// # Errors
    /// As [`Vault::extend_locks`].
    pub fn extend_locks(&self) -> Result<Option<ExtendReport>> {
        self.lock_task()?.map(|task| task.extend()).transpose()
    }

    /// As [`Shard::extend_locks`] where it is due, before something is written. Nobody is there to
    /// take the report: what was tampered with goes to the log.
    pub(crate) fn extend_due_locks(&self) -> Result<()> {
        let Some(locks) = self.vault().store().locks() else { return Ok(()) };
        if !is_due(locks, self.repository().backend.name(), self.vault().clock())? {
            return Ok(());
        }
        for file in self.extend_locks()?.unwrap_or_default().tampered {
            tracing::error!(file, "a needed file is gone or was deleted or overwritten");
        }
        Ok(())
    }

    /// The locks of everything that the shard's snapshots need.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file cannot be looked at.
    pub fn lock_report(&self) -> Result<Option<LockReport>> {
        self.lock_task()?.map(|task| task.look()).transpose()
    }

    fn lock_task(&self) -> Result<Option<Task<'_>>> {
        let task = Task::of_repository(self.repository(), BTreeSet::new(), self.vault().clock())?;
        Ok(task.map(|task| task.without(self.repository(), self.vault().let_go())))
    }
}

impl Control {
    /// As [`Shard::extend_locks`].
    ///
    /// # Errors
    /// As [`Vault::extend_locks`].
    pub fn extend_locks(&self) -> Result<Option<ExtendReport>> {
        self.lock_task()?.map(|task| task.extend()).transpose()
    }

    /// As [`Shard::lock_report`].
    ///
    /// # Errors
    /// As [`Shard::lock_report`].
    pub fn lock_report(&self) -> Result<Option<LockReport>> {
        self.lock_task()?.map(|task| task.look()).transpose()
    }

    fn lock_task(&self) -> Result<Option<Task<'_>>> {
        // Only the newest says which state is in force, or how far the audit record got.
        let mut further = BTreeSet::new();
        for heads in ["control/heads", audit::HEADS] {
            further.extend(self.vault().store().list(heads)?.pop().map(|file| file.key));
        }
        Task::of_repository(self.repository(), further, self.vault().clock())
    }
}

/// Whether the locks of a repository were not prolonged in the last five days. Its `config` is
/// prolonged after everything else, so its lock tells when that was done; one that ends later
/// than ours do tells nothing.
fn is_due(locks: &dyn Locks, repository: &str, clock: &Clock) -> Result<bool> {
    let (policy, now) = (locks.policy(), clock.now());
    let end = locks.locked_until(&format!("{repository}/config"))?;
    // Ends have whole seconds.
    let recent = least(policy, now).saturating_add(MARGIN).unwrap_or(Timestamp::MAX);
    let usual = recent..=whole_second(policy.until(now));
    Ok(!end.is_some_and(|end| usual.contains(&end)))
}

/// The end that the lock of a needed file must have now.
fn least(policy: LockPolicy, now: Timestamp) -> Timestamp {
    now.saturating_add(policy.period).unwrap_or(Timestamp::MAX)
}

/// Files whose locks matter.
struct Task<'a> {
    locks: &'a dyn Locks,
    /// The last is the one that tells that all the others are done.
    needed: Vec<String>,
    versions: BTreeMap<String, Vec<FileVersion>>,
    now: Timestamp,
}

impl<'a> Task<'a> {
    fn new(
        store: &'a dyn Store,
        needed: Vec<String>,
        prefixes: &[&str],
        clock: &Clock,
    ) -> Result<Option<Self>> {
        let Some(locks) = store.locks() else { return Ok(None) };
        let mut versions: BTreeMap<String, Vec<FileVersion>> = BTreeMap::new();
        for prefix in prefixes {
            for version in locks.versions(prefix)? {
                versions.entry(version.key.clone()).or_default().push(version);
            }
        }
        Ok(Some(Self { locks, needed, versions, now: clock.now() }))
    }

    fn of_repository(
        repository: &'a Repository,
        further: BTreeSet<String>,
        clock: &Clock,
    ) -> Result<Option<Self>> {
        let backend = &repository.backend;
        let Some(mut task) = Self::new(&**backend.store(), Vec::new(), &[backend.name()], clock)?
        else {
            return Ok(None);
        };
        let mut needed = needed_by(repository, &task.versions)?;
        needed.extend(further);
        let config = backend.label(Kind::Config, &FileId([0; 32]));
        task.needed = needed.into_iter().chain([config]).collect();
        Ok(Some(task))
    }

    /// The same without the files of some snapshots.
    fn without(mut self, repository: &Repository, snapshots: &LetGo) -> Self {
        let snapshots = snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = snapshots.iter().filter_map(|id| id.parse::<FileId>().ok());
        let gone: HashSet<String> =
            ids.map(|id| repository.backend.label(Kind::Snapshot, &id)).collect();
        self.needed.retain(|key| !gone.contains(key));
        self
    }

    fn extend(&self) -> Result<ExtendReport> {
        let report = Mutex::new(ExtendReport::default());
        let (last, first) = self.needed.split_last().expect("no repository is empty");
        let extend = |key: &String| {
            let done = self.extend_file(key)?;
            report.lock().unwrap_or_else(PoisonError::into_inner).add(done);
            Ok(())
        };
        each(first, extend)?;
        extend(last)?;
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.tampered.sort_unstable();
        Ok(report)
    }

    fn extend_file(&self, key: &str) -> Result<ExtendReport> {
        let until = self.locks.policy().until(self.now);
        let versions = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let mut report = ExtendReport { files: 1, ..ExtendReport::default() };
        if let [only] = versions
            && only.current
            && !only.deleted
        {
            if self.ends_before(key, until, &mut report)? {
                self.locks.prolong(key, until)?;
                report.prolonged += 1;
                report.requests += 1;
            }
            return Ok(report);
        }
        // Azure marks no deletion: what was deleted has no current version.
        let is_gone = |newest: &FileVersion| newest.deleted || !newest.current;
        if !is_replaceable(key) || versions.first().is_none_or(is_gone) {
            report.tampered.push(key.to_owned());
        }
        for version in versions.iter().filter(|version| !version.deleted) {
            self.locks.prolong_version(key, &version.id, until)?;
            report.prolonged += 1;
            report.requests += 1;
        }
        Ok(report)
    }

    /// Whether the lock of a file does not last until then. Less would not do: the file would have
    /// less than the period left before the next pass. That of `config` is always set anew: it
    /// tells when all this was done.
    fn ends_before(&self, key: &str, until: Timestamp, report: &mut ExtendReport) -> Result<bool> {
        if key.ends_with("/config") {
            return Ok(true);
        }
        report.requests += 1;
        Ok(self.locks.locked_until(key)?.is_none_or(|end| end < until))
    }

    fn look(&self) -> Result<LockReport> {
        let report = Mutex::new(LockReport::default());
        each(&self.needed, |key| {
            let looked = self.look_at(key)?;
            report.lock().unwrap_or_else(PoisonError::into_inner).add(looked);
            Ok(())
        })?;
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.tampered.sort_unstable();
        let third = self.locks.policy().period.checked_div(3).unwrap_or_default();
        let limit = self.now.saturating_add(third).unwrap_or(Timestamp::MAX);
        report.warn = report.unlocked > 0 || report.earliest.is_some_and(|end| end < limit);
        Ok(report)
    }

    fn look_at(&self, key: &str) -> Result<LockReport> {
        let earliest = self.locks.locked_until(key)?;
        let mut report = LockReport { files: 1, earliest, ..LockReport::default() };
        report.unlocked = u64::from(earliest.is_none());
        let versions = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let whole = match versions {
            [only] => only.current && !only.deleted,
            [newest, ..] => is_replaceable(key) && newest.current && !newest.deleted,
            [] => false,
        };
        if !whole {
            report.tampered.push(key.to_owned());
        }
        Ok(report)
    }
}

/// Files that Holdfast replaces itself: a second version is no sign of an attack.
fn is_replaceable(key: &str) -> bool {
    key == "vault.json" || key.starts_with("keys/")
}

/// What the snapshots of a repository need, but for its `config`. Where an index file is damaged,
/// every pack that the store has or had: nobody knows which of them it named.
fn needed_by(
    repository: &Repository,
    versions: &BTreeMap<String, Vec<FileVersion>>,
) -> Result<BTreeSet<String>> {
    let backend = &repository.backend;
    let mut needed = BTreeSet::new();
    for kind in [Kind::Key, Kind::Snapshot] {
        needed.extend(backend.files(kind)?.iter().map(|(id, _)| backend.label(kind, id)));
    }
    let files = IndexFiles::read(repository)?;
    for (id, file) in files.in_force.iter().filter(|(_, file)| !file.packs.is_empty()) {
        needed.insert(backend.label(Kind::Index, id));
        needed.extend(file.packs.iter().map(|pack| backend.label(Kind::Pack, &pack.id)));
    }
    if !files.damaged.is_empty() {
        needed.extend(files.damaged.iter().map(|(id, _)| backend.label(Kind::Index, id)));
        let packs = format!("{}/data/", backend.name());
        needed.extend(versions.keys().filter(|key| key.starts_with(&packs)).cloned());
    }
    Ok(needed)
}

/// Does some work for each, several at a time; the first error ends it.
fn each(keys: &[String], work: impl Fn(&String) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let run = || {
        while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(err) = work(key) {
                next.store(keys.len(), Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(err);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(keys.len()) {
            scope.spawn(run);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(err) => Err(err),
        None => Ok(()),
    }
}
