//! Goes through a record entry by entry and says what is wrong with it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use holdfast_model::audit::{Action, Entry, GENESIS, Outcome};
use holdfast_vault::audit_signature_holds;
use serde::Serialize;

/// Faults, and entries without end, that a report lists; it counts all.
const LISTED: usize = 100;

/// How far from its place an entry is looked for.
const MOVED: u64 = 1_000;

/// What is wrong with an entry, or with the record from an entry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The entry is not what was recorded.
    Changed,
    /// The entry is not there.
    Missing,
    /// An entry of another place stands here.
    Reordered,
    /// Somebody without the key of the vault added or rewrote the entry.
    NotSigned,
    /// The same behind the newest signed head.
    Appended,
    /// The entries are not those that a signed head in the vault stands for.
    Rewritten,
    /// The vault has a signed head of entries that the database does not have.
    OlderThanHead,
    /// A file among the heads in the vault is not signed with its key.
    ForgedHead,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The first number that is wrong.
    pub number: u64,
    /// Why.
    pub kind: FaultKind,
    /// A sentence.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.number, self.detail)
    }
}

/// A place where the record went on after entries were lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// The entry that says so.
    pub number: u64,
    /// The last entry before the loss that is here; 0 where none is.
    pub after: u64,
    /// How many entries are lost.
    pub missing: u64,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// True where no fault was found.
    pub ok: bool,
    /// Entries read.
    pub entries: u64,
    /// Number of the last one.
    pub last: u64,
    /// Heads compared.
    pub heads: u64,
    /// The newest entry that a signed head in the vault stands for; 0 where there is none.
    pub signed_up_to: u64,
    /// Public half of the key, hexadecimal: to be compared with what is known from elsewhere.
    pub public_key: String,
    /// The first fault by number.
    pub first_fault: Option<u64>,
    /// How many faults there are.
    pub faults_in_all: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// Where entries were lost with the catalog, as the record itself says. No fault.
    pub resumed: Vec<Resumed>,
    /// How many acts began and have no end: running, or cut off. No fault.
    pub open_in_all: u64,
    /// The first of them.
    pub open: Vec<u64>,
}

impl Verification {
    pub(super) fn fault(&mut self, number: u64, kind: FaultKind, detail: String) {
        self.faults_in_all += 1;
        self.faults.push(Fault { number, kind, detail });
        if self.faults.len() > 2 * LISTED {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.faults.sort_by_key(|fault| (fault.number, fault.kind));
        self.faults.truncate(LISTED);
    }

    pub(super) fn close(mut self) -> Self {
        self.trim();
        self.ok = self.faults_in_all == 0;
        self.first_fault = self.faults.first().map(|fault| fault.number);
        self
    }
}

/// What a head says of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub number: u64,
    pub hash: String,
}

/// Takes the entries in the order in which they are kept.
pub(super) struct Checker {
    public: [u8; 32],
    /// Those that are still to come.
    claims: VecDeque<Claim>,
    pub(super) agreeing: Vec<Claim>,
    pub(super) contradicted: Vec<Claim>,
    last: u64,
    last_hash: String,
    /// The entry before has a fault that explains why this one does not follow it.
    is_broken: bool,
    open: BTreeSet<u64>,
    /// Faults of the signature: what they are called depends on where the signed part ends.
    unsigned: Vec<u64>,
    unsigned_in_all: u64,
    pub(super) report: Verification,
}

impl Checker {
    /// `claims` in the order of their numbers.
    pub(super) fn new(public: [u8; 32], claims: impl IntoIterator<Item = Claim>) -> Self {
        Self {
            public,
            claims: claims.into_iter().collect(),
            agreeing: Vec::new(),
            contradicted: Vec::new(),
            last: 0,
            last_hash: GENESIS.to_owned(),
            is_broken: false,
            open: BTreeSet::new(),
            unsigned: Vec::new(),
            unsigned_in_all: 0,
            report: Verification { public_key: hex::encode(public), ..Verification::default() },
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the entry that must come next. Numbers come from outside: the last may be the
    /// highest there is.
    pub(super) fn next(&self) -> u64 {
        self.last.saturating_add(1)
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.report.entries += 1;
        let digest_holds = entry.digest() == entry.hash;
        let is_signed = self.is_signed(entry);
        let is_sound = digest_holds && is_signed;
        let resumed = if is_sound { self.resumed(entry) } else { None };
        let was_broken = self.is_broken;
        self.is_broken = !is_sound;
        if resumed.is_none() && !self.place(entry) {
            return;
        }
        if !digest_holds {
            self.altered(entry, is_signed);
        } else if !is_signed {
            self.unsigned_in_all += 1;
            if self.unsigned.len() < LISTED {
                self.unsigned.push(entry.number);
            }
        } else if resumed.is_none() && entry.previous != self.last_hash && !was_broken {
            let detail = format!("does not follow the entry that stands before it ({})", self.last);
            self.report.fault(entry.number, FaultKind::Reordered, detail);
        }
        self.report.resumed.extend(resumed);
        self.acts(entry);
        self.compare(entry);
        (self.last, self.last_hash) = (entry.number, entry.hash.clone());
    }

    /// Whether the entry stands where one may be expected; says so where entries are missing.
    fn place(&mut self, entry: &Entry) -> bool {
        let expected = self.next();
        if entry.number <= self.last {
            let detail = format!("stands behind entry {}", self.last);
            self.report.fault(entry.number, FaultKind::Reordered, detail);
            return false;
        }
        if entry.number > expected {
            self.missing(expected, entry.number - 1);
            // What follows a gap cannot follow what stands before it.
            self.last_hash.clone_from(&entry.previous);
        }
        true
    }

    fn missing(&mut self, from: u64, to: u64) {
        let detail = match to - from {
            0 => "is not there".to_owned(),
            _ => format!("is not there, nor are those up to {to}"),
        };
        self.report.fault(from, FaultKind::Missing, detail);
    }

    fn is_signed(&self, entry: &Entry) -> bool {
        let signature = hex::decode(&entry.signature).unwrap_or_default();
        audit_signature_holds(&self.public, &entry.statement(), &signature)
    }

    /// Its content does not go with its hash: it was moved here, or changed.
    fn altered(&mut self, entry: &Entry, is_signed: bool) {
        let near = entry.number.saturating_sub(MOVED)..=entry.number.saturating_add(MOVED);
        let fits = |number: &u64| Entry { number: *number, ..entry.clone() }.digest() == entry.hash;
        let few = self.report.faults.len() < LISTED;
        let (kind, detail) = match near.into_iter().find(|number| few && is_signed && fits(number))
        {
            Some(place) => (FaultKind::Reordered, format!("is what was recorded as entry {place}")),
            None => (FaultKind::Changed, "is not what was recorded".to_owned()),
        };
        self.report.fault(entry.number, kind, detail);
    }

    /// An entry that says, signed, that entries before it are lost.
    fn resumed(&self, entry: &Entry) -> Option<Resumed> {
        if entry.action != Action::ChainResume.as_str() {
            return None;
        }
        let number = |name| entry.detail(name)?.parse::<u64>().ok();
        let (after, head, missing) = (number("after")?, number("head_number")?, number("missing")?);
        let fits = after == self.last
            && entry.number == head.max(after).checked_add(1)?
            && entry.previous == entry.detail("head_hash")?;
        fits.then_some(Resumed { number: entry.number, after, missing })
    }

    /// A verification is not ended while it goes on, so none is counted.
    fn acts(&mut self, entry: &Entry) {
        if entry.outcome == Outcome::Begun.as_str() {
            if entry.action != Action::AuditVerify.as_str() {
                self.open.insert(entry.number);
            }
        } else {
            self.open.remove(&entry.ends);
        }
    }

    /// Compares with the heads up to this entry. Those of entries that are not there say nothing.
    fn compare(&mut self, entry: &Entry) {
        while let Some(claim) = self.claims.pop_front_if(|claim| claim.number <= entry.number) {
            if claim.number < entry.number {
                continue;
            }
            match claim.hash == entry.hash {
                true => self.agreeing.push(claim),
                false => self.contradicted.push(claim),
            }
        }
    }

    /// What is noted beside the entries as the end of the record.
    pub(super) fn noted_end(&mut self, number: u64, hash: &str) {
        let last = self.last;
        if number > last {
            self.missing(self.next(), number);
        } else if number < last {
            let detail = format!("was added: the record ends with entry {number}");
            self.report.fault(number.saturating_add(1), FaultKind::Appended, detail);
        } else if hash != self.last_hash && !self.is_broken {
            self.report.fault(last, FaultKind::Changed, "is not what was recorded last".to_owned());
        }
    }

    /// The heads of entries behind the last one.
    pub(super) fn ahead(&mut self) -> Vec<Claim> {
        self.claims.drain(..).collect()
    }

    /// Closes the report. `signed` are heads that hold and agree with the record, `contradicting`
    /// those that hold and do not, `ahead` is the newest that holds of those behind its end.
    pub(super) fn finish(
        mut self,
        signed: &BTreeSet<u64>,
        contradicting: &[Claim],
        ahead: Option<u64>,
    ) -> Verification {
        self.report.last = self.last;
        self.report.signed_up_to = signed.last().copied().unwrap_or(0);
        for Claim { number, .. } in contradicting {
            let proven = signed.range(..number).next_back().copied().unwrap_or(0);
            let detail = format!("up to entry {number} the record is not the one that was signed");
            self.report.fault(proven.saturating_add(1), FaultKind::Rewritten, detail);
        }
        if let Some(number) = ahead {
            let detail = format!(
                "is not there: the database is older than head {number} of the vault, or was cut off"
            );
            self.report.fault(self.next(), FaultKind::OlderThanHead, detail);
        }
        let newest = contradicting.last().map(|claim| claim.number).max(ahead);
        self.name_unsigned(self.report.signed_up_to.max(newest.unwrap_or(0)));
        self.report.open_in_all = self.open.len() as u64;
        self.report.open = self.open.iter().take(LISTED).copied().collect();
        self.report.close()
    }

    fn name_unsigned(&mut self, newest_head: u64) {
        for number in std::mem::take(&mut self.unsigned) {
            let (kind, detail) = match number > newest_head {
                true => (FaultKind::Appended, "was added behind the newest signed head"),
                false => (FaultKind::NotSigned, "was not written with the key of the vault"),
            };
            self.report.fault(number, kind, detail.to_owned());
            self.unsigned_in_all -= 1;
        }
        self.report.faults_in_all += self.unsigned_in_all;
    }
}
