//! The application permissions that Holdfast needs: the one table, from which `tenant
//! permissions`, `tenant test` and the page `docs/microsoft-365.md` are made.
//!
//! Names and sufficiency: Microsoft's permission data of 2026-08-07 (`x-permissions` of the Graph
//! contract that the tests read).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What a registration is for. Backup and restore may use two registrations, so that the one that
/// can write is disabled between restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Reading mailboxes, OneDrive and document libraries.
    Backup,
    /// Writing into mailboxes, OneDrive and document libraries.
    Restore,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        })
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "backup" => Ok(Self::Backup),
            "restore" => Ok(Self::Restore),
            other => Err(format!("unknown feature '{other}': use backup or restore")),
        }
    }
}

/// One application permission (app role of Microsoft Graph) that a feature needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// Name as the Entra portal and the `roles` claim spell it.
    pub name: &'static str,
    /// The feature that needs it.
    pub feature: Feature,
    /// Why it is needed, one sentence.
    pub reason: &'static str,
    /// The calls that need it, as in the Graph contract.
    pub needed_for: &'static [&'static str],
    /// Wider permissions that also do. Whoever has one lacks nothing, but has more than needed.
    pub instead: &'static [&'static str],
}

/// Every permission that Holdfast asks for. The least that serves, by Microsoft's data.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        name: "User.ReadBasic.All",
        feature: Feature::Backup,
        reason: "finds the users whose mailboxes and drives are protected (name and address, nothing else)",
        needed_for: &["GET /users", "GET /users/{user-id}"],
        instead: &["User.Read.All", "Directory.Read.All", "User.ReadWrite.All"],
    },
    Permission {
        name: "Mail.Read",
        feature: Feature::Backup,
        reason: "reads folders, messages and attachments of every mailbox in its scope",
        needed_for: &[
            "GET /users/{user-id}/mailFolders",
            "GET /users/{user-id}/mailFolders/delta()",
            "GET /users/{user-id}/mailFolders/{mailFolder-id}/messages/delta()",
            "GET /users/{user-id}/messages/{message-id}",
            "GET /users/{user-id}/messages/{message-id}/$value",
            "GET /users/{user-id}/messages/{message-id}/attachments",
        ],
        instead: &[],
    },
    Permission {
        name: "Files.Read.All",
        feature: Feature::Backup,
        reason: "OneDrive and document libraries: reads folders, files, versions and sharing",
        needed_for: &[
            "GET /users/{user-id}/drive",
            "GET /users/{user-id}/drives",
            "GET /drives/{drive-id}",
            "GET /drives/{drive-id}/items/{driveItem-id}",
            "GET /drives/{drive-id}/items/{driveItem-id}/delta()",
            "GET /drives/{drive-id}/items/{driveItem-id}/content",
            "GET /drives/{drive-id}/items/{driveItem-id}/versions",
            "GET /drives/{drive-id}/items/{driveItem-id}/versions/{driveItemVersion-id}/content",
            "GET /drives/{drive-id}/items/{driveItem-id}/permissions",
        ],
        instead: &["Files.ReadWrite.All"],
    },
    Permission {
        name: "Sites.Read.All",
        feature: Feature::Backup,
        reason: "OneDrive and document libraries: finds the sites, and reads the columns of their items",
        needed_for: &[
            "GET /sites/getAllSites()",
            "GET /sites/{site-id}",
            "GET /sites/{site-id}/drives",
            "GET /sites/{site-id}/lists",
            "GET /sites/{site-id}/lists/{list-id}/columns",
            "GET /sites/{site-id}/lists/{list-id}/items",
            "GET /sites/{site-id}/lists/{list-id}/items/delta()",
        ],
        instead: &["Sites.ReadWrite.All"],
    },
    Permission {
        name: "User.ReadBasic.All",
        feature: Feature::Restore,
        reason: "finds the user into whose mailbox or drive is restored",
        needed_for: &["GET /users", "GET /users/{user-id}"],
        instead: &["User.Read.All", "Directory.Read.All", "User.ReadWrite.All"],
    },
    Permission {
        name: "Mail.Read",
        feature: Feature::Restore,
        reason: "reads back what was written, to compare it with the backup",
        needed_for: &[
            "GET /users/{user-id}/messages/{message-id}",
            "GET /users/{user-id}/messages/{message-id}/attachments",
        ],
        instead: &[],
    },
    Permission {
        name: "Mail.ReadWrite",
        feature: Feature::Restore,
        reason: "creates folders, messages and attachments; without it no mail can be restored",
        needed_for: &[
            "POST /users/{user-id}/mailFolders",
            "POST /users/{user-id}/mailFolders/{mailFolder-id}/messages",
            "PATCH /users/{user-id}/messages/{message-id}",
            "DELETE /users/{user-id}/messages/{message-id}",
            "POST /users/{user-id}/messages/{message-id}/attachments",
            "POST /users/{user-id}/messages/{message-id}/attachments/createUploadSession",
        ],
        instead: &[],
    },
    Permission {
        name: "Files.ReadWrite.All",
        feature: Feature::Restore,
        reason: "OneDrive and document libraries: creates folders and files, and shares them again",
        needed_for: &[
            "GET /drives/{drive-id}/items/{driveItem-id}",
            "GET /drives/{drive-id}/items/{driveItem-id}/children",
            "GET /drives/{drive-id}/items/{driveItem-id}/content",
            "POST /drives/{drive-id}/items/{driveItem-id}/children",
            "PUT /drives/{drive-id}/items/{driveItem-id}/content",
            "PATCH /drives/{drive-id}/items/{driveItem-id}",
            "DELETE /drives/{drive-id}/items/{driveItem-id}",
            "POST /drives/{drive-id}/items/{driveItem-id}/invite",
            "POST /drives/{drive-id}/items/{driveItem-id}/createLink",
        ],
        instead: &[],
    },
    Permission {
        name: "Sites.ReadWrite.All",
        feature: Feature::Restore,
        reason: "OneDrive and document libraries: uploads large files, and writes columns of items",
        needed_for: &[
            "GET /sites/{site-id}",
            "GET /sites/{site-id}/drives",
            "POST /drives/{drive-id}/items/{driveItem-id}/createUploadSession",
            "PATCH /sites/{site-id}/lists/{list-id}/items/{listItem-id}/fields",
        ],
        instead: &[],
    },
];

/// What a registration has, held against what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PermissionReport {
    /// Needed and not granted, in the order of the table.
    pub missing: Vec<&'static Permission>,
    /// Granted and not needed for these features; to be withdrawn.
    pub excess: Vec<String>,
}

/// Compares the granted roles with what the features need. Names compare without case.
pub fn compare(granted: &[String], features: &[Feature]) -> PermissionReport {
    let needed = || PERMISSIONS.iter().filter(|p| features.contains(&p.feature));
    let has = |name: &str| granted.iter().any(|own| own.eq_ignore_ascii_case(name));
    let mut missing: Vec<&'static Permission> = Vec::new();
    for permission in needed() {
        let enough = has(permission.name) || permission.instead.iter().any(|wider| has(wider));
        if !enough && missing.iter().all(|known| known.name != permission.name) {
            missing.push(permission);
        }
    }
    let asked = |own: &str| needed().any(|p| p.name.eq_ignore_ascii_case(own));
    let excess = granted.iter().filter(|own| !asked(own)).cloned().collect();
    PermissionReport { missing, excess }
}
