//! `vault check`: is what the vault holds whole?

use holdfast_model::ShardId;
use serde::Serialize;

use crate::home::blocking;
use crate::{Home, Result};

/// What the check of one vault found.
#[derive(Clone, Debug, Serialize)]
pub struct VaultCheck {
    /// Vault id.
    pub vault: String,
    /// True when data was read and compared with its hashes too.
    pub read_data: bool,
    /// What is wrong with the control repository (tenants, resources), one line each.
    pub control_errors: Vec<String>,
    /// Per shard.
    pub shards: Vec<ShardCheck>,
    /// Number of errors over the control repository and all shards.
    pub errors: usize,
}

/// What the check of one shard found.
#[derive(Clone, Debug, Serialize)]
pub struct ShardCheck {
    /// The shard.
    pub shard: ShardId,
    /// Snapshots.
    pub snapshots: u64,
    /// Data and tree packs.
    pub packs: u64,
    /// Blobs in the index.
    pub blobs: u64,
    /// Bytes in packs.
    pub bytes: u64,
    /// Packs that no index names: left by a cut-off run, harmless.
    pub orphan_packs: u64,
    /// What is wrong, one line each.
    pub errors: Vec<String>,
}

/// Checks the vault by name or id, or the only one.
pub async fn check(home: &Home, vault: Option<&str>, read_data: bool) -> Result<VaultCheck> {
    let vault = home.vault(vault).await?;
    let id = vault.id().to_owned();
    let (control_errors, shards) = blocking(move || {
        let control = vault.control()?.check(read_data)?;
        let ids = vault.shard_ids()?;
        let shards = ids.into_iter().map(|id| check_shard(&vault, id, read_data));
        Ok((control.errors, shards.collect::<Result<Vec<_>>>()?))
    })
    .await?;
    let in_shards: usize = shards.iter().map(|shard| shard.errors.len()).sum();
    let errors = control_errors.len() + in_shards;
    Ok(VaultCheck { vault: id, read_data, control_errors, shards, errors })
}

fn check_shard(
    vault: &holdfast_vault::Vault,
    shard: ShardId,
    read_data: bool,
) -> Result<ShardCheck> {
    let found = vault.shard(shard)?.check(read_data)?;
    Ok(ShardCheck {
        shard,
        snapshots: found.snapshots,
        packs: found.packs,
        blobs: found.blobs,
        bytes: found.bytes,
        orphan_packs: found.orphan_packs,
        errors: found.errors,
    })
}
