//! The folders of the target: found by well-known name or by path, made where they are missing.

use std::collections::HashMap;

use holdfast_model::{ContainerId, fold};
use holdfast_workloads::mail::MailWriter;

use crate::Result;
use crate::browse::FolderStep;

/// The folders that a restore needs, parents before children.
#[derive(Default)]
pub(super) struct Folders {
    needed: Vec<Needed>,
    positions: HashMap<Vec<String>, usize>,
}

struct Needed {
    parent: Option<usize>,
    step: FolderStep,
    target: Option<ContainerId>,
}

impl Folders {
    /// The position of a folder given by its path; `None` for the top of a mailbox, which holds no
    /// messages.
    pub fn need(&mut self, path: &[FolderStep]) -> Option<usize> {
        let mut parent = None;
        let mut key = Vec::new();
        for step in path {
            key.push(step.dir.clone());
            let next = self.needed.len();
            let position = *self.positions.entry(key.clone()).or_insert(next);
            if position == next {
                self.needed.push(Needed { parent, step: step.clone(), target: None });
            }
            parent = Some(position);
        }
        parent
    }

    pub fn len(&self) -> usize {
        self.needed.len()
    }

    /// Where a folder lies in the target, if it is there.
    pub fn known(&self, position: usize) -> Option<ContainerId> {
        self.needed[position].target.clone()
    }
}

/// Looks which of the folders the target has.
pub(super) async fn find(writer: &MailWriter<'_>, folders: &mut Folders) -> Result<()> {
    let well_known = writer.well_known().await?;
    let by_name: HashMap<&str, ContainerId> =
        well_known.into_iter().map(|(id, name)| (name, id)).collect();
    let mut children: HashMap<Option<ContainerId>, Vec<(String, ContainerId)>> = HashMap::new();
    for position in 0..folders.len() {
        let Needed { parent, step, .. } = &folders.needed[position];
        let known = step.meta.well_known.as_deref().and_then(|name| by_name.get(name));
        if let Some(id) = known {
            folders.needed[position].target = Some(id.clone());
            continue;
        }
        let parent = match parent {
            None => None,
            Some(above) => match folders.needed[*above].target.clone() {
                Some(id) => Some(id),
                None => continue, // the folder above is to be made, so this one is too
            },
        };
        if !children.contains_key(&parent) {
            children.insert(parent.clone(), writer.folders(parent.as_ref()).await?);
        }
        let name = &step.meta.name;
        let found = children[&parent].iter().find(|(known, _)| known == name);
        let found = found.or_else(|| {
            let wanted = fold(name);
            children[&parent].iter().find(|(known, _)| fold(known) == wanted)
        });
        folders.needed[position].target = found.map(|(_, id)| id.clone());
    }
    Ok(())
}

/// Makes the folders that are missing; answers with the place of each by its position.
pub(super) async fn make(
    writer: &MailWriter<'_>,
    mut folders: Folders,
) -> Result<Vec<ContainerId>> {
    let mut targets: Vec<ContainerId> = Vec::with_capacity(folders.len());
    for needed in &mut folders.needed {
        let id = match needed.target.take() {
            Some(id) => id,
            None => {
                let parent = needed.parent.map(|above| &targets[above]);
                writer.make_folder(parent, &needed.step.meta.name).await?
            }
        };
        targets.push(id);
    }
    Ok(targets)
}
