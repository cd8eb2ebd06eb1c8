//! A stored message, read: what a preview shows.

use holdfast_workloads::mail::Fields;

use super::{At, Found, locate};
use crate::home::blocking;
use crate::{Error, Home, Result};

/// Largest message that is read whole, in bytes: Exchange takes 150 MB at most.
const LARGEST: u64 = 160 * 1024 * 1024;

/// Reads a message of a restore point with all that lies beside it.
///
/// # Errors
/// [`Error::Usage`] for a file, a folder, and a message too large to be shown.
pub async fn message(
    home: &Home,
    tenant: Option<&str>,
    resource: &str,
    at: &At,
    path: &str,
) -> Result<(Found, Fields)> {
    let located = locate(home, tenant, resource, at).await?;
    let path = path.to_owned();
    blocking(move || {
        let (node, folders) = located.item(&path)?;
        let found = located.found(node, &folders)?;
        let meta = found.message()?;
        if super::size(&found.node) > LARGEST {
            return Err(Error::Usage(
                "the message is too large to be shown: take it out".to_owned(),
            ));
        }
        let bytes = located.reader.bytes(&found.node)?;
        let fields = Fields::of_stored(&found.node.name, meta, &bytes)?;
        Ok((found, fields))
    })
    .await
}
