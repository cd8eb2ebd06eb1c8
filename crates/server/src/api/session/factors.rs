//! Second factors of oneself: time-based codes, passkeys, recovery codes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_model::Secret;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{own, parsed, question};
use crate::access::RegisterPublicKeyCredential;
use crate::api::page::{Json, Path};
use crate::api::problem::{Failures, Result};
use crate::api::view::{Enrolment, RecoveryCodes};
use crate::api::who::Who;
use crate::api::{Api, Shared};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(begin_totp, remove_totp))
        .routes(routes!(confirm_totp))
        .routes(routes!(new_recovery_codes))
        .routes(routes!(begin_passkey))
        .routes(routes!(confirm_passkey))
        .routes(routes!(remove_passkey))
}

/// Begins to set up a time-based code.
#[utoipa::path(post, path = "/session/totp", tag = "session",
    responses((status = OK, body = Enrolment), Failures))]
async fn begin_totp(State(api): Shared, who: Who) -> Result<Json<Enrolment>> {
    let begun = api.access.begin_totp(who.session()?).await?;
    let text = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
    let (handle, secret, url) = (text(&begun.handle), text(&begun.secret), text(&begun.url));
    Ok(Json(Enrolment { handle, secret, url }))
}

/// The first code of an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    /// The handle of the enrolment.
    #[schema(value_type = String)]
    handle: Secret,
    /// The code.
    #[schema(value_type = String)]
    code: Secret,
}

fn codes(codes: &[Secret]) -> Json<RecoveryCodes> {
    let text = |code: &Secret| code.expose_str().unwrap_or_default().to_owned();
    Json(RecoveryCodes { codes: codes.iter().map(text).collect() })
}

/// Sets the time-based code up when a first code proves that the app has it.
#[utoipa::path(post, path = "/session/totp/confirm", tag = "session", request_body = FirstCode,
    responses((status = OK, body = RecoveryCodes), Failures))]
async fn confirm_totp(
    State(api): Shared,
    who: Who,
    Json(body): Json<FirstCode>,
) -> Result<Json<RecoveryCodes>> {
    let made = own(&api, &who, "totp", |api, entered| async move {
        api.access.confirm_totp(&entered, &body.handle, &body.code).await
    });
    Ok(codes(&made.await?))
}

/// Takes the time-based code away.
#[utoipa::path(delete, path = "/session/totp", tag = "session",
    responses((status = NO_CONTENT), Failures))]
async fn remove_totp(State(api): Shared, who: Who) -> Result<StatusCode> {
    own(&api, &who, "totp", |api, entered| async move { api.access.remove_totp(&entered).await })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes new recovery codes in the place of the old ones.
#[utoipa::path(post, path = "/session/recovery-codes", tag = "session",
    responses((status = OK, body = RecoveryCodes), Failures))]
async fn new_recovery_codes(State(api): Shared, who: Who) -> Result<Json<RecoveryCodes>> {
    let made = own(&api, &who, "recovery_codes", |api, entered| async move {
        api.access.new_recovery_codes(&entered).await
    });
    Ok(codes(&made.await?))
}

/// Begins to make a passkey: gives the options of `navigator.credentials.create`.
#[utoipa::path(post, path = "/session/passkeys", tag = "session",
    responses((status = OK, body = Object), Failures))]
async fn begin_passkey(State(api): Shared, who: Who) -> Result<Json<Value>> {
    Ok(Json(question(&api.access.begin_passkey(who.session()?).await?)))
}

/// A passkey that the browser has made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPasskey {
    /// The handle of the question.
    #[schema(value_type = String)]
    handle: Secret,
    /// What its owner calls it.
    label: String,
    /// What `navigator.credentials.create` gave.
    #[schema(value_type = Object)]
    credential: Value,
}

/// Keeps the passkey that the browser has made.
#[utoipa::path(post, path = "/session/passkeys/confirm", tag = "session",
    request_body = NewPasskey, responses((status = OK, body = RecoveryCodes), Failures))]
async fn confirm_passkey(
    State(api): Shared,
    who: Who,
    Json(body): Json<NewPasskey>,
) -> Result<Json<RecoveryCodes>> {
    who.session()?;
    let made = parsed::<RegisterPublicKeyCredential>(body.credential)?;
    let kept = own(&api, &who, "passkey", move |api, entered| async move {
        api.access.confirm_passkey(&entered, &body.handle, &body.label, &made).await
    });
    Ok(codes(&kept.await?))
}

/// Takes a passkey away.
#[utoipa::path(delete, path = "/session/passkeys/{id}", tag = "session",
    params(("id" = String, Path, description = "Id of the passkey")),
    responses((status = NO_CONTENT), Failures))]
async fn remove_passkey(
    State(api): Shared,
    who: Who,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    own(&api, &who, "passkey", |api, entered| async move {
        api.access.remove_passkey(&entered, &id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
