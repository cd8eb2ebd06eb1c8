//! Behind the interface: what is really stored, and ways to damage it.

use bytes::Bytes;
use jiff::Timestamp;

use super::Running;
use super::rules::Lock;
use super::service::set_body;
use super::state::Version;

/// The current version of a key.
#[derive(Clone, Debug)]
pub struct Object {
    /// The key.
    pub key: String,
    /// Its bytes.
    pub body: Bytes,
}

/// A version as it is stored.
#[derive(Clone, Debug)]
pub struct ObjectVersion {
    /// Its id; `null` without versioning.
    pub id: String,
    /// Its bytes; None: a delete marker.
    pub body: Option<Bytes>,
    /// When it was made.
    pub modified: Timestamp,
    /// How it is protected.
    pub lock: Lock,
}

impl ObjectVersion {
    fn of(version: &Version) -> Self {
        Self {
            id: version.id.clone(),
            body: version.content.as_ref().map(|content| content.body.clone()),
            modified: version.modified,
            lock: version.lock,
        }
    }
}

impl Running {
    /// The current objects of a bucket by key, without those behind a delete marker.
    pub fn objects(&self, bucket: &str) -> Vec<Object> {
        let store = self.service.store();
        let keys = store.buckets.get(bucket).into_iter().flat_map(|bucket| &bucket.keys);
        let object = |(name, key): (&String, &super::state::Key)| {
            let body = key.versions.last()?.content.as_ref()?.body.clone();
            Some(Object { key: name.clone(), body })
        };
        keys.filter_map(object).collect()
    }

    /// The bytes of a key's current version.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.versions(bucket, key).pop()?.body
    }

    /// All keys of a bucket that have a version, delete markers among them.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let store = self.service.store();
        let keys = store.buckets.get(bucket).into_iter().flat_map(|bucket| &bucket.keys);
        keys.filter(|(_, key)| !key.versions.is_empty()).map(|(name, _)| name.clone()).collect()
    }

    /// The versions of a key, oldest first.
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<ObjectVersion> {
        let store = self.service.store();
        let key = store.buckets.get(bucket).and_then(|bucket| bucket.keys.get(key));
        key.map(|key| key.versions.iter().map(ObjectVersion::of).collect()).unwrap_or_default()
    }

    /// How many multipart uploads are neither completed nor aborted.
    pub fn uploads(&self) -> usize {
        self.service.store().uploads.len()
    }

    /// Changes the bytes of a version (None: the current one) past all locks, and leaves its
    /// entity tag as it was. False if there is no such content.
    pub fn tamper(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut store = self.service.store();
        let bucket = store.buckets.get_mut(bucket);
        let version = bucket.and_then(|bucket| bucket.version_mut(key, version));
        let Some(content) = version.and_then(|version| version.content.as_mut()) else {
            return false;
        };
        let mut body = content.body.to_vec();
        change(&mut body);
        set_body(content, body.into());
        true
    }

    /// Flips one bit of a key's current version, counted from the first byte's lowest. False if
    /// there is no such bit.
    pub fn flip_bit(&self, bucket: &str, key: &str, bit: usize) -> bool {
        let mut done = false;
        self.tamper(bucket, key, None, |body| {
            if let Some(byte) = body.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
                done = true;
            }
        });
        done
    }

    /// Loses a key with all its versions, past all locks. False if there was none.
    pub fn lose(&self, bucket: &str, key: &str) -> bool {
        let mut store = self.service.store();
        let bucket = store.buckets.get_mut(bucket);
        bucket.is_some_and(|bucket| bucket.keys.remove(key).is_some())
    }
}
