//! Whether people are safe, in a few figures: how many resources keep their objective, which are
//! worst off, and what the last day brought.

use holdfast_catalog::{ResourceFilter, RunRow};
use holdfast_model::{Counts, Outcome, Timestamp};
use jiff::SignedDuration;

use crate::schedule::{Standing, Status, status};
use crate::{Home, Result};

/// Resources that are named as worst off.
const NAMED: usize = 20;

/// What is called the last day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How everything in a scope stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When it was looked at.
    pub at: Timestamp,
    /// Resources by how they stand.
    pub resources: Standings,
    /// The one whose newest restore point is the oldest, among those that can be read.
    pub worst: Option<Status>,
    /// Those that miss their objective, the worst first, then those without a restore point.
    pub attention: Vec<Status>,
    /// What the backups of the last 24 hours came to.
    pub day: Day,
}

/// How many resources stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// Their newest restore point is young enough.
    pub kept: u64,
    /// It is older than the objective allows.
    pub missed: u64,
    /// They have none yet.
    pub first: u64,
    /// They cannot be read at present.
    pub unavailable: u64,
}

/// What backups came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Runs that ended.
    pub runs: u64,
    /// Those of them that failed, whole or in part.
    pub failed: u64,
    /// Items and bytes.
    pub counts: Counts,
    /// Milliseconds spent waiting because Microsoft throttled.
    pub waited_ms: u64,
}

/// How what `among` permits stands. Backups are counted of tenants that are permitted whole, for
/// their figures are about all of it: `whole` says which those are.
///
/// # Errors
/// Where the catalog fails.
pub async fn overview(
    home: &Home,
    among: &ResourceFilter,
    whole: impl Fn(&str) -> bool,
) -> Result<Overview> {
    let mut all = status(home, None, None).await?;
    all.retain(|one| among.permits(&one.tenant, one.workload, &one.id));
    let at = home.catalog.now().await?;
    let runs = home.catalog.run_list_since(at - DAY).await?;
    Ok(Overview {
        at,
        resources: standings(&all),
        worst: worst(&all),
        day: day(runs.iter().filter(|run| whole(&run.tenant))),
        attention: attention(all),
    })
}

fn standings(all: &[Status]) -> Standings {
    let mut sum = Standings::default();
    for one in all {
        *match one.standing {
            Standing::Kept => &mut sum.kept,
            Standing::Missed => &mut sum.missed,
            Standing::First => &mut sum.first,
            Standing::Unavailable => &mut sum.unavailable,
        } += 1;
    }
    sum
}

fn worst(all: &[Status]) -> Option<Status> {
    let readable = all.iter().filter(|one| one.standing != Standing::Unavailable);
    readable.filter(|one| one.attained_ms.is_some()).max_by_key(|one| one.attained_ms).cloned()
}

fn attention(mut all: Vec<Status>) -> Vec<Status> {
    all.retain(|one| matches!(one.standing, Standing::Missed | Standing::First));
    // By how many times the objective; what has no restore point comes last, for it is under way.
    let excess = |one: &Status| {
        one.attained_ms.map(|attained| attained.saturating_mul(1_000) / one.objective_ms.max(1))
    };
    all.sort_by(|a, b| excess(b).cmp(&excess(a)).then_with(|| a.name.cmp(&b.name)));
    all.truncate(NAMED);
    all
}

fn day<'a>(runs: impl Iterator<Item = &'a RunRow>) -> Day {
    let mut day = Day::default();
    for run in runs {
        let Some(outcome) = run.outcome else { continue };
        day.runs += 1;
        day.failed += u64::from(outcome != Outcome::Complete);
        day.counts.add(&run.counts);
        day.waited_ms += run.waited_ms;
    }
    day
}

#[cfg(test)]
mod tests {
    use holdfast_model::{ResourceId, Workload};

    use super::*;

    fn one(name: &str, standing: Standing, attained_ms: Option<u64>) -> Status {
        Status {
            id: ResourceId(name.to_owned()),
            tenant: "contoso".to_owned(),
            workload: Workload::Exchange,
            name: name.to_owned(),
            schedule: "default".to_owned(),
            rpo: "1h".parse().unwrap(),
            objective_ms: 3_600_000,
            standing,
            restore_point: None,
            attained_ms,
            due: Timestamp::UNIX_EPOCH,
            points: 0,
            worst_ms: None,
            missed: 0,
        }
    }

    #[test]
    fn the_worst_come_first_and_those_without_a_restore_point_last() {
        let hours = |n: u64| Some(n * 3_600_000);
        let all = vec![
            one("ada", Standing::First, None),
            one("bob", Standing::Missed, hours(2)),
            one("cyd", Standing::Kept, hours(1)),
            one("dan", Standing::Missed, hours(9)),
            one("eve", Standing::Unavailable, hours(99)),
        ];
        assert_eq!(standings(&all), Standings { kept: 1, missed: 2, first: 1, unavailable: 1 });
        assert_eq!(worst(&all).unwrap().name, "dan");
        let names: Vec<_> = attention(all).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["dan", "bob", "ada"]);
    }
}
