//! The command line of `find` and `export`.

use clap::{Args, ValueEnum};
use holdfast_engine::browse::At;
use holdfast_engine::deleted::Since;
use holdfast_engine::export::Format;

use super::Source;

#[derive(Debug, Args)]
pub struct Find {
    /// Only this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only this resource: name, id or Graph id
    #[arg(long, value_name = "R")]
    pub resource: Option<String>,
    /// Restore point: a time (the last one at or before it) or the beginning of a snapshot id
    /// [default: the newest]
    #[arg(long, value_name = "TIME|SNAPSHOT")]
    pub at: Option<At>,
    /// What older restore points have and the newest has not
    #[arg(long, conflicts_with = "at")]
    pub deleted: bool,
    /// All of these must be in the name, subject or sender, in any case; with * for any text it
    /// must be the whole of it
    #[arg(required = true, value_name = "TEXT")]
    pub texts: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub source: Source,
    /// What was there at this time or later and is gone, each message or file as it was last
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    pub deleted_since: Option<Since>,
    /// Folder, message or file; the whole resource where absent
    #[arg(long, value_name = "P")]
    pub path: Option<String>,
    /// Form: files or eml (a folder tree), mbox (one file per folder), zip
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// A folder that is absent or empty; with zip a file that is absent, or - for standard output
    #[arg(long, value_name = "DIR|FILE|-")]
    pub out: String,
}

/// Form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    // A folder tree of the stored files.
    #[default]
    Files,
    // The same, said of mail.
    Eml,
    // One mbox file per mail folder.
    Mbox,
    // The folder tree in a ZIP.
    Zip,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Files => Self::Files,
            ExportFormat::Eml => Self::Eml,
            ExportFormat::Mbox => Self::Mbox,
            ExportFormat::Zip => Self::Zip,
        }
    }
}
