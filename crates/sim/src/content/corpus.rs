//! Mail from a folder tree of `.eml` files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Person, SeedMail};
use crate::mail;

/// Why a folder of messages cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read mail from {path}; name a folder with .eml files that you may read")]
pub struct CorpusError {
    /// The folder or file.
    pub path: PathBuf,
    #[source]
    source: io::Error,
}

/// Every `.eml` file below `dir`, bytes unchanged, spread over `people` and folders.
///
/// A message is dated by its `Received` header, else its `Date`, else by its place in the list.
/// The files are listed at once and read one by one; one that cannot be read any more ends the
/// list with a warning in the log.
pub fn corpus(
    dir: &Path,
    people: &[Person],
    _seed: u64,
) -> Result<impl Iterator<Item = SeedMail> + use<>, CorpusError> {
    let mut files = Vec::new();
    list(dir, &mut files)?;
    files.sort();
    let users = people.len().max(1);
    Ok(files.into_iter().enumerate().filter_map(move |(index, file)| {
        let mime = fs::read(file).ok()?;
        let message = mail::read(&mime);
        let dated = message.received.or(message.sent).unwrap_or(Timestamp::UNIX_EPOCH);
        Some(SeedMail {
            user: index % users,
            folder: vec!["Inbox".to_owned()],
            received: dated,
            is_read: true,
            flagged: false,
            categories: Vec::new(),
            importance: message.importance,
            is_draft: false,
            mime,
        })
    }))
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    let failed = |source| CorpusError { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml")) {
            files.push(path);
        }
    }
    Ok(())
}
