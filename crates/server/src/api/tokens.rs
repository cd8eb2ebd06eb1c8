//! `tokens`: for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_model::Timestamp;
use holdfast_model::audit::{Action, Event};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::{Made, ScopeView, TokenView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::NewToken;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(revoke))
}

fn event(who: &Who, action: Action) -> Event {
    Event::new(who.actor(), &who.from.address.to_string(), action)
}

/// Lists one's own tokens, the newest first.
#[utoipa::path(get, path = "/tokens", tag = "tokens",
    responses((status = OK, body = Page<TokenView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<TokenView>>> {
    who.session()?;
    api.record(event(&who, Action::TokenList)).await?;
    let tokens = api.access.tokens(&who.principal.user).await?;
    Ok(Json(Page::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// A token that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// What it is for.
    label: String,
    /// What it may do: no more than its maker, and nothing that only people do.
    rights: Vec<String>,
    /// Where.
    scope: ScopeView,
    /// When it ends: within a year.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Makes a token. Its text is shown this once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = TokenBody,
    responses((status = CREATED, body = Made), Failures))]
async fn add(
    State(api): Shared,
    who: Who,
    Json(body): Json<TokenBody>,
) -> Result<(StatusCode, Json<Made>)> {
    let entered = who.session()?;
    let rights: Result<_, String> = body.rights.iter().map(|right| right.parse()).collect();
    let new = NewToken {
        label: body.label,
        rights: rights.map_err(Problem::invalid)?,
        scope: (&body.scope).try_into().map_err(Problem::invalid)?,
        expires_at: body.expires_at,
    };
    let event = event(&who, Action::TokenAdd)
        .detail("rights", body.rights.join(" "))
        .detail("expires_at", new.expires_at.to_string());
    let (shared, entered) = (Arc::clone(&api), entered.clone());
    let made = move |_| async move { Ok(shared.access.create_token(&entered, &new).await?) };
    let (text, token) = api.recorded(event, made).await?;
    let text = text.expose_str().unwrap_or_default().to_owned();
    Ok((StatusCode::CREATED, Json(Made { text, token: token.into() })))
}

/// Revokes one of one's own tokens.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Id of the token")),
    responses((status = NO_CONTENT), Failures))]
async fn revoke(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<StatusCode> {
    let event = event(&who, Action::TokenRevoke).detail("token", id.clone());
    let (shared, user) = (Arc::clone(&api), who.session()?.session.user.clone());
    let revoked = move |_| async move { Ok(shared.access.revoke_token(&user, &id).await?) };
    api.recorded(event, revoked).await?;
    Ok(StatusCode::NO_CONTENT)
}
