//! Items: one by id or path, and what lies in a folder.

use serde_json::{Map, Value, json};

use super::sites::{next_link, skip_token};
use super::{drive, item, look};
use crate::api::page::{collection, cut, entity};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError};
use crate::query::{expands, top};
use crate::render::drive::{ItemLook, permission};
use crate::state::drive::Item;
use crate::tenant::Tenant;

/// Items of a page without `$top`.
const PAGE_DEFAULT: usize = 200;

/// `GET /drives/{id}/root`, `GET /drives/{id}/items/{id}`, and both with a path
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    let look = look(tenant, &state, drive, call)?;
    let found = item(drive, call)?;
    let mut shown = look.item(found);
    for name in expands(call) {
        expand(&look, found, &name, &mut shown)?;
    }
    Ok(entity(call, 200, "drives('')/items", shown))
}

/// What an item shows besides itself.
pub fn expand(
    look: &ItemLook<'_>,
    item: &Item,
    name: &str,
    shown: &mut Map<String, Value>,
) -> Result<(), GraphError> {
    match name.to_ascii_lowercase().as_str() {
        "permissions" => {
            let own = item.permissions.iter();
            let all: Vec<Value> =
                own.map(|found| Value::Object(permission(look.state, look.drive, found))).collect();
            shown.insert("permissions".to_owned(), json!(all));
        }
        "children" => {
            let below = look.drive.children(item.number);
            let all: Vec<Value> =
                below.into_iter().map(|child| Value::Object(look.item(child))).collect();
            shown.insert("children".to_owned(), json!(all));
        }
        "listitem" => {
            let found = super::list_items::list_item(look, item, true);
            shown.insert("listItem".to_owned(), Value::Object(found));
        }
        _ => {
            let message = format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' \
                 on type 'microsoft.graph.driveItem'."
            );
            return Err(GraphError::new(400, "invalidRequest", message));
        }
    }
    Ok(())
}

/// `GET …/children`
pub fn children(tenant: &Tenant, call: &Call) -> Answer {
    let (size, from) = (top(call, PAGE_DEFAULT, 999)?, skip_token(tenant, call)?);
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    let look = look(tenant, &state, drive, call)?;
    let folder = item(drive, call)?;
    if !folder.holds_items() {
        return Err(Refused::NotAFolder.into());
    }
    let all = drive.children(folder.number);
    let page = cut(call, from, size);
    let mut value = Vec::new();
    for child in all.iter().skip(page.skip).take(page.take) {
        let mut shown = look.item(child);
        for name in expands(call) {
            expand(&look, child, &name, &mut shown)?;
        }
        value.push(Value::Object(shown));
    }
    let next = (page.next < all.len()).then(|| next_link(tenant, call, page.next));
    Ok(collection(call, "drives('')/items", value, next))
}
