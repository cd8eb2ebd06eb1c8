//! The mail of the company.

use jiff::Timestamp;

use super::{Person, SeedMail};
use crate::mail::Importance;

/// Exactly `per_user` messages for each of `people`, made one at a time.
pub fn mail(people: &[Person], _seed: u64, per_user: usize) -> impl Iterator<Item = SeedMail> {
    let people = people.to_vec();
    (0..per_user * people.len()).map(move |index| simple(&people, index))
}

fn simple(people: &[Person], index: usize) -> SeedMail {
    let user = index % people.len();
    let mime = format!(
        "From: <{0}>\r\nTo: <{0}>\r\nSubject: Note {index}\r\nMessage-ID: <{index}@contoso.example>\r\n\r\nText {index}\r\n",
        people[user].upn
    );
    SeedMail {
        user,
        folder: vec!["Inbox".to_owned()],
        mime: mime.into_bytes(),
        received: Timestamp::from_second(1_700_000_000 + index as i64).unwrap_or_default(),
        is_read: false,
        flagged: false,
        categories: Vec::new(),
        importance: Importance::Normal,
        is_draft: false,
    }
}
