//! The vaults of an installation as its home vault notes them: `vaults/<id>.json` in the control
//! repository, without secrets and credentials. So `recover` knows which others there are, and how
//! each was protected.
//!
//! No note is ever taken away: a vault that is not attached here still belongs to the installation.

use holdfast_catalog::VaultRow;
use holdfast_model::component;
use holdfast_vault::{Location, LockMode, Vault};
use serde::{Deserialize, Serialize};

use crate::copy::source_of;
use crate::home::blocking;
use crate::intent::{self, Change};
use crate::storage::Storage;
use crate::{Error, Home, Result};

const VERSION: u8 = 1;

/// Where the records lie.
const PREFIX: &str = "vaults/";

/// Where the catalog keeps what the home vault was told last.
const TOLD: &str = "vaults noted";

/// What keeps the content of a vault from being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// How what is written is locked.
    pub lock_mode: Option<LockMode>,
    /// For how many days.
    pub lock_days: Option<u32>,
    /// Nothing is removed but in maintenance.
    pub append_only: bool,
    /// Files have the immutable flag.
    pub immutable: bool,
}

impl Protection {
    pub(crate) fn of(storage: &Storage) -> Self {
        Self {
            lock_mode: storage.lock.map(|(mode, _)| mode),
            lock_days: storage.lock.map(|(_, days)| days),
            append_only: storage.append_only,
            immutable: storage.immutable,
        }
    }
}

/// A vault as it is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    v: u8,
    pub id: String,
    pub name: String,
    pub location: String,
    /// Id of the vault that it is a copy of.
    pub copy_of: Option<String>,
    #[serde(flatten)]
    pub protection: Protection,
}

impl Noted {
    /// The storage of this vault where it is to be used again: what was locked at this place stays
    /// locked, also where nobody says so.
    pub(crate) fn protect(&self, location: &Location, storage: &mut Storage) {
        let is_there = location.to_string() == self.location;
        if !is_there || storage.as_of.is_some() || matches!(location, Location::Folder(_)) {
            return;
        }
        let lock = self.protection.lock_mode.zip(self.protection.lock_days);
        storage.lock = storage.lock.or(lock);
        storage.append_only |= self.protection.append_only;
    }
}

/// The notes in a vault, by id; none where it is not the first of its installation.
///
/// # Errors
/// What the vault answers; [`Error::Intent`].
pub(crate) async fn load(vault: &Vault) -> Result<Vec<Noted>> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    intent::under(&records, PREFIX)
}

/// The vaults that the home vault notes and that are not attached here.
pub(crate) async fn missing(home: &Home) -> Result<Vec<Noted>> {
    let rows = home.catalog.vault_list().await?;
    let mut noted = load(&home.vault(None).await?).await?;
    noted.retain(|noted| !rows.iter().any(|row| row.id == noted.id));
    Ok(noted)
}

/// Refuses where a vault is not attached that may hold the tenant that somebody is adding: its
/// history would go on in another vault.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) async fn none_missing(home: &Home) -> Result<()> {
    match missing(home).await?.into_iter().find(|noted| noted.copy_of.is_none()) {
        None => Ok(()),
        Some(Noted { name, location, .. }) => Err(Error::Usage(format!(
            "the vault '{name}' at {location} is not attached, and the tenant may be in it: attach \
             it with 'holdfast vault add' and run 'holdfast catalog rebuild', or name a vault with \
             --vault"
        ))),
    }
}

/// Notes in the home vault which vaults there are, where that has changed. One that is read as of a
/// time takes no notes.
pub(crate) async fn tell(home: &Home) -> Result<()> {
    let own = home.vault_row(None).await?;
    if home.storage(&own)?.as_of.is_some() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for row in home.catalog.vault_list().await? {
        changes.push(record(home, row).await?);
    }
    let text: Vec<_> = changes.iter().filter_map(|(_, bytes)| bytes.clone()).collect();
    let text = String::from_utf8_lossy(&text.concat()).into_owned();
    if home.catalog.meta_get(TOLD).await?.as_ref() == Some(&text) {
        return Ok(());
    }
    intent::save(home, &home.vault(Some(&own.id)).await?, changes).await?;
    Ok(home.catalog.meta_set(TOLD, &text).await?)
}

/// The same where nobody waits for it: it is tried again with the next backup.
pub(crate) async fn tell_or_warn(home: &Home) {
    if let Err(error) = tell(home).await {
        tracing::warn!(%error, "the first vault does not know yet which vaults there are");
    }
}

async fn record(home: &Home, row: VaultRow) -> Result<Change> {
    let noted = Noted {
        v: VERSION,
        protection: Protection::of(&home.storage(&row)?),
        copy_of: source_of(home, &row.id).await?.map(|source| source.id),
        id: row.id,
        name: row.name,
        location: row.location,
    };
    let bytes = serde_json::to_vec(&noted).expect("records have text keys only");
    Ok((format!("{PREFIX}{}.json", component(&noted.id, 100)), Some(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_locked_stays_locked_at_its_place() {
        let protection = Protection {
            lock_mode: Some(LockMode::Compliance),
            lock_days: Some(30),
            append_only: true,
            immutable: false,
        };
        let text = "s3://bucket/vault?endpoint=https://store.example";
        let location: Location = text.parse().unwrap();
        let noted = Noted {
            v: VERSION,
            id: "a".to_owned(),
            name: "default".to_owned(),
            location: location.to_string(),
            copy_of: None,
            protection: protection.clone(),
        };
        let mut storage = Storage::default();
        noted.protect(&location, &mut storage);
        assert_eq!(Protection::of(&storage), protection);
        // What is asked for goes before what was.
        let mut asked = Storage { lock: Some((LockMode::Governance, 7)), ..Storage::default() };
        noted.protect(&location, &mut asked);
        assert_eq!(asked.lock, Some((LockMode::Governance, 7)));
        for (place, as_of) in [
            ("s3://other/vault?endpoint=https://store.example", None),
            (text, Some("2026-03-02T08:00:00Z".parse().unwrap())),
        ] {
            let mut storage = Storage { as_of, ..Storage::default() };
            noted.protect(&place.parse().unwrap(), &mut storage);
            assert_eq!(Protection::of(&storage), Protection::default(), "{place}");
        }
    }
}
