//! Replacing the catalog's content with what the vaults hold.

use std::time::Duration;

use holdfast_catalog::{Kind, Rebuilt, ShardRow, TenantRow, VaultRow};
use holdfast_model::{Fence, RunId, Seq, ShardId};

use crate::{
    Home, On, SHARD, VAULT, container, item, on_both, point, resource, small_commit, snapshot,
    tenant, time,
};

fn rebuilt() -> Rebuilt {
    let bob = resource("bob");
    Rebuilt {
        tenants: vec![TenantRow { sealed_credential: None, ..tenant("contoso") }],
        shards: vec![ShardRow {
            head_seq: Seq(3),
            head_snapshot: Some("snapshot 3".into()),
            head_tree: Some("tree 3".into()),
            ..ShardRow::new(VAULT, SHARD)
        }],
        snapshots: vec![snapshot(2, Fence(1)), snapshot(3, Fence(1))],
        restore_points: vec![point(&bob, 2, 20, true), point(&bob, 3, 30, true)],
        containers: vec![container(&bob, "inbox")],
        items: vec![item(&bob, "inbox", "one"), item(&bob, "inbox", "two")],
        runs: Vec::new(),
        accounts: vec![],
        epochs: Vec::new(),
        resources: vec![bob],
    }
}

/// A catalog with things that a rebuild replaces and things that it keeps.
async fn used(on: &On) -> Home {
    let home = Home::new(on).await;
    let vault = VaultRow {
        id: VAULT.into(),
        name: "main".into(),
        location: "/srv/vault".into(),
        sealed_secret: vec![1],
        sealed_storage: None,
        created_at: time(1),
    };
    home.catalog.vault_add(&vault).await.unwrap();
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    home.catalog.tenant_put(&tenant("gone")).await.unwrap();
    home.catalog.shard_put(&ShardRow::new(VAULT, ShardId(2))).await.unwrap();
    home.catalog.run_start(&RunId::from("run"), "contoso").await.unwrap();
    let ttl = Duration::from_secs(60);
    let lease = home.catalog.lease_take(VAULT, SHARD, "rebuild", ttl).await.unwrap();
    home.catalog.commit(small_commit(1, lease.fence, &resource("ada"))).await.unwrap();
    home
}

async fn a_rebuild_replaces_data_and_keeps_secrets(on: On) {
    let home = used(&on).await;
    let mut parts = rebuilt();
    let mut run = home.catalog.run_list(1).await.unwrap().remove(0);
    run.tenant = "not to be taken".into();
    parts.runs = vec![run.clone()];
    run.id = RunId::from("run from a snapshot");
    parts.runs.push(run);
    home.catalog.replace_all(parts).await.unwrap();

    let catalog = home.open_again().await;
    let wanted = rebuilt();
    assert_eq!(catalog.tenant_list().await.unwrap(), [tenant("contoso")], "with its credential");
    assert_eq!(catalog.vault_list().await.unwrap().len(), 1);
    let shards = catalog.shard_list(VAULT).await.unwrap();
    assert_eq!(shards.len(), 1);
    assert_eq!((shards[0].head_seq, shards[0].fence), (Seq(3), Fence(1)));
    assert_eq!(shards[0].lease_owner.as_deref(), Some("rebuild"));
    assert_eq!(catalog.snapshot_list(None).await.unwrap(), wanted.snapshots);
    assert_eq!(catalog.resource_list(None).await.unwrap(), wanted.resources);
    let bob = &wanted.resources[0].id;
    assert_eq!(catalog.restore_point_list(bob).await.unwrap(), wanted.restore_points);
    assert_eq!(catalog.container_list(bob).await.unwrap(), wanted.containers);
    assert_eq!(catalog.item_list(bob, None, None, 10).await.unwrap(), wanted.items);
    assert_eq!(catalog.item_count(&resource("ada").id).await.unwrap(), 0);
    let runs: Vec<_> =
        catalog.run_list(9).await.unwrap().into_iter().map(|run| (run.id.0, run.tenant)).collect();
    assert_eq!(
        runs,
        [
            ("run from a snapshot".to_owned(), "not to be taken".to_owned()),
            ("run".to_owned(), "contoso".to_owned())
        ]
    );
}

async fn a_rebuild_in_parts_is_seen_only_when_finished(on: On) {
    let home = used(&on).await;
    let reader = home.open_again().await;
    let mut rebuild = home.catalog.rebuild().await.unwrap();
    let all = rebuilt();
    rebuild.add(Rebuilt { resources: all.resources, ..Rebuilt::default() }).await.unwrap();
    rebuild.add(Rebuilt { containers: all.containers, ..Rebuilt::default() }).await.unwrap();
    assert_eq!(reader.resource_list(None).await.unwrap(), [resource("ada")]);
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), [resource("ada")]);
    rebuild.add(Rebuilt { items: all.items, ..Rebuilt::default() }).await.unwrap();
    rebuild.finish().await.unwrap();
    assert_eq!(reader.resource_list(None).await.unwrap(), [resource("bob")]);
    assert_eq!(reader.item_count(&resource("bob").id).await.unwrap(), 2);
}

async fn a_rebuild_that_fails_or_is_dropped_changes_nothing(on: On) {
    let home = used(&on).await;
    let mut broken = rebuilt();
    broken.containers.clear();
    assert_eq!(home.catalog.replace_all(broken).await.unwrap_err().kind(), Kind::Conflict);
    let mut dropped = home.catalog.rebuild().await.unwrap();
    dropped.add(rebuilt()).await.unwrap();
    drop(dropped);
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), [resource("ada")]);
    assert_eq!(home.catalog.item_count(&resource("ada").id).await.unwrap(), 1);
    assert_eq!(home.catalog.tenant_list().await.unwrap().len(), 2);
    home.catalog.replace_all(rebuilt()).await.unwrap();
}

on_both!(
    a_rebuild_replaces_data_and_keeps_secrets,
    a_rebuild_in_parts_is_seen_only_when_finished,
    a_rebuild_that_fails_or_is_dropped_changes_nothing,
);
