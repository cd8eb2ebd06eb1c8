//! Holds: what a case needs is kept, whatever the rules say.

use std::collections::BTreeSet;

use holdfast_model::ResourceId;
use serde::{Deserialize, Serialize};

/// A case keeps resources. Several cases may keep one; it is free when the last lets go.
///
/// A hold keeps versions of items, not snapshots: those are forgotten by the rules, and what a
/// hold keeps is linked into the newest one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Name of the case.
    pub case: String,
    /// What it keeps.
    pub resources: HoldScope,
}

/// What a hold keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldScope {
    /// Every resource.
    All,
    /// These.
    #[serde(rename = "only")]
    Resources(BTreeSet<ResourceId>),
}

impl Hold {
    /// Whether it keeps a resource.
    pub fn covers(&self, resource: &ResourceId) -> bool {
        match &self.resources {
            HoldScope::All => true,
            HoldScope::Resources(some) => some.contains(resource),
        }
    }
}

/// The cases that keep a resource, sorted, each once; none means that it is free.
pub fn cases_on(holds: &[Hold], resource: &ResourceId) -> Vec<String> {
    let covering = holds.iter().filter(|hold| hold.covers(resource));
    covering.map(|hold| hold.case.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}
