//! The `object_store` crate against the fake: what the product's own client does.

use bytes::Bytes;
use futures::TryStreamExt as _;
use holdfast_lockstore::azure::{Options, Running, start};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload,
    RetryConfig,
};

fn builder(running: &Running) -> MicrosoftAzureBuilder {
    MicrosoftAzureBuilder::new()
        .with_account(&running.account)
        .with_container_name("vault")
        .with_endpoint(running.endpoint.clone())
        .with_allow_http(true)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
}

fn owner(running: &Running) -> MicrosoftAzure {
    builder(running).with_access_key(&running.key).build().unwrap()
}

fn bearer(running: &Running, sas: &str) -> MicrosoftAzure {
    let pairs = url::form_urlencoded::parse(sas.as_bytes()).into_owned().collect::<Vec<_>>();
    builder(running).with_sas_authorization(pairs).build().unwrap()
}

#[tokio::test]
async fn objects_are_written_once_read_in_ranges_and_listed_in_pages() {
    let running = start(Options { page: 3, ..Options::default() }).unwrap();
    for store in [owner(&running), bearer(&running, &running.maintenance("vault"))] {
        let names: Vec<_> = (0..10).map(|n| Path::from(format!("data/{n:02}/ä b"))).collect();
        for (n, name) in names.iter().enumerate() {
            let body = vec![u8::try_from(n).unwrap(); 1000 + n];
            store.put_opts(name, body.into(), PutMode::Create.into()).await.unwrap();
        }
        let again = store.put_opts(&names[0], "x".into(), PutMode::Create.into()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");

        let listed: Vec<_> = store.list(Some(&Path::from("data"))).try_collect().await.unwrap();
        let listed: Vec<_> = listed.iter().map(|o| (o.location.clone(), o.size)).collect();
        let expected: Vec<_> = names.iter().cloned().zip(1000..).collect();
        assert_eq!(listed, expected);
        let from: Vec<_> = store.list_with_offset(None, &names[7]).try_collect().await.unwrap();
        assert_eq!(from.len(), 2);
        let level = store.list_with_delimiter(Some(&Path::from("data"))).await.unwrap();
        assert_eq!((level.common_prefixes.len(), level.objects.len()), (10, 0));

        let part = store.get_range(&names[4], 1000..1004).await.unwrap();
        assert_eq!(part, Bytes::from_static(&[4, 4, 4, 4]));
        assert_eq!(store.head(&names[4]).await.unwrap().size, 1004);
        let beyond = store.get_range(&names[4], 2000..2004).await;
        assert!(beyond.is_err());

        let deleted =
            store.delete_stream(futures::stream::iter(names.clone().into_iter().map(Ok)).chunked());
        let deleted: Vec<_> = deleted.try_collect().await.unwrap();
        assert_eq!(deleted, names);
        let gone = store.head(&names[0]).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
        assert!(running.blobs("vault").is_empty());
    }
    // Twice written and twice deleted: all versions are still there.
    assert_eq!(running.names("vault").len(), 10);
    let name = Path::from("data/04/ä b");
    assert_eq!(running.versions("vault", name.as_ref()).len(), 2);
}

/// `delete_stream` wants a boxed stream.
trait Chunked<'a> {
    fn chunked(self) -> futures::stream::BoxStream<'a, object_store::Result<Path>>;
}

impl<'a, S> Chunked<'a> for S
where
    S: futures::Stream<Item = object_store::Result<Path>> + Send + 'a,
{
    fn chunked(self) -> futures::stream::BoxStream<'a, object_store::Result<Path>> {
        Box::pin(self)
    }
}

#[tokio::test]
async fn a_large_object_comes_in_blocks() {
    let running = start(Options::default()).unwrap();
    let store = owner(&running);
    let path = Path::from("data/large");
    let mut upload = store.put_multipart(&path).await.unwrap();
    for part in 0..4u8 {
        upload.put_part(vec![part; 300_000].into()).await.unwrap();
    }
    assert!(running.blobs("vault").is_empty());
    upload.complete().await.unwrap();
    let body = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(body.len(), 1_200_000);
    assert!(
        (0..4u8)
            .all(|part| body[usize::from(part) * 300_000..][..300_000].iter().all(|b| *b == part))
    );
    assert_eq!(running.faults().count("Put Block"), 4);
    assert_eq!(running.faults().count("Put Block List"), 1);
}

#[tokio::test]
async fn old_versions_are_read_by_their_id() {
    let running = start(Options::default()).unwrap();
    let store = owner(&running);
    let path = Path::from("config");
    let first = store.put(&path, "one".into()).await.unwrap();
    let second = store.put(&path, "two".into()).await.unwrap();
    assert_ne!((&first.version, &first.e_tag), (&second.version, &second.e_tag));
    let options = GetOptions { version: first.version, ..GetOptions::default() };
    let old = store.get_opts(&path, options).await.unwrap().bytes().await.unwrap();
    assert_eq!(old, "one");
    let stale = PutMode::Update(object_store::UpdateVersion { e_tag: first.e_tag, version: None });
    let refused = store.put_opts(&path, "three".into(), stale.into()).await;
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
    let suffix = GetOptions { range: Some(GetRange::Suffix(1)), ..GetOptions::default() };
    assert!(matches!(store.get_opts(&path, suffix).await, Err(Error::NotSupported { .. })));
}

#[tokio::test]
async fn rights_hold_for_readers_and_writers() {
    let running = start(Options::default()).unwrap();
    let path = Path::from("data/a");
    let writer = bearer(&running, &running.writer("vault"));
    let reader = bearer(&running, &running.reader("vault"));
    writer.put(&path, PutPayload::from("data")).await.unwrap();
    assert_eq!(reader.get(&path).await.unwrap().bytes().await.unwrap(), "data");
    let denied = reader.put(&path, PutPayload::from("evil")).await;
    assert!(matches!(denied, Err(Error::PermissionDenied { .. })), "{denied:?}");
    assert!(writer.delete(&path).await.is_err());
    assert_eq!(running.versions("vault", "data/a").len(), 1);
    assert_eq!(running.blobs("vault"), ["data/a"]);
    bearer(&running, &running.maintenance("vault")).delete(&path).await.unwrap();
    assert!(running.blobs("vault").is_empty());
}

/// The one signature of a SAS that does not come from the fake itself.
#[tokio::test]
async fn a_sas_that_the_client_signs_is_taken() {
    let running = start(Options::default()).unwrap();
    let store = owner(&running);
    let path = Path::from("data/a");
    store.put(&path, PutPayload::from("data")).await.unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let read = store.signed_url(http::Method::GET, &path, hour).await;
    let url = read.unwrap();
    let body = reqwest::get(url.clone()).await.unwrap().bytes().await.unwrap();
    assert_eq!(body, "data");
    let other = url.as_str().replace("data/a", "data/b");
    assert_eq!(reqwest::get(other).await.unwrap().status(), 403);
    let deleted = reqwest::Client::new().delete(url).send().await.unwrap();
    assert_eq!(deleted.status(), 403);
}
