//! Jobs as people and programs see them: the `--json` form of `holdfast job`, and that of the API.

use std::collections::BTreeMap;

use holdfast_catalog::{JobFilter, JobRow};
use holdfast_engine::{Home, process_for_people};
use holdfast_model::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobView {
    /// Its id; sorts by the time at which it was asked for.
    pub id: String,
    /// `backup`, `restore`, `discover`, `check`, `prune`, `repair` or `copy`.
    pub kind: String,
    /// Name of the tenant; empty for none.
    pub tenant: String,
    /// What goes first: `restore`, `on_demand`, `overdue`, `routine`, `first_full`.
    pub class: &'static str,
    /// `queued`, `running`, `paused`, `done`, `failed` or `cancelled`.
    pub state: &'static str,
    /// Where it will end up once its worker has heard: `paused` or `cancelled`.
    pub wanted: Option<&'static str>,
    /// Who asked: a user, or `schedule`.
    pub requested_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// It is not begun before.
    pub not_before: Timestamp,
    /// When it should be done.
    pub deadline: Timestamp,
    /// When a worker took it first.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was taken since the last part of it that was done.
    pub attempts: u64,
    /// Who works on it, or had it when he died.
    pub worker: Option<String>,
    /// Until when, unless the worker gives a sign of life.
    pub lease_until: Option<Timestamp>,
    /// How far it is: resources, items, bytes. Null before it begins.
    pub progress: Value,
    /// Why it failed, or was put back the last time.
    pub error: Option<String>,
}

/// A job with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobDetail {
    /// As in a list.
    #[serde(flatten)]
    pub job: JobView,
    /// What is to be done.
    pub request: Value,
    /// What it came to; null until then.
    pub result: Value,
    /// Its parts that are done and are not done again.
    pub steps: Vec<StepView>,
}

/// A part of a job that is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepView {
    /// Its name inside the job.
    pub name: String,
    /// When it was done.
    pub done_at: Timestamp,
    /// What it came to.
    pub result: Value,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            tenant: row.tenant,
            class: row.class.as_str(),
            state: row.state.as_str(),
            wanted: row.wanted.map(|wanted| wanted.state().as_str()),
            requested_by: row.requested_by,
            created_at: row.created_at,
            not_before: row.not_before,
            deadline: row.deadline,
            started_at: row.started_at,
            finished_at: row.finished_at,
            attempts: row.attempts,
            worker: row.lease_owner.as_deref().map(process_for_people),
            lease_until: row.lease_until,
            progress: value(row.progress.as_deref()),
            error: row.error,
        }
    }
}

/// Jobs, newest first, at most `limit`.
///
/// # Errors
/// Where the catalog fails.
pub async fn list(home: &Home, filter: &JobFilter, limit: u32) -> Result<Vec<JobView>> {
    let (rows, names) = (home.catalog.job_list(filter, limit).await?, names(home).await?);
    Ok(rows.into_iter().map(|row| named(&names, row)).collect())
}

/// Names of users by id: a job keeps the id of who asked.
///
/// # Errors
/// Where the catalog fails.
pub async fn names(home: &Home) -> Result<BTreeMap<String, String>> {
    let users = home.catalog.account_list().await?;
    Ok(users.into_iter().map(|user| (user.id.to_string(), user.name)).collect())
}

/// A job as people see it, with the name of who asked for it.
pub fn named(names: &BTreeMap<String, String>, row: JobRow) -> JobView {
    let mut view = JobView::from(row);
    if let Some(name) = names.get(&view.requested_by) {
        view.requested_by.clone_from(name);
    }
    view
}

/// A job as it is after a change.
///
/// # Errors
/// Where the catalog fails.
pub async fn changed(home: &Home, row: JobRow) -> Result<JobView> {
    Ok(named(&names(home).await?, row))
}

/// All that is known of a job.
///
/// # Errors
/// Where there is no such job.
pub async fn show(home: &Home, id: &str) -> Result<JobDetail> {
    let row = home.catalog.job_get(id).await?;
    let steps = home.catalog.job_steps(id).await?.into_iter();
    Ok(JobDetail {
        request: value(Some(&row.request)),
        result: value(row.result.as_deref()),
        steps: steps
            .map(|step| StepView {
                result: value(Some(&step.result)),
                name: step.name,
                done_at: step.done_at,
            })
            .collect(),
        job: named(&names(home).await?, row),
    })
}

/// What is kept as JSON.
fn value(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
