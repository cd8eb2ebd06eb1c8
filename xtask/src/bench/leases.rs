//! `cargo xtask bench leases`: how many jobs in a second are taken and given back, by one and more
//! workers on PostgreSQL and by one on SQLite.
//!
//! A worker has connections of its own, as a process has. A job that is given back is in the queue
//! again at once, so that its length stays the same.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_catalog::{Catalog, Claim, Ending, JobClass, NewJob};
use holdfast_model::Clock;
use holdfast_pgtest::Database;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::catalog::{Place, Scale, again_for_release, open};
use super::page::{self, Machine, Section};
use super::{print, say};

const WORKERS: [u32; 3] = [1, 4, 8];
const TTL: Duration = Duration::from_secs(60);

/// Jobs in the queue, and the tenants that share them.
const JOBS: u32 = 1_000;
const TENANTS: u32 = 20;

/// Jobs per second of so many workers.
struct Row {
    workers: u32,
    postgres: f64,
    /// One process only works on a file.
    sqlite: Option<f64>,
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
    let mut rows = Vec::new();
    for workers in WORKERS {
        let database = Database::new(&server);
        let postgres = measured(&Place::Server(&database), workers, JOBS, scale.time())?;
        let file = dir.path().join("catalog.db");
        let sqlite = (workers == 1).then(|| measured(&Place::File(&file), 1, JOBS, scale.time()));
        rows.push(Row { workers, postgres, sqlite: sqlite.transpose()? });
        say(&format!("{workers} workers: {postgres:.0}/s on PostgreSQL"));
    }
    let line = machine.line(&format!("cargo xtask bench leases {scale}"));
    let text = markdown(&line, &rows);
    match scale.json {
        true => print(&serde_json::to_string_pretty(&document(&line, &rows))?),
        false => print(&text),
    }
    if scale.write {
        page::write(&root.join("docs/performance.md"), Section::Leases, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn markdown(line: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{line} {JOBS} jobs of {TENANTS} tenants in the queue.\n\n\
         | workers | jobs/s on PostgreSQL | jobs/s on SQLite |\n|---|---|---|\n"
    );
    for Row { workers, postgres, sqlite } in rows {
        let sqlite = sqlite.map_or_else(|| "–".to_owned(), |sqlite| format!("{sqlite:.0}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {workers} | {postgres:.0} | {sqlite} |");
    }
    text
}

fn document(line: &str, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let Row { workers, postgres, sqlite } = row;
        json!({ "workers": workers, "postgres_per_s": postgres, "sqlite_per_s": sqlite })
    };
    json!({ "command": line, "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

/// Jobs per second of all workers together.
fn measured(place: &Place<'_>, workers: u32, jobs: u32, time: Duration) -> Result<f64> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut catalogs = Vec::new();
        for worker in 1..=workers {
            catalogs.push((open(place, worker == 1).await?, worker));
        }
        fill(&catalogs[0].0, jobs).await?;
        for (catalog, worker) in &catalogs {
            // Opens the connections.
            cycle(catalog, *worker).await?;
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (catalog, worker) in catalogs {
            tasks.spawn(async move {
                let mut done = 0_u32;
                while start.elapsed() < time {
                    cycle(&catalog, worker).await?;
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

/// Puts jobs into the queue.
async fn fill(catalog: &Catalog, jobs: u32) -> Result<()> {
    let now = Clock::system().now();
    for number in 0..jobs {
        let job = NewJob {
            id: format!("job {number:06}"),
            kind: "backup".to_owned(),
            tenant: format!("tenant {}", number % TENANTS),
            class: JobClass::Routine,
            request: "{}".to_owned(),
            dedupe: Some(format!("{number}")),
            requested_by: "schedule".to_owned(),
            not_before: now,
            deadline: now + Duration::from_secs(86_400),
        };
        catalog.job_submit(&job).await?;
    }
    Ok(())
}

/// Takes the job that goes first and gives it back.
async fn cycle(catalog: &Catalog, worker: u32) -> Result<()> {
    let claim = Claim {
        owner: format!("worker {worker}"),
        ttl: TTL,
        down_to: JobClass::FirstFull,
        per_tenant: JOBS,
    };
    let job = catalog.job_claim(&claim).await?;
    ensure!(job.is_some(), "the queue is empty");
    let Some(job) = job else { return Ok(()) };
    let ending = Ending::Later { at: job.not_before, error: None, counts: false };
    Ok(catalog.job_end(&job, Duration::from_millis(1), &ending).await?)
}

#[cfg(test)]
mod tests {
    use holdfast_catalog::{JobFilter, JobState};

    use super::*;

    /// Two workers that have no time: each has been once around before it begins.
    fn around_once(place: &Place<'_>) {
        assert!(measured(place, 2, 10, Duration::ZERO).unwrap().abs() < f64::EPSILON);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let catalog = open(place, false).await.unwrap();
            let jobs = catalog.job_list(&JobFilter::default(), 100).await.unwrap();
            assert!(jobs.iter().all(|job| job.state == JobState::Queued && job.attempts == 0));
            let taken: Vec<u64> = jobs.iter().map(|job| job.fence.0).filter(|n| *n > 0).collect();
            assert_eq!((jobs.len(), taken), (10, vec![1, 1]));
        });
    }

    #[test]
    fn every_worker_takes_a_job_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        around_once(&Place::File(&dir.path().join("catalog.db")));
        let Some(server) = holdfast_pgtest::server() else { return };
        around_once(&Place::Server(&Database::new(&server)));
    }

    #[test]
    fn the_table_and_the_document_say_the_same() {
        let rows = [Row { workers: 4, postgres: 847.4, sqlite: None }];
        assert!(markdown("line", &rows).ends_with("| 4 | 847 | – |\n"));
        assert_eq!(document("line", &rows)["rows"][0]["postgres_per_s"], 847.4);
    }
}
