//! Takes names out of texts: what is not a word of ours is replaced.
//!
//! A list of what must go would never be complete: a subject, a folder or a host can be any word.
//! So it is a list of what may stay (`words.txt`: the words of our own messages and of those of the
//! services), numbers and times. A pseudonym is the same in every bundle of an installation, so that
//! one failure can be followed through all of it, and nobody can find the name for it by trying
//! names, for it is made under the instance key.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::hmac;
use holdfast_model::fold;

use crate::Home;

const WORDS: &str = include_str!("words.txt");

/// Longest run of digits that stays: states, sizes and counts, and no telephone number.
const DIGITS: usize = 6;

/// Digits of a pseudonym: among a million names hardly two are the same.
const PSEUDONYM: usize = 12;

/// What may stand inside a name besides letters and digits.
const JOINTS: &str = "@._-+%~$&#*";

/// Replaces names.
pub(crate) struct Redactor {
    key: hmac::Key,
    words: HashSet<&'static str>,
    /// What is known to be somebody's or something's name, and its pseudonym.
    known: HashMap<String, String>,
}

impl Redactor {
    /// Of an installation.
    pub(crate) fn new(home: &Home) -> Self {
        let key = home.key().derived("holdfast support bundle");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        Self { key, words: WORDS.split_whitespace().collect(), known: HashMap::new() }
    }

    /// The pseudonym of something by its kind and id.
    pub(crate) fn pseudonym(&self, kind: &str, id: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [kind, "\0", &fold(id)] {
            context.update(part.as_bytes());
        }
        let mut digits = hex::encode(context.sign());
        digits.truncate(PSEUDONYM);
        format!("{kind}-{digits}")
    }

    /// Notes the names of something; in texts they become its pseudonym, which is given.
    pub(crate) fn learn(&mut self, kind: &str, id: &str, names: &[&str]) -> String {
        let pseudonym = self.pseudonym(kind, id);
        for name in names.iter().filter(|name| !name.is_empty()) {
            self.known.insert(fold(name), pseudonym.clone());
        }
        pseudonym
    }

    /// The text without names.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((address, after)) = address(rest) {
                clean.push_str(&self.pseudonym("name", address));
                rest = after;
                continue;
            }
            let belongs = |c: char| c.is_alphanumeric() || JOINTS.contains(c);
            let end = rest.find(|c| belongs(c) != belongs(first)).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            match belongs(first) {
                true => self.atom(piece, &mut clean),
                // What no keyboard of ours writes may be part of a name.
                false => clean.extend(piece.chars().filter(char::is_ascii)),
            }
            rest = after;
        }
        clean
    }

    /// A run of letters, digits and joints: stays whole or goes whole.
    fn atom(&self, atom: &str, clean: &mut String) {
        let name = atom.trim_matches(|c| JOINTS.contains(c));
        let start = atom.find(name).unwrap_or_default();
        // In front and behind stand signs of the sentence.
        clean.push_str(&atom[..start]);
        match self.known.get(&fold(name)) {
            Some(pseudonym) => clean.push_str(pseudonym),
            None if self.stays(name) => clean.push_str(name),
            None if name.contains('@') => clean.push_str(&self.pseudonym("address", name)),
            None => clean.push_str(&self.pseudonym("name", name)),
        }
        clean.push_str(&atom[start + name.len()..]);
    }

    fn stays(&self, name: &str) -> bool {
        let is_word = |part: &str| self.words.contains(part.to_ascii_lowercase().as_str());
        !name.contains('@') && name.split(['.', '_', '-']).all(is_word) || is_number(name)
    }
}

/// True for nothing, a number, and a date or time of day as RFC 3339 writes them.
fn is_number(name: &str) -> bool {
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_short = |part: &str| part.len() <= DIGITS && part.chars().all(|c| c == '0');
    let (whole, part) = shape.split_once('.').unwrap_or((&shape, ""));
    let is_decimal = is_short(whole) && is_short(part);
    let is_clock = ["00Z", "0000-00-00", "0000-00-00T00"].contains(&shape.as_str())
        || whole == "00"
            && part.len() <= 10
            && part.trim_end_matches('Z').chars().all(|c| c == '0');
    is_decimal || is_clock
}

/// An IPv6 or hardware address at the beginning of a text, whose parts alone might be words or
/// numbers; a time of day is none.
fn address(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_hexdigit() && c != ':').unwrap_or(text.len());
    let (found, after) = text.split_at(end);
    let has = |wanted: fn(&u8) -> bool| found.bytes().any(|byte| wanted(&byte));
    let is_address = found.matches(':').count() >= 2
        && has(u8::is_ascii_hexdigit)
        && (found.contains("::") || has(u8::is_ascii_alphabetic))
        && !after.starts_with(char::is_alphanumeric);
    is_address.then_some((found, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor {
            key: hmac::Key::new(hmac::HMAC_SHA256, b"a key"),
            words: WORDS.split_whitespace().collect(),
            known: HashMap::new(),
        }
    }

    #[test]
    fn what_is_not_a_word_of_ours_goes_whatever_it_looks_like() {
        let mut redactor = redactor();
        let ann = redactor.learn("resource", "exchange/1", &["Ann@Fabrikam.example", "Ann"]);
        let text = "cannot read 'ann@fabrikam.example' of Ann: GET /users/4711/messages: 503, \
                    ErrorItemNotFound; file.read_all at 2026-03-01T10:20:30.125Z, 1.5 s";
        let clean = redactor.text(text);
        assert_eq!(
            clean,
            format!(
                "cannot read '{ann}' of {ann}: GET /users/4711/messages: 503, \
                 ErrorItemNotFound; file.read_all at 2026-03-01T10:20:30.125Z, 1.5 s"
            )
        );
        for secret in [
            "Zwölf Übungen",
            "layoffs-2027",
            "10.20.30.40",
            "fe80::dead:beef",
            "+49 171 23456789",
            "vault.fabrikam.example",
            "read@fabrikam.example",
            "SGVsbG8gd29ybGQ",
            "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
            "бюджет",
            "予算",
        ] {
            let clean = redactor.text(&format!("the folder {secret} is not there"));
            for part in secret.split([' ', ':']).filter(|part| part.len() > 3) {
                assert!(!clean.contains(part), "{clean}");
            }
            assert!(clean.starts_with("the folder ") && clean.ends_with(" is not there"));
        }
    }

    #[test]
    fn a_pseudonym_is_the_same_for_one_key_and_another_for_another() {
        let (one, mut other) = (redactor(), redactor());
        other.key = hmac::Key::new(hmac::HMAC_SHA256, b"another key");
        assert_eq!(one.pseudonym("tenant", "Contoso"), one.pseudonym("tenant", "contoso"));
        assert_ne!(one.pseudonym("tenant", "contoso"), one.pseudonym("vault", "contoso"));
        assert_ne!(one.pseudonym("tenant", "contoso"), other.pseudonym("tenant", "contoso"));
        assert_eq!(one.pseudonym("tenant", "contoso").len(), "tenant-".len() + PSEUDONYM);
    }
}
