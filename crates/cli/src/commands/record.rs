//! What a command puts into the audit record: the only place that knows.
//!
//! Where an entry cannot be written, the command does not run. What a command is about is said as
//! it was typed, resources and vaults by the name that they have.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use holdfast_engine::audit::{Audit, Begun};
use holdfast_engine::browse::At;
use holdfast_engine::{Exit, Home, discover, process_for_people, process_name};
use holdfast_model::audit::{Action, Actor, ActorKind, Event, Outcome};

use super::Done;
use crate::args::{
    self, Command, Erase, Export, Find, Job, Restore, Schedule, Source, Tenant, TenantAdd, Vault,
    VaultAdd, Worker,
};
use crate::error::Result;

/// From where somebody at the command line comes.
const LOCAL: &str = "local";

/// Number in `/proc/self/loginuid` of a process that nobody's sign-in has started.
const NO_LOGIN: &str = "4294967295";

/// What a command is about.
struct Act {
    event: Event,
    /// A vault by name or id; the first where `Some(None)`.
    vault: Option<Option<String>>,
}

/// Runs a command between two entries. `work` must not have begun.
pub async fn recorded(
    home: &Home,
    command: &Command,
    work: impl Future<Output = Result<Done>>,
) -> Result<u8> {
    let Some(act) = act(command) else { return Ok(work.await?.code) };
    let audit = Audit::open(home).await?;
    let begun = audit.begin(resolved(home, act).await).await?;
    let worked = work.await;
    let ended = end(begun, &worked).await;
    match &worked {
        Ok(_) => audit.save_head_or_warn().await,
        // The failure is what is told; often it is the same one. The next command signs.
        Err(_) => drop(audit.save_head().await),
    }
    let code = worked?.code;
    ended.map(|()| code)
}

/// Records something that has been done, for which there was no record before.
pub async fn done(home: &Home, action: Action, details: BTreeMap<String, String>) -> Result<()> {
    let audit = Audit::open(home).await?;
    audit.record(Event { details, ..Event::new(actor(), LOCAL, action) }).await?;
    audit.save_head_or_warn().await;
    Ok(())
}

async fn end(begun: Begun<'_>, worked: &Result<Done>) -> Result<()> {
    let (outcome, cause, details) = match worked {
        Ok(done) => {
            let mut details = done.details.clone();
            if done.code != 0 {
                details.insert("exit_code".to_owned(), done.code.to_string());
            }
            let outcome = match done.code {
                code if code == Exit::Partial as u8 => Outcome::Partial,
                code if code == Exit::Error as u8 => Outcome::Failed,
                _ => Outcome::Done,
            };
            (outcome, String::new(), details)
        }
        Err(error) => {
            let outcome = match error.exit_code() {
                code if code == Exit::Denied as u8 => Outcome::Refused,
                _ => Outcome::Failed,
            };
            (outcome, error.cause(), BTreeMap::new())
        }
    };
    begun.end(outcome, &cause, details).await?;
    Ok(())
}

/// The user of the operating system. Who signed in and became another user since is named too.
pub fn actor() -> Actor {
    let uid =
        std::fs::metadata("/proc/self").map_or_else(|_| String::new(), |me| me.uid().to_string());
    let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    let login = login.trim();
    let name = match user_name(login) {
        Some(name) if login != uid && login != NO_LOGIN => {
            format!("{} (signed in as {name})", user_name(&uid).unwrap_or_default())
        }
        _ => user_name(&uid).unwrap_or_else(|| format!("user {uid}")),
    };
    Actor { kind: ActorKind::CommandLine, id: uid, name }
}

fn user_name(uid: &str) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|fields| fields.get(2) == Some(&uid))?;
    Some((*user.first()?).to_owned())
}

/// With the names that resources, their tenant and the vault have. What does not exist stays as it
/// was typed: the command will say so.
async fn resolved(home: &Home, act: Act) -> Event {
    let mut event = act.event;
    let tenant = Some(event.tenant.clone()).filter(|tenant| !tenant.is_empty());
    for name in &mut event.resources {
        if let Ok(row) = discover::find(home, tenant.as_deref(), name).await {
            *name = row.name;
            event.tenant = row.tenant;
        }
    }
    if let Some(vault) = act.vault {
        let known = home.vault_row(vault.as_deref()).await.map(|row| row.name);
        event.details.insert("vault".to_owned(), known.ok().or(vault).unwrap_or_default());
    }
    event
}

impl Act {
    fn new(action: Action) -> Self {
        Self { event: Event::new(actor(), LOCAL, action), vault: None }
    }

    fn tenant(mut self, name: Option<&str>) -> Self {
        self.event.tenant = name.unwrap_or_default().to_owned();
        self
    }

    fn resource(mut self, name: Option<&str>) -> Self {
        self.event.resources.extend(name.map(str::to_owned));
        self
    }

    fn items<'a>(mut self, items: impl IntoIterator<Item = &'a String>) -> Self {
        self.event.items.extend(items.into_iter().filter(|item| !item.is_empty()).cloned());
        self
    }

    /// A detail that was given.
    fn given(mut self, name: &str, value: Option<impl ToString>) -> Self {
        self.event.details.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }

    /// A detail that is only said where it is so.
    fn flag(self, name: &str, is_set: bool) -> Self {
        self.given(name, is_set.then_some("yes"))
    }

    fn source(self, source: &Source) -> Self {
        self.tenant(source.tenant.as_deref())
            .resource(Some(&source.resource))
            .at(source.at.as_ref())
    }

    fn at(self, at: Option<&At>) -> Self {
        self.given("at", at)
    }

    fn vault(mut self, name: Option<&String>) -> Self {
        self.vault = Some(name.cloned());
        self
    }
}

/// What a command is about; `None` for one that shows nothing of anybody.
fn act(command: &Command) -> Option<Act> {
    Some(match command {
        Command::Tenant(command) => of_tenant(command)?,
        Command::Resources(args) => Act::new(Action::ResourceList)
            .tenant(args.tenant.as_deref())
            .flag("offline", args.offline),
        Command::Backup(args) => Act::new(Action::BackupRun)
            .tenant(args.tenant.as_deref())
            .resource(args.resource.as_deref())
            .flag("queue", args.queue),
        Command::Schedule(command) => of_schedule(command),
        Command::Job(command) => of_job(command),
        Command::Worker(args) => of_worker(args),
        Command::Snapshots(args) => {
            Act::new(Action::SnapshotList).resource(args.resource.as_deref())
        }
        Command::Ls(args) => Act::new(Action::ItemList)
            .source(&args.source)
            .items([&args.path])
            .flag("recursive", args.recursive)
            .flag("versions", args.versions),
        Command::Cat(args) => Act::new(Action::ItemRead)
            .source(&args.source)
            .items([&args.path])
            .given("version", args.version.as_ref()),
        Command::Find(args) => of_find(args),
        Command::History(args) => Act::new(Action::ItemHistory)
            .tenant(args.tenant.as_deref())
            .resource(Some(&args.resource))
            .items([&args.item]),
        Command::Diff(args) => Act::new(Action::ItemDiff)
            .tenant(args.tenant.as_deref())
            .resource(Some(&args.resource))
            .at(args.at.as_ref())
            .given("to", args.to.as_ref()),
        Command::Restore(args) => of_restore(args),
        Command::Export(args) => of_export(args),
        Command::Vault(command) => of_vault(command),
        Command::Erase(args) => of_erase(args),
        Command::Catalog(args::Catalog::Rebuild) => Act::new(Action::CatalogRebuild),
        Command::Recover(args) => Act::new(Action::InstallationRecover)
            .given("location", Some(&args.vault))
            .given("as_of", args.storage.as_of)
            .given(
                "opened_with",
                Some(if args.unlock.kit.is_some() { "kit" } else { "passphrase" }),
            ),
        Command::Doctor => Act::new(Action::InstallationCheck),
        Command::SupportBundle { .. } => Act::new(Action::SupportBundle),
        Command::Audit(command) => of_audit(command),
        // The server records what it does itself.
        Command::Serve(_)
        | Command::Init(_)
        | Command::Join(_)
        | Command::Demo(_)
        | Command::Sim(_)
        | Command::Completions { .. }
        | Command::User(_)
        | Command::Token(_) => return None,
    })
}

fn of_tenant(command: &Tenant) -> Option<Act> {
    Some(match command {
        Tenant::Add(args) => of_tenant_add(args),
        Tenant::List => Act::new(Action::TenantList),
        Tenant::Set { name, file_versions } => Act::new(Action::TenantChange)
            .tenant(Some(name))
            .given("file_versions", Some(file_versions)),
        Tenant::Test { name } => Act::new(Action::TenantTest).tenant(name.as_deref()),
        Tenant::Certificate(args) => Act::new(Action::TenantCertificate)
            .given("name", Some(&args.name))
            .given("days", Some(args.days))
            .given("out", Some(args.out.display())),
        Tenant::Permissions { .. } => return None,
    })
}

fn of_tenant_add(args: &TenantAdd) -> Act {
    let login = if args.certificate.is_some() { "certificate" } else { "secret" };
    Act::new(Action::TenantAdd)
        .tenant(Some(&args.name))
        .vault(args.vault.as_ref())
        .given("tenant_id", Some(&args.tenant_id))
        .given("client_id", Some(&args.client_id))
        .given("login", Some(login))
        .given("restore_client_id", args.restore_client_id.as_ref())
        .given("graph_url", Some(&args.graph_url))
        .given("file_versions", args.file_versions)
}

fn of_find(args: &Find) -> Act {
    Act::new(Action::ItemSearch)
        .tenant(args.tenant.as_deref())
        .resource(args.resource.as_deref())
        .at(args.at.as_ref())
        .flag("deleted", args.deleted)
        .given("query", Some(args.texts.join(" ")))
}

fn of_restore(args: &Restore) -> Act {
    Act::new(Action::ItemRestore)
        .source(&args.source)
        .resource(args.to.as_deref())
        .items(&args.path)
        .given("deleted_since", args.deleted_since.map(|since| since.0))
        .given("into", args.into.as_ref())
        .given("version", args.version.as_ref())
        .given("on_conflict", Some(args.on_conflict.as_str()))
        .flag("other_target", args.to.is_some())
        .flag("versions", args.versions)
        .flag("permissions", args.permissions)
        .flag("dry_run", args.dry_run)
        .flag("queue", args.queue)
}

fn of_schedule(command: &Schedule) -> Act {
    match command {
        Schedule::List { tenant } => Act::new(Action::PolicyList).tenant(tenant.as_deref()),
        Schedule::Status { tenant, resource, .. } => {
            Act::new(Action::PolicyList).tenant(tenant.as_deref()).resource(resource.as_deref())
        }
        Schedule::Remove { name, tenant } => {
            Act::new(Action::PolicyChange).tenant(tenant.as_deref()).given("removed", Some(name))
        }
        Schedule::Set(args) => {
            let hours = args.pause.iter().map(|hours| format!("not {hours}"));
            let hours = hours.chain(args.press.iter().map(|hours| format!("press {hours}")));
            let mut act = Act::new(Action::PolicyChange)
                .tenant(args.tenant.as_deref())
                .given("schedule", Some(&args.name))
                .given("rpo", Some(args.rpo))
                .given("time_zone", args.time_zone.as_ref());
            for hours in hours {
                act.event.details.entry("hours".to_owned()).or_default().push_str(&(hours + "; "));
            }
            args.resource.iter().fold(act, |act, name| act.resource(Some(name)))
        }
    }
}

fn of_job(command: &Job) -> Act {
    let (action, id) = match command {
        Job::List(args) => return Act::new(Action::JobList).tenant(args.tenant.as_deref()),
        Job::Show { id } => (Action::JobList, id),
        Job::Pause { id } => (Action::JobPause, id),
        Job::Resume { id } => (Action::JobResume, id),
        Job::Cancel { id } => (Action::JobCancel, id),
    };
    Act::new(action).given("job", Some(id))
}

/// What a worker does it does by itself, whoever started it.
fn of_worker(args: &Worker) -> Act {
    let event = Event::new(Actor::system("worker"), LOCAL, Action::WorkerRun);
    let act = Act { event, vault: None };
    act.given("slots", Some(args.slots))
        .given("started_by", Some(actor().name))
        .given("process", Some(process_for_people(&process_name())))
        .flag("once", args.once)
        .flag("no_scheduler", args.no_scheduler)
}

fn of_export(args: &Export) -> Act {
    let format: holdfast_engine::export::Format = args.format.into();
    Act::new(Action::ItemExport)
        .source(&args.source)
        .items(&args.path)
        .given("deleted_since", args.deleted_since.map(|since| since.0))
        .given("format", Some(format))
        .given("out", Some(&args.out))
}

fn of_erase(args: &Erase) -> Act {
    Act::new(Action::ItemErase)
        .source(&args.source)
        .items(&args.items)
        .given("reason", Some(&args.reason))
        .flag("dry_run", args.dry_run)
}

fn of_vault(command: &Vault) -> Act {
    match command {
        Vault::Add(args) => of_vault_add(args),
        Vault::List => Act::new(Action::VaultList),
        Vault::Rekey { vault, .. } => Act::new(Action::VaultRekey).vault(vault.as_ref()),
        Vault::Extend { vault } => Act::new(Action::VaultExtend).vault(vault.as_ref()),
        Vault::Check { read_data, read_share, vault } => Act::new(Action::VaultCheck)
            .vault(vault.as_ref())
            .flag("read_data", *read_data)
            .given("read_share", *read_share),
        Vault::Prune(args) => Act::new(Action::VaultPrune)
            .vault(args.vault.as_ref())
            .given("keep_last", args.keep_last)
            .given("keep_within", args.keep_within)
            .flag("dry_run", args.dry_run),
        Vault::Repair(args) => Act::new(Action::VaultRepair)
            .vault(args.vault.as_ref())
            .given("from", args.from.as_ref()),
        Vault::Copy { to, vault } => {
            Act::new(Action::VaultCopy).vault(vault.as_ref()).given("to", Some(to))
        }
        Vault::Stats { vault } => Act::new(Action::VaultStats).vault(vault.as_ref()),
        Vault::Password { shard, vault } => {
            Act::new(Action::VaultPassword).vault(vault.as_ref()).given("shard", Some(shard))
        }
        Vault::Kit { out, vault } => {
            Act::new(Action::VaultKit).vault(vault.as_ref()).given("out", Some(out.display()))
        }
    }
}

fn of_vault_add(args: &VaultAdd) -> Act {
    let storage = &args.storage;
    let lock = storage.lock.map(|lock| format!("{lock:?}").to_lowercase());
    Act::new(Action::VaultAdd)
        .given("name", Some(&args.name))
        .given("location", Some(&args.location))
        .given("lock", lock)
        .given("lock_days", storage.lock_days)
        .given("as_of", storage.as_of)
        .flag("append_only", storage.append_only)
        .flag("immutable", storage.immutable)
        .flag("maintenance_credentials", storage.maintenance_credentials_file.is_some())
}

fn of_audit(command: &args::Audit) -> Act {
    match command {
        args::Audit::List(args) => Act::new(Action::AuditList)
            .tenant(args.tenant.as_deref())
            .resource(args.resource.as_deref())
            .given("since", args.since.map(|since| since.0))
            .given("until", args.until.map(|until| until.0))
            .given("actor", args.actor.as_ref())
            .given("action", args.action)
            .given("outcome", args.outcome),
        args::Audit::Verify { .. } => Act::new(Action::AuditVerify),
        args::Audit::Export { out } => {
            Act::new(Action::AuditExport).given("out", Some(out.display()))
        }
    }
}
