//! Which restore point is meant.

use holdfast_model::Timestamp;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil};
use serde::{Deserialize, Serialize};

use super::{no_point, point};
use crate::{Home, Result, discover};

/// Which restore point is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// The newest.
    #[default]
    Latest,
    /// The last one read at or before a time.
    Time(Timestamp),
    /// The state in a snapshot, by the beginning of its id.
    Snapshot(String),
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Time(time) => time.fmt(f),
            Self::Snapshot(id) => f.write_str(id),
        }
    }
}

impl std::str::FromStr for At {
    type Err = String;

    /// A time (`2026-11-22T09:00:00Z`, `2026-11-22T09:00` in UTC, `2026-11-22` for the end of that
    /// day in UTC) or the beginning of a snapshot id. A time without a fraction means the whole
    /// second, as times are shown without one.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Some(time) = time(text) {
            return Ok(Self::Time(time));
        }
        let hex = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match hex {
            true => Ok(Self::Snapshot(text.to_owned())),
            false => Err(format!(
                "'{text}' is neither a time like 2026-11-22T09:00:00Z, nor a day, nor a snapshot id"
            )),
        }
    }
}

/// When the restore point that is meant was read. Later the same words may mean another one: the
/// newest, or one that was read before and committed since.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown resource, and where it has no restore point at that time.
pub async fn read_at(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
) -> Result<Timestamp> {
    let resource = discover::find(home, tenant, resource).await?;
    let found = point(home, &resource.id, at).await?;
    Ok(found.ok_or_else(|| no_point(&resource))?.read_at)
}

fn time(text: &str) -> Option<Timestamp> {
    const LAST: SignedDuration = SignedDuration::from_millis(999);
    if let Ok(day) = text.parse::<civil::Date>().and_then(civil::Date::tomorrow)
        && text.len() == "2026-11-22".len()
    {
        let midnight = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
        return midnight.checked_sub(SignedDuration::from_millis(1)).ok();
    }
    let utc = |text: &str| {
        let civil: civil::DateTime = text.contains(':').then(|| text.parse().ok())??;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let time: Timestamp = text.parse().ok().or_else(|| utc(text))?;
    match time.subsec_nanosecond() {
        0 => time.checked_add(LAST).ok(),
        _ => Some(time),
    }
}
