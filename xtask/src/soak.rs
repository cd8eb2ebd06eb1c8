//! `cargo xtask soak NAME`: the long campaigns of which `./test` runs a fixed slice.
//!
//! Each is one test that reads from the environment how much it shall do; what it came to is
//! printed and belongs into `docs/soak.md`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

/// A campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Campaign {
    /// kill -9 at every stage of backup and restore; counts kills
    Kill,
    /// Random edits and incrementals, compared at every step; counts seeds
    Sequence,
}

/// How a campaign is run.
struct Plan {
    package: &'static str,
    test: &'static str,
    /// Variable that holds how much is done.
    count: &'static str,
    default: u64,
}

impl Campaign {
    fn plan(self) -> Plan {
        match self {
            Self::Kill => Plan {
                package: "holdfast-cli",
                test: "kill::killed_at_every_stage_nothing_is_lost_or_doubled",
                count: "HOLDFAST_SOAK_KILLS",
                default: 1_000,
            },
            Self::Sequence => Plan {
                package: "holdfast-engine",
                test: "sequence::random_edits_are_stored_as_they_are",
                count: "HOLDFAST_SOAK_SEEDS",
                default: 100,
            },
        }
    }
}

/// Runs a campaign; `count` and `from` where something else than the usual is wanted.
#[allow(clippy::print_stdout, reason = "the output of a command")]
pub(crate) fn run(
    root: &Path,
    campaign: Campaign,
    count: Option<u64>,
    from: u64,
) -> Result<ExitCode> {
    let plan = campaign.plan();
    let count = count.unwrap_or(plan.default);
    let start = Instant::now();
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["test", "--package", plan.package, "--test", "it", "--", "--exact", plan.test])
        .arg("--nocapture")
        .env(plan.count, count.to_string())
        .env("HOLDFAST_SOAK_FROM", from.to_string())
        .status()
        .context("cannot run cargo test")?;
    let (name, seconds) = (plan.test, start.elapsed().as_secs());
    println!("{name}: {} = {count} from seed {from}: {status}, {seconds} s", plan.count);
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_campaign_is_a_test_that_exists_and_reads_its_variable() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for campaign in Campaign::value_variants() {
            let plan = campaign.plan();
            let (module, function) = plan.test.split_once("::").unwrap();
            let package = plan.package.trim_start_matches("holdfast-");
            let file = root.join(format!("crates/{package}/tests/it/{module}.rs"));
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(&format!("async fn {function}()")), "{}", plan.test);
            assert!(text.contains(&format!("\"{}\"", plan.count)), "{}", plan.count);
        }
    }
}
