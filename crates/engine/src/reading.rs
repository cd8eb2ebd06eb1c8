//! The lease of somebody who reads a shard: while it lasts, nothing is deleted under the reader.

use std::time::Duration;

use holdfast_catalog::{Catalog, Error as CatalogError, Kind};
use holdfast_model::ShardId;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::backup::take_lease;
use crate::{Home, Result, process};

/// How long a reading lasts without a sign of life, and how often one is given.
const TTL: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Somebody reads a shard until this is ended or dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    id: String,
    catalog: Catalog,
    beat: JoinHandle<()>,
}

impl Reading {
    /// Begins to read.
    ///
    /// # Errors
    /// Names the holder of the shard while an erasure keeps readers away.
    pub async fn begin(home: &Home, vault: &str, shard: ShardId) -> Result<Self> {
        let (id, me) = (Uuid::now_v7().to_string(), process::name());
        loop {
            match home.catalog.reader_add(&id, vault, shard, &me, TTL).await {
                Ok(_) => break,
                Err(CatalogError::Closed { owner, .. }) if process::is_dead(&owner) => {
                    // Taking the lease over and giving it back opens the shard.
                    let lease = take_lease(home, vault, shard).await?;
                    home.catalog.lease_release(&lease).await?;
                }
                Err(CatalogError::Closed { shard, owner, until }) => {
                    let owner = process::for_people(&owner);
                    return Err(CatalogError::Closed { shard, owner, until }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let beat = heartbeat(home.catalog.clone(), id.clone());
        Ok(Self { id, catalog: home.catalog.clone(), beat })
    }

    /// Ends the reading now; dropping it ends it soon.
    pub async fn end(self) -> Result<()> {
        Ok(self.catalog.reader_remove(&self.id).await?)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.beat.abort();
        let (catalog, id) = (self.catalog.clone(), std::mem::take(&mut self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Where this does not come to pass the row ends with the process, or by itself.
            runtime.spawn(async move { catalog.reader_remove(&id).await });
        }
    }
}

fn heartbeat(catalog: Catalog, id: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match catalog.reader_renew(&id, TTL).await {
                Err(error) if error.kind() == Kind::NotFound => {
                    tracing::warn!("the reader's lease ended before the reader");
                    return;
                }
                Err(error) => tracing::warn!(%error, "the reader's lease could not be renewed"),
                Ok(()) => {}
            }
        }
    })
}
