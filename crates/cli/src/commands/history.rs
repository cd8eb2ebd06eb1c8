//! `history`: all versions of a message.

use std::fmt::Write;

use holdfast_engine::{Home, history};
use holdfast_server::api::view::{HistoryView, VersionView};

use crate::args::History;
use crate::error::Result;
use crate::output::{Output, bytes, of, short, table, time};

/// Characters of a subject in the heading.
const TITLE: usize = 70;

pub async fn run(home: &Home, args: &History, out: Output) -> Result<u8> {
    let tenant = args.tenant.as_deref();
    let history = history::history(home, tenant, &args.resource, &args.item).await?;
    show(&history.into(), out)
}

/// Shows all versions of an item.
pub fn show(history: &HistoryView, out: Output) -> Result<u8> {
    out.show(history, || human(history))?;
    Ok(0)
}

fn human(history: &HistoryView) -> String {
    let rows = history.versions.iter().map(row).collect();
    let headings = ["first seen", "last seen", "size", "changed", "path"];
    let mut text = format!("{}\n\n", short(&history.title, TITLE));
    text.push_str(&table(&headings, rows, &[2]));
    let versions = of(history.versions.len() as u64, "version");
    let end = match history.deleted {
        Some(at) => format!("deleted: gone at {}", time(Some(at))),
        None => "still there".to_owned(),
    };
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{versions}, {end}");
    text
}

fn row(version: &VersionView) -> Vec<String> {
    let changes = match version.changes.as_slice() {
        [] if version.kept => "kept by a rule".to_owned(),
        [] => "-".to_owned(),
        changes => changes.join(", "),
    };
    vec![
        time(Some(version.first_seen)),
        time(Some(version.last_seen)),
        bytes(version.size),
        changes,
        version.path.clone(),
    ]
}
