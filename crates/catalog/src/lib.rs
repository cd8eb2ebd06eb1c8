//! What Holdfast knows without opening a vault: tenants, resources, current items, delta links,
//! runs and leases, in SQL (SQLite here; every statement is also valid for PostgreSQL).
//!
//! The vault holds the data, the catalog says how far it got. [`Catalog::commit`] is the commit
//! point of a backup: one transaction, guarded by the fence of the shard lease, moves the head of
//! the shard, the delta links and the current items together. All else but the sealed credentials
//! can be made again from the vault ([`Catalog::rebuild`]).
//!
//! Entry points: [`Catalog::create`], [`Catalog::open`], [`Catalog::lease_take`],
//! [`Catalog::commit`]. Times are kept to the millisecond.
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use holdfast_catalog::{Catalog, ShardRow};
//! use holdfast_model::{Clock, ShardId};
//!
//! let home = tempfile::tempdir()?;
//! let catalog = Catalog::create(&home.path().join("catalog.db"), Clock::system()).await?;
//! catalog.shard_put(&ShardRow::new("vault", ShardId(1))).await?;
//! let lease = catalog.lease_take("vault", ShardId(1), "me", Duration::from_secs(60)).await?;
//! assert_eq!(lease.fence.0, 1);
//! catalog.lease_release(&lease).await?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```

mod account;
mod attempt;
mod catalog;
mod commit;
mod epoch;
mod error;
mod filter;
mod invitation;
mod item;
mod lease;
mod maintain;
#[cfg(test)]
mod portable;
mod reader;
mod rebuild;
mod resource;
mod restore;
mod restore_point;
mod run;
mod session;
mod shard;
mod sign_in;
mod sql;
mod sqlite;
mod tenant;
mod token;
mod vault;

pub use account::{AccountChange, AccountRow};
pub use attempt::Attempt;
pub use catalog::Catalog;
pub use commit::{Commit, ResourceCommit};
pub use epoch::EpochRow;
pub use error::{Error, Kind, Result};
pub use filter::ResourceFilter;
pub use invitation::InvitationRow;
pub use item::{ContainerRow, ItemRow};
pub use lease::Lease;
pub use maintain::Rewriting;
pub use reader::ReaderRow;
pub use rebuild::{Rebuild, Rebuilt};
pub use resource::{ResourceRow, ResourceStatus};
pub use restore::{RestoreItemRow, RestoreRow, RestoreState};
pub use restore_point::RestorePointRow;
pub use run::{RunProblem, RunRow};
pub use session::SessionRow;
pub use shard::{ShardRow, SnapshotKind, SnapshotRow};
pub use sign_in::SignInRow;
pub use tenant::TenantRow;
pub use token::TokenRow;
pub use vault::VaultRow;
