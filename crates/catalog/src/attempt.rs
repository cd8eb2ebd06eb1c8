//! Failed sign-ins, counted by subject (an account, an address) for all processes together.
//!
//! An attempt is counted before it is made, so that many at once are not all let through by a count
//! that none of them has raised yet; a success takes it back.

use std::time::Duration;

use holdfast_model::Timestamp;
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::lease::end;
use crate::sql::{Arguments, Columns, sql};

/// Failures of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts that failed or are under way.
    pub failures: u64,
    /// Until then none is taken.
    pub blocked_until: Timestamp,
}

impl FromRow for Attempt {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self { failures: row.number("failures")?, blocked_until: row.time("blocked_until")? })
    }
}

impl Catalog {
    /// Counts an attempt, unless the subject is blocked (`Err` of the inner result: until when).
    /// After the attempt that makes the count `n`, nobody tries again for `wait(n)`. After `forget`
    /// without an attempt the count begins anew.
    pub async fn attempt_begin(
        &self,
        subject: &str,
        forget: Duration,
        wait: impl Fn(u64) -> Duration,
    ) -> Result<Result<Attempt, Timestamp>> {
        let now = self.clock.now();
        let forgotten = now.checked_sub(forget).unwrap_or(Timestamp::MIN);
        // The upsert locks the row until the commit: of many at once each sees the block that the
        // one before has set.
        let mut change = self.begin().await?;
        let statement = sql("INSERT INTO attempt (subject, failures, last_at, blocked_until) \
             VALUES ($1, 1, $2, 0) \
             ON CONFLICT (subject) DO UPDATE SET last_at = $2, failures = CASE \
                 WHEN attempt.last_at <= $3 THEN 1 ELSE attempt.failures + 1 END \
             WHERE attempt.blocked_until <= $2 RETURNING failures");
        let statement = statement.text(subject).time(now).time(forgotten);
        let Some(row) = statement.fetch_all(&mut *change).await?.pop() else {
            change.rollback().await?;
            let blocked = self.attempt_get(subject).await?.map(|attempt| attempt.blocked_until);
            // Unblocked between the two statements: the next try will see that.
            return Ok(Err(blocked.unwrap_or(now)));
        };
        let failures = row.number("failures")?;
        let blocked_until = end(now, wait(failures))?;
        let statement = sql("UPDATE attempt SET blocked_until = $2 WHERE subject = $1");
        statement.text(subject).time(blocked_until).execute(&mut *change).await?;
        change.commit().await?;
        Ok(Ok(Attempt { failures, blocked_until }))
    }

    /// Takes one attempt back: it was none that failed.
    pub async fn attempt_forgive(&self, subject: &str) -> Result<()> {
        let statement = sql("UPDATE attempt SET failures = failures - 1, blocked_until = 0 \
             WHERE subject = $1 AND failures > 0");
        self.execute(statement.text(subject)).await?;
        Ok(())
    }

    /// Forgets the failures of a subject.
    pub async fn attempt_clear(&self, subject: &str) -> Result<()> {
        self.execute(sql("DELETE FROM attempt WHERE subject = $1").text(subject)).await?;
        Ok(())
    }

    /// What is known of a subject.
    pub async fn attempt_get(&self, subject: &str) -> Result<Option<Attempt>> {
        self.optional(sql("SELECT * FROM attempt WHERE subject = $1").text(subject)).await
    }

    /// Removes what has not failed since `before`.
    pub async fn attempt_sweep(&self, before: Timestamp) -> Result<u64> {
        let statement = sql("DELETE FROM attempt WHERE last_at <= $1");
        Ok(self.execute(statement.time(before)).await?.rows_affected())
    }
}
