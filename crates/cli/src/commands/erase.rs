//! `erase`: takes single messages out of every snapshot, for good.

use std::fmt::Write;

use holdfast_engine::maintain::{self, EraseReport, EraseRequest};
use holdfast_engine::{Exit, Home};

use crate::args::Erase;
use crate::error::Result;
use crate::output::{self, Output, bytes, clean, of, time};

pub async fn run(home: &Home, args: &Erase, out: Output) -> Result<u8> {
    if !args.dry_run && !args.yes {
        output::confirm(out, "The messages will be erased from every snapshot, for good.")?;
    }
    let request = EraseRequest {
        tenant: args.source.tenant.clone(),
        at: args.source.at(),
        dry_run: args.dry_run,
        ..EraseRequest::new(&args.source.resource, args.items.clone(), &args.reason)
    };
    let report = maintain::erase(home, &request).await?;
    out.show(&report, || human(&report))?;
    Ok(if report.complete { 0 } else { Exit::Partial as u8 })
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
    if report.dry_run {
        return format!(
            "Dry run: {items} of {resource} would be erased from {snapshots}; nothing was changed."
        );
    }
    let mut text =
        format!("{items} of {resource} erased from {snapshots}; {} freed.", bytes(freed));
    if !report.complete {
        let until = time(report.waits_until);
        let _ = write!(
            text,
            "\nThey are out of sight, but locks keep some of their data (the last known one until \
             {until}). 'holdfast vault prune' removes it after that."
        );
    }
    if let Some(id) = &report.erasure {
        let _ = write!(text, "\nOn record as {id}.");
    }
    text
}
