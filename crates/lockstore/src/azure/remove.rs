//! Delete Blob, of blobs and of versions.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::call::{self, Call};
use super::error::{self, Refusal};
use super::state::{Account, Blob};
use super::{conditions, rules};

/// Delete Blob. Without version id the current version becomes a previous one.
pub(crate) fn delete(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    match call.parameter("deletetype") {
        None => {}
        Some("permanent") => return Err(error::NOT_SOFT_DELETED.into()),
        Some(_) => return Err(error::INVALID_PARAMETER.about("deletetype")),
    }
    if !account.containers.contains_key(&call.container) {
        return Err(error::CONTAINER_NOT_FOUND.into());
    }
    let id = call.parameter("versionid");
    let blob = account.blob(&call.container, &call.blob);
    let version = blob.and_then(|blob| blob.version(id)).ok_or(error::BLOB_NOT_FOUND)?;
    conditions::on(call, version, error::CONDITION_NOT_MET)?;
    let protection = version.protection;
    match (call.header("x-ms-delete-snapshots")?, id) {
        (None, _) | (Some("include"), None) => {}
        // There are no snapshots, and the blob is to stay.
        (Some("only"), None) => return Ok(accepted(true)),
        _ => return Err(error::INVALID_HEADER.about("x-ms-delete-snapshots")),
    }
    match id {
        Some(_) => {
            rules::delete_by_id(version.is_current())?;
            rules::remove(now, protection)?;
        }
        None if !account.versioning => rules::remove(now, protection)?,
        None => {}
    }
    let (write, versioning) = (account.next_write(), account.versioning);
    if let Some(blob) = account.blob_mut(&call.container, &call.blob) {
        change(blob, id, write, versioning);
    }
    Ok(accepted(id.is_some() || !versioning))
}

fn change(blob: &mut Blob, id: Option<&str>, write: u64, versioning: bool) {
    match id {
        Some(id) => blob.remove(id, write),
        None => {
            blob.uncommitted.clear();
            blob.demote(write, versioning);
        }
    }
}

fn accepted(permanent: bool) -> Response<Bytes> {
    call::empty(202, &[("x-ms-delete-type-permanent", permanent.to_string())])
}
