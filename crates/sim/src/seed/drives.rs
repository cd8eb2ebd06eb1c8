//! The drives that a tenant is born with: from the generator, or from a folder of files.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::SimConfig;
use crate::content::Person;
use crate::content::drives::{self, Action, GENERAL, New, Node, Place, SeedDrive, Step};
use crate::error::SimError;
use crate::state::drive::{Dates, DriveOp, FileBytes, Grant, Kind, ROOT};
use crate::state::{Op, Outcome, State};

/// The numbers of drives in the state.
type Numbers = HashMap<Place, usize>;

/// Makes sites and OneDrives, and fills them unless the tenant is to be empty.
///
/// A folder of files takes the place of the generator if it has files that are no mail.
pub fn sow(
    state: &mut State,
    people: &[Person],
    config: &SimConfig,
    born: Timestamp,
) -> Result<(), SimError> {
    let owners = if config.files_per_user > 0 { people.len() } else { 0 };
    let numbers = make(state, owners, config.sites, born);
    if config.empty {
        return Ok(());
    }
    if let Some(folder) = &config.corpus {
        let places = drives::places(owners, config.sites);
        let mut found = drives::corpus_drives(folder, places, config.seed)?.peekable();
        if found.peek().is_some() {
            found.for_each(|drive| fill(state, drive, &numbers));
            return Ok(());
        }
    }
    let seeds = drives::drives(people, config.seed, config.files_per_user, config.sites);
    seeds.for_each(|drive| fill(state, drive, &numbers));
    Ok(())
}

/// Makes the sites with their libraries and the OneDrives, all of them empty.
fn make(state: &mut State, owners: usize, sites: usize, born: Timestamp) -> Numbers {
    let seeds = drives::sites(sites);
    for seed in &seeds {
        let (name, display_name) = (seed.name.clone(), seed.display_name.clone());
        // The names differ and nobody has a OneDrive yet, so nothing here can be refused.
        let Ok(Outcome::Site(site)) = state.apply(born, Op::SiteAdd { name, display_name }) else {
            continue;
        };
        for name in seed.libraries.clone() {
            let _ = state.apply(born, Op::LibraryAdd { site, name });
        }
    }
    for user in 0..owners {
        let _ = state.apply(born, Op::OneDriveAdd { user });
    }
    let numbers = 0..state.sharepoint.drives.len();
    drives::places(owners, sites).into_iter().zip(numbers).collect()
}

/// Carries out the steps of a drive, if it is there.
fn fill(state: &mut State, seed: SeedDrive, numbers: &Numbers) {
    let Some(drive) = numbers.get(&seed.place).copied() else { return };
    let change = |change| Op::Drive { drive, change: Box::new(change) };
    for name in seed.columns {
        let _ = state.apply(Timestamp::UNIX_EPOCH, change(DriveOp::Column { name }));
    }
    let mut items = HashMap::from([(drives::ROOT, ROOT)]);
    for Step { at, action } in seed.steps {
        let node = match &action {
            Action::Add { node, .. } => Some(*node),
            _ => None,
        };
        let Some(op) = op(state, action, &items, numbers) else { continue };
        match state.apply(at, change(op)) {
            Ok(Outcome::Item(item)) => items.extend(node.map(|node| (node, item))),
            Ok(_) => {}
            Err(refused) => tracing::warn!(%refused, "a step of a new drive was refused"),
        }
    }
}

/// The step as a change of the state; nothing if the item is not there.
fn op(
    state: &State,
    action: Action,
    items: &HashMap<Node, u64>,
    numbers: &Numbers,
) -> Option<DriveOp> {
    let dates = Dates::default();
    let number = |node: Node| items.get(&node).copied();
    Some(match action {
        Action::Add { parent, name, what, .. } => {
            let parent = number(parent)?;
            let (kind, bytes) = match what {
                New::Folder => (Kind::Folder, None),
                New::Notebook => (Kind::Package("oneNote".to_owned()), None),
                New::Shortcut { site } => (shortcut(state, site, numbers)?, None),
                New::File(bytes) => (Kind::File, Some(FileBytes::Bytes(bytes))),
            };
            DriveOp::Add { parent, name, kind, bytes, dates }
        }
        Action::Replace { node, bytes } => {
            DriveOp::Replace { item: number(node)?, bytes: FileBytes::Bytes(bytes), dates }
        }
        Action::Rename { node, name } => {
            DriveOp::Update { item: number(node)?, parent: None, name: Some(name), dates }
        }
        Action::Move { node, parent } => {
            let parent = Some(number(parent)?);
            DriveOp::Update { item: number(node)?, parent, name: None, dates }
        }
        Action::Share { node, user, role } => grant(number(node)?, role, Grant::User(user)),
        Action::Link { node, kind, scope } => link(number(node)?, kind, scope),
        Action::Fields { node, fields } => DriveOp::Fields { item: number(node)?, fields },
        Action::Label { node, name } => {
            DriveOp::Label { item: number(node)?, name: Some(name.to_owned()) }
        }
    })
}

fn grant(item: u64, role: &str, to: Grant) -> DriveOp {
    DriveOp::Grant { item, role: role.to_owned(), to, expires: None }
}

fn link(item: u64, kind: &str, scope: &str) -> DriveOp {
    let role = if kind == "edit" { "write" } else { "read" };
    let (kind, scope) = (kind.to_owned(), scope.to_owned());
    grant(item, role, Grant::Link { kind, scope, password: false, users: Vec::new() })
}

/// A shortcut to the general folder of a site, whose drive was filled before.
fn shortcut(state: &State, site: usize, numbers: &Numbers) -> Option<Kind> {
    let place = Place::Library { site, name: drives::DEFAULT_LIBRARY.to_owned() };
    let drive = *numbers.get(&place)?;
    let item = state.sharepoint.drives[drive].child(ROOT, GENERAL)?;
    Some(Kind::Shortcut { drive, item })
}
