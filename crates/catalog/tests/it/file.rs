//! The catalog's file: made, opened, refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use holdfast_catalog::{Catalog, Error, Kind};
use holdfast_model::Clock;
use sqlx::{Connection, SqliteConnection};

use crate::{Home, On, SHARD, VAULT, resource};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_catalog_is_private_and_survives_closing() {
    let home = Home::new(&On::Sqlite).await;
    home.catalog.meta_set("home_vault", VAULT).await.unwrap();
    for file in fs::read_dir(home.folder.path()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    home.catalog.close().await;
    let again = home.open_again().await;
    assert_eq!(again.meta_get("home_vault").await.unwrap().as_deref(), Some(VAULT));
    assert_eq!(again.meta_get("other").await.unwrap(), None);
    assert_eq!(again.shard_list(VAULT).await.unwrap()[0].shard, SHARD);
    assert_eq!(again.check().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_existing_catalog_is_never_replaced() {
    let home = Home::new(&On::Sqlite).await;
    let error = Catalog::create(&home.path(), Clock::system()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(home.catalog.shard_list(VAULT).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_half_made_catalog_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b%?#\u{e4}.db");
    fs::write(path.with_added_extension("new"), b"half").unwrap();
    fs::write(path.with_added_extension("new-wal"), b"of another").unwrap();
    let catalog = Catalog::create(&path, Clock::system()).await.unwrap();
    catalog.meta_set("a", "b").await.unwrap();
    catalog.close().await;
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["a b%?#\u{e4}.db"]);
}

#[tokio::test]
async fn what_is_no_catalog_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let missing = Catalog::open(&path, Clock::system()).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.to_string().ends_with("run `holdfast init` first"), "{missing}");
    let no_folder = folder.path().join("none/catalog.db");
    let error = Catalog::create(&no_folder, Clock::system()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    for content in [&b""[..], b"not a database", &[0; 8192], b"SQLite format 3\0 but cut off"] {
        fs::write(&path, content).unwrap();
        let error = Catalog::open(&path, Clock::system()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let home = Home::new(&On::Sqlite).await;
    home.catalog.close().await;
    let url = format!("sqlite://{}", home.path().display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (4711, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();
    match Catalog::open(&home.path(), Clock::system()).await {
        Err(error @ Error::TooNew(4711)) => {
            assert!(error.to_string().contains("update it"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// Damages every page of the file in turn. Opening and reading either work, give a clear error, or
/// leave something for `check` to find; they never panic.
#[tokio::test]
async fn a_corrupt_file_is_found() {
    let home = Home::new(&On::Sqlite).await;
    for number in 0..200 {
        home.catalog.resource_put(&resource(&format!("user {number}"))).await.unwrap();
    }
    home.catalog.close().await;
    let sound = fs::read(home.path()).unwrap();
    let mut found = 0;
    let pages = sound.len() / 4096;
    for page in 0..pages {
        let mut bad = sound.clone();
        bad[page * 4096..][..64].fill(0xa5);
        fs::write(home.path(), &bad).unwrap();
        found += usize::from(is_noticed(&home).await);
    }
    assert_eq!(found, pages, "every page has a header that a check reads");
    fs::write(home.path(), &sound[..sound.len() / 2]).unwrap();
    assert!(is_noticed(&home).await, "cut in half");
    fs::write(home.path(), &sound).unwrap();
    assert!(!is_noticed(&home).await);
}

async fn is_noticed(home: &Home) -> bool {
    let catalog = match Catalog::open(&home.path(), home.clock.clone()).await {
        Ok(catalog) => catalog,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Damaged, "{error:?}");
            return true;
        }
    };
    if let Err(error) = catalog.resource_list(None).await {
        assert_eq!(error.kind(), Kind::Damaged, "{error:?}");
    }
    let noticed = catalog.check().await.map_or(true, |faults| !faults.is_empty());
    catalog.close().await;
    noticed
}
