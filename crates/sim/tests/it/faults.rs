//! The faults of the real service, each in the form in which it was seen.

use holdfast_sim::{Fault, FaultKind, PlainBody, RetryAfter, SimConfig};
use serde_json::json;

use crate::session::{Answer, Session, config};

/// Asks without checking against the contract, for answers that follow none.
async fn raw(session: &Session, path: &str) -> (u16, String, Vec<u8>) {
    let response = session.request("GET", path).send().await.unwrap();
    let status = response.status().as_u16();
    let kind =
        response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    (status, kind.unwrap_or_default(), response.bytes().await.unwrap_or_default().to_vec())
}

fn inject(session: &Session, kind: FaultKind, path: &str) {
    session.sim.tenant().faults().inject(Fault::once(kind, path));
}

async fn struck(session: &Session, kind: FaultKind, path: &str) -> Answer {
    inject(session, kind, path);
    session.get(path).await
}

#[tokio::test]
async fn refusals_come_once_with_their_codes() {
    let session = Session::start().await;
    let user = session.user();
    let inbox = format!("{user}/mailFolders/inbox");
    let delta = format!("{inbox}/messages/delta");
    let first = session.get(&format!("{inbox}/messages")).await.expect(200);
    let message = format!("{user}/messages/{}", first.values()[0]["id"].as_str().unwrap());
    let mime = format!("{message}/$value");
    let attachments = format!("{message}/attachments");
    for (kind, path, status, code) in [
        (FaultKind::MailboxConcurrency, &inbox, 429, "ApplicationThrottled"),
        (FaultKind::BadGateway, &delta, 502, "BadGateway"),
        (FaultKind::ServerError(503), &delta, 503, "ServiceUnavailable"),
        (FaultKind::ServerError(500), &delta, 500, "InternalServerError"),
        (FaultKind::SyncStateGone("SyncStateInvalid".to_owned()), &delta, 410, "SyncStateInvalid"),
        (FaultKind::DeltaNotFound, &delta, 404, "itemNotFound"),
        (FaultKind::ItemGone, &message, 404, "ErrorItemNotFound"),
        (FaultKind::CorruptData, &message, 500, "ErrorCorruptData"),
        (FaultKind::MimeConversionFailed, &mime, 500, "ErrorMimeContentConversionFailed"),
        (FaultKind::InvalidRecipients, &message, 400, "ErrorInvalidRecipients"),
        (FaultKind::CannotOpenAttachment, &attachments, 500, "ErrorCannotOpenFileAttachment"),
        (FaultKind::InvalidAttachmentId, &attachments, 400, "ErrorInvalidAttachmentId"),
        (FaultKind::MailboxNotEnabled, &inbox, 404, "MailboxNotEnabledForRESTAPI"),
        (FaultKind::QuotaExceeded, &inbox, 403, "ErrorQuotaExceeded"),
        (FaultKind::TokenExpired, &inbox, 401, "InvalidAuthenticationToken"),
    ] {
        let answer = struck(&session, kind.clone(), path).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{kind:?}");
        session.get(path).await.expect(200);
    }
    session.sim.tenant().faults().inject(Fault::once(FaultKind::FolderExists, "mailFolders"));
    let body = json!({"displayName": "new"});
    let exists = session.post(&format!("{user}/mailFolders"), &body).await.expect(409);
    assert_eq!(exists.code(), "ErrorFolderExists");
    session.post(&format!("{user}/mailFolders"), &body).await.expect(201);
}

#[tokio::test]
async fn retry_after_comes_in_every_form() {
    let session = Session::start().await;
    let inbox = format!("{}/mailFolders/inbox", session.user());
    for (retry_after, header) in [
        (RetryAfter::Seconds(17), "17"),
        (RetryAfter::Missing, ""),
        (RetryAfter::Date(60), "Mon, 02 Nov 2026 08:01:00 GMT"),
        (RetryAfter::Nonsense, "soon"),
    ] {
        let answer = struck(&session, FaultKind::Throttle(retry_after), &inbox).await.expect(429);
        assert_eq!(answer.header("retry-after"), header);
    }
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let session = Session::start().await;
    let inbox = format!("{}/mailFolders/inbox", session.user());
    inject(&session, FaultKind::Unavailable(PlainBody::Empty), &inbox);
    assert_eq!(raw(&session, &inbox).await, (503, String::new(), Vec::new()));
    inject(&session, FaultKind::Unavailable(PlainBody::Html), &inbox);
    let (status, kind, body) = raw(&session, &inbox).await;
    assert_eq!((status, kind.as_str()), (503, "text/html"));
    assert!(body.starts_with(b"<!DOCTYPE html>"));
    let list = format!("{inbox}/messages");
    inject(&session, FaultKind::BrokenBody, &list);
    let response = session.request("GET", &list).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap_err();
    let message = session.get(&list).await.expect(200).values()[0]["id"].clone();
    let mime = format!("{}/messages/{}/$value", session.user(), message.as_str().unwrap());
    inject(&session, FaultKind::EmptyMime, &mime);
    assert_eq!(session.get(&mime).await.expect(200).bytes, b"");
}

#[tokio::test]
async fn an_answer_that_is_lost_was_carried_out() {
    let session = Session::start().await;
    let user = session.user();
    let folder = format!("{user}/mailFolders/drafts");
    let before = session.get(&folder).await.expect(200).json["totalItemCount"].as_u64().unwrap();
    inject(&session, FaultKind::AnswerLost, "/messages");
    let request =
        session.request("POST", &format!("{user}/messages")).json(&json!({"subject": "x"}));
    let lost = match request.send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(lost);
    let after = session.get(&folder).await.expect(200).json["totalItemCount"].as_u64().unwrap();
    assert_eq!(after, before + 1);
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.values().iter().map(|value| value["id"].as_str().unwrap().to_owned()).collect()
}

async fn page_of_four(session: &Session, path: String) -> Answer {
    let mut request = session.request("GET", &path).build().unwrap();
    request.headers_mut().insert("prefer", "odata.maxpagesize=4".parse().unwrap());
    let request = reqwest::RequestBuilder::from_parts(session.http.clone(), request);
    session.send(request).await.expect(200)
}

#[tokio::test]
async fn pages_that_repeat_are_empty_or_too_large() {
    let session = Session::start().await;
    let delta = format!("{}/mailFolders/inbox/messages/delta", session.user());
    let page = |path: String| page_of_four(&session, path);
    let normal = page(delta.clone()).await;
    let next = normal.text("@odata.nextLink").to_owned();
    assert_eq!(normal.values().len(), 4);

    inject(&session, FaultKind::EmptyPage, "delta");
    let empty = page(delta.clone()).await;
    assert_eq!(empty.values().len(), 0);
    assert_eq!(ids(&page(empty.text("@odata.nextLink").to_owned()).await), ids(&normal));

    inject(&session, FaultKind::RepeatPage, "delta");
    let repeated = page(delta.clone()).await;
    assert_eq!(ids(&page(repeated.text("@odata.nextLink").to_owned()).await), ids(&normal));

    inject(&session, FaultKind::OversizedPage, "delta");
    let large = page(delta.clone()).await;
    assert!(large.values().len() > 4, "{}", large.values().len());
    let following = ids(&page(large.text("@odata.nextLink").to_owned()).await);
    assert_eq!(following, ids(&page(next.clone()).await), "the surplus comes again");
    assert!(ids(&large)[4..].iter().all(|id| following.contains(id)));

    inject(&session, FaultKind::DuplicateItems, "delta");
    let double = page(delta.clone()).await;
    assert_eq!(double.values().len(), 8);
    let last: std::collections::BTreeMap<_, _> = double
        .values()
        .iter()
        .map(|value| (value["id"].clone().to_string(), value.clone()))
        .collect();
    let truth: std::collections::BTreeMap<_, _> = normal
        .values()
        .iter()
        .map(|value| (value["id"].clone().to_string(), value.clone()))
        .collect();
    assert_eq!(last, truth, "the last one of each counts");

    inject(&session, FaultKind::TopEndsRound, "delta");
    let short = page(format!("{delta}?$top=2")).await;
    assert_eq!(short.values().len(), 2);
    assert!(short.json.get("@odata.deltaLink").is_some());

    inject(&session, FaultKind::ResyncLocationFails, "delta");
    let gone = session.get(&next).await.expect(410);
    let location = gone.header("location").to_owned();
    inject(&session, FaultKind::ResyncLocationFails, "delta");
    session.get(&location).await.expect(500);
}

#[tokio::test]
async fn one_damaged_message_takes_its_page_with_it() {
    let session = Session::start().await;
    let user = session.user();
    let list = format!("{user}/mailFolders/inbox/messages");
    let all = ids(&session.get(&format!("{list}?$top=8")).await.expect(200));
    let kind = FaultKind::CorruptItem(all[5].clone());
    session.sim.tenant().faults().inject(Fault::always(kind, ""));
    session.get(&format!("{list}?$top=8")).await.expect(500);
    session.get(&format!("{list}?$top=5")).await.expect(200);
    session.get(&format!("{list}?$top=1&$skip=5")).await.expect(500);
    session.get(&format!("{list}?$top=2&$skip=6")).await.expect(200);
    let alone = session.get(&format!("{user}/messages/{}", all[5])).await.expect(500);
    assert_eq!(alone.code(), "ErrorContentConversionFailed");
}

#[tokio::test]
async fn signed_mail_and_reports_have_no_mime_when_the_fault_is_on() {
    let session = Session::with(SimConfig { mails_per_user: 200, ..config() }).await;
    let tenant = session.sim.tenant();
    let user = tenant.users()[0].id.clone();
    let kind = FaultKind::MimeConversionFailedByClass;
    tenant.faults().inject(Fault::always(kind, "$value"));
    let folders = tenant.folders(&user).unwrap();
    let messages: Vec<_> =
        folders.iter().flat_map(|folder| tenant.messages(&user, &folder.id).unwrap()).collect();
    let (mut failed, mut passed) = (0, 0);
    for message in messages {
        let answer = session.get(&format!("users/{user}/messages/{}/$value", message.id)).await;
        let is_hit =
            message.class.starts_with("IPM.Note.SMIME") || message.class.starts_with("REPORT.");
        assert_eq!(answer.status, if is_hit { 500 } else { 200 }, "{}", message.class);
        if is_hit { failed += 1 } else { passed += 1 }
    }
    assert!(failed >= 3 && passed > 100, "{failed} failed, {passed} passed");
}

#[tokio::test]
async fn a_mailbox_without_licence_is_out_of_reach() {
    let session = Session::start().await;
    let user = session.user();
    session.sim.tenant().mailbox_disable(user.trim_start_matches("users/"), true).unwrap();
    let answer = session.get(&format!("{user}/mailFolders")).await.expect(404);
    assert_eq!(answer.code(), "MailboxNotEnabledForRESTAPI");
    session.get(&user).await.expect(200);
    session.sim.tenant().mailbox_disable(user.trim_start_matches("users/"), false).unwrap();
    session.get(&format!("{user}/mailFolders")).await.expect(200);
}
