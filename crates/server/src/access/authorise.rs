//! Whether somebody may do something: a pure function of who he is, the right, and the target.

use std::collections::BTreeSet;
use std::fmt;

use holdfast_catalog::ResourceFilter;
use holdfast_model::{Grant, ResourceId, Scope, UserId, Workload};

use super::Right;

/// Somebody who is in: a user, or a token of his.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// His name at sign-in.
    pub name: String,
    /// What he may do now; read anew for each request.
    pub grants: Vec<Grant>,
    /// Where a token acts for him: what it is limited to.
    pub token: Option<TokenLimit>,
}

/// What a token is limited to, whatever its maker may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLimit {
    /// Id of the token.
    pub id: String,
    /// Its rights.
    pub rights: BTreeSet<Right>,
    /// Where they count.
    pub scope: Scope,
}

/// What is acted on.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Whatever the scope permits: a list or search that shows no more ([`visible`]).
    Anywhere,
    /// The installation as a whole: users, vaults, settings. Only an unlimited scope reaches it.
    Installation,
    /// All of a tenant, by our name.
    Tenant(&'a str),
    /// One resource.
    Resource {
        /// Its tenant, by our name.
        tenant: &'a str,
        /// Its workload.
        workload: Workload,
        /// Its id.
        id: &'a ResourceId,
    },
    /// A deletion that was asked for, on one resource.
    Deletion {
        /// Who asked for it; he cannot approve it.
        requested_by: &'a UserId,
        /// The tenant of the resource.
        tenant: &'a str,
        /// Its workload.
        workload: Workload,
        /// Its id.
        id: &'a ResourceId,
    },
}

impl Target<'_> {
    fn is_in(&self, scope: &Scope) -> bool {
        match *self {
            Self::Anywhere => true,
            Self::Installation => scope.is_all(),
            Self::Tenant(tenant) => scope.permits_tenant(tenant),
            Self::Resource { tenant, workload, id }
            | Self::Deletion { tenant, workload, id, .. } => scope.permits(tenant, workload, id),
        }
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The right in question.
    pub right: Right,
    /// Why.
    pub reason: Reason,
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No role of the user has the right.
    Role,
    /// A role has the right, but not there. Say "not found" to who may not know of the thing.
    Scope,
    /// The token does not have the right, or not there, or only people have it.
    Token,
    /// Nobody approves what he has asked for himself.
    OwnRequest,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = self.right;
        match self.reason {
            Reason::Role => write!(f, "your roles do not have the right {right}"),
            Reason::Scope => write!(f, "your right {right} does not reach there"),
            Reason::Token => write!(f, "the token does not have the right {right} there"),
            Reason::OwnRequest => write!(f, "what you asked for is approved by somebody else"),
        }
    }
}

impl std::error::Error for Denied {}

/// Says whether a principal has a right on a target, and if not, why.
///
/// # Errors
/// [`Denied`] with the first reason that applies.
pub fn authorise(who: &Principal, right: Right, target: &Target<'_>) -> Result<(), Denied> {
    let denied = |reason| Err(Denied { right, reason });
    if !who.scopes(right).any(|_| true) {
        return denied(Reason::Role);
    }
    if !who.scopes(right).any(|scope| target.is_in(scope)) {
        return denied(Reason::Scope);
    }
    if who.token.as_ref().is_some_and(|token| !token.permits(right) || !target.is_in(&token.scope))
    {
        return denied(Reason::Token);
    }
    match target {
        Target::Deletion { requested_by, .. }
            if right == Right::ApproveDeletion && **requested_by == who.user =>
        {
            denied(Reason::OwnRequest)
        }
        _ => Ok(()),
    }
}

/// What lists, counts and searches may show to a principal by a right: what [`authorise`] would
/// permit resource by resource.
pub fn visible(who: &Principal, right: Right) -> ResourceFilter {
    let scopes = match &who.token {
        None => who.scopes(right).cloned().collect(),
        Some(token) if token.permits(right) => {
            who.scopes(right).map(|scope| scope.and(&token.scope)).collect()
        }
        Some(_) => Vec::new(),
    };
    ResourceFilter::new(scopes)
}

impl Principal {
    fn scopes(&self, right: Right) -> impl Iterator<Item = &Scope> {
        self.grants.iter().filter(move |grant| right.is_of(grant.role)).map(|grant| &grant.scope)
    }

    /// True where a token with this right and scope could do no more than the principal.
    pub(super) fn covers(&self, right: Right, scope: &Scope) -> bool {
        self.scopes(right).any(|own| scope.is_within(own))
    }
}

impl TokenLimit {
    fn permits(&self, right: Right) -> bool {
        self.rights.contains(&right) && !right.needs_person()
    }
}
