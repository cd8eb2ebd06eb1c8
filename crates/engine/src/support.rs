//! The support bundle: a ZIP that says how an installation stands, without saying of whom.
//!
//! Numbers, times, states and kinds stand in it as they are. Names of tenants, people, mailboxes,
//! sites, vaults, schedules, paths and hosts are pseudonyms; texts of errors go through
//! `redact`. Secrets, items, users and the audit record are not read for it at all.

mod redact;

use std::collections::BTreeMap;

use holdfast_catalog::{JobFilter, JobRow, JobState, ResourceRow, TenantRow, VaultRow};
use holdfast_policy::Schedule;
use holdfast_vault::Location;
use serde_json::{Value, json};

use crate::export::archive;
use crate::{Home, Result, doctor, schedule};

use redact::Redactor;

/// Failed jobs that are told, the newest first.
const JOBS: u32 = 200;

/// Microsoft Graph of the global cloud.
const GLOBAL: &str = "https://graph.microsoft.com";

/// Longest text of an error, in characters.
const ERROR: usize = 2_000;

/// Makes the bundle. `version` is that of the program; `metrics` the text of its figures, where it
/// has any (the server).
///
/// # Errors
/// Where catalog or instance key cannot be read; what is wrong with vaults and tenants stands in the
/// bundle.
pub async fn bundle(home: &Home, version: &str, metrics: Option<&str>) -> Result<Vec<u8>> {
    let tenants = home.catalog.tenant_list().await?;
    let vaults = home.catalog.vault_list().await?;
    let resources = home.catalog.resource_list(None).await?;
    let schedules = schedule::list(home).await?;
    let mut names = Redactor::new(home);
    learn(&mut names, &tenants, &vaults, &resources, &schedules);
    let mut files = vec![
        ("about.json", pretty(&about(home, version).await?)),
        ("counts.json", pretty(&counts(home, &tenants, &resources, &names).await?)),
        ("schedules.json", pretty(&of_schedules(&schedules, &names))),
        ("failed-jobs.json", pretty(&failed_jobs(home, &names).await?)),
        ("doctor.json", pretty(&findings(home, &names).await?)),
        ("configuration.json", pretty(&configuration(home, &tenants, &vaults, &names)?)),
        ("README.txt", README.to_owned()),
    ];
    files.extend(metrics.map(|text| ("metrics.txt", text.to_owned())));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    archive(&files, home.now())
}

const README: &str = "\
A support bundle of Holdfast. Names of tenants, people, mailboxes, sites, vaults, paths and hosts
are replaced by pseudonyms such as resource-3f09c2d41a7b: the same one for the same thing in every
bundle of this installation. Who has the installation finds the thing by the id of its job.
";

fn pretty(value: &Value) -> String {
    // Of values that are JSON already.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn learn(
    names: &mut Redactor,
    tenants: &[TenantRow],
    vaults: &[VaultRow],
    resources: &[ResourceRow],
    schedules: &BTreeMap<String, Vec<Schedule>>,
) {
    for row in resources {
        let own = [row.id.0.as_str(), &row.graph_id, &row.name, &row.display_name];
        names.learn("resource", &row.id.0, &own);
        names.learn("resource", &row.id.0, &[row.dir.as_deref().unwrap_or_default()]);
    }
    for (tenant, schedule) in each(schedules) {
        names.learn("schedule", &key(tenant, &schedule.name), &[&schedule.name]);
    }
    for row in vaults {
        names.learn("vault", &row.id, &[&row.id, &row.name]);
    }
    // Last: what a tenant and something else are both called is the tenant.
    for row in tenants {
        names.learn("tenant", &row.name, &[&row.name, &row.tenant_id]);
    }
}

fn each(schedules: &BTreeMap<String, Vec<Schedule>>) -> impl Iterator<Item = (&String, &Schedule)> {
    schedules.iter().flat_map(|(tenant, list)| list.iter().map(move |one| (tenant, one)))
}

fn key(tenant: &str, schedule: &str) -> String {
    format!("{tenant}/{schedule}")
}

async fn about(home: &Home, version: &str) -> Result<Value> {
    let migrations = home.catalog.migrations().await?;
    let migrations = migrations.iter().map(|(number, name)| format!("{number} {name}"));
    Ok(json!({
        "version": version,
        "made_at": home.now(),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "catalog": home.catalog.database(),
        "migrations": migrations.collect::<Vec<_>>(),
    }))
}

async fn counts(
    home: &Home,
    tenants: &[TenantRow],
    resources: &[ResourceRow],
    names: &Redactor,
) -> Result<Value> {
    let mut by_kind: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for row in resources {
        let kinds = by_kind.entry(names.pseudonym("tenant", &row.tenant)).or_default();
        *kinds.entry(format!("{} {}", row.workload, row.status.as_str())).or_default() += 1;
    }
    let jobs = home.catalog.job_counts().await?;
    let jobs = jobs.into_iter().map(
        |(state, class, n)| json!({ "state": state.as_str(), "class": class.as_str(), "jobs": n }),
    );
    Ok(json!({
        "tenants": tenants.len(),
        "resources": resources.len(),
        "resources_never_backed_up": resources.iter().filter(|r| r.restore_point.is_none()).count(),
        "resources_by_tenant": by_kind,
        "snapshots": home.catalog.snapshot_list(None).await?.len(),
        "jobs": jobs.collect::<Vec<_>>(),
    }))
}

/// Of whom a schedule speaks is counted only.
fn of_schedules(schedules: &BTreeMap<String, Vec<Schedule>>, names: &Redactor) -> Value {
    let view = |(tenant, one): (&String, &Schedule)| {
        json!({
            "tenant": names.pseudonym("tenant", tenant),
            "schedule": names.pseudonym("schedule", &key(tenant, &one.name)),
            "rpo": one.rpo,
            "time_zone": one.time_zone,
            "hours": one.hours,
            "workloads": one.select.workloads,
            "patterns": one.select.resources.len(),
        })
    };
    each(schedules).map(view).collect()
}

async fn failed_jobs(home: &Home, names: &Redactor) -> Result<Value> {
    let filter = JobFilter { state: Some(JobState::Failed), ..JobFilter::default() };
    let jobs = home.catalog.job_list(&filter, JOBS).await?;
    Ok(jobs.iter().map(|job| of_job(job, names)).collect())
}

fn of_job(job: &JobRow, names: &Redactor) -> Value {
    let error: Option<String> =
        job.error.as_deref().map(|error| names.text(error).chars().take(ERROR).collect());
    json!({
        "id": job.id,
        "kind": job.kind,
        "class": job.class.as_str(),
        "tenant": names.pseudonym("tenant", &job.tenant),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "deadline": job.deadline,
        "attempts": job.attempts,
        "tenures": job.fence.0,
        "error": error,
    })
}

async fn findings(home: &Home, names: &Redactor) -> Result<Value> {
    let view = |finding: doctor::Finding| {
        json!({
            "subject": names.text(&finding.subject),
            "ok": finding.ok,
            "detail": names.text(&finding.detail),
        })
    };
    Ok(doctor::doctor(home).await?.into_iter().map(view).collect())
}

fn configuration(
    home: &Home,
    tenants: &[TenantRow],
    vaults: &[VaultRow],
    names: &Redactor,
) -> Result<Value> {
    let vaults: Result<Vec<Value>> = vaults.iter().map(|row| of_vault(home, row, names)).collect();
    Ok(json!({
        "lease_seconds": home.lease_ttl.as_secs(),
        "shard_blobs": { "fill": home.shard_limits.fill, "cap": home.shard_limits.cap },
        "tenants": tenants.iter().map(|row| of_tenant(row, names)).collect::<Vec<_>>(),
        "vaults": vaults?,
    }))
}

fn of_tenant(row: &TenantRow, names: &Redactor) -> Value {
    json!({
        "tenant": names.pseudonym("tenant", &row.name),
        "vault": names.pseudonym("vault", &row.vault_id),
        "global_cloud": row.graph_url.trim_end_matches('/') == GLOBAL,
        "own_certificate_authority": row.ca_pem.is_some(),
        "has_credential": row.sealed_credential.is_some(),
        "has_restore_registration": row.restore_client_id.is_some(),
        "has_restore_credential": row.sealed_restore_credential.is_some(),
        "file_versions": row.file_versions.to_string(),
        "created_at": row.created_at,
    })
}

fn of_vault(home: &Home, row: &VaultRow, names: &Redactor) -> Result<Value> {
    let storage = home.storage(row)?;
    let kind = match row.location.parse() {
        Ok(Location::Folder(_)) => "folder",
        Ok(Location::S3(_)) => "s3",
        Ok(Location::Azure(_)) => "azure",
        Err(_) => "unknown",
    };
    Ok(json!({
        "vault": names.pseudonym("vault", &row.id),
        "kind": kind,
        "own_credentials": storage.credentials.is_some(),
        "own_maintenance_credentials": storage.maintenance.is_some(),
        "lock_days": storage.lock.map(|(_, days)| days),
        "append_only": storage.append_only,
        "immutable": storage.immutable,
        "own_certificate_authority": storage.ca_pem.is_some(),
        "as_of": storage.as_of,
        "created_at": row.created_at,
    }))
}
