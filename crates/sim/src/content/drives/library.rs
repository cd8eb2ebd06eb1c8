//! Team sites and their document libraries.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::author::Author;
use super::{Action, GENERAL, Node, Place, SeedDrive, SeedSite};

/// The library that every site has.
pub const DEFAULT: &str = "Documents";

/// Every so manieth site has a second library.
const SECOND_EVERY: usize = 3;

const SITES: [(&str, &str); 8] = [
    ("ProjectAurora", "Project Aurora"),
    ("Vertrieb", "Vertrieb & Größere Kunden"),
    ("Qualite", "Qualité et sécurité"),
    ("HR", "Human Resources"),
    ("Kaihatsu", "開発部"),
    ("Finance", "Finance"),
    ("IT-Operations", "IT Operations 🔧"),
    ("Jakosc", "Jakość"),
];

/// The folders of "Documents".
const FOLDERS: [&str; 6] =
    [GENERAL, "Planning", "Meetings", "Kunden & Lieferanten", "Zeichnungen", "Archive"];

/// The custom columns of contracts.
const COLUMNS: [&str; 5] = ["Customer", "Amount", "DueDate", "Approved", "Status"];

const CUSTOMERS: [&str; 5] = [
    "Fabrikam",
    "Müller & Söhne",
    "Société Générale d'Étanchéité",
    "東洋精機",
    "\"A. Datum\" <Ltd>",
];

const STATES: [&str; 3] = ["Draft", "Signed", "Läuft aus"];

/// The site of this number.
pub(super) fn site(number: usize) -> SeedSite {
    let (name, display_name) = SITES[number % SITES.len()];
    let (name, display_name) = match number / SITES.len() {
        0 => (name.to_owned(), display_name.to_owned()),
        round => (format!("{name}{}", round + 1), format!("{display_name} {}", round + 1)),
    };
    let second = number.is_multiple_of(SECOND_EVERY).then(|| "Contracts".to_owned());
    SeedSite { name, display_name, libraries: second.into_iter().collect() }
}

/// A site's first library with `count` files.
pub(super) fn documents(place: Place, mut author: Author, count: usize) -> SeedDrive {
    let folders = author.folders(&FOLDERS);
    let archive = folders[FOLDERS.len() - 1];
    for index in 0..count {
        let progress = index as f64 / count as f64;
        let folder = folders[author.rng.random_range(0..folders.len())];
        let person = author.rng.random_range(0..author.people.len());
        let node = match author.rng.random_range(0..12) {
            0 => author.common(progress, folder),
            1..4 => {
                let at = author.at(progress);
                let month = at.strftime("%Y-%m").to_string();
                let below = author.tree.folder(at, folder, &month);
                author.usual(progress, below, person)
            }
            _ => author.usual(progress, folder, person),
        };
        author.afterlife(node, progress, archive, person);
    }
    SeedDrive { place, columns: Vec::new(), steps: author.tree.finish() }
}

/// A library with custom columns and `count` files, all of them with values.
pub(super) fn contracts(place: Place, mut author: Author, count: usize) -> SeedDrive {
    let folders = author.folders(&["Running", "Ended"]);
    for index in 0..count {
        let progress = index as f64 / count as f64;
        let person = author.rng.random_range(0..author.people.len());
        let ending = if author.rng.random_bool(0.5) { "docx" } else { "pdf" };
        let customer = CUSTOMERS.choose(&mut author.rng).expect("there are customers");
        let number = author.rng.random_range(1000..9999);
        let name = super::names::clean(&format!("{number} {customer}.{ending}"));
        let node = author.file(progress, folders[index % folders.len()], person, &name);
        columns(&mut author, node, customer, progress);
        author.afterlife(node, progress, folders[1], person);
    }
    let columns = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    SeedDrive { place, columns, steps: author.tree.finish() }
}

fn columns(author: &mut Author, node: Node, customer: &str, progress: f64) {
    let due = author.at(progress).strftime("%Y-%m-%dT00:00:00Z").to_string();
    let values: [Value; COLUMNS.len()] = [
        json!(customer),
        json!(f64::from(author.rng.random_range(10_000..9_000_000)) / 100.0),
        json!(due),
        json!(author.rng.random_bool(0.5)),
        json!(STATES.choose(&mut author.rng)),
    ];
    let mut fields: BTreeMap<String, Value> =
        COLUMNS.iter().map(|name| (*name).to_owned()).zip(values).collect();
    if author.rng.random_bool(0.2) {
        fields.remove("DueDate");
    }
    let at = author.at(progress);
    author.tree.happen(at, node, Action::Fields { node, fields });
}
