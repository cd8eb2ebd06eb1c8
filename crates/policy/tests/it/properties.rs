//! What holds for any history, rules, holds and locks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use holdfast_model::{Fence, Seq};
use holdfast_policy::{
    DeletePlan, Facts, Hold, HoldScope, KeepRule, Period, ResourceFact, Rules, SnapshotFact,
    SnapshotKind, Standing, Verdict, evaluate,
};
use proptest::prelude::*;

use super::{day, facts, hold, resource, snapshot};

fn a_snapshot() -> impl Strategy<Value = SnapshotFact> {
    let place = (1..12u64, 1..4u64, 0..2u32, 0..4u64);
    let time = prop_oneof![4 => 0..14i64, 1 => Just(-900), 1 => Just(900)];
    let lock = prop_oneof![3 => Just(None), 1 => (0..30i64).prop_map(Some)];
    (place, time, any::<(bool, bool)>(), prop::bool::weighted(0.8), lock).prop_map(
        |((seq, fence, rewrite, run), time, (last, complete), committed, lock)| SnapshotFact {
            id: format!("{seq:032x}{:032x}", fence * 10 + u64::from(rewrite)),
            fence: Fence(fence),
            rewrite,
            run: format!("run-{run}").as_str().into(),
            time: day(time),
            kind: if last { SnapshotKind::Final } else { SnapshotKind::Checkpoint },
            complete,
            standing: if committed { Standing::Committed } else { Standing::Unknown },
            locked_until: lock.map(day),
            ..snapshot(seq)
        },
    )
}

fn some_holds() -> impl Strategy<Value = Vec<Hold>> {
    let one = prop::sample::select(vec![
        Hold { case: "All".to_owned(), resources: HoldScope::All },
        hold("Smith", &["ada"]),
        hold("Jones", &["bob", "ada"]),
        hold("Elsewhere", &["nobody"]),
        hold("Lost", &["eve"]),
    ]);
    prop::collection::vec(one, 0..3)
}

/// One file per id; one committed file per position, as the catalog has it.
fn some_facts() -> impl Strategy<Value = Facts> {
    let snapshots = prop::collection::vec(a_snapshot(), 0..20);
    (snapshots, some_holds(), prop::bool::weighted(0.2)).prop_map(|(snapshots, holds, lost)| {
        let by_id: BTreeMap<_, _> =
            snapshots.into_iter().map(|fact| (fact.id.clone(), fact)).collect();
        let mut taken = BTreeSet::new();
        let one_each = by_id.into_values().map(|mut fact| {
            if fact.standing == Standing::Committed && !taken.insert(fact.seq) {
                fact.standing = Standing::Unknown;
            }
            fact
        });
        let mut facts = Facts { now: day(13), holds, ..facts(one_each.collect()) };
        if lost {
            facts.resources.push(ResourceFact { path: None, ..resource("eve") });
        }
        facts
    })
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let rule = prop_oneof![
        1 => Just(KeepRule::All),
        4 => (1..6u32).prop_map(|n| KeepRule::Last(NonZeroU32::new(n).unwrap())),
        4 => (1..9u32).prop_map(|n| KeepRule::Within(Period::days(n).unwrap())),
    ];
    prop::collection::vec(rule, 0..3).prop_map(Rules::new)
}

fn deleted(plan: &DeletePlan) -> BTreeSet<String> {
    plan.snapshots().iter().map(|planned| planned.id.clone()).collect()
}

/// The retention rules once more, written differently: straight over the chain of numbers.
fn must_stay(facts: &Facts, rules: &Rules) -> BTreeSet<String> {
    let mut chain: Vec<_> =
        facts.snapshots.iter().filter(|fact| fact.standing == Standing::Committed).collect();
    chain.sort_by_key(|fact| fact.seq);
    let finals: Vec<Seq> =
        chain.iter().filter(|f| f.kind == SnapshotKind::Final).map(|f| f.seq).collect();
    let mut stay: BTreeSet<String> = chain.last().iter().map(|fact| fact.id.clone()).collect();
    for fact in &chain {
        let is_final = fact.kind == SnapshotKind::Final;
        let newer_finals = finals.iter().filter(|seq| **seq > fact.seq).count();
        let sane = |other: &&&SnapshotFact| other.time <= facts.now;
        let up_to = chain.iter().filter(|other| other.seq <= fact.seq).filter(sane);
        let told = up_to.map(|other| other.time).max();
        let finals_so_far = chain.iter().filter(|other| other.kind == SnapshotKind::Final);
        let newest = finals_so_far.filter(sane).map(|other| other.time).max();
        let kept = is_final
            && (newer_finals == 0
                || rules.keeps_all()
                || rules.rules().iter().any(|rule| match rule {
                    KeepRule::All => true,
                    KeepRule::Last(count) => newer_finals < count.get() as usize,
                    KeepRule::Within(period) => match (told, newest) {
                        (Some(time), Some(newest)) => newest <= time + period.duration(),
                        (told, newest) => told.is_some() || newest.is_none(),
                    },
                }));
        if kept {
            stay.insert(fact.id.clone());
        }
    }
    stay
}

proptest! {
    #[test]
    fn no_plan_holds_what_a_rule_or_a_lock_keeps(facts in some_facts(), rules in some_rules()) {
        let evaluation = evaluate(&facts, &rules);
        let gone = deleted(evaluation.plan());
        for judged in &evaluation.snapshots {
            let goes = matches!(judged.verdict, Verdict::Forgotten { .. });
            prop_assert_eq!(goes, gone.contains(&judged.id));
        }
        prop_assert_eq!(evaluation.snapshots.len(), facts.snapshots.len());
        let stay = must_stay(&facts, &rules);
        prop_assert!(gone.is_disjoint(&stay), "{:?}", gone.intersection(&stay));
        let locked = facts.snapshots.iter().filter(|f| f.locked_until.is_some_and(|t| t > facts.now));
        for locked in locked {
            prop_assert!(!gone.contains(&locked.id));
        }
        // Nothing beyond what the catalog knows.
        let committed = facts.snapshots.iter().filter(|f| f.standing == Standing::Committed);
        let head = committed.map(|fact| fact.seq).max();
        prop_assert!(evaluation.plan().snapshots().iter().all(|p| Some(p.seq) <= head));
    }

    #[test]
    fn every_held_resource_is_linked_again_or_nothing_goes(
        facts in some_facts(), rules in some_rules(),
    ) {
        let plan = evaluate(&facts, &rules).into_plan();
        if plan.snapshots().iter().all(|planned| !planned.relinks()) {
            return Ok(());
        }
        for fact in &facts.resources {
            let held = facts.holds.iter().any(|hold| hold.covers(&fact.id));
            let linked = plan.held().iter().any(|held| held.resource == fact.id);
            prop_assert_eq!(held, linked, "{}", fact.id);
        }
    }

    #[test]
    fn one_more_hold_deletes_nothing_more(
        facts in some_facts(), rules in some_rules(), more in some_holds(),
    ) {
        let before = evaluate(&facts, &rules).into_plan();
        let mut held = facts;
        held.holds.extend(more);
        let after = evaluate(&held, &rules).into_plan();
        prop_assert!(deleted(&after).is_subset(&deleted(&before)));
        prop_assert!(before.held().iter().all(|held| after.held().contains(held)));
    }

    #[test]
    fn one_more_rule_deletes_nothing_more(
        facts in some_facts(), rules in some_rules(), more in some_rules(),
    ) {
        let rules = if rules.rules().is_empty() { Rules::new([KeepRule::All]) } else { rules };
        let both = Rules::new(rules.rules().iter().chain(more.rules()).copied());
        let (one, both) = (evaluate(&facts, &rules), evaluate(&facts, &both));
        prop_assert!(deleted(both.plan()).is_subset(&deleted(one.plan())));
    }

    #[test]
    fn a_plan_evaluated_again_is_a_part_of_both(
        facts in some_facts(), later in some_facts(), rules in some_rules(), new in some_rules(),
    ) {
        let first = evaluate(&facts, &rules).into_plan();
        let again = DeletePlan::again(&first.to_stored(), &later, &new).unwrap();
        prop_assert!(deleted(&again).is_subset(&deleted(&first)));
        prop_assert!(deleted(&again).is_subset(&deleted(evaluate(&later, &new).plan())));
        prop_assert!(first.held().iter().all(|held| again.held().contains(held)));
        let same = DeletePlan::again(&first.to_stored(), &facts, &rules).unwrap();
        prop_assert_eq!(same, first);
    }

    #[test]
    fn the_order_of_facts_does_not_matter(
        (facts, shuffled) in some_facts().prop_flat_map(|facts| {
            (Just(facts.clone()), Just(facts.snapshots).prop_shuffle())
        }),
        rules in some_rules(),
    ) {
        let mut other = Facts { snapshots: shuffled, ..facts.clone() };
        other.resources.reverse();
        other.holds.reverse();
        prop_assert_eq!(evaluate(&facts, &rules), evaluate(&other, &rules));
    }
}
