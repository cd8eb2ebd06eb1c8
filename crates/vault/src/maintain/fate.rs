//! What becomes of each pack when a repository is pruned. Nothing is changed here.

use std::collections::HashSet;

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
    /// It would go, but a lock keeps it, or keeps an index file that names it.
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

/// A pack that no index file names.
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
    /// The last lock that keeps something ends then.
    pub(super) locked_until: Option<Timestamp>,
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
        let mut fates = Self { repository, options, census, now, fills, packs, locked_until: None };
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

    /// A pack that is locked, or that is named by an index file that is, cannot go yet: an index
    /// file that stays must not name what is gone.
    fn respect_locks(&mut self) -> Result<()> {
        if self.repository.backend.store().locks().is_none() {
            return Ok(());
        }
        let mut named = vec![None; self.packs.len()];
        for file in &self.census.files {
            let until = locked_until(self.repository, Kind::Index, &file.id, self.now)?;
            for number in &file.packs {
                named[*number as usize] = named[*number as usize].max(until);
            }
        }
        for (number, named) in named.into_iter().enumerate() {
            if matches!(self.packs[number], Fate::Keep | Fate::Recover | Fate::Wait) {
                continue;
            }
            let id = &self.census.packs[number].id;
            let until = named.max(locked_until(self.repository, Kind::Pack, id, self.now)?);
            if until.is_some() {
                self.packs[number] = Fate::Locked;
                self.locked_until = self.locked_until.max(until);
            }
        }
        Ok(())
    }

    /// What becomes of a pack that no index file names. It goes when it is old enough to be
    /// nobody's, or holds something unwanted and nobody reads.
    pub(super) fn of_orphan(&mut self, orphan: &Orphan, is_unwanted: bool) -> Result<Fate> {
        let goes = self.is_due(Some(orphan.modified)) || (is_unwanted && self.options.instant);
        if !goes {
            return Ok(Fate::Wait);
        }
        let until = locked_until(self.repository, Kind::Pack, &orphan.id, self.now)?;
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
