//! How everything in a scope stands.

use holdfast_engine::overview::Overview;
use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AttainedView;

/// How everything in a scope stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OverviewView {
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Resources by how they stand.
    pub resources: StandingsView,
    /// The one whose newest restore point is the oldest, among those that can be read.
    pub worst: Option<AttainedView>,
    /// Those that miss their objective, the worst first, then those without a restore point: 20 at
    /// most.
    pub attention: Vec<AttainedView>,
    /// What the backups of the last 24 hours came to.
    pub day: DayView,
}

/// How many resources stand how.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StandingsView {
    /// Their newest restore point is young enough.
    pub kept: u64,
    /// It is older than the objective allows.
    pub missed: u64,
    /// They have none yet.
    pub first: u64,
    /// They cannot be read at present.
    pub unavailable: u64,
}

/// What backups came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DayView {
    /// Runs that ended.
    pub runs: u64,
    /// Those of them that failed, whole or in part.
    pub failed: u64,
    /// Items stored for the first time.
    pub items_new: u64,
    /// Items that changed.
    pub items_changed: u64,
    /// Items that are gone from the service.
    pub items_deleted: u64,
    /// Items that could not be read.
    pub items_failed: u64,
    /// Bytes of content that were read.
    pub bytes: u64,
    /// Milliseconds spent waiting because Microsoft throttled.
    pub waited_ms: u64,
}

impl From<Overview> for OverviewView {
    fn from(overview: Overview) -> Self {
        let (resources, day, counts) = (overview.resources, overview.day, overview.day.counts);
        Self {
            at: overview.at,
            resources: StandingsView {
                kept: resources.kept,
                missed: resources.missed,
                first: resources.first,
                unavailable: resources.unavailable,
            },
            worst: overview.worst.map(AttainedView::from),
            attention: overview.attention.into_iter().map(AttainedView::from).collect(),
            day: DayView {
                runs: day.runs,
                failed: day.failed,
                items_new: counts.items_new,
                items_changed: counts.items_changed,
                items_deleted: counts.items_deleted,
                items_failed: counts.items_failed,
                bytes: counts.bytes,
                waited_ms: day.waited_ms,
            },
        }
    }
}
