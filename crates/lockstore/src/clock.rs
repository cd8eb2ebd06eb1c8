//! The stores' time of day: set and moved by a test, never backwards.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The time by which a store stamps versions and judges locks. Clones share their state.
///
/// It only moves forward, as a provider's clock does: a lock that has ended never comes back.
/// It does not judge the date in a request's signature, which comes from the client's machine.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// The machine's clock, ahead by so much.
    Machine(SignedDuration),
    /// Stands still between calls.
    Manual(Timestamp),
}

impl Clock {
    /// The clock of the machine; [`Clock::advance`] puts it ahead.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(State::Machine(SignedDuration::ZERO))))
    }

    /// A clock that stands still at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State::Manual(start))))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Moves forward by `by`; a negative span changes nothing.
    pub fn advance(&self, by: SignedDuration) {
        if by.is_negative() {
            return;
        }
        match &mut *self.state() {
            State::Machine(ahead) => *ahead = ahead.saturating_add(by),
            State::Manual(now) => *now = now.saturating_add(by).unwrap_or(Timestamp::MAX),
        }
    }

    /// Moves forward to `to`; an earlier moment than the present changes nothing.
    pub fn set(&self, to: Timestamp) {
        let now = self.now();
        self.advance(to.duration_since(now));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        match self {
            Self::Machine(ahead) => {
                Timestamp::now().saturating_add(*ahead).unwrap_or(Timestamp::MAX)
            }
            Self::Manual(now) => *now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn clones_move_together_and_never_back() {
        let clock = Clock::manual(second(100));
        let twin = clock.clone();
        clock.advance(SignedDuration::from_secs(50));
        assert_eq!(twin.now(), second(150));
        clock.advance(SignedDuration::from_secs(-50));
        clock.set(second(20));
        assert_eq!(twin.now(), second(150));
        twin.set(second(151));
        assert_eq!(clock.now(), second(151));
    }

    #[test]
    fn the_machines_clock_can_be_put_ahead() {
        let (here, ahead) = (Clock::system(), Clock::system());
        ahead.advance(SignedDuration::from_hours(1000));
        assert!(ahead.now().duration_since(here.now()) > SignedDuration::from_hours(999));
    }
}
