//! A worker: takes jobs, does them side by side, gives signs of life, ends them.

use std::sync::Arc;
use std::time::Duration;

use holdfast_catalog::{Claim, Ending, JobClass, JobRow, Kind, Wanted};
use holdfast_engine::{Exit, Home, Progress, process_name};
use holdfast_model::Timestamp;
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::error::{Error, Result};
use crate::perform::{Performed, perform};
use crate::work::Work;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Jobs at the same time; of more than one the last is kept for what a person waits for.
    pub slots: usize,
    /// Jobs of one tenant at the same time, over all workers; restores are not counted.
    pub per_tenant: u32,
    /// How long a job stays with a worker that gives no sign of life; a sign comes three times in
    /// this time.
    pub ttl: Duration,
    /// How often an idle worker looks for a job.
    pub poll: Duration,
    /// A first backup gives way after this time, and goes on when its turn comes again.
    pub slice: Duration,
    /// How long a job that is to stop may go on before it is cut off.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            slots: 4,
            per_tenant: 3,
            ttl: Duration::from_secs(60),
            poll: Duration::from_secs(2),
            slice: Duration::from_secs(600),
            grace: Duration::from_secs(60),
        }
    }
}

/// A job that failed so often in a row is given up; one that has to wait is not.
const ATTEMPTS: u64 = 5;
/// A job that its workers did not survive so often is given up.
const DEATHS: u64 = 20;
/// Before it is tried again: doubled with every attempt, up to half an hour.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// Tells workers to stop: what they do is brought to an end or given back.
pub type Stop = watch::Receiver<bool>;

/// A signal to stop and its sender.
pub fn stop_signal() -> (watch::Sender<bool>, Stop) {
    watch::channel(false)
}

/// Takes jobs from the queue and does them.
#[derive(Clone)]
pub struct Worker {
    home: Arc<Home>,
    options: WorkerOptions,
    owner: String,
}

/// Why a job that runs is to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Wanted(Wanted),
    /// Its time is over.
    Slice,
    /// The worker ends.
    Leaving,
}

impl Worker {
    /// A worker of this process.
    pub fn new(home: Arc<Home>, options: WorkerOptions) -> Self {
        Self { home, options, owner: process_name() }
    }

    /// Works until it is told to stop, and then until everything that it has is ended or given
    /// back.
    pub async fn run(&self, mut stop: Stop) {
        let mut running = JoinSet::new();
        while !*stop.borrow() {
            self.fill(&mut running, &stop).await;
            tokio::select! {
                () = told(&mut stop) => {}
                Some(_) = running.join_next() => {}
                () = sleep(self.options.poll) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Does everything that can be done now; tells how many jobs were taken.
    pub async fn drain(&self, stop: &Stop) -> usize {
        let (mut running, mut taken) = (JoinSet::new(), 0);
        loop {
            taken += self.fill(&mut running, stop).await;
            if running.join_next().await.is_none() {
                return taken;
            }
        }
    }

    async fn fill(&self, running: &mut JoinSet<()>, stop: &Stop) -> usize {
        let mut taken = 0;
        while running.len() < self.options.slots.max(1) {
            match self.claim(running.len()).await {
                Ok(Some(job)) => {
                    let (worker, stop) = (self.clone(), stop.clone());
                    let runtime = Handle::current();
                    // On a thread of its own: parts of the work block.
                    running.spawn_blocking(move || runtime.block_on(worker.work_on(job, stop)));
                    taken += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "no job could be taken");
                    break;
                }
            }
        }
        taken
    }

    async fn claim(&self, running: usize) -> Result<Option<JobRow>> {
        let is_last = self.options.slots > 1 && running + 1 == self.options.slots;
        let claim = Claim {
            owner: self.owner.clone(),
            ttl: self.options.ttl,
            down_to: if is_last { JobClass::OnDemand } else { JobClass::FirstFull },
            per_tenant: self.options.per_tenant,
        };
        Ok(self.home.catalog.job_claim(&claim).await?)
    }

    /// Does a job under its lease.
    async fn work_on(&self, job: JobRow, stop: Stop) {
        let (id, kind) = (job.id.as_str(), job.kind.as_str());
        tracing::info!(job = id, kind, tenant = job.tenant, fence = %job.fence, "job begins");
        let begun = Instant::now();
        let (ending, charged) = match self.before(&job) {
            Some(ending) => (ending, begun),
            None => match self.under_lease(&job, stop).await {
                Some(ended) => ended,
                None => {
                    tracing::warn!(job = id, "the job was lost to another worker");
                    return;
                }
            },
        };
        match self.home.catalog.job_end(&job, charged.elapsed(), &ending).await {
            Ok(()) => tracing::info!(job = id, kind, ending = name(&ending), "job ends"),
            Err(error) => tracing::warn!(job = id, %error, "the end of a job was not noted"),
        }
    }

    /// What is to be done with a job instead of its work.
    fn before(&self, job: &JobRow) -> Option<Ending> {
        match job.wanted {
            Some(wanted) => Some(Ending::Stopped(wanted)),
            None if job.attempts > DEATHS => {
                let message = format!("its workers ended {} times before it did", job.attempts - 1);
                Some(Ending::Failed(message))
            }
            None => None,
        }
    }

    /// Does the work while signs of life are given; with the moment up to which the tenant was
    /// charged. `None` where the job was lost: its work is dropped at once.
    async fn under_lease(&self, job: &JobRow, mut stop: Stop) -> Option<(Ending, Instant)> {
        let progress = Progress::default();
        let begun = Instant::now();
        let work = self.perform(job, &progress);
        tokio::pin!(work);
        let mut beats = interval(self.options.ttl / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.tick().await;
        let (mut reason, mut alive, mut charged) = (None, begun, begun);
        let mut cut_off = None;
        loop {
            tokio::select! {
                done = &mut work => return Some((self.ending(job, done, reason), charged)),
                _ = beats.tick() => {
                    let worked = charged.elapsed();
                    let seen = serde_json::to_string(&progress.seen()).unwrap_or_default();
                    let beat = self.home.catalog.job_beat(job, self.options.ttl, worked, &seen);
                    match beat.await {
                        Ok(wanted) => {
                            (alive, charged) = (Instant::now(), Instant::now());
                            reason = wanted.map(Reason::Wanted).or(reason);
                        }
                        Err(error) if error.kind() == Kind::FenceLost => return None,
                        // Who cannot say that he lives must take himself for dead in time.
                        Err(_) if alive.elapsed() > self.options.ttl * 5 / 6 => return None,
                        Err(error) => tracing::warn!(%error, "no sign of life could be given"),
                    }
                    let is_over = begun.elapsed() > self.options.slice;
                    if job.class == JobClass::FirstFull && is_over {
                        reason = reason.or(Some(Reason::Slice));
                    }
                }
                () = told(&mut stop), if reason.is_none() => {
                    reason = Some(Reason::Leaving);
                }
                () = at(cut_off), if cut_off.is_some() => {
                    return Some((stopped(reason), charged));
                }
            }
            if reason.is_some() && cut_off.is_none() {
                progress.stop();
                cut_off = Some(Instant::now() + self.options.grace);
            }
        }
    }

    async fn perform(&self, job: &JobRow, progress: &Progress) -> Result<Performed> {
        let work: Work = serde_json::from_str(&job.request)
            .map_err(|source| Error::Request { job: job.id.clone(), source })?;
        perform(&self.home, &work, progress).await
    }

    /// How a job ends whose work has ended.
    fn ending(&self, job: &JobRow, done: Result<Performed>, reason: Option<Reason>) -> Ending {
        let error = match done {
            Ok(Performed::Done(result)) => return Ending::Done(result),
            Ok(Performed::Stopped) => return stopped(reason),
            Err(error) => error,
        };
        let waits = match &error {
            Error::Engine(error) => match error.exit() {
                Exit::Later => true,
                Exit::Error => false,
                _ => return Ending::Failed(error.to_string()),
            },
            Error::Catalog(_) => false,
            Error::Request { .. } => return Ending::Failed(error.to_string()),
        };
        if !waits && job.attempts >= ATTEMPTS {
            return Ending::Failed(error.to_string());
        }
        let factor = 1 << (job.attempts.saturating_sub(1)).min(10);
        let pause = (PAUSE * factor).min(LONGEST_PAUSE);
        let again = self.home.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        Ending::Later(again, error.to_string())
    }
}

fn stopped(reason: Option<Reason>) -> Ending {
    match reason {
        Some(Reason::Wanted(wanted)) => Ending::Stopped(wanted),
        _ => Ending::Released,
    }
}

/// Returns when the worker is to stop, also where nobody is left to tell it.
async fn told(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
}

fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done(_) => "done",
        Ending::Failed(_) => "failed",
        Ending::Stopped(_) => "stopped",
        Ending::Later(..) => "put back",
        Ending::Released => "released",
    }
}
