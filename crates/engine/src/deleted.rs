//! What has vanished from a resource since a time, each item in its last version.
//!
//! Restore points are compared one after the other, from the last one at or before that time to
//! the newest; equal subtrees are skipped. Items are known by their ids: what has moved is there,
//! and what came back has not vanished.

use std::collections::BTreeMap;
use std::str::FromStr;

use holdfast_catalog::{ResourceRow, RestorePointRow};
use holdfast_model::Timestamp;
use holdfast_workloads::Layout;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::browse::Located;
use crate::compare::Readers;
use crate::diff::{self, Became};
use crate::reading::Reading;
use crate::select::Picked;
use crate::{Error, Home, Result, history};

/// Since when, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub Timestamp);

impl FromStr for Since {
    type Err = String;

    /// A time (`2026-11-22T09:00:00Z`, `2026-11-22T09:00` in UTC) or a day (`2026-11-22`: from its
    /// beginning in UTC).
    fn from_str(text: &str) -> Result<Self, String> {
        let utc = |civil: civil::DateTime| Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let time = text.parse().ok().or_else(|| utc(text.parse().ok()?));
        time.map(Self).ok_or_else(|| {
            format!("'{text}' is neither a time like 2026-11-22T09:00:00Z nor a day")
        })
    }
}

/// An item that is there no more.
pub(crate) struct Gone {
    /// Its last version.
    pub item: Picked,
    /// The last restore point that has it.
    pub last_seen: Timestamp,
    /// The first one that does not.
    pub gone: Timestamp,
}

/// What has vanished. While it lasts nothing is deleted under the readers.
pub(crate) struct Deleted {
    /// By the time of its going and by path.
    pub items: Vec<Gone>,
    /// Time of the newest restore point.
    pub newest: Timestamp,
    pub held: Vec<Reading>,
}

/// Finds what has vanished since a time, or since the first restore point.
pub(crate) async fn deleted(
    home: &Home,
    resource: &ResourceRow,
    since: Option<Timestamp>,
) -> Result<Deleted> {
    let mut readers = Readers::of(home, resource).await?;
    let points = history::points(home, resource, since, &mut readers).await?;
    let newest = points.last().map(|point| point.read_at).ok_or_else(|| Error::NotFound {
        what: "restore point of",
        name: resource.name.clone(),
        hint: "; make one with 'holdfast backup'",
    })?;
    let items = tokio::task::block_in_place(|| {
        let mut items = Vec::new();
        for (position, paths) in last_places(&readers, Layout::of(resource.workload), &points)? {
            let (point, next) = (&points[position], &points[position + 1]);
            let reader = readers.get(point.shard)?;
            let located = Located::open(resource.clone(), point.clone(), reader.clone())?;
            for path in paths {
                for found in located.items(&path)? {
                    let item = Picked { found, reader: reader.clone(), root: located.tree };
                    items.push(Gone { item, last_seen: point.read_at, gone: next.read_at });
                }
            }
        }
        Ok::<_, Error>(items)
    })?;
    Ok(Deleted { items, newest, held: readers.into_readings() })
}

/// Where each item that has vanished was last: by position of the restore point, the paths.
fn last_places(
    readers: &Readers<'_>,
    layout: Layout,
    points: &[RestorePointRow],
) -> Result<BTreeMap<usize, Vec<String>>> {
    let mut gone = BTreeMap::new();
    for (position, pair) in points.windows(2).enumerate() {
        let (changes, _) = diff::changes(readers, layout, Some(&pair[0]), &pair[1])?;
        for change in changes.into_iter().filter(|change| change.kind != "folder") {
            match change.change {
                Became::Removed => drop(gone.insert(change.id, (position, change.path))),
                Became::Added => drop(gone.remove(&change.id)),
                Became::Changed | Became::Moved => {}
            }
        }
    }
    let mut places: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (position, path) in gone.into_values() {
        places.entry(position).or_default().push(path);
    }
    places.values_mut().for_each(|paths| paths.sort());
    Ok(places)
}
