//! Sign-ins under way: what the server must remember between two requests of somebody who is not
//! in yet, or between the two halves of a passkey. Only the SHA-256 of the handle is kept.

use std::fmt;

use holdfast_model::{Timestamp, UserId};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, sql};

/// A sign-in, or the making of a passkey, under way.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInRow {
    /// SHA-256 of the handle that the browser got, in hexadecimal.
    pub hash: String,
    /// Who it is about.
    pub account: UserId,
    /// What the handle is good for, and for nothing else.
    pub purpose: String,
    /// State, sealed by the engine.
    pub sealed_state: Vec<u8>,
    /// When it ends.
    pub until: Timestamp,
}

impl fmt::Debug for SignInRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRow")
            .field("account", &self.account)
            .field("purpose", &self.purpose)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl FromRow for SignInRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            hash: row.text("hash")?,
            account: UserId(row.text("account_id")?),
            purpose: row.text("purpose")?,
            sealed_state: row.bytes("sealed_state")?,
            until: row.time("until_at")?,
        })
    }
}

impl Catalog {
    /// Begins one; those that have ended are removed.
    pub async fn sign_in_add(&self, row: &SignInRow) -> Result<()> {
        let ended = sql("DELETE FROM sign_in WHERE until_at <= $1");
        self.execute(ended.time(self.clock.now())).await?;
        let statement = sql("INSERT INTO sign_in \
             (hash, account_id, purpose, sealed_state, until_at) VALUES ($1, $2, $3, $4, $5)")
        .text(&row.hash)
        .text(row.account.as_str())
        .text(&row.purpose)
        .bytes(&row.sealed_state)
        .time(row.until);
        self.execute(statement).await?;
        Ok(())
    }

    /// The one with this hash and purpose, unless it has ended.
    pub async fn sign_in_get(&self, hash: &str, purpose: &str) -> Result<Option<SignInRow>> {
        let statement = sql("SELECT * FROM sign_in \
             WHERE hash = $1 AND purpose = $2 AND until_at > $3");
        self.optional(statement.text(hash).text(purpose).time(self.clock.now())).await
    }

    /// Uses one up: of several at once one gets it.
    pub async fn sign_in_take(&self, hash: &str, purpose: &str) -> Result<Option<SignInRow>> {
        let statement = sql("DELETE FROM sign_in \
             WHERE hash = $1 AND purpose = $2 AND until_at > $3 \
             RETURNING hash, account_id, purpose, sealed_state, until_at");
        let statement = statement.text(hash).text(purpose).time(self.clock.now());
        let row = self.returning(statement).await?;
        row.as_ref().map(SignInRow::from_row).transpose()
    }

    /// Ends all of an account.
    pub async fn sign_in_end(&self, account: &UserId) -> Result<()> {
        let statement = sql("DELETE FROM sign_in WHERE account_id = $1");
        self.execute(statement.text(account.as_str())).await?;
        Ok(())
    }
}
