//! Who writes to a vault: each installation that is made or made again over it leaves a file whose
//! number is higher than all before, and the highest is the one that may write.
//!
//! The files lie beside the control repository, as the heads of the audit record do: they are looked
//! at before each lease, and cost one listing. None is ever replaced; on a store with locks each is
//! locked like everything else.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::vault::Vault;

/// Folder of the files.
const INSTANCES: &str = "control/instances";

/// Longest name of an instance.
const NAME: usize = 64;

/// An instance and its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Instance {
    /// 1, 2, 3 …; of two that began at the same moment and have the same, the name decides.
    number: u64,
    /// Its name: digits, lower-case letters and `-`.
    name: String,
}

impl Instance {
    fn read(key: &str) -> Option<Self> {
        let (digits, name) = key.strip_prefix(INSTANCES)?.strip_prefix('/')?.split_once('-')?;
        let number = digits.parse().ok().filter(|_| digits.len() == 20)?;
        is_name(name).then(|| Self { number, name: name.to_owned() })
    }

    fn key(&self) -> String {
        format!("{INSTANCES}/{:020}-{}", self.number, self.name)
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || c == '-';
    !name.is_empty() && name.len() <= NAME && name.chars().all(plain)
}

impl Vault {
    /// Makes an instance that never wrote here the one that may. True where it is, also from an
    /// earlier call; false where another one has come after it. `content` is for people who look at
    /// the vault. Files of other names are passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name of other characters than digits, lower-case letters and `-`.
    pub fn instance_begin(&self, name: &str, content: &str) -> Result<bool> {
        if !is_name(name) {
            return Err(Error::invalid("an instance has another name"));
        }
        let files = self.store().list(INSTANCES)?;
        let there: Vec<_> = files.iter().filter_map(|file| Instance::read(&file.key)).collect();
        let newest = there.iter().max();
        if there.iter().any(|instance| instance.name == name) {
            return Ok(newest.is_some_and(|newest| newest.name == name));
        }
        let number = newest.map_or(1, |newest| newest.number.saturating_add(1));
        let instance = Instance { number, name: name.to_owned() };
        self.store().create(&instance.key(), &[Bytes::from(content.to_owned())])?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_others_are_passed_over() {
        let instance = Instance { number: 7, name: "0f-a1".to_owned() };
        assert_eq!(Instance::read(&instance.key()), Some(instance));
        for other in [
            "control/instances/7-a",
            "control/instances/00000000000000000007",
            "control/instances/00000000000000000007-",
            "control/instances/00000000000000000007-A",
            "control/instances/0000000000000000000x-a",
            "control/audit/00000000000000000007-a",
        ] {
            assert_eq!(Instance::read(other), None, "{other}");
        }
    }
}
