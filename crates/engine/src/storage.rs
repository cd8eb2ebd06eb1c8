//! How the storage of a vault is used: credentials, locks, limits. Kept sealed under the instance
//! key in the catalog and in the home file; nothing of it is ever in a vault.

use std::sync::Arc;

use holdfast_model::{Clock, Secret, Timestamp};
use holdfast_vault::{
    Bandwidth, Compression, Credentials, Location, LockMode, LockPolicy, Store, StoreOptions,
    open_for_maintenance, open_store,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the storage of a vault is used. The default is right for a folder.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Text of a file of credentials for reading and writing (`AWS_ACCESS_KEY_ID=…`); without it
    /// those of the environment serve.
    pub credentials: Option<Secret>,
    /// The same for credentials that may delete.
    pub maintenance: Option<Secret>,
    /// Locks what is written: mode and days.
    pub lock: Option<(LockMode, u32)>,
    /// Nothing is removed but in maintenance.
    pub append_only: bool,
    /// Files of a folder get the immutable flag.
    pub immutable: bool,
    /// Limits of the transfers.
    pub bandwidth: Bandwidth,
    /// Certificate authority of the storage besides those of the machine, PEM.
    pub ca_pem: Option<String>,
    /// How the content of backups is compressed.
    pub compression: Compression,
    /// The vault is read as it was at this time, whatever was deleted or overwritten since, and
    /// not written. The storage must keep versions.
    pub as_of: Option<Timestamp>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct StorageJson {
    v: u8,
    credentials: Option<String>,
    maintenance: Option<String>,
    lock_mode: Option<LockMode>,
    lock_days: Option<u32>,
    append_only: bool,
    immutable: bool,
    up: Option<u64>,
    down: Option<u64>,
    ca_pem: Option<String>,
    /// 0 for none, else the level of zstd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compression: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
}

/// Former versions are read through a store's locks, so it needs a policy; nothing is locked by it.
const READ_ONLY: LockPolicy =
    LockPolicy { mode: LockMode::Governance, period: SignedDuration::from_hours(24) };

impl Storage {
    /// What the vault needs to open the store.
    ///
    /// # Errors
    /// [`Error::Usage`] for a lock of no day or of more than a hundred years; what the vault says
    /// of credentials that are none.
    pub(crate) fn options(&self) -> Result<StoreOptions> {
        let parse = |text: &Option<Secret>| text.as_ref().map(Credentials::parse).transpose();
        let lock = |(mode, days): (LockMode, u32)| match days {
            1..=36_500 => {
                Ok(LockPolicy { mode, period: SignedDuration::from_hours(24 * i64::from(days)) })
            }
            _ => Err(Error::Usage("a lock lasts from 1 to 36500 days".to_owned())),
        };
        Ok(StoreOptions {
            credentials: parse(&self.credentials)?,
            maintenance: parse(&self.maintenance)?,
            lock: self.lock.map(lock).transpose()?.or(self.as_of.map(|_| READ_ONLY)),
            append_only: self.append_only,
            immutable: self.immutable,
            bandwidth: self.bandwidth.check()?,
            ca_pem: self.ca_pem.clone().map(String::into_bytes),
            ..StoreOptions::default()
        })
    }

    /// The store of a location, for removing too where `maintenance` says so.
    ///
    /// # Errors
    /// [`Error::Usage`] where a past state is asked of a storage that keeps no versions.
    pub(crate) fn open(
        &self,
        location: &Location,
        maintenance: bool,
        clock: Clock,
    ) -> Result<Arc<dyn Store>> {
        let open = if maintenance { open_for_maintenance } else { open_store };
        let no_versions = || {
            Error::Usage("a folder keeps no former versions: --as-of is for S3 and Azure".into())
        };
        if self.as_of.is_some() && matches!(location, Location::Folder(_)) {
            return Err(no_versions());
        }
        let store = open(location, &self.options()?, clock)?;
        let Some(time) = self.as_of else { return Ok(store) };
        Ok(store.locks().ok_or_else(no_versions)?.as_of(time)?)
    }

    /// As it is sealed.
    pub(crate) fn to_secret(&self) -> Secret {
        let text = |secret: &Option<Secret>| Some(secret.as_ref()?.expose_str()?.to_owned());
        let json = StorageJson {
            v: 1,
            credentials: text(&self.credentials),
            maintenance: text(&self.maintenance),
            lock_mode: self.lock.map(|(mode, _)| mode),
            lock_days: self.lock.map(|(_, days)| days),
            append_only: self.append_only,
            immutable: self.immutable,
            up: self.bandwidth.up,
            down: self.bandwidth.down,
            ca_pem: self.ca_pem.clone(),
            compression: Some(match self.compression {
                Compression::Off => 0,
                Compression::Level(level) => level,
            }),
            as_of: self.as_of,
        };
        Secret::new(serde_json::to_vec(&json).expect("plain fields serialise"))
    }

    /// Reverse of [`Self::to_secret`]; `None` where it is something else.
    pub(crate) fn from_secret(secret: &Secret) -> Option<Self> {
        let json: StorageJson = serde_json::from_slice(secret.expose()).ok()?;
        Some(Self {
            credentials: json.credentials.map(Secret::new),
            maintenance: json.maintenance.map(Secret::new),
            lock: json.lock_mode.zip(json.lock_days),
            append_only: json.append_only,
            immutable: json.immutable,
            bandwidth: Bandwidth { up: json.up, down: json.down },
            ca_pem: json.ca_pem,
            compression: match json.compression {
                None => Compression::default(),
                Some(0) => Compression::Off,
                Some(level) => Compression::Level(level),
            },
            as_of: json.as_of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_survives_sealing() {
        let storage = Storage {
            credentials: Some(Secret::new("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b")),
            lock: Some((LockMode::Compliance, 30)),
            bandwidth: Bandwidth { up: Some(1 << 20), down: None },
            append_only: true,
            compression: Compression::Off,
            as_of: Some("2026-11-22T03:00:00Z".parse().unwrap()),
            ..Storage::default()
        };
        let again = Storage::from_secret(&storage.to_secret()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{storage:?}"));
        assert_eq!(again.credentials, storage.credentials);
        let options = again.options().unwrap();
        assert_eq!(options.lock.unwrap().period, SignedDuration::from_hours(720));
        assert!(Storage { lock: Some((LockMode::Governance, 0)), ..storage }.options().is_err());
        assert!(Storage::from_secret(&Secret::new("{}")).is_none());
    }
}
