//! Every operation once, its success and its usual errors.

use std::collections::BTreeSet;

use holdfast_sim::operations;
use serde_json::{Value, json};

use crate::contract::Contract;
use crate::session::Session;

const NO_ID: &str = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAA";

#[tokio::test]
async fn every_operation_answers_by_the_contract() {
    let session = Session::start().await;
    directory(&session).await;
    folders(&session).await;
    messages(&session).await;
    attachments(&session).await;
    crate::drives::every_operation(&session).await;
    if Contract::get().is_some() {
        let seen = session.seen();
        // This one answers 405 by design, as the service does.
        let never = "GET /users/{id}/mailFolders/{id}/messages/{id}/$value";
        let missing: BTreeSet<_> =
            operations().into_iter().filter(|name| !seen.contains(name) && name != never).collect();
        assert_eq!(missing, BTreeSet::new());
    }
}

async fn directory(session: &Session) {
    let first = session.get("users?$top=2").await.expect(200);
    assert_eq!(first.values().len(), 2);
    let next = first.text("@odata.nextLink").to_owned();
    assert!(next.starts_with(&session.sim.info.graph_url), "{next}");
    assert_eq!(session.get(&next).await.expect(200).values().len(), 1);
    let person = &first.values()[0];
    let upn = person["userPrincipalName"].as_str().unwrap();
    let one = session.get(&format!("users/{upn}?$select=id,displayName")).await.expect(200);
    assert_eq!(one.json["id"], person["id"]);
    assert!(one.json.get("userPrincipalName").is_none(), "{}", one.json);
    let filter = format!("users?$filter=userPrincipalName eq '{upn}'");
    assert_eq!(session.get(&filter).await.expect(200).values().len(), 1);
    let none = session.get("users/nobody@contoso.example").await.expect(404);
    assert_eq!(none.code(), "Request_ResourceNotFound");
    assert_eq!(session.get("organization").await.expect(200).values().len(), 1);
}

async fn folders(session: &Session) {
    let user = session.user();
    let listed = session.get(&format!("{user}/mailFolders?$top=100")).await.expect(200);
    let inbox = session.get(&format!("{user}/mailFolders/inbox")).await.expect(200);
    assert!(listed.values().iter().any(|folder| folder["id"] == inbox.json["id"]));
    let body = json!({"displayName": "Made/here"});
    let made = session.post(&format!("{user}/mailFolders"), &body).await.expect(201);
    let again = session.post(&format!("{user}/mailFolders"), &body).await.expect(409);
    assert_eq!(again.code(), "ErrorFolderExists");
    let folder = format!("{user}/mailFolders/{}", made.text("id"));
    let child =
        session.post(&format!("{folder}/childFolders"), &json!({"displayName": "child"})).await;
    let child = child.expect(201);
    let children = session.get(&format!("{folder}/childFolders")).await.expect(200);
    assert_eq!(children.values()[0]["id"], child.json["id"]);
    let renamed = session.patch(&folder, &json!({"displayName": "renamed"})).await.expect(200);
    assert_eq!(renamed.text("displayName"), "renamed");
    let child = format!("{user}/mailFolders/{}", child.text("id"));
    let moved = session.post(&format!("{child}/move"), &json!({"destinationId": "archive"})).await;
    let archive = session.get(&format!("{user}/mailFolders/archive")).await.expect(200);
    assert_eq!(moved.expect(201).json["parentFolderId"], archive.json["id"]);
    session.delete(&folder).await.expect(204);
    let (all, _) = session.pages(&format!("{user}/mailFolders/delta"), 3).await;
    assert!(all.iter().any(|folder| folder["displayName"] == "child"));
    let none = session.get(&format!("{user}/mailFolders/{NO_ID}")).await.expect(404);
    assert_eq!(none.code(), "ErrorItemNotFound");
}

async fn messages(session: &Session) {
    let user = session.user();
    let inbox = format!("{user}/mailFolders/inbox");
    let (listed, _) =
        session.pages(&format!("{inbox}/messages?$orderby=receivedDateTime"), 4).await;
    let count = session.get(&format!("{inbox}/messages/$count")).await.expect(200);
    assert_eq!(String::from_utf8_lossy(&count.bytes), listed.len().to_string());
    session.pages(&format!("{inbox}/messages/delta"), 5).await;
    for message in &listed {
        read_message(session, &user, message).await;
    }
    let draft = json!({"subject": "draft", "body": {"contentType": "text", "content": "x"}});
    let made = session.post(&format!("{user}/messages"), &draft).await.expect(201);
    let message = format!("{user}/messages/{}", made.text("id"));
    let changed = session.patch(&message, &json!({"isRead": true, "subject": "new"})).await;
    assert_eq!(changed.expect(200).text("subject"), "new");
    let copied = session.post(&format!("{message}/copy"), &json!({"destinationId": "inbox"})).await;
    assert_ne!(copied.expect(201).json["id"], made.json["id"]);
    let moved = session.post(&format!("{message}/move"), &json!({"destinationId": "inbox"})).await;
    assert_eq!(moved.expect(201).json["id"], made.json["id"]);
    let in_folder = session.get(&format!("{inbox}/messages/{}", made.text("id"))).await;
    assert_eq!(in_folder.expect(200).text("subject"), "new");
    session.delete(&message).await.expect(204);
    session.post(&format!("{message}/permanentDelete"), &json!({})).await.expect(204);
    let gone = session.get(&message).await.expect(404);
    assert_eq!(gone.code(), "ErrorItemNotFound");
    let mime = b"Subject: from MIME\r\nFrom: <a@x.example>\r\n\r\ntext\r\n";
    for path in [format!("{user}/messages"), format!("{inbox}/messages")] {
        let made = session.post_mime(&path, mime).await.expect(201);
        assert_eq!((made.text("subject"), &made.json["isDraft"]), ("from MIME", &json!(true)));
    }
    session.get(&format!("{user}/messages?$top=5")).await.expect(200);
}

async fn read_message(session: &Session, user: &str, message: &Value) {
    let id = message["id"].as_str().unwrap();
    let expand = "$expand=singleValueExtendedProperties($filter=id eq 'Integer 0x0E07' or id eq \
                  'String 0x001A'),attachments";
    let whole = session.get(&format!("{user}/messages/{id}?{expand}")).await.expect(200);
    assert_eq!(whole.json["singleValueExtendedProperties"].as_array().unwrap().len(), 2);
    session.get(&format!("{user}/messages/{id}?$select=internetMessageHeaders")).await.expect(200);
    let mime = session.get(&format!("{user}/messages/{id}/$value")).await.expect(200);
    let stored = session.sim.tenant().mime(user.trim_start_matches("users/"), id).unwrap();
    assert_eq!(mime.bytes, &*stored);
    let below = session.get(&format!("{user}/mailFolders/inbox/messages/{id}/$value")).await;
    assert_eq!(below.expect(405).code(), "ErrorInvalidRequest");
    let items = "$expand=microsoft.graph.itemAttachment/item";
    let listed =
        session.get(&format!("{user}/messages/{id}/attachments?{items}")).await.expect(200);
    for attachment in listed.values() {
        let path =
            format!("{user}/messages/{id}/attachments/{}", attachment["id"].as_str().unwrap());
        session.get(&path).await.expect(200);
        let content = session.get(&format!("{path}/$value")).await.expect(200);
        if let Some(bytes) = attachment["contentBytes"].as_str() {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
            assert_eq!(content.bytes, bytes);
        }
    }
}

async fn attachments(session: &Session) {
    let user = session.user();
    let made =
        session.post(&format!("{user}/messages"), &json!({"subject": "a"})).await.expect(201);
    let message = format!("{user}/messages/{}", made.text("id"));
    let small = json!({
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "small.txt", "contentType": "text/plain", "contentBytes": "c21hbGw=",
    });
    let small = session.post(&format!("{message}/attachments"), &small).await.expect(201);
    let path = format!("{message}/attachments/{}", small.text("id"));
    assert_eq!(session.get(&format!("{path}/$value")).await.expect(200).bytes, b"small");
    session.delete(&path).await.expect(204);
    assert_eq!(session.get(&path).await.expect(404).code(), "ErrorItemNotFound");
    upload(session, &message).await;
}

async fn upload(session: &Session, message: &str) {
    let bytes: Vec<u8> = (0..3_500_000_u32).map(|number| (number % 251) as u8).collect();
    let size = bytes.len();
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "big", "size": size}});
    let path = format!("{message}/attachments/createUploadSession");
    let opened = session.post(&path, &item).await.expect(201);
    let url = opened.text("uploadUrl").to_owned();
    let put = |from: usize, to: usize| {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        session.http.put(&url).header("Content-Range", range).body(bytes[from..to].to_vec())
    };
    let with_token = put(0, 2_000_000).bearer_auth("any");
    assert_eq!(session.send(with_token).await.expect(401).code(), "InvalidAuthenticationToken");
    let first = session.send(put(0, 2_000_000)).await.expect(200);
    assert_eq!(first.json["nextExpectedRanges"], json!(["2000000"]));
    session.send(put(1_000_000, 2_000_000)).await.expect(416);
    session.send(session.http.get(&url)).await.expect(200);
    let last = session.send(put(2_000_000, size)).await.expect(201);
    assert!(last.header("location").contains("/attachments"), "{}", last.header("location"));
    let listed = session.get(&format!("{message}/attachments")).await.expect(200);
    let id = listed.values()[0]["id"].as_str().unwrap();
    let content = session.get(&format!("{message}/attachments/{id}/$value")).await.expect(200);
    assert!(content.bytes == bytes, "{} of {size} bytes came back", content.bytes.len());
    let opened = session.post(&path, &item).await.expect(201);
    session.send(session.http.delete(opened.text("uploadUrl"))).await.expect(204);
    session.send(session.http.get(opened.text("uploadUrl"))).await.expect(404);
}

#[tokio::test]
async fn requests_that_lead_nowhere_are_errors_in_the_form_of_graph() {
    let session = Session::start().await;
    let user = session.user();
    assert_eq!(session.get("nonsense").await.expect(400).code(), "BadRequest");
    session.send(session.request("PUT", &user)).await.expect(405);
    session.get(&format!("{user}/mailFolders/inbox/messages?$filter=nonsense(")).await.expect(400);
    session.get(&format!("{user}/messages?$select=nonsense")).await.expect(400);
    let bad = session.post(&format!("{user}/messages"), &json!({"subjekt": "x"})).await.expect(400);
    assert!(!bad.code().is_empty());
    let text = session.request("POST", &format!("{user}/messages"));
    let broken = text.header("Content-Type", "application/json").body("{");
    session.send(broken).await.expect(400);
    let not_base64 = session.request("POST", &format!("{user}/messages"));
    let not_base64 = not_base64.header("Content-Type", "text/plain").body("***");
    let code = "ErrorMimeContentInvalidBase64String";
    assert_eq!(session.send(not_base64).await.expect(400).code(), code);
    let large = vec![b'A'; 5 << 20];
    let large = session
        .request("POST", &format!("{user}/messages"))
        .header("Content-Type", "text/plain")
        .body(large);
    session.send(large).await.expect(413);
}
