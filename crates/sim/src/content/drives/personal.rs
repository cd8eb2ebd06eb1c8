//! A person's OneDrive.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::author::Author;
use super::names::ODD;
use super::{New, Node, Place, ROOT, SeedDrive};

/// Every so manieth file is odd.
const ODD_EVERY: usize = 5;

/// Every so manieth file lies in other drives too.
const COMMON_EVERY: usize = 12;

const PROJECTS: [&str; 8] = [
    "Project Aurora",
    "Q1-Q2 planning",
    "Kunden & Lieferanten",
    "Straße 7",
    "会議",
    "مشاريع",
    "🚀 Launch",
    "Angebote 2026",
];

/// The folders that a drive has from the beginning.
struct Base {
    documents: Node,
    projects: Node,
    archive: Node,
    pictures: Node,
    desktop: Node,
}

/// The OneDrive of a person with `count` files.
pub(super) fn drive(user: usize, mut author: Author, count: usize, sites: usize) -> SeedDrive {
    let base = base(user, &mut author, sites);
    for index in 0..count {
        let progress = index as f64 / count as f64;
        let number = user * count + index;
        let place = place(&mut author, &base, progress);
        if number % ODD_EVERY == ODD_EVERY - 1 {
            let odd = ODD[number / ODD_EVERY % ODD.len()];
            // Nothing more happens to it: it is to stay odd.
            author.odd(progress, base.documents, user, odd);
            continue;
        }
        let node = match index % COMMON_EVERY {
            0 => author.common(progress, base.documents),
            _ => author.usual(progress, place, user),
        };
        match index {
            1..=4 => first(&mut author, node, index, user),
            _ => author.afterlife(node, progress, base.archive, user),
        }
    }
    close_a_project(&mut author, &base);
    let place = Place::OneDrive { user };
    SeedDrive { place, columns: Vec::new(), steps: author.tree.finish() }
}

fn base(user: usize, author: &mut Author, sites: usize) -> Base {
    let folders = author.folders(&["Documents", "Pictures", "Desktop", "Attachments", "Notebooks"]);
    let [documents, pictures, desktop, _, notebooks] = folders[..] else {
        unreachable!("as many as were named")
    };
    let at = author.at(0.0);
    let projects = author.tree.folder(at, documents, "Projects");
    let archive = author.tree.folder(at, documents, "Archive");
    author.tree.folder(at, projects, "Neuer Ordner");
    let notebook = format!("{} @ Contoso", author.people[user].display_name);
    author.tree.add(at, notebooks, &notebook, New::Notebook);
    if sites > 0 && user.is_multiple_of(2) {
        author.tree.add(at, ROOT, "General - Team", New::Shortcut { site: user / 2 % sites });
    }
    Base { documents, projects, archive, pictures, desktop }
}

/// Where the next file goes.
fn place(author: &mut Author, base: &Base, progress: f64) -> Node {
    let at = author.at(progress);
    match author.rng.random_range(0..100) {
        0..50 => {
            let name = PROJECTS.choose(&mut author.rng).expect("there are projects");
            let project = author.tree.folder(at, base.projects, name);
            match author.rng.random_range(0..4) {
                0 => author.tree.folder(at, project, "Entwürfe"),
                1 => author.tree.folder(at, project, "Meetings"),
                _ => project,
            }
        }
        50..70 => base.documents,
        70..85 => {
            let year = at.strftime("%Y").to_string();
            author.tree.folder(at, base.pictures, &year)
        }
        85..95 => base.desktop,
        _ => ROOT,
    }
}

/// What every drive has at least once, in turns.
fn first(author: &mut Author, node: Node, index: usize, user: usize) {
    let at = author.at(0.5);
    match (index, user) {
        (1, _) => author.link(at, node, "organization"),
        (2, user) if user.is_multiple_of(3) => author.link(at, node, "anonymous"),
        (3, _) => author.share(at, node, user),
        (4, user) if user % 4 == 1 => author.label(at, node),
        _ => {}
    }
}

/// Moves the folder of a project into the archive with all that is in it.
fn close_a_project(author: &mut Author, base: &Base) {
    if author.rng.random_bool(0.5) {
        let at = author.at(0.0);
        let name = PROJECTS.choose(&mut author.rng).expect("there are projects");
        let project = author.tree.folder(at, base.projects, name);
        let at = author.at(1.0);
        author.tree.shift(at, project, base.archive);
    }
}
