//! Looking for damage.
//!
//! Two opinions: our own pass, which reads every file, tree and reference (and every blob when
//! asked) and names each damaged file; then, where that found nothing, the engine's check of the
//! structure, which was written by others. (The engine's check comes second and guarded, since it
//! may panic on damaged trees.)
//!
//! Where damage was found, [`items`] follows every snapshot down to the items that it concerns.

mod items;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustic_core::CheckOptions;

use crate::backend::Kind;
use crate::blobs::{self, Blobs};
use crate::error::{Error, Result};
use crate::id::{FileId, TreeId, sha256};
use crate::index::IndexFiles;
use crate::keys;
use crate::limits;
use crate::node::{Node, NodeKind};
use crate::pack::{BlobKind, PackInfo, PackedBlob, parse_header};
use crate::reader::Reader;
use crate::repository::Repository;
use crate::snapshot::SnapshotJson;
use crate::vault::Vault;

pub use items::DamagedItem;
use items::{Blob, damaged_items};

/// How much of the data a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadData {
    /// None: the structure only.
    No,
    /// All of it.
    All,
    /// The share of one day: of `days` days in a row, each pack is read on one.
    Share {
        /// Days in which everything is read, at least 1.
        days: u32,
        /// Number of today, such as the days since 1970.
        day: u64,
    },
}

impl From<bool> for ReadData {
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::No }
    }
}

impl ReadData {
    /// Whether a pack is read. Names of packs are hashes, so the shares are of equal size, and a
    /// pack keeps its day whatever comes and goes beside it.
    fn includes(self, pack: &FileId) -> bool {
        match self {
            Self::No => false,
            Self::All => true,
            Self::Share { days, day } => {
                let (number, _) = pack.as_bytes().split_first_chunk::<8>().expect("32 are more");
                let days = u64::from(days.max(1));
                u64::from_be_bytes(*number) % days == day % days
            }
        }
    }
}

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
    /// Packs that no snapshot needs and that wait for their removal by a prune.
    pub marked_packs: u64,
    /// Bytes of the packs in the index.
    pub bytes: u64,
    /// Packs that were read whole and compared with their hashes.
    pub packs_read: u64,
    /// What is wrong, one sentence for each file. Empty for a sound shard.
    pub errors: Vec<String>,
    /// The items that cannot be restored whole because of it, by path; complete only where the
    /// index could be read (the errors tell).
    pub damaged: Vec<DamagedItem>,
    /// Damaged items beyond the 10,000 that are listed.
    pub damaged_more: u64,
}

impl CheckReport {
    /// Keeps damage for the report; passes on what prevents the check.
    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Damaged { file, what }) => {
                self.error(format!("{file}: {what}"));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    pub(crate) fn error(&mut self, text: String) {
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
    read: ReadData,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    check_keys(vault, name, repository, &mut report)?;
    let errors_before = report.errors.len();
    let (packs, marked) = check_index(repository, &mut report)?;
    // Without the whole index every tree in the missing part would be reported as well.
    let index_is_whole = report.errors.len() == errors_before;
    let mut bad = check_pack_files(repository, &packs, &marked, &mut report)?;
    bad.extend(check_pack_data(repository, &packs, read, &mut report)?);
    let snapshots = check_snapshots(repository, &mut report)?;
    if index_is_whole {
        let trees = snapshots.iter().map(SnapshotJson::tree).collect();
        check_trees(repository, trees, &mut report)?;
    }
    if report.errors.is_empty() {
        second_opinion(repository, &mut report);
    } else {
        damaged_items(repository, &snapshots, &bad, &mut report)?;
    }
    Ok(report)
}

fn check_keys(
    vault: &Vault,
    name: &str,
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<()> {
    report.note(vault.check_file())?;
    match report.note(keys::check(&**vault.store(), vault.secret(), name))? {
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
        report.note(repository.backend.read_file(Kind::Key, &id))?;
    }
    Ok(())
}

/// Packs in use, each with one description for each kind of blob in it.
type Packs = HashMap<FileId, Vec<PackInfo>>;

/// Reads the index files; gives the packs in use and those that wait for their removal.
fn check_index(
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<(Packs, HashSet<FileId>)> {
    let mut packs = Packs::new();
    let mut marked = HashSet::new();
    let files = IndexFiles::read(repository)?;
    for (_, err) in files.damaged {
        report.note::<()>(Err(err))?;
    }
    for (_, file) in files.in_force {
        marked.extend(file.marked.iter().map(|(pack, _)| pack.id));
        for pack in file.packs {
            let known = packs.entry(pack.id).or_default();
            if !known.iter().any(|other| other.kind == pack.kind) {
                report.blobs += pack.blobs.len() as u64;
                known.push(pack);
            }
        }
    }
    report.packs = packs.len() as u64;
    marked.retain(|id| !packs.contains_key(id));
    report.marked_packs = marked.len() as u64;
    Ok((packs, marked))
}

/// Compares the packs in the index with the files; gives the blobs that are not there.
fn check_pack_files(
    repository: &Repository,
    packs: &Packs,
    marked: &HashSet<FileId>,
    report: &mut CheckReport,
) -> Result<HashSet<Blob>> {
    let files: HashMap<FileId, u64> = repository.backend.files(Kind::Pack)?.into_iter().collect();
    report.orphan_packs =
        (files.keys()).filter(|id| !packs.contains_key(id) && !marked.contains(id)).count() as u64;
    let mut bad = HashSet::new();
    for (id, parts) in packs {
        let label = repository.backend.label(Kind::Pack, id);
        let size = files.get(id).copied().unwrap_or_default();
        let ends = |pack: &PackInfo| {
            let end = |blob: &PackedBlob| u64::from(blob.offset) + u64::from(blob.length);
            pack.blobs.iter().map(|blob| (blob.id, end(blob))).collect::<Vec<_>>()
        };
        let blobs: Vec<_> = parts
            .iter()
            .flat_map(|pack| ends(pack).into_iter().map(|(id, end)| ((pack.kind, id), end)))
            .collect();
        let needed = blobs.iter().map(|(_, end)| *end).max().unwrap_or(0);
        if !files.contains_key(id) {
            report.error(format!("{label}: is missing"));
        } else if size <= needed {
            report.error(format!("{label}: is too short"));
        } else {
            report.bytes += size;
        }
        bad.extend(blobs.into_iter().filter(|(_, end)| *end > size).map(|(blob, _)| blob));
    }
    Ok(bad)
}

/// What reading one pack showed.
#[derive(Default)]
struct PackDamage {
    errors: Vec<String>,
    bad: Vec<Blob>,
}

/// Reads packs and every blob in them, on all processors; gives the blobs that are damaged.
fn check_pack_data(
    repository: &Repository,
    packs: &Packs,
    read: ReadData,
    report: &mut CheckReport,
) -> Result<Vec<Blob>> {
    let packs: Vec<_> = packs.iter().filter(|(id, _)| read.includes(id)).collect();
    report.packs_read = packs.len() as u64;
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Result<PackDamage>> = Mutex::new(Ok(PackDamage::default()));
    let work = || {
        while let Some((id, parts)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = check_pack(repository, id, parts);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *outcome, found) {
                (Err(_), _) => return,
                (Ok(all), Ok(found)) => {
                    all.errors.extend(found.errors);
                    all.bad.extend(found.bad);
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
    let mut found = outcome.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    found.errors.sort_unstable();
    found.errors.into_iter().for_each(|text| report.error(text));
    Ok(found.bad)
}

fn check_pack(repository: &Repository, id: &FileId, parts: &[PackInfo]) -> Result<PackDamage> {
    let label = repository.backend.label(Kind::Pack, id);
    let mut damage = PackDamage::default();
    // A missing one was reported already.
    let bytes = match repository.backend.store().get_within(&label, limits::PACK) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(damage),
        Err(Error::Damaged { file, what }) => {
            damage.errors.push(format!("{file}: {what}"));
            return Ok(damage);
        }
        Err(err) => return Err(err),
    };
    let header = parse_header(&bytes, &repository.key);
    if header.is_none() {
        damage.errors.push(format!("{label}: its header cannot be read"));
    } else if sha256(&bytes) != *id.as_bytes() {
        damage.errors.push(format!("{label}: content does not match its name"));
    }
    let in_header: Option<HashSet<_>> =
        header.map(|blobs| blobs.iter().map(|(kind, b)| (*kind, b.id, b.offset)).collect());
    for part in parts {
        for blob in &part.blobs {
            let start = blob.offset as usize;
            let sealed = start.checked_add(blob.length as usize).and_then(|e| bytes.get(start..e));
            let opened = blobs::open(repository, &blob.id, sealed.unwrap_or_default(), blob.size);
            if opened.is_none() {
                damage.errors.push(format!("{label}: blob {} has changed", FileId(blob.id)));
                damage.bad.push((part.kind, blob.id));
            } else if in_header
                .as_ref()
                .is_some_and(|known| !known.contains(&(part.kind, blob.id, blob.offset)))
            {
                damage.errors.push(format!("{label}: its header lacks blob {}", FileId(blob.id)));
            }
        }
    }
    Ok(damage)
}

/// Reads every snapshot.
fn check_snapshots(repository: &Repository, report: &mut CheckReport) -> Result<Vec<SnapshotJson>> {
    let mut snapshots = Vec::new();
    for (id, _) in repository.backend.files(Kind::Snapshot)? {
        let file: Result<SnapshotJson> = repository.load(Kind::Snapshot, &id);
        snapshots.extend(report.note(file)?);
    }
    report.snapshots = snapshots.len() as u64;
    Ok(snapshots)
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
    let checked =
        catch_unwind(AssertUnwindSafe(|| repository.engine()?.check(CheckOptions::default())));
    match checked {
        // Beside errors its warnings are of use, alone they are not.
        Ok(Ok(found)) if found.is_ok().is_err() => {
            for (_, err) in &found.0 {
                report.error(format!("the engine's check: {err}"));
            }
        }
        Ok(Ok(_)) => {}
        Ok(Err(err)) => report.error(format!("the engine's check: {}", err.display_log())),
        Err(_) => report.error("the engine's check: it panicked".to_owned()),
    }
}
