//! Where the catalog of an installation lies: in a file of the home, or on a PostgreSQL server that
//! several installations with one instance key and the same vaults may share.
//!
//! The URL of the server holds a password. It lies in a file of its own in the home, which nobody
//! else may read; change it there when server or password change.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_catalog::Catalog;
use holdfast_model::{Clock, Secret};
use serde::{Deserialize, Serialize};

use crate::vaults::HomeVault;
use crate::{Error, Result};

const CATALOG_FILE: &str = "catalog.db";

/// Name of the file in the home that holds the URL of a catalog on PostgreSQL.
const URL_FILE: &str = "catalog.url";

/// What the home notes of its catalog, so that a lost URL is not taken for a lost file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatalogPlace {
    /// SQLite, in the home.
    #[default]
    File,
    /// PostgreSQL, at the URL in a file of the home.
    Postgres,
}

impl CatalogPlace {
    pub(crate) fn is_file(&self) -> bool {
        *self == Self::File
    }

    /// The place of a new catalog.
    pub(crate) fn of(url: Option<&Secret>) -> Self {
        url.map_or(Self::File, |_| Self::Postgres)
    }

    /// Opens the catalog of a home.
    pub(crate) async fn open(self, dir: &Path, clock: Clock) -> Result<Catalog> {
        let path = dir.join(CATALOG_FILE);
        match self {
            Self::Postgres => Ok(Catalog::connect(&kept_url(dir)?, clock).await?),
            Self::File if !path.exists() => Err(Error::NoCatalog(path)),
            Self::File => Ok(Catalog::open(&path, clock).await?),
        }
    }

    /// Opens the catalog; where nothing is left of it an empty one that knows these vaults takes
    /// its place.
    pub(crate) async fn open_or_make(
        self,
        dir: &Path,
        vaults: Vec<HomeVault>,
        clock: Clock,
    ) -> Result<Catalog> {
        let path = dir.join(CATALOG_FILE);
        let catalog = match self {
            Self::File if !path.exists() => Catalog::create(&path, clock).await?,
            _ => self.open(dir, clock).await?,
        };
        if catalog.vault_list().await?.is_empty() {
            for vault in vaults {
                catalog.vault_add(&vault.row()?).await?;
            }
        }
        Ok(catalog)
    }
}

/// Connects to the server that is to hold the catalog of a new home. This comes before anything
/// else is made: what is wrong with the URL is most likely then.
pub(crate) async fn connect_new(url: &Secret, clock: Clock) -> Result<Catalog> {
    let catalog = Catalog::connect(url, clock).await?;
    match catalog.vault_list().await?.is_empty() {
        true => Ok(catalog),
        false => Err(Error::CatalogTaken),
    }
}

/// Refuses a folder in which a catalog lies without its home: it would be taken for that of the home
/// that is to be made.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn none_in(dir: &Path) -> Result<()> {
    match [CATALOG_FILE, URL_FILE].iter().find(|name| dir.join(name).exists()) {
        None => Ok(()),
        Some(name) => Err(Error::Usage(format!(
            "{} holds {name} of an installation whose home.json is lost; name an empty folder with \
             --home",
            dir.display()
        ))),
    }
}

/// Makes the catalog file of a new home.
pub(crate) async fn create(dir: &Path, clock: Clock) -> Result<Catalog> {
    Ok(Catalog::create(&dir.join(CATALOG_FILE), clock).await?)
}

/// Keeps the URL in the home, readable by its owner only.
pub(crate) fn keep_url(dir: &Path, url: &Secret) -> Result<()> {
    let path = dir.join(URL_FILE);
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    let written = opened.and_then(|mut file| {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(url.expose())?;
        file.sync_all()
    });
    written.map_err(|source| Error::File { action: "write", path, source })
}

fn kept_url(dir: &Path) -> Result<Secret> {
    let path = dir.join(URL_FILE);
    match catalog_url(&path) {
        Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Err(Error::NoCatalogUrl(path))
        }
        other => other,
    }
}

/// Reads a catalog URL from a file.
///
/// # Errors
/// [`Error::CatalogUrlExposed`] when others than its owner can read the file; [`Error::File`].
pub fn catalog_url(path: &Path) -> Result<Secret> {
    let failed = |source| Error::File { action: "read", path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::CatalogUrlExposed(PathBuf::from(path)));
    }
    let bytes = fs::read(path).map_err(failed)?;
    Ok(Secret::new(bytes.trim_ascii()))
}
