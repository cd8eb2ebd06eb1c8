//! Queueing of jobs.

use holdfast_catalog::{JobClass, NewJob};
use holdfast_engine::browse::At;
use holdfast_engine::restore::RestoreRequest;
use holdfast_engine::{Error, Home, discover};
use holdfast_model::Timestamp;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::error::Result;
use crate::work::Work;

/// Who asks for what is due.
const SCHEDULE: &str = "schedule";
/// By when what nobody waits for should be done.
const ROUTINE: SignedDuration = SignedDuration::from_hours(24);
/// After a failure that nobody has seen to, the schedule asks again after this time.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(30);

/// Queues work that somebody asked for and gives the id of its job: a living one where the same
/// was asked for already. A restore of the newest state is one of the state as of now, whenever it
/// is done and however often it is begun.
///
/// # Errors
/// Where the work names a resource or a vault that does not exist.
pub async fn submit(
    home: &Home,
    mut work: Work,
    class: JobClass,
    requested_by: &str,
) -> Result<String> {
    let now = home.catalog.now().await?;
    if let Work::Restore(request) = &mut work {
        settle(home, request, now).await?;
    }
    name_vaults(home, &mut work).await?;
    let deadline = match class {
        JobClass::Routine => now.checked_add(ROUTINE).unwrap_or(now),
        _ => now,
    };
    queue(home, &work, class, (now, deadline), requested_by).await
}

/// What a restore means when it is asked for it means when it is done. A name that nothing has is
/// told now, not in an hour.
async fn settle(home: &Home, request: &mut RestoreRequest, now: Timestamp) -> Result<()> {
    let source = discover::find(home, request.tenant.as_deref(), &request.resource).await?;
    if let Some(to) = &request.to {
        discover::find(home, None, to).await?;
    }
    request.tenant = Some(source.tenant);
    if request.at == At::Latest {
        request.at = At::Time(now);
    }
    Ok(())
}

/// Names vaults as they are called, so that the same work is the same job.
async fn name_vaults(home: &Home, work: &mut Work) -> Result<()> {
    let (first, second) = match work {
        Work::Check { vault, .. } | Work::Prune { vault, .. } => (vault, None),
        Work::Repair { vault, from } => (vault, from.as_mut()),
        Work::Copy { vault, to } => (vault, Some(to)),
        Work::Due { .. } | Work::Backup { .. } | Work::Restore(_) | Work::Discover { .. } => {
            return Ok(());
        }
    };
    *first = home.vault_row(Some(first)).await?.name;
    let Some(second) = second else { return Ok(()) };
    *second = home.vault_row(Some(second)).await?.name;
    match first == second {
        true => Err(Error::Usage(format!("'{first}' is no second vault of its own")).into()),
        false => Ok(()),
    }
}

/// Queues work that is due; what has failed just now waits a while.
pub(crate) async fn submit_due(
    home: &Home,
    work: &Work,
    class: JobClass,
    deadline: Timestamp,
) -> Result<String> {
    let mut begin = home.catalog.now().await?;
    if let Some(key) = work.dedupe()
        && let Some(failed) = home.catalog.job_failed_at(&key).await?
    {
        begin = begin.max(failed.checked_add(AFTER_FAILURE).unwrap_or(begin));
    }
    queue(home, work, class, (begin, deadline), SCHEDULE).await
}

async fn queue(
    home: &Home,
    work: &Work,
    class: JobClass,
    (not_before, deadline): (Timestamp, Timestamp),
    requested_by: &str,
) -> Result<String> {
    let job = NewJob {
        id: Uuid::now_v7().to_string(),
        kind: work.kind().to_owned(),
        tenant: work.tenant().to_owned(),
        class,
        request: serde_json::to_string(work).expect("work has text keys only"),
        dedupe: work.dedupe(),
        requested_by: requested_by.to_owned(),
        not_before,
        deadline,
    };
    Ok(home.catalog.job_submit(&job).await?)
}
