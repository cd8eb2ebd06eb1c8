//! A new snapshot leans on old packs: on those whose blobs it has again. No lock of these may end
//! within the period, whoever needs them besides.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::{Clock, Timestamp};

use super::least;
use crate::backend::{Backend, Kind};
use crate::error::Result;
use crate::id::FileId;

/// Ends of the locks of packs as far as they are known, by key: so each pack is asked for once as
/// long as its lock leaves the period. Shared by the writers of a vault.
pub(crate) type LockEnds = Arc<Mutex<HashMap<String, Timestamp>>>;

/// The packs on which a writer leans.
pub(crate) struct Leaning {
    clock: Clock,
    ends: LockEnds,
    packs: Mutex<Packs>,
}

#[derive(Default)]
struct Packs {
    /// Old ones that hold blobs which were wanted again.
    old: HashSet<FileId>,
    /// Written by this writer, and so locked for long.
    new: HashSet<FileId>,
}

impl Leaning {
    pub(crate) fn new(clock: Clock, ends: LockEnds) -> Self {
        Self { clock, ends, packs: Mutex::default() }
    }

    /// A blob that was wanted again lies in this pack.
    pub(crate) fn on(&self, pack: FileId) {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner).old.insert(pack);
    }

    /// The writer has written this pack.
    pub(crate) fn wrote(&self, pack: FileId) {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner).new.insert(pack);
    }

    /// Makes sure that the locks hold. To be called before a snapshot is written.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] where a pack is gone; [`crate::Error::Denied`],
    /// [`crate::Error::Io`].
    pub(crate) fn secure(&self, backend: &Backend) -> Result<()> {
        let Some(locks) = backend.store().locks() else { return Ok(()) };
        let now = self.clock.now();
        let (least, until) = (least(locks.policy(), now), locks.policy().until(now));
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        let Packs { old, new } = &mut *packs;
        for id in old.drain().filter(|id| !new.contains(id)) {
            let key = backend.label(Kind::Pack, &id);
            if self.end(&key).is_some_and(|end| end >= least) {
                continue;
            }
            let mut end = locks.locked_until(&key)?;
            if end.is_none_or(|end| end < least) {
                locks.prolong(&key, until)?;
                end = Some(until);
            }
            if let Some(end) = end {
                self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(key, end);
            }
        }
        Ok(())
    }

    fn end(&self, key: &str) -> Option<Timestamp> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }
}
