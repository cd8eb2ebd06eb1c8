//! Restores that are cut off and started again, among messages that look the same.

use holdfast_catalog::RestoreState;
use holdfast_engine::restore::{OnConflict, RestoreRequest, restore};
use holdfast_engine::{Progress, discover};
use holdfast_model::Outcome;
use holdfast_testkit::{Options, TestContext};

const TARGET: &str = "target@contoso.example";

/// Messages of equal subject, sender and date.
const TWINS: usize = 8;

const MIME: &[u8] =
    b"From: a@contoso.example\r\nSubject: Twin\r\nMessage-ID: <t@contoso.example>\r\n\
    Date: Mon, 2 Mar 2026 08:00:00 +0000\r\n\r\nAll alike\r\n";

async fn twins() -> (TestContext, RestoreRequest) {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let source = t.people().remove(0);
    let id = t.tenant().deliver(&source, "inbox", MIME).unwrap();
    for _ in 1..TWINS {
        t.tenant().message_copy(&source, &id, "inbox").unwrap();
    }
    t.tenant().user_add("Empty Person", TARGET).unwrap();
    t.backup().await;
    let request = RestoreRequest { to: Some(TARGET.to_owned()), ..t.restore_of(&source) };
    (t, request)
}

fn inbox(t: &TestContext) -> Vec<String> {
    t.tenant().messages(TARGET, "inbox").unwrap().into_iter().map(|message| message.id).collect()
}

/// Restores until the target's inbox holds so many messages that are new, and no further.
async fn cut_off(t: &TestContext, request: &RestoreRequest, new: usize) {
    let before = inbox(t);
    cut_off_when(t, request, async || {
        inbox(t).iter().filter(|id| !before.contains(id)).count() >= new
    })
    .await;
}

async fn cut_off_when(t: &TestContext, request: &RestoreRequest, reached: impl AsyncFn() -> bool) {
    let progress = Progress::default();
    let reached = async {
        while !reached().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = restore(&t.home, request, &progress) => panic!("not cut off: {done:?}"),
        () = reached => {}
    }
}

/// True when the catalog calls one message of an unfinished restore done.
async fn one_is_done(t: &TestContext) -> bool {
    let target = discover::find(&t.home, None, TARGET).await.unwrap();
    for row in t.home.catalog.restore_unfinished(&target.id).await.unwrap() {
        let items = t.home.catalog.restore_item_list(&row.id).await.unwrap();
        if items.iter().any(|item| item.state == RestoreState::Done) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_cut_off_brings_each_of_several_twins_once() {
    for messages in [1, 3, 5] {
        let (t, request) = twins().await;
        cut_off(&t, &request, messages).await;
        let plan = RestoreRequest { dry_run: true, ..request.clone() };
        let planned = t.restore(plan).await;
        assert_eq!(planned.items_restored + planned.items_skipped, TWINS as u64);
        let report = t.restore(request).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        assert_eq!(inbox(&t).len(), TWINS, "cut off after {messages}: {report:#?}");
        assert_eq!(report.items_restored + report.items_skipped, TWINS as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_was_cut_off_leaves_no_replaced_message() {
    for new in [1, 2, 4] {
        let (t, request) = twins().await;
        t.restore(request.clone()).await;
        let before = inbox(&t);
        let request = RestoreRequest { on_conflict: OnConflict::Replace, ..request };
        cut_off(&t, &request, new).await;
        let report = t.restore(request).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        let after = inbox(&t);
        assert_eq!(after.len(), TWINS, "cut off after {new} more: {report:#?}");
        assert!(after.iter().all(|id| !before.contains(id)), "replaced messages stay");
    }
}

/// A message that is done has replaced its own: it must not take that of another, which would then
/// stay beside the one that replaces it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_done_takes_no_other_in_its_place() {
    let (t, request) = twins().await;
    t.restore(request.clone()).await;
    let before = inbox(&t);
    let request = RestoreRequest { on_conflict: OnConflict::Replace, ..request };
    cut_off_when(&t, &request, async || one_is_done(&t).await).await;
    let report = t.restore(request).await;
    assert!(report.items_skipped > 0, "the one that was done: {report:#?}");
    let after = inbox(&t);
    assert_eq!(after.len(), TWINS, "{report:#?}");
    assert!(after.iter().all(|id| !before.contains(id)), "replaced messages stay");
}
