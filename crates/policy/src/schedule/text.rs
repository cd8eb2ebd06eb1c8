//! Hours as a person writes them: `mon-fri 08:00-18:00`, `sat,sun 00:00-24:00`, `22:00-06:00`.

use std::fmt;

use jiff::civil::{Time, Weekday};

use super::{Hours, Pace};
use crate::error::{Error, Result};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Reads `[DAYS ]HH:MM-HH:MM`: days as `mon-fri` or `sat,sun`, all of them where none is named.
    /// Hours that end at or before their beginning end on the next day.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(text: &str, pace: Pace) -> Result<Self> {
        let wrong = || {
            Error::Invalid(format!(
                "'{text}' are no hours: write 'mon-fri 08:00-18:00' or 22:00-06:00"
            ))
        };
        let (named, span) = match text.trim().rsplit_once(' ') {
            Some((named, span)) => (named, span),
            None => ("", text.trim()),
        };
        let (from, to) = span.split_once('-').ok_or_else(wrong)?;
        Ok(Self {
            days: days(named).ok_or_else(wrong)?,
            from: time(from).ok_or_else(wrong)?,
            to: time(to).ok_or_else(wrong)?,
            pace,
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<_> = self.days.iter().map(|day| DAYS[number(*day)]).collect();
        let numbers: Vec<_> = self.days.iter().map(|day| number(*day)).collect();
        let is_run = days.len() > 2 && numbers.windows(2).all(|two| two[0] + 1 == two[1]);
        match (&days[..], is_run) {
            ([], _) => {}
            ([first, .., last], true) => write!(f, "{first}-{last} ")?,
            (days, _) => write!(f, "{} ", days.join(","))?,
        }
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

/// `08:00`; the end of a day may be written as 24:00.
fn time(text: &str) -> Option<Time> {
    let text = if text == "24:00" { "00:00" } else { text };
    Time::strptime("%H:%M", text).ok()
}

fn days(text: &str) -> Option<Vec<Weekday>> {
    let mut days = Vec::new();
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day(first)?, day(last)?);
        days.push(day);
        while day != last {
            day = day.next();
            days.push(day);
        }
    }
    Some(days)
}

/// A day by its English name or the beginning of that.
fn day(text: &str) -> Option<Weekday> {
    let text = text.to_lowercase();
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let found = names.iter().position(|name| text.len() > 2 && name.starts_with(&text))?;
    Weekday::from_monday_zero_offset(i8::try_from(found).ok()?).ok()
}

fn number(day: Weekday) -> usize {
    day.to_monday_zero_offset().unsigned_abs().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Hours::parse(text, Pace::Off).unwrap().to_string()
    }

    #[test]
    fn hours_are_read_as_people_write_them() {
        for (text, same) in [
            ("mon-fri 08:00-18:00", "mon-fri 08:00-18:00"),
            ("Monday,Tue 8:00-9:30", "mon,tue 08:00-09:30"),
            ("sat, sun 00:00-24:00", "sat,sun 00:00-00:00"),
            (" 22:00-06:00", "22:00-06:00"),
            ("fri-mon 22:00-06:00", "fri,sat,sun,mon 22:00-06:00"),
        ] {
            assert_eq!(shown(text), same);
            assert_eq!(shown(same), same, "what is shown can be typed");
        }
        let hours = Hours::parse("fri-sun 20:00-04:00", Pace::Hard).unwrap();
        assert_eq!(hours.days, [Weekday::Friday, Weekday::Saturday, Weekday::Sunday]);
        assert_eq!((hours.from.hour(), hours.to.hour(), hours.pace), (20, 4, Pace::Hard));
    }

    #[test]
    fn what_are_no_hours_is_refused_with_an_example() {
        for text in ["", "mon", "08:00", "8-18", "xyz 08:00-18:00", "mo 08:00-18:00", "25:00-26:00"]
        {
            let refused = Hours::parse(text, Pace::Off).unwrap_err().to_string();
            assert!(refused.contains("mon-fri 08:00-18:00"), "{text}: {refused}");
        }
    }
}
