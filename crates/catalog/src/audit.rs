//! The audit record: entries in a chain of hashes, numbered without gap.
//!
//! An append is one transaction. Its first statement changes the one row of `audit_chain` and so
//! locks it: writers of all processes come one after the other, and an entry always follows the
//! one before it. Nothing here changes or deletes an entry.

use holdfast_model::Timestamp;
use holdfast_model::audit::{Action, Entry, Event, Outcome, quoted};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, Statement, sql};

/// How far the record got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// Number of the newest entry; 0 where there is none.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// The newest entry whose hash is known to be signed in the vault; 0 where there is none.
    pub head_number: u64,
}

impl FromRow for AuditChain {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            number: row.number("number")?,
            hash: row.text("hash")?,
            head_number: row.number("head_number")?,
        })
    }
}

impl FromRow for Entry {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            number: row.number("number")?,
            time: row.time("time")?.as_millisecond(),
            actor_kind: row.text("actor_kind")?,
            actor_id: row.text("actor_id")?,
            actor_name: row.text("actor_name")?,
            from: row.text("origin")?,
            action: row.text("action")?,
            outcome: row.text("outcome")?,
            cause: row.text("cause")?,
            ends: row.number("ends")?,
            tenant: row.text("tenant")?,
            resources: row.text("resources")?,
            items: row.text("items")?,
            details: row.text("details")?,
            previous: row.text("previous")?,
            hash: row.text("hash")?,
            signature: row.text("signature")?,
        })
    }
}

/// Which entries are looked for; the default is all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Id or name of the actor.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// Name of the tenant.
    pub tenant: Option<String>,
    /// Name of a resource.
    pub resource: Option<String>,
}

/// The place from which a chain goes on whose last entries were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditResume {
    /// The newest entry that is signed in the vault.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

impl Catalog {
    /// Puts an event on record. `sign` gets the text that an entry is signed by, and answers with
    /// the signature in hexadecimal.
    pub async fn audit_append(
        &self,
        event: Event,
        sign: &(impl Fn(&str) -> String + Sync),
    ) -> Result<(Entry, AuditChain)> {
        let mut change = self.begin().await?;
        let chain = lock(&mut change).await?;
        let number = chain.number + 1;
        let entry = self.insert(&mut change, event, number, &chain.hash, sign).await?;
        change.commit().await?;
        let chain = AuditChain { number, hash: entry.hash.clone(), ..chain };
        Ok((entry, chain))
    }

    /// Goes on from an entry that is signed in the vault and not here; `None` where it is here, or
    /// the record goes on from it already.
    /// The event gets the details `after` (the last entry that is here, or 0), `head_number`,
    /// `head_hash` and `missing` (how many entries up to the head are not here).
    pub async fn audit_resume(
        &self,
        event: Event,
        head: &AuditResume,
        sign: &(impl Fn(&str) -> String + Sync),
    ) -> Result<Option<Entry>> {
        let mut change = self.begin().await?;
        let chain = lock(&mut change).await?;
        // Or an entry of an earlier attempt goes on from it already, whose own head is not there.
        let known = sql("SELECT number FROM audit WHERE number = $1 AND hash = $2 \
             OR action = $3 AND previous = $2")
        .number(head.number)
        .text(&head.hash)
        .text(Action::ChainResume.as_str());
        if known.fetch_optional(&mut *change).await?.is_some() {
            return Ok(None);
        }
        let present = sql("SELECT COUNT(*) AS n, COALESCE(MAX(number), 0) AS last FROM audit \
             WHERE number <= $1")
        .number(head.number)
        .fetch_one(&mut *change)
        .await?;
        let missing = head.number.saturating_sub(present.number("n")?);
        let after = present.number("last")?.max(chain.number);
        let event = event
            .detail("after", after.to_string())
            .detail("head_number", head.number.to_string())
            .detail("head_hash", &head.hash)
            .detail("missing", missing.to_string());
        let number = head.number.max(after) + 1;
        let entry = self.insert(&mut change, event, number, &head.hash, sign).await?;
        change.commit().await?;
        Ok(Some(entry))
    }

    async fn insert(
        &self,
        change: &mut Transaction<'static, Any>,
        event: Event,
        number: u64,
        previous: &str,
        sign: &(impl Fn(&str) -> String + Sync),
    ) -> Result<Entry> {
        let mut entry = event.into_entry(number, self.clock.now(), previous);
        entry.signature = sign(&entry.statement());
        row(&entry).execute(&mut **change).await?;
        let moved = sql("UPDATE audit_chain SET number = $1, hash = $2 WHERE id = 1");
        moved.number(entry.number).text(&entry.hash).execute(&mut **change).await?;
        Ok(entry)
    }

    /// How far the record got.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the row is gone.
    pub async fn audit_chain(&self) -> Result<AuditChain> {
        let chain = self.optional(sql("SELECT * FROM audit_chain WHERE id = 1")).await?;
        chain.ok_or_else(no_chain)
    }

    /// Notes that the hash of an entry is signed in the vault.
    pub async fn audit_head_saved(&self, number: u64) -> Result<()> {
        let statement =
            sql("UPDATE audit_chain SET head_number = $1 WHERE id = 1 AND head_number < $1");
        self.execute(statement.number(number)).await?;
        Ok(())
    }

    /// The entry with this number.
    pub async fn audit_get(&self, number: u64) -> Result<Option<Entry>> {
        self.optional(sql("SELECT * FROM audit WHERE number = $1").number(number)).await
    }

    /// At most `limit` entries after `number`, in order.
    pub async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<Entry>> {
        let statement = sql("SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT $2");
        self.all(statement.number(number).number(limit.into())).await
    }

    /// At most `limit` entries with a lower number than `before`, newest first. The next page is
    /// that before the last number of this one.
    pub async fn audit_list(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let resource = filter.resource.as_deref().map(quoted).unwrap_or_default();
        let statement = sql("SELECT * FROM audit \
             WHERE number < $1 AND time >= $2 AND time < $3 \
                 AND ($4 = '' OR actor_id = $4 OR actor_name = $4) \
                 AND ($5 = '' OR action = $5) AND ($6 = '' OR outcome = $6) \
                 AND ($7 = '' OR tenant = $7) \
                 AND ($8 = '' OR REPLACE(resources, $8, '') <> resources) \
             ORDER BY number DESC LIMIT $9")
        .number(before.unwrap_or(u64::MAX))
        .time(filter.since.unwrap_or(Timestamp::MIN))
        .time(filter.until.unwrap_or(Timestamp::MAX))
        .text(&text(&filter.actor))
        .text(filter.action.map_or("", Action::as_str))
        .text(filter.outcome.map_or("", Outcome::as_str))
        .text(&text(&filter.tenant))
        .text(&resource)
        .number(limit.into());
        self.all(statement).await
    }
}

fn row(entry: &Entry) -> Statement {
    sql("INSERT INTO audit (number, time, actor_kind, actor_id, actor_name, origin, action, \
             outcome, cause, ends, tenant, resources, items, details, previous, hash, signature) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
    .number(entry.number)
    .bind(entry.time)
    .text(&entry.actor_kind)
    .text(&entry.actor_id)
    .text(&entry.actor_name)
    .text(&entry.from)
    .text(&entry.action)
    .text(&entry.outcome)
    .text(&entry.cause)
    .number(entry.ends)
    .text(&entry.tenant)
    .text(&entry.resources)
    .text(&entry.items)
    .text(&entry.details)
    .text(&entry.previous)
    .text(&entry.hash)
    .text(&entry.signature)
}

#[cfg(feature = "tampering")]
impl Catalog {
    /// What an attacker does: puts these entries in the place of all, and notes another end.
    pub async fn audit_overwrite(&self, entries: &[Entry], end: &AuditChain) -> Result<()> {
        let mut change = self.begin().await?;
        sql("DELETE FROM audit").execute(&mut *change).await?;
        for entry in entries {
            row(entry).execute(&mut *change).await?;
        }
        sql("UPDATE audit_chain SET number = $1, hash = $2, head_number = $3")
            .number(end.number)
            .text(&end.hash)
            .number(end.head_number)
            .execute(&mut *change)
            .await?;
        Ok(change.commit().await?)
    }
}

/// Takes the right to append until the end of the transaction.
async fn lock(change: &mut Transaction<'static, Any>) -> Result<AuditChain> {
    let statement = sql("UPDATE audit_chain SET number = number WHERE id = 1 \
         RETURNING number, hash, head_number");
    let row = statement.fetch_all(&mut **change).await?.pop().ok_or_else(no_chain)?;
    AuditChain::from_row(&row)
}

fn no_chain() -> Error {
    Error::Damaged("the end of the audit record is not noted".to_owned())
}
