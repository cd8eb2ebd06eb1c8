//! What can be typed about the simulated tenant.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_sim::FaultProfile;

/// How many files somebody has in the simulated company.
pub(super) const FILES: usize = 12;

#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Run a simulated tenant until SIGINT or SIGTERM; its first line says how to reach it
    Serve(Serve),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// People in the company
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub users: usize,
    /// Decides people, mail, files, ids and secrets
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Messages per person
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub mails_per_user: usize,
    /// Files in each OneDrive; 0 makes none
    #[arg(long, default_value_t = FILES, value_name = "N")]
    pub files: usize,
    /// Team sites with document libraries [default: one for ten people]
    #[arg(long, value_name = "N")]
    pub sites: Option<usize>,
    /// Folder of files to be used instead of invented ones: .eml as mail, all others in drives
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Keep the tenant's state here; without it the tenant is gone when it stops
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// How the service misbehaves: calm, flaky or storm
    #[arg(long, default_value = "calm", value_name = "PROFILE")]
    pub faults: FaultProfile,
    /// Milliseconds that each request takes besides its work
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub latency_ms: u64,
    /// Further name in the certificate and in links; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Name in the addresses of downloads and uploads [default: the one that the client used]
    #[arg(long, value_name = "NAME")]
    pub files_host: Option<String>,
    /// People without mail and files
    #[arg(long)]
    pub empty: bool,
    /// Refuse $expand on message deltas, as is said of some tenants
    #[arg(long)]
    pub plain_deltas: bool,
}
