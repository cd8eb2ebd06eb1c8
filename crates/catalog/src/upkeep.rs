//! Whether the catalog is sound, and leaving nothing of what was deleted.

use crate::catalog::{Backend, Catalog};
use crate::error::Result;
use crate::sql::{Columns, sql};
use crate::{postgres, sqlite};

/// What must hold between the tables: how many rows break it, and in which words that is told.
const INVARIANTS: [(&str, &str); 7] = [
    (
        "items without their container or resource",
        "SELECT COUNT(*) AS n FROM item i LEFT JOIN container c ON c.num = i.container \
             AND c.resource = i.resource WHERE c.num IS NULL",
    ),
    (
        "containers without their resource",
        "SELECT COUNT(*) AS n FROM container c LEFT JOIN resource r ON r.num = c.resource \
             WHERE r.num IS NULL",
    ),
    (
        "restore points without their resource",
        "SELECT COUNT(*) AS n FROM restore_point p LEFT JOIN resource r ON r.id = p.resource \
             WHERE r.id IS NULL",
    ),
    (
        "epochs without their resource",
        "SELECT COUNT(*) AS n FROM epoch e LEFT JOIN resource r ON r.id = e.resource \
             WHERE r.id IS NULL",
    ),
    (
        "items of restores without their restore",
        "SELECT COUNT(*) AS n FROM restore_item i LEFT JOIN restore_run r ON r.id = i.restore_id \
             WHERE r.id IS NULL",
    ),
    (
        "shards whose newest snapshot is not listed",
        "SELECT COUNT(*) AS n FROM shard s LEFT JOIN snapshot p ON p.vault_id = s.vault_id \
             AND p.shard = s.shard AND p.seq = s.head_seq \
             WHERE s.head_seq > 0 AND p.seq IS NULL",
    ),
    (
        "numbers above the last one given out",
        "SELECT COUNT(*) AS n FROM counter WHERE last < \
             (SELECT COALESCE(MAX(num), 0) FROM resource) OR last < \
             (SELECT COALESCE(MAX(num), 0) FROM container)",
    ),
];

impl Catalog {
    /// Reads all of it and returns what does not fit together: nothing, in a sound catalog.
    ///
    /// A file is read page by page. A server looks after its own pages (`pg_amcheck`); what is
    /// compared there are the rows.
    pub async fn check(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        if self.backend() == Backend::Sqlite {
            for row in &self.rows(sql(sqlite::CHECK)).await? {
                faults.push(Columns::text(row, "integrity_check")?);
            }
            faults.retain(|fault| fault != "ok");
        }
        if !faults.is_empty() {
            return Ok(faults);
        }
        for (words, text) in INVARIANTS {
            match self.count(sql(text)).await? {
                0 => {}
                count => faults.push(format!("{words}: {count}")),
            }
        }
        Ok(faults)
    }

    /// Writes the tables anew, so that nothing of deleted rows is left in them. Takes seconds for
    /// each million of items; on PostgreSQL others wait for the table that is being written.
    pub async fn purge(&self) -> Result<()> {
        let statements: &[&str] = match self.backend() {
            Backend::Sqlite => &sqlite::PURGE,
            Backend::Postgres => &postgres::PURGE,
        };
        for statement in statements {
            self.execute(sql(statement)).await?;
        }
        Ok(())
    }
}
