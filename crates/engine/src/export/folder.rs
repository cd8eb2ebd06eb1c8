//! An export as a folder tree.

use std::path::Path;

use super::names::File;
use super::part::Root;
use super::{Content, ExportReport, Sink};
use crate::Result;

/// Writes each file into its folder.
pub(super) struct Folder {
    root: Root,
    files: u64,
}

impl Folder {
    /// Into a new or empty folder.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { root: Root::open(path)?, files: 0 })
    }
}

impl Sink for Folder {
    fn put(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        let mut part = self.root.part(&file.folders, &file.name)?;
        let shown = part.shown.display().to_string();
        content.copy(&mut part.file, &shown)?;
        part.finish(Some(file.date))?;
        self.files += 1;
        Ok(())
    }

    fn finish(self: Box<Self>, report: &mut ExportReport) -> Result<()> {
        report.files = self.files;
        Ok(())
    }
}
