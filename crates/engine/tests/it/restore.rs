//! Restores, compared from the tenant's side.

use holdfast_model::Outcome;
use holdfast_testkit::{Options, TestContext, mailbox_view};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_restored_to_another_person_is_equal() {
    let t = TestContext::new(Options { users: 1, mails: 40, ..Options::default() }).await;
    let source = t.people().remove(0);
    t.backup().await;
    t.tenant().user_add("Empty Person", "empty@contoso.example").unwrap();
    t.backup().await;
    let mut request = t.restore_of(&source);
    request.to = Some("empty@contoso.example".to_owned());
    let report = t.restore(request).await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.items);
    let (before, after) =
        (mailbox_view(t.tenant(), &source), mailbox_view(t.tenant(), "empty@contoso.example"));
    assert_eq!(report.items_restored, before.len() as u64);
    assert_eq!(before.len(), after.len());
}
