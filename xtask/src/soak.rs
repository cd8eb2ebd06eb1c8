//! `cargo xtask soak NAME`: the long campaigns of which `./test` runs a fixed slice.
//!
//! Each is one or two tests that read from the environment how much they shall do; what it came to
//! is printed and belongs into `docs/soak.md`.

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
    /// kill -9 of workers that share a catalog on PostgreSQL; counts kills
    KillWorkers,
    /// kill -9 of a server, also while it answers; counts kills
    KillServer,
    /// Random edits and incrementals, compared at every step; counts seeds
    Sequence,
    /// The same with drives, in a second test with faults on; counts seeds
    DriveSequence,
    /// A file of many gigabytes over a line that is cut five times; counts megabytes
    DriveLarge,
    /// Days of a large tenant by its schedules, in virtual time; counts resources
    Schedule,
    /// The power is cut after every operation on a vault's disk; counts histories
    Power,
    /// The disk is full at every write; counts rounds
    Full,
    /// kill -9 at any operation on a vault's disk; counts kills
    VaultKill,
    /// A storage that fails, lies, is late or does things twice; counts faults
    Faults,
    /// Flipped bits in every kind of file; counts flips of each kind
    Flips,
    /// Forged bytes for every parser of stored data; counts inputs for each
    Fuzz,
}

/// How a campaign is run.
struct Plan {
    package: &'static str,
    /// The tests, all of one module.
    tests: &'static [&'static str],
    /// Variable that holds how much is done.
    count: &'static str,
    default: u64,
}

impl Campaign {
    fn plan(self) -> Plan {
        match self {
            Self::Kill => {
                let tests = &["kill::killed_at_every_stage_nothing_is_lost_or_doubled"];
                Plan {
                    package: "holdfast-cli",
                    tests,
                    count: "HOLDFAST_SOAK_KILLS",
                    default: 1_000,
                }
            }
            Self::KillWorkers => Plan {
                package: "holdfast-cli",
                tests: &["kill_workers::of_killed_workers_no_job_is_lost_or_doubled"],
                count: "HOLDFAST_SOAK_KILLS",
                default: 2_000,
            },
            Self::KillServer => Plan {
                package: "holdfast-cli",
                tests: &["kill_server::what_a_killed_server_has_accepted_is_done_and_on_record"],
                count: "HOLDFAST_SOAK_KILLS",
                default: 1_000,
            },
            Self::Sequence => engine(
                &["sequence::random_edits_are_stored_as_they_are"],
                "HOLDFAST_SOAK_SEEDS",
                100,
            ),
            Self::DriveSequence => engine(
                &[
                    "drive_sequence::random_edits_of_drives_are_stored_as_they_are",
                    "drive_sequence::random_edits_among_faults_lack_what_is_named_and_nothing_else",
                ],
                SEEDS,
                500,
            ),
            Self::DriveLarge => engine(
                &[
                    "drive_scale::a_large_file_whose_line_is_cut_five_times_arrives_in_little_memory",
                ],
                "HOLDFAST_SOAK_MEGABYTES",
                20_000,
            ),
            Self::Schedule => Plan {
                package: "holdfast-jobs",
                tests: &["days::many_resources_keep_their_objectives_and_none_starves"],
                count: "HOLDFAST_SOAK_RESOURCES",
                default: 10_000,
            },
            _ => self.in_vault(),
        }
    }

    /// The campaigns of the vault alone.
    fn in_vault(self) -> Plan {
        match self {
            Self::Power => vault(
                &[
                    "campaign_power::the_power_is_cut_after_every_operation",
                    "campaign_power::what_a_killed_run_left_is_durable_before_the_next_builds_on_it",
                ],
                "HOLDFAST_SOAK_HISTORIES",
                20,
            ),
            Self::Full => vault(
                &[
                    "campaign_full::a_full_disk_at_every_write_loses_nothing",
                    "campaign_full::a_real_small_file_system_that_fills_up_loses_nothing",
                ],
                "HOLDFAST_SOAK_ROUNDS",
                20,
            ),
            Self::VaultKill => vault(
                &["campaign_kill::killed_at_any_operation_nothing_committed_is_lost"],
                "HOLDFAST_SOAK_KILLS",
                1_000,
            ),
            Self::Faults => vault(
                &[
                    "campaign_faults::a_storage_that_fails_costs_a_run_and_nothing_else",
                    "campaign_faults::a_storage_that_lies_is_found_out_and_gives_no_wrong_byte",
                ],
                "HOLDFAST_SOAK_FAULTS",
                2_000,
            ),
            Self::Flips => vault(
                &["campaign_flips::flipped_bits_are_found_and_never_restored"],
                "HOLDFAST_SOAK_FLIPS",
                1_000,
            ),
            _ => vault(
                &[
                    "campaign_fuzz::no_stored_bytes_make_a_parser_panic",
                    "campaign_fuzz::a_hostile_repository_takes_no_memory_without_limit",
                ],
                "HOLDFAST_SOAK_INPUTS",
                200_000,
            ),
        }
    }
}

/// How many seeds a campaign of sequences runs.
const SEEDS: &str = "HOLDFAST_SOAK_SEEDS";

fn vault(tests: &'static [&'static str], count: &'static str, default: u64) -> Plan {
    Plan { package: "holdfast-vault", tests, count, default }
}

fn engine(tests: &'static [&'static str], count: &'static str, default: u64) -> Plan {
    Plan { package: "holdfast-engine", tests, count, default }
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
        .args(["test", "--package", plan.package, "--test", "it", "--"])
        .args(["--exact", "--nocapture"])
        .args(plan.tests)
        .env(plan.count, count.to_string())
        .env("HOLDFAST_SOAK_FROM", from.to_string())
        .status()
        .context("cannot run cargo test")?;
    let (name, seconds) = (plan.tests[0], start.elapsed().as_secs());
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
            for test in plan.tests {
                let (module, function) = test.split_once("::").unwrap();
                let package = plan.package.trim_start_matches("holdfast-");
                let file = root.join(format!("crates/{package}/tests/it/{module}.rs"));
                let text = std::fs::read_to_string(file).unwrap();
                assert!(text.contains(&format!("fn {function}()")), "{test}");
                assert!(text.contains(&format!("\"{}\"", plan.count)), "{}", plan.count);
            }
        }
    }
}
