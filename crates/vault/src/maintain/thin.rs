//! Thinning: before snapshots are forgotten, the versions that only they have and that a hold
//! keeps are linked into a new snapshot. Nodes are copied, no data.

use std::collections::HashSet;

use holdfast_model::{ResourceId, Timestamp};
use holdfast_policy::{DeletePlan, HeldResource};
use serde::{Deserialize, Serialize};

use crate::edit::Edit;
use crate::error::{Error, Result};
use crate::fanout::Fanout;
use crate::node::Node;
use crate::reader::Reader;
use crate::shard::Shard;
use crate::snapshot::{Snapshot, Tags};

use super::check_plan;
use super::versions::{self, KEPT, Link, Version};

/// What thinning has kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThinReport {
    /// The new snapshot; `None` where nothing had to be linked.
    pub snapshot: Option<Snapshot>,
    /// How many versions were linked for each held resource that needed it.
    pub linked: Vec<LinkedVersions>,
}

/// How many versions of a resource were linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedVersions {
    /// The resource.
    pub resource: ResourceId,
    /// Versions, each with what lies beside it.
    pub versions: u64,
}

impl Shard {
    /// Links every version of a held resource that only snapshots of the plan have into
    /// `<resource>/~kept/<yyyy-mm>/` (month of its time, UTC) of a new snapshot with these tags
    /// and time, which builds on the snapshot `tags.prev`. Where a file of that name is there, the
    /// name gets ` ~v` and 8 hexadecimal digits before its ending.
    ///
    /// Of other resources nothing is kept. Done again it does nothing. The caller holds the
    /// exclusive lease of the shard.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the plan is of another shard or would leave no snapshot, or where
    /// `tags.prev` is none that stays.
    pub fn thin(&self, plan: &DeletePlan, tags: &Tags, time: Timestamp) -> Result<ThinReport> {
        check_plan(self, plan)?;
        let present = self.snapshots()?;
        let mut lost = unkept(self, plan, &present)?;
        lost.retain(|(_, versions)| !versions.is_empty());
        if lost.is_empty() {
            return Ok(ThinReport::default());
        }
        let doomed = doomed(plan);
        let mut staying = present.iter().filter(|snapshot| !doomed.contains(snapshot.id.as_str()));
        let base = staying.rfind(|snapshot| Some(snapshot.tags.seq) == tags.prev);
        let base = base.ok_or_else(|| {
            Error::invalid("the snapshot that thinning is to build on does not stay")
        })?;
        let writer = self.writer()?;
        let mut edit = writer.edit(Some(base.tree), Fanout::FLAT);
        let mut linked = Vec::new();
        for (held, versions) in &lost {
            for version in versions {
                link(&mut edit, &held.path, version)?;
            }
            let (resource, versions) = (held.resource.clone(), versions.len() as u64);
            linked.push(LinkedVersions { resource, versions });
        }
        let tree = edit.save()?;
        let snapshot = writer.snapshot(tree, tags, time, &base.hostname, &base.paths)?;
        Ok(ThinReport { snapshot: Some(snapshot), linked })
    }
}

fn doomed(plan: &DeletePlan) -> HashSet<&str> {
    plan.snapshots().iter().map(|planned| planned.id.as_str()).collect()
}

/// For each held resource the versions that only snapshots of the plan have.
pub(super) fn unkept<'p>(
    shard: &Shard,
    plan: &'p DeletePlan,
    present: &[Snapshot],
) -> Result<Vec<(&'p HeldResource, Vec<Version>)>> {
    let doomed = doomed(plan);
    let gone: HashSet<&str> = (plan.snapshots().iter())
        .filter(|planned| !planned.relinks())
        .map(|planned| planned.id.as_str())
        .collect();
    let is_in_chain = |snapshot: &&Snapshot| !gone.contains(snapshot.id.as_str());
    let chain: Vec<&Snapshot> = present.iter().filter(is_in_chain).collect();
    let stays = |snapshot: &Snapshot| !doomed.contains(snapshot.id.as_str());
    if plan.held().is_empty() || chain.iter().all(|snapshot| stays(snapshot)) {
        return Ok(Vec::new());
    }
    let reader = shard.reader()?;
    let mut found = Vec::new();
    for held in plan.held() {
        let path: Vec<&str> = held.path.iter().map(String::as_str).collect();
        let link = |snapshot: &&Snapshot| {
            let tree = reader.node(snapshot.tree, &path)?.and_then(|node| node.tree());
            Ok(Link { tree, stays: stays(snapshot) })
        };
        let links: Vec<Link> = chain.iter().map(link).collect::<Result<_>>()?;
        found.push((held, lost(&reader, &links)?));
    }
    Ok(found)
}

fn lost(reader: &Reader, links: &[Link]) -> Result<Vec<Version>> {
    versions::lost(reader, links)
}

/// Puts a version into its month, under a name that is free there.
fn link(edit: &mut Edit<'_>, resource: &[String], version: &Version) -> Result<()> {
    let month = version.item.mtime.strftime("%Y-%m").to_string();
    let resource = resource.iter().map(String::as_str);
    let dir: Vec<&str> = resource.chain([KEPT, month.as_str()]).collect();
    let plain: Vec<Node> = version.files().cloned().collect();
    // Whoever makes two versions whose keys begin alike gets a longer mark.
    for files in [plain, version.marked(8), version.marked(16), version.marked(32)] {
        let mut is_free = true;
        for file in &files {
            let path: Vec<&str> = dir.iter().copied().chain([file.name.as_str()]).collect();
            is_free &= edit.get(&path)?.is_none_or(|there| there == *file);
        }
        if is_free {
            return files.into_iter().try_for_each(|file| edit.put(&dir, file));
        }
    }
    Err(Error::invalid("two versions of an item cannot be told apart"))
}
