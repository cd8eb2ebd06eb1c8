//! Accounts: people who may sign in. They change by [`AccountChange`] only, one revision after the
//! other, so that two changes at once cannot lose one of them.

use std::fmt;
use std::time::Duration;

use holdfast_model::{Grant, Timestamp, UserId, fold};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::lease::end;
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Our id.
    pub id: UserId,
    /// Name at sign-in, unique without regard to case.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Roles and where they count.
    pub grants: Vec<Grant>,
    /// Nobody comes in by it.
    pub disabled: bool,
    /// Argon2id in PHC form; absent until a password was chosen.
    pub password_hash: Option<String>,
    /// Second factors, sealed by the engine.
    pub sealed_factors: Vec<u8>,
    /// SHA-256 of the recovery codes that are left, in hexadecimal.
    pub recovery_codes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Rises with every change, from 1.
    pub revision: u64,
    /// The revision that the home vault has.
    pub saved_revision: u64,
}

impl fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("grants", &self.grants)
            .field("disabled", &self.disabled)
            .field("revision", &self.revision)
            .field("saved_revision", &self.saved_revision)
            .finish_non_exhaustive()
    }
}

impl FromRow for AccountRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: UserId(row.text("id")?),
            name: row.text("name")?,
            display_name: row.text("display_name")?,
            grants: parsed(row, "grants")?,
            disabled: row.flag("disabled")?,
            password_hash: row.opt_text("password_hash")?,
            sealed_factors: row.bytes("sealed_factors")?,
            recovery_codes: parsed(row, "recovery_codes")?,
            created_at: row.time("created_at")?,
            revision: row.number("revision")?,
            saved_revision: row.number("saved_revision")?,
        })
    }
}

/// A column that holds structured text.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    serde_json::from_str(&row.text(column)?).map_err(|_| damaged(column))
}

/// Structured text for a column.
pub(crate) fn text_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain fields serialise")
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// It is the account's state now.
    Done,
    /// Somebody else has changed the account since it was read: read it again.
    Outrun,
}

fn values(statement: Statement, account: &AccountRow) -> Statement {
    statement
        .text(account.id.as_str())
        .text(&account.name)
        .text(&fold(&account.name))
        .text(&account.display_name)
        .text(&text_of(&account.grants))
        .flag(account.disabled)
        .opt_text(account.password_hash.as_deref())
        .bytes(&account.sealed_factors)
        .text(&text_of(&account.recovery_codes))
        .time(account.created_at)
        .number(account.revision)
        .number(account.saved_revision)
}

/// Adds an account, or replaces an older revision of it.
pub(crate) fn put(account: &AccountRow) -> Statement {
    values(
        sql("INSERT INTO account (id, name, folded_name, display_name, grants, disabled, \
             password_hash, sealed_factors, recovery_codes, created_at, revision, saved_revision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
             folded_name = excluded.folded_name, display_name = excluded.display_name, \
             grants = excluded.grants, disabled = excluded.disabled, \
             password_hash = excluded.password_hash, sealed_factors = excluded.sealed_factors, \
             recovery_codes = excluded.recovery_codes, created_at = excluded.created_at, \
             revision = excluded.revision, saved_revision = excluded.saved_revision \
             WHERE account.revision < excluded.revision"),
        account,
    )
}

impl Catalog {
    /// Adds an account, or replaces an older revision of it; a newer one stays.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another account has the name.
    pub async fn account_put(&self, account: &AccountRow) -> Result<()> {
        self.execute(put(account)).await?;
        Ok(())
    }

    /// Replaces the revision `from` of an account.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another account has the name.
    pub async fn account_replace(&self, account: &AccountRow, from: u64) -> Result<AccountChange> {
        let statement = sql("UPDATE account SET name = $2, folded_name = $3, display_name = $4, \
             grants = $5, disabled = $6, password_hash = $7, sealed_factors = $8, \
             recovery_codes = $9, created_at = $10, revision = $11, saved_revision = $12 \
             WHERE id = $1 AND revision = $13");
        match self.execute(values(statement, account).number(from)).await?.rows_affected() {
            0 => Ok(AccountChange::Outrun),
            _ => Ok(AccountChange::Done),
        }
    }

    /// Notes that the home vault has a revision of an account.
    pub async fn account_saved(&self, id: &UserId, revision: u64) -> Result<()> {
        let statement = sql("UPDATE account SET saved_revision = $2 \
             WHERE id = $1 AND saved_revision < $2 AND revision >= $2");
        self.execute(statement.text(id.as_str()).number(revision)).await?;
        Ok(())
    }

    /// Removes an account with its sessions, tokens and links.
    pub async fn account_remove(&self, id: &UserId) -> Result<()> {
        let mut change = self.begin().await?;
        for statement in [
            "DELETE FROM session WHERE account_id = $1",
            "DELETE FROM token WHERE account_id = $1",
            "DELETE FROM sign_in WHERE account_id = $1",
            "DELETE FROM invitation WHERE account_id = $1",
            "DELETE FROM totp_use WHERE account_id = $1",
            "DELETE FROM account WHERE id = $1",
        ] {
            sql(statement).text(id.as_str()).execute(&mut *change).await?;
        }
        Ok(change.commit().await?)
    }

    /// The account with this id.
    pub async fn account_get(&self, id: &UserId) -> Result<Option<AccountRow>> {
        self.optional(sql("SELECT * FROM account WHERE id = $1").text(id.as_str())).await
    }

    /// The account with this name at sign-in, in any case.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<AccountRow>> {
        let statement = sql("SELECT * FROM account WHERE folded_name = $1");
        self.optional(statement.text(&fold(name))).await
    }

    /// All accounts by name.
    pub async fn account_list(&self) -> Result<Vec<AccountRow>> {
        self.all(sql("SELECT * FROM account ORDER BY folded_name")).await
    }

    /// Accounts whose newest revision the home vault does not have.
    pub async fn account_unsaved(&self) -> Result<Vec<AccountRow>> {
        self.all(sql("SELECT * FROM account WHERE saved_revision < revision ORDER BY id")).await
    }

    /// Takes the sole right to change accounts in the vault; false where another process has it.
    pub async fn account_lease_take(&self, owner: &str, ttl: Duration) -> Result<bool> {
        let now = self.clock.now();
        let statement = sql("UPDATE account_change SET owner = $1, until_at = $2 \
             WHERE id = 1 AND (owner IS NULL OR owner = $1 OR until_at <= $3)");
        let statement = statement.text(owner).time(end(now, ttl)?).time(now);
        Ok(self.execute(statement).await?.rows_affected() > 0)
    }

    /// Who has that right, or had it last and did not give it back.
    pub async fn account_lease_owner(&self) -> Result<Option<String>> {
        let rows = self.rows(sql("SELECT owner FROM account_change WHERE id = 1")).await?;
        rows.first().map_or(Ok(None), |row| row.opt_text("owner"))
    }

    /// Gives the right back.
    pub async fn account_lease_release(&self, owner: &str) -> Result<()> {
        let statement = sql("UPDATE account_change SET owner = NULL WHERE owner = $1");
        self.execute(statement.text(owner)).await?;
        Ok(())
    }

    /// Takes a step of a time-based code; false for one that was taken, or is older than one.
    pub async fn totp_take(&self, id: &UserId, step: u64) -> Result<bool> {
        let statement = sql("INSERT INTO totp_use (account_id, step) VALUES ($1, $2) \
             ON CONFLICT (account_id) DO UPDATE SET step = excluded.step \
             WHERE totp_use.step < excluded.step");
        let done = self.execute(statement.text(id.as_str()).number(step)).await?;
        Ok(done.rows_affected() > 0)
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn account_find(&self, id: &UserId) -> Result<AccountRow> {
        let found = self.account_get(id).await?;
        found.ok_or_else(|| Error::NotFound { what: "user", name: id.to_string() })
    }
}
