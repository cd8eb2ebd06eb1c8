//! One restore at a time into a mailbox, whatever machine it runs on.

use std::time::Duration;

use holdfast_engine::browse::At;
use holdfast_engine::restore::{RestoreRequest, restore};
use holdfast_engine::{Exit, Home, Progress};
use holdfast_model::{Outcome, ResourceId};
use holdfast_testkit::{Options, TestContext, live, mailbox_view};

const TTL: Duration = Duration::from_secs(60);
const ELSEWHERE: &str = "elsewhere boot pid:[1] 4711 1";
const EMPTY: &str = "empty@contoso.example";

/// A backed-up mailbox and an empty one; the request to bring the one into the other.
async fn scene(mails: usize) -> (TestContext, RestoreRequest, ResourceId) {
    let t = TestContext::new(Options { users: 1, mails, ..Options::default() }).await;
    let source = t.people().remove(0);
    t.tenant().user_add("Empty Person", EMPTY).unwrap();
    t.backup().await;
    let request = RestoreRequest {
        to: Some(EMPTY.to_owned()),
        at: At::Time(t.home.clock.now()),
        ..t.restore_of(&source)
    };
    let rows = t.home.catalog.resource_list(None).await.unwrap();
    let target = rows.into_iter().find(|row| row.name == EMPTY).unwrap().id;
    (t, request, target)
}

async fn try_restore(home: &Home, request: &RestoreRequest) -> Result<u64, (Exit, String)> {
    let report = restore(home, request, &Progress::default()).await;
    report.map(|report| report.items_restored).map_err(|error| (error.exit(), error.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_on_another_machine_is_waited_for_until_it_gives_no_sign_of_life() {
    let (t, request, target) = scene(5).await;
    let catalog = &t.home.catalog;
    let lease = catalog.restore_lease_take(&target, None, ELSEWHERE, TTL).await.unwrap();
    let (exit, message) = try_restore(&t.home, &request).await.unwrap_err();
    assert_eq!(exit, Exit::Later);
    assert!(message.contains("process 4711 on elsewhere"), "{message}");
    assert_eq!(live(t.tenant(), EMPTY).len(), 0);
    let dry = RestoreRequest { dry_run: true, ..request.clone() };
    assert_eq!(try_restore(&t.home, &dry).await, Ok(5), "who only looks need not wait");

    t.advance(TTL);
    assert_eq!(try_restore(&t.home, &request).await, Ok(5));
    assert_eq!(live(t.tenant(), EMPTY).len(), 5);
    // It was given back: nobody has to wait for the end of the time.
    let next = catalog.restore_lease_take(&target, None, ELSEWHERE, TTL).await.unwrap();
    assert_eq!(next.fence.0, lease.fence.0 + 2);
}

/// A restore sleeps past its lease, another machine follows: the one that wakes writes no further
/// message, and the next one finishes what it began without doubling anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_lease_went_to_another_writes_nothing_more() {
    let (t, request, target) = scene(60).await;
    let source = request.resource.clone();
    let late = try_restore(&t.home, &request);
    let thief = async {
        // Half-way: messages are being written.
        while live(t.tenant(), EMPTY).len() < 20 {
            tokio::task::yield_now().await;
        }
        t.advance(Duration::from_secs(120));
        let taken = t.home.catalog.restore_lease_take(&target, None, ELSEWHERE, TTL).await;
        (taken.unwrap(), live(t.tenant(), EMPTY).len())
    };
    let (late, (lease, written)) = tokio::join!(late, thief);
    let (exit, message) = late.unwrap_err();
    assert_eq!(exit, Exit::Later, "{message}");
    assert!(message.contains("was lost to another"), "{message}");
    let left = live(t.tenant(), EMPTY).len();
    assert!(left <= written + 4, "{written} when it was taken, {left} in the end");
    assert_eq!(t.home.catalog.restore_unfinished(&target).await.unwrap().len(), 1);

    t.home.catalog.restore_lease_release(&lease).await.unwrap();
    let report = t.restore(request).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!(report.items_restored + report.items_skipped, 60);
    assert_eq!(mailbox_view(t.tenant(), EMPTY).len(), mailbox_view(t.tenant(), &source).len());
    assert_eq!(t.home.catalog.restore_unfinished(&target).await.unwrap(), []);
}
