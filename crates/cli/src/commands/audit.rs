//! `audit`: the record of who did what.

use std::path::Path;

use holdfast_catalog::AuditFilter;
use holdfast_engine::audit::{self, Exported};
use holdfast_engine::{Exit, Home};
use holdfast_server::api::view::{AuditEntry, FaultView, VerificationView};
use serde_json::Value;

use crate::args::{Audit, AuditList};
use crate::error::Result;
use crate::output::{Output, clean, count, of, short, table, time};

/// Characters of a resource and of an item in a listing for people.
const SHOWN: usize = 64;

pub async fn run(home: &Home, command: &Audit, out: Output) -> Result<u8> {
    match command {
        Audit::List(args) => list(home, args, out).await,
        Audit::Verify { file: None, .. } => verified(&audit::verify(home).await?.into(), out),
        Audit::Verify { file: Some(file), public_key } => file_alone(file, *public_key, out).await,
        Audit::Export { out: file } => export(home, file, out).await,
    }
}

async fn list(home: &Home, args: &AuditList, out: Output) -> Result<u8> {
    let filter = AuditFilter {
        since: args.since.map(|since| since.0),
        until: args.until.map(|until| until.0),
        actor: args.actor.clone(),
        action: args.action,
        outcome: args.outcome,
        tenant: args.tenant.clone(),
        resource: args.resource.clone(),
    };
    let entries = audit::list(home, &filter, args.before, args.limit).await?;
    let views: Vec<AuditEntry> = entries.into_iter().map(AuditEntry::from).collect();
    show_list(&views, args.limit, out)
}

/// Shows entries, of which so many were asked for.
pub fn show_list(views: &[AuditEntry], limit: u32, out: Output) -> Result<u8> {
    let is_full = views.len() == limit as usize;
    out.show(&views, || {
        let mut text = entry_table(views);
        if let Some(last) = views.last().filter(|last| is_full && last.number > 1) {
            text.push_str(&format!("\nOlder ones:  --before {}", last.number));
        }
        text
    })?;
    Ok(0)
}

fn entry_table(views: &[AuditEntry]) -> String {
    let row = |view: &AuditEntry| {
        let outcome = match view.cause.as_str() {
            "" => view.outcome.clone(),
            cause => format!("{}: {cause}", view.outcome),
        };
        let about = [&view.resources, &view.items].map(names).join(" ");
        vec![
            view.number.to_string(),
            time(view.time),
            view.actor_name.clone(),
            view.from.clone(),
            view.action.clone(),
            outcome,
            format!("{} {about}", view.tenant).trim().to_owned(),
        ]
    };
    let headings = ["number", "time", "who", "from", "what", "outcome", "about"];
    table(&headings, views.iter().map(row).collect(), &[0])
}

/// The first of some names, and how many more there are.
fn names(value: &Value) -> String {
    match value.as_array().map(Vec::as_slice) {
        None | Some([]) => String::new(),
        Some([one]) => short(one.as_str().unwrap_or_default(), SHOWN),
        Some([first, more @ ..]) => {
            let first = short(first.as_str().unwrap_or_default(), SHOWN);
            format!("{first} and {} more", count(more.len() as u64))
        }
    }
}

/// Verifies an exported record; needs no installation.
pub async fn file_alone(file: &Path, public_key: Option<[u8; 32]>, out: Output) -> Result<u8> {
    verified(&audit::verify_file(file, public_key).await?.into(), out)
}

/// Shows what verifying the record found.
pub fn verified(found: &VerificationView, out: Output) -> Result<u8> {
    out.show(found, || human(found))?;
    Ok(if found.ok { 0 } else { Exit::Damaged as u8 })
}

fn human(found: &VerificationView) -> String {
    let fault =
        |fault: &FaultView| format!("WRONG  entry {}: {}", fault.number, clean(&fault.detail));
    let mut lines: Vec<String> = found.faults.iter().map(fault).collect();
    let unlisted = found.faults_in_all.saturating_sub(found.faults.len() as u64);
    if unlisted > 0 {
        lines.push(format!("… and {} more", count(unlisted)));
    }
    for lost in &found.resumed {
        lines.push(format!(
            "Entry {} says that the catalog was lost, and {} of the entries up to it; the last one \
             before is {}. Entries that were not signed in the vault yet may be lost too: of them \
             nobody knows",
            lost.number,
            count(lost.missing),
            lost.after,
        ));
    }
    if found.open_in_all > 0 {
        let numbers: Vec<String> = found.open.iter().take(5).map(u64::to_string).collect();
        lines.push(format!(
            "Begun and not ended (running, or cut off): {}, such as {}",
            count(found.open_in_all),
            numbers.join(", ")
        ));
    }
    let behind = found.last.saturating_sub(found.signed_up_to);
    lines.push(format!(
        "{}: {} entries up to {}, {}; signed in the vault up to {} ({} behind it)",
        if found.ok { "Sound" } else { "Not sound" },
        count(found.entries),
        found.last,
        of(found.heads, "head"),
        found.signed_up_to,
        count(behind),
    ));
    lines.push(format!("Key of the record: {}", clean(&found.public_key)));
    lines.join("\n")
}

async fn export(home: &Home, file: &Path, out: Output) -> Result<u8> {
    let report = audit::export(home, file).await?;
    out.show(&report, || written(&report))?;
    Ok(0)
}

fn written(report: &Exported) -> String {
    format!(
        "{} entries and {} written to {}\n\
         Who verifies it needs this key from you, not from the file: {}",
        count(report.entries),
        of(report.heads, "head"),
        clean(&report.file.display().to_string()),
        report.public_key,
    )
}
