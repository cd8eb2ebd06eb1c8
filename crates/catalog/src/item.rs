//! Containers and current items: where each item lies now. Their history is in the vault.

use std::collections::BTreeSet;

use holdfast_model::{ContainerId, ItemId, ResourceId};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// A container (mail folder) of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRow {
    /// The resource.
    pub resource: ResourceId,
    /// Graph id.
    pub id: ContainerId,
    /// The container around it; absent at the top.
    pub parent: Option<ContainerId>,
    /// Its path component in the vault.
    pub dir: String,
    /// Its real name.
    pub display_name: String,
    /// Where the next delta round starts (path and query, no host).
    pub delta_link: Option<String>,
    /// Where an interrupted delta round goes on.
    pub next_link: Option<String>,
    /// Items that could not be read and are asked for again, as a JSON list of ids.
    pub retry: Option<String>,
    /// Of the root of a library: where reading its columns goes on, as JSON.
    pub columns: Option<String>,
    /// Further metadata as JSON.
    pub meta: Option<String>,
}

impl FromRow for ContainerRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            id: ContainerId(row.text("id")?),
            parent: row.opt_text("parent")?.map(ContainerId),
            dir: row.text("dir")?,
            display_name: row.text("display_name")?,
            delta_link: row.opt_text("delta_link")?,
            next_link: row.opt_text("next_link")?,
            retry: row.opt_text("retry")?,
            columns: row.opt_text("columns")?,
            meta: row.opt_text("meta")?,
        })
    }
}

/// A current item. Its place in the vault is the path of its container plus its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// The resource.
    pub resource: ResourceId,
    /// Graph id, immutable form.
    pub id: ItemId,
    /// The container that holds it.
    pub container: ContainerId,
    /// File name in the vault.
    pub name: String,
    /// Version tag of the service: changes with every change.
    pub change_key: String,
    /// Version tag of the content: while it stays, the body need not be fetched.
    pub content_tag: String,
}

impl FromRow for ItemRow {
    fn from_row(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            resource: ResourceId(row.text("resource")?),
            id: ItemId(row.text("id")?),
            container: ContainerId(row.text("container")?),
            name: row.text("name")?,
            change_key: row.text("change_key")?,
            content_tag: row.text("content_tag")?,
        })
    }
}

/// Insert with a fresh number, or replace all columns but the number.
pub(crate) fn container_put(num: u64, container: &ContainerRow) -> Statement {
    sql("INSERT INTO container \
             (num, resource, id, parent, dir, display_name, delta_link, next_link, retry, \
             columns, meta) \
         VALUES ($1, (SELECT num FROM resource WHERE id = $2), $3, $4, $5, $6, $7, $8, $9, $10, \
             $11) \
         ON CONFLICT (resource, id) DO UPDATE SET parent = excluded.parent, dir = excluded.dir, \
             display_name = excluded.display_name, delta_link = excluded.delta_link, \
             next_link = excluded.next_link, retry = excluded.retry, \
             columns = excluded.columns, meta = excluded.meta")
    .number(num)
    .text(container.resource.as_str())
    .text(container.id.as_str())
    .opt_text(container.parent.as_ref().map(ContainerId::as_str))
    .text(&container.dir)
    .text(&container.display_name)
    .opt_text(container.delta_link.as_deref())
    .opt_text(container.next_link.as_deref())
    .opt_text(container.retry.as_deref())
    .opt_text(container.columns.as_deref())
    .opt_text(container.meta.as_deref())
}

pub(crate) fn container_remove(resource: &ResourceId, id: &ContainerId) -> Statement {
    sql("DELETE FROM container \
         WHERE resource = (SELECT num FROM resource WHERE id = $1) AND id = $2")
    .text(resource.as_str())
    .text(id.as_str())
}

/// Rows or ids handled by one statement: each statement costs two changes of thread.
const CHUNK: usize = 16;

// A resource or container that is not there joins as NULL, which the table refuses.
const ITEM_PUT: &str = "INSERT INTO item (resource, id, container, name, change_key, content_tag) \
     WITH v (id, container, name, change_key, content_tag) AS (VALUES \
         ($2, $3, $4, $5, $6) \
     ) SELECT r.num, v.id, c.num, v.name, v.change_key, v.content_tag \
     FROM v LEFT JOIN resource r ON r.id = $1 \
         LEFT JOIN container c ON c.resource = r.num AND c.id = v.container \
     WHERE v.id IS NOT NULL \
     ON CONFLICT (resource, id) DO UPDATE SET container = excluded.container, \
         name = excluded.name, change_key = excluded.change_key, \
         content_tag = excluded.content_tag";

/// The same for `CHUNK` rows.
const ITEMS_PUT: &str = "INSERT INTO item (resource, id, container, name, change_key, content_tag) \
     WITH v (id, container, name, change_key, content_tag) AS (VALUES \
         ($2, $3, $4, $5, $6), ($7, $8, $9, $10, $11), \
         ($12, $13, $14, $15, $16), ($17, $18, $19, $20, $21), \
         ($22, $23, $24, $25, $26), ($27, $28, $29, $30, $31), \
         ($32, $33, $34, $35, $36), ($37, $38, $39, $40, $41), \
         ($42, $43, $44, $45, $46), ($47, $48, $49, $50, $51), \
         ($52, $53, $54, $55, $56), ($57, $58, $59, $60, $61), \
         ($62, $63, $64, $65, $66), ($67, $68, $69, $70, $71), \
         ($72, $73, $74, $75, $76), ($77, $78, $79, $80, $81) \
     ) SELECT r.num, v.id, c.num, v.name, v.change_key, v.content_tag \
     FROM v LEFT JOIN resource r ON r.id = $1 \
         LEFT JOIN container c ON c.resource = r.num AND c.id = v.container \
     WHERE v.id IS NOT NULL \
     ON CONFLICT (resource, id) DO UPDATE SET container = excluded.container, \
         name = excluded.name, change_key = excluded.change_key, \
         content_tag = excluded.content_tag";

/// Inserts items or replaces all their columns. Their containers must be there.
pub(crate) async fn items_put(
    change: &mut Transaction<'static, Any>,
    items: &[ItemRow],
) -> Result<()> {
    for of_resource in items.chunk_by(|a, b| a.resource == b.resource) {
        let (chunks, rest) = of_resource.as_chunks::<CHUNK>();
        for chunk in chunks {
            items_args(sql(ITEMS_PUT), chunk).execute(&mut **change).await?;
        }
        for item in rest {
            items_args(sql(ITEM_PUT), std::slice::from_ref(item)).execute(&mut **change).await?;
        }
    }
    Ok(())
}

fn items_args(statement: Statement, items: &[ItemRow]) -> Statement {
    let resource = items.first().map_or("", |item| item.resource.as_str());
    items.iter().fold(statement.text(resource), |all, item| {
        all.text(item.id.as_str())
            .text(item.container.as_str())
            .text(&item.name)
            .text(&item.change_key)
            .text(&item.content_tag)
    })
}

pub(crate) fn item_remove(resource: &ResourceId, id: &ItemId) -> Statement {
    sql("DELETE FROM item \
         WHERE resource = (SELECT num FROM resource WHERE id = $1) AND id = $2")
    .text(resource.as_str())
    .text(id.as_str())
}

impl Catalog {
    /// Notes items of a container to be asked for again in the next round, beside those that are
    /// noted already.
    pub async fn retry_add(
        &self,
        resource: &ResourceId,
        container: &ContainerId,
        ids: &[ItemId],
    ) -> Result<()> {
        let mut change = self.begin().await?;
        // Changed to what it is: the row is locked, and nobody else adds to the same text.
        let statement = sql("UPDATE container SET retry = retry \
             WHERE resource = (SELECT num FROM resource WHERE id = $1) AND id = $2 \
             RETURNING retry");
        let statement = statement.text(resource.as_str()).text(container.as_str());
        let rows = statement.fetch_all(&mut *change).await?;
        let noted = rows.first().map(|row| row.opt_text("retry")).transpose()?.flatten();
        let noted = noted.map(|text| serde_json::from_str(&text)).transpose();
        let mut all: BTreeSet<ItemId> = noted.map_err(|_| damaged("retry"))?.unwrap_or_default();
        all.extend(ids.iter().cloned());
        let text = serde_json::to_string(&all).expect("ids are text and serialise");
        let statement = sql("UPDATE container SET retry = $1 \
             WHERE resource = (SELECT num FROM resource WHERE id = $2) AND id = $3");
        let statement = statement.text(&text).text(resource.as_str()).text(container.as_str());
        statement.execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// The containers of a resource by id.
    pub async fn container_list(&self, resource: &ResourceId) -> Result<Vec<ContainerRow>> {
        let statement = sql("SELECT r.id AS resource, c.id, c.parent, c.dir, c.display_name, \
                 c.delta_link, c.next_link, c.retry, c.columns, c.meta \
             FROM container c JOIN resource r ON r.num = c.resource \
             WHERE r.id = $1 ORDER BY c.id");
        self.all(statement.text(resource.as_str())).await
    }

    /// Those of the given items that are known, in no set order.
    pub async fn item_get(&self, resource: &ResourceId, ids: &[ItemId]) -> Result<Vec<ItemRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let statement = sql("SELECT r.id AS resource, i.id, c.id AS container, i.name, \
                     i.change_key, i.content_tag \
                 FROM resource r JOIN item i ON i.resource = r.num \
                     JOIN container c ON c.num = i.container \
                 WHERE r.id = $1 AND i.id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
                     $13, $14, $15, $16, $17)")
            .text(resource.as_str());
            let padding = std::iter::repeat_n(&chunk[0], CHUNK - chunk.len());
            let statement =
                chunk.iter().chain(padding).fold(statement, |all, id| all.text(id.as_str()));
            found.extend(self.all::<ItemRow>(statement).await?);
        }
        Ok(found)
    }

    /// One page of the current items of a resource, or of one of its containers, by id. The next
    /// page starts `after` the last id of this one; an empty page is the end.
    pub async fn item_list(
        &self,
        resource: &ResourceId,
        container: Option<&ContainerId>,
        after: Option<&ItemId>,
        limit: u32,
    ) -> Result<Vec<ItemRow>> {
        let after = after.map_or("", ItemId::as_str);
        let statement = match container {
            // The container alone decides: its number belongs to one resource.
            Some(container) => sql("SELECT r.id AS resource, i.id, c.id AS container, i.name, \
                     i.change_key, i.content_tag \
                 FROM resource r JOIN container c ON c.resource = r.num \
                     JOIN item i ON i.container = c.num \
                 WHERE r.id = $1 AND c.id = $2 AND i.id > $3 ORDER BY i.id LIMIT $4")
            .text(resource.as_str())
            .text(container.as_str()),
            None => sql("SELECT r.id AS resource, i.id, c.id AS container, i.name, \
                     i.change_key, i.content_tag \
                 FROM resource r JOIN item i ON i.resource = r.num \
                     JOIN container c ON c.num = i.container \
                 WHERE r.id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3")
            .text(resource.as_str()),
        };
        self.all(statement.text(after).number(limit.into())).await
    }

    /// How many items a resource has at present.
    pub async fn item_count(&self, resource: &ResourceId) -> Result<u64> {
        let statement = sql("SELECT COUNT(*) AS n FROM item \
             WHERE resource = (SELECT num FROM resource WHERE id = $1)");
        self.count(statement.text(resource.as_str())).await
    }
}
