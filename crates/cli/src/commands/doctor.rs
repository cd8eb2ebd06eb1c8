//! `doctor`: does this installation have what it needs?

use holdfast_engine::doctor::{self, Finding};
use holdfast_engine::{Exit, Home};
use serde::Serialize;

use crate::error::Result;
use crate::output::{Output, clean};

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

pub async fn run(home: &Home, out: Output) -> Result<u8> {
    let findings = doctor::doctor(home).await?;
    let report = Report { ok: findings.iter().all(|finding| finding.ok), findings };
    out.show(&report, || human(&report))?;
    Ok(if report.ok { 0 } else { Exit::Error as u8 })
}

fn human(report: &Report) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.ok { "ok  " } else { "BAD " };
        format!("{mark} {}: {}", clean(&finding.subject), clean(&finding.detail))
    };
    let lines: Vec<String> = report.findings.iter().map(line).collect();
    lines.join("\n")
}
