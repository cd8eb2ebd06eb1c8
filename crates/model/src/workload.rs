use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of Microsoft 365 data with its own way of reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Mailboxes.
    Exchange,
    /// The drives of people.
    #[serde(rename = "onedrive")]
    OneDrive,
    /// The document libraries of sites.
    #[serde(rename = "sharepoint")]
    SharePoint,
}

impl Workload {
    /// The name in paths, in the catalog and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::OneDrive => "onedrive",
            Self::SharePoint => "sharepoint",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "exchange" => Ok(Self::Exchange),
            "onedrive" => Ok(Self::OneDrive),
            "sharepoint" => Ok(Self::SharePoint),
            other => Err(format!("unknown workload '{other}'")),
        }
    }
}
