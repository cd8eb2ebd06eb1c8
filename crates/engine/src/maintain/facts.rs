//! All that the policy needs to know of a shard, from the vault, the catalog and intent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_catalog::{ResourceRow, SnapshotKind as RowKind, SnapshotRow};
use holdfast_model::{ResourceId, RunId, Seq};
use holdfast_policy::{
    Facts, ResourceFact, Rules, SnapshotFact, SnapshotKind as FactKind, Standing, evaluate,
};
use holdfast_vault::{Shard, Snapshot, SnapshotKind, Vault};

use crate::backup::resource_path;
use crate::home::blocking;
use crate::{Error, Home, Result, hold, intent};

/// Gathers the facts of a shard. Locks are looked up only for snapshots that these rules would
/// forget: on a store with locks each costs a request, and of the others they change nothing.
///
/// # Errors
/// [`Error::HistoryDiffers`] where the catalog counts snapshots that the vault does not have;
/// [`Error::NoIntent`] where the vault holds no intent: then nothing is deleted.
pub(super) async fn facts(
    home: &Home,
    vault: &Vault,
    shard: &Shard,
    rules: &Rules,
) -> Result<Facts> {
    let reading = shard.clone();
    let snapshots = blocking(move || Ok(reading.snapshots()?)).await?;
    let mut rows = home.catalog.snapshot_list(Some(vault.id())).await?;
    let left_behind = match is_left(home, vault, shard).await? {
        true => rows.iter().filter(|row| row.kind == RowKind::Final).map(|row| row.time).max(),
        false => None,
    };
    rows.retain(|row| row.shard == shard.id());
    let mut facts = Facts {
        vault: vault.id().to_owned(),
        shard: shard.id(),
        now: home.now(),
        snapshots: of_snapshots(home, &snapshots, &rows).await?,
        left_behind,
        resources: resources(home, vault).await?,
        holds: hold::of_vault(vault).await?,
    };
    add_locks(&mut facts, shard, rules).await?;
    Ok(facts)
}

/// Whether somebody has lived in a shard and nobody does.
async fn is_left(home: &Home, vault: &Vault, shard: &Shard) -> Result<bool> {
    for tenant in home.catalog.tenant_list().await? {
        if tenant.vault_id == vault.id() {
            let rows = home.catalog.resource_list(Some(&tenant.name)).await?;
            if rows.iter().any(|row| row.shard == Some(shard.id())) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn of_snapshots(
    home: &Home,
    snapshots: &[Snapshot],
    rows: &[SnapshotRow],
) -> Result<Vec<SnapshotFact>> {
    let rows: HashMap<&str, &SnapshotRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let committed = |snapshot: &&Snapshot| rows.contains_key(snapshot.id.as_str());
    let present = snapshots.iter().filter(committed).count();
    if let Some(row) = rows.values().next().filter(|_| present < rows.len()) {
        return Err(Error::HistoryDiffers(row.shard));
    }
    let complete = complete(home, &rows).await?;
    let fact = |snapshot: &Snapshot| {
        let row = rows.get(snapshot.id.as_str());
        SnapshotFact {
            id: snapshot.id.clone(),
            seq: snapshot.tags.seq,
            fence: snapshot.tags.fence,
            rewrite: snapshot.tags.rewrite,
            run: snapshot.tags.run.clone(),
            time: snapshot.time,
            kind: match snapshot.tags.kind {
                SnapshotKind::Final => FactKind::Final,
                SnapshotKind::Checkpoint => FactKind::Checkpoint,
            },
            complete: complete.contains(&snapshot.tags.seq),
            standing: if row.is_some() { Standing::Committed } else { Standing::Unknown },
            locked_until: None,
        }
    };
    Ok(snapshots.iter().map(fact).collect())
}

/// The last checkpoints of their runs by whose time a resource was read to the end. Earlier ones
/// of the same run need no answer: a later snapshot holds all that they hold.
async fn complete(home: &Home, rows: &HashMap<&str, &SnapshotRow>) -> Result<BTreeSet<Seq>> {
    let mut runs: BTreeMap<&RunId, Vec<&SnapshotRow>> = BTreeMap::new();
    for row in rows.values() {
        runs.entry(&row.run).or_default().push(row);
    }
    let mut complete = BTreeSet::new();
    for of_run in runs.into_values() {
        let first = of_run.iter().map(|row| row.seq).min();
        let last = of_run.iter().max_by_key(|row| row.seq);
        let (Some(first), Some(last)) = (first, last) else { continue };
        if last.kind == RowKind::Checkpoint {
            let (vault, shard) = (&last.vault_id, last.shard);
            if home.catalog.restore_point_complete_in(vault, shard, first, last.seq).await? {
                complete.insert(last.seq);
            }
        }
    }
    Ok(complete)
}

/// Every resource of the vault that has a directory: one that was never in this shard does no
/// harm, one that was here and has moved on must not be missed.
pub(super) async fn resources(home: &Home, vault: &Vault) -> Result<Vec<ResourceFact>> {
    let intent::Intent { tenants, resources: intended, .. } = intent::load(vault).await?;
    if tenants.is_empty() {
        return Err(Error::NoIntent);
    }
    let mut rows = intended;
    for tenant in &tenants {
        rows.extend(home.catalog.resource_list(Some(&tenant.name)).await?);
    }
    let placed = rows.into_iter().filter_map(|row| Some((row.id.clone(), path(&row)?)));
    // A resource whose directory differs in the two is looked for in both places.
    let mut placed: Vec<(ResourceId, Vec<String>)> = placed.collect();
    placed.sort();
    placed.dedup();
    Ok(placed.into_iter().map(|(id, path)| ResourceFact { id, path: Some(path) }).collect())
}

/// Components of the directory of a resource from the root of a snapshot.
pub(super) fn path(row: &ResourceRow) -> Option<Vec<String>> {
    row.dir.as_deref().map(|dir| resource_path(row.workload, dir).into())
}

pub(super) async fn add_locks(facts: &mut Facts, shard: &Shard, rules: &Rules) -> Result<()> {
    let plan = evaluate(facts, rules).into_plan();
    let ids: Vec<String> = plan.snapshots().iter().map(|planned| planned.id.clone()).collect();
    let reading = shard.clone();
    let locks = blocking(move || Ok(reading.snapshot_locks(&ids)?)).await?;
    for fact in &mut facts.snapshots {
        fact.locked_until = locks.get(&fact.id).copied();
    }
    Ok(())
}
