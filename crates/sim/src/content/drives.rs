//! The drives of the company: each person's OneDrive and the document libraries of team sites, as
//! lists of steps that lead from an empty drive to what is in it.

mod author;
mod folder;
mod library;
mod names;
mod personal;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use self::author::{Author, Common};
use super::{CorpusError, Person};

pub use self::library::DEFAULT as DEFAULT_LIBRARY;
pub use self::names::locked_name;

/// Separates the random numbers of drives from those of mail and people.
const STREAMS: u64 = 0x6472_6976_6573;

/// A team site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedSite {
    /// The last part of its address.
    pub name: String,
    /// The name that people read.
    pub display_name: String,
    /// The libraries beside "Documents".
    pub libraries: Vec<String>,
}

/// Where a drive lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A library of a team site.
    Library {
        /// The site: index into [`sites`].
        site: usize,
        /// Its name.
        name: String,
    },
    /// A person's OneDrive.
    OneDrive {
        /// The person: index into the people.
        user: usize,
    },
}

/// A drive with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedDrive {
    /// Where it lies.
    pub place: Place,
    /// The custom columns of a library.
    pub columns: Vec<String>,
    /// What happened, in the order of time; a folder comes before what is put into it.
    pub steps: Vec<Step>,
}

/// Something that happened in a drive.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: Action,
}

/// An item of a drive while its steps are made; the root is [`ROOT`].
pub type Node = usize;

/// The root of every drive.
pub const ROOT: Node = 0;

/// A folder that every generated library "Documents" has.
pub const GENERAL: &str = "General";

/// What happens to an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Something new.
    Add {
        /// The item from now on.
        node: Node,
        /// The folder.
        parent: Node,
        /// The name: one that OneDrive takes, and no other item of the folder has at any time.
        name: String,
        /// What it is.
        what: New,
    },
    /// Another content: a new version.
    Replace {
        /// The file.
        node: Node,
        /// The content.
        bytes: Arc<[u8]>,
    },
    /// Another name.
    Rename {
        /// The item.
        node: Node,
        /// The name.
        name: String,
    },
    /// Another folder of the same drive.
    Move {
        /// The item.
        node: Node,
        /// The folder.
        parent: Node,
    },
    /// A colleague may use it.
    Share {
        /// The item.
        node: Node,
        /// The colleague: index into the people.
        user: usize,
        /// `read` or `write`.
        role: &'static str,
    },
    /// A link.
    Link {
        /// The item.
        node: Node,
        /// `view` or `edit`.
        kind: &'static str,
        /// `organization` or `anonymous`.
        scope: &'static str,
    },
    /// Values of custom columns.
    Fields {
        /// The file.
        node: Node,
        /// By name of the column.
        fields: BTreeMap<String, Value>,
    },
    /// A retention label.
    Label {
        /// The item.
        node: Node,
        /// The name of the label.
        name: &'static str,
    },
}

/// What a new item is.
#[derive(Clone, Debug, PartialEq)]
pub enum New {
    /// A folder.
    Folder,
    /// A OneNote notebook.
    Notebook,
    /// "Add shortcut to OneDrive": leads to the folder [`GENERAL`] of a site's "Documents".
    Shortcut {
        /// The site.
        site: usize,
    },
    /// A file with this content.
    File(Arc<[u8]>),
}

/// The first `count` team sites of the company.
pub fn sites(count: usize) -> Vec<SeedSite> {
    (0..count).map(library::site).collect()
}

/// The libraries of the first `sites` team sites, then the OneDrive of each person.
pub fn places(people: usize, sites: usize) -> Vec<Place> {
    let libraries = self::sites(sites).into_iter().enumerate().flat_map(|(site, seed)| {
        let names = std::iter::once(library::DEFAULT.to_owned()).chain(seed.libraries);
        names.map(move |name| Place::Library { site, name })
    });
    libraries.chain((0..people).map(|user| Place::OneDrive { user })).collect()
}

/// The drives of all [`places`], made one at a time: `per_user` files in each OneDrive, twice as
/// many in a site's "Documents", `per_user` in its other libraries.
///
/// Beside ordinary documents with versions, moves and sharing there are files with names of every
/// kind that OneDrive takes, empty files and folders, paths of exactly 400 characters, notebooks
/// and files that lie in many drives. Of 2,000 files per person and more each stays below some
/// 9 KB, so that large drives fit into memory. Without people there are no drives.
pub fn drives(
    people: &[Person],
    seed: u64,
    per_user: usize,
    sites: usize,
) -> impl Iterator<Item = SeedDrive> + use<> {
    let places = if people.is_empty() { Vec::new() } else { places(people.len(), sites) };
    let people: Arc<[Person]> = people.into();
    let common = Arc::new(Common::new(&people, seed, per_user));
    places.into_iter().enumerate().map(move |(number, place)| {
        let stream = stream(&place, number);
        let author = Author::new(Arc::clone(&people), Arc::clone(&common), random(seed, stream));
        match &place {
            Place::OneDrive { user } => personal::drive(*user, author, per_user, sites),
            Place::Library { name, .. } if name == library::DEFAULT => {
                library::documents(place, author, 2 * per_user)
            }
            Place::Library { .. } => library::contracts(place, author, per_user),
        }
    })
}

/// Every file below `dir` that is no mail (`.eml`), bytes unchanged, with the folders it lies in,
/// spread over the given places (usually all [`places`]); those that get nothing are left out.
///
/// Names that SharePoint does not take are mended. A file that cannot be read is left out with a
/// warning in the log. The folder is listed at once; files are read drive by drive.
pub fn corpus_drives(
    dir: &Path,
    places: Vec<Place>,
    seed: u64,
) -> Result<impl Iterator<Item = SeedDrive> + use<>, CorpusError> {
    folder::spread(dir, places, random(seed, 0))
}

/// A drive keeps its content when the company grows.
fn stream(place: &Place, number: usize) -> u64 {
    match place {
        Place::OneDrive { user } => 2 * *user as u64 + 2,
        Place::Library { .. } => 2 * number as u64 + 1,
    }
}

fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ STREAMS);
    rng.set_stream(stream);
    rng
}
