//! Jobs.

use holdfast_jobs as jobs;
use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A job that was queued.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Its id; that of a living one where the same was asked for already.
    pub job: String,
}

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The id.
    pub id: String,
    /// `backup`, `restore`, `discover`, `check`, `prune`, `repair`, `copy`.
    pub kind: String,
    /// Its tenant; empty for the maintenance of a vault.
    pub tenant: String,
    /// What goes first: `restore`, `on_demand`, `overdue`, `routine`, `first_full`.
    pub class: String,
    /// `queued`, `running`, `paused`, `done`, `failed`, `cancelled`.
    pub state: String,
    /// Where it will end up once its worker has heard: `paused` or `cancelled`.
    pub wanted: Option<String>,
    /// Who asked: `schedule`, or a user's name.
    pub requested_by: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Not to begin before.
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    /// When it should be done.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// When a worker took it first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// How often it was begun since its last step.
    pub attempts: u64,
    /// Who works on it, or had it when he died.
    pub worker: Option<String>,
    /// Until when, unless the worker gives a sign of life.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lease_until: Option<Timestamp>,
    /// How far it is; null before it begins.
    #[schema(value_type = Option<Object>)]
    pub progress: Value,
    /// Why it failed, or was put back the last time.
    pub error: Option<String>,
}

/// A job with all that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobDetailView {
    /// As in a list.
    #[serde(flatten)]
    pub job: JobView,
    /// What is to be done.
    #[schema(value_type = Object)]
    pub request: Value,
    /// What it came to; null until then.
    #[schema(value_type = Option<Object>)]
    pub result: Value,
    /// Its parts that are done and are not done again.
    pub steps: Vec<StepView>,
}

impl From<jobs::JobView> for JobView {
    fn from(job: jobs::JobView) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            tenant: job.tenant,
            class: job.class.to_owned(),
            state: job.state.to_owned(),
            wanted: job.wanted.map(str::to_owned),
            requested_by: job.requested_by,
            created_at: job.created_at,
            not_before: job.not_before,
            deadline: job.deadline,
            started_at: job.started_at,
            finished_at: job.finished_at,
            attempts: job.attempts,
            worker: job.worker,
            lease_until: job.lease_until,
            progress: job.progress,
            error: job.error,
        }
    }
}

impl From<jobs::JobDetail> for JobDetailView {
    fn from(detail: jobs::JobDetail) -> Self {
        Self {
            job: detail.job.into(),
            request: detail.request,
            result: detail.result,
            steps: detail.steps.into_iter().map(StepView::from).collect(),
        }
    }
}

/// A step of a job that was done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub done_at: Timestamp,
    /// What it came to.
    #[schema(value_type = Object)]
    pub result: Value,
}

impl From<jobs::StepView> for StepView {
    fn from(step: jobs::StepView) -> Self {
        Self { name: step.name, done_at: step.done_at, result: step.result }
    }
}
