//! An installation: the home folder with its catalog, its instance key and its vaults.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_catalog::{Catalog, VaultRow};
use holdfast_graph::Sleep;
use holdfast_model::{Clock, Secret, Timestamp};
use holdfast_vault::{Location, VaultSecret};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::catalog_place::{self, CatalogPlace};
use crate::seal::InstanceKey;
use crate::shards::ShardLimits;
use crate::storage::Storage;
use crate::vaults::{self, HomeVault, NewVault, make_or_unlock};
use crate::{Error, Result, audit};

/// Name under which the first vault is known.
pub(crate) const FIRST_VAULT: &str = "default";

/// Short enough for another machine to follow soon, long enough for a busy one to be heard in.
const LEASE_TTL: Duration = Duration::from_secs(60);

/// What `init` needs to know.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Where the vault lies: an empty or absent place to make one, an existing vault to attach it.
    pub vault: Location,
    /// How its storage is used.
    pub storage: Storage,
    /// What opens the vault.
    pub unlock: Unlock,
    /// Where the instance key lies; default `~/.config/holdfast/<home id>.key`.
    pub instance_key: Option<PathBuf>,
    /// Where the catalog lies on PostgreSQL, in an empty database; a file in the home where absent.
    pub catalog_url: Option<Secret>,
}

/// What opens a vault.
#[derive(Clone, Debug)]
pub enum Unlock {
    /// Its passphrase; a new vault is made with one.
    Passphrase(Secret),
    /// The folder of its recovery kit.
    Kit(PathBuf),
    /// The secret in its recovery kit.
    Secret(VaultSecret),
}

/// What an installation knows of itself without its catalog.
#[derive(Serialize, Deserialize)]
pub(crate) struct HomeFile {
    pub(crate) v: u8,
    pub(crate) id: String,
    pub(crate) instance_key: PathBuf,
    #[serde(default, skip_serializing_if = "CatalogPlace::is_file")]
    pub(crate) catalog: CatalogPlace,
    pub(crate) vaults: Vec<HomeVault>,
    /// `recover` has begun here and has not ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) recovering: bool,
}

/// An open installation.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    key_path: PathBuf,
    key: InstanceKey,
    /// The catalog.
    pub catalog: Catalog,
    /// The clock of all operations.
    pub clock: Clock,
    /// How clients of Graph wait: the timer, unless a test moves its clocks instead.
    pub sleep: Sleep,
    /// How far shards are filled.
    pub shard_limits: ShardLimits,
    /// How long a shard, or the target of a restore, stays with a process that gives no sign of
    /// life; one is given three times in this time.
    pub lease_ttl: Duration,
    /// One change of users at a time.
    pub(crate) changing_users: Mutex<()>,
}

impl Home {
    /// Makes an installation: home folder, instance key, catalog, and the vault (made, or attached
    /// where the folder holds one already; `catalog rebuild` then brings its content in).
    pub async fn init(dir: &Path, options: &InitOptions, clock: Clock) -> Result<(Self, bool)> {
        if dir.join(HomeFile::NAME).exists() {
            // One that is half made says so itself.
            HomeFile::read(dir)?;
            return Err(Error::HomeExists(dir.to_owned()));
        }
        let on_server = match &options.catalog_url {
            Some(url) => Some(catalog_place::connect_new(url, clock.clone()).await?),
            None => None,
        };
        let new = NewVault {
            name: FIRST_VAULT.to_owned(),
            location: options.vault.clone(),
            unlock: options.unlock.clone(),
            storage: options.storage.clone(),
        };
        let opened = make_or_unlock(&new, clock.clone()).await?;
        make_folder(dir)?;
        let id = Uuid::new_v4().to_string();
        let (key_path, key) = key_of(&id, options.instance_key.as_deref())?;
        let catalog = match on_server {
            Some(catalog) => catalog,
            None => catalog_place::create(dir, clock.clone()).await?,
        };
        let home = Self::assemble(dir, key_path, key, catalog, clock);
        let row = vaults::row(&new, &opened, &home.key, &home.clock)?;
        home.catalog.vault_add(&row).await?;
        let vaults = vec![HomeVault::new(&row)];
        if let Some(url) = &options.catalog_url {
            catalog_place::keep_url(dir, url)?;
        }
        let catalog = CatalogPlace::of(options.catalog_url.as_ref());
        let instance_key = home.key_path.clone();
        HomeFile { v: 1, id, instance_key, catalog, vaults, recovering: false }.write(dir)?;
        if !opened.created {
            audit::resume(&home).await?;
        }
        Ok((home, opened.created))
    }

    /// Opens an installation. `instance_key` overrides where its key lies.
    pub async fn open(dir: &Path, instance_key: Option<&Path>, clock: Clock) -> Result<Self> {
        let home = HomeFile::read(dir)?;
        let key_path = instance_key.map_or(home.instance_key, Path::to_path_buf);
        let key = InstanceKey::load(&key_path)?;
        let catalog = home.catalog.open(dir, clock.clone()).await?;
        Ok(Self::assemble(dir, key_path, key, catalog, clock))
    }

    pub(crate) fn assemble(
        dir: &Path,
        key_path: PathBuf,
        key: InstanceKey,
        catalog: Catalog,
        clock: Clock,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            key_path,
            key,
            catalog,
            clock,
            sleep: Sleep::default(),
            shard_limits: ShardLimits::default(),
            lease_ttl: LEASE_TTL,
            changing_users: Mutex::default(),
        }
    }

    /// Opens an installation whose catalog may be lost: an empty one takes its place, to be filled
    /// by [`crate::rebuild::rebuild`]. A damaged catalog is not touched: it is moved away first. The
    /// audit record goes on from its last signed entry.
    pub async fn open_to_rebuild(
        dir: &Path,
        instance_key: Option<&Path>,
        clock: Clock,
    ) -> Result<Self> {
        let home = HomeFile::read(dir)?;
        home.catalog.open_or_make(dir, home.vaults, clock.clone()).await?.close().await;
        let home = Self::open(dir, instance_key, clock).await?;
        audit::resume(&home).await?;
        Ok(home)
    }

    /// The home folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the instance key lies.
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// Seals a secret of the catalog under the instance key, for one use named by `label`.
    pub fn seal(&self, label: &str, secret: &[u8]) -> Vec<u8> {
        self.key.seal(label, secret)
    }

    /// Opens what was sealed under the same label.
    ///
    /// # Errors
    /// [`Error::InstanceKey`] where it was sealed under another key or label.
    pub fn unseal(&self, label: &str, sealed: &[u8]) -> Result<Secret> {
        self.key.open(label, sealed).ok_or_else(|| self.foreign())
    }

    pub(crate) fn foreign(&self) -> Error {
        Error::InstanceKey {
            path: self.key_path.clone(),
            problem: "does not belong to this home; give the right one with --instance-key FILE",
        }
    }

    pub(crate) fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Now, in the milliseconds that the catalog keeps.
    pub(crate) fn now(&self) -> Timestamp {
        to_ms(self.clock.now())
    }
}

impl HomeFile {
    pub(crate) const NAME: &str = "home.json";

    /// Of a home whose catalog lies on a server, and knows these vaults.
    pub(crate) fn on_server(key: &Path, vaults: &[VaultRow]) -> Self {
        Self {
            v: 1,
            id: Uuid::new_v4().to_string(),
            instance_key: key.to_owned(),
            catalog: CatalogPlace::Postgres,
            recovering: false,
            vaults: vaults.iter().map(HomeVault::new).collect(),
        }
    }

    /// The file of a home.
    ///
    /// # Errors
    /// [`Error::NotAHome`]; [`Error::Recovering`] where it is half made.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let file = Self::read_any(dir)?;
        if file.recovering { Err(Error::Recovering(dir.to_owned())) } else { Ok(file) }
    }

    /// The same of a home that may be half made.
    pub(crate) fn read_any(dir: &Path) -> Result<Self> {
        let not_a_home = || Error::NotAHome(dir.to_owned());
        let text = fs::read_to_string(dir.join(HomeFile::NAME)).map_err(|_| not_a_home())?;
        serde_json::from_str(&text).map_err(|_| not_a_home())
    }
}

/// Makes the folder of a home.
pub(crate) fn make_folder(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io("protect", dir))
}

/// The instance key of a home and its place: the one that is there, or a new one.
pub(crate) fn key_of(id: &str, named: Option<&Path>) -> Result<(PathBuf, InstanceKey)> {
    let path = match named {
        Some(path) => std::path::absolute(path).map_err(io("find", path))?,
        None => default_key_path(id),
    };
    let key = if path.exists() { InstanceKey::load(&path)? } else { InstanceKey::create(&path)? };
    Ok((path, key))
}

fn default_key_path(id: &str) -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    config.unwrap_or_else(|| PathBuf::from("/etc")).join("holdfast").join(format!("{id}.key"))
}

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// The catalog keeps milliseconds; times that must come back equal are cut to them at once.
pub(crate) fn to_ms(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// Runs work that blocks (disk, compression) away from the asynchronous threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Thread)?
}
