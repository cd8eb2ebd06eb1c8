//! The demo's own comparison: mail as the simulated tenant showed it before the loss, against mail
//! as it shows it after the restore.
//!
//! It shares nothing with the comparison that the restore itself makes, so that the proof does not
//! rest on the word of the one to be proved.

use std::collections::{BTreeSet, HashMap};

use holdfast_sim::mail::{Address, Attachment, Message, rewrite_html};
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
const FIELDS: [(&str, Same); 20] = [
    ("folder", |a, b| a.folder == b.folder),
    ("subject", |a, b| a.content().subject == b.content().subject),
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

    /// What tells messages apart when their ids have changed.
    fn key(&self) -> (Option<String>, String, String) {
        let view = &self.message.view;
        let subject = view.subject.clone();
        (self.content().message_id.clone(), subject, view.received.to_string())
    }
}

/// Names without address, or none at all, are shown as the address.
fn person(address: &Option<Address>) -> Option<(String, String)> {
    address.as_ref().map(shown)
}

fn shown(address: &Address) -> (String, String) {
    let name = address.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    (name.unwrap_or(&address.address).to_owned(), address.address.clone())
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

fn files(message: &Message) -> Vec<(&str, &[u8])> {
    let mut order: Vec<&Attachment> = message.attachments.iter().collect();
    order.sort_by(|a, b| (&a.name, &a.content).cmp(&(&b.name, &b.content)));
    order.into_iter().map(|file| (file.name.as_str(), file.content.as_slice())).collect()
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
    after: Vec<Seen>,
    announced: impl Fn(&str) -> &'static [&'static str],
) -> Comparison {
    let mut by_key: HashMap<_, Vec<Seen>> = HashMap::new();
    for seen in after {
        by_key.entry(seen.key()).or_default().push(seen);
    }
    let fields = FIELDS.map(|(field, _)| Field { field, compared: 0, equal: 0, announced: 0 });
    let mut result =
        Comparison { lost: before.len(), fields: fields.to_vec(), ..Comparison::default() };
    for old in before {
        let Some(new) = by_key.get_mut(&old.key()).and_then(Vec::pop) else { continue };
        result.found += 1;
        result.take(old, &new, announced(&old.message.view.id));
    }
    result.surplus = by_key.values().map(Vec::len).sum();
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
