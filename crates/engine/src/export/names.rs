//! Paths of an export: names that Windows, macOS and Linux take, unique in their folder without
//! regard to case and composition, and short enough together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use holdfast_model::{Timestamp, component, fold};

use super::part::PART;
use super::{Format, Problem, ProblemKind, REPORT, item};
use crate::browse::FolderStep;
use crate::select::Picked;

/// Longest path below the target, in the UTF-16 units in which Windows counts: 260 with drive,
/// target folder and end (Microsoft, "Maximum Path Length Limitation", read 2026-11).
const MAX_PATH: usize = 239;

/// Longest name in bytes of UTF-8: file systems stop at 255, and ` (2)` has to fit.
const MAX_NAME_BYTES: usize = 240;

/// What stays of the name of a folder and of a file, in UTF-16 units.
const SHORTEST_FOLDER: usize = 12;
const SHORTEST: usize = 24;

/// Longest ending that stays when a name is cut, in bytes.
const MAX_ENDING: usize = 16;

/// A file of the export.
pub(super) struct File {
    pub item: Picked,
    /// Names of the folders above it, outermost first.
    pub folders: Arc<[String]>,
    pub name: String,
    pub date: Timestamp,
    /// It is one of the messages in an mbox file of this name.
    pub in_mbox: bool,
}

impl File {
    /// Path below the target, with `/`.
    pub fn path(&self) -> String {
        path(&self.folders, &self.name)
    }
}

fn path(folders: &[String], name: &str) -> String {
    folders.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/")
}

/// All files of an export, folder by folder.
pub(super) struct Plan {
    pub files: Vec<File>,
    pub problems: Vec<Problem>,
}

/// Gives every item its path.
pub(super) fn plan(items: Vec<Picked>, format: Format) -> Plan {
    let mut folders = Folders::default();
    if format == Format::Zip {
        folders.all[0].taken.insert(fold(REPORT));
    }
    let mut placed: Vec<(usize, Picked)> =
        items.into_iter().map(|item| (folders.need(&item.found.folders), item)).collect();
    // What goes into an mbox file comes in one go.
    placed.sort_by_key(|(folder, item)| (*folder, item::is_mime(&item.found)));
    for (folder, item) in &placed {
        folders.make_room(*folder, units(&item::wanted_name(&item.found)).min(SHORTEST));
    }
    let mut problems = Vec::new();
    folders.settle(&mut problems);
    let files = placed
        .into_iter()
        .map(|(folder, item)| match format == Format::Mbox && item::is_mime(&item.found) {
            true => folders.mbox(folder, item, &mut problems),
            false => folders.file(folder, item, &mut problems),
        })
        .collect();
    Plan { files, problems }
}

/// A folder of the export. The first is the target.
struct Folder {
    parent: usize,
    /// Path in the restore point.
    source: String,
    /// Safe name, cut where it has to be.
    name: String,
    is_cut: bool,
    /// Names from the target down, once all are settled.
    names: Arc<[String]>,
    /// Names in it, folded.
    taken: HashSet<String>,
    /// How often a name was wanted.
    wanted: HashMap<String, u32>,
    /// Its mbox file.
    mbox: Option<String>,
}

impl Folder {
    fn new(parent: usize, source: String, name: String) -> Self {
        Self {
            parent,
            source,
            name,
            is_cut: false,
            names: Arc::default(),
            taken: HashSet::from([fold(PART)]),
            wanted: HashMap::new(),
            mbox: None,
        }
    }

    /// A name that nothing in the folder has, of at most `room` units where that can be.
    fn name(&mut self, stem: &str, ending: &str, room: usize) -> String {
        let first = candidate(stem, 1, ending, room);
        let number = self.wanted.entry(fold(&first)).or_default();
        loop {
            *number += 1;
            let name = candidate(stem, *number, ending, room);
            if self.taken.insert(fold(&name)) {
                return name;
            }
        }
    }
}

struct Folders {
    all: Vec<Folder>,
    positions: HashMap<(usize, String), usize>,
}

impl Default for Folders {
    fn default() -> Self {
        let top = Folder::new(0, String::new(), String::new());
        Self { all: vec![top], positions: HashMap::new() }
    }
}

impl Folders {
    /// The position of a folder.
    fn need(&mut self, steps: &[FolderStep]) -> usize {
        let mut position = 0;
        for step in steps {
            let next = self.all.len();
            let key = (position, step.dir.clone());
            let found = *self.positions.entry(key).or_insert(next);
            if found == next {
                let above = &self.all[position].source;
                let source = if position == 0 { String::new() } else { format!("{above}/") };
                let name = component(&step.meta.name, usize::MAX);
                let whole = name.len();
                let name = component(cut(&name, usize::MAX, MAX_NAME_BYTES), MAX_NAME_BYTES);
                let mut folder = Folder::new(position, source + &step.dir, name);
                folder.is_cut = folder.name.len() < whole;
                self.all.push(folder);
            }
            position = found;
        }
        position
    }

    /// The folders from the target down to this one, without the target.
    fn chain(&self, mut position: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        while position != 0 {
            chain.push(position);
            position = self.all[position].parent;
        }
        chain.reverse();
        chain
    }

    /// Cuts the longest names above a file of `length` units until its path fits.
    fn make_room(&mut self, position: usize, length: usize) {
        let chain = self.chain(position);
        loop {
            let above: usize = chain.iter().map(|at| units(&self.all[*at].name) + 1).sum();
            let excess = (above + length).saturating_sub(MAX_PATH);
            let longest = chain.iter().copied().max_by_key(|at| units(&self.all[*at].name));
            let Some(longest) = longest.filter(|_| excess > 0) else { return };
            let folder = &mut self.all[longest];
            let has = units(&folder.name);
            if has <= SHORTEST_FOLDER {
                return;
            }
            let room = has.saturating_sub(excess).max(SHORTEST_FOLDER);
            folder.name = component(cut(&folder.name, room, MAX_NAME_BYTES), MAX_NAME_BYTES);
            folder.is_cut = true;
        }
    }

    /// Makes the names of folders unique, from the target down.
    fn settle(&mut self, problems: &mut Vec<Problem>) {
        for position in 1..self.all.len() {
            let (parent, wanted) = (self.all[position].parent, self.all[position].name.clone());
            let name = self.all[parent].name(&wanted, "", usize::MAX);
            let names: Vec<String> =
                self.all[parent].names.iter().cloned().chain([name.clone()]).collect();
            let folder = &mut self.all[position];
            (folder.name, folder.names) = (name, names.into());
            if folder.is_cut {
                problems.push(shortened(&folder.source, &folder.names.join("/")));
            }
        }
    }

    fn file(&mut self, at: usize, item: Picked, problems: &mut Vec<Problem>) -> File {
        let wanted = component(&item::wanted_name(&item.found), usize::MAX);
        let (stem, ending) = split(&wanted);
        let name = self.all[at].name_of_file(stem, ending);
        let file = self.made(at, item, name, false);
        let source = file.item.found.path();
        if !file.name.starts_with(stem) && !stem.is_empty() {
            problems.push(shortened(&source, &file.path()));
        }
        let long = units(&file.path());
        if long > MAX_PATH {
            let detail = format!("its path in the export has {long} characters");
            problems.push(Problem { path: source.clone(), kind: ProblemKind::LongPath, detail });
        }
        if item::is_json(&file.item.found) {
            let detail = format!("exported as Graph's JSON: {}", file.path());
            problems.push(Problem { path: source, kind: ProblemKind::NoMime, detail });
        }
        file
    }

    /// A message in the mbox file of its folder, which lies beside the folder.
    fn mbox(&mut self, at: usize, item: Picked, problems: &mut Vec<Problem>) -> File {
        let parent = self.all[at].parent;
        if self.all[at].mbox.is_none() {
            let stem = if at == 0 { "messages" } else { self.all[at].name.as_str() }.to_owned();
            let name = self.all[parent].name_of_file(&stem, ".mbox");
            if !name.starts_with(&stem) {
                let shown = path(&self.all[parent].names, &name);
                problems.push(shortened(&self.all[at].source, &shown));
            }
            self.all[at].mbox = Some(name);
        }
        let name = self.all[at].mbox.clone().unwrap_or_default();
        self.made(parent, item, name, true)
    }

    fn made(&self, at: usize, item: Picked, name: String, in_mbox: bool) -> File {
        let date = item::date(&item.found);
        File { item, folders: Arc::clone(&self.all[at].names), name, date, in_mbox }
    }
}

impl Folder {
    fn name_of_file(&mut self, stem: &str, ending: &str) -> String {
        let above: usize = self.names.iter().map(|name| units(name) + 1).sum();
        self.name(stem, ending, MAX_PATH.saturating_sub(above).max(SHORTEST))
    }
}

fn shortened(source: &str, made: &str) -> Problem {
    let detail = format!("its name was too long and is shortened: {made}");
    Problem { path: source.to_owned(), kind: ProblemKind::Shortened, detail }
}

/// The name that the `number`th of several equal ones gets.
fn candidate(stem: &str, number: u32, ending: &str, room: usize) -> String {
    let suffix = if number == 1 { String::new() } else { format!(" ({number})") };
    let frame = suffix.len() + ending.len();
    let stem = cut(stem, room.saturating_sub(frame), MAX_NAME_BYTES.saturating_sub(frame));
    component(&format!("{stem}{suffix}{ending}"), usize::MAX)
}

/// Splits a name before its ending, if it has one.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && (2..=MAX_ENDING).contains(&(name.len() - dot)) => {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

/// The beginning of a text: at most so many UTF-16 units and bytes, not ending in a blank.
fn cut(text: &str, max_units: usize, max_bytes: usize) -> &str {
    let (mut end, mut length) = (0, 0);
    for c in text.chars() {
        length += c.len_utf16();
        if length > max_units || end + c.len_utf8() > max_bytes {
            return text[..end].trim_end();
        }
        end += c.len_utf8();
    }
    text
}

/// Length as Windows counts it.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
