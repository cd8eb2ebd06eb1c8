//! Why a call to the catalog failed, and what the caller may do about it.

use std::path::PathBuf;

use holdfast_model::{Fence, ResourceId, Seq, ShardId, Timestamp};
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::migrate::MigrateError;

use crate::postgres::{Trouble, trouble};

/// Result of every call to the catalog.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call to the catalog. Nothing was changed by it, but for [`Error::Lost`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for is not in the catalog.
    #[error("{what} '{name}' is not in the catalog")]
    NotFound {
        /// Kind of thing, such as `vault`.
        what: &'static str,
        /// The name or id that was looked for.
        name: String,
    },
    /// There is no catalog at this path.
    #[error("there is no catalog at {}; run `holdfast init` first", .0.display())]
    Missing(PathBuf),
    /// A new thing has the name or id of one that exists.
    #[error("{what} '{name}' exists already")]
    Exists {
        /// Kind of thing, such as `vault`.
        what: &'static str,
        /// The name or path in question.
        name: String,
    },
    /// The change contradicts what the catalog holds.
    #[error("the catalog refused a change: {0}")]
    Conflict(&'static str),
    /// Another process writes to the shard.
    #[error("shard {shard} is being written to by {owner} until {until}; wait for it to end")]
    LeaseHeld {
        /// The shard.
        shard: ShardId,
        /// Who holds the lease, as given to [`lease_take`](crate::Catalog::lease_take).
        owner: String,
        /// When the lease ends unless it is renewed.
        until: Timestamp,
    },
    /// A deletion keeps readers away from the shard.
    #[error("shard {shard} takes no readers while {owner} erases from it; try again in a minute")]
    Closed {
        /// The shard.
        shard: ShardId,
        /// Who holds the lease.
        owner: String,
        /// When the lease ends unless it is renewed.
        until: Timestamp,
    },
    /// A deletion has to wait for readers of the shard.
    #[error("shard {shard} is being read by {owner} since {since}; try again when that has ended")]
    BeingRead {
        /// The shard.
        shard: ShardId,
        /// Who has read for the longest, as given to [`reader_add`](crate::Catalog::reader_add).
        owner: String,
        /// Since when.
        since: Timestamp,
    },
    /// The lease went to another holder: whoever sees this must stop writing to the shard.
    #[error("the lease on shard {shard} with fence {fence} was lost to another writer; run again")]
    FenceLost {
        /// The shard.
        shard: ShardId,
        /// The fence that is no longer valid.
        fence: Fence,
    },
    /// A job went to another worker: whoever sees this must stop working on it.
    #[error("job {job} with fence {fence} was lost to another worker")]
    JobLost {
        /// The job.
        job: String,
        /// The fence that is no longer valid.
        fence: Fence,
    },
    /// Another restore writes into the target.
    #[error("{owner} restores into it until {until}; wait for that to end")]
    RestoreHeld {
        /// Who, as given to [`restore_lease_take`](crate::Catalog::restore_lease_take).
        owner: String,
        /// When the lease ends unless it is renewed.
        until: Timestamp,
    },
    /// The target of a restore went to another one: whoever sees this must stop writing to it.
    #[error("the restore into {target} with fence {fence} was lost to another one; run it again")]
    RestoreLost {
        /// The target.
        target: ResourceId,
        /// The fence that is no longer valid.
        fence: Fence,
    },
    /// A snapshot is not newer than the newest one of its shard.
    #[error("snapshot {seq} of shard {shard} is not newer than the newest in the catalog")]
    NotNewer {
        /// The shard.
        shard: ShardId,
        /// Sequence number of the refused snapshot.
        seq: Seq,
    },
    /// The catalog was written by a newer Holdfast.
    #[error("the catalog has schema version {0}, which this Holdfast does not know; update it")]
    TooNew(i64),
    /// The catalog was written by an older Holdfast, and others work on it.
    #[error(
        "the catalog has schema version {version}, older than the {newest} of this Holdfast; update \
         the machines that use it first, or take their version here"
    )]
    TooOld {
        /// Its version.
        version: i64,
        /// The version of this Holdfast.
        newest: i64,
    },
    /// There is no catalog in the database.
    #[error(
        "the database holds no catalog; take the URL in catalog.url of the first machine's home"
    )]
    Empty,
    /// The file is no catalog, or its content makes no sense.
    #[error("the catalog is damaged ({0}); move it away and run `holdfast catalog rebuild`")]
    Damaged(String),
    /// The folder or file of the catalog could not be used.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason given by the operating system.
        source: std::io::Error,
    },
    /// The address of a catalog on PostgreSQL cannot be used. It holds a password and is not shown.
    #[error("the catalog URL {0}")]
    Url(String),
    /// The database server cannot be reached.
    #[error("the PostgreSQL server of the catalog, {server}, cannot be reached; is it running?")]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The database server answers and does not let us work; somebody must change that.
    #[error("the PostgreSQL server of the catalog, {server}, cannot be used: {problem}")]
    Refused {
        /// Host, port and database.
        server: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// The connection broke. Whether the last change was made is not known.
    #[error("the connection to the catalog's database was lost; try again")]
    Lost(#[source] sqlx::Error),
    /// Another process was in the way for too long.
    #[error("the catalog's database is busy; try again")]
    Busy(#[source] sqlx::Error),
    /// The database failed for another reason: disk full, locked for too long, unreadable.
    #[error("the catalog's database failed")]
    Database(#[source] sqlx::Error),
}

/// What kind of failure an [`Error`] is: decides retries and exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The thing asked for does not exist.
    NotFound,
    /// The change contradicts what is there; repeating it does not help.
    Conflict,
    /// Another process works on the shard or the target of the restore; try later.
    LeaseHeld,
    /// The caller lost the shard, the job or the target of its restore and must stop.
    FenceLost,
    /// Written by a newer version.
    TooNew,
    /// The file is damaged; it can be rebuilt from the vault.
    Damaged,
    /// The address of the database, its rights or its set-up are wrong; repeating does not help.
    Refused,
    /// The database cannot be reached, went away or is busy; try again.
    Unavailable,
    /// The disk or the database failed; may pass.
    Io,
}

impl Error {
    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::Missing(_) | Self::Empty => Kind::NotFound,
            Self::Exists { .. }
            | Self::Conflict(_)
            | Self::NotNewer { .. }
            | Self::TooOld { .. } => Kind::Conflict,
            Self::LeaseHeld { .. }
            | Self::Closed { .. }
            | Self::BeingRead { .. }
            | Self::RestoreHeld { .. } => Kind::LeaseHeld,
            Self::FenceLost { .. } | Self::JobLost { .. } | Self::RestoreLost { .. } => {
                Kind::FenceLost
            }
            Self::TooNew(_) => Kind::TooNew,
            Self::Damaged(_) => Kind::Damaged,
            Self::Url(_) | Self::Refused { .. } => Kind::Refused,
            Self::Unreachable { .. } | Self::Lost(_) | Self::Busy(_) => Kind::Unavailable,
            Self::File { .. } | Self::Database(_) => Kind::Io,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
                Self::Damaged(error.to_string())
            }
            sqlx::Error::Database(cause) if is_dangling(cause.as_ref()) => {
                Self::Conflict("it names a resource, container or restore that is not there")
            }
            sqlx::Error::Database(cause) if cause.is_unique_violation() => {
                Self::Conflict("something with the same id is there already")
            }
            sqlx::Error::Database(cause) if is_corrupt(cause.code().as_deref()) => {
                Self::Damaged(cause.message().to_owned())
            }
            sqlx::Error::Database(cause) => match cause.code().and_then(|code| trouble(&code)) {
                Some(Trouble::Lost) => Self::Lost(error),
                Some(Trouble::Busy) => Self::Busy(error),
                Some(Trouble::TooLong) => Self::Conflict("a name or id in it is too long"),
                Some(Trouble::Damaged) => Self::Damaged(cause.message().to_owned()),
                None => Self::Database(error),
            },
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
                Self::Lost(error)
            }
            sqlx::Error::PoolTimedOut => Self::Busy(error),
            _ => Self::Database(error),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::TooNew(version),
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// A foreign key without its row, or a number that a subselect did not find.
fn is_dangling(cause: &dyn DatabaseError) -> bool {
    matches!(cause.kind(), ErrorKind::ForeignKeyViolation | ErrorKind::NotNullViolation)
}

/// SQLITE_CORRUPT (11) and SQLITE_NOTADB (26); the low byte of an extended code is the plain one
/// (<https://sqlite.org/rescode.html>, read 2026-11).
fn is_corrupt(code: Option<&str>) -> bool {
    let code = code.and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_of_damage_are_told_from_others() {
        assert!(is_corrupt(Some("11")) && is_corrupt(Some("26")));
        assert!(is_corrupt(Some("267")), "SQLITE_CORRUPT_VTAB");
        assert!(!is_corrupt(Some("5")) && !is_corrupt(Some("13")) && !is_corrupt(None));
        assert!(!is_corrupt(Some("23505")), "unique_violation of PostgreSQL");
    }
}
