//! The catalog from outside, on real files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod commit;
mod epoch;
mod file;
mod lease;
mod list;
mod maintain;
mod reader;
mod rebuild;
mod rows;

use std::path::PathBuf;

use holdfast_catalog::{
    Catalog, Commit, ContainerRow, ItemRow, ResourceCommit, ResourceRow, ResourceStatus,
    RestorePointRow, ShardRow, SnapshotKind, SnapshotRow, TenantRow,
};
use holdfast_model::{
    Clock, ContainerId, Fence, ItemId, ResourceId, RunId, Seq, ShardId, Timestamp, Workload,
};
use tempfile::TempDir;

const VAULT: &str = "0190a1b2-0000-7000-8000-000000000001";
const SHARD: ShardId = ShardId(1);

/// A catalog in a folder of its own, with a clock that stands still and one shard.
struct Home {
    folder: TempDir,
    clock: Clock,
    catalog: Catalog,
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(time(1_000));
        let catalog =
            Catalog::create(&folder.path().join("catalog.db"), clock.clone()).await.unwrap();
        catalog.shard_put(&ShardRow::new(VAULT, SHARD)).await.unwrap();
        Self { folder, clock, catalog }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("catalog.db")
    }

    /// The same catalog as another process sees it.
    async fn open_again(&self) -> Catalog {
        Catalog::open(&self.path(), self.clock.clone()).await.unwrap()
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn tenant(name: &str) -> TenantRow {
    TenantRow {
        name: name.into(),
        tenant_id: "6f9a2c1e-0000-4000-8000-00000000000a".into(),
        vault_id: VAULT.into(),
        graph_url: "https://graph.example".into(),
        authority_url: "https://login.example".into(),
        ca_pem: Some("-----BEGIN CERTIFICATE-----".into()),
        client_id: "client".into(),
        sealed_credential: Some(vec![0, 255, 1]),
        restore_client_id: None,
        sealed_restore_credential: None,
        file_versions: holdfast_model::FileVersions::Latest,
        created_at: time(5),
    }
}

fn resource(graph_id: &str) -> ResourceRow {
    ResourceRow {
        id: ResourceId(format!("exchange/{graph_id}")),
        tenant: "contoso".into(),
        workload: Workload::Exchange,
        graph_id: graph_id.into(),
        name: format!("{graph_id}@contoso.example"),
        display_name: "Ada Example".into(),
        shard: Some(SHARD),
        dir: Some("Ada Example ~ 0123456789abcdef".into()),
        status: ResourceStatus::Active,
        skip_cause: None,
        stale: false,
        restore_point: Some(time(900)),
        last_polled: Some(time(901)),
        list_link: None,
    }
}

fn container(resource: &ResourceRow, id: &str) -> ContainerRow {
    ContainerRow {
        resource: resource.id.clone(),
        id: ContainerId::from(id),
        parent: None,
        dir: id.to_owned(),
        display_name: id.to_owned(),
        delta_link: Some(format!("/v1.0/delta?{id}")),
        next_link: None,
        retry: None,
        columns: None,
        meta: None,
    }
}

fn item(resource: &ResourceRow, container: &str, id: &str) -> ItemRow {
    ItemRow {
        resource: resource.id.clone(),
        id: ItemId::from(id),
        container: ContainerId::from(container),
        name: format!("{id}.eml"),
        change_key: "CQ1".into(),
        content_tag: "t1".into(),
    }
}

fn snapshot(seq: u64, fence: Fence) -> SnapshotRow {
    SnapshotRow {
        vault_id: VAULT.into(),
        shard: SHARD,
        seq: Seq(seq),
        id: format!("{seq:064x}"),
        tree: format!("{:064x}", seq + 1000),
        time: time(2_000),
        fence,
        run: RunId::from("run"),
        kind: SnapshotKind::Final,
        prev: (seq > 1).then(|| Seq(seq - 1)),
    }
}

fn point(resource: &ResourceRow, seq: u64, read_at: i64, complete: bool) -> RestorePointRow {
    RestorePointRow {
        resource: resource.id.clone(),
        shard: SHARD,
        seq: Seq(seq),
        read_at: time(read_at),
        tree: format!("tree {seq}"),
        complete,
    }
}

/// A commit of one snapshot that puts one item into one folder.
fn small_commit(seq: u64, fence: Fence, resource: &ResourceRow) -> Commit {
    Commit {
        vault_id: VAULT.into(),
        shard: SHARD,
        fence,
        snapshot: Some(snapshot(seq, fence)),
        resources: vec![ResourceCommit {
            containers_put: vec![container(resource, "inbox")],
            items_put: vec![item(resource, "inbox", &format!("item {seq}"))],
            restore_point: Some(point(resource, seq, 1_000 + seq as i64, true)),
            ..ResourceCommit::new(resource.clone())
        }],
    }
}
