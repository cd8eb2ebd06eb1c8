//! The command line: what can be typed. What it does stands in `commands`.

mod audit;
mod export;
mod job;
mod restore;
mod schedule;
mod serve;
mod sim;
mod tenant;
mod user;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use holdfast_engine::browse::At;
use holdfast_vault::Location;
use url::Url;

pub use audit::{Audit, AuditList};
pub use export::{Export, ExportFormat, Find};
pub use job::{Job, JobList, Join, Worker};
pub use restore::Restore;
pub use schedule::{Schedule, ScheduleSet};
pub use serve::ServerArgs;
use sim::FILES;
pub use sim::{Serve, Sim};
pub use tenant::{AUTHORITY_URL, Certificate, GRAPH_URL, Tenant, TenantAdd};
pub use user::{SignIn, Token, TokenCreate, User, UserAccept, UserAdd};
pub use vault::{Lock, Prune, Repair, StorageArgs, UnlockArgs, Vault, VaultAdd};

const EXIT_CODES: &str = "Exit codes:
  0   done
  1   error
  2   the command line or the request makes no sense
  3   part of the work failed
  4   not found
  5   denied: passphrase, key, credential or permission
  6   try later: throttled by Microsoft, or another process is at work
  10  the vault is damaged";

/// Backs up and restores a company's Microsoft 365 mail and files, on the company's own storage.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, after_help = EXIT_CODES, propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Folder of the installation [default: ~/.local/share/holdfast]
    #[arg(long, global = true, env = "HOLDFAST_HOME", hide_env_values = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Key file of the installation, where it is not at the place that `init` noted
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_INSTANCE_KEY",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub instance_key: Option<PathBuf>,
    /// Let this server do it, by its API, instead of working in the home folder: https://HOST:PORT
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_SERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub server: Option<Url>,
    /// File with the API token for the server, which only its owner can read
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub token_file: Option<PathBuf>,
    /// Certificate to trust for the server, and no other (PEM) [default: those of the system]
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_SERVER_CA_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub server_ca_file: Option<PathBuf>,
    /// Answer with one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Form of the log on standard error; HOLDFAST_LOG sets its level (error, warn, info, debug)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    // Lines for people.
    #[default]
    Text,
    // One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole product on a simulated tenant: backup, loss, restore, proof
    Demo(Demo),
    /// Make an installation and its vault, or attach an existing vault
    Init(Box<Init>),
    /// Make the installation again on an empty machine, from its vault and recovery kit
    ///
    /// Cut off at any moment, the same command goes on. See docs/recover.md.
    Recover(Box<Recover>),
    /// Make the home of a further machine on the catalog and the vaults of an installation
    Join(Join),
    /// Connect Microsoft 365 tenants
    #[command(subcommand)]
    Tenant(Tenant),
    /// List what is protected: asks the tenant and takes up new mailboxes, OneDrives and sites
    Resources(Resources),
    /// Back up what changed since the last time
    Backup(Backup),
    /// Say how often what is backed up, and see whether that is attained
    #[command(subcommand)]
    Schedule(Schedule),
    /// Look at the queue of jobs, and pause or end them
    #[command(subcommand)]
    Job(Job),
    /// Back up what is due and do what is queued, until SIGTERM or Ctrl-C
    Worker(Worker),
    /// Run the server: API, scheduler and worker in one process
    Serve(Box<ServerArgs>),
    /// Choose a password, and manage who may use a server
    #[command(subcommand)]
    User(User),
    /// Make and revoke the tokens by which programs use a server
    #[command(subcommand)]
    Token(Token),
    /// List the snapshots of all vaults
    Snapshots(Snapshots),
    /// List a folder of a restore point
    Ls(Ls),
    /// Write a stored message or file to standard output, byte for byte
    Cat(Cat),
    /// Find messages by subject or sender and files by name, everywhere or in one resource
    Find(Find),
    /// Show all versions of a message or file over all restore points
    History(History),
    /// Show what changed between two restore points
    Diff(Diff),
    /// Bring back a message, a file, a folder, a mailbox or a site, and prove that it is the same
    Restore(Restore),
    /// Write messages as files, mbox or ZIP, and files as they are, to be read without Microsoft 365 and without Holdfast
    Export(Export),
    /// Look after the vault
    #[command(subcommand)]
    Vault(Vault),
    /// Take single messages or files out of every snapshot, for good
    Erase(Erase),
    /// Look after the catalog
    #[command(subcommand)]
    Catalog(Catalog),
    /// Look at the record of who did what, and verify it
    #[command(subcommand)]
    Audit(Audit),
    /// Check key, catalog, vaults and tenants of this installation
    Doctor,
    /// Write a ZIP for support that says how this installation stands, without names and secrets
    SupportBundle {
        /// File to write; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// The simulated tenant
    #[command(subcommand)]
    Sim(Sim),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// People for whom the simulated company has one team site.
const PEOPLE_PER_SITE: usize = 10;

/// How many team sites the simulated company has, if nothing is said: at least one.
pub fn sites_for(users: usize) -> usize {
    users.div_ceil(PEOPLE_PER_SITE).max(1)
}

#[derive(Debug, Args)]
pub struct Demo {
    /// End after the proof; else, at a terminal, it goes on with the console until Ctrl-C
    #[arg(long)]
    pub once: bool,
    /// People in the simulated company
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=500))]
    pub users: u16,
    /// Decides people, mail, files and what is lost
    #[arg(long, default_value_t = 7, value_name = "S")]
    pub seed: u64,
    /// Files in each OneDrive; 0 makes none
    #[arg(long, default_value_t = FILES, value_name = "N")]
    pub files: usize,
    /// Team sites with document libraries [default: one for ten people]
    #[arg(long, value_name = "N")]
    pub sites: Option<usize>,
    /// Folder of files to be used instead of invented ones: .eml as mail, all others in drives
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Where the vault lies: a folder, s3://BUCKET/PREFIX or azblob://CONTAINER/PREFIX; new, empty,
    /// or an existing vault [default: vault in the home folder]
    #[arg(long, value_name = "LOCATION")]
    pub vault: Option<Location>,
    #[command(flatten)]
    pub storage: StorageArgs,
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Keep the catalog on PostgreSQL: a file that only its owner can read, with
    /// postgres://USER:PASSWORD@HOST/DATABASE of an empty database [default: a file in the home
    /// folder]
    #[arg(long, value_name = "FILE")]
    pub catalog_url_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Recover {
    /// Where the first vault of the installation lies: a folder, s3://BUCKET/PREFIX or
    /// azblob://CONTAINER/PREFIX
    #[arg(long, value_name = "LOCATION")]
    pub vault: Location,
    #[command(flatten)]
    pub storage: StorageArgs,
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Keep the catalog on PostgreSQL: a file that only its owner can read, with
    /// postgres://USER:PASSWORD@HOST/DATABASE of an empty database [default: a file in the home
    /// folder]
    #[arg(long, value_name = "FILE")]
    pub catalog_url_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Resources {
    /// Only this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Do not ask the directory: show what is known
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// Only this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only this resource: name, id or Graph id
    #[arg(long, value_name = "R")]
    pub resource: Option<String>,
    /// Leave it to a worker and print the id of the job
    #[arg(long)]
    pub queue: bool,
}

#[derive(Debug, Args)]
pub struct Snapshots {
    /// Only those in which this resource changed
    #[arg(long, value_name = "R")]
    pub resource: Option<String>,
}

/// A restore point of a resource.
#[derive(Clone, Debug, Args)]
pub struct Source {
    /// Tenant, where several have a resource of this name
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The resource: name, id or Graph id
    #[arg(long, value_name = "R")]
    pub resource: String,
    /// Restore point: a time (the last one at or before it) or the beginning of a snapshot id
    /// [default: the newest]
    #[arg(long, value_name = "TIME|SNAPSHOT")]
    pub at: Option<At>,
}

impl Source {
    /// The restore point, the newest where none is named.
    pub fn at(&self) -> At {
        self.at.clone().unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    pub source: Source,
    /// Also what lies in the folders below
    #[arg(long, short)]
    pub recursive: bool,
    /// The earlier versions of a file, as the service numbered them
    #[arg(long, conflicts_with = "recursive")]
    pub versions: bool,
    /// Folder, message or file; the whole resource where absent
    #[arg(default_value = "", hide_default_value = true)]
    pub path: String,
}

#[derive(Debug, Args)]
pub struct Cat {
    #[command(flatten)]
    pub source: Source,
    /// An earlier version of a file, as `ls --versions` lists them
    #[arg(long, value_name = "V")]
    pub version: Option<String>,
    /// The message or file, as `ls` shows it
    pub path: String,
}

#[derive(Debug, Args)]
pub struct History {
    /// Tenant, where several have a resource of this name
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The resource: name, id or Graph id
    #[arg(long, value_name = "R")]
    pub resource: String,
    /// The message or file: its path, as `ls` shows it for any restore point, or its Graph id
    #[arg(value_name = "PATH|ITEM-ID")]
    pub item: String,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// Tenant, where several have a resource of this name
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The resource: name, id or Graph id
    #[arg(long, value_name = "R")]
    pub resource: String,
    /// First restore point: a time (the last one at or before it) or the beginning of a snapshot id
    /// [default: the one before the second]
    #[arg(long, value_name = "TIME|SNAPSHOT")]
    pub at: Option<At>,
    /// Second restore point [default: the newest]
    #[arg(long, value_name = "TIME|SNAPSHOT")]
    pub to: Option<At>,
}

#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    pub source: Source,
    /// Messages by path (a folder means all below it) or by id
    #[arg(required = true, value_name = "PATH|ID")]
    pub items: Vec<String>,
    /// Why; it stays on record, so it must name no person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Make the catalog again from the vault alone
    Rebuild,
}
