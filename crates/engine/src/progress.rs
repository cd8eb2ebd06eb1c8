//! Live figures of a running operation, for whoever shows them, and the way to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Counters that an operation moves and a screen reads. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    resources: AtomicU64,
    resources_done: AtomicU64,
    items: AtomicU64,
    items_done: AtomicU64,
    bytes: AtomicU64,
    stopping: AtomicBool,
}

/// The figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Resources to do.
    pub resources: u64,
    /// Resources done.
    pub resources_done: u64,
    /// Items known to be to do; grows while pages arrive.
    pub items: u64,
    /// Items done.
    pub items_done: u64,
    /// Content bytes moved.
    pub bytes: u64,
}

impl Progress {
    /// Announces resources.
    pub fn expect_resources(&self, count: usize) {
        self.0.resources.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// One resource is done.
    pub fn resource_done(&self) {
        self.0.resources_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Announces items.
    pub fn expect_items(&self, count: usize) {
        self.0.items.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// One item is done.
    pub fn item_done(&self, bytes: u64) {
        self.0.items_done.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Asks the operation to stop soon. A backup ends after the pages that it is reading, commits
    /// what it has and goes on from there the next time; maintenance ends with the shard that it is
    /// at; others take no notice.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// True once the operation was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Goes on unless the operation was asked to stop.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(crate) fn unless_stopped(&self) -> Result<()> {
        if self.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Reads the figures.
    pub fn seen(&self) -> Seen {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Seen {
            resources: load(&self.0.resources),
            resources_done: load(&self.0.resources_done),
            items: load(&self.0.items),
            items_done: load(&self.0.items_done),
            bytes: load(&self.0.bytes),
        }
    }
}
