//! Content for the simulated tenant: an invented company, its mail and its drives, and both from
//! files.
//!
//! Everything follows from a seed: the same arguments give the same people and the same bytes.

mod corpus;
mod document;
pub mod drives;
mod file;
mod flow;
mod language;
mod letter;
mod odd;
mod people;
pub mod ransom;
mod special;
mod workday;

use jiff::Timestamp;

use crate::mail::Importance;

pub use self::corpus::{CorpusError, corpus};
pub use self::document::{Document, Kind, Picture, Row};
pub use self::flow::mail;
pub use self::people::{Person, company};

/// A message to be put into a mailbox, with the state that MIME does not carry.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedMail {
    /// Whose mailbox: index into the people.
    pub user: usize,
    /// Display names from the root of the mailbox, a well-known folder first: `Inbox`,
    /// `Sent Items`, `Drafts`, `Archive`, `Junk Email`, `Deleted Items`, or a folder of the person.
    pub folder: Vec<String>,
    /// The message as it was delivered.
    pub mime: Vec<u8>,
    /// When it arrived (or was sent, or last saved as a draft).
    pub received: Timestamp,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it carries a follow-up flag.
    pub flagged: bool,
    /// Names of categories.
    pub categories: Vec<String>,
    /// The importance, equal to the header in `mime`.
    pub importance: Importance,
    /// Whether it was never sent.
    pub is_draft: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::mail as mime;

    #[test]
    fn everybody_gets_their_share_and_each_run_the_same() {
        let people = company(6, 3);
        let first: Vec<_> = mail(&people, 3, 150).collect();
        assert!(first == mail(&people, 3, 150).collect::<Vec<_>>());
        assert!(first != mail(&people, 4, 150).collect::<Vec<_>>());
        for user in 0..6 {
            assert_eq!(first.iter().filter(|mail| mail.user == user).count(), 150);
        }
        assert_eq!(mail(&people, 3, 0).count(), 0);
        assert_eq!(mail(&[], 3, 10).count(), 0);
        assert_eq!(mail(&people[..1], 3, 40).count(), 40);
    }

    #[test]
    fn threads_fit_together_and_copies_lie_with_everybody() {
        let people = company(8, 1);
        let mails: Vec<_> = mail(&people, 1, 200).collect();
        let messages: Vec<_> = mails.iter().map(|mail| mime::read(&mail.mime)).collect();
        let ids: HashSet<_> = messages.iter().filter_map(|one| one.message_id.as_ref()).collect();
        let answers: Vec<_> = messages.iter().filter(|one| one.in_reply_to.is_some()).collect();
        assert!(answers.len() > 200, "{} answers", answers.len());
        for answer in &answers {
            let parent = answer.in_reply_to.as_ref().unwrap();
            assert!(ids.contains(parent), "{parent} was never sent");
            assert!(answer.references.as_ref().unwrap().ends_with(parent.as_str()));
        }
        let mut copies = BTreeMap::<_, Vec<_>>::new();
        for (seed, message) in mails.iter().zip(&messages) {
            copies.entry(&message.message_id).or_default().push((seed, message));
        }
        let shared = copies.values().filter(|list| list.len() > 1).count();
        assert!(shared > 300, "{shared} messages lie with several people");
        for (seed, message) in copies.values().flatten() {
            let address = &people[seed.user].upn;
            let mut involved = message.from.iter().chain(&message.to).chain(&message.cc);
            let is_odd = message.from.is_none();
            assert!(is_odd || involved.any(|one| &one.address == address), "{address}");
        }
    }

    #[test]
    fn dates_are_working_days_of_three_years() {
        let people = company(5, 2);
        let mails: Vec<_> = mail(&people, 2, 200).collect();
        let mut years = HashSet::new();
        for seed in mails.iter().filter(|seed| seed.folder[0] != "Drafts") {
            let date = seed.received.to_zoned(jiff::tz::TimeZone::UTC);
            years.insert(date.year());
            let sent = mime::read(&seed.mime).sent;
            assert!(sent.is_none_or(|sent| sent <= seed.received));
        }
        assert_eq!(years, HashSet::from([2023, 2024, 2025, 2026]));
    }

    #[test]
    fn the_mail_is_of_every_kind() {
        let people = company(10, 5);
        let mut classes = BTreeMap::<String, usize>::new();
        let mut folders = HashSet::new();
        let mut charsets = HashSet::new();
        let (mut inline, mut items, mut files) = (0, 0, 0);
        for seed in mail(&people, 5, 400) {
            let message = mime::read(&seed.mime);
            assert_eq!(message.importance, seed.importance);
            *classes.entry(message.class.clone()).or_default() += 1;
            folders.insert(seed.folder.join("\\"));
            let text = String::from_utf8_lossy(&seed.mime).into_owned();
            let found = text.split("charset=").skip(1);
            charsets
                .extend(found.filter_map(|rest| rest.split_whitespace().next().map(str::to_owned)));
            inline += message.attachments.iter().filter(|one| one.is_inline).count();
            items += message.attachments.iter().filter(|one| one.item.is_some()).count();
            files += message.attachments.iter().filter(|one| one.content.len() > 1000).count();
        }
        for class in [
            "IPM.Note",
            "IPM.Note.SMIME",
            "IPM.Note.SMIME.MultipartSigned",
            "IPM.Schedule.Meeting.Request",
            "REPORT.IPM.Note.NDR",
        ] {
            assert!(classes.get(class).is_some_and(|count| *count > 5), "{class}: {classes:?}");
        }
        for charset in
            ["iso-8859-1", "iso-8859-2", "windows-1252", "koi8-r", "iso-2022-jp", "utf-8"]
        {
            assert!(charsets.contains(charset), "{charset}: {charsets:?}");
        }
        assert!(folders.len() > 15, "{folders:?}");
        assert!(inline > 100 && items > 40 && files > 300, "{inline} {items} {files}");
    }
}
