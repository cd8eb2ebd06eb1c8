//! Why work with jobs failed.

use holdfast_catalog::Kind;
use holdfast_engine::Exit;
use holdfast_model::Timestamp;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the queue, the scheduler or a worker. What becomes of a job that fails is in the
/// job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] holdfast_engine::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] holdfast_catalog::Error),
    /// A job holds a request that this version cannot read.
    #[error("the request of job {job} cannot be read; cancel it and ask again")]
    Request {
        /// The job.
        job: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// True where the same work may go well another time, without anybody's doing.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Engine(error) => error.may_pass(),
            Self::Catalog(error) => matches!(error.kind(), Kind::Unavailable | Kind::LeaseHeld),
            Self::Request { .. } => false,
        }
    }

    /// When whoever is in the way of it has to give a sign of life, where that is known.
    pub(crate) fn held_until(&self) -> Option<Timestamp> {
        use holdfast_catalog::Error as Catalog;
        use holdfast_engine::Error as Engine;
        match self {
            Self::Engine(
                Engine::RestoreRunning { until, .. }
                | Engine::Catalog(Catalog::LeaseHeld { until, .. }),
            )
            | Self::Catalog(Catalog::LeaseHeld { until, .. }) => Some(*until),
            _ => None,
        }
    }

    /// True where the same work cannot go well before somebody does something.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Engine(error) => !matches!(error.exit(), Exit::Error | Exit::Later),
            Self::Catalog(_) => false,
            Self::Request { .. } => true,
        }
    }
}
