//! What can be done, and by whom: the one table of rights × roles (`docs/access.md` shows it).

use std::fmt;
use std::str::FromStr;

use holdfast_model::Role;
use serde::{Deserialize, Serialize};

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// One thing that can be done. Closed: a new one needs its line in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Right {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)*
        }

        impl Right {
            /// All rights, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in tokens, in the API and in the audit.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

rights! {
    /// See what is protected and how its backups stand.
    ViewResources = "view_resources",
    /// See jobs and their history.
    ViewJobs = "view_jobs",
    /// See reports.
    ViewReports = "view_reports",
    /// See the state of the installation: health, versions, storage.
    ViewSystem = "view_system",
    /// Start backups.
    RunBackups = "run_backups",
    /// Pause, resume and cancel jobs.
    ManageJobs = "manage_jobs",
    /// Set when backups run and how old data may be.
    ManageSchedules = "manage_schedules",
    /// Check, repair and compact vaults as the policies say.
    RunMaintenance = "run_maintenance",
    /// Take the support bundle.
    TakeSupportBundle = "take_support_bundle",
    /// List, open and compare items: names, subjects and what is in them.
    ReadContent = "read_content",
    /// Search what is in items.
    Search = "search",
    /// Bring items back.
    Restore = "restore",
    /// Take items out as files.
    Export = "export",
    /// Set what is kept and for how long.
    ManagePolicies = "manage_policies",
    /// Place and release holds.
    PlaceHolds = "place_holds",
    /// Ask for the deletion of items.
    RequestDeletion = "request_deletion",
    /// Approve a deletion that somebody else has asked for.
    ApproveDeletion = "approve_deletion",
    /// Read, verify and export the audit.
    ViewAudit = "view_audit",
    /// Add, change and remove tenants and their credentials.
    ManageTenants = "manage_tenants",
    /// Add vaults and change how they are stored and locked.
    ManageVaults = "manage_vaults",
    /// Take recovery kits and passwords of repositories.
    TakeKeys = "take_keys",
    /// Invite, change and remove users; end their sessions and tokens.
    ManageUsers = "manage_users",
}

impl Right {
    /// The roles that have it: the table.
    pub fn roles(self) -> &'static [Role] {
        use Role::{
            Administrator, Auditor, ComplianceOfficer, Operator, ReadOnly, RestoreOperator,
        };
        match self {
            Self::ViewResources | Self::ViewJobs | Self::ViewReports => &Role::ALL,
            Self::ViewSystem => &[Administrator, Operator, Auditor, ReadOnly],
            Self::RunBackups
            | Self::ManageJobs
            | Self::ManageSchedules
            | Self::RunMaintenance
            | Self::TakeSupportBundle => &[Administrator, Operator],
            Self::ReadContent | Self::Search | Self::Export => {
                &[Administrator, RestoreOperator, ComplianceOfficer]
            }
            Self::Restore => &[Administrator, RestoreOperator],
            Self::ManagePolicies
            | Self::PlaceHolds
            | Self::RequestDeletion
            | Self::ApproveDeletion => &[Administrator, ComplianceOfficer],
            Self::ViewAudit => &[Administrator, ComplianceOfficer, Auditor],
            Self::ManageTenants | Self::ManageVaults | Self::TakeKeys | Self::ManageUsers => {
                &[Administrator]
            }
        }
    }

    /// True where a role has it.
    pub fn is_of(self, role: Role) -> bool {
        self.roles().contains(&role)
    }

    /// True for what shows the content of items.
    pub fn shows_content(self) -> bool {
        matches!(self, Self::ReadContent | Self::Search | Self::Restore | Self::Export)
    }

    /// True for what a person does, with a fresh proof, and a token never: by it a token could give
    /// itself more than it has.
    pub fn needs_person(self) -> bool {
        matches!(self, Self::ApproveDeletion | Self::TakeKeys | Self::ManageUsers)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|right| right.as_str() == name);
        found.copied().ok_or_else(|| format!("unknown right '{name}'"))
    }
}
