//! What a job is to do.

use holdfast_engine::restore::RestoreRequest;
use holdfast_model::ShardId;
use serde::{Deserialize, Serialize};

/// What to do: the request of a job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Backs up what is due in a shard when the job begins.
    Due {
        /// Name of the tenant.
        tenant: String,
        /// The shard.
        shard: ShardId,
        /// Only what has no restore point yet; else only what has one.
        first: bool,
    },
    /// Backs up now, whatever the schedule says.
    Backup {
        /// Name of the tenant.
        tenant: String,
        /// Only this resource: name or id.
        resource: Option<String>,
    },
    /// Brings something back.
    Restore(Box<RestoreRequest>),
    /// Asks the directory who and what is there.
    Discover {
        /// Name of the tenant.
        tenant: String,
    },
}

impl Work {
    /// Kind of the job.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Due { .. } | Self::Backup { .. } => "backup",
            Self::Restore(_) => "restore",
            Self::Discover { .. } => "discover",
        }
    }

    /// Name of the tenant that it is for.
    pub fn tenant(&self) -> &str {
        match self {
            Self::Due { tenant, .. } | Self::Backup { tenant, .. } | Self::Discover { tenant } => {
                tenant
            }
            Self::Restore(request) => request.tenant.as_deref().unwrap_or_default(),
        }
    }

    /// The key of which one job lives; none for what is done as often as it is asked for.
    pub(crate) fn dedupe(&self) -> Option<String> {
        Some(match self {
            Self::Restore(_) => return None,
            Self::Due { tenant, shard, first } => {
                let part = if *first { "first" } else { "due" };
                format!("{part}/{shard}/{tenant}")
            }
            Self::Backup { tenant, resource } => {
                format!("backup/{}/{tenant}", resource.as_deref().unwrap_or_default())
            }
            Self::Discover { tenant } => format!("discover/{tenant}"),
        })
    }
}
