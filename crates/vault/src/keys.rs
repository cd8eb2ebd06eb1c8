//! Keys of repositories, sealed under the vault secret, so that opening one costs a millisecond
//! instead of scrypt's third of a second and 130 MB.
//!
//! They are a shortcut: restic's own key file in the repository opens it as well, with the
//! password that follows from the vault secret.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::crypto::{RepositoryKey, VaultSecret, seal, unseal};
use crate::error::{Error, Result};
use crate::limits;
use crate::store::Store;

#[derive(Serialize, Deserialize)]
struct SealedKey {
    format: u32,
    repository: String,
    /// Hexadecimal: nonce, AES-256-GCM of the 64 bytes of the key, tag.
    sealed: String,
}

/// Seals the key of a repository and stores it.
pub(crate) fn save(
    store: &dyn Store,
    secret: &VaultSecret,
    repository: &str,
    key: &RepositoryKey,
) -> Result<()> {
    let sealed = seal(&secret.derive(&label(repository)), &label(repository), key.as_bytes());
    let file =
        SealedKey { format: 1, repository: repository.to_owned(), sealed: hex::encode(sealed) };
    let json = serde_json::to_vec_pretty(&file).expect("a sealed key has only strings and numbers");
    store.replace(&path(repository), &Bytes::from(json))
}

/// The key of a repository; `None` where there is no sealed one.
///
/// # Errors
/// [`Error::Damaged`] where the file is not what was written under this secret.
pub(crate) fn load(
    store: &dyn Store,
    secret: &VaultSecret,
    repository: &str,
) -> Result<Option<RepositoryKey>> {
    let path = path(repository);
    let Some(bytes) = store.get_within(&path, limits::SMALL as u64)? else { return Ok(None) };
    open(&bytes, secret, repository).map(Some).ok_or_else(|| {
        Error::damaged(path, "is no key of this repository sealed under this vault's secret")
    })
}

/// The same, and the file is byte for byte what was written: a change that does not matter (white
/// space) is a sign of damage as well.
pub(crate) fn check(
    store: &dyn Store,
    secret: &VaultSecret,
    repository: &str,
) -> Result<Option<RepositoryKey>> {
    let Some(key) = load(store, secret, repository)? else { return Ok(None) };
    let path = path(repository);
    let bytes = store.get_within(&path, limits::SMALL as u64)?.unwrap_or_default();
    let written = serde_json::from_slice(&bytes).ok().and_then(|file: SealedKey| {
        let sealed = hex::encode(hex::decode(&file.sealed).ok()?);
        serde_json::to_vec_pretty(&SealedKey { sealed, ..file }).ok()
    });
    match written {
        Some(written) if written == bytes => Ok(Some(key)),
        _ => Err(Error::damaged(path, "is not what was written")),
    }
}

fn open(bytes: &[u8], secret: &VaultSecret, repository: &str) -> Option<RepositoryKey> {
    let file: SealedKey = serde_json::from_slice(bytes).ok()?;
    if file.format != 1 || file.repository != repository {
        return None;
    }
    let sealed = hex::decode(file.sealed).ok()?;
    let key = unseal(&secret.derive(&label(repository)), &label(repository), &sealed)?;
    RepositoryKey::from_bytes(&key)
}

fn path(repository: &str) -> String {
    format!("keys/{repository}.json")
}

fn label(repository: &str) -> String {
    format!("holdfast/key/v1/{repository}")
}
