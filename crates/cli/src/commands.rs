//! One file per command: what is asked of the engine, and how its answer reads.

pub mod audit;
pub mod backup;
pub mod browse;
mod catalog;
mod completions;
mod demo;
pub mod diff;
pub mod doctor;
mod erase;
pub mod export;
pub mod find;
pub mod history;
pub mod init;
pub mod job;
mod join;
mod record;
mod recover;
pub mod resources;
pub mod restore;
pub mod schedule;
mod serve;
mod sim;
mod support;
pub mod tenant;
mod token;
mod user;
pub mod vault;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_engine::{Exit, Home};
use holdfast_model::{Clock, Outcome};

use crate::args::{self, Audit, Cli, Command, Global, Tenant};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::remote;

/// How a command ended.
pub struct Done {
    /// The exit code.
    code: u8,
    /// What the audit record says of it.
    details: BTreeMap<String, String>,
}

impl From<u8> for Done {
    fn from(code: u8) -> Self {
        Self { code, details: BTreeMap::new() }
    }
}

impl Done {
    /// With a figure or name for the audit record.
    fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }
}

/// Runs a command; answers with the exit code.
pub async fn run(cli: Cli) -> Result<u8> {
    let out = Output::new(cli.global.json);
    let global = &cli.global;
    if let Some(server) = remote::meant(global, &cli.command) {
        return remote::run(server, global, &cli.command, out).await;
    }
    match &cli.command {
        Command::Demo(args) => demo::run(args, out).await,
        Command::Sim(command) => sim::run(command, out).await,
        Command::Completions { shell } => completions::run(*shell),
        Command::Init(args) => init::run(global, args, out).await,
        Command::Join(args) => join::run(global, args, out).await,
        Command::Recover(args) => {
            let recovery = recover::begin(global, args).await?;
            let work = recover::run(&recovery, out);
            record::recorded(recovery.home(), &cli.command, work).await
        }
        Command::User(command) => user::run(global, command, out).await,
        Command::Token(command) => token::run(global, command, out).await,
        Command::Tenant(Tenant::Permissions { feature }) => tenant::permissions(*feature, out),
        Command::Audit(Audit::Verify { file: Some(file), public_key }) => {
            audit::file_alone(file, *public_key, out).await
        }
        command => {
            let home = match (command, open(global, command).await) {
                // A certificate may be made before there is an installation.
                (
                    Command::Tenant(Tenant::Certificate(args)),
                    Err(Error::Engine(holdfast_engine::Error::NotAHome(_))),
                ) => return tenant::certificate(args, out),
                (_, home) => Arc::new(home?),
            };
            record::recorded(&home, command, in_home(&home, command, out)).await
        }
    }
}

/// Runs a command that needs an installation.
async fn in_home(home: &Arc<Home>, command: &Command, out: Output) -> Result<Done> {
    let code = match command {
        Command::Backup(args) => return backup::run(home, args, out).await,
        Command::Restore(args) => return restore::run(home, args, out).await,
        Command::Export(args) => return export::run(home, args, out).await,
        Command::Worker(args) => return worker::run(home, args, out).await,
        Command::Serve(args) => return serve::run(home, args, out).await,
        Command::Erase(args) => return erase::run(home, args, out).await,
        Command::Tenant(command) => tenant::run(home, command, out).await,
        Command::Resources(args) => resources::run(home, args, out).await,
        Command::Schedule(command) => schedule::run(home, command, out).await,
        Command::Job(command) => job::run(home, command, out).await,
        Command::Snapshots(args) => browse::snapshots(home, args, out).await,
        Command::Ls(args) => browse::ls(home, args, out).await,
        Command::Cat(args) => browse::cat(home, args).await,
        Command::Find(args) => find::run(home, args, out).await,
        Command::History(args) => history::run(home, args, out).await,
        Command::Diff(args) => diff::run(home, args, out).await,
        Command::Vault(command) => vault::run(home, command, out).await,
        Command::Catalog(args::Catalog::Rebuild) => catalog::rebuild(home, out).await,
        Command::Audit(command) => audit::run(home, command, out).await,
        Command::Doctor => doctor::run(home, out).await,
        Command::SupportBundle { out: file } => support::run(home, file, out).await,
        Command::Demo(_)
        | Command::Sim(_)
        | Command::Completions { .. }
        | Command::Init(_)
        | Command::Join(_)
        | Command::Recover(_)
        | Command::User(_)
        | Command::Token(_) => Err(Error::Usage("this command does not work in a home".to_owned())),
    };
    code.map(Done::from)
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

async fn open(global: &Global, command: &Command) -> Result<Home> {
    let (dir, key) = (home_dir(global)?, global.instance_key.as_deref());
    let opened = match command {
        Command::Catalog(_) => Home::open_to_rebuild(&dir, key, Clock::system()).await,
        _ => Home::open(&dir, key, Clock::system()).await,
    };
    let mut home = opened?;
    if let Command::Worker(args) = command {
        home.lease_ttl = worker::lease(args);
    }
    Ok(home)
}

/// The exit code of a run.
pub fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Partial => Exit::Partial as u8,
        Outcome::Failed => Exit::Error as u8,
    }
}
