//! Intent: what is protected and where, written to the vault's control repository before it takes
//! effect, so that the catalog can be made again from the vault alone.
//!
//! Records are JSON files: `tenants/<name>.json`, `resources/<workload>/<graph id>.json` and, for a
//! resource that has changed its shard, `epochs/<workload>/<graph id>.json`. Credentials are never
//! among them.

use std::collections::BTreeMap;

use holdfast_catalog::{EpochRow, ResourceRow, ResourceStatus, TenantRow};
use holdfast_model::{ResourceId, Seq, ShardId, SkipCause, Timestamp, Workload, component};
use holdfast_vault::Vault;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::{Error, Home, Result, instance};

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
    /// Of a record of before there were files: the latest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    file_versions: String,
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

#[derive(Serialize, Deserialize)]
struct EpochsRecord {
    v: u8,
    resource: ResourceId,
    epochs: Vec<EpochRecord>,
}

#[derive(Serialize, Deserialize)]
struct EpochRecord {
    number: u32,
    shard: ShardId,
    from_seq: Seq,
    from_time: Timestamp,
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
        file_versions: row.file_versions.to_string(),
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
    (path_of("resources", row), Some(json(&record)))
}

/// The record of the shards in which a resource has lived.
pub(crate) fn epochs(row: &ResourceRow, epochs: &[EpochRow]) -> Change {
    let record = |epoch: &EpochRow| EpochRecord {
        number: epoch.number,
        shard: epoch.shard,
        from_seq: epoch.from_seq,
        from_time: epoch.from_time,
    };
    let epochs = epochs.iter().map(record).collect();
    let record = EpochsRecord { v: VERSION, resource: row.id.clone(), epochs };
    (path_of("epochs", row), Some(json(&record)))
}

fn path_of(kind: &str, row: &ResourceRow) -> String {
    format!("{kind}/{}/{}.json", row.workload, component(&row.graph_id, 200))
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have text keys only")
}

/// Writes changes; on return they are durable.
///
/// # Errors
/// [`Error::Superseded`] where another installation writes to the vaults now.
pub(crate) async fn save(home: &Home, vault: &Vault, changes: Vec<Change>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    instance::check(home).await?;
    let vault = vault.clone();
    blocking(move || Ok(vault.control()?.save(&changes)?)).await
}

/// What a vault knows of tenants and resources, as catalog rows without credentials and times.
#[derive(Debug, Default)]
pub(crate) struct Intent {
    pub tenants: Vec<TenantRow>,
    pub resources: Vec<ResourceRow>,
    /// The epochs of all resources that have a shard, in order.
    pub epochs: BTreeMap<ResourceId, Vec<EpochRow>>,
}

/// Reads all records of a vault.
pub(crate) async fn load(vault: &Vault) -> Result<Intent> {
    let (control, vault_id) = (vault.clone(), vault.id().to_owned());
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let tenants = under(&records, "tenants/")?.into_iter().map(|r| tenant_row(r, &vault_id));
    let resources: Vec<ResourceRow> =
        under(&records, "resources/")?.into_iter().map(resource_row).collect();
    let first = |row: &ResourceRow| {
        Some((row.id.clone(), vec![EpochRow::first(row.id.clone(), row.shard?)]))
    };
    let mut epochs: BTreeMap<_, _> = resources.iter().filter_map(first).collect();
    epochs.extend(under(&records, "epochs/")?.into_iter().map(epoch_rows));
    epochs.retain(|id, _| resources.iter().any(|row| row.id == *id));
    Ok(Intent { tenants: tenants.collect(), resources, epochs })
}

fn epoch_rows(record: EpochsRecord) -> (ResourceId, Vec<EpochRow>) {
    let row = |epoch: EpochRecord| EpochRow {
        resource: record.resource.clone(),
        number: epoch.number,
        shard: epoch.shard,
        from_seq: epoch.from_seq,
        from_time: epoch.from_time,
    };
    let mut rows: Vec<EpochRow> = record.epochs.into_iter().map(row).collect();
    rows.sort_by_key(|epoch| epoch.number);
    (record.resource, rows)
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
        file_versions: record.file_versions.parse().unwrap_or_default(),
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
