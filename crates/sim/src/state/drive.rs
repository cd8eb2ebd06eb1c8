//! A drive: a OneDrive or a document library, its items, and the change log that delta queries
//! read.
//!
//! As in a mailbox every change takes the next number of the drive's sequence, and the log maps
//! numbers to what happened last to each item. Moving or renaming a folder is one change of the
//! folder; what lies in it does not change.

mod body;
mod change;
mod item;
mod names;
mod op;
mod quick_xor;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

pub use self::body::{Body, FileBytes, Reader};
pub use self::item::{Grant, Item, Kind, Marks, Permission, Version};
pub use self::names::{check as check_name, numbered};
pub use self::op::{Dates, DriveOp, Options};

use crate::error::Refused;
use crate::seal;

/// The number of the root.
pub const ROOT: u64 = 0;

/// What the log says about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// It is there.
    Present(u64),
    /// It is gone.
    Removed {
        /// The item.
        number: u64,
        /// When it had come: who has read less far never saw it.
        entered: u64,
    },
}

/// What a new drive is made from.
#[derive(Clone, Debug)]
pub struct NewDrive {
    /// The id, `b!…`.
    pub id: String,
    /// The id of the list behind it.
    pub list: String,
    /// The name.
    pub name: String,
    /// The number of the site.
    pub site: usize,
    /// Whose OneDrive it is.
    pub owner: Option<usize>,
    /// Where people see it.
    pub web_url: String,
    /// The part of the item ids that belongs to the drive.
    pub tag: seal::DriveTag,
}

/// A drive.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Names and ids.
    pub made: NewDrive,
    /// When it was made.
    pub created: Timestamp,
    /// How it behaves.
    pub options: Options,
    /// The custom columns of the library.
    pub columns: BTreeSet<String>,
    /// By number.
    pub items: BTreeMap<u64, Item>,
    /// The change log.
    pub log: BTreeMap<u64, ItemChange>,
    /// Times of changes, for tokens that are points in time: the last number of each second.
    pub times: BTreeMap<Timestamp, u64>,
    children: HashMap<u64, BTreeMap<String, u64>>,
    seq: u64,
    next_item: u64,
    next_permission: u64,
}

impl Drive {
    /// A drive with nothing but its root.
    pub fn new(made: NewDrive, at: Timestamp) -> Self {
        let options = Options::of(made.owner.is_none());
        let mut drive = Self {
            made,
            created: at,
            options,
            columns: BTreeSet::new(),
            items: BTreeMap::new(),
            log: BTreeMap::new(),
            times: BTreeMap::new(),
            children: HashMap::new(),
            seq: 0,
            next_item: ROOT,
            next_permission: 1,
        };
        drive.insert(at, None, "root", Kind::Folder, Dates::default());
        drive
    }

    /// The position of the last change.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The id of an item.
    pub fn item_id(&self, number: u64) -> String {
        seal::item_id(&self.made.tag, number)
    }

    /// The GUID of an item, as eTags and list items carry it.
    pub fn item_guid(&self, number: u64) -> String {
        seal::item_guid(&self.made.tag, number)
    }

    /// The item with this id; `root` is one too.
    pub fn item(&self, id: &str) -> Result<&Item, Refused> {
        let number = if id.eq_ignore_ascii_case("root") {
            ROOT
        } else {
            seal::read_item_id(&self.made.tag, id).ok_or(Refused::ItemNotFound)?
        };
        self.numbered(number)
    }

    /// The item with this number.
    pub fn numbered(&self, number: u64) -> Result<&Item, Refused> {
        self.items.get(&number).ok_or(Refused::ItemNotFound)
    }

    /// What lies in a folder, by name.
    pub fn children(&self, folder: u64) -> Vec<&Item> {
        let numbers = self.children.get(&folder).into_iter().flat_map(BTreeMap::values);
        numbers.filter_map(|number| self.items.get(number)).collect()
    }

    /// How many items lie in a folder.
    pub fn child_count(&self, folder: u64) -> usize {
        self.children.get(&folder).map_or(0, BTreeMap::len)
    }

    /// The child of this name, whatever its case.
    pub fn child(&self, folder: u64, name: &str) -> Option<u64> {
        self.children.get(&folder)?.get(&names::fold(name)).copied()
    }

    /// The item at a path of names below another one.
    pub fn at_path(&self, from: u64, path: &str) -> Result<&Item, Refused> {
        let mut place = from;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            place = self.child(place, name).ok_or(Refused::ItemNotFound)?;
        }
        self.numbered(place)
    }

    /// The names from below the root to the item.
    pub fn path(&self, number: u64) -> Vec<String> {
        let names = self.ancestors(number).into_iter().filter(|number| *number != ROOT);
        let mut path: Vec<String> =
            names.filter_map(|number| Some(self.items.get(&number)?.name.clone())).collect();
        path.reverse();
        path
    }

    /// The item and all folders above it, the root last.
    pub fn ancestors(&self, number: u64) -> Vec<u64> {
        let above = |number: &u64| self.items.get(number).and_then(|item| item.parent);
        std::iter::successors(Some(number), above).collect()
    }

    /// Whether `number` is `above` or lies below it.
    pub fn is_below(&self, number: u64, above: u64) -> bool {
        self.ancestors(number).contains(&above)
    }

    /// The item and all below it, folders before what is in them.
    pub fn subtree(&self, number: u64) -> Vec<u64> {
        let (mut found, mut next) = (vec![number], 0);
        while next < found.len() {
            let below = self.children.get(&found[next]).into_iter().flat_map(BTreeMap::values);
            found.extend(below);
            next += 1;
        }
        found
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.items.get(&ROOT).map_or(0, |root| root.below)
    }

    /// The last change at or before a time.
    pub fn seq_at(&self, at: Timestamp) -> u64 {
        self.times.range(..=at).next_back().map_or(0, |(_, seq)| *seq)
    }
}
