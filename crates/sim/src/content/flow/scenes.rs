//! The things that happen: who writes what to whom.

use std::sync::Arc;

use jiff::SignedDuration;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{Flow, Thread};
use crate::content::file::File;
use crate::content::language::LANGUAGES;
use crate::content::letter::Letter;
use crate::content::people::DOMAIN;
use crate::content::{odd, special};

impl Flow {
    /// One thing that happens in the company.
    pub(super) fn step(&mut self) {
        match self.rng.random_range(0..1000) {
            0..380 => self.answer(),
            380..680 => self.start_thread(),
            680..760 => self.customer_letter(),
            760..850 => self.newsletter(),
            850..880 => self.invitation(),
            880..905 => self.special(special::signed),
            905..920 => self.special(special::opaque),
            920..935 => self.forward(),
            935..945 => self.bounce(),
            945..965 => self.special(odd::message),
            965..980 => self.hostile(),
            980..990 => self.spam(),
            _ => self.draft(),
        }
    }

    fn start_thread(&mut self) {
        let members = self.some_people();
        let mut letter = self.letter(members[0], &members[1..]);
        self.attach(&mut letter);
        self.send(&letter, &members, None);
    }

    fn answer(&mut self) {
        let Some(at) =
            (!self.threads.is_empty()).then(|| self.rng.random_range(0..self.threads.len()))
        else {
            return self.start_thread();
        };
        let thread = self.threads.swap_remove(at);
        if thread.members.iter().any(|member| self.room[*member] == 0) {
            return;
        }
        let writes_guest = thread.guest.is_some() && self.rng.random_bool(0.5);
        let at = self.rng.random_range(0..thread.members.len());
        let mut members = thread.members.clone();
        members.swap(0, at);
        let mut letter = self.letter(members[0], &members[1..]);
        let sender = letter.from.clone();
        if let Some(guest) = &thread.guest {
            match writes_guest {
                true => letter.to.push(sender),
                false => letter.to.push(guest.clone()),
            }
        }
        if writes_guest {
            letter.from = thread.guest.clone().unwrap_or(letter.from);
        }
        self.quote(&mut letter, &thread);
        let guest = thread.guest.clone();
        match writes_guest {
            true => self.receive_from_guest(&letter, &members, guest),
            false => self.send(&letter, &members, guest),
        }
    }

    /// Makes `letter` the answer to the last one of the thread.
    fn quote(&mut self, letter: &mut Letter, thread: &Thread) {
        let minutes = SignedDuration::from_mins(self.rng.random_range(3..900));
        letter.date = letter.date.max(thread.date + minutes);
        letter.references.clone_from(&thread.references);
        letter.language = thread.language;
        letter.subject = match thread.references.len() {
            1 => format!("{}: {}", thread.language.reply, thread.subject),
            _ => thread.subject.clone(),
        };
        let answer = thread.language.paragraph(&mut self.rng);
        let quoted: String =
            thread.last_text.lines().take(30).map(|line| format!("> {line}\n")).collect();
        letter.text = format!("{answer}\n\n{}\n\n{quoted}", letter.from.0);
        if letter.html.is_some() {
            letter.html = Some(html(&letter.text, &letter.images));
        }
    }

    fn customer_letter(&mut self) {
        let member = self.somebody();
        let mut letter = self.letter(member, &[]);
        let guest = self.outsider();
        letter.to = vec![std::mem::replace(&mut letter.from, guest.clone())];
        letter.message_id = self.message_id("fabrikam.example");
        self.attach(&mut letter);
        self.receive_from_guest(&letter, &[member], Some(guest));
    }

    fn newsletter(&mut self) {
        let member = self.somebody();
        let mut letter = self.letter(member, &[]);
        let list = ("The Weekly Digest".to_owned(), "digest@news.example".to_owned());
        letter.to = vec![std::mem::replace(&mut letter.from, list)];
        letter.language = &LANGUAGES[0];
        letter.subject = format!("The Weekly Digest no. {}", self.rng.random_range(1..400));
        let sections: String = (0..self.rng.random_range(4..14))
            .map(|_| format!("<tr><td>{}</td></tr>", LANGUAGES[0].paragraph(&mut self.rng)))
            .collect();
        let image = ("banner@news.example".to_owned(), self.files.image(&mut self.rng));
        letter.html = Some(format!(
            "<html><head><style>td {{ color: #333 }}</style></head><body>\
             <img src=\"cid:{}\" alt=\"\"><table>{sections}</table></body></html>",
            image.0
        ));
        letter.images = vec![image];
        letter.headers = vec![
            ("List-Id", "<digest.news.example>".to_owned()),
            ("List-Unsubscribe", "<mailto:leave@news.example>".to_owned()),
        ];
        let mime = letter.mime(&mut self.rng);
        let folder = match self.rng.random_bool(0.6) {
            true => vec!["Newsletters".to_owned()],
            false => vec!["Inbox".to_owned()],
        };
        self.deliver(member, folder, &mime, &letter);
    }

    fn invitation(&mut self) {
        let members = self.some_people();
        let letter = self.letter(members[0], &members[1..]);
        let mime = special::invitation(&letter, &mut self.rng);
        self.spread(&letter, &mime, &members);
    }

    /// A letter between people in another form than usual.
    fn special(&mut self, form: fn(&Letter, &mut ChaCha8Rng) -> Vec<u8>) {
        let members = self.some_people();
        let letter = self.letter(members[0], &members[1..]);
        let mime = form(&letter, &mut self.rng);
        self.spread(&letter, &mime, &members);
    }

    fn forward(&mut self) {
        let Some(inner) = self.recent.choose(&mut self.rng).cloned() else { return };
        let members = self.some_people();
        let mut letter = self.letter(members[0], &members[1..]);
        letter.subject = format!("{}: {}", letter.language.forward, letter.subject);
        let mime = special::with_message(&letter, &inner, &mut self.rng);
        self.spread(&letter, &mime, &members);
    }

    fn bounce(&mut self) {
        let Some(original) = self.recent.choose(&mut self.rng).cloned() else { return };
        let member = self.somebody();
        let mut letter = self.letter(member, &[]);
        let system = ("Mail Delivery System".to_owned(), format!("postmaster@{DOMAIN}"));
        letter.to = vec![std::mem::replace(&mut letter.from, system)];
        letter.subject = "Undeliverable: your message".to_owned();
        let mime = special::bounce(&letter, &original, &mut self.rng);
        self.deliver(member, vec!["Inbox".to_owned()], &mime, &letter);
    }

    fn hostile(&mut self) {
        let members = self.some_people();
        let mut letter = self.letter(members[0], &members[1..]);
        match self.rng.random_bool(0.5) {
            true => letter.subject = odd::subject(&mut self.rng),
            false => letter.files = vec![Arc::new(odd::file(&mut self.rng))],
        }
        let mime = letter.mime(&mut self.rng);
        self.spread(&letter, &mime, &members);
    }

    fn spam(&mut self) {
        let member = self.somebody();
        let mut letter = self.letter(member, &[]);
        let spammer = ("Big Prize".to_owned(), "winner@lottery.example".to_owned());
        letter.to = vec![std::mem::replace(&mut letter.from, spammer)];
        letter.subject = format!("You have won {} !!!", self.rng.random_range(1000..99999));
        letter.headers = vec![("X-Spam-Flag", "YES".to_owned())];
        let mime = letter.mime(&mut self.rng);
        self.deliver(member, vec!["Junk Email".to_owned()], &mime, &letter);
    }

    fn draft(&mut self) {
        let members = self.some_people();
        let letter = self.letter(members[0], &members[1..]);
        let mime = letter.mime(&mut self.rng);
        let mut seed = self.seed(members[0], vec!["Drafts".to_owned()], mime, &letter);
        seed.is_draft = true;
        self.put(seed);
    }
}

/// The text as a mail program writes it in HTML, with the images below.
pub(super) fn html(text: &str, images: &[(String, Arc<File>)]) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let paragraphs: String = escaped
        .trim_end()
        .split("\n\n")
        .map(|paragraph| format!("<p class=MsoNormal>{}</p>\n", paragraph.replace('\n', "<br>\n")))
        .collect();
    let images: String =
        images.iter().map(|(id, _)| format!("<img src='cid:{id}' width=120>")).collect();
    format!("<html>\n<head></head>\n<body>\n{paragraphs}{images}</body>\n</html>\n")
}
