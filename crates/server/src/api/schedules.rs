//! `schedules`: how old data may get.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_engine::schedule;
use holdfast_model::audit::Action;
use holdfast_policy::Schedule;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path, Query};
use super::problem::{Failures, Problem, Result};
use super::view::{AttainedView, ScheduleSetView, ScheduleView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, visible};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put, remove))
        .routes(routes!(objectives))
}

/// Which.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this tenant.
    tenant: Option<String>,
}

/// Lists the schedules.
#[utoipa::path(get, path = "/schedules", tag = "schedules", params(Which),
    responses((status = OK, body = Page<ScheduleView>), Failures))]
async fn list(
    State(api): Shared,
    who: Who,
    Query(which): Query<Which>,
) -> Result<Json<Page<ScheduleView>>> {
    let act = Act::view(Right::ViewResources, Action::PolicyList).anywhere();
    let scope = visible(&who.principal, Right::ViewResources);
    let listed = api
        .act(&who, act, move |home| async move {
            if home.catalog.tenant_list().await?.is_empty() {
                return Ok(Vec::new());
            }
            // Asked for one that he may not know, he gets what there is for him: nothing.
            let mut listed = schedule::listed(&home, None, Some(&scope)).await?;
            listed.retain(|one| which.tenant.as_ref().is_none_or(|only| *only == one.tenant));
            Ok(listed)
        })
        .await?;
    Ok(Json(Page::whole(listed.into_iter().map(ScheduleView::from).collect())))
}

/// Sets a schedule of a tenant: objective, time zone, hours, what it is for (`docs/jobs.md`).
#[utoipa::path(put, path = "/tenants/{tenant}/schedules/{name}", tag = "schedules",
    request_body = Object,
    params(
        ("tenant" = String, Path, description = "Our name of the tenant"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = OK, body = ScheduleSetView), Failures))]
async fn put(
    State(api): Shared,
    who: Who,
    Path((tenant, name)): Path<(String, String)>,
    Json(mut body): Json<Value>,
) -> Result<Json<ScheduleSetView>> {
    let act = Act::change(Right::ManageSchedules, Action::PolicyChange)
        .tenant(&tenant)
        .given("schedule", Some(&name));
    let set = api
        .act(&who, act, move |home| async move {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("name".to_owned(), Value::from(name));
            }
            let schedule: Schedule = serde_json::from_value(body)
                .map_err(|error| Problem::invalid(format!("this is no schedule: {error}")))?;
            schedule::set(&home, &tenant, &schedule).await?;
            let unknown = schedule::unknown(&home, &tenant, &schedule).await?;
            let mut listed = schedule::listed(&home, Some(&tenant), None).await?;
            listed.retain(|one| one.schedule.name == schedule.name);
            let set = listed.pop().ok_or_else(|| Problem::not_found("schedule"))?;
            Ok(ScheduleSetView { schedule: set.into(), unknown })
        })
        .await?;
    Ok(Json(set))
}

/// Removes a schedule; what followed it follows the next that fits, or the default.
#[utoipa::path(delete, path = "/tenants/{tenant}/schedules/{name}", tag = "schedules",
    params(
        ("tenant" = String, Path, description = "Our name of the tenant"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = NO_CONTENT), Failures))]
async fn remove(
    State(api): Shared,
    who: Who,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<StatusCode> {
    let act = Act::change(Right::ManageSchedules, Action::PolicyChange)
        .tenant(&tenant)
        .given("schedule", Some(&name))
        .given("what", Some("remove"));
    api.act(
        &who,
        act,
        move |home| async move { Ok(schedule::remove(&home, &tenant, &name).await?) },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Of what.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfWhat {
    /// Only of this tenant.
    tenant: Option<String>,
    /// Only of this resource: id, name or Graph id.
    resource: Option<String>,
}

/// Lists for each resource the schedule that it follows, and how far it is.
#[utoipa::path(get, path = "/objectives", tag = "schedules", params(OfWhat),
    responses((status = OK, body = Page<AttainedView>), Failures))]
async fn objectives(
    State(api): Shared,
    who: Who,
    Query(of): Query<OfWhat>,
) -> Result<Json<Page<AttainedView>>> {
    let act = Act::view(Right::ViewResources, Action::PolicyList);
    let scope = visible(&who.principal, Right::ViewResources);
    let (act, resource) = match &of.resource {
        Some(name) => {
            let (act, row) = api.resource(&who, act, of.tenant.as_deref(), name).await?;
            (act, Some(row.id.0))
        }
        None => (act.anywhere(), None),
    };
    let found = api
        .act(&who, act, move |home| async move {
            // Asked for a tenant that he may not know, he gets what there is for him: nothing.
            let mut found = schedule::status(&home, None, resource.as_deref()).await?;
            found.retain(|one| of.tenant.as_ref().is_none_or(|only| *only == one.tenant));
            found.retain(|one| scope.permits(&one.tenant, one.workload, &one.id));
            Ok(found)
        })
        .await?;
    Ok(Json(Page::whole(found.into_iter().map(AttainedView::from).collect())))
}
