//! Everything that is said to PostgreSQL and not to SQLite: address, settings, errors, upkeep.
//!
//! A transaction runs at READ COMMITTED; what it may rely on says the documentation of the crate.

use std::str::FromStr;
use std::time::Duration;

use holdfast_model::{Secret, Timestamp};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, SqlSafeStr, SqlStr, Transaction,
};

use crate::error::{Error, Result};
use crate::sql::{Columns, sql};

/// Starts a transaction that writes, whatever the server's own default is.
pub(crate) const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Connections of one process; opened when needed.
const CONNECTIONS: u32 = 8;

/// How long a server may take to answer at all.
const CONNECT: Duration = Duration::from_secs(20);

/// A connection that has rested for longer is tried before it is used.
const RESTED: Duration = Duration::from_secs(5);

/// Nothing waits for ever: not for a lock, and not for a process that was stopped or cut off in the
/// middle of a transaction. The second is well below the time to live of a lease, so that whoever
/// takes a shard over from such a process finds its row free.
const SETTINGS: &str = "SET lock_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '30s'";

/// A rebuild reads vaults between its statements, and takes its time.
const UNHURRIED: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// Lets readers go on and makes writers wait, in the order in which these touch the tables.
const LOCK_TABLES: &str = "LOCK TABLE shard, snapshot, tenant, resource, epoch, container, item, \
     restore_point, account IN SHARE ROW EXCLUSIVE MODE";

/// Leaves nothing of deleted rows in the tables that name items. What the server's log of changes
/// (WAL) holds goes when that is recycled.
pub(crate) const PURGE: [&str; 5] = [
    "VACUUM (FULL) item",
    "VACUUM (FULL) container",
    "VACUUM (FULL) run_problem",
    "VACUUM (FULL) restore_item",
    "VACUUM (FULL) restore_run",
];

/// Parameters of a catalog URL. Others are refused: the driver would write their values to the log.
const PARAMETERS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Where the server is and who we are there. It holds a password and is never shown.
pub(crate) struct Address {
    options: AnyConnectOptions,
    /// Host, port and database, for messages.
    server: String,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?…`. A server that is not on this machine
    /// must prove who it is ([`sslmode=verify-full`]) unless the URL says otherwise.
    ///
    /// [`sslmode=verify-full`]: https://www.postgresql.org/docs/15/libpq-ssl.html
    pub(crate) fn parse(url: &Secret) -> Result<Self> {
        let wrong = |what: &str| Error::Url(what.to_owned());
        let text = url.expose_str().ok_or_else(|| wrong("is not UTF-8"))?.trim();
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(wrong("does not start with postgres://"));
        }
        let mut options = AnyConnectOptions::from_str(text).map_err(|_| wrong("is no URL"))?;
        let url = &mut options.database_url;
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        if let Some(name) = names.iter().find(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(Error::Url(format!("has the unknown parameter '{name}'")));
        }
        let host = host(url.host_str(), url.query_pairs());
        let server = format!("{host}{}", url.path());
        if !is_local(&host) && !names.iter().any(|name| ["sslmode", "ssl-mode"].contains(&&**name))
        {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        Ok(Self { options, server })
    }
}

/// The host that the driver will connect to: a parameter goes before the authority.
fn host<'a>(
    authority: Option<&str>,
    query: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
) -> String {
    let named = query.filter(|(name, _)| ["host", "hostaddr"].contains(&&**name)).last();
    named.map_or_else(|| authority.unwrap_or_default().to_owned(), |(_, host)| host.into_owned())
}

/// True for sockets and loopback addresses, whose traffic nobody else can touch.
fn is_local(host: &str) -> bool {
    let socket = host.is_empty() || host.starts_with('/') || host.to_lowercase().starts_with("%2f");
    socket || ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host)
}

/// The text of a migration for PostgreSQL: text is compared byte by byte, as SQLite does, whatever
/// the database's own rules are. (Those of the C library also change with its updates, and leave
/// wrong indexes behind: <https://wiki.postgresql.org/wiki/Locale_data_changes>, read 2026-11.)
pub(crate) fn migration(text: &'static str) -> SqlStr {
    AssertSqlSafe(text.replace(" TEXT", " TEXT COLLATE \"C\"")).into_sql_str()
}

/// Connects once, so that what is wrong comes as a plain error.
async fn connect(address: &Address) -> Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let connecting = AnyConnection::connect_with(&address.options);
    let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    let connected = tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(late()));
    connected.map_err(|error| {
        refusal(address, &error)
            .unwrap_or_else(|| Error::Unreachable { server: address.server.clone(), source: error })
    })
}

/// The newest migration that was applied to a database; none where it holds no catalog. Reads only.
pub(crate) async fn version(address: &Address) -> Result<Option<i64>> {
    let mut connection = connect(address).await?;
    let there = sql("SELECT COUNT(*) AS n FROM pg_tables \
         WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'");
    let there = there.fetch_one(&mut connection).await?.number("n")? > 0;
    let version = match there {
        false => None,
        true => {
            let newest = sql("SELECT COALESCE(MAX(version), 0) AS n FROM _sqlx_migrations");
            let newest = newest.fetch_one(&mut connection).await?.number("n")?;
            i64::try_from(newest).ok().filter(|newest| *newest > 0)
        }
    };
    connection.close().await?;
    Ok(version)
}

/// Brings the schema up to date; one process at a time, under sqlx's advisory lock.
pub(crate) async fn prepare(address: &Address, migrator: &Migrator) -> Result<()> {
    let mut connection = connect(address).await?;
    let prepared = async {
        sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
        require_utf8(address, &mut connection).await?;
        migrator.run_direct(None, &mut connection, false).await.map_err(Error::from)
    }
    .await;
    // Closing gives the advisory lock back, also after an error.
    let closed = connection.close().await;
    prepared.map_err(|error| match &error {
        Error::Database(cause) => refusal(address, cause).unwrap_or(error),
        _ => error,
    })?;
    Ok(closed?)
}

/// Names of people have letters that other encodings do not have.
async fn require_utf8(address: &Address, connection: &mut AnyConnection) -> Result<()> {
    let row = sql("SELECT CAST(current_setting('server_encoding') AS TEXT) AS encoding")
        .fetch_one(&mut *connection)
        .await?;
    match row.text("encoding")?.as_str() {
        "UTF8" => Ok(()),
        _ => Err(address.refused("its encoding is not UTF8; create the database with that")),
    }
}

pub(crate) fn pool(address: &Address) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < RESTED || connection.ping().await.is_ok()) })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
                Ok(())
            })
        })
        .connect_lazy_with(address.options.clone())
}

/// The server's time, which is the same for all machines that share the catalog.
pub(crate) async fn now(pool: &AnyPool) -> Result<Timestamp> {
    let statement =
        sql("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms");
    statement.fetch_one(pool).await?.time("ms")
}

/// Keeps all others from writing until the transaction ends.
pub(crate) async fn lock_tables(change: &mut Transaction<'static, Any>) -> Result<()> {
    for text in [UNHURRIED, LOCK_TABLES] {
        sql(text).execute(&mut **change).await?;
    }
    Ok(())
}

impl Address {
    fn refused(&self, problem: &'static str) -> Error {
        Error::Refused { server: self.server.clone(), problem }
    }
}

/// What somebody has to change, when that is why no connection came about or no table.
fn refusal(address: &Address, error: &sqlx::Error) -> Option<Error> {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    // <https://www.postgresql.org/docs/15/errcodes-appendix.html>, read 2026-11.
    Some(address.refused(match (&*code, error) {
        ("28P01" | "28000", _) => "user name or password are wrong",
        ("3D000", _) => "there is no such database; create it with 'createdb'",
        ("42501", _) => "the user may not create tables; let it own the database",
        (_, sqlx::Error::Tls(_)) => {
            "it has no certificate that is trusted; name its authority with sslrootcert=FILE"
        }
        (_, sqlx::Error::Configuration(_)) => "the driver cannot read a parameter of its URL",
        _ => return None,
    }))
}

/// What an SQLSTATE says that the caller can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is gone.
    Lost,
    /// Somebody else was in the way.
    Busy,
    /// Pages of the database cannot be read.
    Damaged,
    /// A key is longer than an index takes (about 2,700 bytes).
    TooLong,
}

/// Sorts the SQLSTATEs that a sound statement can end with (source: see [`refusal`]). SQLite's codes
/// are numbers below 10,000 and are none of these.
pub(crate) fn trouble(code: &str) -> Option<Trouble> {
    match code {
        // Shut down, crashed, starting; ended by us because a transaction rested for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Some(Trouble::Lost),
        // A lock not had in time, deadlock, serialisation, too many connections, out of locks.
        "55P03" | "40P01" | "40001" | "53300" | "53200" => Some(Trouble::Busy),
        "XX001" | "XX002" => Some(Trouble::Damaged),
        "54000" => Some(Trouble::TooLong),
        _ if code.len() == 5 && code.starts_with("08") => Some(Trouble::Lost),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Address> {
        Address::parse(&Secret::new(url))
    }

    #[test]
    fn a_server_elsewhere_must_prove_who_it_is() {
        for (url, verified) in [
            ("postgres://u:p@db.example/hold", true),
            ("postgresql://u:p@10.1.2.3:5433/hold?application_name=a", true),
            ("postgres://u:p@localhost/hold?hostaddr=10.1.2.3", true),
            ("postgres://u:p@db.example/hold?sslmode=require", false),
            ("postgres://u:p@localhost/hold", false),
            ("postgres://u:p@[::1]/hold", false),
            ("postgres://u:p@db.example/hold?host=/run/postgresql", false),
            ("postgres://u:p@%2Frun%2Fpostgresql/hold", false),
            ("postgres:///hold", false),
        ] {
            let address = parsed(url).unwrap();
            let query = address.options.database_url.query().unwrap_or_default();
            assert_eq!(query.contains("sslmode=verify-full"), verified, "{url}");
        }
    }

    #[test]
    fn errors_about_the_url_do_not_show_it() {
        for (url, said) in [
            ("mysql://u:hunter2@h/d", "the catalog URL does not start with postgres://"),
            ("postgres://u:hunter2@h:port/d", "the catalog URL is no URL"),
            (
                "postgres://u@h/d?passwd=hunter2",
                "the catalog URL has the unknown parameter 'passwd'",
            ),
        ] {
            let Err(error) = parsed(url) else { panic!("{url}") };
            assert_eq!(error.to_string(), said);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let address = parsed("postgres://u:hunter2@h:1/d").unwrap();
        assert_eq!(address.server, "h/d");
    }

    #[test]
    fn codes_that_may_pass_are_told_from_others() {
        assert_eq!(trouble("40P01"), Some(Trouble::Busy));
        assert_eq!(trouble("08006"), Some(Trouble::Lost));
        assert_eq!(trouble("XX001"), Some(Trouble::Damaged));
        for other in ["23505", "11", "5", "8", "0800"] {
            assert_eq!(trouble(other), None, "{other}");
        }
    }

    #[test]
    fn every_text_column_is_compared_by_bytes() {
        let text = "CREATE TABLE a (b TEXT NOT NULL, c BIGINT, d TEXT);";
        let wanted =
            "CREATE TABLE a (b TEXT COLLATE \"C\" NOT NULL, c BIGINT, d TEXT COLLATE \"C\");";
        assert_eq!(migration(text).as_str(), wanted);
    }
}
