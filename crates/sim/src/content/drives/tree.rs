//! The items of a drive while its steps are made: names that are free, paths that are short
//! enough, times that rise.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::names::{NAME_MAX, PATH_MAX, shortened};
use super::{Action, New, Node, ROOT, Step};

/// What has to be known of an item.
struct Known {
    parent: Node,
    name: String,
    /// Characters of its path, slashes included.
    path: usize,
    /// When it came.
    born: Timestamp,
    /// When something happened to it last.
    last: Timestamp,
    /// The names that its children have or had, in lower case.
    taken: HashSet<String>,
}

/// A drive under construction.
pub(super) struct Tree {
    known: Vec<Known>,
    steps: Vec<Step>,
}

impl Tree {
    /// A drive with nothing in it.
    pub(super) fn new() -> Self {
        let root = Known {
            parent: ROOT,
            name: String::new(),
            path: 0,
            born: Timestamp::MIN,
            last: Timestamp::MIN,
            taken: HashSet::new(),
        };
        Self { known: vec![root], steps: Vec::new() }
    }

    /// The steps in the order of time.
    pub(super) fn finish(mut self) -> Vec<Step> {
        self.steps.sort_by_key(|step| step.at);
        self.steps
    }

    /// The folder of that name, made where it is missing.
    pub(super) fn folder(&mut self, at: Timestamp, parent: Node, name: &str) -> Node {
        let is_same = |known: &Known| known.parent == parent && known.name == name;
        let found = self.known.iter().skip(1).position(is_same);
        found.map_or_else(|| self.add(at, parent, name, New::Folder), |index| index + 1)
    }

    /// A new item; its name gets a number where it is taken, and is cut where it is too long.
    pub(super) fn add(&mut self, at: Timestamp, parent: Node, name: &str, what: New) -> Node {
        let (name, path) = self.take(parent, name);
        let at = at.max(self.known[parent].born);
        let node = self.known.len();
        let taken = HashSet::new();
        self.known.push(Known { parent, name: name.clone(), path, born: at, last: at, taken });
        self.steps.push(Step { at, action: Action::Add { node, parent, name, what } });
        node
    }

    /// Characters that a path can still take below this folder.
    pub(super) fn room(&self, parent: Node) -> usize {
        let slash = usize::from(parent != ROOT);
        PATH_MAX.saturating_sub(self.known[parent].path + slash)
    }

    /// Another content.
    pub(super) fn replace(&mut self, at: Timestamp, node: Node, bytes: Arc<[u8]>) {
        self.happen(at, node, Action::Replace { node, bytes });
    }

    /// Another name, for an item with nothing below.
    pub(super) fn rename(&mut self, at: Timestamp, node: Node, name: &str) {
        let (name, path) = self.take(self.known[node].parent, name);
        self.known[node].name.clone_from(&name);
        self.known[node].path = path;
        self.happen(at, node, Action::Rename { node, name });
    }

    /// Another folder, if the name is free and what is below gets no longer path.
    pub(super) fn shift(&mut self, at: Timestamp, node: Node, parent: Node) {
        let name = self.known[node].name.clone();
        let slash = usize::from(parent != ROOT);
        let path = self.known[parent].path + slash + name.chars().count();
        let folded = name.to_lowercase();
        if path > self.known[node].path || self.known[parent].taken.contains(&folded) {
            return;
        }
        self.known[parent].taken.insert(folded);
        self.known[node].parent = parent;
        let at = at.max(self.known[parent].born);
        self.happen(at, node, Action::Move { node, parent });
    }

    /// Anything else that happens to an item.
    pub(super) fn happen(&mut self, at: Timestamp, node: Node, action: Action) {
        let last = &mut self.known[node].last;
        *last = at.max(*last);
        let at = *last;
        self.steps.push(Step { at, action });
    }

    /// The name of an item.
    pub(super) fn name(&self, node: Node) -> &str {
        &self.known[node].name
    }

    /// Takes a name in a folder; gives it with the length of the path.
    fn take(&mut self, parent: Node, name: &str) -> (String, usize) {
        let room = self.room(parent).min(NAME_MAX);
        let mut free = shortened(name, room, "");
        let mut number = 2;
        while !self.known[parent].taken.insert(free.to_lowercase()) {
            free = shortened(name, room, &format!(" ({number})"));
            number += 1;
        }
        let slash = usize::from(parent != ROOT);
        let path = self.known[parent].path + slash + free.chars().count();
        (free, path)
    }
}
