//! One run on one shard: lease, adoption of what a crash left, mailboxes, snapshot, commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use holdfast_catalog::{
    Commit, Lease, ResourceRow, RestorePointRow, SnapshotKind as RowKind, SnapshotRow,
};
use holdfast_graph::Graph;
use holdfast_model::{Fence, RunId, Seq, ShardId, Timestamp};
use holdfast_vault::{Shard, Snapshot, SnapshotKind, Tags, TreeId, Vault, Writer};

use super::pending::Pending;
use super::{ResourceReport, adopt, mailbox};
use crate::home::blocking;
use crate::{Home, MAIL_FANOUT, Progress, Result, process};

/// How long a lease lasts without a sign of life, and how often one is given.
const LEASE_TTL: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Mailboxes read at once. Graph's limits are per mailbox, so more of them is more speed until the
/// CPU is busy.
const MAILBOXES_AT_ONCE: usize = 8;

/// A long run commits a checkpoint at most this often, while data flows.
const CHECKPOINT_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// What a run on a shard works with.
pub(super) struct Work<'a> {
    pub home: &'a Home,
    pub graph: &'a Graph,
    pub vault: &'a Vault,
    pub run: &'a RunId,
    pub progress: &'a Progress,
    pub shard: ShardId,
}

/// What came of it.
pub(super) struct Done {
    pub snapshot: Option<String>,
    pub resources: Vec<ResourceReport>,
}

/// Backs up resources into their shard.
pub(super) async fn back_up(work: &Work<'_>, resources: Vec<ResourceRow>) -> Result<Done> {
    let (vault, id) = (work.vault.clone(), work.shard);
    let shard = blocking(move || Ok(vault.shard(id)?)).await?;
    let lease = take_lease(work.home, work.vault.id(), work.shard).await?;
    let (lease, unknown) = above_all(work, lease, &shard).await?;
    let beat = heartbeat(work.home, lease.clone());
    let result = under_lease(work, &lease, &shard, unknown, resources).await;
    beat.abort();
    work.home.catalog.lease_release(&lease).await?;
    result
}

/// A catalog that was put back to an older state gives out fences that were used before. Then the
/// lease is taken again, above all fences in the vault: what the catalog does not know is left
/// aside by this run and by every rebuild.
async fn above_all(work: &Work<'_>, lease: Lease, shard: &Shard) -> Result<(Lease, Vec<Snapshot>)> {
    let (catalog, vault_id) = (&work.home.catalog, work.vault.id());
    let unknown = adopt::unknown(work.home, vault_id, shard).await?;
    let highest = unknown.iter().map(|snapshot| snapshot.tags.fence).max().unwrap_or(Fence(0));
    if highest < lease.fence {
        return Ok((lease, unknown));
    }
    tracing::warn!(shard = %work.shard, "the catalog is older than the vault: all is read again");
    catalog.lease_release(&lease).await?;
    catalog.fence_raise(vault_id, work.shard, Fence(highest.0 + 1)).await?;
    let lease = take_lease(work.home, vault_id, work.shard).await?;
    Ok((lease, adopt::unknown(work.home, vault_id, shard).await?))
}

/// Takes the lease; one that a process of this machine left behind when it died is taken over.
async fn take_lease(home: &Home, vault: &str, shard: ShardId) -> Result<Lease> {
    let me = process::name();
    match home.catalog.lease_take(vault, shard, &me, LEASE_TTL).await {
        Err(holdfast_catalog::Error::LeaseHeld { owner, .. }) if process::is_dead(&owner) => {
            Ok(home.catalog.lease_take_over(vault, shard, &owner, &me, LEASE_TTL).await?)
        }
        Err(holdfast_catalog::Error::LeaseHeld { shard, owner, until }) => {
            let owner = process::for_people(&owner);
            Err(holdfast_catalog::Error::LeaseHeld { shard, owner, until }.into())
        }
        other => Ok(other?),
    }
}

/// Renews the lease until aborted. A lost lease needs no word: the commit compares the fence.
fn heartbeat(home: &Home, lease: Lease) -> tokio::task::JoinHandle<()> {
    let catalog = home.catalog.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(error) = catalog.lease_renew(&lease, LEASE_TTL).await {
                tracing::warn!(%error, "the shard lease could not be renewed");
            }
        }
    })
}

async fn under_lease(
    work: &Work<'_>,
    lease: &Lease,
    shard: &Shard,
    unknown: Vec<Snapshot>,
    resources: Vec<ResourceRow>,
) -> Result<Done> {
    adopt::adopt(work.home, work.vault.id(), shard, lease, unknown).await?;
    let opened = shard.clone();
    let writer = Arc::new(blocking(move || Ok(opened.writer()?)).await?);
    let row = work.home.catalog.shard_get(work.vault.id(), work.shard).await?;
    let head = row.head_tree.as_deref().and_then(|tree| tree.parse::<TreeId>().ok());
    let state = State {
        pending: Pending::new(writer.edit(head, MAIL_FANOUT)),
        head_seq: row.head_seq,
        snapshot: None,
        checkpoint_at: work.home.now(),
        poisoned: false,
    };
    let run = ShardRun { work, lease, writer: &writer, state: Mutex::new(state) };
    let ids: Vec<_> = resources.iter().map(|row| row.id.clone()).collect();
    let reports: Vec<Result<ResourceReport>> = futures::stream::iter(resources)
        .map(|resource| mailbox::back_up(&run, resource))
        .buffer_unordered(MAILBOXES_AT_ONCE)
        .collect()
        .await;
    let resources = reports.into_iter().collect::<Result<Vec<_>>>()?;
    run.commit(SnapshotKind::Final).await?;
    let resources = in_order(resources, &ids);
    let snapshot = run.state().snapshot.take();
    Ok(Done { snapshot, resources })
}

fn in_order(
    mut reports: Vec<ResourceReport>,
    ids: &[holdfast_model::ResourceId],
) -> Vec<ResourceReport> {
    reports.sort_by_key(|report| ids.iter().position(|id| id.as_str() == report.id));
    reports
}

/// A run on a shard while its mailboxes are read.
pub(super) struct ShardRun<'a, 'w> {
    pub work: &'a Work<'a>,
    lease: &'a Lease,
    pub writer: &'w Arc<Writer>,
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

    /// True when it is time for a checkpoint.
    pub fn checkpoint_is_due(&self) -> bool {
        let now = self.work.home.now();
        let state = self.state();
        !state.poisoned
            && state.pending.is_touched()
            && now.duration_since(state.checkpoint_at) >= CHECKPOINT_EVERY
    }

    /// Writes what is pending as a snapshot, if a tree changed, and commits it.
    pub async fn commit(&self, kind: SnapshotKind) -> Result<()> {
        let commit = tokio::task::block_in_place(|| self.seal(kind))?;
        tracing::debug!(target: "holdfast::stage", stage = "catalog");
        self.work.home.catalog.commit(commit).await?;
        self.state().checkpoint_at = self.work.home.now();
        Ok(())
    }

    /// Saves trees and snapshot; answers with the rows that belong to them.
    fn seal(&self, kind: SnapshotKind) -> Result<Commit> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.pending.write_states(self.writer)?;
        let drained = state.pending.drain();
        let mut commit = Commit {
            vault_id: self.work.vault.id().to_owned(),
            shard: self.work.shard,
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
                shard: self.work.shard,
                seq,
                read_at: new.read_at,
                tree: tree.to_string(),
                complete: new.complete,
            });
        }
        state.head_seq = seq;
        state.snapshot = Some(snapshot.id.clone());
        commit.snapshot = Some(snapshot_row(self.work.vault.id(), self.work.shard, &snapshot));
        Ok(commit)
    }

    fn snapshot(&self, tree: TreeId, head: Seq, kind: SnapshotKind) -> Result<Snapshot> {
        let tags = Tags {
            seq: Seq(head.0 + 1),
            prev: (head.0 > 0).then_some(head),
            fence: self.lease.fence,
            run: self.work.run.clone(),
            kind,
            rewrite: 0,
        };
        let now = self.work.home.now();
        Ok(self.writer.snapshot(tree, &tags, now, "holdfast", &["/".to_owned()])?)
    }
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
