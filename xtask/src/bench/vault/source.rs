//! A simulated source of mail, in memory: the same items in every run, made for next to nothing,
//! so that what a process uses is the vault's.
//!
//! Headers and metadata have the length and the randomness of real ones; bodies are stretches of
//! a text in which words are as frequent as in a language (Zipf 1935).

use std::fmt::Write;
use std::path::PathBuf;

use holdfast_model::Timestamp;

use super::super::numbers::Numbers;

/// Messages in a mailbox. A larger tenant has more mailboxes, not fuller ones.
pub(crate) const PER_MAILBOX: u64 = 1000;
/// Months over which the messages of a mailbox are spread, up to December 2025.
const MONTHS: u64 = 24;
/// Bytes of text from which bodies are taken.
const TEXT: usize = 512 << 10;
/// Attachments that several messages carry.
const SHARED: u64 = 50;

/// What the items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Text messages of 1 to 9 KB.
    Small,
    /// The same, and 30 % of them carry one of 50 attachments.
    Shared,
}

/// Where an item lies and when it came.
pub(crate) struct Place {
    pub(crate) mailbox: String,
    pub(crate) folder: &'static str,
    pub(crate) name: String,
    pub(crate) received: Timestamp,
}

impl Place {
    /// Where it lies in the tree of files.
    pub(crate) fn path(&self) -> PathBuf {
        let month = format!("{}-{}", &self.name[..4], &self.name[4..6]);
        [&self.mailbox, self.folder, &month, &self.name].iter().collect()
    }
}

pub(crate) struct Source {
    kind: Kind,
    text: String,
    attachments: Vec<String>,
}

impl Source {
    pub(crate) fn new(kind: Kind) -> Self {
        let attachments = match kind {
            Kind::Small => Vec::new(),
            Kind::Shared => (0..SHARED).map(attachment).collect(),
        };
        Self { kind, text: text(TEXT), attachments }
    }

    /// The place of item `number`; items of one mailbox follow each other, oldest first.
    pub(crate) fn place(&self, number: u64) -> Place {
        let (mailbox, within) = (number / PER_MAILBOX, number % PER_MAILBOX);
        self.place_in(number, mailbox, within * MONTHS / PER_MAILBOX)
    }

    /// The place of an item that came later: `number` is one that no item of the set has.
    pub(crate) fn new_place(&self, number: u64, mailbox: u64) -> Place {
        self.place_in(number, mailbox, MONTHS)
    }

    fn place_in(&self, number: u64, mailbox: u64, month: u64) -> Place {
        let mut numbers = Numbers::of(number);
        let (year, month) = (2024 + month / 12, 1 + month % 12);
        let (day, hour) = (1 + numbers.below(28), numbers.below(24));
        let (minute, second) = (numbers.below(60), numbers.below(60));
        let received = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        let folder = match number % 20 {
            0..12 => "Inbox",
            12..17 => "Sent Items",
            17 | 18 => "Archive",
            _ => "Deleted Items",
        };
        let subject = self.stretch(&mut numbers, 40).replace(['\r', '\n'], " ");
        let name = format!(
            "{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02} {} ~{:016x}.eml",
            subject.trim(),
            numbers.next(),
        );
        Place {
            mailbox: format!("Person {mailbox:05} ~{:016x}", Numbers::of(!mailbox).next()),
            folder,
            name,
            received: received.parse().expect("the numbers are those of a date"),
        }
    }

    /// The metadata of an item as it stands in its node.
    pub(crate) fn meta(&self, number: u64, place: &Place, is_read: bool) -> String {
        let mut numbers = Numbers::of(number ^ 0x6d65_7461);
        let (id, key) = (numbers.letters(120), numbers.letters(40));
        let (tag, received) = (numbers.letters(16), place.received);
        let subject = &place.name[16..place.name.len() - 22];
        format!(
            "{{\"v\":1,\"id\":\"{id}\",\"ck\":\"{key}\",\"tag\":\"{tag}\",\"received\":\
             \"{received}\",\"sent\":\"{received}\",\"created\":\"{received}\",\"read\":{is_read},\
             \"mapi\":{{\"String 0x001A\":\"IPM.Note\",\"Integer 0x0E08\":\"{}\"}},\"subject\":\
             \"{subject}\",\"from\":\"a.person{}@contoso.example\"}}",
            numbers.below(90_000),
            numbers.below(5000),
        )
    }

    /// The bytes of item `number`.
    pub(crate) fn content(&self, number: u64) -> Vec<u8> {
        let mut numbers = Numbers::of(number ^ 0x626f_6479);
        let mut mail = String::with_capacity(10_000);
        self.headers(&mut mail, &mut numbers);
        let carries = self.kind == Kind::Shared && numbers.below(10) < 3;
        if carries {
            mail.push_str("Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n");
        }
        mail.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
        for _ in 0..1 + numbers.below(20) {
            let length = 100 + numbers.below(500) as usize;
            mail.push_str(self.stretch(&mut numbers, length));
        }
        mail.push_str("\r\n");
        if carries {
            mail.push_str(
                "--=_b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\
                 \r\n",
            );
            mail.push_str(&self.attachments[numbers.below(SHARED) as usize]);
            mail.push_str("\r\n--=_b--\r\n");
        }
        mail.into_bytes()
    }

    fn headers(&self, mail: &mut String, numbers: &mut Numbers) {
        let (from, to) = (numbers.below(5000), numbers.below(5000));
        // Writing to a string cannot fail.
        let _ = write!(
            mail,
            "Received: from AM0PR{:04}.eurprd05.prod.outlook.example (2603:10a6:{:x}:{:x}::{:x})\r\n \
             by DB8PR{:04}.eurprd05.prod.outlook.example with HTTPS; {}\r\n\
             DKIM-Signature: v=1; a=rsa-sha256; d=contoso.example; bh={};\r\n b={}\r\n\
             From: A Person <a.person{from}@contoso.example>\r\n\
             To: A Person <a.person{to}@contoso.example>\r\nMessage-ID: <{}@contoso.example>\r\n\
             X-MS-Exchange-CrossTenant-id: {}\r\nX-MS-Has-Attach: yes\r\nMIME-Version: 1.0\r\n\
             Subject: {}\r\n",
            numbers.below(9999),
            numbers.below(0xffff),
            numbers.below(0xffff),
            numbers.below(0xffff),
            numbers.below(9999),
            numbers.below(1_000_000),
            numbers.letters(44),
            numbers.letters(340),
            numbers.letters(32),
            numbers.letters(32),
            self.stretch(numbers, 40).replace(['\r', '\n'], " ").trim(),
        );
    }

    /// A stretch of the text, somewhere.
    fn stretch(&self, numbers: &mut Numbers, length: usize) -> &str {
        let start = numbers.below((self.text.len() - length) as u64) as usize;
        &self.text[start..start + length]
    }
}

/// Text of 5,000 words, each as frequent as its rank demands. ASCII only.
fn text(length: usize) -> String {
    let mut numbers = Numbers::of(5);
    let syllables = ["ba", "den", "for", "ing", "ka", "lo", "men", "no", "per", "re", "st", "ti"];
    let mut word = || -> String {
        (0..1 + numbers.below(4)).map(|_| syllables[numbers.below(12) as usize]).collect()
    };
    let words: Vec<String> = (0..5000).map(|_| word()).collect();
    let mut text = String::with_capacity(length + 100);
    let mut column = 0;
    while text.len() < length {
        let unit = numbers.below(1 << 20) as f64 / f64::from(1 << 20);
        let rank = (words.len() as f64).powf(unit) as usize - 1;
        text.push_str(&words[rank]);
        column += words[rank].len() + 1;
        let ends = column > 72;
        text.push_str(if ends { "\r\n" } else { " " });
        column = if ends { 0 } else { column };
    }
    text
}

/// Random bytes of 30 to 300 KB in base64, in lines as mailers make them.
fn attachment(number: u64) -> String {
    use base64::Engine;
    let mut numbers = Numbers::of(number ^ 0x0061_7474);
    let length = 30_000 + numbers.below(270_000) as usize;
    let bytes: Vec<u8> = (0..length / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
    let mut lines = String::new();
    for line in bytes.chunks(57) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut lines);
        lines.push_str("\r\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn items_are_the_same_in_every_run_and_all_different() {
        let (one, two) = (Source::new(Kind::Small), Source::new(Kind::Small));
        let mut contents = HashSet::new();
        let mut paths = HashSet::new();
        for number in 0..3000 {
            let content = one.content(number);
            assert_eq!(content, two.content(number));
            assert!((900..14_000).contains(&content.len()), "{}", content.len());
            let place = one.place(number);
            assert_eq!(place.path(), two.place(number).path());
            let meta = one.meta(number, &place, true);
            assert!((350..1000).contains(&meta.len()), "{meta}");
            serde_json::from_str::<serde_json::Value>(&meta).unwrap();
            assert!(contents.insert(content) && paths.insert(place.path()));
        }
        let mailboxes: HashSet<_> = (0..3000).map(|number| one.place(number).mailbox).collect();
        assert_eq!(mailboxes.len(), 3);
    }

    #[test]
    fn three_in_ten_carry_one_of_fifty() {
        let source = Source::new(Kind::Shared);
        let contents: Vec<_> = (0..1000).map(|number| source.content(number)).collect();
        let carries = contents.iter().filter(|content| content.ends_with(b"--=_b--\r\n")).count();
        assert!((250..350).contains(&carries), "{carries}");
    }
}
