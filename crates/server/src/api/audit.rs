//! `audit`: who did what.

use std::sync::Arc;

use axum::extract::State;
use holdfast_catalog::AuditFilter;
use holdfast_engine::audit;
use holdfast_model::Timestamp;
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Query, limit};
use super::problem::{Failures, Problem, Result};
use super::view::{AuditEntry, VerificationView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only from this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only by this one: id or name.
    actor: Option<String>,
    /// Only of this action.
    action: Option<String>,
    /// Only with this outcome.
    outcome: Option<String>,
    /// Only about this tenant.
    tenant: Option<String>,
    /// Only about this resource, by name.
    resource: Option<String>,
    /// Only those after this one in the list: `next` of the page before.
    after: Option<u64>,
    /// Entries of a page: 100 where absent, 1,000 at most.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

fn filter(which: &Which) -> Result<AuditFilter> {
    let action = which.action.as_deref().map(str::parse).transpose();
    let outcome = which.outcome.as_deref().map(str::parse).transpose();
    Ok(AuditFilter {
        since: which.since,
        until: which.until,
        actor: which.actor.clone(),
        action: action.map_err(Problem::invalid)?,
        outcome: outcome.map_err(Problem::invalid)?,
        tenant: which.tenant.clone(),
        resource: which.resource.clone(),
    })
}

/// Lists the audit record, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Which),
    responses((status = OK, body = Page<AuditEntry>), Failures))]
async fn list(
    State(api): Shared,
    who: Who,
    Query(which): Query<Which>,
) -> Result<Json<Page<AuditEntry>>> {
    let (filter, limit) = (filter(&which)?, limit(which.limit)?);
    // What the document calls a number: 63 bits.
    if which.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(Problem::invalid("'after' is not the number of an entry"));
    }
    let act = Act::view(Right::ViewAudit, Action::AuditList)
        .installation()
        .given("actor", which.actor.as_ref())
        .given("action", which.action.as_ref())
        .given("resource", which.resource.as_ref());
    let entries = api
        .act(&who, act, move |home| async move {
            Ok(audit::list(&home, &filter, which.after, limit + 1).await?)
        })
        .await?;
    let page = Page::cut(entries, limit, |entry| entry.number.to_string());
    let entries = page.entries.into_iter().map(AuditEntry::from).collect();
    Ok(Json(Page { entries, next: page.next }))
}

/// Verifies the audit record: finds any change, gap, reordering or addition.
#[utoipa::path(post, path = "/audit/verification", tag = "audit",
    responses((status = OK, body = VerificationView), Failures))]
async fn verify(State(api): Shared, who: Who) -> Result<Json<VerificationView>> {
    let act = Act::view(Right::ViewAudit, Action::AuditVerify).reads().installation();
    let found = api.act(&who, act, |home| async move { Ok(audit::verify(&home).await?) }).await?;
    Ok(Json(found.into()))
}
