//! `snapshots`, `ls` and `cat`: looking into the vault.

use std::io::Write;

use holdfast_engine::{Home, browse, discover};
use holdfast_server::api::view::{EntryView, SnapshotView, StoredVersionView};

use crate::args::{Cat, Ls, Snapshots};
use crate::error::{Error, Result};
use crate::output::{Output, bytes, of, short, table, time};

/// Characters of a subject in a listing for people.
const TITLE: usize = 50;

pub async fn snapshots(home: &Home, args: &Snapshots, out: Output) -> Result<u8> {
    let mut views = browse::snapshots(home).await?;
    if let Some(name) = &args.resource {
        let name = discover::find(home, None, name).await?.name;
        views.retain(|view| view.resources.contains(&name));
    }
    show_snapshots(&views.into_iter().map(SnapshotView::from).collect::<Vec<_>>(), out)
}

/// Shows snapshots.
pub fn show_snapshots(views: &[SnapshotView], out: Output) -> Result<u8> {
    out.show(&views, || snapshot_table(views))?;
    Ok(0)
}

fn snapshot_table(views: &[SnapshotView]) -> String {
    if views.is_empty() {
        return "No snapshot yet. Make one with 'holdfast backup'.".to_owned();
    }
    let row = |view: &SnapshotView| {
        let changed = match view.resources.as_slice() {
            [one] => one.clone(),
            many => of(many.len() as u64, "resource"),
        };
        let id = view.id.chars().take(8).collect();
        let shard = view.shard.to_string();
        vec![id, time(Some(view.time)), shard, view.seq.to_string(), view.kind.clone(), changed]
    };
    let headings = ["id", "time", "shard", "seq", "kind", "changed"];
    table(&headings, views.iter().map(row).collect(), &[2, 3])
}

pub async fn ls(home: &Home, args: &Ls, out: Output) -> Result<u8> {
    let source = &args.source;
    let (tenant, at) = (source.tenant.as_deref(), source.at());
    if args.versions {
        let resource = &source.resource;
        let versions = browse::versions(home, tenant, resource, &at, &args.path).await?;
        let views: Vec<_> = versions.into_iter().map(StoredVersionView::from).collect();
        return show_versions(&views, out);
    }
    let entries =
        browse::ls(home, tenant, &source.resource, &at, &args.path, args.recursive).await?;
    show_entries(&entries.into_iter().map(EntryView::from).collect::<Vec<_>>(), out)
}

/// Shows a folder.
pub fn show_entries(entries: &[EntryView], out: Output) -> Result<u8> {
    out.show(&entries, || entry_table(entries))?;
    Ok(0)
}

/// Shows earlier versions of a file.
pub fn show_versions(versions: &[StoredVersionView], out: Output) -> Result<u8> {
    out.show(&versions, || version_table(versions))?;
    Ok(0)
}

fn version_table(versions: &[StoredVersionView]) -> String {
    if versions.is_empty() {
        return "No earlier version is stored. 'holdfast tenant set NAME --file-versions all' takes \
                them from now on."
            .to_owned();
    }
    let row = |version: &StoredVersionView| {
        vec![version.version.clone(), time(Some(version.modified)), bytes(version.size)]
    };
    table(&["version", "modified", "size"], versions.iter().map(row).collect(), &[2])
}

/// A listing for people.
fn entry_table(entries: &[EntryView]) -> String {
    let row = |entry: &EntryView| match entry.kind.as_str() {
        "folder" => vec![String::new(), String::new(), String::new(), format!("{}/", entry.path)],
        _ => vec![
            time(entry.received.or(entry.modified)),
            bytes(entry.size),
            short(&entry.title, TITLE),
            entry.path.clone(),
        ],
    };
    let is_drive = entries.iter().any(|entry| entry.modified.is_some());
    let noun = if is_drive { "file" } else { "message" };
    let headings = match is_drive {
        true => ["changed", "size", "name", "path"],
        false => ["received", "size", "subject", "path"],
    };
    let count = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
    let rows = entries.iter().map(row).collect();
    let text = table(&headings, rows, &[1]);
    format!("{text}\n{}, {}", of(count("folder"), "folder"), of(count(noun), noun))
}

pub async fn cat(home: &Home, args: &Cat) -> Result<u8> {
    let source = &args.source;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let (tenant, at) = (source.tenant.as_deref(), source.at());
    let (resource, path) = (&source.resource, &args.path);
    match args.version.as_deref() {
        Some(version) => {
            browse::cat_version(home, tenant, resource, &at, (path, version), &mut out).await?
        }
        None => browse::cat(home, tenant, resource, &at, path, &mut out).await?,
    };
    out.flush().map_err(Error::Output)?;
    Ok(0)
}
