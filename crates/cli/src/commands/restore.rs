//! `restore`: brings messages back and proves that they are the same.

use std::fmt::Write;

use holdfast_catalog::JobClass;
use holdfast_engine::restore::{self, ItemReport, OnConflict, RestoreReport, RestoreRequest};
use holdfast_engine::{Home, Progress};
use holdfast_jobs::Work;
use holdfast_model::Workload;

use super::{Done, exit_code, job};
use crate::args::Restore;
use crate::error::Result;
use crate::output::{self, Output, bytes, clean, count, of, time};
use crate::progress;

/// Failed messages that are listed for people; all are in the `--json` form.
const ITEMS_SHOWN: usize = 20;

pub async fn run(home: &Home, args: &Restore, out: Output) -> Result<Done> {
    let request = request(args);
    ask_before_replacing(args, out)?;
    if args.queue {
        let work = vec![Work::Restore(Box::new(request))];
        return job::queue(home, work, JobClass::Restore, out).await;
    }
    let progress = Progress::default();
    let report = progress::watch(&progress, restore::restore(home, &request, &progress)).await?;
    let code = show(&report, out)?;
    Ok(Done::from(code)
        .with("restore", &report.restore)
        .with("restore_point", &report.restore_point)
        .with("items_restored", &report.items_restored)
        .with("items_failed", &report.items_failed))
}

/// What was typed.
pub fn request(args: &Restore) -> RestoreRequest {
    RestoreRequest {
        tenant: args.source.tenant.clone(),
        resource: args.source.resource.clone(),
        at: args.source.at(),
        deleted_since: args.deleted_since.map(|since| since.0),
        path: args.path.clone(),
        to: args.to.clone(),
        into: args.into.clone(),
        version: args.version.clone(),
        versions: args.versions,
        permissions: args.permissions,
        on_conflict: args.on_conflict.into(),
        dry_run: args.dry_run,
    }
}

/// Asks, where messages or files are to be replaced.
pub fn ask_before_replacing(args: &Restore, out: Output) -> Result<()> {
    let replaces = OnConflict::from(args.on_conflict) == OnConflict::Replace && !args.dry_run;
    if !replaces || args.yes {
        return Ok(());
    }
    output::confirm(
        out,
        "Messages that lie in the target will be deleted once the stored version is written and \
         compared; files get the stored version as their newest.",
    )
}

/// Shows what a restore came to.
pub fn show(report: &RestoreReport, out: Output) -> Result<u8> {
    out.show(report, || human(report))?;
    Ok(exit_code(report.outcome))
}

fn human(report: &RestoreReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let failed: Vec<&ItemReport> = report.items.iter().filter(|i| i.result == "failed").collect();
    for item in failed.iter().take(ITEMS_SHOWN) {
        let detail = item.detail.as_deref().unwrap_or_default();
        let _ = writeln!(text, "failed: {}: {}", clean(&item.path), clean(detail));
    }
    if failed.len() > ITEMS_SHOWN {
        let more = count((failed.len() - ITEMS_SHOWN) as u64);
        let _ = writeln!(text, "… and {more} more; --json lists all");
    }
    for (loss, number) in &report.losses {
        let _ =
            writeln!(text, "{} with {}", of(*number, noun(report)), loss_words(&loss_name(*loss)));
    }
    let _ = writeln!(text, "{}", summary(report));
    text
}

/// One sentence on what a restore did or would do.
pub fn summary(report: &RestoreReport) -> String {
    let (word, done) = match report.dry_run {
        true => ("Dry run, nothing was written", "would be restored"),
        false => ("Restore", "restored, read back and found equal"),
    };
    let outcome = match report.dry_run {
        true => String::new(),
        false => format!(" {}", report.outcome),
    };
    format!(
        "{word}{outcome}: {} {done}, {}, {} failed; {} from the restore point of {} to {}; {}.",
        of(report.items_restored, noun(report)),
        skipped(report),
        count(report.items_failed),
        bytes(report.bytes),
        time(Some(report.restore_point)),
        place(report),
        of(report.requests, "request"),
    )
}

/// Where it went.
fn place(report: &RestoreReport) -> String {
    let target = clean(&report.target);
    match report.drives.is_empty() {
        true => target,
        false => format!("{target} ({})", clean(&report.drives.join(", "))),
    }
}

/// What was left out, and why.
fn skipped(report: &RestoreReport) -> String {
    let mut text = format!("{} there already", count(report.items_unchanged));
    if report.items_conflicting > 0 {
        let number = count(report.items_conflicting);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            ", {number} differ in the target and were left (--on-conflict replace or copy brings \
             them back)"
        );
    }
    let known = report.items_unchanged + report.items_conflicting;
    if let Some(others @ 1..) = report.items_skipped.checked_sub(known) {
        let _ = write!(text, ", {} that cannot be made again", count(others));
    }
    text
}

/// What was restored is called.
fn noun(report: &RestoreReport) -> &'static str {
    if report.workload == Workload::Exchange { "message" } else { "file" }
}

/// The name of a loss as the `--json` form spells it.
pub fn loss_name(loss: impl serde::Serialize) -> String {
    let value = serde_json::to_value(loss).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// What a loss means, in words (`docs/restore-fidelity.md` tells the whole).
pub fn loss_words(name: &str) -> &'static str {
    match name {
        "smime" => "S/MIME: comes back as an ordinary message with the signed part attached",
        "report" => "a delivery or read report: comes back as an ordinary message",
        "tnef" => "winmail.dat: it stays an attachment",
        "embedded_message" => "a message inside: comes back as an attached .eml file",
        "text_alternative" => "a plain-text alternative beside HTML: the HTML comes back",
        "meeting" => "a meeting request: comes back without its link to the calendar",
        "recipient_without_address" => "a recipient that has a name but no address: left out",
        "sharing" => {
            "sharing that was not brought back (--permissions does, as far as Graph lets it)"
        }
        "link" => "a link or right that cannot be made again (password, end, group of the site)",
        "columns" => "columns that the target does not have",
        "label" => "a retention label that the target does not take",
        "unreadable_attachment" => "an attachment that Graph could not give at backup",
        _ => "something that cannot be carried",
    }
}
