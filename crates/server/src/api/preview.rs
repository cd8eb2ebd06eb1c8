//! `preview`: a message as it may be shown. What it says goes out as data, its body as a page of its
//! own that runs and loads nothing, its attachments as downloads.

use std::io::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use holdfast_engine::browse;
use holdfast_model::audit::Action;
use holdfast_workloads::mail::{Attachment, Fields, preview};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::items::{at, stream};
use super::page::{Json, Path, Query};
use super::problem::{Failures, Problem, Result};
use super::view::PreviewView;
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(body)).routes(routes!(attachment))
}

/// Which message.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Restore point; the newest where absent.
    at: Option<String>,
    /// The message.
    path: String,
}

/// What is to be known of the message, if who asks may see content.
async fn read<T: Send + 'static>(
    api: &Api,
    who: &Who,
    name: &str,
    which: Which,
    (what, of): (&str, impl FnOnce(Fields) -> Result<T> + Send + 'static),
) -> Result<T> {
    let point = at(which.at.as_deref())?;
    let act = Act::view(Right::ReadContent, Action::ItemRead)
        .reads()
        .items([which.path.as_str()])
        .given("at", which.at.as_ref())
        .given("what", Some(what));
    let (act, row) = api.resource(who, act, which.tenant.as_deref(), name).await?;
    api.act(who, act, move |home| async move {
        let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
        let (_, fields) = browse::message(&home, tenant, id, &point, &which.path).await?;
        of(fields)
    })
    .await
}

/// Shows what a message says, without its body.
#[utoipa::path(get, path = "/resources/{resource}/preview", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Which),
    responses((status = OK, body = PreviewView), Failures))]
async fn show(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<PreviewView>> {
    let view = |fields: Fields| Ok(PreviewView::from(&fields));
    Ok(Json(read(&api, &who, &name, which, ("preview", view)).await?))
}

/// What a browser may do with the body: show text and the pictures that are part of it, in a frame
/// of this server.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox";

/// How much of the body is not shown.
const HIDDEN: HeaderName = HeaderName::from_static("x-holdfast-hidden-pictures");

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:12px;color:#111;\
                     background:#fff;overflow-wrap:anywhere}pre{white-space:pre-wrap;\
                     font:inherit}img{max-width:100%;height:auto}";

/// Shows the body of a message as a page without scripts, forms and addresses that are loaded: for a
/// frame with `sandbox`. Pictures from elsewhere are left out and counted in
/// `x-holdfast-hidden-pictures`.
#[utoipa::path(get, path = "/resources/{resource}/preview/body", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Which),
    responses((status = OK, content_type = "text/html", body = String), Failures))]
async fn body(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response> {
    // Where it may take its time: what makes it slow comes from outside.
    let clean = |fields: Fields| Ok(preview(&fields));
    let shown = read(&api, &who, &name, which, ("body", clean)).await?;
    let cut = if shown.cut { "<hr><p>It goes on: download the original." } else { "" };
    let page = format!(
        "<!doctype html><html><head><meta charset=utf-8><meta name=referrer content=no-referrer>\
         <style>{STYLE}</style></head><body>{}{cut}</body></html>",
        shown.html
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (HIDDEN, HeaderValue::from(shown.hidden)),
    ];
    Ok((headers, Html(page)).into_response())
}

/// Gives an attachment of a message, decoded, as a download.
#[utoipa::path(get, path = "/resources/{resource}/preview/attachments/{number}", tag = "items",
    params(
        ("resource" = String, Path, description = "Id, name or Graph id"),
        ("number" = u32, Path, description = "Its place among the attachments, from 0"),
        Which,
    ),
    responses((status = OK, content_type = "application/octet-stream", body = Vec<u8>), Failures))]
async fn attachment(
    State(api): Shared,
    who: Who,
    Path((name, number)): Path<(String, u32)>,
    Query(which): Query<Which>,
) -> Result<Response> {
    let place = stream::place(&api).await?;
    let one = move |mut fields: Fields| {
        let number = number as usize;
        match number < fields.attachments.len() {
            true => Ok(fields.attachments.swap_remove(number)),
            false => Err(Problem::not_found(&format!("attachment {number}"))),
        }
    };
    let attachment = read(&api, &who, &name, which, ("attachment", one)).await?;
    let Attachment { name, content, .. } = attachment;
    let write = move |_, mut out: stream::Out| async move {
        out.write_all(&content).map_err(holdfast_vault::Error::Output)?;
        Ok(content.len() as u64)
    };
    stream::answer_in(place, &api, &name, write).await
}
