//! One file per command: what is asked of the engine, and how its answer reads.

mod backup;
mod browse;
mod catalog;
mod completions;
mod demo;
mod diff;
mod doctor;
mod erase;
mod export;
mod find;
mod history;
mod init;
mod resources;
mod restore;
mod sim;
mod tenant;
mod vault;

use std::path::PathBuf;

use holdfast_engine::{Exit, Home};
use holdfast_model::{Clock, Outcome};

use crate::args::{Cli, Command, Global};
use crate::error::{Error, Result};
use crate::output::Output;

/// Runs a command; answers with the exit code.
pub async fn run(cli: Cli) -> Result<u8> {
    let out = Output::new(cli.global.json);
    let global = &cli.global;
    match &cli.command {
        Command::Demo(args) => demo::run(args, out).await,
        Command::Init(args) => init::run(global, args, out).await,
        Command::Tenant(command) => tenant::run(global, command, out).await,
        Command::Resources(args) => resources::run(&open(global).await?, args, out).await,
        Command::Backup(args) => backup::run(&open(global).await?, args, out).await,
        Command::Snapshots(args) => browse::snapshots(&open(global).await?, args, out).await,
        Command::Ls(args) => browse::ls(&open(global).await?, args, out).await,
        Command::Cat(args) => browse::cat(&open(global).await?, args).await,
        Command::Find(args) => find::run(&open(global).await?, args, out).await,
        Command::History(args) => history::run(&open(global).await?, args, out).await,
        Command::Diff(args) => diff::run(&open(global).await?, args, out).await,
        Command::Restore(args) => restore::run(&open(global).await?, args, out).await,
        Command::Export(args) => export::run(&open(global).await?, args, out).await,
        Command::Vault(command) => vault::run(&open(global).await?, command, out).await,
        Command::Erase(args) => erase::run(&open(global).await?, args, out).await,
        Command::Catalog(command) => catalog::run(global, command, out).await,
        Command::Doctor => doctor::run(&open(global).await?, out).await,
        Command::Sim(command) => sim::run(command, out).await,
        Command::Completions { shell } => completions::run(*shell),
    }
}

/// Where the installation lies: as told, else in the user's data folder.
fn home_dir(global: &Global) -> Result<PathBuf> {
    if let Some(dir) = &global.home {
        return Ok(dir.clone());
    }
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local").join("share"))
    });
    data.map(|data| data.join("holdfast"))
        .ok_or_else(|| Error::Usage("there is no home folder here; name one with --home".into()))
}

async fn open(global: &Global) -> Result<Home> {
    let dir = home_dir(global)?;
    Ok(Home::open(&dir, global.instance_key.as_deref(), Clock::system()).await?)
}

/// The exit code of a run.
fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Partial => Exit::Partial as u8,
        Outcome::Failed => Exit::Error as u8,
    }
}
