//! With what a store is opened: credentials, locks, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::Secret;

use super::LockPolicy;
use super::limit::{Bandwidth, Pause};
use crate::error::{Error, Result};

/// Names under which credentials may stand in a file: those of the environment variables of the
/// services' own tools, and restic's.
const NAMES: [(&str, Name); 8] = [
    ("aws_access_key_id", Name::KeyId),
    ("aws_secret_access_key", Name::SecretKey),
    ("aws_session_token", Name::SessionToken),
    ("azure_storage_key", Name::AccountKey),
    ("azure_storage_account_key", Name::AccountKey),
    ("azure_account_key", Name::AccountKey),
    ("azure_storage_sas_token", Name::Sas),
    ("azure_account_sas", Name::Sas),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    KeyId,
    SecretKey,
    SessionToken,
    AccountKey,
    Sas,
}

/// Credentials of an object store.
#[derive(Clone, Debug, Default)]
pub struct Credentials(BTreeMap<Name, Secret>);

impl Credentials {
    /// Reads a file of lines `NAME=VALUE`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`; `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN`. Amazon's own
    /// credentials file with one profile is such a file.
    ///
    /// # Errors
    /// [`Error::Invalid`], which repeats nothing of the text.
    pub fn parse(text: &Secret) -> Result<Self> {
        let text = text.expose_str().ok_or_else(|| invalid("are no text"))?;
        let mut values = BTreeMap::new();
        let mut sections = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim().trim_start_matches("export ");
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                sections += 1;
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| invalid(&format!("have no NAME=VALUE in line {number}")))?;
            let name = name.trim().to_ascii_lowercase();
            let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == name) else { continue };
            values.insert(*name, Secret::new(value.trim().trim_matches('"')));
        }
        match (sections, values.is_empty()) {
            (0 | 1, false) => Ok(Self(values)),
            (0 | 1, true) => Err(invalid("name no key; give AWS_ACCESS_KEY_ID=… and so on")),
            _ => Err(invalid("hold several profiles; keep one")),
        }
    }

    pub(super) fn value(&self, name: Name) -> Option<&str> {
        self.0.get(&name)?.expose_str()
    }
}

fn invalid(what: &str) -> Error {
    Error::invalid(format!("the credentials {what}"))
}

/// How a store is opened. The default writes without locks or limits, with the credentials of
/// the environment.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Credentials for reading and writing, which need not be able to delete. Without any, those
    /// of the environment serve: variables of the service's tools, or the machine's role.
    pub credentials: Option<Credentials>,
    /// Credentials that may delete, for prune and erase; without any, the others serve.
    pub maintenance: Option<Credentials>,
    /// Locks what is created.
    pub lock: Option<LockPolicy>,
    /// Refuses to remove anything unless opened for maintenance.
    pub append_only: bool,
    /// Folders only: gives each file the file system's immutable flag, and refuses as
    /// `append_only` does. The process needs `CAP_LINUX_IMMUTABLE`.
    pub immutable: bool,
    /// Compares what was written with what the store has: one request for each file, against
    /// stores that answer before they have stored.
    pub verify_writes: bool,
    /// Limits of the transfers.
    pub bandwidth: Bandwidth,
    /// A connection that is not made in this time failed.
    pub connect_timeout: Duration,
    /// A transfer that does not move for this time failed.
    pub stall_timeout: Duration,
    /// How often a request is sent before its failure counts.
    pub attempts: u32,
    /// Files above this go in parts of this size (bytes, at least 5 MiB).
    pub part_size: usize,
    /// Certificate authorities besides those of the machine, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How to wait; tests do not.
    pub pause: Pause,
}

impl StoreOptions {
    /// Amazon refuses smaller parts (S3 User Guide, "Multipart upload limits", 2026).
    pub(super) const LEAST_PART: usize = 5 << 20;
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            credentials: None,
            maintenance: None,
            lock: None,
            append_only: false,
            immutable: false,
            verify_writes: true,
            bandwidth: Bandwidth::default(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            attempts: 8,
            part_size: 64 << 20,
            ca_pem: None,
            pause: Pause::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credentials> {
        Credentials::parse(&Secret::new(text))
    }

    #[test]
    fn lines_of_the_usual_files_are_read() {
        let found = parse("[default]\naws_access_key_id = AK\naws_secret_access_key=a/b=c\n");
        let found = found.unwrap();
        assert_eq!(found.value(Name::KeyId), Some("AK"));
        assert_eq!(found.value(Name::SecretKey), Some("a/b=c"));
        let found = parse("# mine\nexport AZURE_STORAGE_SAS_TOKEN=\"sv=1&sig=x%3D\"\n").unwrap();
        assert_eq!(found.value(Name::Sas), Some("sv=1&sig=x%3D"));
        assert_eq!(found.value(Name::AccountKey), None);
        assert!(!format!("{found:?}").contains("sig"));
    }

    #[test]
    fn refusals_repeat_nothing() {
        for text in ["", "hunter2", "[a]\naws_access_key_id=hunter2\n[b]\n", "password=hunter2"] {
            let err = parse(text).unwrap_err().to_string();
            assert!(!err.contains("hunter2"), "{err}");
        }
        assert!(Credentials::parse(&Secret::new([0xff, 0xfe])).is_err());
    }
}
