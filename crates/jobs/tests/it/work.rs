//! The worker and the scheduler on a simulated tenant.

use std::sync::Arc;
use std::time::Duration;

use holdfast_catalog::{Claim, Ending, Error, JobClass, JobFilter, JobRow, JobState, Wanted};
use holdfast_engine::browse::At;
use holdfast_engine::restore::RestoreRequest;
use holdfast_engine::{Home, Progress, schedule};
use holdfast_jobs::{
    Performed, Ticked, Work, Worker, WorkerOptions, perform, stop_signal, submit, tick,
};
use holdfast_policy::{Schedule, Select};
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Options, TENANT, TestContext};

struct Scene {
    t: TestContext,
    home: Arc<Home>,
}

impl Scene {
    async fn new() -> Self {
        Self::of(Options { users: 3, mails: 8, ..Options::default() }).await
    }

    async fn of(options: Options) -> Self {
        let t = TestContext::new(options).await;
        let home = Arc::new(t.open_again().await);
        Self { t, home }
    }

    /// Does all that can be done; tells how many jobs it was.
    async fn drain(&self) -> usize {
        let (_keep, stop) = stop_signal();
        Worker::new(Arc::clone(&self.home), WorkerOptions::default()).drain(&stop).await
    }

    async fn tick(&self) -> Ticked {
        tick(&self.home).await.unwrap()
    }

    fn pass(&self, hours: u64) {
        self.t.advance(Duration::from_secs(hours * 3_600));
    }

    async fn jobs(&self) -> Vec<JobRow> {
        self.home.catalog.job_list(&JobFilter::default(), 100).await.unwrap()
    }

    /// Runs the first day: discovery, then everything for the first time.
    async fn first_day(&self) {
        assert_eq!(self.tick().await, Ticked { due: 0, overdue: 0, jobs: 1 });
        assert_eq!(self.drain().await, 1, "discovery");
        let ticked = self.tick().await;
        assert_eq!((ticked.overdue, ticked.jobs), (0, 1));
        assert_eq!(self.drain().await, 1, "the first backup");
    }

    /// The mailboxes and their restore points.
    async fn points(&self) -> Vec<Option<holdfast_model::Timestamp>> {
        let rows = self.home.catalog.resource_list(None).await.unwrap();
        rows.into_iter().map(|row| row.restore_point).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_found_done_once_and_caught_up_once() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let first = scene.points().await;
    assert!(first.len() == 3 && first.iter().all(Option::is_some), "{first:?}");
    assert_eq!(scene.tick().await, Ticked::default(), "nothing is due");

    // Most of the objective has passed; the directory is asked each hour.
    scene.pass(20);
    let ticked = scene.tick().await;
    assert_eq!((ticked.due, ticked.overdue, ticked.jobs), (first.len() as u64, 0, 2));
    assert_eq!(scene.tick().await.jobs, 2, "the same jobs");
    assert_eq!(scene.drain().await, 2);
    let second = scene.points().await;
    assert!(first.iter().zip(&second).all(|(a, b)| b > a));

    // Nobody was there for ten days: what was missed is done once.
    scene.pass(240);
    let ticked = scene.tick().await;
    assert_eq!((ticked.due, ticked.overdue), (first.len() as u64, first.len() as u64));
    assert_eq!(scene.drain().await, 2);
    assert_eq!(scene.tick().await, Ticked::default());

    let jobs = scene.jobs().await;
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:#?}");
    let kinds: Vec<_> = jobs.iter().map(|job| job.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "backup").count(), 3);

    // What each resource attained is on record.
    let attained = scene.home.catalog.attained_list(0).await.unwrap();
    let hours = |ms: u64| ms / 3_600_000;
    let of_one: Vec<_> =
        attained.iter().filter(|row| row.resource == attained[0].resource).collect();
    let told: Vec<_> = of_one
        .iter()
        .map(|row| (hours(row.worst_ms), hours(row.objective_ms), row.missed))
        .collect();
    assert_eq!(told, [(20, 24, 0), (240, 24, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_follows_its_schedule_and_hours_without_work_are_kept() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let rows = scene.home.catalog.resource_list(None).await.unwrap();
    let boss = rows.iter().find(|row| row.id.as_str().starts_with("exchange/")).unwrap();
    let executives = Schedule {
        name: "executives".into(),
        select: Select { resources: vec![boss.name.to_uppercase()], workloads: Vec::new() },
        rpo: "1h".parse().unwrap(),
        ..Schedule::default()
    };
    schedule::set(&scene.home, TENANT, &executives).await.unwrap();
    let named = rows.iter().filter(|row| row.name == boss.name).count() as u64;
    scene.pass(1);
    let ticked = scene.tick().await;
    assert_eq!((ticked.due, ticked.overdue), (named, named));
    scene.drain().await;
    let points = scene.home.catalog.resource_list(None).await.unwrap();
    for (before, after) in rows.iter().zip(&points) {
        let moved = before.restore_point != after.restore_point;
        assert_eq!(moved, before.name == boss.name, "{}", before.id);
    }

    // From now on nothing may run at this hour of the day.
    let now = scene.home.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
    let quiet = format!(
        r#"{{"name":"executives","rpo":"1h","select":{{"resources":["{}"]}},
            "hours":[{{"from":"{:02}:00:00","to":"{:02}:00:00","pace":"off"}}]}}"#,
        boss.name,
        now.hour(),
        (now.hour() + 3) % 24,
    );
    let quiet: Schedule = serde_json::from_str(&quiet).unwrap();
    schedule::set(&scene.home, TENANT, &quiet).await.unwrap();
    scene.pass(1);
    assert_eq!(scene.tick().await.due, 0);
    scene.pass(2);
    assert_eq!(scene.tick().await.due, named);

    // A job that was queued before such hours leaves those alone in them, and reads the others.
    scene.pass(21);
    let before = scene.home.catalog.resource_list(None).await.unwrap();
    scene.drain().await;
    let after = scene.home.catalog.resource_list(None).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        let moved = before.restore_point != after.restore_point;
        assert_eq!(moved, before.name != boss.name, "{}", before.id);
    }

    schedule::remove(&scene.home, TENANT, "executives").await.unwrap();
    let rows = scene.home.catalog.stand_list().await.unwrap();
    assert!(rows.iter().all(|row| row.schedule.as_deref() == Some("default")));
    let unknown = schedule::remove(&scene.home, TENANT, "executives").await.unwrap_err();
    assert!(unknown.to_string().contains("executives"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_come_back_with_the_vault() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let quick =
        Schedule { name: "quick".into(), rpo: "15m".parse().unwrap(), ..Schedule::default() };
    schedule::set(&scene.home, TENANT, &quick).await.unwrap();
    scene.home.catalog.schedule_remove(TENANT, "quick").await.unwrap();
    holdfast_engine::rebuild::rebuild(&scene.home).await.unwrap();
    assert_eq!(schedule::list(&scene.home).await.unwrap()[TENANT], [quick]);
    let rows = scene.home.catalog.stand_list().await.unwrap();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row.objective_ms == Some(15 * 60_000)), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_past_its_lease_loses_the_job_to_another() {
    let scene = Scene::new().await;
    scene.tick().await;
    let claim = Claim {
        owner: "sleeper".into(),
        ttl: Duration::from_secs(60),
        down_to: JobClass::FirstFull,
        per_tenant: 9,
    };
    let asleep = scene.home.catalog.job_claim(&claim).await.unwrap().unwrap();
    assert_eq!(scene.drain().await, 0, "it is taken");
    scene.t.advance(Duration::from_secs(61));
    assert_eq!(scene.drain().await, 1);
    let done = Ending::Done("\"late\"".into());
    let late = scene.home.catalog.job_end(&asleep, Duration::ZERO, &done).await;
    assert!(matches!(late, Err(Error::JobLost { .. })), "{late:?}");
    let job = scene.home.catalog.job_get(&asleep.id).await.unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Done, 2));
    assert_ne!(job.result.as_deref(), Some("\"late\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_keeps_what_it_has_and_goes_on_from_there() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let before = scene.points().await;
    scene.pass(20);
    scene.tick().await;
    let progress = Progress::default();
    progress.stop();
    let job = scene.jobs().await.into_iter().find(|job| job.request.contains("due")).unwrap();
    let work: Work = serde_json::from_str(&job.request).unwrap();
    let done = perform(&scene.home, &work, &progress).await.unwrap();
    assert_eq!(done, Performed::Stopped);
    assert_eq!(scene.points().await, before, "nothing claims to have been read");
    let rows = scene.home.catalog.resource_list(None).await.unwrap();
    assert!(rows.iter().all(|row| !row.stale), "a stop is no failure of a mailbox");
    scene.drain().await;
    assert!(scene.points().await.iter().zip(&before).all(|(after, before)| after > before));
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_are_granted_and_what_cannot_succeed_fails_with_its_reason() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let ask =
        async |work: Work| submit(&scene.home, work, JobClass::OnDemand, "ada").await.unwrap();
    let waiting = ask(Work::Backup { tenant: TENANT.into(), resource: None }).await;
    scene.home.catalog.job_want(&waiting, Wanted::Cancel).await.unwrap();
    let unknown =
        ask(Work::Backup { tenant: TENANT.into(), resource: Some("nobody".into()) }).await;
    let rows = scene.home.catalog.resource_list(None).await.unwrap();
    let named = rows.iter().find(|row| row.id.as_str().starts_with("exchange/")).unwrap();
    let request = RestoreRequest {
        tenant: Some(TENANT.into()),
        resource: named.id.0.clone(),
        dry_run: true,
        ..RestoreRequest::default()
    };
    let restore = ask(Work::Restore(Box::new(request.clone()))).await;
    assert_ne!(ask(Work::Restore(Box::new(request))).await, restore, "each restore is its own");
    assert_eq!(scene.drain().await, 3);
    let get = async |id: &str| scene.home.catalog.job_get(id).await.unwrap();
    assert_eq!(get(&waiting).await.state, JobState::Cancelled);
    let failed = get(&unknown).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.error.as_deref().unwrap().contains("nobody"), "{failed:?}");
    let restored = get(&restore).await;
    assert_eq!(restored.state, JobState::Done, "{restored:?}");
    let result: serde_json::Value = serde_json::from_str(&restored.result.unwrap()).unwrap();
    assert_eq!(result["dry_run"], true);
    assert_eq!(restored.requested_by, "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out_however_long_it_lasts() {
    let scene = Scene::new().await;
    scene.first_day().await;
    let faults = scene.t.tenant().faults();
    faults.inject(Fault::always(FaultKind::ServerError(500), "/users"));
    scene.pass(1);
    scene.tick().await;
    let discovery =
        async || scene.jobs().await.into_iter().find(|job| job.kind == "discover").unwrap();
    for _ in 0..8 {
        assert_eq!(scene.drain().await, 1);
        let job = discovery().await;
        assert_eq!((job.state, job.attempts), (JobState::Queued, 0), "{job:?}");
        assert!(job.error.is_some(), "{job:?}");
        assert_eq!(scene.drain().await, 0, "it waits");
        scene.t.advance(Duration::from_secs(60));
    }
    faults.clear();
    assert_eq!(scene.drain().await, 1);
    assert_eq!(discovery().await.state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_for_good_is_not_asked_for_at_every_tick() {
    let scene = Scene::new().await;
    scene.tick().await;
    let claim = Claim {
        owner: "it".into(),
        ttl: Duration::from_secs(60),
        down_to: JobClass::FirstFull,
        per_tenant: 9,
    };
    let job = scene.home.catalog.job_claim(&claim).await.unwrap().unwrap();
    let failed = Ending::Failed("no credential".into());
    scene.home.catalog.job_end(&job, Duration::ZERO, &failed).await.unwrap();
    for _ in 0..5 {
        scene.tick().await;
        assert_eq!(scene.drain().await, 0, "it failed just now");
        scene.t.advance(Duration::from_secs(300));
    }
    scene.t.advance(Duration::from_secs(300));
    assert_eq!(scene.drain().await, 1);
    assert_eq!(scene.jobs().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_in_the_middle_goes_on_at_once_with_the_rest() {
    let options = Options { users: 1, mails: 1_300, ..Options::default() };
    let scene = Scene::of(options).await;
    scene.tick().await;
    scene.drain().await;
    scene.tick().await;
    let job = scene.jobs().await.into_iter().find(|job| job.kind == "backup").unwrap();
    let work: Work = serde_json::from_str(&job.request).unwrap();
    let progress = Progress::default();
    let watched = progress.clone();
    let watcher = tokio::spawn(async move {
        while watched.seen().items_done == 0 {
            tokio::task::yield_now().await;
        }
        watched.stop();
    });
    let home = Arc::clone(&scene.home);
    let runtime = tokio::runtime::Handle::current();
    let stopped = tokio::task::spawn_blocking(move || {
        runtime.block_on(async { perform(&home, &work, &progress).await.unwrap() })
    });
    assert_eq!(stopped.await.unwrap(), Performed::Stopped);
    watcher.await.unwrap();
    let fetched = scene.t.tenant().stats().requests;
    assert_eq!(scene.points().await, [None], "there is no restore point yet");
    let row = &scene.home.catalog.resource_list(None).await.unwrap()[0];
    assert_eq!(row.last_polled, None, "it is due as before");
    assert_eq!(scene.drain().await, 1);
    assert!(scene.points().await[0].is_some());
    assert!(scene.t.tenant().stats().requests > fetched);
    let name = row.name.clone();
    let stored = holdfast_testkit::stored(&scene.home, &name, &At::Latest).await.unwrap();
    holdfast_testkit::assert_same(&stored, &holdfast_testkit::live(scene.t.tenant(), &name), &name);
}
