//! `vault repair`: what is damaged comes from a second vault, or from the tenant with the next
//! backup; what is nowhere is named.

use std::collections::BTreeMap;

use holdfast_catalog::ContainerRow;
use holdfast_model::{ContainerId, ItemId, ResourceId, ShardId};
use holdfast_vault::{MendReport, RepairIndexReport, Shard, Vault};
use holdfast_workloads::Layout;
use serde::{Deserialize, Serialize};

use super::{Alone, leased};
use crate::home::blocking;
use crate::verify::{self, Damaged};
use crate::{Error, Home, Progress, Result, instance, tenant};

/// What to repair.
#[derive(Clone, Debug, Default)]
pub struct RepairRequest {
    /// The vault by name or id; the first where absent.
    pub vault: Option<String>,
    /// A second vault, made by `vault copy`, that may have what is lost.
    pub from: Option<String>,
}

/// What a repair came to: the `--json` form of `holdfast vault repair`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RepairReport {
    /// Vault id.
    pub vault: String,
    /// Per shard.
    pub shards: Vec<ShardRepair>,
    /// Damage that is left in the control repository.
    pub control_errors: Vec<String>,
}

/// What the repair of one shard came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardRepair {
    /// The shard.
    pub shard: ShardId,
    /// Index files that were made again.
    pub index: RepairIndexReport,
    /// Packs whose sound blobs were saved, and blobs that came from the second vault.
    pub packs: MendReport,
    /// Messages that the next backup asks the tenant for: damaged in their newest version.
    pub asked_again: u64,
    /// What cannot be restored whole as it stands, those asked again included.
    pub damaged: Vec<Damaged>,
    /// How many more are not listed.
    pub damaged_more: u64,
    /// Damage that the check after the repair found.
    pub errors: Vec<String>,
}

impl RepairReport {
    /// Messages and folders that stay damaged unless the next backup heals them.
    pub fn damaged(&self) -> u64 {
        let of = |shard: &ShardRepair| shard.damaged.len() as u64 + shard.damaged_more;
        self.shards.iter().map(of).sum()
    }

    /// Nothing is damaged any more.
    pub fn is_whole(&self) -> bool {
        let whole = |shard: &ShardRepair| {
            shard.errors.is_empty() && shard.packs.snapshots_unreadable.is_empty()
        };
        self.damaged() == 0 && self.control_errors.is_empty() && self.shards.iter().all(whole)
    }
}

/// Repairs every shard of a vault and its control repository. It can be stopped between shards.
pub async fn repair(
    home: &Home,
    request: &RepairRequest,
    progress: &Progress,
) -> Result<RepairReport> {
    let vault = home.vault_for_maintenance(request.vault.as_deref()).await?;
    let second = match &request.from {
        Some(name) => Some(home.vault(Some(name)).await?),
        None => None,
    };
    if second.as_ref().is_some_and(|second| second.id() == vault.id()) {
        return Err(Error::Usage("a vault cannot be repaired from itself".to_owned()));
    }
    let mut shards = Vec::new();
    for row in home.catalog.shard_list(vault.id()).await? {
        progress.unless_stopped()?;
        shards.push(of_shard(home, &vault, second.as_ref(), row.shard).await?);
    }
    let id = vault.id().to_owned();
    instance::check(home).await?;
    let control_errors = blocking(move || of_control(&vault)).await?;
    Ok(RepairReport { vault: id, shards, control_errors })
}

/// Saves what is sound of intent; answers with the damage that is left.
fn of_control(vault: &Vault) -> Result<Vec<String>> {
    let control = vault.control()?;
    if !control.check(true)?.errors.is_empty() {
        control.repair_index()?;
        control.repair_packs()?;
    }
    Ok(control.check(false)?.errors)
}

async fn of_shard(
    home: &Home,
    vault: &Vault,
    second: Option<&Vault>,
    id: ShardId,
) -> Result<ShardRepair> {
    let other = match second {
        Some(second) => same_shard(second, id).await?,
        None => None,
    };
    let resources = home.catalog.resource_list(None).await?;
    // The catalog is not brought up to date first: that reads trees, which may be what is damaged.
    leased(home, vault, id, async |alone| {
        let (index, packs, check, damaged) = alone
            .on_shard(move |shard| {
                let index = shard.repair_index()?;
                let packs = match &other {
                    Some(other) => shard.repair_from(other)?,
                    None => shard.repair_packs()?,
                };
                let found = shard.check(false)?;
                let damaged = verify::named(&shard, &found.damaged, &resources);
                Ok((index, packs, found, damaged))
            })
            .await?;
        let asked_again = ask_again(alone, &damaged).await?;
        alone.measure().await?;
        let (errors, damaged_more) = (check.errors, check.damaged_more);
        Ok(ShardRepair { shard: id, index, packs, asked_again, damaged, damaged_more, errors })
    })
    .await
}

async fn same_shard(second: &Vault, id: ShardId) -> Result<Option<Shard>> {
    let second = second.clone();
    blocking(move || match second.shard_ids()?.contains(&id) {
        true => Ok(Some(second.shard(id)?)),
        false => Ok(None),
    })
    .await
}

/// The folder that has no other above it: a drive keeps at its root what is asked for again.
fn top(folders: &[ContainerRow], mut folder: ContainerId) -> ContainerId {
    // No deeper than there are folders, whatever the rows say.
    for _ in folders {
        let row = folders.iter().find(|row| row.id == folder);
        match row.and_then(|row| row.parent.clone()) {
            Some(above) => folder = above,
            None => break,
        }
    }
    folder
}

/// Notes the messages and files whose current version is damaged as not yet read, so that the next backup
/// fetches them. Their blobs have left the index, so that what comes is stored again, under the
/// same names: every restore point that needs them is whole again.
async fn ask_again(alone: &Alone<'_>, damaged: &[Damaged]) -> Result<u64> {
    let mut wanted: BTreeMap<&ResourceId, Vec<ItemId>> = BTreeMap::new();
    for item in damaged.iter().filter(|item| item.current) {
        if let (Some(resource), Some(id)) = (&item.resource_id, &item.id) {
            wanted.entry(resource).or_default().push(id.clone());
        }
    }
    let catalog = &alone.home.catalog;
    let mut count = 0;
    for (resource, ids) in wanted {
        // The next backup of one that lives elsewhere heals nothing here.
        let row = catalog.resource_get(resource).await?;
        let vault = tenant::find(alone.home, &row.tenant).await?.vault_id;
        if row.shard != Some(alone.shard.id()) || vault != alone.vault.id() {
            continue;
        }
        let is_drive = Layout::of(row.workload).is_drive();
        let folders = if is_drive { catalog.container_list(resource).await? } else { Vec::new() };
        let mut by_folder: BTreeMap<_, Vec<ItemId>> = BTreeMap::new();
        for row in catalog.item_get(resource, &ids).await? {
            by_folder.entry(top(&folders, row.container)).or_default().push(row.id);
        }
        for (folder, ids) in by_folder {
            count += ids.len() as u64;
            catalog.retry_add(resource, &folder, &ids).await?;
        }
    }
    Ok(count)
}
