//! Vaults known to this instance.

use holdfast_model::Timestamp;
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, sql};

/// A vault: where it lies and how to open it.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultRow {
    /// UUID, as written in the vault itself.
    pub id: String,
    /// Name chosen by the operator, unique.
    pub name: String,
    /// Folder or URL.
    pub location: String,
    /// The vault secret, sealed under the instance key by the engine.
    pub sealed_secret: Vec<u8>,
    /// How its storage is used, credentials among it, sealed in the same way; absent for a vault
    /// in a folder without anything special.
    pub sealed_storage: Option<Vec<u8>>,
    /// When it was added to this instance.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for VaultRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, name, location, .. } = self;
        f.debug_struct("VaultRow")
            .field("id", id)
            .field("name", name)
            .field("location", location)
            .finish_non_exhaustive()
    }
}

impl FromRow for VaultRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            location: row.text("location")?,
            sealed_secret: row.bytes("sealed_secret")?,
            sealed_storage: row.opt_bytes("sealed_storage")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl Catalog {
    /// Adds a vault.
    ///
    /// # Errors
    /// [`Error::Exists`] when its name or id is taken.
    pub async fn vault_add(&self, vault: &VaultRow) -> Result<()> {
        let statement = sql("INSERT INTO vault (id, name, location, sealed_secret, created_at, \
             sealed_storage) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
        .text(&vault.id)
        .text(&vault.name)
        .text(&vault.location)
        .bytes(&vault.sealed_secret)
        .time(vault.created_at)
        .opt_bytes(vault.sealed_storage.as_deref());
        match self.execute(statement).await?.rows_affected() {
            0 => Err(Error::Exists { what: "vault", name: vault.name.clone() }),
            _ => Ok(()),
        }
    }

    /// Notes where a vault lies now, and how it is opened; its name and id stay.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn vault_update(&self, vault: &VaultRow) -> Result<()> {
        let statement = sql("UPDATE vault SET location = $2, sealed_secret = $3, \
             sealed_storage = $4 WHERE id = $1")
        .text(&vault.id)
        .text(&vault.location)
        .bytes(&vault.sealed_secret)
        .opt_bytes(vault.sealed_storage.as_deref());
        match self.execute(statement).await?.rows_affected() {
            0 => Err(Error::NotFound { what: "vault", name: vault.name.clone() }),
            _ => Ok(()),
        }
    }

    /// All vaults by name.
    pub async fn vault_list(&self) -> Result<Vec<VaultRow>> {
        self.all(sql("SELECT * FROM vault ORDER BY name")).await
    }

    /// The vault with this id or, failing that, this name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn vault_get(&self, name_or_id: &str) -> Result<VaultRow> {
        let statement = sql("SELECT * FROM vault WHERE id = $1 OR name = $1 \
             ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1");
        let vault = self.optional(statement.text(name_or_id)).await?;
        vault.ok_or_else(|| Error::NotFound { what: "vault", name: name_or_id.to_owned() })
    }
}
