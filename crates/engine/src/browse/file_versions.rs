//! Earlier versions of files: those that the service kept and a backup took.

use std::io::Write;

use holdfast_model::Timestamp;
use holdfast_vault::{Node, Reader, TreeId};
use holdfast_workloads::drive;
use serde::Serialize;
use serde_json::Value;

use super::{At, Located, locate};
use crate::compare::size;
use crate::home::blocking;
use crate::{Error, Home, Result};

/// An earlier version of a file that the service kept, as the vault has it.
#[derive(Clone, Debug, Serialize)]
pub struct StoredVersion {
    /// The service's number, such as `3.0`.
    pub version: String,
    /// When it was made.
    pub modified: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes are.
    #[serde(skip)]
    pub node: Node,
}

/// The earlier versions of a file in a resource's tree, oldest first.
pub(crate) fn stored_versions(
    reader: &Reader,
    root: TreeId,
    id: &str,
) -> Result<Vec<StoredVersion>> {
    let path = drive::versions_path(id);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let Some(tree) = reader.node(root, &path)?.and_then(|node| node.tree()) else {
        return Ok(Vec::new());
    };
    let mut versions = Vec::new();
    for node in reader.list(tree)? {
        let meta = node.meta.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let version = meta.and_then(|meta: Value| meta["version"].as_str().map(str::to_owned));
        let (modified, size) = (node.mtime, size(&node));
        versions.extend(version.map(|version| StoredVersion { version, modified, size, node }));
    }
    versions.sort_by_cached_key(|version| drive::version_number(&version.version));
    Ok(versions)
}

/// The earlier versions of the file at a path, oldest first.
pub async fn versions(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
    path: &str,
) -> Result<Vec<StoredVersion>> {
    let located = locate(home, tenant, resource, at).await?;
    let path = path.to_owned();
    blocking(move || located.versions(&path)).await
}

/// Writes an earlier version of a file, byte for byte; answers with its size.
pub async fn cat_version(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
    (path, version): (&str, &str),
    out: &mut dyn Write,
) -> Result<u64> {
    let located = locate(home, tenant, resource, at).await?;
    tokio::task::block_in_place(|| {
        let version = version_of(located.versions(path)?, version)?;
        Ok(located.reader.read(&version.node, out)?)
    })
}

/// The one of the versions of a file that has this number.
pub(crate) fn version_of(versions: Vec<StoredVersion>, wanted: &str) -> Result<StoredVersion> {
    let found = versions.into_iter().find(|version| version.version == wanted);
    found.ok_or_else(|| Error::NotFound {
        what: "version",
        name: wanted.to_owned(),
        hint: " of this file in the vault; 'holdfast ls --versions' lists them",
    })
}

impl Located {
    /// The earlier versions of a file, oldest first.
    fn versions(&self, path: &str) -> Result<Vec<StoredVersion>> {
        let (node, folders) = self.item(path)?;
        let found = self.found(node, &folders)?;
        stored_versions(&self.reader, self.tree, found.meta.id())
    }
}
