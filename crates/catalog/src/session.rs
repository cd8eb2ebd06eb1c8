//! Sessions of the console. Only the SHA-256 of a session's secret is kept: who reads the catalog
//! cannot use it.

use std::fmt;

use holdfast_model::{Timestamp, UserId};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, sql};

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the secret in the cookie, in hexadecimal.
    pub hash: String,
    /// Id by which the session is listed and ended; it opens nothing.
    pub id: String,
    /// Whose it is.
    pub account: UserId,
    /// Address at sign-in, for people to recognise it.
    pub address: String,
    /// What the browser calls itself, for people to recognise it.
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// When its user last proved who he is.
    pub proved_at: Timestamp,
}

impl fmt::Debug for SessionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl FromRow for SessionRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            hash: row.text("hash")?,
            id: row.text("id")?,
            account: UserId(row.text("account_id")?),
            address: row.text("address")?,
            agent: row.text("agent")?,
            created_at: row.time("created_at")?,
            seen_at: row.time("seen_at")?,
            proved_at: row.time("proved_at")?,
        })
    }
}

impl Catalog {
    /// Adds a session.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the secret or id was used before.
    pub async fn session_add(&self, session: &SessionRow) -> Result<()> {
        let statement = sql("INSERT INTO session \
             (hash, id, account_id, address, agent, created_at, seen_at, proved_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .text(&session.hash)
        .text(&session.id)
        .text(session.account.as_str())
        .text(&session.address)
        .text(&session.agent)
        .time(session.created_at)
        .time(session.seen_at)
        .time(session.proved_at);
        self.execute(statement).await?;
        Ok(())
    }

    /// The session with this hash, whatever its age.
    pub async fn session_get(&self, hash: &str) -> Result<Option<SessionRow>> {
        self.optional(sql("SELECT * FROM session WHERE hash = $1").text(hash)).await
    }

    /// Notes a use.
    pub async fn session_seen(&self, hash: &str, at: Timestamp) -> Result<()> {
        let statement = sql("UPDATE session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2");
        self.execute(statement.text(hash).time(at)).await?;
        Ok(())
    }

    /// Gives a session a new secret and notes that its user has just proved who he is. False where
    /// the session has ended, or got another secret, in the meantime.
    pub async fn session_renew(&self, old: &str, new: &str, proved_at: Timestamp) -> Result<bool> {
        let statement = sql("UPDATE session SET hash = $2, proved_at = $3, seen_at = $3 \
             WHERE hash = $1");
        let done = self.execute(statement.text(old).text(new).time(proved_at)).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends a session of an account; false where there is none with this id.
    pub async fn session_end(&self, account: &UserId, id: &str) -> Result<bool> {
        let statement = sql("DELETE FROM session WHERE account_id = $1 AND id = $2");
        let done = self.execute(statement.text(account.as_str()).text(id)).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all sessions of an account but one; gives how many.
    pub async fn session_end_all(&self, account: &UserId, but: Option<&str>) -> Result<u64> {
        let statement = sql("DELETE FROM session WHERE account_id = $1 AND id <> $2");
        let statement = statement.text(account.as_str()).text(but.unwrap_or_default());
        Ok(self.execute(statement).await?.rows_affected())
    }

    /// The sessions of an account, the latest used first, ended ones among them until
    /// [`Catalog::session_sweep`].
    pub async fn session_list(&self, account: &UserId) -> Result<Vec<SessionRow>> {
        let statement = sql("SELECT * FROM session WHERE account_id = $1 \
             ORDER BY seen_at DESC, id");
        self.all(statement.text(account.as_str())).await
    }

    /// Removes sessions that were not used since `idle`, or began before `oldest`.
    pub async fn session_sweep(&self, idle: Timestamp, oldest: Timestamp) -> Result<u64> {
        let statement = sql("DELETE FROM session WHERE seen_at <= $1 OR created_at <= $2");
        Ok(self.execute(statement.time(idle).time(oldest)).await?.rows_affected())
    }
}
