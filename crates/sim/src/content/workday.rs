//! When people work.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The end of the company's history: Friday, 30 October 2026, 16:00 UTC.
pub(super) const END_SECOND: i64 = 1_793_376_000;

/// How far it goes back, in days.
const SPAN_DAYS: f64 = 3.0 * 365.0;

/// A time on a working day; `progress` 0 is three years before the end, 1 the end.
pub(super) fn at_work(progress: f64, rng: &mut ChaCha8Rng) -> Timestamp {
    let days_back = SPAN_DAYS * (1.0 - progress) + rng.random_range(0.0..3.0);
    let day = Timestamp::from_second(END_SECOND - (days_back * 86_400.0) as i64)
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC)
        .date();
    let day = match day.weekday() {
        Weekday::Saturday => day.saturating_sub(SignedDuration::from_hours(24)),
        Weekday::Sunday => day.saturating_sub(SignedDuration::from_hours(48)),
        _ => day,
    };
    let second = rng.random_range(6 * 3600..16 * 3600);
    let start = day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
    start.unwrap_or_default() + SignedDuration::from_secs(second)
}
