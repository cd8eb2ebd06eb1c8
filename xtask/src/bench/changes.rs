//! Work for the product: small messages by the hundred thousand, and a day of changes.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::numbers::Numbers;
use super::tenant::Tenant;

const WORDS: [&str; 24] = [
    "report", "meeting", "Thursday", "the", "and", "budget", "draft", "please", "of", "customer",
    "delivery", "in", "question", "we", "agreed", "to", "figures", "quarter", "a", "reply", "with",
    "numbers", "next", "week",
];

/// A message of 1 to 4 KB of text that no other is equal to. Dates lie in 36 months.
fn small_message(number: u64) -> String {
    let mut numbers = Numbers::of(number);
    let (year, month, day) = (2023 + number % 3, 1 + number / 3 % 12, 1 + numbers.below(28));
    let (hour, minute) = (numbers.below(24), numbers.below(60));
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[month as usize - 1];
    let mut text = format!(
        "From: A <a@bench.example>\r\nTo: B <b@bench.example>\r\nSubject: Note {number}\r\n\
         Date: {day} {month} {year} {hour:02}:{minute:02}:00 +0000\r\n\
         Message-ID: <{number}@bench.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    for word in 0..150 + numbers.below(450) {
        let end = if word % 12 == 11 { "\r\n" } else { " " };
        let at = numbers.below(WORDS.len() as u64) as usize;
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{end}", WORDS[at]);
    }
    text.push_str("\r\n");
    text
}

/// Folders of mailboxes in the tree of small messages; each holds one for every month. The
/// simulated tenant names a folder after the last one of the path.
const MAILBOXES: u64 = 20;

/// Where a small message lies in the tree of files.
fn place(number: u64) -> PathBuf {
    let (year, month) = (2023 + number % 3, 1 + number / 3 % 12);
    let mailbox = number % MAILBOXES;
    PathBuf::from(format!("mailbox-{mailbox:02}/{year}-{month:02}/Mail/{number:07}.eml"))
}

/// Writes a small message as a file.
fn write_one(dir: &Path, number: u64) -> Result<()> {
    let path = dir.join(place(number));
    fs::create_dir_all(path.parent().context("a message lies in a folder")?)?;
    Ok(fs::write(path, small_message(number))?)
}

/// Writes so many small messages as files. The number of folders does not depend on `count`.
pub(crate) fn write_small(dir: &Path, count: u64) -> Result<()> {
    (0..count).try_for_each(|number| write_one(dir, number))
}

/// What was done to the mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) delivered: u64,
    pub(crate) updated: u64,
    pub(crate) moved: u64,
    pub(crate) deleted: u64,
}

impl Changes {
    /// `count` changes: 60 % new mail, 20 % read or unread, 10 % moves, 10 % deletions.
    pub(crate) fn of(count: u64) -> Self {
        let part = |percent: u64| count * percent / 100;
        let (updated, moved, deleted) = (part(20), part(10), part(10));
        Self { delivered: count - updated - moved - deleted, updated, moved, deleted }
    }

    pub(crate) fn total(&self) -> u64 {
        self.delivered + self.updated + self.moved + self.deleted
    }

    /// Carries them out, spread evenly over the people and over the messages of their inboxes.
    pub(crate) fn carry_out(&self, tenant: &Tenant) -> Result<()> {
        let (people, _) = tenant.people()?;
        let count = people.len() as u64;
        for (at, user) in people.iter().enumerate() {
            let share = |all: u64| all / count + u64::from((at as u64) < all % count);
            for number in 0..share(self.delivered) {
                let mime = small_message(1_000_000 + at as u64 * 10_000 + number);
                let mime = STANDARD.encode(mime);
                tenant.change(&json!({
                    "action": "deliver", "user": user, "folder": "inbox", "mime_base64": mime,
                }))?;
            }
            let mine = Self {
                delivered: 0,
                updated: share(self.updated),
                moved: share(self.moved),
                deleted: share(self.deleted),
            };
            mine.disturb(tenant, user)?;
        }
        Ok(())
    }

    /// Does to the tree of `count` files what [`Changes::carry_out`] does to the tenant, to other
    /// messages of the same kind. A file knows no read state.
    pub(crate) fn carry_out_on_files(&self, dir: &Path, count: u64, round: u64) -> Result<()> {
        for number in 0..self.delivered {
            write_one(dir, count + round * self.delivered + number)?;
        }
        let wanted = self.moved + self.deleted;
        for at in 0..wanted {
            // Each round takes the messages beside those of the round before.
            let old = dir.join(place(at * (count / wanted) + round));
            match at < self.moved {
                true => fs::rename(
                    &old,
                    dir.join(format!("mailbox-00/2023-01/Mail/moved-{round}-{at}.eml")),
                ),
                false => fs::remove_file(&old),
            }
            .with_context(|| format!("cannot change {}", old.display()))?;
        }
        Ok(())
    }

    /// Changes messages that are there already.
    fn disturb(&self, tenant: &Tenant, user: &str) -> Result<()> {
        let inbox = tenant.get(&format!("tenant/users/{user}/folders/inbox"))?;
        let inbox = inbox.as_array().context("messages are a list")?;
        // The newest were delivered just now: only the older part is taken.
        let step = (inbox.len() / 2) / (self.total().max(1) as usize);
        let chosen = inbox.iter().rev().step_by(step.max(1));
        for (number, message) in chosen.take(self.total() as usize).enumerate() {
            let (id, number) = (&message["id"], number as u64);
            let body = if number < self.updated {
                let is_read = message["is_read"] != json!(true);
                json!({"action": "message_update", "user": user, "id": id, "is_read": is_read})
            } else if number < self.updated + self.moved {
                json!({"action": "message_move", "user": user, "id": id, "folder": "archive"})
            } else {
                json!({"action": "message_delete", "user": user, "id": id, "for_good": true})
            };
            tenant.change(&body)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;

    #[test]
    fn small_messages_differ_and_are_the_same_in_every_run() {
        let messages: Vec<String> = (0..50).map(small_message).collect();
        let mut distinct = messages.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 50);
        assert!(messages.iter().all(|text| (900..4500).contains(&text.len())));
        assert_eq!(small_message(7), messages[7]);
    }

    #[test]
    fn files_are_changed_in_the_same_measure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        write_small(path, 720).unwrap();
        let folders = || fs::read_dir(path.join("mailbox-07")).unwrap().count();
        let (before, changes) = (folders(), Changes::of(40));
        let old = files::messages(path).unwrap();
        changes.carry_out_on_files(path, 720, 0).unwrap();
        let new = files::messages(path).unwrap();
        assert_eq!((old.len(), new.len()), (720, 720 + 24 - 4));
        assert_eq!(old.difference(&new).count(), 8);
        changes.carry_out_on_files(path, 720, 1).unwrap();
        assert_eq!(files::messages(path).unwrap().len(), 760);
        assert_eq!(folders(), before);
    }

    #[test]
    fn changes_add_up() {
        let changes = Changes::of(1000);
        assert_eq!((changes.delivered, changes.updated), (600, 200));
        assert_eq!((changes.moved, changes.deleted), (100, 100));
        assert_eq!(Changes::of(33).total(), 33);
    }
}
