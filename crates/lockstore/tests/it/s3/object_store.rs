//! The `object_store` crate as client.

use bytes::Bytes;
use futures::TryStreamExt as _;
use holdfast_lockstore::s3::{self, Role};
use object_store::aws::{Checksum, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use super::{LOCKED, PLAIN, VERSIONED, builder, client, options, start};

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}

#[tokio::test]
async fn what_is_put_comes_back_whole_and_in_ranges() {
    let running = start();
    let store = client(&running, PLAIN, Role::Writer);
    let (path, body) = (Path::from("data/a b+ü&c"), noise(100_000));
    store.put(&path, body.clone().into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), body);
    let range = store.get_range(&path, 5_000..70_000).await.unwrap();
    assert_eq!(range, body[5_000..70_000]);
    assert_eq!(store.head(&path).await.unwrap().size, 100_000);
    assert_eq!(running.object(PLAIN, path.as_ref()).unwrap(), body);
    let absent = store.get(&Path::from("absent")).await;
    assert!(matches!(absent, Err(Error::NotFound { .. })), "{absent:?}");
}

#[tokio::test]
async fn a_create_never_replaces() {
    let running = start();
    let store = client(&running, LOCKED, Role::Writer);
    let path = Path::from("lease");
    let create = PutOptions::from(PutMode::Create);
    store.put_opts(&path, "one".into(), create.clone()).await.unwrap();
    let second = store.put_opts(&path, "two".into(), create).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
    let meta = store.head(&path).await.unwrap();
    let update = |e_tag: Option<String>| {
        let version = object_store::UpdateVersion { e_tag, version: None };
        PutOptions::from(PutMode::Update(version))
    };
    store.put_opts(&path, "three".into(), update(meta.e_tag.clone())).await.unwrap();
    let stale = store.put_opts(&path, "four".into(), update(meta.e_tag)).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
    assert_eq!(running.object(LOCKED, "lease").unwrap(), "three");
    assert_eq!(running.versions(LOCKED, "lease").len(), 2);
}

#[tokio::test]
async fn listings_are_complete_over_many_pages() {
    let running = s3::start(options().page(7)).unwrap();
    let store = client(&running, PLAIN, Role::Writer);
    let names: Vec<_> = (0..40).map(|n| format!("data/{:02x}/file<{n:03}>&", n % 4)).collect();
    for name in &names {
        store.put(&Path::from(name.as_str()), PutPayload::from_static(b"x")).await.unwrap();
    }
    store.put(&Path::from("index/1"), PutPayload::from_static(b"x")).await.unwrap();
    let listed = |prefix: &'static str| {
        let entries = store.list(Some(&Path::from(prefix)));
        async move { entries.try_collect::<Vec<_>>().await.unwrap() }
    };
    let mut found: Vec<_> =
        listed("data").await.into_iter().map(|meta| meta.location.to_string()).collect();
    let mut expected: Vec<_> =
        names.iter().map(|name| Path::from(name.as_str()).to_string()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(listed("data/03").await.len(), 10);
    let top = store.list_with_delimiter(Some(&Path::from("data"))).await.unwrap();
    let folders: Vec<_> = top.common_prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(folders, ["data/00", "data/01", "data/02", "data/03"]);
    assert!(running.faults().count("ListObjectsV2") > 8);
}

#[tokio::test]
async fn large_objects_go_up_in_parts() {
    let running = start();
    let store = builder(&running, LOCKED);
    let credential = running.credential(Role::Writer);
    let store = store
        .with_access_key_id(credential.access_key)
        .with_secret_access_key(credential.secret_key)
        .with_checksum_algorithm(Checksum::SHA256)
        .build()
        .unwrap();
    let body = Bytes::from(noise(11 << 20));
    let mut upload = store.put_multipart(&Path::from("pack")).await.unwrap();
    for part in [0..5 << 20, 5 << 20..10 << 20, 10 << 20..11 << 20] {
        upload.put_part(body.slice(part).into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    assert_eq!(store.get(&Path::from("pack")).await.unwrap().bytes().await.unwrap(), body);

    let mut aborted = store.put_multipart(&Path::from("other")).await.unwrap();
    aborted.put_part("x".into()).await.unwrap();
    assert_eq!(running.uploads(), 1);
    aborted.abort().await.unwrap();
    assert_eq!(running.uploads(), 0);
    assert!(running.object(LOCKED, "other").is_none());

    let mut small = store.put_multipart(&Path::from("small")).await.unwrap();
    for part in ["one", "two"] {
        small.put_part(part.into()).await.unwrap();
    }
    assert!(small.complete().await.unwrap_err().to_string().contains("EntityTooSmall"));
}

#[tokio::test]
async fn a_copy_is_a_version_of_its_own() {
    let running = start();
    let store = client(&running, PLAIN, Role::Writer);
    let (from, to) = (Path::from("from me"), Path::from("to"));
    store.put(&from, "text".into()).await.unwrap();
    store.copy(&from, &to).await.unwrap();
    assert_eq!(running.object(PLAIN, "to").unwrap(), "text");
    let credential = running.credential(Role::Writer);
    let store = builder(&running, PLAIN)
        .with_access_key_id(credential.access_key)
        .with_secret_access_key(credential.secret_key)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .build()
        .unwrap();
    let again = store.copy_if_not_exists(&from, &to).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    store.copy_if_not_exists(&from, &Path::from("new")).await.unwrap();
    assert_eq!(running.object(PLAIN, "new").unwrap(), "text");
}

#[tokio::test]
async fn old_versions_are_read_by_their_id() {
    let running = start();
    let store = client(&running, VERSIONED, Role::Maintenance);
    let path = Path::from("k");
    let first = store.put(&path, "one".into()).await.unwrap();
    store.put(&path, "two".into()).await.unwrap();
    store.delete(&path).await.unwrap();
    assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
    let old = GetOptions { version: first.version, ..GetOptions::default() };
    let old = store.get_opts(&path, old).await.unwrap().bytes().await.unwrap();
    assert_eq!(old, "one");
    assert_eq!(running.versions(VERSIONED, "k").len(), 3);
}

#[tokio::test]
async fn rights_are_those_of_the_role() {
    let running = start();
    let path = Path::from("k");
    let reader = client(&running, PLAIN, Role::Reader);
    let writer = client(&running, PLAIN, Role::Writer);
    let denied = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::PermissionDenied { .. })), "{result:?}");
    };
    denied(reader.put(&path, "x".into()).await.map(drop));
    writer.put(&path, "x".into()).await.unwrap();
    let deleted = writer.delete(&path).await;
    assert!(deleted.unwrap_err().to_string().contains("AccessDenied"));
    assert_eq!(reader.get(&path).await.unwrap().bytes().await.unwrap(), "x");
    client(&running, PLAIN, Role::Maintenance).delete(&path).await.unwrap();
    assert!(running.object(PLAIN, "k").is_none());

    let stranger = builder(&running, PLAIN).with_access_key_id("AKIASTRANGER");
    let stranger = stranger.with_secret_access_key("x").build().unwrap();
    denied(stranger.get(&path).await.map(drop));
    let key = running.credential(Role::Root).access_key;
    let forger = builder(&running, PLAIN).with_access_key_id(key);
    let forger = forger.with_secret_access_key("guess").build().unwrap();
    let forged = forger.get(&path).await.unwrap_err();
    assert!(matches!(forged, Error::PermissionDenied { .. }), "{forged:?}");
}
