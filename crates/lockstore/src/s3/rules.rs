//! The rules of S3 as pure functions over what is stored and what is asked. [`table::TABLE`] states
//! each in words, with its source.

pub mod table;

use http::HeaderMap;
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};

use super::error::{self, Error};
use super::xml;

/// The mode of a retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whoever has the right and sends the header may bypass it.
    Governance,
    /// Nobody may shorten or remove it, root neither.
    Compliance,
}

impl Mode {
    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// How long a version is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Who may bypass it.
    pub mode: Mode,
    /// From this moment on it no longer protects.
    pub until: Timestamp,
}

impl Retention {
    fn is_in_force(self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// The protection of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Ends by itself.
    pub retention: Option<Retention>,
    /// The legal hold, without end.
    pub hold: bool,
}

/// The length of a default retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Days of 24 hours.
    Days(u32),
    /// Calendar years.
    Years(u32),
}

impl Period {
    /// The moment so long after `start`; the last there is if that is beyond it.
    fn after(self, start: Timestamp) -> Timestamp {
        let end = match self {
            Self::Days(days) => {
                start.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()
            }
            Self::Years(years) => {
                let start = start.to_zoned(TimeZone::UTC);
                let years = Span::new().try_years(years).ok();
                years.and_then(|years| Some(start.checked_add(years).ok()?.timestamp()))
            }
        };
        end.unwrap_or(Timestamp::MAX)
    }
}

/// The retention that a bucket gives to versions that bring none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Its mode.
    pub mode: Mode,
    /// Its length from the version's creation on.
    pub period: Period,
}

/// The Object Lock configuration of a bucket that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLock {
    /// None: only what a write asks for.
    pub default: Option<DefaultRetention>,
}

/// Whether a bucket keeps old versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Never was enabled.
    #[default]
    Off,
    /// Each write makes a version.
    Enabled,
    /// Writes replace the version `null`.
    Suspended,
}

/// Whether a version may be deleted for good. `bypass`: the header was sent and the right is there.
pub(crate) fn may_delete(lock: Lock, now: Timestamp, bypass: bool) -> Result<(), Error> {
    let Some(retention) = lock.retention.filter(|retention| retention.is_in_force(now)) else {
        return if lock.hold { Err(error::LOCKED) } else { Ok(()) };
    };
    match retention.mode {
        _ if lock.hold => Err(error::LOCKED),
        Mode::Governance if bypass => Ok(()),
        Mode::Governance | Mode::Compliance => Err(error::LOCKED),
    }
}

/// Whether a version's retention may become `new` (None: be removed).
pub(crate) fn may_retain(
    old: Option<Retention>,
    new: Option<Retention>,
    now: Timestamp,
    bypass: bool,
) -> Result<(), Error> {
    if new.is_some_and(|new| !new.is_in_force(now)) {
        return Err(PAST);
    }
    let Some(old) = old.filter(|old| old.is_in_force(now)) else { return Ok(()) };
    let only_longer = new.is_some_and(|new| new.mode == old.mode && new.until >= old.until);
    let may_bypass = old.mode == Mode::Governance && bypass;
    if only_longer || may_bypass { Ok(()) } else { Err(error::LOCKED) }
}

/// The lock that a new version gets from the request's headers and the bucket's default.
pub(crate) fn lock_on_write(
    bucket: Option<BucketLock>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Lock, Error> {
    let asked = asked_lock(headers, now)?;
    let Some(bucket) = bucket else {
        return if has_lock_headers(headers) { Err(NO_LOCK) } else { Ok(asked) };
    };
    let default = bucket
        .default
        .map(|default| Retention { mode: default.mode, until: default.period.after(now) });
    Ok(Lock { retention: asked.retention.or(default), hold: asked.hold })
}

/// Whether the request asks for a retention.
pub(crate) fn has_retention_headers(headers: &HeaderMap) -> bool {
    headers.contains_key(MODE) || headers.contains_key(UNTIL)
}

/// Whether the request asks for a legal hold.
pub(crate) fn has_hold_header(headers: &HeaderMap) -> bool {
    headers.contains_key(HOLD)
}

fn has_lock_headers(headers: &HeaderMap) -> bool {
    has_retention_headers(headers) || has_hold_header(headers)
}

fn asked_lock(headers: &HeaderMap, now: Timestamp) -> Result<Lock, Error> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let retention = retention(text(MODE), text(UNTIL))?;
    may_retain(None, retention, now, false)?;
    let hold = text(HOLD).map_or(Ok(false), hold)?;
    Ok(Lock { retention, hold })
}

/// Reads a retention: both parts or none.
pub(crate) fn retention(
    mode: Option<&str>,
    until: Option<&str>,
) -> Result<Option<Retention>, Error> {
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => {
            let mode = Mode::read(mode).ok_or(Error::argument("Unknown wormMode directive."))?;
            let until = until.parse().map_err(|_| {
                Error::argument("The retain until date must be provided in ISO 8601 format")
            })?;
            Ok(Some(Retention { mode, until }))
        }
        _ => Err(Error::argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )),
    }
}

/// Reads the state of a legal hold.
pub(crate) fn hold(status: &str) -> Result<bool, Error> {
    match status {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(Error::argument("Legal Hold must be either of 'ON' or 'OFF'")),
    }
}

/// Whether a write needs a checksum that covers its content: one that sets a lock does.
pub(crate) fn needs_checksum(lock: Lock, headers: &HeaderMap) -> bool {
    lock.retention.is_some() || has_lock_headers(headers)
}

/// What a bucket's versioning becomes.
pub(crate) fn versioning(has_lock: bool, status: Option<&str>) -> Result<Versioning, Error> {
    match status {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") if has_lock => Err(Error::new(
            409,
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state \
             cannot be changed.",
        )),
        Some("Suspended") => Ok(Versioning::Suspended),
        _ => Err(error::MALFORMED_XML),
    }
}

/// What a bucket's lock configuration becomes.
pub(crate) fn bucket_lock(
    versioning: Versioning,
    asked: &xml::LockConfiguration,
) -> Result<BucketLock, Error> {
    if asked.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(error::MALFORMED_XML);
    }
    let default = asked.rule.as_ref().map(|rule| default_retention(&rule.default_retention));
    let default = default.transpose()?;
    if versioning != Versioning::Enabled {
        return Err(Error::new(
            409,
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ));
    }
    Ok(BucketLock { default })
}

fn default_retention(asked: &xml::LockDefault) -> Result<DefaultRetention, Error> {
    let mode = Mode::read(&asked.mode).ok_or(error::MALFORMED_XML)?;
    let length = |count: i64, most: u32| match u32::try_from(count) {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        Ok(count) if count > most => Err(Error::argument("Default retention period is too large")),
        _ => Err(Error::argument("Default retention period must be a positive integer value.")),
    };
    let period = match (asked.days, asked.years) {
        (Some(days), None) => Period::Days(length(days, 36_500)?),
        (None, Some(years)) => Period::Years(length(years, 100)?),
        _ => return Err(error::MALFORMED_XML),
    };
    Ok(DefaultRetention { mode, period })
}

/// What a conditional write finds under its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// The entity tag of the current version; None without one, or if it is a delete marker.
    pub(crate) etag: Option<&'a str>,
    /// Something was deleted here after the write had begun.
    pub(crate) deleted_meanwhile: bool,
}

/// Whether a write may go on under its `If-None-Match` and `If-Match`.
pub(crate) fn may_write(
    if_none_match: Option<&str>,
    if_match: Option<&str>,
    found: Found<'_>,
) -> Result<(), Error> {
    let is_conditional = if_none_match.is_some() || if_match.is_some();
    if is_conditional && found.deleted_meanwhile {
        return Err(error::CONDITIONAL_CONFLICT);
    }
    match (if_none_match, if_match) {
        (None, None) => Ok(()),
        (Some("*"), None) if found.etag.is_none() => Ok(()),
        (Some("*"), None) => Err(error::PRECONDITION_FAILED),
        (None, Some(asked)) => match found.etag {
            None => Err(error::NO_SUCH_KEY),
            Some(etag) if asked.trim_matches('"') == etag => Ok(()),
            Some(_) => Err(error::PRECONDITION_FAILED),
        },
        _ => Err(error::NOT_IMPLEMENTED),
    }
}

/// Every part of an upload but the last has at least this many bytes (Amazon S3 User Guide,
/// "Amazon S3 multipart upload limits", 2026-11).
pub(crate) const SMALLEST_PART: usize = 5 << 20;
/// The highest part number (same page).
pub(crate) const LAST_PART: u32 = 10_000;

/// A part as its upload has it, and as the request to complete names it.
#[derive(Clone, Debug)]
pub(crate) struct ListedPart {
    pub(crate) number: u32,
    /// None if nothing was uploaded under the number.
    pub(crate) size: Option<usize>,
    /// The request's entity tag (and checksum, if it gives one) are those of the upload.
    pub(crate) matches: bool,
}

/// Whether an upload may be completed from these parts.
pub(crate) fn may_complete(parts: &[ListedPart]) -> Result<(), Error> {
    if parts.is_empty() {
        return Err(error::MALFORMED_XML);
    }
    if !parts.is_sorted_by(|one, next| one.number < next.number) {
        return Err(Error::bad(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ));
    }
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        match part.size {
            Some(size) if part.matches && (is_last || size >= SMALLEST_PART) => {}
            Some(_) if part.matches => {
                return Err(Error::bad(
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size",
                ));
            }
            _ => {
                return Err(Error::bad(
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part might not \
                     have been uploaded, or the specified entity tag might not have matched.",
                ));
            }
        }
    }
    Ok(())
}

pub(crate) const MODE: &str = "x-amz-object-lock-mode";
pub(crate) const UNTIL: &str = "x-amz-object-lock-retain-until-date";
pub(crate) const HOLD: &str = "x-amz-object-lock-legal-hold";

const PAST: Error = Error::argument("The retain until date must be in the future!");
pub(crate) const NO_LOCK: Error = Error::request("Bucket is missing Object Lock Configuration");
pub(crate) const NO_CHECKSUM: Error = Error::request(
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object \
     Lock parameters",
);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOW + seconds).unwrap()
    }

    /// `G+5`: GOVERNANCE until five seconds from now; `C-1`: COMPLIANCE that has ended; `-`: none.
    fn retained(text: &str) -> Option<Retention> {
        let mode = match text.chars().next()? {
            'G' => Mode::Governance,
            'C' => Mode::Compliance,
            _ => return None,
        };
        Some(Retention { mode, until: at(text[1..].parse().unwrap()) })
    }

    #[test]
    fn deleting() {
        // Retention, hold, bypass, whether it may be deleted.
        for (retention, hold, bypass, expected) in [
            ("-", false, false, true),
            ("-", true, false, false),
            ("-", true, true, false),
            ("G+1", false, false, false),
            ("G+1", false, true, true),
            ("G+1", true, true, false),
            ("G+0", false, false, true),
            ("G-1", true, true, false),
            ("C+1", false, false, false),
            ("C+1", false, true, false),
            ("C+0", false, false, true),
            ("C-1", false, false, true),
            ("C-1", true, false, false),
        ] {
            let lock = Lock { retention: retained(retention), hold };
            let found = may_delete(lock, at(0), bypass);
            assert_eq!(found.is_ok(), expected, "{retention} hold {hold} bypass {bypass}");
            assert!(found.is_ok() || found == Err(error::LOCKED));
        }
    }

    #[test]
    fn changing_a_retention() {
        let (ok, locked, past) = (Ok(()), Err(error::LOCKED), Err(PAST));
        // Old, new, without bypass, with bypass.
        for (old, new, without, with) in [
            ("-", "G+5", ok, ok),
            ("-", "C+5", ok, ok),
            ("-", "C+0", past, past),
            ("-", "G-5", past, past),
            ("-", "-", ok, ok),
            ("G+5", "G+9", ok, ok),
            ("G+5", "G+5", ok, ok),
            ("G+5", "G+4", locked, ok),
            ("G+5", "-", locked, ok),
            ("G+5", "C+9", locked, ok),
            ("G+5", "G-1", past, past),
            ("C+5", "C+9", ok, ok),
            ("C+5", "C+5", ok, ok),
            ("C+5", "C+4", locked, locked),
            ("C+5", "G+5", locked, locked),
            ("C+5", "G+9", locked, locked),
            ("C+5", "-", locked, locked),
            ("C-1", "G+1", ok, ok),
            ("C-1", "-", ok, ok),
        ] {
            let change = |bypass| may_retain(retained(old), retained(new), at(0), bypass);
            assert_eq!(change(false), without, "{old} to {new}");
            assert_eq!(change(true), with, "{old} to {new} with bypass");
        }
    }

    /// However a version under COMPLIANCE is treated, until its date it cannot be deleted.
    #[test]
    fn no_sequence_of_requests_defeats_compliance() {
        use proptest::prelude::*;
        let change = (prop::sample::select(vec!["G", "C", "-"]), -5_i64..40, any::<bool>());
        let changes = prop::collection::vec((change, 0_i64..4), 0..20);
        proptest!(|(changes in changes)| {
            let promised = 20;
            let (mut lock, mut now) = (retained("C+20"), 0);
            for ((mode, seconds, bypass), passes) in changes {
                now += passes;
                let new = retained(&format!("{mode}{:+}", now + seconds));
                if may_retain(lock, new, at(now), bypass).is_ok() {
                    lock = new;
                }
                let lock = Lock { retention: lock, hold: false };
                prop_assert!(now >= promised || may_delete(lock, at(now), true).is_err());
            }
        });
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn locks_of_new_versions() {
        let until = at(60).to_string();
        let own = headers(&[(MODE, "COMPLIANCE"), (UNTIL, &until), (HOLD, "ON")]);
        let mode = Mode::Governance;
        let default =
            BucketLock { default: Some(DefaultRetention { mode, period: Period::Days(2) }) };
        let given = |bucket, headers: &HeaderMap| lock_on_write(bucket, headers, at(0));
        let expected = Lock { retention: retained("C+60"), hold: true };
        assert_eq!(given(Some(BucketLock::default()), &own), Ok(expected));
        assert_eq!(given(Some(default), &own), Ok(expected));
        assert_eq!(given(None, &own), Err(NO_LOCK));
        assert_eq!(given(None, &headers(&[(HOLD, "OFF")])), Err(NO_LOCK));
        assert_eq!(given(None, &HeaderMap::new()), Ok(Lock::default()));
        assert_eq!(given(Some(BucketLock::default()), &HeaderMap::new()), Ok(Lock::default()));
        let by_default = Lock { retention: retained("G+172800"), hold: false };
        assert_eq!(given(Some(default), &HeaderMap::new()), Ok(by_default));
        let held = Lock { hold: true, ..by_default };
        assert_eq!(given(Some(default), &headers(&[(HOLD, "ON")])), Ok(held));
    }

    #[test]
    fn years_are_calendar_years() {
        let start: Timestamp = "2027-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(Period::Years(1).after(start).to_string(), "2028-03-01T00:00:00Z");
        assert_eq!(Period::Days(365).after(start).to_string(), "2028-02-29T00:00:00Z");
        assert_eq!(Period::Years(u32::MAX).after(start), Timestamp::MAX);
    }

    #[test]
    fn conditional_writes() {
        let (ok, taken) = (Ok(()), Err(error::PRECONDITION_FAILED));
        let (absent, other) = (Err(error::NO_SUCH_KEY), Err(error::NOT_IMPLEMENTED));
        // If-None-Match, If-Match, the current tag, what comes of it.
        for (none, some, etag, expected) in [
            (None, None, None, ok),
            (None, None, Some("a"), ok),
            (Some("*"), None, None, ok),
            (Some("*"), None, Some("a"), taken),
            (Some("\"a\""), None, Some("b"), other),
            (Some("*"), Some("\"a\""), Some("a"), other),
            (None, Some("\"a\""), Some("a"), ok),
            (None, Some("a"), Some("a"), ok),
            (None, Some("\"a\""), Some("b"), taken),
            (None, Some("\"a\""), None, absent),
        ] {
            let found = Found { etag, deleted_meanwhile: false };
            assert_eq!(may_write(none, some, found), expected, "{none:?} {some:?} on {etag:?}");
            let found = Found { etag, deleted_meanwhile: true };
            let conflict =
                (none.is_some() || some.is_some()).then_some(error::CONDITIONAL_CONFLICT);
            assert_eq!(may_write(none, some, found), conflict.map_or(Ok(()), Err));
        }
    }

    #[test]
    fn completing_an_upload() {
        let part = |number, size, matches| ListedPart { number, size, matches };
        let full = Some(SMALLEST_PART);
        let code = |parts: &[ListedPart]| may_complete(parts).map_err(|error| error.code);
        assert_eq!(code(&[part(1, full, true), part(9, Some(0), true)]), Ok(()));
        assert_eq!(code(&[part(1, Some(1), true)]), Ok(()));
        assert_eq!(code(&[]), Err("MalformedXML"));
        assert_eq!(code(&[part(2, full, true), part(1, full, true)]), Err("InvalidPartOrder"));
        assert_eq!(code(&[part(1, full, true), part(1, full, true)]), Err("InvalidPartOrder"));
        let small = Some(SMALLEST_PART - 1);
        assert_eq!(code(&[part(1, small, true), part(2, full, true)]), Err("EntityTooSmall"));
        assert_eq!(code(&[part(1, None, false)]), Err("InvalidPart"));
        assert_eq!(code(&[part(1, full, false)]), Err("InvalidPart"));
    }
}
