//! One scope: slots, the queue of those who wait, the pause that the service asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::window::{RateLimit, Window};
use super::{Need, lock};
use crate::retry::after;

/// One mailbox, the drives of the tenant, or everything that names neither.
#[derive(Debug)]
pub(crate) struct Scope {
    slots: usize,
    pub(super) state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub running: usize,
    /// Slots allowed at present, between 1 and the number of the scope.
    allowed: f64,
    blocked_until: Timestamp,
    window: Option<Window>,
    /// Waiting calls in order: backups, restores.
    pub queues: [VecDeque<u64>; 2],
    next_ticket: u64,
}

pub(super) enum Take {
    Taken(usize),
    Busy,
    Until(Timestamp),
}

impl Scope {
    pub fn new(slots: usize, window: Option<Window>) -> Self {
        let state = State {
            running: 0,
            allowed: slots as f64,
            blocked_until: Timestamp::MIN,
            window,
            queues: Default::default(),
            next_ticket: 0,
        };
        Self { slots, state: Mutex::new(state), freed: Notify::new() }
    }

    pub fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    pub(super) fn try_take(&self, need: Need, place: &Place<'_>, now: Timestamp) -> Take {
        let mut state = lock(&self.state);
        if state.blocked_until > now {
            return Take::Until(state.blocked_until);
        }
        if let Some(until) = state.window.as_mut().and_then(|window| window.full(need, now)) {
            return Take::Until(until);
        }
        let limit = state.limit(need.restore);
        // Exchange runs the parts of a batch side by side: it takes the whole share.
        let slots = if need.requests > 1 { limit } else { 1 };
        let first = state.queues[usize::from(need.restore)].front() == Some(&place.ticket);
        if !first || state.running + slots > limit {
            return Take::Busy;
        }
        state.running += slots;
        if let Some(window) = &mut state.window {
            window.count(need.cost, now);
        }
        Take::Taken(slots)
    }

    /// Somebody has slept until `until`, so it has passed, whatever the clock says (a test's clock
    /// may stand still).
    pub fn reached(&self, until: Timestamp) {
        let mut state = lock(&self.state);
        if state.blocked_until <= until {
            state.blocked_until = Timestamp::MIN;
        }
        if let Some(window) = &mut state.window {
            window.forget(until);
        }
    }

    pub fn at_rest(&self, now: Timestamp) -> bool {
        let mut state = lock(&self.state);
        let idle = state.window.as_mut().is_none_or(|window| window.at_rest(now));
        idle && state.running == 0 && state.blocked_until <= now
    }

    /// An answer came that did not ask for less.
    pub fn succeeded(&self) {
        let mut state = lock(&self.state);
        state.allowed = (state.allowed + 1.0 / state.allowed).min(self.slots as f64);
    }

    /// An answer asks for a pause. Those that come during the pause were on their way before it:
    /// they may prolong it, and take nothing more away.
    pub fn throttled(&self, now: Timestamp, pause: Duration) {
        let mut state = lock(&self.state);
        if state.blocked_until <= now {
            state.allowed = (state.allowed / 2.0).max(1.0);
            if let Some(window) = &mut state.window {
                window.throttled();
            }
        }
        state.blocked_until = state.blocked_until.max(after(now, pause));
    }

    pub fn told(&self, now: Timestamp, limit: RateLimit) {
        if let Some(window) = &mut lock(&self.state).window {
            window.told(limit, now);
        }
    }
}

impl State {
    /// Slots that a call of this priority may see taken, itself included.
    fn limit(&self, restore: bool) -> usize {
        let allowed = self.allowed as usize;
        if restore { allowed.max(2) } else { allowed.saturating_sub(1).max(1) }
    }
}

/// A place in the queue of a scope, given up when dropped (also by a caller that stops waiting).
pub(super) struct Place<'a> {
    scope: &'a Scope,
    ticket: u64,
    queue: usize,
}

impl<'a> Place<'a> {
    pub fn in_queue(scope: &'a Scope, restore: bool) -> Self {
        let mut state = lock(&scope.state);
        let (ticket, queue) = (state.next_ticket, usize::from(restore));
        state.next_ticket += 1;
        state.queues[queue].push_back(ticket);
        Self { scope, ticket, queue }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.scope.state).queues[self.queue].retain(|ticket| *ticket != self.ticket);
        self.scope.freed.notify_waiters();
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    scope: Arc<Scope>,
    slots: usize,
}

impl Slots {
    /// Slots that were taken.
    pub fn new(scope: &Arc<Scope>, slots: usize) -> Self {
        Self { scope: Arc::clone(scope), slots }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        lock(&self.scope.state).running -= self.slots;
        self.scope.freed.notify_waiters();
    }
}

/// The right to have one call under way; ends when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    held: Slots,
    _all: OwnedSemaphorePermit,
}

impl Permit {
    pub(super) fn new(held: Slots, all: OwnedSemaphorePermit) -> Self {
        Self { held, _all: all }
    }

    /// The scope in which it was given.
    pub fn scope(&self) -> &Scope {
        &self.held.scope
    }
}
