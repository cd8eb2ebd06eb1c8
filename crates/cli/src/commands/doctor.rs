//! `doctor`: does this installation have what it needs?

use holdfast_engine::{Exit, Home, doctor};
use holdfast_server::api::view::FindingView;
use serde::Serialize;

use crate::error::Result;
use crate::output::{Output, clean};

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<FindingView>,
}

pub async fn run(home: &Home, out: Output) -> Result<u8> {
    let findings = doctor::doctor(home).await?;
    show(findings.into_iter().map(FindingView::from).collect(), out)
}

/// Shows what was checked.
pub fn show(findings: Vec<FindingView>, out: Output) -> Result<u8> {
    let report = Report { ok: findings.iter().all(|finding| finding.ok), findings };
    out.show(&report, || human(&report))?;
    Ok(if report.ok { 0 } else { Exit::Error as u8 })
}

fn human(report: &Report) -> String {
    let line = |finding: &FindingView| {
        let mark = if finding.ok { "ok  " } else { "BAD " };
        format!("{mark} {}: {}", clean(&finding.subject), clean(&finding.detail))
    };
    let lines: Vec<String> = report.findings.iter().map(line).collect();
    lines.join("\n")
}
