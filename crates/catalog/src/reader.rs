//! Leases of readers: they share a shard among themselves and with its writer, but not with a
//! deletion that leaves nothing behind.
//!
//! A holder of the shard's lease may close the shard, when nobody reads it; until its lease ends
//! nobody begins to. Both sides lock the row of the shard before they look, so that a reader and a
//! closing holder cannot miss each other.

use std::time::Duration;

use holdfast_model::{ShardId, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::lease::{Lease, end};
use crate::shard::{self, shard_id};
use crate::sql::{Arguments, Columns, sql};

/// Somebody who reads a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderRow {
    /// Unique for each reading.
    pub id: String,
    /// The vault.
    pub vault_id: String,
    /// The shard.
    pub shard: ShardId,
    /// Who reads: unique per process, readable for people.
    pub owner: String,
    /// When the reading began.
    pub since: Timestamp,
    /// When it is taken for ended unless it is renewed.
    pub until: Timestamp,
}

impl FromRow for ReaderRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            vault_id: row.text("vault_id")?,
            shard: shard_id(row.number("shard")?)?,
            owner: row.text("owner")?,
            since: row.time("since_at")?,
            until: row.time("until_at")?,
        })
    }
}

impl Catalog {
    /// Begins to read a shard.
    ///
    /// # Errors
    /// [`Error::Closed`] names the holder who keeps readers away; [`Error::NotFound`] when there is
    /// no such shard; [`Error::Conflict`] when the id was used before.
    pub async fn reader_add(
        &self,
        id: &str,
        vault_id: &str,
        shard: ShardId,
        owner: &str,
        ttl: Duration,
    ) -> Result<ReaderRow> {
        loop {
            let since = self.now().await?;
            let until = end(since, ttl)?;
            let mut change = self.begin().await?;
            shard::lock(&mut change, vault_id, shard).await?;
            let statement =
                sql("INSERT INTO reader (id, vault_id, shard, owner, since_at, until_at) \
                 SELECT $1, vault_id, shard, $4, $5, $6 FROM shard \
                 WHERE vault_id = $2 AND shard = $3 AND NOT COALESCE( \
                     closed_fence = fence AND lease_owner IS NOT NULL AND lease_until > $5, \
                     1 = 0)")
                .text(id)
                .text(vault_id)
                .number(shard.0.into())
                .text(owner)
                .time(since)
                .time(until);
            if statement.execute(&mut *change).await?.rows_affected() > 0 {
                change.commit().await?;
                let (id, vault_id, owner) = (id.into(), vault_id.into(), owner.into());
                return Ok(ReaderRow { id, vault_id, shard, owner, since, until });
            }
            change.rollback().await?;
            let held = self.shard_get(vault_id, shard).await?;
            if let (Some(owner), Some(until)) = (held.lease_owner, held.lease_until) {
                return Err(Error::Closed { shard, owner, until });
            }
            // Opened between the two statements: try again.
        }
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the reading was taken for ended.
    pub async fn reader_renew(&self, id: &str, ttl: Duration) -> Result<()> {
        let until = end(self.now().await?, ttl)?;
        let statement = sql("UPDATE reader SET until_at = $2 WHERE id = $1");
        match self.execute(statement.text(id).time(until)).await?.rows_affected() {
            0 => Err(Error::NotFound { what: "reader", name: id.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Ends a reading. One that has ended is no error.
    pub async fn reader_remove(&self, id: &str) -> Result<()> {
        self.execute(sql("DELETE FROM reader WHERE id = $1").text(id)).await?;
        Ok(())
    }

    /// Who reads a shard, the longest first. Those without a sign of life are left out.
    pub async fn reader_list(&self, vault_id: &str, shard: ShardId) -> Result<Vec<ReaderRow>> {
        let statement = sql("SELECT * FROM reader \
             WHERE vault_id = $1 AND shard = $2 AND until_at > $3 ORDER BY since_at, id");
        let statement = statement.text(vault_id).number(shard.0.into());
        self.all(statement.time(self.now().await?)).await
    }

    /// Keeps readers away from now until the lease ends.
    ///
    /// # Errors
    /// [`Error::BeingRead`] names who has read for the longest; [`Error::FenceLost`].
    pub async fn shard_close(&self, lease: &Lease) -> Result<()> {
        let now = self.now().await?;
        let mut change = self.begin().await?;
        shard::lock(&mut change, &lease.vault_id, lease.shard).await?;
        let statement = sql("UPDATE shard SET closed_fence = fence \
             WHERE vault_id = $1 AND shard = $2 AND fence = $3 AND NOT EXISTS \
                 (SELECT 1 FROM reader WHERE vault_id = $1 AND shard = $2 AND until_at > $4)")
        .text(&lease.vault_id)
        .number(lease.shard.0.into())
        .number(lease.fence.0)
        .time(now);
        if statement.execute(&mut *change).await?.rows_affected() > 0 {
            return Ok(change.commit().await?);
        }
        change.rollback().await?;
        let shard = lease.shard;
        match self.reader_list(&lease.vault_id, shard).await?.into_iter().next() {
            Some(ReaderRow { owner, since, .. }) => Err(Error::BeingRead { shard, owner, since }),
            None => Err(Error::FenceLost { shard, fence: lease.fence }),
        }
    }

    /// Lets readers in again while the lease goes on.
    pub async fn shard_open(&self, lease: &Lease) -> Result<()> {
        let statement = sql("UPDATE shard SET closed_fence = NULL \
             WHERE vault_id = $1 AND shard = $2 AND fence = $3");
        let statement = statement.text(&lease.vault_id).number(lease.shard.0.into());
        self.execute(statement.number(lease.fence.0)).await?;
        Ok(())
    }
}
