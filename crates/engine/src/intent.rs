//! Intent: what is protected and where, written to the vault's control repository before it takes
//! effect, so that the catalog can be made again from the vault alone.
//!
//! Records are JSON files: `tenants/<name>.json` and `resources/<workload>/<graph id>.json`.
//! Credentials are never among them.

use std::collections::BTreeMap;

use holdfast_catalog::{ResourceRow, ResourceStatus, TenantRow};
use holdfast_model::{ResourceId, ShardId, SkipCause, Timestamp, Workload, component};
use holdfast_vault::Vault;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::{Error, Result};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct TenantRecord {
    v: u8,
    name: String,
    tenant_id: String,
    graph_url: String,
    authority_url: String,
    ca_pem: Option<String>,
    client_id: String,
    restore_client_id: Option<String>,
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ResourceRecord {
    v: u8,
    id: ResourceId,
    tenant: String,
    workload: Workload,
    graph_id: String,
    name: String,
    display_name: String,
    shard: Option<ShardId>,
    dir: Option<String>,
    status: ResourceStatus,
    skip_cause: Option<SkipCause>,
}

/// One change of intent.
pub(crate) type Change = (String, Option<Vec<u8>>);

/// The record of a tenant.
pub(crate) fn tenant(row: &TenantRow) -> Change {
    let record = TenantRecord {
        v: VERSION,
        name: row.name.clone(),
        tenant_id: row.tenant_id.clone(),
        graph_url: row.graph_url.clone(),
        authority_url: row.authority_url.clone(),
        ca_pem: row.ca_pem.clone(),
        client_id: row.client_id.clone(),
        restore_client_id: row.restore_client_id.clone(),
        created_at: row.created_at,
    };
    (format!("tenants/{}.json", component(&row.name, 100)), Some(json(&record)))
}

/// The record of a resource: where it lies and whether it can be read, not when it was.
pub(crate) fn resource(row: &ResourceRow) -> Change {
    let record = ResourceRecord {
        v: VERSION,
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        workload: row.workload,
        graph_id: row.graph_id.clone(),
        name: row.name.clone(),
        display_name: row.display_name.clone(),
        shard: row.shard,
        dir: row.dir.clone(),
        status: row.status,
        skip_cause: row.skip_cause,
    };
    let path = format!("resources/{}/{}.json", row.workload, component(&row.graph_id, 100));
    (path, Some(json(&record)))
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have text keys only")
}

/// Writes changes; on return they are durable.
pub(crate) async fn save(vault: &Vault, changes: Vec<Change>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let vault = vault.clone();
    blocking(move || Ok(vault.control()?.save(&changes)?)).await
}

/// All tenants and resources that a vault knows, as catalog rows without credentials and times.
pub(crate) async fn load(vault: &Vault) -> Result<(Vec<TenantRow>, Vec<ResourceRow>)> {
    let (control, vault_id) = (vault.clone(), vault.id().to_owned());
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let tenants = under(&records, "tenants/")?.into_iter().map(|r| tenant_row(r, &vault_id));
    let resources = under(&records, "resources/")?.into_iter().map(resource_row);
    Ok((tenants.collect(), resources.collect()))
}

pub(crate) fn under<T: DeserializeOwned>(
    records: &BTreeMap<String, Vec<u8>>,
    prefix: &str,
) -> Result<Vec<T>> {
    let found = records.iter().filter(|(path, _)| path.starts_with(prefix));
    found
        .map(|(path, bytes)| {
            serde_json::from_slice(bytes)
                .map_err(|source| Error::Intent { path: path.clone(), source })
        })
        .collect()
}

fn tenant_row(record: TenantRecord, vault_id: &str) -> TenantRow {
    TenantRow {
        name: record.name,
        tenant_id: record.tenant_id,
        vault_id: vault_id.to_owned(),
        graph_url: record.graph_url,
        authority_url: record.authority_url,
        ca_pem: record.ca_pem,
        client_id: record.client_id,
        sealed_credential: None,
        restore_client_id: record.restore_client_id,
        sealed_restore_credential: None,
        created_at: record.created_at,
    }
}

fn resource_row(record: ResourceRecord) -> ResourceRow {
    ResourceRow {
        id: record.id,
        tenant: record.tenant,
        workload: record.workload,
        graph_id: record.graph_id,
        name: record.name,
        display_name: record.display_name,
        shard: record.shard,
        dir: record.dir,
        status: record.status,
        skip_cause: record.skip_cause,
        stale: false,
        restore_point: None,
        last_polled: None,
        list_link: None,
    }
}
