//! One module per workload: how its data is read from Microsoft Graph, laid out in the vault,
//! written back and compared.
//!
//! A workload knows Graph's answers and the layout for people; it knows neither the vault's
//! internals nor SQL. Layout and comparison are pure functions, so that a rebuild of the catalog
//! and a test can use them without a tenant.
//!
//! Entry points: [`directory::users`] finds what can be protected, [`mail`] reads, lays out,
//! writes and compares mailboxes, [`drive`] drives and document libraries, [`Layout`] says what their
//! trees look like.

pub mod directory;
pub mod drive;
mod error;
mod layout;
mod loss;
pub mod mail;
mod state;

pub use error::{Error, Result};
pub use layout::{ItemMeta, KEPT_DIR, Layout, Place, resource_dir};
pub use loss::Loss;
pub use state::{ColumnsState, ContainerState, FolderFacts, FolderMeta, ResourceState, STATE_FILE};
