//! `erase`: takes single items out of every snapshot, and out of all that is known of them.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_catalog::{Error as CatalogError, ResourceRow};
use holdfast_model::{ResourceId, ShardId, Timestamp, short_id};
use holdfast_policy::{DeletePlan, ErasureRequest, Rules, evaluate_erasure};
use holdfast_vault::{EraseReport as Erased, PruneOptions, Vault};
use serde::Serialize;

use super::prune::ShardFailure;
use super::record::{self, ErasureRecord};
use super::{Alone, alone, facts, reconcile};
use crate::browse::{At, locate};
use crate::copy::copies_of;
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Result, discover, process, released, tenant};

/// How long a reader is waited for, and how often it is looked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What to erase.
#[derive(Clone, Debug)]
pub struct EraseRequest {
    /// Tenant of the resource.
    pub tenant: Option<String>,
    /// The resource: name, id or Graph id.
    pub resource: String,
    /// In which restore point paths are looked up.
    pub at: At,
    /// Each a path (a folder means all below it), a Graph id or a short id.
    pub items: Vec<String>,
    /// Why. It is kept on record and must name no person.
    pub reason: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How long readers of the shard are waited for.
    pub patience: Duration,
}

impl EraseRequest {
    /// Erases items of a resource, found in its newest restore point.
    pub fn new(resource: &str, items: Vec<String>, reason: &str) -> Self {
        Self {
            tenant: None,
            resource: resource.to_owned(),
            at: At::Latest,
            items,
            reason: reason.to_owned(),
            dry_run: false,
            patience: PATIENCE,
        }
    }
}

/// What an erasure came to: the `--json` form of `holdfast erase`.
#[derive(Clone, Debug, Serialize)]
pub struct EraseReport {
    /// Id of its record in the control repository; none in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasure: Option<String>,
    /// True when nothing was changed.
    pub dry_run: bool,
    /// Name of the resource.
    pub resource: String,
    /// Short ids of the items.
    pub items: Vec<String>,
    /// True when no trace is left; false where locks, other programs' snapshots or copies keep data.
    pub complete: bool,
    /// When the last of the locks ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
    /// Per shard.
    pub shards: Vec<ShardErasure>,
    /// Shards in which it could not be done: the next prune does it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ShardFailure>,
    /// Names of vaults with a copy that has the items until it is brought up to date and pruned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
}

/// What an erasure came to in one shard.
#[derive(Clone, Debug, Serialize)]
pub struct ShardErasure {
    /// The shard.
    pub shard: ShardId,
    /// True when no trace is left there.
    pub complete: bool,
    /// What was found and what became of it.
    #[serde(flatten)]
    pub report: Erased,
}

/// Erases items. One that is on hold refuses the whole request.
///
/// # Errors
/// [`Error::Policy`] names the hold; [`Error::NotFound`] where no snapshot has any of the items;
/// the catalog's error names who reads or writes a shard.
pub async fn erase(home: &Home, request: &EraseRequest) -> Result<EraseReport> {
    let resource = discover::find(home, request.tenant.as_deref(), &request.resource).await?;
    let row = tenant::find(home, &resource.tenant).await?;
    let vault = home.vault_for_maintenance(Some(&row.vault_id)).await?;
    let items = short_ids(home, request, &resource).await?;
    let order = ErasureRequest {
        resource: resource.id.clone(),
        items: items.iter().cloned().collect(),
        reason: request.reason.clone(),
    };
    let copies = copies_of(home, vault.id()).await?;
    let mut report = EraseReport {
        erasure: None,
        dry_run: request.dry_run,
        resource: resource.name.clone(),
        items: order.items.clone(),
        complete: copies.is_empty(),
        waits_until: None,
        shards: Vec::new(),
        failures: Vec::new(),
        copies: copies.iter().map(|copy| copy.name.clone()).collect(),
    };
    let shards = look(home, &vault, &resource, &order, &mut report).await?;
    if shards.is_empty() {
        return Err(Error::NotFound {
            what: "item",
            name: request.items.join("', '"),
            hint: " in any snapshot of the resource",
        });
    }
    if request.dry_run {
        return Ok(report);
    }
    report.shards.clear();
    let mut record = ErasureRecord::new(&order, home.now());
    record.open = shards.into_iter().collect();
    record.copies = copies.into_iter().map(|copy| copy.id).collect();
    everywhere(home, &vault, request.patience, &mut record, &mut report).await?;
    report.erasure = Some(record.id);
    Ok(report)
}

/// What would be found in which shards; none where the items are in no snapshot. A move to another
/// shard that was cut off has left a copy that the catalog does not know, so every shard is
/// looked through.
async fn look(
    home: &Home,
    vault: &Vault,
    resource: &ResourceRow,
    order: &ErasureRequest,
    report: &mut EraseReport,
) -> Result<BTreeSet<ShardId>> {
    let lived = shards(home, &resource.id).await?;
    let mut wanted = BTreeSet::new();
    let mut found = 0;
    for row in home.catalog.shard_list(vault.id()).await? {
        let seen = preview(home, vault, row.shard, order).await?;
        let names = seen.report.erased.iter().map(|erased| erased.names).sum::<u64>();
        found += names;
        if names > 0 || lived.contains(&row.shard) {
            wanted.insert(row.shard);
            report.add(seen);
        }
    }
    if found == 0 {
        wanted.clear();
    }
    Ok(wanted)
}

/// Erases in one shard after the other, those included into which the resource moves meanwhile.
///
/// # Errors
/// What the first shard met: then nothing was changed.
async fn everywhere(
    home: &Home,
    vault: &Vault,
    patience: Duration,
    record: &mut ErasureRecord,
    report: &mut EraseReport,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    while let Some(shard) = record.open.iter().copied().find(|shard| !seen.contains(shard)) {
        seen.insert(shard);
        let done = alone(home, vault, shard, async |alone| {
            close(alone, patience).await?;
            // Under the lease: a move away from here is in the catalog by now, and one that comes
            // later sees the record.
            for new in shards(home, &record.resource).await?.difference(&seen) {
                record.open_in(*new);
            }
            in_shard(alone, record).await
        });
        match done.await {
            Ok(done) => report.add(done),
            Err(error) if report.shards.is_empty() => return Err(error),
            Err(error) => {
                report.complete = false;
                report.failures.push(ShardFailure::new(shard, &error));
            }
        }
    }
    Ok(())
}

impl EraseReport {
    fn add(&mut self, shard: ShardErasure) {
        self.complete &= shard.complete;
        let locks = [shard.report.locked_until, shard.report.prune.locked_until];
        self.waits_until = locks.into_iter().fold(self.waits_until, Ord::max);
        self.shards.push(shard);
    }
}

/// The short ids of what the request names.
async fn short_ids(
    home: &Home,
    request: &EraseRequest,
    resource: &ResourceRow,
) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for item in &request.items {
        if item.trim_matches('/').is_empty() {
            return Err(Error::Usage("name the items to erase".to_owned()));
        }
        if item.len() == 16 && item.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            ids.insert(item.clone());
            continue;
        }
        match at_path(home, request, resource, item).await {
            Ok(found) => ids.extend(found),
            // What is no path may be an id; whether there is such an item is seen in the shards.
            Err(Error::NotFound { .. }) if !item.contains('/') => {
                ids.insert(short_id(item));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ids)
}

/// The short ids of the messages at or below a path.
async fn at_path(
    home: &Home,
    request: &EraseRequest,
    resource: &ResourceRow,
    path: &str,
) -> Result<Vec<String>> {
    let located = locate(home, Some(&resource.tenant), resource.id.as_str(), &request.at).await?;
    let (found, located) = {
        let path = path.to_owned();
        blocking(move || Ok((located.items(&path), located))).await?
    };
    located.end().await?;
    Ok(found?.iter().map(|found| short_id(found.meta.id())).collect())
}

/// The shards in which a resource lies or has lain.
async fn shards(home: &Home, resource: &ResourceId) -> Result<BTreeSet<ShardId>> {
    let points = home.catalog.restore_point_list(resource).await?;
    let lives = home.catalog.resource_get(resource).await?.shard;
    Ok(points.iter().map(|point| point.shard).chain(lives).collect())
}

/// What an erasure would find in a shard.
async fn preview(
    home: &Home,
    vault: &Vault,
    id: ShardId,
    order: &ErasureRequest,
) -> Result<ShardErasure> {
    let reading = Reading::begin(home, vault.id(), id).await?;
    let opened = vault.clone();
    let shard = blocking(move || Ok(opened.shard(id)?)).await?;
    let facts = facts::facts(home, vault, &shard, &Rules::keep_all()).await?;
    let plan = evaluate_erasure(&facts, std::slice::from_ref(order))?.into_plan();
    let options = PruneOptions { dry_run: true, ..options() };
    let report = blocking(move || Ok(shard.erase(&plan, &options)?)).await?;
    reading.end().await?;
    Ok(ShardErasure { shard: id, complete: report.foreign.is_empty(), report })
}

fn options() -> PruneOptions {
    PruneOptions { instant: true, max_unused_percent: 0, ..PruneOptions::default() }
}

/// Keeps readers away, when the present ones have ended. Those of processes that have died do not
/// count.
pub(super) async fn close(alone: &Alone<'_>, patience: Duration) -> Result<()> {
    let catalog = &alone.home.catalog;
    let mut left = patience;
    loop {
        for reader in catalog.reader_list(alone.vault.id(), alone.shard.id()).await? {
            if process::is_dead(&reader.owner) {
                catalog.reader_remove(&reader.id).await?;
            }
        }
        match catalog.shard_close(&alone.lease).await {
            Err(CatalogError::BeingRead { .. }) if !left.is_zero() => {
                tokio::time::sleep(LOOK_AGAIN.min(left)).await;
                left = left.saturating_sub(LOOK_AGAIN);
            }
            Err(CatalogError::BeingRead { shard, owner, since }) => {
                let owner = process::for_people(&owner);
                return Err(CatalogError::BeingRead { shard, owner, since }.into());
            }
            other => return Ok(other?),
        }
    }
}

/// Erases in one shard, from which readers are kept away.
async fn in_shard(alone: &Alone<'_>, record: &mut ErasureRecord) -> Result<ShardErasure> {
    let (home, vault, shard) = (alone.home, alone.vault, alone.shard.id());
    let facts = facts::facts(home, vault, &alone.shard, &Rules::keep_all()).await?;
    let plan: DeletePlan = evaluate_erasure(&facts, &[record.request()])?.into_plan();
    record.save(home, vault).await?;
    tracing::info!(%shard, erasure = %record.id, items = record.items.len(), "erasing");
    mark(alone, &record.id).await?;
    let report = alone.on_shard(move |shard| Ok(shard.erase(&plan, &options())?)).await?;
    follow(alone, std::slice::from_ref(record)).await?;
    mark(alone, "").await?;
    home.catalog.purge().await?;
    alone.measure().await?;
    released::add(home, vault, shard, &report.locked).await?;
    let complete = report.is_complete();
    if complete {
        record.done_in(shard, home.now());
        record.save(home, vault).await?;
    }
    Ok(ShardErasure { shard, complete, report })
}

/// Brings the catalog to what the shard has after erasures.
async fn follow(alone: &Alone<'_>, records: &[ErasureRecord]) -> Result<()> {
    let mut resources = Vec::new();
    for record in records {
        resources.push(alone.home.catalog.resource_get(&record.resource).await?);
    }
    let mut rewriting = reconcile::reconcile(alone, &resources).await?;
    let erased = records.iter().map(|record| (record.resource.clone(), record.items.clone()));
    rewriting.erased = erased.collect();
    Ok(alone.home.catalog.rewrite(&alone.lease, &rewriting).await?)
}

/// Notes in the catalog which erasure is changing the shard; nothing when it is over.
async fn mark(alone: &Alone<'_>, erasure: &str) -> Result<()> {
    let key = key(alone.vault.id(), alone.shard.id());
    Ok(alone.home.catalog.meta_set(&key, erasure).await?)
}

fn key(vault: &str, shard: ShardId) -> String {
    format!("erasing {vault} {shard}")
}

/// Whether an erasure has begun to change a shard and the catalog has not followed yet.
pub(super) async fn is_under_way(home: &Home, vault: &str, shard: ShardId) -> Result<bool> {
    let mark = home.catalog.meta_get(&key(vault, shard)).await?;
    Ok(mark.is_some_and(|erasure| !erasure.is_empty()))
}

/// Brings the catalog to what an erasure that was cut off has left. The rest of it is for the next
/// prune.
pub(super) async fn settle(alone: &Alone<'_>) -> Result<()> {
    if is_under_way(alone.home, alone.vault.id(), alone.shard.id()).await? {
        follow(alone, &record::open_in(alone.vault, alone.shard.id()).await?).await?;
        mark(alone, "").await?;
    }
    Ok(())
}

/// Does again what was cut off or had to wait in this shard. An erasure that a hold forbids by now
/// stays open.
pub(super) async fn finish_open(alone: &Alone<'_>) -> Result<Vec<ShardErasure>> {
    let open = record::open_in(alone.vault, alone.shard.id()).await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    close(alone, PATIENCE).await?;
    // Before anything else, for what was cut off may have left the catalog behind.
    follow(alone, &open).await?;
    let mut done = Vec::new();
    for mut record in open {
        match in_shard(alone, &mut record).await {
            Err(Error::Policy(error)) => tracing::warn!(%error, "an erasure stays open"),
            other => done.push(other?),
        }
    }
    alone.home.catalog.shard_open(&alone.lease).await?;
    Ok(done)
}
