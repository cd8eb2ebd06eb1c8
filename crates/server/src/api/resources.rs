//! `resources` and `snapshots`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use holdfast_catalog::ResourceFilter;
use holdfast_engine::{Home, browse};
use holdfast_model::ResourceId;
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path, Query, after, limit};
use super::problem::{Failures, Result};
use super::view::{ResourceView, SnapshotView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, visible};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(snapshots))
}

/// Which resources.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this tenant.
    tenant: Option<String>,
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// Entries of a page: 100 where absent, 1,000 at most.
    limit: Option<u32>,
}

/// Lists what is protected, by id.
#[utoipa::path(get, path = "/resources", tag = "resources", params(Which),
    responses((status = OK, body = Page<ResourceView>), Failures))]
async fn list(
    State(api): Shared,
    who: Who,
    Query(which): Query<Which>,
) -> Result<Json<Page<ResourceView>>> {
    let (scope, limit) = (visible(&who.principal, Right::ViewResources), limit(which.limit));
    let mut act = Act::view(Right::ViewResources, Action::ResourceList).anywhere();
    act = act.given("tenant", which.tenant.as_ref());
    let rows = api
        .act(&who, act, move |home| async move {
            let (tenant, after) = (which.tenant.as_deref(), which.after.map(ResourceId));
            Ok(home.catalog.resource_page(&scope, tenant, after.as_ref(), limit + 1).await?)
        })
        .await?;
    let page = Page::cut(rows, limit, |row| row.id.to_string());
    let entries = page.entries.into_iter().map(ResourceView::from).collect();
    Ok(Json(Page { entries, next: page.next }))
}

/// Names a resource.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfTenant {
    /// Its tenant, where several have one of this name.
    tenant: Option<String>,
}

/// Shows a resource.
#[utoipa::path(get, path = "/resources/{resource}", tag = "resources",
    params(("resource" = String, Path, description = "Id, name or Graph id"), OfTenant),
    responses((status = OK, body = ResourceView), Failures))]
async fn show(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<ResourceView>> {
    let act = Act::view(Right::ViewResources, Action::ResourceList);
    let (act, row) = api.resource(&who, act, of.tenant.as_deref(), &name).await?;
    Ok(Json(api.act(&who, act, |_| async move { Ok(ResourceView::from(row)) }).await?))
}

/// Which snapshots.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct WhichSnapshots {
    /// Only those in which this resource changed: its name.
    resource: Option<String>,
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// Entries of a page: 100 where absent, 1,000 at most.
    limit: Option<u32>,
}

/// Vault and name of the resources that may be shown: names are those of one tenant, and a vault has
/// one.
async fn seen(home: &Home, scope: &ResourceFilter) -> Result<BTreeSet<(String, String)>> {
    let tenants = home.catalog.tenant_list().await?;
    let vaults: BTreeMap<String, String> =
        tenants.into_iter().map(|tenant| (tenant.name, tenant.vault_id)).collect();
    let rows = home.catalog.resource_list(None).await?;
    let rows = rows.into_iter().filter(|row| scope.permits(&row.tenant, row.workload, &row.id));
    Ok(rows.filter_map(|row| Some((vaults.get(&row.tenant)?.clone(), row.name))).collect())
}

/// Lists the snapshots, oldest first. Of what changed in one it names what may be known.
#[utoipa::path(get, path = "/snapshots", tag = "resources", params(WhichSnapshots),
    responses((status = OK, body = Page<SnapshotView>), Failures))]
async fn snapshots(
    State(api): Shared,
    who: Who,
    Query(which): Query<WhichSnapshots>,
) -> Result<Json<Page<SnapshotView>>> {
    let (scope, limit) = (visible(&who.principal, Right::ViewResources), limit(which.limit));
    let act = Act::view(Right::ViewResources, Action::SnapshotList).reads().anywhere();
    let sees_everything = scope.scopes().iter().any(holdfast_model::Scope::is_all);
    let (only, last) = (which.resource.clone(), which.after);
    let views = api
        .act(&who, act.given("resource", which.resource), move |home| async move {
            let mut views = browse::snapshots(&home).await?;
            if !sees_everything {
                let seen = seen(&home, &scope).await?;
                for view in &mut views {
                    let vault = view.vault.clone();
                    view.resources.retain(|name| seen.contains(&(vault.clone(), name.clone())));
                }
                views.retain(|view| !view.resources.is_empty());
            }
            views.retain(|view| only.as_ref().is_none_or(|name| view.resources.contains(name)));
            Ok(views)
        })
        .await?;
    let views = after(views, last.as_deref(), |view| &view.id)?;
    let views = views.take(limit as usize + 1).map(SnapshotView::from).collect();
    Ok(Json(Page::cut(views, limit, |view| view.id.clone())))
}
