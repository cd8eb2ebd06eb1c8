//! Folder trees: sizes, plain copies of messages, and making one tree equal to another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Number of files below a folder and the sum of their lengths.
pub(crate) fn size(dir: &Path) -> Result<(usize, u64)> {
    let mut sum = 0;
    let files = list(dir)?;
    for file in &files {
        sum += fs::metadata(dir.join(file))?.len();
    }
    Ok((files.len(), sum))
}

/// What [`mirror`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirrored {
    pub(crate) written: usize,
    pub(crate) removed: usize,
}

/// Makes the messages below `to` those below `from`; files that are equal are not touched. Only
/// `.eml` files count, and only their bytes: no extended attributes, no times.
pub(crate) fn mirror(from: &Path, to: &Path) -> Result<Mirrored> {
    fs::create_dir_all(to)?;
    let (wanted, present) = (messages(from)?, messages(to)?);
    let mut done = Mirrored::default();
    for gone in present.difference(&wanted) {
        fs::remove_file(to.join(gone))?;
        done.removed += 1;
    }
    for file in &wanted {
        let (source, target) = (from.join(file), to.join(file));
        let bytes = fs::read(&source)?;
        if present.contains(file) && fs::read(&target)? == bytes {
            continue;
        }
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        fs::write(&target, &bytes)?;
        done.written += 1;
    }
    Ok(done)
}

/// The paths of the messages below a folder.
pub(crate) fn messages(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let is_message = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "eml");
    Ok(list(dir)?.into_iter().filter(is_message).collect())
}

/// The paths of all files below a folder, relative to it.
fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(dir.join(&folder))
            .with_context(|| format!("cannot list {}", dir.join(&folder).display()))?;
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => open.push(path),
                false => files.push(path),
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_writes_only_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for (path, text) in [("a/1.eml", "one"), ("a/b/2.eml", "two"), ("state.json", "{}")] {
            fs::create_dir_all(from.join(path).parent().unwrap()).unwrap();
            fs::write(from.join(path), text).unwrap();
        }
        assert_eq!(mirror(&from, &to).unwrap(), Mirrored { written: 2, removed: 0 });
        assert_eq!(size(&to).unwrap(), (2, 6));

        fs::write(from.join("a/1.eml"), "more").unwrap();
        fs::rename(from.join("a/b/2.eml"), from.join("a/3.eml")).unwrap();
        fs::write(from.join("a/4.eml"), "four").unwrap();
        assert_eq!(mirror(&from, &to).unwrap(), Mirrored { written: 3, removed: 1 });
        assert_eq!(mirror(&from, &to).unwrap(), Mirrored::default());
        assert_eq!(fs::read(to.join("a/1.eml")).unwrap(), b"more");
        assert_eq!(messages(&to).unwrap().len(), 3);
    }
}
