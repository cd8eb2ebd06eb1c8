//! `cargo xtask bench server`: what the API takes when many ask at once and a backup runs beside them.
//!
//! The server and the simulated tenant are processes of their own; the users are tasks of this one,
//! each with a connection and a token of its own. All share the cores of the machine.

mod load;
mod site;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::load::{Figures, Load};
use self::site::Site;
use super::page::{self, Machine, Section};
use super::process::run as finished;
use super::{build, print, say};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Scale {
    /// Users who ask at the same time
    #[arg(long, default_value_t = 200, value_name = "N")]
    users: usize,
    /// How long they ask
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u64,
    /// Milliseconds that each user waits between an answer and the next request
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pause_ms: u64,
    /// Mailboxes of the tenant
    #[arg(long, default_value_t = 20, value_name = "N")]
    mailboxes: u64,
    /// Messages in each
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    mails: u64,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Say above the table that the binary is a dev build
    #[arg(long, requires = "binary")]
    dev: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// What came out.
struct Outcome {
    figures: Vec<Figures>,
    /// Requests of all in a second.
    rate: f64,
    /// The largest resident set of the server, in MB (10⁶ bytes).
    peak: f64,
    /// How the backup beside it stood at the end, and the messages that it stored meanwhile.
    backup: String,
    stored: u64,
}

/// Measures and prints a table or one JSON document.
pub(crate) fn run(root: &Path, scale: &Scale) -> Result<ExitCode> {
    let built = match &scale.binary {
        Some(binary) => binary.clone(),
        None => build(root, &["--bin", "holdfast"], "holdfast")?,
    };
    let dir = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
    let binary = dir.path().join("holdfast");
    std::fs::copy(built, &binary).context("cannot copy the binary")?;
    let machine = Machine::here(&finished(Command::new(&binary).arg("--version"))?)?;
    let machine = machine.with_dev_build(scale.dev);
    let outcome = measured(scale, &binary, dir.path())?;
    let Scale { users, seconds, .. } = scale;
    let line =
        machine.line(&format!("cargo xtask bench server --users {users} --seconds {seconds}"));
    let text = markdown(&line, scale, &outcome);
    match scale.json {
        true => print(&serde_json::to_string_pretty(&document(&line, &outcome))?),
        false => print(&text),
    }
    if scale.write {
        page::write(&root.join("docs/performance.md"), Section::Server, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measured(scale: &Scale, binary: &Path, dir: &Path) -> Result<Outcome> {
    let site = Site::make(binary, dir, scale.mailboxes, scale.mails)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        say(&format!("{} users get their tokens", scale.users));
        let root = site.root().await?;
        let tokens = site.tokens(&root, scale.users).await?;
        let known = site.known(&root).await?;
        let job = site.begin_backup(&root).await?;
        say(&format!("they ask for {} s", scale.seconds));
        let load = Load {
            time: std::time::Duration::from_secs(scale.seconds),
            pause: std::time::Duration::from_millis(scale.pause_ms),
            paths: known.paths(),
        };
        let (figures, rate) = load.run(&site, &tokens).await?;
        let (backup, stored) = site.backup(&root, &job).await?;
        let failed: u64 = figures.iter().map(|figures| figures.errors).sum();
        ensure!(failed == 0, "{failed} requests failed: {figures:?}");
        Ok(Outcome { figures, rate, peak: site.peak()?, backup, stored })
    })
}

fn markdown(line: &str, scale: &Scale, outcome: &Outcome) -> String {
    let Outcome { figures, rate, peak, backup, stored } = outcome;
    let mut text = format!(
        "{line} Each user asks again {} ms after an answer: {rate:.0} requests/s in all. The server \
         took {peak:.0} MB at most; its backup of {} × {} messages, beside the requests, was \
         {backup} at their end and had stored {stored} messages.\n\n\
         | request | n | errors | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|---|\n",
        scale.pause_ms, scale.mailboxes, scale.mails,
    );
    for Figures { name, n, errors, p50, p95, p99 } in figures {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {n} | {errors} | {p50:.0} | {p95:.0} | {p99:.0} |");
    }
    text
}

fn document(line: &str, outcome: &Outcome) -> Value {
    let row = |figures: &Figures| {
        let Figures { name, n, errors, p50, p95, p99 } = figures;
        json!({
            "request": name, "n": n, "errors": errors, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
        })
    };
    json!({
        "command": line,
        "requests_per_s": outcome.rate,
        "peak_mb": outcome.peak,
        "backup": outcome.backup,
        "messages_stored": outcome.stored,
        "rows": outcome.figures.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_document_say_the_same() {
        let scale = Scale {
            users: 2,
            seconds: 1,
            pause_ms: 10,
            mailboxes: 3,
            mails: 4,
            binary: None,
            dev: false,
            json: false,
            write: false,
        };
        let times = (1..=100).map(f64::from).collect();
        let figures = vec![Figures::of("GET /jobs", times, 1)];
        let backup = "running".to_owned();
        let outcome = Outcome { figures, rate: 20.4, peak: 99.6, backup, stored: 7 };
        let text = markdown("line", &scale, &outcome);
        assert!(text.ends_with("| `GET /jobs` | 100 | 1 | 50 | 95 | 99 |\n"), "{text}");
        assert!(text.contains("took 100 MB") && text.contains("stored 7 messages"), "{text}");
        let row = &document("line", &outcome)["rows"][0];
        assert_eq!((&row["p95_ms"], &row["errors"]), (&json!(95.0), &json!(1)));
    }
}
