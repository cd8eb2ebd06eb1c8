//! A disk that writes down what is asked of it, and what may be left of that after a power cut.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use holdfast_vault::{Disk, DiskFile};

/// An operation, as the disk saw it.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Mkdir(PathBuf),
    SyncDir(PathBuf),
    Create(PathBuf, usize),
    Write(usize, Vec<u8>),
    SyncFile(usize),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// Writes down what is asked of it and does it, without waiting for the real disk.
#[derive(Debug, Default)]
pub(super) struct LoggingDisk(pub(super) Arc<Mutex<Log>>);

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) ops: Vec<Op>,
    pub(super) files: usize,
    /// After so many operations nothing is done any more: the process is dead.
    pub(super) dies_after: Option<usize>,
}

impl LoggingDisk {
    fn log(&self, op: Op, result: io::Result<()>) -> io::Result<()> {
        let mut log = self.0.lock().unwrap();
        if log.dies_after.is_some_and(|n| log.ops.len() >= n) {
            // What was done to the real folder does not count: it is not looked at again.
            return Err(io::Error::other("the process is dead"));
        }
        if result.is_ok() {
            log.ops.push(op);
        }
        result
    }

    fn is_dead(&self) -> bool {
        let log = self.0.lock().unwrap();
        log.dies_after.is_some_and(|n| log.ops.len() >= n)
    }

    /// Does it, unless the process is dead.
    fn act(&self, op: Op, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("the process is dead"));
        }
        self.log(op, act())
    }
}

impl Disk for LoggingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.act(Op::Mkdir(path.to_owned()), || std::fs::create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.act(Op::SyncDir(path.to_owned()), || Ok(()))
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let number = {
            let mut log = self.0.lock().unwrap();
            log.files += 1;
            log.files
        };
        let mut file = None;
        self.act(Op::Create(path.to_owned(), number), || {
            file = Some(std::fs::File::create_new(path)?);
            Ok(())
        })?;
        let disk = Self(Arc::clone(&self.0));
        Ok(Box::new(LoggingFile { disk, file: file.unwrap(), number }))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(Op::Link(from.to_owned(), to.to_owned()), || std::fs::hard_link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(Op::Rename(from.to_owned(), to.to_owned()), || std::fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.act(Op::Remove(path.to_owned()), || std::fs::remove_file(path))
    }
}

struct LoggingFile {
    disk: LoggingDisk,
    file: std::fs::File,
    number: usize,
}

impl Write for LoggingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.act(Op::Write(self.number, bytes.to_owned()), || self.file.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for LoggingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.act(Op::SyncFile(self.number), || Ok(()))
    }
}

/// What an entry of a folder becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    Dir,
    File(usize),
    Gone,
}

/// A change of one entry, and whether the folder was flushed after it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    path: PathBuf,
    entry: Entry,
    durable: bool,
}

/// Content that was written but not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unsynced {
    Whole,
    Empty,
    Half,
    Zeros,
}

/// What the disk was asked to do until a moment.
#[derive(Default)]
pub(super) struct Past {
    changes: Vec<Change>,
    /// Content, and how much of it is durable.
    files: BTreeMap<usize, (Vec<u8>, usize)>,
    /// What lies where, as the processes saw it.
    seen: BTreeMap<PathBuf, Entry>,
}

impl Past {
    pub(super) fn of(ops: &[Op]) -> Self {
        let mut past = Self::default();
        ops.iter().for_each(|op| past.apply(op));
        past
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Mkdir(path) => self.change(path, Entry::Dir),
            Op::Create(path, file) => {
                self.files.insert(*file, (Vec::new(), 0));
                self.change(path, Entry::File(*file));
            }
            Op::Write(file, bytes) => self.files.get_mut(file).unwrap().0.extend(bytes),
            Op::SyncFile(file) => {
                let (bytes, durable) = self.files.get_mut(file).unwrap();
                *durable = bytes.len();
            }
            Op::Link(from, to) => self.change(to, self.seen[from]),
            Op::Rename(from, to) => {
                self.change(to, self.seen[from]);
                self.change(from, Entry::Gone);
            }
            Op::Remove(path) => self.change(path, Entry::Gone),
            Op::SyncDir(dir) => {
                for change in &mut self.changes {
                    change.durable |= change.path.parent() == Some(dir);
                }
            }
        }
    }

    fn change(&mut self, path: &Path, entry: Entry) {
        self.seen.insert(path.to_owned(), entry);
        self.changes.push(Change { path: path.to_owned(), entry, durable: false });
    }

    /// The changes that may or may not have happened. What comes and goes in `tmp` is left out:
    /// nobody looks there.
    pub(super) fn pending(&self) -> Vec<usize> {
        let counts = |change: &Change| !change.durable && !is_temporary(&change.path);
        (0..self.changes.len()).filter(|n| counts(&self.changes[*n])).collect()
    }

    /// The files below `root` after a cut that only these of the pending changes survived.
    pub(super) fn survivors(
        &self,
        root: &Path,
        survived: &HashSet<usize>,
    ) -> BTreeMap<PathBuf, usize> {
        let mut entries = BTreeMap::new();
        for (n, change) in self.changes.iter().enumerate() {
            if change.durable || survived.contains(&n) {
                entries.insert(change.path.as_path(), change.entry);
            }
        }
        let reachable = |path: &Path| {
            let above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
            above.into_iter().all(|dir| entries.get(dir) == Some(&Entry::Dir))
        };
        let files = entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File(file) if reachable(path) => Some((path.to_path_buf(), *file)),
            _ => None,
        });
        files.collect()
    }

    pub(super) fn content(&self, file: usize, unsynced: Unsynced) -> Vec<u8> {
        let (bytes, durable) = &self.files[&file];
        let mut bytes = bytes.clone();
        match unsynced {
            Unsynced::Whole => {}
            Unsynced::Empty => bytes.truncate(*durable),
            Unsynced::Half => bytes.truncate(durable + (bytes.len() - durable) / 2),
            Unsynced::Zeros => bytes[*durable..].fill(0),
        }
        bytes
    }

    pub(super) fn is_synced(&self, file: usize) -> bool {
        self.files[&file].0.len() == self.files[&file].1
    }
}

pub(super) fn is_temporary(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("tmp"))
}
