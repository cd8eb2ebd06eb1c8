//! `job`: what is in the queue, who works on it, what came of it; and how a command queues its work
//! instead of doing it.

use std::fmt::Write;

use holdfast_catalog::JobClass;
use holdfast_catalog::{JobFilter, Wanted};
use holdfast_engine::Home;
use holdfast_jobs::{Work, list, show, submit};
use holdfast_server::api::view::{JobDetailView, JobView};
use serde::Serialize;
use serde_json::Value;

use super::{Done, record};
use crate::args::{Job, JobList};
use crate::error::Result;
use crate::output::{Output, bytes, clean, count, of, short, table, time};

/// Characters of an error in a list.
const SHOWN: usize = 60;

pub async fn run(home: &Home, command: &Job, out: Output) -> Result<u8> {
    let changed = match command {
        Job::List(args) => return listed(home, args, out).await,
        Job::Show { id } => {
            return show_one(&show(home, id).await?.into(), out);
        }
        Job::Pause { id } => home.catalog.job_want(id, Wanted::Pause).await?,
        Job::Resume { id } => home.catalog.job_resume(id).await?,
        Job::Cancel { id } => home.catalog.job_want(id, Wanted::Cancel).await?,
    };
    show_changed(&holdfast_jobs::changed(home, changed).await?.into(), out)
}

/// Shows a job that was paused, resumed or cancelled.
pub fn show_changed(view: &JobView, out: Output) -> Result<u8> {
    out.show(view, || match &view.wanted {
        Some(wanted) => format!("Job {} will be {wanted} when its worker has heard.", view.id),
        None => format!("Job {} is {}.", view.id, view.state),
    })?;
    Ok(0)
}

/// Shows all that is known of a job.
pub fn show_one(job: &JobDetailView, out: Output) -> Result<u8> {
    out.show(job, || detail(job))?;
    Ok(0)
}

/// A job that was queued.
#[derive(Serialize)]
pub struct Queued {
    pub job: String,
    pub kind: &'static str,
    pub tenant: String,
}

/// Puts work into the queue and prints the ids of its jobs.
pub async fn queue(home: &Home, all: Vec<Work>, class: JobClass, out: Output) -> Result<Done> {
    let who = record::actor().name;
    let mut queued = Vec::new();
    for work in all {
        let (kind, tenant) = (work.kind(), work.tenant().to_owned());
        queued.push(Queued { job: submit(home, work, class, &who).await?, kind, tenant });
    }
    let ids: Vec<_> = queued.iter().map(|queued| queued.job.as_str()).collect();
    show_queued(&queued, out)?;
    Ok(Done::from(0).with("job", &ids.join(" ")))
}

/// Prints the ids of queued jobs.
pub fn show_queued(queued: &[Queued], out: Output) -> Result<u8> {
    let ids: Vec<_> = queued.iter().map(|queued| queued.job.as_str()).collect();
    out.show(&queued, || ids.join("\n"))?;
    Ok(0)
}

async fn listed(home: &Home, args: &JobList, out: Output) -> Result<u8> {
    let filter = JobFilter {
        tenant: args.tenant.clone(),
        state: args.state,
        kind: args.kind.clone(),
        before: args.before.clone(),
    };
    let views = list(home, &filter, args.limit).await?;
    show_list(&views.into_iter().map(JobView::from).collect::<Vec<_>>(), args.limit, out)
}

/// Shows jobs, of which so many were asked for.
pub fn show_list(views: &[JobView], limit: u32, out: Output) -> Result<u8> {
    let is_full = views.len() == limit as usize;
    out.show(&views, || {
        let mut text = rows(views);
        if let Some(last) = views.last().filter(|_| is_full) {
            text.push_str(&format!("\nOlder ones:  --before {}", last.id));
        }
        text
    })?;
    Ok(0)
}

fn rows(views: &[JobView]) -> String {
    let row = |view: &JobView| {
        vec![
            view.id.clone(),
            view.kind.clone(),
            view.tenant.clone(),
            state(view),
            progress(&view.progress),
            view.requested_by.clone(),
            time(Some(view.created_at)),
            view.error.as_deref().map_or_else(String::new, |error| short(error, SHOWN)),
        ]
    };
    let headings =
        ["job", "kind", "tenant", "state", "progress", "asked by", "asked at", "last error"];
    table(&headings, views.iter().map(row).collect(), &[])
}

fn state(view: &JobView) -> String {
    match (&view.wanted, view.error.is_some() && view.state == "queued") {
        (Some(wanted), _) => format!("{}, will be {wanted}", view.state),
        (None, true) => "queued again".to_owned(),
        (None, false) => view.state.to_owned(),
    }
}

/// `12 of 40 items, 3.4 MiB`.
fn progress(value: &Value) -> String {
    let figure = |name: &str| value[name].as_u64().unwrap_or_default();
    match figure("items") {
        0 => String::new(),
        items => format!(
            "{} of {}, {}",
            count(figure("items_done")),
            of(items, "item"),
            bytes(figure("bytes"))
        ),
    }
}

fn detail(detail: &JobDetailView) -> String {
    let job = &detail.job;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<13}{}", clean(&value));
        }
    };
    line("job", job.id.clone());
    line("kind", format!("{} ({})", job.kind, job.class));
    line("tenant", job.tenant.clone());
    line("state", state(job));
    line("asked for", format!("{} by {}", time(Some(job.created_at)), job.requested_by));
    line("not before", time(Some(job.not_before)));
    line("deadline", time(Some(job.deadline)));
    line("began", job.started_at.map_or_else(String::new, |at| time(Some(at))));
    line("ended", job.finished_at.map_or_else(String::new, |at| time(Some(at))));
    line("worker", worker(job));
    line("attempts", count(job.attempts));
    line("progress", progress(&job.progress));
    line("error", job.error.clone().unwrap_or_default());
    for step in &detail.steps {
        line("step", format!("{} at {}", step.name, time(Some(step.done_at))));
    }
    line("request", json(&detail.request));
    line("result", json(&detail.result));
    text
}

fn worker(job: &JobView) -> String {
    let until =
        job.lease_until.map_or_else(String::new, |until| format!(" until {}", time(Some(until))));
    job.worker.as_deref().map_or_else(String::new, |worker| format!("{worker}{until}"))
}

fn json(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}
