//! What the policy decides, by examples and by properties.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is test code")]

mod erasure;
mod holds;
mod properties;
mod retention;

use std::num::NonZeroU32;

use holdfast_model::{Fence, Seq, ShardId, Timestamp};
use holdfast_policy::{
    Evaluation, Facts, Hold, HoldScope, KeepRule, Period, ResourceFact, Rules, SnapshotFact,
    SnapshotKind, Standing, Verdict,
};

/// 1 January 2026 and so many days.
fn day(n: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + n * 86_400).unwrap()
}

/// A committed final snapshot of day `seq`, of a run and a fence of its own.
fn snapshot(seq: u64) -> SnapshotFact {
    SnapshotFact {
        id: format!("{seq:064x}"),
        seq: Seq(seq),
        fence: Fence(seq),
        rewrite: 0,
        run: format!("run-{seq}").as_str().into(),
        time: day(i64::try_from(seq).unwrap()),
        kind: SnapshotKind::Final,
        complete: false,
        standing: Standing::Committed,
        locked_until: None,
    }
}

fn checkpoint(seq: u64, run: u64) -> SnapshotFact {
    let run = format!("run-{run}").as_str().into();
    SnapshotFact { kind: SnapshotKind::Checkpoint, run, ..snapshot(seq) }
}

/// Another file at a position of the history, which the catalog does not know.
fn unknown(seq: u64, fence: u64, rewrite: u32) -> SnapshotFact {
    SnapshotFact {
        id: format!("f{seq:021x}{fence:021x}{rewrite:021x}"),
        fence: Fence(fence),
        rewrite,
        standing: Standing::Unknown,
        ..snapshot(seq)
    }
}

/// The day after the last snapshot, two people.
fn facts(snapshots: Vec<SnapshotFact>) -> Facts {
    let newest = snapshots.iter().map(|fact| fact.seq.0).max().unwrap_or(0);
    Facts {
        left_behind: None,
        vault: "vault".to_owned(),
        shard: ShardId(1),
        now: day(i64::try_from(newest).unwrap() + 1),
        snapshots,
        resources: ["ada", "bob"].map(resource).into(),
        holds: Vec::new(),
    }
}

fn resource(name: &str) -> ResourceFact {
    let id = format!("exchange/{name}").as_str().into();
    ResourceFact { id, path: Some(vec!["exchange".to_owned(), format!("{name} ~1")]) }
}

fn hold(case: &str, names: &[&str]) -> Hold {
    let ids = names.iter().map(|name| format!("exchange/{name}").as_str().into());
    Hold { case: case.to_owned(), resources: HoldScope::Resources(ids.collect()) }
}

fn last(count: u32) -> Rules {
    Rules::new([KeepRule::Last(NonZeroU32::new(count).unwrap())])
}

fn within(days: u32) -> Rules {
    Rules::new([KeepRule::Within(Period::days(days).unwrap())])
}

/// The positions that the plan forgets.
fn gone(evaluation: &Evaluation) -> Vec<u64> {
    evaluation.plan().snapshots().iter().map(|planned| planned.seq.0).collect()
}

fn verdict(evaluation: &Evaluation, seq: u64) -> &Verdict {
    let judged = evaluation.snapshots.iter().find(|judged| judged.seq.0 == seq);
    &judged.unwrap().verdict
}
