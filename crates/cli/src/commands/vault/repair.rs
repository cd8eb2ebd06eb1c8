//! `vault repair`: what is damaged comes back from a second vault or from the tenant.

use std::fmt::Write;

use holdfast_engine::maintain::{RepairReport, RepairRequest, ShardRepair, repair};
use holdfast_engine::{Exit, Home, Progress};

use super::of_item;
use crate::args::Repair;
use crate::error::Result;
use crate::output::{Output, clean, of};

/// Errors of a shard that are written out; `--json` has all.
const ERRORS_SHOWN: usize = 20;

pub async fn run(home: &Home, args: &Repair, out: Output) -> Result<u8> {
    let request = RepairRequest { vault: args.vault.clone(), from: args.from.clone() };
    show(&repair(home, &request, &Progress::default()).await?, out)
}

/// Shows what a repair came to.
pub fn show(report: &RepairReport, out: Output) -> Result<u8> {
    out.show(report, || human(report))?;
    Ok(if report.is_whole() { 0 } else { Exit::Damaged as u8 })
}

fn human(report: &RepairReport) -> String {
    let mut text: String = report.shards.iter().map(of_shard).collect();
    for error in &report.control_errors {
        let _ = writeln!(text, "control repository: {}", clean(error));
    }
    let asked: u64 = report.shards.iter().map(|shard| shard.asked_again).sum();
    // Writing to a string cannot fail.
    let _ = match (report.damaged(), asked) {
        (0, _) if report.is_whole() => writeln!(text, "Everything can be restored whole."),
        (0, _) => writeln!(text, "No message is damaged, but what is named above is."),
        (_, 0) => writeln!(text, "What is named above is in no place that Holdfast can reach."),
        (_, asked) => writeln!(
            text,
            "The next backup asks the tenant for {}; 'vault check --read-data' then says what is \
             left.",
            of(asked, "message"),
        ),
    };
    text
}

fn of_shard(shard: &ShardRepair) -> String {
    let (index, packs) = (&shard.index, &shard.packs);
    let mut text = format!("Shard {}: ", shard.shard);
    let _ = match index.is_clean() {
        true => write!(text, "index sound"),
        false => write!(
            text,
            "index made again ({} damaged, {} taken up)",
            of(index.files_damaged.len() as u64, "file"),
            of(index.packs_added.len() as u64, "pack"),
        ),
    };
    let _ = writeln!(
        text,
        "; {} damaged, {} from the second vault, {} nowhere",
        of(packs.packs_damaged.len() as u64, "pack"),
        of(packs.blobs_restored, "blob"),
        of(packs.blobs_lost.len() as u64, "blob"),
    );
    for item in &shard.damaged {
        let _ = writeln!(text, "  cannot be restored whole: {}", clean(&of_item(item)));
    }
    if shard.damaged_more > 0 {
        let _ = writeln!(text, "  and {} more", shard.damaged_more);
    }
    for error in shard.errors.iter().take(ERRORS_SHOWN) {
        let _ = writeln!(text, "  {}", clean(error));
    }
    if shard.errors.len() > ERRORS_SHOWN {
        let _ = writeln!(text, "  and {} more", shard.errors.len() - ERRORS_SHOWN);
    }
    text
}
