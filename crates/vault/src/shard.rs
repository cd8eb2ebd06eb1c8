//! A shard: one restic repository of a vault.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use holdfast_model::{ShardId, Timestamp};

use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::check::{CheckReport, ReadData, check};
use crate::compression::Compression;
use crate::error::Result;
use crate::lock::RepositoryLock;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::snapshot::{Snapshot, SnapshotJson};
use crate::vault::Vault;
use crate::writer::Writer;

/// A shard, opened. Clones are the same shard.
#[derive(Clone)]
pub struct Shard {
    vault: Vault,
    id: ShardId,
    repository: Arc<Repository>,
}

impl Shard {
    pub(crate) fn new(vault: Vault, id: ShardId, repository: Arc<Repository>) -> Self {
        Self { vault, id, repository }
    }

    /// Its number.
    pub fn id(&self) -> ShardId {
        self.id
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// The snapshots that Holdfast wrote, by `seq` and then `fence`.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] naming the file where one cannot be read.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        snapshots(&self.repository)
    }

    /// The same without those whose ids (64 hexadecimal digits) are known: they are not read, so
    /// that a long history costs no more than the listing of its names.
    ///
    /// # Errors
    /// As [`Shard::snapshots`].
    pub fn snapshots_besides(&self, known: &HashSet<String>) -> Result<Vec<Snapshot>> {
        snapshots_where(&self.repository, |id| !known.contains(id))
    }

    /// Until when the store keeps snapshot files from being deleted, those without a lock left out;
    /// one request for each id, none on a store that knows no locks.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for what is no snapshot id; as the store answers.
    pub fn snapshot_locks(&self, ids: &[String]) -> Result<HashMap<String, Timestamp>> {
        let backend = &self.repository.backend;
        let mut found = HashMap::new();
        let Some(locks) = backend.store().locks() else { return Ok(found) };
        for id in ids {
            if let Some(until) = locks.locked_until(&backend.label(Kind::Snapshot, &id.parse()?))? {
                found.insert(id.clone(), until);
            }
        }
        Ok(found)
    }

    /// Loads the index for reading: 48 bytes of memory for each blob. Where an index file is damaged
    /// the packs are read instead, which takes longer.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader::new(Arc::new(Blobs::load_for_reading(Arc::clone(&self.repository))?)))
    }

    /// Loads the index for writing and places a restic lock, which is refreshed every 5 minutes
    /// and removed when the writer is dropped. What a writer that died left behind (its lock, its
    /// temporary files) goes first.
    ///
    /// Where the vault locks what it holds and the locks of the shard were not prolonged in the
    /// last five days, that is done first.
    ///
    /// That there is one writer per shard is the caller's affair (lease); two do not damage
    /// anything.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(Compression::default())
    }

    /// As [`Shard::writer`], with content compressed in another way.
    ///
    /// # Errors
    /// As [`Shard::writer`]; [`crate::Error::Invalid`] for a level that zstd does not have.
    pub fn writer_with(&self, compression: Compression) -> Result<Writer> {
        let repository = Arc::clone(&self.repository);
        let (host, clock) = (self.vault.lock_host(), self.vault.clock().clone());
        let lock = RepositoryLock::place(repository, host, clock)?;
        self.extend_due_locks()?;
        let blobs = Blobs::load(Arc::clone(&self.repository))?;
        Writer::new(blobs.leaning(self.vault.leaning()), lock, compression)
    }

    /// Looks for damage: every file by its name, every tree, every reference; and so much of the
    /// data as `read` says (`true` for all). Damage is reported, not returned as an error.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the storage fails.
    pub fn check(&self, read: impl Into<ReadData>) -> Result<CheckReport> {
        check(&self.vault, &self.id.to_string(), &self.repository, read.into())
    }
}

/// The snapshots that Holdfast wrote to a repository, by `seq` and then `fence`.
pub(crate) fn snapshots(repository: &Repository) -> Result<Vec<Snapshot>> {
    snapshots_where(repository, |_| true)
}

fn snapshots_where(
    repository: &Repository,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Snapshot>> {
    let mut found = Vec::new();
    for (id, _) in repository.backend.files(Kind::Snapshot)? {
        if !wanted(&id.to_string()) {
            continue;
        }
        let file: SnapshotJson = repository.load(Kind::Snapshot, &id)?;
        found.extend(file.into_snapshot(id));
    }
    found.sort_by(|a, b| {
        let key = |s: &Snapshot| (s.tags.seq, s.tags.fence, s.tags.rewrite);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    Ok(found)
}
