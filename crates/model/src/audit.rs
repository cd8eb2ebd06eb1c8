//! The audit record: what an entry says, and the form over which its hash is made.
//!
//! An [`Event`] is what somebody did; an [`Entry`] is the event with its place in the chain, as it
//! is kept. The form is described byte by byte in `docs/audit.md`; it is never changed, a new one
//! gets a new [`FORM`].

mod word;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use word::{Action, ActorKind, Outcome};

/// Name and version of the form over which hashes are made.
pub const FORM: &str = "holdfast-audit-1";

/// The hash that the first entry of a chain names as that of the entry before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest text of an entry, in bytes; longer ones are cut and end in `…`. An entry stays small
/// whatever somebody sends.
const MAX_TEXT: usize = 1_000;

/// Most resources, and most items, that an entry names; of more it says how many.
const MAX_NAMES: usize = 1_000;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// The id: of the user, of the token, the number of the user of the operating system.
    pub id: String,
    /// The name, as it was then.
    pub name: String,
}

impl Actor {
    /// Holdfast itself; `part` says which of it, such as `scheduler`.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, id: part.to_owned(), name: part.to_owned() }
    }
}

/// What is to be put on record. Subjects and contents of items are no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who.
    pub actor: Actor,
    /// From where: an address, or `local`.
    pub from: String,
    /// What is done.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused or failed: a short code, empty otherwise.
    pub cause: String,
    /// The number of the entry with which this act began.
    pub ends: Option<u64>,
    /// Whose data: the tenant by name; empty where it is about none, or all.
    pub tenant: String,
    /// Whose data: resources by name.
    pub resources: Vec<String>,
    /// Which items: paths or ids.
    pub items: Vec<String>,
    /// What else matters. No secrets, subjects or contents.
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// An act that is about nothing in particular, and has been done.
    pub fn new(actor: Actor, from: &str, action: Action) -> Self {
        Self {
            actor,
            from: from.to_owned(),
            action,
            outcome: Outcome::Done,
            cause: String::new(),
            ends: None,
            tenant: String::new(),
            resources: Vec::new(),
            items: Vec::new(),
            details: BTreeMap::new(),
        }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The entry that follows the one with the hash `previous`. It has its hash, and no signature
    /// yet. Texts and lists that are too long are cut.
    pub fn into_entry(self, number: u64, time: Timestamp, previous: &str) -> Entry {
        let mut details = self.details;
        let resources = names(self.resources, "resources", &mut details);
        let items = names(self.items, "items", &mut details);
        let details: BTreeMap<String, String> =
            details.into_iter().map(|(name, value)| (cut(name), cut(value))).collect();
        let mut entry = Entry {
            number,
            time: time.as_millisecond(),
            actor_kind: self.actor.kind.to_string(),
            actor_id: cut(self.actor.id),
            actor_name: cut(self.actor.name),
            from: cut(self.from),
            action: self.action.to_string(),
            outcome: self.outcome.to_string(),
            cause: cut(self.cause),
            ends: self.ends.unwrap_or(0),
            tenant: cut(self.tenant),
            resources: json(&resources),
            items: json(&items),
            details: json(&details),
            previous: previous.to_owned(),
            hash: String::new(),
            signature: String::new(),
        };
        entry.hash = entry.digest();
        entry
    }
}

/// An entry as it is kept: plain values, so that one that was tampered with can still be read and
/// named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place: 1, 2, 3 … without gap.
    pub number: u64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// [`ActorKind`].
    pub actor_kind: String,
    /// Id of the actor.
    pub actor_id: String,
    /// Name of the actor.
    pub actor_name: String,
    /// Address, or `local`.
    pub from: String,
    /// [`Action`].
    pub action: String,
    /// [`Outcome`].
    pub outcome: String,
    /// Why it was refused or failed.
    pub cause: String,
    /// The number of the entry with which the act began; 0 where there is none.
    pub ends: u64,
    /// Name of the tenant, or empty.
    pub tenant: String,
    /// Names of resources: a JSON array of texts.
    pub resources: String,
    /// Paths or ids of items: a JSON array of texts.
    pub items: String,
    /// A JSON object of texts, sorted by name, without white space.
    pub details: String,
    /// Hash of the entry before, 64 hexadecimal digits.
    pub previous: String,
    /// Hash of this entry, 64 hexadecimal digits.
    pub hash: String,
    /// Ed25519 signature of [`Entry::statement`], 128 hexadecimal digits.
    pub signature: String,
}

impl Entry {
    /// What the hash of this entry must be: SHA-256 over its fields in fixed order, each with its
    /// length in front (`docs/audit.md`), in hexadecimal.
    pub fn digest(&self) -> String {
        let (number, time, ends) =
            (self.number.to_string(), self.time.to_string(), self.ends.to_string());
        let mut hash = Context::new(&SHA256);
        for field in [
            FORM,
            &number,
            &time,
            &self.actor_kind,
            &self.actor_id,
            &self.actor_name,
            &self.from,
            &self.action,
            &self.outcome,
            &self.cause,
            &ends,
            &self.tenant,
            &self.resources,
            &self.items,
            &self.details,
            &self.previous,
        ] {
            hash.update(format!("{}:", field.len()).as_bytes());
            hash.update(field.as_bytes());
            hash.update(b",");
        }
        hex::encode(hash.finish())
    }

    /// The text that is signed, so that nobody without the key of the vault can add an entry.
    pub fn statement(&self) -> String {
        format!("{FORM} entry\n{}\n", self.hash)
    }

    /// A detail; `None` where it is absent, or the details make no sense.
    pub fn detail(&self, name: &str) -> Option<String> {
        let details: BTreeMap<String, String> = serde_json::from_str(&self.details).ok()?;
        details.get(name).cloned()
    }
}

/// A name in the form in which a list of names holds it.
pub fn quoted(name: &str) -> String {
    json(&name)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts serialise")
}

/// The names that an entry takes; how many more there are becomes a detail.
fn names(
    mut names: Vec<String>,
    what: &str,
    details: &mut BTreeMap<String, String>,
) -> Vec<String> {
    if names.len() > MAX_NAMES {
        details.insert(format!("{what}_in_all"), names.len().to_string());
        names.truncate(MAX_NAMES);
    }
    names.into_iter().map(cut).collect()
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let actor = Actor { kind: ActorKind::User, id: "7".into(), name: "Ann \u{dc}".into() };
        Event {
            tenant: "contoso".into(),
            resources: vec!["bob@contoso.example".into()],
            items: vec!["Inbox/2026-03/a \"b\".eml".into()],
            ..Event::new(actor, "192.0.2.7", Action::ItemRead).detail("b", "2").detail("a", "1")
        }
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let entry = event().into_entry(12, Timestamp::from_second(1_772_438_400).unwrap(), GENESIS);
        let text = concat!(
            "16:holdfast-audit-1,2:12,13:1772438400000,4:user,1:7,6:Ann \u{dc},9:192.0.2.7,",
            "9:item.read,4:done,0:,1:0,7:contoso,23:[\"bob@contoso.example\"],",
            "29:[\"Inbox/2026-03/a \\\"b\\\".eml\"],17:{\"a\":\"1\",\"b\":\"2\"},",
            "64:0000000000000000000000000000000000000000000000000000000000000000,",
        );
        let digest = aws_lc_rs::digest::digest(&SHA256, text.as_bytes());
        assert_eq!(entry.hash, hex::encode(digest));
        assert_eq!(entry.statement(), format!("holdfast-audit-1 entry\n{}\n", entry.hash));
    }

    #[test]
    fn every_field_counts() {
        let entry = event().into_entry(12, Timestamp::UNIX_EPOCH, GENESIS);
        let mut kept = serde_json::to_value(&entry).unwrap();
        let fields: Vec<String> = kept.as_object().unwrap().keys().cloned().collect();
        for field in fields.iter().filter(|f| !["hash", "signature"].contains(&f.as_str())) {
            let before = kept[field].clone();
            kept[field] = if before.is_string() { "other".into() } else { 99.into() };
            let other: Entry = serde_json::from_value(kept.clone()).unwrap();
            assert_ne!(other.digest(), entry.hash, "{field}");
            kept[field] = before;
        }
        assert_eq!(fields.len(), 17);
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        let mut long = event();
        long.items = vec!["\u{dc}".repeat(900); 1_001];
        long.cause = "x".repeat(2_000);
        let entry = long.into_entry(1, Timestamp::UNIX_EPOCH, GENESIS);
        assert_eq!(entry.cause.len(), 1_000);
        let items: Vec<String> = serde_json::from_str(&entry.items).unwrap();
        assert_eq!((items.len(), items[0].len()), (1_000, 999));
        assert_eq!(entry.detail("items_in_all").as_deref(), Some("1001"));
    }

    #[test]
    fn words_are_unique_and_read_back() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert_eq!(quoted(action.as_str()), serde_json::to_string(action).unwrap());
        }
        assert!("item.steal".parse::<Action>().is_err());
    }
}
