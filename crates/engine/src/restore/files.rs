//! Files: brought back into a drive, and proved to be the same.
//!
//! `place` says which drive and folder takes a file, `tree` knows the folders of the target, `plan`
//! what happens to each file. `upload` writes one file, `verify` compares it, `extras` brings back
//! sharing, columns and label, `failure` tells what ends the restore. What the service's own hash
//! confirms is not read again.

mod extras;
mod failure;
mod place;
mod plan;
mod tree;
mod upload;
mod verify;

use futures::StreamExt;
use holdfast_catalog::ResourceRow;
use holdfast_graph::Graph;
use holdfast_model::Outcome;
use holdfast_workloads::drive::DriveWriter;

use self::failure::Failures;
use self::place::{Share, shares};
use self::plan::{Action, Planned, plan};
use self::tree::Tree;
use self::upload::{Done, Task};
use super::{Before, RestoreReport, RestoreRequest};
use crate::select::Selection;
use crate::{Home, Progress, Result};

/// Files written at once into one drive.
const FILES_AT_ONCE: usize = 4;

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
    let shares = shares(graph, request, source, target).await?;
    report.restore.clone_from(&before.restore);
    for share in shares {
        report.drives.push(share.drive.name.clone());
        into_drive((home, graph), request, share, &before, progress, report).await?;
    }
    if request.dry_run {
        return Ok(());
    }
    let outcome = if report.items_failed > 0 { Outcome::Partial } else { Outcome::Complete };
    before.finish(home, outcome).await
}

async fn into_drive(
    (home, graph): (&Home, &Graph),
    request: &RestoreRequest,
    share: Share,
    before: &Before,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    let writer = DriveWriter::new(graph, &share.drive.id);
    let mut tree = Tree::find(&writer, share.folders).await?;
    let plan = plan(&writer, &tree, share.items, request, before).await?;
    progress.expect_items(plan.len());
    if !request.dry_run {
        tree.make(&writer).await?;
    }
    let (tree, writer, failures) = (&tree, &writer, &Failures::new());
    let task = Task { home, graph, request, writer, before, tree, failures };
    if request.dry_run {
        return plan.iter().try_for_each(|planned| preview(&task, planned, report));
    }
    write(&task, plan, progress, report).await?;
    report.count(&task.finish_folders().await?);
    Ok(())
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

/// Tells what would become of a file.
fn preview(task: &Task<'_>, planned: &Planned, report: &mut RestoreReport) -> Result<()> {
    let path = planned.item.found.path();
    let (what, keeps_sharing) = match &planned.action {
        Action::Create(_) => ("missing in the target", false),
        Action::Replace { is_ours, .. } => ("changed in the target", !is_ours),
        Action::Finish { is_ours, .. } => ("begun by this restore", !is_ours),
        Action::Skip(reason) => {
            report.skipped(&path, *reason);
            return Ok(());
        }
        Action::Refuse(reason) => {
            report.failed(&path, reason.clone(), Vec::new());
            return Ok(());
        }
    };
    report.items_restored += 1;
    report.bytes += crate::compare::size(&planned.contents.node);
    let losses = task.expected_losses(&planned.item, keeps_sharing)?;
    report.count(&losses);
    report.push(&path, "would_restore", Some(what.to_owned()), losses);
    Ok(())
}
