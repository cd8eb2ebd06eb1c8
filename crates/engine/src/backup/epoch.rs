//! Epochs: a resource whose shard is over the cap goes on in another one.
//!
//! Its current state is copied from shard to shard, without a call to Graph, and its links go on
//! where they were. The copy ends with a snapshot; then the new place is intent in the vault, then
//! the catalog takes it up: a crash before that leaves data that nobody names, and the next run
//! begins again. The old shard keeps the history so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use holdfast_catalog::{
    Commit, EpochRow, ResourceCommit, ResourceRow, RestorePointRow, ShardRow, TenantRow,
};
use holdfast_model::{Seq, ShardId};
use holdfast_vault::{Edit, Node, Reader, Snapshot, SnapshotKind, Writer};

use super::shard::{Held, Work, catch_up, give_back, hold, reread, snapshot_row, tags, tree_id};
use super::{Failure, resource_path};
use crate::discover::{self, Listed};
use crate::home::blocking;
use crate::shards::Shards;
use crate::{FANOUTS, Result, intent, maintain};

/// Resources copied at once.
const COPIES_AT_ONCE: usize = 4;

/// Blobs that an item comes to, about: the text of a message, and half of them with an attachment
/// or a tree of their own.
const BLOBS_PER_ITEM: u64 = 2;

/// The resources, in the shards where this run backs them up.
pub(super) struct Settled {
    pub resources: Vec<ResourceRow>,
    pub snapshots: Vec<String>,
    pub failures: Vec<Failure>,
}

/// Moves the resources of shards that are over the cap. Where that fails they are backed up where
/// they are: a shard that is too large protects them too.
pub(super) async fn leave_full_shards(
    work: &Work<'_>,
    tenant: &TenantRow,
    due: Listed,
) -> Result<Settled> {
    let (moves, mut settled) = plan(work, tenant, due).await?;
    for ((from, to), resources) in moves {
        let ids: Vec<_> = resources.iter().map(|row| row.id.clone()).collect();
        match go_on(work, (from, to), resources).await {
            Ok(snapshot) => settled.snapshots.extend(snapshot),
            Err(error) => settled.failures.push(Failure::new(tenant, Some(from), &error)),
        }
        for id in ids {
            settled.resources.push(work.home.catalog.resource_get(&id).await?);
        }
    }
    Ok(settled)
}

type Moves = BTreeMap<(ShardId, ShardId), Vec<ResourceRow>>;

/// Which resources leave which shard for which other one.
async fn plan(work: &Work<'_>, tenant: &TenantRow, due: Listed) -> Result<(Moves, Settled)> {
    let catalog = &work.home.catalog;
    let rows = catalog.shard_list(work.vault.id()).await?;
    let residents = catalog.resource_list(Some(&tenant.name)).await?;
    let mut shards = Shards::new(work.home.shard_limits, &rows, &residents, &due.departments);
    let mut settled =
        Settled { resources: Vec::new(), snapshots: Vec::new(), failures: Vec::new() };
    let mut moves = Moves::new();
    for row in due.rows {
        let Some(from) = row.shard.filter(|shard| shards.is_over(*shard)) else {
            settled.resources.push(row);
            continue;
        };
        let lived: Vec<ShardId> =
            catalog.epoch_list(&row.id).await?.into_iter().map(|epoch| epoch.shard).collect();
        let blobs = BLOBS_PER_ITEM * catalog.item_count(&row.id).await?;
        let to = shards.choose(due.departments.get(&row.id), blobs, &lived);
        moves.entry((from, to)).or_default().push(row);
    }
    Ok((moves, settled))
}

/// Lets resources go on in another shard; answers with the id of the snapshot that holds them.
async fn go_on(
    work: &Work<'_>,
    (from, to): (ShardId, ShardId),
    resources: Vec<ResourceRow>,
) -> Result<Option<String>> {
    tracing::info!(%from, %to, resources = resources.len(), "a shard is full: going on elsewhere");
    discover::ensure_shard(work.home, work.vault, to).await?;
    let source = hold(work, from).await?;
    let result = match hold(work, to).await {
        Ok(target) => {
            let result = copy(work, &source, &target, resources).await;
            give_back(work, target).await.and(result)
        }
        Err(error) => Err(error),
    };
    give_back(work, source).await?;
    result
}

/// A resource and its current directory; `None` while it was never backed up.
type Moving = (ResourceRow, Option<(Node, RestorePointRow)>);

async fn copy(
    work: &Work<'_>,
    source: &Held,
    target: &Held,
    resources: Vec<ResourceRow>,
) -> Result<Option<String>> {
    catch_up(work, &source.shard, &source.lease).await?;
    catch_up(work, &target.shard, &target.lease).await?;
    let (mut resources, _) = reread(work.home, source.shard.id(), resources).await?;
    // What is to be erased is not copied first: those resources follow when it is done.
    let erased = maintain::being_erased(work.vault).await?;
    resources.retain(|row| !erased.contains(&row.id));
    if resources.is_empty() {
        return Ok(None);
    }
    let moving = current(work, source, resources).await?;
    let (from, to) = (source.shard.clone(), target.shard.clone());
    let compression = work.compression;
    let open = move || Ok((from.reader()?, Arc::new(to.writer_with(compression)?)));
    let (reader, writer) = blocking(open).await?;
    graft(&reader, &writer, &moving).await?;
    let head = work.home.catalog.shard_get(work.vault.id(), target.shard.id()).await?;
    let snapshot = tokio::task::block_in_place(|| seal(work, target, &writer, &head, &moving))?;
    let commit = commit_of(work, target, &head, snapshot.as_ref(), moving).await?;
    // Intent has no fence: whoever lost a shard must not overwrite what the next holder wrote.
    for held in [source, target] {
        work.home.catalog.lease_renew(&held.lease, work.home.lease_ttl).await?;
    }
    tracing::debug!(target: "holdfast::stage", stage = "epoch");
    intent::save(work.home, work.vault, records(work, &commit).await?).await?;
    tracing::debug!(target: "holdfast::stage", stage = "catalog");
    let (catalog, shard) = (&work.home.catalog, target.shard.id());
    catalog.commit_epoch(commit, &source.lease).await?;
    catalog.shard_blobs(work.vault.id(), shard, writer.reader().blob_count()).await?;
    Ok(snapshot.map(|snapshot| snapshot.id))
}

/// The state of each resource in the newest snapshot of its shard.
async fn current(
    work: &Work<'_>,
    source: &Held,
    resources: Vec<ResourceRow>,
) -> Result<Vec<Moving>> {
    let catalog = &work.home.catalog;
    let head = catalog.shard_get(work.vault.id(), source.shard.id()).await?;
    let Some(root) = head.head_tree.as_deref().map(tree_id).transpose()? else {
        return Ok(resources.into_iter().map(|row| (row, None)).collect());
    };
    let shard = source.shard.clone();
    let reader = blocking(move || Ok(shard.reader()?)).await?;
    let mut moving = Vec::with_capacity(resources.len());
    for row in resources {
        let [workload, dir] = resource_path(row.workload, row.dir.as_deref().unwrap_or_default());
        let node = tokio::task::block_in_place(|| reader.node(root, &[&workload, &dir]))?;
        let point = catalog.restore_point_in(&row.id, source.shard.id(), head.head_seq).await?;
        moving.push((row, node.zip(point)));
    }
    Ok(moving)
}

async fn graft(reader: &Reader, writer: &Arc<Writer>, moving: &[Moving]) -> Result<()> {
    let trees = moving.iter().filter_map(|(_, state)| state.as_ref()?.0.tree());
    futures::stream::iter(trees)
        .map(|tree| {
            let (reader, writer) = (reader.clone(), Arc::clone(writer));
            blocking(move || Ok(writer.graft(&reader, tree)?))
        })
        .buffer_unordered(COPIES_AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await
}

/// Puts the directories into the target's tree and writes its snapshot; none where there is
/// nothing to put.
fn seal(
    work: &Work<'_>,
    target: &Held,
    writer: &Writer,
    head: &ShardRow,
    moving: &[Moving],
) -> Result<Option<Snapshot>> {
    if moving.iter().all(|(_, state)| state.is_none()) {
        return Ok(None);
    }
    let root = head.head_tree.as_deref().map(tree_id).transpose()?;
    let mut edit: Edit<'_> = writer.edit(root, FANOUTS);
    for (row, state) in moving {
        let Some((node, _)) = state else { continue };
        edit.put(&[row.workload.as_str()], node.clone())?;
    }
    let tags = tags(head.head_seq, &target.lease, work.run, SnapshotKind::Final);
    let (tree, now) = (edit.save()?, work.home.now());
    Ok(Some(writer.snapshot(tree, &tags, now, "holdfast", &["/".to_owned()])?))
}

/// The change of the catalog: for each resource its new shard, the epoch, and the same restore
/// point as in the old shard.
async fn commit_of(
    work: &Work<'_>,
    target: &Held,
    head: &ShardRow,
    snapshot: Option<&Snapshot>,
    moving: Vec<Moving>,
) -> Result<Commit> {
    let (vault, shard) = (work.vault.id(), target.shard.id());
    let mut resources = Vec::with_capacity(moving.len());
    for (mut row, state) in moving {
        let lived = work.home.catalog.epoch_list(&row.id).await?;
        let seq = Seq(head.head_seq.0 + 1);
        let epoch = EpochRow {
            resource: row.id.clone(),
            number: lived.last().map_or(1, |last| last.number + 1),
            shard,
            from_seq: seq,
            from_time: work.home.now(),
        };
        row.shard = Some(shard);
        let mut change = ResourceCommit::new(row);
        change.epoch = Some(epoch);
        change.restore_point = state.and_then(|(node, point)| {
            let tree = node.tree()?.to_string();
            Some(RestorePointRow { shard, seq, tree, ..point })
        });
        resources.push(change);
    }
    Ok(Commit {
        vault_id: vault.to_owned(),
        shard,
        fence: target.lease.fence,
        snapshot: snapshot.map(|snapshot| snapshot_row(vault, shard, snapshot)),
        resources,
    })
}

/// The intent of a commit: where each resource lives now and where it lived before.
async fn records(work: &Work<'_>, commit: &Commit) -> Result<Vec<intent::Change>> {
    let mut records = Vec::new();
    for change in &commit.resources {
        let mut epochs = work.home.catalog.epoch_list(&change.resource.id).await?;
        epochs.extend(change.epoch.clone());
        records.push(intent::resource(&change.resource));
        records.push(intent::epochs(&change.resource, &epochs));
    }
    Ok(records)
}
