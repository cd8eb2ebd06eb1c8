//! Making the catalog again from the vault.

use std::collections::HashMap;

use sqlx::{Any, Transaction};

use crate::account::{self, AccountRow};
use crate::catalog::{Catalog, FromRow, numbers};
use crate::epoch::{self, EpochRow};
use crate::error::Result;
use crate::item::{self, ContainerRow, ItemRow};
use crate::resource::{self, ResourceRow};
use crate::restore_point::{self, RestorePointRow};
use crate::run::{self, RunRow};
use crate::shard::{self, ShardRow, SnapshotRow};
use crate::sql::sql;
use crate::tenant::{self, TenantRow};

/// Rows found in the vaults, all of them or a part.
#[derive(Clone, Debug, Default)]
pub struct Rebuilt {
    /// Tenants. Where the catalog holds sealed credentials of one with the same name, they stay.
    pub tenants: Vec<TenantRow>,
    /// Shards. Their fences never fall below what the catalog had; leases stay.
    pub shards: Vec<ShardRow>,
    /// Committed snapshots.
    pub snapshots: Vec<SnapshotRow>,
    /// Resources.
    pub resources: Vec<ResourceRow>,
    /// Epochs of resources. One without any gets its first from its shard.
    pub epochs: Vec<EpochRow>,
    /// Restore points.
    pub restore_points: Vec<RestorePointRow>,
    /// Containers.
    pub containers: Vec<ContainerRow>,
    /// Current items.
    pub items: Vec<ItemRow>,
    /// Runs that left a snapshot. One that the catalog knows already is left as it is.
    pub runs: Vec<RunRow>,
    /// Accounts. One with a newer revision, which the vault does not have yet, stays as it is.
    pub accounts: Vec<AccountRow>,
}

/// A rebuild under way, in one transaction: dropped before [`Rebuild::finish`] it changes nothing.
///
/// Until then the catalog can be read, in its old state; other writes wait.
#[derive(Debug)]
pub struct Rebuild {
    change: Transaction<'static, Any>,
    old_tenants: HashMap<String, TenantRow>,
    old_shards: HashMap<(String, u32), ShardRow>,
}

impl Catalog {
    /// Starts to replace all that can be made from the vaults. Vaults, settings, runs, the
    /// progress of restores, sessions, tokens and the audit record stay.
    pub async fn rebuild(&self) -> Result<Rebuild> {
        let mut change = self.begin_alone().await?;
        let tenants = all::<TenantRow>(&mut change, "SELECT * FROM tenant").await?;
        let shards = all::<ShardRow>(&mut change, "SELECT * FROM shard").await?;
        for table in [
            "DELETE FROM item",
            "DELETE FROM container",
            "DELETE FROM restore_point",
            "DELETE FROM epoch",
            "DELETE FROM resource",
            "DELETE FROM snapshot",
            "DELETE FROM shard",
            "DELETE FROM tenant",
            "DELETE FROM account WHERE saved_revision >= revision",
        ] {
            sql(table).execute(&mut *change).await?;
        }
        Ok(Rebuild {
            change,
            old_tenants: tenants.into_iter().map(|row| (row.name.clone(), row)).collect(),
            old_shards: shards
                .into_iter()
                .map(|row| ((row.vault_id.clone(), row.shard.0), row))
                .collect(),
        })
    }

    /// Replaces all that can be made from the vaults, in one call.
    pub async fn replace_all(&self, rebuilt: Rebuilt) -> Result<()> {
        let mut rebuild = self.rebuild().await?;
        rebuild.add(rebuilt).await?;
        rebuild.finish().await
    }
}

impl Rebuild {
    /// Adds rows. A resource may come in several parts: its own row first, a container not after
    /// its items.
    pub async fn add(&mut self, part: Rebuilt) -> Result<()> {
        let count = part.resources.len() + part.containers.len();
        let mut numbers = numbers(&mut self.change, count).await?;
        for tenant in part.tenants {
            let tenant = self.with_credentials(tenant);
            tenant::put(&tenant).execute(&mut *self.change).await?;
        }
        for shard in part.shards {
            let shard = self.with_lease(shard);
            shard::put(&shard).execute(&mut *self.change).await?;
        }
        for snapshot in &part.snapshots {
            shard::snapshot_add(snapshot).execute(&mut *self.change).await?;
        }
        for (resource, num) in part.resources.iter().zip(numbers.by_ref()) {
            resource::put(num, resource).execute(&mut *self.change).await?;
        }
        for epoch in &part.epochs {
            epoch::add(epoch).execute(&mut *self.change).await?;
        }
        for resource in &part.resources {
            epoch::add_first(&resource.id).execute(&mut *self.change).await?;
        }
        for point in &part.restore_points {
            restore_point::add(point).execute(&mut *self.change).await?;
        }
        for (container, num) in part.containers.iter().zip(numbers) {
            item::container_put(num, container).execute(&mut *self.change).await?;
        }
        item::items_put(&mut self.change, &part.items).await?;
        for run in &part.runs {
            run::add(run).execute(&mut *self.change).await?;
        }
        for account in &part.accounts {
            account::put(account).execute(&mut *self.change).await?;
        }
        Ok(())
    }

    /// Makes the new state the valid one.
    pub async fn finish(self) -> Result<()> {
        Ok(self.change.commit().await?)
    }

    fn with_credentials(&self, mut tenant: TenantRow) -> TenantRow {
        if let Some(old) = self.old_tenants.get(&tenant.name) {
            tenant.sealed_credential =
                tenant.sealed_credential.or_else(|| old.sealed_credential.clone());
            tenant.sealed_restore_credential =
                tenant.sealed_restore_credential.or_else(|| old.sealed_restore_credential.clone());
        }
        tenant
    }

    fn with_lease(&self, mut shard: ShardRow) -> ShardRow {
        if let Some(old) = self.old_shards.get(&(shard.vault_id.clone(), shard.shard.0)) {
            shard.fence = shard.fence.max(old.fence);
            shard.lease_owner.clone_from(&old.lease_owner);
            shard.lease_until = old.lease_until;
        }
        shard
    }
}

async fn all<T: FromRow>(
    change: &mut Transaction<'static, Any>,
    text: &'static str,
) -> Result<Vec<T>> {
    sql(text).fetch_all(&mut **change).await?.iter().map(T::from_row).collect()
}
