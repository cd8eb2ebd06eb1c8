//! `vault prune`: forgets snapshots by rules, removes what nothing needs.

use std::fmt::Write;

use holdfast_engine::maintain::{self, PruneRequest};
use holdfast_engine::{Exit, Home, Progress};
use holdfast_model::ShardId;
use holdfast_policy::{Judged, KeepRule, PlannedSnapshot, Rules, Verdict};
use holdfast_vault::{ForgetReport, LinkedVersions, PruneReport as DataReport};
use serde::{Deserialize, Serialize};

use crate::args::Prune;
use crate::error::{Error, Result};
use crate::output::{self, Output, bytes, clean, of, time};

/// What of a report people are shown. It is read from the JSON form, which a server sends too: the
/// report itself holds a plan of what may be deleted, and nobody makes one of those from a text.
#[derive(Deserialize)]
pub struct Pruned {
    dry_run: bool,
    shards: Vec<Shard>,
    #[serde(default)]
    failures: Vec<Failed>,
}

#[derive(Deserialize)]
struct Shard {
    shard: ShardId,
    rules: Rules,
    snapshots: Vec<Judged>,
    plan: Plan,
    #[serde(default)]
    erasures: Vec<Erasure>,
    erasures_open: u64,
    linked: Vec<LinkedVersions>,
    snapshots_removed: ForgetReport,
    data: DataReport,
}

#[derive(Deserialize)]
struct Plan {
    snapshots: Vec<PlannedSnapshot>,
}

#[derive(Deserialize)]
struct Erasure {
    complete: bool,
}

#[derive(Deserialize)]
struct Failed {
    shard: ShardId,
    message: String,
}

pub async fn run(home: &Home, args: &Prune, out: Output) -> Result<u8> {
    let rules = rules(args);
    ask(args, out)?;
    let request = PruneRequest { vault: args.vault.clone(), rules, dry_run: args.dry_run };
    let report = maintain::prune(home, &request, &Progress::default()).await?;
    let form = serde_json::to_value(&report).and_then(Pruned::deserialize);
    show(&report, &form.map_err(Error::Report)?, out)
}

fn rules(args: &Prune) -> Rules {
    let last = args.keep_last.map(KeepRule::Last);
    let within = args.keep_within.map(KeepRule::Within);
    Rules::new(last.into_iter().chain(within))
}

/// Asks before snapshots are forgotten.
pub fn ask(args: &Prune, out: Output) -> Result<()> {
    let rules = rules(args);
    if args.dry_run || args.yes || rules.keeps_all() {
        return Ok(());
    }
    let warning = format!("Snapshots beyond '{rules}' will be forgotten, for good.");
    output::confirm_deletion(out, &warning)
}

/// Shows what a prune came to.
pub fn show(report: &impl Serialize, pruned: &Pruned, out: Output) -> Result<u8> {
    out.show(report, || human(pruned))?;
    Ok(if pruned.failures.is_empty() { 0 } else { Exit::Partial as u8 })
}

fn human(report: &Pruned) -> String {
    let mut text = String::new();
    for shard in &report.shards {
        of_shard(&mut text, shard, report.dry_run);
    }
    for failure in &report.failures {
        let _ = writeln!(text, "Shard {}: not pruned: {}", failure.shard, clean(&failure.message));
    }
    if report.dry_run {
        text.push_str("Dry run: nothing was changed.");
    }
    text
}

/// What became of a shard. Writing to a string cannot fail.
fn of_shard(text: &mut String, shard: &Shard, dry_run: bool) {
    let (mut kept, mut waiting) = (0, 0);
    for judged in &shard.snapshots {
        match &judged.verdict {
            Verdict::Kept { .. } => kept += 1,
            verdict => {
                waiting += u64::from(matches!(verdict, Verdict::Waits { .. }));
                let (id, when) = (&judged.id[..judged.id.len().min(8)], time(Some(judged.time)));
                let _ = writeln!(text, "  {} {when}  {}", clean(id), clean(&verdict.to_string()));
            }
        }
    }
    let removed = &shard.snapshots_removed;
    let forgotten = match dry_run {
        true => shard.plan.snapshots.len(),
        false => removed.forgotten.len() + removed.gone.len(),
    };
    waiting += removed.locked.len() as u64;
    let word = if dry_run { "would be forgotten" } else { "forgotten" };
    let _ = writeln!(
        text,
        "Shard {}: {} kept, {} {word}, {waiting} waiting for locks ({})",
        shard.shard,
        of(kept, "snapshot"),
        of(forgotten as u64, "snapshot"),
        shard.rules,
    );
    for linked in &shard.linked {
        let versions = of(linked.versions, "version");
        let _ =
            writeln!(text, "  {versions} of {} kept for a hold", clean(linked.resource.as_str()));
    }
    for erasure in &shard.erasures {
        let state = if erasure.complete { "is complete" } else { "is not complete yet" };
        let _ = writeln!(text, "  an erasure from before {state}");
    }
    if dry_run && shard.erasures_open > 0 {
        let erasures = of(shard.erasures_open, "erasure");
        let _ = writeln!(text, "  {erasures} from before would be completed, for good");
    }
    let data = &shard.data;
    let free = if dry_run { "would be free" } else { "free" };
    let _ = write!(
        text,
        "  {} {free} now, {} later",
        bytes(data.bytes_freed),
        bytes(data.bytes_freed_later)
    );
    if data.orphans_waiting > 0 {
        let packs = of(data.orphans_waiting, "pack");
        let _ = write!(text, "; {packs} in no index file, too young to go: a prune after a day");
    }
    if let Some(at) = data.removable_at {
        let _ = write!(text, " (a prune after {})", time(Some(at)));
    }
    if let Some(until) = data.locked_until {
        let _ = write!(text, " (locked until {})", time(Some(until)));
    }
    text.push('\n');
}
