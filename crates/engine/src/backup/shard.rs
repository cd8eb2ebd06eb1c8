//! One run on one shard: lease, adoption of what a crash left, resources, snapshot, commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt};
use holdfast_catalog::{
    Commit, ItemRow, Kind, Lease, ResourceRow, RestorePointRow, SnapshotKind as RowKind,
    SnapshotRow,
};
use holdfast_graph::Graph;
use holdfast_model::{
    ContainerId, FileVersions, ItemId, ResourceId, RunId, Seq, ShardId, Timestamp,
};
use holdfast_vault::{Compression, Shard, Snapshot, SnapshotKind, Tags, TreeId, Vault, Writer};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::pending::Pending;
use super::{ResourceReport, adopt, resource};
use crate::home::blocking;
use crate::{Error, FANOUTS, Home, Progress, Result, instance, maintain, process};

/// A long run commits a checkpoint at most this often, while data flows.
const CHECKPOINT_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// What a run on a vault works with.
pub(super) struct Work<'a> {
    pub home: &'a Home,
    pub graph: &'a Graph,
    pub vault: &'a Vault,
    pub run: &'a RunId,
    pub progress: &'a Progress,
    /// How content is compressed.
    pub compression: Compression,
    /// How many versions of a file are taken.
    pub versions: FileVersions,
    /// Resources that are read at the same time.
    pub at_once: usize,
    /// One for each of them, over all shards.
    pub slots: &'a Semaphore,
}

/// A shard that this process holds until it gives it back.
pub(super) struct Held {
    pub shard: Shard,
    pub lease: Lease,
    beat: JoinHandle<holdfast_catalog::Error>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

/// What came of a shard.
pub(super) struct Done {
    pub snapshot: Option<String>,
    pub resources: Vec<ResourceReport>,
}

/// Backs up resources into their shard.
pub(super) async fn back_up(
    work: &Work<'_>,
    shard: ShardId,
    resources: Vec<ResourceRow>,
) -> Result<Done> {
    let mut held = hold(work, shard).await?;
    let (shard, lease) = (held.shard.clone(), held.lease.clone());
    let result = tokio::select! {
        result = under_lease(work, &shard, &lease, resources) => result,
        lost = &mut held.beat => Err(lost.map_or(Error::Thread, Error::from)),
    };
    give_back(work, held).await?;
    result
}

/// Opens a shard and takes its lease, which is renewed from then on.
pub(super) async fn hold(work: &Work<'_>, id: ShardId) -> Result<Held> {
    let vault = work.vault.clone();
    let shard = blocking(move || Ok(vault.shard(id)?)).await?;
    instance::check(work.home).await?;
    let lease = take_lease(work.home, work.vault.id(), id).await?;
    let beat = heartbeat(work.home, lease.clone());
    Ok(Held { shard, lease, beat })
}

/// Gives a shard back.
pub(super) async fn give_back(work: &Work<'_>, held: Held) -> Result<()> {
    Ok(work.home.catalog.lease_release(&held.lease).await?)
}

/// Brings the catalog to the shard's newest state, where a crash left it behind. A catalog that
/// was put back to an older state gives out fences that were used before: it may not write, or the
/// history since would be lost.
pub(super) async fn catch_up(work: &Work<'_>, shard: &Shard, lease: &Lease) -> Result<()> {
    maintain::settle_under(work.home, work.vault, shard, lease).await?;
    let unknown = adopt::unknown(work.home, work.vault.id(), shard).await?;
    match unknown.iter().map(|snapshot| snapshot.tags.fence).max() {
        Some(highest) if highest >= lease.fence => Err(Error::CatalogBehind(shard.id())),
        _ => adopt::adopt(work.home, work.vault.id(), shard, lease, unknown).await,
    }
}

/// Takes the lease; one that a process of this machine left behind when it died is taken over.
pub(crate) async fn take_lease(home: &Home, vault: &str, shard: ShardId) -> Result<Lease> {
    let (me, ttl) = (process::name(), home.lease_ttl);
    match home.catalog.lease_take(vault, shard, &me, ttl).await {
        Err(holdfast_catalog::Error::LeaseHeld { owner, .. }) if process::is_dead(&owner) => {
            Ok(home.catalog.lease_take_over(vault, shard, &owner, &me, ttl).await?)
        }
        Err(holdfast_catalog::Error::LeaseHeld { shard, owner, until }) => {
            let owner = process::for_people(&owner);
            Err(holdfast_catalog::Error::LeaseHeld { shard, owner, until }.into())
        }
        other => Ok(other?),
    }
}

/// Renews the lease until aborted; ends when it is lost, for the work would be in vain: the commit
/// compares the fence. A renewal that fails for another reason is tried again.
pub(crate) fn heartbeat(home: &Home, lease: Lease) -> JoinHandle<holdfast_catalog::Error> {
    let (catalog, ttl) = (home.catalog.clone(), home.lease_ttl);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ttl / 3).await;
            match catalog.lease_renew(&lease, ttl).await {
                Err(error) if error.kind() == Kind::FenceLost => return error,
                Err(error) => tracing::warn!(%error, "the shard lease could not be renewed"),
                Ok(_) => {}
            }
        }
    })
}

async fn under_lease(
    work: &Work<'_>,
    shard: &Shard,
    lease: &Lease,
    resources: Vec<ResourceRow>,
) -> Result<Done> {
    catch_up(work, shard, lease).await?;
    let ids: Vec<_> = resources.iter().map(|row| row.id.clone()).collect();
    let (resources, elsewhere) = reread(work.home, shard.id(), resources).await?;
    let opened = shard.clone();
    let compression = work.compression;
    let writer = Arc::new(blocking(move || Ok(opened.writer_with(compression)?)).await?);
    let row = work.home.catalog.shard_get(work.vault.id(), shard.id()).await?;
    let head = row.head_tree.as_deref().map(tree_id).transpose()?;
    let state = State {
        pending: Pending::new(writer.edit(head, FANOUTS)),
        head_seq: row.head_seq,
        snapshot: None,
        checkpoint_at: work.home.now(),
        poisoned: false,
    };
    let committing = tokio::sync::Mutex::new(());
    let run = ShardRun { work, lease, writer: &writer, committing, state: Mutex::new(state) };
    let mut resources: Vec<ResourceReport> = futures::stream::iter(resources)
        .map(|row| {
            let run = &run;
            async move {
                let _slot = work.slots.acquire().await.expect("the slots are never closed");
                resource::back_up(run, row).await
            }
        })
        .buffer_unordered(work.at_once)
        .try_collect()
        .await?;
    run.commit(SnapshotKind::Final).await?;
    resources.extend(elsewhere);
    let resources = in_order(resources, &ids);
    let snapshot = run.state().snapshot.take();
    Ok(Done { snapshot, resources })
}

/// The rows as they are under the lease: adoption, or the holder before, may have changed them
/// since they were chosen. Those whom another run has moved meanwhile are its affair.
pub(super) async fn reread(
    home: &Home,
    shard: ShardId,
    chosen: Vec<ResourceRow>,
) -> Result<(Vec<ResourceRow>, Vec<ResourceReport>)> {
    let (mut rows, mut elsewhere) = (Vec::with_capacity(chosen.len()), Vec::new());
    for row in chosen {
        let row = home.catalog.resource_get(&row.id).await?;
        match row.shard == Some(shard) {
            true => rows.push(row),
            false => elsewhere.push(ResourceReport::failed(row, "moved".to_owned())),
        }
    }
    Ok((rows, elsewhere))
}

fn in_order(mut reports: Vec<ResourceReport>, ids: &[ResourceId]) -> Vec<ResourceReport> {
    reports.sort_by_key(|report| ids.iter().position(|id| id.as_str() == report.id));
    reports
}

/// A run on a shard while its resources are read.
pub(super) struct ShardRun<'a, 'w> {
    pub work: &'a Work<'a>,
    lease: &'a Lease,
    pub writer: &'w Arc<Writer>,
    /// One commit at a time: each builds on the head that the one before made.
    committing: tokio::sync::Mutex<()>,
    state: Mutex<State<'w>>,
}

pub(super) struct State<'w> {
    pub pending: Pending<'w>,
    head_seq: Seq,
    snapshot: Option<String>,
    checkpoint_at: Timestamp,
    /// A change failed half-way: nothing more may be committed.
    pub poisoned: bool,
}

impl<'w> ShardRun<'_, 'w> {
    /// The open changes. Never held over an await.
    pub fn state(&self) -> MutexGuard<'_, State<'w>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of items as this run left them, else as the catalog has them.
    pub async fn lookup(
        &self,
        resource: &ResourceId,
        ids: impl Iterator<Item = &ItemId>,
    ) -> Result<HashMap<ItemId, ItemRow>> {
        let (mut known, mut others) = (HashMap::new(), Vec::new());
        {
            let state = self.state();
            for id in ids {
                match state.pending.item(resource, id) {
                    Some(row) => known.extend(row.map(|row| (id.clone(), row))),
                    None => others.push(id.clone()),
                }
            }
        }
        let rows = self.work.home.catalog.item_get(resource, &others).await?;
        known.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
        Ok(known)
    }

    /// The items that lie in a container, or in any, as far as the catalog and this run know.
    pub async fn items_in(
        &self,
        resource: &ResourceId,
        container: Option<&ContainerId>,
    ) -> Result<Vec<ItemRow>> {
        let mut rows = self.catalogued(resource, container).await?;
        let state = self.state();
        rows.retain(|row| state.pending.item(resource, &row.id).is_none());
        let is_here = |row: &ItemRow| container.is_none_or(|container| row.container == *container);
        rows.extend(state.pending.items(resource).into_iter().filter(is_here));
        Ok(rows)
    }

    async fn catalogued(
        &self,
        resource: &ResourceId,
        container: Option<&ContainerId>,
    ) -> Result<Vec<ItemRow>> {
        const PAGE: u32 = 1_000;
        let (mut after, mut rows) = (None, Vec::new());
        loop {
            let catalog = &self.work.home.catalog;
            let page = catalog.item_list(resource, container, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = Some(last.id.clone());
            rows.extend(page);
        }
    }

    /// Between pages or files: commits a checkpoint where it is time for one, and ends the reading
    /// where it is to stop.
    ///
    /// # Errors
    /// [`Error::Stopped`], and those of a commit.
    pub async fn go_on(&self) -> Result<()> {
        if self.checkpoint_is_due() {
            self.commit(SnapshotKind::Checkpoint).await?;
        }
        if self.work.progress.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// True when it is time for a checkpoint.
    fn checkpoint_is_due(&self) -> bool {
        let now = self.work.home.now();
        let state = self.state();
        !state.poisoned
            && state.pending.is_touched()
            && now.duration_since(state.checkpoint_at) >= CHECKPOINT_EVERY
    }

    /// Writes what is pending as a snapshot, if a tree changed, and commits it.
    pub async fn commit(&self, kind: SnapshotKind) -> Result<()> {
        let _one = self.committing.lock().await;
        instance::check(self.work.home).await?;
        let commit = tokio::task::block_in_place(|| self.seal(kind))?;
        let has_grown = commit.snapshot.is_some();
        let (catalog, vault) = (&self.work.home.catalog, self.work.vault.id());
        tracing::debug!(target: "holdfast::stage", stage = "catalog");
        let landed = catalog.commit(commit).await;
        self.landed(landed.is_ok());
        landed?;
        if has_grown {
            let blobs = self.writer.reader().blob_count();
            catalog.shard_blobs(vault, self.lease.shard, blobs).await?;
        }
        Ok(())
    }

    fn landed(&self, is_ok: bool) {
        let mut state = self.state();
        state.poisoned |= !is_ok;
        state.pending.landed();
    }

    /// Saves trees and snapshot; answers with the rows that belong to them.
    fn seal(&self, kind: SnapshotKind) -> Result<Commit> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.checkpoint_at = self.work.home.now();
        state.pending.write_states(self.writer)?;
        let drained = state.pending.drain();
        let mut commit = Commit {
            vault_id: self.work.vault.id().to_owned(),
            shard: self.lease.shard,
            fence: self.lease.fence,
            snapshot: None,
            resources: drained.commits,
        };
        if drained.points.is_empty() {
            return Ok(commit);
        }
        let tree = state.pending.edit.save()?;
        let snapshot = self.snapshot(tree, state.head_seq, kind)?;
        let seq = snapshot.tags.seq;
        for new in drained.points {
            let Some(tree) = state.pending.tree_of(&new.resource)? else { continue };
            let own = commit.resources.iter_mut().find(|c| c.resource.id == new.resource);
            let own = own.expect("a changed resource is part of the commit");
            own.restore_point = Some(RestorePointRow {
                resource: new.resource,
                shard: self.lease.shard,
                seq,
                read_at: new.read_at,
                tree: tree.to_string(),
                complete: new.complete,
            });
        }
        state.head_seq = seq;
        state.snapshot = Some(snapshot.id.clone());
        commit.snapshot = Some(snapshot_row(self.work.vault.id(), self.lease.shard, &snapshot));
        Ok(commit)
    }

    fn snapshot(&self, tree: TreeId, head: Seq, kind: SnapshotKind) -> Result<Snapshot> {
        let tags = tags(head, self.lease, self.work.run, kind);
        let now = self.work.home.now();
        Ok(self.writer.snapshot(tree, &tags, now, "holdfast", &["/".to_owned()])?)
    }
}

/// The tags of the snapshot that follows the head.
pub(super) fn tags(head: Seq, lease: &Lease, run: &RunId, kind: SnapshotKind) -> Tags {
    Tags {
        seq: Seq(head.0 + 1),
        prev: (head.0 > 0).then_some(head),
        fence: lease.fence,
        run: run.clone(),
        kind,
        rewrite: 0,
    }
}

/// A tree id as the catalog keeps it.
pub(crate) fn tree_id(text: &str) -> Result<TreeId> {
    let damaged = |_| holdfast_catalog::Error::Damaged(format!("'{text}' is no tree id"));
    Ok(text.parse().map_err(damaged)?)
}

/// The catalog's row for a snapshot.
pub(crate) fn snapshot_row(vault: &str, shard: ShardId, snapshot: &Snapshot) -> SnapshotRow {
    SnapshotRow {
        vault_id: vault.to_owned(),
        shard,
        seq: snapshot.tags.seq,
        id: snapshot.id.clone(),
        tree: snapshot.tree.to_string(),
        time: snapshot.time,
        fence: snapshot.tags.fence,
        run: snapshot.tags.run.clone(),
        kind: match snapshot.tags.kind {
            SnapshotKind::Final => RowKind::Final,
            SnapshotKind::Checkpoint => RowKind::Checkpoint,
        },
        prev: snapshot.tags.prev,
    }
}
