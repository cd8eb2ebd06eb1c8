//! Those who fill a drive: what they write, and what they do with it afterwards.

use std::sync::Arc;

use jiff::Timestamp;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::names::{self, NAME_MAX, Odd};
use super::tree::Tree;
use super::{Action, New, Node, ROOT};
use crate::content::language::Language;
use crate::content::workday::at_work;
use crate::content::{Document, Kind, Person, Picture};

/// From this many files per person on each stays small.
const MANY: usize = 2_000;

/// The least size that is asked for; doubled up to [`DOUBLINGS`] times.
const SMALLEST: usize = 4_000;

const DOUBLINGS: u32 = 10;

/// Documents that lie in many drives.
const COMMON: usize = 4;

/// How often a document is saved again, at most.
const EDITS: usize = 5;

/// What a text file is at most.
const LONGEST_TEXT: usize = 30_000;

/// The retention labels of the company.
const LABELS: [&str; 2] = ["Keep 7 years", "Personal data"];

/// A file that lies in many drives: name and bytes.
pub(super) type CommonFile = (String, Arc<[u8]>);

/// What all drives of the company share.
pub(super) struct Common {
    files: Vec<CommonFile>,
    /// How often the size of a file is doubled, at most.
    doublings: u32,
}

impl Common {
    /// The files that everybody has.
    pub(super) fn new(people: &[Person], seed: u64, per_user: usize) -> Self {
        let doublings = if per_user < MANY { DOUBLINGS } else { 0 };
        let mut rng = super::random(seed, u64::MAX);
        let mut file = |index: usize| {
            let author = people.first()?;
            let kind = Kind::ALL[index % Kind::ALL.len()];
            let size = SMALLEST << rng.random_range(0..=doublings.min(6));
            let at = at_work(0.0, &mut rng);
            let document = Document::compose(kind, size, author, at, &mut rng);
            let name = names::document(Language::of(&author.language), kind.ending(), &mut rng);
            Some((name, document.bytes().into()))
        };
        let count = if per_user == 0 { 0 } else { COMMON };
        Self { files: (0..count).filter_map(&mut file).collect(), doublings }
    }
}

/// Fills a drive.
pub(super) struct Author {
    pub(super) people: Arc<[Person]>,
    common: Arc<Common>,
    pub(super) rng: ChaCha8Rng,
    pub(super) tree: Tree,
}

impl Author {
    /// Somebody with an empty drive.
    pub(super) fn new(people: Arc<[Person]>, common: Arc<Common>, rng: ChaCha8Rng) -> Self {
        Self { people, common, rng, tree: Tree::new() }
    }

    /// A time at work; `progress` goes from 0 to 1.
    pub(super) fn at(&mut self, progress: f64) -> Timestamp {
        at_work(progress, &mut self.rng)
    }

    /// A file of one of the usual kinds, with what becomes of it until the end.
    pub(super) fn usual(&mut self, progress: f64, parent: Node, person: usize) -> Node {
        let ending = match self.rng.random_range(0..100) {
            0..30 => "docx",
            30..52 => "xlsx",
            52..62 => "pptx",
            62..80 => "pdf",
            80..90 => "png",
            90..96 => "txt",
            _ => "csv",
        };
        let language = Language::of(&self.people[person].language);
        let name = names::document(language, ending, &mut self.rng);
        self.file(progress, parent, person, &name)
    }

    /// A file of this name: its ending says what is in it.
    pub(super) fn file(&mut self, progress: f64, parent: Node, who: usize, name: &str) -> Node {
        let at = self.at(progress);
        let size = self.size();
        let kind =
            Kind::ALL.into_iter().find(|kind| name.ends_with(&format!(".{}", kind.ending())));
        let Some(kind) = kind else {
            let bytes = self.plain(name, size, who);
            return self.tree.add(at, parent, name, New::File(bytes.into()));
        };
        let author = self.people[who].clone();
        let mut document = Document::compose(kind, size, &author, at, &mut self.rng);
        let bytes = document.bytes().into();
        let node = self.tree.add(at, parent, name, New::File(bytes));
        if self.rng.random_bool(0.45) {
            self.edit(node, &mut document, progress);
        }
        node
    }

    /// Small files are many, large ones few.
    fn size(&mut self) -> usize {
        let doublings = self.common.doublings;
        let draws = [(); 4].map(|()| self.rng.random_range(0..=doublings));
        let least = draws.into_iter().min().unwrap_or_default();
        let start = SMALLEST << least;
        if doublings == 0 { start } else { self.rng.random_range(start..2 * start) }
    }

    /// A file that is no document.
    fn plain(&mut self, name: &str, size: usize, who: usize) -> Vec<u8> {
        if name.ends_with(".png") {
            return Picture::of_size(size, &mut self.rng).png();
        }
        let language = Language::of(&self.people[who].language);
        let size = size.min(LONGEST_TEXT);
        let mut text = String::new();
        while text.len() < size {
            match name.ends_with(".csv") {
                true => {
                    let (part, count) = (self.rng.random_range(0..500), self.rng.random::<u8>());
                    text.push_str(&format!("part-{part:04};{count}\r\n"));
                }
                false => text = text + &language.paragraph(&mut self.rng) + "\r\n\r\n",
            }
        }
        text.into_bytes()
    }

    /// Saves a document some more times.
    fn edit(&mut self, node: Node, document: &mut Document, mut progress: f64) {
        for _ in 0..self.rng.random_range(1..=EDITS) {
            progress += (1.0 - progress) * self.rng.random_range(0.02..0.4);
            let at = self.at(progress).max(document.modified);
            let editor = self.people.choose(&mut self.rng).expect("there are people");
            document.edit(editor, at, &mut self.rng);
            self.tree.replace(at, node, document.bytes().into());
        }
    }

    /// One of the files that lie in many drives.
    pub(super) fn common(&mut self, progress: f64, parent: Node) -> Node {
        let at = self.at(progress);
        let (name, bytes) = self.common.files.choose(&mut self.rng).expect("there are files");
        self.tree.add(at, parent, name, New::File(Arc::clone(bytes)))
    }

    /// An odd file, below a folder of its own where it needs that.
    pub(super) fn odd(&mut self, progress: f64, parent: Node, who: usize, odd: Odd) -> Node {
        match odd {
            Odd::Name(name) => self.file(progress, parent, who, name),
            Odd::Long => self.file(progress, parent, who, &names::of_length(NAME_MAX, "docx")),
            Odd::Empty => {
                let at = self.at(progress);
                self.tree.add(at, parent, "empty.txt", New::File(Vec::new().into()))
            }
            Odd::Deep => {
                let at = self.at(progress);
                let mut place = parent;
                while self.tree.room(place) > 80 {
                    place = self.tree.folder(at, place, "Unterordner mit recht langem Namen");
                }
                let name = names::of_length(self.tree.room(place), "txt");
                self.file(progress, place, who, &name)
            }
        }
    }

    /// What may become of any file: another name, another folder, others who may use it.
    pub(super) fn afterlife(&mut self, node: Node, progress: f64, archive: Node, owner: usize) {
        let later = progress + (1.0 - progress) * self.rng.random_range(0.1..1.0);
        let at = self.at(later);
        match self.rng.random_range(0..100) {
            0..8 => {
                let name = names::renamed(self.tree.name(node), &mut self.rng);
                self.tree.rename(at, node, &name);
            }
            8..16 => self.tree.shift(at, node, archive),
            16..26 => self.share(at, node, owner),
            26..32 => self.link(at, node, "organization"),
            32..34 => self.link(at, node, "anonymous"),
            34..38 => self.label(at, node),
            _ => {}
        }
    }

    /// Lets a colleague use an item.
    pub(super) fn share(&mut self, at: Timestamp, node: Node, owner: usize) {
        let user = self.rng.random_range(0..self.people.len());
        if user != owner {
            let role = if self.rng.random_bool(0.5) { "read" } else { "write" };
            self.tree.happen(at, node, Action::Share { node, user, role });
        }
    }

    /// Makes a link.
    pub(super) fn link(&mut self, at: Timestamp, node: Node, scope: &'static str) {
        let kind = if self.rng.random_bool(0.7) { "view" } else { "edit" };
        self.tree.happen(at, node, Action::Link { node, kind, scope });
    }

    /// Puts a retention label on an item.
    pub(super) fn label(&mut self, at: Timestamp, node: Node) {
        let name = LABELS[self.rng.random_range(0..LABELS.len())];
        self.tree.happen(at, node, Action::Label { node, name });
    }

    /// Folders below the root that are there from the beginning.
    pub(super) fn folders(&mut self, names: &[&str]) -> Vec<Node> {
        let at = self.at(0.0);
        names.iter().map(|name| self.tree.folder(at, ROOT, name)).collect()
    }
}
