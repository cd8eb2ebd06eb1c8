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
    stop: Arc<Stop>,
    refresher: Option<JoinHandle<()>>,
    /// Held so that a second writer on this machine does not sweep what the first has in hand.
    _guard: Option<Guard>,
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
    /// removed gets no lock: it would stay for ever, and nobody can prune there either.
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
        let stop = Arc::new(Stop::default());
        if !repository.backend.store().can_remove() {
            return Ok(Self { stop, refresher: None, _guard: guard });
        }
        let alone = guard.as_ref().is_some_and(Guard::was_alone);
        sweep_locks(&repository, &host, &clock, alone)?;
        let first = write(&repository, &host, &clock, exclusive)?;
        // Of two that place their locks at the same time, at least one sees the other here.
        if let Err(err) = refuse_others(&repository, &first, &host, &clock, exclusive) {
            repository.backend.remove_file(Kind::Lock, &first)?;
            return Err(err);
        }
        let refresher = thread::Builder::new().name("restic-lock".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                let renew = || write(&repository, &host, &clock, exclusive);
                keep(&repository, first, &stop, renew);
            }
        });
        let refresher = refresher.map_err(|source| Error::Engine {
            action: "start a thread",
            source: Box::new(source),
        })?;
        Ok(Self { stop, refresher: Some(refresher), _guard: guard })
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
    mut current: FileId,
    stop: &Stop,
    renew: impl Fn() -> Result<FileId>,
) {
    loop {
        let stopped = stop.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = stop
            .signal
            .wait_timeout_while(stopped, REFRESH, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let renewed = if *stopped { None } else { Some(renew()) };
        drop(stopped);
        if let Some(Err(err)) = &renewed {
            tracing::warn!(error = %err, "cannot refresh the restic lock");
            continue;
        }
        if let Err(err) = repository.backend.remove_file(Kind::Lock, &current) {
            tracing::warn!(error = %err, "cannot remove the restic lock");
        }
        match renewed {
            Some(Ok(id)) => current = id,
            _ => return,
        }
    }
}

fn write(repository: &Repository, host: &str, clock: &Clock, exclusive: bool) -> Result<FileId> {
    let lock = LockJson {
        time: clock.now(),
        exclusive,
        hostname: host.to_owned(),
        username: "holdfast".to_owned(),
        pid: std::process::id(),
        uid: 0,
        gid: 0,
    };
    repository.store(Kind::Lock, &lock)
}

/// Refuses where a lock other than `own` forbids to work here: an exclusive one forbids everything,
/// any other one only exclusive work. Locks that were left behind do not count.
fn refuse_others(
    repository: &Repository,
    own: &FileId,
    host: &str,
    clock: &Clock,
    exclusive: bool,
) -> Result<()> {
    for (id, _) in repository.backend.files(Kind::Lock)? {
        // One that cannot be read may be gone by now.
        let Ok(lock) = repository.load::<LockJson>(Kind::Lock, &id) else { continue };
        let stale = if lock.hostname == host { OWN_STALE } else { STALE };
        let is_live = clock.now().duration_since(lock.time) <= stale;
        if id != *own && is_live && (exclusive || lock.exclusive) {
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
