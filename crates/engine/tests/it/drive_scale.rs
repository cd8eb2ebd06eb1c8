//! Drives that are large: folders of more than ten thousand files, and files of many gigabytes.
//!
//! `HOLDFAST_SOAK_MEGABYTES` says how large the large file is.

#![allow(clippy::print_stdout, reason = "a campaign tells its figures")]

use std::collections::BTreeSet;
use std::path::Path;

use holdfast_engine::browse::{At, locate, ls};
use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind, FileBytes};
use holdfast_testkit::{live_files, stored_files};
use holdfast_vault::Reader;
use holdfast_workloads::drive::QuickXor;

use crate::drive_faults::Scene;
use crate::drives::{bytes, context, onedrive};
use crate::faults::{assert_complete, inject};

/// Files in the folder: more than a tree takes before it is spread.
const MANY: usize = 10_050;

/// Names of all trees of a restore point.
async fn trees(scene: &Scene) -> BTreeSet<String> {
    let located = locate(&scene.t.home, None, &onedrive(&scene.t), &At::Latest).await.unwrap();
    let (mut found, mut open) = (BTreeSet::new(), vec![located.tree]);
    while let Some(tree) = open.pop() {
        if found.insert(format!("{tree:?}")) {
            open.extend(
                located.reader.list(tree).unwrap().iter().filter_map(holdfast_vault::Node::tree),
            );
        }
    }
    found
}

/// The largest number of entries in one tree of a restore point.
async fn widest(scene: &Scene) -> usize {
    let located = locate(&scene.t.home, None, &onedrive(&scene.t), &At::Latest).await.unwrap();
    let reader: &Reader = &located.reader;
    let (mut most, mut open) = (0, vec![located.tree]);
    while let Some(tree) = open.pop() {
        let nodes = reader.list(tree).unwrap();
        most = most.max(nodes.len());
        open.extend(nodes.iter().filter_map(holdfast_vault::Node::tree));
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_ten_thousand_files_moves_for_nothing_and_is_spread() {
    let scene = Scene::new().await;
    let tenant = scene.t.tenant();
    for number in 0..MANY {
        scene.add(&scene.work, &format!("{number}.txt"), &format!("text {}", number % 100));
    }
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(report.counts.items_new as usize, MANY + 3);
    assert!(widest(&scene).await < 2_500, "the folder is spread");
    let name = onedrive(&scene.t);
    let listed = ls(&scene.t.home, None, &name, &At::Latest, "Work", false).await.unwrap();
    assert_eq!(listed.len(), MANY + 2);
    assert!(listed.iter().all(|entry| entry.path.matches('/').count() == 2), "no spread is shown");

    let before = (scene.downloads(), tenant.stats().resource_units, trees(&scene).await);
    let archive = tenant.drive_folder_add(&scene.drive.id, &scene.drive.root, "Archive").unwrap();
    tenant.drive_item_move(&scene.drive.id, &scene.work, &archive).unwrap();
    tenant.drive_item_rename(&scene.drive.id, &scene.work, "Work of 2026").unwrap();
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!(scene.downloads(), before.0, "nothing is fetched");
    let units = tenant.stats().resource_units - before.1;
    assert!(units <= 6, "{units} resource units");
    let new = trees(&scene).await.difference(&before.2).count();
    assert!(new <= 4, "{new} new trees: the drive, its top, the folder above");
    // Stored and listed as it is: by one file of each hundred, and all of their names.
    let stored = stored_files(&scene.t.home, &name, &At::Latest).await.unwrap();
    assert!(stored == live_files(tenant, &scene.drive.site));

    // A part comes back.
    let file = listed.iter().find(|entry| entry.title == "77.txt").unwrap();
    tenant.drive_item_remove(&scene.drive.id, &file.id).unwrap();
    let request = holdfast_engine::restore::RestoreRequest {
        path: Some("Archive/Work of 2026/77.txt".to_owned()),
        ..scene.t.restore_of(&name)
    };
    let report = scene.t.restore(request).await;
    assert_eq!((report.outcome, report.items_restored), (Outcome::Complete, 1), "{report:#?}");
}

/// Peak resident memory of this process in MiB; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

/// Takes the peak anew from here, where the system allows it.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// `quickXorHash` of made content, worked out without the service.
struct Hash(QuickXor, u64);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The process holds the simulator too: with it, the writer's packs and what waits between them the
/// memory stays far below the size of the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_whose_line_is_cut_five_times_arrives_in_little_memory() {
    let megabytes = std::env::var("HOLDFAST_SOAK_MEGABYTES").ok();
    let megabytes: u64 = megabytes.map_or(300, |text| text.parse().unwrap());
    let size = megabytes * 1_000_000;
    let (t, drive) = context(0).await;
    t.tenant().file_add(&drive.id, &drive.root, "small.txt", bytes("small")).unwrap();
    t.backup().await;
    let content = FileBytes::Made { seed: 11, size };
    let id = t.tenant().file_add(&drive.id, &drive.root, "film.bin", content).unwrap();
    for cut in 0..5 {
        let fault = Fault::once(FaultKind::BrokenAfter(size / 7), &format!("{id}/content"));
        inject(&t, fault.after(cut));
    }
    reset_peak();
    let before = peak();
    let downloads = t.tenant().stats().downloads;
    let report = t.backup().await;
    assert_complete(&report);
    assert_eq!((report.counts.items_new, report.counts.bytes), (1, size));
    assert_eq!(t.tenant().stats().downloads - downloads, 6, "five cuts, no byte twice");
    let grown = peak().zip(before).map(|(after, before)| after.saturating_sub(before));
    println!("{megabytes} MB: peak {:?} MiB, grown by {grown:?} MiB", peak());
    // Vault and simulator in one process, whatever the size: nobody holds the file.
    assert!(grown.is_none_or(|grown| grown <= 150), "{grown:?} MiB");

    // The stored bytes have the hash that the service lists; read without keeping them.
    let located = locate(&t.home, None, &onedrive(&t), &At::Latest).await.unwrap();
    let found = located.items("").unwrap();
    let film = found.iter().find(|found| found.file().unwrap().name == "film.bin").unwrap();
    let mut hash = Hash(QuickXor::new(), 0);
    tokio::task::block_in_place(|| located.reader.read(&film.node, &mut hash)).unwrap();
    let meta = film.file().unwrap();
    assert_eq!((hash.1, Some(hash.0.finish())), (size, meta.xor.clone()));
    assert_eq!(meta.got_xor, None, "what was received is what is listed");
}
