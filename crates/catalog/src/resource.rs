//! Resources: what is protected, one row per mailbox.

use holdfast_model::{ResourceId, ShardId, SkipCause, Timestamp, Workload, fold};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::epoch;
use crate::error::{Error, Result};
use crate::shard::shard_id;
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// Whether a resource can be read at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceStatus {
    /// It is there and is backed up.
    Active,
    /// It is no longer listed by the service; its restore points stay.
    Gone,
    /// It is listed but cannot be read (see the skip cause).
    Unavailable,
}

impl ResourceStatus {
    /// The text in the catalog and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A protected resource and how far its backup got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// Our id, `<workload>/<Graph id of the user>`.
    pub id: ResourceId,
    /// Name of its tenant.
    pub tenant: String,
    /// Kind of data.
    pub workload: Workload,
    /// Graph id of the user.
    pub graph_id: String,
    /// User principal name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Shard that takes its backups; absent before the first one.
    pub shard: Option<ShardId>,
    /// Directory in the vault below the workload's.
    pub dir: Option<String>,
    /// Whether it can be read at present.
    pub status: ResourceStatus,
    /// Why it cannot be read.
    pub skip_cause: Option<SkipCause>,
    /// True when the last round failed in part: some places or contents are older than the
    /// restore point says.
    pub stale: bool,
    /// When its changes were read in the last good round.
    pub restore_point: Option<Timestamp>,
    /// When its changes were last asked for.
    pub last_polled: Option<Timestamp>,
    /// Delta link of the list of its containers (path and query, no host).
    pub list_link: Option<String>,
}

impl FromRow for ResourceRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: ResourceId(row.text("id")?),
            tenant: row.text("tenant")?,
            workload: row.text("workload")?.parse().map_err(|_| damaged("workload"))?,
            graph_id: row.text("graph_id")?,
            name: row.text("name")?,
            display_name: row.text("display_name")?,
            shard: row.opt_number("shard")?.map(shard_id).transpose()?,
            dir: row.opt_text("dir")?,
            status: match row.text("status")?.as_str() {
                "active" => ResourceStatus::Active,
                "gone" => ResourceStatus::Gone,
                "unavailable" => ResourceStatus::Unavailable,
                _ => return Err(damaged("status")),
            },
            skip_cause: row.opt_text("skip_cause")?.map(skip_cause).transpose()?,
            stale: row.flag("stale")?,
            restore_point: row.opt_time("restore_point")?,
            last_polled: row.opt_time("last_polled")?,
            list_link: row.opt_text("list_link")?,
        })
    }
}

fn skip_cause(text: String) -> Result<SkipCause> {
    serde_json::from_value(text.into()).map_err(|_| damaged("skip_cause"))
}

/// Insert with a fresh number, or replace all columns but the number.
pub(crate) fn put(num: u64, resource: &ResourceRow) -> Statement {
    sql("INSERT INTO resource (id, id_fold, tenant, workload, graph_id, graph_id_fold, name, \
             name_fold, display_name, shard, dir, status, skip_cause, stale, restore_point, \
             last_polled, list_link, num) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18) \
         ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, \
             workload = excluded.workload, graph_id = excluded.graph_id, \
             graph_id_fold = excluded.graph_id_fold, name = excluded.name, \
             name_fold = excluded.name_fold, display_name = excluded.display_name, \
             shard = excluded.shard, dir = excluded.dir, status = excluded.status, \
             skip_cause = excluded.skip_cause, stale = excluded.stale, \
             restore_point = excluded.restore_point, last_polled = excluded.last_polled, \
             list_link = excluded.list_link")
    .text(resource.id.as_str())
    .text(&fold(resource.id.as_str()))
    .text(&resource.tenant)
    .text(resource.workload.as_str())
    .text(&resource.graph_id)
    .text(&fold(&resource.graph_id))
    .text(&resource.name)
    .text(&fold(&resource.name))
    .text(&resource.display_name)
    .opt_number(resource.shard.map(|shard| shard.0.into()))
    .opt_text(resource.dir.as_deref())
    .text(resource.status.as_str())
    .opt_text(resource.skip_cause.map(|cause| cause.to_string()).as_deref())
    .flag(resource.stale)
    .opt_time(resource.restore_point)
    .opt_time(resource.last_polled)
    .opt_text(resource.list_link.as_deref())
    .number(num)
}

impl Catalog {
    /// Adds a resource or replaces the one with the same id. Its first shard begins its first
    /// epoch.
    pub async fn resource_put(&self, resource: &ResourceRow) -> Result<()> {
        let (mut change, numbers) = self.begin_numbered(1).await?;
        put(*numbers.start(), resource).execute(&mut *change).await?;
        epoch::add_first(&resource.id).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// What the directory tells of a resource that is here already: its names and status, and its
    /// first shard if it has none. Where it lives and how far it was read belongs to who holds its
    /// shard, and stays.
    pub async fn resource_describe(&self, resource: &ResourceRow) -> Result<()> {
        let mut change = self.begin().await?;
        sql("UPDATE resource SET name = $2, name_fold = $3, display_name = $4, status = $5, \
             shard = COALESCE(shard, $6) WHERE id = $1")
        .text(resource.id.as_str())
        .text(&resource.name)
        .text(&fold(&resource.name))
        .text(&resource.display_name)
        .text(resource.status.as_str())
        .opt_number(resource.shard.map(|shard| shard.0.into()))
        .execute(&mut *change)
        .await?;
        epoch::add_first(&resource.id).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// The resource with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn resource_get(&self, id: &ResourceId) -> Result<ResourceRow> {
        let statement = sql("SELECT * FROM resource WHERE id = $1").text(id.as_str());
        let resource = self.optional(statement).await?;
        resource.ok_or_else(|| Error::NotFound { what: "resource", name: id.0.clone() })
    }

    /// Resources by tenant and name.
    pub async fn resource_list(&self, tenant: Option<&str>) -> Result<Vec<ResourceRow>> {
        let statement = match tenant {
            Some(name) => {
                sql("SELECT * FROM resource WHERE tenant = $1 ORDER BY name, id").text(name)
            }
            None => sql("SELECT * FROM resource ORDER BY tenant, name, id"),
        };
        self.all(statement).await
    }

    /// Resources whose name, id or Graph id is `text`, whatever its case. More than one answer
    /// means that the text is ambiguous (a name used again, or in two tenants).
    pub async fn resource_find(
        &self,
        tenant: Option<&str>,
        text: &str,
    ) -> Result<Vec<ResourceRow>> {
        let statement = sql("SELECT * FROM resource \
             WHERE name_fold = $1 OR id_fold = $1 OR graph_id_fold = $1 \
             ORDER BY tenant, name, id");
        let mut found: Vec<ResourceRow> = self.all(statement.text(&fold(text))).await?;
        found.retain(|resource| tenant.is_none_or(|tenant| resource.tenant == tenant));
        Ok(found)
    }
}
