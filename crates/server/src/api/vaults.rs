//! `vaults`.

use std::sync::Arc;

use axum::extract::State;
use holdfast_engine::stats;
use holdfast_model::audit::Action;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::VaultView;
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(figures))
}

/// Lists the vaults.
#[utoipa::path(get, path = "/vaults", tag = "vaults",
    responses((status = OK, body = Page<VaultView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<VaultView>>> {
    let act = Act::view(Right::ViewSystem, Action::VaultList).installation();
    let vaults = api.act(&who, act, |home| async move { Ok(home.vaults().await?) }).await?;
    Ok(Json(Page::whole(vaults.into_iter().map(VaultView::from).collect())))
}

/// Counts what a vault holds: items, versions, bytes, growth (`holdfast vault stats --json`).
#[utoipa::path(get, path = "/vaults/{vault}/stats", tag = "vaults",
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = OK, body = Object), Failures))]
async fn figures(State(api): Shared, who: Who, Path(name): Path<String>) -> Result<Json<Value>> {
    let act = Act::view(Right::ViewSystem, Action::VaultStats)
        .reads()
        .installation()
        .given("vault", Some(&name));
    let stats = api
        .act(&who, act, |home| async move { Ok(stats::stats(&home, Some(&name)).await?) })
        .await?;
    let unreadable = |_| Problem::invalid("the figures cannot be written");
    Ok(Json(serde_json::to_value(stats).map_err(unreadable)?))
}
