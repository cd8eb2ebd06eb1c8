//! Jobs: who goes first, who holds what, and what a late worker may still say.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_catalog::{
    Claim, Ending, Error, JobClass, JobFilter, JobRow, JobState, Kind, NewJob, Wanted,
};
use holdfast_model::Fence;
use jiff::SignedDuration;

use crate::{Home, On, on_both, time};

const TTL: Duration = Duration::from_secs(60);

fn job(id: &str, tenant: &str, class: JobClass) -> NewJob {
    NewJob {
        id: id.into(),
        kind: "backup".into(),
        tenant: tenant.into(),
        class,
        request: "{}".into(),
        dedupe: None,
        requested_by: "schedule".into(),
        not_before: time(0),
        deadline: time(1_000_000),
    }
}

fn claim(owner: &str) -> Claim {
    Claim { owner: owner.into(), ttl: TTL, down_to: JobClass::FirstFull, per_tenant: 2 }
}

fn later(at: holdfast_model::Timestamp, error: String) -> Ending {
    Ending::Later { at, error: Some(error), counts: true }
}

async fn take(home: &Home) -> Option<JobRow> {
    home.catalog.job_claim(&claim("worker")).await.unwrap()
}

async fn end(home: &Home, job: &JobRow, ending: Ending) {
    home.catalog.job_end(job, Duration::ZERO, &ending).await.unwrap();
}

/// The ids in the order in which one worker does the jobs, each of which takes ten seconds.
async fn order(home: &Home) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(job) = take(home).await {
        let (worked, done) = (Duration::from_secs(10), Ending::Done("{}".into()));
        home.catalog.job_end(&job, worked, &done).await.unwrap();
        ids.push(job.id);
    }
    ids
}

async fn restores_go_first_then_the_asked_for_the_overdue_routine_and_first_ones(on: On) {
    let home = Home::new(&on).await;
    for (id, class) in [
        ("first", JobClass::FirstFull),
        ("routine", JobClass::Routine),
        ("asked", JobClass::OnDemand),
        ("restore", JobClass::Restore),
    ] {
        home.catalog.job_submit(&job(id, "contoso", class)).await.unwrap();
    }
    let late = NewJob { deadline: time(999), ..job("late", "contoso", JobClass::FirstFull) };
    home.catalog.job_submit(&late).await.unwrap();
    let later = NewJob { deadline: time(900), ..job("later", "contoso", JobClass::Routine) };
    home.catalog.job_submit(&later).await.unwrap();
    assert_eq!(order(&home).await, ["restore", "asked", "later", "late", "routine", "first"]);
}

async fn tenants_take_turns_however_many_jobs_one_of_them_has(on: On) {
    let home = Home::new(&on).await;
    for number in 0..6 {
        let id = format!("big-{number}");
        home.catalog.job_submit(&job(&id, "big", JobClass::Routine)).await.unwrap();
    }
    let first = take(&home).await.unwrap();
    let (worked, done) = (Duration::from_secs(100), Ending::Done("{}".into()));
    home.catalog.job_end(&first, worked, &done).await.unwrap();
    // Who comes later begins where the least served stands, not at nothing.
    for number in 0..2 {
        let id = format!("small-{number}");
        home.catalog.job_submit(&job(&id, "small", JobClass::Routine)).await.unwrap();
    }
    assert_eq!(
        order(&home).await,
        ["big-1", "small-0", "big-2", "small-1", "big-3", "big-4", "big-5"]
    );
}

async fn a_tenant_that_was_away_does_not_get_what_it_did_not_use(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a-0", "away", JobClass::Routine)).await.unwrap();
    assert_eq!(order(&home).await, ["a-0"]);
    for number in 0..5 {
        let id = format!("b-{number}");
        home.catalog.job_submit(&job(&id, "busy", JobClass::Routine)).await.unwrap();
    }
    for _ in 0..3 {
        let one = take(&home).await.unwrap();
        let (worked, done) = (Duration::from_secs(100), Ending::Done("{}".into()));
        home.catalog.job_end(&one, worked, &done).await.unwrap();
    }
    for number in 1..4 {
        let id = format!("a-{number}");
        home.catalog.job_submit(&job(&id, "away", JobClass::Routine)).await.unwrap();
    }
    assert_eq!(order(&home).await, ["a-1", "b-3", "a-2", "b-4", "a-3"]);
}

async fn one_tenant_has_so_many_at_once_and_restores_are_not_held_up(on: On) {
    let home = Home::new(&on).await;
    for number in 0..4 {
        let id = format!("b-{number}");
        home.catalog.job_submit(&job(&id, "contoso", JobClass::Routine)).await.unwrap();
    }
    assert_eq!(take(&home).await.unwrap().id, "b-0");
    assert_eq!(take(&home).await.unwrap().id, "b-1");
    assert_eq!(take(&home).await, None);
    home.catalog.job_submit(&job("r", "contoso", JobClass::Restore)).await.unwrap();
    assert_eq!(take(&home).await.unwrap().id, "r");
    home.catalog.job_submit(&job("o", "other", JobClass::Routine)).await.unwrap();
    let only_restores = Claim { down_to: JobClass::Restore, ..claim("worker") };
    assert_eq!(home.catalog.job_claim(&only_restores).await.unwrap(), None);
    assert_eq!(take(&home).await.unwrap().id, "o");
}

async fn of_living_jobs_with_one_key_there_is_one_and_it_takes_the_more_urgent_wish(on: On) {
    let home = Home::new(&on).await;
    let key = Some("backup/1".to_owned());
    let first = NewJob { dedupe: key.clone(), ..job("a", "contoso", JobClass::Routine) };
    assert_eq!(home.catalog.job_submit(&first).await.unwrap(), "a");
    let again = NewJob { id: "b".into(), class: JobClass::OnDemand, deadline: time(7), ..first };
    assert_eq!(home.catalog.job_submit(&again).await.unwrap(), "a");
    let calmer = NewJob { class: JobClass::FirstFull, deadline: time(9), ..again.clone() };
    assert_eq!(home.catalog.job_submit(&calmer).await.unwrap(), "a");
    let row = take(&home).await.unwrap();
    assert_eq!((row.class, row.deadline), (JobClass::OnDemand, time(7)));
    assert_eq!(home.catalog.job_submit(&again).await.unwrap(), "a", "it runs");
    end(&home, &row, Ending::Done("{}".into())).await;
    assert_eq!(home.catalog.job_submit(&again).await.unwrap(), "b");
}

async fn who_sleeps_past_his_lease_changes_nothing(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a", "contoso", JobClass::Routine)).await.unwrap();
    let slow = take(&home).await.unwrap();
    assert_eq!(take(&home).await, None);
    home.clock.advance(SignedDuration::from_secs(60));
    let other = home.catalog.job_claim(&claim("other")).await.unwrap().unwrap();
    assert_eq!((other.fence, other.attempts), (Fence(2), 2));
    let lost = |result: Result<(), Error>| matches!(result, Err(Error::JobLost { .. }));
    let beat = home.catalog.job_beat(&slow, TTL, Duration::ZERO, "{}").await;
    assert_eq!(beat.unwrap_err().kind(), Kind::FenceLost);
    assert!(lost(home.catalog.job_step(&slow, "one", "{}").await));
    let done = Ending::Done("\"late\"".into());
    assert!(lost(home.catalog.job_end(&slow, Duration::ZERO, &done).await));
    assert_eq!(home.catalog.job_steps("a").await.unwrap(), []);
    end(&home, &other, Ending::Done("\"mine\"".into())).await;
    let row = home.catalog.job_get("a").await.unwrap();
    assert_eq!((row.state, row.result.as_deref()), (JobState::Done, Some("\"mine\"")));
    assert!(lost(home.catalog.job_end(&other, Duration::ZERO, &done).await), "it ended once");
}

async fn the_lease_of_a_dead_worker_ends_at_once_and_no_other(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a", "contoso", JobClass::Routine)).await.unwrap();
    let dead = take(&home).await.unwrap();
    assert_eq!(take(&home).await, None, "it has its lease");
    assert!(home.catalog.job_lease_end(&dead).await.unwrap());
    let heir = home.catalog.job_claim(&claim("heir")).await.unwrap().unwrap();
    assert_eq!((heir.id.as_str(), heir.fence, heir.attempts), ("a", Fence(2), 2));
    assert!(!home.catalog.job_lease_end(&dead).await.unwrap(), "it is the heir's now");
    assert_eq!(take(&home).await, None);
    end(&home, &heir, Ending::Done("{}".into())).await;
    assert!(!home.catalog.job_lease_end(&heir).await.unwrap(), "it has ended");
}

async fn a_sign_of_life_keeps_the_job_and_tells_what_is_wanted(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a", "contoso", JobClass::Routine)).await.unwrap();
    let row = take(&home).await.unwrap();
    home.clock.advance(SignedDuration::from_secs(50));
    let beat = || home.catalog.job_beat(&row, TTL, Duration::from_secs(50), "{\"items\":5}");
    assert_eq!(beat().await.unwrap(), None);
    home.clock.advance(SignedDuration::from_secs(50));
    assert_eq!(take(&home).await, None, "it was prolonged");
    assert_eq!(home.catalog.job_get("a").await.unwrap().progress.unwrap(), "{\"items\":5}");
    home.catalog.job_want("a", Wanted::Pause).await.unwrap();
    assert_eq!(beat().await.unwrap(), Some(Wanted::Pause));
    home.catalog.job_want("a", Wanted::Cancel).await.unwrap();
    home.catalog.job_want("a", Wanted::Pause).await.unwrap();
    assert_eq!(beat().await.unwrap(), Some(Wanted::Cancel), "the end is not taken back");
    end(&home, &row, Ending::Released).await;
    let row = home.catalog.job_get("a").await.unwrap();
    assert_eq!((row.state, row.finished_at), (JobState::Cancelled, Some(time(1_100))));
    let again = home.catalog.job_want("a", Wanted::Cancel).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
}

async fn a_paused_job_waits_and_goes_on_with_what_it_had_done(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a", "contoso", JobClass::Routine)).await.unwrap();
    let row = take(&home).await.unwrap();
    home.catalog.job_step(&row, "shard 1", "1").await.unwrap();
    home.catalog.job_step(&row, "shard 2", "2").await.unwrap();
    home.catalog.job_step(&row, "shard 2", "22").await.unwrap();
    home.catalog.job_want("a", Wanted::Pause).await.unwrap();
    end(&home, &row, Ending::Released).await;
    assert_eq!(take(&home).await, None);
    let row = home.catalog.job_resume("a").await.unwrap();
    assert_eq!((row.state, row.wanted, row.finished_at), (JobState::Queued, None, None));
    let row = take(&home).await.unwrap();
    let steps = home.catalog.job_steps("a").await.unwrap();
    let steps: Vec<_> = steps.iter().map(|s| (s.num, s.name.as_str(), s.result.as_str())).collect();
    assert_eq!(steps, [(1, "shard 1", "1"), (2, "shard 2", "22")]);
    // A wish to pause is taken back while it has not come to anything.
    home.catalog.job_want("a", Wanted::Pause).await.unwrap();
    home.catalog.job_resume("a").await.unwrap();
    assert_eq!(home.catalog.job_beat(&row, TTL, Duration::ZERO, "{}").await.unwrap(), None);
    let resumed = home.catalog.job_resume("a").await;
    assert!(matches!(resumed, Err(Error::Conflict(_))), "{resumed:?}");
    assert!(matches!(home.catalog.job_resume("b").await, Err(Error::NotFound { .. })));
    // One that waits is paused at once.
    home.catalog.job_submit(&job("w", "contoso", JobClass::Routine)).await.unwrap();
    assert_eq!(home.catalog.job_want("w", Wanted::Pause).await.unwrap().state, JobState::Paused);
}

async fn what_is_put_back_waits_and_what_is_released_does_not(on: On) {
    let home = Home::new(&on).await;
    home.catalog.job_submit(&job("a", "contoso", JobClass::Routine)).await.unwrap();
    let row = take(&home).await.unwrap();
    end(&home, &row, later(time(1_030), "throttled".into())).await;
    assert_eq!(take(&home).await, None);
    home.clock.advance(SignedDuration::from_secs(30));
    let row = take(&home).await.unwrap();
    assert_eq!((row.attempts, row.error.as_deref()), (2, Some("throttled")));
    end(&home, &row, Ending::Released).await;
    let row = take(&home).await.unwrap();
    assert_eq!((row.attempts, row.fence), (2, Fence(3)), "a release is no attempt");
    home.catalog.job_step(&row, "one", "{}").await.unwrap();
    end(&home, &row, later(time(0), "again".into())).await;
    assert_eq!(take(&home).await.unwrap().attempts, 2, "a step forgets the failures before it");
}

async fn jobs_are_listed_by_pages_counted_and_forgotten(on: On) {
    let home = Home::new(&on).await;
    for number in 0..7 {
        let tenant = if number % 2 == 0 { "even" } else { "odd" };
        home.catalog
            .job_submit(&job(&format!("{number}"), tenant, JobClass::Routine))
            .await
            .unwrap();
    }
    let first = take(&home).await.unwrap();
    end(&home, &first, Ending::Failed("broken".into())).await;
    let ids = |jobs: Vec<JobRow>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    let filter = JobFilter::default();
    assert_eq!(ids(home.catalog.job_list(&filter, 3).await.unwrap()), ["6", "5", "4"]);
    let next = JobFilter { before: Some("4".into()), ..filter.clone() };
    assert_eq!(ids(home.catalog.job_list(&next, 9).await.unwrap()), ["3", "2", "1", "0"]);
    let odd = JobFilter { tenant: Some("odd".into()), ..filter.clone() };
    assert_eq!(ids(home.catalog.job_list(&odd, 9).await.unwrap()), ["5", "3", "1"]);
    let failed = JobFilter { state: Some(JobState::Failed), ..filter.clone() };
    assert_eq!(ids(home.catalog.job_list(&failed, 9).await.unwrap()), ["0"]);
    let counts: BTreeMap<_, _> = home
        .catalog
        .job_counts()
        .await
        .unwrap()
        .into_iter()
        .map(|(state, class, n)| ((state.as_str(), class.as_str()), n))
        .collect();
    assert_eq!(counts, [(("failed", "routine"), 1), (("queued", "routine"), 6)].into());
    assert_eq!(home.catalog.job_prune(time(1_000)).await.unwrap(), 0, "it ended just now");
    assert_eq!(home.catalog.job_prune(time(1_001)).await.unwrap(), 1);
    assert_eq!(home.catalog.job_list(&filter, 9).await.unwrap().len(), 6);
}

async fn no_job_is_taken_by_two_of_many_workers(on: On) {
    let home = Home::new(&on).await;
    for number in 0..60 {
        let id = format!("{number:02}");
        home.catalog
            .job_submit(&job(&id, &format!("t{}", number % 7), JobClass::Routine))
            .await
            .unwrap();
    }
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..6 {
        let catalog = home.open_again().await;
        workers.spawn(async move {
            let claim = Claim { per_tenant: 100, ..claim(&format!("worker {number}")) };
            let mut taken = Vec::new();
            while let Some(job) = catalog.job_claim(&claim).await.unwrap() {
                taken.push(job.id);
            }
            taken
        });
    }
    let mut all: Vec<String> = workers.join_all().await.concat();
    all.sort();
    assert_eq!(all, (0..60).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

on_both! {
    restores_go_first_then_the_asked_for_the_overdue_routine_and_first_ones,
    tenants_take_turns_however_many_jobs_one_of_them_has,
    a_tenant_that_was_away_does_not_get_what_it_did_not_use,
    one_tenant_has_so_many_at_once_and_restores_are_not_held_up,
    of_living_jobs_with_one_key_there_is_one_and_it_takes_the_more_urgent_wish,
    who_sleeps_past_his_lease_changes_nothing,
    the_lease_of_a_dead_worker_ends_at_once_and_no_other,
    a_sign_of_life_keeps_the_job_and_tells_what_is_wanted,
    a_paused_job_waits_and_goes_on_with_what_it_had_done,
    what_is_put_back_waits_and_what_is_released_does_not,
    jobs_are_listed_by_pages_counted_and_forgotten,
    no_job_is_taken_by_two_of_many_workers,
}
