//! Looking for damage.
//!
//! Two opinions: our own pass, which reads every file, tree and reference (and every blob when
//! asked) and names each damaged file; then, where that found nothing, the engine's check of the
//! structure, which was written by others. (The engine's check comes second and guarded, since it
//! may panic on damaged trees.)

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustic_core::CheckOptions;

use crate::backend::Kind;
use crate::blobs::{self, Blobs};
use crate::error::{Error, Result};
use crate::id::{FileId, TreeId};
use crate::index;
use crate::keys;
use crate::node::{Node, NodeKind};
use crate::pack::{BlobKind, PackInfo, parse_header};
use crate::reader::Reader;
use crate::repository::Repository;
use crate::snapshot::SnapshotJson;
use crate::vault::Vault;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Snapshots that were read, foreign ones included.
    pub snapshots: u64,
    /// Different trees of all snapshots.
    pub trees: u64,
    /// Blobs in the index.
    pub blobs: u64,
    /// Packs in the index.
    pub packs: u64,
    /// Packs that are in no index file: left by a run that was interrupted, harmless.
    pub orphan_packs: u64,
    /// Bytes of the packs in the index.
    pub bytes: u64,
    /// What is wrong, one sentence for each file. Empty for a sound shard.
    pub errors: Vec<String>,
}

impl CheckReport {
    /// Keeps damage for the report; passes on what prevents the check.
    fn note<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Damaged { file, what }) => {
                self.error(format!("{file}: {what}"));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    fn error(&mut self, text: String) {
        if !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }
}

/// Checks a repository.
pub(crate) fn check(
    vault: &Vault,
    name: &str,
    repository: &Arc<Repository>,
    read_data: bool,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    check_keys(vault, name, repository, &mut report)?;
    let errors_before = report.errors.len();
    let packs = check_index(repository, &mut report)?;
    // Without the whole index every tree in the missing part would be reported as well.
    let index_is_whole = report.errors.len() == errors_before;
    check_pack_files(repository, &packs, &mut report)?;
    if read_data {
        let errors = check_pack_data(repository, &packs)?;
        errors.into_iter().for_each(|text| report.error(text));
    }
    let trees = check_snapshots(repository, &mut report)?;
    if index_is_whole {
        check_trees(repository, trees, &mut report)?;
    }
    if report.errors.is_empty() {
        second_opinion(repository, &mut report);
    }
    Ok(report)
}

fn check_keys(
    vault: &Vault,
    name: &str,
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<()> {
    match report.note(keys::load(&**vault.store(), vault.secret(), name))? {
        Some(Some(key)) if key.as_bytes() != repository.key.as_bytes() => {
            report.error(format!("keys/{name}.json: holds the key of another repository"));
        }
        _ => {}
    }
    let files = repository.backend.files(Kind::Key)?;
    if files.is_empty() {
        report.error(format!(
            "{}/keys: no key file; restic cannot open it",
            repository.backend.name()
        ));
    }
    for (id, _) in files {
        let read = repository.backend.read_file(Kind::Key, &id);
        report.note(read)?;
    }
    Ok(())
}

/// Reads all index files.
fn check_index(
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<HashMap<FileId, Vec<PackInfo>>> {
    let mut packs: HashMap<FileId, Vec<PackInfo>> = HashMap::new();
    for (id, _) in repository.backend.files(Kind::Index)? {
        for pack in report.note(index::read(repository, &id))?.unwrap_or_default() {
            let known = packs.entry(pack.id).or_default();
            if !known.iter().any(|other| other.kind == pack.kind) {
                report.blobs += pack.blobs.len() as u64;
                known.push(pack);
            }
        }
    }
    report.packs = packs.len() as u64;
    Ok(packs)
}

/// Compares the packs in the index with the files.
fn check_pack_files(
    repository: &Repository,
    packs: &HashMap<FileId, Vec<PackInfo>>,
    report: &mut CheckReport,
) -> Result<()> {
    let files: HashMap<FileId, u64> = repository.backend.files(Kind::Pack)?.into_iter().collect();
    report.orphan_packs = files.keys().filter(|id| !packs.contains_key(id)).count() as u64;
    for (id, parts) in packs {
        let label = repository.backend.label(Kind::Pack, id);
        let end = |pack: &PackInfo| {
            pack.blobs.iter().map(|b| u64::from(b.offset) + u64::from(b.length)).max().unwrap_or(0)
        };
        let needed = parts.iter().map(end).max().unwrap_or(0);
        match files.get(id) {
            None => report.error(format!("{label}: is missing")),
            Some(size) if *size <= needed => report.error(format!("{label}: is too short")),
            Some(size) => report.bytes += size,
        }
    }
    Ok(())
}

/// Reads every pack and every blob in it, on all processors.
fn check_pack_data(
    repository: &Repository,
    packs: &HashMap<FileId, Vec<PackInfo>>,
) -> Result<Vec<String>> {
    let packs: Vec<_> = packs.iter().collect();
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Result<Vec<String>>> = Mutex::new(Ok(Vec::new()));
    let work = || {
        while let Some((id, parts)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = check_pack(repository, id, parts);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *outcome, found) {
                (_, Ok(())) | (Err(_), _) => {}
                (Ok(errors), Err(Error::Damaged { file, what })) => {
                    errors.push(format!("{file}: {what}"));
                }
                (Ok(_), Err(err)) => *outcome = Err(err),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn check_pack(repository: &Repository, id: &FileId, parts: &[PackInfo]) -> Result<()> {
    let damaged = |what: String| Error::damaged(repository.backend.label(Kind::Pack, id), what);
    let bytes = repository.backend.read_file(Kind::Pack, id)?;
    let header = parse_header(&bytes, &repository.key)
        .ok_or_else(|| damaged("its header cannot be read".to_owned()))?;
    let in_header: HashSet<_> = header.iter().map(|(kind, b)| (*kind, b.id, b.offset)).collect();
    for part in parts {
        for blob in &part.blobs {
            let range = blob.offset as usize..blob.offset as usize + blob.length as usize;
            let sealed = bytes.get(range).unwrap_or_default();
            let opened = blobs::open(repository, &blob.id, sealed, blob.size);
            if opened.is_none() || !in_header.contains(&(part.kind, blob.id, blob.offset)) {
                return Err(damaged(format!("blob {} in it has changed", FileId(blob.id))));
            }
        }
    }
    Ok(())
}

/// Reads every snapshot; gives their trees.
fn check_snapshots(repository: &Repository, report: &mut CheckReport) -> Result<HashSet<TreeId>> {
    let mut trees = HashSet::new();
    for (id, _) in repository.backend.files(Kind::Snapshot)? {
        let file: Result<SnapshotJson> = repository.load(Kind::Snapshot, &id);
        if let Some(file) = report.note(file)? {
            report.snapshots += 1;
            trees.insert(file.tree());
        }
    }
    Ok(trees)
}

/// Follows the trees to every tree below them and every reference to content.
fn check_trees(
    repository: &Arc<Repository>,
    mut seen: HashSet<TreeId>,
    report: &mut CheckReport,
) -> Result<()> {
    let blobs = Arc::new(Blobs::load(Arc::clone(repository))?);
    let reader = Reader::new(Arc::clone(&blobs));
    let mut queue: Vec<TreeId> = seen.iter().copied().collect();
    while let Some(tree) = queue.pop() {
        let Some(nodes) = report.note(reader.tree(tree))? else { continue };
        report.trees += 1;
        for node in nodes.iter() {
            check_references(&blobs, tree, node, report);
            queue.extend(node.tree().filter(|tree| seen.insert(*tree)));
        }
    }
    Ok(())
}

fn check_references(blobs: &Blobs, tree: TreeId, node: &Node, report: &mut CheckReport) {
    let NodeKind::File { content, .. } = &node.kind else { return };
    for id in content {
        if !blobs.contains(BlobKind::Data, &id.0) {
            report.error(format!("tree {tree}: names blob {id}, which is in no index file"));
        }
    }
}

/// The engine's check of the structure.
fn second_opinion(repository: &Repository, report: &mut CheckReport) {
    let checked = catch_unwind(AssertUnwindSafe(|| {
        repository.engine()?.check(CheckOptions::default())?.is_ok()
    }));
    match checked {
        Ok(Ok(())) => {}
        Ok(Err(err)) => report.error(format!("the engine's check: {}", err.display_log())),
        Err(_) => report.error("the engine's check: it panicked".to_owned()),
    }
}
