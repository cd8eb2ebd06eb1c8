//! What may be deleted, and why: retention, holds and locks as pure functions; and when what is
//! read: [`Schedule`].
//!
//! [`evaluate`] looks at the [`Facts`] of one shard and at [`Rules`], and gives every snapshot a
//! [`Verdict`] with its reasons, for people and as JSON. [`evaluate_erasure`] does the same for
//! single items. Both are the only makers of a [`DeletePlan`], without which the vault deletes
//! nothing; its fields are private, so a deletion that skipped the policy does not compile:
//!
//! ```compile_fail,E0451
//! use holdfast_model::{ShardId, Timestamp};
//! use holdfast_policy::DeletePlan;
//!
//! let plan = DeletePlan {
//!     vault: "v".to_owned(),
//!     shard: ShardId(1),
//!     made: Timestamp::UNIX_EPOCH,
//!     snapshots: Vec::new(),
//!     held: Vec::new(),
//!     erasures: Vec::new(),
//! };
//! ```
//!
//! A plan can be stored, for approval, but a stored plan is not a plan:
//!
//! ```compile_fail,E0277
//! let plan: holdfast_policy::DeletePlan = serde_json::from_str("{}").unwrap();
//! ```
//!
//! It is read as a [`StoredPlan`] and evaluated again by [`DeletePlan::again`], by which it can
//! only shrink. The crate does no I/O and has no clock: the present is one of the facts.

mod erase;
mod error;
mod evaluate;
mod facts;
mod history;
mod hold;
mod plan;
mod rule;
mod schedule;

pub use erase::{ErasureEvaluation, ErasureRequest, evaluate_erasure};
pub use error::{Error, ErrorKind, Result};
pub use evaluate::{Evaluation, ForgetReason, Judged, KeepReason, Verdict, evaluate};
pub use facts::{Facts, ResourceFact, SnapshotFact, SnapshotKind, Standing};
pub use hold::{Hold, HoldScope, cases_on};
pub use plan::{DeletePlan, Erasure, HeldResource, PlannedSnapshot, StoredPlan};
pub use rule::{KeepRule, Period, Rules};
pub use schedule::{
    DEFAULT_SCHEDULE, Due, Hours, Objective, Pace, Schedule, Select, Stand, choose,
};
