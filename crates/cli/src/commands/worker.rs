//! `worker`: works on the queue until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Home;
use holdfast_jobs::{ServiceOptions, Stop, WorkerOptions, drain, serve, stop_signal};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::Done;
use crate::args::Worker;
use crate::error::{Error, Result};
use crate::output::{Output, of};

/// What a worker did while it was there.
#[derive(Serialize)]
struct Report {
    /// Jobs that it took.
    jobs: usize,
}

pub async fn run(home: &Arc<Home>, args: &Worker, out: Output) -> Result<Done> {
    let (options, stop) = (options(args), on_signal()?);
    let jobs = match args.once {
        true => drain(home, &options, &stop).await?,
        false => serve(home, &options, stop).await,
    };
    let report = Report { jobs };
    out.show(&report, || format!("Worked on {}.", of(jobs as u64, "job")))?;
    Ok(Done::from(0).with("jobs", &jobs))
}

fn options(args: &Worker) -> ServiceOptions {
    let (ttl, usual) = (lease(args), WorkerOptions::default());
    let worker = WorkerOptions {
        slots: args.slots.into(),
        ttl,
        // Who is to take over soon has to look often.
        poll: usual.poll.min(ttl / 3),
        grace: Duration::from_secs(args.grace.into()),
        ..usual
    };
    ServiceOptions { worker, is_scheduling: !args.no_scheduler, ..ServiceOptions::default() }
}

/// How long what this worker has stays with it without a sign of life.
pub fn lease(args: &Worker) -> Duration {
    Duration::from_secs(args.lease_seconds.into())
}

/// Told by SIGTERM or SIGINT to come to an end; a second one does not wait for that.
pub fn on_signal() -> Result<Stop> {
    let refused = |source| Error::System { what: "signals", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let (tell, stop) = stop_signal();
    tokio::spawn(async move {
        let mut told = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        told().await;
        tracing::info!("told to stop: jobs come to an end or are given back");
        tell.send_replace(true);
        told().await;
        tracing::warn!("told to stop at once: others go on with the jobs");
        std::process::exit(1);
    });
    Ok(stop)
}
