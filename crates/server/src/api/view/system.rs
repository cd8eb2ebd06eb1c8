//! The installation itself: state, health, audit.

use holdfast_engine::AddedVault;
use holdfast_engine::audit::{Fault, Resumed, Verification};
use holdfast_engine::doctor::Finding;
use holdfast_model::Timestamp;
use holdfast_model::audit::Entry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How the installation stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SystemView {
    /// Version of Holdfast.
    pub version: String,
    /// When this process began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// The catalog's database: `sqlite`, `postgresql`.
    pub catalog: String,
    /// Tenants that there are.
    pub tenants: u64,
    /// Resources that there are.
    pub resources: u64,
    /// Jobs that wait or run.
    pub jobs: u64,
}

/// A part on which answers depend.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    /// Which: `catalog`, `vault NAME`.
    pub part: String,
    /// It answers.
    pub ok: bool,
}

/// What became of a vault that was to be added.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AddedVaultView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub location: String,
    /// False where it was there already and is attached.
    pub created: bool,
    /// The writing credentials may delete.
    pub writer_removes: bool,
    /// The maintenance credentials may delete; absent where there are no others.
    pub maintenance_removes: Option<bool>,
}

impl From<AddedVault> for AddedVaultView {
    fn from(added: AddedVault) -> Self {
        Self {
            id: added.id,
            name: added.name,
            location: added.location,
            created: added.created,
            writer_removes: added.writer_removes,
            maintenance_removes: added.maintenance_removes,
        }
    }
}

/// Whether a recovery kit opens a vault.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct KitProof {
    /// It does, as the vault lies in its storage.
    pub proven: bool,
}

/// Whether the server can do its work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// All parts answer.
    pub ok: bool,
    /// The parts.
    pub parts: Vec<PartView>,
}

/// Something that was checked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// What was checked.
    pub subject: String,
    /// It is as it should be.
    pub ok: bool,
    /// What was found, and what to do.
    pub detail: String,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self { subject: finding.subject, ok: finding.ok, detail: finding.detail }
    }
}

/// An entry of the audit record (`docs/audit.md`).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place: 1, 2, 3 … without gap.
    pub number: u64,
    /// When; absent where it was tampered with and is no time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub time: Option<Timestamp>,
    /// What kind of somebody.
    pub actor_kind: String,
    /// Id of who did it.
    pub actor_id: String,
    /// Name of who did it.
    pub actor_name: String,
    /// From where.
    pub from: String,
    /// What.
    pub action: String,
    /// What came of it.
    pub outcome: String,
    /// Why it was refused or failed.
    pub cause: String,
    /// The entry with which the act began; 0 for none.
    pub ends: u64,
    /// Whose data: the tenant.
    pub tenant: String,
    /// Whose data: the resources.
    #[schema(value_type = Vec<String>)]
    pub resources: Value,
    /// Which items.
    #[schema(value_type = Vec<String>)]
    pub items: Value,
    /// What else matters.
    #[schema(value_type = Object)]
    pub details: Value,
    /// Hash of the entry, hexadecimal.
    pub hash: String,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        // One that was tampered with is shown as it is.
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Self {
            number: entry.number,
            time: Timestamp::from_millisecond(entry.time).ok(),
            resources: parsed(&entry.resources),
            items: parsed(&entry.items),
            details: parsed(&entry.details),
            actor_kind: entry.actor_kind,
            actor_id: entry.actor_id,
            actor_name: entry.actor_name,
            from: entry.from,
            action: entry.action,
            outcome: entry.outcome,
            cause: entry.cause,
            ends: entry.ends,
            tenant: entry.tenant,
            hash: entry.hash,
        }
    }
}

/// What verifying the audit record found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerificationView {
    /// Nothing is wrong.
    pub ok: bool,
    /// Entries that were read.
    pub entries: u64,
    /// Number of the last one.
    pub last: u64,
    /// Signed heads that were compared.
    pub heads: u64,
    /// The last entry that a head in the vault vouches for.
    pub signed_up_to: u64,
    /// Public half of the key, hexadecimal.
    pub public_key: String,
    /// The first entry that is wrong.
    pub first_fault: Option<u64>,
    /// How many faults there are.
    pub faults_in_all: u64,
    /// The first of them.
    pub faults: Vec<FaultView>,
    /// Where entries were lost with the catalog, as the record itself says. No fault.
    pub resumed: Vec<ResumedView>,
    /// How many acts began and have no end: running, or cut off. No fault.
    pub open_in_all: u64,
    /// The first of them.
    pub open: Vec<u64>,
}

/// Something that is wrong with the audit record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultView {
    /// The first number that is wrong.
    pub number: u64,
    /// Why: `changed`, `missing`, `reordered`, `not_signed`, `appended`, `rewritten`,
    /// `older_than_head`, `forged_head`.
    pub kind: String,
    /// A sentence.
    pub detail: String,
}

impl From<Fault> for FaultView {
    fn from(fault: Fault) -> Self {
        let kind = serde_json::to_value(fault.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().to_owned();
        Self { number: fault.number, kind, detail: fault.detail }
    }
}

/// A place where the audit record went on after entries were lost.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResumedView {
    /// The entry that says so.
    pub number: u64,
    /// The last entry before the loss that is here; 0 where none is.
    pub after: u64,
    /// How many entries are lost.
    pub missing: u64,
}

impl From<Resumed> for ResumedView {
    fn from(resumed: Resumed) -> Self {
        Self { number: resumed.number, after: resumed.after, missing: resumed.missing }
    }
}

impl From<Verification> for VerificationView {
    fn from(found: Verification) -> Self {
        Self {
            ok: found.ok,
            entries: found.entries,
            last: found.last,
            heads: found.heads,
            signed_up_to: found.signed_up_to,
            public_key: found.public_key,
            first_fault: found.first_fault,
            faults_in_all: found.faults_in_all,
            faults: found.faults.into_iter().map(FaultView::from).collect(),
            resumed: found.resumed.into_iter().map(ResumedView::from).collect(),
            open_in_all: found.open_in_all,
            open: found.open,
        }
    }
}

/// Something that has changed, as the stream of events tells it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job has changed.
    Job {
        /// The job.
        job: Box<super::JobView>,
    },
    /// Too much was missed: ask for the lists anew.
    Missed,
}
