//! The messages of one page: which are new, which changed, which only moved.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use futures::StreamExt;
use holdfast_catalog::{ContainerRow, ItemRow};
use holdfast_graph::Kind;
use holdfast_model::{ContainerId, ItemId, SkipCause};
use holdfast_vault::{Content, Cut};
use holdfast_workloads::ItemMeta;
use holdfast_workloads::mail::{self, Body, Entry, MessageMeta, StoredForm};

use super::Problem;
use super::mailbox::{MailboxRun, kind};
use super::place::{Placed, store};
use crate::{Error, Result};

/// Bodies of one mailbox fetched at once; Graph allows four (graph reference, section 8), and the
/// client's budget holds one back for restores.
const BODIES_AT_ONCE: usize = 4;

/// A service that answers with nothing but errors is not asked for every message of a mailbox.
pub(super) const FAILURES_IN_A_ROW: usize = 20;

/// The entries of a page; of one that is listed twice the last counts.
pub(super) struct Entries {
    put: BTreeMap<ItemId, MessageMeta>,
    removed: Vec<ItemId>,
    corrupt: Vec<ItemId>,
}

impl Entries {
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut last = BTreeMap::new();
        for entry in entries {
            let id = match &entry {
                Entry::Put(listed) => listed.meta.item_id(),
                Entry::Removed(id) | Entry::Corrupt(id) => id.clone(),
            };
            last.insert(id, entry);
        }
        let mut page = Self { put: BTreeMap::new(), removed: Vec::new(), corrupt: Vec::new() };
        for (id, entry) in last {
            match entry {
                Entry::Put(listed) => {
                    page.put.insert(id, listed.meta);
                }
                Entry::Removed(_) => page.removed.push(id),
                Entry::Corrupt(_) => page.corrupt.push(id),
            }
        }
        page
    }

    /// Ids of the messages that are there.
    pub fn ids(&self) -> impl Iterator<Item = &ItemId> {
        self.put.keys().chain(&self.corrupt)
    }
}

/// Messages of a folder that could not be read, for whatever cause, and are asked for again, once in
/// each round, until they can be or are gone.
#[derive(Default)]
pub(super) struct Retry {
    /// From rounds before; not asked for yet.
    waiting: Vec<ItemId>,
    /// From this round.
    failed: Vec<ItemId>,
}

impl Retry {
    /// Those that a row remembers.
    pub fn of(row: &ContainerRow) -> Self {
        let ids: Option<Vec<ItemId>> =
            row.retry.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Self { waiting: ids.unwrap_or_default(), failed: Vec::new() }
    }

    /// The form of the row; nothing when there are none.
    pub fn to_json(&self) -> Option<String> {
        let ids: Vec<&ItemId> = self.waiting.iter().chain(&self.failed).collect();
        (!ids.is_empty()).then(|| serde_json::to_string(&ids).expect("ids are text and serialise"))
    }

    /// Asks for it again at the end of this round.
    pub fn again(&mut self, id: ItemId) {
        self.forget(&id);
        self.waiting.push(id);
    }

    /// Those that wait to be asked for in this round.
    pub fn take_waiting(&mut self) -> Vec<ItemId> {
        std::mem::take(&mut self.waiting)
    }

    /// The ids as text.
    pub fn into_ids(self) -> Vec<String> {
        self.waiting.into_iter().chain(self.failed).map(|id| id.0).collect()
    }

    /// The round itself tells of the message.
    pub fn forget(&mut self, id: &ItemId) {
        self.waiting.retain(|waiting| waiting != id);
        self.failed.retain(|failed| failed != id);
    }

    /// Asks for it in the next round.
    pub fn add(&mut self, id: ItemId) {
        self.forget(&id);
        self.failed.push(id);
    }
}

/// A message whose body is needed, and what the catalog knows of it.
struct Wanted {
    meta: MessageMeta,
    old: Option<ItemRow>,
}

/// What came of fetching a body.
enum Fetched {
    Stored(Content, StoredForm, u64),
    Skipped(SkipCause),
    Failed(Error),
}

impl MailboxRun<'_, '_, '_> {
    /// Applies a page of one folder. Messages that fail are kept for later in `retry`.
    pub async fn apply_page(
        &mut self,
        folder: &ContainerId,
        page: Entries,
        retry: &mut Retry,
    ) -> Result<()> {
        self.left.extend(page.removed.into_iter().map(|id| (folder.clone(), id)));
        for id in page.corrupt {
            retry.add(id.clone());
            self.skip(id.0, SkipCause::CorruptInService);
        }
        let mut known = self.lookup(page.put.keys()).await?;
        let mut wanted = Vec::new();
        for (id, meta) in page.put {
            retry.forget(&id);
            // It left and came back in one round.
            self.left.remove(&(folder.clone(), id.clone()));
            match known.remove(&id) {
                Some(row) if is_same(&row, &meta) && row.container == *folder => {}
                Some(row) if row.content_tag == meta.tag => {
                    if !self.relink(folder, &row, &meta)? {
                        wanted.push(Wanted { meta, old: Some(row) });
                    }
                }
                old => wanted.push(Wanted { meta, old }),
            }
        }
        self.fetch_all(folder, wanted, retry).await
    }

    /// Asks again for the messages that failed before.
    pub async fn apply_retries(&mut self, folder: &ContainerId, retry: &mut Retry) -> Result<()> {
        let user = self.resource.graph_id.clone();
        let mut wanted = Vec::new();
        for id in retry.take_waiting() {
            match mail::listed(self.shard.work.graph, &user, folder, &id).await {
                Ok(Some(listed)) => {
                    let old = self.lookup([&id].into_iter()).await?.remove(&id);
                    wanted.push(Wanted { meta: listed.meta, old });
                }
                Ok(None) => {}
                Err(error) if error.graph_kind() == Some(Kind::Corrupt) => {
                    retry.add(id.clone());
                    self.skip(id.0, SkipCause::CorruptInService);
                }
                Err(error) => {
                    let error = Error::from(error);
                    if ends_round(&error) {
                        return Err(error);
                    }
                    self.fail(id, &error, retry);
                }
            }
        }
        self.fetch_all(folder, wanted, retry).await
    }

    /// The rows of messages as they are now.
    pub async fn lookup(
        &self,
        ids: impl Iterator<Item = &ItemId>,
    ) -> Result<HashMap<ItemId, ItemRow>> {
        self.shard.lookup(&self.resource.id, ids).await
    }

    /// A move, or a change of what MIME does not say: the node is linked again, no body fetched.
    /// False when the tree does not have it, which costs a fetch and nothing else.
    fn relink(&mut self, folder: &ContainerId, old: &ItemRow, meta: &MessageMeta) -> Result<bool> {
        let mut state = self.shard.state();
        let taken = state.pending.take_item(&self.paths.of(&old.container), old)?;
        let Some((content, ItemMeta::Message(before))) = taken else { return Ok(false) };
        let meta = MessageMeta { form: before.form, ..meta.clone() };
        let row = self.row(folder, &meta, old.name.clone());
        let placed = Placed::message(self.shard.writer, &row.name, content, &meta)?;
        state.pending.put_item(&self.paths.of(folder), row, placed)?;
        drop(state);
        self.counts.items_changed += 1;
        Ok(true)
    }

    fn row(&self, folder: &ContainerId, meta: &MessageMeta, name: String) -> ItemRow {
        ItemRow {
            resource: self.resource.id.clone(),
            id: meta.item_id(),
            container: folder.clone(),
            name,
            change_key: meta.ck.clone(),
            content_tag: meta.tag.clone(),
        }
    }

    async fn fetch_all(
        &mut self,
        folder: &ContainerId,
        wanted: Vec<Wanted>,
        retry: &mut Retry,
    ) -> Result<()> {
        let (graph, writer) = (self.shard.work.graph, self.shard.writer);
        let user = self.resource.graph_id.clone();
        self.shard.work.progress.expect_items(wanted.len());
        let mut fetched = futures::stream::iter(wanted)
            .map(|wanted| {
                let user = &user;
                async move {
                    let id = wanted.meta.item_id();
                    let body = mail::fetch_body(graph, user, &id).await;
                    (wanted, stored(writer, body).await)
                }
            })
            .buffered(BODIES_AT_ONCE);
        let mut in_a_row = 0;
        while let Some((wanted, fetched)) = fetched.next().await {
            in_a_row = if matches!(fetched, Fetched::Failed(_)) { in_a_row + 1 } else { 0 };
            self.take_in(folder, wanted, fetched, retry, in_a_row)?;
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        folder: &ContainerId,
        wanted: Wanted,
        fetched: Fetched,
        retry: &mut Retry,
        in_a_row: usize,
    ) -> Result<()> {
        let id = wanted.meta.item_id();
        match fetched {
            Fetched::Stored(content, form, bytes) => {
                self.shard.work.progress.item_done(bytes);
                self.counts.bytes += bytes;
                self.put(folder, &MessageMeta { form, ..wanted.meta }, wanted.old.as_ref(), content)
            }
            Fetched::Skipped(cause) => {
                self.shard.work.progress.item_done(0);
                retry.add(id.clone());
                self.skip(id.0, cause);
                Ok(())
            }
            Fetched::Failed(error) if in_a_row >= FAILURES_IN_A_ROW || ends_round(&error) => {
                Err(error)
            }
            Fetched::Failed(error) => {
                self.fail(id, &error, retry);
                Ok(())
            }
        }
    }

    fn put(
        &mut self,
        folder: &ContainerId,
        meta: &MessageMeta,
        old: Option<&ItemRow>,
        content: Content,
    ) -> Result<()> {
        let name = mail::item_name(&meta.id, meta.filed_at(), &meta.subject, meta.form);
        // The name is given once, as long as the form stays.
        let ending = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let kept = old.map(|row| row.name.clone());
        let name = kept.filter(|kept| ending(kept) == ending(&name)).unwrap_or(name);
        let mut state = self.shard.state();
        if let Some(old) = old {
            state.pending.take_item(&self.paths.of(&old.container), old)?;
        }
        let row = self.row(folder, meta, name);
        let placed = Placed::message(self.shard.writer, &row.name, content, meta)?;
        state.pending.put_item(&self.paths.of(folder), row, placed)?;
        drop(state);
        match old {
            Some(_) => self.counts.items_changed += 1,
            None => self.counts.items_new += 1,
        }
        Ok(())
    }

    /// Records an item that is left out for a known cause; its last good version stays.
    pub fn skip(&mut self, item: String, cause: SkipCause) {
        self.counts.items_skipped += 1;
        self.problems.push(Problem { item, cause: cause.to_string(), skipped: true });
    }

    /// Records a failed item; its last good version stays.
    fn fail(&mut self, id: ItemId, error: &Error, retry: &mut Retry) {
        self.shard.work.progress.item_done(0);
        self.counts.items_failed += 1;
        self.problems.push(Problem { item: id.0.clone(), cause: error.cause(), skipped: false });
        retry.add(id);
    }
}

/// The service gives the same version as before. An absent change key proves nothing.
fn is_same(row: &ItemRow, meta: &MessageMeta) -> bool {
    !meta.ck.is_empty() && row.change_key == meta.ck
}

/// Failures that are not about one item. An item alone may be forbidden (403).
pub(super) fn ends_round(error: &Error) -> bool {
    let forbidden = error.graph().and_then(holdfast_graph::Error::status) == Some(403);
    error.stops_run()
        || matches!(kind(error), Some(Kind::Throttled | Kind::Unreachable))
        || (kind(error) == Some(Kind::Denied) && !forbidden)
}

async fn stored(
    writer: &std::sync::Arc<holdfast_vault::Writer>,
    body: holdfast_workloads::Result<Body>,
) -> Fetched {
    let (bytes, form, cut): (Bytes, _, _) = match body {
        Ok(Body::Mime(bytes)) => (bytes, StoredForm::Mime, Cut::Mime),
        Ok(Body::Json(bytes)) => (bytes, StoredForm::Json, Cut::Whole),
        Ok(Body::Skipped(cause)) => return Fetched::Skipped(cause),
        Err(error) => return Fetched::Failed(error.into()),
    };
    let size = bytes.len() as u64;
    match store(writer, bytes, cut).await {
        Ok(content) => Fetched::Stored(content, form, size),
        Err(error) => Fetched::Failed(error),
    }
}
