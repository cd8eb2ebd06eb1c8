//! Sites: those of teams, and those behind each person's OneDrive.

use std::collections::{BTreeMap, HashMap};

use holdfast_catalog::ResourceRow;
use holdfast_graph::{Graph, Kind};
use holdfast_model::{ResourceId, Workload};
use holdfast_workloads::directory::User;
use holdfast_workloads::drive::{self, Owner, Site};

use super::Found;
use crate::Result;

/// Any of these permissions lets an application list sites.
const ROLES: [&str; 3] = ["Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"];

/// Whether the tenant has granted what files need. A tenant may want its mail protected only.
pub(super) async fn may_list(graph: &Graph) -> Result<bool> {
    let granted = graph.granted_roles().await?;
    Ok(granted.iter().any(|role| ROLES.contains(&role.as_str())))
}

/// All sites. Whose OneDrive a personal one is, is asked for once.
pub(super) async fn find(
    graph: &Graph,
    users: &[User],
    known: &BTreeMap<ResourceId, ResourceRow>,
) -> Result<Vec<Found>> {
    let mut sites = drive::sites(graph).await?;
    // A tenant that lists no personal site at all has them nevertheless.
    if !sites.is_empty() && !sites.iter().any(|site| site.is_personal) {
        sites.extend(of_users(graph, users).await?);
    }
    let users: HashMap<&str, &User> = users.iter().map(|user| (user.id.as_str(), user)).collect();
    let mut found = Vec::with_capacity(sites.len());
    for site in sites {
        found.push(match site.is_personal {
            true => personal(graph, &users, known, site).await?,
            false => Found {
                workload: Workload::SharePoint,
                dir: site.name.rsplit('/').next().unwrap_or_default().to_owned(),
                display_name: site.display_name.unwrap_or_default(),
                name: site.name,
                graph_id: site.id,
                department: None,
            },
        });
    }
    Ok(found)
}

async fn of_users(graph: &Graph, users: &[User]) -> Result<Vec<Site>> {
    let mut sites = Vec::new();
    for user in users {
        let Some(id) = drive::personal_site(graph, &user.id).await? else { continue };
        let display_name = user.display_name.clone();
        sites.push(Site {
            id,
            name: user.user_principal_name.clone(),
            display_name,
            is_personal: true,
        });
    }
    Ok(sites)
}

async fn personal(
    graph: &Graph,
    users: &HashMap<&str, &User>,
    known: &BTreeMap<ResourceId, ResourceRow>,
    site: Site,
) -> Result<Found> {
    let id = ResourceId(format!("{}/{}", Workload::OneDrive, site.id));
    if let Some(row) = known.get(&id) {
        return Ok(Found {
            workload: Workload::OneDrive,
            graph_id: site.id,
            name: row.name.clone(),
            display_name: row.display_name.clone(),
            dir: row.name.clone(),
            department: None,
        });
    }
    let owner = owner(graph, &site.id).await?;
    let user = owner.id.as_deref().and_then(|id| users.get(id));
    let last = site.name.rsplit('/').next().unwrap_or_default();
    let name = user.map(|user| user.user_principal_name.clone());
    let name = name.or(owner.email).unwrap_or_else(|| last.to_owned());
    let display_name = user.and_then(|user| user.display_name.clone()).or(owner.display_name);
    Ok(Found {
        workload: Workload::OneDrive,
        graph_id: site.id,
        // The mailbox of the same person has the plain name.
        name: format!("{}/{name}", Workload::OneDrive),
        display_name: display_name.or(site.display_name).unwrap_or_default(),
        dir: name,
        department: user.and_then(|user| user.department.clone()),
    })
}

/// The owner of a personal site; nobody where the site does not say, so that one site that is out
/// of reach does not stop the others.
async fn owner(graph: &Graph, site: &str) -> Result<Owner> {
    match drive::owner(graph, site).await {
        Err(error)
            if !matches!(
                error.graph_kind(),
                Some(Kind::Denied | Kind::Invalid | Kind::NotFound | Kind::Conflict)
            ) =>
        {
            Err(error.into())
        }
        owner => Ok(owner.unwrap_or_default()),
    }
}
