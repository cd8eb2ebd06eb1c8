//! What is due: looks at all resources and queues a job for each shard in which something is.
//!
//! A tick changes nothing but the queue, and a job that is queued twice is one job, so any number
//! of processes may tick.

use std::collections::BTreeMap;

use holdfast_catalog::JobClass;
use holdfast_engine::Home;
use holdfast_engine::schedule::Plan;
use holdfast_model::{ShardId, Timestamp};
use holdfast_policy::Pace;
use jiff::SignedDuration;

use crate::error::Result;
use crate::queue::submit_due;
use crate::work::Work;

/// How often the directory is asked for new people and sites.
const DISCOVER_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Resources that are to be read now.
    pub due: u64,
    /// Of these, resources whose objective is missed.
    pub overdue: u64,
    /// Jobs that were queued, or were in the queue already.
    pub jobs: u64,
}

/// Queues what is due now.
pub async fn tick(home: &Home) -> Result<Ticked> {
    let now = home.catalog.now().await?;
    let plan = Plan::read(home).await?;
    let mut ticked = Ticked::default();
    // The nearest deadline of each shard in which something is due, apart from first backups.
    let mut groups: BTreeMap<(String, ShardId, bool), Timestamp> = BTreeMap::new();
    for stand in home.catalog.stand_list_due(now).await? {
        let Some(shard) = stand.shard else { continue };
        let due = plan.due(now, &stand);
        if due.begin > now || plan.of(&stand).pace_at(now) == Pace::Off {
            continue;
        }
        ticked.due += 1;
        ticked.overdue += u64::from(due.deadline <= now);
        let nearest = groups.entry((stand.tenant, shard, due.is_first)).or_insert(due.deadline);
        *nearest = due.deadline.min(*nearest);
    }
    for ((tenant, shard, first), deadline) in groups {
        let class = if first { JobClass::FirstFull } else { JobClass::Routine };
        let work = Work::Due { tenant, shard, first };
        submit_due(home, &work, class, deadline).await?;
        ticked.jobs += 1;
    }
    ticked.jobs += discover(home, now).await?;
    Ok(ticked)
}

/// Queues the discovery of tenants that were not asked for a while.
async fn discover(home: &Home, now: Timestamp) -> Result<u64> {
    let mut jobs = 0;
    for tenant in home.catalog.tenant_list().await? {
        let asked = home.catalog.meta_get(&discovered_key(&tenant.name)).await?;
        let asked = asked.and_then(|text| text.parse::<Timestamp>().ok());
        if asked.is_some_and(|asked| now.duration_since(asked) < DISCOVER_EVERY) {
            continue;
        }
        let work = Work::Discover { tenant: tenant.name };
        submit_due(home, &work, JobClass::Routine, now).await?;
        jobs += 1;
    }
    Ok(jobs)
}

/// Where the catalog keeps when a tenant was asked last.
pub(crate) fn discovered_key(tenant: &str) -> String {
    format!("discovered/{tenant}")
}
