//! Files: brought back into a drive, and proved to be the same.
//!
//! `tree` knows the folders of the target, `upload` writes one file, `verify` compares it, `extras`
//! brings back sharing, columns and label. What the service's own hash confirms is not read again.

mod extras;
mod tree;
mod upload;
mod verify;

use std::collections::BTreeMap;

use futures::StreamExt;
use holdfast_catalog::ResourceRow;
use holdfast_graph::Graph;
use holdfast_model::{Outcome, fold};
use holdfast_workloads::drive::{self, Drive, DriveWriter, FileForm, Live};

use self::tree::{Tree, Wanted};
use self::upload::{Done, Task};
use super::{Before, OnConflict, RestoreReport, RestoreRequest};
use crate::browse::FolderStep;
use crate::select::{Picked, Selection};
use crate::{Error, Home, Progress, Result};

/// Files written at once into one drive.
const FILES_AT_ONCE: usize = 4;

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// It is created under this name.
    Create(String),
    /// It becomes the newest version of this one.
    Replace(Box<Live>),
    /// It is left out, for this reason.
    Skip(&'static str),
    /// It cannot be written, for this reason.
    Refuse(&'static str),
}

/// A file and what happens to it.
struct Planned {
    item: Picked,
    folder: Vec<String>,
    action: Action,
}

/// What goes into one drive of the target.
#[derive(Default)]
struct Share {
    folders: Vec<Wanted>,
    items: Vec<(Picked, Vec<String>)>,
}

/// Restores files into the drives of `target`.
pub(super) async fn restore(
    home: &Home,
    graph: &Graph,
    request: &RestoreRequest,
    (source, target): (&mut Selection, &ResourceRow),
    before: Before,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    let drives = drive::drives(graph, &target.graph_id).await?;
    let shares = shares(request, source, &drives)?;
    report.restore.clone_from(&before.restore);
    for (drive, share) in shares {
        let writer = DriveWriter::new(graph, &drive);
        let mut tree = Tree::find(&writer, share.folders).await?;
        let plan = plan(&tree, share.items, request, &before).await?;
        progress.expect_items(plan.len());
        if request.dry_run {
            plan.iter().for_each(|planned| report.preview(planned));
            continue;
        }
        tree.make(&writer).await?;
        let task = Task { home, graph, request, writer: &writer, before: &before, tree: &tree };
        write(&task, plan, progress, report).await?;
    }
    if request.dry_run {
        return Ok(());
    }
    let outcome = if report.items_failed > 0 { Outcome::Partial } else { Outcome::Complete };
    Ok(home.catalog.restore_finish(&before.restore, outcome).await?)
}

async fn write(
    task: &Task<'_>,
    plan: Vec<Planned>,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    let mut done = futures::stream::iter(plan)
        .map(|planned| async move {
            let path = planned.item.found.path();
            (path, task.write(planned).await)
        })
        .buffer_unordered(FILES_AT_ONCE);
    while let Some((path, result)) = done.next().await {
        match result? {
            Done::Restored { bytes, losses } => {
                progress.item_done(bytes);
                report.restored(&path, bytes, losses);
            }
            Done::Skipped(reason) => {
                progress.item_done(0);
                report.skipped(&path, reason);
            }
            Done::Failed(detail) => {
                progress.item_done(0);
                report.failed(&path, detail, Vec::new());
            }
        }
    }
    Ok(())
}

/// Spreads what was selected over the drives of the target: each goes to the drive of its own
/// drive's name, else to the first.
fn shares(
    request: &RestoreRequest,
    source: &mut Selection,
    drives: &[Drive],
) -> Result<BTreeMap<String, Share>> {
    let first = drives.first().ok_or_else(|| Error::NotFound {
        what: "drive of",
        name: request.to.clone().unwrap_or_else(|| request.resource.clone()),
        hint: "; the target needs a OneDrive or a document library",
    })?;
    let drive_of = |folders: &[FolderStep]| {
        let name = folders.first().map(|step| fold(&step.meta.name));
        let same = drives.iter().find(|drive| Some(fold(&drive.name)) == name);
        same.unwrap_or(first).id.clone()
    };
    let strip = stripped(request, source);
    let place = |folders: &[FolderStep]| -> Vec<String> {
        let own = folders.iter().skip(strip).map(|step| step.meta.name.clone());
        into(request).into_iter().chain(own).collect()
    };
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    for folders in std::mem::take(&mut source.folders) {
        let Some(last) = folders.last().filter(|_| folders.len() > strip) else { continue };
        let facts = last.meta.file.clone();
        let share = shares.entry(drive_of(&folders)).or_default();
        share.folders.push(Wanted { path: place(&folders), facts });
    }
    for item in std::mem::take(&mut source.items) {
        let folders = &item.found.folders;
        let share = shares.entry(drive_of(folders)).or_default();
        let path = place(folders);
        share.folders.push(Wanted { path: path.clone(), facts: None });
        share.items.push((item, path));
    }
    Ok(shares)
}

/// The folder of the target that takes everything.
fn into(request: &RestoreRequest) -> Vec<String> {
    let parts = request.into.iter().flat_map(|path| path.split('/'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How many folders of each path are left out: the drive's own, and where everything goes into
/// another folder those above what was named.
fn stripped(request: &RestoreRequest, source: &Selection) -> usize {
    let named = request.path.as_deref().is_some_and(|path| !path.trim_matches('/').is_empty());
    if request.into.is_none() || !named || request.deleted_since.is_some() {
        return 1;
    }
    match (source.folders.first(), source.items.first()) {
        (Some(folder), _) => folder.len().saturating_sub(1).max(1),
        (None, Some(item)) => item.found.folders.len(),
        (None, None) => 1,
    }
}

async fn plan(
    tree: &Tree,
    items: Vec<(Picked, Vec<String>)>,
    request: &RestoreRequest,
    before: &Before,
) -> Result<Vec<Planned>> {
    let mut planned = Vec::with_capacity(items.len());
    for (item, folder) in items {
        let action = action(tree, &item, &folder, request, before)?;
        planned.push(Planned { item, folder, action });
    }
    Ok(planned)
}

fn action(
    tree: &Tree,
    item: &Picked,
    folder: &[String],
    request: &RestoreRequest,
    before: &Before,
) -> Result<Action> {
    let meta = item.found.file()?;
    if meta.form == FileForm::Shortcut {
        return Ok(Action::Skip("a shortcut, which Graph does not make"));
    }
    if before.is_done(&meta.item_id()) {
        return Ok(Action::Skip("this restore has written it already"));
    }
    if tree.is_blocked(folder) {
        return Ok(Action::Refuse("a file of the target has the name of one of its folders"));
    }
    let Some(there) = tree.child(folder, &meta.name) else {
        return Ok(Action::Create(meta.name.clone()));
    };
    let same = !there.is_folder && verify::is_equal(there, &item.found)?;
    let resumed = before.items.contains_key(&meta.item_id());
    Ok(match request.on_conflict {
        OnConflict::Copy => Action::Create(tree.free_name(folder, &meta.name)),
        _ if there.is_folder => Action::Refuse("a folder of the target has its name"),
        _ if same && request.version.is_none() => Action::Skip("the target has it, unchanged"),
        // What an interrupted attempt has left is ours, and no conflict.
        OnConflict::Skip if resumed && there.meta.size == 0 => {
            Action::Replace(Box::new(there.clone()))
        }
        OnConflict::Skip => Action::Skip("the target has another version of it"),
        OnConflict::Replace => Action::Replace(Box::new(there.clone())),
    })
}

impl RestoreReport {
    /// What would become of a file.
    fn preview(&mut self, planned: &Planned) {
        let (path, node) = (planned.item.found.path(), &planned.item.found.node);
        match planned.action {
            Action::Create(_) => self.would_restore(&path, node, "missing in the target"),
            Action::Replace(_) => self.would_restore(&path, node, "changed in the target"),
            Action::Skip(reason) => self.skipped(&path, reason),
            Action::Refuse(reason) => self.failed(&path, reason.to_owned(), Vec::new()),
        }
    }

    fn would_restore(&mut self, path: &str, node: &holdfast_vault::Node, what: &str) {
        self.items_restored += 1;
        self.bytes += crate::compare::size(node);
        self.push(path, "would_restore", Some(what.to_owned()), Vec::new());
    }
}
