//! Documents from a folder tree.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::names::clean;
use super::tree::Tree;
use super::{New, Place, ROOT, SeedDrive};
use crate::content::CorpusError;
use crate::content::corpus::{FALLBACK_SECOND, is_mail, list};

/// A file of the corpus: its place in the sorted list dates it.
type Numbered = (usize, PathBuf);

/// Spreads the files over the places by chance.
pub(super) fn spread(
    dir: &Path,
    places: Vec<Place>,
    mut rng: ChaCha8Rng,
) -> Result<impl Iterator<Item = SeedDrive> + use<>, CorpusError> {
    let files = list(dir, |path| !is_mail(path))?;
    let mut shares = vec![Vec::<Numbered>::new(); places.len()];
    if !places.is_empty() {
        for file in files.into_iter().enumerate() {
            shares[rng.random_range(0..places.len())].push(file);
        }
    }
    let dir = dir.to_owned();
    let shares = places.into_iter().zip(shares).filter(|(_, share)| !share.is_empty());
    Ok(shares.map(move |(place, share)| {
        let mut tree = Tree::new();
        for (number, file) in share {
            add(&mut tree, &dir, number, &file);
        }
        SeedDrive { place, columns: Vec::new(), steps: tree.finish() }
    }))
}

/// Puts a file into the folders in which it lies below `dir`.
fn add(tree: &mut Tree, dir: &Path, number: usize, file: &Path) {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "document of the corpus left out");
            return;
        }
    };
    let minutes = SignedDuration::from_mins(i64::try_from(number).unwrap_or_default());
    let at = Timestamp::from_second(FALLBACK_SECOND).unwrap_or_default() + minutes;
    let below = file.strip_prefix(dir).unwrap_or(file);
    let mut names: Vec<String> = below.iter().map(|name| clean(&name.to_string_lossy())).collect();
    let name = names.pop().unwrap_or_default();
    let mut place = ROOT;
    for folder in names {
        // A path that would become too long ends early.
        if tree.room(place) > folder.chars().count() + name.chars().count() {
            place = tree.folder(at, place, &folder);
        }
    }
    tree.add(at, place, &name, New::File(bytes.into()));
}
