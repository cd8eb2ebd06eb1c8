//! `sim serve`: the simulated tenant alone, for scripts and for trying things.

use std::time::Duration;

use holdfast_sim::SimConfig;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Serve, Sim, sites_for};
use crate::error::{Error, Result};
use crate::output::Output;

pub async fn run(command: &Sim, out: Output) -> Result<u8> {
    let Sim::Serve(args) = command;
    let refused = |source| Error::System { what: "signals", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let sim = holdfast_sim::start(config(args)).await?;
    out.json_line(&sim.info)?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupt = tokio::signal::ctrl_c() => interrupt.map_err(refused)?,
    }
    sim.stop().await;
    Ok(0)
}

fn config(args: &Serve) -> SimConfig {
    SimConfig {
        listen: args.listen,
        users: args.users,
        seed: args.seed,
        mails_per_user: args.mails_per_user,
        files_per_user: args.files,
        sites: args.sites.unwrap_or_else(|| sites_for(args.users)),
        corpus: args.corpus.clone(),
        state: args.state.clone(),
        faults: args.faults,
        latency: Duration::from_millis(args.latency_ms),
        hosts: args.hosts.clone(),
        files_host: args.files_host.clone(),
        empty: args.empty,
        delta_expands: !args.plain_deltas,
        ..SimConfig::default()
    }
}
