//! `export`: a folder, or all of a resource, as a ZIP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use holdfast_engine::Progress;
use holdfast_engine::export::{self, ExportRequest, Format, Target};
use holdfast_model::Timestamp;
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{at, stream};
use crate::access::Right;
use crate::api::act::Act;
use crate::api::page::{Path, Query};
use crate::api::problem::{Failures, Problem, Result};
use crate::api::who::Who;
use crate::api::{Api, Shared};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(zip))
}

/// What to take out.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Restore point: a time (the last one at or before it) or the beginning of a snapshot id; the
    /// newest where absent.
    at: Option<String>,
    /// Not a restore point, but what was there at this time or later and is gone.
    #[param(value_type = Option<String>, format = DateTime)]
    deleted_since: Option<Timestamp>,
    /// Folder, message or file; the whole resource where absent.
    path: Option<String>,
}

/// Takes messages and files out as a ZIP. Its last file, `holdfast-export.json`, tells what could
/// not be read and is missing; a ZIP without it is not whole.
#[utoipa::path(get, path = "/resources/{resource}/export", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Wanted),
    responses((status = OK, content_type = "application/octet-stream", body = Vec<u8>), Failures))]
async fn zip(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let point = at(wanted.at.as_deref())?;
    if wanted.at.is_some() && wanted.deleted_since.is_some() {
        return Err(Problem::invalid("'deleted_since' is about no restore point: leave out 'at'"));
    }
    let act = Act::view(Right::Export, Action::ItemExport)
        .items(wanted.path.as_deref())
        .given("at", wanted.at.as_ref())
        .given("deleted_since", wanted.deleted_since)
        .given("format", Some(Format::Zip));
    let (act, row) = api.resource(&who, act, wanted.tenant.as_deref(), &name).await?;
    // On record before the first byte goes out.
    api.act(&who, act, |_| async { Ok(()) }).await?;
    let file = format!("{}.zip", row.name);
    let request = ExportRequest {
        tenant: Some(row.tenant),
        resource: row.id.0,
        at: point,
        deleted_since: wanted.deleted_since,
        path: wanted.path.filter(|path| !path.is_empty()),
        format: Format::Zip,
    };
    stream::answer(&api, &file, move |home, mut out| async move {
        let target = Target::Archive(&mut out);
        Ok(export::export(&home, &request, target, &Progress::default()).await?.bytes)
    })
    .await
}
