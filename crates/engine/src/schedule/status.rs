//! What people ask of schedules: which there are, what each resource follows, and whether its
//! objective is kept.

use std::collections::BTreeMap;

use holdfast_catalog::{AttainedSum, ResourceFilter, StandRow};
use holdfast_model::{ResourceId, Timestamp, Workload};
use holdfast_policy::{DEFAULT_SCHEDULE, Objective, Schedule};
use serde::Serialize;

use super::Plan;
use crate::{Home, Result, discover, tenant};

/// Days over which is told what was attained, today among them.
const DAYS: i64 = 30;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// A schedule of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Name of the tenant.
    pub tenant: String,
    /// What it says.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// False for the default one, where nobody has set it.
    pub is_set: bool,
    /// How many resources follow it.
    pub followers: u64,
}

/// Where a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its newest restore point is young enough.
    Kept,
    /// Its newest restore point is older than the objective allows.
    Missed,
    /// It has no restore point yet.
    First,
    /// It cannot be read at present: no licence, a site that is locked.
    Unavailable,
}

impl Standing {
    /// The word in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::First => "first",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a resource follows and what it attains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Our id.
    pub id: ResourceId,
    /// Name of the tenant.
    pub tenant: String,
    /// Kind of data.
    pub workload: Workload,
    /// Name for people.
    pub name: String,
    /// Name of the schedule that it follows.
    pub schedule: String,
    /// The objective.
    pub rpo: Objective,
    /// The same in milliseconds.
    pub objective_ms: u64,
    /// Whether it is kept now.
    pub standing: Standing,
    /// The newest restore point.
    pub restore_point: Option<Timestamp>,
    /// How old that is now, in milliseconds: what would be lost. Absent before the first.
    pub attained_ms: Option<u64>,
    /// When it is to be read next.
    pub due: Timestamp,
    /// Restore points of the last 30 days that followed another one.
    pub points: u64,
    /// The longest time without a new restore point in the last 30 days, the present one included,
    /// in milliseconds. Absent before the first.
    pub worst_ms: Option<u64>,
    /// How often the objective was missed in the last 30 days, now included.
    pub missed: u64,
}

/// The schedules by tenant and name, of one tenant or all, with the default one of each. Those of a
/// tenant out of reach of `among` are left out, and resources that it hides are not counted.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown tenant; [`crate::Error::NoTenant`].
pub async fn listed(
    home: &Home,
    tenant: Option<&str>,
    among: Option<&ResourceFilter>,
) -> Result<Vec<Listed>> {
    let mut tenants = tenant::chosen(home, tenant).await?;
    let mut stands = home.catalog.stand_list().await?;
    if let Some(among) = among {
        tenants.retain(|tenant| among.reaches(&tenant.name));
        stands.retain(|stand| among.permits(&stand.tenant, stand.workload, &stand.id));
    }
    let mut schedules = super::list(home).await?;
    let mut listed = Vec::new();
    for tenant in tenants {
        let own = schedules.remove(&tenant.name).unwrap_or_default();
        let fallback = own.iter().all(|schedule| schedule.name != DEFAULT_SCHEDULE);
        let set = own.into_iter().map(|schedule| (schedule, true));
        for (schedule, is_set) in set.chain(fallback.then(|| (Schedule::default(), false))) {
            let follows = |stand: &&StandRow| {
                let name = stand.schedule.as_deref().unwrap_or(DEFAULT_SCHEDULE);
                stand.tenant == tenant.name && name == schedule.name
            };
            let followers = stands.iter().filter(follows).count() as u64;
            listed.push(Listed { tenant: tenant.name.clone(), schedule, is_set, followers });
        }
    }
    Ok(listed)
}

/// What resources follow and attain, by id: of one tenant or all, of one resource (name or id) or
/// all.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown tenant or resource.
pub async fn status(
    home: &Home,
    tenant: Option<&str>,
    resource: Option<&str>,
) -> Result<Vec<Status>> {
    if let Some(name) = tenant {
        tenant::find(home, name).await?;
    }
    let only = match resource {
        Some(name) => Some(discover::find(home, tenant, name).await?.id),
        None => None,
    };
    let (now, plan) = (home.catalog.now().await?, Plan::read(home).await?);
    let since = (now.as_millisecond().div_euclid(DAY_MS) + 1 - DAYS).max(0).unsigned_abs();
    let attained = home.catalog.attained_since(since, only.as_ref()).await?;
    let attained: BTreeMap<_, _> =
        attained.into_iter().map(|sum| (sum.resource.clone(), sum)).collect();
    let is_meant = |stand: &StandRow| {
        tenant.is_none_or(|name| stand.tenant == name)
            && only.as_ref().is_none_or(|id| stand.id == *id)
    };
    let stands = home.catalog.stand_list().await?.into_iter().filter(is_meant);
    Ok(stands.map(|stand| of(now, &plan, attained.get(&stand.id), stand)).collect())
}

fn of(now: Timestamp, plan: &Plan, sum: Option<&AttainedSum>, stand: StandRow) -> Status {
    let schedule = plan.of(&stand);
    let due = plan.due(now, &stand);
    let age = |point| u64::try_from(now.duration_since(point).as_millis()).unwrap_or_default();
    let attained_ms = stand.restore_point.map(age);
    let objective_ms = u64::try_from(schedule.rpo.duration().as_millis()).unwrap_or_default();
    let standing = match attained_ms {
        _ if !stand.is_available => Standing::Unavailable,
        None => Standing::First,
        Some(attained) if attained > objective_ms => Standing::Missed,
        Some(_) => Standing::Kept,
    };
    let (points, worst, missed) =
        sum.map_or((0, 0, 0), |sum| (sum.points, sum.worst_ms, sum.missed));
    Status {
        schedule: schedule.name.clone(),
        rpo: schedule.rpo,
        objective_ms,
        standing,
        attained_ms,
        due: due.begin.max(now),
        points,
        worst_ms: attained_ms.map(|attained| attained.max(worst)),
        missed: missed + u64::from(standing == Standing::Missed),
        restore_point: stand.restore_point,
        id: stand.id,
        tenant: stand.tenant,
        workload: stand.workload,
        name: stand.name,
    }
}
