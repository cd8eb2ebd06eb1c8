//! Restore: brings messages back and proves that they are the same.
//!
//! `plan` says what goes where and what happens on conflict; it is also the dry run. `item` writes
//! one message and reads it back. Each message created carries a mark, and the catalog knows how
//! far each one got: after an uncertain answer or a restart the target is searched for the mark
//! first, so that nothing is doubled.

mod alone;
mod before;
mod files;
mod folders;
mod item;
mod plan;
mod skipped;

use std::collections::BTreeMap;

use futures::StreamExt;
use holdfast_catalog::{ResourceRow, RestoreLease};
use holdfast_graph::{Graph, Kind};
use holdfast_model::{Outcome, Timestamp, Workload};
use holdfast_workloads::mail::MailWriter;
use holdfast_workloads::{FolderMeta, Layout, Loss};
use serde::{Deserialize, Serialize};

use crate::browse::{At, FolderStep};
use crate::home::blocking;
use crate::select::{self, Choice, Picked, Selection};
use crate::tenant::{self, Purpose};
use crate::{Error, Exit, Home, Progress, Result, discover};

use alone::Alone;
use before::{Before, before};
use plan::{Action, Plan};
use skipped::Skipped;

/// Messages written at once into one mailbox; Graph allows four requests.
const ITEMS_AT_ONCE: usize = 4;

/// What happens when a message lies in the target folder already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It stays as it is.
    #[default]
    Skip,
    /// The stored version takes its place: created and compared first, then the other is deleted.
    Replace,
    /// The stored version is put beside it.
    Copy,
}

/// What to restore, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreRequest {
    /// Tenant of the source.
    pub tenant: Option<String>,
    /// The resource whose backup is used.
    pub resource: String,
    /// Which restore point.
    pub at: At,
    /// Not what was there at a time, but what has vanished since then; `at` has no part in it.
    pub deleted_since: Option<Timestamp>,
    /// A folder or a message; everything where absent.
    pub path: Option<String>,
    /// Another resource as the target; the same where absent.
    pub to: Option<String>,
    /// A folder of the target that takes what is restored; its own place where absent. Of a path
    /// that names a folder, that folder goes there with all that is in it.
    pub into: Option<String>,
    /// Of a file: this earlier version, as the service numbered it.
    pub version: Option<String>,
    /// Of files: the earlier versions too, written before the present one.
    pub versions: bool,
    /// Of files: share them again as they were shared.
    pub permissions: bool,
    /// What to do on conflict.
    pub on_conflict: OnConflict,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a restore came to: the `--json` form of `holdfast restore`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Id of this restore.
    pub restore: String,
    /// Over all items.
    pub outcome: Outcome,
    /// True when nothing was written.
    pub dry_run: bool,
    /// Time of the restore point that was used.
    pub restore_point: Timestamp,
    /// Name of the source.
    pub source: String,
    /// Name of the target.
    pub target: String,
    /// Names of the drives that took files; empty for mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drives: Vec<String>,
    /// What was restored: mail or files.
    pub workload: Workload,
    /// Messages written, read back and found equal (in a dry run: that would be written).
    pub items_restored: u64,
    /// Messages left out by the conflict rule.
    pub items_skipped: u64,
    /// Of those: the target has them as they are stored.
    pub items_unchanged: u64,
    /// Of those: the target has another version, which was left.
    pub items_conflicting: u64,
    /// Messages that could not be written, or came back different.
    pub items_failed: u64,
    /// Stored bytes of the messages written.
    pub bytes: u64,
    /// What cannot be carried, by kind and number of messages.
    pub losses: BTreeMap<Loss, u64>,
    /// Requests to Microsoft Graph.
    pub requests: u64,
    /// Milliseconds waited because Graph said so.
    pub waited_ms: u64,
    /// Messages that failed, were skipped, or lose something.
    pub items: Vec<ItemReport>,
}

/// What became of one message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ItemReport {
    /// Path in the restore point.
    pub path: String,
    /// `restored`, `skipped` or `failed`; in a dry run of files `would_restore`.
    pub result: String,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
}

/// Restores and reports.
pub async fn restore(
    home: &Home,
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<RestoreReport> {
    let choice = Choice {
        tenant: request.tenant.as_deref(),
        resource: &request.resource,
        at: &request.at,
        deleted_since: request.deleted_since,
        path: request.path.as_deref(),
    };
    let source = select::select(home, &choice).await?;
    let target = match &request.to {
        Some(name) => discover::find(home, None, name).await?,
        None => source.resource.clone(),
    };
    if request.dry_run {
        return into_target(home, request, (source, &target), None, progress).await;
    }
    let alone = Alone::begin(home, &target.id).await?;
    let lease = Some(alone.lease());
    alone.during(into_target(home, request, (source, &target), lease, progress)).await
}

/// Restores what was selected into a target of which the lease is held; without one nothing is
/// written.
async fn into_target(
    home: &Home,
    request: &RestoreRequest,
    (mut source, target): (Selection, &ResourceRow),
    lease: Option<RestoreLease>,
    progress: &Progress,
) -> Result<RestoreReport> {
    let tenant = tenant::find(home, &target.tenant).await?;
    let graph = tenant::graph(home, &tenant, Purpose::Restore)?;
    check(request, &source, target)?;
    let mut before = before(home, request, &source, target, lease).await?;
    let mut report = new_report(request, &source, target);
    for unread in std::mem::take(&mut source.unread) {
        report.failed(&unread.path, unread.error.to_string(), Vec::new());
    }
    let both = (&mut source, target);
    if Layout::of(target.workload).is_drive() {
        before.begin(home, request, both.0, target).await?;
        files::restore(home, &graph, request, both, before, progress, &mut report).await?;
    } else {
        messages(home, &graph, request, both, before, progress, &mut report).await?;
    }
    let stats = graph.stats();
    (report.requests, report.waited_ms) = (stats.requests, stats.waited_ms);
    report.outcome = match (report.items_failed, report.items_restored) {
        (0, _) => Outcome::Complete,
        (_, 0) => Outcome::Failed,
        _ => Outcome::Partial,
    };
    Ok(report)
}

/// Mail goes into mailboxes, files into drives.
fn check(request: &RestoreRequest, source: &Selection, target: &ResourceRow) -> Result<()> {
    let is_drive = |row: &ResourceRow| Layout::of(row.workload).is_drive();
    let wrong = |text: &str| Err(Error::Usage(text.to_owned()));
    match (is_drive(&source.resource), is_drive(target)) {
        (false, true) => {
            wrong("messages go into a mailbox, not into a drive; see 'holdfast export'")
        }
        (true, false) => wrong("files go into a OneDrive or a library, not into a mailbox"),
        (false, false) if request.version.is_some() || request.versions || request.permissions => {
            wrong("versions and permissions are those of files; messages have none")
        }
        (true, true) if request.version.is_some() && source.items.len() != 1 => {
            wrong("a version belongs to one file; name it with --path")
        }
        _ => Ok(()),
    }
}

async fn messages(
    home: &Home,
    graph: &Graph,
    request: &RestoreRequest,
    (source, target): (&mut Selection, &ResourceRow),
    mut before: Before,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    let mut items = std::mem::take(&mut source.items);
    if let Some(folder) = &request.into {
        items.iter_mut().for_each(|item| go_into(item, folder, request.path.as_deref()));
    }
    let writer = MailWriter::new(graph, &target.graph_id);
    let plan = plan::plan(items, request.on_conflict, &writer, before.resumed()).await?;
    progress.expect_items(plan.items.len());
    if request.dry_run {
        return dry_run(&plan, before, report).await;
    }
    before.begin(home, request, source, target).await?;
    run(home, &writer, plan, before, progress, report).await
}

/// Lets a message go into a folder of the target: with the folder that the path names and what is
/// below it, or with all folders where it names none.
fn go_into(item: &mut Picked, folder: &str, path: Option<&str>) {
    let named = path.map_or(0, |path| path.split('/').filter(|part| !part.is_empty()).count());
    let own = &item.found.folders;
    let kept = own.len().saturating_sub(named.saturating_sub(1).min(own.len()));
    let kept = if named > own.len() { 0 } else { kept };
    let below = own[own.len() - kept..].iter().map(|step| {
        // A well-known folder inside another one is an ordinary folder.
        let meta = FolderMeta { well_known: None, ..step.meta.clone() };
        FolderStep { dir: step.dir.clone(), meta }
    });
    let above = folder.split('/').filter(|part| !part.is_empty()).map(|name| FolderStep {
        dir: name.to_owned(),
        meta: FolderMeta { name: name.to_owned(), ..FolderMeta::default() },
    });
    item.found.folders = above.chain(below).collect();
}

fn new_report(request: &RestoreRequest, source: &Selection, target: &ResourceRow) -> RestoreReport {
    RestoreReport {
        restore: String::new(),
        outcome: Outcome::Complete,
        dry_run: request.dry_run,
        restore_point: source.read_at,
        source: source.resource.name.clone(),
        target: target.name.clone(),
        drives: Vec::new(),
        workload: target.workload,
        items_restored: 0,
        items_skipped: 0,
        items_unchanged: 0,
        items_conflicting: 0,
        items_failed: 0,
        bytes: 0,
        losses: BTreeMap::new(),
        requests: 0,
        waited_ms: 0,
        items: Vec::new(),
    }
}

async fn dry_run(plan: &Plan, before: Before, report: &mut RestoreReport) -> Result<()> {
    for planned in &plan.items {
        let found = &planned.item.found;
        if planned.action == Action::Skip || before.is_done(&found.meta.item_id()) {
            report.skipped(&found.path(), Skipped::IsThere);
            continue;
        }
        let path = found.path();
        match item::read(&planned.item).await {
            Ok(stored) => report.restored(&path, stored.bytes.len() as u64, stored.losses),
            Err(error) if is_unreadable(&error) => {
                report.failed(&path, error.to_string(), Vec::new());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn run(
    home: &Home,
    writer: &MailWriter<'_>,
    plan: Plan,
    before: Before,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    report.restore.clone_from(&before.restore);
    let folders = folders::make(writer, plan.folders).await?;
    let task = item::Task { home, writer, before: &before };
    let mut done = futures::stream::iter(plan.items)
        .map(|planned| {
            let folder = &folders[planned.folder];
            let task = &task;
            async move {
                let path = planned.item.found.path();
                (path, task.write(folder, planned).await)
            }
        })
        .buffer_unordered(ITEMS_AT_ONCE);
    while let Some((path, result)) = done.next().await {
        match result? {
            item::Done::Restored { bytes, losses } => {
                progress.item_done(bytes);
                report.restored(&path, bytes, losses);
            }
            item::Done::Skipped => {
                progress.item_done(0);
                report.skipped(&path, Skipped::IsThere);
            }
            item::Done::Failed { detail, losses } => {
                progress.item_done(0);
                report.failed(&path, detail, losses);
            }
        }
    }
    let outcome = if report.items_failed > 0 { Outcome::Partial } else { Outcome::Complete };
    before.finish(home, outcome).await
}

impl RestoreReport {
    fn restored(&mut self, path: &str, bytes: u64, losses: Vec<Loss>) {
        self.items_restored += 1;
        self.bytes += bytes;
        self.count(&losses);
        if !losses.is_empty() {
            self.push(path, "restored", None, losses);
        }
    }

    fn skipped(&mut self, path: &str, reason: Skipped) {
        self.items_skipped += 1;
        match reason {
            Skipped::Conflicting => self.items_conflicting += 1,
            Skipped::Shortcut => {}
            Skipped::IsThere | Skipped::Unchanged | Skipped::Written => self.items_unchanged += 1,
        }
        self.push(path, "skipped", Some(reason.reason().to_owned()), Vec::new());
    }

    fn failed(&mut self, path: &str, detail: String, losses: Vec<Loss>) {
        self.items_failed += 1;
        self.push(path, "failed", Some(detail), losses);
    }

    fn count(&mut self, losses: &[Loss]) {
        for loss in losses {
            *self.losses.entry(*loss).or_default() += 1;
        }
    }

    fn push(
        &mut self,
        path: &str,
        result: &'static str,
        detail: Option<String>,
        losses: Vec<Loss>,
    ) {
        let (path, result) = (path.to_owned(), result.to_owned());
        self.items.push(ItemReport { path, result, detail, losses });
    }
}

/// Reads stored bytes on a thread for blocking work.
pub(crate) async fn bytes(
    reader: &holdfast_vault::Reader,
    node: &holdfast_vault::Node,
) -> Result<Vec<u8>> {
    let (reader, node) = (reader.clone(), node.clone());
    blocking(move || reader.bytes(&node).map_err(Error::from)).await
}

/// The stored item is damaged; others need not be.
fn is_unreadable(error: &Error) -> bool {
    error.exit() == Exit::Damaged || matches!(error, Error::Workload(_))
}

/// Failures that concern the whole restore: without the vault, the catalog, rights or the service
/// the next item fails as well.
fn ends_restore(error: &Error) -> bool {
    match error.graph() {
        Some(error) => {
            matches!(error.kind(), Kind::Denied | Kind::Throttled | Kind::Unreachable)
        }
        None => !matches!(error, Error::Workload(_)),
    }
}
