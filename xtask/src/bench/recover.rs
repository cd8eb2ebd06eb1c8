//! `cargo xtask bench recover`: how long an installation is away after its machine was lost, with the
//! vault and its recovery kit at hand. The command is a process of its own, in its release build.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::write_small;
use super::page::{self, Machine, Section};
use super::process::{Measured, measure, middle, run as finished};
use super::product::Installation;
use super::tenant::Tenant;
use super::{build, print, say};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Scale {
    /// Messages in the vault
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    items: u64,
    /// Mailboxes in which they lie
    #[arg(long, default_value_t = 20, value_name = "N")]
    mailboxes: u64,
    /// Runs; the one with the median CPU time counts
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// What `recover --json` says.
#[derive(Debug, Deserialize)]
struct Recovered {
    tenants: u64,
    resources: u64,
    items: u64,
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
    let installation = filled(scale, &binary, dir.path())?;
    let mut runs = Vec::new();
    for number in 0..scale.runs.max(1) {
        say(&format!("recovering, run {}", number + 1));
        runs.push(recover(scale, &binary, &installation, number)?);
    }
    let used = middle(runs);
    let line = machine.line(&format!("cargo xtask bench recover --items {}", scale.items));
    let text = markdown(&line, scale, &used);
    match scale.json {
        true => print(&serde_json::to_string_pretty(&document(&line, scale, &used))?),
        false => print(&text),
    }
    if scale.write {
        page::write(&root.join("docs/performance.md"), Section::Recover, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// An installation with a backup of a tenant, and its kit.
fn filled(scale: &Scale, binary: &Path, dir: &Path) -> Result<Installation> {
    let messages = dir.join("messages");
    write_small(&messages, scale.items)?;
    let options: [OsString; 12] = [
        "--files".into(),
        "0".into(),
        "--sites".into(),
        "0".into(),
        "--users".into(),
        scale.mailboxes.to_string().into(),
        "--mails-per-user".into(),
        "0".into(),
        "--seed".into(),
        "7".into(),
        "--corpus".into(),
        messages.into(),
    ];
    let options: Vec<&OsStr> = options.iter().map(OsString::as_os_str).collect();
    let tenant = Tenant::start(binary, dir, &options)?;
    let installation = Installation::make(binary, dir.join("lost"), &tenant)?;
    say(&format!("first backup of {} messages", scale.items));
    let (_, backup) = installation.back_up()?;
    ensure!(backup.items_new == scale.items, "{} messages stored", backup.items_new);
    let kit = dir.join("kit");
    finished(installation.command(&["vault", "kit", "--out"]).arg(kit))?;
    Ok(installation)
}

/// One recovery into an empty folder.
fn recover(
    scale: &Scale,
    binary: &Path,
    installation: &Installation,
    number: usize,
) -> Result<Measured> {
    let lost = installation.dir();
    let parent = lost.parent().context("it lies in a folder")?;
    let home = parent.join(format!("home {number}"));
    let mut command = Command::new(binary);
    command.env("HOLDFAST_HOME", &home).args(["recover", "--json", "--vault"]);
    command.arg(lost.join("home/vault")).arg("--kit").arg(parent.join("kit"));
    command.arg("--instance-key").arg(parent.join(format!("key {number}")));
    let used = measure(&command, parent)?;
    let found: Recovered = serde_json::from_str(&used.stdout).context("the report of recover")?;
    let Recovered { tenants, resources, items } = found;
    ensure!(
        (tenants, resources, items) == (1, scale.mailboxes, scale.items),
        "{tenants} tenants, {resources} resources and {items} items came back"
    );
    Ok(used)
}

fn markdown(line: &str, scale: &Scale, used: &Measured) -> String {
    let mut text = format!("{line}\n\n| work | CPU s | wall s | peak MB |\n|---|---|---|---|\n");
    let Measured { cpu, wall, peak, .. } = used;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "| `recover`: {} messages in {} mailboxes, a vault in a folder | {cpu:.2} | {wall:.1} | {peak:.0} |",
        scale.items, scale.mailboxes
    );
    text
}

fn document(line: &str, scale: &Scale, used: &Measured) -> Value {
    json!({
        "command": line,
        "items": scale.items,
        "cpu_s": used.cpu,
        "wall_s": used.wall,
        "peak_mb": used.peak,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_document_say_the_same() {
        let scale =
            Scale { items: 1000, mailboxes: 4, runs: 1, binary: None, json: false, write: false };
        let used = Measured { cpu: 1.234, wall: 2.0, peak: 99.6, stdout: String::new() };
        let text = markdown("line", &scale, &used);
        assert!(text.ends_with("a vault in a folder | 1.23 | 2.0 | 100 |\n"), "{text}");
        let document = document("line", &scale, &used);
        assert_eq!((&document["items"], &document["cpu_s"]), (&json!(1000), &json!(1.234)));
    }
}
