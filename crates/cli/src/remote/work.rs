//! `backup`, `restore` and `job` of a server: work is queued there, and followed from here.

use std::time::Duration;

use holdfast_engine::Seen;
use holdfast_engine::restore::RestoreReport;
use holdfast_server::api::view::{JobDetailView, JobView, Submitted};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::client::Server;
use super::failure::Failure;
use super::protect::chosen;
use crate::args::{Backup, Job, JobList, Restore};
use crate::commands::backup::{Figures, of_job};
use crate::commands::job::{self as jobs, Queued};
use crate::commands::{exit_code, restore as restores};
use crate::error::{Error, Result};
use crate::output::{Output, clean};
use crate::progress::Bar;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How many looks in a row may fail: a server that starts anew comes back.
const PATIENCE: u32 = 120;

pub async fn backup(server: &Server, args: &Backup, out: Output) -> Result<u8> {
    let mut queued = Vec::new();
    let tenants = match &args.tenant {
        // Who may back up need not be allowed to list.
        Some(name) => vec![name.clone()],
        None => chosen(server, None).await?.into_iter().map(|tenant| tenant.name).collect(),
    };
    for tenant in tenants {
        let body = json!({ "tenant": tenant, "resource": args.resource });
        let Submitted { job } = server.post(&["backups"], &body).await?;
        queued.push(Queued { job, kind: "backup", tenant });
    }
    if args.queue {
        return jobs::show_queued(&queued, out);
    }
    let ids: Vec<String> = queued.into_iter().map(|queued| queued.job).collect();
    let done = follow(server, &ids).await?;
    let figures: Vec<Figures> = done.iter().map(result).collect::<Result<_>>()?;
    out.show(&done, || figures.iter().map(of_job).collect::<Vec<_>>().join("\n"))?;
    Ok(figures.iter().map(|figures| exit_code(figures.outcome)).max().unwrap_or(0))
}

pub async fn restore(server: &Server, args: &Restore, out: Output) -> Result<u8> {
    restores::ask_before_replacing(args, out)?;
    let source = &args.source;
    let body = json!({
        "tenant": source.tenant,
        "resource": source.resource,
        "at": source.at.as_ref().map(ToString::to_string),
        "deleted_since": args.deleted_since.map(|since| since.0),
        "path": args.path,
        "to": args.to,
        "into": args.into,
        "version": args.version,
        "versions": args.versions,
        "permissions": args.permissions,
        "on_conflict": args.on_conflict.as_str(),
        "dry_run": args.dry_run,
    });
    let Submitted { job } = server.post(&["restores"], &body).await?;
    if args.queue {
        let about: JobDetailView = server.get(&["jobs", &job], &[]).await?;
        return jobs::show_queued(
            &[Queued { job, kind: "restore", tenant: about.job.tenant }],
            out,
        );
    }
    let done = follow(server, &[job]).await?;
    let report: RestoreReport = done.first().map(result).transpose()?.ok_or(Error::Stopped)?;
    restores::show(&report, out)
}

/// What a job that is done came to.
pub fn result<T: DeserializeOwned>(job: &JobDetailView) -> Result<T> {
    let unlike = |error| Failure::Job {
        id: job.job.id.clone(),
        why: format!("is done, but its result cannot be read: {error}"),
    };
    Ok(T::deserialize(&job.result).map_err(unlike)?)
}

/// Looks at jobs until they have ended. Ctrl-C ends the looking only.
///
/// # Errors
/// Where one has failed or was cancelled, or the server is away for long.
pub async fn follow(server: &Server, ids: &[String]) -> Result<Vec<JobDetailView>> {
    let bar = Bar::new();
    let done = tokio::select! {
        done = all_ended(server, ids, &bar) => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::Left { jobs: ids.to_vec() }.into()),
    };
    bar.end();
    done
}

async fn all_ended(server: &Server, ids: &[String], bar: &Bar) -> Result<Vec<JobDetailView>> {
    let mut done = Vec::new();
    for id in ids {
        done.push(ended(server, id, bar).await?);
    }
    match done.iter().find(|job| job.job.state != "done") {
        None => Ok(done),
        Some(JobDetailView { job, .. }) => {
            let why = match &job.error {
                Some(error) => format!("has {}: {}", job.state, clean(error)),
                None => format!("was {}", clean(&job.state)),
            };
            Err(Failure::Job { id: job.id.clone(), why }.into())
        }
    }
}

async fn ended(server: &Server, id: &str, bar: &Bar) -> Result<JobDetailView> {
    let (mut tick, mut failed) = (interval(LOOK), 0);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match server.get::<JobDetailView>(&["jobs", id], &[]).await {
            Ok(job) if matches!(job.job.state.as_str(), "done" | "failed" | "cancelled") => {
                return Ok(job);
            }
            Ok(job) => {
                failed = 0;
                if let Ok(seen) = serde_json::from_value::<Seen>(job.job.progress) {
                    bar.show(&seen);
                }
            }
            Err(Error::Remote(failure)) if failure.may_pass() && failed < PATIENCE => failed += 1,
            Err(error) => return Err(error),
        }
    }
}

pub async fn job(server: &Server, command: &Job, out: Output) -> Result<u8> {
    let (id, order) = match command {
        Job::List(args) => return list(server, args, out).await,
        Job::Show { id } => {
            return jobs::show_one(&server.get(&["jobs", id], &[]).await?, out);
        }
        Job::Pause { id } => (id, "pause"),
        Job::Resume { id } => (id, "resume"),
        Job::Cancel { id } => (id, "cancel"),
    };
    let view: JobView = server.post(&["jobs", id, order], &json!({})).await?;
    jobs::show_changed(&view, out)
}

async fn list(server: &Server, args: &JobList, out: Output) -> Result<u8> {
    let query = [
        ("state", args.state.map(|state| state.as_str().to_owned())),
        ("tenant", args.tenant.clone()),
        ("kind", args.kind.clone()),
        ("after", args.before.clone()),
    ];
    let views: Vec<JobView> = server.list(&["jobs"], &query, args.limit as usize).await?;
    jobs::show_list(&views, args.limit, out)
}
