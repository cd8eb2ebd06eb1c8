//! `vault prune`: forgets snapshots by rules and removes what nothing refers to.

use std::collections::BTreeSet;

use holdfast_catalog::RestorePointRow;
use holdfast_model::{RunId, Seq, ShardId, Timestamp};
use holdfast_policy::{DeletePlan, Evaluation, Rules, evaluate};
use holdfast_vault::{
    ForgetReport, LinkedVersions, PruneOptions, PruneReport as DataReport, Snapshot, SnapshotKind,
    Tags, ThinReport, Vault,
};
use jiff::SignedDuration;
use serde::Serialize;
use uuid::Uuid;

use super::erase::{self, ShardErasure};
use super::{Alone, alone, copies, facts, reconcile, record, settle};
use crate::backup::snapshot_row;
use crate::copy::source_of;
use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Progress, Result, instance, released};

/// Between the beginning of a reading and the time at which its index was read.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// What to prune.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// The vault by name or id; the first where absent.
    pub vault: Option<String>,
    /// What is kept. Without a rule nothing is forgotten but orphans and superseded checkpoints.
    pub rules: Rules,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a prune came to: the `--json` form of `holdfast vault prune`.
#[derive(Clone, Debug, Serialize)]
pub struct PruneReport {
    /// Vault id.
    pub vault: String,
    /// True when nothing was changed.
    pub dry_run: bool,
    /// Per shard.
    pub shards: Vec<ShardPrune>,
    /// Shards that could not be pruned: a backup was at work there, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ShardFailure>,
    /// Data of the control repository.
    pub control: DataReport,
}

/// A shard in which nothing could be done.
#[derive(Clone, Debug, Serialize)]
pub struct ShardFailure {
    /// The shard.
    pub shard: ShardId,
    /// Short cause.
    pub cause: String,
    /// What happened and what to do.
    pub message: String,
}

impl ShardFailure {
    pub(super) fn new(shard: ShardId, error: &Error) -> Self {
        Self { shard, cause: error.cause(), message: error.to_string() }
    }
}

/// What pruning one shard came to.
#[derive(Clone, Debug, Serialize)]
pub struct ShardPrune {
    /// The verdict on every snapshot, and the plan.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Erasures that had been cut off or had to wait, done again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<ShardErasure>,
    /// Erasures that are open: in a dry run those that a prune would go on with, for good; else those
    /// of which something is left. In a copy those that the source had and the copy had not.
    pub erasures_open: u64,
    /// Versions of held resources that were linked into a new snapshot.
    pub linked: Vec<LinkedVersions>,
    /// What became of the snapshots of the plan.
    pub snapshots_removed: ForgetReport,
    /// What became of the data.
    pub data: DataReport,
}

impl ShardPrune {
    pub(super) fn new(evaluation: Evaluation) -> Self {
        Self {
            evaluation,
            erasures: Vec::new(),
            erasures_open: 0,
            linked: Vec::new(),
            snapshots_removed: ForgetReport::default(),
            data: DataReport::default(),
        }
    }
}

/// What came of each shard: one that fails does not keep the others from being pruned.
#[derive(Default)]
pub(super) struct Shards {
    done: Vec<ShardPrune>,
    failures: Vec<ShardFailure>,
    first: Option<Error>,
}

impl Shards {
    /// # Errors
    /// A mistake in the request concerns all shards and is given back.
    pub(super) fn add(&mut self, shard: ShardId, result: Result<ShardPrune>) -> Result<()> {
        match result {
            Ok(done) => self.done.push(done),
            Err(error @ Error::Usage(_)) => return Err(error),
            Err(error) => {
                self.failures.push(ShardFailure::new(shard, &error));
                self.first.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// # Errors
    /// The first error where every shard failed.
    pub(super) fn done(self) -> Result<(Vec<ShardPrune>, Vec<ShardFailure>)> {
        match self.first {
            Some(error) if self.done.is_empty() => Err(error),
            _ => Ok((self.done, self.failures)),
        }
    }
}

/// Prunes every shard of a vault and its control repository; of a copy, what its source has
/// forgotten. A shard whose backup runs is not waited for: its failure names the holder. It can be
/// stopped between shards.
///
/// # Errors
/// What the first shard met where no shard could be pruned.
pub async fn prune(
    home: &Home,
    request: &PruneRequest,
    progress: &Progress,
) -> Result<PruneReport> {
    if !request.dry_run {
        instance::check(home).await?;
    }
    let row = home.vault_row(request.vault.as_deref()).await?;
    let vault = home.vault_for_maintenance(Some(&row.id)).await?;
    if let Some(source) = source_of(home, &row.id).await? {
        return copies::prune(home, &vault, (&row, &source), request, progress).await;
    }
    let mut shards = Shards::default();
    for row in home.catalog.shard_list(vault.id()).await? {
        progress.unless_stopped()?;
        let done = match request.dry_run {
            true => preview(home, &vault, row.shard, &request.rules).await,
            false => of_shard(home, &vault, row.shard, &request.rules).await,
        };
        shards.add(row.shard, done)?;
    }
    let (shards, failures) = shards.done()?;
    let control = of_control(&vault, &shards, request.dry_run).await?;
    let (vault, dry_run) = (vault.id().to_owned(), request.dry_run);
    Ok(PruneReport { vault, dry_run, shards, failures, control })
}

/// What a prune of a shard would do.
async fn preview(home: &Home, vault: &Vault, id: ShardId, rules: &Rules) -> Result<ShardPrune> {
    settle(home, vault, id).await?;
    let reading = Reading::begin(home, vault.id(), id).await?;
    let opened = vault.clone();
    let shard = blocking(move || Ok(opened.shard(id)?)).await?;
    let facts = facts::facts(home, vault, &shard, rules).await?;
    let evaluation = evaluate(&facts, rules);
    let plan = evaluation.plan().clone();
    let options = PruneOptions { dry_run: true, ..options(home, vault, id).await? };
    let data = blocking(move || Ok(shard.prune(&plan, &options)?)).await?;
    reading.end().await?;
    let erasures_open = record::open_in(vault, id).await?.len() as u64;
    Ok(ShardPrune { data, erasures_open, ..ShardPrune::new(evaluation) })
}

async fn of_shard(home: &Home, vault: &Vault, id: ShardId, rules: &Rules) -> Result<ShardPrune> {
    alone(home, vault, id, async |alone| {
        let erasures = erase::finish_open(alone).await?;
        let facts = facts::facts(home, vault, &alone.shard, rules).await?;
        let evaluation = evaluate(&facts, rules);
        released::note(home, vault, &evaluation).await?;
        released::tell(vault).await?;
        let plan = evaluation.plan();
        let thinned = thin(alone, plan).await?;
        let seqs = committed(alone, plan).await?;
        home.catalog.forget(&alone.lease, &seqs).await?;
        let (forgetting, pruning) = (plan.clone(), plan.clone());
        let snapshots_removed = match plan.snapshots().is_empty() {
            true => ForgetReport::default(),
            false => alone.on_shard(move |shard| Ok(shard.forget(&forgetting)?)).await?,
        };
        let options = options(home, vault, id).await?;
        let data = alone.on_shard(move |shard| Ok(shard.prune(&pruning, &options)?)).await?;
        alone.measure().await?;
        let linked = thinned.linked;
        let erasures_open = erasures.iter().filter(|erasure| !erasure.complete).count() as u64;
        let new = ShardPrune::new(evaluation);
        Ok(ShardPrune { erasures, erasures_open, linked, snapshots_removed, data, ..new })
    })
    .await
}

/// Links what holds keep into a new snapshot, which the catalog takes as the head.
async fn thin(alone: &Alone<'_>, plan: &DeletePlan) -> Result<ThinReport> {
    if plan.held().is_empty() || plan.snapshots().is_empty() {
        return Ok(ThinReport::default());
    }
    let head = alone.home.catalog.shard_get(alone.vault.id(), alone.shard.id()).await?.head_seq;
    let tags = Tags {
        seq: Seq(head.0 + 1),
        prev: Some(head),
        fence: alone.lease.fence,
        run: RunId(Uuid::now_v7().to_string()),
        kind: SnapshotKind::Final,
        rewrite: 0,
    };
    let (thinning, now) = (plan.clone(), alone.home.now());
    let report = alone.on_shard(move |shard| Ok(shard.thin(&thinning, &tags, now)?)).await?;
    if let Some(snapshot) = &report.snapshot {
        commit(alone, plan, snapshot, head, now).await?;
    }
    Ok(report)
}

/// Makes the snapshot with the linked versions the head. The held resources get a restore point
/// that was read when their last one was.
async fn commit(
    alone: &Alone<'_>,
    plan: &DeletePlan,
    snapshot: &Snapshot,
    before: Seq,
    now: Timestamp,
) -> Result<()> {
    let (catalog, shard) = (&alone.home.catalog, alone.shard.id());
    let mut last = Vec::new();
    for held in plan.held() {
        let point = catalog.restore_point_in(&held.resource, shard, before).await?;
        last.extend(point.map(|point| (held.path.clone(), point)));
    }
    let (root, seq) = (snapshot.tree, snapshot.tags.seq);
    let points = alone.on_shard(move |shard| {
        let reader = shard.reader()?;
        let mut points = Vec::new();
        for (path, point) in last {
            let tree = reconcile::tree_at(&reader, root, &path)?.map(|tree| tree.to_string());
            if let Some(tree) = tree.filter(|tree| *tree != point.tree) {
                points.push(RestorePointRow { seq, tree, ..point });
            }
        }
        Ok(points)
    });
    let points = points.await?;
    tracing::info!(%shard, %seq, at = %now, "linked what holds keep");
    let row = snapshot_row(alone.vault.id(), shard, snapshot);
    Ok(catalog.advance(&alone.lease, &row, &points).await?)
}

/// The positions of the plan that the catalog counts. Orphans and old writings share theirs with
/// snapshots that stay.
async fn committed(alone: &Alone<'_>, plan: &DeletePlan) -> Result<BTreeSet<Seq>> {
    let rows = alone.home.catalog.snapshot_list(Some(alone.vault.id())).await?;
    let planned: BTreeSet<&str> = plan.snapshots().iter().map(|p| p.id.as_str()).collect();
    let rows = rows.iter().filter(|row| row.shard == alone.shard.id());
    Ok(rows.filter(|row| planned.contains(row.id.as_str())).map(|row| row.seq).collect())
}

/// Marked packs stay until every reader that may know of them has ended.
pub(super) async fn options(home: &Home, vault: &Vault, shard: ShardId) -> Result<PruneOptions> {
    let mut options = PruneOptions::default();
    let readers = home.catalog.reader_list(vault.id(), shard).await?;
    if let Some(oldest) = readers.first() {
        let age = home.now().duration_since(oldest.since).saturating_add(MARGIN);
        options.keep_delete = options.keep_delete.max(age);
    }
    Ok(options)
}

pub(super) async fn of_control(
    vault: &Vault,
    shards: &[ShardPrune],
    dry_run: bool,
) -> Result<DataReport> {
    let Some(shard) = shards.first() else { return Ok(DataReport::default()) };
    let (vault, plan) = (vault.clone(), shard.evaluation.plan().clone());
    let options = PruneOptions { dry_run, ..PruneOptions::default() };
    blocking(move || Ok(vault.control()?.prune(&plan, &options)?)).await
}
