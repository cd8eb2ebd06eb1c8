//! Real mail through the tenant: shown by the contract, given back byte for byte, and the same in
//! content after a way through JSON.

use std::path::{Path, PathBuf};

use holdfast_sim::mail::{self, Message};
use holdfast_sim::{Limits, SimConfig};
use serde_json::{Value, json};

use crate::session::{Session, config};

/// The corpus lies beside the checkout; without it there is nothing to test.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/mail");
    if !folder.is_dir() {
        println!("no corpus at {}: nothing tested", folder.display());
    }
    folder.is_dir().then_some(folder)
}

async fn session(users: usize) -> Option<Session> {
    let corpus = Some(folder()?);
    let limits = Limits::none();
    // The dates of the mail are old; the clock does not matter to them.
    Some(Session::with(SimConfig { users, corpus, limits, ..config() }).await)
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(std::fs::read(path).unwrap()),
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn real_mail_is_shown_by_the_contract_and_keeps_its_bytes() {
    let Some(session) = session(2).await else { return };
    let mut mimes = Vec::new();
    for user in session.sim.tenant().users() {
        let path = format!("users/{}/messages", user.id);
        let (messages, _) = session.pages(&format!("{path}?$expand=attachments"), 50).await;
        for message in messages {
            let id = message["id"].as_str().unwrap();
            mimes.push(session.get(&format!("{path}/{id}/$value")).await.expect(200).bytes);
        }
    }
    mimes.sort();
    let files = files(&folder().unwrap());
    assert!(files == mimes, "{} files, {} messages", files.len(), mimes.len());
}

/// The content of a message that JSON can carry.
fn content(message: &Message) -> Value {
    let body = match message.body.html {
        true => mail::rewrite_html(&message.body.content),
        false => message.body.content.clone(),
    };
    let mut attachments: Vec<_> = message
        .attachments
        .iter()
        .map(|one| (one.name.clone(), one.content.clone(), one.content_id.clone(), one.is_inline))
        .collect();
    attachments.sort();
    // Graph fills a missing name with the address.
    let people = |list: &[mail::Address]| -> Vec<(String, String)> {
        let name = |one: &mail::Address| one.name.clone().unwrap_or_else(|| one.address.clone());
        list.iter().map(|one| (name(one), one.address.clone())).collect()
    };
    json!({
        "subject": message.subject,
        "from": people(message.from.as_slice()),
        "to": people(&message.to),
        "cc": people(&message.cc),
        "reply_to": people(&message.reply_to),
        "message_id": message.message_id,
        "body": body,
        "attachments": attachments,
    })
}

/// The members with which a message is made again.
fn request(message: &Value) -> Value {
    let mut request = json!({
        "singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "4"}],
    });
    for name in [
        "subject",
        "body",
        "from",
        "sender",
        "toRecipients",
        "ccRecipients",
        "bccRecipients",
        "replyTo",
        "internetMessageId",
        "importance",
        "isRead",
        "attachments",
    ] {
        if !message[name].is_null() {
            request[name] = message[name].clone();
        }
    }
    for attachment in request["attachments"].as_array_mut().into_iter().flatten() {
        for name in ["id", "size", "lastModifiedDateTime", "@odata.mediaContentType"] {
            attachment.as_object_mut().unwrap().shift_remove(name);
        }
    }
    request
}

#[tokio::test]
async fn real_mail_is_the_same_after_a_way_through_json() {
    let Some(session) = session(1).await else { return };
    let tenant = session.sim.tenant();
    let user = tenant.users()[0].id.clone();
    let target = tenant.folder_create(&user, None, "again").unwrap();
    let path = format!("users/{user}/messages");
    let (messages, _) = session.pages(&format!("{path}?$expand=attachments"), 100).await;
    let mut compared = 0;
    for message in &messages {
        let original = mail::read(&tenant.mime(&user, message["id"].as_str().unwrap()).unwrap());
        let has_items = original.attachments.iter().any(|one| one.item.is_some());
        if original.class != "IPM.Note" || has_items {
            continue;
        }
        let again = format!("users/{user}/mailFolders/{target}/messages");
        let made = session.post(&again, &request(message)).await.expect(201);
        let mime = session.get(&format!("{path}/{}/$value", made.text("id"))).await.expect(200);
        let back = mail::read(&mime.bytes);
        let (mut back, original) = (content(&back), content(&original));
        if original["message_id"].is_null() {
            // Exchange gives one to each message without.
            back["message_id"] = Value::Null;
        }
        for (name, value) in original.as_object().unwrap() {
            // No content in the output: it names real people.
            assert!(back[name] == *value, "{name} of message {} differs", message["id"]);
        }
        compared += 1;
    }
    assert!(compared > 1500, "{compared} of {} compared", messages.len());
}
