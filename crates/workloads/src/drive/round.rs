//! What changed in a drive: the delta of its root.
//!
//! Enumeration goes by id: a path in an answer may be missing or old. Of an item that is listed
//! twice the last entry counts; a folder that moved is listed alone, without what is in it; a
//! deleted item may have neither name nor parent (onedrive-api-docs#561, #1704).

use holdfast_graph::{Graph, Kind, Page, Pages, segment};
use holdfast_model::{ContainerId, ItemId, Secret};
use serde_json::Value;

use super::content::is_gone;
use super::meta::{FileMeta, file_time};
use crate::{Error, FolderFacts, Result};

/// The properties of a delta page, so that only content is asked for besides, and that without a
/// request for its address.
const SELECT: &str = "id,name,size,eTag,cTag,file,folder,package,root,deleted,parentReference,\
    fileSystemInfo,createdBy,lastModifiedBy,createdDateTime,lastModifiedDateTime,shared,remoteItem,\
    malware,publication,sharepointIds,content.downloadUrl";

/// The pre-authenticated address of a file, which `content.downloadUrl` selects. It may be missing
/// (msgraph-sdk-dotnet#3069).
const ADDRESS: &str = "@microsoft.graph.downloadUrl";

/// What a scan asks for, so that changes of sharing are told ("Best practices for discovering files
/// and detecting changes at scale", OneDrive documentation, read 2026-11). Without
/// `Sites.FullControl.All` the service leaves these out.
const PREFER: &str = "deltashowremovedasdeleted, deltatraversepermissiongaps, \
    deltashowsharingchanges, hierarchicalsharing";

/// One entry of a drive's delta.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A folder (or a notebook, which is one) is new, changed, moved or merely listed again.
    Folder(Box<DriveFolder>),
    /// A file, likewise.
    File(Box<Listed>),
    /// The item is gone.
    Removed(ItemId),
    /// The page told only a part of it, and the rest could not be asked for: why.
    Unread(ItemId, String),
}

/// A folder as a delta page lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct DriveFolder {
    /// Graph id.
    pub id: ContainerId,
    /// Id of the folder above; absent for the root.
    pub parent: Option<ContainerId>,
    /// Real name; that of the root is the service's own.
    pub name: String,
    /// The root of the drive.
    pub is_root: bool,
    /// Shared beyond what the folder above gives it.
    pub shared: bool,
    /// The service says that its sharing changed.
    pub sharing_changed: bool,
    /// What else is kept.
    pub facts: FolderFacts,
}

/// A file as a delta page lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its metadata as the vault keeps it.
    pub meta: FileMeta,
    /// The folder that it lies in.
    pub parent: ContainerId,
    /// Microsoft's scan found malware in it.
    pub malware: bool,
    /// The service says that its sharing changed.
    pub sharing_changed: bool,
    /// Of a shortcut: its description.
    pub shortcut: Option<Value>,
    /// Where its content can be had for about an hour; a secret, since whoever knows it may.
    pub address: Option<Secret>,
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Folder(folder) => folder.id.as_str(),
            Self::File(listed) => &listed.meta.id,
            Self::Removed(id) | Self::Unread(id, _) => id.as_str(),
        }
    }
}

/// One round of a drive: pages of entries, then the link for the next time.
pub struct Round<'g> {
    graph: &'g Graph,
    drive: String,
    pages: Pages,
    delta_link: Option<String>,
    is_full: bool,
}

impl<'g> Round<'g> {
    /// Starts at `link` (a delta link, or the next link of an unfinished round), or from nothing.
    /// After an error of kind [`Gone`](holdfast_graph::Kind::Gone) it starts from nothing again:
    /// the place to which such an answer points has been seen to fail (onedrive-api-docs#249).
    pub fn start(graph: &'g Graph, drive: &str, link: Option<&str>) -> Self {
        let request = match link {
            Some(link) => graph.get(link).drive(1),
            None => {
                let path = format!("/drives/{}/root/delta", segment(drive));
                graph.get(path).query("$select", SELECT).drive(2)
            }
        };
        let pages = graph.pages(request.prefer(PREFER));
        Self { graph, drive: drive.to_owned(), pages, delta_link: None, is_full: link.is_none() }
    }

    /// True when this round shows the whole drive: what it does not show is gone.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The link for the next round; there once [`Round::next_page`] has returned `None`.
    pub fn delta_link(&self) -> Option<&str> {
        self.delta_link.as_deref()
    }

    /// The next page: its entries and, where the round goes on, the link to resume it.
    pub async fn next_page(&mut self) -> Result<Option<(Vec<Entry>, Option<String>)>> {
        match self.pages.next().await? {
            Some(page) => self.take(page).await.map(Some),
            None => Ok(None),
        }
    }

    async fn take(&mut self, page: Page) -> Result<(Vec<Entry>, Option<String>)> {
        let mut entries = Vec::with_capacity(page.items.len());
        for item in page.items {
            entries.push(self.entry(item).await?);
        }
        self.delta_link = page.delta_link.or(self.delta_link.take());
        Ok((entries, page.next_link))
    }

    async fn entry(&self, item: Value) -> Result<Entry> {
        let id = item["id"].as_str().ok_or(Error::Answer { what: "an item", property: "id" })?;
        if item["deleted"].is_object() || item.get("@removed").is_some() {
            return Ok(Entry::Removed(id.into()));
        }
        match read(&item)? {
            Some(entry) => Ok(entry),
            // A delta promises only what changed: the rest is asked for.
            None => {
                let id = ItemId::from(id);
                match listed(self.graph, &self.drive, &id).await {
                    Ok(whole) => Ok(whole.unwrap_or(Entry::Removed(id))),
                    Err(error) if is_of_all(&error) => Err(error),
                    Err(error) => {
                        let cause = error.cause();
                        Ok(Entry::Unread(id, cause))
                    }
                }
            }
        }
    }
}

/// A failure that the next item would meet too.
fn is_of_all(error: &Error) -> bool {
    matches!(error.graph_kind(), Some(Kind::Throttled | Kind::Unreachable | Kind::Config))
}

/// One item by its id, as a delta page would list it; `None` when it is no longer there.
pub async fn listed(graph: &Graph, drive: &str, id: &ItemId) -> Result<Option<Entry>> {
    let path = format!("/drives/{}/items/{}", segment(drive), segment(id.as_str()));
    match graph.get(path).query("$select", SELECT).drive(1).send_json().await {
        Ok(item) if item["deleted"].is_object() => Ok(None),
        Ok(item) => {
            let entry = read(&item)?;
            entry.map(Some).ok_or(Error::Answer { what: "an item", property: "parentReference" })
        }
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a whole item; `None` where it lacks what says what it is and where.
fn read(item: &Value) -> Result<Option<Entry>> {
    let is_root = item["root"].is_object();
    let parent = item["parentReference"]["id"].as_str().filter(|_| !is_root);
    let sharing_changed = item["@microsoft.graph.sharedChanged"].is_boolean()
        || item["@microsoft.graph.sharedChanged"].is_string();
    if is_root || item["folder"].is_object() || item["package"].is_object() {
        if (parent.is_none() && !is_root) || item["name"].as_str().is_none() {
            return Ok(None);
        }
        return Ok(Some(Entry::Folder(Box::new(DriveFolder {
            id: item["id"].as_str().unwrap_or_default().into(),
            parent: parent.map(ContainerId::from),
            name: item["name"].as_str().unwrap_or_default().to_owned(),
            is_root,
            shared: item["shared"].is_object() && !is_root,
            sharing_changed,
            facts: FolderFacts {
                etag: item["eTag"].as_str().unwrap_or_default().to_owned(),
                created: file_time(item, "createdDateTime"),
                modified: file_time(item, "lastModifiedDateTime"),
                package: item["package"]["type"].as_str().map(str::to_owned),
                ..FolderFacts::default()
            },
        }))));
    }
    let (Some(parent), Some(_)) = (parent, item["name"].as_str()) else { return Ok(None) };
    Ok(Some(Entry::File(Box::new(Listed {
        meta: FileMeta::from_graph(item)?,
        parent: parent.into(),
        malware: item["malware"].is_object(),
        sharing_changed,
        shortcut: item["remoteItem"].is_object().then(|| without_addresses(item)),
        address: item[ADDRESS].as_str().map(Secret::new),
    }))))
}

/// What is kept of a shortcut: all but addresses that let everybody in.
fn without_addresses(item: &Value) -> Value {
    match item {
        Value::Object(properties) => {
            let kept = properties.iter().filter(|(name, _)| !name.ends_with("downloadUrl"));
            kept.map(|(name, value)| (name.clone(), without_addresses(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_addresses).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_told_apart() {
        let above = json!({"id": "01P"});
        let root = json!({"id": "01R", "name": "root", "root": {}, "folder": {}});
        let Some(Entry::Folder(root)) = read(&root).unwrap() else { panic!("no folder") };
        assert!(root.is_root && root.parent.is_none());
        let book = json!({"id": "01B", "name": "Book", "package": {"type": "oneNote"}, "parentReference": above});
        let Some(Entry::Folder(book)) = read(&book).unwrap() else { panic!("no folder") };
        assert_eq!(book.facts.package.as_deref(), Some("oneNote"));
        let file = json!({"id": "01F", "name": "a", "size": 1, "parentReference": above});
        let Some(Entry::File(file)) = read(&file).unwrap() else { panic!("no file") };
        assert_eq!((file.parent.as_str(), file.malware), ("01P", false));
        let there = json!({"id": "02", "@microsoft.graph.downloadUrl": "https://x/?tempauth=s"});
        let shortcut = json!({"id": "01S", "name": "s", "remoteItem": there, "parentReference": above,
            "@microsoft.graph.downloadUrl": "https://x/?tempauth=s"});
        let Some(Entry::File(shortcut)) = read(&shortcut).unwrap() else { panic!("no file") };
        let kept = shortcut.shortcut.unwrap();
        assert_eq!((&kept["remoteItem"], &kept["name"]), (&json!({"id": "02"}), &json!("s")));
        assert!(!kept.to_string().contains("tempauth"));
        assert!(!format!("{:?}", shortcut.address).contains("tempauth"));
        assert_eq!(read(&json!({"id": "01F", "name": "a"})).unwrap(), None);
        assert_eq!(read(&json!({"id": "01F", "parentReference": above})).unwrap(), None);
    }
}
