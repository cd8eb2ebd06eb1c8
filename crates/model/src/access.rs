//! Who may do what on whose data: roles, and the scope in which a role counts.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ResourceId, Workload};

/// What somebody is here for. The rights of each are one table in `server/src/access/right.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sets the installation up; may do everything.
    Administrator,
    /// Keeps backups running; sees no content.
    Operator,
    /// Brings data back.
    RestoreOperator,
    /// Decides what is kept and what goes; searches and exports.
    ComplianceOfficer,
    /// Reads reports and the audit; sees no content.
    Auditor,
    /// Sees how things stand.
    ReadOnly,
}

impl Role {
    /// All roles, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Administrator,
        Self::Operator,
        Self::RestoreOperator,
        Self::ComplianceOfficer,
        Self::Auditor,
        Self::ReadOnly,
    ];

    /// The name in records, in the API and in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::RestoreOperator => "restore_operator",
            Self::ComplianceOfficer => "compliance_officer",
            Self::Auditor => "auditor",
            Self::ReadOnly => "read_only",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == name);
        found.ok_or_else(|| format!("unknown role '{name}'"))
    }
}

/// All things of a kind, or a set of them. What is left out in a record is an error, never "all".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit<T: Ord> {
    /// All there are and will be.
    All,
    /// These; none where the set is empty.
    Only(BTreeSet<T>),
}

impl<T: Ord + Clone> Limit<T> {
    /// Only these.
    pub fn only(things: impl IntoIterator<Item = T>) -> Self {
        Self::Only(things.into_iter().collect())
    }

    /// True for what is among them.
    pub fn permits(&self, thing: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only(things) => things.contains(thing),
        }
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, limit) | (limit, Self::All) => limit.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(a & b),
        }
    }

    /// True where nothing is permitted that `wider` does not permit.
    pub fn is_within(&self, wider: &Self) -> bool {
        match (self, wider) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(a), Self::Only(b)) => a.is_subset(b),
        }
    }

    /// The set; `None` for all.
    pub fn set(&self) -> Option<&BTreeSet<T>> {
        match self {
            Self::All => None,
            Self::Only(things) => Some(things),
        }
    }
}

/// Whose data: a resource is in the scope where its tenant, its workload and itself are.
///
/// A field that this version does not know makes a record unreadable: it might narrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Tenants by our name.
    pub tenants: Limit<String>,
    /// Workloads.
    pub workloads: Limit<Workload>,
    /// Resources; a person's are `exchange/<id>` and `onedrive/<id>`.
    pub resources: Limit<ResourceId>,
}

impl Scope {
    /// Everything.
    pub const ALL: Self =
        Self { tenants: Limit::All, workloads: Limit::All, resources: Limit::All };

    /// True where a resource is in the scope.
    pub fn permits(&self, tenant: &str, workload: Workload, resource: &ResourceId) -> bool {
        self.tenants.permits(&tenant.to_owned())
            && self.workloads.permits(&workload)
            && self.resources.permits(resource)
    }

    /// True where everything of a tenant is in the scope, also what will be there.
    pub fn permits_tenant(&self, tenant: &str) -> bool {
        self.tenants.permits(&tenant.to_owned())
            && self.workloads == Limit::All
            && self.resources == Limit::All
    }

    /// True where everything is in the scope.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        Self {
            tenants: self.tenants.and(&other.tenants),
            workloads: self.workloads.and(&other.workloads),
            resources: self.resources.and(&other.resources),
        }
    }

    /// True where nothing is permitted that `wider` does not permit.
    pub fn is_within(&self, wider: &Self) -> bool {
        self.tenants.is_within(&wider.tenants)
            && self.workloads.is_within(&wider.workloads)
            && self.resources.is_within(&wider.resources)
    }
}

/// A role in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where it counts.
    pub scope: Scope,
}

impl Grant {
    /// A role for everything.
    pub fn everywhere(role: Role) -> Self {
        Self { role, scope: Scope::ALL }
    }

    /// True for somebody who can repair everything, users among it.
    pub fn is_full_administrator(&self) -> bool {
        self.role == Role::Administrator && self.scope.is_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(tenants: Limit<String>) -> Scope {
        Scope { tenants, ..Scope::ALL }
    }

    #[test]
    fn a_resource_needs_all_three() {
        let ada = ResourceId("exchange/ada".into());
        let narrow = Scope {
            tenants: Limit::only(["contoso".to_owned()]),
            workloads: Limit::only([Workload::Exchange]),
            resources: Limit::only([ada.clone()]),
        };
        assert!(narrow.permits("contoso", Workload::Exchange, &ada));
        assert!(!narrow.permits("fabrikam", Workload::Exchange, &ada));
        assert!(!narrow.permits("contoso", Workload::OneDrive, &ada));
        assert!(!narrow.permits("contoso", Workload::Exchange, &ResourceId("exchange/bob".into())));
        assert!(!narrow.permits_tenant("contoso"), "there is more in the tenant");
        assert!(scope(Limit::only(["contoso".to_owned()])).permits_tenant("contoso"));
    }

    #[test]
    fn a_record_must_say_what_it_permits() {
        let text = serde_json::to_string(&scope(Limit::only([]))).unwrap();
        assert_eq!(text, r#"{"tenants":{"only":[]},"workloads":"all","resources":"all"}"#);
        let missing = r#"{"tenants":"all","workloads":"all"}"#;
        assert!(serde_json::from_str::<Scope>(missing).is_err());
        let unknown = r#"{"tenants":"all","workloads":"all","resources":"all","groups":["hr"]}"#;
        assert!(serde_json::from_str::<Scope>(unknown).is_err());
    }

    #[test]
    fn roles_come_back_by_name() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }
}
