//! The service's known faults, end to end (numbers: graph reference, section 9), pages and requests
//! first: the backup completes or says what it lacks, nothing is lost or doubled, and the next run heals.

use std::collections::BTreeMap;

use holdfast_engine::backup::{BackupReport, ResourceReport};
use holdfast_engine::browse::{At, Found, locate};
use holdfast_model::{Outcome, SkipCause};
use holdfast_testkit::sim::{Fault, FaultKind, MessageView, PlainBody, RetryAfter};
use holdfast_testkit::{Options, TestContext};

use super::backup::{assert_equal_to_live, live, stored};

pub const MAILS: usize = 12;

/// A mailbox with some mail, six messages of it in the Inbox at least.
pub async fn one_mailbox() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails: MAILS, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let inbox = folder(&t, &upn, "Inbox");
    for number in 0..6 {
        t.tenant().deliver(&upn, &inbox, &mail(&format!("number {number}"))).unwrap();
    }
    (t, upn)
}

pub fn folder(t: &TestContext, upn: &str, name: &str) -> String {
    t.tenant().folder_by_path(upn, &[name]).unwrap()
}

pub fn inbox(t: &TestContext, upn: &str) -> Vec<MessageView> {
    t.tenant().messages(upn, &folder(t, upn, "Inbox")).unwrap()
}

pub fn mail(subject: &str) -> Vec<u8> {
    let head = "From: a@contoso.example\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n";
    let id = subject.replace(' ', ".");
    format!(
        "{head}Message-ID: <{id}@contoso.example>\r\nSubject: {subject}\r\n\r\nabout {subject}\r\n"
    )
    .into_bytes()
}

pub fn inject(t: &TestContext, fault: Fault) {
    t.tenant().faults().inject(fault);
}

/// Strikes every message delta of a folder: the first request and the links have different forms.
pub fn on_folder(t: &TestContext, kind: &FaultKind, folder: &str) {
    inject(t, Fault::always(kind.clone(), &format!("mailFolders/{folder}/messages/delta")));
    inject(t, Fault::always(kind.clone(), &format!("mailFolders('{folder}')/messages/delta")));
}

pub fn skips(report: &BackupReport) -> Vec<(String, String)> {
    let of = |r: &ResourceReport| {
        let skipped = r.problems.iter().filter(|p| p.skipped);
        skipped.map(|p| (p.item.clone(), p.cause.clone())).collect::<Vec<_>>()
    };
    report.resources.iter().flat_map(of).collect()
}

pub fn skipped(id: &str, cause: SkipCause) -> Vec<(String, String)> {
    vec![(id.to_owned(), cause.to_string())]
}

pub fn assert_complete(report: &BackupReport) {
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert_eq!(report.counts.items_failed, 0, "{report:#?}");
}

/// Everything is stored, once, and the next run finds nothing to do.
pub async fn assert_healthy(t: &TestContext, upn: &str) {
    assert_equal_to_live(t, upn).await;
    let idle = t.backup().await;
    assert_complete(&idle);
    assert!(idle.counts.is_idle() && idle.snapshots.is_empty(), "{idle:#?}");
    assert_eq!(idle.counts.items_skipped, 0);
}

/// Requests of a first backup of a mailbox when nothing goes wrong.
pub async fn calm_requests() -> u64 {
    let (t, _) = one_mailbox().await;
    t.backup().await.requests
}

/// Backs up a new mailbox while a fault strikes; each strike may cost one more request and no
/// more.
pub async fn survives(calm: u64, faults: &[Fault]) -> BackupReport {
    let (t, upn) = one_mailbox().await;
    let kind = &faults[0].kind;
    faults.iter().for_each(|fault| inject(&t, fault.clone()));
    let report = t.backup().await;
    assert_complete(&report);
    let struck = t.tenant().faults().struck();
    assert!(struck > 2, "{kind:?} never struck");
    assert_eq!(report.requests, calm + struck, "{kind:?}");
    assert_eq!(report.counts.items_new, live(&t, &upn).len() as u64, "{kind:?}");
    assert!(t.tenant().stats().mailbox_concurrency_peak <= 4);
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_throttling_is_waited_out_in_every_form() {
    let calm = calm_requests().await;
    for (retry_after, least) in [
        (RetryAfter::Seconds(17), 17_000),
        (RetryAfter::Date(60), 50_000),
        (RetryAfter::Missing, 1_000),
        (RetryAfter::Nonsense, 1_000),
    ] {
        let fault = Fault::once(FaultKind::Throttle(retry_after), "/messages").times(3);
        let report = survives(calm, &[fault]).await;
        assert!(report.waited_ms >= least, "{retry_after:?}: {} ms", report.waited_ms);
    }
    // "Always 1": the pauses grow beyond what the service asks for.
    let delta = Fault::once(FaultKind::Throttle(RetryAfter::Seconds(1)), "messages/delta");
    let report = survives(calm, &[delta.times(12)]).await;
    assert!(report.waited_ms >= 12_000, "{} ms", report.waited_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_to_f05_stumbles_of_the_service_are_repeated() {
    let calm = calm_requests().await;
    for kind in [
        FaultKind::MailboxConcurrency,
        FaultKind::Unavailable(PlainBody::Empty),
        FaultKind::Unavailable(PlainBody::Html),
        FaultKind::BadGateway,
        FaultKind::ServerError(500),
        FaultKind::ServerError(503),
        FaultKind::BrokenBody,
    ] {
        let list = Fault::once(kind.clone(), "messages/delta").times(4);
        survives(calm, &[list, Fault::once(kind, "/$value").after(3).times(3)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_an_enumeration_goes_on_where_it_stumbled() {
    let (t, upn) = one_mailbox().await;
    // An empty first page makes a second one, which is what a next link leads to.
    inject(&t, Fault::always(FaultKind::EmptyPage, "messages/delta?$select"));
    inject(&t, Fault::once(FaultKind::ServerError(503), "$skiptoken").times(4));
    let report = t.backup().await;
    assert_complete(&report);
    let first = t.tenant().stats();
    let folders = t.tenant().folders(&upn).unwrap().len() as u64;
    let route = "GET /users/{id}/mailFolders/{id}/messages/delta";
    assert_eq!(first.of(route), 2 * folders + 4, "{first:#?}");
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_a_page_that_repeats_for_ever_stops_one_folder_only() {
    let (t, upn) = one_mailbox().await;
    let id = folder(&t, &upn, "Inbox");
    on_folder(&t, &FaultKind::RepeatPage, &id);
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(report.resources[0].cause.as_deref(), Some("loop"));
    let (stored, live) = (stored(&t, &upn).await.len(), live(&t, &upn).len());
    assert_eq!(stored, live, "what the page showed is stored, and so are the other folders");
    let calm = calm_requests().await;
    assert!(report.requests <= calm + 3, "{} requests instead of {calm}", report.requests);
    t.tenant().faults().clear();
    let healed = t.backup().await;
    assert_complete(&healed);
    assert_eq!(healed.counts.items_new, 0);
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_and_f07_pages_that_come_twice_or_empty_are_read_on() {
    for kind in [FaultKind::RepeatPage, FaultKind::EmptyPage] {
        let (t, upn) = one_mailbox().await;
        inject(&t, Fault::once(kind, "messages/delta").after(1));
        let report = t.backup().await;
        assert_complete(&report);
        assert_eq!(report.counts.items_new, live(&t, &upn).len() as u64);
        t.tenant().faults().clear();
        assert_healthy(&t, &upn).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_a_page_larger_than_asked_doubles_nothing() {
    let (t, upn) = one_mailbox().await;
    let many = t.tenant().folder_create(&upn, None, "Many").unwrap();
    for number in 0..520 {
        t.tenant().deliver(&upn, &many, &mail(&format!("number {number}"))).unwrap();
    }
    inject(&t, Fault::always(FaultKind::OversizedPage, "messages/delta"));
    let report = t.backup().await;
    assert_complete(&report);
    let held = live(&t, &upn).len() as u64;
    assert_eq!((report.counts.items_new, report.counts.items_changed), (held, 0));
    let bodies = t.tenant().stats().of("GET /users/{id}/messages/{id}/$value");
    assert_eq!(bodies, held, "each body is fetched once");
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
}

/// Read state and categories of all stored messages.
pub async fn states(t: &TestContext, upn: &str) -> BTreeMap<String, (bool, Vec<String>)> {
    let located = locate(&t.home, None, upn, &At::Latest).await.unwrap();
    let found = tokio::task::block_in_place(|| located.items("")).unwrap();
    let state = |f: Found| {
        let meta = f.message().unwrap().clone();
        (meta.id, (meta.read, meta.cat))
    };
    found.into_iter().map(state).collect()
}

pub fn live_states(t: &TestContext, upn: &str) -> BTreeMap<String, (bool, Vec<String>)> {
    let folders = t.tenant().folders(upn).unwrap();
    let messages = folders.iter().flat_map(|f| t.tenant().messages(upn, &f.id).unwrap());
    messages.map(|m| (m.id, (m.is_read, m.categories))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_of_an_item_listed_twice_the_last_counts() {
    let (t, upn) = one_mailbox().await;
    inject(&t, Fault::always(FaultKind::DuplicateItems, "/delta"));
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new, live(&t, &upn).len() as u64);
    assert_eq!(states(&t, &upn).await, live_states(&t, &upn));
    let id = inbox(&t, &upn)[0].id.clone();
    let change = |m: &mut holdfast_testkit::sim::Edit| {
        (m.is_read, m.categories) = (true, vec!["Blue".to_owned()]);
    };
    t.tenant().message_update(&upn, &id, change).unwrap();
    let report = t.backup().await;
    assert_eq!((report.counts.items_new, report.counts.items_changed), (0, 1), "{report:#?}");
    assert_eq!(states(&t, &upn).await, live_states(&t, &upn));
    t.tenant().faults().clear();
    assert_healthy(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_to_f13_a_lost_link_starts_a_whole_comparison() {
    for kind in [
        FaultKind::SyncStateGone("SyncStateNotFound".to_owned()),
        FaultKind::SyncStateGone("SyncStateInvalid".to_owned()),
        FaultKind::SyncStateGone("ResyncRequired".to_owned()),
        FaultKind::ResyncLocationFails,
        FaultKind::DeltaNotFound,
    ] {
        let (t, upn) = one_mailbox().await;
        t.backup().await;
        let target = folder(&t, &upn, "Inbox");
        let ids: Vec<String> = inbox(&t, &upn).into_iter().map(|m| m.id).collect();
        t.tenant().message_delete(&upn, &ids[0], true).unwrap();
        t.tenant().message_update(&upn, &ids[1], |m| m.is_read = !m.is_read).unwrap();
        t.tenant().deliver(&upn, &target, &mail("new")).unwrap();
        inject(&t, Fault::always(kind.clone(), "$deltatoken"));
        let report = t.backup().await;
        assert_complete(&report);
        let counts = report.counts;
        let found = (counts.items_new, counts.items_changed, counts.items_deleted);
        assert_eq!(found, (1, 1, 1), "{kind:?}: {report:#?}");
        let folders = t.tenant().folders(&upn).unwrap().len() as u64;
        // Users and sites; each delta twice; the well-known names; one body; where the missing message is.
        assert!(report.requests <= 2 + 2 * (folders + 1) + 8 + 1 + 1, "{}", report.requests);
        t.tenant().faults().clear();
        assert_healthy(&t, &upn).await;
    }
}
