//! `kill -9` of a server at random moments, also in the middle of what it is asked: what it has
//! accepted is done, nothing is done that is not on record, and the record has no gap.
//!
//! One process answers, schedules nothing and works, on SQLite. Before each kill mail is delivered
//! and a client asks for a backup; the server is killed while it answers, or on a line of its log,
//! and started again. `HOLDFAST_SOAK_KILLS` says how many kills, `HOLDFAST_SOAK_FROM` with which
//! seed.

#![allow(clippy::print_stdout, reason = "a campaign tells its kills and its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use holdfast_catalog::{JobFilter, JobState};
use holdfast_engine::Home;
use holdfast_engine::browse::At;
use holdfast_model::Clock;
use holdfast_testkit::{assert_same, live, stored};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::kill_workers::{mime, number};
use crate::remote::Served;
use crate::running::DEADLINE;
use crate::site::Site;

/// What the server says when it gets to a moment at which it may be killed; the first means: at
/// once, while it is asked.
const MOMENTS: [&str; 7] = [
    "asked",
    "job begins",
    "stage=\"fetch\"",
    "stage=\"pack\"",
    "stage=\"index\"",
    "stage=\"snapshot\"",
    "stage=\"catalog\"",
];

/// A moment that does not come in this time is given up: the server is killed as it is.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The longest wait, in microseconds, between asking and a kill in the middle of the answer.
const ANSWERING: u64 = 120_000;

struct Campaign {
    site: Site,
    home: Home,
    served: Served,
    rng: ChaCha8Rng,
    /// Jobs that the server has said it accepted.
    accepted: BTreeSet<String>,
    /// Requests that were cut off.
    cut_off: usize,
    kills: BTreeMap<&'static str, usize>,
    delivered: usize,
}

impl Campaign {
    async fn new(seed: u64) -> Self {
        let site = Site::slow(2, 8).await;
        site.init();
        site.add_tenant();
        site.json(&["backup"]);
        let served = start(&site, "127.0.0.1:0");
        served.set_up(&site);
        served.token(&site, "token", &["view_resources", "view_jobs", "run_backups"]);
        let key = site.path("instance.key");
        let home = Home::open(&site.path("home"), Some(&key), Clock::system()).await.unwrap();
        Self {
            site,
            home,
            served,
            rng: ChaCha8Rng::seed_from_u64(seed),
            accepted: BTreeSet::new(),
            cut_off: 0,
            kills: BTreeMap::new(),
            delivered: 0,
        }
    }

    fn count(&self) -> usize {
        self.kills.values().sum()
    }

    fn deliver(&mut self) {
        let person = self.site.user(self.rng.random_range(0..2));
        for _ in 0..self.rng.random_range(1..4) {
            self.delivered += 1;
            let mime = mime(self.delivered);
            self.site.tenant().deliver(&person, "inbox", mime.as_bytes()).unwrap();
        }
    }

    /// Asks for a backup, kills the server at a moment of its own, and starts it again.
    fn ask_and_kill(&mut self) {
        let moment = *MOMENTS.choose(&mut self.rng).unwrap();
        let wait = Duration::from_micros(self.rng.random_range(0..ANSWERING));
        let said = self.served.running.len();
        let mut asking = self.served.client(&self.site, "token", &["backup", "--queue", "--json"]);
        let asking = asking.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let came = match moment {
            "asked" => {
                // Which part of the answer it hits is what the campaign is about.
                let end = Instant::now() + wait;
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                true
            }
            moment => self.served.running.says_within(said, moment, PATIENCE),
        };
        self.served.running.kill();
        let answer = asking.wait_with_output().unwrap();
        match answer.status.success() {
            true => {
                let queued: Value = serde_json::from_slice(&answer.stdout).unwrap();
                let id = queued[0]["job"].as_str().unwrap_or_else(|| panic!("{queued}"));
                self.accepted.insert(id.to_owned());
            }
            false => self.cut_off += 1,
        }
        let name = if came { moment } else { "idle, or another moment" };
        *self.kills.entry(name).or_default() += 1;
        println!("kill {}: {name}", self.count());
        let place = self.served.told["address"].as_str().unwrap().to_owned();
        self.served = start(&self.site, &place);
    }

    /// Waits until nothing is left to do.
    async fn drain(&self) {
        let (end, filter) = (Instant::now() + DEADLINE, JobFilter::default());
        loop {
            let jobs = self.home.catalog.job_list(&filter, 10_000).await.unwrap();
            let open: Vec<_> = jobs.iter().filter(|job| !job.state.has_ended()).collect();
            if open.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "never done: {open:#?}");
            let running = &self.served.running;
            running.says_within(running.len(), "ending=", Duration::from_millis(100));
        }
    }

    async fn look(&self) {
        assert_eq!(self.served.run(&self.site, &["backup"]).code, 0);
        self.drain().await;
        let jobs = self.home.catalog.job_list(&JobFilter::default(), 10_000).await.unwrap();
        for job in &jobs {
            assert_eq!(job.state, JobState::Done, "{job:#?}");
        }
        let known: BTreeSet<String> = jobs.iter().map(|job| job.id.clone()).collect();
        let lost: Vec<_> = self.accepted.difference(&known).collect();
        assert!(lost.is_empty(), "accepted and lost: {lost:?}");
        self.record(jobs.len());
        for person in [self.site.user(0), self.site.user(1)] {
            let kept = stored(&self.home, &person, &At::Latest).await.unwrap();
            assert_same(&kept, &live(self.site.tenant(), &person), &person);
        }
        assert_eq!(self.site.json(&["vault", "check", "--read-data"])["errors"], 0);
    }

    /// No job without an entry that says who asked, no accepted one without its end, no start
    /// without an entry; and the record is whole.
    fn record(&self, jobs: usize) {
        let entries = |action: &str, outcome: &str| {
            let limit = ["--limit", "10000", "--outcome", outcome, "--action", action];
            let listed = self.site.json(&[&["audit", "list"], &limit[..]].concat());
            listed.as_array().unwrap().len()
        };
        let (begun, done) = (entries("backup.run", "begun"), entries("backup.run", "done"));
        assert!(begun >= jobs, "{jobs} jobs, but {begun} entries of somebody who asks");
        assert!(done >= self.accepted.len(), "{} accepted, {done} on record", self.accepted.len());
        assert_eq!(entries("server.start", "done"), self.count() + 1);
        let verified = self.site.json(&["audit", "verify"]);
        assert_eq!(verified["ok"], true, "{verified:#}");
    }
}

fn start(site: &Site, listen: &str) -> Served {
    Served::start(site, listen, &["--slots", "2"])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_has_accepted_is_done_and_on_record() {
    let wanted = usize::try_from(number("HOLDFAST_SOAK_KILLS", 10)).unwrap();
    let seed = number("HOLDFAST_SOAK_FROM", 1);
    let mut campaign = Campaign::new(seed).await;
    while campaign.count() < wanted {
        campaign.deliver();
        campaign.ask_and_kill();
    }
    campaign.look().await;
    let Campaign { kills, accepted, cut_off, delivered, .. } = &campaign;
    println!(
        "{wanted} kills of seed {seed}: {kills:?}; {} jobs accepted, {cut_off} requests cut off, \
         {delivered} messages",
        accepted.len()
    );
}
