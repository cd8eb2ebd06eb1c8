//! What is used of the drives' budget, by minute and by day.

use std::sync::Arc;

use jiff::Timestamp;

use crate::stats::{Counters, add};

/// Seconds in which SharePoint counts.
pub(super) const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3600;

/// A day's limit in minutes' limits: 1.2 M to 1,250, and so on to 6.0 M to 6,250 (source as in
/// `window`). A day at the full rate would need 1,440.
const MINUTES_A_DAY: u64 = 960;

/// A minute is used up when nine tenths of what waiting work may have were used. What a minute
/// lacks to the whole is in the one before, where a burst crossed the border.
const USED_UP: u32 = 9;

/// The running minute and day.
#[derive(Debug)]
pub(super) struct Meter {
    counters: Arc<Counters>,
    minute: i64,
    /// Units used in the minute.
    used: u32,
    /// Present where work waited in the minute: what that work was allowed to use.
    share: Option<u32>,
    /// The second until which work waits; it may lie in a later minute.
    waits_until: i64,
    /// The service said in this minute how much is left.
    told: bool,
    day: i64,
    used_today: u64,
    warned: bool,
}

/// What ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Over {
    /// A minute that was used up, and in which the service told nothing.
    pub used_up: bool,
    /// A day.
    pub day: bool,
}

impl Meter {
    pub fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            minute: i64::MIN,
            used: 0,
            share: None,
            waits_until: i64::MIN,
            told: false,
            day: i64::MIN,
            used_today: 0,
            warned: false,
        }
    }

    /// Closes the minute and the day if `now` is past them.
    pub fn roll(&mut self, now: Timestamp) -> Over {
        let second = now.as_second();
        let (minute, day) = (second.div_euclid(MINUTE), second.div_euclid(DAY));
        let mut over = Over::default();
        if minute > self.minute {
            over.used_up = self.close(second);
            (self.minute, self.used, self.share, self.told) = (minute, 0, None, false);
        }
        if day > self.day {
            over.day = self.day != i64::MIN;
            (self.day, self.used_today, self.warned) = (day, 0, false);
        }
        over
    }

    /// Work waits until the second `until` and may use `share` units a minute.
    pub fn wait(&mut self, share: u32, until: i64) {
        self.share = Some(share);
        self.waits_until = self.waits_until.max(until);
    }

    pub fn told(&mut self) {
        self.told = true;
    }

    pub fn count(&mut self, units: u32, capacity: u32) {
        self.used = self.used.saturating_add(units);
        self.used_today += u64::from(units);
        let budget = u64::from(capacity) * MINUTES_A_DAY;
        if self.used_today > budget && !self.warned {
            self.warned = true;
            tracing::warn!(
                units = self.used_today,
                budget,
                "more of SharePoint's resource units were used today than 80 % of the day's limit"
            );
        }
    }

    /// Adds a minute in which work waited to the figures, and the whole minutes after it in which
    /// that work still waited and nothing was asked.
    fn close(&mut self, second: i64) -> bool {
        let Some(share) = self.share else { return false };
        let waited_to = self.waits_until.min(second).div_euclid(MINUTE);
        let silent = waited_to.saturating_sub(self.minute + 1).max(0) as u64;
        add(&self.counters.budget_used, u64::from(self.used.min(share)));
        add(&self.counters.budget_available, u64::from(share) * (1 + silent));
        !self.told && self.used >= share / 10 * USED_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn figures(meter: &Meter) -> (u64, u64) {
        let stats = meter.counters.read();
        (stats.budget_used, stats.budget_available)
    }

    #[test]
    fn only_minutes_in_which_work_waited_count() {
        let mut meter = Meter::new(Arc::default());
        meter.roll(at(0));
        meter.count(500, 1000);
        assert_eq!(meter.roll(at(60)), Over::default());
        assert_eq!(figures(&meter), (0, 0));
        meter.count(700, 1000);
        meter.wait(900, 100);
        meter.count(150, 1000);
        assert_eq!(meter.roll(at(119)), Over::default(), "the minute is not over");
        assert_eq!(meter.roll(at(120)), Over { used_up: true, day: false });
        assert_eq!(figures(&meter), (850, 900));
        meter.count(900, 1000);
        meter.wait(900, 170);
        meter.told();
        assert_eq!(meter.roll(at(180)), Over::default(), "the service told what the limit is");
        meter.count(300, 1000);
        meter.wait(900, 230);
        assert_eq!(meter.roll(at(240)), Over::default(), "it was not used up");
        assert_eq!(figures(&meter), (2050, 2700));
    }

    #[test]
    fn a_minute_slept_through_was_lost() {
        let mut meter = Meter::new(Arc::default());
        meter.roll(at(59));
        meter.count(900, 1000);
        meter.wait(900, 120);
        meter.roll(at(120));
        assert_eq!(figures(&meter), (900, 1800));
        meter.wait(900, 180);
        meter.roll(at(100_000));
        assert_eq!(figures(&meter), (900, 2700), "what came long after the wait is not counted");
    }

    #[test]
    fn a_day_is_warned_of_once() {
        let mut meter = Meter::new(Arc::default());
        meter.roll(at(0));
        meter.count(1_000_000, 1000);
        assert!(meter.warned && meter.used_today == 1_000_000);
        assert!(meter.roll(at(DAY)).day);
        assert!(!meter.warned && meter.used_today == 0);
        meter.count(900_000, 1000);
        assert!(!meter.warned, "960 minutes' limits are a day's");
    }
}
