//! The mail of the company as it flows: threads between its people, mail from outside, and the
//! places where people keep it.

mod scenes;

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::file::Files;
use super::language::Language;
use super::letter::{Letter, Mailbox};
use super::people::DOMAIN;
use super::workday::{END_SECOND, at_work};
use super::{Person, SeedMail};
use crate::mail::Importance;

/// Most threads that wait for an answer.
const MAX_THREADS: usize = 24;

/// From this many messages per person on attachments stay below [`SMALL_ATTACHMENT`], so that
/// large mailboxes fit into memory.
const MANY: usize = 20_000;

/// Bytes of an attachment in a large mailbox.
const SMALL_ATTACHMENT: usize = 4096;

const CATEGORIES: [&str; 5] =
    ["Red category", "Blue category", "Project Aurora", "Zu erledigen", "要確認"];

/// Folders that people make below their inbox, some with names that file systems dislike.
const PROJECTS: [&str; 10] = [
    "Project Aurora",
    "Q1/Q2 planning",
    "Kunden & Lieferanten",
    "Straße 7",
    "会議",
    "مشاريع",
    "🚀 Launch",
    "CON",
    "what? <now>: a*b|c",
    "trailing dots...",
];

/// Exactly `per_user` messages for each of `people`, made one at a time.
///
/// People answer each other (a copy lies in Sent Items of the sender and with each receiver, and
/// `Message-ID`, `In-Reply-To` and `References` fit together); newsletters, customers, invitations,
/// reports, S/MIME, broken and hostile mail come in between. Dates lie on the working days of the
/// three years before 30 October 2026. Of 20,000 messages per person and more attachments stay
/// below 4 KB.
pub fn mail(
    people: &[Person],
    seed: u64,
    per_user: usize,
) -> impl Iterator<Item = SeedMail> + use<> {
    let limit = if per_user < MANY { usize::MAX } else { SMALL_ATTACHMENT };
    Flow {
        people: people.to_vec(),
        rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6d61_696c),
        room: vec![per_user; people.len()],
        open: (0..if per_user == 0 { 0 } else { people.len() }).collect(),
        total: people.len() * per_user,
        made: 0,
        number: 0,
        threads: Vec::new(),
        recent: Vec::new(),
        files: Files::new(seed, limit),
        ready: VecDeque::new(),
    }
}

/// A conversation that may go on.
struct Thread {
    /// The people of the company in it.
    members: Vec<usize>,
    /// Somebody outside.
    guest: Option<Mailbox>,
    subject: String,
    language: &'static Language,
    references: Vec<String>,
    date: Timestamp,
    last_text: String,
}

struct Flow {
    people: Vec<Person>,
    rng: ChaCha8Rng,
    /// Messages that still go to each person.
    room: Vec<usize>,
    /// The people with room.
    open: Vec<usize>,
    total: usize,
    made: usize,
    number: u64,
    threads: Vec<Thread>,
    /// A few small messages that can be forwarded or come back.
    recent: Vec<Vec<u8>>,
    files: Files,
    ready: VecDeque<SeedMail>,
}

impl Iterator for Flow {
    type Item = SeedMail;

    fn next(&mut self) -> Option<SeedMail> {
        while self.ready.is_empty() && !self.open.is_empty() {
            self.step();
        }
        self.ready.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.made + self.ready.len();
        (left, Some(left))
    }
}

impl Flow {
    /// Sends a letter and keeps the thread open.
    fn send(&mut self, letter: &Letter, members: &[usize], guest: Option<Mailbox>) {
        let mime = letter.mime(&mut self.rng);
        self.keep_thread(letter, members, guest);
        self.spread(letter, &mime, members);
    }

    fn receive_from_guest(&mut self, letter: &Letter, members: &[usize], guest: Option<Mailbox>) {
        let mime = letter.mime(&mut self.rng);
        self.keep_thread(letter, members, guest);
        for member in members {
            let folder = self.filing(letter.date);
            self.deliver(*member, folder, &mime, letter);
        }
    }

    fn keep_thread(&mut self, letter: &Letter, members: &[usize], guest: Option<Mailbox>) {
        let may_go_on = members.len() > 1 || guest.is_some();
        if self.threads.len() >= MAX_THREADS || !may_go_on || letter.references.len() > 12 {
            return;
        }
        let mut references = letter.references.clone();
        references.push(letter.message_id.clone());
        self.threads.push(Thread {
            members: members.to_vec(),
            guest,
            subject: letter.subject.clone(),
            language: letter.language,
            references,
            date: letter.date,
            last_text: letter.text.clone(),
        });
    }

    /// A copy into Sent Items of the first, one to each of the others.
    fn spread(&mut self, letter: &Letter, mime: &[u8], members: &[usize]) {
        if mime.len() < 8192 {
            self.recent.truncate(9);
            self.recent.insert(0, mime.to_vec());
        }
        let sent = self.seed(members[0], vec!["Sent Items".to_owned()], mime.to_vec(), letter);
        self.put(SeedMail { is_read: true, ..sent });
        for member in &members[1..] {
            let folder = self.filing(letter.date);
            self.deliver(*member, folder, mime, letter);
        }
    }

    /// Puts the message with its trace into a folder of the receiver.
    fn deliver(&mut self, user: usize, folder: Vec<String>, mime: &[u8], letter: &Letter) {
        let delay = SignedDuration::from_secs(self.rng.random_range(1..40));
        let received = letter.date.saturating_add(delay).unwrap_or(letter.date);
        let trace = format!(
            "Received: from mx{}.{DOMAIN} (192.0.2.{}) by mailbox.{DOMAIN}\r\n\twith ESMTPS id {:08x}; {}\r\n",
            self.rng.random_range(1..4),
            self.rng.random_range(1..255),
            self.number,
            received.strftime("%a, %-d %b %Y %H:%M:%S +0000"),
        );
        let mut seed = self.seed(user, folder, [trace.as_bytes(), mime].concat(), letter);
        seed.received = received;
        self.put(seed);
    }

    fn seed(
        &mut self,
        user: usize,
        folder: Vec<String>,
        mime: Vec<u8>,
        letter: &Letter,
    ) -> SeedMail {
        let is_old = letter.date.as_second() < END_SECOND - 30 * 86_400;
        let has_category = self.rng.random_bool(0.06);
        let category = CATEGORIES.choose(&mut self.rng).filter(|_| has_category);
        SeedMail {
            user,
            folder,
            mime,
            received: letter.date,
            is_read: self.rng.random_bool(if is_old { 0.97 } else { 0.6 }),
            flagged: self.rng.random_bool(0.03),
            categories: category.into_iter().map(|name| (*name).to_owned()).collect(),
            importance: letter.importance,
            is_draft: false,
        }
    }

    /// Counts the message, unless the person has enough of them.
    fn put(&mut self, seed: SeedMail) {
        let room = &mut self.room[seed.user];
        if *room == 0 {
            return;
        }
        *room -= 1;
        if *room == 0 {
            self.open.retain(|user| *user != seed.user);
        }
        self.made += 1;
        self.ready.push_back(seed);
    }

    /// Where people keep what they get.
    fn filing(&mut self, date: Timestamp) -> Vec<String> {
        let inbox = || "Inbox".to_owned();
        match self.rng.random_range(0..100) {
            0..64 => vec![inbox()],
            64..80 => {
                let project = PROJECTS.choose(&mut self.rng).copied().unwrap_or_default();
                vec![inbox(), project.to_owned()]
            }
            80..84 => vec![inbox(), "Project Aurora".to_owned(), "Done".to_owned()],
            84..90 => vec!["Archive".to_owned()],
            90..95 => {
                vec!["Archive".to_owned(), date.strftime("%Y").to_string()]
            }
            95..98 => vec!["Deleted Items".to_owned()],
            _ => vec!["Personal".to_owned()],
        }
    }

    fn somebody(&mut self) -> usize {
        self.open.choose(&mut self.rng).copied().unwrap_or_default()
    }

    /// Two to six people with room, fewer where there are not so many.
    fn some_people(&mut self) -> Vec<usize> {
        let count = match self.rng.random_range(0..10) {
            0..6 => 2,
            6..9 => 3,
            _ => 6,
        };
        self.open.choose_multiple(&mut self.rng, count).copied().collect()
    }

    fn outsider(&mut self) -> Mailbox {
        let names = ["Hana Orlová", "Ивар Снегов", "Pete Brightwater", "Renée Dumoulin", "長谷 一"];
        let index = self.rng.random_range(0..names.len());
        (names[index].to_owned(), format!("contact{index}@fabrikam.example"))
    }

    fn mailbox(&self, user: usize) -> Mailbox {
        let person = &self.people[user];
        (person.display_name.clone(), person.upn.clone())
    }

    fn letter(&mut self, from: usize, to: &[usize]) -> Letter {
        let language = Language::of(&self.people[from].language);
        let mut to: Vec<Mailbox> = to.iter().map(|user| self.mailbox(*user)).collect();
        let cc = if to.len() > 2 { to.split_off(2) } else { Vec::new() };
        if to.is_empty() {
            to.push(self.outsider());
        }
        let from = self.mailbox(from);
        let text = language.letter(&to[0].0, &from.0, &mut self.rng);
        let mut letter = Letter {
            language,
            to,
            cc,
            subject: language.subject(&mut self.rng),
            date: self.date(),
            message_id: self.message_id(DOMAIN),
            references: Vec::new(),
            importance: match self.rng.random_range(0..100) {
                0..5 => Importance::High,
                5..7 => Importance::Low,
                _ => Importance::Normal,
            },
            html: None,
            images: Vec::new(),
            files: Vec::new(),
            headers: Vec::new(),
            from,
            text,
        };
        if self.rng.random_bool(0.6) {
            if self.rng.random_bool(0.12) {
                let id = format!("logo{}@{DOMAIN}", self.number);
                letter.images = vec![(id, self.files.image(&mut self.rng))];
            }
            letter.html = Some(scenes::html(&letter.text, &letter.images));
        }
        letter
    }

    fn attach(&mut self, letter: &mut Letter) {
        match self.rng.random_range(0..100) {
            0..24 => letter.files.push(self.files.shared(&mut self.rng)),
            24..28 => {
                letter.files.push(self.files.shared(&mut self.rng));
                letter.files.push(self.files.single(&mut self.rng));
            }
            28..34 => letter.files.push(self.files.single(&mut self.rng)),
            _ => {}
        }
    }

    fn message_id(&mut self, domain: &str) -> String {
        self.number += 1;
        format!("<{:08x}.{:012x}@{domain}>", self.number, self.rng.random::<u64>() >> 16)
    }

    /// A moment of a working day, later the more of the mail is made.
    fn date(&mut self) -> Timestamp {
        let progress = self.made as f64 / self.total.max(1) as f64;
        at_work(progress, &mut self.rng)
    }
}
