//! `catalog rebuild`: the catalog made again from the vault alone.

use holdfast_engine::Home;
use holdfast_engine::rebuild::{self, RebuildReport};

use crate::args::Catalog;
use crate::error::Result;
use crate::output::{Output, of};

pub async fn run(home: &Home, command: &Catalog, out: Output) -> Result<u8> {
    let Catalog::Rebuild = command;
    let report = rebuild::rebuild(home).await?;
    out.show(&report, || human(&report))?;
    Ok(0)
}

fn human(report: &RebuildReport) -> String {
    let of = |number: usize, thing| of(number as u64, thing);
    format!(
        "Catalog made again from the vault: {}, {}, {}, {}, {}, {}.\n\
         Credentials are never in the vault: give them again with 'holdfast tenant add' under the \
         same name.",
        of(report.tenants, "tenant"),
        of(report.resources, "resource"),
        of(report.shards, "shard"),
        of(report.snapshots, "snapshot"),
        of(report.restore_points, "restore point"),
        of(report.items, "item"),
    )
}
