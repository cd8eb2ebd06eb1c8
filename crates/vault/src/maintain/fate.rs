//! What becomes of each pack when a repository is pruned. Nothing is changed here.

use std::collections::{HashMap, HashSet};

use holdfast_model::Timestamp;

use crate::backend::Kind;
use crate::error::Result;
use crate::id::FileId;
use crate::pack::BlobKind;
use crate::repository::Repository;

use super::census::Census;
use super::locked_until;
use super::prune::PruneOptions;

/// So many small packs of a kind are joined.
const SEVERAL: usize = 8;

/// Blobs that must go even where that is not worth the effort.
pub(super) enum Unwanted {
    /// None: only what is worth it.
    None,
    /// These, where no snapshot needs them.
    Blobs(HashSet<(BlobKind, [u8; 32])>),
    /// All that no snapshot needs.
    All,
}

impl Unwanted {
    fn contains(&self, kind: BlobKind, id: [u8; 32]) -> bool {
        match self {
            Self::None => false,
            Self::Blobs(blobs) => blobs.contains(&(kind, id)),
            Self::All => true,
        }
    }
}

/// What becomes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays.
    Keep,
    /// It was marked and is needed again.
    Recover,
    /// It is marked for removal.
    Mark,
    /// It is marked, or in no index file, and not for long enough.
    Wait,
    /// Its needed blobs go to a new pack; then it is marked or removed.
    Repack,
    /// It is removed.
    Remove,
    /// It would be removed, but a lock keeps it, or keeps an index file that names it: it is marked.
    Locked,
}

/// How much of a pack is needed.
#[derive(Clone, Copy, Default)]
pub(super) struct Fill {
    pub(super) used: u64,
    pub(super) unused: u64,
    unwanted: bool,
    kind: Option<BlobKind>,
}

/// A pack that no index file in force names.
pub(super) struct Orphan {
    pub(super) id: FileId,
    pub(super) size: u64,
    /// When the store took it.
    pub(super) modified: Timestamp,
}

/// The decisions of a prune.
pub(super) struct Fates<'c> {
    repository: &'c Repository,
    options: &'c PruneOptions,
    census: &'c Census,
    now: Timestamp,
    pub(super) fills: Vec<Fill>,
    /// By number of the pack.
    pub(super) packs: Vec<Fate>,
    /// By number of the pack, for those that are to go sooner or later: until when a lock keeps it.
    pub(super) held: Vec<Option<Timestamp>>,
    pub(super) index: IndexLocks,
    /// The last lock that keeps something ends then.
    pub(super) locked_until: Option<Timestamp>,
}

/// Locks of the index files.
#[derive(Default)]
pub(super) struct IndexLocks {
    /// The files that are locked, in force and superseded.
    pub(super) files: HashSet<FileId>,
    /// Until when a pack is named by such a file, in use or marked. Other programs (restic, rustic)
    /// read those that are superseded too, and take a pack that is named and gone for damage.
    packs: HashMap<FileId, Timestamp>,
}

impl IndexLocks {
    /// Asks for the lock of each index file.
    fn ask(repository: &Repository, census: &Census, now: Timestamp) -> Result<Self> {
        let mut locks = Self::default();
        for file in &census.files {
            let packs = file.packs.iter().map(|number| census.packs[*number as usize].id);
            let until = locked_until(repository, Kind::Index, &file.id, now)?;
            locks.note(file.id, packs, until);
        }
        for (id, packs) in &census.superseded {
            let until = locked_until(repository, Kind::Index, id, now)?;
            locks.note(*id, packs.iter().copied(), until);
        }
        Ok(locks)
    }

    fn note(&mut self, id: FileId, packs: impl Iterator<Item = FileId>, until: Option<Timestamp>) {
        let Some(until) = until else { return };
        self.files.insert(id);
        for pack in packs {
            let end = self.packs.entry(pack).or_insert(until);
            *end = until.max(*end);
        }
    }
}

impl<'c> Fates<'c> {
    /// Decides about the packs of a census in which everything needed is marked.
    pub(super) fn decide(
        repository: &'c Repository,
        options: &'c PruneOptions,
        census: &'c Census,
        unwanted: &Unwanted,
        now: Timestamp,
    ) -> Result<Self> {
        let fills = fills(census, unwanted);
        let packs = vec![Fate::Keep; census.packs.len()];
        let held = vec![None; census.packs.len()];
        let index = IndexLocks::ask(repository, census, now)?;
        let mut fates = Self {
            repository,
            options,
            census,
            now,
            fills,
            packs,
            held,
            index,
            locked_until: None,
        };
        for number in 0..fates.packs.len() {
            fates.packs[number] = fates.alone(number);
        }
        fates.choose_wasteful();
        fates.choose_small();
        fates.respect_locks()?;
        Ok(fates)
    }

    /// What follows from the pack itself.
    fn alone(&self, number: usize) -> Fate {
        let (pack, fill) = (&self.census.packs[number], &self.fills[number]);
        let goes_now = self.options.instant || pack.size.is_none();
        match (pack.live, fill.used > 0) {
            (true, true) => Fate::Keep,
            (false, true) => Fate::Recover,
            (true, false) if goes_now => Fate::Remove,
            (true, false) => Fate::Mark,
            (false, false) if goes_now || self.is_due(pack.marked) => Fate::Remove,
            (false, false) => Fate::Wait,
        }
    }

    fn is_due(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|since| self.now.duration_since(since) >= self.options.keep_delete)
    }

    /// Packs with unwanted blobs, and the most wasteful until little enough waste is left.
    fn choose_wasteful(&mut self) {
        let fills = &self.fills;
        let stored: u64 = fills.iter().filter(|f| f.used > 0).map(|f| f.used + f.unused).sum();
        let allowed = stored / 100 * u64::from(self.options.max_unused_percent.min(100));
        let is_partly_used = |number: &usize| fills[*number].used > 0 && fills[*number].unused > 0;
        let mut partly: Vec<usize> = (0..fills.len()).filter(is_partly_used).collect();
        let part = |number: usize| fills[number].unused as f64 / fills[number].used as f64;
        partly.sort_by(|a, b| {
            let by_need = fills[*b].unwanted.cmp(&fills[*a].unwanted);
            by_need.then_with(|| part(*b).total_cmp(&part(*a)))
        });
        let mut waste: u64 = partly.iter().map(|number| fills[*number].unused).sum();
        for number in partly {
            if waste <= allowed && !fills[number].unwanted {
                break;
            }
            waste -= fills[number].unused;
            self.packs[number] = Fate::Repack;
        }
    }

    /// Packs of less than half the usual size, where there are several.
    fn choose_small(&mut self) {
        for kind in BlobKind::ALL {
            let is_small = |number: &usize| {
                let size = self.census.packs[*number].size;
                matches!(self.packs[*number], Fate::Keep | Fate::Recover | Fate::Repack)
                    && self.fills[*number].kind == Some(kind)
                    && size.is_some_and(|size| size < kind.target() / 2)
            };
            let small: Vec<usize> = (0..self.packs.len()).filter(is_small).collect();
            if small.len() >= SEVERAL {
                small.into_iter().for_each(|number| self.packs[number] = Fate::Repack);
            }
        }
    }

    /// A pack that is locked, or that is named by an index file that is, is not removed yet, but
    /// marked: so neither is prolonged any more, and the pack goes when these locks are over.
    fn respect_locks(&mut self) -> Result<()> {
        for number in 0..self.packs.len() {
            let fate = self.packs[number];
            if matches!(fate, Fate::Keep | Fate::Recover) {
                continue;
            }
            let until = self.held(&self.census.packs[number].id)?;
            self.held[number] = until;
            self.locked_until = self.locked_until.max(until);
            let is_there = self.census.packs[number].size.is_some();
            if fate == Fate::Remove && until.is_some() && is_there {
                self.packs[number] = Fate::Locked;
            }
        }
        Ok(())
    }

    /// Until when a lock keeps a pack, its own or that of an index file that names it.
    fn held(&self, id: &FileId) -> Result<Option<Timestamp>> {
        let own = locked_until(self.repository, Kind::Pack, id, self.now)?;
        Ok(own.max(self.index.packs.get(id).copied()))
    }

    /// What becomes of a pack that no index file in force names. It goes when it is old enough to be
    /// nobody's, or holds something unwanted and nobody reads.
    pub(super) fn of_orphan(&mut self, orphan: &Orphan, is_unwanted: bool) -> Result<Fate> {
        let goes = self.is_due(Some(orphan.modified)) || (is_unwanted && self.options.instant);
        if !goes {
            return Ok(Fate::Wait);
        }
        let until = self.held(&orphan.id)?;
        self.locked_until = self.locked_until.max(until);
        Ok(if until.is_some() { Fate::Locked } else { Fate::Remove })
    }
}

fn fills(census: &Census, unwanted: &Unwanted) -> Vec<Fill> {
    let mut fills = vec![Fill::default(); census.packs.len()];
    for row in &census.rows {
        let fill = &mut fills[row.pack as usize];
        fill.kind = Some(row.kind);
        if row.used {
            fill.used += u64::from(row.length);
        } else {
            fill.unused += u64::from(row.length);
            fill.unwanted |= unwanted.contains(row.kind, row.id);
        }
    }
    fills
}
