//! The limits of mailboxes and of the directory.

use std::collections::VecDeque;
use std::task::Poll;

use futures::poll;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const ONE: Need = Need { restore: false, requests: 1, cost: 1 };
const RESTORE: Need = Need { restore: true, requests: 1, cost: 1 };
const HOUR: Duration = Duration::from_secs(3600);

fn mailbox(id: &str) -> Service {
    Service::Mailbox(id.to_owned())
}

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
    let scope = budget.scope(&mailbox("A"));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(take(&budget, &scope, ONE).await.unwrap());
    }
    assert!(take(&budget, &scope, ONE).await.is_none());
    held.push(take(&budget, &scope, RESTORE).await.unwrap());
    assert!(take(&budget, &scope, RESTORE).await.is_none());
    let same = budget.scope(&mailbox("a"));
    assert!(take(&budget, &same, ONE).await.is_none());
    let other = budget.scope(&mailbox("b"));
    assert!(take(&budget, &other, ONE).await.is_some());
    held.clear();
    assert!(take(&budget, &scope, ONE).await.is_some());
}

#[tokio::test]
async fn drives_have_fifteen_slots_for_backups_and_one_more_for_restores() {
    let (budget, _) = budget();
    let scope = budget.scope(&Service::Drives);
    let five = Need { cost: 5, ..ONE };
    let mut held = Vec::new();
    for _ in 0..15 {
        held.push(take(&budget, &scope, five).await.unwrap());
    }
    assert!(take(&budget, &scope, five).await.is_none());
    held.push(take(&budget, &scope, Need { restore: true, ..five }).await.unwrap());
    assert!(take(&budget, &scope, RESTORE).await.is_none());
}

#[tokio::test]
async fn a_batch_takes_the_whole_share() {
    let (budget, _) = budget();
    let scope = budget.scope(&mailbox("a"));
    let batch = Need { restore: false, requests: 20, cost: 20 };
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
    let scope = budget.scope(&mailbox("a"));
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
    let scope = budget.scope(&mailbox("a"));
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
    let scope = budget.scope(&Service::Directory);
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
    let scope = budget.scope(&mailbox("a"));
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
    let scope = budget.scope(&mailbox("a"));
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
            let scope = budget.scope(&mailbox("a"));
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
