//! Schedules, who follows which, and how far each resource is behind.

use holdfast_model::{ResourceId, ShardId, Timestamp, Workload};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::{Error, Result};
use crate::shard::shard_id;
use crate::sql::{Arguments, Columns, damaged, sql};

/// A schedule of a tenant; what it says is its owner's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Name of the tenant.
    pub tenant: String,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it says, as JSON.
    pub record: String,
}

impl FromRow for ScheduleRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            tenant: row.text("tenant")?,
            name: row.text("name")?,
            record: row.text("record")?,
        })
    }
}

/// How far the backup of a resource is, in the few columns that the scheduler reads of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandRow {
    /// The resource.
    pub id: ResourceId,
    /// Name of its tenant.
    pub tenant: String,
    /// Kind of data.
    pub workload: Workload,
    /// Its name.
    pub name: String,
    /// Shard that takes its backups; absent before discovery gave it one.
    pub shard: Option<ShardId>,
    /// False where it cannot be read at present.
    pub is_available: bool,
    /// When its changes were read in the last good round.
    pub restore_point: Option<Timestamp>,
    /// When they were last asked for.
    pub last_polled: Option<Timestamp>,
    /// Name of the schedule that it follows.
    pub schedule: Option<String>,
    /// Its objective in milliseconds.
    pub objective_ms: Option<u64>,
}

impl FromRow for StandRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: ResourceId(row.text("id")?),
            tenant: row.text("tenant")?,
            workload: row.text("workload")?.parse().map_err(|_| damaged("workload"))?,
            name: row.text("name")?,
            shard: row.opt_number("shard")?.map(shard_id).transpose()?,
            is_available: row.text("status")? == "active",
            restore_point: row.opt_time("restore_point")?,
            last_polled: row.opt_time("last_polled")?,
            schedule: row.opt_text("schedule")?,
            objective_ms: row.opt_number("objective_ms")?,
        })
    }
}

/// What a resource attained on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttainedRow {
    /// The resource.
    pub resource: ResourceId,
    /// Days since 1970, UTC.
    pub day: u64,
    /// Restore points of that day.
    pub points: u64,
    /// The longest time between two of them in milliseconds: the recovery point that was attained.
    pub worst_ms: u64,
    /// The objective at the end of the day in milliseconds; 0 where there was none.
    pub objective_ms: u64,
    /// Times that the objective was missed.
    pub missed: u64,
}

impl FromRow for AttainedRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            day: row.number("day")?,
            points: row.number("points")?,
            worst_ms: row.number("worst_ms")?,
            objective_ms: row.number("objective_ms")?,
            missed: row.number("missed")?,
        })
    }
}

/// What a resource attained over several days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttainedSum {
    /// The resource.
    pub resource: ResourceId,
    /// Restore points.
    pub points: u64,
    /// The longest time between two of them in milliseconds.
    pub worst_ms: u64,
    /// Times that the objective was missed.
    pub missed: u64,
}

impl FromRow for AttainedSum {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            points: row.number("points")?,
            worst_ms: row.number("worst_ms")?,
            missed: row.number("missed")?,
        })
    }
}

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// Notes the time between a resource's restore point and the next one; to be run before the
/// resource is replaced.
pub(crate) fn note_attained(id: &ResourceId, next: Timestamp) -> crate::sql::Statement {
    let day = u64::try_from(next.as_millisecond().div_euclid(DAY_MS)).unwrap_or_default();
    sql("INSERT INTO attained (resource, day, points, worst_ms, objective_ms, missed) \
         SELECT id, $2, 1, $3 - restore_point, COALESCE(objective_ms, 0), \
             CASE WHEN $3 - restore_point > objective_ms THEN 1 ELSE 0 END \
         FROM resource WHERE id = $1 AND restore_point < $3 \
         ON CONFLICT (resource, day) DO UPDATE SET points = attained.points + 1, \
             worst_ms = CASE WHEN excluded.worst_ms > attained.worst_ms \
                 THEN excluded.worst_ms ELSE attained.worst_ms END, \
             objective_ms = excluded.objective_ms, \
             missed = attained.missed + excluded.missed")
    .text(id.as_str())
    .number(day)
    .time(next)
}

impl Catalog {
    /// Adds a schedule or replaces the one of the same name.
    pub async fn schedule_put(&self, schedule: &ScheduleRow) -> Result<()> {
        let statement = sql("INSERT INTO schedule (tenant, name, record) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant, name) DO UPDATE SET record = excluded.record");
        let statement = statement.text(&schedule.tenant).text(&schedule.name);
        self.execute(statement.text(&schedule.record)).await?;
        Ok(())
    }

    /// Forgets a schedule.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn schedule_remove(&self, tenant: &str, name: &str) -> Result<()> {
        let statement = sql("DELETE FROM schedule WHERE tenant = $1 AND name = $2");
        match self.execute(statement.text(tenant).text(name)).await?.rows_affected() {
            0 => Err(Error::NotFound { what: "schedule", name: name.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Schedules by tenant and name.
    pub async fn schedule_list(&self, tenant: Option<&str>) -> Result<Vec<ScheduleRow>> {
        let statement = sql("SELECT * FROM schedule WHERE ($1 IS NULL OR tenant = $1) \
             ORDER BY tenant, name");
        self.all(statement.opt_text(tenant)).await
    }

    /// How far all resources are that are still there, by id.
    pub async fn stand_list(&self) -> Result<Vec<StandRow>> {
        let statement = sql("SELECT id, tenant, workload, name, shard, status, restore_point, \
                 last_polled, schedule, objective_ms \
             FROM resource WHERE status <> 'gone' ORDER BY id");
        self.all(statement).await
    }

    /// The same of those that are at half of their objective or beyond, or follow none: nothing
    /// else can be due.
    pub async fn stand_list_due(&self, now: Timestamp) -> Result<Vec<StandRow>> {
        let statement = sql("SELECT id, tenant, workload, name, shard, status, restore_point, \
                 last_polled, schedule, objective_ms \
             FROM resource WHERE status <> 'gone' \
                 AND COALESCE(restore_point, 0) + COALESCE(objective_ms, 0) / 2 <= $1 \
             ORDER BY id");
        self.all(statement.time(now)).await
    }

    /// Says which schedule resources follow, all or none: name and objective in milliseconds.
    pub async fn schedule_assign(&self, follow: &[(ResourceId, String, u64)]) -> Result<()> {
        let mut change = self.begin().await?;
        for (id, schedule, objective_ms) in follow {
            sql("UPDATE resource SET schedule = $2, objective_ms = $3 WHERE id = $1")
                .text(id.as_str())
                .text(schedule)
                .number(*objective_ms)
                .execute(&mut *change)
                .await?;
        }
        Ok(change.commit().await?)
    }

    /// What resources attained since a day, by resource and day.
    pub async fn attained_list(&self, since_day: u64) -> Result<Vec<AttainedRow>> {
        let statement = sql("SELECT * FROM attained WHERE day >= $1 ORDER BY resource, day");
        self.all(statement.number(since_day)).await
    }

    /// What each resource attained over all days since one, by resource; of one resource, or all.
    pub async fn attained_since(
        &self,
        since_day: u64,
        resource: Option<&ResourceId>,
    ) -> Result<Vec<AttainedSum>> {
        let statement = sql("SELECT resource, CAST(SUM(points) AS BIGINT) AS points, \
                 MAX(worst_ms) AS worst_ms, CAST(SUM(missed) AS BIGINT) AS missed \
             FROM attained WHERE day >= $1 AND ($2 IS NULL OR resource = $2) \
             GROUP BY resource ORDER BY resource");
        let resource = resource.map(ResourceId::as_str);
        self.all(statement.number(since_day).opt_text(resource)).await
    }

    /// Forgets what was attained before a day.
    pub async fn attained_prune(&self, before_day: u64) -> Result<u64> {
        let statement = sql("DELETE FROM attained WHERE day < $1").number(before_day);
        Ok(self.execute(statement).await?.rows_affected())
    }
}
