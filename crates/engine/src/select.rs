//! What is taken out of the vault by restore and export: items, each with the reader of its shard.

use holdfast_catalog::ResourceRow;
use holdfast_model::Timestamp;
use holdfast_vault::Reader;

use crate::browse::{At, Found, locate};
use crate::reading::Reading;
use crate::{Home, Result};

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'c> {
    pub tenant: Option<&'c str>,
    pub resource: &'c str,
    pub at: &'c At,
    /// A folder or an item; everything where absent.
    pub path: Option<&'c str>,
}

/// An item and what reads it.
#[derive(Clone)]
pub(crate) struct Picked {
    pub found: Found,
    pub reader: Reader,
}

/// The items that were found. While it lasts nothing is deleted under their readers.
pub(crate) struct Selection {
    pub resource: ResourceRow,
    /// Time of the restore point.
    pub read_at: Timestamp,
    pub items: Vec<Picked>,
    held: Vec<Reading>,
}

impl Selection {
    /// Ends the reading now; dropping it ends it soon.
    pub async fn end(self) -> Result<()> {
        for reading in self.held {
            reading.end().await?;
        }
        Ok(())
    }
}

/// Finds what is wanted.
pub(crate) async fn select(home: &Home, choice: &Choice<'_>) -> Result<Selection> {
    let mut located = locate(home, choice.tenant, choice.resource, choice.at).await?;
    let path = choice.path.unwrap_or_default();
    let found = tokio::task::block_in_place(|| located.messages(path))?;
    let picked = |found| Picked { found, reader: located.reader.clone() };
    let items = found.into_iter().map(picked).collect();
    let held = located.take_reading().into_iter().collect();
    Ok(Selection { resource: located.resource, read_at: located.point.read_at, items, held })
}
