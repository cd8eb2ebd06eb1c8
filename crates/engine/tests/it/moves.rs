//! Rounds that break in the middle, and messages and folders that cannot be read for a while.

use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind, PlainBody};
use holdfast_testkit::{Options, TestContext};

use crate::backup::{assert_equal_to_live, stored};

async fn mailbox() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let upn = t.people().remove(0);
    (t, upn)
}

fn inbox_ids(t: &TestContext, upn: &str) -> Vec<String> {
    let inbox = t.tenant().folder_by_path(upn, &["Inbox"]).unwrap();
    t.tenant().messages(upn, &inbox).unwrap().into_iter().map(|m| m.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_told_before_a_break_is_told_again() {
    // More changes than a page of 500 holds, so that the round can break between two pages.
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    for number in 0..560 {
        let mime = format!("Subject: {number}\r\n\r\n{number}\r\n");
        t.tenant().deliver(&upn, "inbox", mime.as_bytes()).unwrap();
    }
    t.backup().await;
    let ids = inbox_ids(&t, &upn);
    for id in &ids[..20] {
        t.tenant().message_delete(&upn, id, true).unwrap();
    }
    for id in &ids[20..] {
        t.tenant().message_update(&upn, id, |m| m.is_read = !m.is_read).unwrap();
    }
    let down = FaultKind::Unavailable(PlainBody::Empty);
    t.tenant().faults().inject(Fault::always(down, "$skiptoken"));
    assert_eq!(t.backup().await.outcome, Outcome::Partial, "the round breaks");
    t.tenant().faults().clear();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_is_asked_for_again() {
    let (t, upn) = mailbox().await;
    let ids = inbox_ids(&t, &upn);
    // One message fails beyond all repetitions.
    t.tenant().faults().inject(Fault::always(
        FaultKind::Unavailable(PlainBody::Html),
        &format!("{}/$value", ids[1]),
    ));
    let first = t.backup().await;
    assert_eq!(first.outcome, Outcome::Partial, "{first:#?}");
    assert_eq!(first.counts.items_failed, 1);
    assert!(!stored(&t, &upn).await.iter().any(|m| m.0 == ids[1]));
    t.tenant().faults().clear();
    let second = t.backup().await;
    assert_eq!((second.counts.items_new, second.counts.items_failed), (1, 0), "{second:#?}");
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_message_is_told_of_until_it_can_be_read() {
    let (t, upn) = mailbox().await;
    let ids = inbox_ids(&t, &upn);
    let fault = Fault::always(FaultKind::CorruptData, &format!("{}/$value", ids[1]));
    t.tenant().faults().inject(fault);
    for _ in 0..2 {
        let report = t.backup().await;
        assert_eq!(report.counts.items_skipped, 1, "{report:#?}");
        assert_eq!(report.resources[0].problems[0].cause, "corrupt_in_service");
    }
    t.tenant().faults().clear();
    let healed = t.backup().await;
    assert_eq!((healed.counts.items_new, healed.counts.items_skipped), (1, 0), "{healed:#?}");
    assert_equal_to_live(&t, &upn).await;
    assert!(t.backup().await.counts.is_idle());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_read_holds_back_no_restore_point_of_the_others() {
    let (t, upn) = mailbox().await;
    let broken = t.tenant().folder_create(&upn, None, "Broken").unwrap();
    t.backup().await;
    let down = FaultKind::Unavailable(PlainBody::Empty);
    for path in [format!("{broken}/messages/delta"), format!("'{broken}')/messages")] {
        t.tenant().faults().inject(Fault::always(down.clone(), &path));
    }
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let mime = b"From: a@contoso.example\r\nSubject: new\r\n\r\nnew\r\n";
    let id = t.tenant().deliver(&upn, &inbox, mime).unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert!(stored(&t, &upn).await.iter().any(|m| m.0 == id), "the newest state shows new mail");
    let again = t.backup().await;
    assert!(again.snapshots.is_empty(), "nothing changed: {again:#?}");
    t.tenant().faults().clear();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert_equal_to_live(&t, &upn).await;
}
