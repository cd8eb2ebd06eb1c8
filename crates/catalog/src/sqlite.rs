//! Everything that is said to SQLite and not to PostgreSQL: address, settings, file.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

use crate::error::{Error, Result};

/// Starts a transaction that writes. SQLite takes the write lock at once: a transaction that reads
/// first and writes later could not wait for another process.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Readers beside the one writer. Connections are opened when needed.
const READERS: u32 = 3;

/// WAL lets readers go on while one process writes; FULL makes a commit survive a power cut; the
/// timeout is how long one process waits for another one's transaction.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 30000";

/// Reads the whole file and names what does not fit together.
pub(crate) const CHECK: &str = "PRAGMA integrity_check";

/// First bytes of every SQLite database (<https://sqlite.org/fileformat.html>, read 2026-11).
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Connections to one database file: a single one that writes, some that read.
pub(crate) async fn connect(path: &Path) -> Result<(AnyPool, AnyPool)> {
    sqlx::any::install_default_drivers();
    let url = url(path)?;
    let write = pool(1).connect(&url).await?;
    let read = pool(READERS).connect_lazy(&url)?;
    Ok((write, read))
}

fn pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(120))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
                Ok(())
            })
        })
}

/// Makes an empty file that only its owner can read; SQLite gives its side files the same mode.
pub(crate) fn create_file(path: &Path) -> Result<()> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| file_error("create", path, source))
}

/// Gives a finished database its final name and makes that survive a power cut.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    std::fs::rename(from, to)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| file_error("create", to, source))
}

/// Refuses what is no SQLite database before SQLite sees it: it would take an empty file for a
/// new one.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(16).read_to_end(&mut start)) {
        Ok(_) if start == MAGIC => Ok(()),
        Ok(_) => Err(Error::Damaged(format!("{} is not a database", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing(path.into())),
        Err(error) => Err(file_error("read", path, error)),
    }
}

/// The file's path without links in its folder.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let resolved = folder.canonicalize().map_err(|source| file_error("open", folder, source))?;
    Ok(resolved.join(path.file_name().unwrap_or_default()))
}

fn url(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| {
        file_error("open", path, io::Error::new(io::ErrorKind::InvalidInput, "not UTF-8"))
    })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            url.push(byte.into());
        } else {
            write!(url, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    Ok(url)
}

fn file_error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { doing, path: path.into(), source }
}
