//! The list behind a library: columns of files.

use serde_json::{Map, Value, json};

use crate::render::drive::ItemLook;
use crate::render::time;
use crate::state::drive::Item;

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
        shown.insert("_ComplianceTag".to_owned(), json!(label.name));
    }
    shown
}
