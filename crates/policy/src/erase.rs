//! Erasure of single items: what a request comes to.

use std::collections::BTreeMap;

use holdfast_model::{ResourceId, Timestamp};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::hold::cases_on;
use crate::plan::{DeletePlan, Erasure};

/// Digits of a short id.
const SHORT_ID: usize = 16;

/// A request to erase items of one resource from every snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Whose they are.
    pub resource: ResourceId,
    /// Short ids of the items (16 lower-case hexadecimal digits).
    pub items: Vec<String>,
    /// Why. It goes on record, so that it must name no person.
    pub reason: String,
}

impl From<&Erasure> for ErasureRequest {
    fn from(erasure: &Erasure) -> Self {
        Self {
            resource: erasure.resource.clone(),
            items: erasure.items.clone(),
            reason: erasure.reason.clone(),
        }
    }
}

/// What a request to erase comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErasureEvaluation {
    /// Snapshots in which the items may be found: all of the shard.
    pub snapshots: usize,
    /// The items are out of sight at once, but files that hold them are locked: the last of these
    /// locks that is known ends then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
    plan: DeletePlan,
}

impl ErasureEvaluation {
    /// What may be erased.
    pub fn plan(&self) -> &DeletePlan {
        &self.plan
    }

    /// The same alone.
    pub fn into_plan(self) -> DeletePlan {
        self.plan
    }
}

/// Looks at holds and locks and makes the plan of an erasure. Nothing is erased in part: one item
/// that must stay refuses the whole request.
///
/// # Errors
/// [`Error::Held`] with the cases that keep a resource; [`Error::UnknownResource`] where a
/// resource has no known place in the shard; [`Error::Invalid`] for no item, something that is no
/// short id, or no reason.
pub fn evaluate_erasure(facts: &Facts, requests: &[ErasureRequest]) -> Result<ErasureEvaluation> {
    if requests.is_empty() {
        return Err(Error::Invalid("name the items to erase".to_owned()));
    }
    let erasures = requests.iter().map(|request| erasure(facts, request));
    let erasures = merged(erasures.collect::<Result<_>>()?);
    let locks = facts.snapshots.iter().filter_map(|fact| fact.locked_until);
    Ok(ErasureEvaluation {
        snapshots: facts.snapshots.len(),
        waits_until: locks.filter(|until| *until > facts.now).max(),
        plan: DeletePlan::new(facts, Vec::new(), Vec::new(), erasures),
    })
}

fn erasure(facts: &Facts, request: &ErasureRequest) -> Result<Erasure> {
    let resource = request.resource.clone();
    let cases = cases_on(&facts.holds, &resource);
    if !cases.is_empty() {
        return Err(Error::Held { resource, cases });
    }
    let known = facts.resources.iter().find(|fact| fact.id == resource);
    // An empty path would be the root of everybody.
    let path = known.and_then(|fact| fact.path.clone()).filter(|path| !path.is_empty());
    let Some(path) = path else {
        return Err(Error::UnknownResource { resource, shard: facts.shard });
    };
    if request.items.is_empty() {
        return Err(Error::Invalid("name the items to erase".to_owned()));
    }
    if let Some(item) = request.items.iter().find(|item| !is_short_id(item)) {
        return Err(Error::Invalid(format!("'{item}' is no short id of an item")));
    }
    if request.reason.trim().is_empty() {
        return Err(Error::Invalid("an erasure needs a reason".to_owned()));
    }
    let (items, reason) = (request.items.clone(), request.reason.clone());
    Ok(Erasure { resource, path, items, reason })
}

/// One entry per resource and reason, its items sorted.
fn merged(erasures: Vec<Erasure>) -> Vec<Erasure> {
    let mut merged = BTreeMap::new();
    for Erasure { resource, path, items, reason } in erasures {
        merged.entry((resource, path, reason)).or_insert_with(Vec::new).extend(items);
    }
    let sorted = merged.into_iter().map(|((resource, path, reason), mut items)| {
        items.sort();
        items.dedup();
        Erasure { resource, path, items, reason }
    });
    sorted.collect()
}

fn is_short_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == SHORT_ID && text.bytes().all(digit)
}
