//! Going through the items of a restore point, damage included.

use holdfast_vault::{Node, TreeId};
use holdfast_workloads::Place;

use super::{FolderStep, Found, Located, Spot, path_to, step_of};
use crate::{Error, Exit, Result};

/// A folder or item that cannot be read because the vault is damaged.
#[derive(Debug)]
pub struct Unread {
    /// Path inside the resource; of a folder it ends with `/`.
    pub path: String,
    /// What is damaged.
    pub error: Error,
}

/// What is done with each item, or with what is damaged in its place.
pub(crate) type Visit<'v> = dyn FnMut(Result<Found, Unread>) -> Result<()> + 'v;

impl Located {
    /// All items at or below a path, folder by folder. Those kept beyond their time are not
    /// current: they come only where the path leads to them.
    pub fn items(&self, path: &str) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        self.each(path, &mut |seen| {
            found.push(seen.map_err(|unread| unread.error)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The folders of a drive at and below a path, each as its path from the resource. Those of a
    /// mailbox come with their messages.
    pub(crate) fn folders(&self, path: &str) -> Result<Vec<Vec<FolderStep>>> {
        let mut found = Vec::new();
        if self.layout().is_drive()
            && let Spot::Folder(Some(tree), folders) = self.spot(path)?
        {
            found.push(folders.clone());
            self.folders_below(tree, &folders, &mut found)?;
        }
        Ok(found)
    }

    fn folders_below(
        &self,
        tree: TreeId,
        folders: &[FolderStep],
        found: &mut Vec<Vec<FolderStep>>,
    ) -> Result<()> {
        let nodes = match self.reader.list(tree).map_err(Error::from) {
            // Going through the items tells it.
            Err(error) if error.exit() == Exit::Damaged => return Ok(()),
            nodes => nodes?,
        };
        for node in nodes {
            let is_folder = self.place(&node) == Place::Folder;
            let Some(tree) = node.tree().filter(|_| is_folder) else { continue };
            let mut inner = folders.to_vec();
            inner.push(step_of(&node)?);
            found.push(inner.clone());
            self.folders_below(tree, &inner, found)?;
        }
        Ok(())
    }

    /// The same, one after the other; what is damaged is told in its place.
    pub(crate) fn each(&self, path: &str, visit: &mut Visit<'_>) -> Result<()> {
        match self.spot(path)? {
            Spot::Item(node, folders) => visit(Ok(self.found(*node, &folders)?)),
            Spot::Folder(Some(tree), folders) => self.visit(tree, &folders, true, visit),
            Spot::Folder(None, _) => Ok(()),
        }
    }

    pub(super) fn visit(
        &self,
        tree: TreeId,
        folders: &[FolderStep],
        below: bool,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let nodes = match self.reader.list(tree).map_err(Error::from) {
            Err(error) if error.exit() == Exit::Damaged => {
                return visit(Err(Unread { path: path_to(folders, ""), error }));
            }
            nodes => nodes?,
        };
        for node in nodes {
            match (self.place(&node), node.tree()) {
                (Place::Item, _) => visit(self.found_or_damage(node, folders)?)?,
                (Place::Fanout, Some(tree)) => self.visit(tree, folders, below, visit)?,
                (Place::Folder, Some(tree)) if below => {
                    let mut inner = folders.to_vec();
                    inner.push(step_of(&node)?);
                    self.visit(tree, &inner, below, visit)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn found_or_damage(&self, node: Node, folders: &[FolderStep]) -> Result<Result<Found, Unread>> {
        let path = path_to(folders, &node.name);
        match self.found(node, folders) {
            Err(error) if error.exit() == Exit::Damaged => Ok(Err(Unread { path, error })),
            found => Ok(Ok(found?)),
        }
    }
}
