//! `find`: messages by subject or sender, files by name.

use holdfast_engine::find::{self, FindRequest, Finds};
use holdfast_engine::{Exit, Home};
use holdfast_server::api::view::HitView;

use crate::args::Find;
use crate::error::{Error, Result, document};
use crate::output::{self, Output, bytes, clean, of, short, table, time};

/// Characters of a subject in a listing for people.
const TITLE: usize = 50;

pub async fn run(home: &Home, args: &Find, out: Output) -> Result<u8> {
    let request = FindRequest {
        tenant: args.tenant.clone(),
        resource: args.resource.clone(),
        at: args.at.clone().unwrap_or_default(),
        deleted: args.deleted,
        texts: args.texts.clone(),
        ..FindRequest::default()
    };
    let Finds { hits, damaged } = find::find(home, &request).await?;
    show(&hits.into_iter().map(HitView::from).collect::<Vec<_>>(), args.deleted, out)?;
    let is_whole = damaged.is_empty();
    for (resource, unread) in damaged {
        tell(out, &format!("{resource}: /{}", unread.path), &Error::Engine(unread.error));
    }
    Ok(if is_whole { 0 } else { Exit::Partial as u8 })
}

/// Shows what was found.
pub fn show(hits: &[HitView], deleted: bool, out: Output) -> Result<u8> {
    out.show(&hits, || hit_table(hits, deleted))?;
    Ok(0)
}

/// Says what could not be searched.
fn tell(out: Output, place: &str, error: &Error) {
    let message = format!("cannot search {place}: {error}");
    match out.is_json() {
        true => output::error_document(&document(&message, &error.causes(), error.exit_code())),
        false => output::error_text(&format!("error: {}\n", clean(&message))),
    }
}

fn hit_table(hits: &[HitView], deleted: bool) -> String {
    let row = |hit: &HitView| {
        let entry = &hit.item;
        let mut row = vec![
            time(entry.received.or(entry.modified)),
            bytes(entry.size),
            short(&entry.title, TITLE),
            hit.resource.clone(),
            entry.path.clone(),
        ];
        if deleted {
            row.insert(0, time(Some(hit.restore_point)));
        }
        row
    };
    let mut headings = vec!["date", "size", "subject or name", "resource", "path"];
    if deleted {
        headings.insert(0, "last seen");
    }
    let figures = [if deleted { 2 } else { 1 }];
    let text = table(&headings, hits.iter().map(row).collect(), &figures);
    format!("{text}\n{}", of(hits.len() as u64, "hit"))
}
