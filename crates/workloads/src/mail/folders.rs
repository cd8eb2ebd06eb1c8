//! Which folders a mailbox has, and which of them changed.

use std::collections::BTreeMap;

use holdfast_graph::{BatchPart, Graph, Kind, segment};
use holdfast_model::ContainerId;
use serde_json::Value;

use super::round::{folder_path, is_gone};
use crate::{Error, Result};

/// The well-known folder names that Holdfast maps, so that an inbox is restored into an inbox
/// whatever its language. Source: Graph v1.0 `mailFolder` resource, read 2026-11.
pub const WELL_KNOWN: [&str; 8] = [
    "inbox",
    "sentitems",
    "drafts",
    "deleteditems",
    "archive",
    "junkemail",
    "outbox",
    "conversationhistory",
];

const SELECT: &str = "id,displayName,parentFolderId,isHidden";

/// A mail folder as Graph lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Graph id, constant for the life of the folder.
    pub id: ContainerId,
    /// Id of the folder above; the mailbox root for top-level folders.
    pub parent: Option<ContainerId>,
    /// Name for people.
    pub display_name: String,
    /// Hidden from the user.
    pub hidden: bool,
}

/// One entry of a folder delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderChange {
    /// The folder is new, renamed, moved or merely listed again.
    Put(Folder),
    /// The folder is gone for good (a folder deleted by a person moves to Deleted Items instead).
    Removed(ContainerId),
}

/// All folder changes since `link` (all folders without one), and the link for the next time.
///
/// The first round returns all levels. When a folder is listed twice, the last entry wins.
/// Source: Graph v1.0 `mailFolder: delta`.
pub async fn folder_changes(
    graph: &Graph,
    user: &str,
    link: Option<&str>,
) -> Result<(Vec<FolderChange>, String)> {
    let request = match link {
        Some(link) => graph.get(link),
        None => graph
            .get(format!("/users/{}/mailFolders/delta", segment(user)))
            .query("$select", SELECT),
    };
    let mut pages = graph.pages(request.mailbox(user).prefer("odata.maxpagesize=200"));
    let mut changes = BTreeMap::new();
    let mut delta_link = None;
    while let Some(page) = pages.next().await? {
        for item in page.items {
            let item = whole(graph, user, item).await?;
            if let Some((id, change)) = folder_change(&item)? {
                changes.insert(id, change);
            }
        }
        delta_link = page.delta_link.or(delta_link);
    }
    let link =
        delta_link.ok_or(Error::Answer { what: "a folder delta", property: "@odata.deltaLink" })?;
    Ok((changes.into_values().collect(), link))
}

/// A delta promises only what changed ("Use delta query", read 2026-11): the rest is asked for.
async fn whole(graph: &Graph, user: &str, item: Value) -> Result<Value> {
    let has_all = item.get("displayName").is_some() && item.get("parentFolderId").is_some();
    let Some(id) = item["id"].as_str().filter(|_| !has_all && item.get("@removed").is_none())
    else {
        return Ok(item);
    };
    let path = folder_path(user, &ContainerId::from(id));
    Ok(graph.get(path).query("$select", SELECT).mailbox(user).send_json().await?)
}

/// Whether a folder is still there.
pub async fn folder_exists(graph: &Graph, user: &str, folder: &ContainerId) -> Result<bool> {
    let request = graph.get(folder_path(user, folder)).query("$select", "id").mailbox(user);
    match request.send_json().await {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn folder_change(item: &Value) -> Result<Option<(ContainerId, FolderChange)>> {
    let id = text(item, "id").ok_or(Error::Answer { what: "a mail folder", property: "id" })?;
    let id = ContainerId(id);
    if item.get("@removed").is_some() {
        return Ok(Some((id.clone(), FolderChange::Removed(id))));
    }
    if item["@odata.type"].as_str().is_some_and(|kind| kind.ends_with("mailSearchFolder")) {
        return Ok(None);
    }
    let folder = Folder {
        id: id.clone(),
        parent: text(item, "parentFolderId").map(ContainerId),
        display_name: text(item, "displayName").unwrap_or_default(),
        hidden: item["isHidden"].as_bool().unwrap_or(false),
    };
    Ok(Some((id, FolderChange::Put(folder))))
}

fn text(item: &Value, property: &str) -> Option<String> {
    item[property].as_str().map(str::to_owned)
}

/// The ids of the well-known folders that this mailbox has, asked in one batch.
pub async fn well_known_ids(
    graph: &Graph,
    user: &str,
) -> Result<BTreeMap<ContainerId, &'static str>> {
    let parts = WELL_KNOWN
        .iter()
        .map(|name| {
            BatchPart::get(format!("/users/{}/mailFolders/{name}?$select=id", segment(user)))
        })
        .collect();
    let answers = graph.batch(user, parts).await?;
    let mut ids = BTreeMap::new();
    for (name, answer) in WELL_KNOWN.into_iter().zip(answers) {
        let folder = match answer.into_json() {
            Ok(folder) => folder,
            Err(error) if error.kind() == Kind::NotFound => continue, // made when first used
            Err(error) => return Err(error.into()),
        };
        ids.extend(folder["id"].as_str().map(|id| (ContainerId::from(id), name)));
    }
    Ok(ids)
}
