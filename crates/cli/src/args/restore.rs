//! `restore`.

use clap::{Args, ValueEnum};
use holdfast_engine::deleted::Since;
use holdfast_engine::restore::OnConflict;

use super::Source;

#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    pub source: Source,
    /// What was there at this time or later and is gone, each message or file as it was last
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    pub deleted_since: Option<Since>,
    /// Folder, message or file; the whole resource where absent
    #[arg(long, value_name = "P")]
    pub path: Option<String>,
    /// Another resource as the target: a mailbox for mail, a OneDrive or site for files
    #[arg(long, value_name = "R2")]
    pub to: Option<String>,
    /// Folder of the target that takes what is restored, made where it is missing [default: the
    /// place where it was]
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<String>,
    /// An earlier version of the one file that --path names, as `ls --versions` lists them
    #[arg(long, value_name = "V", conflicts_with_all = ["versions", "deleted_since"])]
    pub version: Option<String>,
    /// Write the earlier versions of each file too, before the present one
    #[arg(long)]
    pub versions: bool,
    /// Share files again with whom they were shared; nobody gets an invitation
    #[arg(long)]
    pub permissions: bool,
    /// When a message or file is in the target already
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    pub on_conflict: Conflict,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Leave it to a worker and print the id of the job
    #[arg(long, conflicts_with = "dry_run")]
    pub queue: bool,
    /// Do not ask before messages or files are replaced
    #[arg(long, short)]
    pub yes: bool,
}

/// When a message or file is in the target already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Conflict {
    // Leave it as it is.
    #[default]
    Skip,
    // Put the stored version in its place.
    Replace,
    // Put the stored version beside it.
    Copy,
}

impl From<Conflict> for OnConflict {
    fn from(rule: Conflict) -> Self {
        match rule {
            Conflict::Skip => Self::Skip,
            Conflict::Replace => Self::Replace,
            Conflict::Copy => Self::Copy,
        }
    }
}

impl Conflict {
    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Replace => "replace",
            Self::Copy => "copy",
        }
    }
}
