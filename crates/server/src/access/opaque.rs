//! Opaque values: session ids, handles, links and tokens are 256 random bits, of which the catalog
//! keeps the SHA-256. A slow hash is for secrets that people choose; these cannot be guessed.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, rand};
use holdfast_model::Secret;

/// 256 random bits as 64 hexadecimal digits.
pub(super) fn random() -> Secret {
    Secret::new(hex::encode(random_bytes::<32>()))
}

pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}

/// How a secret is kept: SHA-256 in hexadecimal.
pub(super) fn hash(secret: &Secret) -> String {
    hex::encode(digest::digest(&digest::SHA256, secret.expose()))
}

/// A value derived from a secret for one use, in hexadecimal.
pub(super) fn derive(secret: &Secret, label: &str) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    Secret::new(hex::encode(hmac::sign(&key, label.as_bytes())))
}

/// Compares in a time that does not depend on where two values differ.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}
