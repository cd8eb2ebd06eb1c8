//! Rules of retention.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How long snapshots are kept: each as long as any of the rules keeps it. No rule at all keeps
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(Vec<KeepRule>);

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepRule {
    /// Everything.
    All,
    /// The newest final snapshots, so many of them.
    Last(NonZeroU32),
    /// What is not older than the newest final snapshot by more than this.
    ///
    /// Not older than the present: a server that stood still for a month must not lose its history
    /// by the first run after it (as restic's `--keep-within`).
    Within(Period),
}

impl Rules {
    /// Keeps everything.
    pub fn keep_all() -> Self {
        Self::default()
    }

    /// Keeps what any of these keeps; everything where there is none.
    pub fn new(rules: impl IntoIterator<Item = KeepRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// The rules. Empty: everything is kept.
    pub fn rules(&self) -> &[KeepRule] {
        &self.0
    }

    /// True where no snapshot is forgotten for its age.
    pub fn keeps_all(&self) -> bool {
        self.0.is_empty() || self.0.contains(&KeepRule::All)
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keeps_all() {
            return f.write_str("keep all");
        }
        for (n, rule) in self.0.iter().enumerate() {
            write!(f, "{}{rule}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for KeepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("keep all"),
            Self::Last(count) => write!(f, "keep last {count}"),
            Self::Within(period) => write!(f, "keep within {period}"),
        }
    }
}

/// A length of time in whole hours: `36h`, `30d`, `8w`, `7y` (a year has 365 days).
///
/// There are no months: `m` means minutes to one reader and months to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    hours: u32,
}

/// Hours of each unit, the longest first.
const UNITS: [(char, u32); 4] = [('y', 365 * 24), ('w', 7 * 24), ('d', 24), ('h', 1)];

/// Longer than anybody keeps anything, and far from the end of the calendar.
const MAX_HOURS: u32 = 1000 * 365 * 24;

impl Period {
    /// So many days.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none and for more than 1,000 years.
    pub fn days(days: u32) -> Result<Self> {
        Self::hours(days.checked_mul(24))
    }

    fn hours(hours: Option<u32>) -> Result<Self> {
        let hours = hours.filter(|hours| (1..=MAX_HOURS).contains(hours));
        let wrong = || Error::Invalid("a period is between an hour and 1,000 years".to_owned());
        Ok(Self { hours: hours.ok_or_else(wrong)? })
    }

    /// As a duration.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_hours(self.hours.into())
    }
}

impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::Invalid("a period is a number and h, d, w or y, as in 30d".to_owned());
        let unit = text.chars().last().ok_or_else(wrong)?;
        let (_, hours) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let digits = &text[..text.len() - unit.len_utf8()];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        Self::hours(digits.parse::<u32>().ok().and_then(|count| count.checked_mul(hours)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days are what people say; weeks and years only where they came from.
        let (unit, hours) = if self.hours.is_multiple_of(24) { ('d', 24) } else { ('h', 1) };
        write!(f, "{}{unit}", self.hours / hours)
    }
}

impl TryFrom<String> for Period {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written() {
        for (text, hours, shown) in
            [("36h", 36, "36h"), ("30d", 720, "30d"), ("2w", 336, "14d"), ("1y", 8760, "365d")]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.duration(), SignedDuration::from_hours(hours), "{text}");
            assert_eq!(period.to_string(), shown);
            assert_eq!(shown.parse::<Period>().unwrap(), period);
        }
        let bad = ["", "d", "30", "0d", "-3d", "+3d", "3 d", "3m", "1.5d", "9999y", "99999999999h"];
        for text in bad.into_iter().chain(["3ä", "ä"]) {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn rules_are_told_in_words() {
        let last = KeepRule::Last(NonZeroU32::new(7).unwrap());
        let within = KeepRule::Within(Period::days(30).unwrap());
        assert_eq!(Rules::new([last, within]).to_string(), "keep last 7, keep within 30d");
        assert_eq!(Rules::keep_all().to_string(), "keep all");
        assert!(Rules::new([last, KeepRule::All]).keeps_all());
        assert!(!Rules::new([last]).keeps_all());
    }
}
