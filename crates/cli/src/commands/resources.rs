//! `resources`: what is protected.

use holdfast_engine::tenant::{self, Purpose};
use holdfast_engine::{Home, discover};
use holdfast_server::api::view::ResourceView;

use crate::args::Resources;
use crate::error::Result;
use crate::output::{Output, of, table, time};

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
    show(&rows.into_iter().map(ResourceView::from).collect::<Vec<_>>(), out)
}

/// Shows resources.
pub fn show(views: &[ResourceView], out: Output) -> Result<u8> {
    out.show(&views, || human(views))?;
    Ok(0)
}

fn human(views: &[ResourceView]) -> String {
    let row = |view: &ResourceView| {
        let state = match (view.skip_cause, view.stale) {
            (Some(cause), _) => format!("{}: {}", view.status, cause.explain()),
            (None, true) => format!("{}, last round incomplete", view.status),
            (None, false) => view.status.clone(),
        };
        vec![view.name.clone(), view.display_name.clone(), time(view.restore_point), state]
    };
    let headings = ["resource", "name", "restore point", "status"];
    let text = table(&headings, views.iter().map(row).collect(), &[]);
    format!("{text}\n{}", of(views.len() as u64, "resource"))
}
