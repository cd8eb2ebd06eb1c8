//! Which resources a tenant has: the directory is asked, new ones are taken up, vanished ones stay
//! with their last state.

use std::collections::BTreeMap;

use holdfast_catalog::{ResourceRow, ResourceStatus, ShardRow, TenantRow};
use holdfast_graph::Graph;
use holdfast_model::{ResourceId, ShardId, Workload};
use holdfast_vault::Vault;
use holdfast_workloads::directory::{self, User};
use holdfast_workloads::mail;

use crate::home::blocking;
use crate::{Error, Home, Result, intent};

/// Shard that takes new resources.
const FIRST_SHARD: ShardId = ShardId(1);

/// Asks the directory and brings the catalog (and, first, the intent in the vault) up to date.
pub async fn refresh(
    home: &Home,
    tenant: &TenantRow,
    vault: &Vault,
    graph: &Graph,
) -> Result<Vec<ResourceRow>> {
    let users = directory::users(graph).await?;
    let known = home.catalog.resource_list(Some(&tenant.name)).await?;
    let mut known: BTreeMap<ResourceId, ResourceRow> =
        known.into_iter().map(|row| (row.id.clone(), row)).collect();
    let (mut rows, mut changed) = (Vec::new(), Vec::new());
    for user in users {
        let id = resource_id(&user.id);
        let old = known.remove(&id);
        let row = listed(tenant, id, user, old.as_ref());
        if old.as_ref() != Some(&row) {
            changed.push(row.clone());
        }
        rows.push(row);
    }
    for mut row in known.into_values().filter(|row| row.workload == Workload::Exchange) {
        if row.status != ResourceStatus::Gone {
            row.status = ResourceStatus::Gone;
            changed.push(row.clone());
        }
        rows.push(row);
    }
    store(home, vault, &changed).await?;
    Ok(rows)
}

fn resource_id(user: &str) -> ResourceId {
    ResourceId(format!("{}/{user}", Workload::Exchange))
}

/// The row of a listed user: a known one keeps its place, and stays unavailable until a poll
/// succeeds.
fn listed(
    tenant: &TenantRow,
    id: ResourceId,
    user: User,
    old: Option<&ResourceRow>,
) -> ResourceRow {
    let display_name = user.display_name.unwrap_or_default();
    match old {
        Some(old) => ResourceRow {
            name: user.user_principal_name,
            display_name,
            status: match old.status {
                ResourceStatus::Gone => ResourceStatus::Active,
                same => same,
            },
            ..old.clone()
        },
        None => ResourceRow {
            id,
            tenant: tenant.name.clone(),
            workload: Workload::Exchange,
            shard: Some(FIRST_SHARD),
            dir: Some(mail::resource_dir(&user.user_principal_name, &user.id)),
            graph_id: user.id,
            name: user.user_principal_name,
            display_name,
            status: ResourceStatus::Active,
            skip_cause: None,
            stale: false,
            restore_point: None,
            last_polled: None,
            list_link: None,
        },
    }
}

async fn store(home: &Home, vault: &Vault, changed: &[ResourceRow]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    for shard in changed.iter().filter_map(|row| row.shard) {
        ensure_shard(home, vault, shard).await?;
    }
    intent::save(vault, changed.iter().map(intent::resource).collect()).await?;
    for row in changed {
        home.catalog.resource_put(row).await?;
    }
    Ok(())
}

/// Makes a shard in the vault and its row in the catalog, where they are missing.
async fn ensure_shard(home: &Home, vault: &Vault, shard: ShardId) -> Result<()> {
    if home.catalog.shard_list(vault.id()).await?.iter().any(|row| row.shard == shard) {
        return Ok(());
    }
    let maker = vault.clone();
    blocking(move || Ok(maker.create_shard(shard)?)).await?;
    Ok(home.catalog.shard_put(&ShardRow::new(vault.id(), shard)).await?)
}

/// The one resource that a name, an id or a Graph id means.
pub async fn find(home: &Home, tenant: Option<&str>, name: &str) -> Result<ResourceRow> {
    let mut rows = home.catalog.resource_find(tenant, name).await?;
    match rows.len() {
        1 => Ok(rows.remove(0)),
        0 => Err(Error::NotFound {
            what: "resource",
            name: name.to_owned(),
            hint: "; 'holdfast resources' lists them",
        }),
        count => Err(Error::Ambiguous { what: "resources", name: name.to_owned(), count }),
    }
}
