//! The words of Holdfast: what is protected, what a run of a backup came to, and why an item was
//! left out; in [`audit`] what an entry of the audit record says.
//!
//! This crate knows no I/O, no async, no SQL and no Graph JSON. Every other crate may use it; it
//! uses none of them. Entry points: [`Workload`], [`ItemId`], [`Outcome`], [`SkipCause`],
//! [`Clock`].
//!
//! ```
//! use holdfast_model::{short_id, Clock, Workload};
//!
//! assert_eq!(Workload::Exchange.to_string(), "exchange");
//! assert_eq!(short_id("AAMkAG-1=").len(), 16);
//! let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
//! assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
//! ```

mod access;
pub mod audit;
mod clock;
mod id;
mod name;
mod outcome;
mod secret;
mod versions;
mod workload;

pub use access::{Grant, Limit, Role, Scope};
pub use clock::Clock;
pub use id::{ContainerId, Fence, ItemId, ResourceId, RunId, Seq, ShardId, UserId, short_id};
pub use name::{MAX_COMPONENT_BYTES, component, fold, is_reserved};
pub use outcome::{Counts, Outcome, SkipCause};
pub use secret::Secret;
pub use versions::FileVersions;
pub use workload::Workload;

/// A moment in time (UTC, nanoseconds), re-exported so that all crates agree on the library.
pub use jiff::Timestamp;
