//! What changed in one folder: the message delta.
//!
//! A message that Exchange cannot convert makes every page that holds it fail (docs-contrib#7758).
//! Then smaller pages are asked for at the same place; when even a page of one fails, the delta is
//! stuck there, and the rest of the folder is read from its list (`listing`), which can step over
//! a message. The place is kept as the link of the next round: once the message is gone or healed,
//! the delta goes on from there and misses nothing.

use holdfast_graph::{self as graph, Graph, Kind, Page, Pages, segment};
use holdfast_model::{ContainerId, ItemId, Timestamp};
use serde_json::Value;

use super::listing::{Absence, Listing};
use super::meta::MessageMeta;
use crate::{Error, Result};

/// Messages of a page asked for. Graph may give more or less (sdk-dotnet#3070).
pub(super) const PAGE_SIZE: usize = 500;

/// The properties that a delta page carries, so that an unchanged body is never asked for.
pub(super) const SELECT: &str = "id,changeKey,parentFolderId,receivedDateTime,sentDateTime,createdDateTime,\
    subject,bodyPreview,from,sender,toRecipients,ccRecipients,bccRecipients,hasAttachments,\
    internetMessageId,importance,isRead,isDraft,flag,categories";

/// Properties that the vault keeps. A delta promises only what changed ("Use delta query", read
/// 2026-11): a message that lacks one of them, as opposed to having none, is asked for.
const KEPT: [&str; 8] = [
    "changeKey",
    "receivedDateTime",
    "subject",
    "from",
    "importance",
    "isRead",
    "flag",
    "categories",
];

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
    /// The message is there, and Exchange cannot convert it.
    Corrupt(ItemId),
}

/// A message as a delta page lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its metadata as the vault keeps it.
    pub meta: MessageMeta,
}

/// The rounds of one folder: pages of entries, then the link for the next time.
pub struct Round<'g> {
    graph: &'g Graph,
    user: String,
    folder: ContainerId,
    pages: Pages,
    /// Size of the pages asked for at present.
    size: usize,
    expanded: bool,
    /// Where the round began, or where the delta is stuck; nothing for the beginning.
    link: Option<String>,
    delta_link: Option<String>,
    /// Reads the folder where the delta is stuck.
    listing: Option<Listing<'g>>,
    is_full: bool,
}

impl<'g> Round<'g> {
    /// Starts at `link` (a delta link, or the next link of an unfinished round), or from nothing.
    pub fn start(graph: &'g Graph, user: &str, folder: &ContainerId, link: Option<&str>) -> Self {
        Self::with(graph, user, folder, link, true)
    }

    /// A full enumeration for a service that refuses `$expand` on delta: each message then costs
    /// one more request.
    pub fn start_plain(graph: &'g Graph, user: &str, folder: &ContainerId) -> Self {
        Self::with(graph, user, folder, None, false)
    }

    fn with(
        graph: &'g Graph,
        user: &str,
        folder: &ContainerId,
        link: Option<&str>,
        expanded: bool,
    ) -> Self {
        Self {
            graph,
            user: user.to_owned(),
            folder: folder.clone(),
            pages: pages(graph, user, folder, link, expanded, PAGE_SIZE),
            size: PAGE_SIZE,
            expanded,
            link: link.map(str::to_owned),
            delta_link: None,
            listing: None,
            is_full: link.is_none(),
        }
    }

    /// True when this round shows the whole folder: what it does not show is gone, or asks for a
    /// look of its own ([`Round::look_for`]).
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many messages the service could not even name.
    pub fn unnamed(&self) -> usize {
        self.listing.as_ref().map_or(0, Listing::unnamed)
    }

    /// The link for the next round; there once [`Round::next_page`] has returned `None`, except
    /// where the delta is stuck at its very beginning.
    pub fn delta_link(&self) -> Option<&str> {
        self.delta_link.as_deref()
    }

    /// What became of a message that a full round did not show. A delta is exact; a list may miss
    /// what changes while it is read, so each message is looked for.
    pub async fn look_for(&self, id: &ItemId) -> Result<Absence> {
        match &self.listing {
            Some(listing) => listing.look_for(id).await,
            None => Ok(Absence::Gone),
        }
    }

    /// The next page: its entries and, where the round goes on, the link to resume it.
    pub async fn next_page(&mut self) -> Result<Option<(Vec<Entry>, Option<String>)>> {
        while self.listing.is_none() {
            match self.pages.next().await {
                Ok(None) => return Ok(None),
                Ok(Some(page)) => return self.take(page).await.map(Some),
                Err(error) if is_unreadable(&error) => self.make_way(error).await?,
                Err(error) => return Err(error.into()),
            }
        }
        let Some(listing) = &mut self.listing else { return Ok(None) };
        let entries = listing.next().await?;
        Ok(entries.map(|entries| (entries, None)))
    }

    async fn take(&mut self, page: Page) -> Result<(Vec<Entry>, Option<String>)> {
        let mut entries = Vec::with_capacity(page.items.len());
        for item in page.items {
            entries.push(self.entry(item).await?);
        }
        self.delta_link = page.delta_link.or(self.delta_link.take());
        Ok((entries, page.next_link))
    }

    /// Asks for less at the same place, or turns to the list where that does not help.
    async fn make_way(&mut self, error: graph::Error) -> Result<()> {
        self.link = self.pages.position().map(str::to_owned).or(self.link.take());
        if self.size > 1 {
            if self.size == PAGE_SIZE && error.kind() != Kind::Corrupt {
                self.mailbox_answers(error).await?;
            }
            self.size = smaller(self.size);
            let link = self.link.as_deref();
            let (user, folder) = (&self.user, &self.folder);
            self.pages = pages(self.graph, user, folder, link, self.expanded, self.size);
        } else {
            tracing::warn!(cause = error.code(), "a message blocks the changes of its folder");
            self.listing = Some(Listing::new(self.graph, &self.user, &self.folder));
            self.delta_link.clone_from(&self.link);
            self.is_full = true;
        }
        Ok(())
    }

    /// A service that is down answers 500 as well: unless the folder itself can be read, nothing
    /// is learnt from smaller pages, and the error stands.
    async fn mailbox_answers(&self, error: graph::Error) -> Result<()> {
        let path = folder_path(&self.user, &self.folder);
        let probe = self.graph.get(path).query("$select", "id").mailbox(&self.user);
        match probe.send_json().await {
            Ok(_) => Ok(()),
            Err(_) => Err(error.into()),
        }
    }

    async fn entry(&self, mut item: Value) -> Result<Entry> {
        let id = item["id"].as_str().ok_or(Error::Answer { what: "a message", property: "id" })?;
        let id = ItemId::from(id);
        if item.get("@removed").is_some() {
            return Ok(Entry::Removed(id));
        }
        let incomplete = KEPT.iter().any(|property| item.get(property).is_none());
        // The links of a round without `$expand` show none either, on other days too.
        let bare = item.get("singleValueExtendedProperties").is_none();
        if incomplete || bare {
            match self.single(&id).await {
                Ok(whole) => item = whole,
                Err(error) if is_gone(&error) => return Ok(Entry::Removed(id)),
                Err(error) if incomplete && error.kind() == Kind::Corrupt => {
                    return Ok(Entry::Corrupt(id));
                }
                Err(error) if incomplete => return Err(error.into()),
                Err(_) => {} // the MAPI properties are lost, the message is not
            }
        }
        Ok(Entry::Put(Box::new(Listed { meta: MessageMeta::from_graph(&item)? })))
    }

    async fn single(&self, id: &ItemId) -> graph::Result<Value> {
        let request = self
            .graph
            .get(message_path(&self.user, id))
            .query("$select", SELECT)
            .query("$expand", EXPAND);
        request.mailbox(&self.user).send_json().await
    }
}

fn pages(
    graph: &Graph,
    user: &str,
    folder: &ContainerId,
    link: Option<&str>,
    expanded: bool,
    size: usize,
) -> Pages {
    let request = match link {
        Some(link) => graph.get(link),
        None => {
            let path = format!("{}/messages/delta", folder_path(user, folder));
            let request = graph.get(path).query("$select", SELECT);
            if expanded { request.query("$expand", EXPAND) } else { request }
        }
    };
    graph.pages(request.mailbox(user).prefer(&format!("odata.maxpagesize={size}")))
}

/// The next smaller page. Each failing page costs repetitions and waits, each small one that
/// succeeds next to nothing: so the steps are large.
pub(super) fn smaller(size: usize) -> usize {
    (size / 8).max(1)
}

/// A page that holds a message which Exchange cannot convert: the codes of conversion, or no more
/// than `InternalServerError` (docs-contrib#7758).
pub(super) fn is_unreadable(error: &graph::Error) -> bool {
    error.kind() == Kind::Corrupt || error.status() == Some(500)
}

/// The message is no longer there. Other answers 404 are about the mailbox or the user.
pub(super) fn is_gone(error: &graph::Error) -> bool {
    error.kind() == Kind::NotFound && error.has_code("ErrorItemNotFound")
}

/// One message of a folder by its id, as a delta page would list it; `None` when it is no longer
/// there.
pub async fn listed(
    graph: &Graph,
    user: &str,
    folder: &ContainerId,
    id: &ItemId,
) -> Result<Option<Listed>> {
    let request =
        graph.get(message_path(user, id)).query("$select", SELECT).query("$expand", EXPAND);
    match request.mailbox(user).send_json().await {
        Ok(item) if is_elsewhere(&item, folder) => Ok(None),
        Ok(item) => Ok(Some(Listed { meta: MessageMeta::from_graph(&item)? })),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// True for a message that says it lies in another folder.
pub(super) fn is_elsewhere(item: &Value, folder: &ContainerId) -> bool {
    item["parentFolderId"].as_str().is_some_and(|parent| parent != folder.as_str())
}

/// Path of a folder; ids come from outside.
pub(super) fn folder_path(user: &str, folder: &ContainerId) -> String {
    format!("/users/{}/mailFolders/{}", segment(user), segment(folder.as_str()))
}

/// Path of a message; ids come from outside.
pub(super) fn message_path(user: &str, id: &ItemId) -> String {
    format!("/users/{}/messages/{}", segment(user), segment(id.as_str()))
}

/// Reads a Graph time; absent, empty or malformed ones are `None`.
pub(super) fn time(item: &Value, property: &str) -> Option<Timestamp> {
    item[property].as_str()?.parse().ok()
}
