//! What the tenant counted: the figures against which a client's thrift is tested.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Counts since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests below `/v1.0` by method and route (for example
    /// `GET /users/{id}/messages/{id}/$value`) and status. The parts of a batch count singly;
    /// the batch itself is not counted here.
    pub requests: BTreeMap<String, BTreeMap<u16, u64>>,
    /// How many of them were parts of a batch.
    pub batch_parts: u64,
    /// `$batch` requests.
    pub batches: u64,
    /// Answers 429.
    pub throttled: u64,
    /// Requests to the token endpoint.
    pub tokens: u64,
    /// Chunks sent to upload sessions.
    pub upload_chunks: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of answer bodies.
    pub bytes_out: u64,
    /// The most requests that ran at once for one application and mailbox.
    pub mailbox_concurrency_peak: usize,
    /// Resource units of SharePoint, by the names of [`Stats::requests`]. Refused requests cost
    /// nothing here.
    pub units: BTreeMap<String, u64>,
    /// All of them together.
    pub resource_units: u64,
    /// Requests to download addresses.
    pub downloads: u64,
    /// Those of them that carried a token, which no client may send there.
    pub authorised_downloads: u64,
    /// Invitations that were sent by mail.
    pub invitations: u64,
}

impl Stats {
    /// All requests below `/v1.0`.
    pub fn total(&self) -> u64 {
        self.requests.values().flat_map(BTreeMap::values).sum()
    }

    /// The requests of one route, by its name in [`Stats::requests`].
    pub fn of(&self, route: &str) -> u64 {
        self.requests.get(route).map_or(0, |by_status| by_status.values().sum())
    }
}

/// The counters.
#[derive(Debug, Default)]
pub struct Counters(Mutex<Stats>);

impl Counters {
    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts an answered request.
    pub fn request(&self, route: &str, status: u16, part: bool) {
        self.count(|stats| {
            let by_status = stats.requests.entry(route.to_owned()).or_default();
            *by_status.entry(status).or_default() += 1;
            stats.batch_parts += u64::from(part);
            stats.throttled += u64::from(status == 429);
        });
    }

    /// The counts now.
    pub fn read(&self) -> Stats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts again at zero.
    pub fn reset(&self) {
        self.count(|stats| *stats = Stats::default());
    }
}
