//! `PATCH` of a message.

use std::sync::Arc;

use super::create::{extended, set_content, set_state, unknown};
use super::mailbox;
use super::messages::{message, shown};
use crate::http::{Answer, Call, GraphError};
use crate::state::{Content, Properties};
use crate::tenant::Tenant;

/// `PATCH /users/{id}/messages/{id}`
pub fn patch(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let members = body.as_object().cloned().unwrap_or_default();
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let held = message(mailbox, call)?;
    let uid = held.uid;
    let mut properties = held.properties.clone();
    for (name, value) in &members {
        if name.starts_with('@') || set_state(&mut properties, name, value)? {
            continue;
        }
        if name == "singleValueExtendedProperties" {
            extended(value, &mut properties.extended)?;
            // The message flags are decided at creation, once for all.
            properties.extended.remove("Integer 0xe07");
            continue;
        }
        change_content(&mut properties, name, value)?;
    }
    tenant.replace(&mut state, user, uid, properties)?;
    shown(&state, call, user, uid, 200)
}

/// The message itself can be changed only while it is a draft.
fn change_content(
    properties: &mut Properties,
    name: &str,
    value: &serde_json::Value,
) -> Result<(), GraphError> {
    let mut parsed = Arc::unwrap_or_clone(properties.content.parsed());
    if !set_content(&mut parsed.message, name, value)? {
        return Err(unknown(name));
    }
    if !properties.is_draft {
        let message = format!("The property '{name}' can be updated only on drafts.");
        return Err(GraphError::new(400, "ErrorInvalidPropertySet", message));
    }
    properties.content = Content::Parsed(Arc::new(parsed));
    Ok(())
}
