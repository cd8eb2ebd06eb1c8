//! The folders of the target: found by name, made where they are missing.

use std::collections::{BTreeMap, HashMap};

use holdfast_vault::{Reader, TreeId};
use holdfast_workloads::FolderFacts;
use holdfast_workloads::drive::{DriveWriter, Live};

use super::failure::ends_restore;
use crate::{Error, Result};

/// A folder that is needed, and what is known of it.
pub(super) struct Wanted {
    /// Real names from the top of the drive.
    pub path: Vec<String>,
    /// What the restore point says of it; nothing of one that is only on the way.
    pub facts: Option<Facts>,
}

/// A folder in the restore point.
#[derive(Clone)]
pub(super) struct Facts {
    /// Its id there.
    pub id: String,
    pub facts: FolderFacts,
    /// What reads the restore point, and its root.
    pub kept: Option<(Reader, TreeId)>,
}

/// A needed folder.
#[derive(Default)]
struct Folder {
    name: String,
    id: Option<String>,
    facts: Option<Facts>,
    /// This restore has made it.
    is_made: bool,
}

/// The needed folders, those above before those below.
pub(super) struct Tree {
    /// By the path without case.
    folders: BTreeMap<Vec<String>, Folder>,
    /// By the id of the folder and the name without case.
    children: HashMap<String, HashMap<String, Live>>,
    /// Which of the needed folders cannot be had, and why.
    blocked: BTreeMap<Vec<String>, String>,
}

impl Tree {
    /// Looks which of the folders the target has, and what is in them.
    pub async fn find(writer: &DriveWriter<'_>, wanted: Vec<Wanted>) -> Result<Self> {
        let root = Folder { id: Some(writer.root().await?), ..Folder::default() };
        let mut tree = Self {
            folders: BTreeMap::from([(Vec::new(), root)]),
            children: HashMap::new(),
            blocked: BTreeMap::new(),
        };
        for Wanted { path, facts } in wanted {
            for end in 1..=path.len() {
                let folder = tree.folders.entry(key(&path[..end])).or_default();
                folder.name.clone_from(&path[end - 1]);
            }
            if let Some(folder) = tree.folders.get_mut(&key(&path)).filter(|_| facts.is_some()) {
                folder.facts = facts;
            }
        }
        let paths: Vec<Vec<String>> = tree.folders.keys().cloned().collect();
        for path in paths {
            tree.look(writer, path).await?;
        }
        Ok(tree)
    }

    async fn look(&mut self, writer: &DriveWriter<'_>, path: Vec<String>) -> Result<()> {
        if let Some((name, above)) = path.split_last() {
            let there = self.child(above, name).map(|live| (live.id.clone(), live.is_folder));
            match (there, self.folders.get_mut(&path)) {
                (Some((id, true)), Some(folder)) => folder.id = Some(id),
                (Some((_, false)), _) => {
                    let reason = "a file of the target has the name of one of its folders";
                    self.blocked.insert(path.clone(), reason.to_owned());
                }
                _ => {}
            }
        }
        if let Some(id) = self.id(&path).map(str::to_owned) {
            let children = writer.children(&id).await?.into_iter();
            self.children.insert(id, children.map(|live| (lower(&live.name), live)).collect());
        }
        Ok(())
    }

    /// What lies in a folder of the target under this name: the same to the letter, else in case.
    pub fn child(&self, folder: &[String], name: &str) -> Option<&Live> {
        self.children.get(self.id(folder)?)?.get(&lower(name))
    }

    /// What lies in a folder of the target with this id.
    pub fn child_with_id(&self, folder: &[String], id: &str) -> Option<&Live> {
        self.children.get(self.id(folder)?)?.values().find(|live| live.id == id)
    }

    /// True where a folder of this name is needed.
    pub fn needs(&self, folder: &[String], name: &str) -> bool {
        let mut path = key(folder);
        path.push(lower(name));
        self.folders.contains_key(&path)
    }

    /// Id of a folder, if it is there.
    pub fn id(&self, folder: &[String]) -> Option<&str> {
        self.folders.get(&key(folder))?.id.as_deref()
    }

    /// Why this folder, or one above it, cannot be had.
    pub fn blocked(&self, folder: &[String]) -> Option<&str> {
        (1..=folder.len())
            .find_map(|end| self.blocked.get(&key(&folder[..end])))
            .map(String::as_str)
    }

    /// Makes the folders that are missing. One that is refused blocks what is below it.
    pub async fn make(&mut self, writer: &DriveWriter<'_>) -> Result<()> {
        let missing: Vec<Vec<String>> = (self.folders.iter())
            .filter(|(path, folder)| folder.id.is_none() && self.blocked(path).is_none())
            .map(|(path, _)| path.clone())
            .collect();
        for path in missing {
            let Some(above) = path.split_last().map(|(_, above)| above.to_vec()) else { continue };
            let Some(parent) = self.id(&above).map(str::to_owned) else { continue };
            let Some(folder) = self.folders.get_mut(&path) else { continue };
            match writer.make_folder(&parent, &folder.name).await.map_err(Error::from) {
                Ok(id) => (folder.id, folder.is_made) = (Some(id), true),
                Err(error) if ends_restore(&error) => return Err(error),
                Err(error) => {
                    let reason = format!("its folder could not be made: {error}");
                    self.blocked.insert(path, reason);
                }
            }
        }
        Ok(())
    }

    /// The folders that this restore has made, with their ids in the target; those below before
    /// those above.
    pub fn made(&self) -> impl Iterator<Item = (&str, &Facts)> {
        let made = self.folders.values().rev().filter(|folder| folder.is_made);
        made.filter_map(|folder| Some((folder.id.as_deref()?, folder.facts.as_ref()?)))
    }
}

/// A name beside one that is taken: `plan (restored).docx`, then `plan (restored 2).docx`.
pub(super) fn name_beside(name: &str, number: usize) -> String {
    let (stem, ending) = match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let mark = if number == 1 { String::new() } else { format!(" {number}") };
    format!("{stem} (restored{mark}){ending}")
}

/// Drives tell names apart without case, so that two spellings of a folder are one.
pub(super) fn key(path: &[String]) -> Vec<String> {
    path.iter().map(|name| lower(name)).collect()
}

/// The form in which a drive compares names. `ss` and `ß`, and letters composed in two ways, are
/// different names there, though not on every computer.
pub(super) fn lower(name: &str) -> String {
    name.to_lowercase()
}
