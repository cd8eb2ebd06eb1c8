//! Microsoft Graph over HTTP: tokens, throttle budget, retry by error kind, pages and delta
//! rounds, batches, downloads, uploads in pieces, application permissions and certificates.
//!
//! The crate knows how to talk to Graph and nothing of what is said: no catalog, no vault, no
//! workload. Facts about the service come from Microsoft's documentation and from faults that
//! others have seen; each constant carries its source.
//!
//! Entry points: [`Config`] makes a [`Graph`]; [`Graph::get`] and its sisters make a [`Request`];
//! [`Graph::pages`] walks a list or a delta round; [`Error::kind`] says what a failure means.
//!
//! ```no_run
//! # async fn first_page(secret: holdfast_model::Secret) -> holdfast_graph::Result<()> {
//! use holdfast_graph::{Config, Credential, Graph};
//!
//! let graph = Graph::new(Config::new("contoso.example", "app id", Credential::Secret(secret)))?;
//! let mut pages = graph.pages(graph.get("/users").query("$select", "id,displayName"));
//! while let Some(page) = pages.next().await? {
//!     println!("{} users", page.items.len());
//! }
//! # Ok(()) }
//! ```

mod assertion;
mod batch;
mod budget;
pub mod certificate;
mod config;
mod download;
mod endpoint;
mod error;
mod exchange;
mod pages;
pub mod permissions;
mod request;
mod retry;
mod stats;
mod token;
mod upload;

pub use batch::{BatchAnswer, BatchPart};
pub use config::{Config, Credential, Sleep};
pub use download::Download;
pub use endpoint::segment;
pub use error::{Answer, BoxError, Error, Kind, Result, SignIn};
pub use exchange::Graph;
pub use pages::{Page, Pages};
pub use request::Request;
pub use stats::Stats;

pub use http::Method;
