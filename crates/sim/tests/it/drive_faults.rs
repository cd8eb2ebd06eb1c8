//! The faults of drives, each in the form in which it was seen.

use holdfast_sim::{Fault, FaultKind, FileBytes, Resync, RetryAfter};
use serde_json::json;

use crate::drives::{onedrive, session, text};
use crate::session::Session;

fn inject(session: &Session, fault: Fault) {
    session.sim.tenant().faults().inject(fault);
}

#[tokio::test]
async fn refusals_come_once_with_their_codes() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let file = session.sim.tenant().file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let item = format!("{path}/items/{file}");
    let content = format!("{item}/content");
    let delta = format!("{path}/root/delta");
    let form = FaultKind::Resync;
    for (kind, path, status, code, inner) in [
        (FaultKind::MalwareDetected, &content, 403, "malwareDetected", ""),
        (FaultKind::NotebookFails(503), &content, 503, "serviceNotAvailable", ""),
        (FaultKind::NotebookFails(404), &content, 404, "itemNotFound", ""),
        (FaultKind::ItemGone, &item, 404, "itemNotFound", ""),
        (FaultKind::ResourceLocked, &content, 423, "resourceLocked", ""),
        (FaultKind::NotAllowed, &item, 403, "notAllowed", ""),
        (FaultKind::BadGateway, &delta, 502, "BadGateway", ""),
        (FaultKind::ServerError(503), &delta, 503, "ServiceUnavailable", ""),
        (FaultKind::DeltaNotFound, &delta, 404, "itemNotFound", ""),
        (
            form(Resync::ApplyDifferences),
            &delta,
            410,
            "resyncRequired",
            "resyncChangesApplyDifferences",
        ),
        (
            form(Resync::UploadDifferences),
            &delta,
            410,
            "resyncRequired",
            "resyncChangesUploadDifferences",
        ),
        (FaultKind::TokenExpired, &delta, 401, "InvalidAuthenticationToken", ""),
    ] {
        inject(&session, Fault::once(kind.clone(), path));
        let answer = session.get(path).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{kind:?}");
        let found = &answer.json["error"]["innerError"]["code"];
        assert_eq!(found.as_str().unwrap_or(""), inner, "{kind:?}");
        assert!(session.get(path).await.status < 400, "{kind:?} came again");
    }
    let put = format!("{path}/root:/b:/content");
    inject(&session, Fault::once(FaultKind::QuotaReached, "root:/b"));
    session.put(&put, vec![1]).await.expect(507);
    let body = json!({"type": "view", "scope": "organization"});
    inject(&session, Fault::once(FaultKind::SharingDisabled, "createLink"));
    let refused = session.post(&format!("{item}/createLink"), &body).await.expect(403);
    assert_eq!(refused.json["error"]["innerError"]["code"], "sharingDisabled");
}

#[tokio::test]
async fn a_resync_leads_to_a_place_to_begin_again() {
    let session = session().await;
    let (_, path) = onedrive(&session);
    let first = session.get(&format!("{path}/root/delta")).await.expect(200);
    let link = first.text("@odata.deltaLink").to_owned();
    inject(&session, Fault::once(FaultKind::Resync(Resync::UploadDifferences), "/delta"));
    let gone = session.get(&link).await.expect(410);
    let location = gone.header("location").to_owned();
    assert_eq!(session.get(&location).await.expect(200).values().len(), 1);
    inject(&session, Fault::once(FaultKind::ResyncLocationFails, "/delta").times(2));
    let gone = session.get(&link).await.expect(410);
    assert_eq!(gone.code(), "resyncRequired");
    session.get(gone.header("location")).await.expect(500);
    session.get(&format!("{path}/root/delta")).await.expect(200);
}

#[tokio::test]
async fn pages_of_a_drive_misbehave_as_those_of_mail() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    for number in 0..9 {
        tenant.file_add(&drive.id, &drive.root, &format!("{number}"), text("x")).unwrap();
    }
    let delta = format!("{path}/root/delta?$top=4");
    let page = async |link: &str| {
        let page = session.get(link).await.expect(200);
        let ids: Vec<String> =
            page.values().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        (ids, page.text("@odata.nextLink").to_owned())
    };
    let (normal, _) = page(&delta).await;
    inject(&session, Fault::once(FaultKind::EmptyPage, "delta"));
    let (empty, next) = page(&delta).await;
    assert_eq!((empty.len(), page(&next).await.0), (0, normal.clone()));
    inject(&session, Fault::once(FaultKind::RepeatPage, "delta"));
    let (_, next) = page(&delta).await;
    assert_eq!(page(&next).await.0, normal);
    inject(&session, Fault::once(FaultKind::OversizedPage, "delta"));
    let (large, next) = page(&delta).await;
    assert_eq!(large.len(), 7);
    assert_eq!(page(&next).await.0[..3], large[4..], "the surplus comes again");
    inject(&session, Fault::once(FaultKind::DuplicateItems, "delta"));
    assert_eq!(page(&delta).await.0.len(), 8);
}

#[tokio::test]
async fn downloads_fail_in_their_ways() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("content")).unwrap();
    let item = format!("{path}/items/{file}");
    let content = format!("{item}/content");
    inject(&session, Fault::once(FaultKind::DownloadExpired, &file).times(2));
    session.download(&content).await.expect(401);
    // The address of a list fails like one of its own.
    let shown = session.get(&item).await.expect(200);
    let url = shown.text("@microsoft.graph.downloadUrl").to_owned();
    session.send(session.http.get(&url)).await.expect(401);
    assert_eq!(session.send(session.http.get(&url)).await.expect(200).bytes, b"content");

    inject(&session, Fault::once(FaultKind::DownloadUnauthorisedWithBytes, &file));
    let response = session.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.bytes().await.unwrap(), b"content".as_slice());

    inject(&session, Fault::once(FaultKind::MalwareBody, &file));
    let page = session.download(&content).await.expect(200);
    assert_eq!(
        (page.header("content-type"), page.header("x-virus-infected")),
        ("text/html", "true")
    );
    assert!(page.bytes.starts_with(b"<html>"));
}

#[tokio::test]
async fn a_made_file_breaks_again_and_again() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let made = FileBytes::Made { seed: 2, size: 3_000_000 };
    let file = tenant.file_add(&drive.id, &drive.root, "big", made.clone()).unwrap();
    inject(&session, Fault::once(FaultKind::BrokenAfter(700_000), &file).times(3));
    let redirect = session.get(&format!("{path}/items/{file}/content")).await.expect(302);
    let url = redirect.header("location").to_owned();
    let (mut bytes, mut breaks) = (Vec::new(), 0);
    while bytes.len() < 3_000_000 {
        let range = format!("bytes={}-", bytes.len());
        let mut response = session.http.get(&url).header("Range", range).send().await.unwrap();
        assert_eq!(response.status(), 206);
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => {
                    breaks += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(breaks, 3);
    assert!(bytes == made.to_vec());
}

#[tokio::test]
async fn listings_lie() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("content")).unwrap();
    let item = format!("{path}/items/{file}");
    let truth = session.get(&item).await.expect(200);
    inject(&session, Fault::once(FaultKind::SizeDiffers(3), &file));
    assert_eq!(session.get(&item).await.expect(200).json["size"], 10);
    inject(&session, Fault::once(FaultKind::HashDiffers, &file));
    let other = session.get(&item).await.expect(200);
    assert_ne!(other.json["file"]["hashes"], truth.json["file"]["hashes"]);
    inject(&session, Fault::once(FaultKind::HashMissing, "delta"));
    let page = session.get(&format!("{path}/root/delta")).await.expect(200);
    assert!(page.values()[1]["file"].get("hashes").is_none());
    inject(&session, Fault::once(FaultKind::NegativeFolderSize, "delta"));
    let page = session.get(&format!("{path}/root/delta")).await.expect(200);
    assert_eq!(page.values()[0]["size"], -4);
}

#[tokio::test]
async fn uploads_fail_in_their_ways() {
    let session = session().await;
    let (drive, path) = onedrive(&session);
    let open = async || {
        let address = format!("{path}/root:/a.bin:/createUploadSession");
        session.post(&address, &json!({})).await.expect(200).text("uploadUrl").to_owned()
    };
    let put = async |url: &str| {
        let request = session.http.put(url).header("Content-Range", "bytes 0-2/3");
        session.send(request.body("abc")).await
    };
    let url = open().await;
    inject(&session, Fault::once(FaultKind::UploadSessionLost, "/upload/"));
    assert_eq!(put(&url).await.expect(404).code(), "itemNotFound");
    session.send(session.http.get(&url)).await.expect(404);
    let url = open().await;
    inject(&session, Fault::once(FaultKind::UploadOverlap, "/upload/"));
    let overlap = put(&url).await.expect(416);
    assert_eq!(overlap.json["error"]["innerError"]["code"], "fragmentOverlap");
    inject(&session, Fault::once(FaultKind::NameTaken, "/upload/"));
    assert_eq!(put(&url).await.expect(409).code(), "nameAlreadyExists");
    let url = open().await;
    inject(&session, Fault::once(FaultKind::AnswerLost, "/upload/"));
    let request = session.http.put(&url).header("Content-Range", "bytes 0-2/3").body("abc");
    let lost = match request.send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(lost, "the answer came");
    let items = session.sim.tenant().drive_items(&drive.id).unwrap();
    assert_eq!(items[1].size, 3, "the file was made all the same");
}

#[tokio::test]
async fn a_fault_can_be_one_of_an_item_for_ever() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let bad = tenant.file_add(&drive.id, &drive.root, "a.one", text("x")).unwrap();
    let good = tenant.file_add(&drive.id, &drive.root, "b", text("x")).unwrap();
    let place = format!("items/{bad}/content");
    inject(&session, Fault::always(FaultKind::NotebookFails(503), &place));
    for _ in 0..3 {
        session.get(&format!("{path}/items/{bad}/content")).await.expect(503);
        session.download(&format!("{path}/items/{good}/content")).await.expect(200);
    }
    session.get(&format!("{path}/items/{bad}")).await.expect(200);
    assert_eq!(session.get(&format!("{path}/root/delta")).await.expect(200).values().len(), 3);
}

#[tokio::test]
async fn addresses_are_throttled_when_told_so() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let kind = FaultKind::Throttle(RetryAfter::Seconds(7));
    inject(&session, Fault::once(kind.clone(), "/download/"));
    let content = format!("{path}/items/{file}/content");
    let redirect = session.get(&content).await.expect(302);
    let response = session.http.get(redirect.header("location")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(session.download(&content).await.expect(200).bytes, b"x");
    let address = format!("{path}/root:/b:/createUploadSession");
    let url = session.post(&address, &json!({})).await.expect(200).text("uploadUrl").to_owned();
    inject(&session, Fault::once(kind, "/upload/"));
    let put = || session.http.put(&url).header("Content-Range", "bytes 0-0/1").body("b");
    assert_eq!(session.send(put()).await.expect(429).header("retry-after"), "7");
    session.send(put()).await.expect(201);
}
