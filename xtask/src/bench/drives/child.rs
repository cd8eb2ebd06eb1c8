//! The processes of `bench drives`: the tenant, and the backup that is measured.
//!
//! A first backup of 10,000 files waits minutes for the budget of SharePoint. Here whoever waits
//! moves the clock instead ([`hurried`]), so that the figures are those of the work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_engine::backup::{BackupRequest, backup};
use holdfast_engine::{Home, Progress};
use holdfast_graph::Sleep;
use holdfast_model::Clock;
use holdfast_testkit::sim::{self, DriveView, FileBytes, Limits, SimConfig, Stats, Tenant};
use holdfast_testkit::{Options, TestContext};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::bench::print;

/// One file in so many is shared by a link.
pub(super) const SHARED: usize = 100;

/// How long a jump of the clock lets requests come to their end that are on their way.
const LINGER: Duration = Duration::from_millis(10);

/// Size of a file where only the number of files counts.
const TINY: u64 = 4_000;

/// What a process does.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Task {
    /// Serve a tenant without limits, of one person whose OneDrive holds the files of the folder
    Tenant {
        /// Where to write the ids, an `Ids`
        ids: PathBuf,
        /// So many made files besides
        #[arg(default_value_t = 0)]
        made: u64,
    },
    /// Back up the installation in the folder
    Backup {
        /// How far the clock has to be ahead of the machine's, so that it never goes back
        hours: i64,
    },
    /// Back up so many files of a tenant with the limits of the service; prints a `Share`
    Share { files: u64 },
}

/// The drive of the tenant, and the items of it that came from the folder, by their paths.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ids {
    pub(super) drive: String,
    pub(super) items: BTreeMap<PathBuf, String>,
}

/// How a backup that had to wait used what the service allows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// Seconds of virtual time until the last wait was over.
    pub(super) seconds: i64,
    /// Resource units used until then.
    pub(super) units: u64,
    /// All requests and resource units, and those that were throttled.
    pub(super) requests: u64,
    pub(super) all_units: u64,
    pub(super) throttled: u64,
}

/// Carries out a task; prints what it gives.
pub(crate) fn run(dir: &Path, task: &Task) -> Result<()> {
    let runtime: Runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match *task {
            Task::Tenant { ref ids, made } => serve(dir, ids, made).await,
            Task::Backup { hours } => back_up(dir, hours).await,
            Task::Share { files } => share(files).await,
        }
    })
}

/// Waiting takes no time: the clock jumps to the end of the wait, once for all who wait side by
/// side. `jumped` is told by how much.
fn hurried(clock: &Clock, jumped: impl Fn(SignedDuration) + Send + Sync + 'static) -> Sleep {
    let (clock, jumped) = (clock.clone(), Arc::new(Mutex::new(jumped)));
    Sleep::new(move |wait| {
        let (clock, jumped) = (clock.clone(), Arc::clone(&jumped));
        let until = SignedDuration::try_from(wait).map(|wait| clock.now() + wait);
        async move {
            tokio::time::sleep(LINGER).await;
            let jumped = jumped.lock().unwrap_or_else(PoisonError::into_inner);
            let left = until.map(|until| until.duration_since(clock.now())).unwrap_or_default();
            if left.is_positive() {
                clock.advance(left);
                jumped(left);
            }
        }
    })
}

async fn back_up(dir: &Path, hours: i64) -> Result<()> {
    let clock = Clock::manual(Clock::system().now() + SignedDuration::from_hours(hours));
    let key = dir.join("instance.key");
    let mut home = Home::open(&dir.join("home"), Some(&key), clock.clone()).await?;
    home.sleep = hurried(&clock, |_| ());
    let report = backup(&home, &BackupRequest::default(), &Progress::default()).await?;
    print(&serde_json::to_string(&report)?);
    Ok(())
}

/// Serves until it is killed.
async fn serve(dir: &Path, ids: &Path, made: u64) -> Result<()> {
    let config = SimConfig {
        users: 1,
        mails_per_user: 0,
        empty: true,
        limits: Limits::none(),
        ..SimConfig::default()
    };
    let sim = sim::start(config).await?;
    let drive = onedrive(sim.tenant())?;
    let items = fill(sim.tenant(), &drive, dir)?;
    add_made(sim.tenant(), &drive, made)?;
    fs::write(ids, serde_json::to_vec(&Ids { drive: drive.id, items })?)?;
    print(&serde_json::to_string(&sim.info)?);
    sim.wait().await;
    Ok(())
}

/// The OneDrive of the only person.
fn onedrive(tenant: &Tenant) -> Result<DriveView> {
    let users = tenant.users();
    Ok(tenant.onedrive_add(&users.first().context("somebody works there")?.upn)?)
}

/// Puts the files of a folder into a drive, with its folders, and shares some of them; gives the
/// ids by the paths below the folder.
fn fill(tenant: &Tenant, drive: &DriveView, from: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let (mut open, mut count) = (vec![(from.to_owned(), drive.root.clone())], 0);
    let mut ids = BTreeMap::new();
    while let Some((folder, parent)) = open.pop() {
        for path in sorted(&folder)? {
            let name = path.file_name().context("it has a name")?.to_string_lossy();
            let id = if path.is_dir() {
                let id = tenant.drive_folder_add(&drive.id, &parent, &name)?;
                open.push((path.clone(), id.clone()));
                id
            } else {
                count += 1;
                tenant.file_add(&drive.id, &parent, &name, fs::read(&path)?.into())?
            };
            if path.is_file() && count % SHARED == 0 {
                tenant.drive_link_add(&drive.id, &id, "view", "organization")?;
            }
            ids.insert(path.strip_prefix(from)?.to_owned(), id);
        }
    }
    Ok(ids)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Adds files that all differ, a hundred in a folder.
fn add_made(tenant: &Tenant, drive: &DriveView, count: u64) -> Result<()> {
    let mut folder = String::new();
    for seed in 0..count {
        if seed.is_multiple_of(100) {
            folder = tenant.drive_folder_add(&drive.id, &drive.root, &format!("Made {seed}"))?;
        }
        let bytes = FileBytes::Made { seed, size: TINY };
        tenant.file_add(&drive.id, &folder, &format!("{seed}.bin"), bytes)?;
    }
    Ok(())
}

/// Tenant and backup in one process: both live by the same clock.
async fn share(files: u64) -> Result<()> {
    let options = Options { users: 1, mails: 0, ..Options::default() };
    let mut context = TestContext::new(options).await;
    add_made(context.tenant(), &onedrive(context.tenant())?, files)?;
    let last: Arc<Mutex<Option<Stats>>> = Arc::default();
    let (noted, tenant) = (Arc::clone(&last), Arc::clone(context.tenant()));
    let clock = context.home.clock.clone();
    context.home.sleep = hurried(&clock, move |by| {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenant.stats());
        tenant.clock().advance(by.unsigned_abs());
    });
    let start = clock.now();
    let request = BackupRequest::default();
    let report = backup(&context.home, &request, &Progress::default()).await?;
    ensure!(report.counts.items_new == files, "{} of {files} stored", report.counts.items_new);
    let (all, last) = (context.tenant().stats(), last.lock().map(|mut last| last.take()));
    let share = Share {
        seconds: clock.now().duration_since(start).as_secs(),
        units: last.ok().flatten().map_or(0, |stats| stats.resource_units),
        requests: all.total() + all.downloads,
        all_units: all.resource_units,
        throttled: all.throttled,
    };
    print(&serde_json::to_string(&share)?);
    Ok(())
}
