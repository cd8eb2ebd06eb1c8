//! `users` and `roles`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_engine::users::{self, Effect, User};
use holdfast_model::audit::Action;
use holdfast_model::{Grant, Role, UserId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::{GrantView, Invited, RoleView, SessionView, UserView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(roles))
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(reset))
        .routes(routes!(sessions, end_sessions))
}

/// Lists the roles and what each may do.
#[utoipa::path(get, path = "/roles", tag = "users",
    responses((status = OK, body = Page<RoleView>), Failures))]
async fn roles(_who: Who) -> Json<Page<RoleView>> {
    Json(Page::whole(Role::ALL.into_iter().map(RoleView::from).collect()))
}

fn view(action: Action) -> Act {
    Act::view(Right::ManageUsers, action).installation()
}

fn grave(action: Action) -> Act {
    Act::grave(Right::ManageUsers, action).installation()
}

/// Lists the users.
#[utoipa::path(get, path = "/users", tag = "users",
    responses((status = OK, body = Page<UserView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<UserView>>> {
    let work = |home: Arc<_>| async move {
        let users = users::list(&home).await?;
        Ok(Page::whole(users.iter().map(UserView::from).collect()))
    };
    Ok(Json(api.act(&who, view(Action::UserList), work).await?))
}

/// Somebody who is to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// Name at sign-in.
    name: String,
    /// Name for people.
    display_name: String,
    /// Roles and where they count.
    grants: Vec<GrantView>,
}

fn grants(views: &[GrantView]) -> Result<Vec<Grant>> {
    let grants: Result<Vec<Grant>, String> = views.iter().map(Grant::try_from).collect();
    grants.map_err(Problem::invalid)
}

fn words(grants: &[Grant]) -> String {
    let word = |grant: &Grant| match grant.scope.is_all() {
        true => grant.role.to_string(),
        false => format!("{} in a scope", grant.role),
    };
    grants.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Invites somebody: the answer has the link by which he chooses his password.
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser,
    responses((status = CREATED, body = Invited), Failures))]
async fn add(
    State(api): Shared,
    who: Who,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<Invited>)> {
    let grants = grants(&new.grants)?;
    let act =
        grave(Action::UserAdd).given("user", Some(&new.name)).given("grants", Some(words(&grants)));
    let (shared, by) = (Arc::clone(&api), who.principal.user.clone());
    let (made, link) = api
        .act(&who, act, move |home| async move {
            let made = users::create(&home, &new.name, &new.display_name, grants, |_| {}).await?;
            let link = shared.access.invite(&made.id, &by).await?;
            Ok((made, link))
        })
        .await?;
    let link = api.access.link_to("invitation", &link);
    Ok((StatusCode::CREATED, Json(Invited { user: UserView::from(&made), link })))
}

/// Shows a user.
#[utoipa::path(get, path = "/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = OK, body = UserView), Failures))]
async fn show(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<UserView>> {
    let act = view(Action::UserList).given("user", Some(&id));
    let work =
        |home: Arc<_>| async move { Ok(UserView::from(&users::get(&home, &UserId(id)).await?)) };
    Ok(Json(api.act(&who, act, work).await?))
}

/// What is to change of a user; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    /// Name for people.
    display_name: Option<String>,
    /// Roles and where they count.
    grants: Option<Vec<GrantView>>,
    /// Whether he may not sign in.
    disabled: Option<bool>,
}

/// Changes a user. Who is disabled or gets other roles keeps no session.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", request_body = UserChange,
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = OK, body = UserView), Failures))]
async fn change(
    State(api): Shared,
    who: Who,
    Path(id): Path<String>,
    Json(body): Json<UserChange>,
) -> Result<Json<UserView>> {
    let grants = body.grants.as_deref().map(grants).transpose()?;
    let act = grave(Action::UserChange)
        .given("user", Some(&id))
        .given("grants", grants.as_deref().map(words))
        .given("disabled", body.disabled);
    let (id, ends) = (UserId(id), body.disabled == Some(true) || grants.is_some());
    // What only takes rights away takes effect at once, also where the vault is away.
    let only_disables =
        body.disabled == Some(true) && grants.is_none() && body.display_name.is_none();
    let effect = if only_disables { Effect::Protects } else { Effect::Waits };
    let edit = move |user: &mut User| {
        let before = user.clone();
        user.display_name =
            body.display_name.clone().unwrap_or_else(|| before.display_name.clone());
        user.grants = grants.clone().unwrap_or_else(|| before.grants.clone());
        user.disabled = body.disabled.unwrap_or(before.disabled);
        *user != before
    };
    let own = who.entered.as_ref().map(|entered| entered.session.clone());
    let own = own.filter(|session| session.user == id);
    let shared = Arc::clone(&api);
    let user = api
        .act(&who, act, move |home| async move {
            users::change(&home, &id, effect, edit).await?;
            if ends {
                shared.access.end_sessions(&id, own.as_ref()).await?;
            }
            Ok(users::get(&home, &id).await?)
        })
        .await?;
    Ok(Json(UserView::from(&user)))
}

/// Removes a user; his sessions and tokens end.
#[utoipa::path(delete, path = "/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = NO_CONTENT), Failures))]
async fn remove(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<StatusCode> {
    let act = grave(Action::UserRemove).given("user", Some(&id));
    api.act(&who, act, |home| async move { Ok(users::remove(&home, &UserId(id)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes password and second factors from a user who has lost them, and invites him anew.
#[utoipa::path(post, path = "/users/{id}/reset", tag = "users",
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = OK, body = Invited), Failures))]
async fn reset(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<Json<Invited>> {
    let (act, id) = (grave(Action::UserChange).given("user", Some(&id)), UserId(id));
    let act = act.given("what", Some("reset"));
    let by = who.principal.user.clone();
    let (shared, user) = (Arc::clone(&api), id.clone());
    let link = api
        .act(&who, act, move |_| async move { Ok(shared.access.reset(&user, &by).await?) })
        .await?;
    let user = users::get(&api.home, &id).await?;
    let link = api.access.link_to("invitation", &link);
    Ok(Json(Invited { user: UserView::from(&user), link }))
}

/// Lists the sessions of a user.
#[utoipa::path(get, path = "/users/{id}/sessions", tag = "users",
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = OK, body = Page<SessionView>), Failures))]
async fn sessions(
    State(api): Shared,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Page<SessionView>>> {
    let act = view(Action::SessionList).given("user", Some(&id));
    let (shared, id) = (Arc::clone(&api), UserId(id));
    let sessions = api
        .act(&who, act, move |home| async move {
            users::get(&home, &id).await?;
            Ok(shared.access.sessions(&id).await?)
        })
        .await?;
    let views = sessions.into_iter().map(|session| SessionView::of(session, None));
    Ok(Json(Page::whole(views.collect())))
}

/// Ends all sessions of a user.
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "users",
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = NO_CONTENT), Failures))]
async fn end_sessions(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<StatusCode> {
    let act = Act::change(Right::ManageUsers, Action::SessionEnd).installation();
    let (shared, user) = (Arc::clone(&api), UserId(id.clone()));
    api.act(&who, act.given("user", Some(id)), move |home| async move {
        users::get(&home, &user).await?;
        Ok(shared.access.end_sessions(&user, None).await?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
