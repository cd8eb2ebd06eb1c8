//! Azure Blob Storage with versions and version-level immutability, strict.
//!
//! The subset of the REST interface (2020-06-12 to 2023-11-03) that a backup store needs: Put
//! Blob, Put Block and Put Block List, Get Blob with ranges, Get Blob Properties, List Blobs,
//! Delete Blob, Blob Batch, Set Blob Metadata, immutability policies, legal holds, and containers.
//! Not built, and therefore refused with 501 rather than ignored: leases, snapshots, soft delete,
//! copying, tiers, tags, append and page blobs, customer keys, account SAS, bearer tokens.
//!
//! The rules stand in [`rules::RULES`]. [`start`] runs the account on a port of its own;
//! [`Running`] is the handle for tests: clock, faults, what is stored, and what only Azure's
//! management interface can do.

pub mod error;
pub mod rules;

mod auth;
mod batch;
mod call;
mod checksum;
mod conditions;
mod container;
mod inspect;
mod list;
mod read;
mod remove;
mod running;
mod service;
mod state;
mod worm;
mod write;
mod xml;

pub use inspect::VersionView;
pub use running::{ContainerOptions, Options, Running, start};
