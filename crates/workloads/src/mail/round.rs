//! What changed in one folder: the message delta.

use holdfast_graph::{Graph, Kind, Pages, segment};
use holdfast_model::{ContainerId, ItemId, Timestamp};
use serde_json::Value;

use super::meta::ItemMeta;
use crate::{Error, Result};

/// Page size asked for. Graph may give more or less (sdk-dotnet#3070).
const PAGE_SIZE: &str = "odata.maxpagesize=500";

/// The properties that a delta page carries, so that an unchanged body is never asked for.
const SELECT: &str = "id,changeKey,parentFolderId,receivedDateTime,sentDateTime,createdDateTime,\
    subject,bodyPreview,from,sender,toRecipients,ccRecipients,bccRecipients,hasAttachments,\
    internetMessageId,importance,isRead,isDraft,flag,categories";

/// MAPI properties that restore needs and MIME loses: message class, size, icon (replied,
/// forwarded) with the last verb and its time. Source: MS-OXPROPS.
pub(super) const EXPAND: &str = "singleValueExtendedProperties($filter=id eq 'String 0x001A' \
    or id eq 'Integer 0x0E08' or id eq 'Integer 0x1080' or id eq 'Integer 0x1081' \
    or id eq 'SystemTime 0x1082')";

/// One entry of a message delta.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The message is new here, changed, or merely listed again.
    Put(Box<Listed>),
    /// The message left this folder: deleted, or moved to another one.
    Removed(ItemId),
}

/// A message as a delta page lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its metadata as the vault keeps it.
    pub meta: ItemMeta,
}

/// The rounds of one folder: pages of entries, then the link for the next time.
pub struct Round<'g> {
    graph: &'g Graph,
    user: String,
    pages: Pages,
    expanded: bool,
    resynced: bool,
    delta_link: Option<String>,
}

impl<'g> Round<'g> {
    /// Starts at `link` (a delta link, or the next link of an unfinished round), or from nothing.
    pub fn start(graph: &'g Graph, user: &str, folder: &ContainerId, link: Option<&str>) -> Self {
        let request = match link {
            Some(link) => graph.get(link),
            None => graph
                .get(format!(
                    "/users/{}/mailFolders/{}/messages/delta",
                    segment(user),
                    segment(folder.as_str())
                ))
                .query("$select", SELECT)
                .query("$expand", EXPAND),
        };
        let pages = graph.pages(request.mailbox(user).prefer(PAGE_SIZE));
        Self {
            graph,
            user: user.to_owned(),
            pages,
            expanded: true,
            resynced: link.is_none(),
            delta_link: None,
        }
    }

    /// A full enumeration for a service that refuses `$expand` on delta: each message then costs
    /// one more request.
    pub fn start_plain(graph: &'g Graph, user: &str, folder: &ContainerId) -> Self {
        let request = graph
            .get(format!(
                "/users/{}/mailFolders/{}/messages/delta",
                segment(user),
                segment(folder.as_str())
            ))
            .query("$select", SELECT);
        let pages = graph.pages(request.mailbox(user).prefer(PAGE_SIZE));
        Self { expanded: false, pages, ..Self::start(graph, user, folder, None) }
    }

    /// True when this round lists the whole folder: what it does not list is gone.
    pub fn is_full(&self) -> bool {
        self.resynced
    }

    /// The link for the next round; there once [`Round::next_page`] has returned `None`.
    pub fn delta_link(&self) -> Option<&str> {
        self.delta_link.as_deref()
    }

    /// The next page: its entries and, where the round goes on, the link to resume it.
    pub async fn next_page(&mut self) -> Result<Option<(Vec<Entry>, Option<String>)>> {
        let Some(page) = self.pages.next().await? else { return Ok(None) };
        let mut entries = Vec::with_capacity(page.items.len());
        for item in page.items {
            entries.push(self.entry(item).await?);
        }
        self.delta_link = page.delta_link.or(self.delta_link.take());
        Ok(Some((entries, page.next_link)))
    }

    async fn entry(&self, mut item: Value) -> Result<Entry> {
        let id = item["id"].as_str().ok_or(Error::Answer { what: "a message", property: "id" })?;
        let id = ItemId::from(id);
        if item.get("@removed").is_some() {
            return Ok(Entry::Removed(id));
        }
        let incomplete = item.get("changeKey").is_none() || item.get("receivedDateTime").is_none();
        if incomplete || !self.expanded {
            match self.single(&id).await {
                Ok(whole) => item = whole,
                Err(error) if error.graph_kind() == Some(Kind::NotFound) => {
                    return Ok(Entry::Removed(id));
                }
                Err(error) if incomplete => return Err(error),
                Err(_) => {} // the MAPI properties are lost, the message is not
            }
        }
        Ok(Entry::Put(Box::new(Listed { meta: ItemMeta::from_graph(&item)? })))
    }

    async fn single(&self, id: &ItemId) -> Result<Value> {
        let request = self
            .graph
            .get(message_path(&self.user, id))
            .query("$select", SELECT)
            .query("$expand", EXPAND);
        Ok(request.mailbox(&self.user).send_json().await?)
    }
}

/// One message by its id, as a delta page would list it; `None` when it is gone.
pub async fn listed(graph: &Graph, user: &str, id: &ItemId) -> Result<Option<Listed>> {
    let request =
        graph.get(message_path(user, id)).query("$select", SELECT).query("$expand", EXPAND);
    match request.mailbox(user).send_json().await {
        Ok(item) => Ok(Some(Listed { meta: ItemMeta::from_graph(&item)? })),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Path of a message; ids come from outside.
pub(super) fn message_path(user: &str, id: &ItemId) -> String {
    format!("/users/{}/messages/{}", segment(user), segment(id.as_str()))
}

/// Reads a Graph time; absent, empty or malformed ones are `None`.
pub(super) fn time(item: &Value, property: &str) -> Option<Timestamp> {
    item[property].as_str()?.parse().ok()
}
