//! What a job is to do.

use holdfast_engine::restore::RestoreRequest;
use holdfast_engine::verify::Scope;
use holdfast_model::ShardId;
use holdfast_policy::Rules;
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
    /// Looks for damage.
    Check {
        /// Name of the vault.
        vault: String,
        /// How much of the data is read.
        scope: Scope,
    },
    /// Forgets snapshots by rules and removes what nothing needs.
    Prune {
        /// Name of the vault.
        vault: String,
        /// What is kept; without a rule everything.
        rules: Rules,
        /// Only says what would be done.
        dry_run: bool,
    },
    /// Mends what is damaged.
    Repair {
        /// Name of the vault.
        vault: String,
        /// A second vault that may have what is lost.
        from: Option<String>,
    },
    /// Copies to a second vault what that lacks.
    Copy {
        /// Name of the vault.
        vault: String,
        /// Name of the second one.
        to: String,
    },
}

impl Work {
    /// Kind of the job.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Due { .. } | Self::Backup { .. } => "backup",
            Self::Restore(_) => "restore",
            Self::Discover { .. } => "discover",
            Self::Check { .. } => "check",
            Self::Prune { .. } => "prune",
            Self::Repair { .. } => "repair",
            Self::Copy { .. } => "copy",
        }
    }

    /// True for the maintenance of a vault: it is for no tenant, ends only with the shard that it is
    /// at, and must not be dropped before, for it holds that shard.
    pub fn is_maintenance(&self) -> bool {
        match self {
            Self::Check { .. } | Self::Prune { .. } | Self::Repair { .. } | Self::Copy { .. } => {
                true
            }
            Self::Due { .. } | Self::Backup { .. } | Self::Restore(_) | Self::Discover { .. } => {
                false
            }
        }
    }

    /// Name of the tenant that it is for; empty where it is for none.
    pub fn tenant(&self) -> &str {
        match self {
            Self::Due { tenant, .. } | Self::Backup { tenant, .. } | Self::Discover { tenant } => {
                tenant
            }
            Self::Restore(request) => request.tenant.as_deref().unwrap_or_default(),
            Self::Check { .. } | Self::Prune { .. } | Self::Repair { .. } | Self::Copy { .. } => "",
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
            Self::Check { .. } | Self::Prune { .. } | Self::Repair { .. } | Self::Copy { .. } => {
                serde_json::to_string(self).expect("work has text keys only")
            }
        })
    }
}
