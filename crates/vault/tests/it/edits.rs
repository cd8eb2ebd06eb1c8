//! Random sequences of edits against a plain map.

use std::collections::BTreeMap;

use holdfast_vault::{Content, Cut, Edit, Fanout, Node, NodeKind, Reader, TreeId, Writer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;

use super::*;

/// Three levels by the first three letters; small limits, so that short sequences split and merge.
const FANOUT: Fanout = Fanout { levels, always: 1, split_above: 5, merge_below: 3 };

fn levels(name: &str) -> Vec<String> {
    (1..=3).map(|n| name[..n].to_owned()).collect()
}

/// Folder → item → version.
type Model = BTreeMap<String, BTreeMap<String, u8>>;

#[derive(Clone, Debug)]
enum Op {
    Put {
        folder: String,
        name: String,
        version: u8,
    },
    Remove {
        folder: String,
        name: String,
    },
    /// Adds an item and takes it away again: no trace may stay.
    Visit {
        folder: String,
        name: String,
    },
    RenameFolder {
        from: String,
        to: String,
    },
    RemoveFolder {
        folder: String,
    },
    Save,
    Flush,
}

fn folder() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("Inbox"), 1 => Just("Inbox/Sub"), 1 => Just("Other")]
        .prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    "[ab][ab][ab][0-4]"
}

/// Operations of which so many of each kind put and remove items.
fn op(puts: u32, removals: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        puts => (folder(), name(), 0..8_u8)
            .prop_map(|(folder, name, version)| Op::Put { folder, name, version }),
        removals => (folder(), name()).prop_map(|(folder, name)| Op::Remove { folder, name }),
        2 => (folder(), name()).prop_map(|(folder, name)| Op::Visit { folder, name }),
        1 => (folder(), folder()).prop_map(|(from, to)| Op::RenameFolder { from, to }),
        1 => folder().prop_map(|folder| Op::RemoveFolder { folder }),
        2 => Just(Op::Save),
        1 => Just(Op::Flush),
    ]
}

/// A time of growth and one of shrinking, so that directories split and merge.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let growth = prop::collection::vec(op(30, 4), 0..60);
    let decline = prop::collection::vec(op(2, 30), 0..80);
    (growth, decline).prop_map(|(growth, decline)| [growth, decline].concat())
}

/// A change of one item; a list of them holds each item once, so that order cannot matter.
fn changes(puts: u32, removals: u32) -> impl Strategy<Value = Vec<Op>> {
    let version = prop_oneof![puts => (0..8_u8).prop_map(Some), removals => Just(None)];
    let change = (folder(), name(), version);
    prop::collection::vec(change, 0..40).prop_map(|changes| {
        let unique: BTreeMap<(String, String), Option<u8>> =
            changes.into_iter().map(|(folder, name, version)| ((folder, name), version)).collect();
        let op = |((folder, name), version): ((String, String), Option<u8>)| match version {
            Some(version) => Op::Put { folder, name, version },
            None => Op::Remove { folder, name },
        };
        unique.into_iter().map(op).collect()
    })
}

struct Bench {
    writer: Writer,
    contents: Vec<Content>,
}

impl Bench {
    fn new(fixture: &Fixture) -> Self {
        let writer = fixture.shard().writer().unwrap();
        let contents = (0..9_u8).map(|v| writer.put(&[v; 9], Cut::Whole).unwrap()).collect();
        Self { writer, contents }
    }

    fn item(&self, name: &str, version: u8) -> Node {
        let node = file(name, self.contents[usize::from(version)].clone());
        node.with_meta(format!("{{\"v\":{version}}}"))
    }

    /// A tree with the three folders.
    fn empty(&self) -> TreeId {
        let mut edit = self.writer.edit(None, FANOUT);
        for folder in ["Inbox", "Inbox/Sub", "Other"] {
            self.make_folder(&mut edit, folder);
        }
        edit.save().unwrap()
    }

    fn make_folder(&self, edit: &mut Edit<'_>, folder: &str) {
        let path: Vec<&str> = folder.split('/').collect();
        let (name, parent) = path.split_last().unwrap();
        edit.put(parent, Node::dir(*name, time(1)).with_meta("{\"folder\":1}")).unwrap();
    }

    fn apply(&self, edit: &mut Edit<'_>, model: &mut Model, op: &Op) {
        match op {
            Op::Put { folder, name, version } => {
                let path: Vec<&str> = folder.split('/').collect();
                edit.put_item(&path, self.item(name, *version)).unwrap();
                for depth in 1..=path.len() {
                    if edit.get(&path[..depth]).unwrap().unwrap().meta.is_none() {
                        self.make_folder(edit, &path[..depth].join("/"));
                    }
                }
                model.entry(folder.clone()).or_default().insert(name.clone(), *version);
            }
            Op::Remove { folder, name } => {
                let path: Vec<&str> = folder.split('/').collect();
                let removed = edit.remove_item(&path, name).unwrap();
                let expected = model.entry(folder.clone()).or_default().remove(name);
                assert_eq!(removed, expected.map(|version| self.item(name, version)));
            }
            Op::Visit { folder, name } => {
                let path: Vec<&str> = folder.split('/').collect();
                let is_known = model.get(folder).is_some_and(|items| items.contains_key(name));
                if !is_known && edit.get(&path).unwrap().is_some() {
                    assert_eq!(edit.get_item(&path, name).unwrap(), None);
                    edit.put_item(&path, self.item(name, 8)).unwrap();
                    assert_eq!(edit.get_item(&path, name).unwrap(), Some(self.item(name, 8)));
                    edit.remove_item(&path, name).unwrap().unwrap();
                }
            }
            Op::RenameFolder { from, to } => rename(edit, model, from, to),
            Op::RemoveFolder { folder } => {
                edit.remove(&folder.split('/').collect::<Vec<_>>()).unwrap();
                model.retain(|known, _| !is_at_or_below(known, folder));
            }
            Op::Save => {
                let tree = edit.save().unwrap();
                assert_matches(&self.writer.reader(), tree, model);
            }
            Op::Flush => edit.flush().unwrap(),
        }
    }

    fn apply_all(&self, root: TreeId, ops: &[Op]) -> (TreeId, Model) {
        let mut model = model_of(&self.writer.reader(), root);
        let mut edit = self.writer.edit(Some(root), FANOUT);
        for op in ops {
            self.apply(&mut edit, &mut model, op);
        }
        (edit.save().unwrap(), model)
    }
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Moves a folder onto a free name; the node that `remove` gives brings all its children.
fn rename(edit: &mut Edit<'_>, model: &mut Model, from: &str, to: &str) {
    let (from_path, to_path): (Vec<&str>, Vec<&str>) =
        (from.split('/').collect(), to.split('/').collect());
    let (name, parent) = to_path.split_last().unwrap();
    let parent_exists = parent.is_empty() || edit.get(parent).unwrap().is_some();
    if is_at_or_below(to, from) || !parent_exists || edit.get(&to_path).unwrap().is_some() {
        return;
    }
    let Some(mut node) = edit.remove(&from_path).unwrap() else { return };
    assert!(matches!(node.kind, NodeKind::Dir { tree: Some(_) }));
    node.name = (*name).to_owned();
    edit.put(parent, node).unwrap();
    let moved: Vec<String> = model.keys().filter(|k| is_at_or_below(k, from)).cloned().collect();
    for old in moved {
        let items = model.remove(&old).unwrap();
        model.insert(format!("{to}{}", &old[from.len()..]), items);
    }
}

/// What a tree holds, as a model; asserts the rules of the arrangement on the way.
fn model_of(reader: &Reader, root: TreeId) -> Model {
    fn folder(reader: &Reader, tree: TreeId, path: &str, model: &mut Model) {
        for node in reader.list(tree).unwrap() {
            let Some(child) = node.tree() else { panic!("a file outside of the levels") };
            match node.meta {
                Some(_) => {
                    let below =
                        if path.is_empty() { node.name } else { format!("{path}/{}", node.name) };
                    model.entry(below.clone()).or_default();
                    folder(reader, child, &below, model);
                }
                None => {
                    hidden(reader, child, path, &[node.name], model);
                }
            }
        }
    }
    fn hidden(r: &Reader, tree: TreeId, path: &str, above: &[String], model: &mut Model) -> usize {
        let nodes = r.list(tree).unwrap();
        assert!(!nodes.is_empty(), "an empty hidden directory");
        let is_split = nodes.iter().any(Node::is_dir);
        let mut files = 0;
        for node in nodes {
            assert!(node.is_dir() == is_split, "files beside hidden directories");
            match &node.kind {
                NodeKind::Dir { tree } => {
                    let below = [above, &[node.name]].concat();
                    files += hidden(r, tree.unwrap(), path, &below, model);
                }
                NodeKind::File { .. } => {
                    assert_eq!(levels(&node.name)[..above.len()], *above);
                    let version = r.bytes(&node).unwrap()[0];
                    assert_eq!(node.meta.unwrap(), format!("{{\"v\":{version}}}"));
                    let items = model.entry(path.to_owned()).or_default();
                    assert_eq!(items.insert(node.name, version), None);
                    files += 1;
                }
            }
        }
        assert!(!is_split || files >= FANOUT.merge_below, "{files} files in a split directory");
        assert!(is_split || files <= FANOUT.split_above || above.len() == 3, "{files} unsplit");
        files
    }
    let mut model = Model::new();
    folder(reader, root, "", &mut model);
    model
}

fn assert_matches(reader: &Reader, tree: TreeId, model: &Model) {
    let without_empty = |model: &Model| -> Model {
        model.iter().filter(|(_, i)| !i.is_empty()).map(|(f, i)| (f.clone(), i.clone())).collect()
    };
    assert_eq!(without_empty(&model_of(reader, tree)), without_empty(model));
    for (folder, items) in model {
        let path: Vec<&str> = folder.split('/').collect();
        for (name, version) in items {
            let node = reader.item(tree, &path, name, &FANOUT).unwrap().unwrap();
            assert_eq!(reader.bytes(&node).unwrap(), [*version; 9]);
        }
        assert_eq!(reader.item(tree, &path, "aaaX", &FANOUT).unwrap(), None);
    }
}

fn config() -> ProptestConfig {
    let seed = proptest::test_runner::RngSeed::Fixed(20);
    ProptestConfig { cases: 200, rng_seed: seed, failure_persistence: None, ..Default::default() }
}

#[test]
fn edits_do_what_a_map_does() {
    let fixture = Fixture::new();
    let bench = Bench::new(&fixture);
    let empty = bench.empty();
    proptest!(config(), |(ops in ops())| {
        let (tree, model) = bench.apply_all(empty, &ops);
        assert_matches(&bench.writer.reader(), tree, &model);
    });
}

#[test]
fn the_order_of_changes_does_not_matter() {
    let fixture = Fixture::new();
    let bench = Bench::new(&fixture);
    let empty = bench.empty();
    let visits = prop::collection::vec((folder(), name()), 0..4);
    proptest!(config(), |(first in changes(9, 1), second in changes(1, 3), visits in visits, seed: u64)| {
        let (root, _) = bench.apply_all(empty, &first);
        let (expected, model) = bench.apply_all(root, &second);
        let mut shuffled = second;
        shuffled.extend(visits.into_iter().filter(|(folder, name)| {
            !model.get(folder).is_some_and(|items| items.contains_key(name))
        }).map(|(folder, name)| Op::Visit { folder, name }));
        // A visit of an item that is removed in this round could come before its removal.
        let removed: Vec<String> = shuffled.iter().filter_map(|op| match op {
            Op::Remove { folder, name } => Some(format!("{folder} {name}")),
            _ => None,
        }).collect();
        shuffled.retain(|op| match op {
            Op::Visit { folder, name } => !removed.contains(&format!("{folder} {name}")),
            _ => true,
        });
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (tree, _) = bench.apply_all(root, &shuffled);
        prop_assert_eq!(tree, expected);
    });
}

#[test]
fn what_is_not_touched_keeps_its_tree_and_is_not_written() {
    let fixture = Fixture::new();
    let bench = Bench::new(&fixture);
    let mut edit = bench.writer.edit(Some(bench.empty()), FANOUT);
    for folder in ["Inbox", "Other"] {
        for n in 0..60 {
            let name = format!("{}{}{}{n}", ["a", "b"][n % 2], ["a", "b"][n / 2 % 2], "a");
            edit.put_item(&[folder], bench.item(&name, 1)).unwrap();
        }
    }
    let root = edit.save().unwrap();
    let reader = bench.writer.reader();
    let tree = |root, path: &[&str]| reader.node(root, path).unwrap().unwrap().tree().unwrap();
    let before = bench.writer.stats().trees_new;
    let mut edit = bench.writer.edit(Some(root), FANOUT);
    edit.put_item(&["Inbox"], bench.item("aaa0", 2)).unwrap();
    let changed = edit.save().unwrap();
    assert_ne!(changed, root);
    assert_eq!(tree(changed, &["Other"]), tree(root, &["Other"]));
    assert_eq!(tree(changed, &["Inbox", "b"]), tree(root, &["Inbox", "b"]));
    assert_ne!(tree(changed, &["Inbox", "a"]), tree(root, &["Inbox", "a"]));
    // Root, Inbox, and the three levels down to the leaf.
    assert_eq!(bench.writer.stats().trees_new - before, 5);

    edit.put_item(&["Inbox"], bench.item("aaa0", 1)).unwrap();
    assert_eq!(edit.save().unwrap(), root, "the old content has the old trees");
    let mut idle = bench.writer.edit(Some(root), FANOUT);
    idle.get_item(&["Inbox"], "aaa0").unwrap().unwrap();
    idle.remove_item(&["Inbox"], "nothing").unwrap();
    assert_eq!(idle.save().unwrap(), root);
    assert_eq!(bench.writer.stats().trees_new - before, 5);
}

#[test]
fn directories_keep_their_children_under_new_metadata_and_places() {
    let fixture = Fixture::new();
    let bench = Bench::new(&fixture);
    let mut edit = bench.writer.edit(Some(bench.empty()), FANOUT);
    edit.put_item(&["Inbox", "Sub"], bench.item("aab1", 3)).unwrap();
    assert_eq!(edit.get(&["Inbox"]).unwrap().unwrap().tree(), None, "has unsaved changes");
    edit.put(&[], Node::dir("Inbox", time(9)).with_meta("{\"new\":1}")).unwrap();
    let moved = edit.remove(&["Inbox"]).unwrap().unwrap();
    assert_eq!((moved.mtime, moved.meta.as_deref()), (time(9), Some("{\"new\":1}")));
    edit.put(&["Other"], Node { name: "Moved".to_owned(), ..moved }).unwrap();
    let root = edit.save().unwrap();
    let reader = bench.writer.reader();
    let found = reader.item(root, &["Other", "Moved", "Sub"], "aab1", &FANOUT).unwrap();
    assert_eq!(found, Some(bench.item("aab1", 3)));
    assert_eq!(reader.node(root, &["Inbox"]).unwrap(), None);
    assert_eq!(edit.remove(&["nothing", "here"]).unwrap(), None);
    assert!(edit.remove(&[]).is_err());
}

#[test]
fn a_folder_with_the_name_of_a_level_is_refused_and_kept() {
    let fixture = Fixture::new();
    let bench = Bench::new(&fixture);
    let mut edit = bench.writer.edit(Some(bench.empty()), FANOUT);
    edit.put(&["Inbox"], Node::dir("a", time(1)).with_meta("{}")).unwrap();
    assert!(edit.put_item(&["Inbox"], bench.item("aaa1", 1)).is_err());
    let root = edit.save().unwrap();
    let folder = bench.writer.reader().node(root, &["Inbox", "a"]).unwrap().unwrap();
    assert_eq!(folder.meta.as_deref(), Some("{}"));
}
