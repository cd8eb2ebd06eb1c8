//! What is taken out of the vault by restore and export: items, each with the reader of its shard.

use holdfast_catalog::ResourceRow;
use holdfast_model::{Timestamp, fold};
use holdfast_vault::{Reader, TreeId};

use crate::browse::{At, FolderStep, Found, Unread, locate};
use crate::deleted::deleted;
use crate::reading::Reading;
use crate::{Home, Result, discover};

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'c> {
    pub tenant: Option<&'c str>,
    pub resource: &'c str,
    /// The restore point, unless it is about what has vanished.
    pub at: &'c At,
    /// What has vanished since this time.
    pub deleted_since: Option<Timestamp>,
    /// A folder or an item; everything where absent.
    pub path: Option<&'c str>,
}

/// An item and what reads it.
#[derive(Clone)]
pub(crate) struct Picked {
    pub found: Found,
    pub reader: Reader,
    /// The directory of the resource in the restore point that has it.
    pub root: TreeId,
}

/// The items that were found. While it lasts nothing is deleted under their readers.
pub(crate) struct Selection {
    pub resource: ResourceRow,
    /// Time of the restore point; the newest, where it is about what has vanished.
    pub read_at: Timestamp,
    pub items: Vec<Picked>,
    /// The folders at and below the path, of a drive that is looked at as it was at a time.
    pub folders: Vec<Vec<FolderStep>>,
    /// What is damaged instead of being found.
    pub unread: Vec<Unread>,
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
    match choice.deleted_since {
        Some(since) => vanished(home, choice, since).await,
        None => of_restore_point(home, choice).await,
    }
}

async fn of_restore_point(home: &Home, choice: &Choice<'_>) -> Result<Selection> {
    let mut located = locate(home, choice.tenant, choice.resource, choice.at).await?;
    let path = choice.path.unwrap_or_default();
    let (mut items, mut unread) = (Vec::new(), Vec::new());
    let mut visit = |seen| {
        match seen {
            Ok(found) => {
                items.push(Picked { found, reader: located.reader.clone(), root: located.tree });
            }
            Err(damage) => unread.push(damage),
        }
        Ok(())
    };
    tokio::task::block_in_place(|| located.each(path, &mut visit))?;
    let folders = tokio::task::block_in_place(|| located.folders(path))?;
    let held = located.take_reading().into_iter().collect();
    let (resource, read_at) = (located.resource, located.point.read_at);
    Ok(Selection { resource, read_at, items, folders, unread, held })
}

async fn vanished(home: &Home, choice: &Choice<'_>, since: Timestamp) -> Result<Selection> {
    let resource = discover::find(home, choice.tenant, choice.resource).await?;
    let deleted = deleted(home, &resource, Some(since)).await?;
    let path = choice.path.unwrap_or_default();
    let items = deleted.items.into_iter().map(|gone| gone.item);
    let items = items.filter(|item| is_below(&item.found, path)).collect();
    let (read_at, held) = (deleted.newest, deleted.held);
    let (folders, unread) = (Vec::new(), Vec::new());
    Ok(Selection { resource, read_at, items, folders, unread, held })
}

/// True for an item that is, or lies below, what a path names: folders by their directory or real
/// name, the item by the name that `ls` shows.
fn is_below(found: &Found, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let means = |at: usize, part: &str| match found.folders.get(at) {
        Some(step) => step.dir == part || fold(&step.meta.name) == fold(part),
        None => at == found.folders.len() && found.node.name == part,
    };
    let fits =
        |skipped: usize| parts.iter().enumerate().all(|(at, part)| means(at + skipped, part));
    // The name of a drive may be left out.
    fits(0) || (found.meta.file().is_some() && fits(1))
}
