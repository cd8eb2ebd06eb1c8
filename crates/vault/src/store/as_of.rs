//! An object store as it was at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::Timestamp;

use super::object::{Dialect, Inner, Range, Wanted, below};
use super::transport::block;
use super::{Creation, FileVersion, Store, Stored};
use crate::error::{Error, Result};
use crate::limits;

/// The newest versions that are not younger than a time. It is listed once, when it is made
/// (about 200 bytes of memory for each file), and only reads.
#[derive(Debug)]
pub(super) struct AsOf<D> {
    inner: Arc<Inner<D>>,
    time: Timestamp,
    files: BTreeMap<String, FileVersion>,
}

impl<D: Dialect> AsOf<D> {
    pub(super) fn new(inner: Arc<Inner<D>>, versions: Vec<FileVersion>, time: Timestamp) -> Self {
        let start = below(inner.dialect.prefix());
        let mut newest: BTreeMap<String, FileVersion> = BTreeMap::new();
        for version in versions.into_iter().filter(|version| version.created <= time) {
            let Some(key) = version.key.strip_prefix(&start).map(str::to_owned) else { continue };
            match newest.get(&key) {
                // Of two of one moment the first that is listed is the newer.
                Some(known) if known.created >= version.created => {}
                _ => drop(newest.insert(key, version)),
            }
        }
        newest.retain(|key, version| !version.deleted && !key.ends_with('/'));
        Self { inner, time, files: newest }
    }

    fn read(&self, key: &str, range: Option<Range>, limit: u64) -> Result<Option<Bytes>> {
        let Some(version) = self.files.get(key).cloned() else { return Ok(None) };
        let wanted = Wanted { version: Some(version.id), range, limit };
        let inner = Arc::clone(&self.inner);
        block(async move { inner.dialect.get(&version.key, &wanted).await })
    }

    fn files_below<'a>(
        &'a self,
        start: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a FileVersion)> {
        let from = self.files.range(start.to_owned()..);
        from.take_while(move |(key, _)| key.starts_with(start))
    }

    fn refuse<T>(&self, action: &'static str, key: &str) -> Result<T> {
        let source = "the vault is opened as it was, for reading".into();
        Err(Error::Denied { action, file: key.to_owned(), source })
    }
}

impl<D: Dialect> Store for AsOf<D> {
    fn location(&self) -> String {
        format!("{} as of {}", self.inner.dialect.location(), self.time)
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.inner.dialect.restic_repository(prefix)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.get_within(key, limits::PACK)
    }

    fn get_within(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        self.read(key, None, limit)
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Option<Bytes>> {
        match length {
            0 => Ok(self.files.get(key).map(|_| Bytes::new())),
            _ => self.read(key, Some(Range { offset, length }), limits::PACK),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Stored>> {
        let stored = |(key, version): (&String, &FileVersion)| Stored {
            key: key.clone(),
            size: version.size,
            modified: version.created,
        };
        Ok(self.files_below(&below(prefix)).map(stored).collect())
    }

    fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let start = below(prefix);
        let folder = |key: &String| Some(key[start.len()..].split_once('/')?.0.to_owned());
        let names: BTreeSet<String> =
            self.files_below(&start).filter_map(|(key, _)| folder(key)).collect();
        Ok(names.into_iter().collect())
    }

    fn create(&self, key: &str, _parts: &[Bytes]) -> Result<Creation> {
        self.refuse("write", key)
    }

    fn replace(&self, key: &str, _content: &Bytes) -> Result<()> {
        self.refuse("write", key)
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.refuse("remove", key)
    }

    fn can_remove(&self) -> bool {
        false
    }
}
