//! `kill -9` of workers at random moments: no job is lost or done twice, every message lies in the
//! vault once, and a restore doubles nothing.
//!
//! Two workers share one PostgreSQL and one vault. The test changes mail, queues jobs, and kills one
//! of the workers on a line of its log or after some requests to the service, whichever it has
//! chosen; then it starts that worker again. `HOLDFAST_SOAK_KILLS` says how many kills,
//! `HOLDFAST_SOAK_FROM` with which seed.

#![allow(clippy::print_stdout, reason = "a campaign tells its kills and its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdfast_catalog::{JobClass, JobFilter, JobState};
use holdfast_engine::Home;
use holdfast_engine::browse::At;
use holdfast_engine::restore::RestoreRequest;
use holdfast_jobs::{Work, submit};
use holdfast_model::{Clock, ShardId, Timestamp};
use holdfast_pgtest::Database;
use holdfast_testkit::{assert_same, live, stored};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::jobs::worker;
use crate::running::{DEADLINE, Running};
use crate::site::Site;
use crate::workers::two_homes;

/// What a worker says when it gets to a moment at which it may be killed.
const MOMENTS: [&str; 7] = [
    "job begins",
    "stage=\"fetch\"",
    "stage=\"pack\"",
    "stage=\"index\"",
    "stage=\"snapshot\"",
    "stage=\"catalog\"",
    "stage=\"restore write\"",
];

/// A moment that does not come in this time is given up: the worker is killed as it is.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Kills between two looks at all that is there.
const KILLS_PER_LOOK: usize = 100;

const HOMES: [&str; 2] = ["home", "home2"];

struct Campaign {
    site: Site,
    home: Home,
    workers: Vec<Running>,
    rng: ChaCha8Rng,
    /// Ids of all jobs that were asked for.
    jobs: BTreeSet<String>,
    /// Jobs that restore: the person that takes the mail, and the time as of which.
    restores: Vec<(String, String, Timestamp)>,
    kills: BTreeMap<&'static str, usize>,
    delivered: usize,
}

impl Campaign {
    async fn new(seed: u64, database: &Database) -> Self {
        let site = Site::slow(2, 8).await;
        two_homes(&site, database);
        site.json(&["backup"]);
        let key = site.path("instance.key");
        let home = Home::open(&site.path("home"), Some(&key), Clock::system()).await.unwrap();
        let workers = HOMES.iter().map(|home| start(&site, home)).collect();
        Self {
            site,
            home,
            workers,
            rng: ChaCha8Rng::seed_from_u64(seed),
            jobs: BTreeSet::new(),
            restores: Vec::new(),
            kills: BTreeMap::new(),
            delivered: 0,
        }
    }

    fn count(&self) -> usize {
        self.kills.values().sum()
    }

    /// New mail for somebody, sometimes one message less.
    fn edit(&mut self) {
        let person = self.site.user(self.rng.random_range(0..2));
        let folders = self.site.tenant().folders(&person).unwrap();
        for _ in 0..self.rng.random_range(1..4) {
            self.delivered += 1;
            let folder = &folders.choose(&mut self.rng).unwrap().id;
            let mime = mime(self.delivered);
            self.site.tenant().deliver(&person, folder, mime.as_bytes()).unwrap();
        }
        let inbox = self.site.tenant().messages(&person, "inbox").unwrap();
        if inbox.len() > 6 {
            self.site.tenant().message_delete(&person, &inbox[0].id, true).unwrap();
        }
    }

    /// Asks for a backup of all or of one person, or for a restore to somebody new.
    async fn ask(&mut self) {
        let resource = self.rng.random_bool(0.5).then(|| self.site.user(0));
        let backup = Work::Backup { tenant: "contoso".into(), resource };
        let id = submit(&self.home, backup, JobClass::OnDemand, "test").await.unwrap();
        self.jobs.insert(id);
        if self.rng.random_bool(0.2) {
            let target = format!("target{}@contoso.example", self.restores.len());
            self.site.tenant().user_add("Empty Person", &target).unwrap();
            self.site.json(&["resources"]);
            let at = self.home.catalog.now().await.unwrap();
            let request = RestoreRequest {
                resource: self.site.user(1),
                at: At::Time(at),
                to: Some(target.clone()),
                ..RestoreRequest::default()
            };
            let work = Work::Restore(Box::new(request));
            let id = submit(&self.home, work, JobClass::Restore, "test").await.unwrap();
            self.jobs.insert(id.clone());
            self.restores.push((id, target, at));
        }
    }

    /// Kills one of the workers at a moment of its own and starts it again.
    fn kill(&mut self) {
        let victim = self.rng.random_range(0..2);
        let moment = *MOMENTS.choose(&mut self.rng).unwrap();
        let spins = if self.rng.random() { 0 } else { 1 << self.rng.random_range(6..20) };
        let worker = &mut self.workers[victim];
        let came = worker.says_within(worker.len(), moment, PATIENCE);
        (0..spins).for_each(|_: u32| std::hint::spin_loop());
        worker.kill();
        let name = if came { moment } else { "idle, or another moment" };
        *self.kills.entry(name).or_default() += 1;
        println!("kill {}: worker {victim}, {name} + {spins}", self.count());
        self.workers[victim] = start(&self.site, HOMES[victim]);
    }

    /// Waits until nothing is left to do; every job must be done.
    async fn drain(&mut self) {
        let (end, filter) = (Instant::now() + DEADLINE, JobFilter::default());
        loop {
            let jobs = self.home.catalog.job_list(&filter, 10_000).await.unwrap();
            let open: Vec<_> = jobs.iter().filter(|job| !job.state.has_ended()).collect();
            if open.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "never done: {open:#?}");
            let worker = &self.workers[0];
            worker.says_within(worker.len(), "ending=", Duration::from_millis(100));
        }
        let jobs = self.home.catalog.job_list(&filter, 10_000).await.unwrap();
        for job in &jobs {
            assert_eq!(job.state, JobState::Done, "{job:#?}");
            assert!(job.result.is_some() && job.finished_at.is_some(), "{job:#?}");
        }
        let known: BTreeSet<String> = jobs.into_iter().map(|job| job.id).collect();
        assert_eq!(known, self.jobs, "jobs that were lost, or that nobody asked for");
    }

    /// Everything is there once, in the vault and in the mailboxes.
    async fn look(&mut self) {
        self.drain().await;
        let last = Work::Backup { tenant: "contoso".into(), resource: None };
        let id = submit(&self.home, last, JobClass::OnDemand, "test").await.unwrap();
        self.jobs.insert(id);
        self.drain().await;
        for person in [self.site.user(0), self.site.user(1)] {
            let kept = stored(&self.home, &person, &At::Latest).await.unwrap();
            assert_same(&kept, &live(self.site.tenant(), &person), &person);
        }
        for (job, target, at) in &self.restores {
            // What was read before it was asked for and committed later is not in it.
            let steps = self.home.catalog.job_steps(job).await.unwrap();
            let step: serde_json::Value = serde_json::from_str(&steps[0].result).unwrap();
            let taken: Timestamp = step["read_at"].as_str().unwrap().parse().unwrap();
            assert!(steps.len() == 1 && taken <= *at, "{steps:?}");
            let wanted = stored(&self.home, &self.site.user(1), &At::Time(taken)).await.unwrap();
            let there = live(self.site.tenant(), target);
            assert_eq!(there.len(), wanted.len(), "messages of the restore {job} in {target}");
        }
        self.history().await;
        assert_eq!(self.site.json(&["vault", "check", "--read-data"])["errors"], 0);
        assert_eq!(self.site.json(&["audit", "verify"])["ok"], true);
    }

    /// The snapshots that count follow each other without a gap, and all of them are in the vault.
    async fn history(&self) {
        let known = self.home.catalog.snapshot_list(None).await.unwrap();
        let seqs: Vec<u64> = known.iter().map(|row| row.seq.0).collect();
        assert_eq!(seqs, (1..=known.len() as u64).collect::<Vec<_>>(), "the history has gaps");
        let known: BTreeSet<String> = known.into_iter().map(|row| row.id).collect();
        let shard = self.home.vault(None).await.unwrap().shard(ShardId(1)).unwrap();
        let all = shard.snapshots().unwrap().into_iter().map(|snapshot| snapshot.id).collect();
        assert!(known.is_subset(&all), "a committed snapshot is not in the vault");
    }
}

fn start(site: &Site, home: &str) -> Running {
    worker(site, home, &["--no-scheduler", "--lease-seconds", "2", "--slots", "2"])
}

pub fn mime(number: usize) -> String {
    format!(
        "From: sender@contoso.example\r\nTo: all@contoso.example\r\nSubject: Number {number}\r\n\
         Message-ID: <{number}@kill.example>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nText {number}\r\n"
    )
}

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_killed_workers_no_job_is_lost_or_doubled() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let wanted = usize::try_from(number("HOLDFAST_SOAK_KILLS", 20)).unwrap();
    let seed = number("HOLDFAST_SOAK_FROM", 1);
    let database = Database::new(&server);
    let mut campaign = Campaign::new(seed, &database).await;
    while campaign.count() < wanted {
        campaign.edit();
        campaign.ask().await;
        campaign.kill();
        if campaign.count().is_multiple_of(KILLS_PER_LOOK) || campaign.count() == wanted {
            campaign.look().await;
        }
    }
    let Campaign { kills, jobs, restores, delivered, .. } = &campaign;
    println!(
        "{wanted} kills of seed {seed}: {kills:?}; {} jobs, {} of them restores, {delivered} messages",
        jobs.len(),
        restores.len()
    );
}
