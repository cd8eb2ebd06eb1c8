//! The instance key: seals the vault secret and the Graph credentials in the catalog, so that
//! neither is readable from a stolen catalog file.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use holdfast_model::Secret;

use crate::{Error, Result};

const KEY_BYTES: usize = 32;

/// A random key of this installation, kept in a file that only its owner can read.
#[derive(Debug)]
pub(crate) struct InstanceKey(Secret);

impl InstanceKey {
    /// Makes a new key file; an existing one is never overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_| unusable(path, "cannot be made: no random numbers"))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(file("create", folder))?;
        }
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(file("create the instance key", path))?;
        let text = format!("{}\n", hex::encode(bytes));
        out.write_all(text.as_bytes()).map_err(file("write the instance key", path))?;
        out.sync_all().map_err(file("write the instance key", path))?;
        Ok(Self(Secret::new(bytes)))
    }

    /// Reads a key file; refuses one that others can read.
    pub fn load(path: &Path) -> Result<Self> {
        let meta = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => unusable(path, "is not there; give it with --instance-key FILE"),
            _ => file("read the instance key", path)(error),
        })?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(Error::KeyExposed(path.to_owned()));
        }
        let text = fs::read_to_string(path).map_err(file("read the instance key", path))?;
        let bytes = hex::decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        let bytes = bytes.ok_or_else(|| unusable(path, "is not 64 hexadecimal digits"))?;
        Ok(Self(Secret::new(bytes)))
    }

    fn cipher(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.expose()).expect("the key has 32 bytes")
    }

    /// A key for another purpose, named by `label`; it tells nothing of this one.
    pub fn derived(&self, label: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        Secret::new(hmac::sign(&key, label.as_bytes()).as_ref().to_vec())
    }

    /// Seals a secret for one use, named by `label`: nonce, ciphertext, tag.
    pub fn seal(&self, label: &str, secret: &[u8]) -> Vec<u8> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .cipher()
            .seal_in_place_append_tag(Aad::from(label.as_bytes()), &mut sealed)
            .expect("a secret is far below the limit of the cipher");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// Opens what was sealed under the same label; `None` under any other key or label.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.cipher().open_in_place(nonce, Aad::from(label.as_bytes()), &mut text);
        plain.ok().map(|plain| Secret::new(plain.to_vec()))
    }
}

fn unusable(path: &Path, problem: &'static str) -> Error {
    Error::InstanceKey { path: path.to_owned(), problem }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_under_its_key_and_label() {
        let dir = tempfile::tempdir().unwrap();
        let key = InstanceKey::create(&dir.path().join("a.key")).unwrap();
        let other = InstanceKey::create(&dir.path().join("b.key")).unwrap();
        let sealed = key.seal("vault", b"hunter2");
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
        assert_eq!(key.open("vault", &sealed).unwrap().expose(), b"hunter2");
        assert!(key.open("tenant", &sealed).is_none());
        assert!(other.open("vault", &sealed).is_none());
        assert!(key.open("vault", &sealed[..5]).is_none());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        InstanceKey::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(InstanceKey::load(&path), Err(Error::KeyExposed(_))));
    }
}
