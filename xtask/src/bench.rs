//! `cargo xtask bench`: the product in its release build against stock restic on the same messages;
//! `bench ingest` and `bench vault`: the vault alone (`vault`); `bench drives`: OneDrive (`drives`);
//! `bench catalog`: leases (`catalog`); `bench leases`: the queue of jobs (`leases`); `bench server`:
//! the API under load (`server`); `bench recover`: the way back (`recover`).
//!
//! Whole processes are measured, nothing inside of them: the simulated tenant is one, the product
//! another. CPU seconds are the figure to trust; wall times hold the simulated tenant's work too.
//! Runs of the rivals alternate, so that other work on the machine strikes both.

mod catalog;
mod changes;
mod drives;
mod files;
mod leases;
mod mix;
mod numbers;
mod page;
mod process;
mod product;
mod recover;
mod rival;
mod scenes;
mod server;
mod tenant;
mod vault;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use clap::Subcommand;
use tempfile::TempDir;

pub(crate) use self::drives::{Task as DrivesTask, run_child as run_drives_child};
use self::page::{Machine, Report, Section};
pub(crate) use self::vault::{Task, run_child};

/// How much is measured.
#[derive(Clone, Debug)]
struct Scale {
    /// People and messages per person of the mixed mail.
    mixed: [u64; 2],
    /// Messages per person where only requests are counted.
    counted: u64,
    /// Mailboxes of small mail, and the numbers of messages in all of them together.
    mailboxes: u64,
    small: [u64; 2],
    /// Changes before an incremental.
    changes: u64,
    /// Runs of each measurement; the one with the median CPU time counts.
    runs: usize,
    /// Starts of a command.
    starts: usize,
}

const WHOLE: Scale = Scale {
    mixed: [10, 2000],
    counted: 500,
    mailboxes: 20,
    small: [10_000, 100_000],
    changes: 1000,
    runs: 3,
    starts: 20,
};

const QUICK: Scale = Scale {
    mixed: [4, 100],
    counted: 50,
    mailboxes: 4,
    small: [200, 1000],
    changes: 40,
    runs: 1,
    starts: 5,
};

/// A campaign of measurements.
struct Bench {
    binary: PathBuf,
    /// Everything lies in it, and goes with it.
    dir: TempDir,
    scale: Scale,
    report: Report,
}

impl Bench {
    /// A folder of this name for the part of the campaign that asks.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A part that is measured by itself.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Part {
    /// The vault alone: small items, changes, attachments, large files
    Ingest {
        /// Small items in the larger of the two sets
        #[arg(long, default_value_t = 100_000, value_name = "N")]
        items: u64,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
        /// Write the tables into docs/performance.md
        #[arg(long)]
        write: bool,
    },
    /// The same in full, up to 1,000,000 items and 5 GB (half an hour); writes docs/performance.md
    Vault {
        /// The sets of small items
        #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
        items: Vec<u64>,
        /// Runs of each first backup; the one with the median CPU time counts
        #[arg(long, default_value_t = 3, value_name = "N")]
        runs: usize,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// The catalog: leases per second on PostgreSQL and on SQLite
    Catalog {
        #[command(flatten)]
        scale: catalog::Scale,
    },
    /// The queue of jobs: how many are taken and given back in a second
    Leases {
        #[command(flatten)]
        scale: catalog::Scale,
    },
    /// The server: 200 users of the API beside a running backup
    Server {
        #[command(flatten)]
        scale: server::Scale,
    },
    /// How long the way back from vault and kit takes
    Recover {
        #[command(flatten)]
        scale: recover::Scale,
    },
    /// OneDrive: small and large files, changes, the budget of SharePoint
    Drives {
        #[command(flatten)]
        scale: drives::Scale,
    },
}

/// Measures a part.
pub(crate) fn run_part(root: &Path, part: Part) -> Result<ExitCode> {
    let (scale, json, command) = match part {
        Part::Catalog { scale } => return catalog::run(root, &scale),
        Part::Drives { scale } => return drives::run(root, scale),
        Part::Leases { scale } => return leases::run(root, &scale),
        Part::Server { scale } => return server::run(root, &scale),
        Part::Recover { scale } => return recover::run(root, &scale),
        Part::Ingest { items, json, write } => {
            let sets = if items > 10_000 { vec![10_000, items] } else { vec![items] };
            let scale = vault::Scale {
                items: sets,
                shared: items.min(3_000),
                files: 2,
                runs: 3,
                borg: false,
                write,
            };
            (scale, json, format!("cargo xtask bench ingest --items {items}"))
        }
        Part::Vault { items, runs, json } => {
            let scale =
                vault::Scale { items, shared: 10_000, files: 20, runs, borg: true, write: true };
            (scale, json, format!("cargo xtask bench vault --runs {runs}"))
        }
    };
    vault::run(root, scale, json, &command)
}

/// Measures, prints the tables and, in whole, writes them into the page.
pub(crate) fn run(root: &Path, quick: bool, binary: Option<PathBuf>) -> Result<ExitCode> {
    let built = binary.map_or_else(|| build(root, &["--bin", "holdfast"], "holdfast"), Ok)?;
    let dir = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
    // A build meanwhile must not change what is measured.
    let binary = dir.path().join("holdfast");
    std::fs::copy(built, &binary).context("cannot copy the binary")?;
    let machine = Machine::here(&process::run(Command::new(&binary).arg("--version"))?)?;
    let (scale, command) = match quick {
        true => (QUICK, "cargo xtask bench --quick"),
        false => (WHOLE, "cargo xtask bench"),
    };
    let mut bench = Bench { binary, dir, scale, report: Report::new(machine, command) };
    bench.starts()?;
    bench.requests()?;
    bench.ingest()?;
    bench.incrementals()?;
    let text = bench.report.markdown();
    print(&text);
    if !quick {
        page::write(&root.join("docs/performance.md"), Section::Product, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A binary as it is delivered.
fn build(root: &Path, what: &[&str], name: &str) -> Result<PathBuf> {
    say("building the release binary");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked"]).args(what).current_dir(root);
    let status = command.status().context("cannot run cargo")?;
    anyhow::ensure!(status.success(), "the release binary does not build");
    let manifest = root.join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
    Ok(metadata.target_directory.join("release").join(name).into())
}

/// This program, built for release.
fn this_for_release(root: &Path) -> Result<PathBuf> {
    match cfg!(debug_assertions) {
        true => build(root, &["--package", "xtask"], "xtask"),
        false => Ok(std::env::current_exe()?),
    }
}

/// What is being done, for whoever waits.
#[allow(clippy::print_stderr, reason = "progress of a command")]
fn say(what: &str) {
    eprintln!("bench: {what}");
}

#[allow(clippy::print_stdout, reason = "the output of a command")]
fn print(text: &str) {
    println!("{text}");
}
