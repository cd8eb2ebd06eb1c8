//! What the vault does for the audit record of an installation: the key that signs it, and files
//! that say how far it got.
//!
//! The files lie beside the control repository, as its heads do, and not in it: one is written at
//! the end of each command, and a save of intent costs four files that every later one reads. None
//! is ever replaced; on a store with locks each is locked like everything else.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use bytes::Bytes;

use crate::crypto::VaultSecret;
use crate::error::{Error, Result};
use crate::limits;
use crate::vault::Vault;

/// Folder of the files.
pub(crate) const HEADS: &str = "control/audit";

/// Longest name of a file.
const NAME: usize = 150;

/// Signs the audit record. It follows from the vault secret: whoever has the kit or the passphrase
/// has it, and can compare its public half with the one that a record names.
pub struct AuditKey(Ed25519KeyPair);

impl AuditKey {
    /// The signature of a text, 64 bytes.
    pub fn sign(&self, text: &str) -> [u8; 64] {
        let signature = self.0.sign(text.as_bytes());
        signature.as_ref().try_into().expect("signatures of Ed25519 have 64 bytes")
    }

    /// The public half, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("keys of Ed25519 have 32 bytes")
    }
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(…)")
    }
}

/// Whether a text was signed with the key of this public half.
pub fn audit_signature_holds(public: &[u8; 32], text: &str, signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), signature).is_ok()
}

impl VaultSecret {
    /// The key of the audit record: Ed25519 (RFC 8032) of the seed HMAC-SHA256(secret,
    /// `holdfast/audit/v1`).
    pub fn audit_key(&self) -> AuditKey {
        let seed = self.derive("holdfast/audit/v1");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref());
        AuditKey(pair.expect("seeds of Ed25519 have 32 bytes"))
    }
}

impl Vault {
    /// The key of the audit record.
    pub fn audit_key(&self) -> AuditKey {
        self.secret().audit_key()
    }

    /// Writes a file of the audit record; one of this name stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name of other characters than digits, lower-case letters and `-`.
    pub fn audit_head_put(&self, name: &str, content: &str) -> Result<()> {
        let key = key(name)?;
        self.store().create(&key, &[Bytes::from(content.to_owned())])?;
        Ok(())
    }

    /// The names of all files of the audit record, sorted.
    pub fn audit_head_names(&self) -> Result<Vec<String>> {
        let files = self.store().list(HEADS)?;
        let name = |key: &str| key.strip_prefix(HEADS)?.strip_prefix('/').map(str::to_owned);
        Ok(files.iter().filter_map(|file| name(&file.key)).collect())
    }

    /// The content of a file of the audit record; `None` where there is none, or it is no text.
    ///
    /// # Errors
    /// As [`Vault::audit_head_put`].
    pub fn audit_head_get(&self, name: &str) -> Result<Option<String>> {
        let content = self.store().get_within(&key(name)?, limits::SMALL as u64)?;
        Ok(content.and_then(|content| String::from_utf8(content.to_vec()).ok()))
    }
}

fn key(name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || c == '-';
    if name.is_empty() || name.len() > NAME || !name.chars().all(plain) {
        return Err(Error::invalid("a file of the audit record has another name"));
    }
    Ok(format!("{HEADS}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_from_the_secret_and_signs() {
        let key = VaultSecret::from_bytes([7; 32]).audit_key();
        assert_eq!(
            hex::encode(key.public()),
            hex::encode(VaultSecret::from_bytes([7; 32]).audit_key().public())
        );
        let signature = key.sign("text");
        assert!(audit_signature_holds(&key.public(), "text", &signature));
        assert!(!audit_signature_holds(&key.public(), "Text", &signature));
        let other = VaultSecret::from_bytes([8; 32]).audit_key();
        assert!(!audit_signature_holds(&other.public(), "text", &signature));
        assert_eq!(format!("{key:?}"), "AuditKey(…)");
    }
}
