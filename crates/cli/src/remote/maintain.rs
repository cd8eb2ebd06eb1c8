//! `vault` of a server: maintenance is queued there, followed from here, and shown as in a home.

use holdfast_engine::copy::VaultCopy;
use holdfast_engine::maintain::RepairReport;
use holdfast_engine::stats::VaultStats;
use holdfast_engine::verify::VaultCheck;
use holdfast_server::api::view::{JobDetailView, Submitted, VaultView};
use serde_json::{Value, json};

use super::client::Server;
use super::work::{follow, result};
use crate::args::{Prune, Repair, Vault};
use crate::commands::vault::prune::Pruned;
use crate::commands::vault::{copy, prune, repair, show_check, stats, storage};
use crate::error::{Error, Result};
use crate::output::Output;

pub async fn vault(server: &Server, command: &Vault, out: Output) -> Result<u8> {
    match command {
        Vault::Stats { vault } => {
            let name = named(server, vault.as_ref()).await?;
            let held: VaultStats = server.get(&["vaults", &name, "stats"], &[]).await?;
            stats::show(&held, out)
        }
        Vault::Check { read_data, read_share, vault } => {
            let body = json!({ "read_data": read_data, "share_of_days": read_share });
            let done = done(server, vault.as_ref(), "checks", &body).await?;
            show_check(&result::<VaultCheck>(&done)?, out)
        }
        Vault::Prune(args) => pruned(server, args, out).await,
        Vault::Repair(Repair { vault, from }) => {
            let body = json!({ "from": from });
            let done = done(server, vault.as_ref(), "repairs", &body).await?;
            repair::show(&result::<RepairReport>(&done)?, out)
        }
        Vault::Copy { to, vault } => {
            let done = done(server, vault.as_ref(), "copies", &json!({ "to": to })).await?;
            copy::show(&result::<VaultCopy>(&done)?, to, out)
        }
        _ => storage::show_list(&server.whole::<VaultView>(&["vaults"], &[]).await?, out),
    }
}

async fn pruned(server: &Server, args: &Prune, out: Output) -> Result<u8> {
    prune::ask(args, out)?;
    let body = json!({
        "keep_last": args.keep_last,
        "keep_within": args.keep_within,
        "dry_run": args.dry_run,
    });
    let done = done(server, args.vault.as_ref(), "prunes", &body).await?;
    prune::show(&done.result, &result::<Pruned>(&done)?, out)
}

/// The vault that a command means: the first where none is named, as in a home.
async fn named(server: &Server, vault: Option<&String>) -> Result<String> {
    if let Some(name) = vault {
        return Ok(name.clone());
    }
    let vaults: Vec<VaultView> = server.whole(&["vaults"], &[]).await?;
    let first = vaults.into_iter().next().map(|vault| vault.name);
    first.ok_or_else(|| Error::Usage("the server has no vault".to_owned()))
}

/// Queues maintenance and waits for its end.
async fn done(
    server: &Server,
    vault: Option<&String>,
    what: &str,
    body: &Value,
) -> Result<JobDetailView> {
    let name = named(server, vault).await?;
    let Submitted { job } = server.post(&["vaults", &name, what], body).await?;
    let mut done = follow(server, &[job]).await?;
    done.pop().ok_or(Error::Stopped)
}
