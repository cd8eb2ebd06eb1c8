//! Writes files back into a drive and looks at what is there.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_graph::{Download, Graph, Kind, Method, segment};
use holdfast_model::Timestamp;
use serde_json::{Value, json};

use super::content::is_gone;
use super::meta::FileMeta;
use crate::{Error, Result};

const SELECT: &str = "id,name,size,eTag,cTag,file,folder,package,root,fileSystemInfo,parentReference,createdDateTime,lastModifiedDateTime";

/// An item of the target as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Graph id.
    pub id: String,
    /// Real name.
    pub name: String,
    /// It is a folder (or a notebook).
    pub is_folder: bool,
    /// Its metadata as the vault would keep it.
    pub meta: FileMeta,
}

/// A file to be made.
#[derive(Clone, Debug)]
pub struct NewFile<'f> {
    /// Its name in the target folder.
    pub name: &'f str,
    /// Its size in bytes.
    pub size: u64,
    /// `fileSystemInfo.createdDateTime`.
    pub created: Option<Timestamp>,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: Option<Timestamp>,
    /// Put it in the place of a file of that name, as its newest version; otherwise that is an
    /// error of kind [`Conflict`](Kind::Conflict).
    pub replace: bool,
}

/// Writes into one drive with the priority of a restore.
pub struct DriveWriter<'g> {
    graph: &'g Graph,
    drive: String,
}

impl<'g> DriveWriter<'g> {
    /// A writer for a drive.
    pub fn new(graph: &'g Graph, drive: &str) -> Self {
        Self { graph, drive: drive.to_owned() }
    }

    fn item_path(&self, id: &str, rest: &str) -> String {
        format!("/drives/{}/items/{}{rest}", segment(&self.drive), segment(id))
    }

    fn child_path(&self, parent: &str, name: &str, rest: &str) -> String {
        self.item_path(parent, &format!(":/{}:/{rest}", segment(name)))
    }

    /// Id of the root folder.
    pub async fn root(&self) -> Result<String> {
        let path = format!("/drives/{}/root", segment(&self.drive));
        let root = self.graph.get(path).query("$select", "id").drive(1).restore().send_json();
        text(&root.await?, "id")
    }

    /// What lies in a folder.
    pub async fn children(&self, folder: &str) -> Result<Vec<Live>> {
        let request = self
            .graph
            .get(self.item_path(folder, "/children"))
            .query("$select", SELECT)
            .query("$top", "200")
            .drive(2)
            .restore();
        let mut pages = self.graph.pages(request);
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await? {
            for item in page.items {
                let live = live(&item)?;
                found.insert(live.id.clone(), live);
            }
        }
        Ok(found.into_values().collect())
    }

    /// An item by its id; `None` where it is not there.
    pub async fn item(&self, id: &str) -> Result<Option<Live>> {
        let request = self.graph.get(self.item_path(id, "")).query("$select", SELECT);
        match request.drive(1).restore().send_json().await {
            Ok(item) => live(&item).map(Some),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The child of a folder that has this name, in any case.
    pub async fn child(&self, parent: &str, name: &str) -> Result<Option<Live>> {
        let path = self.item_path(parent, &format!(":/{}:", segment(name)));
        match self.graph.get(path).query("$select", SELECT).drive(1).restore().send_json().await {
            Ok(item) => live(&item).map(Some),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a folder, or finds the one of that name: also the one that an earlier attempt made,
    /// so that it may be repeated.
    pub async fn make_folder(&self, parent: &str, name: &str) -> Result<String> {
        let body = json!({
            "name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail",
        });
        let request = self.graph.post(self.item_path(parent, "/children")).json(&body);
        match request.drive(2).restore().send_json().await {
            Ok(made) => text(&made, "id"),
            Err(error) if error.kind() == Kind::Conflict => match self.child(parent, name).await? {
                Some(there) if there.is_folder => Ok(there.id),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an upload session for a file that is not empty.
    pub async fn session(&self, parent: &str, file: &NewFile<'_>) -> Result<String> {
        let mut item = json!({
            "@microsoft.graph.conflictBehavior": if file.replace { "replace" } else { "fail" },
            "name": file.name,
            "fileSize": file.size,
        });
        if let Some(info) = dates(file.created, file.modified) {
            item["fileSystemInfo"] = info;
        }
        let path = self.child_path(parent, file.name, "createUploadSession");
        let request = self.graph.post(path).json(&json!({"item": item}));
        text(&request.drive(2).restore().send_json().await?, "uploadUrl")
    }

    /// Makes an empty file: no upload session takes one. Where one of that name is there already,
    /// it is taken for the one that an earlier attempt made: the answer to that may have been lost.
    pub async fn make_empty(&self, parent: &str, file: &NewFile<'_>) -> Result<Live> {
        let behavior = if file.replace { "replace" } else { "fail" };
        let request = self
            .graph
            .put(self.child_path(parent, file.name, "content"))
            .query("@microsoft.graph.conflictBehavior", behavior)
            .body("application/octet-stream", Bytes::new());
        let made = match request.drive(2).restore().send_json().await {
            Ok(item) => live(&item)?,
            Err(error) if error.kind() == Kind::Conflict => {
                let there = self.child(parent, file.name).await?;
                there.filter(|there| !there.is_folder && there.meta.size == 0).ok_or(error)?
            }
            Err(error) => return Err(error.into()),
        };
        self.set_dates(&made.id, file.created, file.modified).await?;
        Ok(made)
    }

    /// Gives an item the dates of the user's own computer.
    pub async fn set_dates(
        &self,
        id: &str,
        created: Option<Timestamp>,
        modified: Option<Timestamp>,
    ) -> Result<()> {
        let Some(info) = dates(created, modified) else { return Ok(()) };
        let request = self.graph.patch(self.item_path(id, ""));
        let request = request.json(&json!({"fileSystemInfo": info})).drive(2).restore();
        Ok(request.send_empty().await?)
    }

    /// Starts to read a file back.
    pub fn content(&self, id: &str) -> Download {
        let request = self.graph.get(self.item_path(id, "/content")).drive(1).restore();
        self.graph.download(request)
    }

    /// Deletes an item (into the recycle bin of its site).
    pub async fn delete(&self, id: &str) -> Result<()> {
        let request = self.graph.request(Method::DELETE, self.item_path(id, ""));
        match request.drive(2).restore().send_empty().await {
            Err(error) if is_gone(&error) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Gives people a right to an item; nobody is told by mail.
    pub async fn invite(&self, id: &str, people: &[Value], roles: &Value) -> Result<()> {
        let body = json!({
            "recipients": people, "roles": roles, "requireSignIn": true, "sendInvitation": false,
        });
        let request = self.graph.post(self.item_path(id, "/invite")).json(&body);
        Ok(request.drive(5).restore().send_empty().await?)
    }

    /// Makes a sharing link; its address is a new one.
    pub async fn make_link(&self, id: &str, kind: &str, scope: &str) -> Result<()> {
        let body = json!({"type": kind, "scope": scope});
        let request = self.graph.post(self.item_path(id, "/createLink")).json(&body);
        Ok(request.drive(5).restore().send_empty().await?)
    }

    /// Fills the columns of a file.
    pub async fn set_fields(&self, id: &str, fields: &BTreeMap<String, Value>) -> Result<()> {
        let path = self.item_path(id, "/listItem/fields");
        let request = self.graph.patch(path).json(&json!(fields)).drive(2).restore();
        Ok(request.send_empty().await?)
    }

    /// Gives a file its retention label.
    pub async fn set_label(&self, id: &str, label: &str) -> Result<()> {
        let path = self.item_path(id, "/retentionLabel");
        let request = self.graph.patch(path).json(&json!({"name": label})).drive(2).restore();
        Ok(request.send_empty().await?)
    }
}

/// `fileSystemInfo`; the service refuses an empty one.
fn dates(created: Option<Timestamp>, modified: Option<Timestamp>) -> Option<Value> {
    let mut info = serde_json::Map::new();
    let mut put = |name: &str, time: Option<Timestamp>| {
        info.extend(time.map(|time| (name.to_owned(), json!(time.to_string()))));
    };
    put("createdDateTime", created);
    put("lastModifiedDateTime", modified);
    (!info.is_empty()).then_some(Value::Object(info))
}

/// Reads an item as it is listed, or as an upload answers with it.
impl Live {
    /// From Graph's JSON.
    pub fn from_graph(item: &Value) -> Result<Self> {
        live(item)
    }
}

fn live(item: &Value) -> Result<Live> {
    let is_folder = item["folder"].is_object() || item["package"].is_object();
    let meta = FileMeta::from_graph(item)?;
    Ok(Live { id: meta.id.clone(), name: meta.name.clone(), is_folder, meta })
}

fn text(value: &Value, property: &'static str) -> Result<String> {
    let text = value[property].as_str().map(str::to_owned);
    text.ok_or(Error::Answer { what: "a drive item", property })
}
