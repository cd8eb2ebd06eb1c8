//! What only a server can do: refuse, go away, and be used by many at once.

use holdfast_catalog::{Catalog, Error, Kind, Rewriting, ShardRow};
use holdfast_model::{Clock, Secret, ShardId, short_id};
use holdfast_pgtest::Database;
use jiff::SignedDuration;
use tokio::task::JoinHandle;

use crate::{Home, On, SHARD, VAULT, item, resource, small_commit, tenant};

/// A fresh database, unless PostgreSQL is not installed.
fn database() -> Option<Database> {
    holdfast_pgtest::server().map(|server| Database::new(&server))
}

async fn refused(url: &str) -> Error {
    Catalog::connect(&Secret::new(url), Clock::system()).await.unwrap_err()
}

/// Waits until so many connections wait for a lock, or this one has nothing to wait for.
async fn wait_for<T>(database: &Database, count: usize, last: &JoinHandle<T>) {
    while database.waiting() < count && !last.is_finished() {
        tokio::task::yield_now().await;
    }
}

/// The address with another user and password.
fn as_user(url: &str, user: &str, password: &str) -> String {
    let (_, rest) = url.split_once('@').unwrap();
    format!("postgres://{user}:{password}@{rest}")
}

#[tokio::test]
async fn a_server_that_refuses_says_why_and_keeps_the_password() {
    let Some(database) = database() else { return };
    database.psql("CREATE ROLE poor LOGIN PASSWORD 'hunter2'");
    let poor = as_user(database.url(), "poor", "hunter2");
    let no_server = database.url().split('?').next().unwrap().to_owned() + "?host=/nowhere";
    for (url, kind, said) in [
        (as_user(database.url(), "poor", "hunter3"), Kind::Refused, "user name or password"),
        (poor.replace(database.name(), "none"), Kind::Refused, "no such database"),
        (poor, Kind::Refused, "may not create tables"),
        (no_server, Kind::Unavailable, "is it running?"),
        (database.url().to_owned() + "&sslmode=verify-full", Kind::Refused, "certificate"),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!format!("{error:?} {error}").contains("hunter"), "{error:?}");
    }
    database.psql("DROP ROLE poor");
    assert_eq!(database.psql("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'item'"), "0");
}

#[tokio::test]
async fn an_open_catalog_does_not_show_its_password() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let url = home.database.as_ref().unwrap().url();
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(password.len() > 1 && url.contains(&format!(":{password}@")), "the test finds it");
    assert!(!format!("{:?}", home.catalog).contains(password));
}

#[tokio::test]
async fn another_encoding_is_refused() {
    let Some(database) = database() else { return };
    database.psql(&format!(
        "CREATE DATABASE {}_latin TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
        database.name()
    ));
    let latin = format!("{}_latin", database.name());
    let error = refused(&database.url().replace(database.name(), &latin)).await;
    database.psql(&format!("DROP DATABASE {latin} WITH (FORCE)"));
    assert_eq!(error.kind(), Kind::Refused, "{error:?}");
    assert!(error.to_string().contains("UTF8"), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let database = home.database.as_ref().unwrap();
    database.psql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (4711, 'from the future', TRUE, '\\x00', 0)",
    );
    assert!(matches!(refused(database.url()).await, Error::TooNew(4711)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_make_the_tables_once() {
    let Some(database) = database() else { return };
    let starts = (0..6).map(|_| {
        let url = Secret::new(database.url());
        tokio::spawn(async move { Catalog::connect(&url, Clock::system()).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    let applied = "SELECT COUNT(*) = MAX(version) AND BOOL_AND(success) FROM _sqlx_migrations";
    assert_eq!(database.psql(applied), "t");
    assert_eq!(database.psql("SELECT last FROM counter"), "0", "one row");
}

#[tokio::test]
async fn a_lost_connection_may_be_tried_again() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let ada = resource("ada");
    let mut rebuild = home.catalog.rebuild().await.unwrap();
    home.database.as_ref().unwrap().psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let part = holdfast_catalog::Rebuilt { resources: vec![ada.clone()], ..Default::default() };
    let error = rebuild.add(part).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    drop(rebuild);
    // Other connections of the pool may be gone as well: each is found out once at most.
    let mut tries = 0;
    while let Err(error) = home.catalog.resource_put(&ada).await {
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        tries += 1;
        assert!(tries < 9);
    }
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), [ada]);
    assert_eq!(home.catalog.shard_list(VAULT).await.unwrap().len(), 1, "the rebuild is undone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_makes_writers_wait() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let rebuild = home.catalog.rebuild().await.unwrap();
    let waiting = {
        let catalog = home.open_again().await;
        tokio::spawn(async move { catalog.resource_put(&resource("ada")).await })
    };
    wait_for(home.database.as_ref().unwrap(), 1, &waiting).await;
    assert!(!waiting.is_finished(), "it does not wait");
    rebuild.finish().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), [resource("ada")]);
}

#[tokio::test]
async fn leases_go_by_the_servers_time() {
    let Some(on) = On::postgres() else { return };
    let home = Home::with_clock(&on, Clock::system()).await;
    let ttl = std::time::Duration::from_secs(60);
    let lease = home.catalog.lease_take(VAULT, SHARD, "me", ttl).await.unwrap();
    let database = home.database.as_ref().unwrap();
    let left =
        "SELECT lease_until - EXTRACT(EPOCH FROM now()) * 1000 BETWEEN 0 AND 60000 FROM shard";
    assert_eq!(database.psql(left), "t");
    // As if the server's clock had gone on by more than that: the lease can be had at once.
    database.psql("UPDATE shard SET lease_until = lease_until - 61000");
    let next = home.catalog.lease_take(VAULT, SHARD, "other", ttl).await.unwrap();
    assert_eq!(next.fence.0, lease.fence.0 + 1);
    // A manual clock decides for itself.
    let manual = Home::new(&on).await;
    manual.clock.advance(SignedDuration::from_secs(7));
    assert_eq!(manual.catalog.now().await.unwrap(), crate::time(1_007));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_holder_and_the_reader_behind_it_do_not_both_win() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let ttl = std::time::Duration::from_secs(60);
    let eraser = home.catalog.lease_take(VAULT, SHARD, "eraser", ttl).await.unwrap();
    let database = home.database.as_ref().unwrap();
    let mut other = database.session();
    other.run("BEGIN; SELECT 1 FROM shard FOR UPDATE");
    let catalog = home.catalog.clone();
    let closing = tokio::spawn(async move { catalog.shard_close(&eraser).await });
    wait_for(database, 1, &closing).await;
    let catalog = home.catalog.clone();
    let reading =
        tokio::spawn(async move { catalog.reader_add("a", VAULT, SHARD, "reader", ttl).await });
    wait_for(database, 2, &reading).await;
    other.run("COMMIT");
    closing.await.unwrap().unwrap();
    assert!(matches!(reading.await.unwrap(), Err(Error::Closed { .. })));
    assert_eq!(home.catalog.reader_list(VAULT, SHARD).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_resource_gets_a_shard_meanwhile_stays() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    let mut ada = resource("ada");
    ada.shard = None;
    home.catalog.resource_put(&ada).await.unwrap();
    let database = home.database.as_ref().unwrap();
    let mut other = database.session();
    other.run("BEGIN; UPDATE resource SET shard = 1");
    let catalog = home.catalog.clone();
    let removing = tokio::spawn(async move { catalog.tenant_remove("contoso").await });
    wait_for(database, 1, &removing).await;
    other.run("COMMIT");
    assert_eq!(removing.await.unwrap().unwrap_err().kind(), Kind::Conflict);
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), [resource("ada")]);
    assert_eq!(home.catalog.tenant_list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eraser_and_a_writer_of_the_same_items_do_not_wait_for_each_other() {
    let Some(on) = On::postgres() else { return };
    let home = Home::new(&on).await;
    let (ttl, next) = (std::time::Duration::from_secs(60), ShardId(2));
    home.catalog.shard_put(&ShardRow::new(VAULT, next)).await.unwrap();
    let eraser = home.catalog.lease_take(VAULT, next, "eraser", ttl).await.unwrap();
    let fence = home.catalog.lease_take(VAULT, SHARD, "writer", ttl).await.unwrap().fence;
    let (ada, ids) = (resource("ada"), ["a", "b", "c"]);
    let commit = |seq: u64| {
        let mut commit = small_commit(seq, fence, &ada);
        commit.resources[0].items_put =
            ids.iter().rev().map(|id| item(&ada, "inbox", id)).collect();
        commit
    };
    home.catalog.commit(commit(1)).await.unwrap();
    // One comes from the front and one from the back, and both are stopped in the middle.
    let database = home.database.as_ref().unwrap();
    let mut other = database.session();
    other.run("BEGIN; SELECT 1 FROM item WHERE id = 'b' FOR UPDATE");
    let erased = vec![(ada.id.clone(), ids.map(short_id).into())];
    let rewriting = Rewriting { erased, ..Rewriting::default() };
    let catalog = home.catalog.clone();
    let erasing = tokio::spawn(async move { catalog.rewrite(&eraser, &rewriting).await });
    wait_for(database, 1, &erasing).await;
    let (catalog, second) = (home.catalog.clone(), commit(2));
    let writing = tokio::spawn(async move { catalog.commit(second).await });
    wait_for(database, 2, &writing).await;
    other.run("COMMIT");
    erasing.await.unwrap().unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(home.catalog.item_count(&ada.id).await.unwrap(), 3, "the writer came last");
}
