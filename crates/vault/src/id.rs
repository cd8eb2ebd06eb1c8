//! Names of blobs: the SHA-256 of their content, as the restic format has it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;

/// SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, data).as_ref());
    hash
}

/// The value of each hexadecimal digit; [`NO_DIGIT`] for everything else.
const DIGITS: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0xff;

/// The id that 64 hexadecimal digits stand for.
fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut wrong = 0;
    let id = pairs.map(|[high, low]| {
        let (high, low) = (DIGITS[usize::from(high)], DIGITS[usize::from(low)]);
        wrong |= high | low;
        high << 4 | low & 15
    });
    (wrong & 0xf0 == 0).then_some(id)
}

/// Reads an id where it stands: an index file has tens of thousands.
struct Digits;

impl de::Visitor<'_> for Digits {
    type Value = [u8; 32];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; 32], E> {
        decode(text.as_bytes()).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

macro_rules! hash_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) [u8; 32]);

        impl $name {
            /// The 32 bytes of the hash.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl $name {
            /// Passes the 64 hexadecimal digits on, without memory of their own: a tree has one
            /// id for each file, an index file tens of thousands.
            pub(crate) fn with_digits<T>(&self, take: impl FnOnce(&str) -> T) -> T {
                let mut digits = [0; 64];
                let written = hex::encode_to_slice(self.0, &mut digits);
                written.expect("32 bytes have 64 digits");
                take(std::str::from_utf8(&digits).expect("digits are ASCII"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_digits(|digits| f.write_str(digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &hex::encode(self.0)[..8])
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let id = decode(text.as_bytes());
                id.map(Self).ok_or_else(|| Error::invalid("an id is not 64 hexadecimal digits"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.with_digits(|digits| serializer.serialize_str(digits))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Digits).map(Self)
            }
        }
    )*};
}

hash_id! {
    /// Name of a tree: the SHA-256 of its serialised form. Two directories with equal ids have
    /// equal content down to the last leaf.
    TreeId;
    /// Name of a piece of file content: its SHA-256.
    BlobId;
    /// Name of a file of a repository: the SHA-256 of its bytes.
    FileId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_nothing_else_is() {
        let id = BlobId(std::array::from_fn(|n| (n * 37) as u8));
        let text = id.to_string();
        assert_eq!(text, hex::encode(id.0));
        assert_eq!(text.parse::<BlobId>().unwrap(), id);
        assert_eq!(text.to_uppercase().parse::<BlobId>().unwrap(), id);
        assert_eq!(serde_json::from_str::<BlobId>(&format!("\"{text}\"")).unwrap(), id);
        for at in 0..64 {
            for wrong in ["g", "/", ":", "@", "`", " "] {
                let mut text = text.clone();
                text.replace_range(at..=at, wrong);
                assert!(text.parse::<BlobId>().is_err(), "{text}");
            }
        }
        for wrong in ["", &text[1..], &text[2..], &format!("{text}0"), &format!("{text}00")] {
            assert!(wrong.parse::<BlobId>().is_err(), "{wrong}");
        }
    }
}
