//! What a mailbox holds, seen from the simulated tenant's side: the product's own comparison has no
//! part in it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::short_id;
use holdfast_sim::Tenant;
use holdfast_sim::mail::{Attachment, Body};

/// A message without ids, change keys and other things that a restore cannot keep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparable {
    /// Folder names from the top.
    pub folder: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Sender and recipients with their kinds.
    pub people: Vec<String>,
    /// Message-ID, In-Reply-To, References.
    pub threading: [Option<String>; 3],
    /// Body: kind and text; HTML without tags and white space.
    pub body: (bool, String),
    /// Attachments: name, short hash of the bytes, content id, inline.
    pub attachments: Vec<(String, String, Option<String>, bool)>,
    /// Received and sent.
    pub dates: [String; 2],
    /// Read, draft, flag, importance, categories.
    pub state: Vec<String>,
}

/// Message-IDs of the messages of a mailbox whose class creation from JSON cannot make: their
/// attachments come back in another shape (`docs/restore-fidelity.md`).
pub fn special(tenant: &Tenant, user: &str) -> BTreeSet<Option<String>> {
    let mut ids = BTreeSet::new();
    for folder in tenant.folders(user).unwrap() {
        let messages = tenant.messages(user, &folder.id).unwrap();
        let special = messages.into_iter().filter(|m| m.class != "IPM.Note");
        ids.extend(special.map(|m| m.internet_message_id));
    }
    ids
}

/// All messages of a mailbox, in an order of their own.
pub fn mailbox_view(tenant: &Tenant, user: &str) -> Vec<Comparable> {
    let mut all = Vec::new();
    for folder in tenant.folders(user).unwrap() {
        for view in tenant.messages(user, &folder.id).unwrap() {
            let full = tenant.message(user, &view.id).unwrap();
            all.push(comparable(folder.path.clone(), full));
        }
    }
    all.sort();
    all
}

/// How many messages each folder holds.
pub fn by_folder(messages: &[Comparable]) -> BTreeMap<String, usize> {
    let mut folders = BTreeMap::new();
    for message in messages {
        *folders.entry(message.folder.join("/")).or_default() += 1;
    }
    folders
}

fn comparable(folder: Vec<String>, full: holdfast_sim::FullMessage) -> Comparable {
    let (view, content) = (full.view, full.content);
    let mut people = Vec::new();
    let lists = [("to", &content.to), ("cc", &content.cc), ("bcc", &content.bcc)];
    people.extend(content.from.iter().map(|a| format!("from {}", one_space(&a.address))));
    for (kind, list) in lists {
        people.extend(list.iter().map(|a| format!("{kind} {}", one_space(&a.address))));
    }
    let mut attachments: Vec<_> = content
        .attachments
        .into_iter()
        .map(|a| (shown_name(&a), hash(&a.content), a.content_id, a.is_inline))
        .collect();
    attachments.sort();
    Comparable {
        folder,
        subject: one_space(&content.subject),
        people,
        threading: [view.internet_message_id, content.in_reply_to, content.references],
        body: (content.body.html, words(&content.body)),
        attachments,
        dates: match view.is_draft {
            true => [String::new(), String::new()], // Exchange dates a draft anew
            false => [view.received.to_string(), view.sent.to_string()],
        },
        state: vec![
            view.is_read.to_string(),
            view.is_draft.to_string(),
            format!("{:?}", view.flag),
            format!("{:?}", view.importance),
            view.categories.join(","),
        ],
    }
}

/// Folded header lines come back on one line.
fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Enough to tell bytes apart, and short enough to be read in a failed assertion.
fn hash(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    format!("{} bytes {}", bytes.len(), short_id(&text))
}

/// A message inside the message comes back as a file named after it; names that were made up
/// because there was none do not count.
fn shown_name(attachment: &Attachment) -> String {
    let name = attachment.name.strip_suffix(".eml").unwrap_or(&attachment.name);
    if name.starts_with("ATT0") { String::new() } else { name.to_owned() }
}

fn words(body: &Body) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    let shown = body.content.find("<body").filter(|_| body.html).unwrap_or(0);
    for c in body.content[shown..].chars() {
        match c {
            '<' if body.html => in_tag = true,
            '>' if body.html => in_tag = false,
            c if !in_tag && !c.is_whitespace() => text.push(c),
            _ => {}
        }
    }
    text
}
