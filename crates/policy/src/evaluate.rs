//! Retention, locks and holds applied to a shard: a verdict on every snapshot, and the plan.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use holdfast_model::{Seq, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, SnapshotFact, SnapshotKind, Standing};
use crate::history::History;
use crate::hold::cases_on;
use crate::plan::{DeletePlan, HeldResource, PlannedSnapshot};
use crate::rule::{KeepRule, Period, Rules};

/// What becomes of each snapshot of a shard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The vault.
    pub vault: String,
    /// The shard.
    pub shard: ShardId,
    /// The rules that were applied.
    pub rules: Rules,
    /// Every snapshot file once, by position, fence and rewrite.
    pub snapshots: Vec<Judged>,
    /// What follows from it.
    plan: DeletePlan,
}

impl Evaluation {
    /// What may be deleted; empty where that is nothing.
    pub fn plan(&self) -> &DeletePlan {
        &self.plan
    }

    /// The same, without the reasons of what stays.
    pub fn into_plan(self) -> DeletePlan {
        self.plan
    }
}

/// A snapshot and the verdict on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Id of the file.
    pub id: String,
    /// Position.
    pub seq: Seq,
    /// Time of the run.
    pub time: Timestamp,
    /// What it closes.
    pub kind: SnapshotKind,
    /// What becomes of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It stays.
    Kept {
        /// Everything that keeps it.
        by: Vec<KeepReason>,
    },
    /// It goes.
    Forgotten {
        /// Why.
        because: ForgetReason,
    },
    /// It would go, but its file is locked.
    Waits {
        /// The end of the lock.
        until: Timestamp,
        /// Why it will go then, as far as one can say today.
        because: ForgetReason,
    },
}

/// What keeps a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum KeepReason {
    /// It is the newest final snapshot, or the newest of all.
    Newest,
    /// The rule keeps all.
    All,
    /// It is among the newest final snapshots.
    Last {
        /// How many the rule keeps.
        count: NonZeroU32,
        /// Its place among them, 1 for the newest.
        place: usize,
    },
    /// It is young enough.
    Within {
        /// What the rule keeps.
        period: Period,
        /// A final snapshot later than this frees it.
        until: Timestamp,
    },
    /// The catalog does not know it, and the history has not gone past it: it may be newer than
    /// the catalog.
    NewerThanCatalog,
    /// A case holds a resource whose place in the shard is not known, so that nothing can be
    /// linked into a newer snapshot.
    HeldWithoutPlace {
        /// The case.
        case: String,
    },
}

/// Why a snapshot goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgetReason {
    /// No rule keeps it.
    NoRule,
    /// A checkpoint that a later snapshot has made superfluous.
    SupersededCheckpoint,
    /// The history went on without it.
    Orphan,
    /// An erasure has written it anew; this is the writing from before.
    Rewritten,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { by } => {
                f.write_str("kept: ")?;
                for (n, reason) in by.iter().enumerate() {
                    write!(f, "{}{reason}", if n > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
            Self::Forgotten { because } => write!(f, "forgotten: {because}"),
            Self::Waits { until, because } => write!(f, "locked until {until}, then: {because}"),
        }
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the newest"),
            Self::All => f.write_str("keep all"),
            Self::Last { count, place } => write!(f, "keep last {count} (number {place})"),
            Self::Within { period, until } => write!(f, "keep within {period} (until {until})"),
            Self::NewerThanCatalog => f.write_str("may be newer than the catalog"),
            Self::HeldWithoutPlace { case } => {
                write!(f, "case {case} holds a resource whose place is not known")
            }
        }
    }
}

impl fmt::Display for ForgetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no rule keeps it",
            Self::SupersededCheckpoint => "a superseded checkpoint",
            Self::Orphan => "an orphan",
            Self::Rewritten => "rewritten by an erasure",
        })
    }
}

/// Applies rules, holds and locks to the facts of a shard.
pub fn evaluate(facts: &Facts, rules: &Rules) -> Evaluation {
    let history = History::new(facts);
    let homeless = held_without_place(facts);
    // By file, so that a fact that was given twice counts once.
    let mut judged = BTreeMap::new();
    for fact in &facts.snapshots {
        let verdict = judge(fact, facts, &history, rules, &homeless);
        judged.insert((fact.seq, fact.fence, fact.rewrite, &fact.id), (fact, verdict));
    }
    let plan = plan(facts, judged.values());
    let snapshots = judged.into_values().map(|(fact, verdict)| Judged {
        id: fact.id.clone(),
        seq: fact.seq,
        time: fact.time,
        kind: fact.kind,
        verdict,
    });
    Evaluation {
        vault: facts.vault.clone(),
        shard: facts.shard,
        rules: rules.clone(),
        snapshots: snapshots.collect(),
        plan,
    }
}

fn judge(
    fact: &SnapshotFact,
    facts: &Facts,
    history: &History<'_>,
    rules: &Rules,
    homeless: &[KeepReason],
) -> Verdict {
    let because = match fact.standing {
        Standing::Committed => committed(fact, history, rules),
        Standing::Unknown => unknown(fact, history),
    };
    match because {
        Err(by) => Verdict::Kept { by },
        // What was erased is not kept by a hold that came later.
        Ok(because) if because != ForgetReason::Rewritten && !homeless.is_empty() => {
            Verdict::Kept { by: homeless.to_vec() }
        }
        Ok(because) => match fact.locked_until.filter(|until| *until > facts.now) {
            Some(until) => Verdict::Waits { until, because },
            None => Verdict::Forgotten { because },
        },
    }
}

/// Why a committed snapshot may go, or what keeps it.
fn committed(
    fact: &SnapshotFact,
    history: &History<'_>,
    rules: &Rules,
) -> Result<ForgetReason, Vec<KeepReason>> {
    let mut by = Vec::new();
    if [history.head(), history.newest_final()].contains(&Some(fact.seq)) {
        by.push(KeepReason::Newest);
    }
    if by.is_empty() && history.supersedes(fact) {
        return Ok(ForgetReason::SupersededCheckpoint);
    }
    if rules.keeps_all() {
        by.push(KeepReason::All);
    } else {
        by.extend(rules.rules().iter().filter_map(|rule| kept_by(*rule, fact, history)));
    }
    if by.is_empty() { Ok(ForgetReason::NoRule) } else { Err(by) }
}

fn kept_by(rule: KeepRule, fact: &SnapshotFact, history: &History<'_>) -> Option<KeepReason> {
    match rule {
        KeepRule::All => Some(KeepReason::All),
        KeepRule::Last(count) => {
            let place = history.place(fact.seq);
            (place <= count.get() as usize).then_some(KeepReason::Last { count, place })
        }
        KeepRule::Within(period) => {
            let until = history.time(fact.seq).checked_add(period.duration());
            let until = until.unwrap_or(Timestamp::MAX);
            // Without a final snapshot there is nothing to count from.
            let kept = history.reference().is_none_or(|newest| newest <= until);
            kept.then_some(KeepReason::Within { period, until })
        }
    }
}

/// Why a snapshot that the catalog does not know may go, or what keeps it.
fn unknown(fact: &SnapshotFact, history: &History<'_>) -> Result<ForgetReason, Vec<KeepReason>> {
    match history.same_writing(fact) {
        Some(committed) if committed.rewrite > fact.rewrite => Ok(ForgetReason::Rewritten),
        None if history.head().is_some_and(|head| head >= fact.seq) => Ok(ForgetReason::Orphan),
        _ => Err(vec![KeepReason::NewerThanCatalog]),
    }
}

fn held_without_place(facts: &Facts) -> Vec<KeepReason> {
    let homeless = facts.resources.iter().filter(|resource| resource.path.is_none());
    let mut cases: Vec<_> =
        homeless.flat_map(|resource| cases_on(&facts.holds, &resource.id)).collect();
    cases.sort();
    cases.dedup();
    cases.into_iter().map(|case| KeepReason::HeldWithoutPlace { case }).collect()
}

fn plan<'a>(
    facts: &Facts,
    judged: impl Iterator<Item = &'a (&'a SnapshotFact, Verdict)>,
) -> DeletePlan {
    let planned = judged.filter_map(|(fact, verdict)| match verdict {
        Verdict::Forgotten { because } => Some(PlannedSnapshot {
            id: fact.id.clone(),
            seq: fact.seq,
            fence: fact.fence,
            rewrite: fact.rewrite,
            reason: *because,
        }),
        _ => None,
    });
    DeletePlan::new(facts, planned.collect(), held(facts), Vec::new())
}

/// The held resources and where they lie, by id.
fn held(facts: &Facts) -> Vec<HeldResource> {
    let held = facts.resources.iter().filter(|fact| !cases_on(&facts.holds, &fact.id).is_empty());
    let placed = held.filter_map(|fact| {
        let path = fact.path.clone()?;
        Some(HeldResource { resource: fact.id.clone(), path })
    });
    placed.collect()
}
