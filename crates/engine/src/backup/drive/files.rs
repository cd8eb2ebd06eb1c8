//! The files of one page: which are new, which changed, which only moved.

use std::collections::BTreeSet;

use futures::StreamExt;
use holdfast_catalog::ItemRow;
use holdfast_graph::Kind;
use holdfast_model::{ContainerId, ItemId, SkipCause, Timestamp};
use holdfast_vault::{Content, Cut};
use holdfast_workloads::ItemMeta;
use holdfast_workloads::drive::{self, FileForm, FileMeta, Listed};

use super::super::entries::FAILURES_IN_A_ROW;
use super::super::mailbox::kind;
use super::super::place::{Placed, store};
use super::DriveRun;
use super::about::{Facts, Read};
use super::receive::receive;
use crate::{Error, Result};

/// Files of one drive fetched at once; the tenant's budget bounds all drives together.
const FILES_AT_ONCE: usize = 4;

/// A file whose content is needed, and what the catalog knows of it.
struct Wanted {
    listed: Listed,
    old: Option<ItemRow>,
}

/// What came of fetching a file.
enum Fetched {
    /// Its content, its `quickXorHash`, and what lies beside it.
    Stored(Content, Option<String>, Box<Read>),
    Skipped(SkipCause),
    /// It was changed meanwhile, so that it has to be listed again.
    Changed,
    Failed(Error),
}

impl DriveRun<'_, '_, '_> {
    /// Applies the files of a page, whose folders are all known. Those in `again` are fetched
    /// whatever their tags say.
    pub(super) async fn apply_files(
        &mut self,
        files: Vec<Listed>,
        again: &BTreeSet<ItemId>,
    ) -> Result<()> {
        let ids: Vec<ItemId> = files.iter().map(|listed| listed.meta.item_id()).collect();
        let mut known = self.shard.lookup(&self.resource.id, ids.iter()).await?;
        let mut wanted = Vec::new();
        for listed in files {
            let id = listed.meta.item_id();
            self.retry.forget(&id);
            let is_known = !listed.meta.ctag.is_empty() && !again.contains(&id);
            match known.remove(&id) {
                Some(row) if is_known && self.is_same(&row, &listed) => {}
                Some(row) if is_known && row.content_tag == listed.meta.ctag => {
                    if let Some(listed) = self.relink(&row, listed).await? {
                        wanted.push(Wanted { listed, old: Some(row) });
                    }
                }
                old => wanted.push(Wanted { listed, old }),
            }
        }
        self.fetch_all(wanted).await
    }

    /// The service shows the same file as before. An absent tag proves nothing; a shared file that
    /// is told may be shared in another way.
    fn is_same(&self, row: &ItemRow, listed: &Listed) -> bool {
        let stored_name = listed.meta.stored_name();
        let named = row.name == drive::file_name(&stored_name)
            || row.name == drive::file_name_with_id(&stored_name, row.id.as_str());
        !listed.meta.etag.is_empty()
            && row.change_key == listed.meta.etag
            && row.container == listed.parent
            && named
            && !listed.sharing_changed
            && !listed.meta.shared
    }

    /// Asks again for the files that could not be read before.
    pub(super) async fn apply_retries(&mut self, read_at: Timestamp) -> Result<()> {
        let mut found = Vec::new();
        let again: BTreeSet<ItemId> = self.retry.take_waiting().into_iter().collect();
        for id in &again {
            match drive::listed(self.shard.work.graph, &self.drive.id, id).await {
                Ok(Some(entry)) => found.push(entry),
                Ok(None) => {}
                Err(error) => self.fail_or_end(id.clone(), error.into())?,
            }
        }
        self.apply(found, &again, read_at).await?;
        for entry in std::mem::take(&mut self.waiting) {
            self.retry.add(ItemId(entry.id().to_owned()));
        }
        Ok(())
    }

    /// A move, a new name or other metadata: the node is linked again, nothing fetched. The file
    /// comes back when the tree does not have it, which costs a fetch and nothing else.
    async fn relink(&mut self, old: &ItemRow, listed: Listed) -> Result<Option<Listed>> {
        let source = self.source().await?;
        let read = source.facts(&listed.meta).await;
        let Some((content, before)) = self.stored(old)? else { return Ok(Some(listed)) };
        let about = self.put_facts(&listed.meta, read, before.about.as_deref()).await?;
        let meta = FileMeta { about, got_xor: before.got_xor, ..listed.meta };
        self.put(Some(old), &meta, &listed.parent, content)?;
        self.counts.items_changed += 1;
        Ok(None)
    }

    /// What the tree has of a file.
    pub(super) fn stored(&self, row: &ItemRow) -> Result<Option<(Content, FileMeta)>> {
        let path = self.paths.of(&row.container);
        let node = self.shard.state().pending.item_node(&path, self.resource, &row.name)?;
        Ok(match node {
            Some((content, ItemMeta::File(meta))) => Some((content, meta)),
            _ => None,
        })
    }

    /// Fetches content and what lies beside it. Nothing else is asked of Graph while downloads are
    /// under way: they hold places in the queue of the budget, and go on only while they are
    /// looked at.
    async fn fetch_all(&mut self, wanted: Vec<Wanted>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let source = &self.source().await?;
        self.shard.work.progress.expect_items(wanted.len());
        let mut fetched = futures::stream::iter(wanted)
            .map(|wanted| async move {
                let fetched = fetch(source, &wanted).await;
                (wanted, fetched)
            })
            .buffered(FILES_AT_ONCE);
        let mut in_a_row = 0;
        while let Some((wanted, fetched)) = fetched.next().await {
            let is_down =
                |error: &Error| matches!(kind(error), Some(Kind::Transient | Kind::Unreachable));
            in_a_row = match &fetched {
                Fetched::Failed(error) if is_down(error) => in_a_row + 1,
                _ => 0,
            };
            self.take_in(wanted, fetched, in_a_row).await?;
            self.shard.go_on().await?;
        }
        Ok(())
    }

    async fn take_in(&mut self, wanted: Wanted, fetched: Fetched, in_a_row: usize) -> Result<()> {
        let id = wanted.listed.meta.item_id();
        let progress = self.shard.work.progress;
        match fetched {
            Fetched::Stored(content, xor, read) => {
                progress.item_done(content.size);
                self.counts.bytes += content.size;
                return self.put_fetched(wanted, content, xor, *read).await;
            }
            Fetched::Skipped(cause) => {
                self.retry.add(id.clone());
                self.skip(id.0, cause);
            }
            // Asked for once more at the end of the round, unless that was it.
            Fetched::Changed if self.facts.asked_again.insert(id.clone()) => self.retry.again(id),
            Fetched::Changed => self.fail(id, "changed_meanwhile".to_owned()),
            Fetched::Failed(error) if in_a_row >= FAILURES_IN_A_ROW || is_fatal(&error) => {
                return Err(error);
            }
            Fetched::Failed(error) => self.fail(id, error.cause()),
        }
        progress.item_done(0);
        match &wanted.old {
            Some(old) => self.follow(old, &wanted.listed),
            None => Ok(()),
        }
    }

    /// A file that could not be read keeps its last good version, in the place where it lies now.
    fn follow(&mut self, old: &ItemRow, listed: &Listed) -> Result<()> {
        let Some((content, before)) = self.stored(old)? else { return Ok(()) };
        if old.container == listed.parent && before.name == listed.meta.name {
            return Ok(());
        }
        let meta = FileMeta { name: listed.meta.name.clone(), ..before };
        self.put(Some(old), &meta, &listed.parent, content)
    }

    async fn put_fetched(
        &mut self,
        wanted: Wanted,
        content: Content,
        xor: Option<String>,
        read: Read,
    ) -> Result<()> {
        let Wanted { listed, old } = wanted;
        let before = match &old {
            Some(old) => self.stored(old)?.and_then(|(_, meta)| meta.about),
            None => None,
        };
        let about = self.put_facts(&listed.meta, read, before.as_deref()).await?;
        let mut meta = FileMeta { about, ..listed.meta };
        xor.into_iter().for_each(|xor| meta.received(xor));
        self.put(old.as_ref(), &meta, &listed.parent, content)?;
        match old {
            Some(_) => self.counts.items_changed += 1,
            None => self.counts.items_new += 1,
        }
        Ok(())
    }

    /// Puts a file in its place and takes it out of its old one, under one lock: a checkpoint finds
    /// tree and row in agreement.
    fn put(
        &mut self,
        old: Option<&ItemRow>,
        meta: &FileMeta,
        parent: &ContainerId,
        content: Content,
    ) -> Result<()> {
        let name = self.file_name(parent, &meta.stored_name(), &meta.item_id(), old)?;
        let row = ItemRow {
            resource: self.resource.id.clone(),
            id: meta.item_id(),
            container: parent.clone(),
            name,
            change_key: meta.etag.clone(),
            content_tag: meta.ctag.clone(),
        };
        let placed = Placed::file(&row.name, content, meta);
        let path = self.paths.of(parent);
        let mut state = self.shard.state();
        if let Some(old) = old {
            state.pending.take_item(&self.paths.of(&old.container), old)?;
        }
        state.pending.put_item(&path, row, placed)
    }
}

/// What is told of one file's address says nothing about the drive: only a service that wants to be
/// left alone, and our own failures, end the round.
fn is_fatal(error: &Error) -> bool {
    error.stops_run() || kind(error) == Some(Kind::Throttled) || is_signed_out(error)
}

fn is_signed_out(error: &Error) -> bool {
    matches!(error.graph(), Some(holdfast_graph::Error::SignIn(_)))
}

async fn fetch(source: &Facts<'_, '_, '_>, wanted: &Wanted) -> Fetched {
    let listed = &wanted.listed;
    if let (FileForm::Shortcut, Some(shortcut)) = (listed.meta.form, &listed.shortcut) {
        return match store(source.shard.writer, shortcut.to_string().into(), Cut::Whole).await {
            Ok(content) => Fetched::Stored(content, None, Box::default()),
            Err(error) => Fetched::Failed(error),
        };
    }
    if listed.malware {
        return Fetched::Skipped(SkipCause::Malware);
    }
    let download = drive::content(source.shard.work.graph, source.drive, listed);
    match receive(source.shard.writer, download).await {
        Ok(got)
            if drive::is_error_page(&listed.meta, &got.beginning, got.content.size, &got.xor) =>
        {
            Fetched::Skipped(SkipCause::Malware)
        }
        Ok(got) => {
            let mut read = source.facts(&listed.meta).await;
            read.versions = source.versions(&listed.meta).await;
            Fetched::Stored(got.content, Some(got.xor), Box::new(read))
        }
        Err(error) => not_given(error, &listed.meta),
    }
}

fn not_given(error: Error, meta: &FileMeta) -> Fetched {
    match error.graph() {
        Some(graph) if graph.kind() == Kind::Changed => Fetched::Changed,
        Some(graph) => match drive::skip_cause(graph, meta) {
            Some(cause) => Fetched::Skipped(cause),
            None => Fetched::Failed(error),
        },
        None => Fetched::Failed(error),
    }
}
