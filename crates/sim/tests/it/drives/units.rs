//! What downloads, changes and permissions cost in resource units.

use std::time::Duration;

use holdfast_sim::{Limits, SimConfig};

use super::{onedrive, text};
use crate::session::{Session, config};

#[tokio::test]
async fn resource_units_are_counted_and_limited() {
    let limits = Limits { units_per_minute: 20, ..Limits::default() };
    let config = SimConfig { empty: true, files_per_user: 1, sites: 1, limits, ..config() };
    let session = Session::with(config).await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let first = session.get(&format!("{path}/root/delta")).await.expect(200);
    let spent = |tenant: &holdfast_sim::Tenant| tenant.stats().resource_units;
    assert_eq!(spent(tenant), 2);
    session.get(first.text("@odata.deltaLink")).await.expect(200);
    assert_eq!(spent(tenant), 3);
    session.download(&format!("{path}/items/{file}/content")).await.expect(200);
    assert_eq!(spent(tenant), 4);
    session.get(&format!("{path}/items/{file}?$expand=permissions")).await.expect(200);
    session.get(&format!("{path}/items/{file}/permissions")).await.expect(200);
    assert_eq!(spent(tenant), 14);
    assert_eq!(tenant.stats().units["GET /drives/{id}/items/{id}/permissions"], 5);
    let near = session.put(&format!("{path}/items/{file}/content"), b"y".to_vec()).await;
    let near = near.expect(200);
    assert_eq!((near.header("ratelimit-limit"), near.header("ratelimit-remaining")), ("20", "4"));
    let over = session.get(&format!("{path}/items/{file}/permissions")).await.expect(429);
    assert_eq!(over.header("retry-after"), "60");
    assert_eq!((tenant.stats().throttled, spent(tenant)), (1, 16));
    tenant.clock().advance(Duration::from_secs(60));
    session.get(&format!("{path}/items/{file}/permissions")).await.expect(200);
}

/// Nobody knows whether the service counts it.
#[tokio::test]
async fn a_download_from_a_listing_is_paid_once() {
    let limits = Limits { units_per_minute: 3, ..Limits::default() };
    let config = SimConfig { empty: true, files_per_user: 1, sites: 1, limits, ..config() };
    let session = Session::with(config).await;
    let tenant = session.sim.tenant();
    let (drive, path) = onedrive(&session);
    tenant.file_add(&drive.id, &drive.root, "a", text("text")).unwrap();
    let delta = format!("{path}/root/delta?$select=id,content.downloadUrl");
    let page = session.get(&delta).await.expect(200);
    let address = "@microsoft.graph.downloadUrl";
    let url = page.values().iter().find_map(|item| item[address].as_str()).unwrap();
    let get = || session.http.get(url);
    let all = session.send(get()).await.expect(200);
    assert_eq!((all.bytes.as_slice(), all.header("ratelimit-limit")), (b"text".as_slice(), "3"));
    assert_eq!(tenant.stats().resource_units, 3);
    let rest = session.send(get().header("range", "bytes=2-")).await.expect(206);
    assert_eq!((rest.bytes.as_slice(), tenant.stats().resource_units), (b"xt".as_slice(), 3));
    session.send(get()).await.expect(429);
}
