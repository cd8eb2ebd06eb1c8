//! `tenant`, `resources`, `schedule`, `audit`, `doctor` of a server.

use holdfast_engine::Error as Engine;
use holdfast_server::api::view::{
    AttainedView, FindingView, ResourceView, ScheduleSetView, ScheduleView, Submitted, TenantView,
    TestedView, VerificationView,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Server;
use super::work::follow;
use crate::args::{Audit, AuditList, Resources, Schedule, ScheduleSet, Tenant};
use crate::commands::{audit as record, doctor as findings, resources as listing};
use crate::commands::{schedule as schedules, tenant as tenants};
use crate::error::{Error, Result};
use crate::output::Output;

/// The tenants that a command means: the named one, or all.
pub async fn chosen(server: &Server, name: Option<&str>) -> Result<Vec<TenantView>> {
    let found = match name {
        Some(name) => vec![server.get(&["tenants", name], &[]).await?],
        None => server.whole(&["tenants"], &[]).await?,
    };
    if found.is_empty() { Err(Engine::NoTenant.into()) } else { Ok(found) }
}

/// The one tenant that a command means: the named one, or the only one.
async fn one(server: &Server, name: Option<&str>) -> Result<String> {
    let mut found = chosen(server, name).await?;
    match found.len() {
        1 => Ok(found.remove(0).name),
        _ => Err(Error::Usage("there are several tenants; name one with --tenant".to_owned())),
    }
}

pub async fn tenant(server: &Server, command: &Tenant, out: Output) -> Result<u8> {
    match command {
        Tenant::Set { name, file_versions } => {
            let body = json!({ "file_versions": file_versions.to_string() });
            let (_, view) = server.tell(Method::PATCH, &["tenants", name], &body).await?;
            tenants::show_set(&view, out)
        }
        Tenant::Test { name } => {
            let mut tested: Vec<TestedView> = Vec::new();
            for tenant in chosen(server, name.as_deref()).await? {
                tested.push(server.post(&["tenants", &tenant.name, "test"], &json!({})).await?);
            }
            tenants::show_tested(&tested, out)
        }
        _ => tenants::show_list(&server.whole::<TenantView>(&["tenants"], &[]).await?, out),
    }
}

/// Asks the directory first, as a job, unless that is not wanted.
pub async fn resources(server: &Server, args: &Resources, out: Output) -> Result<u8> {
    let mut views: Vec<ResourceView> = Vec::new();
    for tenant in chosen(server, args.tenant.as_deref()).await? {
        if !args.offline {
            let body = json!({ "tenant": tenant.name });
            let queued: Submitted = server.post(&["discoveries"], &body).await?;
            follow(server, &[queued.job]).await?;
        }
        let query = [("tenant", Some(tenant.name))];
        views.extend(server.list(&["resources"], &query, usize::MAX).await?);
    }
    views.sort_by(|a, b| (&a.tenant, &a.name, &a.id).cmp(&(&b.tenant, &b.name, &b.id)));
    listing::show(&views, out)
}

pub async fn schedule(server: &Server, command: &Schedule, out: Output) -> Result<u8> {
    match command {
        Schedule::List { tenant } => {
            let query = [("tenant", tenant.clone())];
            let listed: Vec<ScheduleView> = server.whole(&["schedules"], &query).await?;
            schedules::show_list(&listed, out)
        }
        Schedule::Set(args) => set(server, args, out).await,
        Schedule::Remove { name, tenant } => {
            let tenant = one(server, tenant.as_deref()).await?;
            let path = ["tenants", &tenant, "schedules", name];
            server.order(Method::DELETE, &path, None::<&Value>).await?;
            schedules::show_removed(&tenant, name, out)
        }
        Schedule::Status { tenant, resource, missed } => {
            let query = [("tenant", tenant.clone()), ("resource", resource.clone())];
            let all: Vec<AttainedView> = server.whole(&["objectives"], &query).await?;
            schedules::show_status(all, *missed, out)
        }
    }
}

async fn set(server: &Server, args: &ScheduleSet, out: Output) -> Result<u8> {
    let tenant = one(server, args.tenant.as_deref()).await?;
    let path = ["tenants", &tenant, "schedules", &args.name];
    let wanted = schedules::wanted(args);
    let (_, set): (_, ScheduleSetView) = server.tell(Method::PUT, &path, &wanted).await?;
    schedules::show_set(&set, out)
}

pub async fn audit(server: &Server, command: &Audit, out: Output) -> Result<u8> {
    let Audit::List(args) = command else {
        let found: VerificationView = server.post(&["audit", "verification"], &json!({})).await?;
        return record::verified(&found, out);
    };
    let entries = server.list(&["audit"], &audit_query(args), args.limit as usize).await?;
    record::show_list(&entries, args.limit, out)
}

fn audit_query(args: &AuditList) -> [(&'static str, Option<String>); 8] {
    [
        ("since", args.since.map(|since| since.0.to_string())),
        ("until", args.until.map(|until| until.0.to_string())),
        ("actor", args.actor.clone()),
        ("action", args.action.map(|action| action.to_string())),
        ("outcome", args.outcome.map(|outcome| outcome.to_string())),
        ("tenant", args.tenant.clone()),
        ("resource", args.resource.clone()),
        ("after", args.before.map(|before| before.to_string())),
    ]
}

pub async fn doctor(server: &Server, out: Output) -> Result<u8> {
    let found: Vec<FindingView> = server.whole(&["system", "findings"], &[]).await?;
    findings::show(found, out)
}
