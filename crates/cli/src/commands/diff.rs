//! `diff`: what changed between two restore points.

use std::fmt::Write;

use holdfast_engine::Home;
use holdfast_engine::diff::{self, Became, Change};

use crate::args::Diff;
use crate::error::Result;
use crate::output::{Output, clean, count, time};

pub async fn run(home: &Home, args: &Diff, out: Output) -> Result<u8> {
    let (tenant, to) = (args.tenant.as_deref(), args.to.clone().unwrap_or_default());
    let diff = diff::diff(home, tenant, &args.resource, args.at.as_ref(), &to).await?;
    out.show(&diff, || human(&diff))?;
    Ok(0)
}

fn human(diff: &diff::Diff) -> String {
    let mut text = String::new();
    for change in &diff.changes {
        line(change, &mut text);
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

fn line(change: &Change, text: &mut String) {
    let mark = match change.change {
        Became::Added => '+',
        Became::Removed => '-',
        Became::Changed => 'M',
        Became::Moved => '>',
    };
    let end = if change.kind == "folder" { "/" } else { "" };
    let _ = write!(text, "{mark} {}{end}", clean(&change.path));
    if let Some(from) = &change.from_path {
        let _ = write!(text, "  (from {}{end})", clean(from));
    }
    let fields: Vec<&str> = change.fields.iter().copied().filter(|f| *f != "folder").collect();
    if !fields.is_empty() {
        let _ = write!(text, "  [{}]", fields.join(", "));
    }
    text.push('\n');
}
