//! The closed lists of words in an entry.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$item])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the record, in `--json` and in filters. It never changes.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|known| known.as_str() == word).copied();
                found.ok_or_else(|| format!("there is no '{word}' in the audit record"))
            }
        }
    };
}

words! {
    /// What kind of somebody acts.
    ActorKind {
        /// Holdfast itself: the scheduler, a worker.
        System = "system",
        /// A user of the operating system at the command line.
        CommandLine = "command_line",
        /// A signed-in user.
        User = "user",
        /// A program with an API token.
        ApiToken = "api_token",
        /// Somebody who did not say, or could not prove, who he is.
        Unknown = "unknown",
    }
}

words! {
    /// What somebody does. The list is closed: what is not on it is not done.
    Action {
        /// The chain goes on after entries were lost.
        ChainResume = "chain.resume",
        /// Making an installation.
        InstallationInit = "installation.init",
        /// Making an installation again from kit and store.
        InstallationRecover = "installation.recover",
        /// Checking an installation.
        InstallationCheck = "installation.check",
        /// Packing what helps support.
        SupportBundle = "installation.support_bundle",
        /// Starting the server.
        ServerStart = "server.start",
        /// Stopping the server.
        ServerStop = "server.stop",
        /// Connecting a tenant, or giving it new credentials.
        TenantAdd = "tenant.add",
        /// Listing tenants.
        TenantList = "tenant.list",
        /// Changing what is taken of a tenant.
        TenantChange = "tenant.change",
        /// Taking a tenant out.
        TenantRemove = "tenant.remove",
        /// Signing in to a tenant on trial.
        TenantTest = "tenant.test",
        /// Making a certificate for signing in.
        TenantCertificate = "tenant.certificate",
        /// Listing what is protected.
        ResourceList = "resource.list",
        /// Backing up.
        BackupRun = "backup.run",
        /// Listing snapshots.
        SnapshotList = "snapshot.list",
        /// Listing a folder, or the versions of a file.
        ItemList = "item.list",
        /// Reading an item.
        ItemRead = "item.read",
        /// Searching.
        ItemSearch = "item.search",
        /// Looking at the versions of an item.
        ItemHistory = "item.history",
        /// Comparing restore points.
        ItemDiff = "item.diff",
        /// Restoring.
        ItemRestore = "item.restore",
        /// Exporting.
        ItemExport = "item.export",
        /// Erasing.
        ItemErase = "item.erase",
        /// Making or attaching a vault, or using its storage in a new way.
        VaultAdd = "vault.add",
        /// Listing vaults.
        VaultList = "vault.list",
        /// Changing a passphrase.
        VaultRekey = "vault.rekey",
        /// Prolonging locks.
        VaultExtend = "vault.extend",
        /// Looking for damage.
        VaultCheck = "vault.check",
        /// Forgetting snapshots and removing data.
        VaultPrune = "vault.prune",
        /// Mending.
        VaultRepair = "vault.repair",
        /// Copying to a second vault.
        VaultCopy = "vault.copy",
        /// Looking at what a vault holds.
        VaultStats = "vault.stats",
        /// Showing the password of a shard.
        VaultPassword = "vault.password",
        /// Writing the recovery kit.
        VaultKit = "vault.kit",
        /// Placing a hold.
        HoldPlace = "hold.place",
        /// Releasing a hold.
        HoldRelease = "hold.release",
        /// Listing holds.
        HoldList = "hold.list",
        /// Making the catalog again.
        CatalogRebuild = "catalog.rebuild",
        /// Looking at the audit record.
        AuditList = "audit.list",
        /// Verifying the audit record.
        AuditVerify = "audit.verify",
        /// Writing the audit record to a file.
        AuditExport = "audit.export",
        /// Signing in, or trying to.
        SessionSignIn = "session.sign_in",
        /// Proving once more who one is, before a grave act.
        SessionStepUp = "session.step_up",
        /// Ending one's own session.
        SessionSignOut = "session.sign_out",
        /// Ending another session.
        SessionEnd = "session.end",
        /// Listing sessions.
        SessionList = "session.list",
        /// Making or inviting a user.
        UserAdd = "user.add",
        /// Changing a user: name, role, scope, password, second factor.
        UserChange = "user.change",
        /// Taking a user out.
        UserRemove = "user.remove",
        /// Listing users.
        UserList = "user.list",
        /// Making an API token.
        TokenAdd = "token.add",
        /// Revoking an API token.
        TokenRevoke = "token.revoke",
        /// Listing API tokens.
        TokenList = "token.list",
        /// Setting a policy or a schedule.
        PolicyChange = "policy.change",
        /// Looking at policies and schedules.
        PolicyList = "policy.list",
        /// Looking at jobs.
        JobList = "job.list",
        /// Pausing a job.
        JobPause = "job.pause",
        /// Resuming a job.
        JobResume = "job.resume",
        /// Cancelling a job.
        JobCancel = "job.cancel",
        /// Working on the queue of jobs.
        WorkerRun = "worker.run",
        /// Asking for something without having the right; the details say for what.
        AccessDenied = "access.denied",
    }
}

words! {
    /// What came of an act.
    Outcome {
        /// It begins. Another entry says how it ended; where there is none, it was cut off.
        Begun = "begun",
        /// It was done.
        Done = "done",
        /// Part of it failed.
        Partial = "partial",
        /// It was not allowed.
        Refused = "refused",
        /// It failed.
        Failed = "failed",
    }
}
