//! Create, Get Properties of and Delete Container.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::call::{self, Call};
use super::error::{self, Refusal};
use super::rules;
use super::state::{Account, Container};

/// Create Container. Version-level immutability comes only from the management interface, so a
/// container that is made here has none.
pub(crate) fn create(account: &mut Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
    if account.containers.contains_key(&call.container) {
        return Err(error::CONTAINER_EXISTS.into());
    }
    account.containers.insert(call.container.clone(), Container::default());
    Ok(call::empty(201, &[]))
}

/// Get Container Properties.
pub(crate) fn get(
    account: &Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    let container = account.containers.get(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    let headers = [
        ("last-modified", call::rfc1123(now)),
        ("etag", "\"0x8D000000000000\"".to_owned()),
        ("x-ms-lease-status", "unlocked".to_owned()),
        ("x-ms-lease-state", "available".to_owned()),
        // These two speak of policies of the container itself, which the fake does not know.
        ("x-ms-has-immutability-policy", "false".to_owned()),
        ("x-ms-has-legal-hold", "false".to_owned()),
        ("x-ms-immutable-storage-with-versioning-enabled", container.version_level.to_string()),
    ];
    Ok(call::empty(200, &headers))
}

/// Delete Container.
pub(crate) fn delete(account: &mut Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
    let container = account.containers.get(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    let versions = container.blobs.values().map(|blob| blob.versions.len()).sum();
    rules::delete_container(container.version_level, versions)?;
    account.containers.remove(&call.container);
    Ok(call::empty(202, &[]))
}
