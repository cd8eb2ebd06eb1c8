//! Upload sessions.

use std::future::ready;

use bytes::Bytes;
use holdfast_graph::{Error, Kind};
use serde_json::{Value, json};

use crate::server::{Answer, Server, fault, ok, status};

const PIECE: usize = 12 * 320 * 1024;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn next(start: usize) -> Answer {
    ok(json!({"nextExpectedRanges": [format!("{start}-")]}))
}

fn ranges(server: &Server) -> Vec<String> {
    let calls = server.calls();
    calls.iter().map(|c| format!("{} {}", c.method, c.header("content-range"))).collect()
}

#[tokio::test]
async fn pieces_go_in_order_and_without_our_token() {
    let bytes = content(2 * PIECE + 5);
    let server = Server::start([next(PIECE), next(2 * PIECE), status(201)]).await;
    let session = server.link("/api/v2.0/AttachmentSessions('x')?authtoken=y");
    server.graph().upload("1", &session, &bytes).await.unwrap();
    let all = bytes.len();
    assert_eq!(
        ranges(&server),
        [
            format!("PUT bytes 0-{}/{all}", PIECE - 1),
            format!("PUT bytes {PIECE}-{}/{all}", 2 * PIECE - 1),
            format!("PUT bytes {}-{}/{all}", 2 * PIECE, all - 1),
        ]
    );
    let calls = server.calls();
    let sent: Vec<u8> = calls.iter().flat_map(|call| call.body.to_vec()).collect();
    assert!(sent == bytes, "the bytes arrive as they were");
    assert!(calls.iter().all(|call| call.header("authorization").is_empty()));
    assert!(server.sign_ins().is_empty());
}

#[tokio::test]
async fn an_upload_goes_on_from_what_the_session_has() {
    let bytes = content(PIECE + 10);
    let server = Server::start([
        status(503),
        next(100),
        next(PIECE + 4),
        fault(416, "fragmentOverlap"),
        next(PIECE + 6),
        status(201),
    ])
    .await;
    server.graph().upload("1", &server.link("/session"), &bytes).await.unwrap();
    let all = bytes.len();
    assert_eq!(
        ranges(&server),
        [
            format!("PUT bytes 0-{}/{all}", PIECE - 1),
            "GET ".to_owned(),
            format!("PUT bytes 100-{}/{all}", all - 1),
            format!("PUT bytes {}-{}/{all}", PIECE + 4, all - 1),
            "GET ".to_owned(),
            format!("PUT bytes {}-{}/{all}", PIECE + 6, all - 1),
        ]
    );
}

#[tokio::test]
async fn a_session_that_vanishes_after_the_last_piece_is_uncertain() {
    let server = Server::start([status(504), fault(404, "itemNotFound")]).await;
    let error = server.graph().upload("1", &server.link("/s"), b"abc").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Uncertain);
    let server = Server::start([status(504), fault(404, "itemNotFound")]).await;
    let bytes = content(PIECE + 1);
    let error = server.graph().upload("1", &server.link("/s"), &bytes).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "lost before the end: it cannot be complete");
}

#[tokio::test]
async fn a_session_that_does_not_move_is_given_up() {
    let server = Server::start((0..40).map(|_| next(0))).await;
    let error = server.graph().upload("1", &server.link("/s"), b"abc").await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (Kind::Transient, 6));
    let server = Server::start([next(7)]).await;
    assert!(server.graph().upload("1", &server.link("/s"), b"abc").await.is_err());
    let graph = server.graph();
    assert!(graph.upload("1", "http://localhost/s", b"abc").await.is_err());
}

const FILE_PIECE: usize = 10 * 1024 * 1024;

fn made() -> Answer {
    status(201).json(json!({"id": "item", "size": 7}))
}

/// Uploads `size` bytes through the session and says which pieces were asked for.
async fn upload_file(server: &Server, size: usize) -> (Result<Value, Error>, Vec<(u64, usize)>) {
    let bytes = Bytes::from(content(size));
    let mut asked = Vec::new();
    let graph = server.graph();
    let url = server.link("/up?tempauth=x");
    let item = graph.upload_file(&url, size as u64, |offset, length| {
        asked.push((offset, length));
        ready(Ok(bytes.slice(offset as usize..offset as usize + length)))
    });
    let item = item.await;
    let pieces = server.calls().iter().filter(|call| call.method == "PUT").count();
    let states = server.calls().len() - pieces;
    assert_eq!(graph.stats().resource_units, 2 * pieces as u64 + states as u64);
    (item, asked)
}

async fn upload_of_three(answers: impl IntoIterator<Item = Answer>) -> (Error, usize) {
    let server = Server::start(answers).await;
    let (item, _) = upload_file(&server, 3).await;
    (item.unwrap_err(), server.calls().len())
}

#[tokio::test]
async fn a_file_goes_up_in_pieces_of_ten_mebibytes() {
    let size = 2 * FILE_PIECE + 9;
    let server = Server::start([next(FILE_PIECE), next(2 * FILE_PIECE), made()]).await;
    let (item, asked) = upload_file(&server, size).await;
    assert_eq!(item.unwrap(), json!({"id": "item", "size": 7}));
    let piece = FILE_PIECE as u64;
    assert_eq!(asked, [(0, FILE_PIECE), (piece, FILE_PIECE), (2 * piece, 9)]);
    let last = size - 1;
    assert_eq!(ranges(&server)[2], format!("PUT bytes {}-{last}/{size}", 2 * FILE_PIECE));
    let calls = server.calls();
    let sent: Vec<u8> = calls.iter().flat_map(|call| call.body.to_vec()).collect();
    assert!(sent == content(size), "the bytes arrive as they were");
    assert!(calls.iter().all(|call| call.header("authorization").is_empty()));
    assert!(server.sign_ins().is_empty());
}

/// Fault 34: lost answers, and pieces that the session has already.
#[tokio::test]
async fn fault_34_a_file_goes_on_from_what_the_session_has() {
    let size = FILE_PIECE + 20;
    let (a, b) = (FILE_PIECE, FILE_PIECE + 10);
    let lost = [status(503), next(a), fault(416, "fragmentOverlap"), next(b), made()];
    let server = Server::start(lost).await;
    let (item, asked) = upload_file(&server, size).await;
    assert_eq!(item.unwrap()["id"], "item");
    assert_eq!(asked, [(0, FILE_PIECE), (a as u64, 20), (b as u64, 10)]);
    // More failures than may follow each other, with progress between them.
    let steps = (1..12).flat_map(|n| [status(502), next(n)]);
    let server = Server::start(steps.chain([made()])).await;
    let (item, asked) = upload_file(&server, 12).await;
    assert_eq!((item.unwrap()["id"].as_str(), asked.len()), (Some("item"), 12));
}

/// Fault 34: a session that is gone is no end, unless the last piece was on its way.
#[tokio::test]
async fn fault_34_a_lost_session_is_told_from_an_unknown_end() {
    for gone in [fault(404, "itemNotFound"), fault(401, "expiredToken"), status(410)] {
        let (error, calls) = upload_of_three([gone.clone()]).await;
        assert!(matches!(error, Error::SessionLost { .. }), "{error}");
        assert_eq!((error.kind(), calls), (Kind::NotFound, 1));
        let (error, calls) = upload_of_three([status(504), gone.clone()]).await;
        assert_eq!((error.kind(), calls), (Kind::Uncertain, 2));
        // The end was on its way once; that the session did not know it first says nothing.
        let (error, calls) = upload_of_three([status(504), next(0), gone]).await;
        assert_eq!((error.kind(), calls), (Kind::Uncertain, 3));
    }
    let server = Server::start([status(503), fault(404, "itemNotFound")]).await;
    let (item, _) = upload_file(&server, FILE_PIECE + 1).await;
    assert!(matches!(item.unwrap_err(), Error::SessionLost { .. }));
    // The session forgot what it had after the last piece was sent, and then it is gone.
    let forgot = [next(FILE_PIECE), status(504), next(0), status(503), status(404)];
    let server = Server::start(forgot).await;
    let (item, asked) = upload_file(&server, FILE_PIECE + 1).await;
    assert_eq!((item.unwrap_err().kind(), asked.len()), (Kind::Uncertain, 3));
}

#[tokio::test]
async fn the_ends_that_are_no_file() {
    for (answer, kind) in [
        (fault(409, "nameAlreadyExists"), Kind::Conflict),
        (fault(507, "quotaLimitReached"), Kind::Full),
        (fault(403, "quotaLimitReached"), Kind::Full),
        (fault(400, "invalidRequest"), Kind::Invalid),
        (status(200).json(json!({"nextExpectedRanges": []})), Kind::Uncertain),
        (status(201), Kind::Uncertain),
    ] {
        let (error, calls) = upload_of_three([answer]).await;
        assert_eq!((error.kind(), calls), (kind, 1), "{error}");
        assert!(!format!("{error} {error:?}").contains("tempauth"));
    }
    let server = Server::start([made()]).await;
    let (item, _) = upload_file(&server, FILE_PIECE + 1).await;
    assert!(matches!(item.unwrap_err(), Error::Malformed { .. }), "made of half of it");
    let server = Server::start([next(5)]).await;
    let (item, _) = upload_file(&server, FILE_PIECE + 1).await;
    assert!(item.is_err(), "and the script is over");
    let graph = server.graph();
    let url = server.link("/up");
    let none = graph.upload_file(&url, 0, |_, _| ready(Ok(Bytes::new())));
    assert_eq!(none.await.unwrap_err().kind(), Kind::Config);
}

#[tokio::test]
async fn a_source_that_fails_ends_the_upload() {
    let server = Server::start([]).await;
    let graph = server.graph();
    let url = server.link("/up");
    let broken = graph.upload_file(&url, 3, |_, _| ready(Err("the vault is damaged".into())));
    let error = broken.await.unwrap_err();
    assert!(
        matches!(&error, Error::Source { offset: 0, source, .. } if source.to_string() == "the vault is damaged")
    );
    assert_eq!(error.kind(), Kind::Source);
    let short = graph.upload_file(&url, 3, |_, _| ready(Ok(Bytes::from_static(b"ab"))));
    assert_eq!(short.await.unwrap_err().kind(), Kind::Source);
    assert!(server.calls().is_empty(), "no wrong byte is sent");
}
