//! What the account holds: containers, blobs, versions, uncommitted blocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::rules::{DefaultPolicy, Policy, Protection};

/// The containers of one account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Blob versioning, a setting of the whole account.
    pub(crate) versioning: bool,
    pub(crate) containers: BTreeMap<String, Container>,
    /// How many changes took effect; each has its number, from 1.
    pub(crate) writes: u64,
    /// The last moment given out, in steps of 100 ns since 1970: no two are equal.
    last_tick: i64,
}

/// A container and its blobs by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    /// Support for version-level immutability: given when the container is made, never lost.
    pub(crate) version_level: bool,
    pub(crate) default_policy: Option<DefaultPolicy>,
    pub(crate) blobs: BTreeMap<String, Blob>,
}

/// A name and what was written there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blob {
    /// The oldest first.
    pub(crate) versions: Vec<Version>,
    /// Versions that are gone, without their bytes: only a late listing sees them.
    pub(crate) gone: Vec<Version>,
    /// Blocks that are put and not yet committed, by id.
    pub(crate) uncommitted: BTreeMap<String, Bytes>,
}

/// One version of a blob.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) data: Bytes,
    pub(crate) size: usize,
    /// Id and length of the blocks it was committed from.
    pub(crate) blocks: Vec<(String, usize)>,
    pub(crate) etag: String,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) properties: Properties,
    pub(crate) protection: Protection,
    /// The change that made it.
    pub(crate) born: u64,
    /// The change since which it is a previous version.
    pub(crate) demoted: Option<u64>,
    /// The change that removed it.
    pub(crate) removed: Option<u64>,
}

/// What a client may say about the content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) content_type: String,
    pub(crate) content_encoding: String,
    pub(crate) content_language: String,
    pub(crate) content_disposition: String,
    pub(crate) cache_control: String,
    /// Base64; of Put Blob always, of Put Block List what the client said.
    pub(crate) md5: String,
    /// Names without `x-ms-meta-`.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The content and properties of a version to be.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) data: Bytes,
    pub(crate) blocks: Vec<(String, usize)>,
    pub(crate) properties: Properties,
    pub(crate) protection: Protection,
}

impl Account {
    pub(crate) fn new(versioning: bool) -> Self {
        Self { versioning, containers: BTreeMap::new(), writes: 0, last_tick: 0 }
    }

    /// The number of the next change.
    pub(crate) fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// A moment not given out before, at `now` or as little after it as possible.
    fn tick(&mut self, now: Timestamp) -> i64 {
        let tick = i64::try_from(now.as_nanosecond() / 100).unwrap_or(i64::MAX);
        self.last_tick = tick.max(self.last_tick.saturating_add(1));
        self.last_tick
    }

    /// Writes a new version of a blob; the current one becomes a previous version, or is gone
    /// when versioning is off.
    pub(crate) fn write(&mut self, now: Timestamp, container: &str, blob: &str, draft: Draft) {
        let write = self.next_write();
        let tick = self.tick(now);
        let versioning = self.versioning;
        let Some(container) = self.containers.get_mut(container) else { return };
        let blob = container.blobs.entry(blob.to_owned()).or_default();
        let created = blob.current().map_or(now, |current| current.created);
        blob.demote(write, versioning);
        blob.uncommitted.clear();
        blob.versions.push(Version {
            id: version_id(tick),
            size: draft.data.len(),
            data: draft.data,
            blocks: draft.blocks,
            etag: format!("0x{:X}", 0x08D0_0000_0000_0000 + tick),
            created,
            modified: now,
            properties: draft.properties,
            protection: draft.protection,
            born: write,
            demoted: None,
            removed: None,
        });
    }

    pub(crate) fn blob(&self, container: &str, blob: &str) -> Option<&Blob> {
        self.containers.get(container)?.blobs.get(blob)
    }

    pub(crate) fn blob_mut(&mut self, container: &str, blob: &str) -> Option<&mut Blob> {
        self.containers.get_mut(container)?.blobs.get_mut(blob)
    }
}

impl Blob {
    /// The version that a request without version id means.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.last().filter(|version| version.demoted.is_none())
    }

    /// The version of this id, or the current one.
    pub(crate) fn version(&self, id: Option<&str>) -> Option<&Version> {
        match id {
            Some(id) => self.versions.iter().find(|version| version.id == id),
            None => self.current(),
        }
    }

    pub(crate) fn version_mut(&mut self, id: Option<&str>) -> Option<&mut Version> {
        let id = self.version(id)?.id.clone();
        self.versions.iter_mut().find(|version| version.id == id)
    }

    /// Makes the current version a previous one, or removes it when there are no versions.
    pub(crate) fn demote(&mut self, write: u64, versioning: bool) {
        let Some(current) = self.current() else { return };
        let id = current.id.clone();
        if let Some(current) = self.versions.last_mut() {
            current.demoted = Some(write);
        }
        if !versioning {
            self.remove(&id, write);
        }
    }

    /// Removes a version for good.
    pub(crate) fn remove(&mut self, id: &str, write: u64) {
        let Some(at) = self.versions.iter().position(|version| version.id == id) else { return };
        let mut version = self.versions.remove(at);
        version.data = Bytes::new();
        version.removed = Some(write);
        self.gone.push(version);
    }

    /// The versions as they were after change `write`, the oldest first.
    pub(crate) fn as_of(&self, write: u64) -> Vec<&Version> {
        let mut seen: Vec<_> = self
            .versions
            .iter()
            .chain(&self.gone)
            .filter(|version| version.exists(write))
            .collect();
        seen.sort_by_key(|version| version.born);
        seen
    }
}

impl Version {
    /// Whether it existed after change `write`.
    fn exists(&self, write: u64) -> bool {
        self.born <= write && self.removed.is_none_or(|removed| removed > write)
    }

    /// Whether it was the current version after change `write`.
    pub(crate) fn was_current(&self, write: u64) -> bool {
        self.exists(write) && self.demoted.is_none_or(|demoted| demoted > write)
    }

    pub(crate) fn is_current(&self) -> bool {
        self.demoted.is_none()
    }

    /// The etag as headers carry it.
    pub(crate) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// The policy, whether or not it has ended.
    pub(crate) fn policy(&self) -> Option<Policy> {
        self.protection.policy
    }
}

/// A version id: the moment with seven decimals, as the service writes it.
fn version_id(tick: i64) -> String {
    let seconds = Timestamp::from_second(tick.div_euclid(10_000_000)).unwrap_or(Timestamp::MAX);
    let fraction = tick.rem_euclid(10_000_000);
    format!("{}.{fraction:07}Z", seconds.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(data: &'static [u8]) -> Draft {
        Draft {
            data: Bytes::from_static(data),
            blocks: Vec::new(),
            properties: Properties::default(),
            protection: Protection::default(),
        }
    }

    fn account(versioning: bool) -> Account {
        let mut account = Account::new(versioning);
        account.containers.insert("c".into(), Container::default());
        account
    }

    #[test]
    fn version_ids_differ_and_sort_though_the_clock_stands() {
        let mut account = account(true);
        let now: Timestamp = "2026-11-22T08:00:00.1234567Z".parse().unwrap();
        for _ in 0..3 {
            account.write(now, "c", "b", draft(b"x"));
        }
        let ids: Vec<_> =
            account.blob("c", "b").unwrap().versions.iter().map(|v| v.id.clone()).collect();
        assert_eq!(
            ids,
            [
                "2026-11-22T08:00:00.1234567Z",
                "2026-11-22T08:00:00.1234568Z",
                "2026-11-22T08:00:00.1234569Z"
            ]
        );
    }

    #[test]
    fn without_versioning_the_old_bytes_are_gone() {
        let mut account = account(false);
        account.write(Timestamp::UNIX_EPOCH, "c", "b", draft(b"one"));
        account.write(Timestamp::UNIX_EPOCH, "c", "b", draft(b"two"));
        let blob = account.blob("c", "b").unwrap();
        assert_eq!(blob.versions.len(), 1);
        assert_eq!(blob.current().unwrap().data, "two");
    }

    #[test]
    fn the_past_can_be_seen_by_the_number_of_a_change() {
        let mut account = account(true);
        account.write(Timestamp::UNIX_EPOCH, "c", "b", draft(b"one"));
        account.write(Timestamp::UNIX_EPOCH, "c", "b", draft(b"two"));
        let third = account.next_write();
        let blob = account.blob_mut("c", "b").unwrap();
        blob.demote(third, true);
        let first = blob.versions[0].id.clone();
        blob.remove(&first, 4);
        let seen = |write| {
            let versions = blob.as_of(write);
            let current = versions.iter().position(|version| version.was_current(write));
            (versions.len(), current)
        };
        assert_eq!(
            [seen(0), seen(1), seen(2), seen(3), seen(4)],
            [(0, None), (1, Some(0)), (2, Some(1)), (2, None), (1, None)]
        );
    }
}
