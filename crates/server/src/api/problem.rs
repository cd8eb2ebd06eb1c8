//! The one shape of a failure.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use holdfast_catalog as catalog;
use holdfast_engine as engine;
use holdfast_engine::Exit;
use holdfast_jobs as jobs;
use holdfast_model::Timestamp;
use holdfast_policy as policy;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::access;

/// What kind of failure it is. Closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody is signed in, the session has ended, or name, password, code or token is wrong.
    NotSignedIn,
    /// The act needs a proof of a few minutes' age: `POST /session/step-up`.
    StepUp,
    /// The right is missing.
    Denied,
    /// The request makes no sense.
    Invalid,
    /// What was named is not there, or may not be known.
    NotFound,
    /// What is asked for does not fit the state of things.
    Refused,
    /// Try later: the answer says when.
    Later,
    /// The vault is damaged.
    Damaged,
    /// Anything else.
    Failed,
}

/// A failure.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// What kind of failure.
    pub code: Code,
    /// What failed, on what.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub hint: Option<String>,
}

/// The body of an answer that is a failure.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureBody {
    /// The failure.
    pub error: Failure,
}

/// A failure on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    failure: Failure,
    /// Seconds until another try makes sense.
    wait: Option<u64>,
}

/// Result of a request.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// The failures that every endpoint can answer with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "says to the document what Problem answers with")]
pub(super) enum Failures {
    /// The request makes no sense.
    #[response(status = 400)]
    Invalid(FailureBody),
    /// Not signed in.
    #[response(status = 401)]
    NotSignedIn(FailureBody),
    /// The right, or a fresh proof, is missing.
    #[response(status = 403)]
    Denied(FailureBody),
    /// Not there.
    #[response(status = 404)]
    NotFound(FailureBody),
    /// It does not fit the state of things.
    #[response(status = 409)]
    Refused(FailureBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(FailureBody),
    /// The body is not JSON.
    #[response(status = 415)]
    Media(FailureBody),
    /// Too many attempts.
    #[response(status = 429)]
    TooMany(FailureBody),
    /// Vault, catalog or machine failed.
    #[response(status = 500)]
    Failed(FailureBody),
    /// Something else is at work, or away.
    #[response(status = 503)]
    Later(FailureBody),
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let failure = Failure { code, message: message.into(), hint: None };
        Self { status, failure, wait: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Invalid, message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, format!("there is no {what}"))
    }

    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.failure.hint = Some(hint.to_owned());
        self
    }

    fn wait(mut self, seconds: u64) -> Self {
        self.wait = Some(seconds);
        self
    }

    /// Try later.
    pub(super) fn later(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Later, message).wait(BUSY)
    }

    /// Work that ended without an answer.
    pub(super) fn broken() -> Self {
        let message = "a thread ended before its work was done";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Failed, message)
    }

    /// The kind of failure.
    pub(super) fn code(&self) -> Code {
        self.failure.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(FailureBody { error: self.failure })).into_response();
        if let Some(seconds) = self.wait {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

/// Seconds until something that is busy is asked again.
const BUSY: u64 = 30;

fn of_exit(exit: Exit, message: String) -> Problem {
    match exit {
        Exit::Usage => Problem::invalid(message),
        Exit::NotFound => Problem::new(StatusCode::NOT_FOUND, Code::NotFound, message),
        Exit::Denied => Problem::new(StatusCode::CONFLICT, Code::Refused, message),
        Exit::Later => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, Code::Later, message).wait(BUSY)
        }
        Exit::Damaged => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Damaged, message),
        Exit::Error | Exit::Partial => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Failed, message)
        }
    }
}

/// The messages of what lies behind an error, nearest first.
fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(error.source(), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        if let engine::Error::Catalog(catalog::Error::Conflict(why)) = error {
            return Self::new(StatusCode::CONFLICT, Code::Refused, why);
        }
        if matches!(error.exit(), Exit::Error | Exit::Partial | Exit::Damaged) {
            let causes = causes(&error);
            tracing::error!(%error, causes, "a request failed");
        }
        of_exit(error.exit(), error.to_string())
    }
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        engine::Error::from(error).into()
    }
}

impl From<policy::Error> for Problem {
    fn from(error: policy::Error) -> Self {
        engine::Error::from(error).into()
    }
}

impl From<jobs::Error> for Problem {
    fn from(error: jobs::Error) -> Self {
        match error {
            jobs::Error::Engine(error) => error.into(),
            jobs::Error::Catalog(error) => error.into(),
            error @ jobs::Error::Request { .. } => of_exit(Exit::Error, error.to_string()),
        }
    }
}

impl From<access::Error> for Problem {
    fn from(error: access::Error) -> Self {
        use access::Kind;
        if let access::Error::Engine(error) = error {
            return error.into();
        }
        let message = error.to_string();
        match error.kind() {
            Kind::NotSignedIn => Self::new(StatusCode::UNAUTHORIZED, Code::NotSignedIn, message),
            Kind::StepUp => Self::new(StatusCode::FORBIDDEN, Code::StepUp, message)
                .hint("POST /api/v1/session/step-up, then the same again"),
            Kind::Denied => Self::new(StatusCode::FORBIDDEN, Code::Denied, message),
            Kind::Invalid => Self::invalid(message),
            Kind::NotFound => Self::new(StatusCode::NOT_FOUND, Code::NotFound, message),
            Kind::TooMany => {
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, Code::Later, message);
                problem.wait(BUSY)
            }
            Kind::Failed => of_exit(Exit::Error, message),
        }
    }
}

impl Problem {
    /// The same, with how long to wait until a time.
    pub(super) fn until(self, now: Timestamp, until: Timestamp) -> Self {
        let seconds = until.duration_since(now).as_secs().max(1);
        self.wait(seconds.unsigned_abs())
    }
}

macro_rules! rejected {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                // What is not as documented is 400, whatever is wrong with it.
                let status = match rejection.status() {
                    StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                    status => status,
                };
                Self::new(status, Code::Invalid, rejection.body_text())
            }
        }
    )*};
}

rejected!(JsonRejection, PathRejection, QueryRejection);

pub(crate) async fn no_such_page() -> Problem {
    Problem::not_found("such address").hint("GET /api/openapi.json lists what there is")
}

pub(super) async fn no_such_method() -> Problem {
    let message = "this address does not take this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Code::Invalid, message)
}
