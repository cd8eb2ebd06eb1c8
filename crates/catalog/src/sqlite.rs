//! Everything that is said to SQLite and not to PostgreSQL: address, settings, file.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Connection};

use crate::error::{Error, Result};

/// Starts a transaction that writes. SQLite takes the write lock at once: a transaction that reads
/// first and writes later could not wait for another process.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Readers beside the one writer. Connections are opened when needed.
const READERS: u32 = 3;

/// How long one process waits for another one's transaction. sqlx sets foreign keys on, SQLite's
/// default for `synchronous` is FULL: a commit survives a power cut. Nothing that reads the file
/// may stand here, because the pool repeats a failing setting until its timeout.
const SETTINGS: &str = "PRAGMA busy_timeout = 30000";

/// Lets readers go on while one process writes; kept in the file.
const WAL: &str = "PRAGMA journal_mode = WAL";

/// Reads the whole file and names what does not fit together.
pub(crate) const CHECK: &str = "PRAGMA integrity_check";

/// Leaves nothing of deleted rows in the file, and nothing in the file beside it.
pub(crate) const PURGE: [&str; 2] = ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"];

/// First bytes of every SQLite database (<https://sqlite.org/fileformat.html>, read 2026-11).
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Opens the file once, so that what is wrong with it comes as a plain error, and brings its schema
/// up to date.
pub(crate) async fn prepare(path: &Path, migrator: &Migrator) -> Result<()> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&url(path)?).await?;
    let prepared = async {
        sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
        sqlx::raw_sql(WAL).execute(&mut connection).await?;
        migrator.run_direct(None, &mut connection, false).await?;
        Ok(())
    }
    .await;
    connection.close().await?;
    prepared
}

/// Connections to one database file: a single one that writes, some that read.
pub(crate) fn pools(path: &Path) -> Result<(AnyPool, AnyPool)> {
    let url = url(path)?;
    Ok((pool(1).connect_lazy(&url)?, pool(READERS).connect_lazy(&url)?))
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
/// Side files of an earlier try would be taken for this one's and are removed.
pub(crate) fn create_file(path: &Path) -> Result<()> {
    for side in ["-wal", "-shm", "-journal"] {
        let mut side_file = path.as_os_str().to_owned();
        side_file.push(side);
        match std::fs::remove_file(&side_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error("remove", Path::new(&side_file), error));
            }
            _ => {}
        }
    }
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
