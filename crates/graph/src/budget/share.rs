//! The share of the budget that is used and of the requests that are throttled, against a model of
//! SharePoint in virtual time: tasks work as hard as they may, and every second of it is tokio's
//! paused clock.

use std::collections::VecDeque;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::retry;
use crate::stats::{Stats, add};

/// Tasks that always have another request: more than there are slots.
const TASKS: u64 = 18;

/// Minutes of the work; the last third of them shows what has been learnt of the tenant.
const MINUTES: u64 = 21;

/// How the service counts: nobody has said, so both.
#[derive(Clone, Copy, Debug)]
enum Counting {
    /// From one full minute to the next.
    Minutes,
    /// The last sixty seconds at any moment.
    Sliding,
}

/// A service that throttles by its rules and does not know ours.
struct Service {
    limit: u32,
    counting: Counting,
    /// Tells what is left from 80 % on.
    headers: bool,
    used: Mutex<VecDeque<(u64, u32)>>,
}

struct Reply {
    told: Option<RateLimit>,
    throttled: bool,
}

impl Service {
    fn ask(&self, now: u64, cost: u32) -> Reply {
        let mut used = lock(&self.used);
        let (first, reset) = match self.counting {
            Counting::Minutes => (now / 60_000 * 60_000, 60_000 - now % 60_000),
            Counting::Sliding => (now.saturating_sub(59_999), 60_000),
        };
        while used.front().is_some_and(|(then, _)| *then < first) {
            used.pop_front();
        }
        let before: u32 = used.iter().map(|(_, cost)| cost).sum();
        let throttled = before + cost > self.limit;
        if !throttled {
            used.push_back((now, cost));
        }
        let sum = if throttled { self.limit } else { before + cost };
        let told = (self.headers && sum * 5 >= self.limit * 4).then_some(RateLimit {
            limit: self.limit,
            remaining: Some(self.limit - sum),
            reset: reset.div_ceil(1000) as i64,
        });
        Reply { told, throttled }
    }
}

/// Work without a pause; how much of the tenant's limit was used in the end.
async fn work(service: &Service) -> (Stats, f64) {
    let (start, clock) = (Instant::now(), Clock::manual(Timestamp::UNIX_EPOCH));
    let since = move || u64::try_from(start.elapsed().as_millis()).unwrap();
    let moved = clock.clone();
    let tick = move || {
        let behind = since() as i64 - moved.now().as_millisecond();
        moved.advance(jiff::SignedDuration::from_millis(behind));
    };
    let ticking = tick.clone();
    let sleep = Sleep::new(move |pause| {
        let tick = ticking.clone();
        async move {
            tokio::time::sleep(pause).await;
            tick();
        }
    });
    let counters: Arc<Counters> = Arc::default();
    let budget = Budget::new(clock, sleep, Arc::clone(&counters));
    let late = Mutex::new(0_u64);
    let task = |number: u64| {
        let (budget, counters, late, tick) = (&budget, &counters, &late, &tick);
        async move {
            let scope = budget.scope(&super::Service::Drives);
            let mut turn = number;
            while since() < MINUTES * 60_000 {
                turn += 1;
                // One request in twenty is about permissions, one in four a list or a change.
                let cost =
                    if turn.is_multiple_of(20) { 5 } else { 1 + u32::from(turn.is_multiple_of(4)) };
                let need = Need { restore: false, requests: 1, cost };
                let mut waited = Duration::ZERO;
                let permit = budget.acquire(&scope, need, &mut waited, retry::DEADLINE);
                let permit = permit.await.unwrap();
                tokio::time::sleep(Duration::from_millis(60 + turn * 37 % 200)).await;
                tick();
                let reply = service.ask(since(), cost);
                add(&counters.requests, 1);
                add(&counters.throttled, u64::from(reply.throttled));
                if let Some(told) = reply.told {
                    budget.told(&scope, told);
                }
                if reply.throttled {
                    budget.throttled(&scope, Duration::from_secs(60));
                } else {
                    permit.scope().succeeded();
                    *lock(late) += if since() > MINUTES * 40_000 { u64::from(cost) } else { 0 };
                }
            }
        }
    };
    join_all((0..TASKS).map(task)).await;
    let whole = MINUTES / 3 * u64::from(service.limit);
    let share = *lock(&late) as f64 / whole as f64;
    (counters.read(), share)
}

#[tokio::test(start_paused = true)]
async fn waiting_work_uses_the_budget_and_is_hardly_ever_throttled() {
    for limit in [1250, 3750] {
        for (counting, headers) in [
            (Counting::Minutes, true),
            (Counting::Sliding, true),
            (Counting::Minutes, false),
            (Counting::Sliding, false),
        ] {
            let service = Service { limit, counting, headers, used: Mutex::default() };
            let (stats, of_limit) = work(&service).await;
            let used = stats.budget_used as f64 / stats.budget_available as f64;
            let throttled = stats.throttled as f64 / stats.requests as f64;
            let figures = format!(
                "limit {limit}, {counting:?}, headers {headers}: {:.1} % of the budget used, \
                 {:.3} % of {} requests throttled, {:.1} % of the tenant's limit used",
                used * 100.0,
                throttled * 100.0,
                stats.requests,
                of_limit * 100.0,
            );
            println!("{figures}");
            assert!(used >= 0.95 && throttled < 0.01, "{figures}");
            // A tenth of 80 % is for restores.
            assert!((0.66..1.0).contains(&of_limit), "{figures}");
            assert!(!headers || stats.throttled == 0, "{figures}");
        }
    }
}
