//! The generated drives: kept by a model that knows the rules of names and paths.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use holdfast_sim::content::drives::{
    Action, New, Node, Place, ROOT, SeedDrive, corpus_drives, drives, places, sites,
};
use holdfast_sim::content::{Person, company};
use jiff::Timestamp;

/// An item as its steps have left it.
pub struct Item {
    pub parent: Node,
    pub name: String,
    pub what: New,
    pub contents: Vec<Arc<[u8]>>,
}

/// A drive as its steps have left it.
#[derive(Default)]
pub struct Drive {
    pub items: HashMap<Node, Item>,
    pub shared: Vec<(Node, usize, &'static str)>,
    pub links: Vec<&'static str>,
    pub labels: usize,
    pub moved: usize,
    pub renamed: usize,
    pub fields: HashMap<Node, BTreeMap<String, serde_json::Value>>,
}

impl Drive {
    /// Carries out the steps, each of which must be allowed at its time.
    pub fn of(seed: &SeedDrive) -> Self {
        let mut drive = Self::default();
        let mut last = Timestamp::MIN;
        for step in &seed.steps {
            assert!(step.at >= last);
            last = step.at;
            drive.step(&step.action);
        }
        drive
    }

    fn step(&mut self, action: &Action) {
        match action.clone() {
            Action::Add { node, parent, name, what } => {
                self.check_free(parent, &name);
                let contents = match &what {
                    New::File(bytes) => vec![Arc::clone(bytes)],
                    _ => Vec::new(),
                };
                let known = self.items.insert(node, Item { parent, name, what, contents });
                assert!(known.is_none());
            }
            Action::Replace { node, bytes } => self.item(node).contents.push(bytes),
            Action::Rename { node, name } => {
                self.check_free(self.items[&node].parent, &name);
                self.item(node).name = name;
                self.renamed += 1;
            }
            Action::Move { node, parent } => {
                self.check_free(parent, &self.items[&node].name);
                self.item(node).parent = parent;
                self.moved += 1;
            }
            Action::Share { node, user, role } => self.shared.push((node, user, role)),
            Action::Link { node, scope, .. } => {
                assert!(self.items.contains_key(&node));
                self.links.push(scope);
            }
            Action::Fields { node, fields } => drop(self.fields.insert(node, fields)),
            Action::Label { .. } => self.labels += 1,
        }
        assert!(self.items.keys().all(|node| self.path(*node).chars().count() <= 400));
    }

    fn item(&mut self, node: Node) -> &mut Item {
        self.items.get_mut(&node).expect("the item has been added")
    }

    fn check_free(&self, parent: Node, name: &str) {
        assert!(parent == ROOT || !matches!(self.items[&parent].what, New::File(_)));
        let same =
            |item: &&Item| item.parent == parent && item.name.to_lowercase() == name.to_lowercase();
        assert!(self.items.values().find(same).is_none(), "{name} twice");
        let refused = ['"', '*', ':', '<', '>', '?', '/', '\\', '|'];
        assert!(!name.contains(refused) && !name.contains(char::is_control), "{name:?}");
        assert!((1..=255).contains(&name.chars().count()), "{name}");
        assert!(!name.starts_with(' ') && !name.ends_with([' ', '.']), "{name:?}");
    }

    pub fn path(&self, node: Node) -> String {
        let item = &self.items[&node];
        match item.parent {
            ROOT => item.name.clone(),
            parent => format!("{}/{}", self.path(parent), item.name),
        }
    }

    fn files(&self) -> impl Iterator<Item = &Item> {
        self.items.values().filter(|item| matches!(item.what, New::File(_)))
    }
}

/// Drives of ten people with twelve files each and four sites.
fn whole_company() -> (Vec<Person>, Vec<SeedDrive>) {
    let people = company(10, 7);
    let drives = drives(&people, 7, 12, 4).collect();
    (people, drives)
}

#[test]
fn every_step_is_allowed_and_every_drive_has_its_files() {
    let (people, seeds) = whole_company();
    let found: Vec<_> = seeds.iter().map(|seed| seed.place.clone()).collect();
    assert_eq!(found, places(people.len(), 4));
    assert_eq!(found.len(), 4 + 2 + 10);
    for seed in &seeds {
        let drive = Drive::of(seed);
        let expected = match &seed.place {
            Place::Library { name, .. } if name == "Documents" => 24,
            _ => 12,
        };
        assert_eq!(drive.files().count(), expected, "{:?}", seed.place);
    }
    assert_eq!(drives(&[], 7, 12, 4).count(), 0);
    let empty: Vec<_> = drives(&people, 7, 0, 1).collect();
    assert!(empty.iter().all(|seed| Drive::of(seed).files().count() == 0));
}

#[test]
fn the_same_seed_gives_the_same_and_a_larger_company_changes_no_drive() {
    let people = company(5, 7);
    let make = |people: &[Person], seed, sites| drives(people, seed, 4, sites).collect::<Vec<_>>();
    let first = make(&people, 7, 2);
    assert!(first == make(&people, 7, 2));
    let other = make(&people, 8, 2);
    assert!(first.iter().zip(&other).all(|(one, other)| one.steps != other.steps));
    let fewer_sites = make(&people, 7, 1);
    let one = |seeds: &[SeedDrive], place: &Place| {
        seeds.iter().find(|seed| seed.place == *place).unwrap().steps.clone()
    };
    // A person with an odd number has no shortcut to a site.
    for place in [Place::OneDrive { user: 3 }, Place::Library { site: 0, name: "Documents".into() }]
    {
        assert!(one(&first, &place) == one(&fewer_sites, &place));
    }
}

#[test]
fn a_company_has_drives_of_every_kind() {
    let (_, seeds) = whole_company();
    let drives: Vec<Drive> = seeds.iter().map(Drive::of).collect();
    let names: BTreeSet<_> =
        drives.iter().flat_map(|drive| drive.files().map(|file| file.name.as_str())).collect();
    for name in ["con.txt", "COM10.txt", "M\u{fc}ller.docx", "Mu\u{308}ller.docx", "a~$b.docx"] {
        assert!(names.contains(name), "{name}");
    }
    assert!(names.iter().any(|name| name.chars().count() == 255));
    assert!(names.iter().any(|name| name.contains('🚀')));
    for ending in ["docx", "xlsx", "pptx", "pdf", "png", "txt", "csv"] {
        let count = names.iter().filter(|name| name.ends_with(ending)).count();
        assert!(count > 2, "{ending}: {count}");
    }
    let longest = drives
        .iter()
        .flat_map(|drive| drive.items.keys().map(|node| drive.path(*node).chars().count()));
    assert_eq!(longest.max(), Some(400));
    let sum = |count: fn(&Drive) -> usize| drives.iter().map(count).sum::<usize>();
    let notebook =
        |drive: &Drive| drive.items.values().filter(|item| item.what == New::Notebook).count();
    assert_eq!(sum(notebook), 10);
    assert!(sum(|drive| drive.files().filter(|file| file.contents[0].is_empty()).count()) > 0);
    assert!(sum(|drive| drive.files().filter(|file| file.contents.len() > 2).count()) > 15);
    assert!(sum(|drive| drive.shared.len()) > 10);
    assert!(sum(|drive| drive.links.iter().filter(|scope| **scope == "anonymous").count()) > 3);
    assert!(sum(|drive| drive.links.iter().filter(|scope| **scope == "organization").count()) > 9);
    assert!(sum(|drive| drive.labels) > 3 && sum(|drive| drive.moved) > 5);
    assert!(sum(|drive| drive.renamed) > 5);
    let folders: HashSet<_> = drives[6].items.values().map(|item| item.parent).collect();
    let is_empty =
        |(node, item): (&Node, &Item)| item.what == New::Folder && !folders.contains(node);
    assert!(drives[6].items.iter().any(is_empty), "no empty folder");
}

#[test]
fn some_files_lie_in_many_drives_and_versions_differ() {
    let seeds: Vec<_> = drives(&company(6, 7), 7, 12, 1).collect();
    let mut places = HashMap::<Arc<[u8]>, HashSet<usize>>::new();
    for (number, seed) in seeds.iter().enumerate() {
        let drive = Drive::of(seed);
        for file in drive.files() {
            places.entry(Arc::clone(&file.contents[0])).or_default().insert(number);
            for pair in file.contents.windows(2) {
                assert_ne!(pair[0], pair[1], "{} was saved without a change", file.name);
            }
        }
    }
    let spread = places.iter().filter(|(bytes, at)| !bytes.is_empty() && at.len() > 1).count();
    assert!(spread >= 2, "{spread}");
}

#[test]
fn contracts_have_values_in_their_columns() {
    let seeds: Vec<_> = drives(&company(2, 7), 7, 12, 4).collect();
    let contracts: Vec<_> = seeds.iter().filter(|seed| !seed.columns.is_empty()).collect();
    assert_eq!(contracts.len(), 2);
    for seed in contracts {
        let drive = Drive::of(seed);
        assert_eq!(drive.fields.len(), 12);
        for fields in drive.fields.values() {
            assert!(fields.keys().all(|name| seed.columns.contains(name)));
            assert!(fields["Customer"].is_string() && fields["Amount"].is_f64());
            assert!(fields["Approved"].is_boolean());
        }
    }
    let names: HashSet<_> = sites(30).into_iter().map(|site| site.name).collect();
    assert_eq!(names.len(), 30);
}

#[test]
fn documents_of_a_folder_are_spread_with_their_folders() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("docs/2024/a:b.docx", b"one");
    write("docs/2024/A_b.docx", b"two");
    write("top.txt", b"three");
    write("mail/x.eml", b"no document");
    write(&format!("{}/{}/{}.txt", "d".repeat(200), "e".repeat(200), "f".repeat(100)), b"four");
    let seeds: Vec<_> = corpus_drives(dir.path(), places(1, 0), 1).unwrap().collect();
    assert_eq!(seeds.len(), 1);
    let drive = Drive::of(&seeds[0]);
    let mut found = BTreeMap::new();
    for (node, item) in &drive.items {
        if let Some(bytes) = item.contents.first() {
            found.insert(drive.path(*node), String::from_utf8(bytes.to_vec()).unwrap());
        }
    }
    let expected = [
        ("docs/2024/A_b.docx".to_owned(), "two"),
        ("docs/2024/a_b (2).docx".to_owned(), "one"),
        ("top.txt".to_owned(), "three"),
        (format!("{}/{}.txt", "d".repeat(200), "f".repeat(100)), "four"),
    ];
    let expected = expected.into_iter().map(|(path, text)| (path, text.to_owned())).collect();
    assert_eq!(found, expected);
    let many: Vec<_> = corpus_drives(dir.path(), places(3, 2), 1).unwrap().collect();
    let count = |seed: &SeedDrive| Drive::of(seed).files().count();
    assert_eq!(many.iter().map(count).sum::<usize>(), 4);
    assert!(corpus_drives(std::path::Path::new("/no/such"), places(1, 0), 1).is_err());
}
