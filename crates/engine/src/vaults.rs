//! The vaults of an installation: added, attached, listed, opened.

pub(crate) mod noted;

use std::fs;
use std::path::Path;

use holdfast_catalog::VaultRow;
use holdfast_model::{Clock, Secret, Timestamp};
use holdfast_vault::{ExtendReport, Location, LockMode, Rights, Store, Vault, VaultSecret, probe};
use serde::{Deserialize, Serialize};

use crate::export::archive;
use crate::home::{FIRST_VAULT, HomeFile, Unlock, blocking, to_ms};
use crate::seal::InstanceKey;
use crate::storage::Storage;
use crate::{Error, Home, Result, released};

/// A vault to be made, or to be attached where one lies at the place.
#[derive(Clone, Debug)]
pub struct NewVault {
    /// Name under which this installation knows it.
    pub name: String,
    /// Where it lies.
    pub location: Location,
    /// What opens it; a new one is made with a passphrase.
    pub unlock: Unlock,
    /// How its storage is used.
    pub storage: Storage,
}

/// What became of a [`NewVault`].
#[derive(Clone, Debug, Serialize)]
pub struct AddedVault {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub location: String,
    /// False where it was there already and is attached.
    pub created: bool,
    /// The writing credentials may delete.
    pub writer_removes: bool,
    /// The maintenance credentials may delete; absent where there are no others.
    pub maintenance_removes: Option<bool>,
}

/// A vault as `vault list` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ListedVault {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub location: String,
    /// The tenants whose data it takes.
    pub tenants: Vec<String>,
    /// How what it holds is locked.
    pub lock_mode: Option<LockMode>,
    /// For how many days.
    pub lock_days: Option<u32>,
    /// Nothing is removed but in maintenance.
    pub append_only: bool,
    /// Its files have the immutable flag.
    pub immutable: bool,
    /// There are credentials of their own for maintenance.
    pub maintenance_credentials: bool,
    /// It is read as it was at this time, and not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// When it was added here.
    pub created_at: Timestamp,
}

/// A vault that was made or unlocked.
pub(crate) struct Opened {
    pub(crate) vault: Vault,
    pub(crate) secret: VaultSecret,
    pub(crate) created: bool,
    pub(crate) rights: Rights,
}

/// Makes the vault, or unlocks the one that is there. The storage is tried first.
pub(crate) async fn make_or_unlock(new: &NewVault, clock: Clock) -> Result<Opened> {
    reach(new, true, clock).await
}

/// Unlocks the vault that must be there. The storage is tried first.
pub(crate) async fn unlock(new: &NewVault, clock: Clock) -> Result<Opened> {
    reach(new, false, clock).await
}

async fn reach(new: &NewVault, may_make: bool, clock: Clock) -> Result<Opened> {
    let (new, options) = (new.clone(), new.storage.options()?);
    blocking(move || {
        not_in_a_vault(&new.location)?;
        let store = new.storage.open(&new.location, false, clock.clone())?;
        let there = Vault::is_in(&*store)?;
        let is_folder = matches!(new.location, Location::Folder(_));
        let foreign = !there && is_folder && holds_files(&*store)?;
        let must_be_there = !may_make || new.storage.as_of.is_some();
        if !there && must_be_there || foreign && matches!(new.unlock, Unlock::Passphrase(_)) {
            return Err(holdfast_vault::Error::NotAVault { location: store.location() }.into());
        }
        let rights = match new.storage.as_of {
            Some(_) => Rights { writer_removes: false, maintenance_removes: None },
            None => probe(&new.location, &options, clock.clone())?,
        };
        let secret = match &new.unlock {
            Unlock::Passphrase(passphrase) if !there => {
                let (vault, secret) = Vault::create_in(store, passphrase, clock)?;
                return Ok(Opened { vault, secret, created: true, rights });
            }
            Unlock::Passphrase(passphrase) => Vault::unlock_in(&*store, passphrase)?,
            Unlock::Kit(kit) => Vault::secret_from_kit(kit)?,
            Unlock::Secret(secret) => secret.clone(),
        };
        let vault = Vault::open_in(store, secret.clone(), clock)?;
        Ok(Opened { vault, secret, created: false, rights })
    })
    .await
}

/// A vault in a vault would be swept up with it.
fn not_in_a_vault(location: &Location) -> Result<()> {
    let Location::Folder(path) = location else { return Ok(()) };
    let path = std::path::absolute(path).map_err(|source| Error::File {
        action: "find",
        path: path.clone(),
        source,
    })?;
    match path.ancestors().skip(1).find(|above| above.join("vault.json").exists()) {
        Some(vault) => Err(Error::Usage(format!(
            "{} lies in the vault {}; choose a place of its own",
            path.display(),
            vault.display()
        ))),
        None => Ok(()),
    }
}

fn holds_files(store: &dyn Store) -> Result<bool> {
    Ok(!store.list("")?.is_empty())
}

/// The row of a vault, with everything sealed.
pub(crate) fn row(
    new: &NewVault,
    opened: &Opened,
    key: &InstanceKey,
    clock: &Clock,
) -> Result<VaultRow> {
    let id = opened.vault.id().to_owned();
    Ok(VaultRow {
        sealed_secret: key.seal(&id, opened.secret.expose()),
        sealed_storage: Some(key.seal(&label(&id), new.storage.to_secret().expose())),
        name: new.name.clone(),
        location: absolute(&new.location)?.to_string(),
        created_at: to_ms(clock.now()),
        id,
    })
}

fn label(vault: &str) -> String {
    format!("{vault}/storage")
}

/// A folder by its whole path: the next command may run elsewhere.
pub(crate) fn absolute(location: &Location) -> Result<Location> {
    let Location::Folder(path) = location else { return Ok(location.clone()) };
    let path = std::path::absolute(path);
    let source = |source| Error::File { action: "find", path: location.to_string().into(), source };
    path.map(Location::Folder).map_err(source)
}

impl Home {
    /// Makes or attaches a further vault. Where a vault of this name is known already, and is the
    /// one at the place, its storage is used in the new way from now on: new credentials, say.
    ///
    /// # Errors
    /// Where the storage cannot hold a vault, or the name is another vault's.
    pub async fn vault_add(&self, new: &NewVault) -> Result<AddedVault> {
        if new.name.is_empty() || new.name.chars().any(char::is_control) {
            return Err(Error::Usage("a vault needs a name without control characters".into()));
        }
        let known = self.catalog.vault_list().await?;
        let place = absolute(&new.location)?.to_string();
        if known.iter().any(|known| known.name == new.name && known.location != place) {
            let name = &new.name;
            return Err(Error::Usage(format!("'{name}' is the name of a vault in another place")));
        }
        let opened = make_or_unlock(new, self.clock.clone()).await?;
        let row = row(new, &opened, self.key(), &self.clock)?;
        match known.iter().find(|known| known.name == row.name || known.id == row.id) {
            Some(known) if (&known.name, &known.id) == (&row.name, &row.id) => {
                self.catalog.vault_update(&row).await?;
            }
            _ => self.catalog.vault_add(&row).await?,
        }
        HomeFile::keep(self.dir(), &row)?;
        noted::tell_or_warn(self).await;
        Ok(AddedVault {
            id: row.id,
            name: row.name,
            location: row.location,
            created: opened.created,
            writer_removes: opened.rights.writer_removes,
            maintenance_removes: opened.rights.maintenance_removes,
        })
    }

    /// The vaults by name.
    pub async fn vaults(&self) -> Result<Vec<ListedVault>> {
        let tenants = self.catalog.tenant_list().await?;
        let mut listed = Vec::new();
        for row in self.catalog.vault_list().await? {
            let storage = self.storage(&row)?;
            let of_vault = tenants.iter().filter(|tenant| tenant.vault_id == row.id);
            listed.push(ListedVault {
                tenants: of_vault.map(|tenant| tenant.name.clone()).collect(),
                lock_mode: storage.lock.map(|(mode, _)| mode),
                lock_days: storage.lock.map(|(_, days)| days),
                append_only: storage.append_only,
                immutable: storage.immutable,
                maintenance_credentials: storage.maintenance.is_some(),
                as_of: storage.as_of,
                id: row.id,
                name: row.name,
                location: row.location,
                created_at: row.created_at,
            });
        }
        Ok(listed)
    }

    /// Opens the vault with this id or name; the only one where `None`.
    pub async fn vault(&self, name: Option<&str>) -> Result<Vault> {
        self.open_vault(name, false).await
    }

    /// The same for removing too: with the maintenance credentials where there are any.
    pub async fn vault_for_maintenance(&self, name: Option<&str>) -> Result<Vault> {
        self.open_vault(name, true).await
    }

    async fn open_vault(&self, name: Option<&str>, maintenance: bool) -> Result<Vault> {
        let row = self.vault_row(name).await?;
        let location: Location = row.location.parse()?;
        let secret = self.vault_secret(&row)?;
        let store = self.storage(&row)?.open(&location, maintenance, self.clock.clone())?;
        let clock = self.clock.clone();
        blocking(move || Ok(Vault::open_in(store, secret, clock)?)).await
    }

    /// Puts a vault's secret behind another passphrase. Who has a recovery kit, or the secret,
    /// keeps his access; see `docs/leaked-kit.md`.
    pub async fn vault_rekey(&self, name: Option<&str>, passphrase: &Secret) -> Result<()> {
        let vault = self.vault(name).await?;
        let passphrase = passphrase.clone();
        blocking(move || Ok(vault.set_passphrase(&passphrase)?)).await
    }

    /// The recovery kit of a vault, as a ZIP.
    pub async fn vault_kit(&self, name: Option<&str>) -> Result<Vec<u8>> {
        let files = self.vault(name).await?.kit_files();
        let files = files.each_ref().map(|(name, text, _)| (*name, text.as_str()));
        archive(&files, self.now())
    }

    /// True where the secret of a recovery kit opens a vault as it lies in its storage.
    ///
    /// # Errors
    /// Where the storage cannot be read.
    pub async fn vault_opens_with(&self, name: Option<&str>, secret: VaultSecret) -> Result<bool> {
        let row = self.vault_row(name).await?;
        let store = self.storage(&row)?.open(&row.location.parse()?, false, self.clock.clone())?;
        let clock = self.clock.clone();
        blocking(move || match Vault::open_in(store, secret, clock) {
            Ok(_) => Ok(true),
            Err(holdfast_vault::Error::WrongSecret { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Prolongs the locks of everything that is needed; `None` where the storage locks nothing.
    pub async fn vault_extend(&self, name: Option<&str>) -> Result<Option<ExtendReport>> {
        let vault = self.vault(name).await?;
        released::tell(&vault).await?;
        blocking(move || Ok(vault.extend_locks()?)).await
    }

    /// How a vault's storage is used.
    pub(crate) fn storage(&self, row: &VaultRow) -> Result<Storage> {
        let Some(sealed) = &row.sealed_storage else { return Ok(Storage::default()) };
        let secret = self.unseal(&label(&row.id), sealed)?;
        Storage::from_secret(&secret).ok_or_else(|| self.foreign())
    }

    /// The secret of a vault; the vault itself is not asked.
    pub(crate) fn vault_secret(&self, row: &VaultRow) -> Result<VaultSecret> {
        let secret = self.unseal(&row.id, &row.sealed_secret)?;
        let bytes: [u8; 32] = secret.expose().try_into().map_err(|_| self.foreign())?;
        Ok(VaultSecret::from_bytes(bytes))
    }

    /// The row of a vault by id or name; of the only one where `None`.
    pub async fn vault_row(&self, name: Option<&str>) -> Result<VaultRow> {
        let vaults = self.catalog.vault_list().await?;
        let wanted = |row: &VaultRow| match name {
            Some(name) => row.id == name || row.name == name,
            None => true,
        };
        let first = |row: &VaultRow| name.is_none() && row.name == FIRST_VAULT;
        let found =
            vaults.iter().find(|row| first(row)).or_else(|| vaults.iter().find(|row| wanted(row)));
        found.cloned().ok_or_else(|| Error::not_found("vault", name.unwrap_or(FIRST_VAULT)))
    }
}

/// A vault as the home file keeps it, so that a lost catalog can be made again.
#[derive(Serialize, Deserialize)]
pub(crate) struct HomeVault {
    id: String,
    name: String,
    location: String,
    /// Hexadecimal; sealed under the instance key.
    sealed_secret: String,
    /// Hexadecimal; how its storage is used, credentials among it, sealed under the instance key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_storage: Option<String>,
    created_at: Timestamp,
}

impl HomeVault {
    pub(crate) fn new(row: &VaultRow) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            location: row.location.clone(),
            sealed_secret: hex::encode(&row.sealed_secret),
            sealed_storage: row.sealed_storage.as_ref().map(hex::encode),
            created_at: row.created_at,
        }
    }

    pub(crate) fn row(self) -> Result<VaultRow> {
        let damaged = |_| Error::Usage(format!("the secret of vault {} is damaged", self.name));
        Ok(VaultRow {
            sealed_secret: hex::decode(&self.sealed_secret).map_err(damaged)?,
            sealed_storage: self.sealed_storage.map(hex::decode).transpose().map_err(damaged)?,
            id: self.id,
            name: self.name.clone(),
            location: self.location,
            created_at: self.created_at,
        })
    }
}

impl HomeFile {
    /// Its first vault is the one with this id.
    pub(crate) fn is_of(&self, vault: &str) -> bool {
        self.vaults.first().is_some_and(|first| first.id == vault)
    }

    /// Notes a vault, in the place of the one with its id if there is one.
    fn keep(dir: &Path, row: &VaultRow) -> Result<()> {
        let mut file = Self::read(dir)?;
        file.vaults.retain(|vault| vault.id != row.id);
        file.vaults.push(HomeVault::new(row));
        file.write(dir)
    }

    /// Writes the file whole, or leaves the old one.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let (path, draft) = (dir.join(Self::NAME), dir.join(format!("{}.new", Self::NAME)));
        let text = serde_json::to_string_pretty(self).expect("plain fields serialise");
        let failed = |source| Error::File { action: "write", path: path.clone(), source };
        fs::write(&draft, text + "\n").map_err(failed)?;
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&draft, owner_only).map_err(failed)?;
        fs::File::open(&draft).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&draft, &path).map_err(failed)
    }
}
