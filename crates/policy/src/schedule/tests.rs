use holdfast_model::{Timestamp, Workload};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(json: &str) -> Schedule {
    serde_json::from_str(json).unwrap()
}

/// Of a firm in Zurich: not in office hours, hard at night.
fn office() -> Schedule {
    schedule(
        r#"{"name":"office","rpo":"24h","time_zone":"Europe/Zurich","hours":[
            {"days":["monday","tuesday","wednesday","thursday","friday"],
             "from":"08:00:00","to":"18:00:00","pace":"off"},
            {"from":"22:00:00","to":"06:00:00","pace":"hard"}]}"#,
    )
}

fn stand(restore_point: &str) -> Stand {
    let read = Some(at(restore_point));
    Stand { restore_point: read, last_polled: read, is_available: true }
}

#[test]
fn objectives_are_written_as_people_say_them() {
    for text in ["5m", "15m", "90m", "1h", "24h", "7d", "31d", "36h"] {
        assert_eq!(text.parse::<Objective>().unwrap().to_string(), text);
    }
    assert_eq!("1440m".parse::<Objective>().unwrap().to_string(), "24h");
    for text in ["", "h", "4m", "32d", "1", "-1h", "1w", "99999999999h", "4294967295d", "1 h"] {
        assert!(text.parse::<Objective>().is_err(), "{text}");
    }
}

#[test]
fn who_is_named_comes_before_his_workload_and_that_before_all() {
    let all = Schedule::default();
    let mail = schedule(r#"{"name":"mail","rpo":"6h","select":{"workloads":["exchange"]}}"#);
    let boss = schedule(r#"{"name":"boss","rpo":"7d","select":{"resources":["Ada@x.example"]}}"#);
    let hers = schedule(
        r#"{"name":"hers","rpo":"31d","select":{"workloads":["exchange"],"resources":["ada@x.example"]}}"#,
    );
    let quick = schedule(r#"{"name":"quick","rpo":"1h","select":{"workloads":["exchange"]}}"#);
    let list = [all, mail, boss, hers, quick];
    let name = |workload, names: &[&str]| choose(&list, workload, names).map(|s| s.name.as_str());
    let ada = ["ada@X.example", "exchange/1"];
    assert_eq!(name(Workload::Exchange, &ada), Some("hers"));
    assert_eq!(name(Workload::OneDrive, &ada), Some("boss"));
    assert_eq!(name(Workload::Exchange, &["bob"]), Some("quick"), "the shorter of two");
    assert_eq!(name(Workload::OneDrive, &["bob"]), Some("default"));
    assert_eq!(choose(&list[1..3], Workload::OneDrive, &["bob"]), None);
}

#[test]
fn hours_are_those_of_the_wall_over_midnight_and_over_the_change_of_the_clocks() {
    let office = office();
    for (moment, pace) in [
        ("2026-11-20T06:59:59Z", Pace::Normal), // Friday, 07:59:59 in Zurich
        ("2026-11-20T07:00:00Z", Pace::Off),
        ("2026-11-20T16:59:59Z", Pace::Off),
        ("2026-11-20T17:00:00Z", Pace::Normal),
        ("2026-11-20T21:00:00Z", Pace::Hard),
        ("2026-11-21T04:59:59Z", Pace::Hard),
        ("2026-11-21T05:00:00Z", Pace::Normal),
        ("2026-11-21T07:00:00Z", Pace::Normal), // Saturday
        ("2026-07-20T06:00:00Z", Pace::Off),    // Monday, 08:00 in summer
        ("2026-07-20T05:59:00Z", Pace::Normal),
    ] {
        assert_eq!(office.pace_at(at(moment)), pace, "{moment}");
    }
    // 2026-03-29: 02:00 becomes 03:00. Hours that begin in the gap begin at its end.
    let gap = schedule(
        r#"{"name":"gap","rpo":"1h","time_zone":"Europe/Zurich",
            "hours":[{"from":"02:30:00","to":"04:00:00","pace":"off"}]}"#,
    );
    assert_eq!(gap.pace_at(at("2026-03-29T00:59:59Z")), Pace::Normal, "01:59:59");
    assert_eq!(gap.pace_at(at("2026-03-29T01:00:00Z")), Pace::Off, "03:00");
    assert_eq!(gap.pace_at(at("2026-03-29T02:00:00Z")), Pace::Normal, "04:00");
    // 2026-10-25: the hour from 02:00 comes twice, and is off twice.
    assert_eq!(gap.pace_at(at("2026-10-25T00:30:00Z")), Pace::Off, "02:30 the first time");
    assert_eq!(gap.pace_at(at("2026-10-25T01:00:00Z")), Pace::Normal, "02:00 the second time");
    assert_eq!(gap.pace_at(at("2026-10-25T01:30:00Z")), Pace::Off, "02:30 the second time");
}

#[test]
fn reading_begins_when_most_of_the_objective_has_passed() {
    let schedule = Schedule::default();
    let due = schedule.due(at("2026-11-20T12:00:00Z"), &stand("2026-11-20T10:00:00Z"));
    assert_eq!(due.along, at("2026-11-20T22:00:00Z"));
    assert_eq!(due.begin, at("2026-11-21T05:12:00Z"));
    assert_eq!(due.deadline, at("2026-11-21T10:00:00Z"));
    assert!(!due.is_first);
}

#[test]
fn what_fails_is_tried_again_after_a_while_and_what_is_away_is_only_asked_after() {
    let schedule = Schedule { rpo: "1h".parse().unwrap(), ..Schedule::default() };
    let failed = Stand {
        restore_point: Some(at("2026-11-20T08:00:00Z")),
        last_polled: Some(at("2026-11-20T12:00:00Z")),
        is_available: true,
    };
    let now = at("2026-11-20T12:01:00Z");
    let due = schedule.due(now, &failed);
    assert_eq!((due.begin, due.deadline), (at("2026-11-20T12:06:00Z"), at("2026-11-20T09:00:00Z")));
    let away = schedule.due(now, &Stand { is_available: false, ..failed });
    assert_eq!(away.begin, at("2026-11-20T12:48:00Z"));
    let never = schedule.due(now, &Stand { restore_point: None, ..failed });
    assert_eq!((never.begin, never.is_first), (at("2026-11-20T12:06:00Z"), true));
    let new = schedule.due(now, &Stand { is_available: true, ..Stand::default() });
    assert_eq!((new.begin, new.deadline), (now, at("2026-11-27T12:01:00Z")));
}

#[test]
fn what_would_be_missed_in_hours_without_work_is_read_before_them() {
    // Read on Sunday: 24 hours end in the office hours of Monday, which begin at 07:00Z.
    let due = office().due(at("2026-11-22T20:00:00Z"), &stand("2026-11-22T12:30:00Z"));
    assert_eq!(due.deadline, at("2026-11-23T12:30:00Z"));
    assert_eq!(due.begin, at("2026-11-23T02:12:00Z"), "a fifth of the objective before 08:00");
    // Read at 19:30 on Friday: Saturday has no office hours.
    let due = office().due(at("2026-11-20T20:00:00Z"), &stand("2026-11-20T18:30:00Z"));
    assert_eq!(due.begin, at("2026-11-21T13:42:00Z"));
    // Inside of the hours there is nothing to come before.
    let due = office().due(at("2026-11-23T09:00:00Z"), &stand("2026-11-22T14:00:00Z"));
    assert_eq!(due.begin, at("2026-11-23T09:12:00Z"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    let message = |schedule: Schedule| schedule.validate().unwrap_err().to_string();
    assert!(message(Schedule { name: " ".into(), ..Schedule::default() }).contains("name"));
    let nowhere = Schedule { time_zone: "Europe/Atlantis".into(), ..Schedule::default() };
    assert!(message(nowhere).contains("Atlantis"));
    let never = schedule(
        r#"{"name":"never","rpo":"1h","hours":[{"from":"00:00:00","to":"00:00:00","pace":"off"}]}"#,
    );
    assert!(message(never).contains("never works"));
    office().validate().unwrap();
    let day = r#"{"name":"x","rpo":"1h","hours":[{"days":["lundi"],"from":"00:00","to":"01:00","pace":"off"}]}"#;
    assert!(serde_json::from_str::<Schedule>(day).unwrap_err().to_string().contains("lundi"));
}

#[test]
fn a_schedule_survives_its_json() {
    let text = serde_json::to_string(&office()).unwrap();
    assert_eq!(schedule(&text), office());
    assert_eq!(
        serde_json::to_string(&Schedule::default()).unwrap(),
        r#"{"name":"default","select":{},"rpo":"24h","time_zone":"UTC"}"#
    );
}

proptest! {
    #[test]
    fn what_was_read_is_due_before_its_deadline_and_not_at_once(
        minutes in 5_u32..44_640, last in 0_i64..1_000_000_000, passed in 0_i64..5_000_000
    ) {
        let schedule = Schedule { rpo: Objective::minutes(minutes).unwrap(), ..office() };
        let read = Timestamp::from_second(1_700_000_000 + last).unwrap();
        let now = read + SignedDuration::from_secs(passed);
        let stand =
            Stand { restore_point: Some(read), last_polled: Some(read), is_available: true };
        let due = schedule.due(now, &stand);
        prop_assert!(due.along <= due.begin);
        prop_assert!(due.begin >= read + AGAIN_AT_LEAST);
        prop_assert!(due.begin <= due.deadline || minutes == 5);
        prop_assert_eq!(due.deadline.duration_since(read).as_mins(), i64::from(minutes));
    }
}
