//! The worker's side of a job: take it, give signs of life, note what is done, end it.
//!
//! Everything that a worker says is guarded by the fencing number of its tenure: one that slept
//! past the end of its lease learns that the job went to another ([`Error::JobLost`]) and changes
//! nothing.

use std::time::Duration;

use holdfast_model::{Fence, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::job::{JobClass, JobRow, JobState, Wanted};
use crate::lease::end;
use crate::sql::{Arguments, Columns, Statement, sql};

/// What a worker is ready to take.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who takes it: unique per process, readable for people.
    pub owner: String,
    /// How long the lease lasts without a sign of life.
    pub ttl: Duration,
    /// Nothing less urgent than this.
    pub down_to: JobClass,
    /// Jobs of one tenant at the same time; restores are not counted and not held up.
    pub per_tenant: u32,
}

/// A part of a job that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Its name inside the job.
    pub name: String,
    /// Its place in the order in which they were done, from 1.
    pub num: u64,
    /// When it was done.
    pub done_at: Timestamp,
    /// What it came to, as JSON.
    pub result: String,
}

impl FromRow for StepRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            name: row.text("name")?,
            num: row.number("num")?,
            done_at: row.time("done_at")?,
            result: row.text("result")?,
        })
    }
}

/// How a tenure ends.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It is done; the result as JSON.
    Done(String),
    /// It failed for good.
    Failed(String),
    /// It goes back to the queue, to be tried not before a time.
    Later {
        /// The time.
        at: Timestamp,
        /// Why, where it is for an error.
        error: Option<String>,
        /// True for an attempt that failed, false for one that had to wait.
        counts: bool,
    },
    /// It was stopped: it goes where somebody wants it to be, else back to the queue as if it had
    /// not been taken.
    Released,
}

struct Found(String);

impl FromRow for Found {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self(row.text("id")?))
    }
}

impl Catalog {
    /// Takes the job that goes first, also one whose worker let its lease expire. Of several who
    /// ask at the same time each gets another one; for a moment a tenant may then have more than
    /// its number.
    pub async fn job_claim(&self, claim: &Claim) -> Result<Option<JobRow>> {
        loop {
            let now = self.now().await?;
            let Some(id) = self.job_next(claim, now).await? else { return Ok(None) };
            // Somebody else may have found it too: then look again.
            let statement = sql("UPDATE job SET state = 'running', fence = fence + 1, \
                     attempts = attempts + 1, lease_owner = $2, lease_until = $3, \
                     started_at = COALESCE(started_at, $4) \
                 WHERE id = $1 AND ((state = 'queued' AND not_before <= $4) \
                     OR (state = 'running' AND lease_until <= $4)) \
                 RETURNING *");
            let statement = statement.text(&id).text(&claim.owner).time(end(now, claim.ttl)?);
            if let Some(row) = self.returning(statement.time(now)).await? {
                return JobRow::from_row(&row).map(Some);
            }
        }
    }

    /// The job that goes first. What is of no tenant is maintenance of vaults, which takes hours: one
    /// at a time, so that it keeps no backup waiting.
    async fn job_next(&self, claim: &Claim, now: Timestamp) -> Result<Option<String>> {
        let statement = sql("SELECT j.id FROM job j JOIN job_share s ON s.tenant = j.tenant \
             WHERE ((j.state = 'queued' AND j.not_before <= $1) \
                     OR (j.state = 'running' AND j.lease_until <= $1)) \
                 AND (j.class <= $2 OR (j.class > 2 AND j.deadline <= $1 AND $2 >= 2)) \
                 AND (j.class = 0 OR (SELECT COUNT(*) FROM job r \
                     WHERE r.tenant = j.tenant AND r.state = 'running' AND r.class <> 0 \
                         AND r.lease_until > $1) < CASE WHEN j.tenant = '' THEN 1 ELSE $3 END) \
             ORDER BY CASE WHEN j.class > 2 AND j.deadline <= $1 THEN 2 ELSE j.class END, \
                 s.used_ms, j.deadline, j.id LIMIT 1");
        let statement = statement.time(now).number(claim.down_to as u64);
        let found = self.optional::<Found>(statement.number(claim.per_tenant.into())).await?;
        Ok(found.map(|found| found.0))
    }

    /// A sign of life: prolongs the lease, shows how far the job is, charges the tenant for the
    /// time since the last one, and tells what somebody wants of it.
    ///
    /// # Errors
    /// [`Error::JobLost`].
    pub async fn job_beat(
        &self,
        job: &JobRow,
        ttl: Duration,
        worked: Duration,
        progress: &str,
    ) -> Result<Option<Wanted>> {
        let until = end(self.now().await?, ttl)?;
        let mut change = self.begin().await?;
        // The tenant before the job, as in all transactions that change both.
        charge(&job.tenant, worked).execute(&mut *change).await?;
        let statement = sql("UPDATE job SET lease_until = $3, progress = $4 \
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING *");
        let statement = held(statement, job).time(until).text(progress);
        let row = statement.fetch_all(&mut *change).await?.pop().ok_or_else(|| lost(job))?;
        change.commit().await?;
        Ok(JobRow::from_row(&row)?.wanted)
    }

    /// Ends the lease of a worker that is known to be dead, so that nobody waits for its end. False
    /// where the job has ended or gone to another.
    pub async fn job_lease_end(&self, job: &JobRow) -> Result<bool> {
        let statement = sql("UPDATE job SET lease_until = $3 \
             WHERE id = $1 AND fence = $2 AND state = 'running'");
        let statement = held(statement, job).time(self.now().await?);
        Ok(self.execute(statement).await?.rows_affected() > 0)
    }

    /// Notes a part as done: it is not done again, and failures before it are forgotten.
    ///
    /// # Errors
    /// [`Error::JobLost`].
    pub async fn job_step(&self, job: &JobRow, name: &str, result: &str) -> Result<()> {
        let now = self.now().await?;
        let mut change = self.begin().await?;
        let statement = sql("UPDATE job SET attempts = 1 \
             WHERE id = $1 AND fence = $2 AND state = 'running'");
        if held(statement, job).execute(&mut *change).await?.rows_affected() == 0 {
            return Err(lost(job));
        }
        let statement = sql("INSERT INTO job_step (job, name, num, done_at, result) \
             SELECT $1, $2, COUNT(*) + 1, $3, $4 FROM job_step WHERE job = $1 \
             ON CONFLICT (job, name) DO UPDATE SET result = excluded.result");
        let statement = statement.text(&job.id).text(name).time(now).text(result);
        statement.execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// The parts that are done, in order.
    pub async fn job_steps(&self, id: &str) -> Result<Vec<StepRow>> {
        self.all(sql("SELECT * FROM job_step WHERE job = $1 ORDER BY num").text(id)).await
    }

    /// Ends a tenure.
    ///
    /// # Errors
    /// [`Error::JobLost`]: the job went to another, whose word counts.
    pub async fn job_end(&self, job: &JobRow, worked: Duration, ending: &Ending) -> Result<()> {
        let now = self.now().await?;
        let mut change = self.begin().await?;
        charge(&job.tenant, worked).execute(&mut *change).await?;
        let (state, result, error) = match ending {
            Ending::Done(result) => (JobState::Done, Some(result), None),
            Ending::Failed(error) => (JobState::Failed, None, Some(error)),
            Ending::Later { error, .. } => (JobState::Queued, None, error.as_ref()),
            Ending::Released => (JobState::Queued, None, None),
        };
        let not_before = if let Ending::Later { at, .. } = ending { *at } else { job.not_before };
        let untaken = matches!(ending, Ending::Released | Ending::Later { counts: false, .. });
        // What somebody wants counts for a job that goes back, also where its worker did not hear.
        let statement = sql("UPDATE job SET result = $4, error = $5, not_before = $6, \
                 state = CASE WHEN $3 <> 'queued' OR wanted IS NULL THEN $3 \
                     WHEN wanted = 'cancel' THEN 'cancelled' ELSE 'paused' END, \
                 finished_at = CASE WHEN $3 <> 'queued' OR wanted = 'cancel' \
                     THEN CAST($7 AS BIGINT) ELSE NULL END, \
                 attempts = CASE WHEN attempts > $8 THEN attempts - $8 ELSE 0 END, \
                 wanted = NULL, lease_owner = NULL, lease_until = NULL \
             WHERE id = $1 AND fence = $2 AND state = 'running'");
        let statement = held(statement, job)
            .text(state.as_str())
            .opt_text(result.map(String::as_str))
            .opt_text(error.map(String::as_str))
            .time(not_before)
            .time(now)
            .number(untaken.into());
        if statement.execute(&mut *change).await?.rows_affected() == 0 {
            return Err(lost(job));
        }
        Ok(change.commit().await?)
    }
}

fn held(statement: Statement, job: &JobRow) -> Statement {
    statement.text(&job.id).number(job.fence.0)
}

fn charge(tenant: &str, worked: Duration) -> Statement {
    let ms = u64::try_from(worked.as_millis()).unwrap_or(u64::MAX);
    sql("UPDATE job_share SET used_ms = used_ms + $2 WHERE tenant = $1").text(tenant).number(ms)
}

fn lost(job: &JobRow) -> Error {
    Error::JobLost { job: job.id.clone(), fence: Fence(job.fence.0) }
}
