//! One resource: a round of its workload, and what is said of it.

use std::collections::BTreeMap;

use holdfast_catalog::{ContainerRow, ResourceRow, ResourceStatus};
use holdfast_model::{Counts, Outcome, SkipCause, Timestamp, Workload};
use holdfast_workloads::{ColumnsState, ContainerState};

use super::entries::Retry;
use super::shard::ShardRun;
use super::{Problem, ResourceReport, drive, mailbox};
use crate::error::STOPPED;
use crate::{Error, Result, intent};

/// Backs up one resource. What Graph refuses is in the report, and other resources go on; an error
/// is one of the vault or the catalog, after which nothing of the run may be committed.
pub(super) async fn back_up(
    shard: &ShardRun<'_, '_>,
    resource: ResourceRow,
) -> Result<ResourceReport> {
    if shard.work.progress.is_stopping() {
        return Ok(ResourceReport::failed(resource, STOPPED.to_owned()));
    }
    let done = match resource.workload {
        Workload::Exchange => mailbox::round(shard, resource.clone()).await,
        Workload::OneDrive | Workload::SharePoint => drive::round(shard, resource.clone()).await,
    };
    shard.work.progress.resource_done();
    let error = match done {
        Err(error) if error.stops_run() => {
            shard.state().poisoned = true;
            return Err(error);
        }
        Err(error) => error,
        done => return done,
    };
    tracing::warn!(resource = %resource.id, cause = error.cause(), "a resource was not backed up");
    let last_polled = Some(shard.work.home.now());
    let row = ResourceRow { stale: true, last_polled, ..resource };
    shard.work.home.catalog.resource_put(&row).await?;
    Ok(ResourceReport::failed(row, error.cause()))
}

/// There is nothing to read: the last state stays, and the row says why there is no newer one.
pub(super) async fn unavailable(
    shard: &ShardRun<'_, '_>,
    resource: ResourceRow,
    cause: SkipCause,
) -> Result<ResourceReport> {
    let row = ResourceRow {
        status: ResourceStatus::Unavailable,
        skip_cause: Some(cause),
        last_polled: Some(shard.work.home.now()),
        ..resource.clone()
    };
    save_status(shard, &resource, &row).await?;
    shard.work.home.catalog.resource_put(&row).await?;
    Ok(ResourceReport {
        id: row.id.to_string(),
        name: row.name,
        outcome: Outcome::Complete,
        counts: Counts::default(),
        cause: Some(cause.to_string()),
        problems: Vec::new(),
    })
}

/// A change of status is intent: it goes to the vault first.
async fn save_status(shard: &ShardRun<'_, '_>, old: &ResourceRow, new: &ResourceRow) -> Result<()> {
    if (old.status, old.skip_cause) != (new.status, new.skip_cause) {
        intent::save(shard.work.home, shard.work.vault, vec![intent::resource(new)]).await?;
    }
    Ok(())
}

/// Ends the round of a resource: `whole` where everything of it could be read.
pub(super) async fn finish(
    shard: &ShardRun<'_, '_>,
    old: ResourceRow,
    read_at: Timestamp,
    whole: bool,
    list_link: Option<String>,
) -> Result<()> {
    let row = ResourceRow {
        status: ResourceStatus::Active,
        skip_cause: None,
        stale: !whole,
        restore_point: if whole { Some(read_at) } else { old.restore_point },
        last_polled: Some(shard.work.home.now()),
        list_link,
        ..old.clone()
    };
    save_status(shard, &old, &row).await?;
    let mut state = shard.state();
    state.pending.of(&row.id).state.folders_link.clone_from(&row.list_link);
    let was_behind = old.restore_point.is_none() || old.stale;
    state.pending.finish(row, was_behind);
    Ok(())
}

/// What a round has done.
pub(super) struct Done {
    pub counts: Counts,
    pub problems: Vec<Problem>,
    /// At least one container could be read.
    pub read_one: bool,
}

impl Done {
    /// The report of a resource, with the first failure that concerns more than an item.
    pub fn report(self, resource: &ResourceRow, failure: Option<Error>) -> ResourceReport {
        let outcome = match (&failure, self.counts.items_failed) {
            (None, 0) => Outcome::Complete,
            (None, _) => Outcome::Partial,
            (Some(_), _) if !self.read_one => Outcome::Failed,
            (Some(_), _) => Outcome::Partial,
        };
        ResourceReport {
            id: resource.id.to_string(),
            name: resource.name.clone(),
            outcome,
            counts: self.counts,
            cause: failure.map(|error| error.cause()),
            problems: self.problems,
        }
    }
}

/// Notes where reading a container stands, if it has links of its own.
pub(super) fn note_state(states: &mut BTreeMap<String, ContainerState>, row: &ContainerRow) {
    let state = ContainerState {
        link: row.delta_link.clone(),
        next: row.next_link.clone(),
        retry: Retry::of(row).into_ids(),
        columns: row.columns.as_deref().and_then(ColumnsState::from_json),
    };
    states.insert(row.id.0.clone(), state);
}
