//! `vault`: storage, damage, passwords for stock restic, the recovery kit.

pub mod copy;
pub mod prune;
pub mod repair;
pub mod stats;
pub mod storage;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use holdfast_engine::verify::{self, Damaged, Scope, ShardCheck, VaultCheck};
use holdfast_engine::{Exit, Home, Progress};
use holdfast_model::ShardId;
use serde::Serialize;

use crate::args::Vault;
use crate::error::{Error, Result};
use crate::output::{Output, bytes, clean, count, of};

pub async fn run(home: &Home, command: &Vault, out: Output) -> Result<u8> {
    match command {
        Vault::Add(args) => storage::add(home, args, out).await,
        Vault::List => storage::list(home, out).await,
        Vault::Rekey { passphrase_file, vault } => {
            storage::rekey(home, vault.as_deref(), passphrase_file.as_deref(), out).await
        }
        Vault::Extend { vault } => storage::extend(home, vault.as_deref(), out).await,
        Vault::Check { read_data, read_share, vault } => {
            let scope = read_share.map_or_else(|| (*read_data).into(), Scope::Share);
            check(home, vault.as_deref(), scope, out).await
        }
        Vault::Prune(args) => prune::run(home, args, out).await,
        Vault::Repair(args) => repair::run(home, args, out).await,
        Vault::Copy { to, vault } => copy::run(home, vault.as_deref(), to, out).await,
        Vault::Stats { vault } => stats::run(home, vault.as_deref(), out).await,
        Vault::Password { shard, vault } => password(home, vault.as_deref(), *shard, out).await,
        Vault::Kit { out: dir, vault } => kit(home, vault.as_deref(), dir, out).await,
    }
}

async fn check(home: &Home, vault: Option<&str>, scope: Scope, out: Output) -> Result<u8> {
    let report = verify::check(home, vault, scope, &Progress::default()).await?;
    show_check(&report, out)
}

/// Shows what a check found.
pub fn show_check(report: &VaultCheck, out: Output) -> Result<u8> {
    out.show(report, || human(report))?;
    Ok(if report.errors == 0 { 0 } else { Exit::Damaged as u8 })
}

fn human(report: &VaultCheck) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for error in &report.control_errors {
        let _ = writeln!(text, "Control repository damaged: {}", clean(error));
    }
    for shard in &report.shards {
        text.push_str(&of_shard(shard));
    }
    let packs: u64 = report.shards.iter().map(|shard| shard.packs_read).sum();
    let scope = match (report.read_data, report.share_of_days) {
        (true, _) => "all data read and compared with its hashes".to_owned(),
        (false, Some(days)) => {
            format!("today's share of {days} days read, {}", of(packs, "pack"))
        }
        (false, None) => "structure checked, data not read (--read-data does)".to_owned(),
    };
    let found = match report.errors {
        0 => "No error found".to_owned(),
        n => format!("{} found", of(n as u64, "error")),
    };
    let _ = writeln!(text, "{found}; {scope}.");
    text
}

fn of_shard(shard: &ShardCheck) -> String {
    let mut text = format!(
        "Shard {}: {}, {} in {}, {}\n",
        shard.shard,
        of(shard.snapshots, "snapshot"),
        of(shard.blobs, "blob"),
        of(shard.packs, "pack"),
        bytes(shard.bytes),
    );
    if shard.orphan_packs > 0 {
        let packs = of(shard.orphan_packs, "pack");
        let _ = writeln!(
            text,
            "  {packs} in no index file: left by a cut-off run or a repair, which harms nothing"
        );
    }
    for error in &shard.errors {
        let _ = writeln!(text, "  damaged: {}", clean(error));
    }
    for item in &shard.damaged {
        let _ = writeln!(text, "  cannot be restored whole: {}", clean(&of_item(item)));
    }
    if shard.damaged_more > 0 {
        let _ = writeln!(text, "  and {} more", count(shard.damaged_more));
    }
    text
}

fn of_item(item: &Damaged) -> String {
    let place = match item.folder.as_str() {
        "" => item.resource.clone(),
        folder => format!("{}: {folder}", item.resource),
    };
    let when = item.received.map_or_else(String::new, |time| format!(" of {time:.0}"));
    let where_in = match item.current {
        true => "in the newest snapshot too",
        false => "in earlier snapshots only",
    };
    format!("{} '{}'{when} in {place}, {where_in}", item.kind, item.title)
}

/// What stock restic needs to open a shard.
#[derive(Serialize)]
struct Password {
    repository: String,
    password: String,
}

async fn password(home: &Home, vault: Option<&str>, shard: u32, out: Output) -> Result<u8> {
    let vault = home.vault(vault).await?;
    let id = ShardId(shard);
    if !vault.shard_ids()?.contains(&id) {
        return Err(holdfast_vault::Error::NoShard { id }.into());
    }
    let password = vault.shard_password(id);
    let password = String::from_utf8_lossy(password.expose()).into_owned();
    let report = Password { repository: vault.shard_location(id), password };
    out.show(&report, || report.password.clone())?;
    Ok(0)
}

/// The files of a recovery kit.
#[derive(Serialize)]
struct Kit {
    files: Vec<PathBuf>,
}

async fn kit(home: &Home, vault: Option<&str>, dir: &Path, out: Output) -> Result<u8> {
    let vault = home.vault(vault).await?;
    let absolute = std::path::absolute(dir).map_err(Error::file("find", dir))?;
    if vault.store().folder().is_some_and(|folder| absolute.starts_with(folder)) {
        return Err(Error::Usage(
            "the kit opens the vault: it must not lie inside it; choose another folder".into(),
        ));
    }
    let files = vault.recovery_kit(dir)?;
    vault.verify_kit(dir)?;
    let kit = Kit { files };
    out.show(&kit, || {
        let mut text = "Recovery kit written and read back:\n".to_owned();
        for file in &kit.files {
            let _ = writeln!(text, "  {}", clean(&file.display().to_string()));
        }
        let _ = writeln!(
            text,
            "Whoever has these {} files can read the whole vault, without the passphrase.\n\
             Keep them offline, in two places, never beside the vault.",
            count(kit.files.len() as u64)
        );
        text
    })?;
    Ok(0)
}
