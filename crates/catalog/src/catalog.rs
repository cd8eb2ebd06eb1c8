//! Opening the catalog, and the few ways in which all its parts talk to the database.

use std::path::Path;

use holdfast_model::Clock;
use sqlx::any::{AnyQueryResult, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, SqlSafeStr, Transaction};

use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, sql};
use crate::sqlite;

/// Forward only: a change is a new file, never an edit (the checksum of each applied one is kept).
const MIGRATIONS: [(i64, &str, &str); 7] = [
    (1, "catalog", include_str!("../migrations/0001_catalog.sql")),
    (2, "shards", include_str!("../migrations/0002_shards.sql")),
    (3, "readers", include_str!("../migrations/0003_readers.sql")),
    (4, "vault options", include_str!("../migrations/0004_vault_options.sql")),
    (5, "file versions", include_str!("../migrations/0005_file_versions.sql")),
    (6, "columns", include_str!("../migrations/0006_columns.sql")),
    (8, "access", include_str!("../migrations/0008_access.sql")),
];

/// The SQL state of one Holdfast instance. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    write: AnyPool,
    read: AnyPool,
    pub(crate) clock: Clock,
}

impl Catalog {
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
        sqlite::prepare(&draft, &migrator()).await?;
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
        sqlite::prepare(&path, &migrator()).await?;
        let (write, read) = sqlite::pools(&path)?;
        Ok(Self { write, read, clock })
    }

    /// Waits for running statements and closes the file. Without it the file is closed some time
    /// after the last clone is dropped.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Reads the whole file and returns what does not fit together: nothing, in a sound catalog.
    pub async fn check(&self) -> Result<Vec<String>> {
        let rows = sql(sqlite::CHECK).fetch_all(&self.read).await?;
        let mut faults = Vec::new();
        for row in &rows {
            faults.push(Columns::text(row, "integrity_check")?);
        }
        faults.retain(|fault| fault != "ok");
        Ok(faults)
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

    /// A transaction that writes; dropped without a commit it changes nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>> {
        Ok(self.write.begin_with(sqlite::BEGIN_WRITE).await?)
    }

    pub(crate) async fn execute(&self, statement: Statement) -> Result<AnyQueryResult> {
        Ok(statement.execute(&self.write).await?)
    }

    /// Runs a statement that writes and returns at most one row.
    pub(crate) async fn returning(&self, statement: Statement) -> Result<Option<AnyRow>> {
        // All rows are fetched, because a statement that is not stepped to its end stays open.
        Ok(statement.fetch_all(&self.write).await?.pop())
    }

    pub(crate) async fn all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>> {
        statement.fetch_all(&self.read).await?.iter().map(T::from_row).collect()
    }

    pub(crate) async fn optional<T: FromRow>(&self, statement: Statement) -> Result<Option<T>> {
        statement.fetch_optional(&self.read).await?.as_ref().map(T::from_row).transpose()
    }

    pub(crate) async fn count(&self, statement: Statement) -> Result<u64> {
        statement.fetch_one(&self.read).await?.number("n")
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, text)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}

/// A row of a table as one of our types.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &AnyRow) -> Result<Self>;
}
