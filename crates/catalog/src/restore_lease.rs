//! The lease on the target of a restore: one restore at a time writes into a mailbox or drive, from
//! whatever machine.
//!
//! It works as the lease on a shard (`lease.rs`): compared by the database, with the time of
//! [`Catalog::now`], and with a fencing number that rises with every holder. Whoever slept past the
//! end of his lease cannot note a further item as begun ([`Catalog::restore_item_put`]), and so
//! writes none.

use std::time::Duration;

use holdfast_model::{Fence, ResourceId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::lease::end;
use crate::sql::{Arguments, Columns, Statement, sql};

/// The right to restore into a resource until a moment in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreLease {
    /// The resource that takes what is restored.
    pub target: ResourceId,
    /// Who holds it: unique per process, readable for people.
    pub owner: String,
    /// Number of this tenure, above that of every earlier one.
    pub fence: Fence,
    /// When it ends unless it is renewed.
    pub until: Timestamp,
}

/// Holder and end of a lease that somebody has.
struct Held(Option<(String, Timestamp)>);

impl FromRow for Held {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self(row.opt_text("owner")?.zip(row.opt_time("until_at")?)))
    }
}

impl Catalog {
    /// Takes a target that nobody holds, whose holder let the lease expire, or whose holder is
    /// `dead`: one of whom the caller knows that its process has ended.
    ///
    /// # Errors
    /// [`Error::RestoreHeld`] names the holder.
    pub async fn restore_lease_take(
        &self,
        target: &ResourceId,
        dead: Option<&str>,
        owner: &str,
        ttl: Duration,
    ) -> Result<RestoreLease> {
        loop {
            let now = self.now().await?;
            let until = end(now, ttl)?;
            let statement = sql("INSERT INTO restore_lease (target, fence, owner, until_at) \
                 VALUES ($1, 1, $2, $3) ON CONFLICT (target) DO UPDATE SET \
                     fence = restore_lease.fence + 1, owner = excluded.owner, \
                     until_at = excluded.until_at \
                 WHERE restore_lease.owner IS NULL OR restore_lease.until_at <= $4 \
                     OR restore_lease.owner = $5 \
                 RETURNING fence");
            let statement = statement.text(target.as_str()).text(owner).time(until).time(now);
            if let Some(row) = self.returning(statement.opt_text(dead)).await? {
                let (target, owner) = (target.clone(), owner.to_owned());
                return Ok(RestoreLease {
                    target,
                    owner,
                    fence: Fence(row.number("fence")?),
                    until,
                });
            }
            let held = sql("SELECT owner, until_at FROM restore_lease WHERE target = $1");
            let held = self.optional::<Held>(held.text(target.as_str())).await?;
            if let Some((owner, until)) = held.and_then(|held| held.0) {
                return Err(Error::RestoreHeld { owner, until });
            }
            // Released between the two statements: try again.
        }
    }

    /// Prolongs a lease to `ttl` from now. A lease that expired but was not taken by another is
    /// still its holder's.
    ///
    /// # Errors
    /// [`Error::RestoreLost`] when the target went to another holder.
    pub async fn restore_lease_renew(&self, lease: &RestoreLease, ttl: Duration) -> Result<()> {
        let until = end(self.now().await?, ttl)?;
        let statement = sql("UPDATE restore_lease SET until_at = $4 \
             WHERE target = $1 AND fence = $2 AND owner = $3");
        match self.execute(held(statement, lease).time(until)).await?.rows_affected() {
            0 => Err(lost(lease)),
            _ => Ok(()),
        }
    }

    /// Gives a target back. A lease that was lost already is no error.
    pub async fn restore_lease_release(&self, lease: &RestoreLease) -> Result<()> {
        let statement = sql("UPDATE restore_lease SET owner = NULL, until_at = NULL \
             WHERE target = $1 AND fence = $2 AND owner = $3");
        self.execute(held(statement, lease)).await?;
        Ok(())
    }
}

/// Sees that a lease is held, and that it stays so until the transaction ends.
pub(crate) async fn hold(
    change: &mut Transaction<'static, Any>,
    lease: &RestoreLease,
) -> Result<()> {
    let statement = sql("UPDATE restore_lease SET fence = fence \
         WHERE target = $1 AND fence = $2 AND owner = $3");
    match held(statement, lease).execute(&mut **change).await?.rows_affected() {
        0 => Err(lost(lease)),
        _ => Ok(()),
    }
}

fn held(statement: Statement, lease: &RestoreLease) -> Statement {
    statement.text(lease.target.as_str()).number(lease.fence.0).text(&lease.owner)
}

fn lost(lease: &RestoreLease) -> Error {
    Error::RestoreLost { target: lease.target.clone(), fence: lease.fence }
}
