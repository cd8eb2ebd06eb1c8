//! How often the service misbehaves by itself.

use serde::{Deserialize, Serialize};

/// How often the service misbehaves of its own accord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultProfile {
    /// Never.
    #[default]
    Calm,
    /// About 3 requests in 100: throttling, 503, empty pages.
    Flaky,
    /// About 15 requests in 100, with broken connections, duplicates and oversized pages, and no
    /// MIME for S/MIME and reports.
    Storm,
}

impl std::str::FromStr for FaultProfile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "calm" => Ok(Self::Calm),
            "flaky" => Ok(Self::Flaky),
            "storm" => Ok(Self::Storm),
            _ => Err(format!("{text} is not one of calm, flaky, storm")),
        }
    }
}
