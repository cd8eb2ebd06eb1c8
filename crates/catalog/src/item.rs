//! Containers and current items: where each item lies now. Their history is in the vault.

use holdfast_model::{ContainerId, ItemId, ResourceId};
use sqlx::any::AnyRow;

use crate::catalog::{Catalog, FromRow};
use crate::error::Result;
use crate::sql::{Arguments, Columns, Statement, sql};

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

/// Insert, or replace all columns.
pub(crate) fn container_put(container: &ContainerRow) -> Statement {
    sql("INSERT INTO container \
             (resource, id, parent, dir, display_name, delta_link, next_link, retry, meta) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (resource, id) DO UPDATE SET parent = excluded.parent, dir = excluded.dir, \
             display_name = excluded.display_name, delta_link = excluded.delta_link, \
             next_link = excluded.next_link, retry = excluded.retry, meta = excluded.meta")
    .text(container.resource.as_str())
    .text(container.id.as_str())
    .opt_text(container.parent.as_ref().map(ContainerId::as_str))
    .text(&container.dir)
    .text(&container.display_name)
    .opt_text(container.delta_link.as_deref())
    .opt_text(container.next_link.as_deref())
    .opt_text(container.retry.as_deref())
    .opt_text(container.meta.as_deref())
}

pub(crate) fn container_remove(resource: &ResourceId, id: &ContainerId) -> Statement {
    sql("DELETE FROM container WHERE resource = $1 AND id = $2")
        .text(resource.as_str())
        .text(id.as_str())
}

/// Insert, or replace all columns.
pub(crate) fn item_put(item: &ItemRow) -> Statement {
    sql("INSERT INTO item (resource, id, container, name, change_key, content_tag) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (resource, id) DO UPDATE SET container = excluded.container, \
             name = excluded.name, change_key = excluded.change_key, \
             content_tag = excluded.content_tag")
    .text(item.resource.as_str())
    .text(item.id.as_str())
    .text(item.container.as_str())
    .text(&item.name)
    .text(&item.change_key)
    .text(&item.content_tag)
}

pub(crate) fn item_remove(resource: &ResourceId, id: &ItemId) -> Statement {
    sql("DELETE FROM item WHERE resource = $1 AND id = $2")
        .text(resource.as_str())
        .text(id.as_str())
}

/// Ids asked for by one statement of [`Catalog::item_get`].
const CHUNK: usize = 16;

const ITEM_GET: &str = "SELECT * FROM item WHERE resource = $1 AND id IN \
     ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

impl Catalog {
    /// The containers of a resource by id.
    pub async fn container_list(&self, resource: &ResourceId) -> Result<Vec<ContainerRow>> {
        let statement = sql("SELECT * FROM container WHERE resource = $1 ORDER BY id");
        self.all(statement.text(resource.as_str())).await
    }

    /// Those of the given items that are known, in no set order.
    pub async fn item_get(&self, resource: &ResourceId, ids: &[ItemId]) -> Result<Vec<ItemRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let padding = std::iter::repeat_n(&chunk[0], CHUNK - chunk.len());
            let statement = sql(ITEM_GET).text(resource.as_str());
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
            Some(container) => sql("SELECT * FROM item \
                 WHERE resource = $1 AND container = $2 AND id > $3 ORDER BY id LIMIT $4")
            .text(resource.as_str())
            .text(container.as_str()),
            None => sql("SELECT * FROM item WHERE resource = $1 AND id > $2 ORDER BY id LIMIT $3")
                .text(resource.as_str()),
        };
        self.all(statement.text(after).number(limit.into())).await
    }

    /// How many items a resource has at present.
    pub async fn item_count(&self, resource: &ResourceId) -> Result<u64> {
        let statement = sql("SELECT COUNT(*) AS n FROM item WHERE resource = $1");
        self.count(statement.text(resource.as_str())).await
    }
}
