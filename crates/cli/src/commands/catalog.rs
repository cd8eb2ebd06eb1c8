//! `catalog rebuild`: the catalog made again from the vault alone.

use holdfast_engine::rebuild::{self, RebuildReport};
use holdfast_engine::{Exit, Home};

use crate::error::Result;
use crate::output::{Output, clean, of};

pub async fn rebuild(home: &Home, out: Output) -> Result<u8> {
    let report = rebuild::rebuild(home).await?;
    let tenants = home.catalog.tenant_list().await?;
    let locked: Vec<String> =
        tenants.into_iter().filter(|t| t.sealed_credential.is_none()).map(|t| t.name).collect();
    out.show(&report, || human(&report, &locked))?;
    Ok(if report.is_whole() { 0 } else { Exit::Damaged as u8 })
}

/// What came back, in one line, and what could not be read.
pub fn found(report: &RebuildReport) -> String {
    let of = |number: usize, thing| of(number as u64, thing);
    let mut text = format!(
        "Catalog made again from the vault: {}, {}, {}, {}, {}, {}.",
        of(report.tenants, "tenant"),
        of(report.resources, "resource"),
        of(report.shards, "shard"),
        of(report.snapshots, "snapshot"),
        of(report.restore_points, "restore point"),
        of(report.items, "item"),
    );
    if report.damaged > 0 {
        let damaged = of(report.damaged, "restore point");
        text.push_str(&format!(
            "\nThe vault is damaged: {damaged} without a readable state. 'holdfast vault check \
             --read-data' shows the extent."
        ));
    }
    if report.missing_shards > 0 {
        let missing = of(report.missing_shards, "shard");
        text.push_str(&format!(
            "\nThe vault is not whole: {missing} with backups of these resources is not there. See \
             that all of the storage is there before anything is backed up; a second vault may have \
             it: docs/recover.md"
        ));
    }
    text
}

fn human(report: &RebuildReport, without_credentials: &[String]) -> String {
    let mut text = found(report);
    if !without_credentials.is_empty() {
        text.push_str(&format!(
            "\nCredentials are never in the vault. Give them again with 'holdfast tenant add' under \
             the same name: {}",
            clean(&without_credentials.join(", "))
        ));
    }
    text
}
