//! A vault: a store with the secret behind a passphrase, the shards, and the control repository.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{Clock, Secret, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::control::Control;
use crate::crypto::{VaultSecret, fill_random, seal, stretch, unseal};
use crate::error::{Error, Result};
use crate::extend::{Leaning, LetGo, LockEnds};
use crate::id::sha256;
use crate::keys;
use crate::limits;
use crate::repository::Repository;
use crate::shard::Shard;
use crate::store::{Creation, LocalStore, PROBE, Store};

/// Name of the file that makes a folder a vault.
const VAULT_FILE: &str = "vault.json";

/// Name of the control repository, in paths and in its password.
const CONTROL: &str = "control";

/// Parameters of scrypt (log2 N, r, p): those of restic's key files.
const SCRYPT: (u8, u32, u32) = (17, 8, 1);
/// Highest parameters that are believed: 1 GiB of memory.
const SCRYPT_MAX: (u8, u32, u32) = (20, 8, 4);

/// A place where backups are kept, opened. Clones are the same vault.
#[derive(Clone)]
pub struct Vault(Arc<Opened>);

struct Opened {
    store: Arc<dyn Store>,
    id: String,
    secret: VaultSecret,
    clock: Clock,
    lock_ends: LockEnds,
    let_go: LetGo,
}

impl Opened {
    fn new(store: Arc<dyn Store>, id: String, secret: VaultSecret, clock: Clock) -> Self {
        Self { store, id, secret, clock, lock_ends: LockEnds::default(), let_go: LetGo::default() }
    }
}

/// `vault.json`.
#[derive(Serialize, Deserialize)]
struct VaultFile {
    format: u32,
    id: String,
    created: Timestamp,
    kdf: Kdf,
    /// Hexadecimal: the vault secret under the stretched passphrase.
    sealed_secret: String,
    /// Hexadecimal: tells whether a secret belongs to this vault.
    verifier: String,
    /// Hexadecimal: SHA-256 of this file with an empty string here, which tells damage from a
    /// wrong passphrase.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    log_n: u8,
    r: u32,
    p: u32,
    salt: String,
}

impl Vault {
    /// Makes a vault in an empty or missing folder; see [`Vault::create_in`].
    pub fn create(dir: &Path, passphrase: &Secret, clock: Clock) -> Result<(Self, VaultSecret)> {
        Self::create_in(Arc::new(LocalStore::new(dir)), passphrase, clock)
    }

    /// Makes a vault in an empty store. The secret is random; the passphrase only opens it.
    ///
    /// # Errors
    /// [`Error::Exists`] where the store holds anything, [`Error::Io`] where it cannot be
    /// written.
    pub fn create_in(
        store: Arc<dyn Store>,
        passphrase: &Secret,
        clock: Clock,
    ) -> Result<(Self, VaultSecret)> {
        if store.list("")?.iter().any(|file| file.key != PROBE) {
            return Err(Error::Exists { path: store.location().into() });
        }
        let secret = VaultSecret::random();
        let file = VaultFile::new(&secret, passphrase, clock.now())?;
        let id = file.id.clone();
        let vault = Self(Arc::new(Opened::new(store, id, secret.clone(), clock)));
        vault.create_repository(CONTROL)?;
        // Last, so that a store with this file is a whole vault.
        match vault.store().create(VAULT_FILE, &[Bytes::from(file.to_json())])? {
            Creation::Made => Ok((vault, secret)),
            Creation::Exists => Err(Error::Exists { path: vault.location().into() }),
        }
    }

    /// Whether a store holds a vault.
    pub fn is_in(store: &dyn Store) -> Result<bool> {
        Ok(store.get_within(VAULT_FILE, limits::SMALL as u64)?.is_some())
    }

    /// The secret of a vault in a folder from its passphrase; see [`Vault::unlock_in`].
    pub fn unlock(dir: &Path, passphrase: &Secret) -> Result<VaultSecret> {
        Self::unlock_in(&LocalStore::new(dir), passphrase)
    }

    /// The secret of a vault from its passphrase.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], [`Error::NotAVault`], [`Error::Damaged`].
    pub fn unlock_in(store: &dyn Store, passphrase: &Secret) -> Result<VaultSecret> {
        let file = VaultFile::read(store)?;
        let damaged = || Error::damaged(VAULT_FILE, "holds values that make no sense");
        let (salt, sealed) = hex::decode(&file.kdf.salt)
            .and_then(|salt| Ok((salt, hex::decode(&file.sealed_secret)?)))
            .map_err(|_| damaged())?;
        let key = stretch(passphrase, &salt, (file.kdf.log_n, file.kdf.r, file.kdf.p))?;
        let secret = unseal(&key, &secret_label(&file.id), &sealed)
            .ok_or_else(|| Error::WrongPassphrase { location: store.location() })?;
        let bytes = secret.as_slice().try_into().map_err(|_| damaged())?;
        Ok(VaultSecret::from_bytes(bytes))
    }

    /// Opens a vault in a folder; see [`Vault::open_in`].
    pub fn open(dir: &Path, secret: VaultSecret, clock: Clock) -> Result<Self> {
        Self::open_in(Arc::new(LocalStore::new(dir)), secret, clock)
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// [`Error::WrongSecret`] where the secret is another vault's, [`Error::NotAVault`],
    /// [`Error::Damaged`].
    pub fn open_in(store: Arc<dyn Store>, secret: VaultSecret, clock: Clock) -> Result<Self> {
        let file = VaultFile::read(&*store)?;
        if hex::encode(*secret.derive(&verifier_label(&file.id))) != file.verifier {
            return Err(Error::WrongSecret { location: store.location() });
        }
        Ok(Self(Arc::new(Opened::new(store, file.id, secret, clock))))
    }

    /// Puts the secret behind another passphrase. The secret, and with it every password that
    /// follows from it, stays: this helps when a passphrase is leaked or leaves with a person, not
    /// when the secret or a recovery kit is leaked.
    pub fn set_passphrase(&self, passphrase: &Secret) -> Result<()> {
        let old = VaultFile::read(&**self.store())?;
        let file = VaultFile::wrap(&self.0.secret, passphrase, old.created, old.id)?;
        self.store().replace(VAULT_FILE, &Bytes::from(file.to_json()))
    }

    /// Compares `vault.json` with what was written, byte for byte: a change that does not matter
    /// (white space) is a sign of damage as well.
    pub(crate) fn check_file(&self) -> Result<()> {
        let mut file = VaultFile::read(&**self.store())?;
        file.sha256 = hex::encode(sha256(&file.to_json()));
        match self.store().get_within(VAULT_FILE, limits::SMALL as u64)? {
            Some(bytes) if bytes == file.to_json() => Ok(()),
            _ => Err(Error::damaged(VAULT_FILE, "is not what was written")),
        }
    }

    /// The vault's id, a UUID. It never changes.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Where the vault lies, for people.
    pub fn location(&self) -> String {
        self.0.store.location()
    }

    /// Where the files of the vault lie.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The shards that exist, in order.
    pub fn shard_ids(&self) -> Result<Vec<ShardId>> {
        let mut ids = Vec::new();
        for name in self.store().list_folders("shards")? {
            let number = name.parse().ok().filter(|n: &u32| n.to_string() == name);
            if let Some(number) = number.filter(|n| *n > 0)
                && self.exists(&repository_name(&name))?
            {
                ids.push(ShardId(number));
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes a shard; one that exists is left as it is.
    pub fn create_shard(&self, id: ShardId) -> Result<()> {
        if id.0 == 0 {
            return Err(Error::invalid("shards are numbered from 1"));
        }
        self.create_repository(&id.to_string())
    }

    /// Opens a shard.
    ///
    /// # Errors
    /// [`Error::NoShard`], [`Error::Damaged`].
    pub fn shard(&self, id: ShardId) -> Result<Shard> {
        let name = id.to_string();
        if self.store().list_folders(&repository_name(&name))?.is_empty() {
            return Err(Error::NoShard { id });
        }
        let repository = self.open_repository(&name)?;
        Ok(Shard::new(self.clone(), id, Arc::new(repository)))
    }

    /// What restic's `-r` takes for a shard: its folder, or a URL.
    pub fn shard_location(&self, id: ShardId) -> String {
        self.store().restic_repository(&repository_name(&id.to_string()))
    }

    /// The restic password of a shard: lower-case hexadecimal HMAC-SHA256 of
    /// `holdfast/shard/v1/<id>` under the vault secret.
    pub fn shard_password(&self, id: ShardId) -> Secret {
        self.0.secret.password(&id.to_string())
    }

    /// What restic's `-r` takes for the control repository.
    pub fn control_location(&self) -> String {
        self.store().restic_repository(CONTROL)
    }

    /// The restic password of the control repository.
    pub fn control_password(&self) -> Secret {
        self.0.secret.password(CONTROL)
    }

    /// Opens the control repository.
    pub fn control(&self) -> Result<Control> {
        let repository = self.open_repository(CONTROL)?;
        Ok(Control::new(self.clone(), Arc::new(repository)))
    }

    pub(crate) fn secret(&self) -> &VaultSecret {
        &self.0.secret
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What watches over the packs on which a new snapshot leans, where the store locks files.
    pub(crate) fn leaning(&self) -> Option<Leaning> {
        self.store().locks()?;
        Some(Leaning::new(self.clock().clone(), Arc::clone(&self.0.lock_ends)))
    }

    /// The snapshots whose locks are not prolonged any more.
    pub(crate) fn let_go(&self) -> &LetGo {
        &self.0.let_go
    }

    /// Host name of our restic locks: unique, and no machine's.
    pub(crate) fn lock_host(&self) -> String {
        format!("holdfast-{}", self.id())
    }

    fn exists(&self, repository: &str) -> Result<bool> {
        Ok(self.store().get_range(&format!("{repository}/config"), 0, 1)?.is_some())
    }

    /// Makes a repository; one that exists is left as it is.
    fn create_repository(&self, name: &str) -> Result<()> {
        let place = repository_name(name);
        let backend = Backend::new(Arc::clone(self.store()), place.clone());
        if self.exists(&place)? {
            return self.seal_missing_key(name, &backend);
        }
        let (secret, key) = (&self.0.secret, self.0.secret.master(name));
        match Repository::init(&backend, &secret.password(name), &key) {
            Ok(()) => keys::save(&**self.store(), secret, name, &key),
            // Somebody else was faster.
            Err(Error::RepositoryExists { .. }) => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Seals the key of a repository whose maker died, or had no space left, before it had: every
    /// opening would cost scrypt.
    fn seal_missing_key(&self, name: &str, backend: &Backend) -> Result<()> {
        if !matches!(keys::load(&**self.store(), &self.0.secret, name), Ok(None)) {
            return Ok(());
        }
        let repository = self.open_by_password(name, backend)?;
        keys::save(&**self.store(), &self.0.secret, name, &repository.key)
    }

    /// Opens a repository by its sealed key; where that is missing or damaged, by its password.
    fn open_repository(&self, name: &str) -> Result<Repository> {
        let backend = Backend::new(Arc::clone(self.store()), repository_name(name));
        let opened = match keys::load(&**self.store(), &self.0.secret, name) {
            Ok(Some(key)) => Repository::open(backend.clone(), key),
            Ok(None) => return self.open_by_password(name, &backend),
            Err(err) => Err(err),
        };
        match opened {
            Err(Error::Damaged { file, what }) => {
                tracing::warn!(file, what, "opening the repository by its password instead");
                self.open_by_password(name, &backend)
            }
            opened => opened,
        }
    }

    fn open_by_password(&self, name: &str, backend: &Backend) -> Result<Repository> {
        Repository::open_by_password(backend, &self.0.secret.password(name))
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("location", &self.location()).field("id", &self.id()).finish()
    }
}

/// What errors call a repository: its place inside the vault.
fn repository_name(name: &str) -> String {
    if name == CONTROL { name.to_owned() } else { format!("shards/{name}") }
}

fn secret_label(id: &str) -> String {
    format!("holdfast/secret/v1/{id}")
}

fn verifier_label(id: &str) -> String {
    format!("holdfast/verifier/v1/{id}")
}

impl VaultFile {
    fn new(secret: &VaultSecret, passphrase: &Secret, created: Timestamp) -> Result<Self> {
        Self::wrap(secret, passphrase, created, uuid::Uuid::new_v4().to_string())
    }

    /// Puts a secret behind a passphrase.
    fn wrap(
        secret: &VaultSecret,
        passphrase: &Secret,
        created: Timestamp,
        id: String,
    ) -> Result<Self> {
        let mut salt = [0; 32];
        fill_random(&mut salt);
        let key = stretch(passphrase, &salt, SCRYPT)?;
        let (log_n, r, p) = SCRYPT;
        let mut file = Self {
            format: 1,
            created,
            kdf: Kdf { name: "scrypt".to_owned(), log_n, r, p, salt: hex::encode(salt) },
            sealed_secret: hex::encode(seal(&key, &secret_label(&id), secret.expose())),
            verifier: hex::encode(*secret.derive(&verifier_label(&id))),
            sha256: String::new(),
            id,
        };
        file.sha256 = hex::encode(sha256(&file.to_json()));
        Ok(file)
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("vault.json has only strings and numbers")
    }

    fn read(store: &dyn Store) -> Result<Self> {
        let not_a_vault = || Error::NotAVault { location: store.location() };
        let bytes = store.get_within(VAULT_FILE, limits::SMALL as u64)?;
        let bytes = bytes.ok_or_else(not_a_vault)?;
        let damaged = |what: &str| Error::damaged(VAULT_FILE, what);
        let mut file: Self =
            serde_json::from_slice(&bytes).map_err(|_| damaged("is not a vault description"))?;
        let stated = std::mem::take(&mut file.sha256);
        if stated != hex::encode(sha256(&file.to_json())) {
            return Err(damaged("does not match its checksum"));
        }
        let kdf = &file.kdf;
        let (log_n, r, p) = SCRYPT_MAX;
        if file.format != 1 || kdf.name != "scrypt" {
            return Err(damaged("was written by a newer version of Holdfast"));
        }
        if kdf.log_n > log_n || kdf.r > r || kdf.p > p {
            return Err(damaged("asks for an unreasonable amount of work"));
        }
        Ok(file)
    }
}
