//! `schedule`: what is protected how often, and whether that is attained.

use holdfast_engine::{Home, schedule, tenant};
use holdfast_policy::{Pace, Schedule as Policy, Select};
use holdfast_server::api::view::{AttainedView, ScheduleSetView, ScheduleView};

use crate::args::{Schedule, ScheduleSet};
use crate::error::Result;
use crate::output::{Output, clean, count, duration, of, table, time};

pub async fn run(home: &Home, command: &Schedule, out: Output) -> Result<u8> {
    match command {
        Schedule::List { tenant } => list(home, tenant.as_deref(), out).await,
        Schedule::Set(args) => set(home, args, out).await,
        Schedule::Remove { name, tenant } => remove(home, name, tenant.as_deref(), out).await,
        Schedule::Status { tenant, resource, missed } => {
            let all = schedule::status(home, tenant.as_deref(), resource.as_deref()).await?;
            show_status(all.into_iter().map(AttainedView::from).collect(), *missed, out)
        }
    }
}

async fn list(home: &Home, tenant: Option<&str>, out: Output) -> Result<u8> {
    let listed = schedule::listed(home, tenant, None).await?;
    show_list(&listed.into_iter().map(ScheduleView::from).collect::<Vec<_>>(), out)
}

/// Shows schedules.
pub fn show_list(listed: &[ScheduleView], out: Output) -> Result<u8> {
    out.show(&listed, || schedules(listed))?;
    Ok(0)
}

/// Shows what resources follow and attain; only what misses its objective, if so asked.
pub fn show_status(mut all: Vec<AttainedView>, missed: bool, out: Output) -> Result<u8> {
    all.retain(|status| !missed || is_missed(status));
    out.show(&all, || standings(&all))?;
    Ok(0)
}

fn is_missed(status: &AttainedView) -> bool {
    status.standing == "missed"
}

/// The schedule that was typed.
pub fn wanted(args: &ScheduleSet) -> Policy {
    Policy {
        name: args.name.clone(),
        select: Select { workloads: args.workload.clone(), resources: args.resource.clone() },
        rpo: args.rpo,
        time_zone: args.time_zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        // Where hours meet the first count: what must not be comes before what may be.
        hours: args.pause.iter().chain(&args.press).cloned().collect(),
    }
}

async fn set(home: &Home, args: &ScheduleSet, out: Output) -> Result<u8> {
    let (tenant, wanted) = (tenant::one(home, args.tenant.as_deref()).await?.name, wanted(args));
    schedule::set(home, &tenant, &wanted).await?;
    let unknown = schedule::unknown(home, &tenant, &wanted).await?;
    let listed = schedule::listed(home, Some(&tenant), None).await?;
    let Some(set) = listed.into_iter().find(|listed| listed.schedule.name == args.name) else {
        return Ok(0);
    };
    show_set(&ScheduleSetView { schedule: set.into(), unknown }, out)
}

/// Shows a schedule that was set.
pub fn show_set(report: &ScheduleSetView, out: Output) -> Result<u8> {
    out.show(report, || changed(report))?;
    Ok(0)
}

fn changed(report: &ScheduleSetView) -> String {
    let ScheduleView { tenant, schedule, followers, .. } = &report.schedule;
    let mut text = format!(
        "Schedule '{}' of {}: a restore point at least every {}, for {}.",
        clean(&schedule.name),
        clean(tenant),
        schedule.rpo,
        of(*followers, "resource"),
    );
    for name in &report.unknown {
        text.push_str(&format!(
            "\nNot known: {}. 'holdfast resources' lists the names; it counts once it is found.",
            clean(name)
        ));
    }
    text
}

async fn remove(home: &Home, name: &str, tenant: Option<&str>, out: Output) -> Result<u8> {
    let tenant = tenant::one(home, tenant).await?.name;
    schedule::remove(home, &tenant, name).await?;
    show_removed(&tenant, name, out)
}

/// Says that a schedule was removed.
pub fn show_removed(tenant: &str, name: &str, out: Output) -> Result<u8> {
    out.show(&serde_json::json!({ "tenant": tenant, "removed": name }), || {
        format!("Schedule '{}' of {} removed.", clean(name), clean(tenant))
    })?;
    Ok(0)
}

fn schedules(listed: &[ScheduleView]) -> String {
    let row = |listed: &ScheduleView| {
        let schedule = &listed.schedule;
        let name = match listed.is_set {
            true => schedule.name.clone(),
            false => format!("{} (not changed)", schedule.name),
        };
        vec![
            listed.tenant.clone(),
            name,
            schedule.rpo.to_string(),
            meant(&schedule.select),
            hours(schedule),
            count(listed.followers),
        ]
    };
    let headings = ["tenant", "schedule", "rpo", "for", "hours", "resources"];
    table(&headings, listed.iter().map(row).collect(), &[5])
}

/// What a schedule is for.
fn meant(select: &Select) -> String {
    let workloads: Vec<_> = select.workloads.iter().map(|workload| workload.as_str()).collect();
    match (&workloads[..], &select.resources[..]) {
        ([], []) => "everything else".to_owned(),
        ([], [one]) => one.clone(),
        ([], [first, more @ ..]) => format!("{first} and {} more", count(more.len() as u64)),
        (workloads, []) => workloads.join(", "),
        (workloads, names) => {
            format!("{} of {}", workloads.join(", "), of(names.len() as u64, "name"))
        }
    }
}

fn hours(schedule: &Policy) -> String {
    if schedule.hours.is_empty() {
        return "any".to_owned();
    }
    let word = |pace| match pace {
        Pace::Off => "not ",
        Pace::Normal => "",
        Pace::Hard => "press ",
    };
    let hours: Vec<_> =
        schedule.hours.iter().map(|hours| format!("{}{hours}", word(hours.pace))).collect();
    format!("{} ({})", hours.join("; "), schedule.time_zone)
}

fn standings(all: &[AttainedView]) -> String {
    let row = |status: &AttainedView| {
        let lasting = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), duration);
        vec![
            status.name.clone(),
            status.workload.clone(),
            status.schedule.clone(),
            status.rpo.clone(),
            lasting(status.attained_ms),
            lasting(status.worst_ms),
            count(status.missed),
            status.standing.clone(),
            time(Some(status.due)),
        ]
    };
    let headings = [
        "resource",
        "data",
        "schedule",
        "rpo",
        "attained now",
        "worst of 30 days",
        "missed",
        "standing",
        "next",
    ];
    let missed = all.iter().filter(|status| is_missed(status)).count();
    format!(
        "{}\n{}, {} beyond the objective",
        table(&headings, all.iter().map(row).collect(), &[4, 5, 6]),
        of(all.len() as u64, "resource"),
        count(missed as u64),
    )
}
