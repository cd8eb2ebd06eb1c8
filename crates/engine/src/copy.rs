//! `vault copy`: the same history in a second vault, for the third copy on another medium.
//!
//! The second vault has a secret, keys and credentials of its own. With its recovery kit alone a
//! new installation takes the place of the first: intent is copied too.

use std::collections::BTreeMap;

use holdfast_catalog::ShardRow;
use holdfast_model::ShardId;
use holdfast_vault::{CopyReport, Vault};
use serde::Serialize;

use crate::backup::{heartbeat, take_lease};
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Result};

/// What a copy came to: the `--json` form of `holdfast vault copy`.
#[derive(Clone, Debug, Serialize)]
pub struct VaultCopy {
    /// Id of the vault that was copied.
    pub from: String,
    /// Id of the vault that takes the copy.
    pub to: String,
    /// Per shard.
    pub shards: Vec<ShardCopy>,
    /// Records of intent that were written or removed.
    pub intent_changes: usize,
}

/// What copying one shard came to.
#[derive(Clone, Debug, Serialize)]
pub struct ShardCopy {
    /// The shard.
    pub shard: ShardId,
    /// What was sent.
    #[serde(flatten)]
    pub report: CopyReport,
}

/// Copies what the second vault lacks. It may be cut off at any time and is begun again.
///
/// # Errors
/// [`Error::Usage`] where the target takes backups of its own; [`Error::Vault`] where something is
/// damaged: what came before it has arrived.
pub async fn copy(home: &Home, from: Option<&str>, to: &str) -> Result<VaultCopy> {
    let (source, target) = (home.vault(from).await?, home.vault(Some(to)).await?);
    let tenants = home.catalog.tenant_list().await?;
    if source.id() == target.id() || tenants.iter().any(|t| t.vault_id == target.id()) {
        return Err(Error::Usage(format!(
            "vault '{to}' takes backups itself; a copy needs a vault of its own: 'vault add'"
        )));
    }
    let finder = source.clone();
    let ids = blocking(move || Ok(finder.shard_ids()?)).await?;
    let mut shards = Vec::new();
    for shard in ids {
        let report = of_shard(home, &source, &target, shard).await?;
        shards.push(ShardCopy { shard, report });
    }
    let (from, to) = (source.id().to_owned(), target.id().to_owned());
    let intent_changes = blocking(move || intent(&source, &target)).await?;
    Ok(VaultCopy { from, to, shards, intent_changes })
}

/// Copies a shard under the lease of the target; nothing is deleted from the source meanwhile.
async fn of_shard(home: &Home, source: &Vault, target: &Vault, id: ShardId) -> Result<CopyReport> {
    let maker = target.clone();
    blocking(move || Ok(maker.create_shard(id)?)).await?;
    let known = home.catalog.shard_list(target.id()).await?;
    if !known.iter().any(|row| row.shard == id) {
        home.catalog.shard_put(&ShardRow::new(target.id(), id)).await?;
    }
    let reading = Reading::begin(home, source.id(), id).await?;
    let lease = take_lease(home, target.id(), id).await?;
    let mut beat = heartbeat(home, lease.clone());
    let (source, target) = (source.clone(), target.clone());
    let work = blocking(move || Ok(source.shard(id)?.copy_to(&target.shard(id)?)?));
    let result = tokio::select! {
        result = work => result,
        lost = &mut beat => Err(lost.map_or(Error::Thread, Error::from)),
    };
    beat.abort();
    home.catalog.lease_release(&lease).await?;
    reading.end().await?;
    result
}

/// Brings the intent of the target to that of the source; answers with the number of changes.
fn intent(source: &Vault, target: &Vault) -> Result<usize> {
    let wanted = source.control()?.load()?;
    let control = target.control()?;
    let there = control.load()?;
    let mut changes: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    for (path, bytes) in &wanted {
        if there.get(path) != Some(bytes) {
            changes.insert(path.clone(), Some(bytes.clone()));
        }
    }
    for path in there.keys().filter(|path| !wanted.contains_key(*path)) {
        changes.insert(path.clone(), None);
    }
    let changes: Vec<_> = changes.into_iter().collect();
    control.save(&changes)?;
    Ok(changes.len())
}
