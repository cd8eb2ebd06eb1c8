//! Figures of the client's own traffic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a [`Graph`](crate::Graph) has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Requests sent to Graph and to the pre-authenticated addresses that it gives, every attempt
    /// counted; the parts of a batch count singly and the batch itself does not. Sign-in is not
    /// counted.
    pub requests: u64,
    /// Time spent waiting for a throttle or before a retry, in milliseconds, added up over calls
    /// that waited side by side.
    pub waited_ms: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Answers (and parts of batches) that asked for less.
    pub throttled: u64,
    /// Bytes of bodies received.
    pub bytes_received: u64,
    /// Resource units of SharePoint that the requests cost (see [`Request::drive`]), every attempt
    /// counted.
    ///
    /// [`Request::drive`]: crate::Request::drive
    pub resource_units: u64,
    /// Downloads of files and versions that were begun; one that was taken up again counts once.
    pub downloads: u64,
    /// Resource units used in the minutes in which work waited for SharePoint's budget. The
    /// running minute is not in it.
    pub budget_used: u64,
    /// Resource units that the budget gave that work in the same minutes; never less than
    /// `budget_used`. Their ratio is how well the budget is used.
    pub budget_available: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub throttled: AtomicU64,
    pub bytes_received: AtomicU64,
    pub resource_units: AtomicU64,
    pub downloads: AtomicU64,
    pub budget_used: AtomicU64,
    pub budget_available: AtomicU64,
    waited_ms: AtomicU64,
}

impl Counters {
    pub fn add_wait(&self, wait: Duration) {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn read(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: load(&self.requests),
            waited_ms: load(&self.waited_ms),
            retries: load(&self.retries),
            throttled: load(&self.throttled),
            bytes_received: load(&self.bytes_received),
            resource_units: load(&self.resource_units),
            downloads: load(&self.downloads),
            budget_used: load(&self.budget_used),
            budget_available: load(&self.budget_available),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
