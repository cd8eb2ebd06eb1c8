//! Which folders a mailbox has, and which of them changed.

use std::collections::BTreeMap;

use holdfast_graph::{BatchPart, Graph, Kind};
use holdfast_model::ContainerId;
use serde_json::Value;

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
            .get(format!("/users/{user}/mailFolders/delta"))
            .query("$select", "id,displayName,parentFolderId,isHidden"),
    };
    let mut pages = graph.pages(request.mailbox(user).prefer("odata.maxpagesize=200"));
    let mut changes = BTreeMap::new();
    let mut delta_link = None;
    while let Some(page) = pages.next().await? {
        for item in &page.items {
            if let Some((id, change)) = folder_change(item)? {
                changes.insert(id, change);
            }
        }
        delta_link = page.delta_link.or(delta_link);
    }
    let link =
        delta_link.ok_or(Error::Answer { what: "a folder delta", property: "@odata.deltaLink" })?;
    Ok((changes.into_values().collect(), link))
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
        .map(|name| BatchPart::get(format!("/users/{user}/mailFolders/{name}?$select=id")))
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
