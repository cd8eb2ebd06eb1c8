//! A vault: a folder with the secret behind a passphrase, the shards, and the control repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{Clock, Secret, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backend::{LocalBackend, create_dir, entries, sync_dir, write_atomically};
use crate::control::Control;
use crate::crypto::{RepositoryKey, VaultSecret, fill_random, seal, stretch, unseal};
use crate::error::{Error, Result};
use crate::id::sha256;
use crate::keys;
use crate::repository::Repository;
use crate::shard::Shard;

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
    dir: PathBuf,
    id: String,
    secret: VaultSecret,
    clock: Clock,
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
    /// Makes a vault in an empty or missing folder. The secret is random; the passphrase only
    /// opens it.
    ///
    /// # Errors
    /// [`Error::Exists`] where the folder holds anything, [`Error::Io`] where it cannot be
    /// written.
    pub fn create(dir: &Path, passphrase: &Secret, clock: Clock) -> Result<(Self, VaultSecret)> {
        create_dir(dir)?;
        if !entries(dir)?.is_empty() {
            return Err(Error::Exists { path: dir.to_owned() });
        }
        let secret = VaultSecret::random();
        let file = VaultFile::new(&secret, passphrase, clock.now())?;
        let (dir, id) = (dir.to_owned(), file.id.clone());
        let vault = Self(Arc::new(Opened { dir, id, secret: secret.clone(), clock }));
        create_dir(&vault.dir().join("shards"))?;
        vault.create_repository(CONTROL, &vault.control_location())?;
        // Last, so that a folder with this file is a whole vault.
        let tmp = keys::dir(vault.dir()).join("tmp");
        write_atomically(&tmp, &vault.dir().join(VAULT_FILE), &[Bytes::from(file.to_json())])?;
        if let Some(parent) = vault.dir().parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        Ok((vault, secret))
    }

    /// The secret of a vault from its passphrase.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], [`Error::NotAVault`], [`Error::Damaged`].
    pub fn unlock(dir: &Path, passphrase: &Secret) -> Result<VaultSecret> {
        let file = VaultFile::read(dir)?;
        let damaged = || Error::damaged(VAULT_FILE, "holds values that make no sense");
        let (salt, sealed) = hex::decode(&file.kdf.salt)
            .and_then(|salt| Ok((salt, hex::decode(&file.sealed_secret)?)))
            .map_err(|_| damaged())?;
        let key = stretch(passphrase, &salt, (file.kdf.log_n, file.kdf.r, file.kdf.p))?;
        let secret = unseal(&key, &secret_label(&file.id), &sealed)
            .ok_or_else(|| Error::WrongPassphrase { path: dir.to_owned() })?;
        let bytes = secret.as_slice().try_into().map_err(|_| damaged())?;
        Ok(VaultSecret::from_bytes(bytes))
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// [`Error::WrongSecret`] where the secret is another vault's, [`Error::NotAVault`],
    /// [`Error::Damaged`].
    pub fn open(dir: &Path, secret: VaultSecret, clock: Clock) -> Result<Self> {
        let file = VaultFile::read(dir)?;
        if hex::encode(*secret.derive(&verifier_label(&file.id))) != file.verifier {
            return Err(Error::WrongSecret { path: dir.to_owned() });
        }
        Ok(Self(Arc::new(Opened { dir: dir.to_owned(), id: file.id, secret, clock })))
    }

    /// The vault's id, a UUID. It never changes.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The vault's folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The shards that exist, in order.
    pub fn shard_ids(&self) -> Result<Vec<ShardId>> {
        let shards = entries(&self.dir().join("shards"))?;
        let mut ids: Vec<ShardId> = shards
            .into_iter()
            .filter(|(path, _)| path.join("config").is_file())
            .filter_map(|(_, name)| {
                Some(name.parse().ok()?).filter(|n: &u32| n.to_string() == name)
            })
            .map(ShardId)
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes a shard; one that exists is left as it is.
    pub fn create_shard(&self, id: ShardId) -> Result<()> {
        if id.0 == 0 {
            return Err(Error::invalid("shards are numbered from 1"));
        }
        self.create_repository(&id.to_string(), &self.shard_location(id))
    }

    /// Opens a shard.
    ///
    /// # Errors
    /// [`Error::NoShard`], [`Error::Damaged`].
    pub fn shard(&self, id: ShardId) -> Result<Shard> {
        let location = self.shard_location(id);
        if !location.is_dir() {
            return Err(Error::NoShard { id });
        }
        let repository = self.open_repository(&id.to_string(), &location)?;
        Ok(Shard::new(self.clone(), id, Arc::new(repository)))
    }

    /// The folder of a shard: what restic's `-r` takes.
    pub fn shard_location(&self, id: ShardId) -> PathBuf {
        self.dir().join("shards").join(id.to_string())
    }

    /// The restic password of a shard: lower-case hexadecimal HMAC-SHA256 of
    /// `holdfast/shard/v1/<id>` under the vault secret.
    pub fn shard_password(&self, id: ShardId) -> Secret {
        self.0.secret.password(&id.to_string())
    }

    /// The folder of the control repository, which is one of restic's too.
    pub fn control_location(&self) -> PathBuf {
        self.dir().join(CONTROL)
    }

    /// The restic password of the control repository.
    pub fn control_password(&self) -> Secret {
        self.0.secret.password(CONTROL)
    }

    /// Opens the control repository.
    pub fn control(&self) -> Result<Control> {
        let repository = self.open_repository(CONTROL, &self.control_location())?;
        Ok(Control::new(self.clone(), Arc::new(repository)))
    }

    pub(crate) fn secret(&self) -> &VaultSecret {
        &self.0.secret
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Host name of our restic locks: unique, and no machine's.
    pub(crate) fn lock_host(&self) -> String {
        format!("holdfast-{}", self.id())
    }

    /// Makes a repository beside its final place and moves it there when it is whole.
    fn create_repository(&self, name: &str, location: &Path) -> Result<()> {
        if location.join("config").is_file() {
            return Ok(());
        }
        let parent = location.parent().expect("repositories lie in the vault");
        let draft = parent.join(format!(".new-{}", uuid::Uuid::new_v4()));
        let backend = LocalBackend::new(draft.clone(), repository_name(name));
        create_dir(&draft)?;
        let made = Repository::init(&backend, &self.0.secret.password(name)).and_then(|key| {
            fs::rename(&draft, location).map_err(|err| Error::io("create", location, err))?;
            sync_dir(parent)?;
            keys::save(self.dir(), &self.0.secret, name, &key)
        });
        if made.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        match made {
            // Somebody else was faster.
            Err(Error::Io { .. }) if location.join("config").is_file() => Ok(()),
            made => made,
        }
    }

    /// Opens a repository by its sealed key; where that is missing or damaged, by its password.
    fn open_repository(&self, name: &str, location: &Path) -> Result<Repository> {
        let backend = LocalBackend::new(location.to_owned(), repository_name(name));
        let opened = match keys::load(self.dir(), &self.0.secret, name) {
            Ok(Some(key)) => Repository::open(backend.clone(), key),
            Ok(None) => self.open_by_password(name, &backend),
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

    fn open_by_password(&self, name: &str, backend: &LocalBackend) -> Result<Repository> {
        let key: RepositoryKey =
            Repository::key_from_password(backend, &self.0.secret.password(name))?;
        Repository::open(backend.clone(), key)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("dir", &self.dir()).field("id", &self.id()).finish()
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
        let id = uuid::Uuid::new_v4().to_string();
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

    fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(VAULT_FILE);
        let bytes = fs::read(&path).map_err(|err| match err.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::NotAVault { path: dir.to_owned() }
            }
            _ => Error::io("read", &path, err),
        })?;
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
