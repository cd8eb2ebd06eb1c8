//! Rules, odd clocks, checkpoints, orphans, locks.

use holdfast_policy::{
    Facts, ForgetReason, KeepReason, KeepRule, Period, Rules, SnapshotFact, Standing, Verdict,
    evaluate,
};

use super::{checkpoint, day, facts, gone, last, snapshot, unknown, verdict, within};

fn history(count: u64) -> Facts {
    facts((1..=count).map(snapshot).collect())
}

#[test]
fn without_rules_everything_is_kept() {
    let evaluation = evaluate(&history(4), &Rules::keep_all());
    assert!(evaluation.plan().is_empty());
    assert_eq!(verdict(&evaluation, 1), &Verdict::Kept { by: vec![KeepReason::All] });
    let newest = Verdict::Kept { by: vec![KeepReason::Newest, KeepReason::All] };
    assert_eq!(verdict(&evaluation, 4), &newest);
}

#[test]
fn the_last_final_snapshots_are_kept() {
    assert_eq!(gone(&evaluate(&history(5), &last(2))), [1, 2, 3]);
    assert!(gone(&evaluate(&history(5), &last(9))).is_empty());
    // Checkpoints do not count; one of a dead run that holds a restore point stays as long as the
    // final snapshot after it.
    let dead = SnapshotFact { complete: true, ..checkpoint(2, 99) };
    let chain = vec![snapshot(1), dead, snapshot(3), snapshot(4)];
    assert_eq!(gone(&evaluate(&facts(chain.clone()), &last(2))), [1]);
    assert_eq!(gone(&evaluate(&facts(chain), &last(1))), [1, 2, 3]);
}

#[test]
fn the_young_are_kept_counted_from_the_newest() {
    let evaluation = evaluate(&history(40), &within(30));
    assert_eq!(gone(&evaluation), (1..10).collect::<Vec<_>>());
    let Verdict::Kept { by } = verdict(&evaluation, 10) else { panic!("10 is kept") };
    assert_eq!(by[..], [KeepReason::Within { period: Period::days(30).unwrap(), until: day(40) }]);
    // A year without a run, and one that stands still, lose nothing.
    let late = Facts { now: day(400), ..history(40) };
    assert_eq!(gone(&evaluate(&late, &within(30))).len(), 9);
    // Where everybody has left, time goes on with the rest of the vault, as far as that is sane.
    let left = |day_of| Facts { left_behind: Some(day(day_of)), now: day(60), ..history(40) };
    assert_eq!(gone(&evaluate(&left(50), &within(30))), (1..20).collect::<Vec<_>>());
    assert_eq!(gone(&evaluate(&left(4_000), &within(30))).len(), 9);
}

#[test]
fn rules_are_a_union() {
    let rules = Rules::new(last(2).rules().iter().chain(within(3).rules()).copied());
    assert_eq!(gone(&evaluate(&history(9), &rules)), [1, 2, 3, 4, 5]);
    assert!(
        gone(&evaluate(&history(9), &Rules::new([KeepRule::All, last(1).rules()[0]]))).is_empty()
    );
}

#[test]
fn clocks_that_were_wrong_push_nothing_out() {
    let at = |seq, time| SnapshotFact { time, ..snapshot(seq) };
    let mut chain: Vec<_> = (1..=6).map(snapshot).collect();
    // From the future (garbage, or a clock that ran ahead): counts as its successor.
    chain[2] = at(3, day(4000));
    assert_eq!(gone(&evaluate(&facts(chain.clone()), &within(2))), [1, 2]);
    // The newest is from the future: it does not make the others old.
    chain[2] = snapshot(3);
    chain[5] = at(6, day(4000));
    let now = Facts { now: day(7), ..facts(chain.clone()) };
    assert_eq!(gone(&evaluate(&now, &within(3))), [1]);
    // Older than its predecessor: counts as that.
    chain[5] = at(6, day(-9000));
    assert_eq!(gone(&evaluate(&facts(chain.clone()), &within(2))), [1, 2]);
    // The machine's clock has fallen back: all are from the future, and none is old.
    let fallen = Facts { now: day(-9000), ..facts((1..=6).map(snapshot).collect()) };
    assert!(gone(&evaluate(&fallen, &within(1))).is_empty());
}

#[test]
fn fresh_garbage_that_the_catalog_does_not_know_pushes_nothing_out() {
    let mut chain: Vec<_> = (1..=5).map(snapshot).collect();
    chain.extend((6..60).map(|seq| unknown(seq, 99, 0)));
    for rules in [last(5), within(4)] {
        assert!(gone(&evaluate(&facts(chain.clone()), &rules)).is_empty());
    }
}

#[test]
fn superseded_checkpoints_go_even_where_all_is_kept() {
    // Run 3 ends at 3; run 9 was cut off at 4, its incomplete state taken up by run 5.
    let chain =
        vec![checkpoint(1, 3), checkpoint(2, 3), SnapshotFact { ..snapshot(3) }, checkpoint(4, 9)];
    let mut done = chain.clone();
    done.push(snapshot(5));
    let evaluation = evaluate(&facts(done), &Rules::keep_all());
    assert_eq!(gone(&evaluation), [1, 2, 4]);
    let reasons = evaluation.plan().snapshots().iter().map(|planned| planned.reason);
    assert!(reasons.into_iter().all(|reason| reason == ForgetReason::SupersededCheckpoint));
    // Before run 5 has ended, 4 is the head.
    assert_eq!(gone(&evaluate(&facts(chain), &last(1))), [1, 2]);
}

#[test]
fn a_checkpoint_with_a_restore_point_of_a_dead_run_is_kept_by_the_rules() {
    let dead = SnapshotFact { complete: true, ..checkpoint(1, 9) };
    let history = facts(vec![dead, snapshot(2), snapshot(3)]);
    assert!(gone(&evaluate(&history, &Rules::keep_all())).is_empty());
    assert_eq!(gone(&evaluate(&history, &last(1))), [1, 2]);
}

#[test]
fn where_nothing_is_final_the_newest_checkpoint_stays() {
    let history = facts(vec![checkpoint(1, 1), checkpoint(2, 1), checkpoint(3, 1)]);
    let evaluation = evaluate(&history, &last(1));
    assert_eq!(gone(&evaluation), [1, 2]);
    assert!(matches!(verdict(&evaluation, 3), Verdict::Kept { by } if by[0] == KeepReason::Newest));
}

#[test]
fn orphans_go_when_the_history_has_gone_past_them() {
    let chain = vec![snapshot(1), unknown(2, 1, 0), snapshot(2), snapshot(3), unknown(4, 3, 0)];
    let evaluation = evaluate(&facts(chain), &Rules::keep_all());
    let [planned] = evaluation.plan().snapshots() else { panic!("one orphan") };
    assert_eq!((planned.seq.0, planned.fence.0, planned.reason), (2, 1, ForgetReason::Orphan));
    let newer = Verdict::Kept { by: vec![KeepReason::NewerThanCatalog] };
    assert_eq!(verdict(&evaluation, 4), &newer);
    // A catalog that knows nothing has no orphans.
    let blank = facts(vec![unknown(1, 1, 0), unknown(2, 2, 0)]);
    assert!(gone(&evaluate(&blank, &last(1))).is_empty());
}

#[test]
fn the_writing_from_before_an_erasure_goes_the_one_after_it_stays() {
    let mut chain: Vec<_> = (1..=3).map(snapshot).collect();
    chain[1].rewrite = 1;
    chain.push(unknown(2, 2, 0));
    chain.push(unknown(3, 3, 1));
    let evaluation = evaluate(&facts(chain), &Rules::keep_all());
    let [planned] = evaluation.plan().snapshots() else { panic!("one old writing") };
    assert_eq!((planned.seq.0, planned.rewrite), (2, 0));
    assert_eq!(planned.reason, ForgetReason::Rewritten);
    assert!(!planned.relinks());
}

#[test]
fn locks_are_waited_for() {
    let mut history = history(4);
    history.snapshots[0].locked_until = Some(day(90));
    history.snapshots[1].locked_until = Some(history.now);
    let evaluation = evaluate(&history, &last(1));
    assert_eq!(gone(&evaluation), [2, 3]);
    let waits = Verdict::Waits { until: day(90), because: ForgetReason::NoRule };
    assert_eq!(verdict(&evaluation, 1), &waits);
    assert_eq!(waits.to_string(), "locked until 2026-04-01T00:00:00Z, then: no rule keeps it");
}

#[test]
fn people_and_programs_read_the_same() {
    let mut history = history(3);
    history.snapshots.push(SnapshotFact { standing: Standing::Unknown, ..unknown(1, 7, 0) });
    let rules = Rules::new([last(1).rules()[0], within(1).rules()[0]]);
    let evaluation = evaluate(&history, &rules);
    let told: Vec<_> =
        evaluation.snapshots.iter().map(|judged| judged.verdict.to_string()).collect();
    assert_eq!(
        told,
        [
            "forgotten: no rule keeps it",
            "forgotten: an orphan",
            "kept: keep within 1d (until 2026-01-04T00:00:00Z)",
            "kept: the newest; keep last 1 (number 1); keep within 1d (until 2026-01-05T00:00:00Z)",
        ]
    );
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["rules"], serde_json::json!([{"last": 1}, {"within": "1d"}]));
    assert_eq!(json["snapshots"][1]["verdict"], "forgotten");
    assert_eq!(json["snapshots"][1]["because"], "orphan");
    assert_eq!(json["snapshots"][2]["by"][0]["until"], "2026-01-04T00:00:00Z");
    assert_eq!(json["plan"]["snapshots"].as_array().unwrap().len(), 2);
}
