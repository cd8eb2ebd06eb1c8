//! The virtual clock of the simulated tenant.
//!
//! Everything that has an age (tokens, delta links, upload sessions, throttling windows) is
//! measured with it, so a test makes a week pass by [`SimClock::advance`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that runs with the machine's, or stands still, and can be put forward.
#[derive(Debug)]
pub struct SimClock {
    fixed: Option<Timestamp>,
    offset: Mutex<SignedDuration>,
}

impl SimClock {
    /// A clock that stands at `start` until it is advanced; without `start` the machine's clock.
    pub fn new(start: Option<Timestamp>) -> Self {
        Self { fixed: start, offset: Mutex::new(SignedDuration::ZERO) }
    }

    /// The time now, cut to whole seconds as Exchange shows it.
    pub fn now(&self) -> Timestamp {
        let base = self.fixed.unwrap_or_else(machine_now);
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let now = base.saturating_add(offset).unwrap_or(base);
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Puts the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset = offset.saturating_add(by);
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulated tenant is a world of its own")]
fn machine_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock = SimClock::new(Some(start));
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-03-02T08:01:30Z");
    }
}
