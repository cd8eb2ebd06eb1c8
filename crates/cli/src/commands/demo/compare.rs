//! The demo's own comparison: mail as the simulated tenant showed it before the loss, against mail
//! as it shows it after the restore.
//!
//! It shares nothing with the comparison that the restore itself makes, so that the proof does not
//! rest on the word of the one to be proved.

use std::collections::{BTreeSet, HashMap};

use holdfast_sim::mail::{Address, Message, rewrite_html};
use holdfast_sim::{FullMessage, Tenant};
use serde::Serialize;

use crate::error::Result;

/// A message and the folder in which it lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Display names from the root of the mailbox.
    pub folder: Vec<String>,
    /// The message.
    pub message: FullMessage,
}

/// All messages in a folder and below it.
pub fn see(tenant: &Tenant, user: &str, folder: &[String]) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for place in tenant.folders(user)? {
        if !place.path.starts_with(folder) {
            continue;
        }
        for view in tenant.messages(user, &place.id)? {
            let message = tenant.message(user, &view.id)?;
            seen.push(Seen { folder: place.path.clone(), message });
        }
    }
    Ok(seen)
}

type Same = fn(&Seen, &Seen) -> bool;

/// Every field that is compared.
const FIELDS: [(&str, Same); 21] = [
    ("folder", |a, b| a.folder == b.folder),
    ("subject", |a, b| words(&a.content().subject) == words(&b.content().subject)),
    ("from", |a, b| {
        a.content().from.is_none() || person(&a.content().from) == person(&b.content().from)
    }),
    ("sender", |a, b| {
        a.content().sender.is_none() || person(&a.content().sender) == person(&b.content().sender)
    }),
    ("to", |a, b| people(&a.content().to) == people(&b.content().to)),
    ("cc", |a, b| people(&a.content().cc) == people(&b.content().cc)),
    ("bcc", |a, b| people(&a.content().bcc) == people(&b.content().bcc)),
    ("reply to", |a, b| people(&a.content().reply_to) == people(&b.content().reply_to)),
    ("Message-ID", |a, b| {
        a.content().message_id.is_none() || a.content().message_id == b.content().message_id
    }),
    ("In-Reply-To", |a, b| a.content().in_reply_to == b.content().in_reply_to),
    ("References", |a, b| a.content().references == b.content().references),
    ("sent", |a, b| a.message.view.sent == b.message.view.sent),
    ("received", |a, b| a.message.view.received == b.message.view.received),
    ("body", |a, b| body(a.content()) == body(b.content())),
    ("attachment names", |a, b| names(a.content()) == names(b.content())),
    ("attachments, byte by byte", |a, b| files(a.content()) == files(b.content())),
    ("inline content ids", |a, b| inline_ids(a.content()) == inline_ids(b.content())),
    ("read mark", |a, b| a.message.view.is_read == b.message.view.is_read),
    ("follow-up flag", |a, b| a.message.view.flag.status() == b.message.view.flag.status()),
    ("categories", |a, b| a.message.view.categories == b.message.view.categories),
    ("importance and state", |a, b| {
        let state = |seen: &Seen| (seen.message.view.importance, seen.message.view.is_draft);
        state(a) == state(b)
    }),
];

impl Seen {
    fn content(&self) -> &Message {
        &self.message.content
    }

    /// What tells messages apart when their ids have changed; the less exact, the later it is
    /// asked, so that a field that differs is told as such and not as a missing message.
    fn key(&self, exactness: u8) -> (Option<&str>, Option<&str>, String) {
        let view = &self.message.view;
        let id = self.content().message_id.as_deref().filter(|_| exactness > 1);
        let subject = Some(view.subject.as_str()).filter(|_| exactness > 0);
        (id, subject, view.received.to_string())
    }
}

/// Pairs each message before with the one after that is the same message.
fn pairs(before: &[Seen], after: &[Seen]) -> Vec<(usize, usize)> {
    let (mut pairs, mut taken) = (Vec::new(), vec![false; after.len()]);
    let mut open: Vec<usize> = (0..before.len()).collect();
    for exactness in [2, 1, 0] {
        let mut by_key: HashMap<_, Vec<usize>> = HashMap::new();
        for (new, seen) in after.iter().enumerate().filter(|(new, _)| !taken[*new]) {
            by_key.entry(seen.key(exactness)).or_default().push(new);
        }
        open.retain(|old| {
            let Some(new) = by_key.get_mut(&before[*old].key(exactness)).and_then(Vec::pop) else {
                return true;
            };
            taken[new] = true;
            pairs.push((*old, new));
            false
        });
    }
    pairs
}

/// A person without a name is shown by the address.
fn person(address: &Option<Address>) -> Option<(String, String)> {
    address.as_ref().map(shown)
}

fn shown(address: &Address) -> (String, String) {
    let name = words(address.name.as_deref().unwrap_or_default());
    let name = if name.is_empty() { address.address.clone() } else { name };
    (name, address.address.clone())
}

/// White space and control characters in one line of text are one space: a header that was folded,
/// or decoded from odd bytes, has no other.
fn words(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn people(list: &[Address]) -> Vec<(String, String)> {
    list.iter().map(shown).collect()
}

/// The body as Exchange keeps it: HTML is rewritten on every way in.
fn body(message: &Message) -> String {
    if message.body.html {
        return rewrite_html(&message.body.content);
    }
    let lines = message.body.content.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn names(message: &Message) -> Vec<String> {
    let mut names: Vec<String> = message.attachments.iter().map(|file| words(&file.name)).collect();
    names.sort_unstable();
    names
}

fn files(message: &Message) -> Vec<&[u8]> {
    let contents = message.attachments.iter().map(|file| file.content.as_slice());
    let mut contents: Vec<&[u8]> = contents.collect();
    contents.sort_unstable();
    contents
}

fn inline_ids(message: &Message) -> BTreeSet<&str> {
    let inline = message.attachments.iter().filter(|file| file.is_inline);
    inline.filter_map(|file| file.content_id.as_deref()).collect()
}

/// How one field fared over all messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub field: &'static str,
    /// In how many messages it was compared.
    pub compared: usize,
    /// In how many of them it is equal.
    pub equal: usize,
    /// In how many it differs as the restore had announced.
    pub announced: usize,
}

/// A message that came back otherwise than it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its subject.
    pub subject: String,
    /// Its class.
    pub class: String,
    /// The fields in which it differs.
    pub fields: Vec<&'static str>,
}

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Messages before the loss.
    pub lost: usize,
    /// Of those, found after the restore.
    pub found: usize,
    /// Messages found after the restore that were not there before.
    pub surplus: usize,
    /// Field by field.
    pub fields: Vec<Field>,
    /// Messages that differ without having been announced.
    pub differences: Vec<Difference>,
    /// Messages that differ as announced.
    pub announced: Vec<Difference>,
}

impl Comparison {
    /// True when everything came back, once, and equal but for what was announced.
    pub fn is_proof(&self) -> bool {
        self.lost > 0 && self.found == self.lost && self.surplus == 0 && self.differences.is_empty()
    }
}

/// Compares. `announced` tells in which fields a message may differ, by its id before the loss.
pub fn compare(
    before: &[Seen],
    after: &[Seen],
    announced: impl Fn(&str) -> &'static [&'static str],
) -> Comparison {
    let fields = FIELDS.map(|(field, _)| Field { field, compared: 0, equal: 0, announced: 0 });
    let mut result =
        Comparison { lost: before.len(), fields: fields.to_vec(), ..Comparison::default() };
    for (old, new) in pairs(before, after) {
        result.found += 1;
        let old = &before[old];
        result.take(old, &after[new], announced(&old.message.view.id));
    }
    result.surplus = after.len() - result.found;
    result
}

impl Comparison {
    fn take(&mut self, old: &Seen, new: &Seen, announced: &[&str]) {
        let (mut surprising, mut expected) = (Vec::new(), Vec::new());
        for ((name, same), field) in FIELDS.iter().zip(&mut self.fields) {
            field.compared += 1;
            if same(old, new) {
                field.equal += 1;
            } else if announced.contains(name) {
                field.announced += 1;
                expected.push(*name);
            } else {
                surprising.push(*name);
            }
        }
        let difference = |fields| Difference {
            subject: old.content().subject.clone(),
            class: old.message.view.class.clone(),
            fields,
        };
        if !surprising.is_empty() {
            self.differences.push(difference(surprising));
        }
        if !expected.is_empty() {
            self.announced.push(difference(expected));
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_sim::mail::{Attachment, Body, Importance};
    use holdfast_sim::{Flag, MessageView};

    use super::*;

    fn address(name: &str) -> Address {
        Address { name: Some(name.to_owned()), address: format!("{name}@contoso.example") }
    }

    fn seen() -> Seen {
        let content = Message {
            subject: "Plan".to_owned(),
            from: Some(address("ann")),
            sender: Some(address("desk")),
            to: vec![address("bob")],
            cc: vec![address("cem")],
            bcc: vec![address("dag")],
            reply_to: vec![address("eva")],
            message_id: Some("<1@x>".to_owned()),
            in_reply_to: Some("<0@x>".to_owned()),
            references: Some("<0@x>".to_owned()),
            body: Body { html: true, content: "<p>Hi</p>".to_owned() },
            attachments: vec![Attachment {
                name: "a.png".to_owned(),
                content: vec![1, 2],
                content_id: Some("cid".to_owned()),
                is_inline: true,
                ..Attachment::default()
            }],
            ..Message::default()
        };
        let at = "2026-03-02T08:00:00Z".parse().unwrap();
        let view = MessageView {
            id: "old".to_owned(),
            folder_id: String::new(),
            change_key: String::new(),
            subject: content.subject.clone(),
            internet_message_id: content.message_id.clone(),
            class: "IPM.Note".to_owned(),
            received: at,
            sent: at,
            is_read: true,
            is_draft: false,
            flag: Flag::flagged(),
            categories: vec!["Red".to_owned()],
            importance: Importance::High,
            size: 0,
        };
        let message = FullMessage { view, content, extended: Default::default() };
        Seen { folder: vec!["Inbox".to_owned(), "Orders".to_owned()], message }
    }

    type Change = (&'static str, fn(&mut Seen));

    /// One change for each field, except the time of receipt, by which messages are found.
    const CHANGES: [Change; 20] = [
        ("folder", |s| s.folder.truncate(1)),
        ("subject", |s| s.message.content.subject.push('!')),
        ("from", |s| s.message.content.from = None),
        ("sender", |s| s.message.content.sender = Some(address("else"))),
        ("to", |s| s.message.content.to.clear()),
        ("cc", |s| s.message.content.cc[0].name = Some("Cemal".to_owned())),
        ("bcc", |s| s.message.content.bcc.clear()),
        ("reply to", |s| s.message.content.reply_to.clear()),
        ("Message-ID", |s| s.message.content.message_id = Some("<2@x>".to_owned())),
        ("In-Reply-To", |s| s.message.content.in_reply_to = None),
        ("References", |s| s.message.content.references = None),
        ("sent", |s| s.message.view.sent = Default::default()),
        ("body", |s| s.message.content.body.content = "<p>Ho</p>".to_owned()),
        ("attachment names", |s| s.message.content.attachments[0].name.push('x')),
        ("attachments, byte by byte", |s| s.message.content.attachments[0].content[1] = 3),
        ("inline content ids", |s| s.message.content.attachments[0].is_inline = false),
        ("read mark", |s| s.message.view.is_read = false),
        ("follow-up flag", |s| s.message.view.flag = Flag::default()),
        ("categories", |s| s.message.view.categories.clear()),
        ("importance and state", |s| s.message.view.is_draft = true),
    ];

    #[test]
    fn each_field_changed_alone_is_told_alone() {
        let before = [seen()];
        let same = compare(&before, &before, |_| &[]);
        assert!(same.is_proof());
        assert!(same.fields.iter().all(|field| field.equal == 1));
        for (name, change) in CHANGES {
            let mut after = seen();
            change(&mut after);
            let told = compare(&before, &[after.clone()], |_| &[]);
            assert_eq!(told.differences.len(), 1, "{name}");
            assert_eq!(told.differences[0].fields, [name]);
            assert!(!told.is_proof());
            let announced: &'static [&'static str] = Vec::leak(vec![name]);
            let announced = compare(&before, &[after], |_| announced);
            assert!(announced.is_proof(), "{name}");
            assert_eq!(announced.announced[0].fields, [name]);
        }
    }

    #[test]
    fn missing_doubled_and_foreign_messages_are_no_proof() {
        let before = [seen()];
        let count = |after: &[Seen]| {
            let result = compare(&before, after, |_| &[]);
            (result.found, result.surplus, result.is_proof())
        };
        assert_eq!(count(&[]), (0, 0, false));
        assert_eq!(count(&[seen(), seen()]), (1, 1, false));
        let mut later = seen();
        later.message.view.received = Default::default();
        assert_eq!(count(&[later]), (0, 1, false));
        assert!(!compare(&[], &[], |_| &[]).is_proof());
    }
}
