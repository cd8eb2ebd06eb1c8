//! A file on its way: written under another name, and given its own when it is whole.
//!
//! Everything happens below a directory that was opened once. No link below it is followed, and
//! nothing that is there is replaced.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use holdfast_model::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::{Error, Result};

/// Name of a file that is not whole yet; no file of an export gets it.
pub(super) const PART: &str = ".holdfast-export.part";

/// How a directory is opened. Links are refused.
const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// What was backed up is for its owner alone, until the owner says otherwise.
const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The folder that takes an export.
pub(super) struct Root {
    path: PathBuf,
    fd: Arc<OwnedFd>,
    /// The folder below it that was used last.
    last: Option<(Arc<[String]>, Arc<OwnedFd>)>,
}

impl Root {
    /// Makes the folder, or takes an empty one.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |action| move |source| Error::File { action, path: path.into(), source };
        fs::create_dir_all(path).map_err(failed("create the folder"))?;
        if fs::read_dir(path).map_err(failed("read"))?.next().is_some() {
            let path = path.display();
            return Err(Error::Usage(format!(
                "{path} is not empty, and nothing there is overwritten; name a new folder"
            )));
        }
        Self::at(path)
    }

    /// The folder as it is.
    pub fn at(path: &Path) -> Result<Self> {
        let failed = |source: Errno| file_error("open the folder", path, source);
        // The target itself may be reached by a link: its owner named it.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), fd: Arc::new(fd), last: None })
    }

    /// Begins a file in a folder below this one; folders are made as needed.
    pub fn part(&mut self, folders: &Arc<[String]>, name: &str) -> Result<Part> {
        let directory = self.directory(folders)?;
        let shown = folders.iter().fold(self.path.clone(), |path, name| path.join(name)).join(name);
        Part::create(directory, name, shown)
    }

    fn directory(&mut self, folders: &Arc<[String]>) -> Result<Arc<OwnedFd>> {
        if let Some((_, fd)) = self.last.as_ref().filter(|(last, _)| last == folders) {
            return Ok(Arc::clone(fd));
        }
        let (mut fd, mut path) = (Arc::clone(&self.fd), self.path.clone());
        for name in folders.iter() {
            path.push(name);
            fd = Arc::new(enter(&fd, name).map_err(|e| file_error("create", &path, e))?);
        }
        self.last = Some((Arc::clone(folders), Arc::clone(&fd)));
        Ok(fd)
    }
}

/// Opens a folder in a folder; makes it where it is not there.
fn enter(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(&parent, name, PRIVATE_DIR) {
        Ok(()) | Err(Errno::EXIST) => rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty()),
        Err(error) => Err(error),
    }
}

fn file_error(action: &'static str, path: &Path, source: Errno) -> Error {
    Error::File { action, path: path.to_owned(), source: io::Error::from(source) }
}

/// A file that is not whole yet; dropped, it is gone.
pub(super) struct Part {
    directory: Arc<OwnedFd>,
    name: String,
    /// What it is written to.
    pub file: File,
    /// Where it will lie, for messages.
    pub shown: PathBuf,
    is_whole: bool,
}

impl Part {
    fn create(directory: Arc<OwnedFd>, name: &str, shown: PathBuf) -> Result<Self> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&directory, PART, flags, PRIVATE_FILE)
            .map_err(|error| file_error("create", &shown, error))?;
        let name = name.to_owned();
        Ok(Self { directory, name, file: File::from(fd), shown, is_whole: false })
    }

    /// Makes an error of this file.
    pub fn failed(&self, source: io::Error) -> Error {
        Error::File { action: "write", path: self.shown.clone(), source }
    }

    /// Gives the file its date and its name.
    pub fn finish(mut self, date: Option<Timestamp>) -> Result<()> {
        if let Some(date) = date {
            let times = FileTimes::new().set_modified(SystemTime::from(date));
            self.file.set_times(times).map_err(|error| self.failed(error))?;
        }
        self.rename().map_err(|error| file_error("name", &self.shown, error))?;
        self.is_whole = true;
        Ok(())
    }

    fn rename(&self) -> Result<(), Errno> {
        let dir = &*self.directory;
        match rustix::fs::renameat_with(dir, PART, dir, &self.name, RenameFlags::NOREPLACE) {
            // Some network file systems cannot refuse by themselves.
            Err(Errno::INVAL | Errno::NOSYS) => {
                match rustix::fs::statat(dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => rustix::fs::renameat(dir, PART, dir, &self.name),
                    Err(error) => Err(error),
                    Ok(_) => Err(Errno::EXIST),
                }
            }
            renamed => renamed,
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_whole {
            // Where this fails as well, the name says what it is.
            let _ = rustix::fs::unlinkat(&*self.directory, PART, AtFlags::empty());
        }
    }
}
