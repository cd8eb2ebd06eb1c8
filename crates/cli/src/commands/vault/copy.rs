//! `vault copy`: the same history in a second vault.

use std::fmt::Write;

use holdfast_engine::copy::{VaultCopy, copy};
use holdfast_engine::{Home, Progress};

use crate::error::Result;
use crate::output::{Output, bytes, clean, of};

pub async fn run(home: &Home, from: Option<&str>, to: &str, out: Output) -> Result<u8> {
    show(&copy(home, from, to, &Progress::default()).await?, to, out)
}

/// Shows what a copy came to; `name` is that of the second vault.
pub fn show(report: &VaultCopy, name: &str, out: Output) -> Result<u8> {
    out.show(report, || human(report, name))?;
    Ok(0)
}

fn human(report: &VaultCopy, name: &str) -> String {
    let mut text = String::new();
    for shard in &report.shards {
        let sent = &shard.report;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "Shard {}: {} copied, {} there already; {} and {} sent, {}",
            shard.shard,
            of(sent.snapshots_copied, "snapshot"),
            of(sent.snapshots_present, "snapshot"),
            of(sent.blobs_copied, "blob"),
            of(sent.trees_copied, "tree"),
            bytes(sent.bytes_copied),
        );
    }
    let _ = writeln!(
        text,
        "{} of intent written. The copy has a recovery kit of its own: 'holdfast vault kit --vault \
         {} --out DIR'.",
        of(report.intent_changes as u64, "record"),
        clean(name),
    );
    text
}
