//! Who may see and change an item: people, links, and what is inherited.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::write::commit;
use super::{drive, invalid, item};
use crate::api::page::{collection, entity};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::render::drive::{drive_type, permission, permission_id, reference_path};
use crate::state::drive::{Drive, DriveOp, Grant, Item, Permission, ROOT};
use crate::state::{Outcome, State};
use crate::tenant::Tenant;

const ENTITY: &str = "drives('')/items('')/permissions";

/// Numbers of the permissions that every drive has, above those that are given out.
const BUILT_IN: u64 = 1 << 40;

/// All permissions of an item: its own, then what is inherited.
fn all(state: &State, drive: &Drive, found: &Item) -> Vec<Map<String, Value>> {
    let own = found.permissions.iter().map(|one| permission(state, drive, one));
    let mut all: Vec<Map<String, Value>> = own.collect();
    for above in drive.ancestors(found.number).into_iter().skip(1) {
        let Some(folder) = drive.items.get(&above) else { continue };
        let inherited = folder.permissions.iter().map(|one| permission(state, drive, one));
        all.extend(inherited.map(|one| inherited_from(drive, above, one)));
    }
    let built_in = built_in(state, drive);
    let is_root = found.number == ROOT;
    all.extend(built_in.into_iter().map(|one| match is_root {
        true => one,
        false => inherited_from(drive, ROOT, one),
    }));
    all
}

fn inherited_from(drive: &Drive, folder: u64, mut one: Map<String, Value>) -> Map<String, Value> {
    let reference = json!({
        "driveId": drive.made.id,
        "driveType": drive_type(drive),
        "id": drive.item_id(folder),
        "path": reference_path(drive, folder),
    });
    one.insert("inheritedFrom".to_owned(), reference);
    one
}

/// The owner of a OneDrive, or the groups of a site.
fn built_in(state: &State, drive: &Drive) -> Vec<Map<String, Value>> {
    if let Some(owner) = drive.made.owner {
        let own = Permission {
            number: BUILT_IN,
            role: "owner".to_owned(),
            to: Grant::User(owner),
            expires: None,
        };
        return vec![permission(state, drive, &own)];
    }
    let site = state.sharepoint.site_of(drive);
    let groups = [("Owners", "owner", 3), ("Visitors", "read", 4), ("Members", "write", 5)];
    let entries = groups.into_iter().map(|(group, role, id)| {
        let name = format!("{} {group}", site.display_name);
        let group = json!({"displayName": name, "id": id.to_string(), "loginName": name});
        let id = permission_id(drive, BUILT_IN + id);
        json!({"id": id, "roles": [role], "grantedToV2": {"siteGroup": group}})
    });
    entries.filter_map(|entry| entry.as_object().cloned()).collect()
}

/// `GET …/permissions`
pub fn list(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    let all = all(&state, drive, item(drive, call)?);
    Ok(collection(call, ENTITY, all.into_iter().map(Value::Object).collect(), None))
}

/// `GET …/permissions/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    let all = all(&state, drive, item(drive, call)?);
    let found = all.into_iter().find(|one| one["id"] == call.param(2));
    Ok(entity(call, 200, ENTITY, found.ok_or(Refused::PermissionNotFound)?))
}

/// The number of the item's own permission in the third placeholder. An inherited one cannot be
/// changed here.
fn own(state: &State, drive: &Drive, item: &Item, call: &Call) -> Result<u64, GraphError> {
    let mut own = item.permissions.iter();
    let found = own.find(|one| permission_id(drive, one.number) == call.param(2));
    if let Some(found) = found {
        return Ok(found.number);
    }
    if all(state, drive, item).iter().any(|one| one["id"] == call.param(2)) {
        let message = "Inherited permissions cannot be changed here.";
        return Err(GraphError::new(403, "accessDenied", message));
    }
    Err(Refused::PermissionNotFound.into())
}

/// `DELETE …/permissions/{id}`
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let item = item(drive, call)?;
    let op = DriveOp::Revoke { item: item.number, permission: own(&state, drive, item, call)? };
    commit(tenant, &mut state, index, op)?;
    Ok(Reply::empty(204))
}

/// `PATCH …/permissions/{id}`: another role.
pub fn patch(tenant: &Tenant, call: &Call) -> Answer {
    let role = role(&call.json()?)?;
    let mut state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let item = item(drive, call)?;
    let (number, item) = (own(&state, drive, item, call)?, item.number);
    commit(tenant, &mut state, index, DriveOp::Role { item, permission: number, role })?;
    Ok(entity(call, 200, ENTITY, shown(&state, index, item, number)?))
}

fn shown(
    state: &State,
    drive: usize,
    item: u64,
    number: u64,
) -> Result<Map<String, Value>, GraphError> {
    let drive = &state.sharepoint.drives[drive];
    let mut own = drive.numbered(item)?.permissions.iter();
    let found = own.find(|one| one.number == number).ok_or(Refused::PermissionNotFound)?;
    Ok(permission(state, drive, found))
}

fn role(body: &Value) -> Result<String, GraphError> {
    let role = body.get("roles").and_then(|roles| roles.get(0)).and_then(Value::as_str);
    match role {
        Some(role @ ("read" | "write" | "owner")) => Ok(role.to_owned()),
        _ => Err(invalid("The roles must be one of read, write, owner.")),
    }
}

fn expires(body: &Value) -> Result<Option<Timestamp>, GraphError> {
    let text = body.get("expirationDateTime").and_then(Value::as_str);
    let at = text.map(str::parse).transpose();
    at.map_err(|_| invalid("expirationDateTime is not a date."))
}

fn grant(tenant: &Tenant, state: &mut State, drive: usize, op: DriveOp) -> Result<u64, GraphError> {
    match commit(tenant, state, drive, op)? {
        Outcome::Permission(number) => Ok(number),
        _ => Err(Refused::PermissionNotFound.into()),
    }
}

/// `POST …/invite`
pub fn invite(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let (role, expires) = (role(&body)?, expires(&body)?);
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let number = item(held, call)?.number;
    if held.options.sharing_disabled {
        return Err(Refused::SharingDisabled.into());
    }
    let people = recipients(&state, &body)?;
    // Who does not say no sends mail: better counted once too often.
    if body.get("sendInvitation") != Some(&json!(false)) {
        tenant.counters().count(|stats| stats.invitations += people.len() as u64);
    }
    let mut value = Vec::new();
    for user in people {
        let to = Grant::User(user);
        let op = DriveOp::Grant { item: number, role: role.clone(), to, expires };
        let made = grant(tenant, &mut state, index, op)?;
        value.push(Value::Object(shown(&state, index, number, made)?));
    }
    Ok(collection(call, ENTITY, value, None))
}

fn recipients(state: &State, body: &Value) -> Result<Vec<usize>, GraphError> {
    let all = body.get("recipients").and_then(Value::as_array).cloned().unwrap_or_default();
    if all.is_empty() {
        return Err(invalid("There are no recipients."));
    }
    let find = |recipient: &Value| {
        let names = ["email", "objectId", "alias"];
        let name = names.iter().find_map(|name| recipient.get(name).and_then(Value::as_str));
        state.user_index(name.unwrap_or("")).map_err(|_| {
            invalid("No users could be resolved from the recipients.").inner("noResolvedUsers")
        })
    };
    all.iter().map(find).collect()
}

/// `POST …/createLink`: 201, or 200 with the link that there is already.
pub fn create_link(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").filter(|kind| ["view", "edit"].contains(&kind.as_str()));
    let kind = kind.ok_or_else(|| invalid("The type must be view or edit."))?;
    let scope = text("scope").unwrap_or_else(|| "organization".to_owned());
    if !["anonymous", "organization", "users"].contains(&scope.as_str()) {
        return Err(invalid("The scope must be anonymous, organization or users."));
    }
    let expires = expires(&body)?;
    let role = if kind == "edit" { "write" } else { "read" }.to_owned();
    let password = text("password").is_some();
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let found = item(held, call)?;
    if held.options.sharing_disabled {
        return Err(Refused::SharingDisabled.into());
    }
    let to = Grant::Link { kind, scope, password, users: Vec::new() };
    let known = found.permissions.iter().find(|one| one.to == to && one.expires == expires);
    let (item, known) = (found.number, known.map(|one| one.number));
    let (number, status) = match known {
        Some(number) => (number, 200),
        None => {
            let op = DriveOp::Grant { item, role, to, expires };
            (grant(tenant, &mut state, index, op)?, 201)
        }
    };
    Ok(entity(call, status, ENTITY, shown(&state, index, item, number)?))
}
