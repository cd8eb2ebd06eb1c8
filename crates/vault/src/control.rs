//! Intent (tenants, policies, holds …): a map of path to bytes with history, in a repository of
//! its own beside the shards. It is what a new server starts from.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::{Fence, RunId, Seq};

use crate::backend::create_dir;
use crate::blobs::Blobs;
use crate::check::{CheckReport, check};
use crate::cut::Cut;
use crate::error::{Error, Result};
use crate::fanout::Fanout;
use crate::id::TreeId;
use crate::lock::RepositoryLock;
use crate::node::Node;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::shard;
use crate::snapshot::{Snapshot, SnapshotKind, Tags};
use crate::vault::Vault;
use crate::writer::Writer;

/// The control repository of a vault. Clones are the same repository.
#[derive(Clone)]
pub struct Control {
    vault: Vault,
    repository: Arc<Repository>,
    /// Orders the saves of this process; those of others wait for a lock of the operating system.
    saving: Arc<Mutex<()>>,
}

impl Control {
    pub(crate) fn new(vault: Vault, repository: Arc<Repository>) -> Self {
        Self { vault, repository, saving: Arc::default() }
    }

    /// The newest state: every path with its bytes. Paths look like `tenants/contoso.json`.
    pub fn load(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        if let Some(head) = self.head()? {
            let reader = Reader::new(Arc::new(Blobs::load(Arc::clone(&self.repository))?));
            collect(&reader, head.tree, "", &mut found)?;
        }
        Ok(found)
    }

    /// Sets (`Some`) and removes (`None`) paths in one step, which is durable when this returns.
    /// Where nothing changes, nothing is written.
    pub fn save(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        let (_saving, _file) = self.exclusive()?;
        let head = self.head()?;
        let blobs = Blobs::load(Arc::clone(&self.repository))?;
        let (host, clock) = (self.vault.lock_host(), self.vault.clock().clone());
        let lock = RepositoryLock::place(Arc::clone(&self.repository), host, clock)?;
        let writer = Writer::new(blobs, lock);
        let tree = apply(&writer, head.as_ref().map(|head| head.tree), changes)?;
        if head.as_ref().is_some_and(|head| head.tree == tree) {
            return Ok(());
        }
        let now = self.vault.clock().now();
        writer.snapshot(
            tree,
            &next_tags(head.as_ref()),
            now,
            &self.vault.lock_host(),
            &["/".to_owned()],
        )?;
        Ok(())
    }

    /// Looks for damage, as [`crate::Shard::check`] does.
    pub fn check(&self, read_data: bool) -> Result<CheckReport> {
        check(&self.vault, "control", &self.repository, read_data)
    }

    fn head(&self) -> Result<Option<Snapshot>> {
        Ok(shard::snapshots(&self.repository)?.pop())
    }

    fn exclusive(&self) -> Result<(MutexGuard<'_, ()>, File)> {
        let saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        // Not in `tmp/`, which writers sweep.
        let path = self.repository.backend.tmp().with_file_name("control.lock");
        create_dir(&self.repository.backend.tmp())?;
        let file = File::create(&path).map_err(|err| Error::io("create", &path, err))?;
        file.lock().map_err(|err| Error::io("lock", &path, err))?;
        Ok((saving, file))
    }
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

fn collect(
    reader: &Reader,
    tree: TreeId,
    prefix: &str,
    found: &mut BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    for node in reader.list(tree)? {
        let path = format!("{prefix}{}", node.name);
        match node.tree() {
            Some(tree) => collect(reader, tree, &format!("{path}/"), found)?,
            None => {
                found.insert(path, reader.bytes(&node)?);
            }
        }
    }
    Ok(())
}
