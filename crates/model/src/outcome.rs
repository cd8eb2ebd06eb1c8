use std::fmt;

use serde::{Deserialize, Serialize};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that could be read was stored (or written back); skips with a known cause are
    /// allowed.
    Complete,
    /// Some items or resources failed; their last good version was kept.
    Partial,
    /// Nothing was stored (or written back).
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
        })
    }
}

/// Why an item or a resource was left out on purpose. The list is closed: anything else is a
/// failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipCause {
    /// Listed by the delta query, then answered `ErrorItemNotFound`: deleted while the run was
    /// under way (alcionai/corso#2198).
    DeletedInFlight,
    /// `ErrorCorruptData`, or a conversion that fails for the message *and* for its metadata
    /// (alcionai/corso#5191, docs-contrib#7758).
    CorruptInService,
    /// `ErrorInvalidRecipients` on reading (seen by corso).
    InvalidRecipients,
    /// `MailboxNotEnabledForRESTAPI`: guest, on-premises, unlicensed or soft-deleted mailbox
    /// (docs-contrib#405, #6519).
    NoMailbox,
    /// `mysite not found`, or a site without document libraries: there is no drive (seen by corso).
    NoDrive,
    /// `malwareDetected`: Microsoft's scan found malware in the file, and v1.0 of Graph does not
    /// give it out (rclone#9656).
    Malware,
    /// A file of a OneNote notebook that the service does not give out: 503 or 404, above 2 GB
    /// always (alcionai/corso#2910, #4437).
    Notebook,
    /// `resourceLocked` (423), or an account whose subscription has lapsed (seen by corso).
    Locked,
    /// The file has been checked out since it was made and never checked in: only its author can
    /// read it ("Check out, check in, or discard changes", Microsoft support).
    NeverCheckedIn,
}

impl SkipCause {
    /// A sentence for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::DeletedInFlight => "deleted in the mailbox while the backup was running",
            Self::CorruptInService => "damaged in Microsoft's store: Graph cannot read it",
            Self::InvalidRecipients => "Graph refuses to show it because of its recipients",
            Self::NoDrive => "there is no OneDrive or document library",
            Self::Malware => "Microsoft found malware in it and does not give it out",
            Self::Notebook => "a OneNote file that Graph does not give out",
            Self::Locked => "locked by the service or by its administrator",
            Self::NeverCheckedIn => "checked out and never checked in: only its author can read it",
            Self::NoMailbox => {
                "the user has no mailbox in Exchange Online (no licence, guest, on-premises)"
            }
        }
    }
}

impl fmt::Display for SkipCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeletedInFlight => "deleted_in_flight",
            Self::CorruptInService => "corrupt_in_service",
            Self::InvalidRecipients => "invalid_recipients",
            Self::NoMailbox => "no_mailbox",
            Self::NoDrive => "no_drive",
            Self::Malware => "malware",
            Self::Notebook => "notebook",
            Self::Locked => "locked",
            Self::NeverCheckedIn => "never_checked_in",
        })
    }
}

/// Item counts of a backup run, the figures that `backup --json` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Items stored for the first time.
    pub items_new: u64,
    /// Items whose metadata, place or content changed.
    pub items_changed: u64,
    /// Items that are gone from the service.
    pub items_deleted: u64,
    /// Items that could not be read; the last good version was kept.
    pub items_failed: u64,
    /// Items left out for a [`SkipCause`].
    pub items_skipped: u64,
    /// Content bytes received from the service.
    pub bytes: u64,
}

impl Counts {
    /// Adds the figures of another part of the same run.
    pub fn add(&mut self, other: &Self) {
        self.items_new += other.items_new;
        self.items_changed += other.items_changed;
        self.items_deleted += other.items_deleted;
        self.items_failed += other.items_failed;
        self.items_skipped += other.items_skipped;
        self.bytes += other.bytes;
    }

    /// True when the run found no difference at all.
    pub fn is_idle(&self) -> bool {
        self.items_new + self.items_changed + self.items_deleted + self.items_failed == 0
    }
}
