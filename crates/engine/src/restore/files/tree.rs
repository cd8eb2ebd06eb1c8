//! The folders of the target: found by name, made where they are missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_workloads::FolderFacts;
use holdfast_workloads::drive::{DriveWriter, Live};

use super::super::ends_restore;
use crate::{Error, Result};

/// A folder that is needed, and what is known of it.
pub(super) struct Wanted {
    /// Real names from the top of the drive.
    pub path: Vec<String>,
    /// Its dates; nothing of one that is only on the way.
    pub facts: Option<FolderFacts>,
}

/// A needed folder.
#[derive(Default)]
struct Folder {
    name: String,
    id: Option<String>,
    facts: Option<FolderFacts>,
    /// Why it could not be made.
    refused: Option<String>,
}

/// The needed folders, those above before those below.
pub(super) struct Tree {
    /// By the path without case.
    folders: BTreeMap<Vec<String>, Folder>,
    children: HashMap<String, Vec<Live>>,
    /// Where a file has the name of a needed folder.
    blocked: BTreeSet<Vec<String>>,
}

impl Folder {
    async fn make(
        &mut self,
        writer: &DriveWriter<'_>,
        parent: &str,
    ) -> holdfast_workloads::Result<()> {
        let id = writer.make_folder(parent, &self.name).await?;
        self.id = Some(id.clone());
        match &self.facts {
            Some(facts) => writer.set_dates(&id, facts.created, facts.modified).await,
            None => Ok(()),
        }
    }
}

impl Tree {
    /// Looks which of the folders the target has, and what is in them.
    pub async fn find(writer: &DriveWriter<'_>, wanted: Vec<Wanted>) -> Result<Self> {
        let root = Folder { id: Some(writer.root().await?), ..Folder::default() };
        let mut tree = Self {
            folders: BTreeMap::from([(Vec::new(), root)]),
            children: HashMap::new(),
            blocked: BTreeSet::new(),
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
                (Some((_, false)), _) => drop(self.blocked.insert(path.clone())),
                _ => {}
            }
        }
        if let Some(id) = self.id(&path).map(str::to_owned) {
            let children = writer.children(&id).await?;
            self.children.insert(id, children);
        }
        Ok(())
    }

    /// What lies in a folder of the target under this name: the same to the letter, else in case.
    pub fn child(&self, folder: &[String], name: &str) -> Option<&Live> {
        let there = self.children.get(self.id(folder)?)?;
        let same = there.iter().find(|live| live.name == name);
        same.or_else(|| there.iter().find(|live| lower(&live.name) == lower(name)))
    }

    /// Id of a folder, if it is there.
    pub fn id(&self, folder: &[String]) -> Option<&str> {
        self.folders.get(&key(folder))?.id.as_deref()
    }

    /// True where a file stands in the way of this folder or of one above it.
    pub fn is_blocked(&self, folder: &[String]) -> bool {
        (1..=folder.len()).any(|end| self.blocked.contains(&key(&folder[..end])))
    }

    /// A name beside one that is taken: `plan (restored).docx`, then `plan (restored 2).docx`.
    pub fn free_name(&self, folder: &[String], name: &str) -> String {
        let (stem, ending) = match name.rfind('.').filter(|at| *at > 0) {
            Some(at) => name.split_at(at),
            None => (name, ""),
        };
        let mut number = 1;
        loop {
            let mark = if number == 1 { String::new() } else { format!(" {number}") };
            let free = format!("{stem} (restored{mark}){ending}");
            if self.child(folder, &free).is_none() {
                return free;
            }
            number += 1;
        }
    }

    /// Why a folder, or one above it, could not be made.
    pub fn refusal(&self, folder: &[String]) -> Option<&str> {
        let above = (1..=folder.len()).filter_map(|end| self.folders.get(&key(&folder[..end])));
        above.filter_map(|folder| folder.refused.as_deref()).next()
    }

    /// Makes the folders that are missing, with their dates. One that is refused is noted; an error
    /// ends the restore.
    pub async fn make(&mut self, writer: &DriveWriter<'_>) -> Result<()> {
        let missing: Vec<Vec<String>> = (self.folders.iter())
            .filter(|(path, folder)| folder.id.is_none() && !self.is_blocked(path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in missing {
            let Some(above) = path.split_last().map(|(_, above)| above.to_vec()) else { continue };
            let Some(parent) = self.id(&above).map(str::to_owned) else { continue };
            let Some(folder) = self.folders.get_mut(&path) else { continue };
            match folder.make(writer, &parent).await.map_err(Error::from) {
                Err(error) if ends_restore(&error) => return Err(error),
                Err(error) => folder.refused = Some(error.to_string()),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// Drives tell names apart without case, so that two spellings of a folder are one.
fn key(path: &[String]) -> Vec<String> {
    path.iter().map(|name| lower(name)).collect()
}

/// The form in which a drive compares names. `ss` and `ß`, and letters composed in two ways, are
/// different names there, though not on every computer.
fn lower(name: &str) -> String {
    name.to_lowercase()
}
