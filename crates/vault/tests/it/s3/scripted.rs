//! Stores that answer in ways which our fake, like Amazon, never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use holdfast_lockstore::s3::Role;
use holdfast_lockstore::serve::{Reply, Server};
use holdfast_vault::{Creation, Location, Pause, Store, StoreOptions, open_store};
use http::{Method, Response};

use super::super::*;
use super::{BUCKET, credentials};

/// A store that gives one answer after another to each method, the last of them for ever.
fn scripted(script: &'static [(Method, &'static [Said])]) -> (Server, Arc<dyn Store>) {
    let said: Arc<Vec<AtomicUsize>> =
        Arc::new(script.iter().map(|_| AtomicUsize::new(0)).collect());
    let server = Server::start(move |request| {
        let place = script.iter().position(|(method, _)| method == request.method()).unwrap();
        let answers = script[place].1;
        let number = said[place].fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let Said(status, body) = answers[number];
        async move {
            let answer = Response::builder().status(status).header("content-length", body.len());
            Reply::Answer(answer.body(Bytes::from_static(body.as_bytes())).unwrap())
        }
    })
    .unwrap();
    let location = format!("s3://{BUCKET}/v?endpoint={}", server.endpoint());
    let options = StoreOptions {
        credentials: Some(credentials(Role::Maintenance)),
        pause: Pause::new(|_| async {}),
        ..StoreOptions::default()
    };
    let location: Location = location.parse().unwrap();
    let store = open_store(&location, &options, Clock::system()).unwrap();
    (server, store)
}

/// Status and body of an answer.
#[derive(Clone, Copy)]
struct Said(u16, &'static str);

/// Two servers create one head: the first request of ours breaks, theirs takes the name.
#[test]
fn a_file_of_the_same_size_is_not_taken_for_ours() {
    const TAKEN: &[Said] = &[Said(503, ""), Said(412, "")];
    const SCRIPT: &[(Method, &[Said])] = &[
        (Method::PUT, TAKEN),
        (Method::HEAD, &[Said(200, "their snapshot id")]),
        (Method::GET, &[Said(200, "their snapshot id")]),
    ];
    let (_server, store) = scripted(SCRIPT);
    let put = |text: &'static str| store.create("head", &[Bytes::from_static(text.as_bytes())]);
    assert_eq!(put("ours, a shot I did").unwrap(), Creation::Exists, "another size");
    let (_server, store) = scripted(SCRIPT);
    let put = |text: &'static str| store.create("head", &[Bytes::from_static(text.as_bytes())]);
    assert_eq!(put("other snapshot id").unwrap(), Creation::Exists);
    let (_server, store) = scripted(SCRIPT);
    let parts = [Bytes::from_static(b"their "), Bytes::from_static(b"snapshot id")];
    assert_eq!(store.create("head", &parts).unwrap(), Creation::Made);
}

/// A store that confirms and has other bytes of the same number.
#[test]
fn a_lie_of_the_right_size_is_found() {
    const SCRIPT: &[(Method, &[Said])] = &[
        (Method::PUT, &[Said(200, "")]),
        (Method::HEAD, &[Said(200, "zeros")]),
        (Method::GET, &[Said(200, "zeros"), Said(200, "bytes")]),
    ];
    let (_server, store) = scripted(SCRIPT);
    assert_eq!(store.create("k", &[Bytes::from_static(b"bytes")]).unwrap(), Creation::Made);
    let (_server, store) = scripted(SCRIPT);
    assert!(store.create("k", &[Bytes::from_static(b"wrong")]).is_err());
}

#[test]
fn a_listing_that_does_not_go_on_is_an_error() {
    const PAGE: &str = "<ListBucketResult><IsTruncated>true</IsTruncated>\
        <NextContinuationToken>again</NextContinuationToken><Contents><Key>v/a</Key>\
        <Size>1</Size><LastModified>2026-11-22T00:00:00Z</LastModified></Contents>\
        </ListBucketResult>";
    let (_server, store) = scripted(&[(Method::GET, &[Said(200, PAGE)])]);
    let err = store.list("").unwrap_err();
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("does not go on"), "{cause}");
}

/// Amazon sends 200 before it knows whether the parts can be put together.
#[test]
fn parts_that_are_not_put_together_at_first_are_tried_again() {
    const BEGUN: Said = Said(200, "<R><UploadId>id</UploadId></R>");
    const LATE: Said = Said(200, "<Error><Code>InternalError</Code></Error>");
    const DONE: Said = Said(200, "<CompleteMultipartUploadResult/>");
    let (_server, store) = scripted(&[
        (Method::POST, &[BEGUN, LATE, DONE]),
        (Method::PUT, &[Said(200, "")]),
        (Method::HEAD, &[Said(404, "")]),
        (Method::DELETE, &[Said(204, "")]),
    ]);
    let large = Bytes::from(vec![0; 65 << 20]);
    // Put together, as far as the answers say; that it is not there then is found too.
    let err = store.create("k", &[large]).unwrap_err();
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(!cause.contains("did not put the parts together"), "{cause}");
}
