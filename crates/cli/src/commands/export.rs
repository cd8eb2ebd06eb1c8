//! `export`: mail out of the vault as ordinary files.

use std::fmt::Write;
use std::path::PathBuf;

use holdfast_engine::export::{self, ExportReport, ExportRequest, Problem, ProblemKind, Target};
use holdfast_engine::{Home, Progress};

use super::{Done, exit_code};
use crate::args::Export;
use crate::error::Result;
use crate::output::{self, Output, bytes, clean, count, of, time};
use crate::progress;

/// Problems of a kind that are listed for people; all are in the `--json` form.
const PROBLEMS_SHOWN: usize = 20;

/// What stands for standard output.
pub const STANDARD_OUTPUT: &str = "-";

pub async fn run(home: &Home, args: &Export, out: Output) -> Result<Done> {
    let request = ExportRequest {
        tenant: args.source.tenant.clone(),
        resource: args.source.resource.clone(),
        at: args.source.at(),
        deleted_since: args.deleted_since.map(|since| since.0),
        path: args.path.clone(),
        format: args.format.into(),
    };
    let (progress, mut stdout) = (Progress::default(), std::io::stdout());
    let is_piped = args.out == STANDARD_OUTPUT;
    let target = match is_piped {
        true => Target::Stream(&mut stdout),
        false => Target::Path(PathBuf::from(&args.out)),
    };
    let work = export::export(home, &request, target, &progress);
    let report = progress::watch(&progress, work).await?;
    Ok(Done::from(show(&report, out)?)
        .with("restore_point", &report.restore_point)
        .with("items_exported", &report.items_exported)
        .with("items_failed", &report.items_failed)
        .with("bytes", &report.bytes))
}

/// Shows what an export came to; beside the ZIP where that went to standard output.
pub fn show(report: &ExportReport, out: Output) -> Result<u8> {
    match report.out == STANDARD_OUTPUT {
        true => output::beside(out, report, || human(report)),
        false => out.show(report, || human(report))?,
    }
    Ok(exit_code(report.outcome))
}

fn human(report: &ExportReport) -> String {
    let mut text = String::new();
    for kind in [ProblemKind::Shortened, ProblemKind::LongPath, ProblemKind::NoMime] {
        problems(report, kind, "note", &mut text);
    }
    problems(report, ProblemKind::Failed, "failed", &mut text);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "Export {}: {} in {}, {} failed; {} from the restore point of {} to {}.",
        report.outcome,
        of(report.items_exported, "item"),
        of(report.files, "file"),
        count(report.items_failed),
        bytes(report.bytes),
        time(Some(report.restore_point)),
        if report.out == STANDARD_OUTPUT { "standard output" } else { &report.out },
    );
    text
}

fn problems(report: &ExportReport, kind: ProblemKind, word: &str, text: &mut String) {
    let all: Vec<&Problem> = report.problems.iter().filter(|p| p.kind == kind).collect();
    for problem in all.iter().take(PROBLEMS_SHOWN) {
        let _ = writeln!(text, "{word}: {}: {}", clean(&problem.path), clean(&problem.detail));
    }
    if all.len() > PROBLEMS_SHOWN {
        let more = count((all.len() - PROBLEMS_SHOWN) as u64);
        let _ = writeln!(text, "… and {more} more; --json lists all");
    }
}
