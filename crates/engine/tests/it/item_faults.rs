//! The service's known faults of single items and whole mailboxes, end to end (numbers: graph
//! reference, section 9). Those of pages and requests are in `faults`.

use std::time::Duration;

use holdfast_engine::tenant::{self, Purpose};
use holdfast_model::{Outcome, SkipCause};
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Options, TENANT, TestContext, mailbox_view};
use holdfast_workloads::mail::MailWriter;

use crate::backup::{assert_equal_to_live, live, stored};
use crate::faults::*;

#[tokio::test(flavor = "multi_thread")]
async fn f15_an_item_that_vanishes_while_it_is_read_is_no_failure() {
    let (t, upn) = one_mailbox().await;
    let id = inbox(&t, &upn)[0].id.clone();
    inject(&t, Fault::always(FaultKind::ItemGone, &format!("{id}/$value")));
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(skips(&report), skipped(&id, SkipCause::DeletedInFlight));
    assert_eq!(report.counts.items_skipped, 1);
    assert_eq!(stored(&t, &upn).await.len(), live(&t, &upn).len() - 1);
    t.tenant().faults().clear();
    t.tenant().message_delete(&upn, &id, true).unwrap();
    assert_complete(&t.backup().await);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_and_f20_an_item_that_cannot_be_read_is_named_and_its_last_version_kept() {
    for (kind, cause, requests) in [
        (FaultKind::CorruptData, SkipCause::CorruptInService, 3),
        (FaultKind::InvalidRecipients, SkipCause::InvalidRecipients, 1),
    ] {
        let (t, upn) = one_mailbox().await;
        t.backup().await;
        let before = stored(&t, &upn).await;
        let id = inbox(&t, &upn)[0].id.clone();
        let change = |text: &'static str| {
            let edit = |m: &mut holdfast_testkit::sim::Edit| m.content.subject = text.to_owned();
            t.tenant().message_update(&upn, &id, edit).unwrap();
        };
        change("first change");
        inject(&t, Fault::always(kind, &format!("{id}/$value")));
        let report = t.backup().await;
        assert_complete(&report);
        assert_eq!(skips(&report), skipped(&id, cause));
        assert_eq!(t.tenant().faults().struck(), requests);
        assert!(stored(&t, &upn).await == before, "the last version is kept");
        t.tenant().faults().clear();
        change("second change");
        let report = t.backup().await;
        assert_eq!(report.counts.items_changed, 1, "{report:#?}");
        assert_healthy(&t, &upn).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_one_damaged_message_spoils_its_page_and_nothing_else() {
    let (t, upn) = one_mailbox().await;
    let target = folder(&t, &upn, "Inbox");
    let damaged = inbox(&t, &upn)[1].id.clone();
    inject(&t, Fault::always(FaultKind::CorruptItem(damaged.clone()), ""));
    let calm = calm_requests().await;
    for round in 0..2 {
        let report = t.backup().await;
        assert_complete(&report);
        let found = skips(&report);
        assert_eq!(found.len(), 1, "{report:#?}");
        assert_eq!(found[0].1, SkipCause::CorruptInService.to_string());
        assert!([&damaged, &target].contains(&&found[0].0), "{found:?}");
        assert!(report.requests < calm + 80, "{} requests", report.requests);
        let expected: Vec<_> = live(&t, &upn).into_iter().filter(|m| m.0 != damaged).collect();
        let stored: Vec<_> = stored(&t, &upn).await.into_iter().map(|m| (m.0, m.2)).collect();
        assert!(stored == expected, "{} of {} stored", stored.len(), expected.len());
        if round == 1 {
            assert_eq!(report.counts.items_new, 0, "nothing is fetched again");
        }
    }
    // Life goes on around it.
    let ids: Vec<String> = inbox(&t, &upn).into_iter().map(|m| m.id).collect();
    let others: Vec<&String> = ids.iter().filter(|id| **id != damaged).collect();
    t.tenant().message_delete(&upn, others[0], true).unwrap();
    t.tenant().message_move(&upn, others[1], &folder(&t, &upn, "Drafts")).unwrap();
    t.tenant().message_update(&upn, others[2], |m| m.is_read = !m.is_read).unwrap();
    t.tenant().deliver(&upn, &target, &mail("new")).unwrap();
    let report = t.backup().await;
    assert_complete(&report);
    let counts = report.counts;
    let found = (counts.items_new, counts.items_changed, counts.items_deleted);
    assert_eq!(found, (1, 2, 1), "{report:#?}");
    let expected = live(&t, &upn).len() - 1;
    assert_eq!(stored(&t, &upn).await.len(), expected);
    // Exchange repairs it.
    t.tenant().faults().clear();
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!((report.counts.items_new, report.counts.items_skipped), (1, 0), "{report:#?}");
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_stored_message_that_becomes_damaged_keeps_its_last_version() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    let before = stored(&t, &upn).await;
    let damaged = inbox(&t, &upn)[0].id.clone();
    t.tenant().message_update(&upn, &damaged, |m| m.is_read = !m.is_read).unwrap();
    inject(&t, Fault::always(FaultKind::CorruptItem(damaged.clone()), ""));
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(skips(&report), skipped(&damaged, SkipCause::CorruptInService));
    assert_eq!(report.counts.items_deleted, 0);
    assert!(stored(&t, &upn).await == before);
    t.tenant().message_delete(&upn, &damaged, true).unwrap();
    let report = t.backup().await;
    assert_eq!((report.counts.items_deleted, report.counts.items_skipped), (1, 0), "{report:#?}");
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_delta_that_always_answers_500_is_replaced_by_the_list() {
    let (t, upn) = one_mailbox().await;
    let target = folder(&t, &upn, "Inbox");
    on_folder(&t, &FaultKind::ServerError(500), &target);
    let report = t.backup().await;
    assert_complete(&report);
    assert_equal_to_live(&t, &upn).await;
    // Retries of four page sizes.
    assert!(t.tenant().faults().struck() <= 32, "{}", t.tenant().faults().struck());
    t.tenant().faults().clear();
    assert_complete(&t.backup().await);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_damaged_message_is_named_where_the_list_gives_its_id() {
    let (t, upn) = one_mailbox().await;
    let target = folder(&t, &upn, "Inbox");
    let damaged = inbox(&t, &upn).into_iter().min_by_key(|m| m.received).unwrap().id;
    on_folder(&t, &FaultKind::CorruptData, &target);
    // The pages with all properties that begin with the oldest message; not those with ids alone.
    for size in [500, 62, 7, 1] {
        inject(&t, Fault::always(FaultKind::CorruptData, &format!("$top={size}&$skip=0&$expand")));
    }
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(skips(&report), skipped(&damaged, SkipCause::CorruptInService));
    let expected: Vec<_> = live(&t, &upn).into_iter().filter(|m| m.0 != damaged).collect();
    let stored: Vec<_> = stored(&t, &upn).await.into_iter().map(|m| (m.0, m.2)).collect();
    assert!(stored == expected, "{} of {} stored", stored.len(), expected.len());
    // Four sizes of the delta and four of the list, three times each.
    assert_eq!(t.tenant().faults().struck(), 24);
    t.tenant().faults().clear();
    assert_eq!(t.backup().await.counts.items_new, 1);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_what_has_no_mime_is_kept_as_json_and_can_be_restored() {
    let t = TestContext::new(Options { users: 1, mails: 200, ..Options::default() }).await;
    let upn = t.people().remove(0);
    t.tenant().user_add("Empty Person", "empty@contoso.example").unwrap();
    inject(&t, Fault::always(FaultKind::MimeConversionFailedByClass, "/$value"));
    let ordinary = inbox(&t, &upn).into_iter().find(|m| m.class == "IPM.Note").unwrap();
    let one = format!("messages/{}/$value", ordinary.id);
    inject(&t, Fault::always(FaultKind::MimeConversionFailed, &one));
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_skipped, 0);
    let all = stored(&t, &upn).await;
    assert_eq!(all.len(), live(&t, &upn).len());
    let (json, mime): (Vec<_>, Vec<_>) = all.iter().partition(|m| m.1.ends_with(".json"));
    assert!(json.len() >= 3 && mime.len() > 100, "{} and {}", json.len(), mime.len());
    for (id, path, bytes) in &json {
        let message: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let full = t.tenant().message(&upn, id).unwrap();
        assert_eq!(message["id"], id.as_str(), "{path}");
        assert_eq!(message["subject"], full.view.subject.as_str());
        let attachments = message["attachments"].as_array().unwrap();
        assert_eq!(attachments.len(), full.content.attachments.len());
        let has_bytes =
            |a: &serde_json::Value| a["contentBytes"].is_string() || a["holdfastMime"].is_string();
        assert!(attachments.iter().all(has_bytes), "{path}");
    }
    t.tenant().faults().clear();
    assert!(t.backup().await.counts.is_idle(), "the delta state was kept");
    let mut request = t.restore_of(&upn);
    request.to = Some("empty@contoso.example".to_owned());
    let report = t.restore(request).await;
    assert_eq!((report.outcome, report.items_failed), (Outcome::Complete, 0), "{report:#?}");
    assert_eq!(report.items_restored, all.len() as u64);
    let same = |upn: &str| {
        let mut view = mailbox_view(t.tenant(), upn);
        view.retain(|m| m.threading[0] == ordinary.internet_message_id);
        view
    };
    assert_eq!(same(&upn).len(), 1);
    assert_eq!(same(&upn), same("empty@contoso.example"), "also what was kept as JSON");
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_an_empty_answer_is_no_message() {
    let (t, upn) = one_mailbox().await;
    let messages = inbox(&t, &upn);
    let path = |id: &str| format!("messages/{id}/$value");
    inject(&t, Fault::once(FaultKind::EmptyMime, &path(&messages[0].id)));
    inject(&t, Fault::always(FaultKind::EmptyMime, &path(&messages[1].id)));
    let report = t.backup().await;
    assert_complete(&report);
    let stored = stored(&t, &upn).await;
    assert_eq!(stored.len(), live(&t, &upn).len());
    let of = |id: &str| stored.iter().find(|m| m.0 == id).unwrap();
    let mime = t.tenant().mime(&upn, &messages[0].id).unwrap();
    assert!(of(&messages[0].id).2 == *mime, "asked again, it came");
    let json: serde_json::Value = serde_json::from_slice(&of(&messages[1].id).2).unwrap();
    assert_eq!(json["subject"], messages[1].subject.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_an_unreadable_attachment_costs_no_more_than_itself() {
    let mime = "From: a@contoso.example\r\nSubject: two\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
        Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\n\
        first\r\n--b\r\nContent-Type: application/pdf; name=b.pdf\r\n\
        Content-Disposition: attachment\r\n\r\nsecond\r\n--b--\r\n";
    for (kind, path, whole) in [
        (FaultKind::CannotOpenAttachment, "/attachments/", 1),
        (FaultKind::InvalidAttachmentId, "/attachments?", 0),
    ] {
        let (t, upn) = one_mailbox().await;
        let id = t.tenant().deliver(&upn, &folder(&t, &upn, "Inbox"), mime.as_bytes()).unwrap();
        inject(&t, Fault::always(FaultKind::MimeConversionFailed, &format!("{id}/$value")));
        // The first attachment only: an error that Graph calls a 500 is repeated before it counts.
        let times = if whole == 1 { 8 } else { usize::MAX };
        inject(&t, Fault::once(kind.clone(), &format!("messages/{id}{path}")).times(times));
        let report = t.backup().await;
        assert_complete(&report);
        let message = stored(&t, &upn).await.into_iter().find(|m| m.0 == id).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&message.2).unwrap();
        assert_eq!(json["subject"], "two");
        let attachments = json["attachments"].as_array().unwrap();
        let lost = attachments.iter().filter(|a| a["holdfastError"].is_string()).count();
        let kept = attachments.iter().filter(|a| a["contentBytes"].is_string()).count();
        assert_eq!((lost, kept), (1, whole), "{kind:?}: {attachments:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_an_attachment_that_fails_for_a_while_is_not_given_up() {
    let mime = "From: a@contoso.example\r\nSubject: one\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
        Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\n\
        first\r\n--b--\r\n";
    let (t, upn) = one_mailbox().await;
    let id = t.tenant().deliver(&upn, &folder(&t, &upn, "Inbox"), mime.as_bytes()).unwrap();
    inject(&t, Fault::always(FaultKind::MimeConversionFailed, &format!("{id}/$value")));
    inject(&t, Fault::once(FaultKind::ServerError(503), "/attachments/").times(8));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Partial, 1), "{report:#?}");
    let report = t.backup().await;
    assert_complete(&report);
    let message = stored(&t, &upn).await.into_iter().find(|m| m.0 == id).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&message.2).unwrap();
    assert!(json["attachments"][0]["contentBytes"].is_string(), "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_mailbox_without_licence_is_skipped_and_stays_readable() {
    let t = TestContext::new(Options { users: 3, mails: MAILS, ..Options::default() }).await;
    let people = t.people();
    t.backup().await;
    let before = stored(&t, &people[0]).await;
    t.tenant().mailbox_disable(&people[0], true).unwrap();
    t.tenant().mailbox_disable(&people[1], true).unwrap();
    let target = folder(&t, &people[2], "Inbox");
    t.tenant().deliver(&people[2], &target, &mail("new")).unwrap();
    let report = t.backup().await;
    assert_complete(&report);
    let causes: Vec<_> = report.resources.iter().map(|r| r.cause.as_deref()).collect();
    assert_eq!(causes.iter().filter(|c| **c == Some("no_mailbox")).count(), 2, "{causes:?}");
    assert_eq!(report.counts.items_new, 1);
    assert!(stored(&t, &people[0]).await == before, "the last state stays readable");
    assert_equal_to_live(&t, &people[2]).await;
    t.tenant().mailbox_disable(&people[0], false).unwrap();
    t.tenant().mailbox_disable(&people[1], false).unwrap();
    t.tenant().deliver(&people[0], &folder(&t, &people[0], "Inbox"), &mail("back")).unwrap();
    assert_eq!(t.backup().await.counts.items_new, 1);
    assert_healthy(&t, &people[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_licence_that_ends_while_bodies_are_read_loses_no_message() {
    let (t, upn) = one_mailbox().await;
    inject(&t, Fault::once(FaultKind::MailboxNotEnabled, "/$value").after(2).times(3));
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_failed), (Outcome::Partial, 3), "{report:#?}");
    assert_complete(&t.backup().await);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_a_full_mailbox_is_reported_and_the_others_go_on() {
    let t = TestContext::new(Options { users: 2, mails: MAILS, ..Options::default() }).await;
    let people = t.people();
    t.backup().await;
    let before = stored(&t, &people[0]).await;
    inject(&t, Fault::always(FaultKind::QuotaExceeded, "/messages").user(&people[0]));
    t.tenant().deliver(&people[1], &folder(&t, &people[1], "Inbox"), &mail("new")).unwrap();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    let full = report.resources.iter().find(|r| r.name == people[0]).unwrap();
    assert_eq!(full.outcome, Outcome::Failed);
    assert_eq!(full.cause.as_deref(), Some("ErrorQuotaExceeded"));
    assert_eq!(report.counts.items_new, 1);
    assert!(stored(&t, &people[0]).await == before);
    t.tenant().faults().clear();
    assert_complete(&t.backup().await);
    assert_healthy(&t, &people[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_token_that_ends_early_is_renewed_once() {
    let calm = calm_requests().await;
    let (t, upn) = one_mailbox().await;
    inject(&t, Fault::once(FaultKind::TokenExpired, "messages/delta").after(2));
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.requests, calm + 1);
    assert_eq!(t.tenant().stats().tokens, 2);
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
    // A refusal that stays is not asked for ever.
    inject(&t, Fault::always(FaultKind::TokenExpired, "messages/delta"));
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Failed, "{report:#?}");
    assert_eq!(report.resources[0].cause.as_deref(), Some("InvalidAuthenticationToken"));
    assert!(report.requests <= 5, "{} requests", report.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_a_folder_that_exists_is_used() {
    let (t, upn) = one_mailbox().await;
    let inbox_id = folder(&t, &upn, "Inbox");
    let project = t.tenant().folder_create(&upn, None, "Project").unwrap();
    for message in inbox(&t, &upn).into_iter().take(3) {
        t.tenant().message_move(&upn, &message.id, &project).unwrap();
    }
    t.backup().await;
    let before = mailbox_view(t.tenant(), &upn);
    t.tenant().folder_delete(&upn, &project, true).unwrap();
    // The folder is made, the answer is lost, and the repetition finds it.
    inject(&t, Fault::once(FaultKind::AnswerLost, "/mailFolders").method("POST"));
    let mut request = t.restore_of(&upn);
    request.path = Some("Project".to_owned());
    let report = t.restore(request).await;
    assert_eq!((report.items_restored, report.items_failed), (3, 0), "{report:#?}");
    assert_eq!(mailbox_view(t.tenant(), &upn), before);
    let folders = t.tenant().folders(&upn).unwrap();
    assert_eq!(folders.iter().filter(|f| f.path == ["Project"]).count(), 1);
    // Exchange compares without case.
    let row = tenant::find(&t.home, TENANT).await.unwrap();
    let graph = tenant::graph(&t.home, &row, Purpose::Restore).unwrap();
    let id = t.tenant().users()[0].id.clone();
    let writer = MailWriter::new(&graph, &id);
    let found = writer.make_folder(None, "PROJECT").await.unwrap();
    assert_eq!(found.as_str(), folder(&t, &upn, "Project"));
    let parent = inbox_id.as_str().into();
    let made = writer.make_folder(Some(&parent), "Below").await.unwrap();
    assert_eq!(writer.make_folder(Some(&parent), "below").await.unwrap(), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_beyond_all_retries_is_fetched_by_the_next_run() {
    let (t, upn) = one_mailbox().await;
    let ids: Vec<String> = inbox(&t, &upn).into_iter().map(|m| m.id).take(3).collect();
    for id in &ids {
        inject(&t, Fault::always(FaultKind::ServerError(503), &format!("{id}/$value")));
    }
    for round in 0..2 {
        let report = t.backup().await;
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        assert_eq!(report.counts.items_failed, 3);
        let problems = &report.resources[0].problems;
        assert!(problems.iter().all(|p| !p.skipped && p.cause == "ServiceUnavailable"));
        let mut named: Vec<&String> = problems.iter().map(|p| &p.item).collect();
        named.sort();
        let mut failing: Vec<&String> = ids.iter().collect();
        failing.sort();
        assert_eq!(named, failing);
        assert_eq!(stored(&t, &upn).await.len(), live(&t, &upn).len() - 3, "round {round}");
        assert!(t.home.catalog.resource_list(None).await.unwrap()[0].restore_point.is_some());
    }
    // Meanwhile one of them moves and one is deleted.
    t.tenant().message_move(&upn, &ids[0], &folder(&t, &upn, "Drafts")).unwrap();
    t.tenant().message_delete(&upn, &ids[1], true).unwrap();
    t.tenant().faults().clear();
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new, 2, "{report:#?}");
    let moved = stored(&t, &upn).await.into_iter().find(|m| m.0 == ids[0]).unwrap();
    assert!(moved.1.starts_with("Drafts/"), "{}", moved.1);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_left_leaves_the_last_state_behind() {
    let t = TestContext::new(Options { users: 2, mails: MAILS, ..Options::default() }).await;
    let people = t.people();
    t.backup().await;
    let before = stored(&t, &people[0]).await;
    t.tenant().user_remove(&people[0]).unwrap();
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.resources.len(), 1, "nobody asks for the mailbox");
    assert_eq!(report.counts.items_deleted, 0);
    let rows = t.home.catalog.resource_list(None).await.unwrap();
    let gone = rows.iter().find(|row| row.name == people[0]).unwrap();
    assert_eq!(gone.status, holdfast_catalog::ResourceStatus::Gone);
    t.advance(Duration::from_secs(40 * 24 * 3600));
    assert_complete(&t.backup().await);
    assert!(stored(&t, &people[0]).await == before);
    assert_equal_to_live(&t, &people[1]).await;
}
