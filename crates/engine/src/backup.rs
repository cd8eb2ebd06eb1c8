//! Backup: reads what changed and makes it a restore point.
//!
//! The line is straight: tenants → resources → full shards left (`epoch`) → shard lease (`shard`)
//! → changes of each resource (`mailbox`: folders, then messages; `drive`: folders and files) → blobs,
//! trees, snapshot → one catalog transaction. A crash anywhere means: run again from the old links.
//!
//! Shards are written side by side. What fails in one of them, or in one tenant, is reported, and
//! the others go on.

pub(crate) mod adopt;
mod drive;
mod entries;
mod epoch;
mod folders;
mod mailbox;
mod pending;
mod place;
mod resource;
mod shard;

use std::collections::BTreeMap;

use futures::StreamExt;
use holdfast_catalog::{ResourceRow, ResourceStatus, RunProblem, RunRow, TenantRow};
use holdfast_graph::Graph;
use holdfast_model::{Counts, Outcome, ResourceId, RunId, ShardId};
use holdfast_vault::Vault;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::copy::stand_alone;
use crate::discover::{self, Listed};
use crate::error::STOPPED;
use crate::home::blocking;
use crate::tenant::{self, Purpose};
use crate::vaults::noted;
use crate::{Error, Home, Progress, Result, instance, released};

pub(crate) use place::resource_path;
pub(crate) use shard::{heartbeat, snapshot_row, take_lease, tree_id};

/// Shards written at once.
const SHARDS_AT_ONCE: usize = 4;

/// Resources read at once, over all shards. Graph's limits are per mailbox, so more of them is more
/// speed until the CPU is busy; those of drives are the tenant's.
const RESOURCES_AT_ONCE: usize = 8;

/// What to back up.
#[derive(Clone, Debug, Default)]
pub struct BackupRequest {
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only this resource: name, id or Graph id.
    pub resource: Option<String>,
    /// Only these resources, as the catalog knows them: the directory is not asked. None: all.
    pub among: Vec<ResourceId>,
    /// With twice as much at once.
    pub hard: bool,
}

/// What a backup came to: the `--json` form of `holdfast backup`.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// Over all tenants.
    pub outcome: Outcome,
    /// Sums over all resources.
    #[serde(flatten)]
    pub counts: Counts,
    /// Requests to Microsoft Graph, parts of a batch counted singly.
    pub requests: u64,
    /// Resource units of SharePoint that the requests for drives and sites cost; none of mail.
    pub resource_units: u64,
    /// Milliseconds waited because Graph said so.
    pub waited_ms: u64,
    /// New snapshots of all shards, by shard.
    pub snapshots: Vec<String>,
    /// The runs, one per tenant.
    pub runs: Vec<RunId>,
    /// Per resource.
    pub resources: Vec<ResourceReport>,
    /// Tenants and shards that could not be backed up at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// A tenant or a shard that could not be backed up, while others could.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Name of the tenant.
    pub tenant: String,
    /// The shard; absent where it is the whole tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardId>,
    /// Short cause, as in the reports of its resources.
    pub cause: String,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    fn new(tenant: &TenantRow, shard: Option<ShardId>, error: &Error) -> Self {
        let (cause, message) = (error.cause(), error.to_string());
        tracing::info!(?shard, cause, "could not be backed up");
        Self { tenant: tenant.name.clone(), shard, cause, message }
    }
}

/// What the backup of one resource came to.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceReport {
    /// Our id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Outcome.
    pub outcome: Outcome,
    /// Figures.
    #[serde(flatten)]
    pub counts: Counts,
    /// Why it was skipped or failed, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Items that failed or were skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl ResourceReport {
    /// True where the work was stopped before all of it was read.
    pub fn is_stopped(&self) -> bool {
        self.cause.as_deref() == Some(STOPPED)
    }

    /// Of a resource of which nothing was stored.
    fn failed(row: ResourceRow, cause: String) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            outcome: Outcome::Failed,
            counts: Counts::default(),
            cause: Some(cause),
            problems: Vec::new(),
        }
    }
}

/// An item that was not stored.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Graph id; that of the folder for a message that the service could not even name.
    pub item: String,
    /// Skip cause or Graph's code.
    pub cause: String,
    /// True for a known cause, false for a failure.
    pub skipped: bool,
}

/// Backs up and reports. Errors of single items, resources, shards and tenants are in the report;
/// an error here means that nothing at all could be done.
pub async fn backup(
    home: &Home,
    request: &BackupRequest,
    progress: &Progress,
) -> Result<BackupReport> {
    let tenants = tenant::chosen(home, request.tenant.as_deref()).await?;
    instance::check(home).await?;
    let mut report = BackupReport {
        outcome: Outcome::Complete,
        counts: Counts::default(),
        requests: 0,
        resource_units: 0,
        waited_ms: 0,
        snapshots: Vec::new(),
        runs: Vec::new(),
        resources: Vec::new(),
        failures: Vec::new(),
    };
    let mut errors = Vec::new();
    for tenant in &tenants {
        let run = RunId(Uuid::now_v7().to_string());
        let mut row = home.catalog.run_start(&run, &tenant.name).await?;
        let (before, asked) = (report.resources.len(), (report.requests, report.waited_ms));
        let failures = report.failures.len();
        let result = of_tenant(home, tenant, request, &run, progress, &mut report).await;
        row.requests = report.requests - asked.0;
        row.waited_ms = report.waited_ms - asked.1;
        row.outcome = Some(match &result {
            Ok(()) => outcome(&report.resources[before..], &report.failures[failures..]),
            Err(_) => Outcome::Failed,
        });
        row.error = result.as_ref().err().map(Error::cause);
        finish_run(home, row, &report.resources[before..]).await?;
        report.runs.push(run);
        if let Err(error) = result {
            if report.failures.len() == failures {
                report.failures.push(Failure::new(tenant, None, &error));
            }
            errors.push(error);
        }
    }
    if errors.len() == tenants.len() {
        return Err(errors.swap_remove(0));
    }
    report.outcome = outcome(&report.resources, &report.failures);
    for resource in &report.resources {
        report.counts.add(&resource.counts);
    }
    Ok(report)
}

async fn of_tenant(
    home: &Home,
    tenant: &TenantRow,
    request: &BackupRequest,
    run: &RunId,
    progress: &Progress,
    report: &mut BackupReport,
) -> Result<()> {
    let graph = tenant::graph(home, tenant, Purpose::Backup)?;
    let vault = home.vault(Some(&tenant.vault_id)).await?;
    stand_alone(home, &vault).await?;
    released::tell(&vault).await?;
    noted::tell_or_warn(home).await;
    let result = of_vault(home, tenant, request, run, progress, (&graph, &vault), report).await;
    let stats = graph.stats();
    report.requests += stats.requests;
    report.resource_units += stats.resource_units;
    report.waited_ms += stats.waited_ms;
    result
}

async fn of_vault(
    home: &Home,
    tenant: &TenantRow,
    request: &BackupRequest,
    run: &RunId,
    progress: &Progress,
    (graph, vault): (&Graph, &Vault),
    report: &mut BackupReport,
) -> Result<()> {
    let mut due = due(home, tenant, request, graph, vault).await?;
    if let Some(error) = due.problem.take() {
        report.failures.push(Failure::new(tenant, None, &error));
    }
    progress.expect_resources(due.rows.len());
    let at_once = RESOURCES_AT_ONCE * if request.hard { 2 } else { 1 };
    let slots = &Semaphore::new(at_once);
    let row = home.vault_row(Some(vault.id())).await?;
    let compression = home.storage(&row)?.compression;
    let versions = tenant.file_versions;
    let work =
        &shard::Work { home, graph, vault, run, progress, compression, versions, at_once, slots };
    let settled = epoch::leave_full_shards(work, tenant, due).await?;
    report.snapshots.extend(settled.snapshots);
    report.failures.extend(settled.failures);
    let mut shards: BTreeMap<ShardId, Vec<ResourceRow>> = BTreeMap::new();
    for resource in settled.resources {
        shards.entry(resource.shard.unwrap_or(ShardId(1))).or_default().push(resource);
    }
    let mut done: Vec<_> = futures::stream::iter(shards)
        .map(|(id, resources)| async move {
            let result = shard::back_up(work, id, resources.clone()).await;
            (id, resources, result)
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .collect()
        .await;
    done.sort_by_key(|(id, ..)| *id);
    let all_failed = done.iter().all(|(_, _, result)| result.is_err());
    let mut first = None;
    for (id, resources, result) in done {
        match result {
            Ok(done) => {
                report.snapshots.extend(done.snapshot);
                report.resources.extend(done.resources);
            }
            Err(error) => {
                let failure = Failure::new(tenant, Some(id), &error);
                let failed = |row| ResourceReport::failed(row, failure.cause.clone());
                report.resources.extend(resources.into_iter().map(failed));
                report.failures.push(failure);
                first.get_or_insert(error);
            }
        }
    }
    report.failures.extend(extend_locks(tenant, vault).await);
    first.filter(|_| all_failed).map_or(Ok(()), Err)
}

/// With every run the locks that end soon are prolonged, those of shards in which nothing is
/// written too.
async fn extend_locks(tenant: &TenantRow, vault: &Vault) -> Option<Failure> {
    let vault = vault.clone();
    let result = blocking(move || Ok(vault.extend_due_locks()?)).await;
    let error = match result {
        Ok(report) => {
            let tampered = report.unwrap_or_default().tampered;
            let count = tampered.len();
            Error::Tampered { count, file: tampered.into_iter().next()? }
        }
        Err(error) => error,
    };
    Some(Failure::new(tenant, None, &error))
}

/// The resources to read: those that were chosen, the named one, or all that the directory lists.
async fn due(
    home: &Home,
    tenant: &TenantRow,
    request: &BackupRequest,
    graph: &Graph,
    vault: &Vault,
) -> Result<Listed> {
    if !request.among.is_empty() {
        let mut rows = home.catalog.resource_list(Some(&tenant.name)).await?;
        rows.retain(|row| request.among.contains(&row.id));
        return Ok(Listed::known(rows));
    }
    let mut listed = discover::list(home, tenant, vault, graph).await?;
    match &request.resource {
        Some(name) => listed.rows = vec![discover::find(home, Some(&tenant.name), name).await?],
        None => listed.rows.retain(|row| row.status != ResourceStatus::Gone),
    }
    Ok(listed)
}

fn outcome(resources: &[ResourceReport], failures: &[Failure]) -> Outcome {
    let failed = resources.iter().filter(|r| r.outcome == Outcome::Failed).count();
    if failed > 0 && failed == resources.len() {
        Outcome::Failed
    } else if !failures.is_empty() || resources.iter().any(|r| r.outcome != Outcome::Complete) {
        Outcome::Partial
    } else {
        Outcome::Complete
    }
}

async fn finish_run(home: &Home, mut run: RunRow, resources: &[ResourceReport]) -> Result<()> {
    let mut problems = Vec::new();
    for resource in resources {
        run.counts.add(&resource.counts);
        problems.extend(run_problems(&run.id, resource));
    }
    home.catalog.run_problem_add(&problems).await?;
    Ok(home.catalog.run_finish(&run).await?)
}

fn run_problems(run: &RunId, resource: &ResourceReport) -> Vec<RunProblem> {
    let problem = |item: Option<&str>, cause: &str, skipped| RunProblem {
        run: run.clone(),
        resource: resource.id.as_str().into(),
        item: item.map(Into::into),
        cause: cause.to_owned(),
        skipped,
    };
    let whole = resource
        .cause
        .iter()
        .map(|cause| problem(None, cause, resource.outcome == Outcome::Complete));
    let items = resource.problems.iter().map(|p| problem(Some(&p.item), &p.cause, p.skipped));
    whole.chain(items).collect()
}
