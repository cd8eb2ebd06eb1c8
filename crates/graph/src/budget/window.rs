//! How much a scope may send in a stretch of time, and for drives: how much that is.
//!
//! SharePoint counts resource units per application and tenant: 1,250 a minute for the smallest
//! tenant and 6,250 for the largest (Microsoft, "Avoid getting throttled or blocked in SharePoint
//! Online", read 2026-08). It says which one this tenant is only from 80 % of the limit on, in the
//! `RateLimit` headers. So the window begins at 80 % of the smallest limit, and
//! - a minute used up without the headers means that the limit is larger: the next one gets a
//!   quarter more, which is still below a limit of which 80 % were not reached;
//! - the headers tell the limit, and what others have used of it;
//! - throttling takes a quarter away; from then on it grows by a twentieth a minute, so that a
//!   service without the headers is not driven against its limit every other minute.

use std::collections::VecDeque;
use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;

use super::Need;
use super::meter::{MINUTE, Meter};
use crate::stats::Counters;

/// Requests in a mailbox ("Microsoft Graph throttling limits", read 2026-08), and their seconds.
const MAILBOX: u32 = 10_000;
const MAILBOX_SECONDS: i64 = 600;
const MAILBOX_STEP: i64 = 10;

/// 80 % of the limits of the smallest and of the largest tenant, in resource units a minute.
pub(super) const SMALLEST_TENANT: u32 = 1_000;
const LARGEST_TENANT: u32 = 5_000;

/// Throttling takes no more than this away, so that work goes on.
const LEAST: u32 = 100;

/// Each unit counts for its minute and at most one step more: 60 of 61 s, 98 % of what is allowed.
const DRIVES_STEP: i64 = 1;

/// A sliding window.
#[derive(Debug)]
pub(crate) struct Window {
    seconds: i64,
    /// The window is counted in steps of so many seconds, each kept until its youngest call is old.
    step: i64,
    /// What may be used in the window.
    capacity: u32,
    /// Use by step: the second at which the step leaves the window, and what was used.
    steps: VecDeque<(i64, u32)>,
    /// Present where the capacity has to be found out.
    learning: Option<Learning>,
}

#[derive(Debug)]
struct Learning {
    meter: Meter,
    /// What the capacity may grow to.
    ceiling: u32,
    /// The service has asked for less.
    throttled: bool,
}

impl Window {
    pub fn mailbox() -> Self {
        let (seconds, step) = (MAILBOX_SECONDS, MAILBOX_STEP);
        Self { seconds, step, capacity: MAILBOX, steps: VecDeque::new(), learning: None }
    }

    pub fn drives(counters: Arc<Counters>) -> Self {
        let (seconds, step, capacity) = (MINUTE, DRIVES_STEP, SMALLEST_TENANT);
        let meter = Meter::new(counters);
        let learning = Some(Learning { meter, ceiling: LARGEST_TENANT, throttled: false });
        Self { seconds, step, capacity, steps: VecDeque::new(), learning }
    }

    /// Until when a call has to wait because the window is full. A call that costs more than there
    /// can be passes when the window is empty.
    pub fn full(&mut self, need: Need, now: Timestamp) -> Option<Timestamp> {
        self.roll(now);
        let share = if need.restore { self.capacity } else { self.capacity - self.capacity / 10 };
        let (leaves, _) = *self.steps.front()?;
        if need.cost == 0 || self.used() + need.cost <= share {
            return None;
        }
        if let Some(learning) = &mut self.learning {
            learning.meter.wait(share, leaves);
        }
        Some(Timestamp::from_second(leaves).unwrap_or(Timestamp::MAX))
    }

    /// Something is sent that costs so much.
    pub fn count(&mut self, cost: u32, now: Timestamp) {
        if cost == 0 {
            return;
        }
        if let Some(learning) = &mut self.learning {
            learning.meter.count(cost, self.capacity);
        }
        let step_end = (now.as_second().div_euclid(self.step) + 1) * self.step;
        let leaves = step_end + self.seconds;
        match self.steps.back_mut() {
            Some((last, used)) if *last >= leaves => *used += cost,
            _ => self.steps.push_back((leaves, cost)),
        }
    }

    pub fn forget(&mut self, now: Timestamp) {
        while self.steps.front().is_some_and(|(leaves, _)| *leaves <= now.as_second()) {
            self.steps.pop_front();
        }
    }

    pub fn at_rest(&mut self, now: Timestamp) -> bool {
        self.forget(now);
        self.steps.is_empty()
    }

    /// The service asked for less.
    pub fn throttled(&mut self) {
        if let Some(learning) = &mut self.learning {
            learning.throttled = true;
            self.capacity = (self.capacity / 4 * 3).max(LEAST);
        }
    }

    /// The service told what is left. What it counted beyond our own count was used by somebody
    /// else with our name (a second instance, or this one before a restart).
    pub fn told(&mut self, limit: RateLimit, now: Timestamp) {
        self.roll(now);
        let Some(learning) = &mut self.learning else { return };
        learning.meter.told();
        learning.ceiling = (limit.limit / 5 * 4).clamp(LEAST, LARGEST_TENANT);
        self.capacity = match learning.throttled {
            true => self.capacity.min(learning.ceiling),
            false => learning.ceiling,
        };
        let used = limit.remaining.map_or(0, |remaining| limit.limit.saturating_sub(remaining));
        let others = used.saturating_sub(self.used());
        if others > 0 {
            let leaves = now.as_second() + limit.reset.clamp(1, self.seconds);
            let place = self.steps.partition_point(|(earlier, _)| *earlier <= leaves);
            self.steps.insert(place, (leaves, others));
        }
    }

    fn used(&self) -> u32 {
        self.steps.iter().fold(0, |sum, (_, used)| sum.saturating_add(*used))
    }

    /// Forgets what is old, and draws the conclusions from a minute that is over.
    fn roll(&mut self, now: Timestamp) {
        self.forget(now);
        let Some(learning) = &mut self.learning else { return };
        let over = learning.meter.roll(now);
        if over.day {
            // Licences change: what was learnt is learnt again once a day.
            (learning.ceiling, learning.throttled) = (LARGEST_TENANT, false);
        }
        if over.used_up {
            let more = self.capacity / if learning.throttled { 20 } else { 4 };
            self.capacity = (self.capacity + more).min(learning.ceiling);
        }
    }
}

/// What `RateLimit-Limit`, `-Remaining` and `-Reset` say (draft of the IETF; SharePoint sends them
/// from 80 % of the minute's limit on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// Units in the window.
    pub limit: u32,
    /// Units left of them.
    pub remaining: Option<u32>,
    /// Seconds until the window is new.
    pub reset: i64,
}

impl RateLimit {
    /// `None` where the headers are not there, or not numbers.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| {
            let text = headers.get(name)?.to_str().ok()?;
            // `1250, 1250;w=60`: the number in front is what holds.
            let digits = text.trim().split([',', ';']).next()?.trim();
            digits.parse::<u32>().ok()
        };
        let limit = number("ratelimit-limit").filter(|limit| *limit > 0)?;
        let reset = number("ratelimit-reset").map_or(MINUTE, i64::from);
        Some(Self { limit, remaining: number("ratelimit-remaining"), reset })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(limit: &str, remaining: &str, reset: &str) -> Option<RateLimit> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            ("ratelimit-reset", reset),
        ] {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        RateLimit::read(&headers)
    }

    #[test]
    fn headers_are_read_where_they_are_numbers() {
        let is = |limit, remaining, reset| Some(RateLimit { limit, remaining, reset });
        assert_eq!(read("1250", "200", "31"), is(1250, Some(200), 31));
        assert_eq!(read("1250, 1250;w=60", " 0 ", "5"), is(1250, Some(0), 5));
        assert_eq!(read("1250", "many", "soon"), is(1250, None, 60));
        for none in ["", "0", "-1", "1e3", "99999999999"] {
            assert_eq!(read(none, "1", "1"), None, "{none}");
        }
        assert_eq!(RateLimit::read(&HeaderMap::new()), None);
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn need(cost: u32) -> Need {
        Need { restore: false, requests: 1, cost }
    }

    fn drives() -> Window {
        Window::drives(Arc::default())
    }

    /// Uses a minute up from `second` on and comes back in the next; gives the capacity then.
    fn use_up(window: &mut Window, second: i64) -> u32 {
        while window.full(need(1), at(second)).is_none() {
            window.count(1, at(second));
        }
        window.full(need(0), at(second + MINUTE + 1));
        window.capacity
    }

    #[test]
    fn a_minute_used_up_in_silence_gives_a_quarter_more() {
        let mut window = drives();
        let grown: Vec<u32> = (0..9).map(|n| use_up(&mut window, n * 61)).collect();
        assert_eq!(grown, [1250, 1562, 1952, 2440, 3050, 3812, 4765, 5000, 5000]);
        window.full(need(1), at(10_000));
        assert_eq!(window.capacity, 5000, "a minute that is not used up says nothing");
    }

    #[test]
    fn the_headers_tell_the_limit() {
        let mut window = drives();
        window.told(RateLimit { limit: 3750, remaining: None, reset: 60 }, at(0));
        assert_eq!(window.capacity, 3000);
        assert_eq!(use_up(&mut window, 100), 3000, "it does not grow past what was told");
        window.told(RateLimit { limit: 1250, remaining: None, reset: 60 }, at(300));
        assert_eq!(window.capacity, 1000);
        for (odd, capacity) in [(1, LEAST), (u32::MAX, LARGEST_TENANT)] {
            window.told(RateLimit { limit: odd, remaining: None, reset: 60 }, at(400));
            assert_eq!(window.capacity, capacity);
        }
    }

    #[test]
    fn what_others_have_used_counts_until_the_reset() {
        let mut window = drives();
        window.count(100, at(0));
        window.told(RateLimit { limit: 1250, remaining: Some(350), reset: 20 }, at(5));
        assert_eq!(window.used(), 900);
        assert_eq!(window.full(need(1), at(6)), Some(at(25)));
        assert_eq!(window.full(need(1), at(25)), None);
        assert_eq!(window.used(), 100);
        window.told(RateLimit { limit: 1250, remaining: Some(0), reset: 86_400 }, at(30));
        assert_eq!(window.full(need(1), at(89)), Some(at(90)), "no longer than a minute");
        assert_eq!(window.full(need(1), at(90)), None);
    }

    #[test]
    fn throttling_takes_a_quarter_and_growth_is_slow_after_it() {
        let mut window = drives();
        window.throttled();
        assert_eq!(window.capacity, 750);
        assert_eq!(use_up(&mut window, 0), 787);
        window.told(RateLimit { limit: 6250, remaining: None, reset: 60 }, at(100));
        assert_eq!(window.capacity, 787, "the limit is known, and still less was asked for");
        for _ in 0..20 {
            window.throttled();
        }
        assert_eq!(window.capacity, LEAST);
        window.full(need(1), at(24 * 3600));
        window.told(RateLimit { limit: 6250, remaining: None, reset: 60 }, at(24 * 3600));
        assert_eq!(window.capacity, 5000, "a new day, and the service says how much it is");
    }

    #[test]
    fn a_tenth_is_kept_for_restores_and_a_large_call_is_not_kept_out_for_ever() {
        let mut window = drives();
        window.count(900, at(0));
        assert_eq!(window.full(need(1), at(0)), Some(at(61)));
        let restore = Need { restore: true, ..need(100) };
        assert_eq!(window.full(restore, at(0)), None);
        assert!(window.full(Need { cost: 101, ..restore }, at(0)).is_some());
        window.count(100, at(0));
        assert_eq!(window.full(need(0), at(0)), None, "what costs nothing does not wait");
        assert_eq!(drives().full(need(2000), at(0)), None);
    }

    proptest! {
        /// In any minute no more is sent than the capacity of its end, whatever the headers say.
        #[test]
        fn no_minute_gets_more_than_the_capacity(
            calls in proptest::collection::vec((0_i64..8, 1_u32..40, 0_u8..20), 1..400),
        ) {
            let mut window = drives();
            let (mut second, mut sent) = (0, Vec::new());
            for (later, cost, event) in calls {
                second += later;
                match event {
                    0 => window.throttled(),
                    1 => window.told(RateLimit { limit: cost * 100, remaining: Some(cost), reset: 9 }, at(second)),
                    _ => {}
                }
                if window.full(need(cost), at(second)).is_none() {
                    window.count(cost, at(second));
                    sent.push((second, cost));
                    let minute = sent.iter().filter(|(then, _)| second - then < MINUTE);
                    let sum: u32 = minute.map(|(_, cost)| cost).sum();
                    prop_assert!(sum <= window.capacity, "{sum} of {}", window.capacity);
                }
            }
        }
    }
}
