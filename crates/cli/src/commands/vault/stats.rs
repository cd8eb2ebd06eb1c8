//! `vault stats`: what a vault holds, what that takes, and how it grows.

use std::fmt::Write;

use holdfast_engine::Home;
use holdfast_engine::stats::{self, Growth, ResourceStats, ShardStats, VaultStats};

use crate::error::Result;
use crate::output::{Output, bytes, clean, count, of, table, time};

/// Days and resources that are listed for people; all are in the `--json` form.
const SHOWN: usize = 20;

pub async fn run(home: &Home, vault: Option<&str>, out: Output) -> Result<u8> {
    let stats = stats::stats(home, vault).await?;
    show(&stats, out)
}

/// Shows what a vault holds.
pub fn show(stats: &VaultStats, out: Output) -> Result<u8> {
    out.show(stats, || human(stats))?;
    Ok(0)
}

fn human(stats: &VaultStats) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", clean(&stats.location));
    let _ = writeln!(
        text,
        "{} now, {}; {} over all snapshots, {}",
        of(stats.items, "item"),
        bytes(stats.logical_bytes),
        of(stats.versions, "version"),
        bytes(stats.version_bytes),
    );
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |r| format!("{r:.2}"));
    let _ = writeln!(
        text,
        "{} stored; deduplication {}, compression {}\n",
        bytes(stats.stored_bytes),
        ratio(stats.dedup_ratio),
        ratio(stats.compression_ratio),
    );
    if let Some(locks) = &stats.locks {
        let warning = match (locks.warn, locks.unlocked) {
            (false, _) => String::new(),
            (true, 0) => "; less than a third of the period: run 'vault extend'".to_owned(),
            (true, open) => format!("; {} without a lock: run 'vault extend'", of(open, "file")),
        };
        let files = of(locks.files, "file");
        let _ =
            writeln!(text, "{files} locked, the first lock ends {}{warning}", time(locks.earliest));
        if let Some(file) = locks.tampered.first() {
            let tampered = of(locks.tampered.len() as u64, "file");
            let _ =
                writeln!(text, "{tampered} deleted or overwritten by somebody: {}", clean(file));
        }
        text.push('\n');
    }
    let headings = ["shard", "full", "blobs", "packs", "stored", "snapshots", "oldest", "newest"];
    let rows = stats.shards.iter().map(shard_row).collect();
    let _ = writeln!(text, "{}\n", table(&headings, rows, &[0, 1, 2, 3, 4, 5]));
    let rows = stats.resources.iter().take(SHOWN).map(resource_row).collect();
    let _ = writeln!(text, "{}", table(&["mailbox", "shard", "items", "bytes"], rows, &[1, 2, 3]));
    if let Some(more) = stats.resources.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "… and {} more; --json lists all", count(more as u64));
    }
    let first = stats.by_day.len().saturating_sub(SHOWN);
    let rows = stats.by_day[first..].iter().map(growth_row).collect();
    let headings = ["day", "snapshots", "new", "stored"];
    let _ = writeln!(text, "\n{}", table(&headings, rows, &[1, 2, 3]));
    text
}

fn shard_row(shard: &ShardStats) -> Vec<String> {
    vec![
        shard.shard.to_string(),
        format!("{:.1} %", shard.fill * 100.0),
        count(shard.blobs),
        count(shard.packs),
        bytes(shard.pack_bytes + shard.index_bytes),
        count(shard.snapshots),
        time(shard.oldest),
        time(shard.newest),
    ]
}

fn resource_row(resource: &ResourceStats) -> Vec<String> {
    let (items, size) = (count(resource.items), bytes(resource.logical_bytes));
    vec![resource.name.clone(), resource.shard.to_string(), items, size]
}

fn growth_row(growth: &Growth) -> Vec<String> {
    let (new, stored) = (bytes(growth.version_bytes), bytes(growth.stored_bytes));
    vec![growth.from.clone(), count(growth.snapshots), new, stored]
}
