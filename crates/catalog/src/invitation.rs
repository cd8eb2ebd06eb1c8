//! One-time links, by which the first administrator sets an installation up, and invited people
//! choose their password. Only the SHA-256 of a link's secret is kept.

use std::fmt;

use holdfast_model::{Timestamp, UserId};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, sql};

/// A one-time link.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// SHA-256 of its secret, in hexadecimal.
    pub hash: String,
    /// The account whose password it sets; `None` for the first administrator.
    pub account: Option<UserId>,
    /// Who made it; `None` for the installation itself.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl fmt::Debug for InvitationRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationRow")
            .field("account", &self.account)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl FromRow for InvitationRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            hash: row.text("hash")?,
            account: row.opt_text("account_id")?.map(UserId),
            created_by: row.opt_text("created_by")?.map(UserId),
            created_at: row.time("created_at")?,
            until: row.time("until_at")?,
        })
    }
}

impl Catalog {
    /// Adds a link in the place of any earlier one of the same account, or of the installation.
    pub async fn invitation_add(&self, invitation: &InvitationRow) -> Result<()> {
        let mut change = self.begin().await?;
        let account = invitation.account.as_ref().map(UserId::as_str);
        let earlier = sql("DELETE FROM invitation \
             WHERE account_id = $1 OR (account_id IS NULL AND $2 = 1) OR until_at <= $3");
        let earlier = earlier.opt_text(account).flag(account.is_none());
        earlier.time(invitation.created_at).execute(&mut *change).await?;
        let statement = sql("INSERT INTO invitation \
             (hash, account_id, created_by, created_at, until_at) VALUES ($1, $2, $3, $4, $5)")
        .text(&invitation.hash)
        .opt_text(account)
        .opt_text(invitation.created_by.as_ref().map(UserId::as_str))
        .time(invitation.created_at)
        .time(invitation.until);
        statement.execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// The link with this hash, unless it has ended or was used.
    pub async fn invitation_get(&self, hash: &str) -> Result<Option<InvitationRow>> {
        let statement = sql("SELECT * FROM invitation WHERE hash = $1 AND until_at > $2");
        self.optional(statement.text(hash).time(self.clock.now())).await
    }

    /// Uses a link up: of several at once one gets it.
    pub async fn invitation_take(&self, hash: &str) -> Result<Option<InvitationRow>> {
        let statement = sql("DELETE FROM invitation WHERE hash = $1 AND until_at > $2 \
             RETURNING hash, account_id, created_by, created_at, until_at");
        let row = self.returning(statement.text(hash).time(self.clock.now())).await?;
        row.as_ref().map(InvitationRow::from_row).transpose()
    }
}
