//! Mail folders: lists, reading, creating, renaming, moving, deleting.

use serde_json::{Map, Value};

use super::mailbox;
use super::page::{collection, cut, entity, skip_link};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::{Select, skip, top};
use crate::render::{self, FOLDER_PROPERTIES};
use crate::state::{Mailbox, Op, Outcome};
use crate::tenant::Tenant;

fn select(call: &Call) -> Result<Select, GraphError> {
    Select::read(call, "microsoft.graph.mailFolder", &FOLDER_PROPERTIES)
}

/// `GET /users/{id}/mailFolders`
pub fn list(tenant: &Tenant, call: &Call) -> Answer {
    children_of(tenant, call, "msgfolderroot")
}

/// `GET /users/{id}/mailFolders/{id}/childFolders`
pub fn children(tenant: &Tenant, call: &Call) -> Answer {
    children_of(tenant, call, call.param(1))
}

fn children_of(tenant: &Tenant, call: &Call, parent: &str) -> Answer {
    let select = select(call)?;
    let (size, start) = (top(call, 10, 1000)?, skip(call)?);
    let hidden = call.option("includeHiddenFolders").is_some_and(|text| text == "true");
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let parent = mailbox.folder(parent)?;
    let mut folders = mailbox.children(parent.number);
    folders.retain(|folder| hidden || !folder.hidden);
    let page = cut(call, start, size);
    let shown = folders.iter().skip(page.skip).take(page.take);
    let value = shown.map(|folder| Value::Object(render::folder(mailbox, folder, &select)));
    let next = (page.next < folders.len()).then(|| skip_link(call, page.next, size));
    Ok(collection(call, "users('')/mailFolders", value.collect(), next))
}

/// `GET /users/{id}/mailFolders/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let select = select(call)?;
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?;
    Ok(shown(call, 200, mailbox, folder.number, &select))
}

fn shown(call: &Call, status: u16, mailbox: &Mailbox, folder: u64, select: &Select) -> Reply {
    let folder = mailbox.folders.get(&folder);
    let value: Map<String, Value> =
        folder.map(|folder| render::folder(mailbox, folder, select)).unwrap_or_default();
    entity(call, status, "users('')/mailFolders", value)
}

/// `POST /users/{id}/mailFolders`
pub fn create(tenant: &Tenant, call: &Call) -> Answer {
    create_below(tenant, call, "msgfolderroot")
}

/// `POST /users/{id}/mailFolders/{id}/childFolders`
pub fn create_child(tenant: &Tenant, call: &Call) -> Answer {
    create_below(tenant, call, call.param(1))
}

fn create_below(tenant: &Tenant, call: &Call, parent: &str) -> Answer {
    let body = call.json()?;
    let name = display_name(&body)?;
    let hidden = body.get("isHidden").and_then(Value::as_bool).unwrap_or(false);
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let parent = mailbox.folder(parent)?.number;
    refuse_same_name(mailbox, parent, None, &name)?;
    let op = Op::FolderCreate { user, parent, name, hidden };
    let Outcome::Folder(number) = tenant.commit(&mut state, op)? else {
        return Err(Refused::FolderNotFound.into());
    };
    Ok(shown(call, 201, state.mailbox(user)?, number, &Select::default()))
}

/// The name of a new folder: not empty, at most 255 characters.
fn display_name(body: &Value) -> Result<String, GraphError> {
    let name = body.get("displayName").and_then(Value::as_str).unwrap_or("");
    if name.trim().is_empty() {
        let message = "Required property 'displayName' is missing or empty.";
        return Err(GraphError::new(400, "ErrorInvalidRequest", message));
    }
    if name.chars().count() > 255 {
        let message = "The folder name is too long; at most 255 characters are allowed.";
        return Err(GraphError::new(400, "ErrorInvalidPropertySet", message));
    }
    Ok(name.to_owned())
}

/// Exchange compares the names of siblings without case.
fn refuse_same_name(
    mailbox: &Mailbox,
    parent: u64,
    own: Option<u64>,
    name: &str,
) -> Result<(), GraphError> {
    let same = |folder: &&crate::state::Folder| {
        folder.name.to_lowercase() == name.to_lowercase() && Some(folder.number) != own
    };
    match mailbox.children(parent).iter().find(|folder| same(folder)) {
        Some(_) => Err(Refused::FolderExists.into()),
        None => Ok(()),
    }
}

/// `PATCH /users/{id}/mailFolders/{id}`
pub fn rename(tenant: &Tenant, call: &Call) -> Answer {
    let name = display_name(&call.json()?)?;
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?;
    let (number, parent) = (folder.number, folder.parent);
    if let Some(parent) = parent {
        refuse_same_name(mailbox, parent, Some(number), &name)?;
    }
    tenant.commit(&mut state, Op::FolderRename { user, folder: number, name })?;
    Ok(shown(call, 200, state.mailbox(user)?, number, &Select::default()))
}

/// `POST /users/{id}/mailFolders/{id}/move`
pub fn move_to(tenant: &Tenant, call: &Call) -> Answer {
    let target = destination(call)?;
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?;
    let (number, name) = (folder.number, folder.name.clone());
    let parent = mailbox.folder(&target)?.number;
    refuse_same_name(mailbox, parent, Some(number), &name)?;
    tenant.commit(&mut state, Op::FolderMove { user, folder: number, parent })?;
    Ok(shown(call, 201, state.mailbox(user)?, number, &Select::default()))
}

/// The `destinationId` of a move or copy.
pub fn destination(call: &Call) -> Result<String, GraphError> {
    let body = call.json()?;
    let find = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    find("destinationId").or_else(|| find("DestinationId")).ok_or_else(|| {
        let message = "The parameter 'DestinationId' is missing.";
        GraphError::new(400, "ErrorInvalidParameter", message)
    })
}

/// `DELETE /users/{id}/mailFolders/{id}`: into Deleted Items; from there, for good.
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?.number;
    tenant.folder_discard(&mut state, user, folder)?;
    Ok(Reply::empty(204))
}
