//! The catalog from outside, on real files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod audit;
mod commit;
mod epoch;
mod file;
mod job;
mod lease;
mod list;
mod maintain;
mod postgres;
mod reader;
mod rebuild;
mod restore_lease;
mod rows;
mod schedule;
mod side_by_side;

use std::path::PathBuf;
use std::sync::Arc;

use holdfast_catalog::{
    Catalog, Commit, ContainerRow, ItemRow, ResourceCommit, ResourceRow, ResourceStatus,
    RestorePointRow, ShardRow, SnapshotKind, SnapshotRow, TenantRow,
};
use holdfast_model::{
    Clock, ContainerId, Fence, ItemId, ResourceId, RunId, Secret, Seq, ShardId, Timestamp, Workload,
};
use holdfast_pgtest::{Database, Server};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

const VAULT: &str = "0190a1b2-0000-7000-8000-000000000001";
const SHARD: ShardId = ShardId(1);

/// The database that a test runs on.
#[derive(Clone, Debug)]
enum On {
    Sqlite,
    Postgres(Arc<Server>),
}

impl On {
    /// None where PostgreSQL is not installed.
    fn postgres() -> Option<Self> {
        holdfast_pgtest::server().map(Self::Postgres)
    }
}

/// Makes two tests of each `async fn name(on: On)`: one on SQLite, one on PostgreSQL. With
/// `cases`, of each `fn name(on: &On)`, which runs its own cases.
macro_rules! on_both {
    (cases: $($name:ident,)+) => {
        mod cases_on_sqlite {
            $(#[test]
            fn $name() {
                super::$name(&crate::On::Sqlite);
            })+
        }
        mod cases_on_postgres {
            $(#[test]
            fn $name() {
                let Some(on) = crate::On::postgres() else { return };
                super::$name(&on);
            })+
        }
    };
    ($($name:ident,)+) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::On::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(on) = crate::On::postgres() else { return };
                super::$name(on).await;
            })+
        }
    };
}
use on_both;

/// Runs a property on values made by a strategy.
fn for_cases<S: Strategy>(on: &On, strategy: &S, property: impl AsyncFn(S::Value)) {
    // Making a database takes longer than making a file.
    let cases = if matches!(on, On::Sqlite) { 24 } else { 6 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let run = runner.run(strategy, |value| {
        runtime.block_on(property(value));
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// A catalog of its own, with a clock that stands still and one shard.
struct Home {
    catalog: Catalog,
    clock: Clock,
    folder: TempDir,
    database: Option<Database>,
}

impl Home {
    async fn new(on: &On) -> Self {
        Self::with_clock(on, Clock::manual(time(1_000))).await
    }

    async fn with_clock(on: &On, clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, database) = match on {
            On::Sqlite => {
                let path = folder.path().join("catalog.db");
                (Catalog::create(&path, clock.clone()).await, None)
            }
            On::Postgres(server) => {
                let database = Database::new(server);
                let url = Secret::new(database.url());
                (Catalog::connect(&url, clock.clone()).await, Some(database))
            }
        };
        let catalog = catalog.unwrap();
        catalog.shard_put(&ShardRow::new(VAULT, SHARD)).await.unwrap();
        Self { catalog, clock, folder, database }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("catalog.db")
    }

    /// The same catalog as another process sees it.
    async fn open_again(&self) -> Catalog {
        let opened = match &self.database {
            None => Catalog::open(&self.path(), self.clock.clone()).await,
            Some(database) => {
                Catalog::connect(&Secret::new(database.url()), self.clock.clone()).await
            }
        };
        opened.unwrap()
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
