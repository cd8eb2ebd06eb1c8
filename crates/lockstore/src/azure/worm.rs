//! Set and Delete Blob Immutability Policy, Set Blob Legal Hold, and their headers on writes.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::auth::is_lock_header;
use super::call::{self, Call};
use super::conditions;
use super::error::{self, Code, Refusal};
use super::rules::{self, Mode, Policy, Protection};
use super::state::{Account, Blob, Container, Version};

const UNTIL: &str = "x-ms-immutability-policy-until-date";
const MODE: &str = "x-ms-immutability-policy-mode";
const HOLD: &str = "x-ms-legal-hold";

/// The first version of the interface that knows policies.
const FIRST_VERSION: &str = "2020-06-12";

/// Set Blob Immutability Policy.
pub(crate) fn set_policy(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    call.required(UNTIL)?;
    let until = call.date(UNTIL)?.ok_or_else(|| error::MISSING_HEADER.about(UNTIL))?;
    let mode = mode(call)?.unwrap_or(Mode::Unlocked);
    let version = version(account, call)?;
    let policy = rules::set_policy(now, version.policy(), Policy { until, mode })?;
    version.protection.policy = Some(policy);
    Ok(call::empty(200, &headers(&Protection { policy: Some(policy), hold: false })))
}

/// Delete Blob Immutability Policy.
pub(crate) fn delete_policy(
    account: &mut Account,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    let version = version(account, call)?;
    rules::delete_policy(version.policy())?;
    version.protection.policy = None;
    Ok(call::empty(200, &[]))
}

/// Set Blob Legal Hold.
pub(crate) fn set_hold(account: &mut Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
    call.required(HOLD)?;
    let hold = hold(call)?.unwrap_or_default();
    let version = version(account, call)?;
    version.protection.hold = hold;
    Ok(call::empty(200, &[(HOLD, hold.to_string())]))
}

/// The version that the call concerns, in a container that supports policies.
fn version<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut Version, Refusal> {
    let container =
        account.containers.get_mut(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    supported(container, call, error::NO_VERSION_LEVEL_WORM)?;
    let id = call.parameter("versionid");
    let blob: Option<&mut Blob> = container.blobs.get_mut(&call.blob);
    let version = blob.and_then(|blob| blob.version_mut(id)).ok_or(error::BLOB_NOT_FOUND)?;
    conditions::on(call, version, error::CONDITION_NOT_MET)?;
    Ok(version)
}

/// Whether container and client know policies; `otherwise` is what a container that does not
/// answers.
pub(crate) fn supported(
    container: &Container,
    call: &Call,
    otherwise: Code,
) -> Result<(), Refusal> {
    let spoken = call.header("x-ms-version")?.or(call.parameter("sv")).unwrap_or_default();
    if spoken < FIRST_VERSION {
        return Err(error::UNSUPPORTED_HEADER.about("x-ms-version"));
    }
    if !container.version_level {
        return Err(otherwise.about("no version-level immutability"));
    }
    Ok(())
}

/// The policy and hold that a write asks for.
pub(crate) fn asked_on_write(call: &Call) -> Result<Protection, Refusal> {
    let policy = match (call.date(UNTIL)?, mode(call)?) {
        (Some(until), Some(mode)) => Some(Policy { until, mode }),
        (None, None) => None,
        (Some(_), None) => return Err(error::MISSING_HEADER.about(MODE)),
        (None, Some(_)) => return Err(error::MISSING_HEADER.about(UNTIL)),
    };
    Ok(Protection { policy, hold: hold(call)?.unwrap_or_default() })
}

pub(crate) fn has_lock_headers(call: &Call) -> bool {
    call.headers.keys().any(|name| is_lock_header(name.as_str()))
}

/// The headers that show what protects a version.
pub(crate) fn headers(protection: &Protection) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(policy) = protection.policy {
        headers.push((UNTIL, call::rfc1123(policy.until)));
        headers.push((MODE, mode_name(policy.mode).to_owned()));
    }
    if protection.hold {
        headers.push((HOLD, "true".to_owned()));
    }
    headers
}

/// The mode as the service answers it.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Unlocked => "unlocked",
        Mode::Locked => "locked",
    }
}

fn mode(call: &Call) -> Result<Option<Mode>, Refusal> {
    let Some(text) = call.header(MODE)? else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "unlocked" => Ok(Some(Mode::Unlocked)),
        "locked" => Ok(Some(Mode::Locked)),
        _ => Err(error::INVALID_HEADER.about(MODE)),
    }
}

fn hold(call: &Call) -> Result<Option<bool>, Refusal> {
    match call.header(HOLD)? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(error::INVALID_HEADER.about(HOLD)),
    }
}
