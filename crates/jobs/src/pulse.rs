//! Signs of life of a job, given beside its work: work that blocks or holds the database's only
//! connection must not keep them from being given, nor wait for them.

use std::sync::Arc;
use std::time::Duration;

use holdfast_catalog::{JobRow, Kind};
use holdfast_engine::{Home, Progress};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::worker::Reason;

/// What a sign of life was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Somebody wants the job to stop.
    Stop,
    /// The job went to another worker, or must be taken to have.
    Lost,
}

/// Gives signs of life until it is dropped.
pub(crate) struct Pulse {
    heard: watch::Receiver<(Option<Heard>, Instant)>,
    task: JoinHandle<()>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pulse {
    /// Begins, three times in `ttl`.
    pub(crate) fn start(
        home: &Arc<Home>,
        job: &JobRow,
        ttl: Duration,
        progress: &Progress,
    ) -> Self {
        let (tell, heard) = watch::channel((None, Instant::now()));
        let (home, job, progress) = (Arc::clone(home), job.clone(), progress.clone());
        let task = tokio::spawn(async move { beat(&home, &job, ttl, &progress, &tell).await });
        Self { heard, task }
    }

    /// Waits for something to be heard that is not known yet.
    pub(crate) async fn next(&mut self, known: Option<Reason>) -> Heard {
        let is_new = |heard: Option<Heard>| match heard {
            Some(Heard::Stop) => known != Some(Reason::Told),
            Some(Heard::Lost) => true,
            None => false,
        };
        // Where the task has ended nobody gives signs of life.
        let heard = self.heard.wait_for(|(heard, _)| is_new(*heard)).await;
        heard.ok().and_then(|told| told.0).unwrap_or(Heard::Lost)
    }

    /// Up to when the tenant was charged.
    pub(crate) fn charged(&self) -> Instant {
        self.heard.borrow().1
    }
}

async fn beat(
    home: &Home,
    job: &JobRow,
    ttl: Duration,
    progress: &Progress,
    tell: &watch::Sender<(Option<Heard>, Instant)>,
) {
    let mut beats = interval(ttl / 3);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    let mut alive = Instant::now();
    loop {
        beats.tick().await;
        let seen = serde_json::to_string(&progress.seen()).unwrap_or_default();
        let now = Instant::now();
        match home.catalog.job_beat(job, ttl, now - alive, &seen).await {
            Ok(wanted) => {
                alive = now;
                tell.send_replace((wanted.map(|_| Heard::Stop), now));
            }
            // Who cannot say that he lives must take himself for dead in time.
            Err(error) if error.kind() == Kind::FenceLost || alive.elapsed() > ttl * 5 / 6 => {
                tracing::warn!(job = job.id, %error, "no sign of life could be given");
                tell.send_modify(|told| told.0 = Some(Heard::Lost));
                return;
            }
            Err(error) => tracing::warn!(job = job.id, %error, "no sign of life could be given"),
        }
    }
}
