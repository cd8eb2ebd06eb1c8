//! Tokens of the API. Only the SHA-256 of a token is kept. They are not intent: after the loss of
//! the catalog they are made anew.

use std::fmt;

use holdfast_model::{Scope, Timestamp, UserId};
use sqlx::any::AnyRow;

use crate::account::{parsed, text_of};
use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, sql};

/// A token of the API.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Id by which it is listed and revoked; it opens nothing.
    pub id: String,
    /// SHA-256 of the token, in hexadecimal.
    pub hash: String,
    /// Whose it is: it can do no more than he.
    pub account: UserId,
    /// What it is for.
    pub label: String,
    /// Names of rights.
    pub rights: Vec<String>,
    /// Where they count.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl fmt::Debug for TokenRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("rights", &self.rights)
            .field("expires_at", &self.expires_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

impl FromRow for TokenRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            hash: row.text("hash")?,
            account: UserId(row.text("account_id")?),
            label: row.text("label")?,
            rights: parsed(row, "rights")?,
            scope: parsed(row, "scope")?,
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
            used_at: row.opt_time("used_at")?,
            revoked_at: row.opt_time("revoked_at")?,
        })
    }
}

impl Catalog {
    /// Adds a token.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the token or id was used before.
    pub async fn token_add(&self, token: &TokenRow) -> Result<()> {
        let statement = sql("INSERT INTO token \
             (id, hash, account_id, label, rights, scope, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .text(&token.id)
        .text(&token.hash)
        .text(token.account.as_str())
        .text(&token.label)
        .text(&text_of(&token.rights))
        .text(&text_of(&token.scope))
        .time(token.created_at)
        .time(token.expires_at);
        self.execute(statement).await?;
        Ok(())
    }

    /// The token with this hash, also when it has ended.
    pub async fn token_get(&self, hash: &str) -> Result<Option<TokenRow>> {
        self.optional(sql("SELECT * FROM token WHERE hash = $1").text(hash)).await
    }

    /// The tokens of an account, the newest first.
    pub async fn token_list(&self, account: &UserId) -> Result<Vec<TokenRow>> {
        let statement = sql("SELECT * FROM token WHERE account_id = $1 \
             ORDER BY created_at DESC, id DESC");
        self.all(statement.text(account.as_str())).await
    }

    /// Notes a use.
    pub async fn token_used(&self, id: &str, at: Timestamp) -> Result<()> {
        let statement = sql("UPDATE token SET used_at = $2 \
             WHERE id = $1 AND (used_at IS NULL OR used_at < $2)");
        self.execute(statement.text(id).time(at)).await?;
        Ok(())
    }

    /// Ends a token of an account; false where there is none with this id that counts.
    pub async fn token_revoke(&self, account: &UserId, id: &str, at: Timestamp) -> Result<bool> {
        let statement = sql("UPDATE token SET revoked_at = $3 \
             WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL");
        let done = self.execute(statement.text(account.as_str()).text(id).time(at)).await?;
        Ok(done.rows_affected() > 0)
    }
}
