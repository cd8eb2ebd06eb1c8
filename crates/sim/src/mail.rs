//! What Exchange keeps of a message, and the way between that and MIME.
//!
//! Exchange stores no MIME: it takes a message apart on arrival ([`read`]) and puts MIME together
//! again when it is asked for it ([`write()`]). A message that arrived as MIME is kept here with its
//! original bytes beside it, as Exchange Online does; [`write()`] serves the messages that were
//! created from JSON. The program under test reads MIME with another library, so that a
//! misreading is not shared by both sides.

mod address;
mod bytes;
mod header;
mod html;
mod parts;
mod read;
mod text;
mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::header::header_block;
pub use self::html::rewrite_html;
pub use self::read::read;
pub use self::write::write;

/// A message without ids and mailbox state (read, flag, folder): those belong to the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The MAPI message class, for example `IPM.Note`, `IPM.Note.SMIME`,
    /// `IPM.Note.SMIME.MultipartSigned`, `REPORT.IPM.Note.NDR`, `IPM.Schedule.Meeting.Request`.
    pub class: String,
    /// The subject, decoded, without line ends.
    pub subject: String,
    /// The author.
    pub from: Option<Address>,
    /// Who sent it in fact; equal to `from` where the message names nobody else.
    pub sender: Option<Address>,
    /// The main recipients, groups of RFC 5322 flattened.
    pub to: Vec<Address>,
    /// The recipients of a copy.
    pub cc: Vec<Address>,
    /// The hidden recipients (present in sent mail and drafts).
    pub bcc: Vec<Address>,
    /// Where answers go.
    pub reply_to: Vec<Address>,
    /// `Message-ID` with its angle brackets.
    pub message_id: Option<String>,
    /// `In-Reply-To`, unfolded.
    pub in_reply_to: Option<String>,
    /// `References`, unfolded.
    pub references: Option<String>,
    /// `internetMessageHeaders`: every header of the message in order, unfolded, encoded words
    /// left as they were sent.
    pub headers: Vec<(String, String)>,
    /// The `Date` header.
    pub sent: Option<Timestamp>,
    /// The date of the topmost `Received` header.
    pub received: Option<Timestamp>,
    /// The importance.
    pub importance: Importance,
    /// The one body that Exchange keeps: HTML where the message has it, else text.
    pub body: Body,
    /// Everything else, in the order of the message.
    pub attachments: Vec<Attachment>,
}

/// A mailbox as RFC 5322 understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The display name, decoded.
    pub name: Option<String>,
    /// The address as written; Exchange keeps words that are no address.
    pub address: String,
}

/// How important the sender held the message; the values as Graph spells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// `Importance: low`.
    Low,
    /// No word of it.
    #[default]
    Normal,
    /// `Importance: high`.
    High,
}

impl Importance {
    /// The word in Graph and in the MIME header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// The body of a message, line ends CR LF.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// Whether `content` is HTML.
    pub html: bool,
    /// The text.
    pub content: String,
}

impl Body {
    /// The body as text: what `Prefer: outlook.body-content-type="text"` asks for.
    pub fn to_text(&self) -> String {
        if self.html { html::to_text(&self.content) } else { self.content.clone() }
    }

    /// The first 255 characters as text on one line: `bodyPreview` in Graph.
    pub fn preview(&self) -> String {
        let text = self.to_text();
        let words: Vec<&str> = text.split_whitespace().take(255).collect();
        words.join(" ").chars().take(255).collect()
    }
}

/// A file or a message inside a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// The name shown to people; made up (`ATT00001.txt`) where the message has none.
    pub name: String,
    /// The media type without parameters, lower case.
    pub content_type: String,
    /// The decoded bytes; of a message inside the message its MIME.
    #[serde(with = "bytes")]
    pub content: Vec<u8>,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// Shown in the body rather than in the list of attachments.
    pub is_inline: bool,
    /// A message inside the message, taken apart (`itemAttachment` in Graph).
    pub item: Option<Box<Message>>,
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn address() -> impl Strategy<Value = Address> {
        let name = prop_oneof![
            Just(None),
            "[A-Za-z][A-Za-z .'-]{0,20}".prop_map(Some),
            "\\PC{1,30}".prop_map(Some),
        ];
        (name, "[a-z0-9.+_-]{1,12}@[a-z]{1,8}\\.example")
            .prop_map(|(name, address)| Address { name, address })
    }

    fn attachment() -> impl Strategy<Value = Attachment> {
        (
            prop_oneof!["[a-z]{1,8}\\.pdf", "\\PC{1,20}"],
            prop_oneof![Just("application/pdf"), Just("text/plain"), Just("image/png")],
            prop::collection::vec(any::<u8>(), 0..300),
            prop::option::of("[a-z0-9]{1,8}@x"),
        )
            .prop_map(|(name, content_type, content, content_id)| Attachment {
                name: name.trim().to_owned(),
                content_type: content_type.to_owned(),
                is_inline: content_id.is_some(),
                content,
                content_id,
                item: None,
            })
            .prop_filter("names are not empty", |attachment| !attachment.name.is_empty())
    }

    fn body() -> impl Strategy<Value = Body> {
        (any::<bool>(), prop_oneof!["[ -~\n]{0,200}", "\\PC{0,100}(\n\\PC{0,40}){0,4}"])
            .prop_map(|(html, content)| Body { html, content: text::with_crlf(&content) })
    }

    fn message() -> impl Strategy<Value = Message> {
        (
            prop_oneof!["[ -~]{0,60}", "\\PC{0,80}"],
            prop::option::of(address()),
            prop::collection::vec(address(), 0..4),
            prop::collection::vec(address(), 0..3),
            body(),
            prop::collection::vec(attachment(), 0..4),
            0_i64..4_000_000_000,
        )
            .prop_map(|(subject, from, to, cc, body, attachments, sent)| Message {
                class: "IPM.Note".to_owned(),
                subject: subject.trim().to_owned(),
                sender: from.clone(),
                from,
                to,
                cc,
                message_id: Some("<id@x.example>".to_owned()),
                in_reply_to: Some("<a@x.example>".to_owned()),
                references: Some("<b@x.example> <a@x.example>".to_owned()),
                sent: Timestamp::from_second(sent).ok(),
                importance: Importance::High,
                body,
                attachments,
                ..Message::default()
            })
    }

    /// Names are trimmed on the way, and an empty one is none.
    fn normal(list: &[Address]) -> Vec<Address> {
        let name = |name: &Option<String>| {
            let name = name.as_deref().map(str::trim).unwrap_or_default().to_owned();
            (!name.is_empty()).then_some(name)
        };
        list.iter()
            .map(|one| Address { name: name(&one.name), address: one.address.clone() })
            .collect()
    }

    proptest! {
        #[test]
        fn a_written_message_reads_the_same(message in message()) {
            let mime = write(&message);
            prop_assert_eq!(&mime, &write(&message));
            let back = read(&mime);
            prop_assert_eq!(&back.subject, &message.subject);
            prop_assert_eq!(normal(back.from.as_slice()), normal(message.from.as_slice()));
            prop_assert_eq!(normal(&back.to), normal(&message.to));
            prop_assert_eq!(normal(&back.cc), normal(&message.cc));
            prop_assert_eq!(&back.message_id, &message.message_id);
            prop_assert_eq!(&back.in_reply_to, &message.in_reply_to);
            prop_assert_eq!(&back.references, &message.references);
            prop_assert_eq!(back.sent, message.sent);
            prop_assert_eq!(back.importance, message.importance);
            prop_assert_eq!(&back.body, &message.body);
            let mut expected = message.attachments.clone();
            // Inline attachments stand before the others, and only HTML has any.
            expected.sort_by_key(|one| !(one.is_inline && message.body.html));
            prop_assert_eq!(&back.attachments, &expected);
        }

        #[test]
        fn any_bytes_are_a_message(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            write(&read(&bytes)).len();
        }

        #[test]
        fn anything_like_mail_is_a_message(
            text in "((From|To|Date|Received|Subject|Content-(Type|ID|Disposition|Transfer-Encoding)|X): ?|multipart/(mixed|alternative|signed|digest|report); ?|message/rfc822|text/(html|plain|calendar); |boundary=b|\r?\n|\n\n|--b(--)?\n|[a-z]+\\*[0-9]?\\*?=|=\\?[a-z0-9-]{0,8}\\?[bqBQ]\\?[a-z=]{0,5}\\?=|base64|quoted-printable|=[0-9A-F]{2}|[0-9]{1,20}|[,;:()<>@\"\\\\ ]|\\PC){0,60}"
        ) {
            let message = read(text.as_bytes());
            let again = read(&write(&message));
            prop_assert_eq!(again.attachments.len(), message.attachments.len());
        }
    }

    /// The corpus of real mail lies beside the checkout; without it its tests have nothing to do.
    pub(crate) fn corpus_mail() -> Vec<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/mail");
        let mut files = Vec::new();
        for folder in ["enron", "hard"] {
            let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
                println!("no corpus at {}: nothing tested", root.display());
                return Vec::new();
            };
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
        files.sort();
        files
    }

    #[test]
    fn the_corpus_reads_and_keeps_its_content() {
        for file in corpus_mail() {
            let mime = std::fs::read(&file).unwrap();
            let message = read(&mime);
            let is_empty = message.body.content.trim().is_empty() && message.attachments.is_empty();
            let has_text = mime.len() > 3000;
            assert!(!(is_empty && has_text), "{} is shown empty", file.display());
            let again = read(&write(&message));
            assert_eq!(again.subject, message.subject, "{}", file.display());
            assert_eq!(again.body.html, message.body.html, "{}", file.display());
            let bytes = |message: &Message| -> Vec<Vec<u8>> {
                let mut all: Vec<_> =
                    message.attachments.iter().map(|one| one.content.clone()).collect();
                all.sort();
                all
            };
            if !message.class.contains("SMIME") {
                assert!(bytes(&again) == bytes(&message), "{}", file.display());
                assert_eq!(again.body.content, message.body.content, "{}", file.display());
            }
        }
    }

    /// Cuts, doubles and changes pieces of a message.
    fn damage(mime: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
        for _ in 0..rng.random_range(1..6) {
            let from = rng.random_range(0..mime.len().max(1)).min(mime.len());
            let to = (from + rng.random_range(0..200)).min(mime.len());
            match rng.random_range(0..4) {
                0 => mime.truncate(to),
                1 => drop(mime.drain(from..to)),
                2 => mime.extend_from_within(from..to),
                _ => mime[from..to].fill(rng.random()),
            }
        }
    }

    #[test]
    fn damaged_mail_is_still_a_message() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for file in corpus_mail().iter().filter(|file| file.to_string_lossy().contains("hard")) {
            for _ in 0..5 {
                let mut mime = std::fs::read(file).unwrap();
                damage(&mut mime, &mut rng);
                let message = read(&mime);
                let again = read(&write(&message));
                assert_eq!(again.attachments.len(), message.attachments.len());
                rewrite_html(&message.body.content);
                message.body.preview();
            }
        }
    }

    #[test]
    fn shapes_give_classes() {
        let class = |head: &str, body: &str| read(format!("{head}\n\n{body}").as_bytes()).class;
        let signed =
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b";
        assert_eq!(class(signed, "--b\n\nx\n--b--"), "IPM.Note.SMIME.MultipartSigned");
        assert_eq!(class("Content-Type: application/pkcs7-mime", "AA=="), "IPM.Note.SMIME");
        let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b";
        let status = |action| {
            format!(
                "--b\n\nx\n--b\nContent-Type: message/delivery-status\n\nAction: {action}\n--b--"
            )
        };
        assert_eq!(class(report, &status("failed")), "REPORT.IPM.Note.NDR");
        assert_eq!(class(report, &status("delayed")), "REPORT.IPM.Note.Delayed");
        let meeting = "Content-Type: text/calendar; method=REQUEST";
        assert_eq!(class(meeting, "BEGIN:VCALENDAR"), "IPM.Schedule.Meeting.Request");
        assert_eq!(class("X: y", "z"), "IPM.Note");
    }

    #[test]
    fn a_signed_message_keeps_its_entity() {
        let mime = b"Subject: s\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\
            text\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nsig\r\n--b--\r\n";
        let message = read(mime);
        assert_eq!(message.body.content, "text");
        let entity = &message.attachments[0];
        assert_eq!(
            (entity.name.as_str(), entity.content_type.as_str()),
            ("smime.p7m", "multipart/signed")
        );
        assert!(entity.content.ends_with(b"sig\r\n--b--\r\n"));
        let again = read(&write(&message));
        assert_eq!((again.class, again.attachments), (message.class, message.attachments));
    }

    #[test]
    fn bodies_that_are_no_alternatives_are_all_kept() {
        let part = |kind: &str, text: &str| format!("--b\nContent-Type: text/{kind}\n\n{text}\n");
        let mail = |subtype: &str| {
            let parts = part("plain", "one") + &part("html", "<p>two") + &part("plain", "three");
            format!("Content-Type: multipart/{subtype}; boundary=b\n\n{parts}--b--")
        };
        let mixed = read(mail("mixed").as_bytes());
        assert_eq!(mixed.body.content, "one");
        let names: Vec<_> = mixed.attachments.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["ATT00001.htm", "ATT00002.txt"]);
        let alternative = read(mail("alternative").as_bytes());
        assert_eq!(alternative.body, Body { html: true, content: "<p>two".to_owned() });
        assert_eq!(alternative.attachments, []);
    }

    #[test]
    fn mail_in_mail_is_an_item() {
        let mime = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--b--";
        let message = read(mime);
        let attachment = &message.attachments[0];
        assert_eq!(attachment.name, "inner");
        assert_eq!(attachment.content, b"Subject: inner\r\n\r\ntext");
        assert_eq!(attachment.item.as_ref().unwrap().body.content, "text");
        let mut nested = Vec::new();
        for _ in 0..50 {
            nested = [b"Content-Type: message/rfc822\n\n".as_slice(), &nested].concat();
        }
        assert!(read(&nested).attachments[0].item.is_some());
    }

    #[test]
    fn json_keeps_bytes_as_base64() {
        let message = Message {
            attachments: vec![Attachment { content: vec![0, 255], ..Attachment::default() }],
            ..Message::default()
        };
        let json = serde_json::to_string(&message).unwrap();
        assert!(json.contains("\"content\":\"AP8=\""), "{json}");
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
    }
}
