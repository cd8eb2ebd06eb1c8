//! `diff`: what changed between two restore points.

use std::fmt::Write;

use holdfast_engine::{Home, diff};
use holdfast_server::api::view::{ChangeView, DiffView};

use crate::args::Diff;
use crate::error::Result;
use crate::output::{Output, clean, count, time};

pub async fn run(home: &Home, args: &Diff, out: Output) -> Result<u8> {
    let (tenant, to) = (args.tenant.as_deref(), args.to.clone().unwrap_or_default());
    let diff = diff::diff(home, tenant, &args.resource, args.at.as_ref(), &to).await?;
    show(&DiffView::of(diff, usize::MAX), out)
}

/// Shows what changed.
pub fn show(diff: &DiffView, out: Output) -> Result<u8> {
    out.show(diff, || human(diff))?;
    Ok(0)
}

fn human(diff: &DiffView) -> String {
    let mut text = String::new();
    for change in &diff.changes {
        line(change, &mut text);
    }
    if diff.is_cut {
        text.push_str("… and more\n");
    }
    let from = diff.from.map_or_else(|| "nothing".to_owned(), |from| time(Some(from)));
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{from} to {}: {} added, {} removed, {} changed, {} moved",
        time(Some(diff.to)),
        count(diff.added),
        count(diff.removed),
        count(diff.changed),
        count(diff.moved),
    );
    text
}

fn line(change: &ChangeView, text: &mut String) {
    let mark = match change.change.as_str() {
        "added" => '+',
        "removed" => '-',
        "changed" => 'M',
        _ => '>',
    };
    let end = if change.kind == "folder" { "/" } else { "" };
    let _ = write!(text, "{mark} {}{end}", clean(&change.path));
    if let Some(from) = &change.from_path {
        let _ = write!(text, "  (from {}{end})", clean(from));
    }
    let fields = change.fields.iter().map(String::as_str).filter(|field| *field != "folder");
    let fields: Vec<&str> = fields.collect();
    if !fields.is_empty() {
        let _ = write!(text, "  [{}]", clean(&fields.join(", ")));
    }
    text.push('\n');
}
