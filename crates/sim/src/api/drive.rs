//! What stands behind the paths of sites and drives.

pub mod delta;
pub mod download;
pub mod drives;
pub mod items;
pub mod labels;
pub mod list_delta;
pub mod list_items;
pub mod permissions;
pub mod sites;
pub mod upload;
pub mod versions;
pub mod write;

use crate::error::Refused;
use crate::http::{Call, GraphError};
use crate::query::Select;
use crate::render::drive::{ITEM_PROPERTIES, ItemLook};
use crate::state::State;
use crate::state::drive::{Drive, Item, ROOT};
use crate::tenant::Tenant;

/// The drive in the first placeholder, with its number.
pub fn drive<'a>(state: &'a State, call: &Call) -> Result<(usize, &'a Drive), GraphError> {
    let index = state.sharepoint.drive_index(call.param(0))?;
    Ok((index, &state.sharepoint.drives[index]))
}

/// The item from which a request's address starts: the root, or the one whose id it names.
pub fn start<'a>(drive: &'a Drive, call: &Call) -> Result<&'a Item, GraphError> {
    let is_root = call.segments.get(3).is_some_and(|part| part.eq_ignore_ascii_case("root"));
    Ok(if is_root { drive.numbered(ROOT)? } else { drive.item(call.param(1))? })
}

/// The path of names in a request's address.
pub fn path(call: &Call) -> Option<&str> {
    let colon = call.segments.iter().position(|part| part == ":")?;
    call.segments.get(colon + 1).map(String::as_str)
}

/// The item that a request's address leads to.
pub fn item<'a>(drive: &'a Drive, call: &Call) -> Result<&'a Item, GraphError> {
    let start = start(drive, call)?;
    Ok(match path(call) {
        Some(path) => drive.at_path(start.number, path)?,
        None => start,
    })
}

/// How the items of a drive are shown to the caller.
pub fn look<'a>(
    tenant: &'a Tenant,
    state: &'a State,
    drive: &'a Drive,
    call: &'a Call,
) -> Result<ItemLook<'a>, GraphError> {
    let select = Select::read(call, "microsoft.graph.driveItem", &ITEM_PROPERTIES)?;
    Ok(ItemLook { tenant, state, drive, call, select, in_delta: false })
}

/// 400 for something in the request that cannot be.
pub fn invalid(message: impl Into<String>) -> GraphError {
    GraphError::new(400, "invalidRequest", message)
}

/// What SharePoint says to what it refuses.
pub fn refusal(refused: Refused) -> GraphError {
    let error = |status, code, message: &str| GraphError::new(status, code, message);
    match refused {
        Refused::NoOneDrive => error(404, "ResourceNotFound", "User's mysite not found."),
        Refused::SiteNotFound => error(404, "itemNotFound", "Requested site could not be found"),
        Refused::DriveNotFound | Refused::ItemNotFound | Refused::PermissionNotFound => {
            error(404, "itemNotFound", "The resource could not be found.")
        }
        Refused::VersionNotFound => error(404, "itemNotFound", "The version could not be found."),
        Refused::NameTaken | Refused::SiteExists => {
            error(409, "nameAlreadyExists", "An item with the same name already exists.")
        }
        Refused::ItemLocked => error(423, "resourceLocked", "The resource is locked."),
        Refused::Malware => malware(),
        Refused::QuotaReached => {
            error(507, "insufficientStorage", "There is not enough space for the item.")
                .inner("quotaLimitReached")
        }
        Refused::SharingDisabled => {
            error(403, "accessDenied", "Your organization's policies don't allow sharing.")
                .inner("sharingDisabled")
        }
        Refused::PathTooLong => invalid("The path of the item is too long.").inner("pathTooLong"),
        Refused::NameNotAllowed => {
            invalid("The provided name cannot contain the characters or form given.")
                .inner("invalidResourceName")
        }
        refused => invalid(refused.to_string()),
    }
}

/// 403 for a file in which the virus scan found something.
pub fn malware() -> GraphError {
    let message = "Malware was detected in the requested resource.";
    GraphError::new(403, "malwareDetected", message).with("x-virus-infected", "true")
}
