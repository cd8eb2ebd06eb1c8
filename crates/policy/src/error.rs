//! Why the policy refuses.

use holdfast_model::{ResourceId, ShardId};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hold keeps what was to be erased.
    #[error("{resource} is on hold by {}; release the hold first", .cases.join(", "))]
    Held {
        /// What is held.
        resource: ResourceId,
        /// The cases that hold it, sorted.
        cases: Vec<String>,
    },
    /// A resource of which the shard knows no place.
    #[error("{resource} has no place in shard {shard}; name a resource that was backed up there")]
    UnknownResource {
        /// What was named.
        resource: ResourceId,
        /// The shard.
        shard: ShardId,
    },
    /// A plan that was made for other data.
    #[error(
        "the plan is for shard {shard} of vault {vault}, not for this one; evaluate the rules here"
    )]
    OtherShard {
        /// Vault of the plan.
        vault: String,
        /// Shard of the plan.
        shard: ShardId,
    },
    /// Something that has no meaning.
    #[error("{0}")]
    Invalid(String),
}

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A hold forbids it.
    Denied,
    /// What was named is not there.
    NotFound,
    /// The request makes no sense.
    Invalid,
}

impl Error {
    /// What the error means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } => ErrorKind::Denied,
            Self::UnknownResource { .. } => ErrorKind::NotFound,
            Self::OtherShard { .. } | Self::Invalid(_) => ErrorKind::Invalid,
        }
    }
}
