//! What a failure means for the restore of files: does it concern one file, or all that follow?

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use holdfast_graph::{self as graph, Kind};

use super::super::is_unreadable;
use crate::{Error, Result};

/// Refusals (403) in a row after which the application is taken to have no right at all.
const REFUSALS: usize = 5;

/// Failures that concern the whole restore: without sign-in, the service, the vault or the catalog
/// the next file fails as well. A refusal may concern one item.
pub(super) fn ends_restore(error: &Error) -> bool {
    match error.graph() {
        Some(graph::Error::SignIn(_)) => true,
        Some(error) => match error.kind() {
            Kind::Denied => error.status() != Some(403),
            kind => matches!(kind, Kind::Throttled | Kind::Unreachable),
        },
        None => !matches!(error, Error::File { .. }) && !is_unreadable(error),
    }
}

/// The failure behind one of an upload whose source, our vault, could not be read.
pub(super) fn own(error: Error) -> Error {
    match error {
        Error::Graph(graph::Error::Source { endpoint, offset, source }) => {
            match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(source) => Error::Graph(graph::Error::Source { endpoint, offset, source }),
            }
        }
        error => error,
    }
}

/// What the files of one drive have failed with until now.
pub(super) struct Failures {
    refused: AtomicUsize,
    /// The least size for which there was no room.
    full: AtomicU64,
}

impl Failures {
    /// None yet.
    pub fn new() -> Self {
        Self { refused: AtomicUsize::new(0), full: AtomicU64::new(u64::MAX) }
    }

    /// A file went through.
    pub fn passed(&self) {
        self.refused.store(0, Ordering::Relaxed);
    }

    /// Counts the failure of a file of this size; gives it back where it ends the restore.
    ///
    /// # Errors
    /// The failure itself, where the files that follow would fail as well.
    pub fn count(&self, error: Error, size: u64) -> Result<Error> {
        let kind = error.graph().map(graph::Error::kind);
        let refused = match kind {
            Some(Kind::Denied) => self.refused.fetch_add(1, Ordering::Relaxed) + 1,
            _ => 0,
        };
        if kind == Some(Kind::Full) {
            self.full.fetch_min(size, Ordering::Relaxed);
        }
        if ends_restore(&error) || refused >= REFUSALS { Err(error) } else { Ok(error) }
    }

    /// True where a file of this size, or a smaller one, found no room.
    pub fn has_no_room_for(&self, size: u64) -> bool {
        size >= self.full.load(Ordering::Relaxed)
    }
}
