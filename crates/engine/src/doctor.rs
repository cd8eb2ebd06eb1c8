//! `doctor`: does this installation have what it needs?

use std::collections::{HashMap, HashSet};

use holdfast_catalog::{TenantRow, VaultRow};
use holdfast_model::{Seq, ShardId};
use holdfast_vault::{Location, LockReport, probe};
use serde::Serialize;

use crate::copy::source_of;
use crate::{Error, Home, Result, tenant};

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, and what to do about it.
    pub detail: String,
}

impl Finding {
    fn new(subject: impl Into<String>, result: Result<String>) -> Self {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(error) => (false, with_causes(&error)),
        };
        Self { subject: subject.into(), ok, detail }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Looks at key, catalog, vaults and tenants. Findings tell what is wrong; nothing is changed.
pub async fn doctor(home: &Home) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let key = home.key_path().display().to_string();
    findings.push(Finding::new("instance key", Ok(format!("{key}, readable by its owner only"))));
    findings.push(Finding::new("catalog", catalog(home).await));
    for row in home.catalog.vault_list().await? {
        let subject = format!("vault {} ({})", row.name, row.location);
        findings.push(Finding::new(subject, vault(home, &row.id).await));
        // Of a folder the line above says everything.
        if !matches!(row.location.parse(), Ok(Location::Folder(_))) {
            findings.push(storage(home, &row).await);
        }
    }
    for row in home.catalog.tenant_list().await? {
        findings.push(of_tenant(home, &row).await);
    }
    Ok(findings)
}

async fn catalog(home: &Home) -> Result<String> {
    let problems = home.catalog.check().await?;
    if problems.is_empty() {
        return Ok("no damage found".to_owned());
    }
    Err(holdfast_catalog::Error::Damaged(problems.join("; ")).into())
}

async fn vault(home: &Home, id: &str) -> Result<String> {
    let vault = home.vault(Some(id)).await?;
    let source = source_of(home, id).await?;
    let known: HashSet<String> =
        home.catalog.snapshot_list(Some(id)).await?.into_iter().map(|row| row.id).collect();
    let heads: HashMap<ShardId, Seq> =
        home.catalog.shard_list(id).await?.into_iter().map(|r| (r.shard, r.head_seq)).collect();
    crate::home::blocking(move || {
        let records = vault.control()?.load()?.len();
        let mut snapshots = 0;
        for shard in vault.shard_ids()? {
            let head = heads.get(&shard).copied().unwrap_or_default();
            for snapshot in vault.shard(shard)?.snapshots()? {
                snapshots += 1;
                // Those of a copy the catalog counts in its source.
                let counts = source.is_none();
                if counts && snapshot.tags.seq > head && !known.contains(&snapshot.id) {
                    return Err(Error::CatalogBehind(shard));
                }
            }
        }
        let of = source.map_or_else(String::new, |source| format!("copy of {}; ", source.name));
        Ok(format!("{of}opens; snapshots: {snapshots}, records of intent: {records}"))
    })
    .await
}

/// Who may delete from the storage of a vault, and how long its locks hold.
async fn storage(home: &Home, row: &VaultRow) -> Finding {
    let subject = format!("storage of vault {}", row.name);
    match look_at_storage(home, row).await {
        Ok((ok, detail)) => Finding { subject, ok, detail },
        Err(error) => Finding::new(subject, Err(error)),
    }
}

async fn look_at_storage(home: &Home, row: &VaultRow) -> Result<(bool, String)> {
    let (location, clock) = (row.location.parse::<Location>()?, home.clock.clone());
    let storage = home.storage(row)?;
    if let Some(time) = storage.as_of {
        return Ok((true, format!("read as it was at {time}; nothing is written to it")));
    }
    let options = storage.options()?;
    let vault = home.vault(Some(&row.id)).await?;
    crate::home::blocking(move || {
        let rights = probe(&location, &options, clock)?;
        let writer = match rights.writer_removes {
            true => "backups run with credentials that may delete",
            false => "backups run with credentials that cannot delete",
        };
        let maintenance = match rights.maintenance_removes {
            Some(false) => "; those for maintenance cannot delete either: prune will fail",
            _ => "",
        };
        let (sound, locks) = vault.lock_report()?.map_or((true, String::new()), |r| of_locks(&r));
        let ok = sound && rights.maintenance_removes != Some(false);
        Ok((ok, format!("{writer}{maintenance}{locks}")))
    })
    .await
}

fn of_locks(report: &LockReport) -> (bool, String) {
    let earliest = report.earliest.map_or_else(|| "never".to_owned(), |end| format!("{end:.0}"));
    let mut text = format!("; {} files locked, the first lock ends {earliest}", report.files);
    if report.warn {
        text.push_str(
            " (less than a third of the period, or files without one): run 'vault extend'",
        );
    }
    if let Some(file) = report.tampered.first() {
        let count = report.tampered.len();
        text.push_str(&format!(
            "; {count} files deleted or overwritten by somebody, such as {file}"
        ));
    }
    (!report.warn && report.tampered.is_empty(), text)
}

async fn of_tenant(home: &Home, row: &TenantRow) -> Finding {
    let subject = format!("tenant {}", row.name);
    let reports = match tenant::test(home, row).await {
        Ok(reports) => reports,
        Err(error) => return Finding::new(subject, Err(error)),
    };
    let missing: Vec<&str> =
        reports.iter().flat_map(|r| &r.permissions.missing).map(|p| p.name).collect();
    let excess: Vec<&str> =
        reports.iter().flat_map(|r| &r.permissions.excess).map(String::as_str).collect();
    if !missing.is_empty() {
        let detail = format!(
            "signs in, but lacks {}; 'holdfast tenant test {}' says where to grant it",
            missing.join(", "),
            row.name
        );
        return Finding { subject, ok: false, detail };
    }
    let more = match excess.is_empty() {
        true => String::new(),
        false => format!("; holds more than it needs: {}", excess.join(", ")),
    };
    Finding::new(subject, Ok(format!("signs in with all permissions{more}")))
}
