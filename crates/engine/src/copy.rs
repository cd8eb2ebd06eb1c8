//! `vault copy`: the same history in a second vault, for the third copy on another medium.
//!
//! The second vault has a secret, keys and credentials of its own. With its recovery kit alone a
//! new installation takes the place of the first: intent is copied too. A record there says which
//! vault it copies; who knows both takes it for a copy, who knows the copy alone for a vault.

use std::collections::BTreeMap;

use holdfast_catalog::{Catalog, ShardRow, VaultRow};
use holdfast_model::ShardId;
use holdfast_vault::{CopyReport, Vault};
use serde::{Deserialize, Serialize};

use crate::backup::{heartbeat, take_lease};
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Progress, Result, instance, intent, maintain};

/// Where the control repository of a copy names its source.
const RECORD: &str = "copy-of.json";

#[derive(Serialize, Deserialize)]
struct CopyRecord {
    v: u8,
    /// Id of the vault that is copied.
    vault: String,
}

/// What a copy came to: the `--json` form of `holdfast vault copy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardCopy {
    /// The shard.
    pub shard: ShardId,
    /// What was sent.
    #[serde(flatten)]
    pub report: CopyReport,
}

/// Copies what the second vault lacks. It may be cut off at any time and is begun again; it can be
/// stopped between shards.
///
/// # Errors
/// [`Error::Usage`] where the target takes backups of its own or holds the copy of another vault;
/// [`Error::Vault`] where something is damaged: what came before it has arrived.
pub async fn copy(
    home: &Home,
    from: Option<&str>,
    to: &str,
    progress: &Progress,
) -> Result<VaultCopy> {
    let (source, target) = (home.vault(from).await?, home.vault(Some(to)).await?);
    let tenants = home.catalog.tenant_list().await?;
    if source.id() == target.id() || tenants.iter().any(|t| t.vault_id == target.id()) {
        return Err(Error::Usage(format!(
            "vault '{to}' takes backups itself; a copy needs a vault of its own: 'vault add'"
        )));
    }
    claim(home, &source, &target).await?;
    let mut shards = Vec::new();
    // One that the catalog does not know has nothing committed in it.
    for ShardRow { shard, .. } in home.catalog.shard_list(source.id()).await? {
        progress.unless_stopped()?;
        let report = of_shard(home, &source, &target, shard).await?;
        shards.push(ShardCopy { shard, report });
    }
    let (from, to) = (source.id().to_owned(), target.id().to_owned());
    let intent_changes = blocking(move || copy_intent(&source, &target)).await?;
    Ok(VaultCopy { from, to, shards, intent_changes })
}

/// Makes a vault the copy of another, before anything is copied.
async fn claim(home: &Home, source: &Vault, target: &Vault) -> Result<()> {
    let (from, to) = (source.id().to_owned(), target.clone());
    blocking(move || {
        let control = to.control()?;
        let there = control.load()?;
        match of_records(&there)? {
            Some(of) if of == from => Ok(()),
            None if there.is_empty() => {
                Ok(control.save(&[(RECORD.to_owned(), Some(record(&from)))])?)
            }
            _ => Err(no_copy()),
        }
    })
    .await?;
    remember(&home.catalog, target.id(), source.id()).await
}

fn record(source: &str) -> Vec<u8> {
    let record = CopyRecord { v: 1, vault: source.to_owned() };
    serde_json::to_vec(&record).expect("records have text keys only")
}

fn of_records(records: &BTreeMap<String, Vec<u8>>) -> Result<Option<String>> {
    let Some(bytes) = records.get(RECORD) else { return Ok(None) };
    let record: CopyRecord = serde_json::from_slice(bytes)
        .map_err(|source| Error::Intent { path: RECORD.to_owned(), source })?;
    Ok(Some(record.vault))
}

/// The id of the vault that this one says to be a copy of.
pub(crate) async fn recorded_source(vault: &Vault) -> Result<Option<String>> {
    let vault = vault.clone();
    blocking(move || of_records(&vault.control()?.load()?)).await
}

/// A copy whose source is not here becomes a vault of its own before anything is written to it: the
/// installation that made it copies to it and prunes it no more.
///
/// # Errors
/// [`Error::Usage`] where the source is here: a copy takes no backups.
pub(crate) async fn stand_alone(home: &Home, vault: &Vault) -> Result<()> {
    let Some(source) = recorded_source(vault).await? else { return Ok(()) };
    if let Some(row) = home.catalog.vault_list().await?.iter().find(|row| row.id == source) {
        let name = &row.name;
        return Err(Error::Usage(format!("the vault is a copy of '{name}': it takes no backups")));
    }
    tracing::info!(vault = vault.id(), "a copy becomes a vault of its own");
    intent::save(home, vault, vec![(RECORD.to_owned(), None)]).await
}

/// A copy is still one: no other installation has made it a vault of its own.
///
/// # Errors
/// [`Error::Usage`] where it is one no more.
pub(crate) async fn is_still(copy: &Vault, source: &Vault) -> Result<()> {
    match recorded_source(copy).await? {
        Some(of) if of == source.id() => Ok(()),
        _ => Err(no_copy()),
    }
}

fn no_copy() -> Error {
    Error::Usage(
        "the vault is no copy: it holds something else, or another installation backs up to it; a \
         copy needs a vault of its own: 'vault add'"
            .to_owned(),
    )
}

/// Lets the catalog know a copy, so that nobody has to open vaults to find copies.
pub(crate) async fn remember(catalog: &Catalog, copy: &str, source: &str) -> Result<()> {
    Ok(catalog.meta_set(&key(copy), source).await?)
}

fn key(copy: &str) -> String {
    format!("copy {copy}")
}

/// The vault that this one is a copy of, where this installation has both.
pub(crate) async fn source_of(home: &Home, vault: &str) -> Result<Option<VaultRow>> {
    let Some(source) = home.catalog.meta_get(&key(vault)).await? else { return Ok(None) };
    Ok(home.catalog.vault_list().await?.into_iter().find(|row| row.id == source))
}

/// The copies of a vault that this installation has.
pub(crate) async fn copies_of(home: &Home, vault: &str) -> Result<Vec<VaultRow>> {
    let mut copies = Vec::new();
    for row in home.catalog.vault_list().await? {
        if source_of(home, &row.id).await?.is_some_and(|source| source.id == vault) {
            copies.push(row);
        }
    }
    Ok(copies)
}

/// Copies a shard under the lease of the target; nothing is deleted from the source meanwhile.
async fn of_shard(home: &Home, source: &Vault, target: &Vault, id: ShardId) -> Result<CopyReport> {
    let maker = target.clone();
    blocking(move || Ok(maker.create_shard(id)?)).await?;
    let known = home.catalog.shard_list(target.id()).await?;
    if !known.iter().any(|row| row.shard == id) {
        home.catalog.shard_put(&ShardRow::new(target.id(), id)).await?;
    }
    maintain::settle(home, source, id).await?;
    let reading = Reading::begin(home, source.id(), id).await?;
    instance::check(home).await?;
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
fn copy_intent(source: &Vault, target: &Vault) -> Result<usize> {
    let mut wanted = source.control()?.load()?;
    wanted.insert(RECORD.to_owned(), record(source.id()));
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
