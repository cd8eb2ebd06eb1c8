//! Holds and stored plans.

use holdfast_model::ShardId;
use holdfast_policy::{
    DeletePlan, Error, Facts, ForgetReason, Hold, HoldScope, ResourceFact, Rules, StoredPlan,
    Verdict, cases_on, evaluate,
};

use super::{facts, gone, hold, last, resource, snapshot, unknown, verdict};

fn history() -> Facts {
    facts((1..=5).map(snapshot).collect())
}

#[test]
fn a_hold_changes_no_verdict_but_has_its_resource_linked_again() {
    let mut held = history();
    held.holds = vec![hold("Smith", &["ada"])];
    let (free, held) = (evaluate(&history(), &last(2)), evaluate(&held, &last(2)));
    assert_eq!(gone(&free), [1, 2, 3]);
    assert_eq!(free.plan().snapshots(), held.plan().snapshots());
    assert!(free.plan().held().is_empty());
    let [ada] = held.plan().held() else { panic!("one is held") };
    assert_eq!(ada.resource.as_str(), "exchange/ada");
    assert_eq!(ada.path, ["exchange", "ada ~1"]);
}

#[test]
fn a_resource_is_free_when_the_last_case_lets_go() {
    let ada = "exchange/ada".into();
    let all = Hold { case: "Audit".to_owned(), resources: HoldScope::All };
    let mut holds = vec![hold("Smith", &["ada", "bob"]), hold("Jones", &["ada"]), all];
    assert_eq!(cases_on(&holds, &ada), ["Audit", "Jones", "Smith"]);
    for left in [2, 1, 0] {
        holds.remove(0);
        assert_eq!(cases_on(&holds, &ada).len(), left);
    }
}

#[test]
fn a_hold_that_cannot_be_honoured_keeps_every_snapshot() {
    let mut history = history();
    history.resources.push(ResourceFact { path: None, ..resource("eve") });
    history.snapshots.push(unknown(2, 1, 0));
    assert_eq!(gone(&evaluate(&history, &last(1))), [1, 2, 2, 3, 4]);
    history.holds = vec![hold("Smith", &["eve"])];
    let evaluation = evaluate(&history, &last(1));
    assert!(gone(&evaluation).is_empty());
    let told = verdict(&evaluation, 1).to_string();
    assert_eq!(told, "kept: case Smith holds a resource whose place is not known");
    // What an erasure left is no business of a hold.
    history.snapshots[1].rewrite = 1;
    history.snapshots.push(unknown(2, 2, 0));
    let evaluation = evaluate(&history, &last(1));
    let [planned] = evaluation.plan().snapshots() else { panic!("the old writing goes") };
    assert_eq!(planned.reason, ForgetReason::Rewritten);
}

#[test]
fn a_stored_plan_only_shrinks() {
    let stored = store(evaluate(&history(), &last(2)).plan());
    // More could go now, but nobody approved it.
    let again = DeletePlan::again(&stored, &history(), &last(1)).unwrap();
    assert_eq!(again.snapshots(), evaluate(&history(), &last(2)).plan().snapshots());
    // Less may go now: other rules, a lock.
    assert!(DeletePlan::again(&stored, &history(), &Rules::keep_all()).unwrap().is_empty());
    let mut locked = history();
    locked.snapshots[0].locked_until = Some(locked.now + jiff::SignedDuration::from_hours(1));
    let again = DeletePlan::again(&stored, &locked, &last(2)).unwrap();
    assert_eq!(again.snapshots().len(), 2);
    assert!(matches!(verdict(&evaluate(&locked, &last(2)), 1), Verdict::Waits { .. }));
    // A file that was written anew is another file.
    let mut rewritten = history();
    rewritten.snapshots[0].rewrite = 1;
    assert_eq!(DeletePlan::again(&stored, &rewritten, &last(2)).unwrap().snapshots().len(), 2);
}

#[test]
fn what_was_held_when_a_plan_was_made_is_held_when_it_runs() {
    let mut held = history();
    held.holds = vec![hold("Smith", &["ada"])];
    let stored = store(evaluate(&held, &last(2)).plan());
    held.holds = vec![hold("Jones", &["bob"])];
    let again = DeletePlan::again(&stored, &held, &last(2)).unwrap();
    let names: Vec<_> = again.held().iter().map(|held| held.resource.as_str()).collect();
    assert_eq!(names, ["exchange/ada", "exchange/bob"]);
}

#[test]
fn a_plan_is_good_for_its_shard_only() {
    let stored = store(evaluate(&history(), &last(2)).plan());
    let shard = Facts { shard: ShardId(2), ..history() };
    let vault = Facts { vault: "other".to_owned(), ..history() };
    for facts in [shard, vault] {
        let refused = DeletePlan::again(&stored, &facts, &last(2));
        assert!(matches!(refused, Err(Error::OtherShard { .. })));
    }
}

/// Through the form in which it is stored.
fn store(plan: &DeletePlan) -> StoredPlan {
    let stored: StoredPlan =
        serde_json::from_slice(&serde_json::to_vec(&plan.to_stored()).unwrap()).unwrap();
    assert_eq!(stored, plan.to_stored());
    stored
}
