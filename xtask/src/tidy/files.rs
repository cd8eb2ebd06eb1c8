//! The text files of the repository, tracked or about to be.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A text file with its path from the root, separated by `/`.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// Every file that git knows or would add, except those that are not UTF-8.
pub(crate) fn read(root: &Path) -> Result<Vec<TextFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files failed in {}", root.display());
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file that was removed but not yet from the index, or is not text, is left out.
        if let Ok(text) = std::fs::read_to_string(root.join(name)) {
            files.push(TextFile { path: name.to_owned(), text });
        }
    }
    Ok(files)
}
