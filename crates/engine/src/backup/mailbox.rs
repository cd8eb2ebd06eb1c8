//! One mailbox: folders, then the messages of each, then what is gone.
//!
//! The mailbox is the unit of change: removals are applied only when all folders were read, for a
//! message that left one folder may have arrived in another.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use holdfast_catalog::{ContainerRow, ItemRow, ResourceRow};
use holdfast_graph::Kind;
use holdfast_model::{ContainerId, Counts, ItemId, SkipCause};
use holdfast_workloads::mail::{self, Absence, Round};

use super::entries::{Entries, Retry};
use super::folders::{self, FolderPlan, Paths};
use super::resource::{self, Done, note_state, unavailable};
use super::shard::ShardRun;
use super::{Problem, ResourceReport};
use crate::{Error, Result};

/// Codes by which Graph says that a user has no mailbox (docs-contrib#405, #6519).
const NO_MAILBOX: [&str; 3] =
    ["MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorNonExistentMailbox"];

/// The state of one mailbox run.
pub(super) struct MailboxRun<'r, 'a, 'w> {
    pub shard: &'r ShardRun<'a, 'w>,
    pub resource: ResourceRow,
    pub paths: Paths,
    pub rows: BTreeMap<ContainerId, ContainerRow>,
    pub counts: Counts,
    pub problems: Vec<Problem>,
    /// At least one folder could be read.
    pub read_one: bool,
    /// Messages that left a folder: applied at the end, if at all.
    pub left: BTreeSet<(ContainerId, ItemId)>,
    /// Folders that went away after they were listed.
    gone: BTreeMap<ContainerId, ContainerRow>,
}

/// One round of a mailbox.
pub(super) async fn round(
    shard: &ShardRun<'_, '_>,
    resource: ResourceRow,
) -> Result<ResourceReport> {
    let read_at = shard.work.home.now();
    let known = shard.work.home.catalog.container_list(&resource.id).await?;
    tracing::debug!(target: "holdfast::stage", stage = "fetch");
    let plan = match folders::plan(shard.work.graph, &resource, known.clone()).await {
        Ok(plan) => plan,
        Err(error) if is_without_mailbox(&error) => {
            return unavailable(shard, resource, SkipCause::NoMailbox).await;
        }
        Err(error) => return Err(error),
    };
    let paths = {
        let mut state = shard.state();
        state.pending.begin(resource.clone(), read_at);
        folders::apply(&mut state.pending, &resource, &known, &plan, read_at)?
    };
    let mut mailbox = MailboxRun {
        shard,
        resource,
        paths,
        rows: plan.rows.clone(),
        counts: Counts::default(),
        problems: Vec::new(),
        read_one: false,
        left: BTreeSet::new(),
        gone: BTreeMap::new(),
    };
    mailbox.note_folders(&known, plan.rows.values().chain(plan.removed.values()));
    let failure = mailbox.read_folders(&plan).await?;
    mailbox.finish(&plan, &known, read_at, failure).await
}

fn is_without_mailbox(error: &Error) -> bool {
    let code = error.graph().and_then(|error| error.code()).unwrap_or_default();
    NO_MAILBOX.iter().any(|known| known.eq_ignore_ascii_case(code))
}

impl MailboxRun<'_, '_, '_> {
    /// Keeps the rows of the plan that changed for the next commit.
    fn note_folders<'p>(
        &self,
        known: &[ContainerRow],
        rows: impl Iterator<Item = &'p ContainerRow>,
    ) {
        let known: HashMap<_, _> = known.iter().map(|row| (&row.id, row)).collect();
        let mut state = self.shard.state();
        for row in rows {
            if known.get(&row.id) != Some(&row) {
                state.pending.put_container(row.clone());
            }
            note_state(&mut state.pending.of(&self.resource.id).state.folders, row);
        }
    }

    /// Keeps the new links of a folder for the next commit.
    pub fn note_row(&mut self, id: &ContainerId, change: impl FnOnce(&mut ContainerRow)) {
        let Some(row) = self.rows.get_mut(id) else { return };
        change(row);
        let row = row.clone();
        let mut state = self.shard.state();
        note_state(&mut state.pending.of(&self.resource.id).state.folders, &row);
        state.pending.put_container(row);
    }

    /// Reads all folders; answers with the first failure of Graph that stopped one.
    async fn read_folders(&mut self, plan: &FolderPlan) -> Result<Option<Error>> {
        let mut failure = None;
        for id in plan.rows.keys() {
            let Err(error) = self.read_folder(id).await else {
                self.read_one = true;
                continue;
            };
            if error.stops_run() {
                return Err(error);
            }
            let resource = &self.resource.id;
            tracing::warn!(%resource, cause = error.cause(), "a folder was not read");
            if matches!(error, Error::Stopped) {
                return Ok(Some(error));
            }
            let stop = concerns_all(&error);
            failure.get_or_insert(error);
            if stop {
                break;
            }
        }
        Ok(failure)
    }

    /// One round of one folder.
    async fn read_folder(&mut self, id: &ContainerId) -> Result<()> {
        let row = self.rows[id].clone();
        let link = row.next_link.as_deref().or(row.delta_link.as_deref());
        let user = self.resource.graph_id.clone();
        let graph = self.shard.work.graph;
        let done = self.read_round(id, Round::start(graph, &user, id, link)).await;
        let done = match done {
            // Expired, or lost on the way (onedrive-api-docs#1476): once more from the beginning.
            Err(error) if folders::is_expired(kind(&error)) && !is_without_mailbox(&error) => {
                self.read_round(id, Round::start(graph, &user, id, None)).await
            }
            other => other,
        };
        let done = match done {
            Err(error) if kind(&error) == Some(Kind::Invalid) => {
                self.read_round(id, Round::start_plain(graph, &user, id)).await
            }
            other => other,
        };
        match done {
            Err(error) if kind(&error) == Some(Kind::NotFound) && !is_without_mailbox(&error) => {
                if mail::folder_exists(graph, &user, id).await? {
                    return Err(error);
                }
                // It went away after it was listed.
                self.gone.insert(id.clone(), row);
                Ok(())
            }
            other => other,
        }
    }

    async fn read_round(&mut self, id: &ContainerId, mut round: Round<'_>) -> Result<()> {
        // An interrupted enumeration of a known folder starts again: only a whole one can tell
        // what is gone.
        let resumable = !round.is_full() || self.items_in(id).await?.is_empty();
        let mut seen = HashSet::new();
        let mut retry = Retry::of(&self.rows[id]);
        while let Some((entries, next)) = round.next_page().await? {
            let page = Entries::new(entries);
            seen.extend(page.ids().cloned());
            self.apply_page(id, page, &mut retry).await?;
            // A page that told of removals is told again: they wait for the end of the round.
            if resumable && !self.has_left(id) {
                let retry = retry.to_json();
                self.note_row(id, |row| (row.next_link, row.retry) = (next, retry));
            }
            self.shard.go_on().await?;
        }
        if round.is_full() {
            self.compare(id, &round, &seen).await?;
        }
        self.apply_retries(id, &mut retry).await?;
        let link = round.delta_link().map(str::to_owned);
        self.note_row(id, |row| {
            row.next_link = None;
            row.delta_link = link;
            row.retry = retry.to_json();
        });
        Ok(())
    }

    fn has_left(&self, folder: &ContainerId) -> bool {
        let first = (folder.clone(), ItemId(String::new()));
        self.left.range(first..).next().is_some_and(|(of, _)| of == folder)
    }

    /// Finds what a whole reading of a folder did not show.
    async fn compare(
        &mut self,
        folder: &ContainerId,
        round: &Round<'_>,
        seen: &HashSet<ItemId>,
    ) -> Result<()> {
        let mut unnamed = round.unnamed();
        for row in self.items_in(folder).await? {
            if seen.contains(&row.id) {
                continue;
            }
            match round.look_for(&row.id).await? {
                Absence::Gone => {
                    self.left.insert((folder.clone(), row.id));
                }
                Absence::Overlooked => {}
                Absence::Corrupt => {
                    unnamed = unnamed.saturating_sub(1);
                    self.skip(row.id.0, SkipCause::CorruptInService);
                }
            }
        }
        for _ in 0..unnamed {
            self.skip(folder.0.clone(), SkipCause::CorruptInService);
        }
        Ok(())
    }

    /// The messages that lie in a folder as far as the catalog and this run know.
    async fn items_in(&self, id: &ContainerId) -> Result<Vec<ItemRow>> {
        self.shard.items_in(&self.resource.id, Some(id)).await
    }

    async fn finish(
        mut self,
        plan: &FolderPlan,
        known: &[ContainerRow],
        read_at: holdfast_model::Timestamp,
        failure: Option<Error>,
    ) -> Result<ResourceReport> {
        let still = match &failure {
            None => {
                let still = self.apply_removals().await?;
                self.remove_folders(plan.removed.values()).await?;
                let gone = std::mem::take(&mut self.gone);
                self.remove_folders(gone.values()).await?;
                still
            }
            Some(_) => {
                std::mem::take(&mut self.left).into_iter().map(|(folder, _)| folder).collect()
            }
        };
        self.hold_back(known, &still);
        if matches!(failure, Some(Error::Stopped)) {
            // As after a checkpoint: the round is not over.
            return Ok(self.report(failure));
        }
        let whole = failure.is_none();
        let old = self.resource.clone();
        let list_link = if whole || plan.removed.is_empty() {
            Some(plan.link.clone())
        } else {
            old.list_link.clone()
        };
        resource::finish(self.shard, old, read_at, whole, list_link).await?;
        Ok(self.report(failure))
    }

    fn report(self, failure: Option<Error>) -> ResourceReport {
        let done = Done { counts: self.counts, problems: self.problems, read_one: self.read_one };
        done.report(&self.resource, failure)
    }

    /// What left a folder and did not turn up in another one is deleted. A message that moved to a
    /// folder which had been read before is neither here nor there yet: it keeps its old place, and
    /// the folders in the answer have to tell of it again.
    async fn apply_removals(&mut self) -> Result<BTreeSet<ContainerId>> {
        let left = std::mem::take(&mut self.left);
        let known = self.lookup(left.iter().map(|(_, id)| id)).await?;
        let here = |(folder, id): (ContainerId, ItemId)| {
            known.get(&id).filter(|row| row.container == folder).cloned()
        };
        let candidates: Vec<ItemRow> = left.into_iter().filter_map(here).collect();
        let ids: Vec<&ItemId> = candidates.iter().map(|row| &row.id).collect();
        let graph = self.shard.work.graph;
        let places = mail::places(graph, &self.resource.graph_id, &ids).await?;
        let mut still = BTreeSet::new();
        for row in &candidates {
            match places.get(&row.id) {
                Some(place) if self.rows.contains_key(place) => {
                    still.insert(row.container.clone());
                }
                _ => self.delete(row)?,
            }
        }
        Ok(still)
    }

    async fn remove_folders(&mut self, removed: impl Iterator<Item = &ContainerRow>) -> Result<()> {
        for folder in removed {
            for row in self.items_in(&folder.id).await? {
                self.delete(&row)?;
            }
            let path = self.paths.of(&folder.id);
            let mut state = self.shard.state();
            state.pending.edit.remove(&super::pending::parts(&path))?;
            state.pending.remove_container(&self.resource.id, &folder.id);
            state.pending.of(&self.resource.id).state.folders.remove(folder.id.as_str());
            state.pending.touch(&self.resource.id)?;
        }
        Ok(())
    }

    fn delete(&mut self, row: &ItemRow) -> Result<()> {
        let path = self.paths.of(&row.container);
        self.shard.state().pending.remove_item(&path, row)?;
        self.counts.items_deleted += 1;
        Ok(())
    }

    /// Removals that were not applied are told again: the links that told of them stay.
    fn hold_back(&mut self, known: &[ContainerRow], folders: &BTreeSet<ContainerId>) {
        for id in folders {
            let old = known.iter().find(|row| row.id == *id);
            let old = old.and_then(|row| row.delta_link.clone());
            self.note_row(id, |row| row.delta_link = old);
        }
    }
}

pub(super) fn kind(error: &Error) -> Option<Kind> {
    error.graph().map(holdfast_graph::Error::kind)
}

/// Failures that concern more than one folder: the rest need not be tried.
fn concerns_all(error: &Error) -> bool {
    matches!(kind(error), Some(Kind::Denied | Kind::Throttled | Kind::Unreachable))
}
