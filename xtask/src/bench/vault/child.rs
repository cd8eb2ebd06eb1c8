//! The measured side: a process of its own for each task, so that its CPU seconds and its peak
//! memory can be read from outside.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use holdfast_model::{Clock, Fence, RunId, Secret, Seq, ShardId, Timestamp};
use holdfast_vault::{
    Compression, Cut, Edit, Fanout, Node, Shard, Snapshot, SnapshotKind, Tags, Vault, VaultSecret,
    Writer,
};
use serde::{Deserialize, Serialize};

use super::super::numbers::Numbers;
use super::super::process::median;
use super::source::{Kind, PER_MAILBOX, Place, Source};
use crate::bench::rival;

/// Threads that bring items, as the product has them.
const FETCHERS: usize = 4;
/// Items that a fetcher brings at once: a page of a delta.
const PAGE: u64 = 100;
/// Items after which the tree in memory is saved and forgotten, as the product does.
const FLUSH_AFTER: usize = 5_000;
const SHARD: ShardId = ShardId(1);
/// Where the resources of the source lie.
const WORKLOAD: &str = "exchange";
/// As the product spreads mail.
const FANOUT: Fanout = Fanout { levels, always: 1, split_above: 256, merge_below: 64 };

/// What a process does to the vault in a folder.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Task {
    /// Make a vault with a shard
    Make,
    /// Make the items and drop them: what the source itself costs
    Source { kind: Kind, items: u64 },
    /// SHA-256, zstd and AES over the items, on one thread, and nothing else
    Bare { kind: Kind, items: u64, level: i32 },
    /// Store the items and commit a snapshot
    Ingest { kind: Kind, items: u64, compression: Compression },
    /// Change so many of the items and commit a snapshot
    Change { items: u64, changes: u64, round: u64 },
    /// Store every file of a folder as a stream and commit a snapshot
    Files { from: PathBuf },
    /// Read single items; prints a `Reads`
    Read { items: u64, count: u64 },
}

/// What reading took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reads {
    /// Milliseconds for one item by its path, the middle of several, nothing cached.
    pub(crate) one_ms: f64,
    /// Milliseconds for all of the random items.
    pub(crate) all_ms: f64,
    /// The CPU time of that.
    pub(crate) all_cpu_ms: f64,
    /// Blobs in the index, and bytes of memory that it takes for each.
    pub(crate) blobs: u64,
    pub(crate) index_bytes: f64,
    /// Milliseconds to open the vault and load the index.
    pub(crate) open_ms: f64,
}

/// Runs a task; gives what it prints.
pub(crate) fn run(dir: &Path, task: Task) -> Result<Option<String>> {
    match task {
        Task::Make => make(dir)?,
        Task::Source { kind, items } => {
            let source = Source::new(kind);
            for number in 0..items {
                let place = source.place(number);
                let meta = source.meta(number, &place, true);
                std::hint::black_box((source.content(number), place, meta));
            }
        }
        Task::Bare { kind, items, level } => {
            let source = Source::new(kind);
            let mut bare = rival::Bare::new(level)?;
            (0..items).try_for_each(|number| bare.take(&source.content(number)))?;
        }
        Task::Ingest { kind, items, compression } => ingest(dir, kind, items, compression)?,
        Task::Change { items, changes, round } => change(dir, items, changes, round)?,
        Task::Files { from } => store_files(dir, &from)?,
        Task::Read { items, count } => {
            return Ok(Some(serde_json::to_string(&read(dir, items, count)?)?));
        }
    }
    Ok(None)
}

fn make(dir: &Path) -> Result<()> {
    let passphrase = Secret::new("a passphrase for measurements");
    let (vault, secret) = Vault::create(&dir.join("vault"), &passphrase, Clock::system())?;
    vault.create_shard(SHARD)?;
    Ok(fs::write(dir.join("secret"), secret.expose())?)
}

fn open(dir: &Path) -> Result<Shard> {
    let secret = fs::read(dir.join("secret"))?;
    let secret = secret.try_into().map_err(|_| anyhow!("the secret has another length"))?;
    let secret = VaultSecret::from_bytes(secret);
    Ok(Vault::open(&dir.join("vault"), secret, Clock::system())?.shard(SHARD)?)
}

fn head(shard: &Shard) -> Result<Snapshot> {
    shard.snapshots()?.pop().context("the vault is empty")
}

/// An item that is stored and has no place in the tree yet.
struct Stored {
    place: Place,
    node: Node,
}

fn ingest(dir: &Path, kind: Kind, items: u64, compression: Compression) -> Result<()> {
    let writer = open(dir)?.writer_with(compression)?;
    let source = Source::new(kind);
    let next = Mutex::new(0);
    let mut edit = writer.edit(None, FANOUT);
    thread::scope(|scope| {
        let (sender, pages) = sync_channel(FETCHERS);
        for _ in 0..FETCHERS {
            let sender = sender.clone();
            let (writer, source, next) = (&writer, &source, &next);
            scope.spawn(move || fetch(writer, source, items, next, &sender));
        }
        drop(sender);
        let mut unsaved = 0;
        for page in pages {
            let page: Vec<Stored> = page?;
            unsaved += page.len();
            page.into_iter().try_for_each(|stored| put(&mut edit, stored))?;
            if unsaved >= FLUSH_AFTER {
                unsaved = 0;
                edit.flush()?;
            }
        }
        anyhow::Ok(())
    })?;
    commit(&writer, &mut edit, 1)
}

/// Brings pages of items until there are none.
fn fetch(
    writer: &Writer,
    source: &Source,
    items: u64,
    next: &Mutex<u64>,
    sender: &SyncSender<Result<Vec<Stored>>>,
) {
    loop {
        let first = {
            let mut next = next.lock().expect("no fetcher panics with the lock");
            let first = *next;
            *next += PAGE;
            first
        };
        if first >= items {
            return;
        }
        let numbers = first..(first + PAGE).min(items);
        let page = numbers.map(|number| store(writer, source, number, source.place(number)));
        // The receiver is gone only after an error.
        if sender.send(page.collect()).is_err() {
            return;
        }
    }
}

fn store(writer: &Writer, source: &Source, number: u64, place: Place) -> Result<Stored> {
    let content = writer.put(&source.content(number), Cut::Mime)?;
    let meta = source.meta(number, &place, false);
    let node = Node::file(place.name.as_str(), content, place.received).with_meta(meta);
    Ok(Stored { place, node })
}

fn put(edit: &mut Edit<'_>, Stored { place, node }: Stored) -> Result<()> {
    let folder = [WORKLOAD, &place.mailbox, place.folder];
    if edit.get(&folder)?.is_none_or(|node| node.meta.is_none()) {
        let dir = Node::dir(place.folder, Timestamp::UNIX_EPOCH);
        edit.put(
            &folder[..2],
            dir.with_meta(format!("{{\"v\":1,\"name\":\"{}\"}}", place.folder)),
        )?;
    }
    Ok(edit.put_item(&folder, node)?)
}

fn commit(writer: &Writer, edit: &mut Edit<'_>, seq: u64) -> Result<()> {
    let tree = edit.save()?;
    let tags = Tags {
        seq: Seq(seq),
        prev: (seq > 1).then(|| Seq(seq - 1)),
        fence: Fence(1),
        run: RunId(format!("bench-{seq}")),
        kind: SnapshotKind::Final,
        rewrite: 0,
    };
    writer.snapshot(tree, &tags, Clock::system().now(), "bench", &["/".to_owned()])?;
    Ok(())
}

/// Items of the set that one round changes, and how.
pub(crate) struct Round {
    items: u64,
    changes: u64,
    number: u64,
}

/// Mailboxes in which something changes.
const CHANGED_MAILBOXES: u64 = 10;

impl Round {
    pub(crate) fn new(items: u64, changes: u64, number: u64) -> Self {
        Self { items, changes, number }
    }

    /// Numbers and mailboxes of new items: 60 % of the changes.
    pub(crate) fn delivered(&self) -> impl Iterator<Item = (u64, u64)> {
        let count = self.changes * 6 / 10;
        let first = u64::MAX / 2 + self.number * count;
        let (mailboxes, step) = self.mailboxes();
        (0..count).map(move |at| (first + at, at % mailboxes * step))
    }

    /// Items that are marked as read: 20 % of the changes.
    pub(crate) fn marked(&self) -> impl Iterator<Item = u64> {
        self.old(0, self.changes * 2 / 10)
    }

    /// Items that move to the archive: 10 %.
    pub(crate) fn moved(&self) -> impl Iterator<Item = u64> {
        self.old(1, self.changes / 10)
    }

    /// Items that are deleted: 10 %.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = u64> {
        self.old(2, self.changes / 10)
    }

    /// How many mailboxes change, and every how many-th of all it is.
    fn mailboxes(&self) -> (u64, u64) {
        let all = self.items.div_ceil(PER_MAILBOX);
        let changed = all.min(CHANGED_MAILBOXES);
        (changed, all / changed)
    }

    /// Distinct items of the changed mailboxes, all of their inboxes.
    fn old(&self, sort: u64, count: u64) -> impl Iterator<Item = u64> {
        let (mailboxes, step) = self.mailboxes();
        let first = 3 * self.number + sort;
        (0..count).map(move |at| {
            let (mailbox, turn) = (at % mailboxes * step, at / mailboxes);
            // Of every 20 items 12 lie in the inbox; three sorts and three rounds share them.
            mailbox * PER_MAILBOX + (turn * 20 + first % 12) % PER_MAILBOX
        })
    }
}

fn change(dir: &Path, items: u64, changes: u64, number: u64) -> Result<()> {
    let shard = open(dir)?;
    let head = head(&shard)?;
    let writer = shard.writer()?;
    let source = Source::new(Kind::Small);
    let round = Round::new(items, changes, number);
    let mut edit = writer.edit(Some(head.tree), FANOUT);
    for (number, mailbox) in round.delivered() {
        let mut place = source.new_place(number, mailbox);
        place.folder = "Inbox";
        put(&mut edit, store(&writer, &source, number, place)?)?;
    }
    for number in round.marked() {
        let place = source.place(number);
        let folder = [WORKLOAD, &place.mailbox, place.folder];
        let old = edit.get_item(&folder, &place.name)?.context("an item to mark is not there")?;
        edit.put_item(&folder, old.with_meta(source.meta(number, &place, true)))?;
    }
    for number in round.moved() {
        let node = take(&mut edit, &source, number)?;
        let mailbox = source.place(number).mailbox;
        edit.put_item(&[WORKLOAD, &mailbox, "Archive"], node)?;
    }
    for number in round.deleted() {
        take(&mut edit, &source, number)?;
    }
    commit(&writer, &mut edit, head.tags.seq.0 + 1)
}

fn take(edit: &mut Edit<'_>, source: &Source, number: u64) -> Result<Node> {
    let place = source.place(number);
    let removed = edit.remove_item(&[WORKLOAD, &place.mailbox, place.folder], &place.name)?;
    removed.context("an item to take is not there")
}

fn store_files(dir: &Path, from: &Path) -> Result<()> {
    let shard = open(dir)?;
    let seq = shard.snapshots()?.len() as u64 + 1;
    let writer = shard.writer()?;
    let mut edit = writer.edit(None, Fanout::FLAT);
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let content = writer.put_reader(&mut File::open(entry.path())?)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        edit.put(&[], Node::file(name, content, Timestamp::UNIX_EPOCH))?;
    }
    commit(&writer, &mut edit, seq)
}

fn read(dir: &Path, items: u64, count: u64) -> Result<Reads> {
    let start = Instant::now();
    let shard = open(dir)?;
    let tree = head(&shard)?.tree;
    let before = resident()?;
    let reader = shard.reader()?;
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let grown = resident()?.saturating_sub(before);
    let source = Source::new(Kind::Small);
    let mut numbers = Numbers::of(items);
    let mut random = || source.place(numbers.below(items));
    let get = |reader: &holdfast_vault::Reader, place: &Place| -> Result<()> {
        let folder = [WORKLOAD, &place.mailbox, place.folder];
        let node = reader.item(tree, &folder, &place.name, &FANOUT)?;
        let bytes = reader.bytes(&node.context("an item is not there")?)?;
        ensure!(!bytes.is_empty(), "an item is empty");
        Ok(())
    };
    let mut times = Vec::new();
    for _ in 0..9 {
        // A reader of its own: trees that were read before do not count.
        let (fresh, place) = (shard.reader()?, random());
        let start = Instant::now();
        get(&fresh, &place)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let places: Vec<Place> = (0..count).map(|_| random()).collect();
    let (start, cpu) = (Instant::now(), rival::thread_cpu()?);
    places.iter().try_for_each(|place| get(&reader, place))?;
    let all_ms = start.elapsed().as_secs_f64() * 1e3;
    let all_cpu_ms = (rival::thread_cpu()? - cpu) as f64 / 1e6;
    let blobs = reader.blob_count();
    let index_bytes = grown as f64 / blobs.max(1) as f64;
    Ok(Reads { one_ms: median(times), all_ms, all_cpu_ms, blobs, index_bytes, open_ms })
}

/// Resident memory of this process in bytes.
fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Month, day, then digits of the short id.
fn levels(name: &str) -> Vec<String> {
    let Some(id) = name.rfind('~').and_then(|at| name.get(at + 1..at + 5)) else {
        return vec!["0000-00".to_owned()];
    };
    let (year, month, day) = (&name[..4], &name[4..6], &name[6..8]);
    let mut levels = vec![format!("{year}-{month}"), format!("{year}-{month}-{day}")];
    levels.extend(id.chars().map(String::from));
    levels
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_round_changes_items_that_are_there_and_no_one_twice() {
        for items in [1000, 10_000, 1_000_000] {
            let mut seen = HashSet::new();
            for number in 0..3 {
                let round = Round::new(items, 200, number);
                assert_eq!(round.delivered().count(), 120);
                let old: Vec<u64> =
                    round.marked().chain(round.moved()).chain(round.deleted()).collect();
                assert_eq!(old.len(), 80);
                for item in old {
                    assert!(item < items && item % 20 < 12, "{item}");
                    assert!(seen.insert(item), "{item} of {items} is changed twice");
                }
                let mailboxes: HashSet<u64> = round.delivered().map(|(_, m)| m).collect();
                assert!(mailboxes.iter().all(|mailbox| mailbox * PER_MAILBOX < items));
                assert_eq!(mailboxes.len() as u64, CHANGED_MAILBOXES.min(items / PER_MAILBOX));
            }
        }
    }

    #[test]
    fn what_a_child_stores_and_changes_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path()).unwrap();
        ingest(dir.path(), Kind::Small, 1000, Compression::default()).unwrap();
        let reads = read(dir.path(), 1000, 50).unwrap();
        assert!(reads.blobs > 1000);
        change(dir.path(), 1000, 200, 0).unwrap();
        change(dir.path(), 1000, 200, 1).unwrap();
        let shard = open(dir.path()).unwrap();
        assert_eq!(shard.snapshots().unwrap().len(), 3);
        assert_eq!(count(&shard, head(&shard).unwrap().tree), 1000 + 2 * (120 - 20));
        assert!(shard.check(true).unwrap().errors.is_empty());
    }

    /// Items below a tree.
    fn count(shard: &Shard, tree: holdfast_vault::TreeId) -> u64 {
        let reader = shard.reader().unwrap();
        let (mut found, mut open) = (0, vec![tree]);
        while let Some(tree) = open.pop() {
            for node in reader.list(tree).unwrap() {
                match node.tree() {
                    Some(tree) => open.push(tree),
                    None => found += 1,
                }
            }
        }
        found
    }
}
