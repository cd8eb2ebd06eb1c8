//! The audit record of an installation: who did what, on whose data, from where.
//!
//! Entries are a chain of hashes in the catalog, each signed with a key that follows from the
//! secret of the home vault. A [`Head`] says, signed, which hash the newest entry has; heads lie in
//! the home vault, where none is ever replaced. So a change, a gap, another order or an addition is
//! found ([`verify`]), also when all of the database was written anew. `docs/audit.md` says what is
//! recorded and how others verify it.
//!
//! What changes or reveals something is recorded before it happens ([`Audit::begin`]) and when it
//! has ended ([`Begun::end`]). Where the first entry cannot be written, the act must not happen.

mod check;
mod export;
mod head;
mod verify;

use std::collections::BTreeMap;

use holdfast_catalog::AuditFilter;
use holdfast_model::audit::{Action, Actor, Entry, Event, Outcome};
use holdfast_vault::AuditKey;
use holdfast_workloads::mail;

use crate::{Error, Exit, Home, Result};

pub use check::{Fault, FaultKind, Resumed, Verification};
pub use export::{Exported, export};
pub use head::{Head, resume};
pub use verify::{verify, verify_file};

/// So many entries after a head the next one is made at once.
const HEAD_EVERY: u64 = 1_000;

/// The audit record, open for writing.
#[derive(Debug)]
pub struct Audit<'a> {
    home: &'a Home,
    key: AuditKey,
}

impl<'a> Audit<'a> {
    /// Opens the record of an installation. The vault itself is not asked.
    ///
    /// # Errors
    /// Where there is no home vault, or the instance key is another installation's.
    pub async fn open(home: &'a Home) -> Result<Self> {
        let row = home.vault_row(None).await?;
        Ok(Self { home, key: home.vault_secret(&row)?.audit_key() })
    }

    /// Puts an event on record; answers with its number. Of paths of messages the subject is left
    /// out.
    pub async fn record(&self, mut event: Event) -> Result<u64> {
        for item in &mut event.items {
            *item = without_subject(item);
        }
        let sign = |text: &str| hex::encode(self.key.sign(text));
        let (entry, chain) = self.home.catalog.audit_append(event, &sign).await?;
        let behind = entry.number.saturating_sub(chain.head_number);
        // Where the vault is away, every further entry would wait for it.
        if behind > 0 && behind.is_multiple_of(HEAD_EVERY) {
            self.save_head_or_warn().await;
        }
        Ok(entry.number)
    }

    /// Records that an act begins. It may begin only if this succeeds.
    pub async fn begin(&self, event: Event) -> Result<Begun<'_>> {
        let event = Event { outcome: Outcome::Begun, ..event };
        let number = self.record(event.clone()).await?;
        Ok(Begun { audit: self, event, number })
    }

    /// Signs the newest entry and saves that in the home vault; `None` where there is nothing new,
    /// or the vault is read as of a time. To be called at the end of each command, and every few
    /// minutes by a server.
    pub async fn save_head(&self) -> Result<Option<Head>> {
        let row = self.home.vault_row(None).await?;
        let chain = self.home.catalog.audit_chain().await?;
        let is_new = chain.number > chain.head_number;
        if !is_new || self.home.storage(&row)?.as_of.is_some() {
            return Ok(None);
        }
        let head = Head::sign(&self.key, &chain, self.home.now());
        head.save(&self.home.vault(Some(&row.id)).await?).await?;
        self.home.catalog.audit_head_saved(head.number).await?;
        Ok(Some(head))
    }

    /// The same where nobody waits for it: a vault that is away takes the head next time.
    pub async fn save_head_or_warn(&self) {
        if let Err(error) = self.save_head().await {
            tracing::warn!(%error, "the end of the audit record is not signed in the vault yet");
        }
    }
}

/// An act on record that has begun.
#[derive(Debug)]
pub struct Begun<'a> {
    audit: &'a Audit<'a>,
    event: Event,
    number: u64,
}

impl Begun<'_> {
    /// Number of the entry.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Records how it ended: `cause` says why where it was refused or failed, `details` come in
    /// place of those of the beginning.
    pub async fn end(
        self,
        outcome: Outcome,
        cause: &str,
        details: BTreeMap<String, String>,
    ) -> Result<u64> {
        let ends = Some(self.number);
        let event = Event { outcome, cause: cause.to_owned(), ends, details, ..self.event };
        self.audit.record(event).await
    }

    /// The same for an act that ended with an error.
    pub async fn fail(self, error: &Error) -> Result<u64> {
        let outcome = match error.exit() {
            Exit::Denied => Outcome::Refused,
            _ => Outcome::Failed,
        };
        self.end(outcome, &error.cause(), BTreeMap::new()).await
    }
}

/// At most `limit` entries, newest first; `before` is the last number of the page before.
pub async fn list(
    home: &Home,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Entry>> {
    Ok(home.catalog.audit_list(filter, before, limit).await?)
}

/// A path in which the name of a message is its date and short id.
fn without_subject(path: &str) -> String {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(start);
    let subject = || {
        let id = name.rfind(&format!(" ~{}", mail::short_id_of_name(name)?))?;
        name.get(..MESSAGE_DATE.len()).filter(|date| is_date(date)).map(|date| (date, id))
    };
    match subject() {
        Some((date, id)) => format!("{folder}{date} …{}", &name[id..]),
        None => path.to_owned(),
    }
}

/// How the name of a message begins.
const MESSAGE_DATE: &str = "00000000-000000";

fn is_date(text: &str) -> bool {
    let shape = text.bytes().zip(MESSAGE_DATE.bytes());
    shape.into_iter().all(|(found, shape)| match shape {
        b'0' => found.is_ascii_digit(),
        dash => found == dash,
    })
}

/// The event of an act by Holdfast itself.
pub(crate) fn by_system(action: Action) -> Event {
    Event::new(Actor::system("holdfast"), "local", action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_message_is_left_out_of_its_path() {
        let id = "0123456789abcdef";
        for (path, recorded) in [
            (
                format!("Inbox/2026-03/20260302-080000 Your ~ illness ~{id}.eml"),
                format!("Inbox/2026-03/20260302-080000 … ~{id}.eml"),
            ),
            (format!("20260302-080000 a ~{id}.json"), format!("20260302-080000 … ~{id}.json")),
            (format!("Plans/20260302 plan ~{id}.docx"), format!("Plans/20260302 plan ~{id}.docx")),
            ("Inbox".to_owned(), "Inbox".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(without_subject(&path), recorded);
        }
    }
}
