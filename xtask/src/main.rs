//! Automation of this repository: `cargo xtask tidy` checks the rules that no compiler checks,
//! `cargo xtask bench` measures the product, `cargo xtask soak` runs the long campaigns.

mod bench;
mod soak;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Automation of this repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the product against stock restic and write docs/performance.md
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        part: Option<bench::Part>,
        /// Small numbers, printed only: shows that it works, not how fast
        #[arg(long)]
        quick: bool,
        /// Measure this binary instead of building one
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
    },
    /// One process of `bench ingest`, to be measured from outside
    #[command(hide = true)]
    BenchChild {
        /// Folder of its vault
        dir: PathBuf,
        #[command(subcommand)]
        task: bench::Task,
    },
    /// One process of `bench drives`
    #[command(hide = true)]
    BenchDrives {
        /// Folder of its files, or of its installation
        dir: PathBuf,
        #[command(subcommand)]
        task: bench::DrivesTask,
    },
    /// Run a long campaign, of which ./test runs a slice
    Soak {
        /// Which one
        campaign: soak::Campaign,
        /// How many kills or seeds, where not the usual number
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// First seed
        #[arg(long, default_value_t = 1, value_name = "SEED")]
        from: u64,
    },
    /// Check dependencies between crates, manifests, sizes, words and links of the docs
    Tidy {
        /// Lower the entries of xtask/ratchet.toml to what the code needs now
        #[arg(long)]
        shrink: bool,
    },
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Bench { part: Some(part), .. } => bench::run_part(&root()?, part),
        Command::Bench { part: None, quick, binary } => bench::run(&root()?, quick, binary),
        Command::BenchChild { dir, task } => bench::run_child(&dir, task),
        Command::BenchDrives { dir, task } => {
            bench::run_drives_child(&dir, &task).map(|()| ExitCode::SUCCESS)
        }
        Command::Soak { campaign, count, from } => soak::run(&root()?, campaign, count, from),
        Command::Tidy { shrink } => tidy::run(&root()?, shrink),
    }
}

/// The root of the workspace, wherever the command is called from.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    Ok(root.to_owned())
}
