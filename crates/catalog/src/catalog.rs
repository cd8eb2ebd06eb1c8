//! Opening the catalog, and the few ways in which all its parts talk to the database.

use std::ops::RangeInclusive;
use std::path::Path;

use holdfast_model::{Clock, Secret, Timestamp};
use sqlx::any::{AnyQueryResult, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, SqlSafeStr, SqlStr, Transaction};

use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, damaged, sql};
use crate::{postgres, sqlite};

/// Forward only: a change is a new file, never an edit (the checksum of each applied one is kept).
const MIGRATIONS: [(i64, &str, &str); 10] = [
    (1, "catalog", include_str!("../migrations/0001_catalog.sql")),
    (2, "shards", include_str!("../migrations/0002_shards.sql")),
    (3, "readers", include_str!("../migrations/0003_readers.sql")),
    (4, "vault options", include_str!("../migrations/0004_vault_options.sql")),
    (5, "file versions", include_str!("../migrations/0005_file_versions.sql")),
    (6, "columns", include_str!("../migrations/0006_columns.sql")),
    (7, "jobs", include_str!("../migrations/0007_jobs.sql")),
    (8, "access", include_str!("../migrations/0008_access.sql")),
    (9, "audit", include_str!("../migrations/0009_audit.sql")),
    (10, "restore lease", include_str!("../migrations/0010_restore_lease.sql")),
];

/// Which database holds the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A file; one writer at a time.
    Sqlite,
    /// A server; many processes on many machines write side by side.
    Postgres,
}

/// The SQL state of one Holdfast instance. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    backend: Backend,
    write: AnyPool,
    read: AnyPool,
    pub(crate) clock: Clock,
}

impl Catalog {
    /// The name of the database that holds it: `sqlite` or `postgresql`.
    pub fn database(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "sqlite",
            Backend::Postgres => "postgresql",
        }
    }

    /// Makes a new catalog file with mode 0600. A half-made one from an earlier crash is replaced.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is a file at `path`; [`Error::File`] when the folder is missing
    /// or not writable.
    pub async fn create(path: &Path, clock: Clock) -> Result<Self> {
        let path = sqlite::resolve(path)?;
        if path.exists() {
            return Err(Error::Exists { what: "catalog", name: path.display().to_string() });
        }
        let draft = path.with_added_extension("new");
        sqlite::create_file(&draft)?;
        sqlite::prepare(&draft, &migrator(SqlSafeStr::into_sql_str)).await?;
        sqlite::publish(&draft, &path)?;
        Self::open(&path, clock).await
    }

    /// Opens a catalog and brings an older schema up to date.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Damaged`] when it is not a catalog, [`Error::TooNew`] when a
    /// newer Holdfast has written it.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self> {
        sqlite::check_file(path)?;
        let path = sqlite::resolve(path)?;
        sqlite::prepare(&path, &migrator(SqlSafeStr::into_sql_str)).await?;
        let (write, read) = sqlite::pools(&path)?;
        Ok(Self { backend: Backend::Sqlite, write, read, clock })
    }

    /// Connects to a catalog on PostgreSQL 15 or later, makes its tables in an empty database, and
    /// brings an older schema up to date. Many processes may use one catalog, and start at once.
    ///
    /// The URL is `postgres://user:password@host:port/database`, with parameters as of `psql`
    /// (`sslmode`, `sslrootcert`, `host` for a socket …). A server on another machine must show a
    /// certificate for its name unless `sslmode` says otherwise. It takes a direct connection, or
    /// a pooler that pools sessions, not transactions.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Unreachable`], [`Error::Refused`] (password, database, rights,
    /// certificate), [`Error::TooNew`].
    pub async fn connect(url: &Secret, clock: Clock) -> Result<Self> {
        let address = postgres::Address::parse(url)?;
        postgres::prepare(&address, &migrator(postgres::migration)).await?;
        let pool = postgres::pool(&address);
        Ok(Self { backend: Backend::Postgres, write: pool.clone(), read: pool, clock })
    }

    /// Connects to a catalog that is there, and changes nothing in a database that holds none, or
    /// one of another version: for a machine that joins others, which would be cut off by a change.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::TooOld`], and as [`Catalog::connect`].
    pub async fn connect_existing(url: &Secret, clock: Clock) -> Result<Self> {
        let newest = MIGRATIONS[MIGRATIONS.len() - 1].0;
        match postgres::version(&postgres::Address::parse(url)?).await? {
            None => Err(Error::Empty),
            Some(version) if version < newest => Err(Error::TooOld { version, newest }),
            Some(version) if version > newest => Err(Error::TooNew(version)),
            Some(_) => Self::connect(url, clock).await,
        }
    }

    /// The time by which leases are compared. On PostgreSQL it is the server's, because the clocks
    /// of several machines differ; a manual clock decides everywhere.
    pub async fn now(&self) -> Result<Timestamp> {
        match self.backend {
            Backend::Postgres if !self.clock.is_manual() => postgres::now(&self.read).await,
            _ => Ok(self.clock.now()),
        }
    }

    /// Waits for running statements and closes the file. Without it the file is closed some time
    /// after the last clone is dropped.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Number and name of each migration that was applied, in order.
    pub async fn migrations(&self) -> Result<Vec<(u64, String)>> {
        let rows =
            self.rows(sql("SELECT version, description FROM _sqlx_migrations ORDER BY version"));
        let applied = |row: &AnyRow| Ok((row.number("version")?, row.text("description")?));
        rows.await?.iter().map(applied).collect()
    }

    /// A setting of this instance.
    pub async fn meta_get(&self, key: &str) -> Result<Option<String>> {
        let statement = sql("SELECT value FROM meta WHERE key = $1").text(key);
        let row = statement.fetch_optional(&self.read).await?;
        row.map(|row| row.text("value")).transpose()
    }

    /// Sets or replaces a setting of this instance.
    pub async fn meta_set(&self, key: &str, value: &str) -> Result<()> {
        let statement = sql("INSERT INTO meta (key, value) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value");
        self.execute(statement.text(key).text(value)).await?;
        Ok(())
    }

    /// Sets a setting of this instance that is not there yet; answers with what it is then.
    pub async fn meta_keep(&self, key: &str, value: &str) -> Result<String> {
        let statement = sql("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        if let Some(known) = self.meta_get(key).await? {
            return Ok(known);
        }
        self.execute(statement.text(key).text(value)).await?;
        Ok(self.meta_get(key).await?.unwrap_or_else(|| value.to_owned()))
    }

    /// A transaction that writes; dropped without a commit it changes nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>> {
        let text = match self.backend {
            Backend::Sqlite => sqlite::BEGIN_WRITE,
            Backend::Postgres => postgres::BEGIN_WRITE,
        };
        Ok(self.write.begin_with(text).await?)
    }

    /// A transaction that writes, with fresh numbers for `count` resources and containers. On
    /// PostgreSQL they are taken before it begins and are lost when it fails: otherwise all
    /// transactions would wait for the row of the counter, one after the other.
    pub(crate) async fn begin_numbered(
        &self,
        count: usize,
    ) -> Result<(Transaction<'static, Any>, RangeInclusive<u64>)> {
        match self.backend {
            Backend::Sqlite => {
                let mut change = self.begin().await?;
                let numbers = numbers(&mut change, count).await?;
                Ok((change, numbers))
            }
            Backend::Postgres => {
                let rows = take_numbers(count).fetch_all(&self.write).await?;
                Ok((self.begin().await?, range(&rows, count)?))
            }
        }
    }

    /// A transaction that replaces tables: nobody else writes to them until it ends.
    pub(crate) async fn begin_alone(&self) -> Result<Transaction<'static, Any>> {
        let mut change = self.begin().await?;
        if self.backend == Backend::Postgres {
            postgres::lock_tables(&mut change).await?;
        }
        Ok(change)
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    pub(crate) async fn execute(&self, statement: Statement) -> Result<AnyQueryResult> {
        Ok(statement.execute(&self.write).await?)
    }

    /// Runs a statement that writes and returns at most one row.
    pub(crate) async fn returning(&self, statement: Statement) -> Result<Option<AnyRow>> {
        // All rows are fetched, because a statement that is not stepped to its end stays open.
        Ok(statement.fetch_all(&self.write).await?.pop())
    }

    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<AnyRow>> {
        Ok(statement.fetch_all(&self.read).await?)
    }

    pub(crate) async fn all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>> {
        self.rows(statement).await?.iter().map(T::from_row).collect()
    }

    pub(crate) async fn optional<T: FromRow>(&self, statement: Statement) -> Result<Option<T>> {
        statement.fetch_optional(&self.read).await?.as_ref().map(T::from_row).transpose()
    }

    pub(crate) async fn count(&self, statement: Statement) -> Result<u64> {
        statement.fetch_one(&self.read).await?.number("n")
    }
}

/// Fresh numbers for `count` resources and containers, given back when the transaction fails.
pub(crate) async fn numbers(
    change: &mut Transaction<'static, Any>,
    count: usize,
) -> Result<RangeInclusive<u64>> {
    range(&take_numbers(count).fetch_all(&mut **change).await?, count)
}

fn take_numbers(count: usize) -> Statement {
    sql("UPDATE counter SET last = last + $1 RETURNING last").number(count as u64)
}

fn range(rows: &[AnyRow], count: usize) -> Result<RangeInclusive<u64>> {
    let last = rows.first().ok_or_else(|| damaged("last"))?.number("last")?;
    Ok(last - count as u64 + 1..=last)
}

fn migrator(text_for: impl Fn(&'static str) -> SqlStr) -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, text)| {
        Migration::new(version, name.into(), MigrationType::Simple, text_for(text), false)
    });
    Migrator::with_migrations(migrations.into())
}

/// A row of a table as one of our types.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &AnyRow) -> Result<Self>;
}
