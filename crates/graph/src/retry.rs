//! When a failed attempt is repeated, and after which pause: pure rules.
//!
//! Full-jitter exponential back-off. `Retry-After` is obeyed in each of its forms; where the
//! service always says "1" (docs-contrib#1060, sdk-dotnet#250) the own back-off grows past it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::Kind;

/// Longest time that one call may take, waits included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Longest single pause that is waited out. Exchange counts in windows of 10 minutes (Microsoft,
/// "Microsoft Graph throttling limits", read 2026-08); what is longer goes back to the caller.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Shortest pause after a throttled answer, whatever it says.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

const FIRST_STEP: Duration = Duration::from_secs(1);
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// A longer `Retry-After` is reported as one year.
const YEAR: u64 = 366 * 24 * 3600;

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait alone, then repeat.
    Wait(Duration),
    /// Everybody in the scope waits, then repeat.
    Pause(Duration),
    /// Hand the error to the caller.
    GiveUp,
}

/// How often a failure of this kind is met before the caller gets it.
fn attempts(kind: Kind) -> u32 {
    match kind {
        Kind::Throttled => 20,
        Kind::Transient => 8,
        Kind::Unreachable => 5,
        Kind::Corrupt => 3,
        _ => 1,
    }
}

/// Decides after the `failures`-th failure of a call (from 1) that has lasted `elapsed`; `unit` is
/// a random number in [0, 1].
pub(crate) fn next(
    kind: Kind,
    retry_after: Option<Duration>,
    failures: u32,
    elapsed: Duration,
    unit: f64,
) -> Next {
    let wait = pause(kind, retry_after, failures, unit);
    if failures >= attempts(kind) || wait > LONGEST_PAUSE || elapsed + wait > DEADLINE {
        Next::GiveUp
    } else if kind == Kind::Throttled {
        Next::Pause(wait)
    } else {
        Next::Wait(wait)
    }
}

/// The pause after the `failures`-th failure: what the service asks for, or the own back-off where
/// that is longer.
pub(crate) fn pause(
    kind: Kind,
    retry_after: Option<Duration>,
    failures: u32,
    unit: f64,
) -> Duration {
    let floor = if kind == Kind::Throttled { SHORTEST_PAUSE } else { Duration::ZERO };
    backoff(failures, unit).max(retry_after.unwrap_or_default()).max(floor)
}

/// Full jitter: anything from nothing to 1 s, 2 s, 4 s … 60 s.
fn backoff(failures: u32, unit: f64) -> Duration {
    let doubled = FIRST_STEP.saturating_mul(1_u32 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_STEP).mul_f64(unit.clamp(0.0, 1.0))
}

/// Reads a `Retry-After` value: seconds or an HTTP date (RFC 9110, section 10.2.3). `None` where it
/// is neither. A date that has passed is zero.
pub(crate) fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(YEAR).min(YEAR)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let date = Timestamp::try_from(date).unwrap_or(Timestamp::MAX);
    let wait = Duration::try_from(date.duration_since(now)).unwrap_or_default();
    Some(wait.min(Duration::from_secs(YEAR)))
}

/// `now + wait`, at the end of time at the latest.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Time from `from` to `to`, zero where the clock went back.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn parse(value: &str) -> Option<Duration> {
        parse_retry_after(value, NOW.parse().unwrap())
    }

    #[test]
    fn retry_after_in_its_forms() {
        let secs = |n| Some(Duration::from_secs(n));
        assert_eq!(parse("120"), secs(120));
        assert_eq!(parse(" 0 "), secs(0));
        assert_eq!(parse("Sun, 22 Nov 2026 10:00:30 GMT"), secs(30));
        assert_eq!(parse("Sunday, 22-Nov-26 10:02:00 GMT"), secs(120));
        assert_eq!(parse("Sun Nov 22 10:00:05 2026"), secs(5));
        assert_eq!(parse("Sat, 21 Nov 2026 10:00:00 GMT"), secs(0));
        assert_eq!(parse("Fri, 31 Dec 9999 23:59:59 GMT"), secs(YEAR));
        assert_eq!(parse("99999999999999999999999999"), secs(YEAR));
        for none in ["", "-5", "1.5", "soon", "1, 2", "Sun, 99 Nov 2026 10:00:30 GMT"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn retry_after_one_for_ever_does_not_stop_the_growth() {
        let one = Some(Duration::from_secs(1));
        let waits: Vec<_> =
            (1..=8).map(|n| pause(Kind::Throttled, one, n, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn kinds_that_repeating_cannot_mend_are_given_up_at_once() {
        for kind in [Kind::Denied, Kind::NotFound, Kind::Gone, Kind::Invalid, Kind::Conflict] {
            assert_eq!(next(kind, None, 1, Duration::ZERO, 0.5), Next::GiveUp);
        }
        assert_eq!(next(Kind::Corrupt, None, 3, Duration::ZERO, 0.5), Next::GiveUp);
        assert_ne!(next(Kind::Corrupt, None, 2, Duration::ZERO, 0.5), Next::GiveUp);
    }

    #[test]
    fn a_pause_beyond_15_minutes_is_the_callers_business() {
        for (seconds, last) in [(900, false), (901, true), (86_400, true)] {
            let asked = Some(Duration::from_secs(seconds));
            let next = next(Kind::Throttled, asked, 1, Duration::ZERO, 0.5);
            assert_eq!(next == Next::GiveUp, last, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn any_header_value_is_read_without_harm(value in ".{0,60}") {
            if let Some(wait) = parse(&value) {
                prop_assert!(wait <= Duration::from_secs(YEAR));
            }
        }

        #[test]
        fn seconds_are_read_as_they_are(n in 0_u64..YEAR) {
            prop_assert_eq!(parse(&n.to_string()), Some(Duration::from_secs(n)));
        }

        #[test]
        fn dates_give_the_time_until_then(n in 0_u64..YEAR) {
            let now: Timestamp = NOW.parse().unwrap();
            let date = httpdate::fmt_http_date(after(now, Duration::from_secs(n)).into());
            prop_assert_eq!(parse(&date), Some(Duration::from_secs(n)));
        }

        #[test]
        fn waits_stay_in_their_bounds(
            failures in 1_u32..1000,
            unit in 0.0_f64..=1.0,
            retry_after in proptest::option::of(0_u64..2 * YEAR),
            elapsed in 0_u64..4000,
        ) {
            let asked = retry_after.map(Duration::from_secs);
            let elapsed = Duration::from_secs(elapsed);
            for kind in [Kind::Throttled, Kind::Transient, Kind::Unreachable, Kind::Corrupt] {
                match next(kind, asked, failures, elapsed, unit) {
                    Next::GiveUp => {}
                    Next::Wait(wait) | Next::Pause(wait) => {
                        prop_assert!(wait >= asked.unwrap_or_default());
                        prop_assert!(wait <= asked.unwrap_or_default().max(LONGEST_STEP));
                        prop_assert!(elapsed + wait <= DEADLINE);
                        prop_assert!(failures < attempts(kind));
                        prop_assert!(kind != Kind::Throttled || wait >= SHORTEST_PAUSE);
                    }
                }
            }
        }
    }
}
