//! A further machine: a home of its own on the catalog and the vaults of an installation that is
//! there. It needs the URL of the catalog and the instance key, and no passphrase.

use std::path::Path;

use holdfast_catalog::{Catalog, VaultRow};
use holdfast_model::{Clock, Secret};

use crate::home::{HomeFile, io, make_folder};
use crate::seal::InstanceKey;
use crate::{Error, Home, Result, catalog_place};

impl Home {
    /// Makes a home on the catalog of another machine. Everything is tried before anything is
    /// made: the key must open what is sealed in the catalog, and each vault must be reached from
    /// here under the location that the catalog has; a folder must be shared under the same path.
    ///
    /// # Errors
    /// [`Error::HomeExists`]; [`Error::InstanceKey`] for the key of another installation;
    /// [`Error::VaultAway`]; [`Error::Catalog`] for a database that cannot be reached, holds no
    /// catalog, or one of an older or newer Holdfast. Nothing in the database is changed.
    pub async fn join(dir: &Path, url: &Secret, key: &Path, clock: Clock) -> Result<Self> {
        if dir.join(HomeFile::NAME).exists() {
            return Err(Error::HomeExists(dir.to_owned()));
        }
        let path = std::path::absolute(key).map_err(io("find", key))?;
        let key = InstanceKey::load(&path)?;
        let catalog = Catalog::connect_existing(url, clock.clone()).await?;
        let vaults = catalog.vault_list().await?;
        let home = Self::assemble(dir, path, key, catalog, clock);
        if vaults.is_empty() {
            return Err(holdfast_catalog::Error::Empty.into());
        }
        for row in &vaults {
            home.try_vault(row).await?;
        }
        make_folder(dir)?;
        catalog_place::keep_url(dir, url)?;
        // Last: with it the folder is a home.
        HomeFile::on_server(home.key_path(), &vaults).write(dir)?;
        Ok(home)
    }

    /// Opens a vault as every later command will.
    async fn try_vault(&self, row: &VaultRow) -> Result<()> {
        let foreign = |error| match error {
            Error::InstanceKey { path, .. } => Error::InstanceKey {
                path,
                problem: "is not the one of this catalog; copy that of the first machine",
            },
            error => error,
        };
        self.vault_secret(row).map_err(foreign)?;
        self.storage(row).map_err(foreign)?;
        let away = |source| Error::VaultAway {
            name: row.name.clone(),
            location: row.location.clone(),
            source: Box::new(source),
        };
        self.vault(Some(&row.id)).await.map_err(away)?;
        Ok(())
    }
}
