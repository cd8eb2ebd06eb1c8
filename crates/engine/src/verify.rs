//! `vault check`: is what the vault holds whole, and if not, whose messages are concerned?

use std::sync::Arc;

use holdfast_catalog::ResourceRow;
use holdfast_model::{ItemId, ResourceId, ShardId, Timestamp, Workload};
use holdfast_vault::{DamagedItem, ReadData, Shard, Vault};
use holdfast_workloads::{ItemMeta, Layout, Place};
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::reading::Reading;
use crate::{Exit, Home, Progress, Result};

/// Seconds of a day: a share of the data is read each day.
const DAY: i64 = 24 * 60 * 60;

/// How much of the data a check reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// None: files, trees and references only.
    #[default]
    Structure,
    /// All of it.
    All,
    /// Today's share of so many days: a check every day has read everything after that time.
    Share(u32),
}

/// What the check of one vault found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultCheck {
    /// Vault id.
    pub vault: String,
    /// True when all data was read and compared with its hashes.
    pub read_data: bool,
    /// Days in which all data is read, where today's share was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_days: Option<u32>,
    /// What is wrong with the control repository (tenants, resources), one line each.
    pub control_errors: Vec<String>,
    /// Per shard.
    pub shards: Vec<ShardCheck>,
    /// Number of errors over the control repository and all shards.
    pub errors: usize,
}

/// What the check of one shard found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardCheck {
    /// The shard.
    pub shard: ShardId,
    /// Snapshots.
    pub snapshots: u64,
    /// Data and tree packs.
    pub packs: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Blobs in the index.
    pub blobs: u64,
    /// Bytes in packs.
    pub bytes: u64,
    /// Packs that no index names: left by a cut-off run, harmless.
    pub orphan_packs: u64,
    /// What is wrong, one line each.
    pub errors: Vec<String>,
    /// The messages and folders that cannot be restored whole because of it.
    pub damaged: Vec<Damaged>,
    /// Those beyond the first 10,000.
    pub damaged_more: u64,
}

/// A message or folder that cannot be restored whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Name of the mailbox; the directory in the vault where the catalog does not know it.
    pub resource: String,
    /// Our id of the mailbox, where the catalog knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<ResourceId>,
    /// Graph id of a message or file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ItemId>,
    /// Folders above it, outermost first, with `/` between.
    pub folder: String,
    /// `message`, `folder` (its list of items is lost) or `file` (also: our own state).
    pub kind: String,
    /// Subject of a message (its beginning), real name of a file, else the name in the vault.
    pub title: String,
    /// When a message was received, or a file last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// Path inside the resource, as `ls` shows it.
    pub path: String,
    /// The snapshots in which it is damaged, by `seq`.
    pub snapshots: Vec<u64>,
    /// True where the newest snapshot of the shard is among them: it concerns what is current.
    pub current: bool,
}

/// Checks the vault by name or id, or the only one. It can be stopped between shards.
pub async fn check(
    home: &Home,
    vault: Option<&str>,
    scope: impl Into<Scope>,
    progress: &Progress,
) -> Result<VaultCheck> {
    let (vault, scope) = (home.vault(vault).await?, scope.into());
    let read = scope.read_data(home.now());
    let resources = home.catalog.resource_list(None).await?;
    let id = vault.id().to_owned();
    let listing = vault.clone();
    let (control_errors, ids) = blocking(move || {
        let control = listing.control()?.check(read)?;
        Ok((control.errors, listing.shard_ids()?))
    })
    .await?;
    let resources = Arc::new(resources);
    let mut shards = Vec::with_capacity(ids.len());
    for shard in ids {
        progress.unless_stopped()?;
        let reading = reading(home, &id, shard).await?;
        let (vault, resources) = (vault.clone(), Arc::clone(&resources));
        shards.push(blocking(move || check_shard(&vault, shard, read, &resources)).await?);
        if let Some(reading) = reading {
            reading.end().await?;
        }
    }
    let in_shards: usize = shards.iter().map(|shard| shard.errors.len()).sum();
    let errors = control_errors.len() + in_shards;
    let share_of_days = match scope {
        Scope::Share(days) => Some(days),
        _ => None,
    };
    let read_data = scope == Scope::All;
    Ok(VaultCheck { vault: id, read_data, share_of_days, control_errors, shards, errors })
}

/// A shard that the catalog does not know can be checked, but nobody deletes from it either.
async fn reading(home: &Home, vault: &str, shard: ShardId) -> Result<Option<Reading>> {
    match Reading::begin(home, vault, shard).await {
        Err(error) if error.exit() == Exit::NotFound => Ok(None),
        reading => reading.map(Some),
    }
}

impl From<bool> for Scope {
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::Structure }
    }
}

impl Scope {
    fn read_data(self, now: Timestamp) -> ReadData {
        match self {
            Self::Structure => ReadData::No,
            Self::All => ReadData::All,
            Self::Share(days) => {
                let day = u64::try_from(now.as_second() / DAY).unwrap_or_default();
                ReadData::Share { days, day }
            }
        }
    }
}

fn check_shard(
    vault: &Vault,
    id: ShardId,
    read: ReadData,
    resources: &[ResourceRow],
) -> Result<ShardCheck> {
    let shard = vault.shard(id)?;
    let found = shard.check(read)?;
    let damaged = named(&shard, &found.damaged, resources);
    Ok(ShardCheck {
        shard: id,
        snapshots: found.snapshots,
        packs: found.packs,
        packs_read: found.packs_read,
        blobs: found.blobs,
        bytes: found.bytes,
        orphan_packs: found.orphan_packs,
        errors: found.errors,
        damaged,
        damaged_more: found.damaged_more,
    })
}

/// Damaged nodes by the names that people know.
pub(crate) fn named(
    shard: &Shard,
    found: &[DamagedItem],
    resources: &[ResourceRow],
) -> Vec<Damaged> {
    if found.is_empty() {
        return Vec::new();
    }
    // A damaged snapshot is among the errors already.
    let newest = shard.snapshots().ok().and_then(|all| Some(all.last()?.tags.seq.0));
    found.iter().map(|item| by_name(item, newest, resources)).collect()
}

/// The first two names of the path are workload and resource; the spread over months and days is
/// left out.
fn by_name(item: &DamagedItem, newest: Option<u64>, resources: &[ResourceRow]) -> Damaged {
    let mut names = item.path.iter().map(String::as_str);
    let (workload, dir) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let known = resources
        .iter()
        .find(|row| row.dir.as_deref() == Some(dir) && row.workload.to_string() == workload);
    let layout = Layout::of(workload.parse().unwrap_or(Workload::Exchange));
    let shown = |(at, name): (usize, &str)| {
        let is_dir = item.is_folder || at + 3 < item.path.len();
        layout.place(name, is_dir) != Place::Fanout
    };
    let inner: Vec<&str> =
        names.enumerate().filter(|named| shown(*named)).map(|(_, name)| name).collect();
    let (name, folders) = inner.split_last().map_or(("", &[][..]), |(name, rest)| (*name, rest));
    let is_item = !item.is_folder && layout.place(name, false) == Place::Item;
    let meta = item.meta.as_deref().filter(|_| is_item);
    let meta = meta.and_then(|text| layout.item(name, text).ok());
    let snapshots: Vec<u64> = item.snapshots.iter().map(|seq| seq.0).collect();
    Damaged {
        resource: known.map_or_else(|| dir.to_owned(), |row| row.name.clone()),
        resource_id: known.map(|row| row.id.clone()),
        id: meta.as_ref().map(ItemMeta::item_id),
        folder: folders.join("/"),
        kind: match (item.is_folder, &meta) {
            (true, _) => "folder",
            (false, Some(meta)) => meta.noun(),
            (false, None) if is_item && !layout.is_drive() => "message",
            (false, None) => "file",
        }
        .to_owned(),
        title: meta.as_ref().map_or_else(|| name.to_owned(), |meta| meta.title().to_owned()),
        received: meta.and_then(|meta| meta.date()),
        path: inner.join("/"),
        current: newest.is_some_and(|newest| snapshots.contains(&newest)),
        snapshots,
    }
}
