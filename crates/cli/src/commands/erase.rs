//! `erase`: takes single messages out of every snapshot, for good.

use std::fmt::Write;

use holdfast_engine::maintain::{self, EraseReport, EraseRequest};
use holdfast_engine::{Exit, Home};

use super::Done;
use crate::args::Erase;
use crate::error::Result;
use crate::output::{self, Output, bytes, clean, of, time};

pub async fn run(home: &Home, args: &Erase, out: Output) -> Result<Done> {
    if !args.dry_run && !args.yes {
        let what = "The messages will be erased from every snapshot, for good.";
        output::confirm_deletion(out, what)?;
    }
    let request = EraseRequest {
        tenant: args.source.tenant.clone(),
        at: args.source.at(),
        dry_run: args.dry_run,
        ..EraseRequest::new(&args.source.resource, args.items.clone(), &args.reason)
    };
    let report = maintain::erase(home, &request).await?;
    out.show(&report, || human(&report))?;
    let code = if report.complete || report.dry_run { 0 } else { Exit::Partial as u8 };
    let done = Done::from(code).with("items_erased", &report.items.len());
    Ok(match &report.erasure {
        Some(id) => done.with("erasure", id),
        None => done,
    })
}

/// One or a few sentences. Writing to a string cannot fail.
fn human(report: &EraseReport) -> String {
    let (mut snapshots, mut freed) = (0, 0);
    for shard in &report.shards {
        snapshots += shard.report.snapshots_rewritten;
        freed += shard.report.prune.bytes_freed;
    }
    let items = of(report.items.len() as u64, "message");
    let (resource, snapshots) = (clean(&report.resource), of(snapshots, "snapshot"));
    let mut text = match report.dry_run {
        true => format!("Dry run: {items} of {resource} would be erased from {snapshots}."),
        false => format!("{items} of {resource} erased from {snapshots}; {} freed.", bytes(freed)),
    };
    what_is_left(report, &mut text);
    if report.dry_run {
        text.push_str("\nNothing was changed.");
    }
    if let Some(id) = &report.erasure {
        let _ = write!(text, "\nOn record as {id}.");
    }
    text
}

/// Where the items are still, and how they leave there.
fn what_is_left(report: &EraseReport, text: &mut String) {
    let foreign: usize = report.shards.iter().map(|shard| shard.report.foreign.len()).sum();
    if foreign > 0 {
        let snapshots = of(foreign as u64, "snapshot");
        let _ = write!(
            text,
            "\n{snapshots} that another program wrote hold them too: remove those with it."
        );
    }
    for failure in &report.failures {
        let message = clean(&failure.message);
        let _ = write!(
            text,
            "\nShard {} still has them: {message}. 'holdfast vault prune' does the rest.",
            failure.shard
        );
    }
    for copy in report.copies.iter().map(|name| clean(name)) {
        let _ = write!(
            text,
            "\nThe copy '{copy}' has them until 'holdfast vault copy --to {copy}' and then \
             'holdfast vault prune --vault {copy}'."
        );
    }
    let waiting = !report.dry_run && report.shards.iter().any(|shard| !shard.complete);
    if let (true, Some(until)) = (waiting, report.waits_until) {
        let until = time(Some(until));
        let _ = write!(
            text,
            "\nThey are out of sight, but locks keep some of their data (the last known one until \
             {until}). 'holdfast vault prune' removes it after that."
        );
    } else if waiting && foreign == 0 {
        text.push_str(
            "\nThey are out of sight; 'holdfast vault prune' removes the rest of their data.",
        );
    }
}
