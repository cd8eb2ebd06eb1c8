//! Jobs: long work that survives its worker, and what people see and want of it.
//!
//! A job is queued, taken by a worker under a lease with a fencing number (`job_lease.rs`), and
//! ends as done, failed or cancelled. Its history stays until [`Catalog::job_prune`].

use holdfast_model::{Fence, Timestamp};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::sql::{Arguments, Columns, damaged, sql};

/// What goes first. Within a class the tenant that has had the least work goes first, then the
/// nearest deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobClass {
    /// Somebody waits for data.
    Restore = 0,
    /// Somebody asked for it.
    OnDemand = 1,
    /// A backup that misses its objective. Backups of later classes get here when their deadline
    /// has passed.
    Overdue = 2,
    /// A backup that keeps its objective.
    Routine = 3,
    /// The first backup of something.
    FirstFull = 4,
}

impl JobClass {
    /// All of them, the first to be done first.
    pub const ALL: [Self; 5] =
        [Self::Restore, Self::OnDemand, Self::Overdue, Self::Routine, Self::FirstFull];

    /// The text in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::OnDemand => "on_demand",
            Self::Overdue => "overdue",
            Self::Routine => "routine",
            Self::FirstFull => "first_full",
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker has it, or had it when it died.
    Running,
    /// Waits for somebody to resume it.
    Paused,
    /// Ended; its outcome is in the result.
    Done,
    /// Ended without a result.
    Failed,
    /// Ended because somebody said so.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Paused, Self::Done, Self::Failed, Self::Cancelled];

    /// The text in the catalog and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True for a job that will not change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// What somebody wants of a running job; its worker sees it at the next sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Stop and wait.
    Pause,
    /// Stop for good.
    Cancel,
}

impl Wanted {
    /// The name in records and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }

    /// Where a job ends up of which this is wanted.
    pub fn state(self) -> JobState {
        match self {
            Self::Pause => JobState::Paused,
            Self::Cancel => JobState::Cancelled,
        }
    }
}

/// A job that is asked for.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id (UUID version 7), taken unless a living job has the same key.
    pub id: String,
    /// Kind of work.
    pub kind: String,
    /// Name of the tenant that it is for; empty for none.
    pub tenant: String,
    /// What goes first.
    pub class: JobClass,
    /// What to do, as JSON.
    pub request: String,
    /// Of the living jobs with the same key there is one.
    pub dedupe: Option<String>,
    /// Who asked: a user, the schedule.
    pub requested_by: String,
    /// Not to begin before.
    pub not_before: Timestamp,
    /// When it should be done.
    pub deadline: Timestamp,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its id; sorts by the time at which it was made.
    pub id: String,
    /// Kind of work.
    pub kind: String,
    /// Name of the tenant; empty for none.
    pub tenant: String,
    /// What goes first.
    pub class: JobClass,
    /// What to do, as JSON.
    pub request: String,
    /// Key that one living job has.
    pub dedupe: Option<String>,
    /// Who asked.
    pub requested_by: String,
    /// Where it stands.
    pub state: JobState,
    /// What somebody wants of it while it runs.
    pub wanted: Option<Wanted>,
    /// Not to begin before.
    pub not_before: Timestamp,
    /// When it should be done.
    pub deadline: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When a worker took it first.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was taken since the last step that was done.
    pub attempts: u64,
    /// Number of its present tenure.
    pub fence: Fence,
    /// Who works on it.
    pub lease_owner: Option<String>,
    /// Until when, unless a sign of life comes.
    pub lease_until: Option<Timestamp>,
    /// How far it is, as JSON.
    pub progress: Option<String>,
    /// What it came to, as JSON.
    pub result: Option<String>,
    /// Why it failed, or was put back the last time.
    pub error: Option<String>,
}

fn known<T: Copy>(all: &[T], text: &str, name: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|known| name(*known) == text)
}

impl FromRow for JobRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        let class = row.number("class")?;
        let class = JobClass::ALL.into_iter().find(|known| *known as u64 == class);
        let wanted = |text: String| {
            known(&[Wanted::Pause, Wanted::Cancel], &text, Wanted::as_str)
                .ok_or_else(|| damaged("wanted"))
        };
        Ok(Self {
            id: row.text("id")?,
            kind: row.text("kind")?,
            tenant: row.text("tenant")?,
            class: class.ok_or_else(|| damaged("class"))?,
            request: row.text("request")?,
            dedupe: row.opt_text("dedupe")?,
            requested_by: row.text("requested_by")?,
            state: known(&JobState::ALL, &row.text("state")?, JobState::as_str)
                .ok_or_else(|| damaged("state"))?,
            wanted: row.opt_text("wanted")?.map(wanted).transpose()?,
            not_before: row.time("not_before")?,
            deadline: row.time("deadline")?,
            created_at: row.time("created_at")?,
            started_at: row.opt_time("started_at")?,
            finished_at: row.opt_time("finished_at")?,
            attempts: row.number("attempts")?,
            fence: Fence(row.number("fence")?),
            lease_owner: row.opt_text("lease_owner")?,
            lease_until: row.opt_time("lease_until")?,
            progress: row.opt_text("progress")?,
            result: row.opt_text("result")?,
            error: row.opt_text("error")?,
        })
    }
}

/// Which jobs to list; each part that is given narrows it.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this tenant.
    pub tenant: Option<String>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only those that come after this id in the list: older ones.
    pub before: Option<String>,
}

impl Catalog {
    /// Queues a job and gives its id. Where a living one has the same key, that one is given
    /// instead, which takes the more urgent class and the nearer deadline.
    pub async fn job_submit(&self, job: &NewJob) -> Result<String> {
        let now = self.now().await?;
        let mut change = self.begin().await?;
        // Who comes anew, or back after a pause, does not get what he has not used.
        let statement = sql("INSERT INTO job_share (tenant, used_ms) \
             SELECT $1, COALESCE(MIN(s.used_ms), 0) FROM job_share s \
             WHERE EXISTS (SELECT 1 FROM job j WHERE j.tenant = s.tenant \
                 AND j.state IN ('queued', 'running')) \
             ON CONFLICT (tenant) DO UPDATE SET used_ms = CASE \
                 WHEN job_share.used_ms >= excluded.used_ms THEN job_share.used_ms \
                 WHEN EXISTS (SELECT 1 FROM job j WHERE j.tenant = job_share.tenant \
                     AND j.state IN ('queued', 'running')) THEN job_share.used_ms \
                 ELSE excluded.used_ms END");
        statement.text(&job.tenant).execute(&mut *change).await?;
        let statement = sql("INSERT INTO job (id, kind, tenant, class, request, dedupe, \
                 requested_by, state, not_before, deadline, created_at, attempts, fence) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, $9, $10, 0, 0) \
             ON CONFLICT (dedupe) WHERE state IN ('queued', 'running', 'paused') \
             DO UPDATE SET \
                 class = CASE WHEN excluded.class < job.class THEN excluded.class \
                     ELSE job.class END, \
                 deadline = CASE WHEN excluded.deadline < job.deadline THEN excluded.deadline \
                     ELSE job.deadline END \
             RETURNING id");
        let rows = statement
            .text(&job.id)
            .text(&job.kind)
            .text(&job.tenant)
            .number(job.class as u64)
            .text(&job.request)
            .opt_text(job.dedupe.as_deref())
            .text(&job.requested_by)
            .time(job.not_before)
            .time(job.deadline)
            .time(now)
            .fetch_all(&mut *change)
            .await?;
        change.commit().await?;
        rows.first().ok_or_else(|| damaged("id"))?.text("id")
    }

    /// The job with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn job_get(&self, id: &str) -> Result<JobRow> {
        let job = self.optional(sql("SELECT * FROM job WHERE id = $1").text(id)).await?;
        job.ok_or_else(|| Error::NotFound { what: "job", name: id.to_owned() })
    }

    /// Jobs, newest first.
    pub async fn job_list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<JobRow>> {
        let statement = sql("SELECT * FROM job \
             WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR state = $2) \
                 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR id < $4) \
             ORDER BY id DESC LIMIT $5");
        let statement = statement
            .opt_text(filter.tenant.as_deref())
            .opt_text(filter.state.map(JobState::as_str))
            .opt_text(filter.kind.as_deref())
            .opt_text(filter.before.as_deref())
            .number(limit.into());
        self.all(statement).await
    }

    /// Pauses or cancels a job: at once where nobody works on it, else at its worker's next sign
    /// of life. A wish for the end is not taken back by one for a pause.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for a job that has ended.
    pub async fn job_want(&self, id: &str, wanted: Wanted) -> Result<JobRow> {
        let now = self.now().await?;
        let ends = (wanted == Wanted::Cancel).then_some(now);
        let statement = sql("UPDATE job SET \
                 wanted = CASE WHEN state <> 'running' THEN NULL \
                     WHEN wanted = 'cancel' THEN wanted ELSE $2 END, \
                 finished_at = CASE WHEN state = 'running' THEN NULL ELSE $4 END, \
                 state = CASE WHEN state = 'running' THEN state ELSE $3 END \
             WHERE id = $1 AND state IN ('queued', 'running', 'paused')");
        let statement = statement.text(id).text(wanted.as_str()).text(wanted.state().as_str());
        let changed = self.execute(statement.opt_time(ends)).await?.rows_affected();
        let job = self.job_get(id).await?;
        match changed {
            0 => Err(Error::Conflict("the job has ended already")),
            _ => Ok(job),
        }
    }

    /// Lets a paused job go on; what it had done is not done again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for a job that is not paused and not about to be.
    pub async fn job_resume(&self, id: &str) -> Result<JobRow> {
        let statement = sql("UPDATE job SET wanted = NULL, not_before = $2, attempts = 0, \
                 state = CASE WHEN state = 'paused' THEN 'queued' ELSE state END \
             WHERE id = $1 AND (state = 'paused' OR (state = 'running' AND wanted = 'pause'))");
        let statement = statement.text(id).time(self.now().await?);
        let changed = self.execute(statement).await?.rows_affected();
        let job = self.job_get(id).await?;
        match changed {
            0 => Err(Error::Conflict("the job is not paused")),
            _ => Ok(job),
        }
    }

    /// Forgets jobs that ended before a time, with their steps; tells how many.
    pub async fn job_prune(&self, before: Timestamp) -> Result<u64> {
        let mut change = self.begin().await?;
        let steps = sql("DELETE FROM job_step WHERE job IN \
             (SELECT id FROM job WHERE finished_at < $1)");
        steps.time(before).execute(&mut *change).await?;
        let jobs = sql("DELETE FROM job WHERE finished_at < $1").time(before);
        let gone = jobs.execute(&mut *change).await?.rows_affected();
        change.commit().await?;
        Ok(gone)
    }

    /// When a job with this key failed for good the last time.
    pub async fn job_failed_at(&self, dedupe: &str) -> Result<Option<Timestamp>> {
        let statement = sql("SELECT MAX(finished_at) AS finished_at FROM job \
             WHERE dedupe = $1 AND state = 'failed'");
        let failed = self.optional::<FailedAt>(statement.text(dedupe)).await?;
        Ok(failed.and_then(|failed| failed.0))
    }

    /// Jobs by state and class: what a dashboard and the metrics show.
    pub async fn job_counts(&self) -> Result<Vec<(JobState, JobClass, u64)>> {
        let statement = sql("SELECT state, class, COUNT(*) AS n FROM job GROUP BY state, class");
        let rows = self.all::<Count>(statement).await?;
        Ok(rows.into_iter().map(|count| (count.state, count.class, count.n)).collect())
    }
}

struct FailedAt(Option<Timestamp>);

impl FromRow for FailedAt {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self(row.opt_time("finished_at")?))
    }
}

struct Count {
    state: JobState,
    class: JobClass,
    n: u64,
}

impl FromRow for Count {
    fn from_row(row: &AnyRow) -> Result<Self> {
        let class = row.number("class")?;
        let class = JobClass::ALL.into_iter().find(|known| *known as u64 == class);
        Ok(Self {
            state: known(&JobState::ALL, &row.text("state")?, JobState::as_str)
                .ok_or_else(|| damaged("state"))?,
            class: class.ok_or_else(|| damaged("class"))?,
            n: row.number("n")?,
        })
    }
}
