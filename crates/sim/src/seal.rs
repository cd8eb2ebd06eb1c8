//! Ids, secrets and opaque tokens of the tenant: all follow from its seed, so a tenant that is
//! started again from its state folder shows the same ones.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Bytes of the authentication code in an opaque token.
const MAC_LEN: usize = 16;

/// Letters in the counted part of an id.
const CODE_LEN: usize = 9;

/// The head of every immutable id, as Exchange Online makes them.
const IMMUTABLE: &str = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A";

/// The key behind everything that the tenant names or signs.
#[derive(Debug)]
pub struct Seal {
    key: hmac::Key,
}

impl Seal {
    /// The key of the tenant with this seed.
    pub fn new(seed: u64) -> Self {
        let secret = digest::digest(&digest::SHA256, format!("simulated tenant {seed}").as_bytes());
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()) }
    }

    /// A GUID that belongs to `name`.
    pub fn guid(&self, name: &str) -> String {
        let mac = hmac::sign(&self.key, format!("guid/{name}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac.as_ref()[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A string that belongs to `name`: URL-safe base64 of `bytes` bytes (at most 32).
    pub fn word(&self, name: &str, bytes: usize) -> String {
        let mac = hmac::sign(&self.key, format!("word/{name}").as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.as_ref()[..bytes.min(32)])
    }

    /// An opaque token for a link: payload and authentication code, joined by a dot.
    pub fn token<T: Serialize>(&self, kind: &str, payload: &T) -> String {
        let body = serde_json::to_vec(payload).unwrap_or_default();
        let mac = self.mac(kind, &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The payload of a token of ours; `None` if somebody edited it.
    pub fn open<T: DeserializeOwned>(&self, kind: &str, token: &str) -> Option<T> {
        let (body, mac) = token.split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        if mac != self.mac(kind, &body) {
            return None;
        }
        serde_json::from_slice(&body).ok()
    }

    fn mac(&self, kind: &str, body: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(body);
        context.sign().as_ref()[..MAC_LEN].to_vec()
    }
}

/// A random GUID for things that nobody names twice (request ids).
pub fn random_guid() -> String {
    Uuid::new_v4().to_string()
}

/// The id that a message keeps while it is moved inside the mailbox.
pub fn immutable_id(tag: &str, uid: u64) -> String {
    format!("{IMMUTABLE}{tag}{}AAA=", code(uid))
}

/// The id that a message has in one place only; `generation` counts its moves.
pub fn mutable_id(tag: &str, uid: u64, generation: u64) -> String {
    format!("AAMkAG{tag}BGAAAAAA{}BwA{}AAA=", code(uid), code(generation))
}

/// The constant id of a folder.
pub fn folder_id(tag: &str, number: u64) -> String {
    format!("AAMkAG{tag}AuAAAAAA{}AAA=", code(number))
}

/// The id of an attachment: that of its message and a number.
pub fn attachment_id(message_id: &str, number: u32) -> String {
    format!("{}BEgAQA{}=", message_id.trim_end_matches('='), code(u64::from(number)))
}

/// What an id of a message says: the message and, in a mutable id, its move count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageKey {
    /// The message.
    pub uid: u64,
    /// The move count of a mutable id.
    pub generation: Option<u64>,
}

/// Reads an id of either form; upper and lower case are different letters.
pub fn read_message_id(tag: &str, id: &str) -> Option<MessageKey> {
    if let Some(rest) = id.strip_prefix(IMMUTABLE) {
        let uid = read_code(rest.strip_prefix(tag)?.strip_suffix("AAA=")?)?;
        return Some(MessageKey { uid, generation: None });
    }
    let rest = id.strip_prefix("AAMkAG")?.strip_prefix(tag)?.strip_prefix("BGAAAAAA")?;
    let (uid, generation) = rest.strip_suffix("AAA=")?.split_at_checked(CODE_LEN)?;
    let generation = read_code(generation.strip_prefix("BwA")?)?;
    Some(MessageKey { uid: read_code(uid)?, generation: Some(generation) })
}

/// Reads the id of a folder.
pub fn read_folder_id(tag: &str, id: &str) -> Option<u64> {
    let rest = id.strip_prefix("AAMkAG")?.strip_prefix(tag)?.strip_prefix("AuAAAAAA")?;
    read_code(rest.strip_suffix("AAA=")?)
}

/// Reads the number in the id of an attachment of the message `message_id`.
pub fn read_attachment_id(message_id: &str, id: &str) -> Option<u32> {
    let rest = id.strip_prefix(message_id.trim_end_matches('='))?.strip_prefix("BEgAQA")?;
    u32::try_from(read_code(rest.strip_suffix('=')?)?).ok()
}

/// What the ids of a drive's items have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveTag {
    head: [u8; 4],
    half: [u8; 8],
    mask: u64,
}

/// Spreads the numbers of items over the ids: odd, so that it can be undone.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number that undoes [`SPREAD`]: their product is 1 modulo 2^64.
const GATHER: u64 = 0xf1de_83e1_9937_733d;

/// The letters of item ids: base32 of RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Letters of a GUID in base32.
const GUID_LETTERS: usize = 26;

impl Seal {
    /// The tag of the drive with this id.
    pub fn drive_tag(&self, id: &str) -> DriveTag {
        let mac = hmac::sign(&self.key, format!("drive/{id}").as_bytes());
        let bytes = mac.as_ref();
        let (mut head, mut half, mut mask) = ([0; 4], [0; 8], [0; 8]);
        head.copy_from_slice(&bytes[..4]);
        half.copy_from_slice(&bytes[4..12]);
        mask.copy_from_slice(&bytes[12..20]);
        DriveTag { head, half, mask: u64::from_be_bytes(mask) }
    }

    /// The id of a drive: `b!` and 48 bytes, as SharePoint makes it of site, web and list.
    pub fn drive_id(&self, name: &str) -> String {
        let halves =
            [self.word(&format!("drive/{name}/1"), 24), self.word(&format!("drive/{name}/2"), 24)];
        format!("b!{}", halves.concat())
    }
}

/// The GUID of an item of a drive.
pub fn item_guid(tag: &DriveTag, number: u64) -> String {
    Uuid::from_bytes(guid_bytes(tag, number)).to_string().to_uppercase()
}

fn guid_bytes(tag: &DriveTag, number: u64) -> [u8; 16] {
    let spread = number.wrapping_mul(SPREAD) ^ tag.mask;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread.to_be_bytes());
    bytes[8..].copy_from_slice(&tag.half);
    bytes
}

/// The id of an item: `01`, six letters of the drive, the item's GUID in base32.
pub fn item_id(tag: &DriveTag, number: u64) -> String {
    let head = &base32(&tag.head)[..6];
    format!("01{head}{}", base32(&guid_bytes(tag, number)))
}

/// Reads the id of an item; letters are upper case.
pub fn read_item_id(tag: &DriveTag, id: &str) -> Option<u64> {
    let letters = id.get(id.len().checked_sub(GUID_LETTERS)?..)?;
    let mut bits: u128 = 0;
    for letter in letters.bytes().take(GUID_LETTERS - 1) {
        let value = BASE32.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | value as u128;
    }
    // 25 letters are 125 bits; the number stands in the first 64.
    let number = ((bits >> 61) as u64 ^ tag.mask).wrapping_mul(GATHER);
    (item_id(tag, number) == id).then_some(number)
}

fn base32(bytes: &[u8]) -> String {
    let (mut bits, mut count, mut text) = (0_u32, 0, String::new());
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(BASE32[(bits >> count) as usize & 31]));
        }
    }
    if count > 0 {
        text.push(char::from(BASE32[(bits << (5 - count)) as usize & 31]));
    }
    text
}

/// Nine letters for a number. Two neighbours (2n, 2n+1) differ in the case of the last letter
/// only: Exchange's ids are case-sensitive, and whoever folds them loses every second message.
fn code(number: u64) -> String {
    let mut rest = number / 2;
    let mut letters = [b'a'; CODE_LEN];
    for letter in letters.iter_mut().rev() {
        *letter = b'a' + u8::try_from(rest % 26).expect("a remainder of 26 fits");
        rest /= 26;
    }
    if number % 2 == 1 {
        letters[CODE_LEN - 1].make_ascii_uppercase();
    }
    String::from_utf8_lossy(&letters).into_owned()
}

fn read_code(letters: &str) -> Option<u64> {
    if letters.len() != CODE_LEN {
        return None;
    }
    let last = letters.as_bytes()[CODE_LEN - 1];
    let mut half = 0u64;
    for (place, letter) in letters.bytes().enumerate() {
        let letter = if place + 1 == CODE_LEN { letter.to_ascii_lowercase() } else { letter };
        if !letter.is_ascii_lowercase() {
            return None;
        }
        half = half * 26 + u64::from(letter - b'a');
    }
    Some(half * 2 + u64::from(last.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_only_as_written() {
        for number in [0, 1, 2, 3, 51, 52, 53, 100_001, 5_000_000_000] {
            let immutable = immutable_id("tag-", number);
            let key = MessageKey { uid: number, generation: None };
            assert_eq!(read_message_id("tag-", &immutable), Some(key));
            let mutable = mutable_id("tag-", number, 7);
            let key = MessageKey { uid: number, generation: Some(7) };
            assert_eq!(read_message_id("tag-", &mutable), Some(key));
            assert_eq!(read_message_id("other", &mutable), None);
            assert_eq!(read_folder_id("tag-", &folder_id("tag-", number)), Some(number));
            assert_eq!(read_folder_id("tag-", &mutable), None);
        }
        let attachment = attachment_id("AAMkAGx=", 3);
        assert_eq!(read_attachment_id("AAMkAGx=", &attachment), Some(3));
        assert_eq!(read_attachment_id("AAMkAGy=", &attachment), None);
    }

    #[test]
    fn ids_of_drive_items_are_read_back_and_only_as_written() {
        let seal = Seal::new(3);
        assert_eq!(seal.drive_id("x").len(), 66);
        let (tag, other) = (seal.drive_tag("b!x"), seal.drive_tag("b!y"));
        assert_eq!(SPREAD.wrapping_mul(GATHER), 1);
        for number in [0, 1, 2, 31, 32, 100_001, u64::MAX] {
            let id = item_id(&tag, number);
            assert_eq!(id.len(), 34);
            assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
            assert_eq!(read_item_id(&tag, &id), Some(number));
            assert_eq!(read_item_id(&other, &id), None);
            assert_eq!(read_item_id(&tag, &id.to_lowercase()), None);
        }
        assert_eq!(read_item_id(&tag, "root"), None);
        assert_eq!(read_item_id(&tag, "ü01ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), None);
    }

    #[test]
    fn neighbouring_ids_differ_in_case_only() {
        let (even, odd) = (immutable_id("t", 40), immutable_id("t", 41));
        assert_ne!(even, odd);
        assert_eq!(even.to_lowercase(), odd.to_lowercase());
        assert_eq!(read_message_id("t", &odd.to_lowercase()), None);
    }

    #[test]
    fn an_edited_token_is_refused() {
        let seal = Seal::new(3);
        let token = seal.token("delta", &(1, "x"));
        assert_eq!(seal.open::<(u32, String)>("delta", &token), Some((1, "x".to_owned())));
        assert_eq!(seal.open::<(u32, String)>("skip", &token), None);
        assert_eq!(Seal::new(4).open::<(u32, String)>("delta", &token), None);
        for place in 0..token.len() {
            let mut edited = token.clone().into_bytes();
            edited[place] = if edited[place] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(edited).unwrap();
            assert_eq!(seal.open::<(u32, String)>("delta", &edited), None, "place {place}");
        }
    }
}
