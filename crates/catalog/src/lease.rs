//! The lease on a shard: at most one process writes to it, and a late one changes nothing.
//!
//! Every comparison is made by the database, with the time of [`Catalog::now`]. A holder that sleeps too long may lose its lease
//! without noticing; what protects the shard then is the fencing number, which rises with every
//! holder and is compared by [`Catalog::commit`].

use std::time::Duration;

use holdfast_model::{Fence, ShardId, Timestamp};

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, sql};

/// The right to write to a shard until a moment in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The vault.
    pub vault_id: String,
    /// The shard.
    pub shard: ShardId,
    /// Who holds it: unique per process, readable for people.
    pub owner: String,
    /// Number of this tenure, above that of every earlier one.
    pub fence: Fence,
    /// When it ends unless it is renewed.
    pub until: Timestamp,
}

impl Catalog {
    /// Takes a shard that nobody holds, or whose holder let its lease expire.
    ///
    /// # Errors
    /// [`Error::LeaseHeld`] names the holder; [`Error::NotFound`] when there is no such shard.
    pub async fn lease_take(
        &self,
        vault_id: &str,
        shard: ShardId,
        owner: &str,
        ttl: Duration,
    ) -> Result<Lease> {
        self.take(vault_id, shard, None, owner, ttl).await
    }

    /// Takes a shard from `dead`, a holder of whom the caller knows that its process has ended.
    ///
    /// # Errors
    /// As [`Catalog::lease_take`], also when the shard has another holder than `dead`.
    pub async fn lease_take_over(
        &self,
        vault_id: &str,
        shard: ShardId,
        dead: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Lease> {
        self.take(vault_id, shard, Some(dead), owner, ttl).await
    }

    async fn take(
        &self,
        vault_id: &str,
        shard: ShardId,
        dead: Option<&str>,
        owner: &str,
        ttl: Duration,
    ) -> Result<Lease> {
        loop {
            let now = self.now().await?;
            let until = end(now, ttl)?;
            let statement = sql("UPDATE shard \
                 SET fence = fence + 1, lease_owner = $3, lease_until = $4 \
                 WHERE vault_id = $1 AND shard = $2 AND \
                     (lease_owner IS NULL OR lease_until <= $5 OR lease_owner = $6) \
                 RETURNING fence");
            let statement = key(statement, vault_id, shard).text(owner).time(until).time(now);
            if let Some(row) = self.returning(statement.opt_text(dead)).await? {
                let fence = Fence(row.number("fence")?);
                tracing::debug!(%shard, %fence, "shard lease taken");
                return Ok(Lease {
                    vault_id: vault_id.into(),
                    shard,
                    owner: owner.into(),
                    fence,
                    until,
                });
            }
            let held = self.shard_get(vault_id, shard).await?;
            if let (Some(owner), Some(until)) = (held.lease_owner, held.lease_until) {
                return Err(Error::LeaseHeld { shard, owner, until });
            }
            // Released between the two statements: try again.
        }
    }

    /// Prolongs a lease to `ttl` from now. A lease that expired but was not taken by another is
    /// still its holder's.
    ///
    /// # Errors
    /// [`Error::FenceLost`] when the shard went to another holder.
    pub async fn lease_renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        let until = end(self.now().await?, ttl)?;
        let statement = sql("UPDATE shard SET lease_until = $5 \
             WHERE vault_id = $1 AND shard = $2 AND fence = $3 AND lease_owner = $4");
        let statement = key(statement, &lease.vault_id, lease.shard).number(lease.fence.0);
        match self.execute(statement.text(&lease.owner).time(until)).await?.rows_affected() {
            0 => Err(Error::FenceLost { shard: lease.shard, fence: lease.fence }),
            _ => Ok(Lease { until, ..lease.clone() }),
        }
    }

    /// Gives a shard back. A lease that was lost already is no error.
    pub async fn lease_release(&self, lease: &Lease) -> Result<()> {
        let statement = sql("UPDATE shard SET lease_owner = NULL, lease_until = NULL \
             WHERE vault_id = $1 AND shard = $2 AND fence = $3 AND lease_owner = $4");
        let statement = key(statement, &lease.vault_id, lease.shard).number(lease.fence.0);
        self.execute(statement.text(&lease.owner)).await?;
        Ok(())
    }

    /// Makes the next fence higher than `at_least`: after a rebuild, fences go on above the highest
    /// one seen in the vault. A present holder with a lower fence loses its lease.
    pub async fn fence_raise(&self, vault_id: &str, shard: ShardId, at_least: Fence) -> Result<()> {
        let statement = sql("UPDATE shard \
             SET fence = $3, lease_owner = NULL, lease_until = NULL \
             WHERE vault_id = $1 AND shard = $2 AND fence < $3");
        self.execute(key(statement, vault_id, shard).number(at_least.0)).await?;
        Ok(())
    }
}

fn key(statement: Statement, vault_id: &str, shard: ShardId) -> Statement {
    statement.text(vault_id).number(shard.0.into())
}

pub(crate) fn end(now: Timestamp, ttl: Duration) -> Result<Timestamp> {
    now.checked_add(ttl).map_err(|_| Error::Conflict("the end of the lease is out of range"))
}
