//! Tenants, resources, schedules, snapshots, vaults.

use holdfast_catalog::{ResourceRow, TenantRow};
use holdfast_engine::ListedVault;
use holdfast_engine::browse;
use holdfast_engine::schedule::{Listed, Status};
use holdfast_engine::tenant::TestReport;
use holdfast_model::{SkipCause, Timestamp};
use holdfast_policy::Schedule;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tenant: everything but its credentials.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    /// Our name.
    pub name: String,
    /// Directory (tenant) id, or a domain.
    pub tenant_id: String,
    /// Registration for backup.
    pub client_id: String,
    /// Registration for restore, where it is another one.
    pub restore_client_id: Option<String>,
    /// The vault that takes its data.
    pub vault_id: String,
    /// Address of Microsoft Graph.
    pub graph_url: String,
    /// Address of the sign-in service.
    pub authority_url: String,
    /// `latest`, `all`, or how many earlier versions of a file are taken.
    pub file_versions: String,
    /// False after a rebuild, until the credentials are given again.
    pub has_credentials: bool,
}

impl From<&TenantRow> for TenantView {
    fn from(row: &TenantRow) -> Self {
        Self {
            name: row.name.clone(),
            tenant_id: row.tenant_id.clone(),
            client_id: row.client_id.clone(),
            restore_client_id: row.restore_client_id.clone(),
            vault_id: row.vault_id.clone(),
            graph_url: row.graph_url.clone(),
            authority_url: row.authority_url.clone(),
            file_versions: row.file_versions.to_string(),
            has_credentials: row.sealed_credential.is_some(),
        }
    }
}

/// What signing in to a tenant on trial found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestedView {
    /// The tenant.
    pub tenant: String,
    /// Nothing is missing.
    pub ok: bool,
    /// Its registrations.
    pub registrations: Vec<RegistrationView>,
}

/// A registration that was tried.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationView {
    /// Application (client) id.
    pub client_id: String,
    /// What it is for: `backup`, `restore`.
    pub features: Vec<String>,
    /// Permissions that it lacks.
    pub missing: Vec<PermissionView>,
    /// Permissions that it does not need.
    pub excess: Vec<String>,
    /// Where an administrator grants what is missing.
    pub consent_url: String,
}

/// An application permission of Microsoft Graph.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PermissionView {
    /// Its name in the Entra portal.
    pub name: String,
    /// What needs it: `backup`, `restore`.
    pub feature: String,
    /// Why.
    pub reason: String,
    /// The calls that need it.
    pub needed_for: Vec<String>,
    /// Wider permissions that also do.
    pub instead: Vec<String>,
}

impl TestedView {
    /// What was found of a tenant.
    pub fn of(tenant: &TenantRow, reports: Vec<TestReport>) -> Self {
        let registrations: Vec<RegistrationView> =
            reports.into_iter().map(|report| RegistrationView::of(tenant, report)).collect();
        let ok = registrations.iter().all(|one| one.missing.is_empty());
        Self { tenant: tenant.name.clone(), ok, registrations }
    }
}

impl RegistrationView {
    fn of(tenant: &TenantRow, report: TestReport) -> Self {
        let authority = tenant.authority_url.trim_end_matches('/');
        let (id, client) = (&tenant.tenant_id, &report.client_id);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let missing = report.permissions.missing.iter().map(|one| PermissionView {
            name: one.name.to_owned(),
            feature: one.feature.to_string(),
            reason: one.reason.to_owned(),
            needed_for: words(one.needed_for),
            instead: words(one.instead),
        });
        Self {
            consent_url: format!("{authority}/{id}/adminconsent?client_id={client}"),
            missing: missing.collect(),
            features: report.features.iter().map(ToString::to_string).collect(),
            excess: report.permissions.excess,
            client_id: report.client_id,
        }
    }
}

/// A resource: what is protected.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResourceView {
    /// The id.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// `exchange`, `onedrive`, `sharepoint`.
    pub workload: String,
    /// Name: address of a mailbox, of a site.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Microsoft's id.
    pub graph_id: String,
    /// `active`, `skipped`, `gone`.
    pub status: String,
    /// Why it is left out.
    #[schema(value_type = Option<String>)]
    pub skip_cause: Option<SkipCause>,
    /// The last round failed in part.
    pub stale: bool,
    /// Its shard in the vault.
    pub shard: Option<u32>,
    /// Directory in the vault, below the workload's.
    pub dir: Option<String>,
    /// The time that the newest restore point is of.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub restore_point: Option<Timestamp>,
    /// When it was last asked for changes.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_polled: Option<Timestamp>,
}

impl From<ResourceRow> for ResourceView {
    fn from(row: ResourceRow) -> Self {
        Self {
            id: row.id.0,
            tenant: row.tenant,
            workload: row.workload.as_str().to_owned(),
            name: row.name,
            display_name: row.display_name,
            graph_id: row.graph_id,
            status: row.status.as_str().to_owned(),
            skip_cause: row.skip_cause,
            stale: row.stale,
            shard: row.shard.map(|shard| shard.0),
            dir: row.dir,
            restore_point: row.restore_point,
            last_polled: row.last_polled,
        }
    }
}

/// A schedule of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// Its tenant.
    pub tenant: String,
    /// What it says: name, objective, time zone, hours, what it is for (`docs/jobs.md`).
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub schedule: Schedule,
    /// False for the default one, where nobody has set it.
    pub is_set: bool,
    /// Resources that follow it.
    pub followers: u64,
}

/// A schedule that was set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleSetView {
    /// The schedule.
    #[serde(flatten)]
    pub schedule: ScheduleView,
    /// Resources that it names and that are not known, or not yet.
    pub unknown: Vec<String>,
}

impl From<Listed> for ScheduleView {
    fn from(listed: Listed) -> Self {
        Self {
            tenant: listed.tenant,
            is_set: listed.is_set,
            followers: listed.followers,
            schedule: listed.schedule,
        }
    }
}

/// What a resource follows and what it attains.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttainedView {
    /// The resource.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// `exchange`, `onedrive`, `sharepoint`.
    pub workload: String,
    /// Name of the resource.
    pub name: String,
    /// The schedule that it follows.
    pub schedule: String,
    /// Its objective, such as `4h`.
    pub rpo: String,
    /// The same in milliseconds.
    pub objective_ms: u64,
    /// `kept`, `missed`, `first` (no restore point yet), `unavailable`.
    pub standing: String,
    /// The time that the newest restore point is of.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub restore_point: Option<Timestamp>,
    /// How old that is now, in milliseconds.
    pub attained_ms: Option<u64>,
    /// When it is to be read next.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// Restore points of the last 30 days that followed another one.
    pub points: u64,
    /// The longest time without a new restore point in the last 30 days, in milliseconds.
    pub worst_ms: Option<u64>,
    /// How often the objective was missed in the last 30 days.
    pub missed: u64,
}

impl From<Status> for AttainedView {
    fn from(status: Status) -> Self {
        Self {
            id: status.id.0,
            tenant: status.tenant,
            workload: status.workload.to_string(),
            name: status.name,
            schedule: status.schedule,
            rpo: status.rpo.to_string(),
            objective_ms: status.objective_ms,
            standing: status.standing.as_str().to_owned(),
            restore_point: status.restore_point,
            attained_ms: status.attained_ms,
            due: status.due,
            points: status.points,
            worst_ms: status.worst_ms,
            missed: status.missed,
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SnapshotView {
    /// The id in the repository.
    pub id: String,
    /// Its vault.
    pub vault: String,
    /// Its shard.
    pub shard: u32,
    /// Its number there.
    pub seq: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The run that made it.
    pub run: String,
    /// `backup`, `checkpoint` …
    pub kind: String,
    /// Names of the resources that changed in it, as far as they may be known.
    pub resources: Vec<String>,
}

impl From<browse::SnapshotView> for SnapshotView {
    fn from(view: browse::SnapshotView) -> Self {
        Self {
            id: view.id,
            vault: view.vault,
            shard: view.shard,
            seq: view.seq,
            time: view.time,
            run: view.run,
            kind: view.kind,
            resources: view.resources,
        }
    }
}

/// A vault.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VaultView {
    /// The id.
    pub id: String,
    /// Our name.
    pub name: String,
    /// Where it lies.
    pub location: String,
    /// Tenants whose data it takes.
    pub tenants: Vec<String>,
    /// Lock mode: `compliance`, `governance`; absent without locks.
    #[schema(value_type = Option<String>)]
    pub lock_mode: Option<String>,
    /// Days that a lock lasts.
    pub lock_days: Option<u32>,
    /// The writer cannot delete.
    pub append_only: bool,
    /// Files are made immutable.
    pub immutable: bool,
    /// There are credentials of their own for maintenance.
    pub maintenance_credentials: bool,
    /// It is read as it was at this time, and not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub as_of: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<ListedVault> for VaultView {
    fn from(vault: ListedVault) -> Self {
        let word = |mode: &_| serde_json::to_value(mode).ok()?.as_str().map(str::to_owned);
        Self {
            id: vault.id,
            name: vault.name,
            location: vault.location,
            tenants: vault.tenants,
            lock_mode: vault.lock_mode.as_ref().and_then(word),
            lock_days: vault.lock_days,
            append_only: vault.append_only,
            immutable: vault.immutable,
            maintenance_credentials: vault.maintenance_credentials,
            as_of: vault.as_of,
            created_at: vault.created_at,
        }
    }
}
