//! Tenants: whom we protect and with which registration.

use std::fmt;

use holdfast_model::{FileVersions, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// A tenant of Microsoft 365 and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Name chosen by the operator, unique.
    pub name: String,
    /// Directory (tenant) id in Entra.
    pub tenant_id: String,
    /// Vault that takes its data.
    pub vault_id: String,
    /// Base address of Microsoft Graph.
    pub graph_url: String,
    /// Base address of the token service.
    pub authority_url: String,
    /// Further certificate authority to trust, as PEM (simulated tenants, inspecting proxies).
    pub ca_pem: Option<String>,
    /// Registration used by backup.
    pub client_id: String,
    /// Its credential, sealed by the engine; absent after a rebuild until it is given again.
    pub sealed_credential: Option<Vec<u8>>,
    /// Registration used by restore, where it is another one.
    pub restore_client_id: Option<String>,
    /// Its credential, sealed by the engine.
    pub sealed_restore_credential: Option<Vec<u8>>,
    /// When the tenant was added.
    pub created_at: Timestamp,
    /// How many versions of a file are taken.
    pub file_versions: FileVersions,
}

impl fmt::Debug for TenantRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRow")
            .field("name", &self.name)
            .field("tenant_id", &self.tenant_id)
            .field("vault_id", &self.vault_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl FromRow for TenantRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            name: row.text("name")?,
            tenant_id: row.text("tenant_id")?,
            vault_id: row.text("vault_id")?,
            graph_url: row.text("graph_url")?,
            authority_url: row.text("authority_url")?,
            ca_pem: row.opt_text("ca_pem")?,
            client_id: row.text("client_id")?,
            sealed_credential: row.opt_bytes("sealed_credential")?,
            restore_client_id: row.opt_text("restore_client_id")?,
            sealed_restore_credential: row.opt_bytes("sealed_restore_credential")?,
            created_at: row.time("created_at")?,
            file_versions: row
                .text("file_versions")?
                .parse()
                .map_err(|_| damaged("file_versions"))?,
        })
    }
}

/// Insert, or replace all columns.
pub(crate) fn put(tenant: &TenantRow) -> Statement {
    sql("INSERT INTO tenant (name, tenant_id, vault_id, graph_url, authority_url, ca_pem, \
             client_id, sealed_credential, restore_client_id, sealed_restore_credential, \
             created_at, file_versions) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (name) DO UPDATE SET tenant_id = excluded.tenant_id, \
             vault_id = excluded.vault_id, graph_url = excluded.graph_url, \
             authority_url = excluded.authority_url, ca_pem = excluded.ca_pem, \
             client_id = excluded.client_id, sealed_credential = excluded.sealed_credential, \
             restore_client_id = excluded.restore_client_id, \
             sealed_restore_credential = excluded.sealed_restore_credential, \
             created_at = excluded.created_at, file_versions = excluded.file_versions")
    .text(&tenant.name)
    .text(&tenant.tenant_id)
    .text(&tenant.vault_id)
    .text(&tenant.graph_url)
    .text(&tenant.authority_url)
    .opt_text(tenant.ca_pem.as_deref())
    .text(&tenant.client_id)
    .opt_bytes(tenant.sealed_credential.as_deref())
    .opt_text(tenant.restore_client_id.as_deref())
    .opt_bytes(tenant.sealed_restore_credential.as_deref())
    .time(tenant.created_at)
    .text(&tenant.file_versions.to_string())
}

impl Catalog {
    /// Adds a tenant or replaces the one with the same name.
    pub async fn tenant_put(&self, tenant: &TenantRow) -> Result<()> {
        self.execute(put(tenant)).await?;
        Ok(())
    }

    /// All tenants by name.
    pub async fn tenant_list(&self) -> Result<Vec<TenantRow>> {
        self.all(sql("SELECT * FROM tenant ORDER BY name")).await
    }

    /// The tenant with this name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn tenant_get(&self, name: &str) -> Result<TenantRow> {
        let tenant = self.optional(sql("SELECT * FROM tenant WHERE name = $1").text(name)).await?;
        tenant.ok_or_else(|| Error::NotFound { what: "tenant", name: name.to_owned() })
    }

    /// Forgets a tenant of which nothing was backed up yet, with its resources.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when one of its resources has a place in a shard:
    /// then its restore points would be out of reach.
    pub async fn tenant_remove(&self, name: &str) -> Result<()> {
        let mut change = self.begin().await?;
        // The rows are locked first: what is decided on them holds until the end.
        for text in [
            "UPDATE tenant SET name = name WHERE name = $1",
            "UPDATE resource SET tenant = tenant WHERE id IN \
             (SELECT id FROM resource WHERE tenant = $1 ORDER BY id)",
        ] {
            sql(text).text(name).execute(&mut *change).await?;
        }
        let kept = sql("SELECT COUNT(*) AS n FROM resource r WHERE r.tenant = $1 AND \
             (r.shard IS NOT NULL OR EXISTS \
              (SELECT 1 FROM restore_point p WHERE p.resource = r.id))");
        if kept.text(name).fetch_one(&mut *change).await?.number("n")? > 0 {
            return Err(Error::Conflict("the tenant has backups; its resources stay listed"));
        }
        let epochs = sql("DELETE FROM epoch WHERE resource IN \
             (SELECT id FROM resource WHERE tenant = $1 AND shard IS NULL)");
        epochs.text(name).execute(&mut *change).await?;
        let resources = sql("DELETE FROM resource WHERE tenant = $1 AND shard IS NULL");
        resources.text(name).execute(&mut *change).await?;
        let gone = sql("DELETE FROM tenant WHERE name = $1").text(name);
        if gone.execute(&mut *change).await?.rows_affected() == 0 {
            return Err(Error::NotFound { what: "tenant", name: name.to_owned() });
        }
        Ok(change.commit().await?)
    }
}
