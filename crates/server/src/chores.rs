//! What a server does by the clock, beside answering.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::audit::Audit;
use holdfast_jobs::Stop;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::access;
use crate::api::Api;

/// How often ended sessions are swept, and the end of the audit record is signed in the vault where
/// no worker does that.
const SWEEP: Duration = Duration::from_secs(300);

/// How often what was counted is summed up.
const COUNTED: Duration = Duration::from_secs(5);

/// Begins them; they end with the server.
pub(crate) fn start(api: &Arc<Api>, stop: &Stop) -> JoinSet<()> {
    let mut chores = JoinSet::new();
    let hub = Arc::clone(api);
    let told = stop.clone();
    chores.spawn(async move { hub.hub.run(&hub.home, told).await });
    spawn(&mut chores, api, COUNTED, stop, "count", |api| async move {
        api.measure.tidy_up();
        Ok(())
    });
    spawn(&mut chores, api, SWEEP, stop, "sweep", |api| async move { api.access.sweep().await });
    spawn(&mut chores, api, SWEEP, stop, "sign the record", |api| async move {
        Audit::open(&api.home).await?.save_head().await?;
        Ok(())
    });
    chores
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
    W: Future<Output = access::Result<()>>,
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
                    tracing::warn!(chore = name, %error, "a chore failed; it is tried again");
                }
            }
        });
    });
}
