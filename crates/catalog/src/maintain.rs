//! What deletions change in the catalog: forgotten snapshots, rewritten ones, erased items.

use std::collections::BTreeSet;

use holdfast_model::{ItemId, ResourceId, Seq, ShardId, short_id};
use sqlx::{Any, Transaction};

use crate::catalog::Catalog;
use crate::commit::{advance, guard};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::restore_point::{self, RestorePointRow};
use crate::shard::SnapshotRow;
use crate::sql::{Arguments, Columns, Statement, damaged, sql};

/// Snapshots that were written anew with less in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// Position, new id and new root tree.
    pub snapshots: Vec<(Seq, String, String)>,
    /// Restore points with the new tree of the resource's directory.
    pub points: Vec<(ResourceId, Seq, String)>,
    /// Items that are nowhere any more, by short id.
    pub erased: Vec<(ResourceId, Vec<String>)>,
}

impl Catalog {
    /// Makes a snapshot in which nothing was read the head of its shard: links that maintenance has
    /// added change restore points, no current item.
    ///
    /// # Errors
    /// [`Error::NotNewer`]; [`Error::FenceLost`]. Then nothing is changed.
    pub async fn advance(
        &self,
        lease: &Lease,
        snapshot: &SnapshotRow,
        points: &[RestorePointRow],
    ) -> Result<()> {
        let mut change = self.begin().await?;
        guard(&mut change, &lease.vault_id, lease.shard, lease.fence).await?;
        advance(&mut change, snapshot).await?;
        for point in points {
            restore_point::add(point).execute(&mut *change).await?;
        }
        Ok(change.commit().await?)
    }

    /// Forgets snapshots of a shard. A restore point that a later snapshot still shows moves there;
    /// the others go with their snapshots.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the newest snapshot; [`Error::FenceLost`]. Then nothing is changed.
    pub async fn forget(&self, lease: &Lease, forgotten: &BTreeSet<Seq>) -> Result<()> {
        let mut change = self.begin().await?;
        guard(&mut change, &lease.vault_id, lease.shard, lease.fence).await?;
        let mut chain = chain(&mut change, lease).await?;
        if chain.last().is_some_and(|newest| forgotten.contains(newest)) {
            return Err(Error::Conflict("the newest snapshot of a shard is not forgotten"));
        }
        let gone: Vec<Seq> = chain.extract_if(.., |seq| forgotten.contains(seq)).collect();
        for seq in gone {
            let heir = chain.partition_point(|kept| *kept < seq);
            if let Some(heir) = chain.get(heir) {
                inherit(lease, seq, *heir).execute(&mut *change).await?;
            }
            for statement in [drop_points(lease, seq), drop_snapshot(lease, seq)] {
                statement.execute(&mut *change).await?;
            }
        }
        Ok(change.commit().await?)
    }

    /// Puts rewritten snapshots in the place of the old ones and takes out what is known of erased
    /// items: their rows, and their traces in reports of runs and restores.
    ///
    /// # Errors
    /// [`Error::FenceLost`]; then nothing is changed.
    pub async fn rewrite(&self, lease: &Lease, rewriting: &Rewriting) -> Result<()> {
        let mut change = self.begin().await?;
        guard(&mut change, &lease.vault_id, lease.shard, lease.fence).await?;
        for (seq, id, tree) in &rewriting.snapshots {
            let texts = [
                "UPDATE snapshot SET id = $4, tree = $5 \
                 WHERE vault_id = $1 AND shard = $2 AND seq = $3",
                "UPDATE shard SET head_snapshot = $4, head_tree = $5 \
                 WHERE vault_id = $1 AND shard = $2 AND head_seq = $3",
            ];
            for text in texts {
                at(sql(text), lease, *seq).text(id).text(tree).execute(&mut *change).await?;
            }
        }
        for (resource, seq, tree) in &rewriting.points {
            let statement = sql("UPDATE restore_point SET tree = $4 \
                 WHERE resource = $1 AND shard = $2 AND seq = $3")
            .text(resource.as_str())
            .number(lease.shard.0.into())
            .number(seq.0);
            statement.text(tree).execute(&mut *change).await?;
        }
        let mut erased: Vec<_> = rewriting.erased.iter().collect();
        erased.sort();
        for (resource, items) in erased {
            erase(&mut change, resource, items).await?;
        }
        Ok(change.commit().await?)
    }

    /// Whether a resource was read to the end in one of these snapshots.
    pub async fn restore_point_complete_in(
        &self,
        vault_id: &str,
        shard: ShardId,
        first: Seq,
        last: Seq,
    ) -> Result<bool> {
        let statement = sql("SELECT COUNT(*) AS n FROM restore_point \
             WHERE shard = $2 AND seq >= $3 AND seq <= $4 AND complete = 1 AND resource IN \
                 (SELECT r.id FROM resource r JOIN tenant t ON t.name = r.tenant \
                  WHERE t.vault_id = $1)");
        let statement = statement.text(vault_id).number(shard.0.into());
        Ok(self.count(statement.number(first.0).number(last.0)).await? > 0)
    }
}

/// The numbers of the committed snapshots, rising.
async fn chain(change: &mut Transaction<'static, Any>, lease: &Lease) -> Result<Vec<Seq>> {
    let statement = sql("SELECT seq FROM snapshot WHERE vault_id = $1 AND shard = $2 ORDER BY seq")
        .text(&lease.vault_id)
        .number(lease.shard.0.into());
    let rows = statement.fetch_all(&mut **change).await?;
    rows.iter().map(|row| Ok(Seq(row.number("seq")?))).collect()
}

fn at(statement: Statement, lease: &Lease, seq: Seq) -> Statement {
    statement.text(&lease.vault_id).number(lease.shard.0.into()).number(seq.0)
}

/// Moves the restore points of a snapshot to the next one that stays, where that shows the same.
fn inherit(lease: &Lease, seq: Seq, heir: Seq) -> Statement {
    let statement = sql("UPDATE restore_point SET seq = $4 \
         WHERE shard = $2 AND seq = $3 AND resource IN \
             (SELECT r.id FROM resource r JOIN tenant t ON t.name = r.tenant \
              WHERE t.vault_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM restore_point later \
              WHERE later.resource = restore_point.resource AND later.shard = $2 \
                  AND later.seq > $3 AND later.seq <= $4)");
    at(statement, lease, seq).number(heir.0)
}

fn drop_points(lease: &Lease, seq: Seq) -> Statement {
    let statement = sql("DELETE FROM restore_point \
         WHERE shard = $2 AND seq = $3 AND resource IN \
             (SELECT r.id FROM resource r JOIN tenant t ON t.name = r.tenant \
              WHERE t.vault_id = $1)");
    at(statement, lease, seq)
}

fn drop_snapshot(lease: &Lease, seq: Seq) -> Statement {
    let statement = sql("DELETE FROM snapshot WHERE vault_id = $1 AND shard = $2 AND seq = $3");
    at(statement, lease, seq)
}

/// Takes out all that is known of some items of a resource.
async fn erase(
    change: &mut Transaction<'static, Any>,
    resource: &ResourceId,
    items: &[String],
) -> Result<()> {
    // Its items may change at the same time under the lease of another shard.
    let lock = sql("UPDATE resource SET id = id WHERE id = $1").text(resource.as_str());
    lock.execute(&mut **change).await?;
    for (find, remove) in [
        (
            "SELECT id FROM item WHERE resource = (SELECT num FROM resource WHERE id = $1) \
             ORDER BY id",
            "DELETE FROM item \
             WHERE resource = (SELECT num FROM resource WHERE id = $1) AND id = $2",
        ),
        (
            "SELECT DISTINCT source AS id FROM restore_item WHERE restore_id IN \
                 (SELECT id FROM restore_run WHERE resource = $1) ORDER BY source",
            "DELETE FROM restore_item WHERE source = $2 AND restore_id IN \
                 (SELECT id FROM restore_run WHERE resource = $1)",
        ),
        (
            "SELECT DISTINCT item AS id FROM run_problem \
             WHERE resource = $1 AND item IS NOT NULL",
            "DELETE FROM run_problem WHERE resource = $1 AND item = $2",
        ),
    ] {
        for row in sql(find).text(resource.as_str()).fetch_all(&mut **change).await? {
            let id = row.text("id")?;
            if items.contains(&short_id(&id)) {
                let statement = sql(remove).text(resource.as_str()).text(&id);
                statement.execute(&mut **change).await?;
            }
        }
    }
    forget_retries(change, resource, items).await?;
    // A path names a file, and with it its subject.
    let paths = sql("SELECT id, path FROM restore_run WHERE resource = $1 AND path IS NOT NULL");
    for row in paths.text(resource.as_str()).fetch_all(&mut **change).await? {
        let path = row.text("path")?;
        if items.iter().any(|item| path.contains(&format!("~{item}"))) {
            let statement = sql("UPDATE restore_run SET path = NULL WHERE id = $1");
            statement.text(&row.text("id")?).execute(&mut **change).await?;
        }
    }
    Ok(())
}

/// What was noted to be asked for again is not, when it is erased.
async fn forget_retries(
    change: &mut Transaction<'static, Any>,
    resource: &ResourceId,
    items: &[String],
) -> Result<()> {
    let noted = sql("UPDATE container SET retry = retry \
         WHERE resource = (SELECT num FROM resource WHERE id = $1) AND retry IS NOT NULL \
         RETURNING num, retry");
    for row in noted.text(resource.as_str()).fetch_all(&mut **change).await? {
        let noted: BTreeSet<ItemId> =
            serde_json::from_str(&row.text("retry")?).map_err(|_| damaged("retry"))?;
        let left: BTreeSet<_> =
            noted.iter().filter(|id| !items.contains(&short_id(&id.0))).collect();
        if left.len() < noted.len() {
            let text = serde_json::to_string(&left).expect("ids are text and serialise");
            let text = (!left.is_empty()).then_some(text);
            let statement = sql("UPDATE container SET retry = $1 WHERE num = $2");
            let statement = statement.opt_text(text.as_deref()).number(row.number("num")?);
            statement.execute(&mut **change).await?;
        }
    }
    Ok(())
}
