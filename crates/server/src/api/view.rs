//! The plain types of answers: what the API gives and the command line shows.

mod access;
mod item;
mod overview;
mod protect;
mod system;
mod work;

pub(in crate::api) use access::factor_names;
pub use access::{
    Enrolment, GrantView, Invited, LimitView, Made, Me, PasskeyView, RecoveryCodes, RoleView,
    ScopeView, SessionView, SignedInView, TokenView, UserView,
};
pub use item::{
    AttachmentView, ChangeView, DiffView, EntryView, HistoryView, HitView, PersonView, PreviewView,
    StoredVersionView, VersionView,
};
pub use overview::{DayView, OverviewView, StandingsView};
pub use protect::{
    AttainedView, PermissionView, RegistrationView, ResourceView, ScheduleSetView, ScheduleView,
    SnapshotView, TenantView, TestedView, VaultView,
};
pub use system::{
    AddedVaultView, AuditEntry, Event, FaultView, FindingView, KitProof, PartView, Ready,
    ResumedView, SystemView, VerificationView,
};
pub use work::{JobDetailView, JobView, StepView, Submitted};
