//! `snapshots`, `ls`, `find`, `history`, `diff` of a server.

use holdfast_server::api::view::{DiffView, EntryView, HistoryView, HitView, ResourceView};

use super::client::{PAGE, Server};
use crate::args::{Diff, Find, History, Ls, Snapshots};
use crate::commands::{browse, diff as differences, find as found, history as versions};
use crate::error::{Error, Result};
use crate::output::{self, Output};

pub(super) fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

pub async fn snapshots(server: &Server, args: &Snapshots, out: Output) -> Result<u8> {
    let name = match &args.resource {
        Some(name) => {
            let row: ResourceView = server.get(&["resources", name], &[]).await?;
            Some(row.name)
        }
        None => None,
    };
    let views = server.list(&["snapshots"], &[("resource", name)], usize::MAX).await?;
    browse::show_snapshots(&views, out)
}

pub async fn ls(server: &Server, args: &Ls, out: Output) -> Result<u8> {
    let source = &args.source;
    let mut query = vec![("tenant", source.tenant.clone()), ("at", text(source.at.as_ref()))];
    query.push(("path", Some(args.path.clone())));
    if args.versions {
        let path = ["resources", &source.resource, "versions"];
        return browse::show_versions(&server.whole(&path, &query).await?, out);
    }
    query.push(("recursive", Some(args.recursive.to_string())));
    let path = ["resources", &source.resource, "items"];
    let entries: Vec<EntryView> = server.list(&path, &query, usize::MAX).await?;
    browse::show_entries(&entries, out)
}

/// The query of the API: words, and between `"` what has blanks.
fn query(texts: &[String]) -> Result<String> {
    if texts.iter().any(|text| text.contains('"')) {
        return Err(Error::Usage("a server cannot look for a text with '\"' in it".to_owned()));
    }
    let word = |text: &String| match text.contains(char::is_whitespace) {
        true => format!("\"{text}\""),
        false => text.clone(),
    };
    Ok(texts.iter().map(word).collect::<Vec<_>>().join(" "))
}

pub async fn find(server: &Server, args: &Find, out: Output) -> Result<u8> {
    let asked = [
        ("query", Some(query(&args.texts)?)),
        ("tenant", args.tenant.clone()),
        ("resource", args.resource.clone()),
        ("at", text(args.at.as_ref())),
        ("deleted", Some(args.deleted.to_string())),
        ("limit", Some(PAGE.to_string())),
    ];
    let hits: Vec<HitView> = server.whole(&["search"], &asked).await?;
    if hits.len() == PAGE as usize {
        output::error_text(
            "There may be more: a server lists the first 1,000. Narrow the search.\n",
        );
    }
    found::show(&hits, args.deleted, out)
}

pub async fn history(server: &Server, args: &History, out: Output) -> Result<u8> {
    let query = [("tenant", args.tenant.clone()), ("item", Some(args.item.clone()))];
    let path = ["resources", &args.resource, "history"];
    versions::show(&server.get::<HistoryView>(&path, &query).await?, out)
}

pub async fn diff(server: &Server, args: &Diff, out: Output) -> Result<u8> {
    let query = [
        ("tenant", args.tenant.clone()),
        ("from", text(args.at.as_ref())),
        ("to", text(args.to.as_ref())),
        ("limit", Some(PAGE.to_string())),
    ];
    let path = ["resources", &args.resource, "changes"];
    differences::show(&server.get::<DiffView>(&path, &query).await?, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_blanks_stay_one_word_of_the_query() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(query(&texts(&["annual report", "x*"])).unwrap(), "\"annual report\" x*");
        assert!(query(&texts(&["say \"no\""])).is_err());
    }
}
