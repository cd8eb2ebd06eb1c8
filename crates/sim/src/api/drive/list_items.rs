//! The list behind a library: columns of files.

use serde_json::{Map, Value, json};

use super::sites::{next_link, skip_token};
use super::write::{commit, writable};
use super::{drive, item};
use crate::api::page::{collection, entity};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError};
use crate::query::{Select, expand_select, expands, top};
use crate::render::drive::ItemLook;
use crate::render::time;
use crate::state::State;
use crate::state::drive::{Drive, DriveOp, Item, ROOT};
use crate::tenant::Tenant;

/// Items of a page without `$top`.
pub(super) const PAGE_DEFAULT: usize = 200;

/// Items of a page at most.
pub(super) const PAGE_MAX: usize = 5000;

/// The column with the name of the retention label.
const LABEL: &str = "_ComplianceTag";

/// Columns that every library has: name, what people read, whether it is read only.
const BUILT_IN: [(&str, &str, bool); 7] = [
    ("ContentType", "Content Type", false),
    ("Title", "Title", false),
    ("FileLeafRef", "Name", false),
    ("Created", "Created", true),
    ("Modified", "Modified", true),
    ("FileSizeDisplay", "File Size", true),
    (LABEL, "Retention label", true),
];

/// The list item of a file or folder, with its columns on request.
pub fn list_item(look: &ItemLook<'_>, item: &Item, with_fields: bool) -> Map<String, Value> {
    let guid = look.drive.item_guid(item.number).to_lowercase();
    let site = look.state.sharepoint.site_of(look.drive);
    let is_folder = item.holds_items();
    let content_type = if is_folder {
        json!({"id": "0x012000", "name": "Folder"})
    } else {
        json!({"id": "0x010100", "name": "Document"})
    };
    let shown = json!({
        "createdDateTime": time(item.created),
        "eTag": format!("\"{guid},{}\"", item.etag),
        "id": item.number.to_string(),
        "lastModifiedDateTime": time(item.touched),
        "parentReference": {"siteId": site.id},
        "contentType": content_type,
    });
    let mut shown = shown.as_object().cloned().unwrap_or_default();
    if with_fields {
        shown.insert("fields".to_owned(), Value::Object(fields(look, item)));
    }
    shown
}

/// The columns of an item: those of SharePoint and those that people made.
pub fn fields(look: &ItemLook<'_>, item: &Item) -> Map<String, Value> {
    let guid = look.drive.item_guid(item.number).to_lowercase();
    let shown = json!({
        "@odata.etag": format!("\"{guid},{}\"", item.etag),
        "id": item.number.to_string(),
        "FileLeafRef": item.name,
        "ContentType": if item.holds_items() { "Folder" } else { "Document" },
        "Created": time(item.created),
        "Modified": time(item.modified),
        "FileSizeDisplay": item.size().to_string(),
    });
    let mut shown = shown.as_object().cloned().unwrap_or_default();
    shown.extend(item.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(label) = &item.label {
        shown.insert(LABEL.to_owned(), json!(label.name));
    }
    if let Some(names) = expand_select(look.call, "fields") {
        let always = ["@odata.etag", "id"];
        shown.retain(|name, _| {
            always.contains(&name.as_str()) || names.iter().any(|wanted| wanted == name)
        });
    }
    shown
}

pub(super) fn look_at<'a>(
    tenant: &'a Tenant,
    state: &'a State,
    drive: &'a Drive,
    call: &'a Call,
) -> ItemLook<'a> {
    // `$select` is about the list item here.
    ItemLook { tenant, state, drive, call, select: Select(None), in_delta: false }
}

/// Whether the columns are asked for.
fn wants_fields(call: &Call) -> bool {
    expands(call).iter().any(|name| name.eq_ignore_ascii_case("fields"))
}

/// `GET …/items/{id}/listItem`
pub fn of_item(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, held) = drive(&state, call)?;
    let found = not_root(item(held, call)?)?;
    let shown = list_item(&look_at(tenant, &state, held, call), found, wants_fields(call));
    Ok(entity(call, 200, "drives('')/items('')/listItem", shown))
}

/// The root of a drive is no list item.
fn not_root(item: &Item) -> Result<&Item, Refused> {
    if item.number == ROOT { Err(Refused::ItemNotFound) } else { Ok(item) }
}

/// `GET …/items/{id}/listItem/fields`
pub fn fields_of_item(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, held) = drive(&state, call)?;
    let found = not_root(item(held, call)?)?;
    let shown = fields(&look_at(tenant, &state, held, call), found);
    Ok(entity(call, 200, "fieldValueSet", shown))
}

/// `PATCH …/items/{id}/listItem/fields`; columns that the library lacks are refused.
pub fn patch_fields(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let found = writable(not_root(item(held, call)?)?)?.number;
    set_fields(tenant, &mut state, call, index, found)
}

fn set_fields(tenant: &Tenant, state: &mut State, call: &Call, index: usize, item: u64) -> Answer {
    let body = call.json()?;
    let given = body.as_object().ok_or_else(|| super::invalid("The columns are missing."))?;
    let is_column = |(name, _): &(&String, &Value)| !name.contains('@');
    let columns = given.iter().filter(is_column);
    let fields = columns.map(|(name, value)| (name.clone(), value.clone())).collect();
    commit(tenant, state, index, DriveOp::Fields { item, fields })?;
    let drive = &state.sharepoint.drives[index];
    let look = look_at(tenant, state, drive, call);
    Ok(entity(call, 200, "fieldValueSet", self::fields(&look, drive.numbered(item)?)))
}

/// A list as Graph shows it.
fn list(state: &State, drive: &Drive) -> Map<String, Value> {
    let shown = json!({
        "id": drive.made.list,
        "name": drive.made.name,
        "displayName": drive.made.name,
        "createdDateTime": time(drive.created),
        "lastModifiedDateTime": time(drive.created),
        "webUrl": drive.made.web_url,
        "parentReference": {"siteId": state.sharepoint.site_of(drive).id},
        "list": {"template": "documentLibrary", "hidden": false, "contentTypesEnabled": false},
    });
    shown.as_object().cloned().unwrap_or_default()
}

/// A list with its columns, if they are asked for.
fn shown_list(state: &State, drive: &Drive, call: &Call) -> Answer {
    let mut shown = list(state, drive);
    if expands(call).iter().any(|name| name.eq_ignore_ascii_case("columns")) {
        shown.insert("columns".to_owned(), Value::Array(columns(drive, call)));
    }
    Ok(entity(call, 200, "lists", shown))
}

/// The columns of a list: those of SharePoint and those that people made.
fn columns(drive: &Drive, call: &Call) -> Vec<Value> {
    let column = |name: &str, title: &str, read_only: bool| {
        json!({
            "id": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()),
            "name": name,
            "displayName": title,
            "columnGroup": "Custom Columns",
            "readOnly": read_only,
            "hidden": false,
            "indexed": false,
            "required": false,
            "enforceUniqueValues": false,
            "text": {"allowMultipleLines": false, "maxLength": 255},
        })
    };
    let built_in = BUILT_IN.iter().map(|(name, title, read_only)| column(name, title, *read_only));
    let own = drive.columns.iter().filter(|name| name.as_str() != "Title");
    let own = own.map(|name| column(name, name, false));
    let mut all: Vec<Value> = built_in.chain(own).collect();
    if let Some(names) = expand_select(call, "columns") {
        let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
        for column in all.iter_mut().filter_map(Value::as_object_mut) {
            column.retain(|name, _| wanted(name));
        }
    }
    all
}

/// `GET /drives/{id}/list`
pub fn of_drive(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    shown_list(&state, drive, call)
}

/// `GET /sites/{id}/lists/{id}`
pub fn get_list(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = listed(&state, call)?;
    shown_list(&state, drive, call)
}

/// `GET /sites/{id}/lists/{id}/columns`
pub fn list_columns(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = listed(&state, call)?;
    Ok(collection(call, "sites('')/lists('')/columns", columns(drive, call), None))
}

/// `GET /sites/{id}/lists`
pub fn lists(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let site = state.sharepoint.site(call.param(0))?;
    let drives = site.drives.iter().filter_map(|number| state.sharepoint.drives.get(*number));
    let value = drives.map(|drive| Value::Object(list(&state, drive)));
    Ok(collection(call, "lists", value.collect(), None))
}

/// The drive behind the list in the second placeholder, by id or name.
pub(super) fn listed<'a>(state: &'a State, call: &Call) -> Result<(usize, &'a Drive), GraphError> {
    let site = state.sharepoint.site(call.param(0))?;
    let wanted = call.param(1);
    let same = |drive: &Drive| {
        drive.made.list.eq_ignore_ascii_case(wanted) || drive.made.name.eq_ignore_ascii_case(wanted)
    };
    let mut numbers = site.drives.iter().copied();
    let found = numbers.find(|number| same(&state.sharepoint.drives[*number]));
    let number = found.ok_or(Refused::ItemNotFound)?;
    Ok((number, &state.sharepoint.drives[number]))
}

/// What a list item shows on a page.
pub(super) fn page_item(look: &ItemLook<'_>, item: &Item) -> Map<String, Value> {
    let mut shown = list_item(look, item, wants_fields(look.call));
    let names = expands(look.call);
    if names.iter().any(|name| name.eq_ignore_ascii_case("driveItem")) {
        shown.insert("driveItem".to_owned(), Value::Object(look.item(item)));
    }
    shown
}

/// `GET /sites/{id}/lists/{id}/items`: files and folders by their numbers.
pub fn items(tenant: &Tenant, call: &Call) -> Answer {
    let (size, from) = (top(call, PAGE_DEFAULT, PAGE_MAX)?, skip_token(tenant, call)?);
    let state = tenant.state();
    let (_, drive) = listed(&state, call)?;
    let look = look_at(tenant, &state, drive, call);
    let mut items = drive.items.range((from as u64).max(ROOT + 1)..).map(|(_, item)| item);
    let page = items.by_ref().take(size);
    let value: Vec<Value> = page.map(|item| Value::Object(page_item(&look, item))).collect();
    let next = items.next().map(|item| next_link(tenant, call, item.number as usize));
    Ok(collection(call, "sites('')/lists('')/items", value, next))
}

/// The item in the third placeholder.
fn numbered<'a>(drive: &'a Drive, call: &Call) -> Result<&'a Item, Refused> {
    let number = call.param(2).parse().map_err(|_| Refused::ItemNotFound)?;
    not_root(drive.numbered(number)?)
}

/// `GET /sites/{id}/lists/{id}/items/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = listed(&state, call)?;
    let look = look_at(tenant, &state, drive, call);
    let shown = page_item(&look, numbered(drive, call)?);
    Ok(entity(call, 200, "sites('')/lists('')/items", shown))
}

/// `PATCH /sites/{id}/lists/{id}/items/{id}/fields`
pub fn patch_listed(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (index, drive) = listed(&state, call)?;
    let item = writable(numbered(drive, call)?)?.number;
    set_fields(tenant, &mut state, call, index, item)
}
