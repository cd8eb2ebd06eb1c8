//! `vault add`, `list`, `rekey`, `extend`: where vaults lie and who can open and delete them.

use std::fmt::Write;
use std::path::Path;

use holdfast_engine::{AddedVault, Home, NewVault};
use holdfast_server::api::view::VaultView;
use holdfast_vault::{ExtendReport, Location};
use serde::Serialize;

use crate::args::VaultAdd;
use crate::commands::init::{ask_passphrase, secret_file, storage, unlock};
use crate::error::Result;
use crate::output::{Output, clean, of};

pub async fn add(home: &Home, args: &VaultAdd, out: Output) -> Result<u8> {
    let new = NewVault {
        name: args.name.clone(),
        location: args.location.clone(),
        unlock: unlock(&args.unlock, &args.location)?,
        storage: storage(&args.storage)?,
    };
    let locked = new.storage.lock.is_some();
    let added = home.vault_add(&new).await?;
    out.show(&added, || human(&added, locked))?;
    Ok(0)
}

fn human(added: &AddedVault, locked: bool) -> String {
    let done = if added.created { "New vault made" } else { "Existing vault attached" };
    let mut text = format!("{done}: {} at {}\n", clean(&added.name), clean(&added.location));
    // Writing to a string cannot fail.
    let is_folder = matches!(added.location.parse(), Ok(Location::Folder(_)));
    if added.writer_removes && !is_folder {
        let still = if locked { ", as far as it is not locked" } else { "" };
        let _ = writeln!(
            text,
            "These credentials may delete: whoever steals them can destroy the vault{still}.\n\
             Better give some that cannot, and others with --maintenance-credentials-file."
        );
    }
    if added.maintenance_removes == Some(false) {
        text.push_str("The maintenance credentials may not delete: prune will fail.\n");
    }
    if added.created {
        let _ = writeln!(
            text,
            "Make its recovery kit:  holdfast vault kit --vault {} --out DIR",
            clean(&added.name)
        );
    }
    text
}

pub async fn list(home: &Home, out: Output) -> Result<u8> {
    let vaults = home.vaults().await?;
    show_list(&vaults.into_iter().map(VaultView::from).collect::<Vec<_>>(), out)
}

/// Shows vaults.
pub fn show_list(vaults: &[VaultView], out: Output) -> Result<u8> {
    out.show(&vaults, || vaults.iter().map(line).collect())?;
    Ok(0)
}

fn line(vault: &VaultView) -> String {
    let mut notes = Vec::new();
    if let (Some(mode), Some(days)) = (&vault.lock_mode, vault.lock_days) {
        notes.push(format!("{mode} locks of {}", of(days.into(), "day")));
    }
    for (holds, note) in [
        (vault.append_only, "append-only"),
        (vault.immutable, "immutable flags"),
        (vault.maintenance_credentials, "credentials of its own for maintenance"),
    ] {
        if holds {
            notes.push(note.to_owned());
        }
    }
    if let Some(time) = vault.as_of {
        notes.push(format!("read as of {time}"));
    }
    let tenants = match vault.tenants.as_slice() {
        [] => "no tenant".to_owned(),
        names => format!("tenant {}", names.join(", ")),
    };
    let notes: String = notes.iter().map(|note| format!("; {}", clean(note))).collect();
    let (name, location) = (clean(&vault.name), clean(&vault.location));
    format!("{name}  {location}\n  {}{notes}\n", clean(&tenants))
}

#[derive(Serialize)]
struct Rekeyed {
    rekeyed: bool,
}

pub async fn rekey(
    home: &Home,
    vault: Option<&str>,
    file: Option<&Path>,
    out: Output,
) -> Result<u8> {
    let passphrase = match file {
        Some(file) => secret_file(file)?,
        None => ask_passphrase("New passphrase of the vault: ", true)?,
    };
    home.vault_rekey(vault, &passphrase).await?;
    out.show(&Rekeyed { rekeyed: true }, || {
        "The new passphrase opens the vault; the old one does not any more.\n\
         Recovery kits are not changed: who has one can still read everything (docs/leaked-kit.md).\n"
            .to_owned()
    })?;
    Ok(0)
}

#[derive(Serialize)]
struct Extended {
    locks: bool,
    files: u64,
    prolonged: u64,
    requests: u64,
    tampered: Vec<String>,
}

pub async fn extend(home: &Home, vault: Option<&str>, out: Output) -> Result<u8> {
    let report = home.vault_extend(vault).await?;
    let locks = report.is_some();
    let ExtendReport { files, prolonged, requests, tampered, .. } = report.unwrap_or_default();
    let report = Extended { locks, files, prolonged, requests, tampered };
    out.show(&report, || said(&report))?;
    Ok(if report.tampered.is_empty() { 0 } else { holdfast_engine::Exit::Damaged as u8 })
}

fn said(report: &Extended) -> String {
    if !report.locks {
        return "This vault locks nothing.\n".to_owned();
    }
    let mut text =
        format!("{} of {} prolonged\n", of(report.prolonged, "lock"), of(report.files, "file"));
    for file in &report.tampered {
        let _ = writeln!(text, "  deleted or overwritten by somebody: {}", clean(file));
    }
    text
}
