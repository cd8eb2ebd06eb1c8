//! `overview`: whether people are safe, in one answer.

use std::sync::Arc;

use axum::extract::State;
use holdfast_engine::overview::overview;
use holdfast_model::audit::Action;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::Json;
use super::problem::{Failures, Result};
use super::view::OverviewView;
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, Target, authorise, visible};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Says how many resources keep their objective, which are worst off, and what the backups of the
/// last 24 hours came to (those of tenants that are seen whole).
#[utoipa::path(get, path = "/overview", tag = "overview",
    responses((status = OK, body = OverviewView), Failures))]
async fn show(State(api): Shared, who: Who) -> Result<Json<OverviewView>> {
    let act = Act::view(Right::ViewResources, Action::PolicyList).anywhere();
    let scope = visible(&who.principal, Right::ViewResources);
    let principal = who.principal.clone();
    let found = api
        .act(&who, act.given("what", Some("overview")), move |home| async move {
            let whole = |tenant: &str| {
                authorise(&principal, Right::ViewResources, &Target::Tenant(tenant)).is_ok()
            };
            Ok(overview(&home, &scope, whole).await?)
        })
        .await?;
    Ok(Json(found.into()))
}
