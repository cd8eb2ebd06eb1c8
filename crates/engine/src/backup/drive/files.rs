//! The files of one page: which are new, which changed, which only moved.

use futures::StreamExt;
use holdfast_catalog::ItemRow;
use holdfast_model::{ItemId, SkipCause, Timestamp};
use holdfast_vault::{Content, Cut};
use holdfast_workloads::ItemMeta;
use holdfast_workloads::drive::{self, FileForm, FileMeta, Listed};

use super::super::entries::FAILURES_IN_A_ROW;
use super::super::place::{Placed, store};
use super::receive::receive;
use super::{DriveRun, ends_round};
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
    /// Its content and its `quickXorHash`.
    Stored(Content, Option<String>),
    Skipped(SkipCause),
    /// It was changed meanwhile, so that it has to be listed again.
    Changed,
    Failed(Error),
}

impl DriveRun<'_, '_, '_> {
    /// Applies the files of a page, whose folders are all known.
    pub(super) async fn apply_files(&mut self, files: Vec<Listed>) -> Result<()> {
        let ids: Vec<ItemId> = files.iter().map(|listed| listed.meta.item_id()).collect();
        let mut known = self.shard.lookup(&self.resource.id, ids.iter()).await?;
        let mut wanted = Vec::new();
        for listed in files {
            let id = listed.meta.item_id();
            self.retry.forget(&id);
            let again = self.facts.to_fetch.remove(&id);
            let etag = Some(&listed.meta.etag).filter(|etag| !etag.is_empty());
            match known.remove(&id) {
                Some(row) if again && Some(&row.change_key) == etag => {
                    wanted.push(Wanted { listed, old: Some(row) });
                }
                Some(row) if self.is_same(&row, &listed) => {}
                Some(row) if row.content_tag == listed.meta.ctag => {
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
    /// is told in a round of changes may be shared in another way.
    fn is_same(&self, row: &ItemRow, listed: &Listed) -> bool {
        !listed.meta.etag.is_empty()
            && row.change_key == listed.meta.etag
            && lies_as_listed(row, listed)
            && !listed.sharing_changed
            && (self.facts.is_full || !listed.meta.shared)
    }

    /// Asks again for the files that could not be read before. One that is listed as it is stored
    /// was damaged in the vault, and is fetched.
    pub(super) async fn apply_retries(&mut self, read_at: Timestamp) -> Result<()> {
        let mut found = Vec::new();
        for id in self.retry.take_waiting() {
            match drive::listed(self.shard.work.graph, &self.drive.id, &id).await {
                Ok(Some(entry)) => found.push(entry),
                Ok(None) => {}
                Err(error) => {
                    let error = Error::from(error);
                    if ends_round(&error) {
                        return Err(error);
                    }
                    self.fail(id, error.cause());
                }
            }
        }
        self.facts.to_fetch = found.iter().map(|entry| ItemId(entry.id().to_owned())).collect();
        self.apply(found, read_at).await?;
        for entry in std::mem::take(&mut self.waiting) {
            self.retry.add(ItemId(entry.id().to_owned()));
        }
        Ok(())
    }

    /// A move, a new name or other metadata: the node is linked again, nothing fetched. The file
    /// comes back when the tree does not have it, which costs a fetch and nothing else.
    async fn relink(&mut self, old: &ItemRow, listed: Listed) -> Result<Option<Listed>> {
        let about = self.about_file(&listed, Some(old)).await?;
        if old.change_key.is_empty() {
            // Something beside the file could not be had the last time.
            self.take_versions(&listed.meta).await?;
        }
        let path = self.paths.of(&old.container);
        let taken = self.shard.state().pending.take_item(&path, old)?;
        let Some((content, ItemMeta::File(before))) = taken else { return Ok(Some(listed)) };
        let meta = FileMeta { about, got_xor: before.got_xor, ..listed.meta };
        self.put(Some(old), meta, &listed.parent, content)?;
        self.counts.items_changed += 1;
        Ok(None)
    }

    async fn fetch_all(&mut self, wanted: Vec<Wanted>) -> Result<()> {
        let (graph, writer) = (self.shard.work.graph, self.shard.writer);
        let drive = self.drive.id.clone();
        self.shard.work.progress.expect_items(wanted.len());
        let mut fetched = futures::stream::iter(wanted)
            .map(|wanted| {
                let drive = &drive;
                async move {
                    let fetched = fetch(graph, writer, drive, &wanted.listed).await;
                    (wanted, fetched)
                }
            })
            .buffered(FILES_AT_ONCE);
        let mut in_a_row = 0;
        while let Some((wanted, fetched)) = fetched.next().await {
            in_a_row = if matches!(fetched, Fetched::Failed(_)) { in_a_row + 1 } else { 0 };
            self.take_in(wanted, fetched, in_a_row).await?;
        }
        Ok(())
    }

    async fn take_in(&mut self, wanted: Wanted, fetched: Fetched, in_a_row: usize) -> Result<()> {
        let id = wanted.listed.meta.item_id();
        if !matches!(fetched, Fetched::Stored(..)) {
            self.follow(&wanted)?;
        }
        let progress = self.shard.work.progress;
        match fetched {
            Fetched::Stored(content, xor) => {
                progress.item_done(content.size);
                self.counts.bytes += content.size;
                return self.put_fetched(wanted, content, xor).await;
            }
            Fetched::Skipped(cause) => {
                self.retry.add(id.clone());
                self.skip(id.0, cause);
            }
            // Asked for once more at the end of the round, unless that was it.
            Fetched::Changed if self.facts.asked_again.insert(id.clone()) => self.retry.again(id),
            Fetched::Changed => self.fail(id, "changed_meanwhile".to_owned()),
            Fetched::Failed(error) if in_a_row >= FAILURES_IN_A_ROW || ends_drive(&error) => {
                return Err(error);
            }
            Fetched::Failed(error) => self.fail(id, error.cause()),
        }
        progress.item_done(0);
        Ok(())
    }

    /// The last version of a file that could not be read goes where the file is now: the folder in
    /// which it lay may be gone at the end of the round.
    fn follow(&mut self, wanted: &Wanted) -> Result<()> {
        let Wanted { listed, old: Some(old) } = wanted else { return Ok(()) };
        if lies_as_listed(old, listed) {
            return Ok(());
        }
        let path = self.paths.of(&old.container);
        let taken = self.shard.state().pending.take_item(&path, old)?;
        let Some((content, ItemMeta::File(before))) = taken else { return Ok(()) };
        let meta = FileMeta { name: listed.meta.name.clone(), ..before };
        self.put(Some(old), meta, &listed.parent, content)
    }

    async fn put_fetched(
        &mut self,
        wanted: Wanted,
        content: Content,
        xor: Option<String>,
    ) -> Result<()> {
        let Wanted { listed, old } = wanted;
        let about = self.about_file(&listed, old.as_ref()).await?;
        self.take_versions(&listed.meta).await?;
        if let Some(old) = &old {
            let path = self.paths.of(&old.container);
            self.shard.state().pending.take_item(&path, old)?;
        }
        let mut meta = FileMeta { about, ..listed.meta };
        xor.into_iter().for_each(|xor| meta.received(xor));
        self.put(old.as_ref(), meta, &listed.parent, content)?;
        match old {
            Some(_) => self.counts.items_changed += 1,
            None => self.counts.items_new += 1,
        }
        Ok(())
    }

    fn put(
        &mut self,
        old: Option<&ItemRow>,
        meta: FileMeta,
        parent: &holdfast_model::ContainerId,
        content: Content,
    ) -> Result<()> {
        let mut meta = meta;
        if self.facts.lacking.contains(&meta.item_id()) {
            meta.etag.clear(); // equals no other, so that the rest is asked for again
        }
        let name = self.file_name(parent, &meta.stored_name(), &meta.item_id(), old)?;
        let row = ItemRow {
            resource: self.resource.id.clone(),
            id: meta.item_id(),
            container: parent.clone(),
            name,
            change_key: meta.etag.clone(),
            content_tag: meta.ctag.clone(),
        };
        let placed = Placed::file(&row.name, content, &meta);
        self.shard.state().pending.put_item(&self.paths.of(parent), row, placed)
    }
}

/// True where a row has the folder and the name that the service shows.
fn lies_as_listed(row: &ItemRow, listed: &Listed) -> bool {
    let name = listed.meta.stored_name();
    let is_named = row.name == drive::file_name(&name)
        || row.name == drive::file_name_with_id(&name, row.id.as_str());
    is_named && row.container == listed.parent
}

/// Failures of one file that concern the whole drive. A download address may answer 401 or 410 for
/// ever, though the sign-in is in order (onedrive-api-docs#189); where it is not, the next page
/// tells.
pub(super) fn ends_drive(error: &Error) -> bool {
    let status = error.graph().and_then(holdfast_graph::Error::status);
    ends_round(error) && !matches!(status, Some(401 | 410))
}

async fn fetch(
    graph: &holdfast_graph::Graph,
    writer: &std::sync::Arc<holdfast_vault::Writer>,
    drive: &str,
    listed: &Listed,
) -> Fetched {
    if let (FileForm::Shortcut, Some(shortcut)) = (listed.meta.form, &listed.shortcut) {
        return match store(writer, shortcut.to_string().into(), Cut::Whole).await {
            Ok(content) => Fetched::Stored(content, None),
            Err(error) => Fetched::Failed(error),
        };
    }
    if listed.malware {
        return Fetched::Skipped(SkipCause::Malware);
    }
    let download = drive::content(graph, drive, &listed.meta.item_id());
    match receive(writer, download).await {
        Ok(got)
            if drive::is_error_page(&listed.meta, &got.beginning, got.content.size, &got.xor) =>
        {
            Fetched::Skipped(SkipCause::Malware)
        }
        Ok(got) => Fetched::Stored(got.content, Some(got.xor)),
        Err(error) => match error.graph() {
            Some(graph) if graph.kind() == holdfast_graph::Kind::Changed => Fetched::Changed,
            Some(graph) => match drive::skip_cause(graph, &listed.meta) {
                Some(cause) => Fetched::Skipped(cause),
                None => Fetched::Failed(error),
            },
            None => Fetched::Failed(error),
        },
    }
}
