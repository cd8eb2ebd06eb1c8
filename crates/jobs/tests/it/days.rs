//! Days of a large tenant in virtual time: resources with mixed objectives, a hundred in a shard,
//! four workers, a service that throttles and fails. The queue, the leases and the scheduler are
//! real; only the reading of mailboxes is not.
//!
//! `HOLDFAST_SOAK_RESOURCES` says how many there are, `HOLDFAST_SOAK_FROM` is the seed.

#![allow(clippy::print_stdout, reason = "a campaign tells its figures")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use holdfast_catalog::{
    Claim, Commit, Ending, JobClass, JobRow, ResourceCommit, ResourceRow, ResourceStatus, ShardRow,
    TenantRow,
};
use holdfast_engine::{Home, InitOptions, Storage, Unlock, schedule};
use holdfast_jobs::{Work, tick};
use holdfast_model::{Clock, FileVersions, ResourceId, Secret, ShardId, Timestamp, Workload};
use holdfast_policy::{Schedule, Stand};
use jiff::SignedDuration;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const IN_A_SHARD: u32 = 100;
/// Of the resources: one in 20 is an executive's, one in 4 has six hours, the others have a day.
const OBJECTIVES: [(&str, &str, u32); 3] =
    [("executives", "1h", 20), ("staff", "6h", 4), ("rest", "24h", 1)];
const WORKERS: usize = 4;
const TICK: SignedDuration = SignedDuration::from_mins(5);
const TTL: Duration = Duration::from_secs(3 * 3_600);
/// What reading a resource takes: an idle poll, and one in five with changes.
const IDLE_MS: i64 = 400;
const CHANGED_MS: i64 = 6_000;
const FIRST_MS: i64 = 40_000;

struct Days {
    home: Home,
    clock: Clock,
    rng: ChaCha8Rng,
    vault: String,
    rows: BTreeMap<ResourceId, ResourceRow>,
    schedules: Vec<Schedule>,
    running: BinaryHeap<Reverse<(Timestamp, usize)>>,
    jobs: BTreeMap<usize, (JobRow, Vec<ResourceRow>, SignedDuration)>,
    claimed: usize,
    _dir: tempfile::TempDir,
}

fn resource(number: u32, shards: u32, (name, _, _): (&str, &str, u32)) -> ResourceRow {
    ResourceRow {
        id: ResourceId(format!("exchange/{number:05}")),
        tenant: "contoso".into(),
        workload: Workload::Exchange,
        graph_id: format!("{number:05}"),
        name: format!("{name}-{number}@contoso.example"),
        display_name: format!("Person {number}"),
        shard: Some(ShardId(1 + number % shards)),
        dir: None,
        status: ResourceStatus::Active,
        skip_cause: None,
        stale: false,
        restore_point: None,
        last_polled: None,
        list_link: None,
    }
}

fn group(number: u32, shards: u32) -> (&'static str, &'static str, u32) {
    // By a number that has nothing to do with the shard.
    let spread = number / shards;
    *OBJECTIVES.iter().find(|(_, _, every)| spread.is_multiple_of(*every)).unwrap()
}

impl Days {
    async fn new(resources: u32, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let init = InitOptions {
            vault: dir.path().join("vault").into(),
            storage: Storage::default(),
            unlock: Unlock::Passphrase(Secret::new("correct horse battery staple")),
            instance_key: Some(dir.path().join("instance.key")),
            catalog_url: None,
        };
        let (home, _) = Home::init(&dir.path().join("home"), &init, clock.clone()).await.unwrap();
        let vault = home.catalog.vault_list().await.unwrap()[0].id.clone();
        home.catalog.tenant_put(&tenant(&vault, start)).await.unwrap();
        let shards = resources.div_ceil(IN_A_SHARD);
        let rows: BTreeMap<_, _> = (0..resources)
            .map(|number| resource(number, shards, group(number, shards)))
            .map(|row| (row.id.clone(), row))
            .collect();
        let mut days = Self {
            home,
            clock,
            rng: ChaCha8Rng::seed_from_u64(seed),
            vault,
            rows,
            schedules: Vec::new(),
            running: BinaryHeap::new(),
            jobs: BTreeMap::new(),
            claimed: 0,
            _dir: dir,
        };
        days.put_resources().await;
        days.set_schedules().await;
        days.schedules = schedule::list(&days.home).await.unwrap().remove("contoso").unwrap();
        days
    }

    async fn put_resources(&mut self) {
        let shards: BTreeSet<ShardId> = self.rows.values().filter_map(|row| row.shard).collect();
        for shard in shards {
            self.home.catalog.shard_put(&ShardRow::new(&self.vault, shard)).await.unwrap();
            let rows: Vec<_> =
                self.rows.values().filter(|row| row.shard == Some(shard)).cloned().collect();
            self.commit(shard, rows).await;
        }
    }

    async fn set_schedules(&self) {
        for (name, rpo, _) in OBJECTIVES {
            let named = self.rows.values().filter(|row| row.name.starts_with(name));
            let mut set =
                Schedule { name: name.into(), rpo: rpo.parse().unwrap(), ..Schedule::default() };
            if name != "rest" {
                set.select.resources = named.map(|row| row.name.clone()).collect();
            }
            let record = serde_json::to_string(&set).unwrap();
            let row = holdfast_catalog::ScheduleRow {
                tenant: "contoso".into(),
                name: name.into(),
                record,
            };
            self.home.catalog.schedule_put(&row).await.unwrap();
        }
        schedule::assign(&self.home).await.unwrap();
    }

    /// Commits rows as a backup of a shard does.
    async fn commit(&self, shard: ShardId, rows: Vec<ResourceRow>) {
        let catalog = &self.home.catalog;
        let lease = catalog.lease_take(&self.vault, shard, "it", TTL).await.unwrap();
        let commit = Commit {
            vault_id: self.vault.clone(),
            shard,
            fence: lease.fence,
            snapshot: None,
            resources: rows.into_iter().map(ResourceCommit::new).collect(),
        };
        catalog.commit(commit).await.unwrap();
        catalog.lease_release(&lease).await.unwrap();
    }

    async fn claim(&self) -> Option<JobRow> {
        let claim = Claim {
            owner: "it".into(),
            ttl: TTL,
            down_to: JobClass::FirstFull,
            per_tenant: WORKERS as u32,
        };
        self.home.catalog.job_claim(&claim).await.unwrap()
    }

    /// Begins a job: which resources are read at this moment, and how long that takes.
    async fn begin(&mut self, job: &JobRow) -> (Vec<ResourceRow>, SignedDuration) {
        let work: Work = serde_json::from_str(&job.request).unwrap();
        let Work::Due { shard, first, .. } = work else {
            self.home
                .catalog
                .meta_set("discovered/contoso", &self.now().to_string())
                .await
                .unwrap();
            return (Vec::new(), SignedDuration::from_secs(20));
        };
        let now = self.now();
        let of = |name: &str| self.schedules.iter().find(|s| s.name == name).unwrap();
        let mut rows = Vec::new();
        for row in self.rows.values().filter(|row| row.shard == Some(shard)) {
            let stand = Stand {
                restore_point: row.restore_point,
                last_polled: row.last_polled,
                is_available: true,
            };
            let schedule = of(row.name.split('-').next().unwrap());
            let due = schedule.due(now, &stand);
            if due.is_first == first && due.along <= now {
                rows.push(row.clone());
            }
        }
        let mut ms = 0;
        for row in &mut rows {
            ms += match (first, self.rng.random_bool(0.2)) {
                (true, _) => FIRST_MS,
                (_, true) => CHANGED_MS,
                (_, false) => IDLE_MS,
            };
            row.last_polled = Some(now);
            // One in 200 fails and is tried again.
            if !self.rng.random_bool(0.005) {
                row.restore_point = Some(now);
            }
        }
        // Eight at a time; one run in ten is throttled for one to ten minutes.
        let throttled =
            if self.rng.random_bool(0.1) { self.rng.random_range(60_000..600_000) } else { 0 };
        (rows, SignedDuration::from_millis(2_000 + ms / 8 + throttled))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets so many days pass.
    async fn pass(&mut self, days: i64) {
        let end = self.now() + SignedDuration::from_hours(24 * days);
        let mut next_tick = self.now();
        while self.now() < end {
            if next_tick <= self.now() {
                tick(&self.home).await.unwrap();
                next_tick = self.now() + TICK;
            }
            while self.running.len() < WORKERS {
                let Some(job) = self.claim().await else { break };
                let (rows, length) = self.begin(&job).await;
                self.claimed += 1;
                self.running.push(Reverse((self.now() + length, self.claimed)));
                self.jobs.insert(self.claimed, (job, rows, length));
            }
            let first = self.running.peek().map(|Reverse((at, _))| *at);
            let Some(at) = first.filter(|at| *at <= next_tick) else {
                self.advance_to(next_tick);
                continue;
            };
            self.advance_to(at);
            let Some(Reverse((_, number))) = self.running.pop() else { continue };
            let (job, rows, length) = self.jobs.remove(&number).unwrap();
            self.finish(&job, rows, length).await;
        }
    }

    fn advance_to(&self, at: Timestamp) {
        self.clock.advance(at.duration_since(self.now()));
    }

    async fn finish(&mut self, job: &JobRow, rows: Vec<ResourceRow>, length: SignedDuration) {
        if let Some(shard) = rows.first().and_then(|row| row.shard) {
            self.rows.extend(rows.iter().map(|row| (row.id.clone(), row.clone())));
            self.commit(shard, rows).await;
        }
        let done = Ending::Done("{}".into());
        self.home.catalog.job_end(job, length.unsigned_abs(), &done).await.unwrap();
    }
}

fn tenant(vault: &str, now: Timestamp) -> TenantRow {
    TenantRow {
        name: "contoso".into(),
        tenant_id: "6f9a2c1e-0000-4000-8000-00000000000a".into(),
        vault_id: vault.into(),
        graph_url: "https://graph.example".into(),
        authority_url: "https://login.example".into(),
        ca_pem: None,
        client_id: "client".into(),
        sealed_credential: None,
        restore_client_id: None,
        sealed_restore_credential: None,
        file_versions: FileVersions::Latest,
        created_at: now,
    }
}

/// The value below which a share of the sorted values lies.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_resources_keep_their_objectives_and_none_starves() {
    let resources = number("HOLDFAST_SOAK_RESOURCES", 600);
    let mut scene = Days::new(resources.try_into().unwrap(), number("HOLDFAST_SOAK_FROM", 1)).await;
    // The first day is that of the first backups.
    scene.pass(1).await;
    let without = scene.rows.values().filter(|row| row.restore_point.is_none()).count();
    assert_eq!(without, 0, "without a first backup");
    let day = |now: Timestamp| now.as_second().unsigned_abs() / 86_400;
    scene.pass(1).await;
    let since = day(scene.now());
    scene.pass(2).await;

    let attained = scene.home.catalog.attained_list(since).await.unwrap();
    for (name, rpo, _) in OBJECTIVES {
        let objective =
            rpo.parse::<holdfast_policy::Objective>().unwrap().duration().as_millis() as u64;
        let of: Vec<_> = attained.iter().filter(|row| row.objective_ms == objective).collect();
        let mut worst: Vec<u64> = of.iter().map(|row| row.worst_ms).collect();
        worst.sort_unstable();
        let (points, missed): (u64, u64) =
            of.iter().fold((0, 0), |(p, m), row| (p + row.points, m + row.missed));
        let minutes = |share| quantile(&worst, share) / 60_000;
        println!(
            "{name} ({rpo}): {points} restore points, {missed} late; worst of a day and resource in \
             minutes: p50 {}, p95 {}, all {}",
            minutes(0.5),
            minutes(0.95),
            minutes(1.0)
        );
        assert!(points > 0, "{name}");
        assert!(quantile(&worst, 0.95) <= objective, "{name}: p95 misses the objective");
        assert!(missed * 100 <= points, "{name}: {missed} of {points} late");
        assert!(quantile(&worst, 1.0) <= 2 * objective, "{name}: one starves");
    }
    let stands = scene.home.catalog.stand_list().await.unwrap();
    let now = scene.now();
    for stand in stands {
        let age = now.duration_since(stand.restore_point.unwrap()).as_millis() as u64;
        assert!(age <= 2 * stand.objective_ms.unwrap(), "{} is {age} ms old", stand.name);
    }
}
