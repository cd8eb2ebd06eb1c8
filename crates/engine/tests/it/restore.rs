//! Restores, compared from the tenant's side.

use holdfast_engine::browse::At;
use holdfast_engine::restore::{OnConflict, restore};
use holdfast_engine::{Exit, Progress};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Comparable, Options, TestContext, mailbox_view, special};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_restored_to_another_person_is_equal() {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let source = t.people().remove(0);
    t.tenant().user_add("Empty Person", "empty@contoso.example").unwrap();
    t.backup().await;
    let mut request = t.restore_of(&source);
    request.to = Some("empty@contoso.example".to_owned());
    let report = t.restore(request).await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.items);
    let mut before = mailbox_view(t.tenant(), &source);
    let mut after = mailbox_view(t.tenant(), "empty@contoso.example");
    assert_eq!(report.items_restored, before.len() as u64);
    assert_eq!(before.len(), after.len());
    let special = special(t.tenant(), &source);
    for view in [&mut before, &mut after] {
        view.retain(|message| !special.contains(&message.threading[0]));
    }
    assert!(before.len() > 40, "only {} ordinary messages", before.len());
    assert_same(&before, &after);
}

fn assert_same(before: &[Comparable], after: &[Comparable]) {
    for (a, b) in before.iter().zip(after) {
        assert_eq!(a, b);
    }
    assert_eq!(before.len(), after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_folder_comes_back_as_it_was() {
    let t = TestContext::new(Options { users: 1, mails: 60, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let project = t.tenant().folder_create(&upn, Some(&inbox), "Project").unwrap();
    let ids: Vec<String> =
        t.tenant().messages(&upn, &inbox).unwrap().into_iter().map(|m| m.id).take(5).collect();
    for id in &ids {
        t.tenant().message_move(&upn, id, &project).unwrap();
    }
    t.backup().await;
    let before = mailbox_view(t.tenant(), &upn);
    let at = At::Time(t.home.clock.now());
    t.tenant().folder_delete(&upn, &project, true).unwrap();
    assert_eq!(t.backup().await.counts.items_deleted, 5);
    let mut request = t.restore_of(&upn);
    (request.at, request.path) = (at, Some("Inbox/Project".to_owned()));
    request.dry_run = true;
    let planned = t.restore(request.clone()).await;
    assert_eq!((planned.items_restored, planned.items_failed), (5, 0), "{planned:#?}");
    assert!(t.tenant().folder_by_path(&upn, &["Inbox", "Project"]).is_err(), "a dry run writes");
    request.dry_run = false;
    let report = t.restore(request.clone()).await;
    assert_eq!((report.items_restored, report.items_failed), (5, 0), "{report:#?}");
    assert_eq!(report.losses, planned.losses);
    assert_same(&before, &mailbox_view(t.tenant(), &upn));
    // Once more changes nothing.
    let again = t.restore(request).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 5));
    assert_same(&before, &mailbox_view(t.tenant(), &upn));
}

#[tokio::test(flavor = "multi_thread")]
async fn conflict_rules_skip_replace_and_copy() {
    let t = TestContext::new(Options { users: 1, mails: 20, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let original = mailbox_view(t.tenant(), &upn);
    let victim = t.tenant().messages(&upn, &inbox).unwrap().remove(0);
    t.tenant()
        .message_update(&upn, &victim.id, |m| m.categories = vec!["Changed".to_owned()])
        .unwrap();
    let mut request = t.restore_of(&upn);
    request.path = Some("Inbox".to_owned());
    let count = |t: &TestContext| t.tenant().messages(&upn, &inbox).unwrap().len();
    let before = count(&t);
    let report = t.restore(request.clone()).await;
    assert_eq!((report.items_restored, report.items_skipped), (0, before as u64));
    request.on_conflict = OnConflict::Replace;
    let report = t.restore(request.clone()).await;
    assert_eq!(report.items_restored, before as u64, "{:#?}", report.items);
    assert_eq!(count(&t), before);
    let in_inbox = |all: &[Comparable]| -> Vec<Comparable> {
        all.iter().filter(|m| m.folder == ["Inbox"]).cloned().collect()
    };
    assert_same(&in_inbox(&original), &in_inbox(&mailbox_view(t.tenant(), &upn)));
    request.on_conflict = OnConflict::Copy;
    let report = t.restore(request).await;
    assert_eq!(report.items_restored, before as u64);
    assert_eq!(count(&t), 2 * before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_doubles_nothing() {
    let t = TestContext::new(Options { users: 1, mails: 12, ..Options::default() }).await;
    let source = t.people().remove(0);
    t.tenant().user_add("Empty Person", "empty@contoso.example").unwrap();
    t.backup().await;
    let lost = Fault::once(FaultKind::AnswerLost, "/messages").method("POST").times(3);
    t.tenant().faults().inject(lost.user("empty@contoso.example"));
    let mut request = t.restore_of(&source);
    request.to = Some("empty@contoso.example".to_owned());
    let report = t.restore(request).await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.items);
    let after = mailbox_view(t.tenant(), "empty@contoso.example");
    assert_same(&mailbox_view(t.tenant(), &source), &after);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_messages_that_look_alike_each_finds_itself() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let mime = |body: &str| {
        format!(
            "From: a@contoso.example\r\nSubject: Twin\r\nMessage-ID: <{body}@contoso.example>\r\n\
             Date: Mon, 2 Mar 2026 08:00:00 +0000\r\n\r\n{body}\r\n"
        )
    };
    let ids = ["first", "second"].map(|b| t.tenant().deliver(&upn, "inbox", mime(b).as_bytes()));
    let ids = ids.map(Result::unwrap);
    t.backup().await;
    for lost in &ids {
        t.tenant().message_delete(&upn, lost, true).unwrap();
        let report = t.restore(t.restore_of(&upn)).await;
        assert_eq!((report.items_restored, report.items_skipped), (1, 1), "{report:#?}");
        let inbox = t.tenant().messages(&upn, "inbox").unwrap();
        let mut bodies: Vec<String> = inbox
            .iter()
            .map(|m| t.tenant().message(&upn, &m.id).unwrap().content.body.content)
            .map(|body| body.trim().to_owned())
            .collect();
        bodies.sort();
        assert_eq!(bodies, ["first", "second"]);
        t.backup().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_restore_into_the_same_mailbox_waits_its_turn() {
    let t = TestContext::new(Options { users: 1, mails: 5, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.backup().await;
    let (progress, request) = (Progress::default(), t.restore_of(&upn));
    let (first, second) =
        tokio::join!(restore(&t.home, &request, &progress), restore(&t.home, &request, &progress));
    let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].to_string().contains("another restore"), "{}", refused[0]);
    assert_eq!(refused[0].exit(), Exit::Later);
}
