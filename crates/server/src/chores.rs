//! What a server does by the clock, beside answering.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Home;
use holdfast_engine::audit::Audit;
use holdfast_jobs::{Stop, tick};
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::Api;

/// How often is looked for what is due.
const TICK: Duration = Duration::from_secs(30);

/// How often ended sessions are swept and the end of the audit record is signed in the vault.
const SWEEP: Duration = Duration::from_secs(300);

/// Jobs that have ended are kept so long, and what was attained each day.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

/// How often old jobs are forgotten.
const PRUNE: Duration = Duration::from_secs(6 * 3600);

/// Begins them; they end with the server.
pub(crate) fn start(api: &Arc<Api>, schedules: bool, stop: &Stop) -> JoinSet<()> {
    let mut chores = JoinSet::new();
    let hub = Arc::clone(api);
    let told = stop.clone();
    chores.spawn(async move { hub.hub.run(&hub.home, told).await });
    if schedules {
        spawn(&mut chores, api, TICK, stop, "schedules", |api| async move {
            tick(&api.home).await.map(drop).map_err(|error| error.to_string())
        });
    }
    spawn(&mut chores, api, SWEEP, stop, "sweep", |api| async move {
        let swept = api.access.sweep().await.map_err(|error| error.to_string());
        let signed = sign(&api.home).await.map_err(|error| error.to_string());
        swept.and(signed)
    });
    spawn(&mut chores, api, PRUNE, stop, "prune", |api| async move {
        prune(&api.home).await.map_err(|error| error.to_string())
    });
    chores
}

async fn sign(home: &Home) -> holdfast_engine::Result<()> {
    Audit::open(home).await?.save_head().await.map(drop)
}

async fn prune(home: &Home) -> holdfast_engine::Result<()> {
    let now = home.catalog.now().await?;
    let before = now.checked_sub(KEPT).unwrap_or(now);
    home.catalog.job_prune(before).await?;
    Ok(())
}

/// Does something again and again, on a thread of its own: parts of it block.
fn spawn<W>(
    chores: &mut JoinSet<()>,
    api: &Arc<Api>,
    every: Duration,
    stop: &Stop,
    name: &'static str,
    work: impl Fn(Arc<Api>) -> W + Send + 'static,
) where
    W: Future<Output = Result<(), String>>,
{
    let (api, mut stop, runtime) = (Arc::clone(api), stop.clone(), Handle::current());
    chores.spawn_blocking(move || {
        runtime.block_on(async move {
            let mut times = interval(every);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    _ = times.tick() => {}
                }
                if let Err(error) = work(Arc::clone(&api)).await {
                    tracing::warn!(chore = name, error, "a chore failed; it is tried again");
                }
            }
        });
    });
}
