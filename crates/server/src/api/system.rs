//! `system`: how the installation stands, and what machines ask.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use holdfast_catalog::JobState;
use holdfast_engine::{Home, doctor, support};
use holdfast_model::audit::Action;
use jiff::SignedDuration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page};
use super::problem::{Failures, Result};
use super::view::{FindingView, PartView, Ready, SystemView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(check))
        .routes(routes!(support_bundle))
}

/// What supervisors, load balancers and monitoring ask.
pub(super) fn probes() -> Router<Arc<Api>> {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Names a part; why it does not answer is in the log only.
fn part<T>(name: &str, answer: &holdfast_engine::Result<T>) -> PartView {
    if let Err(error) = answer {
        tracing::warn!(part = name, %error, "not ready");
    }
    PartView { part: name.to_owned(), ok: answer.is_ok() }
}

/// How long an answer to [`ready`] counts: anybody may ask, and the vault is not asked each time.
const COUNTS: SignedDuration = SignedDuration::from_secs(10);

/// Whether catalog and home vault answer. The parts are named, and nothing of what they hold.
async fn ready(State(api): Shared) -> Result<Response> {
    let mut known = api.ready.lock().await;
    let now = api.home.clock.now();
    let parts = match known.as_ref().filter(|(at, _)| now.duration_since(*at).abs() < COUNTS) {
        Some((_, parts)) => parts.clone(),
        None => {
            let parts = asked(&api).await?;
            *known = Some((now, parts.clone()));
            parts
        }
    };
    drop(known);
    let ok = parts.iter().all(|part| part.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, axum::Json(Ready { ok, parts })).into_response())
}

async fn asked(api: &Api) -> Result<Vec<PartView>> {
    api.blocking(|home: Arc<Home>| async move {
        let catalog = home.catalog.now().await.map_err(holdfast_engine::Error::from);
        Ok(vec![part("catalog", &catalog), part("vault", &home.vault(None).await)])
    })
    .await
}

/// The figures of the process and of the catalog in the text form of Prometheus. Needs the right
/// `view_system`: give the monitoring a token. It is asked every few seconds and shows nobody's
/// data: only refusals are on record.
async fn metrics(State(api): Shared, who: Who) -> Result<Response> {
    let act = Act::view(Right::ViewSystem, Action::InstallationCheck).installation();
    let shared = Arc::clone(&api);
    api.permits(&who, &act.given("what", Some("metrics"))).await?;
    api.blocking(|home| async move { Ok(shared.measure.catalog(&home).await?) }).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((kind, api.measure.text()).into_response())
}

/// Says how the installation stands.
#[utoipa::path(get, path = "/system", tag = "system",
    responses((status = OK, body = SystemView), Failures))]
async fn show(State(api): Shared, who: Who) -> Result<Json<SystemView>> {
    let act = Act::view(Right::ViewSystem, Action::InstallationCheck).installation();
    let started_at = api.started_at;
    let work = move |home: Arc<Home>| async move {
        let counts = home.catalog.job_counts().await?;
        let living = |state: &JobState| !state.has_ended();
        Ok(SystemView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            catalog: home.catalog.database().to_owned(),
            tenants: home.catalog.tenant_list().await?.len() as u64,
            resources: home.catalog.resource_list(None).await?.len() as u64,
            jobs: counts.iter().filter(|(state, ..)| living(state)).map(|(.., n)| n).sum(),
        })
    };
    Ok(Json(api.act(&who, act, work).await?))
}

/// Checks key, catalog, vaults and tenants (`holdfast doctor`).
#[utoipa::path(get, path = "/system/findings", tag = "system",
    responses((status = OK, body = Page<FindingView>), Failures))]
async fn check(State(api): Shared, who: Who) -> Result<Json<Page<FindingView>>> {
    let act = Act::view(Right::ViewSystem, Action::InstallationCheck).reads().installation();
    let found = api.act(&who, act, |home| async move { Ok(doctor::doctor(&home).await?) }).await?;
    Ok(Json(Page::whole(found.into_iter().map(FindingView::from).collect())))
}

/// Gives the support bundle: a ZIP that says how the installation stands, with pseudonyms in place
/// of names (`holdfast support-bundle`).
#[utoipa::path(get, path = "/system/support-bundle", tag = "system",
    responses((status = OK, content_type = "application/zip", body = [u8]), Failures))]
async fn support_bundle(State(api): Shared, who: Who) -> Result<Response> {
    let act = Act::view(Right::TakeSupportBundle, Action::SupportBundle).installation();
    let shared = Arc::clone(&api);
    let work = move |home: Arc<Home>| async move {
        shared.measure.catalog(&home).await?;
        let metrics = shared.measure.text();
        Ok(support::bundle(&home, env!("CARGO_PKG_VERSION"), Some(&metrics)).await?)
    };
    let bundle = api.act(&who, act, work).await?;
    let head = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"holdfast-support.zip\""),
    ];
    Ok((head, bundle).into_response())
}
