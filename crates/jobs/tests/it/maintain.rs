//! Maintenance of vaults as jobs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_catalog::{JobClass, JobRow, JobState, Wanted};
use holdfast_engine::audit;
use holdfast_engine::verify::{self, Scope};
use holdfast_engine::{Exit, Home, Progress};
use holdfast_jobs::{Performed, Work, Worker, WorkerOptions, perform, stop_signal, submit};
use holdfast_policy::{KeepRule, Rules};
use holdfast_testkit::{Options, TestContext};
use serde_json::{Value, json};

struct Scene {
    t: TestContext,
    home: Arc<Home>,
}

impl Scene {
    /// Two backups, of which the second has less.
    async fn new() -> Self {
        let t = TestContext::new(Options { users: 1, mails: 8, ..Options::default() }).await;
        t.backup().await;
        t.advance(Duration::from_secs(3_600));
        let person = t.people().remove(0);
        let mut folders = t.tenant().folders(&person).unwrap();
        folders.retain(|folder| folder.messages > 0);
        let lost = t.tenant().messages(&person, &folders[0].id).unwrap().remove(0);
        t.tenant().message_delete(&person, &lost.id, true).unwrap();
        t.backup().await;
        let home = Arc::new(t.open_again().await);
        Self { t, home }
    }

    async fn ask(&self, work: Work) -> String {
        submit(&self.home, work, JobClass::Routine, "ada").await.unwrap()
    }

    async fn drain(&self) -> usize {
        let (_keep, stop) = stop_signal();
        Worker::new(Arc::clone(&self.home), WorkerOptions::default()).drain(&stop).await
    }

    async fn job(&self, id: &str) -> JobRow {
        self.home.catalog.job_get(id).await.unwrap()
    }

    /// What a job came to.
    async fn result(&self, id: &str) -> Value {
        let job = self.job(id).await;
        assert_eq!(job.state, JobState::Done, "{job:?}");
        serde_json::from_str(&job.result.unwrap()).unwrap()
    }
}

fn prune(rules: Rules, dry_run: bool) -> Work {
    Work::Prune { vault: "default".into(), rules, dry_run }
}

fn last(count: u32) -> Rules {
    Rules::new([KeepRule::Last(count.try_into().unwrap())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_checked_copied_pruned_and_repaired_by_jobs() {
    let scene = Scene::new().await;
    scene.t.second_vault("offsite").await;
    let (vault, to) = ("default".to_owned(), "offsite".to_owned());
    let check = scene.ask(Work::Check { vault: vault.clone(), scope: Scope::All }).await;
    let copy = scene.ask(Work::Copy { vault: vault.clone(), to: to.clone() }).await;
    assert_eq!(scene.drain().await, 2);
    let checked = scene.result(&check).await;
    let here = verify::check(&scene.home, None, true, &Progress::default()).await.unwrap();
    assert_eq!(checked, serde_json::to_value(here).unwrap());
    assert_eq!((&checked["errors"], &checked["read_data"]), (&json!(0), &json!(true)));
    assert_eq!(scene.result(&copy).await["shards"][0]["snapshots_copied"], 2);

    let dry = scene.ask(prune(last(1), true)).await;
    scene.drain().await;
    assert_eq!(scene.result(&dry).await["shards"][0]["plan"]["snapshots"][0]["seq"], 1);
    let wet = scene.ask(prune(last(1), false)).await;
    scene.drain().await;
    let repair = scene.ask(Work::Repair { vault, from: Some(to) }).await;
    scene.drain().await;
    let pruned = scene.result(&wet).await;
    let forgotten = pruned["shards"][0]["snapshots_removed"]["forgotten"].as_array().unwrap();
    assert_eq!(forgotten.len(), 1, "{pruned:#}");
    assert_eq!(scene.result(&repair).await["control_errors"], json!([]));

    // What changed a vault is on record as the worker's, with its job; what only read is not.
    let record = scene.home.catalog.audit_after(0, 1_000).await.unwrap();
    let done: Vec<(String, String)> = record
        .into_iter()
        .filter(|entry| entry.actor_id == "worker" && entry.outcome == "done")
        .map(|entry| (entry.action.clone(), entry.detail("job").unwrap()))
        .collect();
    for (action, job) in [("vault.copy", copy), ("vault.prune", wet), ("vault.repair", repair)] {
        assert!(done.contains(&(action.to_owned(), job)), "{action}: {done:?}");
    }
    assert_eq!(done.len(), 3, "{done:?}");
    assert!(audit::verify(&scene.home).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_maintenance_is_one_job_and_what_is_not_there_is_told_at_once() {
    let scene = Scene::new().await;
    let id = scene.home.vault_row(None).await.unwrap().id;
    let check = |vault: &str, scope| Work::Check { vault: vault.to_owned(), scope };
    let first = scene.ask(check("default", Scope::Structure)).await;
    assert_eq!(scene.ask(check(&id, Scope::Structure)).await, first);
    assert_ne!(scene.ask(check("default", Scope::Share(7))).await, first);
    let job = scene.job(&first).await;
    assert_eq!((job.tenant.as_str(), job.class), ("", JobClass::Routine));
    assert!(job.deadline > job.created_at, "nobody waits for it");
    for (work, exit) in [
        (check("none", Scope::All), Exit::NotFound),
        (Work::Repair { vault: "default".into(), from: Some("none".into()) }, Exit::NotFound),
        (Work::Copy { vault: "default".into(), to: id }, Exit::Usage),
    ] {
        let refused = submit(&scene.home, work, JobClass::Routine, "ada").await.unwrap_err();
        match refused {
            holdfast_jobs::Error::Engine(error) => assert_eq!(error.exit(), exit, "{error}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_stop_stops_before_the_next_shard_and_changes_nothing() {
    let scene = Scene::new().await;
    scene.t.second_vault("offsite").await;
    let progress = Progress::default();
    progress.stop();
    let (vault, to) = ("default".to_owned(), "offsite".to_owned());
    for work in [
        Work::Check { vault: vault.clone(), scope: Scope::All },
        prune(last(1), false),
        Work::Repair { vault: vault.clone(), from: None },
        Work::Copy { vault, to },
    ] {
        let done = perform(&scene.home, &work, &progress).await.unwrap();
        assert_eq!(done, Performed::Stopped, "{work:?}");
    }
    let snapshots = holdfast_engine::browse::snapshots(&scene.home).await.unwrap();
    assert_eq!(snapshots.len(), 2);
}

/// A pipe in place of a file: who reads the file waits until somebody writes. Gives the pipe under
/// another name, and what was in the file.
fn piped(file: &Path, scratch: &Path) -> (PathBuf, Vec<u8>) {
    fs::create_dir_all(scratch).unwrap();
    let (pipe, content) = (scratch.join("pipe"), fs::read(file).unwrap());
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(file, scratch.join("file")).unwrap();
    fs::hard_link(&pipe, file).unwrap();
    (pipe, content)
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_not_dropped_in_the_middle_but_ends_before_the_next_shard() {
    let scene = Scene::new().await;
    let file = scene.t.vault_dir().join("vault.json");
    let scratch = scene.t.scratch("piped");
    let (pipe, content) = piped(&file, &scratch);
    let id = scene.ask(Work::Check { vault: "default".into(), scope: Scope::Structure }).await;
    let options = WorkerOptions {
        ttl: Duration::from_millis(300),
        grace: Duration::ZERO,
        ..WorkerOptions::default()
    };
    let (_keep, stop) = stop_signal();
    let worker = Worker::new(Arc::clone(&scene.home), options);
    let works = tokio::spawn(async move { worker.drain(&stop).await });
    // A pipe opens when the other end does: now the check is in the middle.
    let open = move || fs::File::options().write(true).open(pipe).unwrap();
    let mut writer = tokio::task::spawn_blocking(open).await.unwrap();
    fs::rename(scratch.join("file"), &file).unwrap();

    let told = scene.home.catalog.job_want(&id, Wanted::Cancel).await.unwrap();
    assert_eq!((told.state, told.wanted), (JobState::Running, Some(Wanted::Cancel)));
    for _ in 0..4 {
        // The worker has heard it at its next sign of life, which prolongs the lease.
        let before = scene.job(&id).await.lease_until;
        scene.t.advance(Duration::from_millis(10));
        loop {
            let job = scene.job(&id).await;
            assert_eq!(job.state, JobState::Running, "{job:?}");
            if job.lease_until != before {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    writer.write_all(&content).unwrap();
    drop(writer);
    assert_eq!(works.await.unwrap(), 1);
    // It ended of itself, before the first shard.
    assert_eq!(scene.job(&id).await.state, JobState::Cancelled);
}
