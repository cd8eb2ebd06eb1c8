//! A worker: takes jobs, does them side by side, gives signs of life, ends them.

use std::sync::Arc;
use std::time::Duration;

use holdfast_catalog::{Claim, Ending, JobClass, JobFilter, JobRow, JobState, Kind};
use holdfast_engine::{Home, Progress, process_is_dead, process_name};
use holdfast_model::Timestamp;
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Error, Result};
use crate::perform::{Performed, begun, perform};
use crate::pulse::{Heard, Pulse};
use crate::record;
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
/// Before a failed job is tried again: doubled with every attempt, up to half an hour.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// Before one is tried again that has to wait: for a shard that another job has, for a service
/// that is away. Sooner where who has the shard must give a sign of life before.
const WAIT: SignedDuration = SignedDuration::from_secs(30);
/// How long a first backup leaves its shard to those that wait for it.
const TURN: SignedDuration = SignedDuration::from_secs(90);

/// Jobs that run at the same time, of which those of killed workers are looked for at the start.
const INHERITED: u32 = 10_000;

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
pub(crate) enum Reason {
    /// Its time is over; it ends in its own time.
    Slice,
    /// Somebody wants it, or the worker ends: it is cut off after a while.
    Told,
}

impl Worker {
    /// A worker of this process.
    pub fn new(home: Arc<Home>, options: WorkerOptions) -> Self {
        Self { home, options, owner: process_name() }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Works until it is told to stop, and then until everything that it has is ended or given
    /// back; tells how many jobs were taken.
    pub async fn run(&self, mut stop: Stop) -> usize {
        self.inherit_or_warn().await;
        let (mut running, mut taken) = (JoinSet::new(), 0);
        loop {
            taken += self.fill(&mut running, &stop).await;
            tokio::select! {
                () = told(&mut stop) => break,
                Some(_) = running.join_next() => {}
                () = sleep(self.options.poll) => {}
            }
        }
        while running.join_next().await.is_some() {}
        taken
    }

    /// A job of a process of this machine that was killed need not wait for the end of its lease.
    async fn inherit(&self) -> Result<()> {
        let filter = JobFilter { state: Some(JobState::Running), ..JobFilter::default() };
        for job in self.home.catalog.job_list(&filter, INHERITED).await? {
            if job.lease_owner.as_deref().is_some_and(process_is_dead)
                && self.home.catalog.job_lease_end(&job).await?
            {
                tracing::info!(job = job.id, "its worker was killed: it is taken up again");
            }
        }
        Ok(())
    }

    async fn inherit_or_warn(&self) {
        if let Err(error) = self.inherit().await {
            tracing::warn!(%error, "jobs of killed workers wait for the end of their leases");
        }
    }

    /// Does everything that can be done now, unless it is told to stop; tells how many jobs were
    /// taken.
    pub async fn drain(&self, stop: &Stop) -> usize {
        self.inherit_or_warn().await;
        let (mut running, mut taken) = (JoinSet::new(), 0);
        loop {
            if !*stop.borrow() {
                taken += self.fill(&mut running, stop).await;
            }
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
        tracing::info!(job = id, kind, fence = %job.fence, "job begins");
        let begun = Instant::now();
        let (ending, charged) = match before(&job) {
            Some(ending) => (ending, begun),
            None => match self.under_lease(&job, stop).await {
                Some(ended) => ended,
                None => {
                    tracing::warn!(job = id, "the job was lost to another worker");
                    return;
                }
            },
        };
        self.end(&job, charged, &ending).await;
    }

    /// Notes the end; again and again while the job is this worker's.
    async fn end(&self, job: &JobRow, charged: Instant, ending: &Ending) {
        let (id, last) = (job.id.as_str(), Instant::now() + self.options.ttl);
        loop {
            match self.home.catalog.job_end(job, charged.elapsed(), ending).await {
                Ok(()) => return tracing::info!(job = id, ending = name(ending), "job ends"),
                Err(error) if error.kind() == Kind::FenceLost || Instant::now() > last => {
                    return tracing::warn!(job = id, %error, "the end of a job was not noted");
                }
                Err(_) => sleep(self.options.poll).await,
            }
        }
    }

    /// Does the work while signs of life are given; with the moment up to which the tenant was
    /// charged. `None` where the job was lost: its work is dropped at once.
    async fn under_lease(&self, job: &JobRow, mut stop: Stop) -> Option<(Ending, Instant)> {
        let progress = Progress::default();
        let begun = Instant::now();
        let mut pulse = Pulse::start(&self.home, job, self.options.ttl, &progress);
        let asked = asked(job);
        let may_be_cut = !matches!(&asked, Ok(work) if work.is_maintenance());
        let work = self.perform(job, asked, &progress);
        tokio::pin!(work);
        let (mut reason, mut cut_off) = (None, None);
        let (mut is_lost, mut is_ending) = (false, false);
        let slice = (job.class == JobClass::FirstFull).then(|| begun + self.options.slice);
        loop {
            tokio::select! {
                done = &mut work => {
                    if is_lost {
                        return None;
                    }
                    let ending = self.ending(job, done, reason).await;
                    return Some((ending, pulse.charged()));
                }
                heard = pulse.next(reason), if !is_lost => match heard {
                    Heard::Lost if may_be_cut => return None,
                    Heard::Lost => (is_lost, reason) = (true, Some(Reason::Told)),
                    Heard::Stop => reason = Some(Reason::Told),
                },
                () = told(&mut stop), if !is_ending => {
                    (is_ending, reason) = (true, Some(Reason::Told));
                }
                () = at(slice), if slice.is_some() && reason.is_none() => {
                    reason = Some(Reason::Slice);
                }
                () = at(cut_off), if cut_off.is_some() => {
                    if is_lost {
                        return None;
                    }
                    return Some((Ending::Released, pulse.charged()));
                }
            }
            if reason.is_some() {
                progress.stop();
            }
            // Of maintenance only the end of the process makes an end.
            let cuts = reason == Some(Reason::Told) && (may_be_cut || is_ending);
            if cuts && cut_off.is_none() {
                cut_off = Some(Instant::now() + self.options.grace);
            }
        }
    }

    async fn perform(
        &self,
        job: &JobRow,
        asked: Result<Work>,
        progress: &Progress,
    ) -> Result<Performed> {
        let asked = begun(&self.home, job, asked?).await?;
        let work = perform(&self.home, &asked, progress);
        match record::event(job, &asked) {
            Some(event) => record::recorded(&self.home, job, event, work).await,
            None => work.await,
        }
    }

    async fn ending(
        &self,
        job: &JobRow,
        done: Result<Performed>,
        reason: Option<Reason>,
    ) -> Ending {
        let now = self.home.catalog.now().await.unwrap_or_else(|_| self.home.clock.now());
        ending(now, job.attempts, done, reason)
    }
}

/// What a job is to do.
fn asked(job: &JobRow) -> Result<Work> {
    let unreadable = |source| Error::Request { job: job.id.clone(), source };
    serde_json::from_str(&job.request).map_err(unreadable)
}

/// What is to be done with a job instead of its work.
fn before(job: &JobRow) -> Option<Ending> {
    if job.wanted.is_some() {
        return Some(Ending::Released);
    }
    let died = job.attempts > DEATHS;
    died.then(|| Ending::Failed(format!("its workers ended {DEATHS} times before it did")))
}

/// How a job ends whose work has ended.
fn ending(
    now: Timestamp,
    attempts: u64,
    done: Result<Performed>,
    reason: Option<Reason>,
) -> Ending {
    let after = |pause: SignedDuration| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let error = match done {
        Ok(Performed::Done(result)) => return Ending::Done(result),
        Ok(Performed::Stopped) if reason == Some(Reason::Slice) => {
            return Ending::Later { at: after(TURN), error: None, counts: false };
        }
        Ok(Performed::Stopped) => return Ending::Released,
        Err(error) => error,
    };
    let message = error.to_string();
    if error.may_pass() {
        let held = error.held_until().unwrap_or(Timestamp::MAX);
        let at = held.clamp(after(SignedDuration::from_secs(1)), after(WAIT));
        return Ending::Later { at, error: Some(message), counts: false };
    }
    if error.is_final() || attempts >= ATTEMPTS {
        return Ending::Failed(message);
    }
    let factor = 1 << attempts.saturating_sub(1).min(10);
    let at = after((PAUSE * factor).min(LONGEST_PAUSE));
    Ending::Later { at, error: Some(message), counts: true }
}

/// Returns when the worker is to stop, also where nobody is left to tell it.
pub(crate) async fn told(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}

fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done(_) => "done",
        Ending::Failed(_) => "failed",
        Ending::Later { .. } => "put back",
        Ending::Released => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use holdfast_catalog::Error as CatalogError;
    use holdfast_engine::Error as EngineError;

    use super::*;

    fn of(attempts: u64, error: Error) -> Ending {
        ending(Timestamp::UNIX_EPOCH, attempts, Err(error), None)
    }

    #[test]
    fn what_fails_is_tried_again_later_each_time_and_given_up_in_the_end() {
        let pause = |attempts| match of(attempts, Error::Catalog(CatalogError::Damaged("x".into())))
        {
            Ending::Later { at, error: Some(_), counts: true } => at.as_second(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 4].map(pause), [30, 60, 120, 240]);
        let last = of(5, Error::Catalog(CatalogError::Damaged("x".into())));
        assert!(matches!(&last, Ending::Failed(why) if why.contains('x')), "{last:?}");
    }

    #[test]
    fn what_cannot_go_well_is_not_repeated_and_what_waits_is_no_attempt() {
        let unknown = of(1, Error::Engine(EngineError::NoTenant));
        assert!(matches!(unknown, Ending::Failed(_)), "{unknown:?}");
        let waits = of(
            99,
            Error::Engine(EngineError::RestoreRunning {
                owner: "it".into(),
                until: Timestamp::MAX,
            }),
        );
        assert!(matches!(waits, Ending::Later { counts: false, .. }), "{waits:?}");
    }

    #[test]
    fn what_is_held_is_asked_for_again_when_the_holder_must_have_given_a_sign_of_life() {
        let again = |second: i64| {
            let until = Timestamp::from_second(second).unwrap();
            match of(1, Error::Engine(EngineError::RestoreRunning { owner: "it".into(), until })) {
                Ending::Later { at, counts: false, .. } => at.as_second(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([-5, 0, 12, 60].map(again), [1, 1, 12, 30]);
    }

    #[test]
    fn a_slice_leaves_the_shard_to_others_and_a_stop_gives_the_job_back() {
        let end = |reason| ending(Timestamp::UNIX_EPOCH, 1, Ok(Performed::Stopped), reason);
        match end(Some(Reason::Slice)) {
            Ending::Later { at, error: None, counts: false } => assert_eq!(at.as_second(), 90),
            other => panic!("{other:?}"),
        }
        assert!(matches!(end(Some(Reason::Told)), Ending::Released));
    }
}
