//! Which resources a tenant has: directory and sites are asked, new ones are taken up, vanished ones
//! stay with their last state.

mod sites;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_catalog::{ResourceRow, ResourceStatus, ShardRow, TenantRow};
use holdfast_graph::Graph;
use holdfast_model::{ResourceId, ShardId, Workload};
use holdfast_vault::Vault;
use holdfast_workloads::directory::{self, User};
use holdfast_workloads::resource_dir;

use crate::home::blocking;
use crate::shards::{Departments, Shards};
use crate::{Error, Home, Result, intent, schedule};

/// What the directory tells of a tenant.
pub(crate) struct Listed {
    /// All resources, those that vanished too.
    pub rows: Vec<ResourceRow>,
    /// Who works where.
    pub departments: Departments,
    /// Why sites could not be listed: those that are known are read nevertheless.
    pub problem: Option<Error>,
}

impl Listed {
    /// What is known already, without asking.
    pub(crate) fn known(rows: Vec<ResourceRow>) -> Self {
        Self { rows, departments: Departments::default(), problem: None }
    }
}

/// Asks the directory and brings the catalog (and, first, the intent in the vault) up to date.
pub async fn refresh(
    home: &Home,
    tenant: &TenantRow,
    vault: &Vault,
    graph: &Graph,
) -> Result<Vec<ResourceRow>> {
    Ok(list(home, tenant, vault, graph).await?.rows)
}

/// The same, with what else the directory tells.
pub(crate) async fn list(
    home: &Home,
    tenant: &TenantRow,
    vault: &Vault,
    graph: &Graph,
) -> Result<Listed> {
    let users = directory::users(graph).await?;
    let known = home.catalog.resource_list(Some(&tenant.name)).await?;
    let known: BTreeMap<ResourceId, ResourceRow> =
        known.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut found: Vec<Found> = users.iter().map(mailbox).collect();
    let mut asked = vec![Workload::Exchange];
    let mut problem = None;
    if sites::may_list(graph).await? {
        // Mail goes on without the sites.
        match sites::find(graph, &users, &known).await {
            Ok(sites) => {
                asked.extend([Workload::OneDrive, Workload::SharePoint]);
                found.extend(sites);
            }
            Err(error) => problem = Some(error),
        }
    }
    let (mut rows, mut departments) = (Vec::new(), Departments::new());
    for found in found {
        departments.extend(found.department.clone().map(|name| (found.id(), name)));
        let old = known.get(&found.id());
        rows.push(listed(tenant, found, old));
    }
    let here: BTreeSet<ResourceId> = rows.iter().map(|row| row.id.clone()).collect();
    let vanished = known
        .values()
        .filter(|row| asked.contains(&row.workload) && !here.contains(&row.id))
        .map(|row| ResourceRow { status: ResourceStatus::Gone, ..row.clone() });
    rows.extend(vanished);
    if problem.is_some() {
        rows.extend(known.values().filter(|row| !asked.contains(&row.workload)).cloned());
    }
    place(home, vault, &departments, &mut rows).await?;
    let changed: Vec<ResourceRow> =
        rows.iter().filter(|row| known.get(&row.id) != Some(row)).cloned().collect();
    let (changed, new): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|row| known.contains_key(&row.id));
    store(home, vault, changed, &new).await?;
    // Who is new follows a schedule before the first backup, so that what it attains is counted.
    schedule::assign(home).await?;
    Ok(Listed { rows, departments, problem })
}

/// What can be protected, as the tenant lists it.
pub(crate) struct Found {
    pub workload: Workload,
    /// Graph id: of the person for a mailbox, of the site for a drive or library.
    pub graph_id: String,
    /// Name, unique in the tenant.
    pub name: String,
    pub display_name: String,
    /// What its directory in the vault is called.
    pub dir: String,
    pub department: Option<String>,
}

impl Found {
    fn id(&self) -> ResourceId {
        ResourceId(format!("{}/{}", self.workload, self.graph_id))
    }
}

fn mailbox(user: &User) -> Found {
    Found {
        workload: Workload::Exchange,
        graph_id: user.id.clone(),
        name: user.user_principal_name.clone(),
        display_name: user.display_name.clone().unwrap_or_default(),
        dir: user.user_principal_name.clone(),
        department: user.department.clone(),
    }
}

/// Gives new resources their shard, department by department.
async fn place(
    home: &Home,
    vault: &Vault,
    departments: &Departments,
    rows: &mut [ResourceRow],
) -> Result<()> {
    let shards = home.catalog.shard_list(vault.id()).await?;
    let limits = home.shard_limits;
    let mut shards = Shards::new(limits, &shards, &*rows, departments);
    let mut new: Vec<&mut ResourceRow> = rows
        .iter_mut()
        .filter(|row| row.shard.is_none() && row.status != ResourceStatus::Gone)
        .collect();
    new.sort_by_cached_key(|row| (departments.get(&row.id), row.id.clone()));
    for row in new {
        row.shard = Some(shards.choose(departments.get(&row.id), limits.expected, &[]));
    }
    Ok(())
}

/// The row of what is listed: a known one keeps its place, and stays unavailable until a poll
/// succeeds.
fn listed(tenant: &TenantRow, found: Found, old: Option<&ResourceRow>) -> ResourceRow {
    match old {
        Some(old) => ResourceRow {
            name: found.name,
            display_name: found.display_name,
            status: match old.status {
                ResourceStatus::Gone => ResourceStatus::Active,
                same => same,
            },
            ..old.clone()
        },
        None => ResourceRow {
            id: found.id(),
            tenant: tenant.name.clone(),
            workload: found.workload,
            shard: None,
            dir: Some(resource_dir(&found.dir, &found.graph_id)),
            graph_id: found.graph_id,
            name: found.name,
            display_name: found.display_name,
            status: ResourceStatus::Active,
            skip_cause: None,
            stale: false,
            restore_point: None,
            last_polled: None,
            list_link: None,
        },
    }
}

async fn store(
    home: &Home,
    vault: &Vault,
    mut changed: Vec<ResourceRow>,
    new: &[ResourceRow],
) -> Result<()> {
    // Another run may have moved one since it was listed.
    for row in &mut changed {
        row.shard = home.catalog.resource_get(&row.id).await?.shard.or(row.shard);
    }
    let all = || changed.iter().chain(new);
    for shard in all().filter_map(|row| row.shard) {
        ensure_shard(home, vault, shard).await?;
    }
    intent::save(home, vault, all().map(intent::resource).collect()).await?;
    for row in new {
        home.catalog.resource_put(row).await?;
    }
    for row in &changed {
        home.catalog.resource_describe(row).await?;
    }
    Ok(())
}

/// Makes a shard in the vault and its row in the catalog, where they are missing.
pub(crate) async fn ensure_shard(home: &Home, vault: &Vault, shard: ShardId) -> Result<()> {
    if home.catalog.shard_list(vault.id()).await?.iter().any(|row| row.shard == shard) {
        return Ok(());
    }
    let maker = vault.clone();
    blocking(move || Ok(maker.create_shard(shard)?)).await?;
    Ok(home.catalog.shard_put(&ShardRow::new(vault.id(), shard)).await?)
}

/// The one resource that a name, an id or a Graph id means.
pub async fn find(home: &Home, tenant: Option<&str>, name: &str) -> Result<ResourceRow> {
    let mut rows = home.catalog.resource_find(tenant, name).await?;
    match rows.len() {
        1 => Ok(rows.remove(0)),
        0 => Err(Error::NotFound {
            what: "resource",
            name: name.to_owned(),
            hint: "; 'holdfast resources' lists them",
        }),
        count => Err(Error::Ambiguous { what: "resources", name: name.to_owned(), count }),
    }
}
