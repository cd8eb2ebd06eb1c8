//! What can be typed about jobs and workers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_catalog::JobState;

#[derive(Debug, Subcommand)]
pub enum Job {
    /// List jobs, newest first
    List(JobList),
    /// Show a job: what it is to do, how far it is, what came of it
    Show {
        /// Its id
        id: String,
    },
    /// Let a job wait until it is resumed; what it has done stays done
    Pause {
        /// Its id
        id: String,
    },
    /// Let a paused job go on
    Resume {
        /// Its id
        id: String,
    },
    /// End a job; what it has done stays done
    Cancel {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct JobList {
    /// Only in this state: queued, running, paused, done, failed or cancelled
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<JobState>,
    /// Only of this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only of this kind: backup, restore, discover
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only older ones than this: the last one of the page before
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
}

#[derive(Debug, Args)]
pub struct Worker {
    /// Jobs at the same time; of more than one the last is kept for what a person waits for
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub slots: u16,
    /// End when nothing is left that can be done now
    #[arg(long)]
    pub once: bool,
    /// Leave it to other workers to look for what is due
    #[arg(long)]
    pub no_scheduler: bool,
    /// Seconds that jobs have to come to an end after SIGTERM or Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub grace: u32,
    /// Seconds after which a worker without a sign of life is taken to be dead
    #[arg(long, value_name = "SECONDS", default_value_t = 60, hide = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub lease_seconds: u16,
}

#[derive(Debug, Args)]
pub struct Join {
    /// File that only its owner can read, with postgres://USER:PASSWORD@HOST/DATABASE of the
    /// catalog that the first machine uses
    #[arg(long, value_name = "FILE")]
    pub catalog_url_file: PathBuf,
}

fn state(text: &str) -> Result<JobState, String> {
    let found = JobState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| {
        let all = JobState::ALL.map(JobState::as_str).join(", ");
        format!("a job is in one of these states: {all}")
    })
}
