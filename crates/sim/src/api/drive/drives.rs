//! Drives: of a person, of a site, by id.

use serde_json::Value;

use crate::api::page::{collection, entity};
use crate::error::Refused;
use crate::http::{Answer, Call};
use crate::render;
use crate::state::State;
use crate::state::drive::Drive;
use crate::tenant::Tenant;

fn shown(call: &Call, state: &State, drive: &Drive) -> Answer {
    Ok(entity(call, 200, "drives", render::drive::drive(state, drive)))
}

fn listed<'a>(call: &Call, state: &State, drives: impl Iterator<Item = &'a Drive>) -> Answer {
    let value = drives.map(|drive| Value::Object(render::drive::drive(state, drive)));
    Ok(collection(call, "drives", value.collect(), None))
}

/// `GET /drives/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = super::drive(&state, call)?;
    shown(call, &state, drive)
}

/// `GET /users/{id}/drive`
pub fn of_user(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let user = state.user_index(call.param(0)).map_err(|_| Refused::NoOneDrive)?;
    shown(call, &state, state.sharepoint.onedrive(user)?)
}

/// `GET /users/{id}/drives`
pub fn all_of_user(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let user = state.user_index(call.param(0)).map_err(|_| Refused::NoOneDrive)?;
    listed(call, &state, std::iter::once(state.sharepoint.onedrive(user)?))
}

/// `GET /sites/{id}/drive`
pub fn of_site(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let site = state.sharepoint.site(call.param(0))?;
    let first = site.drives.first().and_then(|drive| state.sharepoint.drives.get(*drive));
    shown(call, &state, first.ok_or(Refused::DriveNotFound)?)
}

/// `GET /sites/{id}/drives`
pub fn all_of_site(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let site = state.sharepoint.site(call.param(0))?;
    listed(call, &state, site.drives.iter().filter_map(|drive| state.sharepoint.drives.get(*drive)))
}
