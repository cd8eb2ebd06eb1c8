//! The rules of this repository that neither compiler nor clippy checks. Each rule is a function
//! from what it looks at to a list of faults.

mod crates;
mod files;
mod links;
mod manifests;
mod ratchet;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// Runs every rule and prints the faults. With `shrink` the ratchet is lowered first.
pub(crate) fn run(root: &Path, shrink: bool) -> Result<ExitCode> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata failed; is Cargo.lock up to date?")?;
    let files = files::read(root)?;
    if shrink {
        ratchet::shrink(root, &files)?;
    }
    let faults = check(root, &metadata, &files)?;
    report(&faults, files.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(root: &Path, metadata: &Metadata, files: &[files::TextFile]) -> Result<Vec<String>> {
    let mut faults = crates::faults(&crates::packages(metadata));
    faults.extend(manifests::faults(root, metadata, files)?);
    faults.extend(ratchet::faults(&ratchet::read(root)?, &ratchet::measure(files)));
    faults.extend(words::faults(files));
    faults.extend(links::faults(root, files));
    Ok(faults)
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the output of a command")]
fn report(faults: &[String], files: usize) {
    for fault in faults {
        eprintln!("tidy: {fault}");
    }
    match faults.len() {
        0 => println!("tidy: {files} files, no fault"),
        count => eprintln!("tidy: {count} faults"),
    }
}
