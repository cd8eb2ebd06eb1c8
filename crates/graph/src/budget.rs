//! The throttle budget: who may send a request now, and who must wait.
//!
//! Exchange allows an application 4 requests at a time and 10,000 per 10 minutes *per mailbox*
//! (Microsoft, "Microsoft Graph throttling limits", read 2026-08). So each mailbox is a scope of
//! its own, and what names no mailbox shares one. In a scope
//! - one slot and a tenth of the window are kept free for restores,
//! - waiting calls go in the order in which they came,
//! - an answer that asks for less halves the slots and stops *everybody* until its time is over;
//!   each success gives a part of a slot back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_model::Clock;
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::config::Sleep;
use crate::retry::{LONGEST_PAUSE, after, between};
use crate::stats::Counters;

const MAILBOX: Rules = Rules { slots: 4, window: Some(10_000) };

/// Entra ID counts 3,500 units or more per 10 s and a list of users costs 2: concurrency alone
/// keeps below that.
const DIRECTORY: Rules = Rules { slots: 16, window: None };

/// Calls of one application under way at the same time, over all scopes. The service allows far
/// more (130,000 per 10 s); this bounds our own memory and sockets.
const ALL: usize = 64;

const WINDOW: Duration = Duration::from_secs(600);

/// The window is counted in steps of this length, each kept until its youngest request is old.
const STEP: i64 = 10;

/// Scopes kept before those at rest are dropped.
const SCOPES: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Rules {
    slots: usize,
    window: Option<u32>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// May use what is kept free for restores.
    pub restore: bool,
    /// Requests that it counts for (parts of a batch).
    pub requests: u32,
}

/// All scopes of one application in one tenant.
#[derive(Debug)]
pub(crate) struct Budget {
    mailboxes: Mutex<HashMap<String, Arc<Scope>>>,
    directory: Arc<Scope>,
    all: Arc<Semaphore>,
    clock: Clock,
    sleep: Sleep,
    counters: Arc<Counters>,
}

impl Budget {
    pub fn new(clock: Clock, sleep: Sleep, counters: Arc<Counters>) -> Self {
        Self {
            mailboxes: Mutex::default(),
            directory: Arc::new(Scope::new(DIRECTORY)),
            all: Arc::new(Semaphore::new(ALL)),
            clock,
            sleep,
            counters,
        }
    }

    /// The scope of a mailbox, or the shared one.
    pub fn scope(&self, mailbox: Option<&str>) -> Arc<Scope> {
        let Some(mailbox) = mailbox else { return Arc::clone(&self.directory) };
        let mut scopes = lock(&self.mailboxes);
        if scopes.len() >= SCOPES {
            let now = self.clock.now();
            scopes.retain(|_, scope| Arc::strong_count(scope) > 1 || !scope.at_rest(now));
        }
        let scope = scopes.entry(mailbox.to_ascii_lowercase());
        Arc::clone(scope.or_insert_with(|| Arc::new(Scope::new(MAILBOX))))
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
            let freed = scope.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match scope.try_take(need, place.ticket, self.clock.now()) {
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
        let held = Slots { scope: Arc::clone(scope), slots };
        drop(place);
        let all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore never closes");
        Ok(Permit { held, _all: all })
    }

    /// Sleeps and counts the time.
    pub async fn rest(&self, pause: Duration) {
        self.counters.add_wait(pause);
        self.sleep.sleep(pause).await;
    }

    /// The service asks this scope for a pause.
    pub fn throttled(&self, scope: &Scope, pause: Duration) {
        let now = self.clock.now();
        let mut state = lock(&scope.state);
        if state.blocked_until <= now {
            state.allowed = (state.allowed / 2.0).max(1.0);
        }
        state.blocked_until = state.blocked_until.max(after(now, pause.min(LONGEST_PAUSE)));
    }
}

/// One mailbox, or everything that names none.
#[derive(Debug)]
pub(crate) struct Scope {
    rules: Rules,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    running: usize,
    /// Slots allowed at present, between 1 and the rule's number.
    allowed: f64,
    blocked_until: Timestamp,
    /// Requests by step: the second at which the step leaves the window, and their number.
    window: VecDeque<(i64, u32)>,
    /// Waiting calls in order: backups, restores.
    queues: [VecDeque<u64>; 2],
    next_ticket: u64,
}

enum Take {
    Taken(usize),
    Busy,
    Until(Timestamp),
}

impl Scope {
    fn new(rules: Rules) -> Self {
        let state = State {
            running: 0,
            allowed: rules.slots as f64,
            blocked_until: Timestamp::MIN,
            window: VecDeque::new(),
            queues: Default::default(),
            next_ticket: 0,
        };
        Self { rules, state: Mutex::new(state), freed: Notify::new() }
    }

    fn try_take(&self, need: Need, ticket: u64, now: Timestamp) -> Take {
        let mut state = lock(&self.state);
        if state.blocked_until > now {
            return Take::Until(state.blocked_until);
        }
        if let Some(until) = state.window_full(self.rules, need, now) {
            return Take::Until(until);
        }
        let limit = state.limit(need.restore);
        // Exchange runs the parts of a batch side by side: it takes the whole share.
        let slots = if need.requests > 1 { limit } else { 1 };
        let first = state.queues[usize::from(need.restore)].front() == Some(&ticket);
        if !first || state.running + slots > limit {
            return Take::Busy;
        }
        state.running += slots;
        state.count(need.requests, now);
        Take::Taken(slots)
    }

    /// Somebody has slept until `until`, so it has passed, whatever the clock says (a test's clock
    /// may stand still).
    fn reached(&self, until: Timestamp) {
        let mut state = lock(&self.state);
        if state.blocked_until <= until {
            state.blocked_until = Timestamp::MIN;
        }
        state.forget(until);
    }

    fn at_rest(&self, now: Timestamp) -> bool {
        let mut state = lock(&self.state);
        state.forget(now);
        state.running == 0 && state.window.is_empty() && state.blocked_until <= now
    }

    /// An answer came that did not ask for less.
    pub fn succeeded(&self) {
        let mut state = lock(&self.state);
        state.allowed = (state.allowed + 1.0 / state.allowed).min(self.rules.slots as f64);
    }
}

impl State {
    /// Slots that a call of this priority may see taken, itself included.
    fn limit(&self, restore: bool) -> usize {
        let allowed = self.allowed as usize;
        if restore { allowed.max(2) } else { allowed.saturating_sub(1).max(1) }
    }

    fn window_full(&mut self, rules: Rules, need: Need, now: Timestamp) -> Option<Timestamp> {
        let whole = rules.window?;
        let share = if need.restore { whole } else { whole - whole / 10 };
        self.forget(now);
        let used: u32 = self.window.iter().map(|(_, count)| count).sum();
        let (leaves, _) = self.window.front()?;
        let until = Timestamp::from_second(*leaves).unwrap_or(Timestamp::MAX);
        (used + need.requests > share).then_some(until)
    }

    fn count(&mut self, requests: u32, now: Timestamp) {
        let step_end = (now.as_second().div_euclid(STEP) + 1) * STEP;
        let leaves = step_end + WINDOW.as_secs() as i64;
        match self.window.back_mut() {
            Some((last, count)) if *last >= leaves => *count += requests,
            _ => self.window.push_back((leaves, requests)),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while self.window.front().is_some_and(|(leaves, _)| *leaves <= now.as_second()) {
            self.window.pop_front();
        }
    }
}

/// A place in the queue of a scope, given up when dropped (also by a caller that stops waiting).
struct Place<'a> {
    scope: &'a Scope,
    ticket: u64,
    queue: usize,
}

impl<'a> Place<'a> {
    fn in_queue(scope: &'a Scope, restore: bool) -> Self {
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
struct Slots {
    scope: Arc<Scope>,
    slots: usize,
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
    /// The scope in which it was given.
    pub fn scope(&self) -> &Scope {
        &self.held.scope
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;
    use proptest::prelude::*;

    use super::*;

    const ONE: Need = Need { restore: false, requests: 1 };
    const RESTORE: Need = Need { restore: true, requests: 1 };
    const HOUR: Duration = Duration::from_secs(3600);

    /// A budget whose sleep moves its clock and writes down what it slept.
    fn budget() -> (Budget, Arc<Mutex<Vec<u64>>>) {
        let clock = Clock::manual("2026-11-22T10:00:00Z".parse().unwrap());
        let slept = Arc::new(Mutex::new(Vec::new()));
        let (moved, log) = (clock.clone(), Arc::clone(&slept));
        let sleep = Sleep::new(move |pause: Duration| {
            moved.advance(pause.try_into().unwrap());
            log.lock().unwrap().push(pause.as_secs());
            std::future::ready(())
        });
        (Budget::new(clock, sleep, Arc::default()), slept)
    }

    async fn take(budget: &Budget, scope: &Arc<Scope>, need: Need) -> Option<Permit> {
        let mut waited = Duration::ZERO;
        // Without the cooperative budget of tokio, which makes long loops of polls look busy.
        let call = tokio::task::unconstrained(budget.acquire(scope, need, &mut waited, HOUR));
        tokio::pin!(call);
        match poll!(call) {
            Poll::Ready(permit) => Some(permit.unwrap()),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn three_backups_and_one_restore_at_a_time() {
        let (budget, _) = budget();
        let scope = budget.scope(Some("A"));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(take(&budget, &scope, ONE).await.unwrap());
        }
        assert!(take(&budget, &scope, ONE).await.is_none());
        held.push(take(&budget, &scope, RESTORE).await.unwrap());
        assert!(take(&budget, &scope, RESTORE).await.is_none());
        let same = budget.scope(Some("a"));
        assert!(take(&budget, &same, ONE).await.is_none());
        let other = budget.scope(Some("b"));
        assert!(take(&budget, &other, ONE).await.is_some());
        held.clear();
        assert!(take(&budget, &scope, ONE).await.is_some());
    }

    #[tokio::test]
    async fn a_batch_takes_the_whole_share() {
        let (budget, _) = budget();
        let scope = budget.scope(Some("a"));
        let batch = Need { restore: false, requests: 20 };
        let single = take(&budget, &scope, ONE).await.unwrap();
        assert!(take(&budget, &scope, batch).await.is_none());
        drop(single);
        let held = take(&budget, &scope, batch).await.unwrap();
        assert!(take(&budget, &scope, ONE).await.is_none());
        assert!(take(&budget, &scope, RESTORE).await.is_some());
        drop(held);
    }

    #[tokio::test]
    async fn throttling_halves_and_success_gives_back() {
        let (budget, slept) = budget();
        let scope = budget.scope(Some("a"));
        budget.throttled(&scope, Duration::from_secs(30));
        budget.throttled(&scope, Duration::from_secs(10));
        let first = take(&budget, &scope, ONE).await.unwrap();
        assert_eq!(*slept.lock().unwrap(), [30], "the longer pause counts, and is waited once");
        assert!(take(&budget, &scope, ONE).await.is_none(), "one backup slot is left of three");
        drop(first);
        for _ in 0..8 {
            scope.succeeded();
        }
        let held = [take(&budget, &scope, ONE).await, take(&budget, &scope, ONE).await];
        assert!(held.iter().all(Option::is_some));
        assert!(take(&budget, &scope, ONE).await.is_some());
    }

    #[tokio::test]
    async fn the_window_stops_backups_before_restores() {
        let (budget, slept) = budget();
        let scope = budget.scope(Some("a"));
        for _ in 0..9_000 {
            drop(take(&budget, &scope, ONE).await.unwrap());
        }
        let refused = budget.acquire(&scope, ONE, &mut Duration::default(), Duration::ZERO).await;
        assert_eq!(refused.unwrap_err(), Duration::from_secs(610));
        for _ in 0..1_000 {
            drop(take(&budget, &scope, RESTORE).await.unwrap());
        }
        assert!(slept.lock().unwrap().is_empty());
        drop(take(&budget, &scope, RESTORE).await.unwrap());
        assert_eq!(*slept.lock().unwrap(), [610]);
    }

    #[tokio::test]
    async fn a_pause_beyond_the_deadline_is_an_error() {
        let (budget, slept) = budget();
        let scope = budget.scope(None);
        budget.throttled(&scope, Duration::from_secs(600));
        let mut waited = Duration::ZERO;
        let limit = Duration::from_secs(60);
        let refused = budget.acquire(&scope, ONE, &mut waited, limit).await.unwrap_err();
        assert_eq!(refused, Duration::from_secs(600));
        assert!(slept.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_leaves_the_queue() {
        let (budget, _) = budget();
        let scope = budget.scope(Some("a"));
        let held = [take(&budget, &scope, ONE).await, take(&budget, &scope, ONE).await];
        let third = take(&budget, &scope, ONE).await;
        assert!(take(&budget, &scope, ONE).await.is_none());
        drop((held, third));
        assert!(take(&budget, &scope, ONE).await.is_some());
        assert!(lock(&scope.state).queues.iter().all(VecDeque::is_empty));
    }

    #[tokio::test]
    async fn a_clock_that_stands_still_does_not_wait_for_ever() {
        let slept = Arc::new(Mutex::new(0));
        let count = Arc::clone(&slept);
        let sleep = Sleep::new(move |_| {
            *count.lock().unwrap() += 1;
            std::future::ready(())
        });
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let budget = Budget::new(clock, sleep, Arc::default());
        let scope = budget.scope(Some("a"));
        budget.throttled(&scope, Duration::from_secs(30));
        assert!(take(&budget, &scope, ONE).await.is_some());
        assert_eq!(*slept.lock().unwrap(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever comes: never more than four at a time nor three backups, and in the end
        /// everybody is served.
        #[test]
        fn any_sequence_keeps_the_limits(steps in proptest::collection::vec(0_u8..6, 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (budget, _) = budget();
                let scope = budget.scope(Some("a"));
                let (mut backups, mut restores) = (Vec::new(), Vec::new());
                for step in steps {
                    match step {
                        0 | 1 => backups.extend(take(&budget, &scope, ONE).await),
                        2 => restores.extend(take(&budget, &scope, RESTORE).await),
                        3 => drop(backups.pop()),
                        4 => drop(restores.pop()),
                        _ => budget.throttled(&scope, Duration::from_secs(5)),
                    }
                    scope.succeeded();
                    prop_assert!(backups.len() <= 3 && backups.len() + restores.len() <= 4);
                    prop_assert_eq!(lock(&scope.state).running, backups.len() + restores.len());
                }
                backups.clear();
                restores.clear();
                prop_assert!(take(&budget, &scope, ONE).await.is_some());
                Ok(())
            })?;
        }
    }
}
