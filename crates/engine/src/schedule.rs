//! Schedules: what is protected how often. They are intent (`schedules/…` in the control repository
//! of the tenant's vault) and lie in the catalog for whoever looks for what is due.

mod status;

use std::collections::BTreeMap;

use holdfast_catalog::{ScheduleRow, StandRow};
use holdfast_model::{Timestamp, component, short_id};
use holdfast_policy::{DEFAULT_SCHEDULE, Due, Schedule, Stand, choose};
use holdfast_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::intent::Change;
use crate::{Error, Home, Result, intent, tenant};

pub use status::{Listed, Standing, Status, listed, status};

const VERSION: u8 = 1;

/// Where the records lie.
const PREFIX: &str = "schedules/";

#[derive(Serialize, Deserialize)]
struct ScheduleRecord {
    v: u8,
    tenant: String,
    #[serde(flatten)]
    schedule: Schedule,
}

/// Sets a schedule of a tenant; one of the same name is replaced. In force when this returns.
///
/// # Errors
/// [`Error::NotFound`] for an unknown tenant, [`Error::Policy`] for a schedule that makes no sense.
pub async fn set(home: &Home, tenant: &str, schedule: &Schedule) -> Result<()> {
    schedule.validate()?;
    let tenant = tenant::find(home, tenant).await?;
    let record =
        ScheduleRecord { v: VERSION, tenant: tenant.name.clone(), schedule: schedule.clone() };
    let bytes = serde_json::to_vec(&record).expect("records have text keys only");
    let vault = home.vault(Some(&tenant.vault_id)).await?;
    intent::save(home, &vault, vec![change(&tenant.name, &schedule.name, Some(bytes))]).await?;
    home.catalog.schedule_put(&row(&tenant.name, schedule)).await?;
    assign(home).await
}

/// Removes a schedule of a tenant. What followed it follows another one, or the default.
///
/// # Errors
/// [`Error::NotFound`] for an unknown tenant or schedule.
pub async fn remove(home: &Home, tenant: &str, name: &str) -> Result<()> {
    let tenant = tenant::find(home, tenant).await?;
    if !of_tenant(home, &tenant.name).await?.iter().any(|schedule| schedule.name == name) {
        return Err(Error::not_found("schedule", name));
    }
    let vault = home.vault(Some(&tenant.vault_id)).await?;
    intent::save(home, &vault, vec![change(&tenant.name, name, None)]).await?;
    home.catalog.schedule_remove(&tenant.name, name).await?;
    assign(home).await
}

/// Resources that a schedule names and that are not known, or not yet.
pub async fn unknown(home: &Home, tenant: &str, schedule: &Schedule) -> Result<Vec<String>> {
    let mut unknown = Vec::new();
    for name in &schedule.select.resources {
        if home.catalog.resource_find(Some(tenant), name).await?.is_empty() {
            unknown.push(name.clone());
        }
    }
    Ok(unknown)
}

/// The schedules of all tenants by the tenant's name; the default one of a tenant that has set no
/// other for everything is not among them.
pub async fn list(home: &Home) -> Result<BTreeMap<String, Vec<Schedule>>> {
    let mut all: BTreeMap<String, Vec<Schedule>> = BTreeMap::new();
    for row in home.catalog.schedule_list(None).await? {
        all.entry(row.tenant.clone()).or_default().push(read(&row)?);
    }
    Ok(all)
}

/// The schedules of all tenants, and who follows which.
#[derive(Clone, Debug)]
pub struct Plan {
    schedules: BTreeMap<String, Vec<Schedule>>,
    fallback: Schedule,
}

impl Plan {
    /// The plan as it is now.
    pub async fn read(home: &Home) -> Result<Self> {
        Ok(Self { schedules: list(home).await?, fallback: Schedule::default() })
    }

    /// The schedule that a resource follows.
    pub fn of(&self, stand: &StandRow) -> &Schedule {
        let name = stand.schedule.as_deref().unwrap_or(DEFAULT_SCHEDULE);
        let own = self.schedules.get(&stand.tenant);
        let own = own.and_then(|all| all.iter().find(|schedule| schedule.name == name));
        own.unwrap_or(&self.fallback)
    }

    /// When a resource is to be read, as seen at `now`.
    pub fn due(&self, now: Timestamp, stand: &StandRow) -> Due {
        let far = Stand {
            restore_point: stand.restore_point,
            last_polled: stand.last_polled,
            is_available: stand.is_available,
        };
        self.of(stand).due(now, &far)
    }
}

async fn of_tenant(home: &Home, tenant: &str) -> Result<Vec<Schedule>> {
    home.catalog.schedule_list(Some(tenant)).await?.iter().map(read).collect()
}

/// Says of each resource which schedule it follows, where that has changed: after a change of the
/// schedules, and after discovery.
pub async fn assign(home: &Home) -> Result<()> {
    let (schedules, fallback) = (list(home).await?, Schedule::default());
    let mut follow = Vec::new();
    for stand in home.catalog.stand_list().await? {
        let own = schedules.get(&stand.tenant).map_or(&[][..], Vec::as_slice);
        let chosen = chosen(own, &stand).unwrap_or(&fallback);
        let objective_ms = u64::try_from(chosen.rpo.duration().as_millis()).unwrap_or_default();
        let known = (stand.schedule.as_deref(), stand.objective_ms);
        if known != (Some(chosen.name.as_str()), Some(objective_ms)) {
            follow.push((stand.id, chosen.name.clone(), objective_ms));
        }
    }
    Ok(home.catalog.schedule_assign(&follow).await?)
}

fn chosen<'a>(schedules: &'a [Schedule], stand: &StandRow) -> Option<&'a Schedule> {
    choose(schedules, stand.workload, &[&stand.name, stand.id.as_str()])
}

/// Brings the schedules that a vault knows into the catalog.
pub(crate) async fn recall(home: &Home, vault: &Vault) -> Result<()> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    for record in intent::under::<ScheduleRecord>(&records, PREFIX)? {
        home.catalog.schedule_put(&row(&record.tenant, &record.schedule)).await?;
    }
    Ok(())
}

fn change(tenant: &str, name: &str, record: Option<Vec<u8>>) -> Change {
    // The id tells two names apart that become the same component.
    let (folder, file, id) = (component(tenant, 100), component(name, 100), short_id(name));
    (format!("{PREFIX}{folder}/{file} ~{id}.json"), record)
}

fn row(tenant: &str, schedule: &Schedule) -> ScheduleRow {
    let record = serde_json::to_string(schedule).expect("a schedule has text keys only");
    ScheduleRow { tenant: tenant.to_owned(), name: schedule.name.clone(), record }
}

fn read(row: &ScheduleRow) -> Result<Schedule> {
    serde_json::from_str(&row.record)
        .map_err(|source| Error::Intent { path: format!("schedule {}", row.name), source })
}
