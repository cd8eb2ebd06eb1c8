//! PostgreSQL for tests: an empty database for each test, dropped after it.
//!
//! `HOLDFAST_TEST_POSTGRES` names a server (PostgreSQL 15 or later, reached by `psql`) on which
//! databases may be made; `./test` starts one for the whole run. Without it the first test of a
//! process starts a server of its own from Debian's package, which ends with the last one. Where
//! no PostgreSQL is installed a test says so on stderr and passes, but not in CI.
//!
//! The databases sort text as English dictionaries do (ICU), not by bytes: what relies on the order
//! of a database that somebody else has made shows here.
//!
//! ```no_run
//! use holdfast_pgtest::Database;
//!
//! let Some(server) = holdfast_pgtest::server() else { return };
//! let database = Database::new(&server);
//! assert_eq!(database.psql("SELECT 1"), "1");
//! ```
#![allow(clippy::missing_panics_doc, reason = "a test context fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says what it leaves out")]
#![allow(clippy::unwrap_used, reason = "a test context fails by panicking")]

mod server;
mod session;

use std::process::Command;
use std::sync::Arc;

pub use server::Server;
pub use session::Session;

/// Names the server of the whole test run: `postgres://user:password@host/database`.
pub const SERVER: &str = "HOLDFAST_TEST_POSTGRES";

/// An empty database, dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    server: Arc<Server>,
}

/// The server for the tests of this process; one of our own ends when nobody holds it any more.
/// None where PostgreSQL is not installed.
///
/// # Panics
/// When PostgreSQL is missing in CI, and when it does not start.
pub fn server() -> Option<Arc<Server>> {
    let server = Server::shared();
    if server.is_none() {
        eprintln!(
            "\n*** NOT TESTED on PostgreSQL: it is not installed (apt-get install postgresql) \
             and {SERVER} is not set ***\n"
        );
        assert!(std::env::var_os("CI").is_none(), "CI tests on PostgreSQL too");
    }
    server
}

/// A server of its own with PostgreSQL's settings, which waits for the disk: for measurements.
/// None where PostgreSQL is not installed.
pub fn durable_server() -> Option<Arc<Server>> {
    Server::durable()
}

impl Database {
    /// Makes a database.
    ///
    /// # Panics
    /// When the server does not do what it should.
    pub fn new(server: &Arc<Server>) -> Self {
        let name = format!("holdfast_{}", uuid::Uuid::new_v4().simple());
        psql(
            &server.url,
            &format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' \
                 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
            ),
        );
        let url = with_database(&server.url, &name);
        Self { name, url, server: Arc::clone(server) }
    }

    /// Its address, with user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL beside the tested program, as the owner of the server; gives the rows as lines of
    /// `|`-separated columns.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn psql(&self, statement: &str) -> String {
        psql(&self.url, statement)
    }

    /// Opens a connection that can hold locks.
    pub fn session(&self) -> Session {
        Session::open(&self.url)
    }

    /// How many connections to this database wait for a lock at present.
    pub fn waiting(&self) -> usize {
        let waiting = self.psql(
            "SELECT COUNT(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        waiting.parse().unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // What a broken test leaves on a server of its own goes with that.
        if let Err(problem) = try_psql(&self.server.url, &statement) {
            eprintln!("{} stays: {problem}", self.name);
        }
    }
}

fn psql(url: &str, statement: &str) -> String {
    try_psql(url, statement).unwrap_or_else(|problem| panic!("{statement}: {problem}"))
}

fn try_psql(url: &str, statement: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
        .args(["--set", "ON_ERROR_STOP=1", "--dbname", url, "--command", statement])
        .output()
        .map_err(|error| format!("cannot run psql: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The address with another database in it.
fn with_database(url: &str, name: &str) -> String {
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority = before.find("://").map_or(0, |at| at + 3);
    let end = before[authority..].find('/').map_or(before.len(), |at| authority + at);
    format!("{}/{name}{query}", &before[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_put_into_an_address() {
        for (url, wanted) in [
            ("postgres://a:b@h:1/old?host=/tmp/x", "postgres://a:b@h:1/new?host=/tmp/x"),
            ("postgres://a@h", "postgres://a@h/new"),
            ("postgresql:///old", "postgresql:///new"),
        ] {
            assert_eq!(with_database(url, "new"), wanted);
        }
    }

    #[test]
    fn a_database_is_empty_and_goes_with_its_value() {
        let Some(server) = server() else { return };
        let (first, second) = (Database::new(&server), Database::new(&server));
        first.psql("CREATE TABLE a (b TEXT)");
        assert_eq!(second.psql("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'a'"), "0");
        let sorted = "SELECT string_agg(x, '' ORDER BY x) FROM (VALUES ('B'), ('a')) AS v (x)";
        assert_eq!(first.psql(sorted), "aB", "not the order of the bytes");
        let named = format!("SELECT COUNT(*) FROM pg_database WHERE datname = '{}'", first.name());
        assert_eq!(second.psql(&named), "1");
        let mut session = first.session();
        assert_eq!(session.run("BEGIN; LOCK TABLE a; SELECT 1"), ["1"]);
        let beside = first.psql("SELECT COUNT(*) FROM pg_locks WHERE relation = 'a'::regclass");
        assert_eq!((&*beside, first.waiting()), ("1", 0));
        drop(session);
        drop(first);
        assert_eq!(second.psql(&named), "0");
    }
}
