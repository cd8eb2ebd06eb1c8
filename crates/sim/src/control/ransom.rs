//! A ransomware day, on command.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::content::ransom::{NOTE, NOTE_NAME, Target, plan};
use crate::error::Refused;
use crate::state::drive::{Drive, FileBytes, Kind, ROOT};
use crate::tenant::Tenant;

/// Characters of a path at most (source: Microsoft, "Restrictions and limitations in OneDrive and
/// SharePoint", read 2026-11).
const PATH_MAX: usize = 400;

/// What an attack did to a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RansomView {
    /// The ids of the files that were encrypted and renamed, in this order.
    pub files: Vec<String>,
    /// The ids of the notes.
    pub notes: Vec<String>,
    /// The time of the first change; the clock a second before it is the last good moment.
    pub began: Timestamp,
    /// The time of the last change.
    pub ended: Timestamp,
}

/// A file with its folder, by ids.
struct Victim {
    item: String,
    folder: String,
    target: Target,
}

impl Tenant {
    /// Encrypts most files of a drive, renames them to `.locked` and puts a note into each of
    /// their folders; notebooks are spared. The virtual clock advances by an hour on the way.
    ///
    /// Which files are hit, and their new bytes, follow from the drive and `seed`.
    pub fn ransomware(&self, drive: &str, seed: u64) -> Result<RansomView, Refused> {
        self.clock().advance(std::time::Duration::from_secs(1));
        let victims = victims(self.state().sharepoint.drive(drive)?);
        let targets: Vec<Target> = victims.iter().map(|victim| victim.target.clone()).collect();
        let now = self.clock().now();
        let mut view = RansomView { files: Vec::new(), notes: Vec::new(), began: now, ended: now };
        let mut folders = BTreeSet::new();
        for hit in plan(&targets, seed) {
            self.clock().advance(hit.pause);
            let Victim { item, folder, .. } = &victims[hit.target];
            let bytes = FileBytes::Made { seed: hit.seed, size: hit.size };
            self.file_replace(drive, item, bytes)?;
            // Two long names can become one; the second file keeps its old one then.
            passing(self.drive_item_rename(drive, item, &hit.name))?;
            view.files.push(item.clone());
            if folders.insert(folder) {
                let note = FileBytes::from(NOTE.as_bytes());
                view.notes.extend(passing(self.file_add(drive, folder, NOTE_NAME, note))?);
            }
        }
        view.ended = self.clock().now();
        Ok(view)
    }
}

/// What a name or path refuses is left undone.
fn passing<T>(result: Result<T, Refused>) -> Result<Option<T>, Refused> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(Refused::NameTaken | Refused::PathTooLong) => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// All files but those inside of notebooks.
fn victims(drive: &Drive) -> Vec<Victim> {
    let in_package = |number: u64| {
        let mut above = drive.ancestors(number).into_iter();
        above.any(|above| matches!(drive.items[&above].kind, Kind::Package(_)))
    };
    let numbers = drive.subtree(ROOT).into_iter().filter(|number| !in_package(*number));
    let items = numbers.filter_map(|number| drive.items.get(&number));
    let victim = |item: &crate::state::drive::Item| {
        let folder = item.parent?;
        let above = drive.path(folder).iter().map(|name| name.chars().count() + 1).sum();
        let room = PATH_MAX.saturating_sub(above);
        let target = Target { name: item.name.clone(), size: item.size(), room };
        Some(Victim { item: drive.item_id(item.number), folder: drive.item_id(folder), target })
    };
    items.filter(|item| item.kind == Kind::File).filter_map(victim).collect()
}
