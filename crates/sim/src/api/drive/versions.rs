//! Versions of files.

use serde_json::{Map, Value, json};

use super::download::{readable, redirect};
use super::write::{commit, writable};
use super::{drive, invalid, item};
use crate::api::page::{collection, entity};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::render::drive::{Ticket, download_end, download_url, version_name};
use crate::render::time;
use crate::state::drive::{Drive, DriveOp, Item, Version};
use crate::tenant::Tenant;

/// A version as Graph shows it; older ones with the address of their bytes.
fn shown(
    tenant: &Tenant,
    call: &Call,
    drive: usize,
    item: &Item,
    version: &Version,
) -> Map<String, Value> {
    let mut all = json!({
        "id": version_name(version),
        "lastModifiedBy": {"user": {"displayName": "System Account"}},
        "lastModifiedDateTime": time(version.modified),
        "size": version.body.size(),
    });
    if !is_current(item, version) {
        let ticket = Ticket {
            drive,
            item: item.number,
            version: Some(version.number),
            expires: download_end(tenant.clock().now()),
            payer: Some(call.app.clone()),
        };
        let url = download_url(tenant.seal(), &tenant.files_base(&call.base), &ticket);
        all["@microsoft.graph.downloadUrl"] = json!(url);
    }
    all.as_object().cloned().unwrap_or_default()
}

fn is_current(item: &Item, version: &Version) -> bool {
    item.versions.last().is_some_and(|last| last.number == version.number)
}

/// The version in the third placeholder.
fn find<'a>(drive: &'a Drive, call: &Call) -> Result<(&'a Item, &'a Version), GraphError> {
    let item = item(drive, call)?;
    Ok((item, item.version(call.param(2)).ok_or(Refused::VersionNotFound)?))
}

/// `GET …/versions`: newest first.
pub fn list(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let item = item(drive, call)?;
    item.body().ok_or(Refused::NotAFile)?;
    let newest_first = item.versions.iter().rev();
    let value = newest_first.map(|one| Value::Object(shown(tenant, call, index, item, one)));
    Ok(collection(call, "drives('')/items('')/versions", value.collect(), None))
}

/// `GET …/versions/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let (item, version) = find(drive, call)?;
    let shown = shown(tenant, call, index, item, version);
    Ok(entity(call, 200, "drives('')/items('')/versions", shown))
}

/// `GET …/versions/{id}/content`: 302 for older versions; the current one is refused.
pub fn content(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let (item, version) = find(drive, call)?;
    readable(item)?;
    if is_current(item, version) {
        return Err(invalid("You cannot get the content of the current version."));
    }
    redirect(tenant, call, index, item, Some(version.number))
}

/// `POST …/versions/{id}/restoreVersion`
pub fn restore(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let (item, version) = find(drive, call)?;
    writable(item)?;
    let op = DriveOp::Restore { item: item.number, version: version.number };
    commit(tenant, &mut state, index, op)?;
    Ok(Reply::empty(204))
}
