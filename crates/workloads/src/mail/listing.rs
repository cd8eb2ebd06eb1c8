//! A folder read from its list of messages, around those that Exchange cannot convert.
//!
//! A delta cannot step over a message; a list can, by its `$skip`. The list is sorted by time of
//! receipt, so that what arrives meanwhile comes at the end. It is no snapshot: what is deleted
//! while it is read shifts the rest, so what it did not show is looked for by id.

use std::collections::{BTreeMap, HashMap};

use holdfast_graph::{self as graph, BatchPart, Graph, Kind};
use holdfast_model::{ContainerId, ItemId};
use serde_json::Value;

use super::meta::MessageMeta;
use super::round::{
    EXPAND, Entry, Listed, PAGE_SIZE, SELECT, folder_path, is_elsewhere, is_gone, is_unreadable,
    message_path, smaller,
};
use crate::Result;

/// What became of a message that was not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It is no longer in the folder.
    Gone,
    /// It is there, and Exchange cannot convert it.
    Corrupt,
    /// It is there: it was overlooked.
    Overlooked,
}

/// In which folders messages lie now; those that are gone are not in the answer.
pub async fn places(
    graph: &Graph,
    user: &str,
    ids: &[&ItemId],
) -> Result<HashMap<ItemId, ContainerId>> {
    let part =
        |id: &&ItemId| BatchPart::get(message_path(user, id)).query("$select", "id,parentFolderId");
    let answers = graph.batch(user, ids.iter().map(part).collect()).await?;
    let mut places = HashMap::new();
    for (id, answer) in ids.iter().zip(answers) {
        let message = match answer.into_json() {
            Err(error) if is_gone(&error) => continue,
            other => other?,
        };
        let parent = message["parentFolderId"].as_str().map(ContainerId::from);
        places.extend(parent.map(|parent| ((*id).clone(), parent)));
    }
    Ok(places)
}

/// Reads the list of a folder from its beginning.
pub(super) struct Listing<'g> {
    graph: &'g Graph,
    user: String,
    folder: ContainerId,
    /// Messages that were shown or stepped over.
    offset: usize,
    size: usize,
    unnamed: usize,
}

impl<'g> Listing<'g> {
    pub fn new(graph: &'g Graph, user: &str, folder: &ContainerId) -> Self {
        let (user, folder) = (user.to_owned(), folder.clone());
        Self { graph, user, folder, offset: 0, size: PAGE_SIZE, unnamed: 0 }
    }

    /// Messages that were stepped over without learning their ids.
    pub fn unnamed(&self) -> usize {
        self.unnamed
    }

    /// The next entries; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        loop {
            match self.page(SELECT).await {
                Ok(items) if items.is_empty() => return Ok(None),
                Ok(items) => return self.take(items).map(Some),
                Err(error) if is_unreadable(&error) && self.size > 1 => {
                    self.size = smaller(self.size);
                }
                Err(error) if is_unreadable(&error) => return self.step_over(error).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Each message once: a page may repeat some (docs#6785).
    fn take(&mut self, items: BTreeMap<String, Value>) -> Result<Vec<Entry>> {
        self.offset += items.len();
        self.size = (self.size * 2).min(PAGE_SIZE);
        let entry = |item| {
            let meta = MessageMeta::from_graph(&item)?;
            Ok(Entry::Put(Box::new(Listed { meta })))
        };
        items.into_values().map(entry).collect()
    }

    /// Goes on behind the message at the present place. Its id alone needs no conversion; where
    /// the service does not give even that, the message is counted.
    async fn step_over(&mut self, error: graph::Error) -> Result<Option<Vec<Entry>>> {
        let named = match self.page("id").await {
            Ok(items) => items,
            Err(second) if second.kind() == Kind::Corrupt => BTreeMap::new(),
            Err(second) if is_unreadable(&second) => return Err(error.into()),
            Err(second) => return Err(second.into()),
        };
        self.offset += 1;
        if named.is_empty() {
            self.unnamed += 1;
        }
        Ok(Some(named.into_keys().map(|id| Entry::Corrupt(ItemId(id))).collect()))
    }

    async fn page(&self, select: &str) -> graph::Result<BTreeMap<String, Value>> {
        let mut request = self
            .graph
            .get(format!("{}/messages", folder_path(&self.user, &self.folder)))
            .query("$select", select)
            .query("$orderby", "receivedDateTime asc")
            .query("$top", &self.size.to_string())
            .query("$skip", &self.offset.to_string());
        if select == SELECT {
            request = request.query("$expand", EXPAND);
        }
        let mut pages = self.graph.pages(request.mailbox(&self.user));
        let mut items = BTreeMap::new();
        // A page may be empty although there is more.
        while items.is_empty() {
            let Some(page) = pages.next().await? else { break };
            let of = |item: Value| Some((item["id"].as_str()?.to_owned(), item));
            items.extend(page.items.into_iter().filter_map(of));
        }
        Ok(items)
    }

    /// Looks for a message that the list did not show.
    pub async fn look_for(&self, id: &ItemId) -> Result<Absence> {
        let request = self.graph.get(message_path(&self.user, id));
        match request.query("$select", "id,parentFolderId").mailbox(&self.user).send_json().await {
            Ok(item) if is_elsewhere(&item, &self.folder) => Ok(Absence::Gone),
            Ok(_) => Ok(Absence::Overlooked),
            Err(error) if is_gone(&error) => Ok(Absence::Gone),
            Err(error) if error.kind() == Kind::Corrupt => Ok(Absence::Corrupt),
            Err(error) => Err(error.into()),
        }
    }
}
