//! What few files have and all want back: sharing, columns of a library, retention label. It is
//! kept as Graph's own JSON in a file of its own.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_graph::{Graph, Kind, segment};
use holdfast_model::ItemId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::is_gone;
use super::meta::FileMeta;
use crate::{Error, Result};

/// Version of the JSON form.
const VERSION: u8 = 1;

/// Column in which a library keeps the name of the retention label.
const LABEL: &str = "_ComplianceTag";

/// Facts about an item beside its metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Version of this form.
    pub v: u8,
    /// Its own permissions as Graph lists them, in the order of their ids; those that it inherits
    /// are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Value>,
    /// Custom columns of the library, by internal name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    /// Name of the retention label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl About {
    /// Nothing is known that is worth keeping.
    pub fn is_empty(&self) -> bool {
        self.permissions.is_empty() && self.fields.is_empty() && self.label.is_none()
    }

    /// The form of the file in the vault.
    pub fn to_json(&self) -> String {
        let whole = Self { v: VERSION, ..self.clone() };
        serde_json::to_string(&whole).expect("facts have text keys only")
    }

    /// Reads the file in the vault; `name` is for the error.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::metadata(name, &error))
    }

    /// What the item's metadata says of it: the beginning of its hash; `None` of nothing.
    pub fn tag(&self) -> Option<String> {
        let hash = digest(&SHA256, self.to_json().as_bytes());
        let digits = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        (!self.is_empty()).then_some(digits)
    }

    /// Takes in the columns of a list item.
    pub fn set_fields(&mut self, mut fields: BTreeMap<String, Value>) {
        self.label = fields.remove(LABEL).and_then(|label| label.as_str().map(str::to_owned));
        self.label = self.label.take().filter(|label| !label.is_empty());
        self.fields = fields;
    }
}

/// The own permissions of an item (5 resource units).
///
/// Source: Graph v1.0 `driveItem: list permissions`; `inheritedFrom` marks those of a folder above.
pub async fn about_of(graph: &Graph, drive: &str, id: &ItemId) -> Result<Vec<Value>> {
    let path = format!("/drives/{}/items/{}/permissions", segment(drive), segment(id.as_str()));
    let mut pages = graph.pages(graph.get(path).drive(5));
    let mut own = Vec::new();
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(error.into()),
        };
        let is_own = |permission: &Value| {
            !permission["inheritedFrom"]["id"].is_string()
                && !permission["roles"].as_array().is_some_and(|r| r.iter().any(|r| r == "owner"))
        };
        own.extend(page.items.into_iter().filter(is_own));
    }
    own.sort_by_key(|permission| permission["id"].to_string());
    Ok(own)
}

/// The columns of a library that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Id of the list behind the library.
    list: String,
    /// Internal names of the columns that are not the service's own.
    names: Vec<String>,
}

impl Columns {
    /// True where no file of the library can have anything in one.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Their internal names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn expand(&self) -> String {
        format!("fields($select={})", self.names.join(","))
    }

    /// What is kept of a list item's columns; `None` where it came without any.
    fn kept(&self, item: &mut Value) -> Option<BTreeMap<String, Value>> {
        let Value::Object(fields) = item["fields"].take() else { return None };
        let wanted = |name: &String, value: &Value| self.names.contains(name) && !value.is_null();
        Some(fields.into_iter().filter(|(name, value)| wanted(name, value)).collect())
    }
}

/// Which columns the library behind a drive has beyond the service's own.
pub async fn columns(graph: &Graph, drive: &str) -> Result<Columns> {
    let request = graph
        .get(format!("/drives/{}/list", segment(drive)))
        .query("$select", "id")
        .query("$expand", "columns($select=name,readOnly,hidden,columnGroup,lookup,personOrGroup)")
        .drive(1);
    let list = match request.send_json().await {
        // A drive without a list has no columns.
        Err(error) if error.kind() == Kind::NotFound => return Ok(Columns::default()),
        list => list?,
    };
    let columns = list["columns"].as_array().into_iter().flatten();
    let mut names: Vec<String> = columns.flat_map(custom).collect();
    names.sort();
    Ok(Columns { list: list["id"].as_str().unwrap_or_default().to_owned(), names })
}

/// Columns of every library that can be written and say nothing of their own.
const SERVICE: [&str; 6] = [
    "ContentType",
    "Title",
    "FileLeafRef",
    "_ExtendedDescription",
    "_ColorTag",
    "MediaServiceImageTags",
];

/// The names under which the fields of an item show a column that people made, or the label's.
/// Columns that point to people or other items show their number (`<name>LookupId`) besides.
fn custom(column: &Value) -> Vec<String> {
    let Some(name) = column["name"].as_str() else { return Vec::new() };
    let is = |property: &str| column[property].as_bool() == Some(true);
    let own = !is("readOnly")
        && !is("hidden")
        && column["columnGroup"].as_str() != Some("_Hidden")
        && !SERVICE.contains(&name);
    if name == LABEL {
        vec![name.to_owned()]
    } else if own && (column["lookup"].is_object() || column["personOrGroup"].is_object()) {
        vec![name.to_owned(), format!("{name}LookupId")]
    } else if own {
        vec![name.to_owned()]
    } else {
        Vec::new()
    }
}

impl Columns {
    /// The columns of one file.
    pub async fn of(
        &self,
        graph: &Graph,
        drive: &str,
        id: &ItemId,
    ) -> Result<BTreeMap<String, Value>> {
        let path = format!("/drives/{}/items/{}/listItem", segment(drive), segment(id.as_str()));
        let request = graph.get(path).query("$expand", &self.expand()).drive(1);
        match request.send_json().await {
            Ok(mut item) => {
                let what = "a list item";
                self.kept(&mut item).ok_or(Error::Answer { what, property: "fields" })
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the columns of files hold, as a delta of the library's list told it.
#[derive(Debug, Default)]
pub struct Fields {
    /// By the number of the list item.
    told: BTreeMap<u64, Told>,
}

#[derive(Debug)]
struct Told {
    /// Version of the item of which it was told.
    version: u64,
    fields: BTreeMap<String, Value>,
}

impl Fields {
    /// The columns of a file as it is listed; `None` where they have to be asked for: they were not
    /// told, or of another version of it.
    pub fn of(&self, file: &FileMeta) -> Option<BTreeMap<String, Value>> {
        let told = self.told.get(&file.item.as_deref()?.parse().ok()?)?;
        (Some(told.version) == version(&file.etag)).then(|| told.fields.clone())
    }

    /// Takes an item of the delta. One without columns says nothing: a link may forget that they
    /// were asked for.
    fn add(&mut self, item: &Value, fields: Option<BTreeMap<String, Value>>) {
        let Some(number) = item["id"].as_str().and_then(|id| id.parse().ok()) else { return };
        self.told.remove(&number);
        if let (Some(version), Some(fields)) = (item["eTag"].as_str().and_then(version), fields) {
            self.told.insert(number, Told { version, fields });
        }
    }
}

/// The version in the tag of a list item (`"b2…,7"`) or of its file (`"{B2…},7"`).
fn version(etag: &str) -> Option<u64> {
    etag.trim_matches('"').rsplit_once(',')?.1.parse().ok()
}

/// From where the columns of a library are read.
#[derive(Clone, Copy, Debug)]
pub enum FieldsFrom<'l> {
    /// All of them, in pages of 200: to ask for each file would cost as much as its content.
    Start,
    /// Those of files that change from now on.
    Now,
    /// Those that changed since the link.
    Link(&'l str),
}

/// What columns hold, as far as it could be read, and the link from which the next reading goes on,
/// which tells of these columns only.
///
/// Source: Graph v1.0 `listItem: delta`, read 2026-11. The delta of a drive does not tell columns
/// (onedrive-api-docs#1181).
///
/// # Errors
/// In the place of the link; of kind [`Gone`](holdfast_graph::Kind::Gone) where that is too old.
pub async fn fields(
    graph: &Graph,
    site: &str,
    columns: &Columns,
    from: FieldsFrom<'_>,
) -> (Fields, Result<Option<String>>) {
    let path = format!("/sites/{}/lists/{}/items/delta", segment(site), segment(&columns.list));
    let first = graph.get(path).query("$expand", &columns.expand()).query("$top", "200");
    let request = match from {
        FieldsFrom::Start => first.drive(2),
        FieldsFrom::Now => first.query("token", "latest").drive(1),
        FieldsFrom::Link(link) => graph.get(link).drive(1),
    };
    let mut pages = graph.pages(request);
    let (mut fields, mut link) = (Fields::default(), None);
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return (fields, Ok(link)),
            Err(error) => return (fields, Err(error.into())),
        };
        for mut item in page.items {
            let kept = columns.kept(&mut item);
            fields.add(&item, kept);
        }
        link = page.delta_link.or(link);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_of_another_version_of_a_file_are_asked_for() {
        let mut fields = Fields::default();
        let listed = |etag: &str, number: &str| FileMeta {
            etag: etag.to_owned(),
            item: Some(number.to_owned()),
            ..FileMeta::default()
        };
        let open: BTreeMap<String, Value> = [("Status".to_owned(), json!("open"))].into();
        fields.add(&json!({"id": "5", "eTag": "\"b2f0,7\""}), Some(open.clone()));
        fields.add(&json!({"id": "6", "eTag": "\"b2f1,1\""}), Some(BTreeMap::new()));
        fields.add(&json!({"id": "8", "eTag": "\"b2f8,1\""}), None);
        assert_eq!(fields.of(&listed("\"{B2F8},1\"", "8")), None, "told without columns");
        assert_eq!(fields.of(&listed("\"{B2F0},7\"", "5")), Some(open));
        assert_eq!(fields.of(&listed("\"{B2F1},1\"", "6")), Some(BTreeMap::new()));
        for (etag, number) in [("\"{B2F0},8\"", "5"), ("", "5"), ("\"{B2F2},1\"", "7"), ("7", "x")]
        {
            assert_eq!(fields.of(&listed(etag, number)), None, "{etag} {number}");
        }
        fields.add(&json!({"id": "5", "deleted": {"state": "deleted"}}), None);
        assert_eq!(fields.of(&listed("\"{B2F0},7\"", "5")), None);
    }

    #[test]
    fn only_custom_columns_and_the_label_are_kept() {
        let name = |column: Value| custom(&column).pop();
        assert_eq!(
            name(json!({"name": "Client", "columnGroup": "Custom Columns"})).as_deref(),
            Some("Client")
        );
        assert_eq!(
            name(json!({"name": "_ComplianceTag", "readOnly": true})).as_deref(),
            Some(LABEL)
        );
        assert_eq!(name(json!({"name": "Created", "readOnly": true})), None);
        assert_eq!(name(json!({"name": "Title"})), None);
        let person = json!({"name": "Owner", "personOrGroup": {}});
        assert_eq!(custom(&person), ["Owner", "OwnerLookupId"]);
        let mut about = About::default();
        assert_eq!(about.tag(), None);
        about.set_fields(
            [("Client".to_owned(), json!("x")), (LABEL.to_owned(), json!("Keep"))].into(),
        );
        assert_eq!(about.label.as_deref(), Some("Keep"));
        assert_eq!(About::from_json("x", &about.to_json()).unwrap(), About { v: 1, ..about });
    }
}
