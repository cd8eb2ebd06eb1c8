//! `cargo xtask bench catalog`: how many times in a second a shard is taken, written to and given
//! back, by one and more clients, on PostgreSQL and on SQLite.
//!
//! A client has connections of its own, as a process has, and a shard of its own. Both databases
//! wait for the disk with every commit, and lie on the same one.

use std::fmt::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_catalog::{
    Catalog, Commit, ContainerRow, ResourceCommit, ResourceRow, ResourceStatus, ShardRow,
};
use holdfast_model::{Clock, ContainerId, ResourceId, Secret, ShardId, Workload};
use holdfast_pgtest::Database;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::page::{self, Machine, Section};
use super::{print, say};

const CLIENTS: [u32; 3] = [1, 4, 8];
const VAULT: &str = "vault";
const TTL: Duration = Duration::from_secs(60);

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Scale {
    /// How long each number of clients works
    #[arg(long, default_value_t = 10, value_name = "N")]
    seconds: u64,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
    /// Write the table into docs/performance.md
    #[arg(long)]
    pub(super) write: bool,
    /// Measure this build instead of one for release, and say so above the table
    #[arg(long)]
    pub(super) dev: bool,
}

impl Scale {
    /// How long each number of clients works.
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dev = if self.dev { " --dev" } else { "" };
        write!(f, "--seconds {}{dev}", self.seconds)
    }
}

/// Runs the same with this program built for release, unless it is, or is not to be.
pub(super) fn again_for_release(root: &Path, scale: &Scale) -> Result<Option<ExitCode>> {
    if !cfg!(debug_assertions) || scale.dev {
        return Ok(None);
    }
    let program = super::this_for_release(root)?;
    let status = Command::new(program).args(std::env::args_os().skip(1)).status()?;
    ensure!(status.success(), "the measurement failed");
    Ok(Some(ExitCode::SUCCESS))
}

/// Where the catalog lies.
pub(super) enum Place<'a> {
    File(&'a Path),
    Server(&'a Database),
}

/// Leases per second of so many clients.
struct Row {
    clients: u32,
    postgres: f64,
    sqlite: f64,
}

/// Measures and prints a table or one JSON document, by this program built for release.
pub(crate) fn run(root: &Path, scale: &Scale) -> Result<ExitCode> {
    if let Some(code) = again_for_release(root, scale)? {
        return Ok(code);
    }
    let server = holdfast_pgtest::durable_server().context("PostgreSQL is not installed")?;
    let machine = Machine::here(concat!("holdfast ", env!("CARGO_PKG_VERSION")))?;
    let machine = machine.with_dev_build(scale.dev);
    let dir = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
    let time = scale.time();
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let database = Database::new(&server);
        let postgres = measured(&Place::Server(&database), clients, time)?;
        let file = dir.path().join(format!("{clients}.db"));
        let sqlite = measured(&Place::File(&file), clients, time)?;
        say(&format!("{clients} clients: {postgres:.0}/s on PostgreSQL, {sqlite:.0}/s on SQLite"));
        rows.push(Row { clients, postgres, sqlite });
    }
    let command = format!("cargo xtask bench catalog {scale}");
    let text = markdown(&machine.line(&command), &rows);
    match scale.json {
        true => print(&serde_json::to_string_pretty(&document(&machine.line(&command), &rows))?),
        false => print(&text),
    }
    if scale.write {
        page::write(&root.join("docs/performance.md"), Section::Catalog, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn markdown(line: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{line}\n\n| clients | leases/s on PostgreSQL | leases/s on SQLite |\n|---|---|---|\n"
    );
    for Row { clients, postgres, sqlite } in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {clients} | {postgres:.0} | {sqlite:.0} |");
    }
    text
}

fn document(line: &str, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let Row { clients, postgres, sqlite } = row;
        json!({ "clients": clients, "postgres_per_s": postgres, "sqlite_per_s": sqlite })
    };
    json!({ "command": line, "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

/// Leases per second of all clients together.
fn measured(place: &Place<'_>, clients: u32, time: Duration) -> Result<f64> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut catalogs = Vec::new();
        for client in 1..=clients {
            let catalog = open(place, client == 1).await?;
            catalog.shard_put(&ShardRow::new(VAULT, ShardId(client))).await?;
            // Opens the connection, and makes the rows.
            cycle(&catalog, ShardId(client)).await?;
            catalogs.push((catalog, ShardId(client)));
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (catalog, shard) in catalogs {
            tasks.spawn(async move {
                let mut done = 0_u32;
                while start.elapsed() < time {
                    cycle(&catalog, shard).await?;
                    done += 1;
                }
                anyhow::Ok(done)
            });
        }
        let mut done = 0;
        while let Some(result) = tasks.join_next().await {
            done += result??;
        }
        Ok(f64::from(done) / start.elapsed().as_secs_f64())
    })
}

pub(super) async fn open(place: &Place<'_>, is_first: bool) -> Result<Catalog> {
    let clock = Clock::system();
    Ok(match place {
        Place::Server(database) => Catalog::connect(&Secret::new(database.url()), clock).await?,
        Place::File(path) if is_first => Catalog::create(path, clock).await?,
        Place::File(path) => Catalog::open(path, clock).await?,
    })
}

/// Takes the shard, commits a poll of one mailbox that found nothing, gives the shard back.
async fn cycle(catalog: &Catalog, shard: ShardId) -> Result<()> {
    let lease = catalog.lease_take(VAULT, shard, "client", TTL).await?;
    let resource = resource(shard);
    let folder = folder(&resource.id);
    let change = ResourceCommit { containers_put: vec![folder], ..ResourceCommit::new(resource) };
    let commit = Commit {
        vault_id: VAULT.to_owned(),
        shard,
        fence: lease.fence,
        snapshot: None,
        resources: vec![change],
    };
    catalog.commit(commit).await?;
    Ok(catalog.lease_release(&lease).await?)
}

fn resource(shard: ShardId) -> ResourceRow {
    ResourceRow {
        id: ResourceId(format!("exchange/{shard}")),
        tenant: "contoso".to_owned(),
        workload: Workload::Exchange,
        graph_id: shard.to_string(),
        name: format!("{shard}@contoso.example"),
        display_name: shard.to_string(),
        shard: Some(shard),
        dir: None,
        status: ResourceStatus::Active,
        skip_cause: None,
        stale: false,
        restore_point: None,
        last_polled: None,
        list_link: None,
    }
}

fn folder(resource: &ResourceId) -> ContainerRow {
    ContainerRow {
        resource: resource.clone(),
        id: ContainerId::from("inbox"),
        parent: None,
        dir: "Inbox".to_owned(),
        display_name: "Inbox".to_owned(),
        delta_link: Some("/v1.0/delta".to_owned()),
        next_link: None,
        retry: None,
        columns: None,
        meta: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clients that have no time: each has been once around before it begins.
    fn around_once(place: &Place<'_>) {
        assert!(measured(place, 2, Duration::ZERO).unwrap().abs() < f64::EPSILON);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let catalog = open(place, false).await.unwrap();
            let shards = catalog.shard_list(VAULT).await.unwrap();
            let seen: Vec<_> = shards.iter().map(|s| (s.fence.0, s.lease_owner.clone())).collect();
            assert_eq!(seen, [(1, None), (1, None)]);
            assert_eq!(catalog.resource_list(None).await.unwrap().len(), 2);
        });
    }

    #[test]
    fn every_client_takes_commits_and_gives_back() {
        let dir = tempfile::tempdir().unwrap();
        around_once(&Place::File(&dir.path().join("catalog.db")));
        let Some(server) = holdfast_pgtest::server() else { return };
        around_once(&Place::Server(&Database::new(&server)));
    }

    #[test]
    fn the_table_and_the_document_say_the_same() {
        let rows = [Row { clients: 4, postgres: 847.4, sqlite: 12.0 }];
        assert!(markdown("line", &rows).ends_with("| 4 | 847 | 12 |\n"));
        assert_eq!(document("line", &rows)["rows"][0]["postgres_per_s"], 847.4);
    }
}
