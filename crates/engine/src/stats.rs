//! `vault stats`: what a vault holds, what that takes, and how it grows.
//!
//! Everything is counted from what lies in the vault: the trees of all committed snapshots, each
//! tree once, and the index. What a snapshot has added is what it is the first to name.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_catalog::{ResourceRow, SnapshotRow};
use holdfast_model::{Seq, ShardId, Timestamp};
use holdfast_vault::{BlobId, LockReport, Node, NodeKind, Reader, TreeId, Usage, Vault};
use holdfast_workloads::{Layout, Place, mail};
use jiff::SignedDuration;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::backup::tree_id;
use crate::copy::source_of;
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Result, maintain};

/// Directories below each other that are followed, as many as the vault makes.
const MAX_DEPTH: usize = 400;

/// What a vault holds, as `holdfast vault stats --json` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultStats {
    /// Vault id.
    pub vault: String,
    /// Where it lies.
    pub location: String,
    /// Current items.
    pub items: u64,
    /// Bytes of current items, as they are restored.
    pub logical_bytes: u64,
    /// Different versions of items over all snapshots; those that went along to another shard count
    /// in both.
    pub versions: u64,
    /// Bytes of all versions, as they are restored.
    pub version_bytes: u64,
    /// Bytes of all files in the shards.
    pub stored_bytes: u64,
    /// Bytes of all versions for each different byte of content: what is stored once counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup_ratio: Option<f64>,
    /// Bytes of content for each byte that it takes compressed and encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_ratio: Option<f64>,
    /// The locks of what living snapshots need; absent where the storage locks nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<LockReport>,
    /// Per shard.
    pub shards: Vec<ShardStats>,
    /// Per resource, by name.
    pub resources: Vec<ResourceStats>,
    /// Bytes added on each day (UTC) with a snapshot.
    pub by_day: Vec<Growth>,
    /// Bytes added in each week, by its Monday (UTC).
    pub by_week: Vec<Growth>,
}

/// What a shard holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardStats {
    /// Its number.
    pub shard: ShardId,
    /// Blobs and trees in its index.
    pub blobs: u64,
    /// Packs.
    pub packs: u64,
    /// Bytes of packs.
    pub pack_bytes: u64,
    /// Bytes of index files and snapshots.
    pub index_bytes: u64,
    /// Bytes of content before compression, each blob once.
    pub data_bytes: u64,
    /// The same as stored.
    pub data_stored: u64,
    /// Bytes of trees as stored.
    pub tree_stored: u64,
    /// Share of the cap that is taken, 1 at the cap.
    pub fill: f64,
    /// Resources that live there now.
    pub resources: u64,
    /// Committed snapshots.
    pub snapshots: u64,
    /// The first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// What each snapshot has added.
    pub added: Vec<Added>,
}

/// What a snapshot has added to its shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Its number.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
    /// Versions of items that no earlier one holds.
    pub versions: u64,
    /// Their bytes.
    pub version_bytes: u64,
    /// Bytes as stored of the content and trees that no earlier one names.
    pub stored_bytes: u64,
}

/// What a resource holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceStats {
    /// Our id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Where it lives.
    pub shard: ShardId,
    /// Current items.
    pub items: u64,
    /// Their bytes, as they are restored.
    pub logical_bytes: u64,
}

/// What a day or week has added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// First day, `2026-11-22`.
    pub from: String,
    /// Snapshots.
    pub snapshots: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Bytes of new versions, as they are restored.
    pub version_bytes: u64,
}

/// Counts the vault by name or id, or the only one.
pub async fn stats(home: &Home, vault: Option<&str>) -> Result<VaultStats> {
    let row = home.vault_row(vault).await?;
    if let Some(source) = source_of(home, &row.id).await? {
        return Err(Error::Usage(format!(
            "vault '{}' is a copy: 'vault stats --vault {}' counts what it was copied from",
            row.name, source.name
        )));
    }
    let vault = home.vault(Some(&row.id)).await?;
    let locked = vault.clone();
    let locks = blocking(move || Ok(locked.lock_report()?)).await?;
    let (mut shards, mut resources) = (Vec::new(), Vec::new());
    for shard in home.catalog.shard_list(&row.id).await? {
        maintain::settle(home, &vault, shard.shard).await?;
        let reading = Reading::begin(home, &row.id, shard.shard).await?;
        let snapshots = home.catalog.snapshot_list(Some(&row.id)).await?;
        let current = residents(home, &row.id, shard.shard).await?;
        let own: Vec<_> = snapshots.into_iter().filter(|s| s.shard == shard.shard).collect();
        let (vault, cap, id) = (vault.clone(), home.shard_limits.cap, shard.shard);
        let (stats, part) = blocking(move || of_shard(&vault, id, cap, &own, &current)).await?;
        reading.end().await?;
        shards.push(stats);
        resources.extend(part);
    }
    resources.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(VaultStats { locks, ..sums(row.id, row.location, shards, resources) })
}

/// A resource and the tree of its newest restore point.
type Current = (ResourceRow, Option<String>);

async fn residents(home: &Home, vault: &str, shard: ShardId) -> Result<Vec<Current>> {
    let mut residents = Vec::new();
    let tenants = home.catalog.tenant_list().await?;
    for tenant in tenants.iter().filter(|tenant| tenant.vault_id == vault) {
        let mut rows = home.catalog.resource_list(Some(&tenant.name)).await?;
        rows.retain(|row| row.shard == Some(shard));
        for row in rows {
            let point = home.catalog.restore_point_at(&row.id, None).await?;
            let point = point.filter(|point| point.shard == shard);
            residents.push((row, point.map(|point| point.tree)));
        }
    }
    Ok(residents)
}

fn of_shard(
    vault: &Vault,
    id: ShardId,
    cap: u64,
    snapshots: &[SnapshotRow],
    residents: &[Current],
) -> Result<(ShardStats, Vec<ResourceStats>)> {
    let shard = vault.shard(id)?;
    let usage = shard.usage()?;
    let mut count = Count::new(shard.reader()?);
    let mut added = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        added.push(count.snapshot(snapshot)?);
    }
    let mut resources = Vec::new();
    for (row, tree) in residents {
        let Some(tree) = tree else { continue };
        let totals = count.directory(tree_id(tree)?, Some(Layout::of(row.workload)), 0)?;
        resources.push(ResourceStats {
            id: row.id.to_string(),
            name: row.name.clone(),
            shard: id,
            items: totals.items,
            logical_bytes: totals.bytes,
        });
    }
    let residents = residents.len() as u64;
    Ok((shard_stats(id, cap, usage, residents, snapshots, added), resources))
}

fn shard_stats(
    shard: ShardId,
    cap: u64,
    usage: Usage,
    resources: u64,
    snapshots: &[SnapshotRow],
    added: Vec<Added>,
) -> ShardStats {
    let blobs = usage.data_blobs + usage.tree_blobs;
    ShardStats {
        shard,
        blobs,
        packs: usage.packs,
        pack_bytes: usage.pack_bytes,
        index_bytes: usage.index_bytes,
        data_bytes: usage.data_bytes,
        data_stored: usage.data_stored,
        tree_stored: usage.tree_stored,
        fill: blobs as f64 / cap.max(1) as f64,
        resources,
        snapshots: snapshots.len() as u64,
        oldest: snapshots.iter().map(|snapshot| snapshot.time).min(),
        newest: snapshots.iter().map(|snapshot| snapshot.time).max(),
        added,
    }
}

fn sums(
    vault: String,
    location: String,
    shards: Vec<ShardStats>,
    resources: Vec<ResourceStats>,
) -> VaultStats {
    let sum = |figure: fn(&ShardStats) -> u64| shards.iter().map(figure).sum::<u64>();
    let added = |figure: fn(&Added) -> u64| {
        shards.iter().flat_map(|shard| &shard.added).map(figure).sum::<u64>()
    };
    let ratio = |whole: u64, part: u64| (part > 0).then(|| whole as f64 / part as f64);
    let version_bytes = added(|added| added.version_bytes);
    let all = || shards.iter().flat_map(|shard| &shard.added);
    VaultStats {
        vault,
        location,
        items: resources.iter().map(|resource| resource.items).sum(),
        logical_bytes: resources.iter().map(|resource| resource.logical_bytes).sum(),
        versions: added(|added| added.versions),
        version_bytes,
        stored_bytes: sum(|shard| shard.pack_bytes + shard.index_bytes),
        dedup_ratio: ratio(version_bytes, sum(|shard| shard.data_bytes)),
        compression_ratio: ratio(sum(|s| s.data_bytes), sum(|s| s.data_stored)),
        by_day: growth(all(), |day| day),
        by_week: growth(all(), monday),
        locks: None,
        shards,
        resources,
    }
}

/// The Monday of a day's week.
fn monday(day: Date) -> Date {
    let since = i64::from(day.weekday().since(Weekday::Monday));
    day.checked_sub(SignedDuration::from_hours(24 * since)).unwrap_or(day)
}

fn growth<'a>(
    added: impl Iterator<Item = &'a Added>,
    first_day: impl Fn(Date) -> Date,
) -> Vec<Growth> {
    let mut days = BTreeMap::<Date, Growth>::new();
    for added in added {
        let day = first_day(added.time.to_zoned(TimeZone::UTC).date());
        let from = day.to_string();
        let growth = days.entry(day).or_insert(Growth {
            from,
            snapshots: 0,
            stored_bytes: 0,
            version_bytes: 0,
        });
        growth.snapshots += 1;
        growth.stored_bytes += added.stored_bytes;
        growth.version_bytes += added.version_bytes;
    }
    days.into_values().collect()
}

/// Items in a directory and all below.
#[derive(Clone, Copy, Default)]
struct Totals {
    items: u64,
    bytes: u64,
}

/// Counts the trees of a shard, each once. Some 16 bytes of memory for each blob and version, and
/// 64 for each tree.
struct Count {
    reader: Reader,
    trees: HashMap<TreeId, Totals>,
    blobs: HashSet<u64>,
    versions: HashSet<u64>,
    added: Added,
}

impl Count {
    fn new(reader: Reader) -> Self {
        let (seq, time) = (Seq(0), Timestamp::UNIX_EPOCH);
        let added = Added { seq, time, versions: 0, version_bytes: 0, stored_bytes: 0 };
        let (trees, blobs, versions) = (HashMap::new(), HashSet::new(), HashSet::new());
        Self { reader, trees, blobs, versions, added }
    }

    fn snapshot(&mut self, row: &SnapshotRow) -> Result<Added> {
        let (seq, time) = (row.seq, row.time);
        self.added = Added { seq, time, versions: 0, version_bytes: 0, stored_bytes: 0 };
        self.directory(tree_id(&row.tree)?, None, 0)?;
        Ok(self.added.clone())
    }

    /// Counts what is new in a directory; answers with the items that are current in it. Without a
    /// layout it is the root, whose directories are the workloads.
    fn directory(&mut self, tree: TreeId, layout: Option<Layout>, depth: usize) -> Result<Totals> {
        if let Some(totals) = self.trees.get(&tree) {
            return Ok(*totals);
        }
        let mut totals = Totals::default();
        if depth > MAX_DEPTH {
            return Ok(totals);
        }
        self.added.stored_bytes += self.reader.stored_tree(&tree).map_or(0, u64::from);
        for node in self.reader.list(tree)? {
            let of_name = || node.name.parse().ok().map(Layout::of);
            let place = layout.map_or(Place::Folder, |own| own.place(&node.name, node.is_dir()));
            match &node.kind {
                NodeKind::Dir { tree: Some(below) } => {
                    let inner = self.directory(*below, layout.or_else(of_name), depth + 1)?;
                    if !matches!(place, Place::Kept | Place::Own) {
                        totals.items += inner.items;
                        totals.bytes += inner.bytes;
                    }
                }
                NodeKind::Dir { tree: None } => {}
                NodeKind::File { content, size } => {
                    self.content(content);
                    if place == Place::Item {
                        totals.items += 1;
                        totals.bytes += size;
                        self.version(&node, content, *size);
                    }
                }
            }
        }
        self.trees.insert(tree, totals);
        Ok(totals)
    }

    fn content(&mut self, content: &[BlobId]) {
        for blob in content {
            if self.blobs.insert(beginning(blob)) {
                self.added.stored_bytes += self.reader.stored_blob(blob).map_or(0, u64::from);
            }
        }
    }

    /// A version is an item with a content; other metadata makes no new one.
    fn version(&mut self, node: &Node, content: &[BlobId], size: u64) {
        let name = mail::short_id_of_name(&node.name).unwrap_or(&node.name);
        let mut hash = fnv(0xcbf2_9ce4_8422_2325, name.as_bytes());
        for blob in content {
            hash = fnv(hash, blob.as_bytes());
        }
        if self.versions.insert(hash) {
            self.added.versions += 1;
            self.added.version_bytes += size;
        }
    }
}

/// The first eight bytes of a blob's id stand for it: two of ten million blobs share them once in
/// 400,000 vaults.
fn beginning(blob: &BlobId) -> u64 {
    blob.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_summed_by_day_and_by_week() {
        let added = |time: &str, stored_bytes| Added {
            seq: Seq(1),
            time: time.parse().unwrap(),
            versions: 1,
            version_bytes: 10,
            stored_bytes,
        };
        let all = [
            added("2026-11-15T23:59:59Z", 1), // a Sunday
            added("2026-11-16T00:00:00Z", 2),
            added("2026-11-16T09:00:00Z", 4),
            added("2026-11-22T23:00:00Z", 8),
        ];
        let days = growth(all.iter(), |day| day);
        let figures: Vec<_> =
            days.iter().map(|g| (g.from.as_str(), g.snapshots, g.stored_bytes)).collect();
        assert_eq!(figures, [("2026-11-15", 1, 1), ("2026-11-16", 2, 6), ("2026-11-22", 1, 8)]);
        let weeks = growth(all.iter(), monday);
        let figures: Vec<_> = weeks.iter().map(|g| (g.from.as_str(), g.stored_bytes)).collect();
        assert_eq!(figures, [("2026-11-09", 1), ("2026-11-16", 14)]);
        let stats = sums(String::new(), String::new(), Vec::new(), Vec::new());
        assert_eq!((stats.dedup_ratio, stats.compression_ratio), (None, None));
    }
}
