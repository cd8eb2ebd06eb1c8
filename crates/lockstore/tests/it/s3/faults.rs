//! Faults by rule.

use holdfast_lockstore::s3::{Role, Running};
use holdfast_lockstore::{Fault, Rule};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _};

use super::{PLAIN, VERSIONED, client, start};

fn world() -> (Running, AmazonS3) {
    let running = start();
    let store = client(&running, PLAIN, Role::Maintenance);
    (running, store)
}

#[tokio::test]
async fn statuses_have_no_effect_and_hit_only_their_requests() {
    let (running, store) = world();
    for status in [500, 503, 429] {
        let rule = Rule::new(Fault::Status(status)).operation("PutObject").key("data/*");
        running.faults().add(rule.times(1));
        store.put(&Path::from("index/1"), "x".into()).await.unwrap();
        let path = Path::from(format!("data/{status}"));
        store.put(&path, "x".into()).await.unwrap_err();
        assert!(running.object(PLAIN, path.as_ref()).is_none());
        store.put(&path, "x".into()).await.unwrap();
    }
    assert_eq!(running.faults().struck(), 3);
    assert_eq!(running.faults().count("PutObject"), 9);
}

#[tokio::test]
async fn lost_answers_had_their_effect_and_broken_requests_none() {
    let (running, store) = world();
    running.faults().add(Rule::new(Fault::AnswerLost).times(1));
    store.put(&Path::from("lost"), "x".into()).await.unwrap_err();
    assert_eq!(running.object(PLAIN, "lost").unwrap(), "x");
    running.faults().add(Rule::new(Fault::CloseRequest(3)).times(1));
    store.put(&Path::from("broken"), "x".into()).await.unwrap_err();
    assert!(running.object(PLAIN, "broken").is_none());
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let (running, store) = world();
    let path = Path::from("k");
    store.put(&path, vec![7; 10_000].into()).await.unwrap();
    running.faults().add(Rule::new(Fault::CutAnswer(100)).operation("GetObject").times(1));
    let read = match store.get(&path).await {
        Ok(got) => got.bytes().await,
        Err(error) => Err(error),
    };
    assert!(read.is_err());
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), vec![7; 10_000]);
}

#[tokio::test]
async fn a_hanging_request_ends_with_its_release() {
    let (running, store) = world();
    running.faults().add(Rule::new(Fault::Hang).times(1));
    let hanging = tokio::spawn(async move { store.put(&Path::from("k"), "x".into()).await });
    while running.faults().struck() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!hanging.is_finished());
    running.faults().release();
    hanging.await.unwrap().unwrap_err();
    assert!(running.object(PLAIN, "k").is_none());
}

#[tokio::test]
async fn lies_look_like_success() {
    let (running, store) = world();
    let (nothing, half) = (Path::from("nothing"), Path::from("half"));
    store.put(&nothing, "old".into()).await.unwrap();
    running.faults().add(Rule::new(Fault::LieNothing).key("nothing").times(1));
    running.faults().add(Rule::new(Fault::LieHalf).key("half").times(1));
    store.put(&nothing, "new".into()).await.unwrap();
    store.put(&half, "12345678".into()).await.unwrap();
    assert_eq!(running.object(PLAIN, "nothing").unwrap(), "old");
    assert_eq!(running.object(PLAIN, "half").unwrap(), "1234");
    assert_eq!(store.get(&half).await.unwrap().bytes().await.unwrap(), "1234");
    running.faults().add(Rule::new(Fault::LieNothing).operation("DeleteObjects"));
    store.delete(&half).await.unwrap();
    assert!(running.object(PLAIN, "half").is_some());
}

#[tokio::test]
async fn duplicates_make_two_versions() {
    let running = start();
    let store = client(&running, VERSIONED, Role::Writer);
    running.faults().add(Rule::new(Fault::Duplicate).times(1));
    store.put(&Path::from("k"), "x".into()).await.unwrap();
    assert_eq!(running.versions(VERSIONED, "k").len(), 2);
}

#[tokio::test]
async fn a_stale_listing_shows_neither_new_nor_deleted() {
    let (running, store) = world();
    for name in ["a", "b", "c"] {
        store.put(&Path::from(name), "x".into()).await.unwrap();
    }
    store.delete(&Path::from("a")).await.unwrap();
    let listed = async || {
        let listed = store.list_with_delimiter(None).await?;
        let names = listed.objects.iter().map(|object| object.location.to_string());
        Ok::<_, Error>(names.collect::<Vec<_>>().join(""))
    };
    assert_eq!(listed().await.unwrap(), "bc");
    for (lag, expected) in [(1, "abc"), (2, "ab"), (3, "a"), (4, "")] {
        running.faults().add(Rule::new(Fault::StaleList(lag)).times(1));
        assert_eq!(listed().await.unwrap(), expected, "{lag} writes late");
    }
    assert_eq!(listed().await.unwrap(), "bc");
}

#[tokio::test]
async fn tampering_is_seen_by_readers_only() {
    let (running, store) = world();
    let path = Path::from("k");
    store.put(&path, vec![0; 4].into()).await.unwrap();
    assert!(running.flip_bit(PLAIN, "k", 17));
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), vec![0, 0, 2, 0]);
    assert!(!running.flip_bit(PLAIN, "k", 32) && !running.flip_bit(PLAIN, "none", 0));
    assert!(running.lose(PLAIN, "k"));
    assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
}
