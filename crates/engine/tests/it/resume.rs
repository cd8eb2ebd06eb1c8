//! Restores that are cut off and started again, among messages that look the same.

use holdfast_engine::Progress;
use holdfast_engine::restore::{OnConflict, RestoreRequest, restore};
use holdfast_model::Outcome;
use holdfast_testkit::{Options, TestContext, live};

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

fn in_inbox(t: &TestContext) -> usize {
    t.tenant().messages(TARGET, "inbox").unwrap().len()
}

/// Restores until the target's inbox holds so many messages, and no further.
async fn cut_off(t: &TestContext, request: &RestoreRequest, messages: usize) {
    let (progress, reached) = (Progress::default(), async {
        while in_inbox(t) < messages {
            tokio::task::yield_now().await;
        }
    });
    tokio::select! {
        done = restore(&t.home, request, &progress) => panic!("not cut off: {done:?}"),
        () = reached => {}
    }
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
        assert_eq!(in_inbox(&t), TWINS, "cut off after {messages}: {report:#?}");
        assert_eq!(report.items_restored + report.items_skipped, TWINS as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_was_cut_off_leaves_no_replaced_message() {
    for further in [1, 2, 4] {
        let (t, request) = twins().await;
        t.restore(request.clone()).await;
        let before = live(t.tenant(), TARGET);
        let request = RestoreRequest { on_conflict: OnConflict::Replace, ..request };
        cut_off(&t, &request, TWINS + further.min(2)).await;
        for _ in 2..further {
            cut_off(&t, &request, in_inbox(&t) + 1).await;
        }
        let report = t.restore(request).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        let inbox = t.tenant().messages(TARGET, "inbox").unwrap();
        assert_eq!(inbox.len(), TWINS, "cut off after {further} more: {report:#?}");
        let old = inbox.iter().filter(|message| before.contains_key(&message.id)).count();
        assert_eq!(old, 0, "replaced messages stay");
    }
}
