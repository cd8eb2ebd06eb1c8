//! Maintenance of vaults as jobs. It can be stopped between shards; what was done stays done, and the
//! next tenure goes through all shards again.

use holdfast_engine::maintain::{self, PruneRequest, RepairRequest};
use holdfast_engine::verify::{self, Damaged, Scope};
use holdfast_engine::{Error as Engine, Home, Progress, copy};
use holdfast_policy::Rules;
use serde::Serialize;

use crate::error::Result;
use crate::perform::Performed;

/// Damaged items, and errors, of a shard that a result lists.
const KEPT: usize = 1_000;

/// What of a tenure came of a report.
fn ended(report: holdfast_engine::Result<impl Serialize>) -> Result<Performed> {
    match report {
        Ok(report) => {
            Ok(Performed::Done(serde_json::to_string(&report).expect("a report has text keys")))
        }
        Err(Engine::Stopped) => Ok(Performed::Stopped),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn check(
    home: &Home,
    vault: &str,
    scope: Scope,
    progress: &Progress,
) -> Result<Performed> {
    let report = verify::check(home, Some(vault), scope, progress).await;
    ended(report.map(|mut report| {
        report.control_errors.truncate(KEPT);
        for shard in &mut report.shards {
            shorten(&mut shard.damaged, &mut shard.damaged_more);
            shard.errors.truncate(KEPT);
        }
        report
    }))
}

pub(crate) async fn prune(
    home: &Home,
    vault: &str,
    rules: &Rules,
    dry_run: bool,
    progress: &Progress,
) -> Result<Performed> {
    let request = PruneRequest { vault: Some(vault.to_owned()), rules: rules.clone(), dry_run };
    ended(maintain::prune(home, &request, progress).await)
}

pub(crate) async fn repair(
    home: &Home,
    vault: &str,
    from: Option<&str>,
    progress: &Progress,
) -> Result<Performed> {
    let (vault, from) = (Some(vault.to_owned()), from.map(str::to_owned));
    let report = maintain::repair(home, &RepairRequest { vault, from }, progress).await;
    ended(report.map(|mut report| {
        report.control_errors.truncate(KEPT);
        for shard in &mut report.shards {
            shorten(&mut shard.damaged, &mut shard.damaged_more);
            shard.errors.truncate(KEPT);
        }
        report
    }))
}

pub(crate) async fn copy(
    home: &Home,
    vault: &str,
    to: &str,
    progress: &Progress,
) -> Result<Performed> {
    ended(copy::copy(home, Some(vault), to, progress).await)
}

/// A result is kept with its job: of a vault in ruins it names the first items, and how many more.
fn shorten(damaged: &mut Vec<Damaged>, more: &mut u64) {
    *more += damaged.len().saturating_sub(KEPT) as u64;
    damaged.truncate(KEPT);
}
