//! The installation itself: state, health, audit.

use holdfast_engine::audit::Verification;
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
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
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
            time: Timestamp::from_millisecond(entry.time).unwrap_or(Timestamp::UNIX_EPOCH),
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
    /// The first entry that is wrong.
    pub first_fault: Option<u64>,
    /// What is wrong, in words, with the number of the entry in front.
    pub faults: Vec<String>,
}

impl From<Verification> for VerificationView {
    fn from(found: Verification) -> Self {
        let faults = found.faults.iter().map(|fault| format!("{}: {}", fault.number, fault.detail));
        Self {
            ok: found.ok,
            entries: found.entries,
            last: found.last,
            heads: found.heads,
            signed_up_to: found.signed_up_to,
            first_fault: found.first_fault,
            faults: faults.collect(),
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
