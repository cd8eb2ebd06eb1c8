//! The demo's second act: ransomware goes through a OneDrive, and its files come back.

use std::collections::BTreeMap;

use holdfast_sim::{DriveView, RansomView, Tenant};
use serde::Serialize;

use crate::error::{Error, Result};

/// Files of a drive by path, with SHA-256 of what a download gives.
pub type Seen = BTreeMap<Vec<String>, String>;

/// What became of the files, as the tenant itself shows them.
#[derive(Debug, Serialize)]
pub struct FileProof {
    /// Whose OneDrive it is.
    pub owner: String,
    /// Files that it held before.
    pub files: usize,
    /// Files that ransomware made unreadable.
    pub struck: usize,
    /// Files that are there again, at their paths, byte for byte.
    pub back: usize,
}

impl FileProof {
    /// Everything is as it was.
    pub fn is_proof(&self) -> bool {
        self.back == self.files && self.struck > 0
    }
}

/// The OneDrive with the most files.
pub fn choose(tenant: &Tenant) -> Result<DriveView> {
    let mut fullest: Option<(usize, DriveView)> = None;
    for drive in tenant.drives().into_iter().filter(|drive| drive.owner.is_some()) {
        let files = see(tenant, &drive)?.len();
        if fullest.as_ref().is_none_or(|(most, _)| files > *most) {
            fullest = Some((files, drive));
        }
    }
    let missing = || Error::Proof("the company has no OneDrive".to_owned());
    fullest.map(|(_, drive)| drive).ok_or_else(missing)
}

/// The files of a drive as they are now; what has no bytes of its own is left out.
pub fn see(tenant: &Tenant, drive: &DriveView) -> Result<Seen> {
    let items = tenant.drive_items(&drive.id)?.into_iter();
    let files = items.filter(|item| !item.is_folder && !item.sha256.is_empty());
    Ok(files.map(|item| (item.path, item.sha256)).collect())
}

/// Compares the files as they were with those that are there now.
pub fn compare(drive: &DriveView, ransom: &RansomView, before: &Seen, after: &Seen) -> FileProof {
    let back = before.iter().filter(|(path, hash)| after.get(*path) == Some(*hash)).count();
    FileProof {
        owner: drive.owner.clone().unwrap_or_default(),
        files: before.len(),
        struck: ransom.files.len(),
        back,
    }
}
