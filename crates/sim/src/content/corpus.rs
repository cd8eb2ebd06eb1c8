//! Mail from a folder tree of files: the `.eml` among them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Person, SeedMail};
use crate::mail;

/// 1 January 1980 and 2100, UTC: a date outside is a mistake of the file.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 315_532_800..4_102_444_800;

/// The date of the first file without one (1 January 2010); each following file is a minute later.
pub(super) const FALLBACK_SECOND: i64 = 1_262_304_000;

/// Why a folder of files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot list files in {path}; name a folder with mail or documents that you may read")]
pub struct CorpusError {
    /// The folder.
    pub path: PathBuf,
    #[source]
    source: io::Error,
}

/// Every `.eml` file below `dir`, bytes unchanged, spread over `people` and folders.
///
/// A message is dated by its topmost `Received` header, else its `Date`, else by its place in the
/// sorted list of files. The files are listed at once and read one by one; one that can no longer
/// be read is left out with a warning in the log. Without people there is no mail.
pub fn corpus(
    dir: &Path,
    people: &[Person],
    seed: u64,
) -> Result<impl Iterator<Item = SeedMail> + use<>, CorpusError> {
    let mut files = list(dir, is_mail)?;
    if people.is_empty() {
        files.clear();
    }
    let users = people.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x636f_7270_7573);
    Ok(files.into_iter().enumerate().filter_map(move |(index, file)| {
        let place = (rng.random_range(0..users), rng.random_range(0..100), rng.random_bool(0.9));
        match fs::read(&file) {
            Ok(mime) => Some(seed_mail(&file, index, place, mime)),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "message of the corpus left out");
                None
            }
        }
    }))
}

fn seed_mail(
    file: &Path,
    index: usize,
    (user, roll, is_read): (usize, u32, bool),
    mime: Vec<u8>,
) -> SeedMail {
    let message = mail::read(&mime);
    let is_plausible = |time: &Timestamp| PLAUSIBLE_SECONDS.contains(&time.as_second());
    let minutes = i64::try_from(index).unwrap_or_default();
    let fallback = Timestamp::from_second(FALLBACK_SECOND).unwrap_or_default()
        + SignedDuration::from_mins(minutes);
    let received = [message.received, message.sent].into_iter().flatten().find(is_plausible);
    let names = match roll {
        0..50 => vec!["Inbox".to_owned()],
        50..75 => vec!["Inbox".to_owned(), folder_name(file)],
        75..90 => vec!["Archive".to_owned()],
        _ => vec!["Sent Items".to_owned()],
    };
    SeedMail {
        user,
        folder: names,
        received: received.unwrap_or(fallback),
        is_read,
        flagged: false,
        categories: Vec::new(),
        importance: message.importance,
        is_draft: false,
        mime,
    }
}

/// The name of the folder in which the file lies.
fn folder_name(file: &Path) -> String {
    let parent = file.parent().and_then(Path::file_name).unwrap_or_default();
    parent.to_string_lossy().into_owned()
}

/// Whether the file is a message.
pub(super) fn is_mail(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
}

/// The files below `dir` that are wanted, sorted by path.
pub(super) fn list(
    dir: &Path,
    is_wanted: impl Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>, CorpusError> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let failed = |source| CorpusError { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_wanted(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::company;

    #[test]
    fn files_are_spread_with_their_dates_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("old")).unwrap();
        let dated = b"Date: Mon, 3 Feb 2003 10:00:00 +0100\nSubject: a\n\nx\n";
        fs::write(dir.path().join("old/a.eml"), dated).unwrap();
        fs::write(dir.path().join("b.EML"), b"Date: 1 Jan 1904 00:00 +0000\n\n").unwrap();
        fs::write(dir.path().join("c.txt"), b"no mail").unwrap();
        let people = company(3, 1);
        let mails: Vec<_> = corpus(dir.path(), &people, 1).unwrap().collect();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].received.as_second(), FALLBACK_SECOND);
        assert_eq!(mails[1].received.to_string(), "2003-02-03T09:00:00Z");
        assert_eq!(mails[1].mime, dated);
        assert_eq!(mails, corpus(dir.path(), &people, 1).unwrap().collect::<Vec<_>>());
        assert_eq!(corpus(dir.path(), &[], 1).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = corpus(Path::new("/no/such/folder"), &[], 1).err().unwrap();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }

    #[test]
    fn the_real_corpus_loads_whole() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/mail");
        if !dir.is_dir() {
            println!("no corpus at {}: nothing tested", dir.display());
            return;
        }
        let mails: Vec<_> = corpus(&dir, &company(5, 1), 1).unwrap().collect();
        assert_eq!(mails.len(), 1705);
        let per_user = |user| mails.iter().filter(|mail| mail.user == user).count();
        assert!((0..5).all(|user| per_user(user) > 200));
    }
}
