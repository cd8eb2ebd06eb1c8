//! Retention labels of items.

use serde_json::{Value, json};

use super::write::commit;
use super::{drive, invalid, item};
use crate::api::page::entity;
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::render::time;
use crate::state::State;
use crate::state::drive::DriveOp;
use crate::tenant::Tenant;

fn shown(state: &State, call: &Call) -> Answer {
    let (_, drive) = drive(state, call)?;
    let item = item(drive, call)?;
    let label = item
        .label
        .as_ref()
        .ok_or_else(|| GraphError::new(404, "itemNotFound", "The item has no retention label."))?;
    let value = json!({
        "name": label.name,
        "isLabelAppliedExplicitly": true,
        "labelAppliedDateTime": time(label.applied),
        "retentionSettings": {
            "behaviorDuringRetentionPeriod": "retain",
            "isDeleteAllowed": true,
            "isRecordLocked": false,
            "isMetadataUpdateAllowed": true,
            "isContentUpdateAllowed": true,
            "isLabelUpdateAllowed": true,
        },
    });
    let members = value.as_object().cloned().unwrap_or_default();
    Ok(entity(call, 200, "drives('')/items('')/retentionLabel", members))
}

/// `GET …/retentionLabel`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    shown(&tenant.state(), call)
}

fn set(
    tenant: &Tenant,
    state: &mut State,
    call: &Call,
    name: Option<String>,
) -> Result<(), GraphError> {
    let (index, drive) = drive(state, call)?;
    let item = item(drive, call)?.number;
    commit(tenant, state, index, DriveOp::Label { item, name })?;
    Ok(())
}

/// `PATCH …/retentionLabel`
pub fn patch(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("The name of the label is missing."))?.to_owned();
    let mut state = tenant.state();
    set(tenant, &mut state, call, Some(name))?;
    shown(&state, call)
}

/// `DELETE …/retentionLabel`
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (_, found) = drive(&state, call)?;
    item(found, call)?.label.as_ref().ok_or(Refused::ItemNotFound)?;
    set(tenant, &mut state, call, None)?;
    Ok(Reply::empty(204))
}
