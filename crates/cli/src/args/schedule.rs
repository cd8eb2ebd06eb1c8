//! What can be typed about schedules.

use clap::{Args, Subcommand};
use holdfast_model::Workload;
use holdfast_policy::{Hours, Objective, Pace};

#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// List the schedules, and how many resources follow each
    List {
        /// Only this tenant
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Set a schedule; one of the same name is replaced
    Set(Box<ScheduleSet>),
    /// Remove a schedule: what followed it follows the next one that means it, or the default
    Remove {
        /// Name of the schedule
        name: String,
        /// Its tenant, where there are several
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Show which schedule each resource follows, and whether its objective is kept
    Status {
        /// Only this tenant
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Only this resource: name, id or Graph id
        #[arg(long, value_name = "R")]
        resource: Option<String>,
        /// Only those whose objective is missed
        #[arg(long)]
        missed: bool,
    },
}

#[derive(Debug, Args)]
pub struct ScheduleSet {
    /// Name of the schedule; 'default' is for everything that no other one means
    pub name: String,
    /// Its tenant, where there are several
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// How old the newest restore point may get (RPO): 15m, 1h, 24h, 7d
    #[arg(long, value_name = "TIME")]
    pub rpo: Objective,
    /// Only for these kinds of data: exchange, onedrive, sharepoint
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub workload: Vec<Workload>,
    /// Only for this mailbox, OneDrive or site: name or id; may be given several times
    #[arg(long, value_name = "R")]
    pub resource: Vec<String>,
    /// Hours in which it must not work, such as 'mon-fri 08:00-18:00'; may be given several times
    #[arg(long, value_name = "HOURS", value_parser = pause, requires = "time_zone")]
    pub pause: Vec<Hours>,
    /// Hours in which it may do twice as much at once, such as 22:00-06:00; may be given several
    /// times
    #[arg(long, value_name = "HOURS", value_parser = press, requires = "time_zone")]
    pub press: Vec<Hours>,
    /// Time zone of these hours, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
}

fn pause(text: &str) -> holdfast_policy::Result<Hours> {
    Hours::parse(text, Pace::Off)
}

fn press(text: &str) -> holdfast_policy::Result<Hours> {
    Hours::parse(text, Pace::Hard)
}
