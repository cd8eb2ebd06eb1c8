//! The server: who may come in and what he may do ([`access`]), what can be asked over HTTP
//! ([`api`]), and the process that answers, schedules and works ([`serve`]).

pub mod access;
#[allow(unused_qualifications, reason = "what utoipa's macros make")]
pub mod api;
mod certificate;
mod chores;
mod console;
mod error;
mod measure;
mod serve;

pub use error::{Error, Result};
pub use serve::{ServeOptions, Started, serve};
