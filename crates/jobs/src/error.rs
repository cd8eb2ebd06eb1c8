//! Why work with jobs failed.

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
