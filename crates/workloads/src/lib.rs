//! One module per workload: how its data is read from Microsoft Graph, laid out in the vault,
//! written back and compared.
//!
//! A workload knows Graph's answers and the layout for people; it knows neither the vault's
//! internals nor SQL. Layout and comparison are pure functions, so that a rebuild of the catalog
//! and a test can use them without a tenant.
//!
//! Entry points: [`directory::users`] finds what can be protected, [`mail`] reads, lays out,
//! writes and compares mailboxes.

pub mod directory;
mod error;
pub mod mail;

pub use error::{Error, Result};
