//! Checkpoints: a long first backup commits what it has, and a crash costs only the rest.

use holdfast_engine::browse::{At, locate, snapshots};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind, PlainBody, RetryAfter};
use holdfast_testkit::{Options, TestContext};

use crate::backup::{assert_equal_to_live, live};

/// A wait long enough for a checkpoint (and short enough that the client sits it out).
const WAIT_SECONDS: u32 = 700;

async fn mailbox() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let upn = t.people().remove(0);
    (t, upn)
}

/// The service asks for patience once, in the middle of the bodies of the first folder.
fn slow_service(t: &TestContext) {
    let throttle = FaultKind::Throttle(RetryAfter::Seconds(WAIT_SECONDS));
    t.tenant().faults().inject(Fault::once(throttle, "$value").after(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_run_commits_checkpoints_that_are_no_restore_points() {
    let (t, upn) = mailbox().await;
    slow_service(&t);
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert!(report.waited_ms >= u64::from(WAIT_SECONDS) * 1_000, "{}", report.waited_ms);
    let kinds: Vec<String> =
        snapshots(&t.home).await.unwrap().into_iter().map(|s| s.kind).collect();
    assert_eq!(kinds, ["checkpoint", "final"]);
    let located = locate(&t.home, None, &upn, &At::Latest).await.unwrap();
    assert!(located.point.complete);
    assert_eq!(located.point.seq.0, 2);
    assert_equal_to_live(&t, &upn).await;
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_after_a_checkpoint_goes_on_from_there() {
    let (t, upn) = mailbox().await;
    slow_service(&t);
    // From some request on the service is gone: the run ends after its checkpoint.
    let folders = t.tenant().folders(&upn).unwrap();
    let full: Vec<_> = folders.iter().filter(|folder| folder.messages > 0).collect();
    assert!(full.len() > 1, "mail lies in several folders");
    let last = &folders.last().unwrap().id;
    let unavailable = FaultKind::Unavailable(PlainBody::Empty);
    let gone = Fault::always(unavailable, &format!("{last}/messages/delta"));
    t.tenant().faults().inject(gone);
    let first = t.backup().await;
    assert_eq!(first.outcome, Outcome::Partial, "{first:#?}");
    let located = locate(&t.home, None, &upn, &At::Latest).await.unwrap();
    assert!(located.resource.stale, "what is there can be read, and says that it is not all");
    assert_eq!(located.point.seq.0, 2, "the end of the round, not its checkpoint");
    t.tenant().faults().clear();
    t.tenant().stats_reset();
    let second = t.backup().await;
    assert_eq!(second.outcome, Outcome::Complete, "{second:#?}");
    let held = live(&t, &upn).len() as u64;
    assert_eq!(first.counts.items_new + second.counts.items_new, held, "nothing is fetched twice");
    let located = locate(&t.home, None, &upn, &At::Latest).await.unwrap();
    assert!(located.point.complete && !located.resource.stale);
    assert_equal_to_live(&t, &upn).await;
}
