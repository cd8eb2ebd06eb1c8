//! Where files go: which drive of the target, which folder.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_catalog::ResourceRow;
use holdfast_graph::Graph;
use holdfast_model::fold;
use holdfast_vault::{Reader, TreeId};
use holdfast_workloads::drive::{self, Drive};

use super::RestoreRequest;
use super::tree::{Facts, Wanted};
use crate::browse::FolderStep;
use crate::select::{Picked, Selection};
use crate::{Error, Result};

/// What goes into one drive of the target.
pub(super) struct Share {
    pub drive: Drive,
    pub folders: Vec<Wanted>,
    pub items: Vec<(Picked, Vec<String>)>,
}

/// The drives of the target, and which of them takes what.
struct Target {
    name: String,
    drives: Vec<Drive>,
    /// Of the site; only where it is asked for.
    default: Option<String>,
    is_source: bool,
}

/// Spreads what was selected over the drives of the target.
pub(super) async fn shares(
    graph: &Graph,
    request: &RestoreRequest,
    source: &mut Selection,
    target: &ResourceRow,
) -> Result<Vec<Share>> {
    let drives = drive::drives(graph, &target.graph_id).await?;
    let is_source = target.id == source.resource.id;
    let default = match is_source || drives.len() < 2 {
        true => None,
        false => drive::default_drive(graph, &target.graph_id).await?,
    };
    let target = Target { name: target.name.clone(), drives, default, is_source };
    let chosen = chosen(source, &target)?;
    let counts = chosen.values().fold(BTreeMap::<String, usize>::new(), |mut counts, drive| {
        *counts.entry(drive.id.clone()).or_default() += 1;
        counts
    });
    let strip = stripped(request, source);
    let mut shares = BTreeMap::<String, Share>::new();
    // The drives of the source that come together in one keep their names.
    let strip_of = |drive: &Drive| match counts.get(&drive.id) {
        Some(2..) if strip == 1 => 0,
        _ => strip,
    };
    let kept = source.kept.clone();
    for folders in std::mem::take(&mut source.folders) {
        let Some(drive) = drive_of(&chosen, &folders) else { continue };
        let share = shares.entry(drive.id.clone()).or_insert_with(|| Share::new(drive));
        if folders.len() > strip_of(drive) {
            share.want(&folders, strip_of(drive), request, kept.as_ref());
        }
    }
    let mut known = BTreeSet::new();
    for item in std::mem::take(&mut source.items) {
        let folders = item.found.folders.clone();
        let Some(drive) = drive_of(&chosen, &folders) else { continue };
        let strip = strip_of(drive);
        let share = shares.entry(drive.id.clone()).or_insert_with(|| Share::new(drive));
        let dirs: Vec<String> = folders.iter().map(|step| step.dir.clone()).collect();
        if known.insert(dirs) {
            let kept = (item.reader.clone(), item.root);
            for end in strip.min(folders.len())..=folders.len() {
                share.want(&folders[..end], strip, request, Some(&kept));
            }
        }
        share.items.push((item, place(&folders, strip, request)));
    }
    Ok(shares.into_values().collect())
}

fn drive_of<'c>(chosen: &'c BTreeMap<String, Drive>, folders: &[FolderStep]) -> Option<&'c Drive> {
    chosen.get(&folders.first()?.dir)
}

impl Share {
    fn new(drive: &Drive) -> Self {
        Self { drive: drive.clone(), folders: Vec::new(), items: Vec::new() }
    }

    fn want(
        &mut self,
        folders: &[FolderStep],
        strip: usize,
        request: &RestoreRequest,
        kept: Option<&(Reader, TreeId)>,
    ) {
        // A drive that becomes a folder has none of a folder's own facts.
        let last = folders.last().filter(|_| folders.len() > strip.max(1));
        let facts = last.and_then(|step| {
            let facts = step.meta.file.clone()?;
            Some(Facts { id: step.meta.id.clone(), facts, kept: kept.cloned() })
        });
        self.folders.push(Wanted { path: place(folders, strip, request), facts });
    }
}

fn place(folders: &[FolderStep], strip: usize, request: &RestoreRequest) -> Vec<String> {
    let own = folders.iter().skip(strip).map(|step| step.meta.name.clone());
    into(request).into_iter().chain(own).collect()
}

/// For each drive of the source, by its directory, the one of the target.
fn chosen(source: &Selection, target: &Target) -> Result<BTreeMap<String, Drive>> {
    let items = source.items.iter().map(|item| &item.found.folders);
    let mut chosen = BTreeMap::new();
    for folders in source.folders.iter().chain(items) {
        let Some(first) = folders.first() else { continue };
        if !chosen.contains_key(&first.dir) {
            chosen.insert(first.dir.clone(), target.drive_for(first)?);
        }
    }
    Ok(chosen)
}

impl Target {
    /// In place the same drive, whatever it is called by now. Elsewhere that of the same name, else
    /// the only one, else the one that the site itself calls its drive.
    fn drive_for(&self, source: &FolderStep) -> Result<Drive> {
        let id = source.meta.file.as_ref().and_then(|facts| facts.drive.as_deref());
        let with_id = |id: &str| self.drives.iter().find(|drive| drive.id == id);
        let same_name =
            || self.drives.iter().find(|drive| fold(&drive.name) == fold(&source.meta.name));
        let found = match (self.is_source, id, self.drives.as_slice()) {
            (true, Some(id), _) => with_id(id),
            (true, None, _) => same_name(),
            (false, _, [only]) => Some(only),
            (false, ..) => same_name().or_else(|| with_id(self.default.as_deref()?)),
        };
        found.cloned().ok_or_else(|| match self.drives.is_empty() {
            true => Error::NotFound {
                what: "drive of",
                name: self.name.clone(),
                hint: "; the target needs a OneDrive or a document library",
            },
            false => Error::NotFound {
                what: "drive",
                name: source.meta.name.clone(),
                hint: " in the target any more; --to names another resource that takes its files",
            },
        })
    }
}

/// The folder of the target that takes everything.
fn into(request: &RestoreRequest) -> Vec<String> {
    let parts = request.into.iter().flat_map(|path| path.split('/'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How many folders of each path are left out: the drive's own, and where everything goes into
/// another folder those above what was named.
fn stripped(request: &RestoreRequest, source: &Selection) -> usize {
    let named = request.path.as_deref().is_some_and(|path| !path.trim_matches('/').is_empty());
    if request.into.is_none() || !named || request.deleted_since.is_some() {
        return 1;
    }
    match (source.folders.first(), source.items.first()) {
        (Some(folder), _) => folder.len().saturating_sub(1).max(1),
        (None, Some(item)) => item.found.folders.len(),
        (None, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use holdfast_workloads::{FolderFacts, FolderMeta};

    use super::*;

    fn drive(id: &str, name: &str) -> Drive {
        Drive { id: id.to_owned(), name: name.to_owned() }
    }

    fn source(id: &str, name: &str) -> FolderStep {
        let file = Some(FolderFacts { drive: Some(id.to_owned()), ..FolderFacts::default() });
        let meta = FolderMeta { name: name.to_owned(), file, ..FolderMeta::default() };
        FolderStep { dir: name.to_owned(), meta }
    }

    fn target(is_source: bool, drives: Vec<Drive>) -> Target {
        Target { name: "sites/x".to_owned(), drives, default: Some("2".to_owned()), is_source }
    }

    #[test]
    fn in_place_a_drive_is_known_by_its_id() {
        let both = vec![drive("1", "Documents"), drive("2", "Renamed")];
        let renamed = target(true, both.clone()).drive_for(&source("2", "Documents")).unwrap();
        assert_eq!(renamed.id, "2");
        let gone = target(true, both).drive_for(&source("3", "Documents")).unwrap_err();
        assert!(gone.to_string().contains("'Documents' in the target any more"), "{gone}");
    }

    #[test]
    fn elsewhere_the_name_counts_then_the_only_drive_then_the_default() {
        let both = vec![drive("1", "Archive"), drive("2", "Documents")];
        let chosen = |drives: &[Drive], name: &str| {
            target(false, drives.to_vec()).drive_for(&source("9", name)).unwrap().id
        };
        assert_eq!(chosen(&both, "archive"), "1");
        assert_eq!(chosen(&both, "OneDrive"), "2");
        assert_eq!(chosen(&both[..1], "OneDrive"), "1");
        assert!(target(false, Vec::new()).drive_for(&source("9", "x")).is_err());
    }
}
