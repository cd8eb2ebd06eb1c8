//! Drives among crashes, several vaults and maintenance: what was stored stays, what was erased is
//! gone, what is damaged is named.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_engine::browse::{At, ls, snapshots};
use holdfast_engine::copy::copy;
use holdfast_engine::maintain::{EraseRequest, PruneRequest, RepairRequest, erase, prune, repair};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::tenant::set_file_versions;
use holdfast_engine::{Home, Progress, ShardLimits, verify};
use holdfast_model::{FileVersions, Outcome, ShardId};
use holdfast_policy::{KeepRule, Rules};
use holdfast_testkit::sim::{Fault, FaultKind, PlainBody, RetryAfter};
use holdfast_testkit::{
    Files, Restic, TENANT, TestContext, assert_same_files, live_files, stored_files,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::drive_faults::Scene;
use crate::drives::{bytes, onedrive, versions};
use crate::faults::{assert_complete, inject};
use crate::rebuild::{assert_known, crash, discover, known, save_catalog};

/// Files of three pages of a delta.
const MANY: usize = 450;

impl Scene {
    fn live(&self) -> Files {
        live_files(self.t.tenant(), &self.drive.site)
    }

    async fn stored(&self, home: &Home, at: &At) -> Files {
        stored_files(home, &onedrive(&self.t), at).await.unwrap()
    }
}

async fn many() -> Scene {
    let scene = Scene::new().await;
    for number in 0..MANY {
        scene.add(&scene.work, &format!("file {number}.txt"), &format!("text {number}"));
    }
    scene
}

/// Longer than the time between two checkpoints.
fn slow(scene: &Scene, after: usize) {
    let throttle = FaultKind::Throttle(RetryAfter::Seconds(700));
    inject(&scene.t, Fault::once(throttle, "/content").after(after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_reading_that_is_cut_off_goes_on_behind_its_checkpoint() {
    let scene = many().await;
    slow(&scene, 10);
    let down = FaultKind::Unavailable(PlainBody::Empty);
    inject(&scene.t, Fault::always(down, "root/delta(token=").after(1));
    let first = scene.t.backup().await;
    assert_ne!(first.outcome, Outcome::Complete, "{first:#?}");
    let kinds: Vec<String> =
        snapshots(&scene.t.home).await.unwrap().into_iter().map(|s| s.kind).collect();
    assert_eq!(kinds[0], "checkpoint");
    let some = scene.downloads();
    assert!(some >= 200, "two pages were taken: {some}");
    scene.t.tenant().faults().clear();
    assert_complete(&scene.t.backup().await);
    assert_eq!(scene.downloads(), MANY as u64 + 3 + 1, "no file twice, one was throttled");
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_run_that_died_is_adopted() {
    let mut scene = many().await;
    discover(&scene.t).await;
    let before = save_catalog(&mut scene.t).await;
    slow(&scene, 300);
    assert_complete(&scene.t.backup().await);
    let rows = scene.t.home.catalog.snapshot_list(None).await.unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["checkpoint", "final"]);
    let shard = scene.t.vault_dir().join("shards/1/snapshots");
    fs::remove_file(shard.join(&rows[1].id)).unwrap();
    crash(&mut scene.t, &before).await;
    let whole = scene.downloads();
    assert_complete(&scene.t.backup().await);
    let again = scene.downloads() - whole;
    assert!(again < MANY as u64 - 100, "{again} fetched again");
    scene.assert_healthy().await;
    let home = scene.t.second_home().await;
    rebuild(&home).await.unwrap();
    assert_known(&known(&home).await, &known(&scene.t.home).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_the_catalog_does_not_know_is_adopted() {
    let mut scene = Scene::backed_up().await;
    set_file_versions(&scene.t.home, TENANT, FileVersions::All).await.unwrap();
    let before = save_catalog(&mut scene.t).await;
    let other = scene.t.tenant().drive_folder_add(&scene.drive.id, &scene.drive.root, "Other");
    scene.t.tenant().drive_item_move(&scene.drive.id, &scene.work, &other.unwrap()).unwrap();
    scene.replace(&scene.plan, "plan 2");
    scene.remove(&scene.notes);
    assert_complete(&scene.t.backup().await);
    let expected = known(&scene.t.home).await;
    crash(&mut scene.t, &before).await;
    let report = scene.t.backup().await;
    assert_complete(&report);
    assert_eq!((report.counts.bytes, report.snapshots.len()), (0, 0), "{report:#?}");
    assert_known(&known(&scene.t.home).await, &expected);
    scene.assert_healthy().await;
}

/// A drive with a shared file of three versions, backed up in each.
async fn with_history() -> (Scene, Vec<(At, Files)>) {
    let scene = Scene::new().await;
    set_file_versions(&scene.t.home, TENANT, FileVersions::All).await.unwrap();
    let tenant = scene.t.tenant();
    tenant.drive_link_add(&scene.drive.id, &scene.plan, "view", "organization").unwrap();
    let mut past = Vec::new();
    for text in ["Topsecret-one", "Topsecret-two", "Topsecret-three"] {
        scene.t.advance(Duration::from_secs(60));
        scene.replace(&scene.plan, text);
        assert_complete(&scene.t.backup().await);
        past.push((At::Time(scene.t.home.clock.now()), scene.live()));
    }
    (scene, past)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_vault_alone_has_the_whole_history() {
    let (scene, past) = with_history().await;
    let second = scene.t.second_vault("offsite").await;
    copy(&scene.t.home, None, "offsite", &Progress::default()).await.unwrap();
    fs::remove_dir_all(scene.t.vault_dir()).unwrap();
    let home = scene.t.home_on(&second).await;
    rebuild(&home).await.unwrap();
    for (at, model) in &past {
        assert_same_files(&scene.stored(&home, at).await, model, "from the second vault");
    }
    assert_eq!(verify::check(&home, None, true, &Progress::default()).await.unwrap().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_moves_to_another_shard_and_keeps_its_past() {
    let (mut scene, mut past) = with_history().await;
    let (before, all) = (scene.downloads(), versions(&scene.t, &scene.drive).await);
    scene.t.home.shard_limits = ShardLimits { fill: 500, cap: 5, expected: 1 };
    let moved = scene.t.backup().await;
    assert_complete(&moved);
    let rows = scene.t.home.catalog.resource_list(None).await.unwrap();
    assert!(rows.iter().all(|row| row.shard != Some(ShardId(1))), "{rows:#?}");
    scene.t.home.shard_limits.cap = 10_000;
    assert_eq!(scene.downloads(), before, "a move fetches nothing");
    assert_eq!(versions(&scene.t, &scene.drive).await, all);
    scene.replace(&scene.notes, "notes 2");
    assert_complete(&scene.t.backup().await);
    past.push((At::Latest, scene.live()));
    for (at, model) in &past {
        assert_same_files(&scene.stored(&scene.t.home, at).await, model, "after the move");
    }
    scene.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_what_no_restore_point_has_and_nothing_else() {
    let (scene, past) = with_history().await;
    scene.remove(&scene.plan);
    scene.t.backup().await;
    let rules = Rules::new([KeepRule::Last(NonZeroU32::MIN)]);
    let request = PruneRequest { rules, ..PruneRequest::default() };
    prune(&scene.t.home, &request, &Progress::default()).await.unwrap();
    scene.t.advance(Duration::from_secs(2 * 24 * 3600));
    prune(&scene.t.home, &request, &Progress::default()).await.unwrap();
    assert!(stored_files(&scene.t.home, &onedrive(&scene.t), &past[0].0).await.is_none());
    scene.assert_healthy().await;
    assert_eq!(
        verify::check(&scene.t.home, None, true, &Progress::default()).await.unwrap().errors,
        0
    );
    if let Some(texts) = restored(&scene.t, "pruned").await {
        assert!(texts.iter().any(|text| text.contains("notes 1")));
        assert!(!texts.iter().any(|text| text.contains("Topsecret")));
    }
}

/// The content of every file of every snapshot, our own files among them, as restic gives it out.
async fn restored(t: &TestContext, name: &str) -> Option<Vec<String>> {
    let restic = t.restic().await?;
    restic.check();
    let mut texts = Vec::new();
    for snapshot in snapshots(&t.home).await.unwrap() {
        let target = t.scratch(&format!("{name} {}", snapshot.seq));
        restic.run(&["restore", &snapshot.id, "--no-lock", "--target", target.to_str().unwrap()]);
        read_all(&target, &mut texts);
    }
    Some(texts)
}

/// Names and contents of all files below a folder.
fn read_all(dir: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, texts),
            false => {
                let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                texts.push(format!("{}: {content}", path.display()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_file_is_gone_with_its_versions_and_the_facts_about_it() {
    for by_path in [true, false] {
        let (scene, _) = with_history().await;
        let t = &scene.t;
        if !by_path {
            scene.remove(&scene.plan);
            t.backup().await;
        }
        if let Some(texts) = restored(t, "before").await {
            let of = |what: &str| texts.iter().filter(|text| text.contains(what)).count();
            assert!(of("~about") > 0 && of("~versions") > 0 && of("Topsecret") >= 5, "{texts:#?}");
        }
        let item = match by_path {
            true => "OneDrive/Work/plan.txt".to_owned(),
            false => scene.plan.clone(),
        };
        let request = EraseRequest::new(&onedrive(t), vec![item], "request 31");
        let report = erase(&t.home, &request).await.unwrap();
        assert!(report.complete, "{report:#?}");
        let check = verify::check(&t.home, None, true, &Progress::default()).await.unwrap();
        assert_eq!((check.errors, check.shards[0].orphan_packs), (0, 0), "{check:#?}");
        if let Some(texts) = restored(t, "after").await {
            for gone in ["Topsecret", "plan.txt", "~about/", "~versions/", &scene.plan] {
                let left = texts.iter().find(|text| text.contains(gone));
                assert_eq!(left, None, "{gone} is left");
            }
            let notes = texts.iter().filter(|text| text.ends_with("notes.txt: notes 1")).count();
            assert!(notes >= 3, "the others stay: {notes}");
        }
        let listed = ls(&t.home, None, &onedrive(t), &At::Latest, "", true).await.unwrap();
        assert!(!listed.iter().any(|entry| entry.id == scene.plan));
        assert_complete(&t.backup().await);
    }
}

/// All packs of the first shard.
fn packs(vault: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(vault.join("shards/1/data")).unwrap();
    let packs = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    packs.map(|pack| pack.unwrap().path()).collect()
}

/// Changes the byte in the middle of the packs that hold the large file: one, and after a repair
/// the one that took its place beside the damaged one, which stays until the next prune.
fn damage(vault: &Path) {
    let is_large = |path: &PathBuf| fs::metadata(path).unwrap().len() > 100_000;
    let large: Vec<PathBuf> = packs(vault).into_iter().filter(is_large).collect();
    assert!(!large.is_empty());
    for path in large {
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] = content[middle].wrapping_add(1);
        fs::write(&path, content).unwrap();
    }
}

/// A drive with a file that is most of the pack that it is in, wherever in it that is.
async fn with_large_file() -> (Scene, String) {
    let scene = Scene::new().await;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let text: String = (0..20_000).map(|_| format!("{:016x}", rng.random::<u64>())).collect();
    let id = scene.t.tenant().file_add(&scene.drive.id, &scene.work, "large.txt", bytes(&text));
    assert_complete(&scene.t.backup().await);
    (scene, id.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named_by_the_check_and_the_others_are_restored() {
    let (mut scene, _) = with_large_file().await;
    damage(&scene.t.vault_dir());
    scene.t.reopen().await;
    let check = verify::check(&scene.t.home, None, true, &Progress::default()).await.unwrap();
    let damaged = &check.shards[0].damaged;
    assert!(check.errors > 0 && damaged.len() == 1, "{check:#?}");
    let (live, item) = (scene.live(), &damaged[0]);
    let file = &live[item.id.as_ref().unwrap().as_str()];
    assert_eq!((item.resource.as_str(), item.kind.as_str()), (onedrive(&scene.t).as_str(), "file"));
    assert_eq!(item.path, file.path.join("/"));
    assert_eq!((&item.title, item.current), (file.path.last().unwrap(), true));
    scene.remove(&scene.work);
    let request = scene.t.restore_of(&onedrive(&scene.t));
    let report = scene.t.restore(request).await;
    assert_eq!((report.outcome, report.items_failed), (Outcome::Partial, 1), "{report:#?}");
    let failed = report.items.iter().find(|item| item.result == "failed").unwrap();
    assert!(failed.detail.as_ref().unwrap().contains("damaged"), "{failed:?}");
    assert_eq!(scene.live().len(), live.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_repaired_from_the_second_vault_or_from_the_tenant() {
    let (scene, _) = with_large_file().await;
    scene.t.second_vault("offsite").await;
    copy(&scene.t.home, None, "offsite", &Progress::default()).await.unwrap();
    damage(&scene.t.vault_dir());
    let request = RepairRequest { vault: None, from: Some("offsite".to_owned()) };
    let report = repair(&scene.t.home, &request, &Progress::default()).await.unwrap();
    assert_eq!(report.damaged(), 0, "{report:#?}");
    scene.assert_healthy().await;
    if let Some(restic) = Restic::find(&scene.t.home.vault(None).await.unwrap()) {
        restic.check();
    }
    // Without another vault: what is lost is fetched again.
    damage(&scene.t.vault_dir());
    let request = RepairRequest { vault: None, from: None };
    let report = repair(&scene.t.home, &request, &Progress::default()).await.unwrap();
    assert!(report.damaged() > 0, "{report:#?}");
    assert_complete(&scene.t.backup().await);
    scene.assert_equal("fetched again").await;
    assert_eq!(
        verify::check(&scene.t.home, None, true, &Progress::default()).await.unwrap().errors,
        0
    );
}
