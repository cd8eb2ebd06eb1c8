//! Snapshots that retention lets go while a lock keeps them: `released/<shard>.json` in the control
//! repository. Whatever prolongs locks leaves these alone, so that they can go one day.
//!
//! A prune writes the record anew each time; a hold takes everything back.

use std::collections::{BTreeSet, HashSet};

use holdfast_model::ShardId;
use holdfast_policy::{Evaluation, Verdict};
use holdfast_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::{Home, Result, intent};

const VERSION: u8 = 1;

/// Where the records lie.
const PREFIX: &str = "released/";

#[derive(Serialize, Deserialize)]
struct ReleasedRecord {
    v: u8,
    /// Ids of snapshot files.
    snapshots: BTreeSet<String>,
}

/// Notes which snapshots of a shard go when their locks end.
pub(crate) async fn note(home: &Home, vault: &Vault, evaluation: &Evaluation) -> Result<()> {
    if vault.store().locks().is_none() {
        return Ok(());
    }
    let waits = |verdict: &Verdict| matches!(verdict, Verdict::Waits { .. });
    let snapshots: BTreeSet<String> = (evaluation.snapshots.iter())
        .filter(|judged| waits(&judged.verdict))
        .map(|judged| judged.id.clone())
        .collect();
    let path = path(evaluation.shard);
    let bytes = (!snapshots.is_empty()).then(|| json(snapshots));
    let (control, noted) = (vault.clone(), path.clone());
    let there = blocking(move || Ok(control.control()?.load()?.remove(&noted))).await?;
    if there == bytes { Ok(()) } else { intent::save(home, vault, vec![(path, bytes)]).await }
}

/// Adds old writings of snapshots that an erasure could not remove yet.
pub(crate) async fn add(home: &Home, vault: &Vault, shard: ShardId, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let (control, path) = (vault.clone(), path(shard));
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let noted: Vec<ReleasedRecord> = intent::under(&records, &path)?;
    let noted = noted.into_iter().flat_map(|record| record.snapshots);
    let bytes = json(noted.chain(ids.iter().cloned()).collect());
    intent::save(home, vault, vec![(path, Some(bytes))]).await
}

/// Tells a vault, before it prolongs locks, which snapshots go.
pub(crate) async fn tell(vault: &Vault) -> Result<()> {
    if vault.store().locks().is_none() {
        return Ok(());
    }
    let vault = vault.clone();
    blocking(move || {
        let records: Vec<ReleasedRecord> = intent::under(&vault.control()?.load()?, PREFIX)?;
        let all: HashSet<String> = records.into_iter().flat_map(|r| r.snapshots).collect();
        vault.let_go_of(all);
        Ok(())
    })
    .await
}

/// What takes back all that was released in a vault: a hold was placed.
pub(crate) async fn taken_back(vault: &Vault) -> Result<Vec<intent::Change>> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let released = records.into_keys().filter(|path| path.starts_with(PREFIX));
    Ok(released.map(|path| (path, None)).collect())
}

fn path(shard: ShardId) -> String {
    format!("{PREFIX}{shard}.json")
}

fn json(snapshots: BTreeSet<String>) -> Vec<u8> {
    let record = ReleasedRecord { v: VERSION, snapshots };
    serde_json::to_vec(&record).expect("records have text keys only")
}
