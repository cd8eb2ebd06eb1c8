//! `vault repair`: what is damaged comes from a second vault, or from the tenant with the next
//! backup; what is nowhere is named.

use std::collections::BTreeMap;

use holdfast_model::{ItemId, ResourceId, ShardId};
use holdfast_vault::{MendReport, RepairIndexReport, Shard, Vault};
use serde::Serialize;

use super::{Alone, alone};
use crate::home::blocking;
use crate::verify::{self, Damaged};
use crate::{Error, Home, Result};

/// What to repair.
#[derive(Clone, Debug, Default)]
pub struct RepairRequest {
    /// The vault by name or id; the first where absent.
    pub vault: Option<String>,
    /// A second vault, made by `vault copy`, that may have what is lost.
    pub from: Option<String>,
}

/// What a repair came to: the `--json` form of `holdfast vault repair`.
#[derive(Clone, Debug, Serialize)]
pub struct RepairReport {
    /// Vault id.
    pub vault: String,
    /// Per shard.
    pub shards: Vec<ShardRepair>,
}

/// What the repair of one shard came to.
#[derive(Clone, Debug, Serialize)]
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
}

impl RepairReport {
    /// Messages and folders that stay damaged unless the next backup heals them.
    pub fn damaged(&self) -> usize {
        self.shards.iter().map(|shard| shard.damaged.len()).sum()
    }
}

/// Repairs every shard of a vault.
pub async fn repair(home: &Home, request: &RepairRequest) -> Result<RepairReport> {
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
        shards.push(of_shard(home, &vault, second.as_ref(), row.shard).await?);
    }
    Ok(RepairReport { vault: vault.id().to_owned(), shards })
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
    // Not `catch_up` first: that reads trees, which may be what is damaged.
    alone(home, vault, id, async |alone| {
        let (index, packs, damaged) = alone
            .on_shard(move |shard| {
                let index = shard.repair_index()?;
                let packs = match &other {
                    Some(other) => shard.repair_from(other)?,
                    None => shard.repair_packs()?,
                };
                let found = shard.check(false)?;
                let damaged = verify::named(&shard, &found.damaged, &resources);
                Ok((index, packs, damaged))
            })
            .await?;
        let asked_again = ask_again(alone, &damaged).await?;
        Ok(ShardRepair { shard: id, index, packs, asked_again, damaged })
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

/// Notes the messages whose current version is damaged as not yet read, so that the next backup
/// fetches them. Their blobs have left the index, so that what comes is stored again, under the
/// same names: every restore point that needs them is whole again.
async fn ask_again(alone: &Alone<'_>, damaged: &[Damaged]) -> Result<u64> {
    let mut wanted: BTreeMap<&ResourceId, Vec<ItemId>> = BTreeMap::new();
    for item in damaged.iter().filter(|item| item.current) {
        if let (Some(resource), Some(id)) = (&item.resource_id, &item.id) {
            wanted.entry(resource).or_default().push(id.clone());
        }
    }
    let mut count = 0;
    for (resource, ids) in wanted {
        let mut by_folder: BTreeMap<_, Vec<ItemId>> = BTreeMap::new();
        for row in alone.home.catalog.item_get(resource, &ids).await? {
            by_folder.entry(row.container).or_default().push(row.id);
        }
        for (folder, ids) in by_folder {
            count += ids.len() as u64;
            alone.home.catalog.retry_add(resource, &folder, &ids).await?;
        }
    }
    Ok(count)
}
