//! A restic lock while we write, so that `restic prune` from outside refuses to run.
//!
//! The lock is an ordinary non-exclusive one. Its host name belongs to the vault and is no
//! machine's, so that restic on the same machine cannot take it for its own and drop it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_model::{Clock, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::limits;
use crate::repository::Repository;
use crate::store::Guard;

/// restic takes a lock for stale after 30 minutes and refreshes its own every 5.
const REFRESH: Duration = Duration::from_secs(300);

/// Age at which restic takes a lock for one that was left behind.
const STALE: SignedDuration = SignedDuration::from_mins(30);

/// The same for our own locks, of which more is known: three refreshes were missed. It is how long
/// a crash of ours keeps maintenance, or a crash of maintenance our writers, from a store that does
/// not tell the locks of the dead from those of the living.
const OWN_STALE: SignedDuration = SignedDuration::from_mins(15);

/// A lock on a repository, refreshed until it is dropped, which removes it.
pub(crate) struct RepositoryLock {
    repository: Arc<Repository>,
    clock: Clock,
    /// The lock file; `None` where none could be removed again.
    held: Option<Arc<Mutex<Held>>>,
    stop: Arc<Stop>,
    refresher: Option<JoinHandle<()>>,
    /// Held so that a second writer on this machine does not sweep what the first has in hand.
    _guard: Option<Guard>,
}

/// The lock file that is in force.
#[derive(Clone, Copy)]
struct Held {
    id: FileId,
    /// The time in it, from which others count its age.
    time: Timestamp,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    signal: Condvar,
}

#[derive(Serialize, Deserialize)]
struct LockJson {
    time: Timestamp,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

impl RepositoryLock {
    /// Places the lock. If no other writer on this machine is at work, what a dead one left
    /// behind goes first: its lock and its temporary files. A store from which nothing can be
    /// removed with these credentials gets no lock, which would stay for ever; what maintenance,
    /// which can, has placed there is respected all the same.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody holds an exclusive lock: restic or ourselves, pruning.
    pub(crate) fn place(repository: Arc<Repository>, host: String, clock: Clock) -> Result<Self> {
        Self::place_as(repository, host, clock, false)
    }

    /// Places an exclusive lock, for maintenance that deletes.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody else holds any lock, or writes on this machine.
    pub(crate) fn place_exclusive(
        repository: Arc<Repository>,
        host: String,
        clock: Clock,
    ) -> Result<Self> {
        Self::place_as(repository, host, clock, true)
    }

    fn place_as(
        repository: Arc<Repository>,
        host: String,
        clock: Clock,
        exclusive: bool,
    ) -> Result<Self> {
        let guard = repository.backend.guard()?;
        if exclusive && guard.as_ref().is_some_and(|guard| !guard.was_alone()) {
            let by = "a writer on this machine".to_owned();
            return Err(Error::Busy { repository: repository.backend.name().to_owned(), by });
        }
        let alone = guard.as_ref().is_some_and(Guard::was_alone);
        let places = repository.backend.store().can_remove_locks();
        if places {
            sweep_locks(&repository, &host, &clock, alone)?;
        }
        // From here on others may begin; nothing of ours is there yet that they might sweep.
        guard.as_ref().map_or(Ok(()), Guard::share)?;
        let lock = Self {
            repository,
            clock,
            held: None,
            stop: Arc::default(),
            refresher: None,
            _guard: guard,
        };
        if places {
            return lock.hold(host, exclusive);
        }
        refuse_others(&lock.repository, None, &host, &lock.clock, exclusive)?;
        Ok(lock)
    }

    /// Writes the lock file and keeps it fresh.
    fn hold(mut self, host: String, exclusive: bool) -> Result<Self> {
        let (repository, clock) = (Arc::clone(&self.repository), self.clock.clone());
        let first = write(&repository, &host, &clock, exclusive)?;
        // Of two that place their locks at the same time, at least one sees the other here.
        if let Err(err) = refuse_others(&repository, Some(&first.id), &host, &clock, exclusive) {
            remove(&repository, &first.id);
            return Err(err);
        }
        let held = Arc::new(Mutex::new(first));
        self.held = Some(Arc::clone(&held));
        let refresher = thread::Builder::new().name("restic-lock".to_owned()).spawn({
            let stop = Arc::clone(&self.stop);
            move || {
                let renew = || write(&repository, &host, &clock, exclusive);
                keep(&repository, &held, &stop, renew);
            }
        });
        let refresher = refresher.map_err(|source| Error::Engine {
            action: "start a thread",
            source: Box::new(source),
        })?;
        self.refresher = Some(refresher);
        Ok(self)
    }

    /// Makes sure that others still respect the lock. To be called before anything is removed
    /// that somebody else might count on: one request. Where no lock could be placed there is
    /// nothing to lose.
    ///
    /// # Errors
    /// [`Error::LockLost`] where it could not be renewed for so long that others take it for one
    /// that was left behind, or where it is gone; as the store answers.
    pub(crate) fn ensure_held(&self) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let backend = &self.repository.backend;
        let mut now = current(held);
        loop {
            let label = backend.label(Kind::Lock, &now.id);
            let is_there = backend.store().get_within(&label, limits::SMALL as u64)?.is_some();
            if is_there && self.clock.now().duration_since(now.time) < OWN_STALE {
                return Ok(());
            }
            // It may have been renewed since we looked.
            let next = current(held);
            if next.id == now.id {
                return Err(Error::LockLost { repository: backend.name().to_owned() });
            }
            now = next;
        }
    }
}

fn current(held: &Mutex<Held>) -> Held {
    *held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(repository: &Repository, id: &FileId) {
    if let Err(err) = repository.backend.remove_file(Kind::Lock, id) {
        tracing::warn!(error = %err, "cannot remove the restic lock");
    }
}

impl Drop for RepositoryLock {
    fn drop(&mut self) {
        *self.stop.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.signal.notify_all();
        if let Some(refresher) = self.refresher.take() {
            let _ = refresher.join();
        }
    }
}

/// Replaces the lock from time to time; removes it when told to stop.
fn keep(
    repository: &Repository,
    held: &Mutex<Held>,
    stop: &Stop,
    renew: impl Fn() -> Result<Held>,
) {
    loop {
        let stopped = stop.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = stop
            .signal
            .wait_timeout_while(stopped, REFRESH, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let ends = *stopped;
        let renewed = if ends { None } else { Some(renew()) };
        drop(stopped);
        let old = current(held);
        match renewed {
            Some(Err(err)) => {
                tracing::warn!(error = %err, "cannot refresh the restic lock");
                continue;
            }
            // Known before the old one goes: there is always one that is in force.
            Some(Ok(new)) => *held.lock().unwrap_or_else(PoisonError::into_inner) = new,
            None => {}
        }
        remove(repository, &old.id);
        if ends {
            return;
        }
    }
}

fn write(repository: &Repository, host: &str, clock: &Clock, exclusive: bool) -> Result<Held> {
    let time = clock.now();
    let lock = LockJson {
        time,
        exclusive,
        hostname: host.to_owned(),
        username: "holdfast".to_owned(),
        pid: std::process::id(),
        uid: 0,
        gid: 0,
    };
    Ok(Held { id: repository.store(Kind::Lock, &lock)?, time })
}

/// Refuses where a lock other than `own` forbids to work here: an exclusive one forbids everything,
/// any other one only exclusive work. Locks that were left behind do not count.
fn refuse_others(
    repository: &Repository,
    own: Option<&FileId>,
    host: &str,
    clock: &Clock,
    exclusive: bool,
) -> Result<()> {
    for (id, _) in repository.backend.files(Kind::Lock)? {
        let lock: LockJson = match repository.load(Kind::Lock, &id) {
            Ok(lock) => lock,
            // Gone by now, or nothing that anybody placed.
            Err(Error::Damaged { .. }) => continue,
            // Nobody knows what it says.
            Err(err) => return Err(err),
        };
        let stale = if lock.hostname == host { OWN_STALE } else { STALE };
        let is_live = clock.now().duration_since(lock.time) <= stale;
        if Some(&id) != own && is_live && (exclusive || lock.exclusive) {
            let by = format!("{} of {} since {}", lock.username, lock.hostname, lock.time);
            return Err(Error::Busy { repository: repository.backend.name().to_owned(), by });
        }
    }
    Ok(())
}

/// Removes the locks that dead writers of this vault left behind: all of them where nobody else
/// on this machine writes, else those that restic would take for stale too.
pub(crate) fn sweep_locks(
    repository: &Repository,
    host: &str,
    clock: &Clock,
    alone: bool,
) -> Result<()> {
    let stale = |lock: &LockJson| clock.now().duration_since(lock.time) > STALE;
    for (id, _) in repository.backend.files(Kind::Lock)? {
        // Somebody else's lock may be unreadable or gone by now; neither is ours to judge.
        let lock: Result<LockJson> = repository.load(Kind::Lock, &id);
        if lock.is_ok_and(|lock| lock.hostname == host && (alone || stale(&lock))) {
            repository.backend.remove_file(Kind::Lock, &id)?;
        }
    }
    Ok(())
}
