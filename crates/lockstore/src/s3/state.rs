//! What the fake stores: buckets, keys, versions and unfinished uploads.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::rules::{BucketLock, Lock, Versioning};
use crate::checksum::{Algorithm, sha256};

/// The id of a version written while versioning was not enabled.
pub(crate) const NULL: &str = "null";

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// Counts writes and deletions of keys.
    pub(crate) writes: u64,
    ids: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) versioning: Versioning,
    pub(crate) lock: Option<BucketLock>,
    pub(crate) keys: BTreeMap<String, Key>,
}

/// All that was ever stored under a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    /// Oldest first; the last is the current one.
    pub(crate) versions: Vec<Version>,
    /// Versions that are gone for good, without their bytes, for listings that lag behind.
    removed: Vec<Version>,
    /// The write that last deleted something here.
    pub(crate) deleted: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// None: a delete marker.
    pub(crate) content: Option<Content>,
    pub(crate) modified: Timestamp,
    pub(crate) lock: Lock,
    /// The write that made it.
    pub(crate) born: u64,
    /// The write that removed it.
    gone: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) body: Bytes,
    pub(crate) size: usize,
    /// Without quotes.
    pub(crate) etag: String,
    /// `content-type`, `x-amz-meta-…` and the like, given back on reading.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) checksum: Option<(Algorithm, String)>,
}

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) initiated: Timestamp,
    pub(crate) lock: Lock,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) parts: BTreeMap<u32, Part>,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) body: Bytes,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Option<(Algorithm, String)>,
    pub(crate) modified: Timestamp,
}

/// A bucket's keys and all uploads as they were before a request.
pub(crate) struct Before {
    bucket: String,
    keys: BTreeMap<String, Key>,
    uploads: BTreeMap<String, Upload>,
}

impl Store {
    /// An opaque id that says nothing about order.
    pub(crate) fn id(&mut self) -> String {
        self.ids += 1;
        hex::encode(&sha256(&self.ids.to_be_bytes())[..16])
    }

    pub(crate) fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// Stores a new current version and gives its id.
    pub(crate) fn commit(
        &mut self,
        bucket: &str,
        key: &str,
        content: Option<Content>,
        modified: Timestamp,
        lock: Lock,
    ) -> String {
        let (write, id) = (self.next_write(), self.id());
        let Some(bucket) = self.buckets.get_mut(bucket) else { return id };
        let keyed = bucket.keys.entry(key.to_owned()).or_default();
        if content.is_none() {
            keyed.deleted = write;
        }
        let id = if bucket.versioning == Versioning::Enabled { id } else { NULL.to_owned() };
        if id == NULL {
            keyed.remove(NULL, write);
        }
        let version = Version { id: id.clone(), content, modified, lock, born: write, gone: None };
        keyed.versions.push(version);
        id
    }

    /// Removes a version for good.
    pub(crate) fn remove(&mut self, bucket: &str, key: &str, id: &str) -> Option<Version> {
        let write = self.next_write();
        let key = self.buckets.get_mut(bucket)?.keys.get_mut(key)?;
        key.deleted = write;
        key.remove(id, write)
    }

    pub(crate) fn before(&self, bucket: &str) -> Before {
        let keys = self.buckets.get(bucket).map(|bucket| bucket.keys.clone()).unwrap_or_default();
        Before { bucket: bucket.to_owned(), keys, uploads: self.uploads.clone() }
    }

    /// Undoes what a request did to keys and uploads.
    pub(crate) fn undo(&mut self, before: Before) {
        if let Some(bucket) = self.buckets.get_mut(&before.bucket) {
            bucket.keys = before.keys;
        }
        self.uploads = before.uploads;
    }
}

impl Bucket {
    pub(crate) fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.versions.last()
    }

    pub(crate) fn version(&self, key: &str, id: &str) -> Option<&Version> {
        self.keys.get(key)?.versions.iter().find(|version| version.id == id)
    }

    pub(crate) fn version_mut(&mut self, key: &str, id: Option<&str>) -> Option<&mut Version> {
        let mut versions = self.keys.get_mut(key)?.versions.iter_mut().rev();
        versions.find(|version| id.is_none_or(|id| version.id == id))
    }
}

impl Key {
    fn remove(&mut self, id: &str, write: u64) -> Option<Version> {
        let at = self.versions.iter().position(|version| version.id == id)?;
        let version = self.versions.remove(at);
        let mut shadow = version.clone();
        shadow.gone = Some(write);
        if let Some(content) = &mut shadow.content {
            content.body = Bytes::new();
        }
        self.removed.push(shadow);
        Some(version)
    }

    /// The write that made a version, also one that is gone.
    pub(crate) fn born(&self, id: &str) -> Option<u64> {
        let mut all = self.versions.iter().chain(&self.removed);
        all.find(|version| version.id == id).map(|version| version.born)
    }

    /// The versions as they were after write number `at`, newest first.
    pub(crate) fn as_of(&self, at: u64) -> Vec<&Version> {
        let all = self.versions.iter().chain(&self.removed);
        let was_there =
            |version: &&Version| version.born <= at && version.gone.is_none_or(|gone| gone > at);
        let mut versions: Vec<_> = all.filter(was_there).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.born));
        versions
    }
}

impl Version {
    pub(crate) fn is_marker(&self) -> bool {
        self.content.is_none()
    }
}
