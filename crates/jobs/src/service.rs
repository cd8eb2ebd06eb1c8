//! What a process does that works on the queue: a worker, the scheduler beside it, the signed end of
//! the audit record, and forgetting what is old. `holdfast worker` and the server run it alike.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Home;
use holdfast_engine::audit::Audit;
use jiff::SignedDuration;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::error::Result;
use crate::scheduler::tick;
use crate::worker::{Stop, Worker, WorkerOptions, told};

/// How a service works.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Its worker.
    pub worker: WorkerOptions,
    /// Whether it looks for what is due. Any number of services may.
    pub is_scheduling: bool,
    /// How often it looks for what is due.
    pub tick: Duration,
    /// How often the end of the audit record is signed in the home vault.
    pub sign: Duration,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            worker: WorkerOptions::default(),
            is_scheduling: true,
            tick: Duration::from_secs(60),
            sign: Duration::from_secs(180),
        }
    }
}

/// How often what is old is forgotten.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Jobs that ended before are forgotten.
const JOBS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// What was attained before so many days is forgotten: more than a year, for reports on one.
const DAYS_KEPT: u64 = 400;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// Works until it is told to stop, and then until everything that it has is ended or given back;
/// tells how many jobs were taken.
pub async fn serve(home: &Arc<Home>, options: &ServiceOptions, stop: Stop) -> usize {
    let worker = Worker::new(Arc::clone(home), options.worker.clone());
    let _beside =
        [beside(signing(Arc::clone(home), options.sign)), beside(sweeping(Arc::clone(home)))];
    let _ticking = options
        .is_scheduling
        .then(|| beside(ticking(Arc::clone(home), options.tick, stop.clone())));
    worker.run(stop).await
}

/// Does what can be done now, and what is found to be due by that, then ends; tells how many jobs
/// were taken.
///
/// # Errors
/// Where it cannot be told what is due.
pub async fn drain(home: &Arc<Home>, options: &ServiceOptions, stop: &Stop) -> Result<usize> {
    let worker = Worker::new(Arc::clone(home), options.worker.clone());
    let _signing = beside(signing(Arc::clone(home), options.sign));
    let mut all = 0;
    loop {
        if options.is_scheduling {
            tick(worker.home()).await?;
        }
        let taken = worker.drain(stop).await;
        all += taken;
        if taken == 0 || *stop.borrow() {
            return Ok(all);
        }
    }
}

/// Something that goes on beside the worker and ends with it.
struct Beside(AbortHandle);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn beside(work: impl Future<Output = ()> + Send + 'static) -> Beside {
    Beside(tokio::spawn(work).abort_handle())
}

async fn ticking(home: Arc<Home>, every: Duration, mut stop: Stop) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            _ = ticks.tick() => {}
        }
        match tick(&home).await {
            Ok(found) if found.jobs == 0 => {}
            Ok(found) => {
                let (due, overdue, jobs) = (found.due, found.overdue, found.jobs);
                tracing::info!(due, overdue, jobs, "what is due is in the queue");
            }
            Err(error) => tracing::warn!(%error, "what is due could not be told"),
        }
    }
}

async fn signing(home: Arc<Home>, every: Duration) {
    let mut times = interval(every);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, when there is nothing to sign yet.
    times.tick().await;
    loop {
        times.tick().await;
        match Audit::open(&home).await {
            Ok(audit) => audit.save_head_or_warn().await,
            Err(error) => tracing::warn!(%error, "the audit record cannot be opened"),
        }
    }
}

async fn sweeping(home: Arc<Home>) {
    let mut times = interval(SWEEP);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        if let Err(error) = sweep(&home).await {
            tracing::warn!(%error, "old jobs could not be forgotten");
        }
    }
}

/// Forgets jobs and attained objectives of long ago; tells how many jobs.
///
/// # Errors
/// Where the catalog fails.
pub async fn sweep(home: &Home) -> Result<u64> {
    let now = home.catalog.now().await?;
    let day = now.as_millisecond().div_euclid(DAY_MS).max(0).unsigned_abs();
    home.catalog.attained_prune(day.saturating_sub(DAYS_KEPT)).await?;
    let gone = match now.checked_sub(JOBS_KEPT) {
        Ok(before) => home.catalog.job_prune(before).await?,
        Err(_) => 0,
    };
    Ok(gone)
}
