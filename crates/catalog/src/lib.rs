//! What Holdfast knows without opening a vault: tenants, resources, current items, delta links,
//! runs and leases, in SQL: in a file (SQLite), or on a server (PostgreSQL) that several processes
//! and machines share. The texts are the same for both.
//!
//! The vault holds the data, the catalog says how far it got. [`Catalog::commit`] is the commit
//! point of a backup: one transaction, guarded by the fence of the shard lease, moves the head of
//! the shard, the delta links and the current items together. All else but the sealed credentials
//! can be made again from the vault ([`Catalog::rebuild`]).
//!
//! Entry points: [`Catalog::create`], [`Catalog::open`], [`Catalog::connect`],
//! [`Catalog::lease_take`], [`Catalog::commit`]. Times are kept to the millisecond.
//!
//! # Writing side by side
//!
//! On SQLite one transaction writes at a time. On PostgreSQL many do, at READ COMMITTED: a statement
//! sees what others have committed before it began, and a changed row stays locked until the end of
//! the transaction. A text that serves both therefore keeps to this rule:
//!
//! - What is decided in one statement is guarded in it: `UPDATE … WHERE fence = …`, `ON CONFLICT`.
//! - What is read first and decided then stands in a transaction that first locks the row that
//!   stands for it, by changing it to what it is (`UPDATE shard SET fence = fence …`). The reading
//!   follows as a statement of its own, which sees what the former holder of the lock did.
//! - Rows are locked in one order: vault and shard, tenant, resources by id, what belongs to a
//!   resource, targets of restores, items of restores by source, runs. So no two wait for each other, and nothing needs
//!   to be repeated. Numbers of resources and containers are taken before the transaction begins.
//! - What replaces tables locks all of them first, in the order in which others touch them.
//!
//! A lock that is not had within 30 seconds is [`Error::Busy`]. PostgreSQL takes ids and names of up
//! to about 2,700 bytes; a longer one is refused with [`Error::Conflict`].
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
mod audit;
mod catalog;
mod commit;
mod epoch;
mod error;
mod filter;
mod invitation;
mod item;
mod job;
mod job_lease;
mod lease;
mod maintain;
#[cfg(test)]
mod portable;
mod postgres;
mod reader;
mod rebuild;
mod resource;
mod restore;
mod restore_lease;
mod restore_point;
mod run;
mod schedule;
mod session;
mod shard;
mod sign_in;
mod sql;
mod sqlite;
mod tenant;
mod token;
mod upkeep;
mod vault;

pub use account::{AccountChange, AccountRow};
pub use attempt::Attempt;
pub use audit::{AuditChain, AuditFilter, AuditResume};
pub use catalog::Catalog;
pub use commit::{Commit, ResourceCommit};
pub use epoch::EpochRow;
pub use error::{Error, Kind, Result};
pub use filter::ResourceFilter;
pub use invitation::InvitationRow;
pub use item::{ContainerRow, ItemRow};
pub use job::{JobClass, JobFilter, JobRow, JobState, NewJob, Wanted};
pub use job_lease::{Claim, Ending, StepRow};
pub use lease::Lease;
pub use maintain::Rewriting;
pub use reader::ReaderRow;
pub use rebuild::{Rebuild, Rebuilt};
pub use resource::{ResourceRow, ResourceStatus};
pub use restore::{RestoreItemRow, RestoreRow, RestoreState};
pub use restore_lease::RestoreLease;
pub use restore_point::RestorePointRow;
pub use run::{RunProblem, RunRow};
pub use schedule::{AttainedRow, AttainedSum, ScheduleRow, StandRow};
pub use session::SessionRow;
pub use shard::{ShardRow, SnapshotKind, SnapshotRow};
pub use sign_in::SignInRow;
pub use tenant::TenantRow;
pub use token::TokenRow;
pub use vault::VaultRow;
