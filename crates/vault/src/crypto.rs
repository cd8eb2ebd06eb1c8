//! Keys and ciphers.
//!
//! Two worlds meet here: the restic format (AES-256-CTR with Poly1305-AES, restic
//! `doc/design.rst`, "Keys, Encryption and MAC") for everything in a repository, and AES-256-GCM
//! with HMAC-SHA256 for Holdfast's own small files.

use aes256ctr_poly1305aes::aead::{AeadInPlace, generic_array::GenericArray};
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_model::Secret;
use rand::RngCore;
use rustic_core::repofile::MasterKey;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Bytes that encryption adds to a blob: nonce and authentication tag.
pub(crate) const OVERHEAD: usize = NONCE + TAG;
/// Bytes of the nonce, which comes first.
pub(crate) const NONCE: usize = 16;
const TAG: usize = 16;

/// The secret of a vault: 32 random bytes from which the passwords of its shards follow.
///
/// It is never printed and wiped when dropped. Whoever has it can read the whole vault.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultSecret(Zeroizing<[u8; 32]>);

impl VaultSecret {
    /// Takes over the bytes of a secret that was kept elsewhere (sealed in the catalog, kit).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret as a recovery kit writes it, in hexadecimal.
    pub fn from_kit_text(text: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), bytes.as_mut()).ok()?;
        Some(Self(bytes))
    }

    /// The bytes, for the one call that seals them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(bytes.as_mut());
        Self(bytes)
    }

    /// HMAC-SHA256 of a label under the secret.
    pub(crate) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref());
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(hmac::sign(&key, label.as_bytes()).as_ref());
        out
    }

    /// The restic password of a repository of this vault; `id` is the number of a shard or
    /// `control`.
    pub(crate) fn password(&self, id: &str) -> Secret {
        Secret::new(hex::encode(*self.derive(&format!("holdfast/shard/v1/{id}"))))
    }

    /// The master key with which a repository is made. It follows from the secret, so that the key
    /// files of several makers, one of which died or was slower, all open the same repository:
    /// restic takes the first that its password opens.
    pub(crate) fn master(&self, id: &str) -> RepositoryKey {
        let half = |n: u8| self.derive(&format!("holdfast/master/v1/{id}/{n}"));
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(&*half(0));
        bytes[32..].copy_from_slice(&*half(1));
        RepositoryKey(bytes)
    }
}

impl std::fmt::Debug for VaultSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VaultSecret(…)")
    }
}

/// The master key of a repository: 32 bytes for AES, 16 and 16 for the two halves of Poly1305-AES.
#[derive(Clone)]
pub(crate) struct RepositoryKey(Zeroizing<[u8; 64]>);

impl RepositoryKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(crate) fn from_master(key: &MasterKey) -> Option<Self> {
        Self::from_bytes(&Zeroizing::new([&key.encrypt[..], &key.mac.k, &key.mac.r].concat()))
    }

    /// The same key as the engine wants it. Its parts are not exported, its JSON form is.
    pub(crate) fn to_master(&self) -> MasterKey {
        let part = |range: std::ops::Range<usize>| BASE64.encode(&self.0[range]);
        let json = serde_json::json!({
            "mac": { "k": part(32..48), "r": part(48..64) },
            "encrypt": part(0..32),
        });
        serde_json::from_value(json).expect("the JSON form of a master key is fixed by restic")
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Nonce, ciphertext, tag.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plain.len() + OVERHEAD];
        out[NONCE..NONCE + plain.len()].copy_from_slice(plain);
        self.encrypt_in_place(&mut out);
        out
    }

    /// Encrypts the text in `room`, as [`Self::encrypt`] does: before it stand [`NONCE`] bytes of
    /// no meaning, behind it [`TAG`] of them.
    pub(crate) fn encrypt_in_place(&self, room: &mut [u8]) {
        let (nonce, rest) = room.split_at_mut(NONCE);
        let (text, behind) = rest.split_at_mut(rest.len() - TAG);
        // A generator in memory, seeded by the operating system: a call into the kernel or into
        // that of AWS-LC for each small blob would cost as much as encrypting it.
        rand::rng().fill_bytes(nonce);
        let tag = self
            .cipher()
            .encrypt_in_place_detached(Nonce::from_slice(nonce), &[], text)
            .expect("a blob is shorter than the limit of the cipher");
        behind.copy_from_slice(&tag);
    }

    /// The plain text, or `None` where the bytes were not written under this key or have changed.
    pub(crate) fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        let mut plain = text.to_vec();
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        self.cipher().decrypt_in_place_detached(nonce, &[], &mut plain, tag).ok()?;
        Some(plain)
    }

    fn cipher(&self) -> Aes256CtrPoly1305Aes {
        Aes256CtrPoly1305Aes::new(GenericArray::from_slice(self.0.as_ref()) as &Key)
    }
}

/// AES-256-GCM with a random nonce, which precedes the ciphertext.
pub(crate) fn seal(key: &[u8; 32], aad: &str, plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce);
    let mut text = plain.to_vec();
    gcm(key)
        .seal_in_place_append_tag(
            aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce),
            Aad::from(aad.as_bytes()),
            &mut text,
        )
        .expect("a few bytes are within the limit of AES-GCM");
    [&nonce[..], &text].concat()
}

/// Reverse of [`seal`]; `None` where key, `aad` or bytes differ.
pub(crate) fn unseal(key: &[u8; 32], aad: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let plain = gcm(key).open_in_place(nonce, Aad::from(aad.as_bytes()), &mut text).ok()?.len();
    text.truncate(plain);
    Some(text)
}

fn gcm(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 keys have 32 bytes"))
}

/// Stretches a passphrase with scrypt (RFC 7914).
pub(crate) fn stretch(
    passphrase: &Secret,
    salt: &[u8],
    (log_n, r, p): (u8, u32, u32),
) -> Result<Zeroizing<[u8; 32]>> {
    let params = scrypt::Params::new(log_n, r, p)
        .map_err(|_| Error::invalid("scrypt parameters are out of range"))?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.expose(), salt, &params, key.as_mut())
        .map_err(|_| Error::invalid("scrypt refused its output length"))?;
    Ok(key)
}

/// Fills a buffer with random bytes.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_refused() {
        let key = RepositoryKey(Zeroizing::new([7; 64]));
        let sealed = key.encrypt(b"content");
        assert_eq!(key.decrypt(&sealed).unwrap(), b"content");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.decrypt(&flipped), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.decrypt(&sealed[..length]), None, "length {length}");
        }
    }

    #[test]
    fn sealing_binds_key_label_and_bytes() {
        let sealed = seal(&[1; 32], "a", b"secret");
        assert_eq!(unseal(&[1; 32], "a", &sealed).unwrap().as_slice(), b"secret");
        assert!(unseal(&[2; 32], "a", &sealed).is_none());
        assert!(unseal(&[1; 32], "b", &sealed).is_none());
        assert!(unseal(&[1; 32], "a", &sealed[1..]).is_none());
        assert!(unseal(&[1; 32], "a", &[]).is_none());
    }

    #[test]
    fn the_password_is_the_documented_hmac() {
        // printf %s holdfast/shard/v1/1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01
        let secret = VaultSecret::from_bytes([1; 32]);
        let expected = "5d3ac6dca5703d926e3ddf6f44ac9590dd5318061d2758f103c39166a36973a1";
        assert_eq!(secret.password("1").expose_str(), Some(expected));
        assert_eq!(format!("{secret:?}"), "VaultSecret(…)");
    }

    #[test]
    fn master_keys_survive_the_engine() {
        let key = RepositoryKey(Zeroizing::new(std::array::from_fn(|i| i as u8)));
        let again = RepositoryKey::from_master(&key.to_master()).unwrap();
        assert_eq!(again.as_bytes(), key.as_bytes());
    }
}
