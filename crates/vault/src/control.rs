//! Intent (tenants, policies, holds …): a map of path to bytes with history, in a repository of
//! its own beside the shards. It is what a new server starts from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use holdfast_model::{Fence, RunId, Seq};

use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::check::{CheckReport, ReadData, check};
use crate::compression::Compression;
use crate::cut::Cut;
use crate::error::{Error, Result};
use crate::fanout::Fanout;
use crate::id::{FileId, TreeId};
use crate::limits;
use crate::lock::RepositoryLock;
use crate::node::{Node, NodeKind};
use crate::reader::Reader;
use crate::repository::Repository;
use crate::shard;
use crate::snapshot::{Snapshot, SnapshotJson, SnapshotKind, Tags};
use crate::store::Creation;
use crate::vault::Vault;
use crate::writer::Writer;

/// Folder in the control repository whose files say which snapshot is the state number `seq`.
const HEADS: &str = "control/heads";

/// Heads that are looked for beyond the newest that is listed: more than anybody writes while a
/// listing is late.
const UNLISTED: usize = 10_000;

/// How often a save begins again because others save at the same time.
const ATTEMPTS: usize = 100;

/// The control repository of a vault. Clones are the same repository.
///
/// A save writes a snapshot and then its head file, which only one of several can make: the others
/// begin again on the new state, so that no change is lost whatever machine it comes from.
#[derive(Clone)]
pub struct Control {
    vault: Vault,
    repository: Arc<Repository>,
    /// Orders the saves of this process, so that they need not begin again.
    saving: Arc<Mutex<()>>,
}

impl Control {
    pub(crate) fn new(vault: Vault, repository: Arc<Repository>) -> Self {
        Self { vault, repository, saving: Arc::default() }
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// The newest state: every path with its bytes. Paths look like `tenants/contoso.json`.
    pub fn load(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let Some(head) = self.head()? else { return Ok(BTreeMap::new()) };
        let reader = Reader::new(Arc::new(Blobs::load(Arc::clone(&self.repository))?));
        collect(&reader, head.tree)
    }

    /// Sets (`Some`) and removes (`None`) paths in one step, which is durable when this returns.
    /// Where nothing changes, nothing is written.
    pub fn save(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            if self.try_save(changes)? {
                return Ok(());
            }
        }
        let busy = std::io::Error::other("somebody else saved each time");
        Err(Error::io("save intent in", Path::new(HEADS), busy))
    }

    /// One attempt; false where somebody else has saved in the meantime.
    fn try_save(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<bool> {
        let head = self.head()?;
        let (host, clock) = (self.vault.lock_host(), self.vault.clock().clone());
        // Before the index is read: what it names stays while the lock is there.
        let lock = RepositoryLock::place(Arc::clone(&self.repository), host, clock)?;
        let blobs = Blobs::load(Arc::clone(&self.repository))?.leaning(self.vault.leaning());
        let writer = Writer::new(blobs, lock, Compression::default())?;
        let tree = apply(&writer, head.as_ref().map(|head| head.tree), changes)?;
        if head.as_ref().is_some_and(|head| head.tree == tree) {
            return Ok(true);
        }
        let now = self.vault.clock().now();
        let (host, paths) = (self.vault.lock_host(), ["/".to_owned()]);
        let tags = next_tags(head.as_ref());
        let snapshot = writer.snapshot(tree, &tags, now, &host, &paths)?;
        let name = head_name(tags.seq);
        match self.vault.store().create(&name, &[Bytes::from(snapshot.id.clone())])? {
            Creation::Made => Ok(true),
            Creation::Exists => {
                // Nobody's state; where it cannot be removed it is passed over.
                let id: FileId = snapshot.id.parse()?;
                if self.vault.store().can_remove() {
                    self.repository.backend.remove_file(Kind::Snapshot, &id)?;
                }
                Ok(false)
            }
        }
    }

    /// Looks for damage, as [`crate::Shard::check`] does.
    pub fn check(&self, read: impl Into<ReadData>) -> Result<CheckReport> {
        let mut report = check(&self.vault, "control", &self.repository, read.into())?;
        for head in self.vault.store().list(HEADS)? {
            let named = self.named(&head.key);
            if report.note(named)?.is_some_and(|named| named.is_none()) {
                report.error(format!("{}: does not name the snapshot of its number", head.key));
            }
        }
        Ok(report)
    }

    /// The present state: the snapshot that the newest head file names, or, where that is damaged,
    /// the one of its number. Without heads, the snapshot with the highest `seq`.
    fn head(&self) -> Result<Option<Snapshot>> {
        let Some(newest) = self.newest_head()? else {
            return Ok(shard::snapshots(&self.repository)?.pop());
        };
        if let Ok(Some(snapshot)) = self.named(&newest) {
            return Ok(Some(snapshot));
        }
        let damaged = || Error::damaged(&newest, "does not name the snapshot of its number");
        let mut snapshots = shard::snapshots(&self.repository)?;
        snapshots.retain(|snapshot| head_name(snapshot.tags.seq) == newest);
        match (snapshots.pop(), snapshots.pop()) {
            (Some(snapshot), None) => Ok(Some(snapshot)),
            // None, or one of them was nobody's state.
            _ => Err(damaged()),
        }
    }

    /// The snapshot that a head file names; `None` where it does not name the one of its number.
    fn named(&self, head: &str) -> Result<Option<Snapshot>> {
        let text = self.vault.store().get_within(head, limits::SMALL as u64)?.unwrap_or_default();
        let id: Option<FileId> = std::str::from_utf8(&text).ok().and_then(|id| id.parse().ok());
        let Some(id) = id.filter(|id| id.to_string().as_bytes() == text) else { return Ok(None) };
        let file: SnapshotJson = self.repository.load(Kind::Snapshot, &id)?;
        Ok(file.into_snapshot(id).filter(|snapshot| head_name(snapshot.tags.seq) == head))
    }

    /// The newest head file. Some object stores list a file only some time after it was written,
    /// so those that follow the newest that is listed are asked for by name.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the store has a file of every name.
    fn newest_head(&self) -> Result<Option<String>> {
        let store = self.vault.store();
        let mut newest = store.list(HEADS)?.pop().map(|file| file.key);
        let Some(mut seq) = newest.as_deref().map_or(Some(0), seq_of) else { return Ok(newest) };
        for _ in 0..UNLISTED {
            seq += 1;
            let next = head_name(Seq(seq));
            if store.get_within(&next, limits::SMALL as u64)?.is_none() {
                return Ok(newest);
            }
            newest = Some(next);
        }
        let what = format!("{UNLISTED} files that are not listed are there: none can be believed");
        Err(Error::damaged(HEADS, what))
    }
}

fn seq_of(head: &str) -> Option<u64> {
    let seq = head.rsplit('/').next()?.parse().ok()?;
    (seq < limits::COUNTER && head_name(Seq(seq)) == head).then_some(seq)
}

/// The file that says which snapshot is a state.
fn head_name(seq: Seq) -> String {
    format!("{HEADS}/{:020}", seq.0)
}

fn apply(
    writer: &Writer,
    tree: Option<TreeId>,
    changes: &[(String, Option<Vec<u8>>)],
) -> Result<TreeId> {
    let mut edit = writer.edit(tree, Fanout::FLAT);
    for (path, bytes) in changes {
        let parts: Vec<&str> = path.split('/').collect();
        let (name, dir) = parts.split_last().expect("splitting gives at least one part");
        match bytes {
            Some(bytes) => {
                let content = writer.put(bytes, Cut::Whole)?;
                let time = holdfast_model::Timestamp::UNIX_EPOCH;
                edit.put(dir, Node::file(*name, content, time))?;
            }
            None => {
                edit.remove(&parts)?;
            }
        }
    }
    edit.save()
}

fn next_tags(head: Option<&Snapshot>) -> Tags {
    Tags {
        seq: Seq(head.map_or(0, |head| head.tags.seq.0) + 1),
        prev: head.map(|head| head.tags.seq),
        fence: Fence(0),
        run: RunId("control".to_owned()),
        kind: SnapshotKind::Final,
        rewrite: 0,
    }
}

/// Every path below a tree with its bytes. What is no sane state (so many paths that a few trees
/// must stand for them all, say) is damage.
fn collect(reader: &Reader, tree: TreeId) -> Result<BTreeMap<String, Vec<u8>>> {
    let damaged = || Error::damaged("control", "its tree is larger than any that is written");
    let mut found = BTreeMap::new();
    let mut directories = vec![(String::new(), tree)];
    let (mut paths, mut bytes) = (0, 0);
    while let Some((prefix, tree)) = directories.pop() {
        for node in reader.list(tree)? {
            let path = format!("{prefix}{}", node.name);
            paths += 1;
            if let NodeKind::File { size, .. } = node.kind {
                bytes = size.saturating_add(bytes);
            }
            let sane = paths <= limits::CONTROL_PATHS && bytes <= limits::CONTROL_BYTES;
            if !sane || path.len() > limits::CONTROL_PATH {
                return Err(damaged());
            }
            match node.tree() {
                Some(tree) => directories.push((format!("{path}/"), tree)),
                None => {
                    found.insert(path, reader.bytes(&node)?);
                }
            }
        }
    }
    Ok(found)
}
