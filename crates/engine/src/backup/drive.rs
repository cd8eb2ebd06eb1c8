//! One site, or one person's OneDrive: its drives, and in each the folders, the files, and what is
//! gone.
//!
//! A drive tells its changes in one delta, folders and files mixed, in no order to be relied on.
//! What lies in a folder that was not told yet waits for it. Names are free only at the end of a
//! round: until then a newcomer whose name is taken carries its short id (`names`).

mod about;
mod files;
mod names;
mod receive;
mod removals;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use holdfast_catalog::{ContainerRow, ResourceRow};
use holdfast_graph::Kind;
use holdfast_model::{ContainerId, Counts, ItemId, SkipCause, Timestamp, Workload};
use holdfast_workloads::drive::{self, Drive, Entry, FileMeta, Round};
use holdfast_workloads::{ColumnsState, FolderMeta};

use self::names::Names;
use super::entries::Retry;
use super::folders::{Paths, is_expired};
use super::mailbox::kind;
use super::resource::{self, Done, note_state, unavailable};
use super::shard::ShardRun;
use super::{Problem, ResourceReport};
use crate::{Error, Result};

/// Folders below each other that are followed; a path has 400 characters at most.
const MAX_DEPTH: usize = 400;

/// Times that a round is begun: the service may ask more than once in a run to begin anew.
const BEGINNINGS: usize = 3;

/// One round of a site.
pub(super) async fn round(
    shard: &ShardRun<'_, '_>,
    resource: ResourceRow,
) -> Result<ResourceReport> {
    let read_at = shard.work.home.now();
    let known = shard.work.home.catalog.container_list(&resource.id).await?;
    tracing::debug!(target: "holdfast::stage", stage = "fetch");
    let drives = match drives(shard, &resource, &known).await {
        Err(error) if is_locked(&error) => {
            return unavailable(shard, resource, SkipCause::Locked).await;
        }
        drives => drives?,
    };
    if drives.is_empty() {
        return unavailable(shard, resource, SkipCause::NoDrive).await;
    }
    shard.state().pending.begin(resource.clone(), read_at);
    let mut done = Done { counts: Counts::default(), problems: Vec::new(), read_one: false };
    let mut failure = None;
    for row in known.iter().filter(|row| row.parent.is_none()) {
        note_state(&mut shard.state().pending.of(&resource.id).state.folders, row);
    }
    for (drive, rows) in drives_with_rows(&drives, &known)? {
        let mut run = DriveRun::new(shard, &resource, drive, rows);
        let result = run.read(read_at).await;
        done.counts.add(&run.counts);
        done.problems.append(&mut run.problems);
        done.read_one |= result.is_ok();
        match result {
            Err(error) if error.stops_run() => return Err(error),
            // As after a checkpoint: the round is not over.
            Err(Error::Stopped) => return Ok(done.report(&resource, Some(Error::Stopped))),
            Err(error) => {
                let resource = &resource.id;
                tracing::warn!(%resource, cause = error.cause(), "a drive was not read");
                failure.get_or_insert(error);
            }
            Ok(()) => {}
        }
    }
    removals::of_drives_gone(shard, &resource, &drives, &known, &mut done.counts).await?;
    let link = resource.list_link.clone();
    resource::finish(shard, resource.clone(), read_at, failure.is_none(), link).await?;
    Ok(done.report(&resource, failure))
}

/// The drives of a site. A OneDrive has one, which is asked for once.
async fn drives(
    shard: &ShardRun<'_, '_>,
    resource: &ResourceRow,
    known: &[ContainerRow],
) -> Result<Vec<Drive>> {
    // One that was not read whole may have another drive by now.
    if resource.workload == Workload::OneDrive && !resource.stale {
        let mut drives = Vec::new();
        for row in known.iter().filter(|row| row.parent.is_none()) {
            let name = row.display_name.clone();
            drives.extend(drive_of(row)?.map(|id| Drive { id, name }));
        }
        if !drives.is_empty() {
            return Ok(drives);
        }
    }
    Ok(drive::drives(shard.work.graph, &resource.graph_id).await?)
}

/// The drive whose root a row is.
fn drive_of(row: &ContainerRow) -> Result<Option<String>> {
    let meta = FolderMeta::from_json(&row.dir, row.meta.as_deref().unwrap_or_default())?;
    Ok(meta.file.and_then(|facts| facts.drive))
}

/// Each drive with the rows of its folders.
fn drives_with_rows<'d>(
    drives: &'d [Drive],
    known: &[ContainerRow],
) -> Result<Vec<(&'d Drive, BTreeMap<ContainerId, ContainerRow>)>> {
    let mut all = Vec::with_capacity(drives.len());
    for drive in drives {
        let mut root = None;
        for row in known.iter().filter(|row| row.parent.is_none()) {
            if drive_of(row)?.as_deref() == Some(drive.id.as_str()) {
                root = Some(row);
            }
        }
        all.push((drive, root.map(|root| removals::subtree(root, known)).unwrap_or_default()));
    }
    Ok(all)
}

/// The state of the run of one drive.
struct DriveRun<'r, 'a, 'w> {
    shard: &'r ShardRun<'a, 'w>,
    resource: &'r ResourceRow,
    drive: &'r Drive,
    paths: Paths,
    /// Folders as they are now; the root among them.
    rows: BTreeMap<ContainerId, ContainerRow>,
    names: Names,
    counts: Counts,
    problems: Vec<Problem>,
    /// Ids that the service said are gone: applied at the end of the round.
    removed: BTreeSet<String>,
    /// Entries whose folder is not known yet.
    waiting: Vec<Entry>,
    retry: Retry,
    facts: about::Round,
}

impl<'r, 'a, 'w> DriveRun<'r, 'a, 'w> {
    fn new(
        shard: &'r ShardRun<'a, 'w>,
        resource: &'r ResourceRow,
        drive: &'r Drive,
        rows: BTreeMap<ContainerId, ContainerRow>,
    ) -> Self {
        Self {
            shard,
            resource,
            drive,
            paths: Paths::new(resource, rows.values()),
            names: Names::new(rows.values()),
            rows,
            counts: Counts::default(),
            problems: Vec::new(),
            removed: BTreeSet::new(),
            waiting: Vec::new(),
            retry: Retry::default(),
            facts: about::Round::default(),
        }
    }

    fn root(&self) -> Option<&ContainerRow> {
        self.rows.values().find(|row| row.parent.is_none())
    }

    /// One round; one that cannot go on from where the last one stopped begins anew.
    async fn read(&mut self, read_at: Timestamp) -> Result<()> {
        let root = self.root();
        let mut link =
            root.and_then(|row| row.next_link.clone().or_else(|| row.delta_link.clone()));
        let graph = self.shard.work.graph;
        let mut beginnings = 0;
        loop {
            beginnings += 1;
            let round = Round::start(graph, &self.drive.id, link.as_deref());
            match self.read_round(round, read_at).await {
                // Expired, or lost on the way (onedrive-api-docs#1476).
                Err(error) if beginnings < BEGINNINGS && begins_anew(kind(&error)) => {
                    self.removed.clear();
                    self.waiting.clear();
                    link = None;
                }
                done => return done,
            }
        }
    }

    async fn read_round(&mut self, mut round: Round<'_>, read_at: Timestamp) -> Result<()> {
        // An interrupted enumeration of a known drive starts again: only a whole one can tell
        // what is gone.
        let is_first = self.rows.is_empty();
        let resumable = !round.is_full() || is_first;
        let root = self.root();
        let goes_on = root.is_some_and(|row| row.next_link.is_some() && row.delta_link.is_none());
        let columns_state = root.and_then(|row| row.columns.as_deref());
        let columns_state = columns_state.and_then(ColumnsState::from_json);
        self.facts = about::Round::new(round.is_full(), goes_on, columns_state);
        self.retry = self.root().map(Retry::of).unwrap_or_default();
        let (mut seen, none) = (HashSet::new(), BTreeSet::new());
        while let Some((entries, next)) = round.next_page().await? {
            if round.is_full() && !is_first {
                let there = entries.iter().filter(|entry| !matches!(entry, Entry::Removed(_)));
                seen.extend(there.map(|entry| entry.id().to_owned()));
            }
            self.apply(entries, &none, read_at).await?;
            // A page that told of removals is told again: they wait for the end of the round.
            if resumable && self.removed.is_empty() && self.waiting.is_empty() {
                self.note_root(|row| row.next_link = next);
            }
            self.shard.go_on().await?;
        }
        self.settle_waiting(read_at).await?;
        if round.is_full() && !is_first {
            self.note_unseen(&seen).await?;
        }
        self.apply_removals().await?;
        self.apply_retries(read_at).await?;
        self.ask_for_replaced(read_at).await?;
        self.plain_names().await?;
        let link = round.delta_link().map(str::to_owned);
        let columns = self.facts.columns_state.as_ref().map(ColumnsState::to_json);
        self.note_root(|row| {
            row.next_link = None;
            row.delta_link = link;
            row.columns = columns;
        });
        Ok(())
    }

    /// Keeps the new links of the drive for the next commit.
    fn note_root(&mut self, change: impl FnOnce(&mut ContainerRow)) {
        let Some(row) = self.rows.values_mut().find(|row| row.parent.is_none()) else { return };
        change(row);
        row.retry = self.retry.to_json();
        let row = row.clone();
        let mut state = self.shard.state();
        note_state(&mut state.pending.of(&self.resource.id).state.folders, &row);
        state.pending.put_container(row);
    }

    /// Applies entries: folders, then files. Of an item that is told twice the last entry counts.
    async fn apply(
        &mut self,
        entries: Vec<Entry>,
        again: &BTreeSet<ItemId>,
        read_at: Timestamp,
    ) -> Result<()> {
        let mut last = BTreeMap::new();
        for entry in std::mem::take(&mut self.waiting).into_iter().chain(entries) {
            last.insert(entry.id().to_owned(), entry);
        }
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for (id, entry) in last {
            match entry {
                Entry::Removed(_) => {
                    self.removed.insert(id);
                    continue;
                }
                Entry::Unread(id, cause) => self.fail(id, cause),
                Entry::Folder(folder) => folders.push(*folder),
                Entry::File(listed) => files.push(*listed),
            }
            self.removed.remove(&id);
        }
        let open = self.place_folders(folders, read_at).await?;
        self.waiting.extend(open.into_iter().map(|folder| Entry::Folder(Box::new(folder))));
        let (files, early): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|listed| self.rows.contains_key(&listed.parent));
        self.waiting.extend(early.into_iter().map(|listed| Entry::File(Box::new(listed))));
        self.apply_files(files, again).await
    }

    /// Asks for the folders that were never told and hold what was. What lies in none is gone, or
    /// will be told in the next round.
    async fn settle_waiting(&mut self, read_at: Timestamp) -> Result<()> {
        let mut asked = HashSet::new();
        for _ in 0..MAX_DEPTH {
            let missing = self.waiting.iter().filter_map(|entry| match entry {
                Entry::Folder(folder) => folder.parent.clone(),
                Entry::File(listed) => Some(listed.parent.clone()),
                Entry::Removed(_) | Entry::Unread(..) => None,
            });
            let missing: BTreeSet<ContainerId> = missing
                .filter(|id| !self.rows.contains_key(id) && asked.insert(id.clone()))
                .collect();
            if missing.is_empty() {
                break;
            }
            let mut found = Vec::new();
            for id in missing {
                let id = ItemId(id.0);
                match drive::listed(self.shard.work.graph, &self.drive.id, &id).await {
                    Ok(entry) => found.extend(entry),
                    Err(error) => self.fail_or_end(id, error.into())?,
                }
            }
            self.apply(found, &BTreeSet::new(), read_at).await?;
        }
        for entry in std::mem::take(&mut self.waiting) {
            let id = entry.id().to_owned();
            self.retry.add(ItemId(id.clone()));
            self.skip(id, SkipCause::DeletedInFlight);
        }
        Ok(())
    }

    /// Records an item that is left out for a known cause; its last good version stays.
    fn skip(&mut self, item: String, cause: SkipCause) {
        self.counts.items_skipped += 1;
        self.problems.push(Problem { item, cause: cause.to_string(), skipped: true });
    }

    /// Records a failed item; its last good version stays.
    fn fail(&mut self, id: ItemId, cause: String) {
        self.counts.items_failed += 1;
        self.problems.push(Problem { item: id.0.clone(), cause, skipped: false });
        self.retry.add(id);
    }

    /// Records a failed item, unless the failure is one of the whole drive.
    fn fail_or_end(&mut self, id: ItemId, error: Error) -> Result<()> {
        if ends_round(&error) {
            return Err(error);
        }
        self.fail(id, error.cause());
        Ok(())
    }

    /// Path of something in the directory of the resource.
    fn own_path(&self, path: &[String]) -> Vec<String> {
        self.paths.root().iter().chain(path).cloned().collect()
    }
}

/// A place from which reading cannot go on: the token is too old, or the service refuses its own link.
fn begins_anew(kind: Option<Kind>) -> bool {
    is_expired(kind) || matches!(kind, Some(Kind::Invalid | Kind::Loop))
}

/// A site that its administrator or a lapsed subscription has locked.
fn is_locked(error: &Error) -> bool {
    let nobody = FileMeta::default();
    let cause = error.graph().and_then(|error| drive::skip_cause(error, &nobody));
    cause == Some(SkipCause::Locked)
}

/// Failures that concern the whole drive.
fn ends_round(error: &Error) -> bool {
    super::entries::ends_round(error) || matches!(kind(error), Some(Kind::Gone))
}
