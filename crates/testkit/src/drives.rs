//! Drives as the tenant has them and as restore points have them, to be compared.

use std::collections::BTreeMap;

use holdfast_engine::Home;
use holdfast_engine::browse::{At, locate};
use holdfast_model::Timestamp;
use holdfast_sim::{DriveItemView, Tenant};

/// Everything that a restore point must say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Real names of the folders from the drive down, then its own.
    pub path: Vec<String>,
    /// Size of its bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: Option<Timestamp>,
}

/// The files of a site by Graph id.
pub type Files = BTreeMap<String, KeptFile>;

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// The files of all drives of a site as the tenant has them now; of a OneDrive by its owner's name.
pub fn live_files(tenant: &Tenant, site: &str) -> Files {
    let mut files = Files::new();
    for drive in tenant.drives().into_iter().filter(|drive| drive.site == site) {
        for item in tenant.drive_items(&drive.id).unwrap() {
            if !item.is_folder && item.package.is_none() {
                files.insert(item.id.clone(), kept_file(&drive.name, &item));
            }
        }
    }
    files
}

fn kept_file(drive: &str, item: &DriveItemView) -> KeptFile {
    let path = [drive.to_owned()].into_iter().chain(item.path.iter().cloned()).collect();
    let modified = Some(item.modified);
    KeptFile { path, size: item.size, sha256: item.sha256.clone(), modified }
}

/// Paths of the folders of a site as the tenant has them now.
pub fn live_folders(tenant: &Tenant, site: &str) -> Vec<Vec<String>> {
    let mut folders = Vec::new();
    for drive in tenant.drives().into_iter().filter(|drive| drive.site == site) {
        for item in tenant.drive_items(&drive.id).unwrap() {
            if (item.is_folder || item.package.is_some()) && item.parent.is_some() {
                let path = [drive.name.clone()].into_iter().chain(item.path).collect();
                folders.push(path);
            }
        }
    }
    folders.sort();
    folders
}

/// The files of a site as a restore point has them; `None` where there is no restore point.
pub async fn stored_files(home: &Home, resource: &str, at: &At) -> Option<Files> {
    let located = locate(home, None, resource, at).await.ok()?;
    let mut files = Files::new();
    for found in located.items("").unwrap() {
        let meta = found.file().unwrap();
        let mut path: Vec<String> =
            found.folders.iter().map(|step| step.meta.name.clone()).collect();
        path.push(meta.name.clone());
        let bytes = located.reader.bytes(&found.node).unwrap();
        let (size, modified) = (bytes.len() as u64, meta.modified);
        let kept = KeptFile { path, size, sha256: sha256(&bytes), modified };
        let twice = files.insert(meta.id.clone(), kept);
        assert!(twice.is_none(), "{} lies in two places", found.path());
    }
    Some(files)
}

/// Fails with the first file that differs.
pub fn assert_same_files(stored: &Files, live: &Files, what: &str) {
    for (id, file) in live {
        assert_eq!(stored.get(id), Some(file), "{what}: {id} (left: stored, right: tenant)");
    }
    let surplus = stored.iter().find(|(id, _)| !live.contains_key(*id));
    assert_eq!(surplus, None, "{what}: stored and no longer in the tenant");
}
