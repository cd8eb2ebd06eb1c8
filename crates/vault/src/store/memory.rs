//! A store in memory: for repositories in the making, and for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdfast_model::{Clock, Timestamp};

use super::{Creation, Store, Stored};
use crate::error::Result;

/// Files in memory.
#[derive(Debug)]
pub struct MemoryStore {
    files: Mutex<BTreeMap<String, (Bytes, Timestamp)>>,
    clock: Clock,
}

impl MemoryStore {
    /// An empty store whose files are dated by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { files: Mutex::default(), clock }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, (Bytes, Timestamp)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        format!("memory:{prefix}")
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.files().get(key).map(|(bytes, _)| bytes.clone()))
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        Ok(self.get(key)?.map(|bytes| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            bytes.slice(start..start.saturating_add(length).min(bytes.len()))
        }))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        let files = self.files();
        let below = files.iter().filter(|(key, _)| rest(key, prefix).is_some());
        Ok(below
            .map(|(key, (bytes, modified))| Stored {
                key: key.clone(),
                size: bytes.len() as u64,
                modified: *modified,
            })
            .collect())
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let files = self.files();
        let folders = files.keys().filter_map(|key| rest(key, prefix)?.split_once('/'));
        let names: BTreeSet<String> = folders.map(|(name, _)| name.to_owned()).collect();
        Ok(names.into_iter().collect())
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> Result<Creation> {
        let mut files = self.files();
        if files.contains_key(key) {
            return Ok(Creation::Exists);
        }
        files.insert(key.to_owned(), (Bytes::from(parts.concat()), self.clock.now()));
        Ok(Creation::Made)
    }

    fn replace(&self, key: &str, content: &Bytes) -> Result<()> {
        self.files().insert(key.to_owned(), (content.clone(), self.clock.now()));
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.files().remove(key);
        Ok(())
    }
}

/// What follows `prefix/` in a key.
fn rest<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    if prefix.is_empty() { Some(key) } else { key.strip_prefix(prefix)?.strip_prefix('/') }
}
