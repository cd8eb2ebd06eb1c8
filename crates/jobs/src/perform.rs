//! What a worker does with a job: the engine's operations.

use holdfast_catalog::JobRow;
use holdfast_engine::backup::{BackupReport, BackupRequest, backup};
use holdfast_engine::browse::{self, At};
use holdfast_engine::restore::{RestoreRequest, restore};
use holdfast_engine::schedule::Plan;
use holdfast_engine::tenant::Purpose;
use holdfast_engine::{Home, Progress, discover, tenant};
use holdfast_model::{ShardId, Timestamp};
use holdfast_policy::Pace;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, Result};
use crate::maintain;
use crate::scheduler::discovered_key;
use crate::work::Work;

/// Failed items that the result of a restore lists.
const ITEMS_KEPT: usize = 1_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Performed {
    /// It is done; what it came to, as JSON.
    Done(String),
    /// It was asked to stop before it was done; what it had done is kept.
    Stopped,
}

/// The step that says when the restore point of a restore was read.
const RESTORE_POINT: &str = "restore point";

/// What that step came to.
#[derive(Serialize, Deserialize)]
struct Taken {
    read_at: Timestamp,
}

/// The work of a job as it was begun. A restore takes the restore point that it took first, whatever
/// has become one since: else a worker that goes on where another was killed would begin a new one.
pub(crate) async fn begun(home: &Home, job: &JobRow, work: Work) -> Result<Work> {
    let Work::Restore(request) = work else { return Ok(work) };
    if matches!(request.at, At::Snapshot(_)) {
        return Ok(Work::Restore(request));
    }
    let steps = home.catalog.job_steps(&job.id).await?;
    let noted = steps.iter().find(|step| step.name == RESTORE_POINT);
    let unreadable = |source| Error::Request { job: job.id.clone(), source };
    let taken: Taken = match noted {
        Some(step) => serde_json::from_str(&step.result).map_err(unreadable)?,
        None => {
            let tenant = request.tenant.as_deref();
            let read_at = browse::read_at(home, tenant, &request.resource, &request.at).await?;
            let taken = Taken { read_at };
            let result = serde_json::to_string(&taken).map_err(unreadable)?;
            home.catalog.job_step(job, RESTORE_POINT, &result).await?;
            taken
        }
    };
    Ok(Work::Restore(Box::new(RestoreRequest { at: At::Time(taken.read_at), ..*request })))
}

/// Does the work of a job. May be repeated after a crash at any moment.
pub async fn perform(home: &Home, work: &Work, progress: &Progress) -> Result<Performed> {
    match work {
        Work::Due { tenant, shard, first } => due(home, tenant, *shard, *first, progress).await,
        Work::Backup { tenant, resource } => {
            let request = BackupRequest {
                tenant: Some(tenant.clone()),
                resource: resource.clone(),
                ..BackupRequest::default()
            };
            Ok(performed(&backup(home, &request, progress).await?))
        }
        Work::Restore(request) => {
            let mut report = restore(home, request, progress).await?;
            // How far each item got is in the catalog; here is what needs a person.
            report.items.retain(|item| item.result == "failed");
            report.items.truncate(ITEMS_KEPT);
            Ok(Performed::Done(serde_json::to_string(&report).expect("a report has text keys")))
        }
        Work::Discover { tenant } => discovery(home, tenant).await,
        Work::Check { vault, scope } => maintain::check(home, vault, *scope, progress).await,
        Work::Prune { vault, rules, dry_run } => {
            maintain::prune(home, vault, rules, *dry_run, progress).await
        }
        Work::Repair { vault, from } => {
            maintain::repair(home, vault, from.as_deref(), progress).await
        }
        Work::Copy { vault, to } => maintain::copy(home, vault, to, progress).await,
    }
}

/// Backs up what is due in a shard, and what may as well go along.
async fn due(
    home: &Home,
    tenant: &str,
    shard: ShardId,
    first: bool,
    progress: &Progress,
) -> Result<Performed> {
    let (now, plan) = (home.catalog.now().await?, Plan::read(home).await?);
    let mut request = BackupRequest { tenant: Some(tenant.to_owned()), ..BackupRequest::default() };
    for stand in home.catalog.stand_list_due(now).await? {
        if stand.tenant != tenant || stand.shard != Some(shard) {
            continue;
        }
        let (due, pace) = (plan.due(now, &stand), plan.of(&stand).pace_at(now));
        if due.is_first == first && due.along <= now && pace != Pace::Off {
            request.among.push(stand.id);
            request.hard |= pace == Pace::Hard;
        }
    }
    if request.among.is_empty() {
        return Ok(Performed::Done(json!({ "resources": 0 }).to_string()));
    }
    Ok(performed(&backup(home, &request, progress).await?))
}

/// The result of a backup: its figures and its runs, in which the rest is found.
fn performed(report: &BackupReport) -> Performed {
    if report.resources.iter().any(holdfast_engine::backup::ResourceReport::is_stopped) {
        return Performed::Stopped;
    }
    Performed::Done(
        json!({
            "outcome": report.outcome,
            "resources": report.resources.len(),
            "counts": report.counts,
            "requests": report.requests,
            "resource_units": report.resource_units,
            "waited_ms": report.waited_ms,
            "runs": report.runs,
            "snapshots": report.snapshots,
            "failures": report.failures,
        })
        .to_string(),
    )
}

async fn discovery(home: &Home, name: &str) -> Result<Performed> {
    let row = tenant::find(home, name).await?;
    let graph = tenant::graph(home, &row, Purpose::Backup)?;
    let vault = home.vault(Some(&row.vault_id)).await?;
    let rows = discover::refresh(home, &row, &vault, &graph).await?;
    home.catalog.meta_set(&discovered_key(name), &home.catalog.now().await?.to_string()).await?;
    Ok(Performed::Done(json!({ "resources": rows.len() }).to_string()))
}
