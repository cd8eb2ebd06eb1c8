//! What comes in and goes out: JSON, queries, paths and pages, with our failures.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::{Problem, Result};

/// Entries of a page where none are asked for, and at most (as the document says of each `limit`).
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

/// A JSON body: an object, as the document says of all of them.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let axum::Json(body) = axum::Json::<Value>::from_request(request, state).await?;
        // A list of the fields in their order would do for `serde`.
        if !body.is_object() {
            return Err(Problem::invalid("the body must be a JSON object"));
        }
        let wrong = |error| Problem::invalid(format!("the body does not fit: {error}"));
        Ok(Self(serde_json::from_value(body).map_err(wrong)?))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// What stands behind the question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

/// What stands in the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// Its entries.
    pub entries: Vec<T>,
    /// The `after` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that has one page.
    pub(super) fn whole(entries: Vec<T>) -> Self {
        Self { entries, next: None }
    }

    /// A page out of one entry more than it takes, so that it is known whether there is another.
    pub(super) fn cut(mut entries: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let is_last = entries.len() <= limit;
        entries.truncate(limit);
        let next = if is_last { None } else { entries.last().map(key) };
        Self { entries, next }
    }
}

/// What comes after the entry with this key.
///
/// # Errors
/// Where it is not in the list any more: who asked begins anew.
pub(super) fn after<T>(
    entries: Vec<T>,
    last: Option<&str>,
    key: impl Fn(&T) -> &str,
) -> Result<impl Iterator<Item = T>, Problem> {
    let gone = || Problem::invalid("'after' is not in the list any more; begin at its first page");
    let begin = match last {
        None => 0,
        Some(last) => {
            let place = entries.iter().position(|entry| key(entry) == last);
            place.ok_or_else(gone)? + 1
        }
    };
    Ok(entries.into_iter().skip(begin))
}

/// How many entries a page takes.
pub(super) fn limit(asked: Option<u32>) -> Result<u32> {
    let limit = asked.unwrap_or(USUAL);
    match (1..=MOST).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::invalid(format!("a page takes 1 to {MOST} entries, not {limit}"))),
    }
}
