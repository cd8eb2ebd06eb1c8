//! Which schedule a resource follows, and what it attains.

use std::time::Duration;

use holdfast_engine::schedule::{Standing, Status, listed, remove, set, status};
use holdfast_engine::{Exit, tenant};
use holdfast_policy::{Schedule, Select};
use holdfast_testkit::{Options, TENANT, TestContext};

const HOUR: u64 = 3_600;

fn pass(t: &TestContext, hours: u64) {
    t.advance(Duration::from_secs(hours * HOUR));
}

async fn of(t: &TestContext, name: &str) -> Status {
    let mut all = status(&t.home, Some(TENANT), Some(name)).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn hours(ms: Option<u64>) -> Option<u64> {
    ms.map(|ms| ms / 3_600_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_a_restore_point_is_what_is_attained_and_the_worst_is_remembered() {
    let t = TestContext::new(Options { users: 2, mails: 3, ..Options::default() }).await;
    let people = t.people();
    t.backup().await;
    let first = of(&t, &people[0]).await;
    assert_eq!((first.standing, first.schedule.as_str()), (Standing::Kept, "default"));
    assert_eq!((first.attained_ms, first.points, first.missed), (Some(0), 0, 0));
    let read = first.restore_point.unwrap();
    assert_eq!(first.due.duration_since(read).as_secs(), 24 * 3_600 * 8 / 10);

    pass(&t, 20);
    t.backup().await;
    pass(&t, 5);
    let kept = of(&t, &people[0]).await;
    assert_eq!((kept.standing, kept.points, kept.missed), (Standing::Kept, 1, 0));
    assert_eq!((hours(kept.attained_ms), hours(kept.worst_ms)), (Some(5), Some(20)));

    // Nothing runs: what is attained gets worse by itself, and it is owed at once.
    pass(&t, 25);
    let missed = of(&t, &people[0]).await;
    assert_eq!((missed.standing, missed.points, missed.missed), (Standing::Missed, 1, 1));
    assert_eq!((hours(missed.attained_ms), hours(missed.worst_ms)), (Some(30), Some(30)));
    assert_eq!(missed.due, t.home.clock.now());
    t.backup().await;
    let again = of(&t, &people[0]).await;
    assert_eq!((again.standing, again.points, again.missed), (Standing::Kept, 2, 1));
    assert_eq!((hours(again.attained_ms), hours(again.worst_ms)), (Some(0), Some(30)));

    // What lies longer back than 30 days is not told any more.
    for _ in 0..31 {
        pass(&t, 23);
        t.backup().await;
    }
    let later = of(&t, &people[0]).await;
    assert_eq!((later.missed, hours(later.worst_ms)), (0, Some(23)));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_listed_with_their_followers_and_the_default_of_each_tenant() {
    let t = TestContext::new(Options { users: 3, mails: 1, ..Options::default() }).await;
    t.backup().await;
    let told = async || {
        let all = listed(&t.home, Some(TENANT), None).await.unwrap().into_iter();
        all.map(|one| (one.schedule.name, one.schedule.rpo.to_string(), one.is_set, one.followers))
            .collect::<Vec<_>>()
    };
    assert_eq!(told().await, [("default".into(), "24h".into(), false, 3)]);
    let select = Select { resources: vec![t.people()[0].clone()], workloads: Vec::new() };
    let bosses = Schedule { name: "bosses".into(), select, ..Schedule::default() };
    let bosses = Schedule { rpo: "1h".parse().unwrap(), ..bosses };
    set(&t.home, TENANT, &bosses).await.unwrap();
    let default = ("default".to_owned(), "24h".to_owned(), false, 2);
    assert_eq!(told().await, [("bosses".into(), "1h".into(), true, 1), default]);
    assert_eq!(of(&t, &t.people()[0]).await.objective_ms, 3_600_000);
    // The default can be set too.
    let half = Schedule { rpo: "12h".parse().unwrap(), ..Schedule::default() };
    set(&t.home, TENANT, &half).await.unwrap();
    assert_eq!(told().await[1], ("default".into(), "12h".into(), true, 2));
    remove(&t.home, TENANT, "bosses").await.unwrap();
    assert_eq!(told().await, [("default".into(), "12h".into(), true, 3)]);

    let exit = |error: holdfast_engine::Error| error.exit();
    assert_eq!(listed(&t.home, Some("other"), None).await.map_err(exit), Err(Exit::NotFound));
    assert_eq!(status(&t.home, Some("other"), None).await.map_err(exit), Err(Exit::NotFound));
    assert_eq!(status(&t.home, None, Some("nobody")).await.map_err(exit), Err(Exit::NotFound));
    assert_eq!(status(&t.home, None, None).await.unwrap().len(), 3);
    assert_eq!(tenant::one(&t.home, None).await.unwrap().name, TENANT);
}
