//! `session`: sign-in, what one does with oneself.

mod factors;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use holdfast_engine::Home;
use holdfast_engine::audit::Audit;
use holdfast_engine::users::{self, User};
use holdfast_model::Secret;
use holdfast_model::audit::{Action, Actor, ActorKind, Event, Outcome};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::{Me, SessionView, SignedInView};
use super::who::{COOKIE, From, Who, cookie};
use super::{Api, Shared};
use crate::access::{self, Caller, Entered, NewSession, Proof, PublicKeyCredential, SignedIn};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(sign_in, show, sign_out))
        .routes(routes!(second_factor))
        .routes(routes!(ask_second_factor))
        .routes(routes!(step_up))
        .routes(routes!(ask_step_up))
        .routes(routes!(change_password))
        .routes(routes!(list))
        .routes(routes!(end))
        .routes(routes!(accept_setup))
        .routes(routes!(accept_invitation))
        .merge(factors::routes())
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// Name at sign-in.
    name: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// What somebody shows to prove who he is: one of these.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ProofBody {
    /// The password: for a step-up of a user without a second factor.
    Password {
        /// The password.
        #[schema(value_type = String, format = Password)]
        password: Secret,
    },
    /// A time-based code.
    Totp {
        /// The code.
        #[schema(value_type = String)]
        code: Secret,
    },
    /// A recovery code.
    RecoveryCode {
        /// The code.
        #[schema(value_type = String)]
        code: Secret,
    },
    /// The answer of a passkey.
    Passkey {
        /// The handle of the question.
        #[schema(value_type = String)]
        handle: Secret,
        /// What `navigator.credentials.get` gave.
        #[schema(value_type = Object)]
        credential: Value,
    },
}

impl TryFrom<ProofBody> for Proof {
    type Error = Problem;

    fn try_from(body: ProofBody) -> Result<Self> {
        Ok(match body {
            ProofBody::Password { password } => Self::Password(password),
            ProofBody::Totp { code } => Self::Totp(code),
            ProofBody::RecoveryCode { code } => Self::RecoveryCode(code),
            ProofBody::Passkey { handle, credential } => {
                let credential = parsed::<PublicKeyCredential>(credential)?;
                Self::Passkey { handle, credential: Box::new(credential) }
            }
        })
    }
}

fn parsed<T: serde::de::DeserializeOwned>(credential: Value) -> Result<T> {
    let wrong = |_| Problem::invalid("the credential is not what a browser gives");
    serde_json::from_value(credential).map_err(wrong)
}

/// A second factor of a sign-in under way.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecondFactor {
    /// The handle that the sign-in gave.
    #[schema(value_type = String)]
    handle: Secret,
    /// The proof.
    proof: ProofBody,
}

/// A handle.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HandleBody {
    /// The handle that the sign-in gave.
    #[schema(value_type = String)]
    handle: Secret,
}

/// A proof.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepUp {
    /// The proof.
    proof: ProofBody,
}

/// Sets the cookie and tells the token that goes with it.
fn signed_in(new: &NewSession) -> Result<Response> {
    let secret = new.secret.expose_str().unwrap_or_default();
    let value = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let csrf = new.csrf.expose_str().unwrap_or_default().to_owned();
    let body = Json(SignedInView::SignedIn { csrf });
    Ok(([(header::SET_COOKIE, set(&value)?)], body).into_response())
}

fn set(cookie: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(cookie).map_err(|_| Problem::invalid("the cookie cannot be set"))
}

/// Puts an attempt to come in on record. A name that nobody has may be a mistyped password: it is
/// not recorded.
async fn attempt(
    home: &Home,
    user: Option<User>,
    from: &Caller,
    failed: Option<&access::Error>,
) -> Result<()> {
    let (id, name) = user.map(|user| (user.id.to_string(), user.name)).unwrap_or_default();
    let actor = match failed {
        None => Actor { kind: ActorKind::User, id, name },
        Some(_) => Actor { kind: ActorKind::Unknown, id: String::new(), name },
    };
    proof(home, Action::SessionSignIn, actor, from, failed).await
}

/// Puts a proof of who somebody is on record, or what he took for one.
async fn proof(
    home: &Home,
    action: Action,
    actor: Actor,
    from: &Caller,
    failed: Option<&access::Error>,
) -> Result<()> {
    let mut event = Event::new(actor, &from.address.to_string(), action);
    match failed {
        // What is not even tried, or is about no sign-in that is under way, would be a flood of
        // entries that anybody could send.
        Some(access::Error::TooMany { .. } | access::Error::Ended) => return Ok(()),
        Some(access::Error::Engine(_)) => {
            (event.outcome, event.cause) = (Outcome::Failed, "failed".to_owned());
        }
        Some(_) => (event.outcome, event.cause) = (Outcome::Refused, "wrong".to_owned()),
        None => {}
    }
    Audit::open(home).await?.record(event).await?;
    Ok(())
}

fn problem(api: &Api, error: access::Error) -> Problem {
    match error {
        access::Error::TooMany { until } => {
            Problem::from(access::Error::TooMany { until }).until(api.home.clock.now(), until)
        }
        error => error.into(),
    }
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Credentials, security(()),
    responses((status = OK, body = SignedInView), Failures))]
async fn sign_in(
    State(api): Shared,
    From(from): From,
    Json(body): Json<Credentials>,
) -> Result<Response> {
    let shared = Arc::clone(&api);
    api.blocking(move |home| async move {
        let done = shared.access.sign_in(&body.name, &body.password, &from).await;
        let user = async || users::by_name(&home, &body.name).await;
        match done {
            Ok(SignedIn::Session(new)) => {
                attempt(&home, user().await?, &from, None).await?;
                signed_in(&new)
            }
            Ok(SignedIn::SecondFactor(pending)) => {
                let factors = super::view::factor_names(&pending.factors);
                let handle = pending.handle.expose_str().unwrap_or_default().to_owned();
                Ok(Json(SignedInView::SecondFactor { handle, factors }).into_response())
            }
            Err(error) => {
                attempt(&home, user().await?, &from, Some(&error)).await?;
                Err(problem(&shared, error))
            }
        }
    })
    .await
}

/// Gives the second factor of a sign-in.
#[utoipa::path(post, path = "/session/second-factor", tag = "session", request_body = SecondFactor,
    security(()), responses((status = OK, body = SignedInView), Failures))]
async fn second_factor(
    State(api): Shared,
    From(from): From,
    Json(body): Json<SecondFactor>,
) -> Result<Response> {
    let shown: Proof = body.proof.try_into()?;
    let shared = Arc::clone(&api);
    api.blocking(move |home| async move {
        // Whose sign-in it is: with a right proof it is not under way any more.
        let user = shared.access.signing_in(&body.handle).await.ok();
        let done = shared.access.second_factor(&body.handle, &shown, &from).await;
        attempt(&home, user, &from, done.as_ref().err()).await?;
        signed_in(&done.map_err(|error| problem(&shared, error))?)
    })
    .await
}

/// Asks for a passkey as second factor of a sign-in: gives the options of
/// `navigator.credentials.get` with the handle of the question.
#[utoipa::path(post, path = "/session/second-factor/passkey", tag = "session",
    request_body = HandleBody, security(()), responses((status = OK, body = Object), Failures))]
async fn ask_second_factor(
    State(api): Shared,
    Json(body): Json<HandleBody>,
) -> Result<Json<Value>> {
    let asked = api.access.passkey_challenge(&body.handle).await?;
    Ok(Json(question(&asked)))
}

fn question<T: serde::Serialize>(asked: &access::PasskeyChallenge<T>) -> Value {
    let handle = asked.handle.expose_str().unwrap_or_default();
    serde_json::json!({ "handle": handle, "options": asked.options })
}

/// Says who is signed in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = OK, body = Me), Failures))]
async fn show(who: Who) -> Json<Me> {
    Json(who.entered.as_ref().map_or_else(|| Me::of(&who.principal), Me::from))
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = NO_CONTENT), Failures))]
async fn sign_out(State(api): Shared, who: Who, headers: HeaderMap) -> Result<Response> {
    who.session()?;
    let event = Event::new(who.actor(), &who.from.address.to_string(), Action::SessionSignOut);
    api.record(event).await?;
    if let Some(cookie) = cookie(&headers) {
        api.access.sign_out(&cookie).await?;
    }
    let gone = set(&format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// Proves anew who is behind the session: needed before grave acts, good for five minutes.
#[utoipa::path(post, path = "/session/step-up", tag = "session", request_body = StepUp,
    responses((status = OK, body = SignedInView), Failures))]
async fn step_up(
    State(api): Shared,
    who: Who,
    headers: HeaderMap,
    Json(body): Json<StepUp>,
) -> Result<Response> {
    who.session()?;
    let (cookie, shown) = (cookie(&headers).ok_or(access::Error::Ended)?, body.proof.try_into()?);
    let shared = Arc::clone(&api);
    api.blocking(move |home| async move {
        let done = shared.access.step_up(&cookie, &shown, &who.from).await;
        let failed = done.as_ref().err();
        proof(&home, Action::SessionStepUp, who.actor(), &who.from, failed).await?;
        signed_in(&done.map_err(|error| problem(&shared, error))?)
    })
    .await
}

/// Asks for a passkey as proof of a step-up.
#[utoipa::path(post, path = "/session/step-up/passkey", tag = "session",
    responses((status = OK, body = Object), Failures))]
async fn ask_step_up(State(api): Shared, who: Who) -> Result<Json<Value>> {
    Ok(Json(question(&api.access.passkey_step_up(who.session()?).await?)))
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    old: Secret,
    /// The password from now on: at least 12 characters, not easily guessed.
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Changes one's own sign-in, between two entries of the record.
async fn own<T, W>(
    api: &Arc<Api>,
    who: &Who,
    what: &str,
    work: impl FnOnce(Arc<Api>, Entered) -> W + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = access::Result<T>>,
{
    let (shared, entered) = (Arc::clone(api), who.session()?.clone());
    let event = Event::new(who.actor(), &who.from.address.to_string(), Action::UserChange);
    let work = move |_| async move {
        let problem = |error| problem(&shared, error);
        work(Arc::clone(&shared), entered).await.map_err(problem)
    };
    api.recorded(event.detail("what", what), work).await
}

/// Changes one's own password; all other sessions end.
#[utoipa::path(put, path = "/session/password", tag = "session", request_body = NewPassword,
    responses((status = NO_CONTENT), Failures))]
async fn change_password(
    State(api): Shared,
    who: Who,
    Json(body): Json<NewPassword>,
) -> Result<StatusCode> {
    let from = who.from.clone();
    own(&api, &who, "password", |api, entered| async move {
        api.access.change_password(&entered, &body.old, &body.new, &from).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists one's own sessions, the latest used first.
#[utoipa::path(get, path = "/session/all", tag = "session",
    responses((status = OK, body = Page<SessionView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<SessionView>>> {
    let this = Some(&who.session()?.session);
    let sessions = api.access.sessions(&who.principal.user).await?;
    let views = sessions.into_iter().map(|session| SessionView::of(session, this));
    Ok(Json(Page::whole(views.collect())))
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/session/all/{id}", tag = "session",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = NO_CONTENT), Failures))]
async fn end(State(api): Shared, who: Who, Path(id): Path<String>) -> Result<StatusCode> {
    let event = Event::new(who.actor(), &who.from.address.to_string(), Action::SessionEnd);
    let (shared, user) = (Arc::clone(&api), who.session()?.session.user.clone());
    let ended = move |_| async move { Ok(shared.access.end_session(&user, &id).await?) };
    api.recorded(event, ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// What stands behind `#` in the link that the first start printed.
    #[schema(value_type = String)]
    secret: Secret,
    /// Name at sign-in.
    name: String,
    /// Name for people.
    display_name: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Takes a one-time link, to the end whether or not the caller goes away. A link that is not valid
/// is on no record: anybody can send one.
async fn let_in<W>(
    api: &Arc<Api>,
    from: Caller,
    work: impl FnOnce(Arc<Api>) -> W + Send + 'static,
) -> Result<StatusCode>
where
    W: Future<Output = access::Result<User>>,
{
    let shared = Arc::clone(api);
    api.blocking(move |home| async move {
        let user = work(Arc::clone(&shared)).await.map_err(|error| problem(&shared, error))?;
        let actor = Actor { kind: ActorKind::User, id: user.id.to_string(), name: user.name };
        let event = Event::new(actor, &from.address.to_string(), Action::UserAdd);
        Audit::open(&home).await?.record(event.detail("what", "link")).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Makes the first administrator, once.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = Setup, security(()),
    responses((status = NO_CONTENT), Failures))]
async fn accept_setup(
    State(api): Shared,
    From(from): From,
    Json(body): Json<Setup>,
) -> Result<StatusCode> {
    let Setup { secret, name, display_name, password } = body;
    let_in(&api, from, |api| async move {
        api.access.accept_setup(&secret, &name, &display_name, &password).await
    })
    .await
}

/// The password of an invited user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    /// What stands behind `#` in the link.
    #[schema(value_type = String)]
    secret: Secret,
    /// Password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Chooses the password of an invited user.
#[utoipa::path(post, path = "/invitation", tag = "session", request_body = Acceptance,
    security(()), responses((status = NO_CONTENT), Failures))]
async fn accept_invitation(
    State(api): Shared,
    From(from): From,
    Json(body): Json<Acceptance>,
) -> Result<StatusCode> {
    let_in(&api, from, |api| async move { api.access.accept(&body.secret, &body.password).await })
        .await
}
