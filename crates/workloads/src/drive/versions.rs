//! Earlier versions of a file.

use holdfast_graph::{Download, Graph, segment};
use holdfast_model::{ItemId, Timestamp};
use serde_json::Value;

use super::content::is_gone;
use crate::Result;

/// An earlier version as the service lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its id, such as `3.0`.
    pub id: String,
    /// When it was made.
    pub modified: Timestamp,
    /// Size in bytes as listed.
    pub size: u64,
}

/// The earlier versions of a file, newest first, without the current one: that is the file.
///
/// Source: Graph v1.0 `driveItem: list versions`; the current one comes first.
pub async fn versions(graph: &Graph, drive: &str, id: &ItemId) -> Result<Vec<ListedVersion>> {
    let path = format!("/drives/{}/items/{}/versions", segment(drive), segment(id.as_str()));
    let mut pages = graph.pages(graph.get(path).drive(2));
    let mut versions = Vec::new();
    loop {
        match pages.next().await {
            Ok(Some(page)) => versions.extend(page.items.iter().filter_map(version)),
            Ok(None) => break,
            Err(error) if is_gone(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version_number(&version.id)));
    Ok(versions.into_iter().skip(1).collect())
}

fn version(item: &Value) -> Option<ListedVersion> {
    Some(ListedVersion {
        id: item["id"].as_str()?.to_owned(),
        modified: item["lastModifiedDateTime"].as_str()?.parse().ok()?,
        size: item["size"].as_u64().unwrap_or_default(),
    })
}

/// Versions are counted `major.minor`: what orders them.
pub fn version_number(id: &str) -> (u64, u64) {
    let (major, minor) = id.split_once('.').unwrap_or((id, "0"));
    (major.parse().unwrap_or_default(), minor.parse().unwrap_or_default())
}

/// Starts to download an earlier version.
pub fn version_content(graph: &Graph, drive: &str, id: &ItemId, version: &str) -> Download {
    let (drive, id, version) = (segment(drive), segment(id.as_str()), segment(version));
    let path = format!("/drives/{drive}/items/{id}/versions/{version}/content");
    graph.download(graph.get(path).drive(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let mut ids = ["2.0", "10.0", "1.5", "x", "1.10"];
        ids.sort_by_key(|id| version_number(id));
        assert_eq!(ids, ["x", "1.5", "1.10", "2.0", "10.0"]);
    }
}
