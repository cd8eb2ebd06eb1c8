//! Forgetting snapshots that a plan names.

use std::collections::HashSet;

use holdfast_model::Timestamp;
use holdfast_policy::DeletePlan;
use serde::{Deserialize, Serialize};

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::snapshot::{Snapshot, SnapshotKind};

use super::{alone, check_plan, locked_until, removed, thin};

/// What became of the snapshots of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetReport {
    /// Ids of the snapshots that were removed.
    pub forgotten: Vec<String>,
    /// Ids of those that were gone already.
    pub gone: Vec<String>,
    /// Ids of those that a lock keeps: the same plan again, later.
    pub locked: Vec<String>,
    /// The last of these locks ends then, where the store tells.
    pub locked_until: Option<Timestamp>,
}

impl Shard {
    /// Removes the snapshot files of a plan. What they alone needed stays until [`Shard::prune`].
    ///
    /// The caller holds the exclusive lease of the shard and has thinned it ([`Shard::thin`])
    /// where the plan has held resources.
    ///
    /// # Errors
    /// [`Error::Invalid`], and nothing is removed, where the plan is of another shard, names a
    /// file that is another snapshot by now, would leave no restore point, or where a version that
    /// a hold keeps is in no other snapshot. [`Error::Busy`] as [`Shard::prune`].
    pub fn forget(&self, plan: &DeletePlan) -> Result<ForgetReport> {
        check_plan(self, plan)?;
        let lock = alone(self.vault(), self.repository())?;
        let present = self.snapshots()?;
        let mut report = ForgetReport::default();
        let doomed = doomed(plan, &present, &mut report)?;
        refuse_last(&present, &doomed)?;
        if thin::unkept(self, plan, &present)?.iter().any(|(_, versions)| !versions.is_empty()) {
            return Err(Error::invalid(
                "a hold keeps versions that only snapshots of the plan have; thin the shard first",
            ));
        }
        let now = self.vault().clock().now();
        for id in doomed {
            let file = id.parse()?;
            let until = locked_until(self.repository(), Kind::Snapshot, &file, now)?;
            report.locked_until = report.locked_until.max(until);
            lock.ensure_held()?;
            match until.is_none() && removed(self.repository(), Kind::Snapshot, &file)? {
                true => report.forgotten.push(id),
                false => report.locked.push(id),
            }
        }
        Ok(report)
    }
}

/// Ids of the snapshots of the plan that are there.
fn doomed(
    plan: &DeletePlan,
    present: &[Snapshot],
    report: &mut ForgetReport,
) -> Result<Vec<String>> {
    let mut doomed = Vec::new();
    for planned in plan.snapshots() {
        let Some(found) = present.iter().find(|snapshot| snapshot.id == planned.id) else {
            report.gone.push(planned.id.clone());
            continue;
        };
        let place = (found.tags.seq, found.tags.fence, found.tags.rewrite);
        if place != (planned.seq, planned.fence, planned.rewrite) {
            let what = format!("snapshot {} is not the one that the plan means", planned.id);
            return Err(Error::invalid(what));
        }
        doomed.push(planned.id.clone());
    }
    Ok(doomed)
}

/// Refuses to leave a shard that had restore points without one.
fn refuse_last(present: &[Snapshot], doomed: &[String]) -> Result<()> {
    let doomed: HashSet<&String> = doomed.iter().collect();
    let is_final = |snapshot: &&Snapshot| snapshot.tags.kind == SnapshotKind::Final;
    let stays = |snapshot: &&Snapshot| !doomed.contains(&snapshot.id);
    let best: Vec<&Snapshot> = match present.iter().any(|snapshot| is_final(&snapshot)) {
        true => present.iter().filter(is_final).collect(),
        false => present.iter().collect(),
    };
    if best.is_empty() || best.iter().any(stays) {
        return Ok(());
    }
    Err(Error::invalid("the plan would remove the last restore point of the shard"))
}
