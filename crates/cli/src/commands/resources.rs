//! `resources`: what is protected.

use holdfast_catalog::ResourceRow;
use holdfast_engine::tenant::{self, Purpose};
use holdfast_engine::{Home, discover};
use holdfast_model::{SkipCause, Timestamp};
use serde::Serialize;

use crate::args::Resources;
use crate::error::Result;
use crate::output::{Output, of, table, time};

/// A resource in the `--json` form.
#[derive(Serialize)]
struct View {
    id: String,
    tenant: String,
    workload: &'static str,
    name: String,
    display_name: String,
    graph_id: String,
    status: &'static str,
    skip_cause: Option<SkipCause>,
    /// The last round failed in part.
    stale: bool,
    shard: Option<u32>,
    /// Directory in the vault, below the workload's.
    dir: Option<String>,
    restore_point: Option<Timestamp>,
    last_polled: Option<Timestamp>,
}

impl From<ResourceRow> for View {
    fn from(row: ResourceRow) -> Self {
        Self {
            id: row.id.0,
            tenant: row.tenant,
            workload: row.workload.as_str(),
            name: row.name,
            display_name: row.display_name,
            graph_id: row.graph_id,
            status: row.status.as_str(),
            skip_cause: row.skip_cause,
            stale: row.stale,
            shard: row.shard.map(|shard| shard.0),
            dir: row.dir,
            restore_point: row.restore_point,
            last_polled: row.last_polled,
        }
    }
}

pub async fn run(home: &Home, args: &Resources, out: Output) -> Result<u8> {
    let mut rows = Vec::new();
    for tenant in tenant::chosen(home, args.tenant.as_deref()).await? {
        if !args.offline {
            let graph = tenant::graph(home, &tenant, Purpose::Backup)?;
            let vault = home.vault(Some(&tenant.vault_id)).await?;
            discover::refresh(home, &tenant, &vault, &graph).await?;
        }
        rows.extend(home.catalog.resource_list(Some(&tenant.name)).await?);
    }
    let views: Vec<View> = rows.into_iter().map(View::from).collect();
    out.show(&views, || human(&views))?;
    Ok(0)
}

fn human(views: &[View]) -> String {
    let row = |view: &View| {
        let state = match (view.skip_cause, view.stale) {
            (Some(cause), _) => format!("{}: {}", view.status, cause.explain()),
            (None, true) => format!("{}, last round incomplete", view.status),
            (None, false) => view.status.to_owned(),
        };
        vec![view.name.clone(), view.display_name.clone(), time(view.restore_point), state]
    };
    let headings = ["resource", "name", "restore point", "status"];
    let text = table(&headings, views.iter().map(row).collect(), &[]);
    format!("{text}\n{}", of(views.len() as u64, "resource"))
}
