//! `jobs`, and what becomes one: `backups`, `discoveries`, `restores`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_catalog::{JobClass, JobFilter, JobRow, JobState, Kind, Wanted};
use holdfast_engine::restore::{OnConflict, RestoreRequest};
use holdfast_engine::{Home, tenant};
use holdfast_jobs::{JobDetail, Work, named, names, submit};
use holdfast_model::Timestamp;
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::maintenance;
use super::page::{Json, Page, Path, Query, limit};
use super::problem::{Failures, Problem, Result};
use super::tenants::sees_all;
use super::view::{JobDetailView, JobView, StepView, Submitted};
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, visible};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(steps))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(backup))
        .routes(routes!(discover))
        .routes(routes!(restore))
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this tenant.
    tenant: Option<String>,
    /// Only in this state.
    state: Option<String>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// Entries of a page: 100 where absent, 1,000 at most.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

/// A job as somebody may see it: why a restore failed may name an item.
pub(super) fn view(who: &Who, names: &BTreeMap<String, String>, job: JobRow) -> JobView {
    let sees_items = sees_items(who, &job);
    let mut view = JobView::from(named(names, job));
    if !sees_items {
        hide(&mut view);
    }
    view
}

fn hide(view: &mut JobView) {
    if view.kind == "restore" {
        let hidden = |_| "why is for those who may see items".to_owned();
        view.error = view.error.take().map(hidden);
    }
}

/// Which items a restore brings back is content. Who asked for it has named them; maintenance finds
/// those of everybody.
fn sees_items(who: &Who, job: &JobRow) -> bool {
    let has_named = is_own(who, job) && !maintenance::is_one(&job.kind);
    [Right::Restore, Right::ReadContent]
        .iter()
        .any(|right| sees_all(who, *right, &job.tenant) || (has_named && reaches(who, *right, job)))
}

/// Fields of a request, and of a result, that name no item.
const PLAIN: [&[&str]; 2] = [
    &["work", "tenant", "shard", "first", "resource", "to", "dry_run"],
    &[
        "outcome",
        "counts",
        "resources",
        "items_restored",
        "items_failed",
        "requests",
        "resource_units",
        "waited_ms",
        "runs",
        "snapshots",
        "bytes",
    ],
];

/// All of a job as somebody may see it.
fn detail(sees_items: bool, job: JobDetail) -> JobDetailView {
    let mut view = JobDetailView::from(job);
    if !sees_items {
        hide(&mut view.job);
        maintenance::hide_items(&mut view.result);
        if maintenance::is_one(&view.job.kind) {
            return view;
        }
        for (value, plain) in [&mut view.request, &mut view.result].into_iter().zip(PLAIN) {
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|name, _| plain.contains(&name.as_str()));
            }
        }
    }
    view
}

/// True for a job that a person has asked for. A token is not its maker.
fn is_own(who: &Who, job: &JobRow) -> bool {
    who.entered.is_some() && job.requested_by == who.principal.user.as_str()
}

/// True where a right reaches into the tenant of a job, be it for a part of it.
fn reaches(who: &Who, right: Right, job: &JobRow) -> bool {
    visible(&who.principal, right).reaches(&job.tenant)
}

/// True for a job that somebody may know of: all of its tenant is in his scope, or it is his.
pub(super) fn sees(who: &Who, job: &JobRow) -> bool {
    sees_all(who, Right::ViewJobs, &job.tenant)
        || (is_own(who, job) && reaches(who, Right::ViewJobs, job))
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(Which),
    responses((status = OK, body = Page<JobView>), Failures))]
async fn list(
    State(api): Shared,
    who: Who,
    Query(which): Query<Which>,
) -> Result<Json<Page<JobView>>> {
    let act = Act::view(Right::ViewJobs, Action::JobList).anywhere();
    let limit = limit(which.limit)?;
    let state = which.state.as_deref().map(state_of).transpose()?;
    let Which { tenant, kind, after: before, .. } = which;
    let filter = JobFilter { tenant, state, kind, before };
    let scope = visible(&who.principal, Right::ViewJobs);
    let own = who.entered.as_ref().map(|_| who.principal.user.to_string());
    let (rows, names) = api
        .act(&who, act, move |home| async move {
            let rows = home.catalog.job_page(&filter, &scope, own.as_deref(), limit + 1).await?;
            Ok((rows, names(&home).await?))
        })
        .await?;
    let page = Page::cut(rows, limit, |row| row.id.clone());
    let entries = page.entries.into_iter().map(|row| view(&who, &names, row)).collect();
    Ok(Json(Page { entries, next: page.next }))
}

fn state_of(name: &str) -> Result<JobState> {
    let found = JobState::ALL.into_iter().find(|state| state.as_str() == name);
    found.ok_or_else(|| Problem::invalid(format!("there is no state '{name}'")))
}

/// The job, if who asks may do with it what he asks for.
async fn job_for(api: &Api, who: &Who, act: Act, id: &str) -> Result<(Act, JobRow)> {
    api.may(who, &act).await?;
    let act = act.given("job", Some(id));
    let found = match api.home.catalog.job_get(id).await {
        Err(error) if error.kind() == Kind::NotFound => None,
        found => Some(found?),
    };
    let Some(job) = found.filter(|job| sees(who, job)) else {
        // What is not there reads like what may not be known.
        let missing = Problem::not_found(&format!("job '{id}'"));
        return Err(api.refused(act.event(who), missing).await?);
    };
    // One's own job may be about a part of the tenant.
    let act = match is_own(who, &job) && reaches(who, act.right(), &job) {
        true => act.anywhere(),
        false => act.tenant(&job.tenant),
    };
    Ok((act, job))
}

/// Shows a job: what it is to do, how far it is, what came of it.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = OK, body = JobDetailView), Failures))]
async fn show(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<JobDetailView>> {
    let act = Act::view(Right::ViewJobs, Action::JobList);
    let (act, row) = job_for(&api, &who, act, &id).await?;
    let job = api
        .act(&who, act, |home| async move { Ok(holdfast_jobs::show(&home, &id).await?) })
        .await?;
    Ok(Json(detail(sees_items(&who, &row), job)))
}

/// Lists what of a job is done.
#[utoipa::path(get, path = "/jobs/{id}/steps", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = OK, body = Page<StepView>), Failures))]
async fn steps(
    State(api): Shared,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Page<StepView>>> {
    let act = Act::view(Right::ViewJobs, Action::JobList);
    let (act, _) = job_for(&api, &who, act, &id).await?;
    let job = api
        .act(&who, act, |home| async move { Ok(holdfast_jobs::show(&home, &id).await?) })
        .await?;
    Ok(Json(Page::whole(job.steps.into_iter().map(StepView::from).collect())))
}

async fn manage<W>(
    api: &Api,
    who: &Who,
    action: Action,
    id: String,
    work: impl FnOnce(Arc<Home>, String) -> W + Send + 'static,
) -> Result<Json<JobView>>
where
    W: Future<Output = Result<JobRow>>,
{
    let (act, _) = job_for(api, who, Act::change(Right::ManageJobs, action), &id).await?;
    let job = api.act(who, act, |home| work(home, id)).await?;
    Ok(Json(view(who, &names(&api.home).await?, job)))
}

/// Pauses a job: at once, or at its worker's next sign of life, the maintenance of a vault when the
/// shard that it is at is done.
#[utoipa::path(post, path = "/jobs/{id}/pause", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = OK, body = JobView), Failures))]
async fn pause(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<JobView>> {
    let work = |home: Arc<Home>, id: String| async move {
        Ok(home.catalog.job_want(&id, Wanted::Pause).await?)
    };
    manage(&api, &who, Action::JobPause, id, work).await
}

/// Lets a paused job go on; what it had done is not done again.
#[utoipa::path(post, path = "/jobs/{id}/resume", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = OK, body = JobView), Failures))]
async fn resume(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<JobView>> {
    let work = |home: Arc<Home>, id: String| async move { Ok(home.catalog.job_resume(&id).await?) };
    manage(&api, &who, Action::JobResume, id, work).await
}

/// Cancels a job: at once, or at its worker's next sign of life, the maintenance of a vault when the
/// shard that it is at is done; until then `wanted` says so. What it has done stays done.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = OK, body = JobView), Failures))]
async fn cancel(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<JobView>> {
    let work = |home: Arc<Home>, id: String| async move {
        Ok(home.catalog.job_want(&id, Wanted::Cancel).await?)
    };
    manage(&api, &who, Action::JobCancel, id, work).await
}

/// What to back up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    /// Its tenant.
    tenant: String,
    /// Only this resource: id, name or Graph id.
    resource: Option<String>,
}

async fn queued(
    api: &Api,
    who: &Who,
    act: Act,
    work: Work,
    class: JobClass,
) -> Result<(StatusCode, Json<Submitted>)> {
    let by = who.principal.user.to_string();
    let job = api
        .act(who, act, move |home| async move {
            // Not before it is known that he may ask.
            tenant::find(&home, work.tenant()).await?;
            Ok(submit(&home, work, class, &by).await?)
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Submitted { job })))
}

/// Backs up now, whatever the schedule says.
#[utoipa::path(post, path = "/backups", tag = "jobs", request_body = BackupBody,
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn backup(
    State(api): Shared,
    who: Who,
    Json(body): Json<BackupBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let act = Act::change(Right::RunBackups, Action::BackupRun);
    let (act, work) = match &body.resource {
        Some(name) => {
            let (act, row) = api.resource(&who, act, Some(&body.tenant), name).await?;
            (act, Work::Backup { tenant: row.tenant, resource: Some(row.id.0) })
        }
        None => {
            let act = act.tenant(&body.tenant);
            (act, Work::Backup { tenant: body.tenant.clone(), resource: None })
        }
    };
    queued(&api, &who, act, work, JobClass::OnDemand).await
}

/// Whose directory to ask.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DiscoveryBody {
    /// The tenant.
    tenant: String,
}

/// Asks the directory who and what is there.
#[utoipa::path(post, path = "/discoveries", tag = "jobs", request_body = DiscoveryBody,
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn discover(
    State(api): Shared,
    who: Who,
    Json(body): Json<DiscoveryBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let act = Act::change(Right::RunBackups, Action::ResourceList).tenant(&body.tenant);
    let work = Work::Discover { tenant: body.tenant.clone() };
    queued(&api, &who, act, work, JobClass::OnDemand).await
}

/// What to bring back, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RestoreBody {
    /// The tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// The resource: id, name or Graph id.
    resource: String,
    /// Restore point: a time (the last one at or before it) or the beginning of a snapshot id; the
    /// newest where absent.
    at: Option<String>,
    /// Only what has vanished since this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_since: Option<Timestamp>,
    /// Only this folder, message or file.
    path: Option<String>,
    /// Another resource that takes it: id, name or Graph id.
    to: Option<String>,
    /// A folder of the target that takes it.
    into: Option<String>,
    /// An earlier version of a file.
    version: Option<String>,
    /// Earlier versions too.
    #[serde(default)]
    versions: bool,
    /// Sharing too, as far as Graph lets it.
    #[serde(default)]
    permissions: bool,
    /// `skip` (what is there stays), `replace`, `copy` (beside it).
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(skip|replace|copy)$")]
    on_conflict: OnConflict,
    /// Says what would be done, and does nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Brings something back. What lies in the target is deleted with `replace` only, which needs a
/// fresh proof.
#[utoipa::path(post, path = "/restores", tag = "jobs", request_body = RestoreBody,
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn restore(
    State(api): Shared,
    who: Who,
    Json(body): Json<RestoreBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let replaces = body.on_conflict == OnConflict::Replace && !body.dry_run;
    let act = Act::change(Right::Restore, Action::ItemRestore)
        .made_grave_if(replaces)
        .items(body.path.as_deref())
        .given("at", body.at.as_ref())
        .given("deleted_since", body.deleted_since)
        .given("dry_run", body.dry_run.then_some("yes"));
    let tenant = body.tenant.as_deref();
    let (mut act, source) = api.resource(&who, act, tenant, &body.resource).await?;
    let mut to = None;
    if let Some(name) = &body.to {
        let target;
        (act, target) = api.resource(&who, act, None, name).await?;
        to = Some(target.id.0);
    }
    let request = RestoreRequest {
        tenant: Some(source.tenant),
        resource: source.id.0,
        at: super::items::at(body.at.as_deref())?,
        deleted_since: body.deleted_since,
        path: body.path,
        to,
        into: body.into,
        version: body.version,
        versions: body.versions,
        permissions: body.permissions,
        on_conflict: body.on_conflict,
        dry_run: body.dry_run,
    };
    queued(&api, &who, act, Work::Restore(Box::new(request)), JobClass::Restore).await
}
