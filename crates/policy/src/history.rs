//! The committed history of a shard, in its order, with times that can be trusted.

use std::collections::HashMap;

use holdfast_model::{RunId, Seq, Timestamp};

use crate::facts::{Facts, SnapshotFact, SnapshotKind, Standing};

/// The committed snapshots of a shard by `seq`.
pub(crate) struct History<'a> {
    chain: Vec<&'a SnapshotFact>,
    /// For each `seq`: the time that counts.
    times: HashMap<Seq, Timestamp>,
    /// The `seq` of final snapshots, newest first, each once.
    finals: Vec<Seq>,
    reference: Option<Timestamp>,
    /// The last snapshot of each run.
    last_of_run: HashMap<&'a RunId, Seq>,
}

impl<'a> History<'a> {
    pub(crate) fn new(facts: &'a Facts) -> Self {
        let committed = |fact: &&SnapshotFact| fact.standing == Standing::Committed;
        let mut chain: Vec<_> = facts.snapshots.iter().filter(committed).collect();
        chain.sort_by_key(|fact| (fact.seq, fact.fence, fact.rewrite));
        let finals = chain.iter().rev().filter(|fact| fact.kind == SnapshotKind::Final);
        let mut finals: Vec<_> = finals.map(|fact| fact.seq).collect();
        finals.dedup();
        let is_final = |fact: &&&SnapshotFact| fact.kind == SnapshotKind::Final;
        let sane = chain.iter().filter(is_final).map(|fact| fact.time).chain(facts.left_behind);
        let reference = sane.filter(|time| *time <= facts.now).max();
        let times = times(&chain, facts.now);
        let last_of_run = chain.iter().map(|fact| (&fact.run, fact.seq)).collect();
        Self { chain, times, finals, reference, last_of_run }
    }

    /// The newest snapshot: what the next one builds on.
    pub(crate) fn head(&self) -> Option<Seq> {
        self.chain.last().map(|fact| fact.seq)
    }

    /// The newest final snapshot.
    pub(crate) fn newest_final(&self) -> Option<Seq> {
        self.finals.first().copied()
    }

    /// Position among the final snapshots, 1 for the newest; of a checkpoint that of the final
    /// snapshot after it.
    pub(crate) fn place(&self, seq: Seq) -> usize {
        self.finals.partition_point(|newer| *newer >= seq).max(1)
    }

    /// The time of a snapshot as far as it can be trusted.
    pub(crate) fn time(&self, seq: Seq) -> Timestamp {
        self.times.get(&seq).copied().unwrap_or(Timestamp::MAX)
    }

    /// What `keep within` counts from: the youngest time of a final snapshot that is not from the
    /// future. Here doubt makes older: the reference must not run ahead.
    pub(crate) fn reference(&self) -> Option<Timestamp> {
        self.reference
    }

    /// A checkpoint is superseded by a later snapshot of its run, which holds all that it holds, or
    /// by a later final one where it holds no restore point.
    pub(crate) fn supersedes(&self, checkpoint: &SnapshotFact) -> bool {
        let is_later = |seq: Option<Seq>| seq.is_some_and(|seq| seq > checkpoint.seq);
        let by_run = is_later(self.last_of_run.get(&checkpoint.run).copied());
        let by_final = is_later(self.newest_final()) && !checkpoint.complete;
        checkpoint.kind == SnapshotKind::Checkpoint && (by_run || by_final)
    }

    /// The committed snapshot of which `other` is another writing.
    pub(crate) fn same_writing(&self, other: &SnapshotFact) -> Option<&SnapshotFact> {
        let start = self.chain.partition_point(|fact| fact.seq < other.seq);
        let same = self.chain[start..].iter().take_while(|fact| fact.seq == other.seq);
        same.copied().find(|fact| fact.fence == other.fence)
    }
}

/// A clock that was wrong must not make good snapshots old: one with a time before its predecessor
/// counts as its predecessor, one from the future counts as its successor, or as now where there
/// is none. Every doubt makes a snapshot younger, so that it is kept longer.
fn times(chain: &[&SnapshotFact], now: Timestamp) -> HashMap<Seq, Timestamp> {
    let mut rising = Timestamp::MIN;
    let mut times: Vec<(Seq, Option<Timestamp>)> = Vec::with_capacity(chain.len());
    for fact in chain {
        let sane = (fact.time <= now).then_some(fact.time);
        rising = sane.map_or(rising, |time| rising.max(time));
        times.push((fact.seq, sane.map(|_| rising)));
    }
    let mut next = now;
    let backwards = times.into_iter().rev().map(|(seq, time)| {
        next = time.unwrap_or(next);
        (seq, next)
    });
    // Of several writings of one number the last one met is the earliest; the latest time counts.
    let mut latest = HashMap::new();
    for (seq, time) in backwards {
        let known = latest.entry(seq).or_insert(time);
        *known = time.max(*known);
    }
    latest
}
