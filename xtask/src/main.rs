//! Automation of this repository: `cargo xtask tidy` checks the rules that no compiler checks.

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
    /// Check dependencies between crates, manifests, sizes, words and links of the docs
    Tidy {
        /// Lower the entries of xtask/ratchet.toml to what the code needs now
        #[arg(long)]
        shrink: bool,
    },
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Tidy { shrink } => tidy::run(&root()?, shrink),
    }
}

/// The root of the workspace, wherever the command is called from.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    Ok(root.to_owned())
}
