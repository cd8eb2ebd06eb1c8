//! Schedules by objective: how old the newest restore point may get, and when Holdfast may work.
//!
//! A [`Schedule`] states a recovery point objective (RPO) and hours; when something is to be read
//! follows from these and from when it was read last. There is no list of start times: what would
//! miss its objective comes first, and what was missed is caught up once.

use std::fmt;
use std::str::FromStr;

use holdfast_model::{Timestamp, Workload, fold};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Zoned};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Name of the schedule of everything that no other one selects.
pub const DEFAULT_SCHEDULE: &str = "default";

/// Reading begins when so many tenths of the objective have passed since the last time; the rest
/// is for waiting in the queue and for the run itself.
const BEGIN_TENTHS: i32 = 8;
/// What is read together with others goes along from half of its objective on: one snapshot
/// instead of two.
const ALONG_TENTHS: i32 = 5;
/// What failed is tried again after a tenth of its objective, and not sooner than five minutes.
const AGAIN_TENTHS: i32 = 1;
const AGAIN_AT_LEAST: SignedDuration = SignedDuration::from_mins(5);
/// A first backup may take a week before it goes before others.
const FIRST_FULL: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A window of hours comes back within a week, and a day more over a change of the clocks.
const DAYS_AHEAD: i32 = 8;

/// How old the newest restore point may get: 5 minutes to 31 days, written `15m`, `1h`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    minutes: u32,
}

const OBJECTIVE_UNITS: [(char, u32); 3] = [('d', 24 * 60), ('h', 60), ('m', 1)];
const OBJECTIVE_MINUTES: std::ops::RangeInclusive<u32> = 5..=31 * 24 * 60;

impl Objective {
    /// So many minutes.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside of 5 minutes to 31 days.
    pub fn minutes(minutes: u32) -> Result<Self> {
        if OBJECTIVE_MINUTES.contains(&minutes) {
            return Ok(Self { minutes });
        }
        Err(Error::Invalid("an objective is between 5 minutes and 31 days".to_owned()))
    }

    /// As a length of time.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_mins(self.minutes.into())
    }

    fn tenths(self, tenths: i32) -> SignedDuration {
        self.duration() * tenths / 10
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A day is written as 24h: that is how people speak of an objective.
        let whole = |&&(unit, minutes): &&(char, u32)| {
            self.minutes.is_multiple_of(minutes) && (unit != 'd' || self.minutes > minutes)
        };
        let (unit, minutes) = OBJECTIVE_UNITS.iter().find(whole).unwrap_or(&('m', 1));
        write!(f, "{}{unit}", self.minutes / minutes)
    }
}

impl FromStr for Objective {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::Invalid(format!("'{text}' is no objective: write 15m, 1h, 24h or 7d"));
        let unit = OBJECTIVE_UNITS.iter().find(|(unit, _)| text.ends_with(*unit));
        let (unit, minutes) = unit.ok_or_else(wrong)?;
        let number: u32 = text.trim_end_matches(*unit).parse().map_err(|_| wrong())?;
        Self::minutes(number.checked_mul(*minutes).ok_or_else(wrong)?)
    }
}

impl TryFrom<String> for Objective {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> Self {
        objective.to_string()
    }
}

/// How hard Holdfast may press.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// It must not work.
    Off,
    /// As usual.
    #[default]
    Normal,
    /// With twice as much at once.
    Hard,
}

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The days on which they begin, `monday` to `sunday`; none: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "days")]
    pub days: Vec<Weekday>,
    /// When they begin, in the schedule's time zone.
    pub from: Time,
    /// When they end; at or before `from`: on the next day.
    pub to: Time,
    /// What is allowed in them.
    pub pace: Pace,
}

/// What a schedule is for. Each part that is not empty narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// Workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// Names or ids of resources, whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
}

/// What is protected how often, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique in its tenant.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub select: Select,
    /// How old the newest restore point may get.
    pub rpo: Objective,
    /// Time zone of the hours, an IANA name such as `Europe/Zurich`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Hours in which it may press harder, or must not work; all others are normal. Of hours that
    /// meet, the first in the list counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Default for Schedule {
    /// Everything, once a day, at any hour.
    fn default() -> Self {
        Self {
            name: DEFAULT_SCHEDULE.to_owned(),
            select: Select::default(),
            rpo: Objective { minutes: 24 * 60 },
            time_zone: utc(),
            hours: Vec::new(),
        }
    }
}

impl Select {
    /// How closely it means a resource: 0 not at all, 1 as one of all, more where it names its
    /// workload or itself.
    fn closeness(&self, workload: Workload, names: &[&str]) -> u8 {
        let is_named = |name: &&str| self.resources.iter().any(|own| fold(own) == fold(name));
        let named = names.iter().any(is_named);
        let outside = !self.workloads.is_empty() && !self.workloads.contains(&workload);
        if outside || (!self.resources.is_empty() && !named) {
            return 0;
        }
        1 + u8::from(!self.workloads.is_empty()) + 2 * u8::from(named)
    }
}

/// The schedule that a resource follows: the one that means it most closely, then the one with the
/// shorter objective, then by name. `names` are all the names under which it is known.
pub fn choose<'a>(
    schedules: &'a [Schedule],
    workload: Workload,
    names: &[&str],
) -> Option<&'a Schedule> {
    let meant = schedules.iter().filter_map(|schedule| {
        let closeness = schedule.select.closeness(workload, names);
        (closeness > 0).then_some((
            std::cmp::Reverse(closeness),
            schedule.rpo,
            &schedule.name,
            schedule,
        ))
    });
    meant.min_by_key(|(closeness, rpo, name, _)| (*closeness, *rpo, *name)).map(|found| found.3)
}

/// How far the backup of a resource has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// When its changes were read in the last good round.
    pub restore_point: Option<Timestamp>,
    /// When they were last asked for, with or without success.
    pub last_polled: Option<Timestamp>,
    /// False where it cannot be read at all at present: then it is asked after, not owed.
    pub is_available: bool,
}

/// When a resource is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// From when on by itself.
    pub begin: Timestamp,
    /// From when on together with others.
    pub along: Timestamp,
    /// When its objective is missed.
    pub deadline: Timestamp,
    /// True before its first restore point.
    pub is_first: bool,
}

impl Schedule {
    /// Says what is wrong with it.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no name, an unknown time zone, hours that are the whole week.
    pub fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(Error::Invalid("a schedule needs a name".to_owned()));
        }
        let zone = self.zone()?;
        let monday = jiff::civil::date(2024, 1, 1).to_zoned(zone);
        let start = monday.map_err(|_| Error::Invalid("the time zone has no dates".to_owned()))?;
        let hour = |hour: i64| start.timestamp() + SignedDuration::from_hours(hour);
        if (0..7 * 24).all(|number| self.pace_at(hour(number)) == Pace::Off) {
            return Err(Error::Invalid(format!(
                "the schedule '{}' never works: leave it some hours",
                self.name
            )));
        }
        Ok(())
    }

    fn zone(&self) -> Result<TimeZone> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            Error::Invalid(format!(
                "'{}' is no time zone: write an IANA name such as Europe/Zurich",
                self.time_zone
            ))
        })
    }

    /// How hard Holdfast may press at a moment. A time zone that is not known counts as UTC.
    pub fn pace_at(&self, now: Timestamp) -> Pace {
        if self.hours.is_empty() {
            return Pace::Normal;
        }
        let now = now.to_zoned(self.zone().unwrap_or(TimeZone::UTC));
        let found = self.hours.iter().find(|hours| hours.contain(&now));
        found.map_or(Pace::Normal, |hours| hours.pace)
    }

    /// When a resource is to be read, as seen at `now`.
    pub fn due(&self, now: Timestamp, stand: &Stand) -> Due {
        let after = |start: Timestamp, length: SignedDuration| {
            start.checked_add(length).unwrap_or(Timestamp::MAX)
        };
        let again = self.rpo.tenths(AGAIN_TENTHS).max(AGAIN_AT_LEAST);
        let again = stand.last_polled.map_or(Timestamp::MIN, |polled| after(polled, again));
        let last = if stand.is_available { stand.restore_point } else { stand.last_polled };
        let Some(last) = last else {
            let begin = now.max(again);
            return Due { begin, along: begin, deadline: after(now, FIRST_FULL), is_first: true };
        };
        let begin = after(last, self.rpo.tenths(BEGIN_TENTHS)).max(again);
        let along = after(last, self.rpo.tenths(ALONG_TENTHS)).max(again);
        let deadline = after(last, self.rpo.duration());
        let begin = self.before_the_break(now, begin, deadline).max(along);
        Due { begin, along, deadline, is_first: false }
    }

    /// A beginning that falls into hours without work comes before them, where they would leave
    /// less than half of the time that is meant for waiting and reading.
    fn before_the_break(&self, now: Timestamp, begin: Timestamp, deadline: Timestamp) -> Timestamp {
        let lead = self.rpo.tenths(10 - BEGIN_TENTHS);
        let half = deadline.checked_sub(lead / 2).unwrap_or(begin);
        if self.pace_at(begin) != Pace::Off || self.pace_at(half) != Pace::Off {
            return begin;
        }
        match self.next_break(now) {
            Some(start) if start <= begin => start.checked_sub(lead).unwrap_or(begin),
            _ => begin,
        }
    }

    /// When the next hours without work begin, after `now`.
    fn next_break(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone().unwrap_or(TimeZone::UTC));
        let off = self.hours.iter().filter(|hours| hours.pace == Pace::Off);
        let starts = off.flat_map(|hours| (0..DAYS_AHEAD).filter_map(|day| hours.start(&now, day)));
        starts.filter(|start| *start > now).min().map(|start| start.timestamp())
    }
}

impl Hours {
    fn begins_on(&self, day: Weekday) -> bool {
        self.days.is_empty() || self.days.contains(&day)
    }

    /// By the clock on the wall: in the night in which it is put forward or back these hours are
    /// shorter or longer.
    fn contain(&self, now: &Zoned) -> bool {
        let (time, today) = (now.time(), now.weekday());
        match self.from < self.to {
            true => self.begins_on(today) && time >= self.from && time < self.to,
            false => {
                (self.begins_on(today) && time >= self.from)
                    || (self.begins_on(today.previous()) && time < self.to)
            }
        }
    }

    /// When they begin so many days after a moment, if they do.
    fn start(&self, now: &Zoned, day: i32) -> Option<Zoned> {
        let date = now.date().checked_add(Span::new().days(day)).ok()?;
        let start = date.to_datetime(self.from).to_zoned(now.time_zone().clone()).ok()?;
        self.begins_on(date.weekday()).then_some(start)
    }
}

mod text;

#[cfg(test)]
mod tests;

/// Days of the week by their English names.
mod days {
    use jiff::civil::Weekday;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const NAMES: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

    pub(super) fn serialize<S: Serializer>(days: &[Weekday], out: S) -> Result<S::Ok, S::Error> {
        let name = |day: &Weekday| NAMES[day.to_monday_zero_offset().unsigned_abs() as usize];
        days.iter().map(name).collect::<Vec<_>>().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Weekday>, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let day = |name: String| {
            let number = NAMES.iter().position(|known| *known == name);
            let day = number.and_then(|n| Weekday::from_monday_zero_offset(n as i8).ok());
            day.ok_or_else(|| D::Error::custom(format!("'{name}' is no day: monday to sunday")))
        };
        names.into_iter().map(day).collect()
    }
}
