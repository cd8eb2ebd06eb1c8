//! The throttle budget: who may send a request now, and who must wait.
//!
//! Exchange allows an application 4 requests at a time and 10,000 per 10 minutes *per mailbox*
//! (Microsoft, "Microsoft Graph throttling limits", read 2026-08). So each mailbox is a scope of
//! its own. OneDrive and SharePoint together are another one, which counts resource units and finds
//! out by itself how many the tenant has (`window`). What names neither shares a third. In a scope
//! - one slot and a tenth of the window are kept free for restores,
//! - waiting calls go in the order in which they came,
//! - an answer that asks for less halves the slots and stops *everybody* until its time is over;
//!   each success gives a part of a slot back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_model::Clock;
use tokio::sync::Semaphore;

use crate::config::Sleep;
use crate::retry::{LONGEST_PAUSE, between};
use crate::stats::Counters;

mod meter;
mod scope;
#[cfg(test)]
mod share;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use scope::{Permit, Scope};
use scope::{Place, Slots, Take};
pub(crate) use window::RateLimit;
use window::Window;

/// Calls at a time in one mailbox.
const MAILBOX_SLOTS: usize = 4;

/// Entra ID counts 3,500 units or more per 10 s and a list of users costs 2: concurrency alone
/// keeps below that.
const DIRECTORY_SLOTS: usize = 16;

/// SharePoint names no limit of concurrency: the units are what counts.
const DRIVES_SLOTS: usize = 16;

/// Calls of one application under way at the same time, over all scopes. The service allows far
/// more (130,000 per 10 s); this bounds our own memory and sockets.
const ALL: usize = 64;

/// Scopes kept before those at rest are dropped.
const SCOPES: usize = 4096;

/// Against whose limits a request counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Whatever names nothing else.
    Directory,
    /// Exchange, one mailbox.
    Mailbox(String),
    /// OneDrive and SharePoint.
    Drives,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// May use what is kept free for restores.
    pub restore: bool,
    /// Requests that it makes (parts of a batch).
    pub requests: u32,
    /// What it costs in the window: requests in a mailbox, resource units in drives.
    pub cost: u32,
}

/// All scopes of one application in one tenant.
#[derive(Debug)]
pub(crate) struct Budget {
    mailboxes: Mutex<HashMap<String, Arc<Scope>>>,
    directory: Arc<Scope>,
    drives: Arc<Scope>,
    all: Arc<Semaphore>,
    clock: Clock,
    sleep: Sleep,
    counters: Arc<Counters>,
}

impl Budget {
    pub fn new(clock: Clock, sleep: Sleep, counters: Arc<Counters>) -> Self {
        let drives = Window::drives(Arc::clone(&counters));
        Self {
            mailboxes: Mutex::default(),
            directory: Arc::new(Scope::new(DIRECTORY_SLOTS, None)),
            drives: Arc::new(Scope::new(DRIVES_SLOTS, Some(drives))),
            all: Arc::new(Semaphore::new(ALL)),
            clock,
            sleep,
            counters,
        }
    }

    /// The scope of a service.
    pub fn scope(&self, service: &Service) -> Arc<Scope> {
        match service {
            Service::Directory => Arc::clone(&self.directory),
            Service::Drives => Arc::clone(&self.drives),
            Service::Mailbox(id) => self.mailbox(id),
        }
    }

    fn mailbox(&self, id: &str) -> Arc<Scope> {
        let mut scopes = lock(&self.mailboxes);
        if scopes.len() >= SCOPES {
            let now = self.clock.now();
            scopes.retain(|_, scope| Arc::strong_count(scope) > 1 || !scope.at_rest(now));
        }
        let made = || Arc::new(Scope::new(MAILBOX_SLOTS, Some(Window::mailbox())));
        Arc::clone(scopes.entry(id.to_ascii_lowercase()).or_insert_with(made))
    }

    /// Waits for a slot. `waited` grows by the pauses slept through; where they would exceed
    /// `limit`, the pause that is still asked for is the error.
    pub async fn acquire(
        &self,
        scope: &Arc<Scope>,
        need: Need,
        waited: &mut Duration,
        limit: Duration,
    ) -> Result<Permit, Duration> {
        let place = Place::in_queue(scope, need.restore);
        let slots = loop {
            let freed = scope.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match scope.try_take(need, &place, self.clock.now()) {
                Take::Taken(slots) => break slots,
                Take::Busy => freed.await,
                Take::Until(until) => {
                    let pause = between(self.clock.now(), until).min(LONGEST_PAUSE);
                    if *waited + pause > limit {
                        return Err(pause);
                    }
                    self.rest(pause).await;
                    *waited += pause;
                    scope.reached(until);
                }
            }
        };
        let held = Slots::new(scope, slots);
        drop(place);
        let all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore never closes");
        Ok(Permit::new(held, all))
    }

    /// Sleeps and counts the time.
    pub async fn rest(&self, pause: Duration) {
        self.counters.add_wait(pause);
        self.sleep.sleep(pause).await;
    }

    /// The service asks this scope for a pause.
    pub fn throttled(&self, scope: &Scope, pause: Duration) {
        scope.throttled(self.clock.now(), pause.min(LONGEST_PAUSE));
    }

    /// The service told what is left of this scope's window.
    pub fn told(&self, scope: &Scope, limit: RateLimit) {
        scope.told(self.clock.now(), limit);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
