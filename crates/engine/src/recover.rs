//! `recover`: an installation made again on an empty machine, from a vault and what opens it.
//!
//! [`Recovery::begin`] makes the home and goes on with the audit record, so that the rest is on
//! record before it happens; [`Recovery::finish`] brings tenants, resources, restore points, users
//! and schedules back, as `catalog rebuild` does. Until the end the home refuses everything else,
//! and both steps may be cut off at any moment: the next attempt goes on in the half-made home.
//!
//! What is in no vault does not come back: credentials of Graph and of storages, sessions, API
//! tokens, and what was not read before the machine was lost.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use holdfast_catalog::{AuditFilter, Catalog, VaultRow};
use holdfast_model::audit::Action;
use holdfast_model::{Clock, Secret, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::catalog_place::{self, CatalogPlace};
use crate::copy::recorded_source;
use crate::home::{FIRST_VAULT, HomeFile, InitOptions, key_of, make_folder};
use crate::rebuild::{RebuildReport, rebuild};
use crate::seal::InstanceKey;
use crate::users::User;
use crate::vaults::noted::{self, Noted, Protection};
use crate::vaults::{self, HomeVault, NewVault, Opened, absolute, unlock};
use crate::{Error, Home, Result, audit, hold, instance, users};

/// A home that is being made again. Nobody else recovers in it meanwhile.
#[derive(Debug)]
pub struct Recovery {
    home: Home,
    /// Locked until the end.
    _alone: File,
}

/// What came back: the `--json` form of `holdfast recover`.
#[derive(Clone, Debug, Serialize)]
pub struct RecoverReport {
    /// The home folder.
    pub home: PathBuf,
    /// Where the new instance key lies.
    pub instance_key: PathBuf,
    /// Where the vault lies.
    pub vault: String,
    /// Its id.
    pub vault_id: String,
    /// The vault is read as it was at this time, and takes no backups.
    pub as_of: Option<Timestamp>,
    /// How the vault is protected from now on.
    pub protection: Protection,
    /// How it was protected; absent where it does not say.
    pub protection_before: Option<Protection>,
    /// Of what the catalog was made again.
    #[serde(flatten)]
    pub rebuilt: RebuildReport,
    /// Schedules.
    pub schedules: usize,
    /// Holds in force.
    pub holds: usize,
    /// Where the audit record goes on; absent where the vault has no signed head.
    pub audit: Option<AuditGap>,
    /// Tenants whose credentials must be given again: all that came back.
    pub without_credential: Vec<LockedTenant>,
    /// Users. Their sessions and API tokens are gone.
    pub accounts: Vec<RecoveredUser>,
    /// Other vaults of the installation, which are not attached.
    pub missing_vaults: Vec<MissingVault>,
}

/// Where the audit record goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditGap {
    /// The entry that says so.
    pub entry: u64,
    /// The newest entry that is signed in the vault. What was recorded after it is lost without
    /// anybody being able to say how much that was.
    pub head: u64,
    /// Entries up to the head that are gone with the catalog.
    pub missing: u64,
}

/// A tenant that nothing can be asked of yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockedTenant {
    /// Name of our own.
    pub name: String,
    /// Directory id or domain.
    pub tenant_id: String,
    /// Registration for backup.
    pub client_id: String,
    /// Registration for restores, where there is a second one.
    pub restore_client_id: Option<String>,
    /// Base address of Graph.
    pub graph_url: String,
    /// Base address of the sign-in service.
    pub authority_url: String,
    /// A further certificate authority is trusted; its certificate must be given again.
    pub has_ca: bool,
}

/// A user as he came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecoveredUser {
    /// Name at sign-in.
    pub name: String,
    /// Nobody comes in by it.
    pub disabled: bool,
    /// A password was chosen; it is the same as before.
    pub password: bool,
    /// There is a secret of time-based codes.
    pub totp: bool,
    /// Number of passkeys.
    pub passkeys: usize,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
}

/// A vault that the first one notes and that is not attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingVault {
    /// Name under which the installation knew it.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Where it lay.
    pub location: String,
    /// It holds nothing that its source does not.
    pub is_copy: bool,
    /// The vault that was recovered from is a copy of it.
    pub is_source: bool,
    /// How it was protected.
    pub protection: Protection,
}

impl Recovery {
    /// Opens the vault, makes the home (or takes up the half-made one) and goes on with the audit
    /// record. With a passphrase or kit that does not fit nothing is made.
    ///
    /// # Errors
    /// [`Error::HomeExists`] where an installation is there already; [`Error::Usage`] where the
    /// half-made home is another vault's, or the folder holds a catalog without its home;
    /// [`Error::RecoverRunning`]; what [`Home::init`] fails with.
    pub async fn begin(dir: &Path, options: &InitOptions, clock: Clock) -> Result<Self> {
        half_made(dir)?;
        let mut new = NewVault {
            name: FIRST_VAULT.to_owned(),
            location: absolute(&options.vault)?,
            unlock: options.unlock.clone(),
            storage: options.storage.clone(),
        };
        let opened = unlock(&new, clock.clone()).await?;
        let notes = noted::load(&opened.vault).await?;
        if let Some(own) = notes.iter().find(|noted| noted.id == opened.vault.id()) {
            own.protect(&new.location, &mut new.storage);
        }
        if let (None, Some(url)) = (half_made(dir)?, &options.catalog_url) {
            catalog_place::connect_new(url, clock.clone()).await?.close().await;
        }
        make_folder(dir)?;
        let alone = alone(dir)?;
        stage("recover home");
        let (file, key) = write_home(dir, options, &new, &opened, &clock)?;
        stage("recover catalog");
        let home = open(dir, file, key, clock).await?;
        stage("recover audit");
        audit::resume(&home).await?;
        Ok(Self { home, _alone: alone })
    }

    /// The home, for what is to be put on record.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Brings everything back that is in the vault, and lets the home be used.
    ///
    /// # Errors
    /// What the vault answers: then the home stays half made.
    pub async fn finish(&self) -> Result<RecoverReport> {
        let home = &self.home;
        stage("recover rebuild");
        let rebuilt = rebuild(home).await?;
        stage("recover report");
        let report = report(home, rebuilt).await?;
        // What is read as it was long ago is not written to.
        if report.as_of.is_none() {
            instance::check(home).await?;
        }
        noted::tell_or_warn(home).await;
        stage("recover end");
        HomeFile { recovering: false, ..HomeFile::read_any(home.dir())? }.write(home.dir())?;
        Ok(report)
    }
}

/// The moments at which the tests cut it off.
fn stage(stage: &'static str) {
    tracing::debug!(target: "holdfast::stage", stage);
}

/// The file of a home that an earlier attempt has left.
fn half_made(dir: &Path) -> Result<Option<HomeFile>> {
    match HomeFile::read_any(dir) {
        Ok(file) if file.recovering => Ok(Some(file)),
        Ok(_) => Err(Error::HomeExists(dir.to_owned())),
        // A file that is there and cannot be read is somebody's.
        Err(_) if dir.join(HomeFile::NAME).exists() => Err(Error::HomeExists(dir.to_owned())),
        Err(_) => catalog_place::none_in(dir).map(|()| None),
    }
}

/// Keeps others from recovering in the same folder, until it is dropped.
fn alone(dir: &Path) -> Result<File> {
    let failed = |source| Error::File { action: "lock", path: dir.to_owned(), source };
    let file = File::open(dir).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::RecoverRunning(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Writes the file of the home and everything that it names but the catalog. What an earlier attempt
/// has sealed is sealed again: storage and instance key may be given in a new way.
fn write_home(
    dir: &Path,
    options: &InitOptions,
    new: &NewVault,
    opened: &Opened,
    clock: &Clock,
) -> Result<(HomeFile, InstanceKey)> {
    let there = half_made(dir)?;
    let catalog = place(there.as_ref(), options.catalog_url.as_ref())?;
    if there.as_ref().is_some_and(|file| !file.is_of(opened.vault.id())) {
        return Err(Error::Usage(format!(
            "{} is half recovered from another vault; name that one, or an empty folder with --home",
            dir.display()
        )));
    }
    let id = there.map_or_else(|| Uuid::new_v4().to_string(), |file| file.id);
    let (key_path, key) = key_of(&id, options.instance_key.as_deref())?;
    let row = vaults::row(new, opened, &key, clock)?;
    let vaults = vec![HomeVault::new(&row)];
    let file = HomeFile { v: 1, id, instance_key: key_path, catalog, vaults, recovering: true };
    file.write(dir)?;
    if let Some(url) = &options.catalog_url {
        catalog_place::keep_url(dir, url)?;
    }
    Ok((file, key))
}

/// Where the catalog lies, which stays as it was begun.
fn place(there: Option<&HomeFile>, url: Option<&Secret>) -> Result<CatalogPlace> {
    match there {
        Some(file) if url.is_some() && file.catalog.is_file() => Err(Error::Usage(
            "this recovery was begun with the catalog in a file; go on without --catalog-url-file, \
             or name an empty folder with --home"
                .to_owned(),
        )),
        Some(file) => Ok(file.catalog),
        None => Ok(CatalogPlace::of(url)),
    }
}

/// The half-made home, with a catalog that knows its vault.
async fn open(dir: &Path, file: HomeFile, key: InstanceKey, clock: Clock) -> Result<Home> {
    let HomeFile { instance_key, catalog, vaults, .. } = file;
    let row = vaults.into_iter().next().map(HomeVault::row).transpose()?;
    let row = row.ok_or_else(|| Error::NotAHome(dir.to_owned()))?;
    let catalog = catalog.open_or_make(dir, vec![HomeVault::new(&row)], clock.clone()).await?;
    know(&catalog, &row).await?;
    Ok(Home::assemble(dir, instance_key, key, catalog, clock))
}

/// The catalog of an earlier attempt gets the row as it is sealed now; another installation's is
/// refused.
async fn know(catalog: &Catalog, row: &VaultRow) -> Result<()> {
    let known = catalog.vault_list().await?;
    if known.iter().any(|known| known.id != row.id) {
        return Err(Error::CatalogTaken);
    }
    Ok(catalog.vault_update(row).await?)
}

async fn report(home: &Home, rebuilt: RebuildReport) -> Result<RecoverReport> {
    let row = home.vault_row(None).await?;
    let (vault, storage) = (home.vault(Some(&row.id)).await?, home.storage(&row)?);
    let source = recorded_source(&vault).await?;
    let notes = noted::load(&vault).await?;
    let own = notes.iter().find(|noted| Some(&noted.id) == source.as_ref().or(Some(&row.id)));
    let protection_before = own.map(|own| own.protection.clone());
    let others = notes.into_iter().filter(|noted| noted.id != row.id);
    let mut holds = 0;
    for vault in home.catalog.vault_list().await? {
        holds += hold::list(home, Some(&vault.id)).await?.len();
    }
    Ok(RecoverReport {
        home: home.dir().to_owned(),
        instance_key: home.key_path().to_owned(),
        as_of: storage.as_of,
        protection: Protection::of(&storage),
        protection_before,
        rebuilt,
        schedules: home.catalog.schedule_list(None).await?.len(),
        holds,
        audit: audit_gap(home).await?,
        without_credential: without_credential(home).await?,
        accounts: users::list(home).await?.iter().map(recovered).collect(),
        missing_vaults: others.map(|noted| missing(noted, source.as_deref())).collect(),
        vault: row.location,
        vault_id: row.id,
    })
}

/// What the newest entry of its kind says: an attempt before this one may have written it.
async fn audit_gap(home: &Home) -> Result<Option<AuditGap>> {
    let filter = AuditFilter { action: Some(Action::ChainResume), ..AuditFilter::default() };
    let entry = audit::list(home, &filter, None, 1).await?.pop();
    Ok(entry.map(|entry| {
        let number = |name| entry.detail(name).and_then(|text| text.parse().ok());
        let (head, missing) = (number("head_number"), number("missing"));
        AuditGap {
            entry: entry.number,
            head: head.unwrap_or_default(),
            missing: missing.unwrap_or_default(),
        }
    }))
}

async fn without_credential(home: &Home) -> Result<Vec<LockedTenant>> {
    let rows = home.catalog.tenant_list().await?;
    let locked = rows.into_iter().filter(|row| row.sealed_credential.is_none());
    Ok(locked
        .map(|row| LockedTenant {
            name: row.name,
            tenant_id: row.tenant_id,
            client_id: row.client_id,
            restore_client_id: row.restore_client_id,
            graph_url: row.graph_url,
            authority_url: row.authority_url,
            has_ca: row.ca_pem.is_some(),
        })
        .collect())
}

fn recovered(user: &User) -> RecoveredUser {
    RecoveredUser {
        name: user.name.clone(),
        disabled: user.disabled,
        password: user.password_hash.is_some(),
        totp: user.totp.is_some(),
        passkeys: user.passkeys.len(),
        recovery_codes: user.recovery_codes.len(),
    }
}

fn missing(noted: Noted, source: Option<&str>) -> MissingVault {
    MissingVault {
        is_copy: noted.copy_of.is_some(),
        is_source: source == Some(noted.id.as_str()),
        name: noted.name,
        id: noted.id,
        location: noted.location,
        protection: noted.protection,
    }
}
