//! Behind the interface: what is really stored, and ways to damage it.

use bytes::Bytes;
use jiff::Timestamp;

use super::Running;
use super::rules::Policy;
use super::state::{Blob, Version};

/// A version of a blob as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionView {
    /// The version id.
    pub id: String,
    /// The bytes.
    pub data: Bytes,
    /// Whether it is the current version.
    pub current: bool,
    /// Its policy, which may have ended.
    pub policy: Option<Policy>,
    /// Whether a legal hold is set.
    pub hold: bool,
    /// When it was written.
    pub modified: Timestamp,
}

impl VersionView {
    fn of(version: &Version) -> Self {
        Self {
            id: version.id.clone(),
            data: version.data.clone(),
            current: version.is_current(),
            policy: version.policy(),
            hold: version.protection.hold,
            modified: version.modified,
        }
    }
}

impl Running {
    /// The names of the blobs that exist, in order.
    pub fn blobs(&self, container: &str) -> Vec<String> {
        self.names_where(container, |blob| blob.current().is_some())
    }

    /// All names that have a version, in order.
    pub fn names(&self, container: &str) -> Vec<String> {
        self.names_where(container, |blob| !blob.versions.is_empty())
    }

    fn names_where(&self, container: &str, wanted: fn(&Blob) -> bool) -> Vec<String> {
        let account = self.service.account();
        let blobs = account.containers.get(container).into_iter().flat_map(|c| &c.blobs);
        blobs.filter(|(_, blob)| wanted(blob)).map(|(name, _)| name.clone()).collect()
    }

    /// The bytes of a blob's current version.
    pub fn blob(&self, container: &str, blob: &str) -> Option<Bytes> {
        Some(self.service.account().blob(container, blob)?.current()?.data.clone())
    }

    /// The versions of a blob, the oldest first.
    pub fn versions(&self, container: &str, blob: &str) -> Vec<VersionView> {
        let account = self.service.account();
        let versions = account.blob(container, blob).into_iter().flat_map(|blob| &blob.versions);
        versions.map(VersionView::of).collect()
    }

    /// Changes the bytes of a version (None: the current one) past all protection; id, etag and
    /// MD5 stay as they were. False if there is no such version.
    pub fn tamper(
        &self,
        container: &str,
        blob: &str,
        version: Option<&str>,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut account = self.service.account();
        let blob = account.blob_mut(container, blob);
        let Some(version) = blob.and_then(|blob| blob.version_mut(version)) else { return false };
        let mut data = version.data.to_vec();
        change(&mut data);
        version.size = data.len();
        version.data = data.into();
        // They no longer say where the blocks lie.
        version.blocks.clear();
        true
    }

    /// Flips one bit of a blob's current version, counted from the first byte's lowest. False if
    /// there is no such bit.
    pub fn flip_bit(&self, container: &str, blob: &str, bit: usize) -> bool {
        let mut done = false;
        self.tamper(container, blob, None, |data| {
            if let Some(byte) = data.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
                done = true;
            }
        });
        done
    }

    /// Loses a blob with all its versions, past all protection. False if there was none.
    pub fn lose(&self, container: &str, blob: &str) -> bool {
        let mut account = self.service.account();
        let container = account.containers.get_mut(container);
        container.is_some_and(|container| container.blobs.remove(blob).is_some())
    }
}
