//! Pruning a copy: it loses what its source has forgotten or erased, and nothing else.
//!
//! `vault copy` only ever adds, so that nobody who empties the first vault empties the second as
//! well. What has left the source for good leaves the copy when somebody prunes that, with the
//! credentials that may.

use std::collections::HashSet;

use holdfast_catalog::VaultRow;
use holdfast_model::{Fence, Seq, ShardId};
use holdfast_policy::{Facts, ResourceFact, Rules, SnapshotFact, SnapshotKind, Standing, evaluate};
use holdfast_vault::{ForgetReport, Shard, Snapshot, TreeId, Vault};

use super::erase::{self, PATIENCE};
use super::prune::{PruneReport, PruneRequest, ShardPrune, Shards, of_control, options};
use super::record::{self, ErasureRecord};
use super::{Alone, facts, leased};
use crate::copy::is_still;
use crate::home::blocking;
use crate::{Error, Home, Progress, Result, hold};

/// A copy and the vault that it follows.
struct Pair<'a> {
    home: &'a Home,
    copy: &'a Vault,
    source: Vault,
    /// Names for people.
    names: [&'a str; 2],
    /// Erasures that are not done in the copy.
    erasures: Vec<ErasureRecord>,
}

/// Prunes a copy.
///
/// # Errors
/// [`Error::Usage`] where there are rules: those of the source decide; or where the source has
/// something that the copy lacks.
pub(super) async fn prune(
    home: &Home,
    copy: &Vault,
    (row, source): (&VaultRow, &VaultRow),
    request: &PruneRequest,
    progress: &Progress,
) -> Result<PruneReport> {
    let names = [row.name.as_str(), source.name.as_str()];
    if !request.rules.keeps_all() {
        return Err(Error::Usage(format!(
            "vault '{}' is a copy of '{}' and follows it: prune that by rules, copy, and prune \
             this one without",
            names[0], names[1]
        )));
    }
    let source = home.vault(Some(&source.id)).await?;
    is_still(copy, &source).await?;
    let mut erasures = record::open(&source).await?;
    erasures.retain(|record| record.copies.iter().any(|id| id == copy.id()));
    let mut pair = Pair { home, copy, source, names, erasures };
    let mut shards = Shards::default();
    for row in home.catalog.shard_list(copy.id()).await? {
        progress.unless_stopped()?;
        shards.add(row.shard, of_shard(&pair, row.shard, request.dry_run).await)?;
    }
    let (shards, failures) = shards.done()?;
    if !request.dry_run && failures.is_empty() && shards.iter().all(is_done) {
        pair.erased().await?;
    }
    let control = of_control(copy, &shards, request.dry_run).await?;
    let (vault, dry_run) = (copy.id().to_owned(), request.dry_run);
    Ok(PruneReport { vault, dry_run, shards, failures, control })
}

/// Nothing of what was to go is left.
fn is_done(shard: &ShardPrune) -> bool {
    shard.snapshots_removed.locked.is_empty() && shard.data.is_complete()
}

async fn of_shard(pair: &Pair<'_>, id: ShardId, dry_run: bool) -> Result<ShardPrune> {
    leased(pair.home, pair.copy, id, async |alone| {
        let facts = pair.facts(alone).await?;
        let evaluation = evaluate(&facts, &Rules::keep_all());
        let (forgetting, pruning) = (evaluation.plan().clone(), evaluation.plan().clone());
        let mut options = options(alone.home, pair.copy, id).await?;
        options.dry_run = dry_run;
        if !pair.erasures.is_empty() {
            (options.instant, options.max_unused_percent) = (true, 0);
            if !dry_run {
                erase::close(alone, PATIENCE).await?;
            }
        }
        let snapshots_removed = match dry_run || forgetting.snapshots().is_empty() {
            true => ForgetReport::default(),
            false => alone.on_shard(move |shard| Ok(shard.forget(&forgetting)?)).await?,
        };
        let data = alone.on_shard(move |shard| Ok(shard.prune(&pruning, &options)?)).await?;
        let erasures_open = pair.erasures.len() as u64;
        Ok(ShardPrune { snapshots_removed, data, erasures_open, ..ShardPrune::new(evaluation) })
    })
    .await
}

impl Pair<'_> {
    /// What the policy needs to know of a shard of the copy. A snapshot counts where the source
    /// has it.
    async fn facts(&self, alone: &Alone<'_>) -> Result<Facts> {
        let id = alone.shard.id();
        let source = self.source.clone();
        let there = blocking(move || match source.shard_ids()?.contains(&id) {
            true => Ok(source.shard(id)?.snapshots()?),
            false => Ok(Vec::new()),
        });
        let there: HashSet<_> = there.await?.iter().map(identity).collect();
        let here = alone.on_shard(|shard: Shard| Ok(shard.snapshots()?)).await?;
        self.is_up_to_date(&there, &here)?;
        let mut facts = Facts {
            vault: self.copy.id().to_owned(),
            shard: id,
            now: self.home.now(),
            snapshots: here.iter().map(|snapshot| fact(snapshot, &there)).collect(),
            left_behind: None,
            resources: self.resources().await?,
            holds: hold::of_vault(&self.source).await?,
        };
        facts::add_locks(&mut facts, &alone.shard, &Rules::keep_all()).await?;
        Ok(facts)
    }

    /// A source that is ahead may have a newer writing of what would go here; one that has nothing
    /// is not to be followed.
    fn is_up_to_date(&self, there: &HashSet<Identity>, here: &[Snapshot]) -> Result<()> {
        let [copy, source] = self.names;
        let here: HashSet<_> = here.iter().map(identity).collect();
        if there.is_subset(&here) && (!there.is_empty() || here.is_empty()) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "vault '{copy}' and its source '{source}' do not agree: run 'holdfast vault copy --to \
             {copy}' first"
        )))
    }

    /// Versions of held resources are linked into new snapshots in the source only. Here a hold
    /// keeps every snapshot whole, which the policy does where the place of a resource is unknown.
    async fn resources(&self) -> Result<Vec<ResourceFact>> {
        let mut facts = facts::resources(self.home, &self.source).await?;
        facts.iter_mut().for_each(|fact| fact.path = None);
        facts.dedup();
        Ok(facts)
    }

    /// Notes in the source that its erasures have reached the copy.
    async fn erased(&mut self) -> Result<()> {
        for record in &mut self.erasures {
            // While the source has them they may come again.
            if record.open.is_empty() {
                record.done_in_copy(self.copy.id(), self.home.now());
                record.save(self.home, &self.source).await?;
            }
        }
        Ok(())
    }
}

/// What makes two snapshots of two vaults the same.
type Identity = (Seq, Fence, u32, TreeId);

fn identity(snapshot: &Snapshot) -> Identity {
    let tags = &snapshot.tags;
    (tags.seq, tags.fence, tags.rewrite, snapshot.tree)
}

fn fact(snapshot: &Snapshot, there: &HashSet<Identity>) -> SnapshotFact {
    let counts = there.contains(&identity(snapshot));
    SnapshotFact {
        id: snapshot.id.clone(),
        seq: snapshot.tags.seq,
        fence: snapshot.tags.fence,
        rewrite: snapshot.tags.rewrite,
        run: snapshot.tags.run.clone(),
        time: snapshot.time,
        // Whether a checkpoint may go the source decides: what it has stays here.
        kind: SnapshotKind::Final,
        complete: true,
        standing: if counts { Standing::Committed } else { Standing::Unknown },
        locked_until: None,
    }
}
